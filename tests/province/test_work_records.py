"""What follows from work in the owning city's records, each exactly once: charges, messages, the customer's line."""

from __future__ import annotations

from typing import TypeVar

import pytest

from dataset.errors import Refused
from dataset.ids import CityId, CustomerId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line, LineStatus
from dataset.records.work import CHARGES, MESSAGES, WORK_ITEMS
from dataset.tables import Record, Table
from federation.ports import Store
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat, WorkingProvince, finish

R = TypeVar("R", bound=Record)
NEW = "02085550001"
WHO = CustomerId("440001")


@pytest.fixture
def province() -> WorkingProvince:
    province = WorkingProvince(with_records=True)
    put(province, Put(CUSTOMERS, Customer(city=GUANGZHOU, id=WHO, name="陈志强", contact_numbers=("13900000002",))))
    put(
        province,
        Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line", address="中山五路1号")),
    )
    return province


def store(province: WorkingProvince, city: CityId = GUANGZHOU) -> Store:
    records = province.sites[city].records
    assert records is not None
    return records


def put(province: WorkingProvince, *puts: Put) -> None:
    done: list[object] = []
    store(province).put(puts).addBoth(done.append)
    province.pass_s(0.5)
    assert done
    assert not isinstance(getattr(done[0], "value", None), BaseException), done


def page(province: WorkingProvince, table: Table[R], partition: tuple[str, ...], index: str | None = None) -> list[R]:
    found: list[object] = []
    store(province).page(table, partition, index=index).addBoth(found.append)
    province.pass_s(0.5)
    records: tuple[R, ...] = found[0].records  # type: ignore[attr-defined]  # a page, or this fails
    return list(records)


def line(province: WorkingProvince, number: str) -> Line | None:
    found: list[Line | None] = []
    store(province).get(LINES, (GUANGZHOU, number)).addCallback(found.append)
    province.pass_s(0.5)
    return found[0]


def ordered(province: WorkingProvince, seat: Seat, **changed: str) -> str:
    """An order of a new line for the customer, from 深圳, accepted."""
    contact = seat.take_call(SHENZHEN)
    seat.ask("identity_checked", contact=contact, line=LINE)
    values = {
        **form_for(catalogue().services["install_line"], ("contact_phone", "promised"), now=province.time.wall()),
        "wanted_number": NEW,
        **changed,
    }
    receipt = seat.ask("work_open", service="install_line", line=LINE, customer=WHO, contact=contact, values=values)
    province.pass_s(2.0)
    return str(receipt["item"])


def test_an_order_that_is_done_leaves_charges_messages_and_a_line(province: WorkingProvince) -> None:
    item = ordered(province, province.seat_of(SHENZHEN), contact_phone="13800138000")
    finish(province, item)
    province.pass_s(40.0)
    [charge] = page(province, CHARGES, (GUANGZHOU, item))
    assert (charge.code, charge.fen, charge.monthly, charge.customer) == ("installation", 20_800, False, WHO)
    messages = page(province, MESSAGES, (GUANGZHOU, item), "by_item")
    assert [one.code for one in messages] == ["accepted", "crew", "done"]
    assert {(one.to, one.state, one.tries) for one in messages} == {("13800138000", "sent", 1)}
    assert item in messages[0].text
    assert "{" not in messages[0].text
    opened = line(province, NEW)
    assert opened is not None
    assert (opened.customer, opened.status, opened.service) == (WHO, LineStatus.ACTIVE, "install_line")
    [record] = page(province, WORK_ITEMS, (GUANGZHOU, WHO), "by_customer")
    assert (record.item, record.ending, record.opened_in, record.revision) == (item, "done", "shenzhen", 7)
    shown = province.seat_of(GUANGZHOU).ask("work_item", item=item)["item"]
    assert [(one["code"], one["fen"]) for one in shown["charges"]] == [("installation", 20_800)]
    assert [one["to"] for one in shown["messages"]] == ["138****8000"] * 3


def test_a_charge_of_each_month_is_called_so(province: WorkingProvince) -> None:
    """An alarm costs something once or every month, by one code: the item says which of the two it was."""
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    seat.ask("identity_checked", contact=contact, line=LINE)
    values = form_for(catalogue().services["timed_call"], now=province.time.wall())
    item = seat.ask(
        "work_open",
        service="timed_call",
        line=LINE,
        customer=WHO,
        contact=contact,
        values=values | {"line": LINE, "repeat": "daily"},
    )["item"]
    office = province.seat_of(GUANGZHOU)
    office.ask("work_take", item=item)
    office.ask("work_act", item=item, action="switch_on")
    province.pass_s(5.0)
    [charge] = office.ask("work_item", item=item)["item"]["charges"]
    assert (charge["zh"], charge["en"], charge["monthly"]) == ("闹钟（包月）", "Alarm, monthly", True)


@pytest.mark.parametrize(("cause", "told"), [("cable", []), ("terminal", [("用户终端上门检修费", 3_000)])])
def test_a_charge_is_called_what_it_is_by_the_form(
    province: WorkingProvince, cause: str, told: list[tuple[str, int]]
) -> None:
    """A visit is free but for the customer's own equipment, by one code."""
    office = province.seat_of(GUANGZHOU)
    values = form_for(
        catalogue().services["fault"], ("contact_phone",), province.time.wall(), "dispatch_urban", {"area": "urban"}
    )
    filled = {**values, "line": LINE, "contact_phone": "13900000077"}
    item = office.ask("work_open", service="fault", values=filled)["item"]
    for action, more in (
        ("test", {"test_result": "break"}),
        ("dispatch_urban", {}),
        ("repaired", {"cause": cause}),
    ):
        asked = office.ask("work_act", item=item, action=action, values=more, note="已办")
        assert asked["state"] == "accepted"
    province.pass_s(5.0)
    charges = office.ask("work_item", item=item)["item"]["charges"]
    assert [(one["zh"], one["fen"]) for one in charges if one["fen"]] == told


def test_a_crash_leaves_nothing_undone_and_nothing_twice(province: WorkingProvince) -> None:
    """The node dies at every moment of the work's last steps; records come to the same."""
    seat = province.seat_of(SHENZHEN)
    item = ordered(province, seat)
    office = province.seat_of(GUANGZHOU)
    office.ask("work_take", item=item)
    for action in ("confirm_plant", "send_crew", "installed_it"):
        province.seat_of(GUANGZHOU).ask("work_act", item=item, action=action)
        province.restart_city(GUANGZHOU)
    province.seat_of(GUANGZHOU).ask("work_called_back", item=item, reached=True, note="当面确认")
    province.seat_of(GUANGZHOU).ask("work_act", item=item, action="close", satisfaction=5)
    province.restart_city(GUANGZHOU)
    province.pass_s(30.0)
    assert [one.fen for one in page(province, CHARGES, (GUANGZHOU, item))] == [20_800]
    assert [one.code for one in page(province, MESSAGES, (GUANGZHOU, item), "by_item")] == ["accepted", "crew", "done"]
    assert {one.state for one in page(province, MESSAGES, (GUANGZHOU, item), "by_item")} == {"sent"}
    assert line(province, NEW) is not None


def test_a_feature_that_is_switched_on_stands_on_the_line_and_cannot_be_ordered_again(
    province: WorkingProvince,
) -> None:
    office = province.seat_of(GUANGZHOU)
    service = catalogue().services["caller_id"]
    values = form_for(service, now=province.time.wall(), action="switch_on") | {"line": LINE}
    item = office.ask("work_open", service="caller_id", customer=WHO, values=values)["item"]
    office.ask("work_act", item=item, action="switch_on")
    province.pass_s(1.0)
    known = line(province, LINE)
    assert known is not None
    assert known.features == ("caller_id",)
    with pytest.raises(Refused) as refused:
        office.ask("work_open", service="caller_id", customer=WHO, values=values)
    assert refused.value.problems[0].slug == "rule-line-lacks-service"


def test_the_line_of_the_form_is_the_line_of_the_item(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    values = form_for(catalogue().services["caller_id"], now=province.time.wall()) | {"line": LINE}
    with pytest.raises(Refused) as refused:
        office.ask("work_open", service="caller_id", line="02081239999", values=values)
    assert refused.value.problems[0].slug == "line-differs"
