"""Hours of work of the province: when a deadline of "16 hours" is over, holidays and make-up days considered.

Days are China's: one time zone, UTC+8 all the year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Annotated

from dataset.declared import Pattern, Reading, setting
from dataset.services.words import Day, Label
from dataset.toml_text import Path, parse_toml

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
LONGEST_CLOSED = 60
"""days; a calendar that is closed for longer is taken for a mistake"""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Hours = Annotated[
    str,
    Pattern(
        r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)",
        '时段，如 "08:30-12:00"',
        'hours such as "08:30-12:00"',
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialDay:
    """A day that is not like its weekday."""

    first: Day = setting("第一天", "first day")
    last: Day | None = setting("最后一天（含）；缺省同第一天", "last day; the first when left out", default=None)
    zh: Label = setting("名称", "name in Chinese")
    en: Label = setting("英文名", "name in English")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarText:
    """The file of the calendar."""

    hours: Mapping[str, tuple[Hours, ...]] = setting("每周工作时段", "hours of work by weekday: mon … sun")
    make_up: tuple[Hours, ...] = setting("调休上班日的时段", "hours of a make-up day")
    holidays: tuple[SpecialDay, ...] = setting("放假", "holidays", key="holiday", default=())
    make_up_days: tuple[SpecialDay, ...] = setting(
        "调休上班", "days off that are worked", key="make_up_day", default=()
    )


Span = tuple[int, int]
"""Seconds of a day, from and until."""


@dataclass(frozen=True)
class WorkCalendar:
    """When there is work. All times are seconds since 1970 (UTC)."""

    weekdays: tuple[tuple[Span, ...], ...]
    """Monday first; spans in order, apart"""
    special: Mapping[date, tuple[Span, ...]]
    """days that are not like their weekday"""

    def spans(self, day: date) -> tuple[Span, ...]:
        """The hours of work of ``day``, in seconds from its midnight."""
        found = self.special.get(day)
        return self.weekdays[day.weekday()] if found is None else found

    def after(self, start: float, seconds: float) -> float:
        """When ``seconds`` of work from ``start`` on are over; with 0, the next moment of work.

        Raises ``OverflowError`` when there is no more work.
        """
        day, left, closed = day_of(start), seconds, 0
        since = start - midnight(day)
        while closed <= LONGEST_CLOSED:
            for begin, end in self.spans(day):
                at = max(float(begin), since)
                if at < end:
                    if left <= end - at:
                        return midnight(day) + at + left
                    left -= end - at
                    closed = 0
            day, since, closed = day + timedelta(days=1), 0.0, closed + 1
        raise OverflowError(f"no work within {LONGEST_CLOSED} days before {day}")

    def between(self, start: float, end: float) -> float:
        """Seconds of work from ``start`` to ``end``; 0 when ``end`` is not later."""
        total, day = 0.0, day_of(start)
        while (base := midnight(day)) < end:
            total += sum(max(0.0, min(end, base + b) - max(start, base + a)) for a, b in self.spans(day))
            day += timedelta(days=1)
        return total

    def is_work_day(self, day: date) -> bool:
        """Whether there is work on ``day``."""
        return bool(self.spans(day))

    def work_days_after(self, day: date, count: int) -> date:
        """The ``count``-th day of work after ``day``; ``day`` itself for 0. ``OverflowError`` if there is none."""
        closed = 0
        while count > 0:
            day += timedelta(days=1)
            if self.is_work_day(day):
                count, closed = count - 1, 0
            else:
                closed += 1
                if closed > LONGEST_CLOSED:
                    raise OverflowError(f"no work within {LONGEST_CLOSED} days before {day}")
        return day


NO_WORK = WorkCalendar(((),) * 7, {})
"""without any hours of work: where no deadline is asked for"""


def day_of(at: float) -> date:
    """The day in China of a moment."""
    return datetime.fromtimestamp(at, CHINA).date()


def midnight(day: date) -> float:
    """The moment at which ``day`` begins in China."""
    return datetime.combine(day, time(), CHINA).timestamp()


def parse_calendar(data: bytes, file: str) -> WorkCalendar:
    """The calendar in ``data``; ``file`` is for messages. Raises ``Refused`` with every fault, by line."""
    reading = Reading(parse_toml(data, file))
    text = reading.table(CalendarText)
    for name in text.hours:
        if name not in WEEKDAYS and reading.sound("hours", name):
            reading.fault(("hours", name), "calendar-weekday", "应为 mon 至 sun 之一", "one of mon to sun expected")
    weekdays = tuple(_spans(reading, ("hours", name), text.hours.get(name, ())) for name in WEEKDAYS)
    make_up = _spans(reading, ("make_up",), text.make_up)
    special: dict[date, tuple[Span, ...]] = {}
    for key, days, spans in (("holiday", text.holidays, ()), ("make_up_day", text.make_up_days, make_up)):
        for at, one in enumerate(days):
            for day in _days(reading, (key, at), one):
                if day in special:
                    reading.fault(
                        (key, at),
                        "calendar-twice",
                        f"{day} 已另有安排，请去掉其一",
                        f"{day} is arranged otherwise already; remove one",
                        value=False,
                    )
                special[day] = spans
    if reading.sound("hours") and not any(weekdays):
        reading.fault(("hours",), "calendar-closed", "一周至少要有一个时段", "a week needs some hours at least")
    reading.done()
    return WorkCalendar(weekdays, special)


def _spans(reading: Reading, path: Path, texts: tuple[str, ...]) -> tuple[Span, ...]:
    found: list[Span] = []
    for at, text in enumerate(texts):
        if not reading.sound(*path, at):
            continue
        begin, end = (_seconds(part) for part in text.split("-"))
        if begin >= end or (found and found[-1][1] > begin):
            reading.fault(
                (*path, at), "calendar-hours", "时段须由早到晚、互不重叠", "hours must run forward and not overlap"
            )
            continue
        found.append((begin, end))
    return tuple(found)


def _days(reading: Reading, path: Path, one: SpecialDay) -> list[date]:
    try:
        first = date.fromisoformat(one.first)
        last = date.fromisoformat(one.last) if one.last is not None else first
    except ValueError:
        if reading.sound(*path):
            reading.fault(path, "calendar-day", "没有这一天", "there is no such day", value=False)
        return []
    if not 0 <= (last - first).days < LONGEST_CLOSED:
        reading.fault(
            (*path, "last"),
            "calendar-day",
            f"须不早于 first，且不超过 {LONGEST_CLOSED} 天",
            f"not before first, and fewer than {LONGEST_CLOSED} days expected",
            value=False,
        )
        return []
    return [first + timedelta(days=at) for at in range((last - first).days + 1)]


def _seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60
