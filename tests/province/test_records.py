"""Cities with their stores of records: opened and closed with the city, kept over its end, looked at from outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, CustomerKind
from dataset.records.line import LINES
from dataset.records.money import BILLS, PAYMENTS
from federation.ports import Store
from tests.harness.sample_records import BILL, CUSTOMER, LINE, PAYMENT
from tests.province.three_cities import GUANGZHOU, SHENZHEN, ThreeCities
from tests.province.working_province import WorkingProvince


class WithRecords(WorkingProvince):
    def __init__(self) -> None:
        super().__init__(with_records=True)

    def records(self, city: CityId = GUANGZHOU) -> Store:
        store = self.sites[city].records
        assert store is not None
        return store

    def put(self, *puts: Put) -> None:
        self.result(self.records().put(puts))


def test_what_was_put_in_one_city_outlives_its_node_and_is_that_city_s_alone() -> None:
    province, found = WithRecords(), list[object]()
    province.put(Put(LINES, LINE))
    province.memory.crash(NodeId(GUANGZHOU))
    province.stop_city(GUANGZHOU)
    province.start_city(GUANGZHOU)
    for city in (GUANGZHOU, SHENZHEN):
        province.records(city).get(LINES, (LINE.city, LINE.number)).addBoth(found.append)
    assert found == [LINE, None]


def test_a_city_closes_its_store_when_it_stops() -> None:
    province, found = WithRecords(), list[object]()
    store = province.records()
    province.stop_city(GUANGZHOU)
    province.time.advance(1.0)
    store.get(LINES, (LINE.city, LINE.number)).addBoth(found.append)
    [failure] = found
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, Refused)
    assert failure.value.problems[0].slug == "store-stopped"


@pytest.mark.parametrize("with_conflict", [True, False])
def test_conflicts_and_damage_are_counted_where_the_operator_looks(*, with_conflict: bool) -> None:
    province = WithRecords()
    other = structs.replace(LINE, address="elsewhere") if with_conflict else LINE
    province.put(Put(LINES, LINE), Put(LINES, other))
    registry = province.sites[GUANGZHOU].running.counts.registry
    assert registry.get_sample_value("yht_store_conflicts_total") == float(with_conflict)
    assert registry.get_sample_value("yht_store_damaged_records") == 0.0
    province.records().damaged.add("lines 1")
    assert registry.get_sample_value("yht_store_damaged_records") == 1.0


def test_a_province_that_was_not_told_so_opens_no_store() -> None:
    """As in campaigns of faults, whose seeds have to mean what they meant."""
    province = ThreeCities()
    assert province.sites[GUANGZHOU].records is None
    assert province.memory.disk(NodeId(GUANGZHOU)).records is None


# ── at the seats ────────────────────────────────────────────────────────────────────────────────────────────────────
HOME = structs.replace(CUSTOMER, kind=CustomerKind.RESIDENTIAL, address="广州市天河区体育西路103号")


def refusal(ask: Callable[[], object]) -> tuple[int, list[str]]:
    with pytest.raises(Refused) as caught:
        ask()
    return caught.value.status, [problem.slug for problem in caught.value.problems]


@pytest.fixture
def province() -> WithRecords:
    province = WithRecords()
    province.put(Put(CUSTOMERS, HOME), Put(LINES, LINE), Put(BILLS, BILL))
    return province


def test_an_agent_sees_who_is_calling_without_seeing_what_could_be_used(province: WithRecords) -> None:
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU, LINE.number)
    found = seat.ask("customers", contact=contact)
    assert [one["customer"] for one in found["customers"]] == [HOME.id]
    assert not found["more"]
    unknown = seat.ask("card", customer=HOME.id)["card"]
    assert (unknown["due_fen"], unknown["overdue_fen"], unknown["credit_fen"]) == (None, None, None)
    assert [(line["due_fen"], line["overdue_fen"]) for line in unknown["lines"]] == [(None, None)]
    assert unknown["bills"] == [{"month": "2026-01", "total_fen": None, "open_fen": None, "due_on": "2026-02-20"}]
    seat.ask("identity_checked", contact=contact, line=LINE.number)
    card = seat.ask("card", customer=HOME.id)["card"]
    assert card == seat.ask("card", line=LINE.number)["card"]
    assert (card["name"], card["address"], card["masked"]) == ("𠮷**", "广州市天河区体育西路***", True)
    assert [(line["number"], line["service"]) for line in card["lines"]] == [("020****6666", "install_line")]
    assert (card["due_fen"], card["overdue_fen"], card["special_needs"]) == (2200, 2200, ["hearing"])
    assert card["bills"] == [{"month": "2026-01", "total_fen": 2200, "open_fen": 2200, "due_on": "2026-02-20"}]


def test_a_caller_is_found_by_the_number_to_call_back_and_a_stranger_is_nobody(province: WithRecords) -> None:
    for calling, found in (("13800000001", [HOME.id]), ("13899999999", []), ("anonymous", [])):
        seat = province.seat_of(GUANGZHOU)
        contact = seat.take_call(GUANGZHOU, calling)
        assert [one["customer"] for one in seat.ask("customers", contact=contact)["customers"]] == found
        seat.ask("disposition", contact=contact, code="solved")
        seat.ask("finish", contact=contact)
        province.pass_s(20.0)


def test_what_cannot_be_shown_is_refused_by_name(province: WithRecords) -> None:
    seat = province.seat_of(GUANGZHOU)
    both = {"line": LINE.number, "customer": HOME.id}
    assert refusal(lambda: seat.ask("card", **both)) == (400, ["one-of-two"])
    assert refusal(lambda: seat.ask("customers", text=" ")) == (400, ["one-of-two"])
    assert refusal(lambda: seat.ask("card", line="02088880000")) == (404, ["line-unknown"])
    assert refusal(lambda: seat.ask("customers", contact="0020-00000000-000001")) == (404, ["unknown-contact"])


def test_whoever_owes_money_gets_no_new_line_at_home_or_elsewhere(province: WithRecords) -> None:
    """The rule is looked at where the customer is on record, whoever asks; what is paid stands in nobody's way."""
    here, away = province.seat_of(GUANGZHOU), province.seat_of(SHENZHEN)
    contact = here.take_call(GUANGZHOU, LINE.number)
    assert refusal(lambda: here.order(contact, line=LINE.number)) == (400, ["rule-no-arrears"])
    asked = away.order(away.take_call(SHENZHEN, LINE.number), line=LINE.number)
    assert asked["state"] == "pending"
    province.pass_s(3.0)
    [receipt] = away.receipts()
    assert (receipt["state"], [one["slug"] for one in receipt["problems"]]) == ("refused", ["rule-no-arrears"])
    province.put(Put(PAYMENTS, structs.replace(PAYMENT, months=("2026-01",))))
    assert here.order(contact, line=LINE.number)["state"] == "accepted"
