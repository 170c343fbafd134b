"""Measures of a service in a city on a day: whole numbers and a mergeable histogram, so that parts add up to any sum.

A part is that of city × service × day (in China). Each number is counted at the step that causes it, on the day of that
step; ``federation.core.service_fold`` counts them from the rows of work items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from operator import add
from typing import NamedTuple

import msgspec

from dataset.ids import CityId
from dataset.measures import Histogram, histogram
from dataset.services.workflow import Ending

ENDINGS: tuple[Ending, ...] = ("done", "answered", "refused", "cancelled", "unfounded")
"""how items end, as reports list it"""


class PartKey(NamedTuple):
    """What a part is kept by."""

    city: CityId
    service: str
    """without its version"""
    day: date


class ServicePart(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one service. Everything but ``for_others`` is counted at the owning city."""

    opened: int = 0
    """items whose form was taken, wherever"""
    elsewhere: int = 0
    """of these, such that another city's agent took in (异地受理)"""
    for_others: int = 0
    """items of other cities' customers that this city's agents took in; the province's sum is that of ``elsewhere``"""
    repeats: int = 0
    """of those opened, matters that were there before within the service's time (重复)"""
    reopened: int = 0
    """items led back into a state that they had been in, and new items for an ended one whose matter is back"""
    done: int = 0
    answered: int = 0
    refused: int = 0
    cancelled: int = 0
    unfounded: int = 0
    promised: int = 0
    """of those ended, such whose service states a time for the whole (``[measure]``)"""
    within: int = 0
    """of these, ended within it, by its own clock: hours of work, or all hours"""
    escalated: int = 0
    """deadlines missed, each told to the next in line"""
    pressed: int = 0
    """督办"""
    called_back: int = 0
    """customers reached (回访)"""
    fees_fen: int = 0
    """became due once; without deposits"""
    monthly_fen: int = 0
    """became due by the month"""
    deposits_fen: int = 0
    handling: Histogram = Histogram()
    """from opening to ending, by the clock of the service's measure; hours of work where it has none"""
    satisfaction_asked: int = 0
    """customers called back of whom it is on record how satisfied they are, or that they would not say (满意度)"""
    satisfaction_said: int = 0
    """of these, such that gave a mark"""
    satisfied: int = 0
    """of these, marks of 4 or 5"""
    satisfaction_points: int = 0
    """all marks together"""

    @property
    def satisfied_share(self) -> float | None:
        """Satisfied of those that gave a mark; None without any."""
        return self.satisfied / self.satisfaction_said if self.satisfaction_said else None

    @property
    def satisfaction_mean(self) -> float | None:
        """The mean mark, 1 to 5; None without any."""
        return self.satisfaction_points / self.satisfaction_said if self.satisfaction_said else None

    @property
    def ended(self) -> int:
        """Items that came to their ending, any of ``ENDINGS``."""
        return sum(getattr(self, name) for name in ENDINGS)

    def __bool__(self) -> bool:
        return self != NOTHING


COUNTED = tuple(name for name in ServicePart.__struct_fields__ if name != "handling")
_HANDLING = ServicePart.__struct_fields__.index("handling")
NOTHING = ServicePart()


def added(parts: Iterable[ServicePart]) -> ServicePart:
    """All of them as one; the order makes no difference."""
    sums: list[int] = [0] * len(COUNTED)
    handling = Histogram()
    for one in parts:
        counted = list(msgspec.structs.astuple(one))
        lasted = counted.pop(_HANDLING)
        sums = list(map(add, sums, counted))
        if lasted.buckets:
            handling = handling.merged(lasted)
    return ServicePart(**dict(zip(COUNTED, sums, strict=True)), handling=handling)


def replaced(whole: ServicePart, old: ServicePart, new: ServicePart) -> ServicePart:
    """``whole``, of which ``old`` was a part that has become ``new``."""
    sums = {name: getattr(whole, name) - getattr(old, name) + getattr(new, name) for name in COUNTED}
    counts = Counter(dict(whole.handling.buckets))
    counts.subtract(dict(old.handling.buckets))
    counts.update(dict(new.handling.buckets))
    total_ms = whole.handling.total_ms - old.handling.total_ms + new.handling.total_ms
    return ServicePart(**sums, handling=histogram(counts, total_ms))
