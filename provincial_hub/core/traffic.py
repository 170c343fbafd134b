"""Counts for the province's screen: each city's day, its service level of the last half hour, flows between cities.

Folds of rows like the intervals, in a smaller form; reports are made from the intervals, not from here.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass

from dataset.ids import CityId, ContactId
from dataset.rows import AttemptAnswered, ContactEnded, Entered, Journalled, Left, QueueEntered, QueueLeft
from federation.core.limits import HOUR_S

SHANGHAI_S = 8 * 3600
"""Asia/Shanghai is UTC+8 all year since 1992"""
DAY_S = 86_400
QUARTER_S = 900


def day_of(wall: float) -> int:
    """The day in Shanghai that ``wall`` (UTC seconds) falls on."""
    return int((wall + SHANGHAI_S) // DAY_S)


@dataclass(slots=True)
class CityDay:
    """One city's counts since midnight in Shanghai, or in one quarter of an hour."""

    offered: int = 0
    returned: int = 0
    answered_here: int = 0
    sent_out: int = 0
    received: int = 0
    abandoned: int = 0
    short: int = 0
    moved: int = 0
    closed: int = 0
    failed: int = 0
    within_target: int = 0

    def left(self, row: QueueLeft) -> None:
        """Count how a place ended."""
        match row.how:
            case Left.ANSWERED_HERE:
                self.answered_here += 1
            case Left.SENT_OUT:
                self.sent_out += 1
            case Left.ABANDONED:
                self.abandoned += 1
            case Left.SHORT:
                self.short += 1
            case Left.MOVED:
                self.moved += 1
            case Left.CLOSED:
                self.closed += 1
            case Left.FAILED:
                self.failed += 1
        self.within_target += row.within_target


@dataclass(frozen=True, slots=True)
class Flow:
    """Contacts of one city that another answered."""

    origin: CityId
    to: CityId
    up: int
    """being served there now"""
    last_15_min: int


class Traffic:
    """Rows in, counts out."""

    def __init__(self) -> None:
        self._days: dict[tuple[CityId, int], CityDay] = defaultdict(CityDay)
        self._quarters: dict[tuple[CityId, int], CityDay] = defaultdict(CityDay)
        self._sent: deque[tuple[float, CityId, CityId]] = deque()
        """wall time of an answer elsewhere, anchor, serving city"""
        self._up: dict[ContactId, tuple[CityId, CityId]] = {}

    def apply(self, journalled: Journalled) -> None:
        """Count one row, at the time in its own journal."""
        match journalled.row:
            case QueueEntered(contact=contact, how=how):
                self._up.pop(contact, None)  # whoever waits is served nowhere
                for counts in self._counts(CityId(journalled.node), journalled.wall):
                    counts.offered += how is Entered.OFFERED
                    counts.returned += how is Entered.RETURNED
            case QueueLeft() as row:
                for counts in self._counts(CityId(journalled.node), journalled.wall):
                    counts.left(row)
            case AttemptAnswered(contact=contact, site=site):
                self._answered(CityId(journalled.node), contact, site, journalled.wall)
            case ContactEnded(contact=contact):
                self._up.pop(contact, None)
            case _:
                pass

    def _answered(self, anchor: CityId, contact: ContactId, site: CityId, wall: float) -> None:
        if site == anchor:
            self._up.pop(contact, None)
            return
        for counts in self._counts(site, wall):
            counts.received += 1
        self._up[contact] = (anchor, site)
        self._sent.append((wall, anchor, site))

    def _counts(self, city: CityId, wall: float) -> tuple[CityDay, CityDay]:
        return self._days[city, day_of(wall)], self._quarters[city, int(wall // QUARTER_S)]

    def today(self, city: CityId, wall: float) -> CityDay:
        """``city``'s counts of the day that ``wall`` falls on."""
        return self._days.get((city, day_of(wall)), CityDay())

    def service_level(self, city: CityId, wall: float) -> float | None:
        """Answered within the target / (answered + abandoned), of this quarter of an hour and the one before; short
        calls do not count. None when there were none.
        """
        now = int(wall // QUARTER_S)
        counts = [self._quarters[city, quarter] for quarter in (now - 1, now) if (city, quarter) in self._quarters]
        asked = sum(one.answered_here + one.sent_out + one.abandoned for one in counts)
        return sum(one.within_target for one in counts) / asked if asked else None

    def flows(self, wall: float, lost: Collection[CityId] = ()) -> list[Flow]:
        """Per pair of cities with any; by origin and serving city. Contacts of ``lost`` cities are served nowhere."""
        lately = Counter((origin, to) for at, origin, to in self._sent if wall - QUARTER_S <= at <= wall)
        up = Counter(pair for pair in self._up.values() if pair[0] not in lost)
        return [Flow(*pair, up=up[pair], last_15_min=lately[pair]) for pair in sorted({*lately, *up})]

    def answered_elsewhere(self, since: float) -> list[tuple[CityId, CityId, float]]:
        """Anchor, serving city and wall time of the answers since then, at most of the last hour."""
        return [(anchor, site, at) for at, anchor, site in self._sent if at >= since]

    def forget_before(self, wall: float) -> None:
        """Drop days before the one before ``wall``'s, and quarters and answers that nobody looks at any more."""
        first_day, first_quarter = day_of(wall) - 1, int(wall // QUARTER_S) - 1
        for days, first in ((self._days, first_day), (self._quarters, first_quarter)):
            for key in [key for key in days if key[1] < first]:
                del days[key]
        self._sent = deque(one for one in self._sent if one[0] >= wall - HOUR_S)
