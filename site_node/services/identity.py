"""Whose identity was checked in which contact: on record first, good for that contact alone, and along with it to
whatever city serves it (federation.md, Checks of identity).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, ContactId, NodeId, city_of
from dataset.records.line import LINES
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    CheckMade,
    ContactEnded,
    IdentityChecked,
    IdentityHow,
    Journalled,
    QueueEntered,
    SegmentClosed,
    SegmentOpened,
    SegmentVoided,
)
from federation.node.login import Actor
from federation.node.looks import name_of
from federation.ports import Journal, Store

CONTACTS_KEPT = 1_000
"""contacts of which it is remembered whose identity was checked"""


class OnRecord(Protocol):
    """What checks need of the running city."""

    def record(self, row: AnyRow, *receivers: NodeId) -> Deferred[None]:
        """Put a row on record, for the hubs and ``receivers``; fires once it is on disk."""

    def on_rows_from(self, hear: Callable[[NodeId, Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with rows that another node sent, and with that node."""


@dataclass(slots=True)
class _Known:
    """What was checked in a contact; ``handed``: to which city, of which check."""

    checks: dict[tuple[CityId, str], IdentityChecked] = field(default_factory=dict)
    """by where it was made and the line, each with its moment"""
    handed: set[tuple[CityId, CityId, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Way:
    """Which cities have answered a contact of ours, and which of them has it now."""

    answered: set[CityId] = field(default_factory=set)
    now: CityId | None = None


class IdentityChecks:
    """Of the contacts of one city: those of its seats, and of its callers who keyed in a PIN; and those that come
    along with a contact that is served here, or come back from where one of its own was served.

    ``records``: None where the city keeps none.
    """

    def __init__(self, city: CityId, journal: Journal, running: OnRecord, records: Store | None) -> None:
        self._city = city
        self._journal = journal
        self._running = running
        self._records = records
        self._known: OrderedDict[ContactId, _Known] = OrderedDict()
        self._ways: dict[ContactId, _Way] = {}
        """of contacts that are anchored here, from their first answer on"""
        self._served: dict[ContactId, tuple[int, CityId]] = {}
        """of contacts that other cities anchor and a seat here has: the attempt, and who anchors it"""
        self._changed: list[Callable[[ContactId], None]] = []

    def start(self) -> None:
        """Know what was checked in contacts that go on, also before a restart."""
        self._own(self._journal.rows_of_live_contacts(), at_start=True)
        for contact in self._ways:
            self._hand_on(contact)
        self._journal.on_rows(self._own)
        self._running.on_rows_from(self._others)

    def stop(self) -> None:
        """Nothing waits here."""

    def on_change(self, hear: Callable[[ContactId], None]) -> None:
        """Call ``hear`` with each contact of which a check is new here."""
        self._changed.append(hear)

    async def check(
        self, actor: Actor, contact: ContactId, line: str, how: IdentityHow, anchor: CityId | None = None
    ) -> None:
        """The caller of ``contact`` has shown ``actor`` to be the customer of ``line``; on disk when this is done.
        ``anchor``: where the contact arrived, which hears of it and hands it on.
        """
        row = IdentityChecked(
            contact=contact,
            city=self._city,
            line=line,
            customer=await self._customer(line),
            how=how,
            agent=name_of(actor),
        )
        await self._running.record(row, *(() if anchor in (None, self._city) else (NodeId(anchor),)))

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def lines_of(self, contact: ContactId) -> frozenset[str]:
        """Lines of which the caller has shown to be the customer."""
        known = self._known.get(contact)
        return frozenset(row.line for row in known.checks.values()) if known is not None else frozenset()

    def made(self, contact: ContactId) -> tuple[CheckMade, ...]:
        """All checks of a contact, the first first."""
        known = self._known.get(contact)
        rows = sorted(known.checks.values(), key=lambda row: row.at or 0.0) if known is not None else ()
        return tuple(
            CheckMade(city=row.city, line=row.line, how=row.how, agent=row.agent, at=row.at or 0.0) for row in rows
        )

    def made_elsewhere(self, contact: ContactId, than: str) -> tuple[CheckMade, ...]:
        """Those that were not made in ``than``."""
        return tuple(one for one in self.made(contact) if one.city != than)

    async def _customer(self, line: str) -> str:
        """Whose line it is, where that is on record here and can be read: the check stands without it."""
        if self._records is None:
            return ""
        try:
            known = await self._records.get(LINES, (self._city, line))
        except Refused:
            return ""
        return known.customer if known is not None else ""

    # ── own rows ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _own(self, rows: Sequence[Journalled], *, at_start: bool = False) -> None:
        for one in rows:
            match one.row:
                case IdentityChecked() as row:
                    self._add(row, one.wall)
                case AttemptAnswered(contact=contact, site=site):
                    way = self._ways.setdefault(contact, _Way())
                    way.answered.add(site)
                    way.now = site
                case QueueEntered(contact=contact) if contact in self._ways:
                    self._ways[contact].now = None
                case ContactEnded(contact=contact):
                    self._ways.pop(contact, None)
                case SegmentOpened(contact=contact, n=n, anchor=anchor, received=True):
                    self._served[contact] = n, anchor
                case SegmentClosed(contact=contact, n=n) | SegmentVoided(contact=contact, n=n) if (
                    self._served.get(contact, (0, self._city))[0] == n
                ):
                    del self._served[contact]
                case _:
                    continue
            if not at_start and isinstance(one.row, IdentityChecked | AttemptAnswered):
                self._hand_on(one.row.contact)

    def _add(self, row: IdentityChecked, wall: float) -> None:
        known = self._known.setdefault(row.contact, _Known())
        at = row.at if row.at is not None else wall
        known.checks[row.city, row.line] = msgspec.structs.replace(row, to=None, at=at)
        if row.to is not None:
            known.handed.add((row.to, row.city, row.line))
        while len(self._known) > CONTACTS_KEPT:
            self._known.popitem(last=False)
        for hear in self._changed:
            hear(row.contact)

    def _hand_on(self, contact: ContactId) -> None:
        """To the city that has a contact of ours now: what was checked anywhere else, once."""
        way, known = self._ways.get(contact), self._known.get(contact)
        if way is None or known is None or way.now is None or way.now == self._city:
            return
        for (city, line), row in known.checks.items():
            which = way.now, city, line
            if city != way.now and which not in known.handed:
                known.handed.add(which)
                self._running.record(msgspec.structs.replace(row, to=way.now), NodeId(way.now))

    # ── rows of other cities ────────────────────────────────────────────────────────────────────────────────────────
    def _others(self, sender: NodeId, rows: Sequence[Journalled]) -> None:
        """What they say of checks is taken over by a row of this city's own: it is known after a restart, too."""
        for one in rows:
            if not isinstance(one.row, IdentityChecked) or one.node != sender:
                continue
            if self._is_theirs_to_say(CityId(sender), one.row):
                at = one.row.at if one.row.at is not None else one.wall
                self._running.record(msgspec.structs.replace(one.row, to=self._city, at=at))

    def _is_theirs_to_say(self, sender: CityId, row: IdentityChecked) -> bool:
        """A city that has answered a contact of ours: what its own agents checked. Who anchors a contact that a seat
        here has: what others checked in it. Nobody else, and nobody in the name of this city.
        """
        by = city_of(row.agent) if row.agent is not None else None
        if row.to is None:
            way = self._ways.get(row.contact)
            return way is not None and sender in way.answered and row.city == by == sender != self._city
        _, anchor = self._served.get(row.contact, (0, None))
        if row.to != self._city or row.city == self._city or row.at is None or anchor != sender:
            return False
        return row.city == (by if by is not None else sender)
