"""Quarters of an hour as reports print them: the components of I7 with the sum written out, and what is missing."""

from __future__ import annotations

from typing import Any

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.intervals import fold, start_of
from dataset.measures import LEFT_SIDE, RIGHT_SIDE, Histogram, Interval, balance, written_out
from federation.node.ledger_store import LedgerStore
from federation.node.login import Actor
from federation.ports import Clock
from provincial_hub.services.province import Shown, allow, known_city
from provincial_hub.services.views import Json
from provincial_hub.shell.hub import RunningHub

LONGEST_S = 31 * 86_400.0
MARGIN_S = 86_400.0
"""Nobody waits in a queue for longer; so far around an interval rows are read to know what it began and ended with."""


class IntervalService:
    """Recent intervals from the live fold, older ones recounted from the ledger."""

    def __init__(self, hub: RunningHub, store: LedgerStore, shown: Shown, clock: Clock) -> None:
        self._hub = hub
        self._store = store
        self._shown = shown
        self._clock = clock

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
        found = await self.counted(begin, end, city)
        missing = self.missing(city)
        return {
            "intervals": [interval_view(one) for one in found],
            "complete": not missing,
            "missing": missing,
        }

    async def counted(self, begin: float, end: float, city: CityId | None = None) -> list[Interval]:
        """The intervals, from the live fold where it reaches back far enough, else recounted."""
        memory = self._hub.memory
        if begin >= memory.since + MARGIN_S:
            return memory.intervals.intervals(begin, end, city)
        rows = await self._store.rows_between(start_of(begin) - MARGIN_S, end + MARGIN_S)
        return fold(rows).intervals(begin, end, city)

    def missing(self, city: CityId | None = None) -> list[Json]:
        """Cities whose rows may be missing: silent now (B6), or with rows that are parked or lost (S2, J5)."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        found: list[Json] = []
        for one in self._shown.province.cities:
            if city not in (None, one.id):
                continue
            known = self._hub.picture.city(one.id, now)
            unknown = self._hub.ledger.unknown_rows(one.id)
            if not known.seen or unknown:
                since = None if known.seen or known.picture is None else wall - known.age_s
                found.append({"city": one.id, "seen": known.seen, "since": since, "unknown_rows": unknown})
        return found


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
        "handled": interval.handled,
        "waiting": _durations(interval.waiting),
        "waiting_abandoned": _durations(interval.waiting_abandoned),
        "talking": _durations(interval.talking),
        "held_s": interval.held_ms / 1000,
        "wrap_up_s": interval.wrap_up_ms / 1000,
        "balance": balance(interval),
        "sum_zh": written_out(interval, "zh"),
        "sum_en": written_out(interval, "en"),
    }
    return view


def _durations(durations: Histogram) -> Json:
    return {
        "count": durations.count,
        "total_s": durations.total_ms / 1000,
        "p50_s": durations.quantile_s(0.5) if durations.count else None,
        "p90_s": durations.quantile_s(0.9) if durations.count else None,
    }
