"""The day in words, for whoever ends a run: each city's sum of I7 written out, and the province's."""

from __future__ import annotations

from collections.abc import Sequence

from dataset.errors import Language
from dataset.measures import Interval, balance, total, written_out
from federation.node.province import Province

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


def day_summary(province: Province, intervals: Sequence[Interval], language: Language = "zh") -> str:
    """Several lines without an end of line after the last; ``intervals`` follow each other in every queue."""
    title, whole, nothing, even, uneven, *_ = _TEXTS[language]
    lines = [f"── {title} · {province.province.name if language == 'zh' else province.province.name_en} ──"]
    for city in province.cities:
        name = city.name if language == "zh" else city.name_en
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
    return "\n".join(lines)


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
