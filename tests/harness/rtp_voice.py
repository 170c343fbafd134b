"""A telephone's ear and mouth: sends a tone and digits by RTP, and measures by FFT what it hears just now."""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

import numpy as np
from twisted.internet.protocol import DatagramProtocol

RATE = 8000
FRAME = 160
FRAME_S = 0.02
LISTEN_S = 0.3
"""How far back "now" reaches."""
LEVEL = 0.3
SILENCE = 0.005
FULL_TONE = 0.17
"""Loudness of a tone that fills two thirds of the moment: one that stopped, or has just begun, is not heard "now"."""
TONE_SHARE = 0.6
"""Part of the energy that a pure tone leaves at its frequency even with some rest of speech beside it."""
PCMA, EVENT = 8, 101
EVENTS = "0123456789*#"
DIGIT_FRAMES = 6
PAUSE_FRAMES = 5


def _decoded(byte: int) -> int:
    """One A-law byte (G.711) as a 16 bit sample."""
    byte ^= 0x55
    exponent, mantissa = (byte >> 4) & 7, byte & 0x0F
    size = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return size if byte & 0x80 else -size


DECODE = np.array([_decoded(byte) for byte in range(256)], dtype=np.int32)
_ORDER = np.argsort(DECODE)
_SORTED = DECODE[_ORDER]


def encoded(samples: Any) -> bytes:
    """16 bit samples in A-law: the nearest of the 256 values."""
    right = np.clip(np.searchsorted(_SORTED, samples), 1, 255)
    nearer = np.abs(_SORTED[right - 1] - samples) <= np.abs(_SORTED[right] - samples)
    return bytes(_ORDER[np.where(nearer, right - 1, right)].astype(np.uint8))


class Voice(DatagramProtocol):
    """One RTP stream both ways. ``tone_hz`` is sent as long as the stream lives, except while a digit is sent."""

    transport: Any

    def __init__(self, reactor: Any, tone_hz: float) -> None:
        self.reactor = reactor
        self.tone_hz = tone_hz
        self.broken = False
        """the far end's port is closed: there is nobody any more"""
        self._heard: deque[tuple[float, bytes]] = deque(maxlen=100)
        self._kept: list[bytes] = []
        self._digits: deque[str] = deque()
        self._event_frame = 0
        self._frames = 0
        self._sequence = 0
        self._timer: Any = None
        self._far: tuple[str, int] | None = None
        self._next_at = 0.0
        self._closing = False

    def open(self, address: str) -> int:
        """Listen; the port."""
        port = self.reactor.listenUDP(0, self, interface=address)
        return int(port.getHost().port)

    def talk_to(self, far: tuple[str, int]) -> None:
        """Begin to send."""
        if self._far is None:
            self._far = far
            self.transport.connect(*far)
            self._next_at = self.reactor.seconds()
            self._tick()

    def close(self) -> None:
        self._closing = True
        self._be_silent()
        if self.transport is not None:
            self.transport.stopListening()
            self.transport = None

    def _be_silent(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def press(self, digits: str) -> None:
        """Send digits as RFC 4733 events, 120 ms each, with 100 ms between them."""
        self._digits.extend(digits)

    def _tick(self) -> None:
        # Frames are sent on a fixed grid; after a pause of the test's own, what is due is not sent in a heap.
        now = self.reactor.seconds()
        self._send_frame()
        if self.broken or self._closing:
            return
        self._next_at = max(self._next_at + FRAME_S, now)
        self._timer = self.reactor.callLater(max(0.0, self._next_at - now), self._tick)

    def _send_frame(self) -> None:
        self._sequence += 1
        self._frames += 1
        if self._digits:
            self._send_event()
            return
        start = self._frames * FRAME
        wave = np.sin(2 * np.pi * self.tone_hz * np.arange(start, start + FRAME) / RATE)
        self._send(PCMA, start, encoded((wave * LEVEL * 32767).astype(np.int32)))

    def _send_event(self) -> None:
        frame = self._event_frame
        if frame < DIGIT_FRAMES + 3:
            over = frame >= DIGIT_FRAMES
            duration = min(frame + 1, DIGIT_FRAMES) * FRAME
            payload = struct.pack("!BBH", EVENTS.index(self._digits[0]), (0x80 if over else 0) | 10, duration)
            began = (self._frames - frame) * FRAME
            self._send(EVENT, began, payload, marker=frame == 0)
        self._event_frame += 1
        if self._event_frame >= DIGIT_FRAMES + 3 + PAUSE_FRAMES:
            self._event_frame = 0
            self._digits.popleft()

    def _send(self, kind: int, timestamp: int, payload: bytes, *, marker: bool = False) -> None:
        header = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence & 0xFFFF, timestamp, id(self) & 0xFFFFFFFF
        )
        if self.transport is not None:
            self.transport.write(header + payload)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: N802
        if len(datagram) > 12 and datagram[1] & 0x7F == PCMA:
            self._heard.append((self.reactor.seconds(), datagram[12:]))
            self._kept.append(datagram[12:])

    def connectionRefused(self) -> None:  # noqa: N802
        self.broken = True

    def stopProtocol(self) -> None:  # noqa: N802
        # The epoll reactor closes a socket whose far end refuses before it asks why.
        self.broken = self.broken or not self._closing
        self._be_silent()  # whoever holds the telephone may never ask whether the call is over

    def hearing(self) -> Any:
        """The samples of the last moment, from -1 to 1; what did not come is silence."""
        since = self.reactor.seconds() - LISTEN_S
        recent = b"".join(payload for at, payload in self._heard if at >= since)
        samples = DECODE[np.frombuffer(recent, dtype=np.uint8)] / 32768.0
        missing = int(LISTEN_S * RATE) - len(samples)
        return np.concatenate([np.zeros(missing), samples]) if missing > 0 else samples

    def recording(self) -> Any:
        """All samples since the call began, from -1 to 1."""
        return DECODE[np.frombuffer(b"".join(self._kept), dtype=np.uint8)] / 32768.0

    def loudness(self) -> float:
        """Root mean square of the last moment; 0.21 is a phone's own tone at full length."""
        samples = self.hearing()
        return float(np.sqrt(np.mean(samples**2)))

    def share_of(self, hertz: float) -> float:
        """Which part of the energy of the last moment lies within 15 Hz of a frequency."""
        samples = self.hearing()
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
        frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
        total = float(spectrum.sum())
        return float(spectrum[np.abs(frequencies - hertz) <= 15].sum()) / total if total else 0.0

    def hears_tone(self, hertz: float) -> bool:
        """Whether a phone's tone, and not much else, is heard now, as loud as it is sent."""
        return self.loudness() > FULL_TONE and self.share_of(hertz) > TONE_SHARE

    @property
    def silent(self) -> bool:
        """Whether nothing is heard now."""
        return self.loudness() <= SILENCE
