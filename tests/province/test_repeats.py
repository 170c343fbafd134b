"""Whoever has a customer on the phone sees that it is not the first time, in whatever city it was."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import CityId, CustomerId, NodeId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer, Document, DocumentKind
from dataset.records.line import LINES, Line
from dataset.records.work import WORK_ITEMS, WorkRecord
from dataset.work import WorkItemId
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.test_work_records import store
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat, WorkingProvince

DAY = 86_400.0
AT_SHENZHEN = "075581230001"
WHO = Document(kind=DocumentKind.RESIDENT_ID, number="440106198001011234")


@pytest.fixture
def province() -> WorkingProvince:
    """陈志强 has a line in 广州 and one in 深圳."""
    province = WorkingProvince(with_records=True)
    for city, customer, number in ((GUANGZHOU, "440001", LINE), (SHENZHEN, "990007", AT_SHENZHEN)):
        who = CustomerId(customer)
        known = Customer(city=city, id=who, name="陈志强", document=WHO, contact_numbers=("13900000002",))
        line = Line(city=city, number=number, customer=who, service="install_line")
        _put(province, city, Put(CUSTOMERS, known), Put(LINES, line))
    return province


def _put(province: WorkingProvince, city: CityId, *puts: Put) -> None:
    province.result(store(province, city).put(puts).addCallback(lambda _: {}))


def past(province: WorkingProvince, city: CityId, line: str, days: float, service: str = "fault", n: int = 1) -> str:
    """An item of so many days ago that ended; the journal has forgotten it."""
    item = WorkItemId(f"w-0020-bbbbbbbb-{n:06x}")
    record = WorkRecord(
        city=city,
        item=item,
        service=f"{service}@1",
        line=line,
        state="closed",
        ending="done",
        opened_in=city,
        opened_at=province.time.wall() - days * DAY,
    )
    _put(province, city, Put(WORK_ITEMS, record))
    return item


def report(seat: Seat, line: str = LINE, service: str = "fault", **more: Any) -> str:
    values = form_for(catalogue().services[service], now=seat.province.time.wall()) | {"line": line}
    item = str(seat.ask("work_open", service=service, values=values, **more)["item"])
    seat.province.pass_s(2.0)
    return item


def ended(seat: Seat, item: str) -> None:
    """The customer withdraws it."""
    assert seat.ask("work_act", item=item, action="withdraw", note="好了")["state"] == "accepted"
    seat.province.pass_s(2.0)


def test_a_fault_that_is_back_is_known_as_such_and_given_out_first(province: WorkingProvince) -> None:
    office, far = province.seat_of(GUANGZHOU), province.seat_of(SHENZHEN)
    first = report(office)
    ended(office, first)
    other = report(office, "02081230009")
    again = report(far)
    shown = far.ask("work_item", item=again)["item"]
    assert (shown["times_before"], shown["repeat_of"], shown["ahead"]) == (1, first, True)
    waiting = office.ask("work_items", waiting=True)["items"]
    assert [(one["item"], one["times_before"]) for one in waiting] == [(again, 1), (other, 0)]
    province.restart_city(GUANGZHOU)
    waiting = province.seat_of(GUANGZHOU).ask("work_items", waiting=True)["items"]
    assert [one["item"] for one in waiting] == [again, other], "by what is on record"


def test_what_the_journal_forgot_is_known_by_the_records(province: WorkingProvince) -> None:
    """Thirty days for a fault, ninety for a complaint, by their files."""
    old = past(province, GUANGZHOU, LINE, 29.9)
    past(province, GUANGZHOU, LINE, 30.1, n=2)
    complained = past(province, GUANGZHOU, LINE, 89.0, service="complaint", n=3)
    office = province.seat_of(GUANGZHOU)
    for service, times, last in (("fault", 1, old), ("complaint", 1, complained)):
        shown = office.ask("work_item", item=report(office, service=service))["item"]
        assert (shown["times_before"], shown["repeat_of"]) == (times, last)


def test_what_a_customer_had_in_every_city_is_told_at_any_seat(province: WorkingProvince) -> None:
    complained = report(province.seat_of(SHENZHEN), AT_SHENZHEN, "complaint")
    past(province, GUANGZHOU, LINE, 40.0, service="complaint")
    past(province, GUANGZHOU, "02081239999", 1.0, service="complaint", n=2)
    for city in (FOSHAN, GUANGZHOU, SHENZHEN):
        found = province.seat_of(city).ask("repeats", line=LINE)
        [one] = found["repeats"]
        assert (one["service"], one["within_30_days"], one["within_90_days"]) == ("complaint", 1, 2)
        assert [item["item"] for item in one["items"]] == [complained, "w-0020-bbbbbbbb-000001"]
        assert [item["city"] for item in one["items"]] == ["shenzhen", "guangzhou"]
        assert sorted(found["cities"]) == ["foshan", "guangzhou", "shenzhen"]
        assert found["missing"] == []
        assert WHO.number not in str(found), "the document stays with the cities"


def test_a_city_that_is_away_is_named(province: WorkingProvince) -> None:
    past(province, GUANGZHOU, LINE, 3.0)
    past(province, GUANGZHOU, LINE, 5.0, n=2)
    province.wires.cut([NodeId(SHENZHEN)])
    found = province.seat_of(FOSHAN).ask("repeats", line=LINE)
    assert [one["within_30_days"] for one in found["repeats"]] == [2]
    assert [one["city"] for one in found["missing"]] == ["shenzhen"]
    province.wires.cut([NodeId(SHENZHEN)], restore=True)
    province.wires.cut([NodeId(GUANGZHOU)])
    seat = province.seat_of(FOSHAN)
    found = province.result(seat.live.send("repeats", line=LINE), within_s=10.0)
    assert found["repeats"] == []
    assert "guangzhou" in [one["city"] for one in found["missing"]]


@pytest.mark.parametrize("line", ["", "abc", "0" * 16, None, 20])
def test_what_is_no_line_is_refused(province: WorkingProvince, line: object) -> None:
    with pytest.raises(Refused) as refused:
        province.seat_of(GUANGZHOU).ask("repeats", line=line)
    assert refused.value.problems[0].slug == "bad-request"


def test_a_seat_cannot_ask_by_a_document(province: WorkingProvince) -> None:
    """Only a city asks another so, for a customer of its own."""
    with pytest.raises(Refused) as refused:
        province.seat_of(GUANGZHOU).ask("repeats_here", document=WHO.number)
    assert refused.value.problems[0].slug == "unknown-operation"


def test_everything_of_a_customer_is_under_way_in_whatever_city(province: WorkingProvince) -> None:
    """What goes on first, then what has ended, the newest first; a city that is away is named."""
    old = past(province, SHENZHEN, AT_SHENZHEN, days=200.0)
    office = province.seat_of(GUANGZHOU)
    first = report(office)
    far = province.seat_of(FOSHAN)
    found = far.ask("progress", line=LINE)
    assert [(one["item"], bool(one["ending"])) for one in found["items"]] == [(first, False), (old, True)]
    assert {one["line"] for one in found["items"]} == {"020****0001", "075****0001"}
    assert (sorted(found["cities"]), found["missing"]) == (["foshan", "guangzhou", "shenzhen"], [])
    ended(office, first)
    assert [one["item"] for one in far.ask("progress", line=LINE)["items"]] == [first, old]
    province.wires.cut([NodeId(SHENZHEN)])
    found = office.ask("progress", line=LINE)
    assert [one["item"] for one in found["items"]] == [first]
    assert [one["city"] for one in found["missing"]] == ["shenzhen"]
