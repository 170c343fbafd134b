"""Faults of many lines that are one: found by the reports, decided by a dispatcher, told to every customer once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec import structs

from dataset.errors import Refused
from dataset.ids import CityId, CustomerId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.records.work import MESSAGES
from dataset.rows import ContactEnded, MassFaultCleared, MassFaultConfirmed, MassFaultDeclared, MassFaultLinked
from site_node.core.notices import Word
from site_node.core.telephony import Prompt
from site_node.switch.simulated.phones import CallState
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.test_work_records import page, put
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import Seat, WorkingProvince

CABLE, OTHER = "天河-12", "天河-13"


def number(n: int) -> str:
    return f"020812400{n:02}"


@pytest.fixture
def province() -> WorkingProvince:
    """Twelve lines of 广州 on one cable, a customer each, and two on another."""
    province = WorkingProvince(with_records=True)
    puts = []
    for n in range(14):
        who, cable = CustomerId(f"4400{n:02}"), CABLE if n < 12 else OTHER
        puts.append(Put(CUSTOMERS, Customer(city=GUANGZHOU, id=who, name="陈志强")))
        line = Line(city=GUANGZHOU, number=number(n), customer=who, service="install_line", cable=cable)
        puts.append(Put(LINES, line))
    put(province, *puts)
    return province


def report(seat: Seat, *lines: int, phone: str = "139000000{n:02}") -> list[str]:
    """A fault of each of these lines, from ``seat``."""
    found = []
    for n in lines:
        values = form_for(catalogue().services["fault"], now=seat.province.time.wall())
        values |= {"line": number(n), "contact_phone": phone.format(n=n)}
        found.append(str(seat.ask("work_open", service="fault", values=values)["item"]))
    seat.province.pass_s(5.0)
    return found


def stands(seat: Seat, **of: object) -> list[tuple[str, str]]:
    return [(one["name"], one["state"]) for one in seat.ask("mass_faults", **of)["mass_faults"]]


def texts(province: WorkingProvince, found: Iterable[str]) -> list[str]:
    """What the customers of these items were told of a mass fault that is over."""
    every = [one for item in found for one in page(province, MESSAGES, (GUANGZHOU, item), "by_item")]
    return sorted(one.text for one in every if one.code == "mass_over" and one.state == "sent")


def test_reports_of_one_cable_become_one_mass_fault(province: WorkingProvince) -> None:
    """From whatever city they come, and the next report joins it."""
    far, office = province.seat_of(SHENZHEN), province.seat_of(GUANGZHOU)
    first = report(far, 0, 12)
    assert stands(office) == []
    first += report(office, 1)
    first += report(far, 2)
    assert stands(office) == [(CABLE, "found")], "three of twelve lines"
    [later] = report(far, 3)
    [declared] = province.rows(GUANGZHOU, MassFaultDeclared)
    assert (declared.area, declared.by) == ("cable", None)
    assert set(declared.items) == {first[0], *first[2:]}
    assert [row.items for row in province.rows(GUANGZHOU, MassFaultLinked)] == [(later,)]
    for seat in (far, office, province.seat_of(FOSHAN)):
        assert stands(seat, line=number(7)) == [(CABLE, "found")], "also of a line that nobody reported"
        assert stands(seat, line=number(13)) == []
    [item] = far.ask("work_items", line=number(3))["items"]
    assert item["mass_fault"] == declared.mass_fault
    assert far.ask("work_item", item=first[1])["item"]["mass_fault"] is None
    province.pass_s(3.0)
    assert province.ledger_rows(MassFaultDeclared) == [declared], "the hub has it on record"


def test_a_mass_fault_that_is_repaired_is_told_to_every_customer_once(province: WorkingProvince) -> None:
    """Also over restarts at every moment, and one customer with several lines gets one message."""
    office = province.seat_of(GUANGZHOU)
    found = report(office, 0, 1, 2)
    found += report(office, 3, 4, phone="13900000099")
    [one] = office.ask("mass_faults")["mass_faults"]
    name = one["mass_fault"]
    confirmed = office.ask("mass_fault_confirm", mass_fault=name, repair_s=7_200.0, note="电缆被挖断")["mass_fault"]
    assert (confirmed["state"], confirmed["confirmed_by"]) == ("confirmed", "1001@guangzhou")
    assert confirmed["expected_at"] == pytest.approx(province.time.wall() + 7_200.0, abs=5.0)
    assert texts(province, found) == []
    office.ask("mass_fault_clear", mass_fault=name, note="已接好")
    province.restart_city(GUANGZHOU)
    province.pass_s(40.0)
    province.restart_city(GUANGZHOU)
    province.pass_s(60.0)
    told = texts(province, found)
    assert len(told) == 4
    assert len(set(told)) == 4
    assert all("已恢复" in text for text in told)
    office = province.seat_of(GUANGZHOU)
    for item in found:
        shown = office.ask("work_item", item=item)["item"]
        assert [step["note"].count("已接好") for step in shown["steps"] if step["step"] == "noted"] == [1]
        assert shown["mass_fault"] == name, "and it is still seen what it was part of"
    assert stands(office) == []
    assert stands(office, ended=True) == [(CABLE, "repaired")]


def test_one_that_was_none_is_rejected_and_not_found_again_by_the_same_reports(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    found = report(office, 0, 1, 2)
    [one] = office.ask("mass_faults")["mass_faults"]
    office.ask("mass_fault_reject", mass_fault=one["mass_fault"], note="三家都是话机未挂好")
    province.pass_s(90.0)
    assert stands(office, ended=True) == [(CABLE, "rejected")]
    assert texts(province, found) == []
    assert all(not _notes(office, item) for item in found)
    report(office, 3, 4)
    assert stands(office) == [], "two more are not enough"
    report(office, 5)
    assert stands(office) == [(CABLE, "found")]


def _notes(seat: Seat, item: str) -> list[str]:
    return [step["note"] for step in seat.ask("work_item", item=item)["item"]["steps"] if step["step"] == "noted"]


def test_a_dispatcher_declares_what_is_known_before_anybody_reports(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    office.ask("mass_fault_declare", area="cable", name=OTHER, repair_s=3_600.0, note="施工割接")
    [item] = report(office, 12)
    province.restart_city(GUANGZHOU)
    office = province.seat_of(GUANGZHOU)
    [one] = office.ask("mass_faults")["mass_faults"]
    assert (one["state"], one["by_count"], one["items"], one["note"]) == ("confirmed", False, [item], "施工割接")
    with pytest.raises(Refused) as refused:
        office.ask("mass_fault_declare", area="cable", name=OTHER, repair_s=3_600.0)
    assert refused.value.problems[0].slug == "mass-fault-stands"


def test_reports_that_are_far_apart_are_many_faults(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    report(office, 0, 1)
    province.pass_s(1_830.0)
    report(province.seat_of(GUANGZHOU, 1), 2, 3)
    assert stands(province.seat_of(GUANGZHOU, 2)) == []


@pytest.mark.parametrize(
    ("op", "fields", "slug"),
    [
        ("mass_fault_declare", {"area": "town", "name": CABLE, "repair_s": 60.0}, "bad-request"),
        ("mass_fault_declare", {"area": "cable", "name": " ", "repair_s": 60.0}, "bad-request"),
        ("mass_fault_declare", {"area": "cable", "name": CABLE, "repair_s": 0}, "bad-request"),
        ("mass_fault_declare", {"area": "cable", "name": CABLE, "repair_s": -1.0}, "bad-request"),
        ("mass_fault_declare", {"area": "cable", "name": "天河-99", "repair_s": 60.0}, "area-unknown"),
        ("mass_fault_declare", {"area": "district", "name": "月球", "repair_s": 60.0}, "area-unknown"),
        ("mass_fault_confirm", {"mass_fault": "m-1", "repair_s": 60.0}, "mass-fault-unknown"),
        ("mass_fault_reject", {"mass_fault": "m-1"}, "bad-request"),
        ("mass_fault_reject", {"mass_fault": "m-1", "note": "x"}, "mass-fault-unknown"),
        ("mass_fault_clear", {"mass_fault": ""}, "bad-request"),
        ("mass_faults", {"line": "abc"}, "bad-request"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    province: WorkingProvince, op: str, fields: dict[str, object], slug: str
) -> None:
    with pytest.raises(Refused) as refused:
        province.seat_of(GUANGZHOU).ask(op, **fields)
    assert refused.value.problems[0].slug == slug
    for kind in (MassFaultDeclared, MassFaultConfirmed, MassFaultCleared):
        assert province.rows(CityId(GUANGZHOU), kind) == []


def test_what_is_cleared_is_cleared_once(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    declared = office.ask("mass_fault_declare", area="cable", name=CABLE, repair_s=60.0)
    name = declared["mass_fault"]["mass_fault"]
    office.ask("mass_fault_clear", mass_fault=name)
    for op, fields in (("mass_fault_clear", {}), ("mass_fault_reject", {"note": "x"})):
        with pytest.raises(Refused) as refused:
            office.ask(op, mass_fault=name, **fields)
        assert refused.value.problems[0].slug == "mass-fault-cleared"
    assert len(province.rows(GUANGZHOU, MassFaultCleared)) == 1


def test_callers_of_the_area_hear_of_it_and_those_who_want_an_agent_have_one(province: WorkingProvince) -> None:
    """By the line, with or without its area code, or by a number where its customer is called; until it is repaired."""
    known = Customer(city=GUANGZHOU, id=CustomerId("440005"), name="陈志强", contact_numbers=("13700000005",))
    put(province, Put(CUSTOMERS, structs.replace(known, revision=2)))
    office = province.seat_of(GUANGZHOU)
    declared = office.ask("mass_fault_declare", area="cable", name=CABLE, repair_s=5_400.0)
    office.ask("ready")
    province.pass_s(5.0)
    word = province.sites[GUANGZHOU].running.site.anchor.notices.of
    assert word(number(7), "fault") == Word("mass_fault", (Prompt("mass-fault", 2),)), "an hour and a half"
    for calling in (number(7), number(7).removeprefix("020"), "13700000005"):
        caller = province.call(GUANGZHOU, "112", calling)
        assert caller.hears().prompt == "mass-fault"
        province.pass_s(60.0)
        assert caller.over
    told = [row for row in province.rows(GUANGZHOU, ContactEnded) if row.cause == "mass_fault"]
    assert [(row.ending, row.service, row.answers) for row in told] == [("menu", "fault", 0)] * 3
    counts = province.sites[GUANGZHOU].running.counts.registry
    assert counts.get_sample_value("yht_calls_told_of_mass_fault_total") == 3
    stays = province.call(GUANGZHOU, "112", number(8))
    stays.press("0")
    province.pass_s(3.0)
    assert province.phone(GUANGZHOU).state is CallState.RINGING
    stays.hang_up()
    for door, calling in (("112", number(13)), ("180", number(7))):
        other = province.call(GUANGZHOU, door, calling, wait_s=0.5)
        assert other.hears().prompt != "mass-fault"
        other.hang_up()
        province.pass_s(2.0)
    office.ask("mass_fault_clear", mass_fault=declared["mass_fault"]["mass_fault"])
    after = province.call(GUANGZHOU, "112", number(7), wait_s=0.5)
    assert after.hears().prompt != "mass-fault"
