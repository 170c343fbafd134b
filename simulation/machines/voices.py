"""What people of ``yht up`` say on the telephone: sentences read by espeak-ng, rendered once, as SIPp sends them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from simulation.machines.places import cache_dir
from simulation.machines.prompts import pinyin_of, speak
from simulation.machines.sipp import alaw
from simulation.machines.tones import RATE, read_wav

PAUSE_S = 2.0
"""Silence before the sentence comes again."""


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence in one voice."""

    name: str
    voice: str
    text: str


CUSTOMER_CALLED = Line("called", "cmn-latn-pinyin+f2", "喂，您好，我就是。请讲。")
CUSTOMER_CALLING = Line("calling", "cmn-latn-pinyin+m3", "您好，我想请您帮我查一下。")
AGENT = Line("agent", "cmn-latn-pinyin+f4", "您好，一号通为您服务。")


def spoken(line: Line) -> Path:
    """The sentence and a pause as 8 kHz A-law."""
    mark = hashlib.sha256(f"{line.voice}\0{line.text}\0{PAUSE_S}".encode()).hexdigest()[:12]
    done = cache_dir() / "voices" / f"{line.name}-{mark}.alaw"
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        read = done.with_suffix(".wav")
        speak(line.voice, pinyin_of(line.text), read)
        samples = [*read_wav(read).samples, *[0] * int(PAUSE_S * RATE)]
        written = done.with_suffix(".part")
        written.write_bytes(bytes(alaw(sample) for sample in samples))
        written.rename(done)
    return done
