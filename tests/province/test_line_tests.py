"""A caller's line is tested from any seat of the province, and what was measured stands on the work item."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import CustomerId, NodeId
from dataset.puts import Put
from dataset.records.line import LINES, Line, LineStatus
from site_node.core.line_test import Outcome
from site_node.line_test import SimulatedFault
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.test_work_records import put
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat, WorkingProvince

WHO = CustomerId("440001")


@pytest.fixture
def province() -> WorkingProvince:
    """Two lines of a customer of 广州, one of them removed, on a cable that was cut."""
    province = WorkingProvince(with_records=True)
    known = Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line", exchange="五山", cable="天河-12")
    gone = Line(city=GUANGZHOU, number="02081230002", customer=WHO, service="install_line", status=LineStatus.CEASED)
    data = Line(city=GUANGZHOU, number="02099990001", customer=WHO, service="fibre_broadband", over=LINE)
    put(province, Put(LINES, known), Put(LINES, gone), Put(LINES, data))
    province.test_desks[GUANGZHOU].declare("cable", "天河-12", SimulatedFault(Outcome.BREAK))
    return province


def probed(seat: Seat, **of: str) -> dict[str, Any]:
    """A test, with the time that it takes; again when it came to nothing."""
    for _ in range(3):
        try:
            return seat.province.result(seat.live.send("line_test", **of), within_s=30.0)
        except Refused as refused:
            if refused.problems[0].slug != "line-test-failed":
                raise
    raise AssertionError("three tests came to nothing")


@pytest.mark.parametrize("city", [GUANGZHOU, SHENZHEN])
def test_any_seat_tests_the_line_where_it_is(province: WorkingProvince, city: str) -> None:
    seat = province.seat_of(GUANGZHOU if city == GUANGZHOU else SHENZHEN)
    found = probed(seat, line=LINE)
    assert (found["from"], found["test"]["outcome"], found["test"]["zh"]) == ("guangzhou", "break", "断线")
    assert (found["test"]["lies"], found["test"]["measured"]["line"]) == ("cable", "020****0001")
    assert found["test"]["measured"]["dsl_synced"] is False, "broadband comes over it"


def test_whoever_calls_need_not_read_the_number_out_and_it_stays_masked(province: WorkingProvince) -> None:
    """The seat has the number masked, and asks with it; what is not the caller's own is not found by a mask."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    found = probed(seat, line="020****0001", contact=contact)
    assert (found["from"], found["test"]["outcome"]) == ("guangzhou", "break")
    assert found["test"]["measured"]["line"] == "020****0001"
    faults = seat.ask("mass_faults", line="020****0001", contact=contact)
    assert (faults["from"], faults["mass_faults"]) == ("guangzhou", [])
    assert seat.ask("repeats", line="calling", contact=contact)["repeats"] == []
    for op in ("line_test", "mass_faults", "repeats"):
        with pytest.raises(Refused) as refused:
            seat.ask(op, line="020****0001")
        assert refused.value.problems[0].slug == "unknown-contact"
        with pytest.raises(Refused) as refused:
            seat.ask(op, line="020****0002", contact=contact)
        assert refused.value.problems[0].slug == "line-masked"


def test_the_result_stands_on_the_work_item_of_whatever_city(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
    item = seat.ask("work_open", service="fault", values=values)["item"]
    province.pass_s(2.0)
    found = probed(seat, item=item)
    assert found["receipt"]["item"] == item
    province.pass_s(2.0)
    [note] = [step for step in seat.ask("work_item", item=item)["item"]["steps"] if step["step"] == "noted"]
    assert note["by"] == "2001@shenzhen"
    assert "断线（外线电缆）" in note["note"]
    assert f"{found['test']['measured']['capacitance_nf']:g} nF" in note["note"]
    office = province.seat_of(GUANGZHOU)
    answer = office.ask("work_act", item=item, action="test", values={"test_result": found["test"]["outcome"]})
    assert answer["state"] == "accepted", "the outcome is a value of the form"


def test_an_item_of_which_nothing_is_known_here_is_tested_where_it_is_owned(province: WorkingProvince) -> None:
    """Its number is shown masked here, so that the owning city tests the line by the item."""
    values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
    item = province.seat_of(GUANGZHOU).ask("work_open", service="fault", values=values)["item"]
    found = probed(province.seat_of(FOSHAN), item=item, owning=GUANGZHOU)
    assert (found["from"], found["test"]["outcome"]) == ("guangzhou", "break")
    assert found["test"]["measured"]["line"] == "020****0001"
    assert LINE not in str(found)


def test_every_outcome_is_a_value_of_the_form() -> None:
    [field] = [one for one in catalogue().services["fault"].text.fields if one.id == "test_result"]
    assert {one.value for one in Outcome} <= {choice.code for choice in field.choices}


@pytest.mark.parametrize(
    ("of", "slug"),
    [
        ({}, "one-of-two"),
        ({"line": LINE, "item": "w-0020-aaaaaaaa-000001"}, "one-of-two"),
        ({"line": "13800138000"}, "line-untestable"),
        ({"line": "02081230002"}, "line-not-in-service"),
        ({"line": "02081230003"}, "line-unknown"),
        ({"line": "020-8123"}, "bad-request"),
        ({"line": "0" * 16}, "bad-request"),
        ({"item": "w-0020-aaaaaaaa-000001"}, "work-unknown"),
        ({"item": "w-0020-aaaaaaaa-000001", "owning": "atlantis"}, "city-unknown"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_words(province: WorkingProvince, of: dict[str, str], slug: str) -> None:
    for city in (GUANGZHOU, SHENZHEN):
        with pytest.raises(Refused) as refused:
            probed(province.seat_of(city), **of)
        assert refused.value.problems[0].slug == slug


def test_an_item_about_no_line_has_none_to_test(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    values = form_for(catalogue().services["complaint"], now=province.time.wall())
    values.pop("line", None)
    item = seat.ask("work_open", service="complaint", values=values)["item"]
    with pytest.raises(Refused) as refused:
        probed(seat, item=item)
    assert refused.value.problems[0].slug == "item-without-line"


def test_a_line_of_a_city_that_is_away_is_not_tested_and_nothing_is_noted(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    province.wires.cut([NodeId(GUANGZHOU)])
    with pytest.raises(Refused) as refused:
        probed(seat, line=LINE)
    assert refused.value.problems[0].slug == "city-silent"
