"""Browsers of ``bench.fanout``: sockets that speak just enough WebSocket to attach, and count what comes.

While a turn is timed they only wait until the kernel has something for each of them, and read it afterwards: reading
500 sockets takes a Python process as long as writing them takes a server, and would be measured instead of it.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import struct
import time
from collections.abc import Sequence

import msgspec

WITHIN_S = 60.0
QUIET_S = 0.1
MANY = 4096
"""events in one answer of epoll"""
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

    @property
    def unfinished(self) -> bool:
        """Whether the rest of a frame is still to come."""
        return bool(self._data)

    def read(self) -> None:
        """Take what has come, if anything has."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
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
        self._poll = select.epoll()
        for browser in self.browsers:
            browser.socket.setblocking(False)
            self._poll.register(browser.socket.fileno(), select.EPOLLIN | select.EPOLLET)

    def wait(self) -> None:
        """Until something has come for each since the last ``take``. Raises ``TimeoutError``."""
        missing = {browser.socket.fileno() for browser in self.browsers}
        until = time.monotonic() + WITHIN_S
        while missing:
            ready = self._poll.poll(max(0.0, until - time.monotonic()), MANY)
            if not ready and time.monotonic() >= until:
                raise TimeoutError(f"{len(missing)} browsers wait for a message after {WITHIN_S:.0f} s")
            missing.difference_update([number for number, _ in ready])

    def take(self) -> None:
        """Read what has come: one whole message each. Raises ``RuntimeError`` when it is anything else."""
        wrong = 0
        for browser in self.browsers:
            browser.read()
            wrong += browser.frames != 1 or browser.unfinished
            browser.frames = 0
        if wrong:
            raise RuntimeError(f"{wrong} browsers have not got one whole message in this turn")

    @property
    def bytes(self) -> int:
        """All that has come, heads included."""
        return sum(browser.bytes for browser in self.browsers)

    def quiet(self) -> None:
        """Forget what has come so far, once nothing more comes."""
        number = {browser.socket.fileno(): browser for browser in self.browsers}
        while ready := self._poll.poll(QUIET_S, MANY):
            for one, _ in ready:
                number[one].read()
        for browser in self.browsers:
            browser.frames = 0
