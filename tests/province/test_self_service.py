"""Callers who serve themselves, through switch, core, records and hub, on a virtual clock."""

from __future__ import annotations

from collections import Counter
from datetime import date
from random import Random

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from dataset import rows, spoken
from dataset.ids import HUB, CityId, CustomerId, NodeId
from dataset.intervals import fold
from dataset.measures import balance
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.records.money import BILLS, Bill, BillItem
from dataset.records.tariff import TARIFFS, TariffItem, TariffUnit
from dataset.rows import Ending
from dataset.self_service import Outcome, Say
from federation.node.login import CHEAP
from simulation.machines.places import conf_dir
from simulation.machines.prompts import read_prompts
from simulation.population.callers import (
    Callers,
    CallOutcome,
    CallRecord,
    Habits,
    SelfServiceHabits,
    menu_prompts_of,
    self_service_of,
    wishes_of,
)
from simulation.population.day import FLAT, DayProfile
from site_node.services.self_service import LOCK_S
from site_node.switch.simulated import Caller, CallState
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, WorkingProvince

WHO = CustomerId("440001")
PIN = "135790"
OTHER = "02081230002"
"""of the same customer, without a PIN"""
NEIGHBOUR = "02081230003"
"""of a customer who owes nothing"""
TEXTS = {prompt.id: prompt.zh for prompt in read_prompts(conf_dir() / "prompts" / "prompts.toml")}


class Province(WorkingProvince):
    """With a customer on record who has two lines, one PIN, and a bill that is overdue."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        rent = BillItem(code="rent_home", zh="月租费", en="rental", fen=11_005)
        bill = Bill(
            city=GUANGZHOU,
            line=LINE,
            month="2026-10",
            customer=WHO,
            items=(rent,),
            total_fen=11_005,
            due_on=date(2026, 11, 25),
        )
        price = TariffItem(
            service="fibre_broadband",
            code="fibre_100m",
            since=date(2023, 1, 1),
            zh="光纤",
            en="fibre",
            fen=9_900,
            unit=TariffUnit.MONTH,
        )
        line = Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line", pin_digest=CHEAP.hash(PIN))
        other = Line(city=GUANGZHOU, number=OTHER, customer=WHO, service="install_line")
        neighbour = replace(line, number=NEIGHBOUR, customer=CustomerId("440002"))
        records = self.sites[GUANGZHOU].records
        assert records is not None
        customer = Customer(city=GUANGZHOU, id=WHO, name="陈志强")
        lines = (Put(LINES, one) for one in (line, other, neighbour))
        kept = (Put(CUSTOMERS, customer), *lines, Put(BILLS, bill), Put(TARIFFS, price))
        self.result(records.put(kept))

    def dial(self, door: str = "10000", calling: str = "13800000001", city: CityId = GUANGZHOU) -> SelfCaller:
        return SelfCaller(self, self.network.call(city, door, calling))

    def rows_of(self, kind: type[rows.Row], city: CityId = GUANGZHOU) -> list[rows.Row]:
        return [one.row for one in self.written(city) if isinstance(one.row, kind)]

    def served(self) -> list[tuple[str, Outcome]]:
        found = self.rows_of(rows.SelfServed)
        return [(one.service, one.outcome) for one in found if isinstance(one, rows.SelfServed)]


class SelfCaller:
    """A caller with a good memory for what was said."""

    def __init__(self, province: Province, phone: Caller) -> None:
        self.province = province
        self.phone = phone
        self.heard: list[str] = []
        phone.on_change = self._listen
        province.pass_s(1.0)

    def _listen(self) -> None:
        said = "" if self.phone.state is CallState.OVER else self.phone.hears().prompt
        if said:
            self.heard.append(said)

    def keys(self, keys: str) -> SelfCaller:
        for key in keys:
            self.heard.clear()
            self.phone.press(key)
            self.province.pass_s(0.3)
        return self

    def listens(self, seconds: float) -> list[str]:
        self.province.pass_s(seconds)
        return self.heard

    def hears_answer(self) -> list[str]:
        """Listens until it is said what can be done next, and to the end of that."""
        for _ in range(200):
            if Say.AGAIN in self.heard:
                return self.listens(3.0)
            self.province.pass_s(0.5)
        raise AssertionError(f"no answer in {self.heard}")


@pytest.fixture
def province() -> Province:
    return Province()


def test_a_caller_hears_the_bill_of_the_own_line_and_is_on_record_as_served(province: Province) -> None:
    caller = province.dial(calling=LINE).keys("61")
    caller.listens(2.0)
    caller.keys("1#").keys(f"{PIN}#")
    heard = caller.hears_answer()
    assert "".join(TEXTS.get(one, "") for one in heard).startswith("应缴金额一百一十元零五分其中已经逾期")
    assert heard[-1] == Say.AGAIN
    assert set(spoken.month("2026-10", "zh")) <= set(heard)
    caller.keys("#").listens(10.0)
    assert caller.phone.over
    assert province.served() == [("bill", Outcome.TOLD)]
    [ended] = province.rows_of(rows.ContactEnded)
    assert isinstance(ended, rows.ContactEnded)
    assert (ended.ending, ended.cause) == (Ending.COMPLETED, "self_service")


def test_hub_and_city_count_who_served_itself_and_every_sum_holds(province: Province) -> None:
    """I6, I7: nobody of them was in a queue; whoever wanted an agent was."""
    for keys in ("#", "0"):
        caller = province.dial(calling=LINE).keys("61")
        caller.listens(2.0)
        caller.keys(f"1#{PIN}#").hears_answer()
        caller.keys(keys).listens(10.0)
        caller.phone.hang_up()
        province.pass_s(3.0)
    intervals = fold(province.written(GUANGZHOU)).intervals()
    assert sum(one.self_served for one in intervals) == 1
    assert [balance(one) for one in intervals] == [0] * len(intervals)
    assert sum(one.offered for one in intervals) == 1
    at_hub = [row for row, _ in province.memory.disk(HUB).ledger.rows.values() if row.node == GUANGZHOU]
    assert fold(at_hub).json() == fold(province.written(GUANGZHOU)).json()


def test_open_work_is_told_with_its_state(province: Province) -> None:
    seat = province.seat_of(GUANGZHOU)
    seat.order(seat.take_call(GUANGZHOU, NEIGHBOUR), line=NEIGHBOUR)
    province.pass_s(2.0)
    caller = province.dial(calling=NEIGHBOUR).keys("62")
    caller.listens(2.0)
    heard = caller.keys(f"1#{PIN}#").hears_answer()
    assert heard[:3] == ["service-install-line", Say.STATE, "state-install-line-accepted"]
    assert Say.DUE_BY in heard


def test_prices_need_no_number(province: Province) -> None:
    heard = province.dial().keys("634").hears_answer()
    assert heard == ["price-fibre-100m", Say.PER, Say.UNIT_MONTH, *spoken.amount(9_900, "zh"), Say.AGAIN]


def test_three_wrong_pins_lock_the_line_for_every_call_for_a_quarter_of_an_hour(province: Province) -> None:
    first = province.dial(calling=LINE).keys("61")
    first.listens(2.0)
    first.keys("1#").keys("1#").keys("2#")
    first.phone.hang_up()
    second = province.dial().keys("61")
    second.keys(f"{LINE}#").keys("3#")
    assert Say.LOCKED in second.listens(1.0)
    third = province.dial(calling=LINE).keys("61")
    third.keys("1#").keys(f"{PIN}#")
    assert Say.LOCKED in third.listens(1.0)
    assert province.served() == [
        ("bill", Outcome.GAVE_UP),
        ("bill", Outcome.LOCKED),
        ("bill", Outcome.LOCKED),
    ]
    province.pass_s(LOCK_S)
    fourth = province.dial(calling=LINE).keys("61")
    fourth.listens(2.0)
    assert Say.DUE in fourth.keys(f"1#{PIN}#").hears_answer()


def test_the_right_pin_forgets_the_wrong_ones(province: Province) -> None:
    for _ in range(3):
        caller = province.dial(calling=LINE).keys("61")
        caller.keys("1#").keys("1#").keys("2#")
        assert Say.DUE in caller.keys(f"{PIN}#").hears_answer()
        caller.phone.hang_up()


def test_a_line_without_a_pin_goes_on_to_an_agent_who_sees_which_it_is(province: Province) -> None:
    seat = province.seat_of(SHENZHEN)
    seat.ask("ready")
    caller = province.dial().keys("61").keys(f"{OTHER}#")
    assert Say.NO_PIN in caller.listens(6.0)
    calls = [one["state"]["calls"] for one in seat.pushed if one["push"] == "state" and one["state"]["calls"]]
    if calls:  # the seat of the other city has the skill
        assert calls[-1][0]["line"] == "020****0002"
    assert OTHER not in repr(province.written(GUANGZHOU))


def test_records_that_do_not_answer_in_time_lead_to_an_agent(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = province.sites[GUANGZHOU].records
    monkeypatch.setattr(records, "get", lambda *_: Deferred())
    caller = province.dial(calling=LINE).keys("61")
    province.pass_s(2.0)
    assert province.served() == []
    heard = caller.listens(2.0)
    assert Say.UNREADABLE in heard
    assert province.served() == [("bill", Outcome.FAILED)]
    assert len(province.rows_of(rows.QueueEntered)) == 1


def test_a_city_without_records_sends_callers_on_at_once() -> None:
    province = WorkingProvince()
    caller = province.network.call(GUANGZHOU, "10000", LINE)
    province.pass_s(1.0)
    for key in "61":
        caller.press(key)
        province.pass_s(0.3)
    assert caller.hears().prompt == Say.UNREADABLE


def test_a_restart_in_the_middle_leads_back_to_the_menu(province: Province) -> None:
    caller = province.dial(calling=LINE).keys("61")
    caller.keys("1#")
    province.restart_city(GUANGZHOU)
    assert "key-fault" in caller.listens(5.0)
    caller.phone.hang_up()
    province.pass_s(2.0)
    [ended] = province.rows_of(rows.ContactEnded)
    assert isinstance(ended, rows.ContactEnded)
    assert ended.ending is Ending.MENU


def test_a_population_that_serves_itself_is_told_and_every_contact_ends_once(province: Province) -> None:
    """Simulated customers at the keys, as in the demo, for two hours."""
    habits = SelfServiceHabits(self_service_of(province.package), {LINE: PIN}, share=1.0, wants_agent=0.0)
    records: list[CallRecord] = []
    callers = Callers(
        province.time,
        Random(1),
        province.network,
        {GUANGZHOU: 60.0},
        wishes_of(province.package),
        "10000",
        menu_prompts_of(province.package),
        habits=Habits(known=1.0),
        profile=DayProfile(FLAT),
        done=records.append,
        numbers={GUANGZHOU: [LINE]},
        self_service=habits,
    )
    callers.start()
    province.pass_s(7200.0)
    callers.stop()
    province.pass_s(1800.0)
    outcomes = Counter(record.outcome for record in records)
    assert outcomes[CallOutcome.SELF_SERVED] > 60
    served = Counter(outcome for _, outcome in province.served())
    assert served[Outcome.TOLD] >= outcomes[CallOutcome.SELF_SERVED] * 0.9
    assert {kind for kind, outcome in province.served() if outcome is Outcome.TOLD} == {"bill", "progress", "tariff"}
    ended = [row.contact for row in province.rows_of(rows.ContactEnded) if isinstance(row, rows.ContactEnded)]
    assert len(ended) == len(set(ended)) == len(records)
    intervals = fold(province.written(GUANGZHOU)).intervals()
    assert [balance(one) for one in intervals] == [0] * len(intervals)
    assert sum(one.self_served for one in intervals) == served[Outcome.TOLD]


def test_no_pin_stands_in_any_row_and_the_number_only_where_its_pin_was_right(province: Province) -> None:
    caller = province.dial(calling="13800000001").keys("61")
    caller.keys(f"{LINE}#").keys(f"{PIN}#").hears_answer()
    caller.keys("#").listens(10.0)
    [checked] = province.rows_of(rows.IdentityChecked)
    assert isinstance(checked, rows.IdentityChecked)
    assert (checked.line, checked.how, checked.agent) == (LINE, rows.IdentityHow.MENU_PIN, None)
    written = repr([one for one in province.written(GUANGZHOU) if one.row != checked])
    for secret in (PIN, LINE, LINE[3:]):
        assert secret not in written
    assert PIN not in repr(checked)


# ── callers of another city ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_caller_of_another_city_hears_the_bill_from_the_city_of_the_line(province: Province) -> None:
    """The own number is recognised there, the PIN compared there; number and PIN are in no row of either city."""
    caller = province.dial(calling=LINE, city=SHENZHEN).keys("61")
    assert Say.OWN_NUMBER in caller.listens(2.0)
    heard = caller.keys(f"1#{PIN}#").hears_answer()
    assert set(spoken.amount(11_005, "zh")) <= set(heard)
    caller.keys("#").listens(10.0)
    [served] = province.rows_of(rows.SelfServed, SHENZHEN)
    assert isinstance(served, rows.SelfServed)
    assert served.outcome is Outcome.TOLD
    assert province.served() == []
    for city in (GUANGZHOU, SHENZHEN):
        assert PIN not in repr(province.written(city))


def test_open_work_of_another_citys_line_is_told(province: Province) -> None:
    seat = province.seat_of(GUANGZHOU)
    seat.order(seat.take_call(GUANGZHOU, NEIGHBOUR), line=NEIGHBOUR)
    province.pass_s(2.0)
    caller = province.dial(city=SHENZHEN).keys("62").keys(f"{NEIGHBOUR}#")
    caller.listens(2.0)
    heard = caller.keys(f"{PIN}#").hears_answer()
    assert heard[:3] == ["service-install-line", Say.STATE, "state-install-line-accepted"]


def test_wrong_pins_keyed_in_elsewhere_lock_the_line_everywhere(province: Province) -> None:
    """Two in 深圳 and one at home: the owning city counts them."""
    away = province.dial(calling=LINE, city=SHENZHEN).keys("61")
    away.listens(2.0)
    away.keys("1#").keys("1#")
    away.listens(1.0)
    away.keys("2#")
    away.listens(1.0)
    home = province.dial(calling=LINE).keys("61")
    home.listens(2.0)
    home.keys("1#").keys("3#")
    assert Say.LOCKED in home.listens(1.0)
    again = province.dial(calling=LINE, city=SHENZHEN).keys("61")
    again.listens(2.0)
    again.keys("1#").keys(f"{PIN}#")
    assert Say.LOCKED in again.listens(1.0)


def test_a_caller_whose_city_is_away_is_told_so_and_put_through_to_an_agent(province: Province) -> None:
    province.wires.cut([NodeId(GUANGZHOU)])
    caller = province.dial(calling=LINE, city=SHENZHEN).keys("61")
    assert Say.ASK_NUMBER in caller.listens(5.0)
    caller.keys(f"{LINE}#")
    assert Say.CITY_AWAY in caller.listens(3.0)
    [served] = province.rows_of(rows.SelfServed, SHENZHEN)
    assert isinstance(served, rows.SelfServed)
    assert served.outcome is Outcome.FAILED
    assert len(province.rows_of(rows.QueueEntered, SHENZHEN)) == 1


def test_an_agent_can_be_had_while_the_other_city_is_asked(province: Province) -> None:
    province.wires.cut([NodeId(GUANGZHOU)])
    province.dial(calling=LINE, city=SHENZHEN).keys("610")
    [served] = province.rows_of(rows.SelfServed, SHENZHEN)
    assert isinstance(served, rows.SelfServed)
    assert served.outcome is Outcome.TO_AGENT
    assert len(province.rows_of(rows.QueueEntered, SHENZHEN)) == 1


def test_an_agent_of_another_city_sees_that_the_pin_was_keyed_in(province: Province) -> None:
    """Who was told the bill and wants an agent then is not asked for a document, in whatever city the agent is."""
    seats = [province.seat_of(SHENZHEN, at) for at in range(4)]  # one of them has the skill
    for seat in seats:
        seat.ask("ready")
    caller = province.dial(calling=LINE).keys("61").keys("1#").keys(f"{PIN}#")
    assert Say.DUE in caller.listens(4.0)
    caller.keys("0")
    province.pass_s(10.0)
    [(seat, ringing)] = [(seat, call) for seat in seats for call in seat._state()["calls"]]
    seat.ask("answer", contact=ringing["contact"])
    province.pass_s(2.0)
    [one] = seat._state()["calls"][0]["identity"]
    assert (one["city"], one["agent"], one["how"], one["line"]) == ("guangzhou", None, "menu_pin", "020****0001")
    assert seat.ask("card", line=LINE)["card"]["due_fen"] is not None
