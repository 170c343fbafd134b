"""What the hub knows from rows of record: contacts, traffic, intervals, its own decisions. All of it folds of rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from dataset.ids import CityId, ContactId, is_hub
from dataset.intervals import IntervalFold
from dataset.rows import Decision, Journalled
from dataset.standing import LostSites
from provincial_hub.core.contacts import ContactFold
from provincial_hub.core.traffic import DAY_S, Traffic

DECISIONS_KEPT = 20_000
"""contacts whose decisions of this hub are kept at hand; older ones are in its journal"""
FORGET_EVERY_ROWS = 50_000
INTERVALS_KEPT_S = 4 * DAY_S
"""what is older is recounted from the ledger when asked for"""


class Memory:
    """Folds of the cities' rows and of the hubs' own."""

    def __init__(self) -> None:
        self.since = float("inf")
        """wall time from which on rows are folded"""
        self.intervals = IntervalFold()
        self.contacts = ContactFold()
        self.traffic = Traffic()
        self.lost = LostSites()
        self._decisions: OrderedDict[ContactId, list[Journalled]] = OrderedDict()
        self._applied = 0

    def apply(self, row: Journalled, *, now: float) -> None:
        """Take in one row of a city's ledger, or of the hub's own journal. ``now``: monotonic, for screens only."""
        if isinstance(row.row, Decision) and is_hub(row.node):
            self._decided(row.row.contact, row)
            return
        self.lost.add(row)
        self.contacts.apply(row, now=now)
        self.traffic.apply(row)
        self.intervals.add(row)
        self._applied += 1
        if self._applied % FORGET_EVERY_ROWS == 0:
            self._forget(row.wall)

    def _forget(self, wall: float) -> None:
        self.traffic.forget_before(wall - DAY_S)
        if wall - INTERVALS_KEPT_S > self.since:
            self.since = wall - INTERVALS_KEPT_S
            self.intervals.forget_before(self.since)

    def _decided(self, contact: ContactId, row: Journalled) -> None:
        self._decisions.setdefault(contact, []).append(row)
        self._decisions.move_to_end(contact)
        while len(self._decisions) > DECISIONS_KEPT:
            self._decisions.popitem(last=False)

    def last_row(self, city: CityId) -> float | None:
        """Wall time of the last row of ``city`` at hand."""
        return self.intervals.last_row(city)

    def decisions(self, contact: ContactId) -> Sequence[Journalled]:
        """What hubs decided about ``contact``, in the order of arrival."""
        return tuple(self._decisions.get(contact, ()))
