"""Puts contacts that are over among the city's records, with the customer whose number it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.puts import Cursor, Put
from dataset.records.contact import CONTACTS, SEGMENTS, PastContact, PastSegment
from dataset.records.line import LINES
from dataset.rows import Journalled
from federation.ports import Clock, Journal, Store, Timer
from site_node.core.past import Past, all_after

NAME = "contacts"
"""of the cursor: the wall time of the last row that was looked at"""
AGAIN_S = 30.0
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
        self._waiting: deque[tuple[list[PastContact | PastSegment], float]] = deque()
        self._working = False
        self._timer: Timer | None = None
        self._stopped = False
        self._early: list[Journalled] | None = []
        """rows of this run that came before the cursor was read"""

    def start(self) -> None:
        """Take up what an earlier run left, and follow the rows of this one."""
        self._journal.on_rows(self._heard)
        Deferred.fromCoroutine(self._catch_up()).addErrback(_failed)

    async def _catch_up(self) -> None:
        live = self._journal.rows_of_live_contacts()
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
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

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
            self._waiting.append((found, wall))
            self._work()

    def _work(self) -> None:
        self._timer = None
        if self._working or self._stopped or not self._waiting:
            return
        self._working = True
        Deferred.fromCoroutine(self._one(*self._waiting[0])).addCallbacks(self._done, self._not_done)

    async def _one(self, found: list[PastContact | PastSegment], wall: float) -> None:
        puts = []
        for one in found:
            if isinstance(one, PastSegment):
                puts.append(Put(SEGMENTS, one))
            else:
                puts.append(Put(CONTACTS, await self._of_customer(one)))
        await self._store.put(puts, Cursor(NAME, repr(wall)))

    async def _of_customer(self, contact: PastContact) -> PastContact:
        if not contact.calling.isdecimal():
            return contact
        line = await self._store.get(LINES, (self._city, contact.calling))
        if line is None:
            return contact
        return replace(contact, customer=line.customer, customer_city=self._city, line=line.number)

    def _done(self, _: None) -> None:
        self._working = False
        self._waiting.popleft()
        self._work()

    def _not_done(self, failure: Failure) -> None:
        self._working = False
        if self._stopped:
            return
        if failure.check(Refused) is None:
            log.failure("a contact that is over cannot be put on record", failure, event="history-failed")
            self._waiting.popleft()  # it would fail each time, and hold up the others
        else:
            log.warn(
                "contacts that are over are not among the records yet: {why}",
                why=failure.getErrorMessage(),
                event="history-later",
            )
        self._timer = self._clock.call_later(AGAIN_S, self._work)


def _failed(failure: Failure) -> None:
    log.failure("contacts that are over are not put on record in this run", failure, event="history-failed")
