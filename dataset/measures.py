"""Measures of a queue in an interval: whole numbers and mergeable histograms, never averages or percentages (I7).

Durations are kept in whole milliseconds, so that sums do not depend on the order of adding.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from dataset.errors import Language
from dataset.ids import CityId, SkillId

INTERVAL_S = 900
EDGES_MS = tuple(round(100 * 2 ** (step / 4)) for step in range(121))
"""upper edges of the buckets: 0.1 s to 3.4 years, four to each doubling (each is 19 % wide); one more for the rest"""


class QueueKey(NamedTuple):
    """What measures are kept by: city × service × channel × skill."""

    city: CityId
    service: str
    channel: str
    skill: SkillId


class Histogram(msgspec.Struct, frozen=True):
    """Durations in fixed logarithmic buckets; equal buckets everywhere, so they merge by addition."""

    buckets: tuple[tuple[int, int], ...] = ()
    """bucket and count, ascending, without empty ones"""
    total_ms: int = 0

    @property
    def count(self) -> int:
        """How many durations."""
        return sum(count for _, count in self.buckets)

    def merged(self, other: Histogram) -> Histogram:
        """Both together."""
        counts = dict(self.buckets)
        for bucket, count in other.buckets:
            counts[bucket] = counts.get(bucket, 0) + count
        return histogram(counts, self.total_ms + other.total_ms)

    def quantile_s(self, share: float) -> float | None:
        """Upper edge, in seconds, of the bucket in which ``share`` (0 to 1) of all durations is reached."""
        wanted, seen = share * self.count, 0
        for bucket, count in self.buckets:
            seen += count
            if seen >= wanted:
                return EDGES_MS[min(bucket, len(EDGES_MS) - 1)] / 1000
        return None


def histogram(counts: dict[int, int], total_ms: int) -> Histogram:
    """A histogram of ``counts`` by bucket."""
    return Histogram(tuple(sorted((bucket, count) for bucket, count in counts.items() if count)), total_ms)


def milliseconds(seconds: float) -> int:
    """A duration in whole milliseconds."""
    return round(seconds * 1000)


def bucket_of(ms: int) -> int:
    """The bucket of a duration."""
    return bisect_left(EDGES_MS, ms)


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """One queue in one interval, in the components of I7.

    ``opening + offered + returned = answered_here + sent_out + abandoned + short + moved + closed + failed + closing``
    """

    city: CityId
    service: str
    channel: str
    skill: SkillId
    start: int
    """UTC seconds since the epoch"""
    seconds: int = INTERVAL_S
    opening: int = 0
    """places open when the interval begins; derived from rows, as ``closing``"""
    offered: int = 0
    returned: int = 0
    answered_here: int = 0
    sent_out: int = 0
    abandoned: int = 0
    short: int = 0
    moved: int = 0
    closed: int = 0
    failed: int = 0
    closing: int = 0
    received: int = 0
    """contacts of other cities answered here; outside this queue's own sum"""
    within_target: int = 0
    """of answered here and sent out"""
    self_served: int = 0
    """callers who were told by self-service what they wanted, and never entered a queue; outside the sum"""
    handled: int = 0
    """segments closed here, in which somebody of this city spoke"""
    held_ms: int = 0
    wrap_up_ms: int = 0
    waiting: Histogram = Histogram()
    """before an answer, here or elsewhere"""
    waiting_abandoned: Histogram = Histogram()
    """before leaving without one, short ones included"""
    talking: Histogram = Histogram()

    @property
    def key(self) -> QueueKey:
        """Its queue."""
        return QueueKey(self.city, self.service, self.channel, self.skill)


LEFT_SIDE = ("opening", "offered", "returned")
RIGHT_SIDE = ("answered_here", "sent_out", "abandoned", "short", "moved", "closed", "failed", "closing")
_COUNTED = (
    *LEFT_SIDE[1:],
    *RIGHT_SIDE[:-1],
    "received",
    "within_target",
    "self_served",
    "handled",
    "held_ms",
    "wrap_up_ms",
)
_HISTOGRAMS = ("waiting", "waiting_abandoned", "talking")
_WORDS = {
    "opening": ("期初等待", "waiting at start"),
    "offered": ("进入", "offered"),
    "returned": ("退回", "returned"),
    "answered_here": ("本局接听", "answered here"),
    "sent_out": ("异地接听", "sent out"),
    "abandoned": ("放弃", "abandoned"),
    "short": ("短时放弃", "short"),
    "moved": ("转走", "moved"),
    "closed": ("我方结束", "closed by us"),
    "failed": ("故障", "failed"),
    "closing": ("期末等待", "waiting at end"),
}


def balance(interval: Interval) -> int:
    """Left side minus right side of I7; 0 when the sum holds."""
    left: int = sum(getattr(interval, name) for name in LEFT_SIDE)
    right: int = sum(getattr(interval, name) for name in RIGHT_SIDE)
    return left - right


def written_out(interval: Interval, language: Language = "zh") -> str:
    """The sum of I7 as every report prints it, with what is missing when it does not hold."""
    which = 0 if language == "zh" else 1
    sides = [
        " + ".join(f"{_WORDS[name][which]} {getattr(interval, name)}" for name in side)
        for side in (LEFT_SIDE, RIGHT_SIDE)
    ]
    over = balance(interval)
    if over == 0:
        return " = ".join(sides)
    note = f"（不平，差 {over:+d}）" if language == "zh" else f" (does not balance: {over:+d})"
    return " ≠ ".join(sides) + note


def total(intervals: Iterable[Interval]) -> Interval:
    """Several intervals as one, of one queue over time, of several queues, or both.

    ``opening`` is that of each queue's first interval, ``closing`` that of its last: intervals of a queue must follow
    each other without one left out. Parts of the key that differ become empty. ``ValueError`` without any interval.
    """
    parts = sorted(intervals, key=lambda one: (one.key, one.start))
    if not parts:
        raise ValueError("a total of no intervals")
    first: dict[QueueKey, Interval] = {}
    last: dict[QueueKey, Interval] = {}
    for one in parts:
        first.setdefault(one.key, one)
        last[one.key] = one
    start = min(one.start for one in parts)
    counted = {name: sum(getattr(one, name) for one in parts) for name in _COUNTED}
    merged = {name: getattr(parts[0], name) for name in _HISTOGRAMS}
    for one in parts[1:]:
        for name in _HISTOGRAMS:
            merged[name] = merged[name].merged(getattr(one, name))
    return Interval(
        city=CityId(_common(one.city for one in parts)),
        service=_common(one.service for one in parts),
        channel=_common(one.channel for one in parts),
        skill=SkillId(_common(one.skill for one in parts)),
        start=start,
        seconds=max(one.start + one.seconds for one in parts) - start,
        opening=sum(one.opening for one in first.values()),
        closing=sum(one.closing for one in last.values()),
        **counted,
        **merged,
    )


def _common(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""
