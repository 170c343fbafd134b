"""Quarters of an hour as reports print them: the components of I7 with the sum written out, under which revision they
are told, and what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import DeferredLock

from dataset.calendar import midnight
from dataset.errors import Language, Problem, Refused
from dataset.ids import CityId
from dataset.intervals import IntervalFold, Unconfirmed, fold, start_of
from dataset.measures import LEFT_SIDE, RIGHT_SIDE, Histogram, Interval, balance, written_out
from federation.node.ledger_store import LedgerStore
from federation.node.login import Actor
from federation.ports import Clock
from provincial_hub.core.revisions import OPEN, Revision, Slot, figures, revised
from provincial_hub.core.traffic import DAY_S
from provincial_hub.services.days import day_named, in_both_languages
from provincial_hub.services.province import Shown, allow, known_city
from provincial_hub.services.summary import Missing, day_summary
from provincial_hub.services.views import Json, lost_view
from provincial_hub.shell.hub import RunningHub
from provincial_hub.shell.revisions import Revisions, told_in_time

LONGEST_S = 31 * 86_400.0
MARGIN_S = 86_400.0
"""Nobody waits in a queue for longer; so far around an interval rows are read to know what it began and ended with."""


@dataclass(frozen=True, slots=True)
class Report:
    """Intervals, under which revisions they are told, and what may be missing from them."""

    intervals: Sequence[Interval]
    revisions: Mapping[Slot, Revision] | None
    """of the intervals that are over; None when what is told could not be written down in time"""
    missing: Sequence[Missing]

    def revision(self, interval: Interval) -> int | None:
        """Under which number ``interval`` is told; None when that is not known."""
        if self.revisions is None:
            return None
        revision = self.revisions.get((interval.city, interval.start))
        return revision.number if revision is not None else OPEN


class IntervalService:
    """Recent intervals from the live fold, older ones recounted from the ledger."""

    def __init__(self, hub: RunningHub, store: LedgerStore, revisions: Revisions, shown: Shown, clock: Clock) -> None:
        self._hub = hub
        self._store = store
        self._revisions = revisions
        self._shown = shown
        self._clock = clock
        self._turn = DeferredLock()
        """reports are counted one after the other: what was counted first is told first"""

    # ── asked ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def intervals(self, actor: Actor, begin: float, end: float, city: CityId | None) -> Json:
        """All with begin ≤ start < end. Raises ``Refused``: 400 for a range that is none or too long, 404."""
        allow(actor)
        known_city(self._shown.province, city)
        if not begin < end <= begin + LONGEST_S:
            raise Refused(
                Problem(
                    "bad-request",
                    zh=f"to 须大于 from，且最多相差 {LONGEST_S / 86_400:g} 天（UTC 秒）",
                    en=f"to must be after from, by at most {LONGEST_S / 86_400:g} days (UTC seconds)",
                    place="to",
                )
            )
        return report_view(await self.report(begin, end, city), self._hub.node)

    async def day(self, actor: Actor, day: str) -> Json:
        """The day (Shanghai) in words, with what is missing from it. Raises ``Refused`` 400."""
        allow(actor)
        which = day_named(day)
        begin = midnight(which)
        report = await self.report(begin, begin + DAY_S)
        changed = [(city, start, one.number) for (city, start), one in revised(report.revisions)]

        def text(language: Language) -> str:
            return day_summary(
                self._shown.province, report.intervals, language, missing=report.missing, revised=changed
            )

        both = in_both_languages(text, which, self._clock.wall())
        return {"day": day, **both, "complete": not report.missing}

    def missing(self) -> list[Missing]:
        """What may be missing now of any city's rows."""
        return self._missing(None, [])

    # ── counted ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def report(self, begin: float, end: float, city: CityId | None = None) -> Report:
        """What is told of begin ≤ start < end, of ``city`` or all; whoever asks is a reader (B6)."""
        await self._turn.acquire()
        try:
            intervals, unconfirmed = await self._counted(begin, end, city)
            missing = self._missing(city, unconfirmed)
            cities = [one.id for one in self._shown.province.cities if city in (None, one.id)]
            wall = self._clock.wall()
            now = figures(intervals, cities, begin, end, wall)
            return Report(intervals, await told_in_time(self._revisions, now, wall, self._clock), missing)
        finally:
            self._turn.release()

    async def _counted(self, begin: float, end: float, city: CityId | None) -> tuple[list[Interval], list[Unconfirmed]]:
        """From the live fold where it reaches back far enough, else recounted."""
        counted: IntervalFold = self._hub.memory.intervals
        if begin < self._hub.memory.since + MARGIN_S:
            standing = await self._store.standing()
            counted = fold([*standing, *await self._store.rows_between(start_of(begin) - MARGIN_S, end + MARGIN_S)])
        return counted.intervals(begin, end, city), counted.unconfirmed(begin, end, city)

    def _missing(self, city: CityId | None, unconfirmed: Sequence[Unconfirmed]) -> list[Missing]:
        """What may be missing: cities that are silent (B6) or declared lost (E3), rows that are parked or lost (S2,
        J5), and segments that a lost city's word would confirm.
        """
        now, wall = self._clock.monotonic(), self._clock.wall()
        found: list[Missing] = []
        for one in self._shown.province.cities:
            if city not in (None, one.id):
                continue
            known = self._hub.picture.city(one.id, now)
            since = None
            if not known.seen:
                since = wall - known.age_s if known.picture is not None else self._hub.memory.last_row(one.id)
            missing = Missing(
                city=one.id,
                seen=known.seen,
                since=since,
                lost=self._hub.lost.of(one.id),
                unknown_rows=self._hub.ledger.unknown_rows(one.id),
                unconfirmed=sum(segment.site == one.id for segment in unconfirmed),
            )
            if missing:
                found.append(missing)
        return found


def report_view(report: Report, hub: str) -> Json:
    """The answer of ``intervals``."""
    return {
        "hub": hub,
        "intervals": [{**interval_view(one), "revision": report.revision(one)} for one in report.intervals],
        "complete": not report.missing,
        "missing": [missing_view(one) for one in report.missing],
        "revised": [
            {"city": city, "start": start, "revision": revision.number, "at": revision.at}
            for (city, start), revision in revised(report.revisions)
        ],
    }


def missing_view(missing: Missing) -> Json:
    """One city of which something may be missing."""
    return {
        "city": missing.city,
        "seen": missing.seen,
        "since": missing.since,
        "lost": lost_view(missing.lost),
        "unknown_rows": missing.unknown_rows,
        "unconfirmed": missing.unconfirmed,
    }


def interval_view(interval: Interval) -> Json:
    """One interval with its sum in both languages."""
    view: dict[str, Any] = {name: getattr(interval, name) for name in (*LEFT_SIDE, *RIGHT_SIDE)}
    view |= {
        "city": interval.city,
        "service": interval.service,
        "channel": interval.channel,
        "skill": interval.skill,
        "start": interval.start,
        "seconds": interval.seconds,
        "received": interval.received,
        "within_target": interval.within_target,
        "self_served": interval.self_served,
        "handled": interval.handled,
        "waiting": durations_view(interval.waiting),
        "waiting_abandoned": durations_view(interval.waiting_abandoned),
        "talking": durations_view(interval.talking),
        "held_s": interval.held_ms / 1000,
        "wrap_up_s": interval.wrap_up_ms / 1000,
        "balance": balance(interval),
        "sum_zh": written_out(interval, "zh"),
        "sum_en": written_out(interval, "en"),
    }
    return view


def durations_view(durations: Histogram) -> Json:
    """How many, how long together, and two quantiles; None where there are none."""
    return {
        "count": durations.count,
        "total_s": durations.total_ms / 1000,
        "p50_s": durations.quantile_s(0.5) if durations.count else None,
        "p90_s": durations.quantile_s(0.9) if durations.count else None,
    }
