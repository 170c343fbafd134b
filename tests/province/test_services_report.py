"""What the hub tells of the services: two of them handled, by whom, how fast, and what may be missing from it."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.calendar import day_of
from dataset.columns import width
from dataset.errors import Refused
from dataset.ids import NodeId
from tests.harness.services import catalogue
from tests.harness.work import HOUR, form_for
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Bureau, Seat, WorkingProvince, finish

FAULT = catalogue().services["fault"]
DAY = 24 * HOUR


@pytest.fixture
def province() -> WorkingProvince:
    return WorkingProvince()


def line_of(report: dict[str, Any], service: str, city: str | None) -> dict[str, Any]:
    [found] = [one for one in report["lines"] if (one["service"], one["city"]) == (service, city)]
    return dict(found)


def report_fault(province: WorkingProvince, seat: Seat, contact: str) -> dict[str, Any]:
    values = {**form_for(FAULT, now=province.time.wall()), "line": LINE, "contact_phone": "13800138000"}
    return seat.ask("work_open", service="fault", line=LINE, contact=contact, values=values)


def two_services(province: WorkingProvince) -> None:
    """深圳 takes in an order and a fault for 广州, which does the order at once and is pressed for the fault."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    order = seat.order(contact)
    fault = report_fault(province, seat, contact)
    province.pass_s(2.0)
    finish(province, order["item"])
    lead = Seat.lead(province, GUANGZHOU)
    assert lead.ask("work_press", item=fault["item"], note="客户催办")["state"] == "accepted"
    province.pass_s(3.0)


def test_two_services_that_were_handled_are_told_with_who_took_them_in(province: WorkingProvince) -> None:
    two_services(province)
    told = Bureau(province).report("services_report")
    assert [(one["service"], one["city"]) for one in told["lines"]] == [
        ("fault", None), ("fault", GUANGZHOU), ("fault", SHENZHEN),
        ("install_line", None), ("install_line", GUANGZHOU), ("install_line", SHENZHEN),
    ]  # fmt: skip
    order = line_of(told, "install_line", GUANGZHOU)
    assert (order["opened"], order["elsewhere"], order["for_others"], order["done"], order["ended"]) == (1, 1, 0, 1, 1)
    assert (order["promised"], order["within"], order["aim"], order["open"]) == (1, 1, 0.95, 0)
    assert order["called_back"] == 1
    assert (order["satisfaction_asked"], order["satisfaction_said"], order["satisfied"]) == (1, 1, 1)
    assert (order["satisfied_share"], order["satisfaction_mean"]) == (1.0, 5.0)
    assert (line_of(told, "fault", None)["satisfied_share"], line_of(told, "fault", None)["satisfaction_mean"]) == (
        None,
        None,
    )
    assert order["handling"]["count"] == 1
    taken = line_of(told, "install_line", SHENZHEN)
    assert (taken["opened"], taken["for_others"], taken["ended"]) == (0, 1, 0)
    fault = line_of(told, "fault", None)
    assert (fault["opened"], fault["elsewhere"], fault["for_others"], fault["pressed"]) == (1, 1, 1, 1)
    assert (fault["ended"], fault["open"], fault["overdue"]) == (0, 1, 0)
    assert told["complete"]
    assert line_of(Bureau(province).report("services_report", city=SHENZHEN), "fault", None)["opened"] == 0


def test_the_printed_report_is_a_table_in_both_languages(province: WorkingProvince) -> None:
    """Under each heading the numbers end in one column, Chinese names or not."""
    two_services(province)
    told = Bureau(province).report("services_report")
    for language, name, heading in (("zh", "市话装机", "受理"), ("en", "New fixed line", "opened")):
        lines = told[language].splitlines()
        head = next(line for line in lines if heading in line)
        row = next(line for line in lines if line.startswith(name))
        end = width(head[: head.index(heading) + len(heading)])
        cut, at = 0, 0
        while cut < end:
            cut, at = cut + width(row[at]), at + 1
        assert (cut, row[:at].split()[-1], row[at]) == (end, "1", " ")
        assert width(row) == width(head)
    assert told["zh"].splitlines()[2].split() == [
        "障碍申告", "1", "1", "1", "0", "0", "-", "98%", "-", "-", "0", "1", "0", "0", "1", "0", "0.00", "-", "-", "-",
    ]  # fmt: skip
    assert told["zh"].splitlines()[5].split()[-3:] == ["1/1", "100.0%", "5.00"]


def test_what_comes_late_counts_on_its_day_under_another_revision(province: WorkingProvince) -> None:
    """B6: the city is cut off, its day is told without it and names it; its rows come, the same day is told anew."""
    day = day_of(province.time.wall()).isoformat()
    province.wires.cut([NodeId(GUANGZHOU)])
    seat = province.seat_of(GUANGZHOU)
    seat.order(seat.take_call(GUANGZHOU))
    province.rest(DAY)
    bureau = Bureau(province)
    first = bureau.report("services_report", day)
    assert (first["lines"], first["complete"], first["revised"]) == ([], False, [])
    assert [(one["city"], one["seen"]) for one in first["missing"]] == [(GUANGZHOU, False)]
    assert "! 广州  自" in first["zh"]
    province.wires.cut([NodeId(GUANGZHOU)], restore=True)
    province.pass_s(60.0)
    second = bureau.report("services_report", day)
    assert line_of(second, "install_line", GUANGZHOU)["opened"] == 1
    assert second["complete"]
    assert [(one["city"], one["day"], one["revision"]) for one in second["revised"]] == [(GUANGZHOU, day, 2)]
    assert "~ 修订过 1: 广州" in second["zh"]
    assert bureau.report("services_report", day)["revised"] == second["revised"], (
        "told the same again, it has the same number"
    )


@pytest.mark.parametrize(
    ("first", "last", "place"),
    [
        ("2026-11-31", "2026-12-01", "first"),
        ("2026-11-26", "26.11.2026", "last"),
        ("2026-11-26", "2026-11-25", "last"),
        ("2025-01-01", "2026-11-26", "last"),
        ("9999-12-31", "9999-12-31", "first"),
    ],
)
def test_days_that_cannot_be_told_are_refused(province: WorkingProvince, first: str, last: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        Bureau(province).report("services_report", first, last)
    assert (refused.value.status, refused.value.problems[0].place) == (400, place)
