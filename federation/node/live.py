"""A live connection, whatever carries its bytes: requests with numbers, answers to them, and pushes.

``{"id": 7, "op": "ready"}`` → ``{"re": 7, "ok": {...}}`` or ``{"re": 7, "status": 409, "problem": {...}}``;
``{"push": "state", ...}`` at any time. The first message is ``attach`` with the token of the login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dataset.errors import Problem, Refused
from federation.node.door import Door, Push, read_object
from federation.node.login import Actor
from federation.node.operations import refusal_of
from federation.ports import Timer

_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What one connection may ask of a node."""

    attach_within_s: float = 10.0
    """silent strangers are shown out after this"""
    per_second: float = 50.0
    burst: float = 100.0
    at_once: int = 32
    """operations that may be under way at the same time"""
    held_bytes: int = 256_000
    """answers kept for a reader that is too slow; more than this ends the connection"""


class LiveConnection:
    """One live connection on the node's side. ``send`` and ``close(code, reason)`` belong to the transport; ``close``
    codes are those of WebSocket (RFC 6455, 7.4): 1008 policy, 1009 too large, 1013 try again, 4401 not logged in.
    """

    def __init__(
        self,
        door: Door,
        send: Callable[[bytes], None],
        close: Callable[[int, str], None],
        limits: LiveLimits | None = None,
    ) -> None:
        self._door = door
        self._send = send
        self._close = close
        self._limits = limits or LiveLimits()
        self._actor: Actor | None = None
        self._token = ""
        self._open = True
        self._busy = 0
        self._tokens = self._limits.burst
        self._filled = door.clock.monotonic()
        self._paused = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._newest: dict[str, bytes] = {}
        self._timer: Timer | None = door.clock.call_later(self._limits.attach_within_s, self._too_late)

    # ── from the transport ──────────────────────────────────────────────────────────────────────────────────────────
    def received(self, data: bytes | str) -> None:
        """One whole message."""
        if not self._open:
            return
        number: Any = None
        try:
            message = read_object(data)
            number = message.pop("id", None)
            operation = message.pop("op", None)
            if type(number) is not int or not 0 <= number < 2**53:
                number = None
                raise _bad("id", "应为非负整数", "a whole number from 0 is expected")
            if not isinstance(operation, str):
                raise _bad("op", "应为操作名", "the name of an operation is expected")
            self._admit()
        except Refused as refused:
            self._refuse(number, refused)
            if refused.status == 413:
                self._shut(1009, "too large")
            return
        if self._actor is None:
            self._attach(number, operation, message)
        else:
            self._run(self._actor, number, operation, message)

    def lost(self) -> None:
        """The transport is gone."""
        if self._open:
            self._open = False
            self._leave()

    def paused(self) -> None:
        """The other side takes nothing at the moment: hold answers, keep the newest push of each kind."""
        self._paused = True

    def resumed(self) -> None:
        """It takes again."""
        self._paused = False
        held, self._held, self._held_bytes = [*self._held, *self._newest.values()], [], 0
        self._newest.clear()
        for at, data in enumerate(held):
            if self._paused:  # sending filled it up again
                self._hold_all(held[at:])
                return
            if self._open:
                self._send(data)

    # ── from the services (Listener) ────────────────────────────────────────────────────────────────────────────────
    def push(self, push: Push) -> None:
        """Send a push; while the other side is too slow only the newest of a kind is kept."""
        if not self._open:
            return
        if self._paused:
            self._newest[push.kind] = push.data
        else:
            self._send(push.data)

    def end(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Send a last push and close."""
        if self._open:
            self._send(Push(kind, fields).data)
            self._shut(1000, kind)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _attach(self, number: int, operation: str, fields: dict[str, Any]) -> None:
        token = fields.get("token")
        try:
            if operation != "attach" or not isinstance(token, str) or len(fields) != 1:
                raise Refused(
                    Problem(
                        "attach-first",
                        zh='第一条消息应为 {"id": 1, "op": "attach", "token": "…"}',
                        en='the first message must be {"id": 1, "op": "attach", "token": "…"}',
                        place="op",
                    ),
                    status=401,
                )
            self._actor, state = self._door.attach(token, self)
        except Refused as refused:
            self._refuse(number, refused)
            self._shut(4401 if refused.status == 401 else 1008, refused.problems[0].slug)
            return
        self._token = token
        self._disarm()
        self._answer(_ENCODE({"re": number, "ok": state}))

    def _run(self, actor: Actor, number: int, operation: str, fields: dict[str, Any]) -> None:
        self._busy += 1

        def done(result: Any) -> None:
            self._busy -= 1
            if isinstance(result, Refused):
                self._refuse(number, result)
                if result.status == 401 and result.problems[0].slug == "not-logged-in":
                    self._shut(4401, "not logged in")
            else:
                self._answer(_ENCODE({"re": number, "ok": result}))

        self._door.guarded(operation, lambda: self._door.call(actor, self._token, operation, fields)).addCallback(done)

    def _admit(self) -> None:
        """A token bucket, and a bound on what is under way."""
        now = self._door.clock.monotonic()
        self._tokens = min(self._limits.burst, self._tokens + (now - self._filled) * self._limits.per_second)
        self._filled = now
        if self._tokens < 1 or self._busy >= self._limits.at_once:
            raise Refused(
                Problem("too-many-requests", "请求过于频繁，请放慢", "too many requests; slow down"), status=429
            )
        self._tokens -= 1

    def _refuse(self, number: int | None, refused: Refused) -> None:
        self._answer(_ENCODE({"re": number, "status": refused.status, **refusal_of(refused)}))

    def _answer(self, data: bytes) -> None:
        if not self._open:
            return
        if self._paused:
            self._hold_all([data])
        else:
            self._send(data)

    def _hold_all(self, messages: list[bytes]) -> None:
        self._held += messages
        self._held_bytes += sum(len(data) for data in messages)
        if self._held_bytes > self._limits.held_bytes:
            self._shut(1013, "too slow")

    def _too_late(self) -> None:
        self._timer = None
        self._shut(4401, "nobody attached")

    def _shut(self, code: int, reason: str) -> None:
        if self._open:
            self._open = False
            self._leave()
            self._close(code, reason)

    def _leave(self) -> None:
        self._disarm()
        self._held.clear()
        self._newest.clear()
        if self._actor is not None:
            self._door.detach(self._actor, self)

    def _disarm(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def _bad(place: str, zh: str, en: str) -> Refused:
    return Refused(Problem("bad-request", zh, en, place))
