"""Copies of what other cities publish: a hub has the province's, from the cities; a city has the others', from a hub.

One question at a time is open, and the next one waits as long as the answer has cost of the line, so that copies
never hold up what is live (S4) and need no room (``docs/decisions/public-copy.md``). The rules are in
``federation.core.public_copy``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.pages import Span
from dataset.puts import Cursor, Put
from dataset.tables import Record
from federation.core.envelope import AnyMessage, CopyAsked, CopyTold
from federation.core.public_copy import (
    MOST_COMPARED,
    PUBLIC_TABLES,
    Position,
    PublicTable,
    Round,
    differences,
    mark_of,
    told,
)
from federation.ports import Clock, Store, Timer

ANSWER_S = 10.0
"""without an answer for so long, somebody else is asked first"""
PAUSE_S = 0.1
"""between two questions, at least"""
REST_S = 60.0
"""between two rounds over one table of one city, and before a silent one is asked again"""
BYTES_PER_S = 30_000.0
"""of records taken in, in the long run: a quarter of the ledger's pace"""

Send = Callable[[NodeId, AnyMessage, float], None]
"""Sends behind what is live, with a time to live in seconds."""
Source = Callable[[], NodeId | None]
"""whom to ask now"""
log = Logger()


@dataclass(slots=True)
class _Followed:
    """One table of one city."""

    name: str
    city: CityId
    round: Round | None = None
    """None until the cursor is read"""
    rests_until: float = -inf

    @property
    def public(self) -> PublicTable:
        return PUBLIC_TABLES[self.name]

    @property
    def cursor(self) -> str:
        return f"public copy of {self.name} of {self.city}"


@dataclass(frozen=True, slots=True)
class _Open:
    """The question that is open."""

    question: str
    asked: NodeId
    of: _Followed
    round: Round
    before: Position
    own: Sequence[Record] = field(repr=False)
    timer: Timer


class PublicCopies:
    """Of one node. ``own``: the city whose records it has itself; ``follows``: whom it asks about each other city."""

    def __init__(
        self,
        node: NodeId,
        store: Store,
        clock: Clock,
        send: Send,
        *,
        own: CityId | None,
        follows: Mapping[CityId, Source],
    ) -> None:
        self._node = node
        self._store = store
        self._clock = clock
        self._send = send
        self._own = own
        self._sources = dict(follows)
        self._followed = [_Followed(name, city) for name in PUBLIC_TABLES for city in follows if city != own]
        self._count = 0
        self._open: _Open | None = None
        self._timer: Timer | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin where the last run left off."""
        work = Deferred.fromCoroutine(self._begin())
        work.addErrback(self._broke, "the cursors")

    def stop(self) -> None:
        """Ask and answer nothing more."""
        self._stopped = True
        for timer in (self._timer, self._open.timer if self._open is not None else None):
            if timer is not None and timer.active():
                timer.cancel()
        self._open = None

    def as_of(self, name: str, city: CityId) -> float | None:
        """How new the copy of ``city`` is at least (seconds since 1970, UTC); None: there is no whole one."""
        found = next((one for one in self._followed if (one.name, one.city) == (name, city)), None)
        return found.round.done if found is not None and found.round is not None else None

    def ages_s(self) -> dict[tuple[str, str], float]:
        """The age of every whole copy, by table and city."""
        now = self._clock.wall()
        whole = ((one, one.round.done) for one in self._followed if one.round is not None)
        return {(one.name, one.city): max(0.0, now - done) for one, done in whole if done is not None}

    def heard(self, sender: NodeId, message: CopyAsked | CopyTold) -> None:
        """A question of another node, or the answer to the one that is open."""
        if self._stopped:
            return
        if isinstance(message, CopyAsked):
            work = Deferred.fromCoroutine(self._answer(sender, message))
            work.addErrback(self._broke, f"the answer to {sender}")
            return
        waiting = self._open
        if waiting is None or (waiting.question, waiting.asked) != (message.question, sender):
            return  # too late
        self._open = None
        if waiting.timer.active():
            waiting.timer.cancel()
        work = Deferred.fromCoroutine(self._take(waiting, message))
        work.addErrback(self._failed, waiting.of)

    # ── asked ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _answer(self, sender: NodeId, ask: CopyAsked) -> None:
        public = PUBLIC_TABLES.get(ask.table)
        as_of = self._clock.wall() if ask.city == self._own else self.as_of(ask.table, ask.city)
        answer = CopyTold(question=ask.question, as_of=None)
        if public is not None and as_of is not None:
            found = await stretch(self._store, public, ask.city, ask.since, ask.before)
            if found is not None:
                answer = _told(public, ask, found, as_of)
        if not self._stopped:
            self._send(sender, answer, ANSWER_S)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _begin(self) -> None:
        for one in self._followed:
            kept = await self._store.cursor(one.cursor)
            try:
                one.round = msgspec.json.decode(kept, type=Round) if kept is not None else Round()
            except msgspec.MsgspecError:
                one.round = Round()  # of another version: everything is compared anew
        self._later(PAUSE_S)

    def _later(self, delay_s: float) -> None:
        if not self._stopped:
            self._timer = self._clock.call_later(delay_s, self._turn)

    def _turn(self) -> None:
        """Whoever has waited longest is asked about next."""
        if not self._followed or self._stopped:
            return
        now = self._clock.monotonic()
        one = min(self._followed, key=lambda each: each.rests_until)
        if one.rests_until > now:
            self._later(one.rests_until - now)
            return
        one.rests_until = now
        work = Deferred.fromCoroutine(self._ask(one))
        work.addErrback(self._failed, one)

    async def _ask(self, one: _Followed) -> None:
        source, at = self._sources[one.city](), one.round or Round()
        found = await stretch(self._store, one.public, one.city, at.since, ()) if source is not None else None
        if self._stopped:
            return
        if source is None or found is None:
            self._rest(one)
            return
        own, before = found
        self._count += 1
        question = f"{self._node}-{self._count}"
        timer = self._clock.call_later(ANSWER_S, self._late, question)
        self._open = _Open(question, source, one, at, before, own, timer)
        ask = CopyAsked(
            question=question, table=one.name, city=one.city, since=at.since, before=before, mark=mark_of(own)
        )
        self._send(source, ask, ANSWER_S)

    def _late(self, question: str) -> None:
        if self._open is not None and self._open.question == question:
            one, self._open = self._open.of, None
            self._rest(one)

    def _rest(self, one: _Followed) -> None:
        one.rests_until = self._clock.monotonic() + REST_S
        self._later(PAUSE_S)

    async def _take(self, asked: _Open, answer: CopyTold) -> None:
        one, public = asked.of, asked.of.public
        if answer.as_of is None:
            self._rest(one)  # the other has no whole copy yet
            return
        before, puts = asked.before, list[Put]()
        if not answer.same:
            there = _checked(public, one.city, asked, answer)
            if there is None:
                log.warn("{node} told a copy that is none", node=asked.asked, event="copy-malformed")
                self._rest(one)
                return
            before = answer.before
            own = [record for record in asked.own if not before or public.position(record) < before]
            puts = await self._puts(public, own, there)
        at = asked.round.on(before, answer.as_of)
        if puts or not before:
            await self._store.put(puts, Cursor(one.cursor, msgspec.json.encode(at).decode()))
        if self._stopped:
            return
        if not before:
            self._complete(one, at)
        one.round = at
        self._later(max(PAUSE_S, sum(map(len, answer.records)) / BYTES_PER_S))

    def _complete(self, one: _Followed, at: Round) -> None:
        one.rests_until = self._clock.monotonic() + REST_S
        if one.round is not None and one.round.done is None:
            log.info("the copy of {name} of {city} is whole", name=one.name, city=one.city, event="copy-whole")

    async def _puts(self, public: PublicTable, own: Sequence[Record], there: Sequence[Record]) -> list[Put]:
        """Revisions are those of the copy: one more than whatever stood there, taken out or not."""
        found = differences(public, own, there)
        puts = [Put(public.table, replace(one, revision=one.revision + 1, deleted=True)) for one in found.gone]
        for one in found.changed:
            known = await self._store.get(public.table, public.table.key_of(one), tombstone=True)
            puts.append(Put(public.table, replace(one, revision=known.revision + 1 if known is not None else 1)))
        return puts

    def _failed(self, failure: Failure, one: _Followed) -> None:
        """The store does not take or give anything just now: tried again after a rest, from where it stood."""
        if failure.check(Refused) is None:
            log.failure("the copy of {city} failed", failure, city=one.city, event="copy-failed")
        if not self._stopped:
            self._rest(one)

    def _broke(self, failure: Failure, what: str) -> None:
        if failure.check(Refused) is None:
            log.failure("{what} failed", failure, what=what, event="copy-failed")


async def stretch(
    store: Store, public: PublicTable, city: CityId, since: Position, before: Position
) -> tuple[list[Record], Position] | None:
    """What stands from ``since`` on, ``MOST_COMPARED`` at most, and where that ends, ``before`` at the latest; None
    where something in it cannot be read: nobody is told that it is gone.
    """
    records: list[Record] = []
    for part in public.slices:
        at = len(part)
        if part < since[:at] or (before and part > before[:at]):
            continue
        span = Span(
            since=since[at:] if since and part == since[:at] else (),
            before=before[at:] if before and part == before[:at] else (),
        )
        wanted = MOST_COMPARED + 1 - len(records)
        page = await store.page(public.table, (city, *part), span, index=public.index, limit=wanted)
        if page.unread:
            return None
        records += page.records
        if len(records) > MOST_COMPARED:
            return records[:MOST_COMPARED], public.position(records[MOST_COMPARED])
    return records, before


def _told(public: PublicTable, ask: CopyAsked, found: tuple[list[Record], Position], as_of: float) -> CopyTold:
    records, ends = found
    if ends == ask.before and mark_of(records) == ask.mark:
        return CopyTold(question=ask.question, as_of=as_of, same=True, before=ends)
    chosen = told(records)
    if len(chosen) < len(records):
        ends = public.position(records[len(chosen)])
    return CopyTold(question=ask.question, as_of=as_of, before=ends, records=tuple(map(msgspec.Raw, chosen)))


def _checked(public: PublicTable, city: CityId, asked: _Open, answer: CopyTold) -> list[Record] | None:
    """The records of an answer; None where one of them is not what was asked for."""
    since, ends = asked.round.since, asked.before
    if answer.before and (answer.before <= since or (ends and answer.before > ends)):
        return None
    if not answer.before and ends:
        return None
    try:
        found = [public.table.read(bytes(record)) for record in answer.records]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    for record in found:
        at = public.position(record)
        if not public.publishes(record, city) or at < since or (answer.before and at >= answer.before):
            return None
    return found
