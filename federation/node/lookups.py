"""Questions to another city about what it has on record, with a deadline; and the answers to those of others.

A question is one of a few operations that only look (``docs/agent-api.md``), asked on behalf of somebody who is logged
in here: the city that is asked checks the roles and answers from its own records. Nothing is kept of it: an answer
that does not come in time is a part that is missing, and the seat says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, NodeId
from federation.core.envelope import AnyMessage, Lookup, LookupAnswer
from federation.node.login import Actor
from federation.node.operations import OperationTable, city_silent, refusal_in, refusal_of
from federation.ports import Clock, Timer

WITHIN_S = 2.0
"""how long somebody at a seat waits for another city's part"""
LARGEST_ANSWER = 200_000
"""bytes; what is larger is no answer to a person"""

Send = Callable[[NodeId, AnyMessage, float], None]
"""Sends a command to a node, with its time to live in seconds."""
log = Logger()


class Lookups:
    """The questions of one city, and what it answers to those of others."""

    def __init__(
        self,
        city: CityId,
        clock: Clock,
        send: Send | None,
        heard_now: Callable[[CityId], bool] = lambda city: False,
    ) -> None:
        """``send``: None where there is no link, and so nobody to ask. ``heard_now``: whether a city is in sight, by
        which one that is slow is told from one that is away.
        """
        self._city = city
        self._clock = clock
        self._send = send
        self._heard_now = heard_now
        self._count = 0
        self._waiting: dict[str, tuple[Deferred[dict[str, Any]], Timer, CityId]] = {}
        self.table = OperationTable(())
        """what others may ask"""

    def ask(
        self, city: CityId, operation: str, fields: Mapping[str, Any], actor: Actor, within_s: float = WITHIN_S
    ) -> Deferred[dict[str, Any]]:
        """What ``city`` answers within ``within_s``, which is longer for what takes its time there. Errbacks with
        ``Refused``: 503 ``city-silent`` after that or without a link, ``city-slow`` after that where the city is heard
        all the same, or whatever it refuses with.
        """
        found: Deferred[dict[str, Any]] = Deferred()
        if self._send is None:
            found.errback(_silent(city))
            return found
        self._count += 1
        question = f"{self._city}-{self._count}"
        timer = self._clock.call_later(within_s, self._late, question)
        self._waiting[question] = found, timer, city
        self._send(
            NodeId(city),
            Lookup(
                question=question,
                operation=operation,
                fields=msgspec.Raw(msgspec.json.encode(fields)),
                agent=actor.agent if actor.agent is not None else AgentId(f"{actor.user}@{self._city}"),
                roles=tuple(sorted(actor.roles)),
            ),
            WITHIN_S,
        )
        return found

    def heard(self, sender: NodeId, message: Lookup | LookupAnswer) -> None:
        """A question of another city, or its answer to one of ours."""
        if isinstance(message, LookupAnswer):
            self._answered(sender, message)
        else:
            work = Deferred.fromCoroutine(self._answer(sender, message))
            work.addErrback(self._broke, sender, message.question)

    def stop(self) -> None:
        """Wait for no more answers."""
        for question in list(self._waiting):
            self._late(question)

    # ── ours ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _answered(self, sender: NodeId, message: LookupAnswer) -> None:
        waiting = self._waiting.get(message.question)
        if waiting is None or NodeId(waiting[2]) != sender:
            return  # too late, or not asked of this city
        found, timer, city = self._waiting.pop(message.question)
        if timer.active():
            timer.cancel()
        try:
            body = msgspec.json.decode(message.body, type=dict[str, Any])
            if message.status == 200:
                found.callback(body)
            else:
                found.errback(refusal_in(body["problem"], message.status))
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
            log.warn("{city} gave an answer that is none: {error}", city=city, error=error, event="lookup-malformed")
            found.errback(_silent(city))

    def _late(self, question: str) -> None:
        found, timer, city = self._waiting.pop(question)
        if timer.active():
            timer.cancel()
        found.errback(_slow(city) if self._heard_now(city) else _silent(city))

    # ── theirs ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _answer(self, sender: NodeId, message: Lookup) -> None:
        actor = Actor(
            user=message.agent, agent=message.agent, name=message.agent, roles=frozenset(message.roles), node=sender
        )
        try:
            try:
                fields = msgspec.json.decode(message.fields, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Refused(Problem("bad-request", f"问题不可用：{error}", f"no question: {error}")) from error
            body = msgspec.json.encode(await self.table.call(actor, message.operation, fields))
            if len(body) > LARGEST_ANSWER:
                raise _too_large(len(body))
        except Refused as refused:
            self._tell(sender, message.question, refused.status, msgspec.json.encode(refusal_of(refused)))
        else:
            self._tell(sender, message.question, 200, body)

    def _tell(self, to: NodeId, question: str, status: int, body: bytes) -> None:
        if self._send is not None:
            self._send(to, LookupAnswer(question=question, status=status, body=msgspec.Raw(body)), WITHIN_S)

    def _broke(self, failure: Failure, sender: NodeId, question: str) -> None:
        log.failure("the answer to {sender} failed", failure, sender=sender, event="lookup-failed")
        refused = Refused(Problem("internal", "对方内部错误", "internal error there"), status=500)
        self._tell(sender, question, 500, msgspec.json.encode(refusal_of(refused)))


def _silent(city: CityId) -> Refused:
    return city_silent(city, "显示的是本局所知，请稍后再查", "what is shown is what this city knows: look again later")


def _slow(city: CityId) -> Refused:
    return Refused(
        Problem(
            "city-slow",
            zh=f"{city} 联系得上，但没有在规定时间内答复；请再查一次",
            en=f"{city} is heard, and did not answer in time: look once more",
            place=city,
        ),
        status=503,
    )


def _too_large(size: int) -> Refused:
    return Refused(
        Problem(
            "answer-too-large",
            zh=f"结果有 {size} 字节，上限为 {LARGEST_ANSWER}；请缩小查询范围",
            en=f"the answer has {size} bytes, the limit is {LARGEST_ANSWER}: ask for less",
        ),
        status=409,
    )
