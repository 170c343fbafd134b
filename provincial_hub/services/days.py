"""Spans of days that reports are asked for."""

from __future__ import annotations

from datetime import date, timedelta

from dataset.calendar import midnight
from dataset.errors import Problem, Refused

LONGEST_DAYS = 366


def span_of(first: str, last: str) -> tuple[date, date]:
    """The two days, both included. Raises ``Refused`` 400 for what is no day, for a span that is none or too long."""
    begin, end = _day(first, "first"), _day(last, "last")
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


def _day(text: str, place: str) -> date:
    try:
        day = date.fromisoformat(text)
        midnight(day + timedelta(days=1))  # the last day that there is has no end
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
