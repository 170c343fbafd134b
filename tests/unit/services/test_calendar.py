"""Deadlines run in hours of work, as the province's calendar has them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.calendar import CHINA, WorkCalendar, parse_calendar
from dataset.errors import Refused

GOOD = (Path(__file__).parents[3] / "conf/calendar.toml").read_bytes()
CALENDAR = parse_calendar(GOOD, "calendar.toml")


def at(text: str) -> float:
    """A moment in China."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp()


def said(moment: float) -> str:
    return datetime.fromtimestamp(moment, CHINA).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-26 09:00", 2, "2026-11-26 11:00"),
        ("2026-11-26 11:00", 2, "2026-11-26 15:00"),  # over noon
        ("2026-11-27 17:00", 2, "2026-11-30 09:30"),  # over a weekend
        ("2026-09-30 17:00", 2, "2026-10-08 09:30"),  # over the National Day
        ("2026-10-09 17:00", 2, "2026-10-10 09:30"),  # a Saturday that is worked
        ("2026-11-28 03:00", 0, "2026-11-30 08:30"),  # nothing is due while nobody is there
        ("2026-11-26 18:00", 0, "2026-11-27 08:30"),
        ("2026-02-13 10:00", 30, "2026-02-26 10:00"),  # a Saturday that is worked, then nine days off
    ],
)
def test_hours_of_work_are_counted(start: str, hours: float, end: str) -> None:
    assert said(CALENDAR.after(at(start), hours * 3600.0)) == end


def test_days_of_work_are_counted() -> None:
    assert CALENDAR.work_days_after(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert CALENDAR.work_days_after(date(2026, 10, 9), 1) == date(2026, 10, 10)
    assert CALENDAR.work_days_after(date(2026, 10, 9), 0) == date(2026, 10, 9)


moments = st.floats(min_value=at("2026-01-01 00:00"), max_value=at("2027-06-01 00:00"), allow_nan=False)


@given(moments, st.floats(min_value=0.0, max_value=400 * 3600.0))
def test_what_is_added_is_what_lies_between(start: float, seconds: float) -> None:
    end = CALENDAR.after(start, seconds)
    assert end >= start
    assert CALENDAR.between(start, end) == pytest.approx(seconds, abs=1e-3)


@given(moments, st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_more_work_is_never_over_earlier(start: float, one: float, more: float) -> None:
    assert CALENDAR.after(start, one) <= CALENDAR.after(start, one + more)


def test_a_calendar_without_work_says_so_instead_of_searching_for_ever() -> None:
    closed = WorkCalendar(((),) * 7, {})
    with pytest.raises(OverflowError):
        closed.after(at("2026-11-26 09:00"), 1.0)
    with pytest.raises(OverflowError):
        closed.work_days_after(date(2026, 11, 26), 1)


@pytest.mark.parametrize(
    ("old", "new", "slug", "remedy"),
    [
        (b'mon = ["08:30-12:00"', b'mon = ["12:30-12:00"', "calendar-hours", "run forward"),
        (b'"14:00-18:00"]\n\n[hours]', b'"11:00-18:00"]\n\n[hours]', "calendar-hours", "not overlap"),
        (b"tue =", b"thursday =", "calendar-weekday", "mon to sun"),
        (b'mon = ["08:30', b'mon = ["8:30', "setting-form", "hours such as"),
        (b'first = "2026-05-01"', b'first = "2026-05-1"', "setting-form", "a date such as"),
        (b'first = "2026-02-28"', b'first = "2026-02-30"', "calendar-day", "no such day"),
        (b'last = "2026-05-05"', b'last = "2026-04-05"', "calendar-day", "not before first"),
        (b'first = "2026-01-04"', b'first = "2026-01-03"', "calendar-twice", "remove one"),
    ],
)
def test_a_fault_in_the_calendar_is_named_with_its_line(old: bytes, new: bytes, slug: str, remedy: str) -> None:
    assert GOOD.count(old) == 1
    changed = GOOD.replace(old, new)
    with pytest.raises(Refused) as refused:
        parse_calendar(changed, "calendar.toml")
    [problem] = [one for one in refused.value.problems if one.slug == slug][:1]
    assert remedy in problem.en
    assert problem.place.startswith("calendar.toml:")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in problem.zh)
