"""Puts contacts that are over among the city's records, with the customer whose number it was."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import CityId
from dataset.puts import Cursor, Put
from dataset.records.contact import CONTACTS, SEGMENTS, PastContact, PastSegment
from dataset.records.line import LINES
from dataset.rows import Journalled
from federation.ports import Clock, Journal, Store
from site_node.core.past import Past, all_after
from site_node.shell.follower import Follower

NAME = "contacts"
"""of the cursor: the wall time of the last row that was looked at"""
MARGIN_S = 2.0
"""rows so much older than the cursor are looked at again: wall time may have stepped back a little"""
log = Logger()


class History:
    """What is over, in the store of records; on the reactor's thread."""

    def __init__(self, city: CityId, journal: Journal, store: Store, clock: Clock) -> None:
        self._city = city
        self._journal = journal
        self._store = store
        self._clock = clock
        self._past = Past()
        self._follower = Follower(clock, later=_later, failed=self._failed)
        self._early: list[Journalled] | None = []
        """rows of this run that came before the cursor was read"""

    def start(self) -> None:
        """Take up what an earlier run left, and follow the rows of this one."""
        self._journal.on_rows(self._heard)
        self._follower.add([partial(self._catch_up, self._journal.rows_of_live_contacts())])

    async def _catch_up(self, live: list[Journalled]) -> None:
        cursor = await self._store.cursor(NAME)
        since = float(cursor) - MARGIN_S if cursor is not None else self._clock.wall()
        left = self._journal.rows_since(since)
        early, self._early = self._early or [], None
        seen = {row.origin for row in live}
        self._put(all_after(self._past, live), since)
        self._follow([row for row in left if row.origin not in seen])
        known = seen | {row.origin for row in left}
        self._follow([row for row in early if row.origin not in known])

    def stop(self) -> None:
        """Put no more; the next start goes on from the cursor."""
        self._follower.stop()

    def _heard(self, rows: Sequence[Journalled]) -> None:
        if self._early is not None:
            self._early += rows
        else:
            self._follow(rows)

    def _follow(self, rows: Sequence[Journalled]) -> None:
        found = all_after(self._past, rows)
        if found:
            self._put(found, rows[-1].wall)

    def _put(self, found: list[PastContact | PastSegment], wall: float) -> None:
        if found:
            self._follower.add([partial(self._one, found, wall)])

    async def _one(self, found: list[PastContact | PastSegment], wall: float) -> None:
        puts = []
        for one in found:
            if isinstance(one, PastSegment):
                puts.append(Put(SEGMENTS, one))
            else:
                puts.append(Put(CONTACTS, await self._of_customer(one)))
        await self._store.put(puts, Cursor(NAME, repr(wall)))

    async def _of_customer(self, contact: PastContact) -> PastContact:
        if contact.customer is not None or not contact.calling.isdecimal():  # a call-back knows whom it was for
            return contact
        line = await self._store.get(LINES, (self._city, contact.calling))
        if line is None:
            return contact
        return replace(contact, customer=line.customer, customer_city=self._city, line=line.number)

    def _failed(self, failure: Failure) -> None:
        log.failure("contacts that are over cannot be put on record", failure, event="history-failed")
        if self._early is not None:  # it was the reading of what an earlier run left: those of this run go on
            early, self._early = self._early, None
            self._follow(early)


def _later(why: str) -> None:
    log.warn("contacts that are over are not among the records yet: {why}", why=why, event="history-later")
