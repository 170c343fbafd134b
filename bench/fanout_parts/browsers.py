"""Browsers of ``bench.fanout``: sockets that speak just enough WebSocket to attach, and count what comes."""

from __future__ import annotations

import base64
import os
import selectors
import socket
import struct
import time
from collections.abc import Sequence

import msgspec

WITHIN_S = 60.0
_CHUNK = 1 << 18


class Browser:
    """One connection; counts whole frames."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self.frames = 0
        self.bytes = 0
        self._data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(_CHUNK)
            if not more:
                raise ConnectionError(f"no WebSocket at {path}: {answer!r}")
            answer += more
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            raise ConnectionError(f"no WebSocket at {path}: {answer!r}")
        self._count(answer.partition(b"\r\n\r\n")[2])

    def attach(self, token: str) -> None:
        """Say who is here, and wait for the answer."""
        data = msgspec.json.encode({"id": 1, "op": "attach", "token": token})
        self.socket.sendall(b"\x81" + bytes((0x80 | len(data),)) + bytes(4) + data)  # masked by nothing
        before = self.frames
        while self.frames == before:
            self.read()

    def read(self) -> None:
        """Take what has come."""
        data = self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server hung up")
        self._count(data)

    def _count(self, data: bytes) -> None:
        self.bytes += len(data)
        data = self._data + data if self._data else data
        at = 0
        while len(data) >= at + 2:
            size, head = data[at + 1] & 0x7F, 2
            if size == 126:
                if len(data) < at + 4:
                    break
                (size,), head = struct.unpack_from("!H", data, at + 2), 4
            elif size == 127:
                if len(data) < at + 10:
                    break
                (size,), head = struct.unpack_from("!Q", data, at + 2), 10
            if len(data) < at + head + size:
                break
            if data[at] in (0x81, 0x82):  # a text or binary message; pings are not counted
                self.frames += 1
            elif data[at] == 0x89:  # a ping, which wants an answer
                self.socket.sendall(b"\x8a\x80" + bytes(4))
            at += head + size
        self._data = data[at:]


class Room:
    """All of them."""

    def __init__(self, port: int, path: str, count: int, tokens: Sequence[str]) -> None:
        self.browsers = [Browser(port, path) for _ in range(count)]
        for browser, token in zip(self.browsers, tokens, strict=False):
            browser.attach(token)
        self._selector = selectors.DefaultSelector()
        for browser in self.browsers:
            browser.socket.setblocking(False)
            self._selector.register(browser.socket, selectors.EVENT_READ, browser)

    def wait(self, frames: int) -> None:
        """Until each has had so many frames since the last ``wait``. Raises ``TimeoutError``."""
        missing = {browser for browser in self.browsers if browser.frames < frames}
        until = time.monotonic() + WITHIN_S
        while missing:
            ready = self._selector.select(until - time.monotonic())
            if not ready and time.monotonic() >= until:
                raise TimeoutError(f"{len(missing)} browsers wait for a message after {WITHIN_S:.0f} s")
            for key, _ in ready:
                key.data.read()
                if key.data.frames >= frames:
                    missing.discard(key.data)
        for browser in self.browsers:
            browser.frames -= frames

    @property
    def bytes(self) -> int:
        """All that has come, heads included."""
        return sum(browser.bytes for browser in self.browsers)

    def quiet(self) -> None:
        """Forget what has come so far, once nothing more comes."""
        while ready := self._selector.select(0.3):
            for key, _ in ready:
                key.data.read()
        for browser in self.browsers:
            browser.frames = 0
