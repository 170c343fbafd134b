"""Contacts that are over are among the records, each once, with the customer whose number it was, whatever crashes."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, ContactId, CustomerId
from dataset.puts import Put
from dataset.records.contact import CONTACTS, SEGMENTS, PastContact, PastSegment
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.rows import Ending, IdentityChecked, IdentityHow
from tests.harness.roles import actor
from tests.province.test_work_records import page, put
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat, WorkingProvince

WHO = CustomerId("440001")


@pytest.fixture
def province() -> WorkingProvince:
    province = WorkingProvince(with_records=True)
    put(province, Put(CUSTOMERS, Customer(city=GUANGZHOU, id=WHO, name="陈志强")))
    put(province, Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line")))
    return province


def handled(province: WorkingProvince, seat: Seat, city: CityId = GUANGZHOU, note: str = "问宽带") -> str:
    """A call that is taken, noted and over."""
    contact = seat.take_call(city)
    seat.ask("note", contact=contact, text=note)
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)
    province.pass_s(2.0)
    return contact


def past(province: WorkingProvince) -> list[PastContact]:
    return page(province, CONTACTS, (GUANGZHOU, WHO), "by_customer")


def test_a_contact_that_is_over_is_on_the_customers_card(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    contact = handled(province, seat)
    [one] = past(province)
    assert (one.contact, one.customer, one.line, one.ending, one.segments) == (contact, WHO, LINE, Ending.COMPLETED, 1)
    assert (one.door, one.service) == ("112", "fault")
    assert one.ended_at > one.began_at
    segments: list[PastSegment] = page(province, SEGMENTS, (contact,))
    assert [(two.n, two.agent, two.disposition, two.notes) for two in segments] == [
        (1, "1001@guangzhou", "solved", "1001@guangzhou: 问宽带")
    ]
    card = seat.ask("card", customer=WHO)["card"]
    assert [two["contact"] for two in card["contacts"]] == [contact]


def test_whose_identity_was_checked_and_how_is_on_record_and_good_for_that_contact_alone(
    province: WorkingProvince,
) -> None:
    """On disk when it is said, known after a restart, in the contact's history, and nothing in the next contact."""
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    with pytest.raises(Refused) as refused:
        seat.ask("identity_checked", contact=contact, line=LINE, how="by_voice")
    assert refused.value.problems[0].slug == "bad-request"
    assert province.rows(GUANGZHOU, IdentityChecked) == []
    seat.ask("identity_checked", contact=contact, line=LINE, how="service_password")
    [row] = province.rows(GUANGZHOU, IdentityChecked)
    assert row == IdentityChecked(
        contact=ContactId(contact), city=GUANGZHOU, line=LINE, customer=WHO,
        how=IdentityHow.SERVICE_PASSWORD, agent=AgentId("1001@guangzhou"),
    )  # fmt: skip
    assert seat.ask("card", customer=WHO)["card"]["due_fen"] == 0
    province.restart_city(GUANGZHOU)
    seat = province.seat_of(GUANGZHOU)
    assert seat.ask("card", customer=WHO)["card"]["due_fen"] == 0, "it is known after the restart"
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)
    province.pass_s(2.0)
    [one] = past(province)
    assert [(two.how, two.line, two.agent) for two in one.identity] == [("service_password", LINE, "1001@guangzhou")]
    seat.take_call(GUANGZHOU)
    card = seat.ask("card", customer=WHO)["card"]
    assert (card["due_fen"], card["bills"]) == (None, [])
    [shown] = card["contacts"][0]["identity"]
    assert (shown["how"], shown["line"]) == ("service_password", "020****0001")
    assert one.began_at <= shown["at"] <= one.ended_at
    assert province.hub is not None
    asked = province.hub.door.table.call(actor("province", HUB), "contact", {"contact": contact})
    way = province.result(Deferred.fromCoroutine(asked))
    assert LINE not in str(way)
    assert "identity_checked" in [two["kind"] for two in way["rows"]]


def test_what_was_opened_in_a_contact_stands_with_it(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    item = seat.order(contact)["item"]
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)
    province.pass_s(2.0)
    assert [one.work_items for one in past(province)] == [(item,)]


def test_a_crash_leaves_no_contact_out_and_none_twice(province: WorkingProvince) -> None:
    """Before the first, between birth and ending, and right after an ending."""
    contacts = [handled(province, province.seat_of(GUANGZHOU))]
    province.restart_city(GUANGZHOU)
    seat = province.seat_of(GUANGZHOU)
    contacts.append(seat.take_call(GUANGZHOU))
    province.restart_city(GUANGZHOU)
    seat = province.seat_of(GUANGZHOU)
    province.pass_s(2.0)
    seat.ask("disposition", contact=contacts[1], code="solved")
    seat.ask("finish", contact=contacts[1])
    province.crash_city(GUANGZHOU)
    province.pass_s(1.0)
    province.start_city(GUANGZHOU)
    province.pass_s(40.0)
    assert sorted(one.contact for one in past(province)) == sorted(contacts)


def test_a_caller_of_another_city_is_in_the_history_of_where_it_called(province: WorkingProvince) -> None:
    handled(province, province.seat_of(SHENZHEN), SHENZHEN)
    assert past(province) == []
