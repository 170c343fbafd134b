"""A TCP wire between browser and server that a test can cut, hold and mend."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Wire:
    """Forwards ``port`` to ``target``. ``cut``: connections break and new ones are refused; ``hold``: connections stay
    but nothing passes any more, as on a dead line; ``mend``: new connections pass again, held ones are broken.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._pairs: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._passing = threading.Event()
        self._passing.set()
        self._open = True
        self._closed = False
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._open = False
        self._break_all()

    def hold(self) -> None:
        """Let nothing pass, without a word to either side."""
        self._passing.clear()

    def mend(self) -> None:
        """Pass again. What was held has been lost, so those connections are broken."""
        self._break_all()
        self._passing.set()
        self._open = True

    def close(self) -> None:
        """End the wire for good."""
        self._closed = True
        self._door.close()
        self._passing.set()
        self._break_all()

    def _break_all(self) -> None:
        with self._lock:
            ends, self._pairs = self._pairs, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if not self._open:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._pairs.discard(end)
            end.close()
