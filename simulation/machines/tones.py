"""Tones made and measured with nothing but the standard library: 8 kHz, 16 bit, mono unless said otherwise."""

from __future__ import annotations

import array
import math
import sys
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RATE = 8000
FULL_SCALE = 32767.0


def sine(hertz: float, seconds: float, level: float = 0.3, rate: int = RATE) -> list[int]:
    """Samples of one tone; ``level`` is the amplitude as a part of full scale."""
    step = 2 * math.pi * hertz / rate
    return [int(level * FULL_SCALE * math.sin(step * n)) for n in range(int(seconds * rate))]


def write_wav(path: Path, samples: Iterable[int], rate: int = RATE) -> Path:
    """A mono 16 bit wav file."""
    data = array.array("h", samples)
    if sys.byteorder == "big":
        data.byteswap()
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(data.tobytes())
    return path


@dataclass(frozen=True, slots=True)
class Sound:
    """Recorded samples."""

    rate: int
    samples: Sequence[int]

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    def part(self, start: float, seconds: float) -> Sound:
        """The samples from ``start`` (seconds; negative counts from the end) on."""
        first = int(start * self.rate) if start >= 0 else max(0, len(self.samples) + int(start * self.rate))
        return Sound(self.rate, self.samples[first : first + int(seconds * self.rate)])

    def level(self, hertz: float) -> float:
        """Amplitude of one frequency as a part of full scale (Goertzel, the whole sound as one window)."""
        count = len(self.samples)
        if not count:
            return 0.0
        coefficient = 2 * math.cos(2 * math.pi * hertz / self.rate)
        before = last = 0.0
        for sample in self.samples:
            before, last = last, sample + coefficient * last - before
        power = last * last + before * before - coefficient * last * before
        return 2 * math.sqrt(max(power, 0.0)) / count / FULL_SCALE

    def loudest(self, candidates: Sequence[float]) -> float:
        """Which of the candidate frequencies is loudest."""
        return max(candidates, key=self.level)


def read_wav(path: Path) -> Sound:
    """A 16 bit wav file; of several channels the first. A file still being written is read as far as it goes."""
    raw = path.read_bytes()
    if raw[:4] != b"RIFF":
        return Sound(RATE, ())
    channels = int.from_bytes(raw[22:24], "little")
    rate = int.from_bytes(raw[24:28], "little")
    start = raw.find(b"data", 12)
    body = raw[start + 8 :] if start >= 0 else b""
    data = array.array("h", body[: len(body) // 2 * 2])
    if sys.byteorder == "big":
        data.byteswap()
    return Sound(rate, data[::channels] if channels > 1 else data)
