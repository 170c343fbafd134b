"""Finds recorded words in what a telephone heard, by cross-correlation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from wave import open as open_wave

import numpy as np

ALIKE = 0.95
"""normalised correlation from which on a word counts as heard: A-law leaves 0.999, another word of that voice is
seen to come to 0.75"""
CUT_OFF = 800
"""samples of the last word that a switch may not send any more: each recorded word ends with 0.08 s of silence"""
OVERLAP = 400
"""samples by which a word may seem to begin before the one before it ends: silence around it was trimmed"""


def samples_of(file: Path) -> Any:
    """A recorded word at 8 kHz, from -1 to 1."""
    with open_wave(str(file)) as wave:
        return np.frombuffer(wave.readframes(wave.getnframes()), dtype="<i2") / 32768.0


def likeness(heard: Any, word: Any) -> Any:
    """Normalised correlation of ``word`` with ``heard``, beginning at each sample; 1 where it was said exactly so."""
    size = len(heard) + len(word)
    raw = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(word, size)), size)[: len(heard) - len(word) + 1]
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    around = energy[len(word) :] - energy[: -len(word)]
    return raw / np.sqrt(np.maximum(around * float(np.sum(word**2)), 1e-9))


def missing_word(heard: Any, said: Iterable[str], words: Mapping[str, Any]) -> str | None:
    """The first of the words ``said``, in their order, that does not follow in ``heard``; None when all do."""
    place = 0
    heard = np.concatenate([heard, np.zeros(CUT_OFF)])
    for name in said:
        word = words[name]
        rest = heard[place:]
        if len(rest) < len(word):
            return name
        alike = likeness(rest, word)
        found = np.flatnonzero(alike >= ALIKE)
        if not len(found):
            return name
        near = alike[found[0] : found[0] + len(word)]  # the best of the first place that is good enough
        place = max(0, place + int(found[0] + np.argmax(near)) + len(word) - OVERLAP)
    return None
