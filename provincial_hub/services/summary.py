"""The day in words, for whoever ends a run or asks the hub: each city's sum of I7 written out, the province's, and
what is missing from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dataset.errors import Language
from dataset.ids import CityId
from dataset.measures import Interval, balance, total, written_out
from dataset.standing import Declaration
from federation.node.province import Province
from provincial_hub.core.traffic import SHANGHAI_S

_TEXTS = {
    "zh": (
        "本日小结",
        "全省",
        "没有话务",
        "全省各队列均平",
        "不平的队列",
        "目标内接听",
        "异地接听占",
        "平均等待",
        "秒",
    ),
    "en": (
        "The day",
        "Province",
        "no traffic",
        "every queue balances",
        "queues that do not balance",
        "answered within the target",
        "of it in another city",
        "mean wait",
        "s",
    ),
}
REVISED_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What may be missing of one city; true when anything is."""

    city: CityId
    seen: bool
    since: float | None
    """when it was last heard: by its beat, else by its last row on record; None when never"""
    lost: Declaration | None
    unknown_rows: int
    """parked, or no longer kept by their sender when they were asked for (S2, J5)"""
    unconfirmed: int
    """segments served here for a city that is lost, or lost its journal: its word on them does not come (E3)"""

    def __bool__(self) -> bool:
        """Whether the city has to be named."""
        return not self.seen or self.lost is not None or self.unknown_rows > 0 or self.unconfirmed > 0


def day_summary(
    province: Province,
    intervals: Sequence[Interval],
    language: Language = "zh",
    *,
    missing: Sequence[Missing] = (),
    revised: Sequence[tuple[CityId, int, int]] = (),
) -> str:
    """Several lines without an end of line after the last; ``intervals`` follow each other in every queue.

    ``revised``: city, start of the interval and revision, of intervals that were told otherwise before (B6).
    """
    title, whole, nothing, even, uneven, *_ = _TEXTS[language]
    names = {one.id: one.name if language == "zh" else one.name_en for one in province.cities}
    lines = [f"── {title} · {province.province.name if language == 'zh' else province.province.name_en} ──"]
    for city in province.cities:
        name = names[city.id]
        of_city = [one for one in intervals if one.city == city.id]
        if not of_city:
            lines.append(f"{name}  {nothing}")
            continue
        counted = total(of_city)
        lines.append(f"{name}  {written_out(counted, language)}")
        lines.append(f"    {_figures(counted, language)}")
    if intervals:
        everything = total(intervals)
        lines.append(f"{whole}  {written_out(everything, language)}")
        lines.append(f"    {_figures(everything, language)}")
        wrong = sorted({f"{one.city}/{one.skill}" for one in intervals if balance(one)})
        lines.append(f"I7  {even}" if not wrong else f"I7  {uneven}: {', '.join(wrong)}")
    lines += [missing_text(province, one, language) for one in missing]
    if revised:
        told = [f"{names[city]} {_moment(start)} #{number}" for city, start, number in revised[-REVISED_SHOWN:]]
        word = "修订过的时段" if language == "zh" else "revised intervals"
        more = ", …" if len(revised) > REVISED_SHOWN else ""
        lines.append(f"~ {word} {len(revised)}: {', '.join(told)}{more}")
    return "\n".join(lines)


def missing_text(province: Province, one: Missing, language: Language) -> str:
    """A line that names a city, and why its part may be missing."""
    city = province.city(one.city)
    return f"! {city.name if language == 'zh' else city.name_en}  {_missing(one, language)}"


def _missing(one: Missing, language: Language) -> str:
    zh = language == "zh"
    since = _moment(one.since) if one.since is not None else ("开始" if zh else "the start")
    parts = []
    if one.lost is not None:
        at = _moment(one.lost.since)
        parts.append(
            f"自 {at} 宣告失联（{one.lost.by}：{one.lost.reason}）"
            if zh
            else f"declared lost since {at} ({one.lost.by}: {one.lost.reason})"
        )
    if not one.seen:
        parts.append(
            f"自 {since} 无音讯，之后的记录可能未到" if zh else f"silent since {since}, later rows may be missing"
        )
    if one.unknown_rows:
        parts.append(f"{one.unknown_rows} 条记录内容不明" if zh else f"{one.unknown_rows} rows are unknown")
    if one.unconfirmed:
        parts.append(
            f"{one.unconfirmed} 段受理未获接入局确认，未计入"
            if zh
            else f"{one.unconfirmed} segments that no word of their anchor confirms are not counted"
        )
    return ("；" if zh else "; ").join(parts)


def _moment(wall: float) -> str:
    """In Shanghai."""
    return datetime.fromtimestamp(wall + SHANGHAI_S, UTC).strftime("%m-%d %H:%M")


def _figures(interval: Interval, language: Language) -> str:
    *_, within, elsewhere, wait, unit = _TEXTS[language]
    answered = interval.answered_here + interval.sent_out
    asked = answered + interval.abandoned
    if not answered:
        return "—"
    mean_s = interval.waiting.total_ms / 1000 / answered
    return (
        f"{within} {interval.within_target}/{asked} = {interval.within_target / asked:.1%} · "
        f"{elsewhere} {interval.sent_out}/{answered} = {interval.sent_out / answered:.1%} · {wait} {mean_s:.1f} {unit}"
    )
