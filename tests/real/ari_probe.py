"""A few lines of ARI for tests of the machines alone: what the switch does, without the product in between."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Request, TextMessage

from simulation.machines.asterisk import AsteriskSpec


class AriProbe:
    """Registers the application, collects its events and sends requests. Everything blocks, with deadlines."""

    def __init__(self, spec: AsteriskSpec) -> None:
        self.spec = spec
        word = base64.b64encode(f"{spec.ari_user}:{spec.ari_password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._accepted = False
        self._socket = socket.create_connection((spec.ari_address, spec.ari_port), timeout=5)
        self._ws = WSConnection(ConnectionType.CLIENT)
        opening = Request(
            host=f"{spec.ari_address}:{spec.ari_port}",
            target=f"/ari/events?app={spec.application}",
            extra_headers=[(b"Authorization", f"Basic {word}".encode())],
        )
        self._socket.sendall(self._ws.send(opening))
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._until("the application", lambda: self._accepted or None, 5)

    def _read(self) -> None:
        text = ""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            self._ws.receive_data(data)
            for event in self._ws.events():
                if isinstance(event, Ping):
                    self._socket.sendall(self._ws.send(event.response()))
                elif isinstance(event, AcceptConnection):
                    with self._changed:
                        self._accepted = True
                        self._changed.notify_all()
                elif isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        with self._changed:
                            self.events.append(json.loads(text))
                            self._changed.notify_all()
                        text = ""

    def _until(self, what: str, found: Callable[[], Any], seconds: float) -> Any:
        end = time.monotonic() + seconds
        with self._changed:
            while (result := found()) is None:
                left = end - time.monotonic()
                seen = [event["type"] for event in self.events]
                assert left > 0, f"no {what} within {seconds} s; seen {seen}"
                self._changed.wait(left)
            return result

    def wait_for(self, kind: str, seconds: float = 5.0, **wanted: Any) -> dict[str, Any]:
        """The first event of this type; ``channel_id`` or ``playback_id`` narrow it."""

        def matches(event: dict[str, Any]) -> bool:
            if event["type"] != kind:
                return False
            return all(event.get(key.removesuffix("_id"), {}).get("id") == value for key, value in wanted.items())

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events if matches(event)), None)

        result: dict[str, Any] = self._until(kind, found, seconds)
        return result

    def request(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
        """Status and JSON answer of one request below ``/ari``."""
        connection = http.client.HTTPConnection(self.spec.ari_address, self.spec.ari_port, timeout=10)
        try:
            connection.request(
                method,
                f"/ari{path}?{urllib.parse.urlencode(query)}",
                body=json.dumps(body) if body is not None else None,
                headers=self._headers,
            )
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def variable(self, channel: str, name: str) -> str:
        """A channel variable or function."""
        status, answer = self.request("GET", f"/channels/{channel}/variable", variable=name)
        assert status == 200, answer
        return str(answer["value"])

    def close(self) -> None:
        """Give the application up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
