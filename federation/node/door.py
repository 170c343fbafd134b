"""The door of a node: login, sessions and operations together, below every transport.

HTTP, WebSocket and the in-memory transport all go through one ``Door``; so what is checked, answered and counted is the
same on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from federation.node.login import LONGEST_PASSWORD, Actor, Logins, not_logged_in
from federation.node.operations import OperationTable, Request, decode, json_expected, not_an_object, refusal_of
from federation.ports import Clock

_ENCODE = msgspec.json.Encoder().encode
LARGEST_REQUEST = 16_000
"""Bytes of one request body or one message; nothing that a person does is larger."""


class LoginRequest(Request, frozen=True, kw_only=True):
    """``login``. ``seat``: the phone of an agent; not needed by those who take no calls."""

    user: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PASSWORD)]
    seat: Annotated[str, msgspec.Meta(max_length=16)] = ""


class Push:
    """What live connections are told unasked: encoded once, however many they are."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: str, fields: Mapping[str, Any]) -> None:
        self.kind = kind
        self.data = _ENCODE({"push": kind, **fields})
        """JSON"""


class Listener(Protocol):
    """One live connection, as services see it."""

    def push(self, push: Push) -> None:
        """Send it. Of one kind only the newest is kept while the other side is too slow to take them."""

    def end(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Send a last push and close."""


class Attendance(Protocol):
    """What a node does as people come and go; ``SeatService`` of a city, the console of the hub."""

    def entered(self, actor: Actor, request: LoginRequest) -> dict[str, Any]:
        """Somebody has shown who they are; the result joins the answer. Raises ``Refused`` to keep them out."""

    def alone(self, actor: Actor) -> bool:
        """Whether a login ends the same user's other sessions."""

    def attach(self, actor: Actor, listener: Listener) -> dict[str, Any]:
        """A live connection begins; the result answers ``attach``."""

    def detach(self, actor: Actor, listener: Listener) -> None:
        """That connection is gone."""

    def seen(self, actor: Actor) -> None:
        """An operation was called."""

    def left(self, actor: Actor, reason: str) -> None:
        """The login session has ended."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer to a posted request: HTTP status and JSON body; ``token`` is new after a login, ``""`` when void."""

    status: int
    body: bytes
    token: str | None = None


class Door:
    """Everything between a transport and the services of one node.

    ``clock`` is the time of the people outside (see ``Logins``). ``observed(operation, slug, seconds)`` hears of every
    call, with an empty slug when it was done.
    """

    def __init__(
        self,
        node: str,
        table: OperationTable,
        logins: Logins,
        attendance: Attendance,
        clock: Clock,
        observed: Callable[[str, str, float], None] = lambda operation, slug, seconds: None,
    ) -> None:
        self.node = node
        self.clock = clock
        self.attendance = attendance
        self.table = table
        self._logins = logins
        self._observed = observed
        self._log = Logger(namespace="door")
        self.live = 0
        """live connections attached now"""
        logins.ended = attendance.left

    # ── before a body is read ───────────────────────────────────────────────────────────────────────────────────────
    def largest_body(self, operation: str, token: str | None, *, file: bool) -> int:
        """How many bytes a request may bring, by what stands before them; ``file``: they are a file as it is.

        Raises ``Refused``: 401 of a login that is none, 404 ``unknown-operation``; for a file 403 ``not-your-role`` and
        415 ``json-expected``. Roles of a form are looked at with its fields: who was refused what goes on record.
        """
        try:
            return self._largest_body(operation, token, file=file)
        except Refused as refused:
            self._observed(self._label(operation), refused.problems[0].slug, 0.0)
            raise

    def _largest_body(self, operation: str, token: str | None, *, file: bool) -> int:
        if operation == "login":
            if file:
                raise json_expected()
            return LARGEST_REQUEST
        if token is None:
            # An unknown operation is no secret, but nobody is told more than that before they log in.
            raise not_logged_in()
        actor = self._logins.actor(token)
        if not file:
            self.table.check_known(operation)
            return LARGEST_REQUEST
        self.table.check_file(actor, operation)
        return self.table.largest_file(operation)

    # ── one request ─────────────────────────────────────────────────────────────────────────────────────────────────
    def post(self, operation: str, body: bytes, token: str | None) -> Deferred[Posted]:
        """One request with a body, answered once; never errbacks. ``token`` from a header or a cookie."""
        return self.guarded(operation, lambda: self._posted(operation, body, token)).addCallback(_as_posted)

    def post_fields(self, operation: str, fields: Mapping[str, Any], token: str | None) -> Deferred[Posted]:
        """One request whose fields a transport has read itself: a file with what is told of it."""
        return self.guarded(operation, lambda: self._asked(operation, fields, token)).addCallback(_as_posted)

    async def _posted(self, operation: str, body: bytes, token: str | None) -> tuple[dict[str, Any], str | None]:
        return await self._asked(operation, read_object(body), token)

    async def _asked(
        self, operation: str, fields: Mapping[str, Any], token: str | None
    ) -> tuple[dict[str, Any], str | None]:
        if operation == "login":
            return await self._login(fields)
        if token is None:
            raise not_logged_in()
        actor = self._logins.actor(token)
        self.attendance.seen(actor)
        answer = await self.table.call(actor, operation, fields)
        return answer, None if self._logins.holds(actor) else ""

    async def _login(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        answer = await self.table.hear("login", self.table.login, self._let_in(fields))
        return answer, answer["token"]

    async def _let_in(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        request = decode(LoginRequest, fields)
        who = await self._logins.verify(request.user, request.password)
        more = self.attendance.entered(who, request)
        token, actor = self._logins.open(who, alone=self.attendance.alone(who))
        self.attendance.seen(actor)
        self._log.info("{user} logged in", user=actor.user, event="logged-in", node=self.node, login=actor.session)
        return {"token": token, "name": actor.name, "roles": sorted(actor.roles), **more}

    # ── live ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def attach(self, token: str, listener: Listener) -> tuple[Actor, dict[str, Any]]:
        """Begin a live connection. Raises ``Refused`` 401 for a token that holds no longer."""
        actor = self._logins.actor(token)
        state = self.attendance.attach(actor, listener)
        self.live += 1
        return actor, state

    def detach(self, actor: Actor, listener: Listener) -> None:
        """A live connection is gone."""
        self.live -= 1
        self.attendance.detach(actor, listener)

    async def call(self, actor: Actor, token: str, operation: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """One operation on a live connection whose ``token`` was shown when it was attached."""
        if self._logins.actor(token) != actor:
            raise not_logged_in()
        self.attendance.seen(actor)
        return await self.table.call(actor, operation, fields)

    # ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def guarded(self, operation: str, run: Callable[[], Any]) -> Deferred[Any]:
        """Run a coroutine; the result is what it returns, or a ``Refused``. What nobody foresaw is logged with its
        trace and becomes a ``Refused`` 500 ``internal``, so that a caller never waits for ever.
        """
        began = self.clock.monotonic()
        label = self._label(operation)

        def count(result: Any) -> Any:
            slug = result.problems[0].slug if isinstance(result, Refused) else ""
            self._observed(label, slug, self.clock.monotonic() - began)
            return result

        def failed(failure: Failure) -> Refused:
            if isinstance(failure.value, Refused):
                return failure.value
            self._log.failure(
                "operation {operation} broke: report this with the trace",
                failure,
                operation=label,
                event="operation-broke",
                node=self.node,
            )
            return Refused(
                Problem("internal", "内部错误，已记入日志", "internal error; it has been logged", label), status=500
            )

        return Deferred.fromCoroutine(run()).addErrback(failed).addCallback(count)

    def _label(self, operation: str) -> str:
        """Names from outside must not become label values without end."""
        return operation if operation in self.table or operation == "login" else "unknown"


def too_large(limit: int = LARGEST_REQUEST) -> Refused:
    """For a body or message over ``limit``."""
    return Refused(
        Problem(
            "request-too-large",
            zh=f"请求超过上限 {limit} 字节",
            en=f"the request is over the limit of {limit} bytes",
        ),
        status=413,
    )


def read_object(data: bytes | str) -> dict[str, Any]:
    """The JSON object in ``data``; an empty body is an empty one. Raises ``Refused`` 400, 413."""
    if len(data) > LARGEST_REQUEST:
        raise too_large()
    try:
        value = msgspec.json.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_an_object() from error
    if not isinstance(value, dict):
        raise not_an_object()
    return value


def _as_posted(result: Any) -> Posted:
    if isinstance(result, Refused):
        return Posted(result.status, msgspec.json.encode(refusal_of(result)))
    answer, token = result
    return Posted(200, msgspec.json.encode(answer), token)
