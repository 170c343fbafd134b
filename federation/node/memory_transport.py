"""The door of a node without a network: the same bytes, checks and answers, carried by a clock.

Simulated agents and load tests use it, on virtual time as on real. Each message crosses in a call of its own, never
inside the caller's; in each direction they keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail

from dataset.errors import Problem, Refused
from federation.node.door import Door, Posted
from federation.node.live import LiveConnection, LiveLimits
from federation.node.operations import refusal_in
from federation.ports import Clock

_ENCODE = msgspec.json.Encoder().encode


class MemoryDoor:
    """Opens connections to a node's door. ``delay_s``: how long each message takes, each way."""

    def __init__(self, door: Door, clock: Clock, *, delay_s: float = 0.0, limits: LiveLimits | None = None) -> None:
        self._door = door
        self._clock = clock
        self._delay_s = delay_s
        self._limits = limits

    def post(self, operation: str, body: bytes, token: str | None = None) -> Deferred[Posted]:
        """What HTTP's POST does; never errbacks."""
        there: Deferred[Posted] = Deferred()

        def back(posted: Posted) -> None:
            self._clock.call_later(self._delay_s, there.callback, posted)

        def arrive() -> None:
            self._door.post(operation, body, token).addCallback(back)

        self._clock.call_later(self._delay_s, arrive)
        return there

    def upload(self, operation: str, fields: Mapping[str, Any], token: str) -> Deferred[dict[str, Any]]:
        """What HTTP's POST of a file does, its bytes as ``content``; errbacks with ``Refused``."""
        there: Deferred[Posted] = Deferred()

        def back(posted: Posted) -> None:
            self._clock.call_later(self._delay_s, there.callback, posted)

        def arrive() -> None:
            self._door.post_fields(operation, fields, token).addCallback(back)

        self._clock.call_later(self._delay_s, arrive)
        return there.addCallback(_answer_in)

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        """Log in; fires with the answer, ``token`` in it. Errbacks with ``Refused``."""
        body = _ENCODE({"user": user, "password": password, **({"seat": seat} if seat else {})})
        return self.post("login", body).addCallback(_answer_in)

    def open(self) -> ClientEnd:
        """A new live connection; its first ``send`` must be ``attach``."""
        return ClientEnd(self._door, self._clock, self._delay_s, self._limits)


def _answer_in(posted: Posted) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(posted.body)
    if posted.status != 200:
        raise refusal_in(answer["problem"], posted.status)
    return answer


class ClientEnd:
    """The far end of a live connection in memory."""

    def __init__(self, door: Door, clock: Clock, delay_s: float, limits: LiveLimits | None) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._number = 0
        self._waiting: dict[int, Deferred[dict[str, Any]]] = {}
        self._pushed: list[Callable[[dict[str, Any]], None]] = []
        self._closed: list[Callable[[int, str], None]] = []
        self._unasked: list[Callable[[dict[str, Any]], None]] = []
        self._open = True
        self._node = LiveConnection(door, self._towards_us, self._closing, limits)

    def send(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """Ask for an operation; fires with ``ok``, errbacks with ``Refused`` (503 ``connection-closed`` at the end)."""
        if not self._open:
            return fail(_closed())
        self._number += 1
        answer: Deferred[dict[str, Any]] = Deferred()
        self._waiting[self._number] = answer
        self.send_bytes(_ENCODE({"id": self._number, "op": op, **fields}))
        return answer

    def send_bytes(self, data: bytes) -> None:
        """Send one message as it is, right or wrong."""
        if self._open:
            self._clock.call_later(self._delay_s, self._node.received, data)

    def on_push(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Hear every push; ``callback`` gets the whole message."""
        self._pushed.append(callback)

    def on_close(self, callback: Callable[[int, str], None]) -> None:
        """Hear the node close the connection, with its code and reason."""
        self._closed.append(callback)

    def on_unasked(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Hear answers that belong to no ``send`` (what ``send_bytes`` got itself)."""
        self._unasked.append(callback)

    def slow(self, now: bool) -> None:
        """Begin (True) or end taking nothing from the node, as a reader that is too slow."""
        if now:
            self._node.paused()
        else:
            self._node.resumed()

    def close(self) -> None:
        """Go away, as a browser does."""
        if self._open:
            self._open = False
            self._clock.call_later(self._delay_s, self._node.lost)
            self._fail_waiting()

    def break_off(self) -> None:
        """The node's process is gone, and its machine closes what it had open."""
        self._closing(1006, "the node's process is gone")

    @property
    def is_open(self) -> bool:
        """Whether neither end has closed."""
        return self._open

    def _towards_us(self, data: bytes) -> None:
        self._clock.call_later(self._delay_s, self._received, data)

    def _closing(self, code: int, reason: str) -> None:
        self._clock.call_later(self._delay_s, self._node_closed, code, reason)

    def _received(self, data: bytes) -> None:
        if not self._open:
            return
        message: dict[str, Any] = msgspec.json.decode(data)
        if "push" in message:
            for callback in list(self._pushed):
                callback(message)
            return
        waiting = self._waiting.pop(message["re"], None)
        if waiting is None:
            for callback in list(self._unasked):
                callback(message)
            return
        if "ok" in message:
            waiting.callback(message["ok"])
        else:
            waiting.errback(refusal_in(message["problem"], message["status"]))

    def _node_closed(self, code: int, reason: str) -> None:
        if self._open:
            self._open = False
            self._fail_waiting()
            for callback in list(self._closed):
                callback(code, reason)

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.errback(_closed())


def _closed() -> Refused:
    return Refused(Problem("connection-closed", "连接已断开", "the connection is closed"), status=503)
