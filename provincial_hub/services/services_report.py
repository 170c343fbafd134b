"""What came of the services, by city and day: taken in, ended, in the promised time, escalated, back again (考核).

Made of the rows of record alone, which ``provincial_hub.shell.work_figures`` counts as they come, so that rows that
came late count on their day; a day that was told otherwise before says so by its revision (B6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from twisted.internet.defer import DeferredLock

from dataset.calendar import day_of
from dataset.columns import in_columns
from dataset.errors import Language
from dataset.ids import CityId
from dataset.service_measures import COUNTED, ServicePart, added
from federation.core.service_fold import Standing
from federation.node.login import Actor
from federation.node.offering import Offering
from federation.node.province import Province
from federation.ports import Clock
from provincial_hub.core.revisions import Revision, Slot, day_figures, revised
from provincial_hub.services.days import in_both_languages, span_of
from provincial_hub.services.intervals import IntervalService, durations_view, missing_view
from provincial_hub.services.province import allow, known_city
from provincial_hub.services.summary import Missing, missing_text
from provincial_hub.services.views import Json
from provincial_hub.shell.revisions import Revisions, told_in_time
from provincial_hub.shell.work_figures import WorkFigures

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Line:
    """One service: of a city, or (no city) of all that were asked for."""

    city: CityId | None
    service: str
    part: ServicePart
    standing: Standing


@dataclass(frozen=True, slots=True)
class Counted:
    """A report before it is put in words."""

    first: date
    last: date
    lines: Sequence[Line]
    """by service in the order of the catalogue, its sum first"""
    missing: Sequence[Missing]
    untold: Mapping[CityId, int]
    revisions: Mapping[Slot, Revision] | None

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.missing and not self.untold


class ServicesReport:
    """The hub's report of services."""

    def __init__(
        self,
        province: Province,
        offering: Offering,
        figures: WorkFigures,
        intervals: IntervalService,
        revisions: Revisions,
        clock: Clock,
    ) -> None:
        self._province = province
        self._offering = offering
        self._figures = figures
        self._intervals = intervals
        self._revisions = revisions
        self._clock = clock
        self._turn = DeferredLock()
        """reports are counted one after the other: what was counted first is told first"""

    async def report(self, actor: Actor, first: str, last: str, city: CityId | None = None) -> Json:
        """From the day ``first`` to the day ``last`` (in China, both included), of ``city`` or all.

        Raises ``Refused``: 400 for days that are none, or too many; 404 ``unknown-city``; 503 ``still-counting``.
        """
        allow(actor)
        known_city(self._province, city)
        begin, end = span_of(first, last)
        await self._turn.acquire()
        try:
            counted = await self._counted(begin, end, city)
        finally:
            self._turn.release()
        return {
            "first": first,
            "last": last,
            "complete": counted.complete,
            "lines": [self._view(one) for one in counted.lines],
            "missing": [missing_view(one) for one in counted.missing],
            "untold": [{"city": name, "items": items} for name, items in counted.untold.items()],
            "revised": [
                {"city": name, "day": day_of(start).isoformat(), "revision": one.number, "at": one.at}
                for (name, start), one in revised(counted.revisions)
            ],
            **in_both_languages(partial(self._text, counted), end, self._clock.wall()),
        }

    # ── counted ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _counted(self, first: date, last: date, city: CityId | None) -> Counted:
        wall = self._clock.wall()
        counted = await self._figures.services(first, last, city, wall)
        cities = [one.id for one in self._province.cities if city in (None, one.id)]
        days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
        now = day_figures(counted.digests, cities, days, wall)
        revisions = await told_in_time(self._revisions, now, wall, self._clock)
        return Counted(
            first,
            last,
            self._lines(counted.sums, counted.standing, cities),
            [one for one in self._intervals.missing() if city in (None, one.city)],
            {name: items for name, items in counted.untold.items() if name in cities},
            revisions,
        )

    def _lines(
        self,
        sums: Mapping[tuple[str, CityId], ServicePart],
        standing: Mapping[tuple[CityId, str], Standing],
        cities: Sequence[CityId],
    ) -> list[Line]:
        named = {service for service, _ in sums} | {service for _, service in standing}
        order = [one for one in self._offering.catalogue.services if one in named]
        lines: list[Line] = []
        for service in [*order, *sorted(named.difference(order))]:
            of = [
                Line(city, service, sums.get((service, city), ServicePart()), standing.get((city, service), Standing()))
                for city in cities
            ]
            told = [one for one in of if one.part or one.standing.open]
            lines += [_sum(service, told), *told]
        return lines

    # ── told ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _name(self, service: str, language: Language) -> str:
        known = self._offering.catalogue.services.get(service)
        return service if known is None else known.name(language)

    def _aim(self, service: str) -> float | None:
        known = self._offering.catalogue.services.get(service)
        return None if known is None or known.text.measure is None else known.text.measure.share

    def _view(self, line: Line) -> dict[str, Any]:
        known = self._offering.catalogue.services.get(line.service)
        return {
            "city": line.city,
            "service": line.service,
            "zh": self._name(line.service, "zh"),
            "en": self._name(line.service, "en"),
            "group": "" if known is None else known.text.group,
            "aim": self._aim(line.service),
            **{name: getattr(line.part, name) for name in COUNTED},
            "ended": line.part.ended,
            "satisfied_share": line.part.satisfied_share,
            "satisfaction_mean": line.part.satisfaction_mean,
            "handling": durations_view(line.part.handling),
            "open": line.standing.open,
            "overdue": line.standing.overdue,
        }

    def _text(self, counted: Counted, language: Language) -> str:
        names = {one.id: one.name if language == "zh" else one.name_en for one in self._province.cities}
        head, columns, legend, nothing = _WORDS[language]
        lines = [f"{head} {counted.first} – {counted.last}"]
        rows = [columns]
        for line in counted.lines:
            name = self._name(line.service, language) if line.city is None else f"  {names[line.city]}"
            rows.append((name, *_cells(line, self._aim(line.service) if line.city is None else None)))
        lines += [*in_columns(rows), legend] if len(rows) > 1 else [nothing]
        lines += [missing_text(self._province, one, language) for one in counted.missing]
        for city, items in counted.untold.items():
            why = (
                f"{items} 张工单未计入：受理记录不在此，或缺其业务版本"
                if language == "zh"
                else f"{items} items are not counted: their opening, or their service's version, is not here"
            )
            lines.append(f"! {names[city]}  {why}")
        changed = revised(counted.revisions)
        if changed:
            word = "修订过" if language == "zh" else "revised"
            told = [f"{names[city]} {_short(start)} #{one.number}" for (city, start), one in changed]
            lines.append(f"~ {word} {len(told)}: {', '.join(told[:8])}{', …' if len(told) > 8 else ''}")
        return "\n".join(lines)


_WORDS: dict[Language, tuple[str, tuple[str, ...], str, str]] = {
    "zh": (
        "业务报表",
        (
            "业务／地市", "受理", "异地", "代理", "办结", "其他", "及时", "目标", "中位", "九成",
            "上报", "督办", "重开", "重复", "未结", "超时", "费用", "评价", "满意", "均分",
        ),
        "异地：由外市受理；代理：为外市受理；其他：退回、撤销、不成立；及时：在承诺时限内结束的比例；\n"
        "中位、九成：办理时长，小时；费用：元，不含月租和押金；\n"
        "评价：回访评价的用户数／回访问到的用户数；满意：评价中 4、5 分的比例；均分：1 至 5",
        "没有工单",
    ),
    "en": (
        "Services",
        (
            "service / city", "opened", "away", "for", "done", "other", "in time", "aim", "p50 h", "p90 h",
            "told", "pressed", "again", "repeat", "open", "late", "fees", "said", "happy", "mean",
        ),
        "away: taken in by another city; for: taken in for other cities; other: refused, cancelled, unfounded;\n"
        "in time: share of those ended within the promised time; p50, p90: hours from opening to ending;\n"
        "told: missed deadlines told to the next in line; fees: yuan, without monthly ones and deposits;\n"
        "said: customers called back who gave a mark / who were asked; happy: share of marks of 4 or 5; mean: 1 to 5",
        "no work items",
    ),
}  # fmt: skip


def _cells(line: Line, aim: float | None) -> tuple[str, ...]:
    part = line.part
    finished = part.done + part.answered
    numbers = (part.opened, part.elsewhere, part.for_others, finished, part.ended - finished)
    behind = (
        part.escalated, part.pressed, part.reopened, part.repeats, line.standing.open, line.standing.overdue,
    )  # fmt: skip
    return (
        *map(str, numbers),
        f"{part.within / part.promised:.1%}" if part.promised else "-",
        f"{aim:.0%}" if aim is not None else "",
        *(_hours(part.handling.quantile_s(share)) for share in (0.5, 0.9)),
        *map(str, behind),
        f"{part.fees_fen // 100}.{part.fees_fen % 100:02d}",
        f"{part.satisfaction_said}/{part.satisfaction_asked}" if part.satisfaction_asked else "-",
        f"{part.satisfied_share:.1%}" if part.satisfied_share is not None else "-",
        f"{part.satisfaction_mean:.2f}" if part.satisfaction_mean is not None else "-",
    )


def _hours(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds / HOUR_S:.1f}"


def _sum(service: str, lines: Iterable[Line]) -> Line:
    of = list(lines)
    standing = Standing(sum(one.standing.open for one in of), sum(one.standing.overdue for one in of))
    return Line(None, service, added(one.part for one in of), standing)


def _short(start: int) -> str:
    return day_of(start).strftime("%m-%d")
