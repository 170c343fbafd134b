"""A seat sees the customers of other cities: by number, by name in all of them, and their bills; what is missing is
named, and every city has its look on record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import CityId, ContactId, CustomerId, NodeId
from dataset.puts import Put
from dataset.records.contact import CONTACTS, PastContact
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.records.money import BILLS, PAYMENTS, BillItem
from dataset.rows import Ending, Viewed
from tests.harness.sample_records import BILL, PAYMENT
from tests.province.test_views_on_record import WHY, Overseer, Watched, slug_of, views
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE

WHO = CustomerId("440001")
NAME = "陈志强"
PARTS = ["customer", "lines", "bills", "contacts", "items"]
RENT = BillItem(code="monthly_rent", zh="月租费", en="Monthly rent", fen=2200)
CALLS = BillItem(code="local_call", zh="市话费", en="Local calls", fen=850, count=17, seconds=3_120)


class Province(Watched):
    """A customer of 广州, who has called 深圳 before; somebody of the same name in 佛山."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        old = replace(BILL, city=GUANGZHOU, line=LINE, customer=WHO, month="2025-12", due_on=date(2026, 1, 20))
        old = replace(old, items=(RENT,), total_fen=2200)
        new = replace(old, month="2026-01", items=(RENT, CALLS), total_fen=3050, due_on=date(2030, 2, 20))
        paid = replace(PAYMENT, city=GUANGZHOU, line=LINE, customer=WHO, fen=2200, channel="counter", months=())
        self.put(
            GUANGZHOU,
            Put(CUSTOMERS, Customer(city=GUANGZHOU, id=WHO, name=NAME, contact_numbers=("13900000002",))),
            Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line", address="中山五路1号")),
            Put(BILLS, old),
            Put(BILLS, new),
            Put(PAYMENTS, paid),
        )
        self.put(FOSHAN, Put(CUSTOMERS, Customer(city=FOSHAN, id=CustomerId("757001"), name=NAME)))
        earlier = PastContact(
            contact=ContactId("0755-00000000-000001"),
            city=SHENZHEN,
            channel="voice",
            door="10000",
            calling=LINE,
            began_at=self.time.wall() - 86_400,
            ended_at=self.time.wall() - 86_300,
            ending=Ending.COMPLETED,
            service="bill",
        )
        self.put(SHENZHEN, Put(CONTACTS, earlier))

    def put(self, city: CityId, *puts: Put) -> None:
        records = self.sites[city].records
        assert records is not None
        self.result(records.put(puts))


@pytest.fixture
def province() -> Province:
    return Province()


def of_parts(answer: dict[str, Any], which: str = "parts") -> list[tuple[str, str]]:
    return [(one["part"], one["city"]) for one in answer[which]]


def refusal(ask: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        ask()
    return refused.value.status, slug_of(refused)


# ── a card ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_of_another_city_is_shown_whole_and_masked_with_the_age_of_each_part(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    item = seat.order(seat.take_call(SHENZHEN))["item"]
    province.pass_s(2.0)
    found = seat.ask("card", line=LINE)
    card = found["card"]
    assert (card["city"], card["customer"], card["masked"], card["name"]) == ("guangzhou", WHO, True, "陈**")
    assert ([one["number"] for one in card["lines"]], card["due_fen"]) == (["020****0001"], 3050)
    assert [one["contact"] for one in found["contacts"]] == ["0755-00000000-000001"], "it arrived here"
    assert [(one["item"], one["line"], one["owning"]) for one in found["items"]] == [(item, "020****0001", "guangzhou")]
    assert of_parts(found) == [
        *((part, "guangzhou") for part in PARTS),
        ("contacts", "shenzhen"),
        ("items", "shenzhen"),
    ]
    assert all(abs(one["as_of"] - province.time.wall()) < 1.0 for one in found["parts"])
    assert found["missing"] == []


def test_while_the_owning_city_is_cut_off_its_parts_are_named_beside_what_is_known_here(
    province: Province,
) -> None:
    seat = province.seat_of(SHENZHEN)
    item = seat.order(seat.take_call(SHENZHEN))["item"]
    province.pass_s(2.0)
    province.wires.cut([NodeId(GUANGZHOU)])
    for slug, wait_s in (("city-slow", 0.0), ("city-silent", 10.0)):
        province.pass_s(wait_s)
        found = seat.ask("card", line=LINE)
        assert found["card"] is None
        assert [one["item"] for one in found["items"]] == [item]
        assert [one["contact"] for one in found["contacts"]] == ["0755-00000000-000001"]
        assert of_parts(found) == [("contacts", "shenzhen"), ("items", "shenzhen")]
        assert of_parts(found, "missing") == [(part, "guangzhou") for part in PARTS]
        assert {one["problem"]["slug"] for one in found["missing"]} == {slug}
    assert views(province, GUANGZHOU) == []
    assert {(one.id, one.customers, one.asked) for one in views(province, SHENZHEN)} == {(LINE, (), (GUANGZHOU,))}


def test_both_cities_have_the_look_on_record(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    seat.ask("card", line=LINE)
    [there], [here] = views(province, GUANGZHOU), views(province, SHENZHEN)
    for row in (there, here):
        assert (row.agent, row.city, row.operation, row.what, row.id, row.customers, row.during, row.refused) == (
            "2001@shenzhen", "shenzhen", "card", Viewed.LINE, LINE, (WHO,), contact, "",
        )  # fmt: skip
    assert (there.asked, here.asked) == ((), (GUANGZHOU,))


def test_the_owning_city_decides_what_is_seen_in_full_by_what_the_other_vouches_for(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    asked = {"line": LINE, "unmask": True, "reason": WHY}
    assert refusal(lambda: seat.ask("card", **asked)) == (403, "unmask-not-yours")
    seat.ask("identity_checked", contact=contact, line=LINE)
    card = seat.ask("card", **asked)["card"]
    assert (card["masked"], card["name"], card["contact_numbers"]) == (False, NAME, ["13900000002"])
    for city, others in ((GUANGZHOU, ()), (SHENZHEN, (GUANGZHOU,))):
        assert [(one.unmasked, one.reason, one.refused, one.asked) for one in views(province, city)] == [
            (True, WHY, "unmask-not-yours", others), (True, WHY, "", others),
        ]  # fmt: skip


def test_what_the_owning_city_does_not_have_is_refused_by_name(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    assert refusal(lambda: seat.ask("card", line="02081239999")) == (404, "line-unknown")
    assert refusal(lambda: seat.ask("card", customer=WHO)) == (404, "customer-unknown"), "this city has none of that id"
    assert seat.ask("card", customer=WHO, city="guangzhou")["card"]["customer"] == WHO
    assert refusal(lambda: seat.ask("card", customer=WHO, city="atlantis")) == (404, "city-unknown")
    auditor = Overseer(province, SHENZHEN, "auditor")
    assert refusal(lambda: auditor.ask("card", line=LINE)) == (403, "not-your-role")
    assert [one.refused for one in views(province, GUANGZHOU)] == ["line-unknown", ""], "an auditor's never got there"


# ── looking for somebody ────────────────────────────────────────────────────────────────────────────────────────────
def found_in(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["city"], one["customer"]) for one in answer["customers"]]


def test_a_name_is_looked_for_in_all_cities_at_once_and_the_silent_ones_are_named(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    assert found_in(seat.ask("customers", text=NAME)) == [], "the own city alone, unless asked otherwise"
    found = seat.ask("customers", text=NAME, everywhere=True)
    assert found_in(found) == [("foshan", "757001"), ("guangzhou", WHO)]
    assert {one["name"] for one in found["customers"]} == {"陈**"}
    assert [one["city"] for one in found["parts"]] == ["shenzhen", "foshan", "guangzhou"]
    assert found["missing"] == []
    province.wires.cut([NodeId(FOSHAN)])
    province.pass_s(10.0)
    found = seat.ask("customers", text=NAME, everywhere=True)
    assert found_in(found) == [("guangzhou", WHO)]
    [gone] = found["missing"]
    assert (gone["city"], gone["problem"]["slug"]) == ("foshan", "city-silent")
    looked = [(one.id, one.customers, one.city) for one in views(province, GUANGZHOU)]
    assert looked == [("陈**", (WHO,), "shenzhen")] * 2
    assert [one.asked for one in views(province, SHENZHEN)] == [(), *((FOSHAN, GUANGZHOU),) * 2]


def test_one_character_is_not_looked_for_everywhere(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    assert refusal(lambda: seat.ask("customers", text="陈", everywhere=True)) == (400, "search-too-short")
    assert refusal(lambda: seat.ask("customers", text=NAME, city="atlantis")) == (404, "city-unknown")
    assert found_in(seat.ask("customers", text="陈", city="guangzhou")) == [("guangzhou", WHO)]


def test_whoever_calls_is_found_where_the_number_belongs(province: Province) -> None:
    """The agent sees it without having asked another city by name."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    assert found_in(seat.ask("customers", contact=contact)) == [("guangzhou", WHO)]
    assert found_in(seat.ask("customers", text=LINE)) == [("guangzhou", WHO)]
    assert [one.during for one in views(province, GUANGZHOU)] == [contact, contact]


# ── bills ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_agent_answers_for_the_bill_of_another_citys_customer(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    assert refusal(lambda: seat.ask("statement", line=LINE)) == (403, "unmask-not-yours")
    seat.ask("identity_checked", contact=contact, line=LINE)
    found = seat.ask("statement", line=LINE)
    told = found["statement"]
    assert (told["city"], told["due_fen"], told["overdue_fen"], told["credit_fen"]) == ("guangzhou", 3050, 0, 0)
    assert [(one["month"], one["line"], one["open_fen"]) for one in told["bills"]] == [
        ("2026-01", "020****0001", 3050), ("2025-12", "020****0001", 0),
    ]  # fmt: skip
    assert [(one["zh"], one["fen"], one.get("count", 1)) for one in told["bills"][0]["items"]] == [
        ("月租费", 2200, 1), ("市话费", 850, 17),
    ]  # fmt: skip
    assert [(one["fen"], one["channel"]) for one in told["payments"]] == [(2200, "counter")]
    assert [one["city"] for one in found["parts"]] == ["guangzhou"]
    for city in (GUANGZHOU, SHENZHEN):
        assert [(one.operation, one.unmasked, one.refused) for one in views(province, city)] == [
            ("statement", True, "unmask-not-yours"), ("statement", True, ""),
        ]  # fmt: skip


def test_a_supervisor_gives_a_reason_for_a_bill_and_a_silent_city_tells_none(province: Province) -> None:
    boss = Overseer(province, SHENZHEN)
    assert refusal(lambda: boss.ask("statement", line=LINE)) == (400, "reason-missing")
    assert boss.ask("statement", line=LINE, reason=WHY)["statement"]["customer"] == WHO
    province.wires.cut([NodeId(GUANGZHOU)])
    province.pass_s(10.0)
    assert refusal(lambda: boss.ask("statement", line=LINE, reason=WHY)) == (503, "city-silent")


def test_the_own_citys_bills_are_told_by_the_same_rules(province: Province) -> None:
    boss, seat = Overseer(province, GUANGZHOU), province.seat_of(GUANGZHOU)
    assert refusal(lambda: seat.ask("statement", customer=WHO)) == (403, "unmask-not-yours")
    assert refusal(lambda: seat.ask("statement", customer=WHO, line=LINE)) == (400, "one-of-two")
    assert boss.ask("statement", customer=WHO, reason=WHY)["statement"]["due_fen"] == 3050
