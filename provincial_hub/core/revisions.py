"""Revisions: how often the figures of a quarter of an hour that a reader was told have changed since (B6).

A revision belongs to (city, interval) and to the hub that told it. The rule, and what it is good for: two reports of
one hub with the same revision of an interval have the same figures; a higher one says that late rows changed them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from dataset.calendar import midnight
from dataset.ids import CityId
from dataset.measures import INTERVAL_S, Interval
from dataset.service_measures import ServicePart

SETTLES_S = 60.0
"""after its end an interval's rows are given so long to arrive before what is told of it counts as its figures"""
OPEN = 0
"""the revision of an interval that is not over"""

Slot = tuple[CityId, int]
"""city, start of the interval"""
_encode = msgspec.json.Encoder().encode
_NOT_ASKED = b',"satisfaction_asked":0,"satisfaction_said":0,"satisfied":0,"satisfaction_points":0'
"""Days on which nobody was asked have the digest that they were told under before anybody was: no figure changed."""


class Revision(NamedTuple):
    """What one city's interval was told to be."""

    number: int
    """from 1"""
    at: float
    """when a reader was first told so, UTC seconds"""
    digest: str
    """over the figures of all its queues"""


def over(start: int, wall: float) -> bool:
    """Whether the interval has ended, and its rows have had time to arrive."""
    return wall >= start + INTERVAL_S + SETTLES_S


def figures(
    intervals: Iterable[Interval], cities: Iterable[CityId], begin: float, end: float, wall: float
) -> dict[Slot, str]:
    """A digest of every interval of ``cities`` that is over, of those without any figures too (they may get some)."""
    of: dict[Slot, list[Interval]] = {}
    for one in intervals:
        of.setdefault((one.city, one.start), []).append(one)
    starts = list(_starts(begin, end, wall))
    return {(city, start): _digest(of.get((city, start), [])) for city in cities for start in starts}


def day_figures(
    digests: Mapping[tuple[CityId, date], str], cities: Iterable[CityId], days: Iterable[date], wall: float
) -> dict[Slot, str]:
    """As ``figures``, for what was counted of services: a slot is a city's day, named by the moment it begins.
    ``digests``: of the days that have any figures.
    """
    settled = [day for day in days if wall >= midnight(day + timedelta(days=1)) + SETTLES_S]
    return {(city, int(midnight(day))): digests.get((city, day), "") for city in cities for day in settled}


def day_digest(services: Sequence[tuple[str, ServicePart]]) -> str:
    """Of all that was counted in a city on a day, by service, in order."""
    return _hashed(services, apart=_NOT_ASKED)


def _starts(begin: float, end: float, wall: float) -> Iterator[int]:
    start = -int(-begin // INTERVAL_S) * INTERVAL_S
    while start < end and over(start, wall):
        yield start
        start += INTERVAL_S


def _digest(intervals: list[Interval]) -> str:
    return _hashed(sorted(intervals, key=lambda one: one.key))


def _hashed(figures: object, apart: bytes = b"") -> str:
    """``apart``: what is left out wherever it stands."""
    return blake2b(_encode(figures).replace(apart, b""), digest_size=12).hexdigest() if figures else ""


def revised(revisions: Mapping[Slot, Revision] | None) -> list[tuple[Slot, Revision]]:
    """Slots whose figures are no longer those that a reader was told first, by start and city; none where what was told
    is not known.
    """
    changed = [(slot, revision) for slot, revision in (revisions or {}).items() if revision.number > 1]
    return sorted(changed, key=lambda one: (one[0][1], one[0][0]))


def told(known: Mapping[Slot, Revision], now: Mapping[Slot, str], at: float) -> dict[Slot, Revision]:
    """The revisions to be written down when ``now`` is told, of those ``known``: new ones, and such that changed."""
    fresh: dict[Slot, Revision] = {}
    for slot, digest in now.items():
        before = known.get(slot)
        if before is None or before.digest != digest:
            fresh[slot] = Revision(before.number + 1 if before is not None else 1, at, digest)
    return fresh
