"""Spans of days that reports are asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from dataset.calendar import midnight
from dataset.errors import Language, Problem, Refused

LONGEST_DAYS = 366


def span_of(first: str, last: str) -> tuple[date, date]:
    """The two days, both included. Raises ``Refused`` 400 for what is no day, for a span that is none or too long."""
    begin, end = day_named(first, "first"), day_named(last, "last")
    if not begin <= end < begin + timedelta(days=LONGEST_DAYS):
        raise Refused(
            Problem(
                "bad-request",
                zh=f"last 不能早于 first，且最多 {LONGEST_DAYS} 天",
                en=f"last must not be before first, and at most {LONGEST_DAYS} days are told",
                place="last",
            )
        )
    return begin, end


def in_both_languages(text: Callable[[Language], str], last: date, wall: float) -> dict[str, str]:
    """``zh`` and ``en`` of a report up to ``last`` that is asked for at ``wall``, with a line more where that day has
    not ended by then.
    """
    return {
        "zh": "\n".join([text("zh"), *_not_over(last, wall, "zh")]),
        "en": "\n".join([text("en"), *_not_over(last, wall, "en")]),
    }


def _not_over(last: date, wall: float, language: Language) -> list[str]:
    if wall >= midnight(last + timedelta(days=1)):
        return []
    begun = wall >= midnight(last)
    if language == "zh":
        return [f"… {last} 还没有{'过完，数字会变' if begun else '到'}"]
    return [f"… {last} {'is not over yet: figures will change' if begun else 'has not come yet'}"]


def month_named(month: str) -> tuple[date, date]:
    """The first and the last day of a month like ``2026-01``. Raises ``Refused`` 400."""
    try:
        first = date.fromisoformat(f"{month}-01")
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        midnight(first), midnight(after)
        return first, after - timedelta(days=1)
    except (ValueError, OverflowError) as error:  # the first and the last month that there is have no bounds
        raise Refused(
            Problem(
                "bad-request",
                zh="month 应为年月，如 2026-01",
                en="month must be a month, like 2026-01",
                place="month",
            )
        ) from error


def day_named(text: str, place: str = "day") -> date:
    """A day like ``2026-01-31``, which a report names as ``place``. Raises ``Refused`` 400."""
    try:
        day = date.fromisoformat(text)
        midnight(day), midnight(day + timedelta(days=1))  # the first and the last day that there is have no bounds
    except (ValueError, OverflowError) as error:
        raise Refused(
            Problem(
                "bad-request",
                zh=f"{place} 应为日期，如 2026-01-31",
                en=f"{place} must be a date, like 2026-01-31",
                place=place,
            )
        ) from error
    return day
