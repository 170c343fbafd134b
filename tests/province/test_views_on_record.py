"""Whoever looks at a customer's data is on record in the city whose data it is, before anything is shown in full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dataset.audit import Kept, check
from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, CustomerId, LineageId, NodeId
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.rows import DataViewed, TailMissing, Viewed
from federation.node.login import CHEAP, UserRecord
from federation.node.memory_transport import MemoryDoor
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat, WorkingProvince

WHO = CustomerId("440001")
OTHER, OTHER_LINE = CustomerId("440002"), "02081230002"
WHY = "核对装机地址"
PASSWORD = "correct horse"
HASH = CHEAP.hash(PASSWORD)


class Watched(WorkingProvince):
    """Agents are agents and no more; each city has a supervisor, a back office, an auditor."""

    def _city_users(self, city: CityId) -> list[UserRecord]:
        staff = [replace(one, roles=frozenset({"agent"})) for one in super()._city_users(city)]
        return [
            *staff,
            *(UserRecord(role, role, frozenset({role}), HASH) for role in ("supervisor", "auditor", "back_office")),
        ]


@pytest.fixture
def province() -> WorkingProvince:
    province = Watched(with_records=True)
    records = province.sites[GUANGZHOU].records
    assert records is not None
    puts: list[Put] = []
    for who, number, name in ((WHO, LINE, "陈志强"), (OTHER, OTHER_LINE, "李秀英")):
        puts += (
            Put(CUSTOMERS, Customer(city=GUANGZHOU, id=who, name=name, contact_numbers=("13900000002",))),
            Put(
                LINES, Line(city=GUANGZHOU, number=number, customer=who, service="install_line", address="中山五路1号")
            ),
        )
    province.result(records.put(puts).addCallback(lambda _: {}))
    return province


def views(province: WorkingProvince, city: CityId) -> list[DataViewed]:
    province.pass_s(0.1)
    return province.rows(city, DataViewed)


def slug_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.problems[0].slug


class Overseer:
    """A supervisor of a city, or somebody in another role, at no seat."""

    def __init__(self, province: WorkingProvince, city: CityId, role: str = "supervisor") -> None:
        self.province = province
        door = MemoryDoor(province.sites[city].desk.door, province.time, delay_s=0.001)
        login = province.result(door.login(role, PASSWORD, ""))
        self.live = door.open()
        province.result(self.live.send("attach", token=login["token"]))

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        return self.province.result(self.live.send(op, **fields))


def test_every_look_at_a_card_and_every_search_is_on_record(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    seat.ask("customers", text="陈志强")
    seat.ask("customers", contact=contact)
    seat.ask("card", line=LINE)
    seat.ask("card", customer=OTHER)
    found = views(province, GUANGZHOU)
    assert [(one.operation, one.what, one.id, one.customers) for one in found] == [
        ("customers", Viewed.SEARCH, "陈**", (WHO,)),
        ("customers", Viewed.SEARCH, "020****0001", (WHO,)),
        ("card", Viewed.LINE, LINE, (WHO,)),
        ("card", Viewed.CUSTOMER, OTHER, (OTHER,)),
    ]
    assert {(one.agent, one.roles, one.city, one.during, one.unmasked, one.refused) for one in found} == {
        (AgentId("1001@guangzhou"), ("agent",), GUANGZHOU, contact, False, "")
    }


def test_what_was_refused_is_on_record_too(province: WorkingProvince) -> None:
    """Not what could not be understood: nothing was asked for then."""
    seat = province.seat_of(GUANGZHOU)
    auditor = Overseer(province, GUANGZHOU, "auditor")
    for asking, op, fields, slug in (
        (auditor, "card", {"line": LINE}, "not-your-role"),
        (auditor, "customers", {"text": "陈志强"}, "not-your-role"),
        (auditor, "work_item", {"item": "w-1"}, "not-your-role"),
        (seat, "card", {"customer": "nobody"}, "customer-unknown"),
        (seat, "card", {"line": LINE, "unmask": True, "reason": WHY}, "unmask-not-yours"),
        (seat, "card", {"lines": LINE}, "bad-request"),
    ):
        with pytest.raises(Refused) as refused:
            asking.ask(op, **fields)
        assert slug_of(refused) == slug
    found = views(province, GUANGZHOU)
    assert [(one.agent, one.id, one.refused, one.unmasked) for one in found] == [
        ("auditor@guangzhou", LINE, "not-your-role", False),
        ("auditor@guangzhou", "陈**", "not-your-role", False),
        ("auditor@guangzhou", "w-1", "not-your-role", False),
        ("1001@guangzhou", "nobody", "customer-unknown", False),
        ("1001@guangzhou", LINE, "unmask-not-yours", True),
    ]
    assert found[-1].reason == WHY


def test_an_agent_sees_in_full_only_whose_identity_was_checked_in_the_contact_at_the_seat(
    province: WorkingProvince,
) -> None:
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    for fields in ({"line": LINE}, {"customer": WHO}):
        with pytest.raises(Refused) as refused:
            seat.ask("card", **fields, unmask=True, reason=WHY)
        assert slug_of(refused) == "unmask-not-yours"
    seat.ask("identity_checked", contact=contact, line=LINE)
    for fields in ({"line": LINE}, {"customer": WHO}):
        card = seat.ask("card", **fields, unmask=True, reason=WHY)["card"]
        assert (card["masked"], card["name"], card["contact_numbers"]) == (False, "陈志强", ["13900000002"])
    with pytest.raises(Refused) as refused:
        seat.ask("card", customer=OTHER, unmask=True, reason=WHY)
    assert slug_of(refused) == "unmask-not-yours", "another customer"
    with pytest.raises(Refused) as refused:
        seat.ask("card", line=LINE, unmask=True, reason="  ")
    assert slug_of(refused) == "reason-missing"
    assert seat.ask("card", line=LINE)["card"]["masked"]
    seat.ask("hang_up", contact=contact)
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)
    province.pass_s(1.0)
    with pytest.raises(Refused) as refused:
        seat.ask("card", line=LINE, unmask=True, reason=WHY)
    assert slug_of(refused) == "unmask-not-yours", "the contact is over"


def test_a_supervisor_sees_anybody_in_full_for_a_reason(province: WorkingProvince) -> None:
    boss = Overseer(province, GUANGZHOU)
    assert boss.ask("card", customer=OTHER, unmask=True, reason=WHY)["card"]["name"] == "李秀英"
    [found] = views(province, GUANGZHOU)
    assert (found.agent, found.unmasked, found.reason, found.customers) == (
        "supervisor@guangzhou", True, WHY, (OTHER,),
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        boss.ask("card", customer=OTHER, unmask=True)
    assert slug_of(refused) == "reason-missing"
    with pytest.raises(Refused) as refused:
        boss.ask("card", customer=OTHER, unmask=True, reason="x" * 201)
    assert slug_of(refused) == "bad-request"


def test_nothing_is_shown_in_full_before_its_row_is_on_disk(province: WorkingProvince) -> None:
    """J1: while the disk takes its time, the answer waits; a masked one does not."""
    boss = Overseer(province, GUANGZHOU)
    slow_disk(province)
    answers: list[str] = []
    boss.live.send("card", customer=WHO).addCallback(lambda _: answers.append("masked"))
    boss.live.send("card", customer=WHO, unmask=True, reason=WHY).addCallback(lambda _: answers.append("in full"))
    province.pass_s(20.0)
    assert (answers, province.rows(GUANGZHOU, DataViewed)) == (["masked"], [])
    province.pass_s(45.0)
    assert answers == ["masked", "in full"]
    assert [one.unmasked for one in province.rows(GUANGZHOU, DataViewed)] == [False, True]


def test_a_crash_before_the_row_is_on_disk_has_shown_nothing(province: WorkingProvince) -> None:
    boss = Overseer(province, GUANGZHOU)
    slow_disk(province)
    answers: list[object] = []
    boss.live.send("card", customer=WHO, unmask=True, reason=WHY).addBoth(answers.append)
    province.pass_s(20.0)
    province.crash_city(GUANGZHOU)
    province.pass_s(60.0)
    assert not [one for one in answers if isinstance(one, dict)]
    province.start_city(GUANGZHOU)
    assert views(province, GUANGZHOU) == []


def slow_disk(province: WorkingProvince) -> None:
    running = province.memory.disk(NodeId(GUANGZHOU)).running
    assert running is not None
    running.sync_s = 30.0


def order(province: WorkingProvince, seat: Seat) -> str:
    """An order of 深圳's seat for the customer of 广州, accepted there."""
    item = str(seat.order(seat.take_call(SHENZHEN))["item"])
    province.pass_s(2.0)
    return item


def test_a_look_by_another_citys_agent_is_on_record_where_the_record_is(province: WorkingProvince) -> None:
    item = order(province, province.seat_of(SHENZHEN))
    third = province.seat_of(FOSHAN)
    third.ask("work_item", item=item, owning="guangzhou")
    [found] = views(province, GUANGZHOU)
    assert (found.agent, found.city, found.what, found.id, found.line, found.unmasked) == (
        third.staff + "@foshan", "foshan", Viewed.ITEM, item, LINE, False,
    )  # fmt: skip
    assert views(province, FOSHAN) == [], "it has nothing of the item"
    assert views(province, SHENZHEN) == [], "it was not asked"


def test_a_work_item_is_shown_in_full_to_whoever_has_it_or_serves_its_customer(province: WorkingProvince) -> None:
    """Across cities too: the asking city vouches for the contact at its seat, as it does for roles."""
    seat = province.seat_of(SHENZHEN)
    item = order(province, seat)  # the identity of the caller was checked
    shown = seat.ask("work_item", item=item, unmask=True, reason=WHY)["item"]
    assert (shown["masked"], "*" in shown["values"]["contact_phone"]) == (False, False)
    assert [(one.unmasked, one.reason) for one in views(province, GUANGZHOU)] == [(True, WHY)]
    [here] = views(province, SHENZHEN)
    assert (here.unmasked, here.during) == (True, views(province, GUANGZHOU)[0].during), "what it knew itself"
    office = province.seat_of(GUANGZHOU)
    with pytest.raises(Refused) as refused:
        office.ask("work_item", item=item, unmask=True, reason=WHY)
    assert slug_of(refused) == "unmask-not-yours"
    office.ask("work_take", item=item)
    assert not office.ask("work_item", item=item, unmask=True, reason=WHY)["item"]["masked"]
    assert office.ask("work_item", item=item)["item"]["masked"]
    assert [(one.unmasked, one.refused) for one in views(province, GUANGZHOU)[1:]] == [
        (True, "unmask-not-yours"), (True, ""), (False, ""),
    ]  # fmt: skip


def test_the_number_of_a_work_item_is_masked_wherever_it_is_shown(province: WorkingProvince) -> None:
    """In lists, in the form, and in what the customer was told; whole for a reason alone."""
    office = province.seat_of(GUANGZHOU)
    values = form_for(catalogue().services["forward_all"], now=province.time.wall(), action="switch_on")
    values |= {"line": LINE, "target": "02087654321"}
    contact = office.take_call(GUANGZHOU)
    office.ask("identity_checked", contact=contact, line=LINE)
    item = office.ask("work_open", service="forward_all", values=values, contact=contact)["item"]
    Overseer(province, GUANGZHOU, "back_office").ask("work_act", item=item, action="switch_on")
    province.pass_s(2.0)
    answers = [
        office.ask("work_items", line=LINE),
        office.ask("work_item", item=item),
        office.ask("repeats", line=LINE),
        province.seat_of(FOSHAN).ask("work_items", line=LINE),
    ]
    assert [text for text in map(str, answers) if LINE in text or "02087654321" in text] == []
    shown = answers[1]["item"]
    assert (shown["line"], shown["values"]["target"]) == ("020****0001", "020****4321")
    assert any("020****0001" in one["text"] for one in shown["messages"])
    whole = office.ask("work_item", item=item, unmask=True, reason=WHY)["item"]
    assert (whole["line"], whole["values"]["line"], whole["values"]["target"]) == (LINE, LINE, "02087654321")
    assert any(LINE in one["text"] for one in whole["messages"])


def test_another_citys_agent_who_serves_somebody_else_is_refused_there(province: WorkingProvince) -> None:
    item = order(province, province.seat_of(SHENZHEN))
    third = province.seat_of(FOSHAN)
    with pytest.raises(Refused) as refused:
        third.ask("work_item", item=item, owning="guangzhou", unmask=True, reason=WHY)
    assert slug_of(refused) == "unmask-not-yours"
    [found] = views(province, GUANGZHOU)
    assert (found.city, found.refused, found.customers) == ("foshan", "unmask-not-yours", ())


def test_the_hub_holds_every_citys_chain_whole_over_restarts(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    for _ in range(3):
        seat.ask("card", line=LINE)
    province.restart_city(GUANGZHOU)
    province.seat_of(GUANGZHOU).ask("card", line=LINE)
    province.pass_s(3.0)
    chain = at_hub(province, GUANGZHOU)
    assert (chain.rows, chain.breaks, chain.lost) == (4, (), ())
    assert chain.head == province.memory.disk(NodeId(GUANGZHOU)).journal.audit


def test_a_lost_disk_is_told_from_a_rewritten_history(province: WorkingProvince) -> None:
    """Restored from a backup, a city says itself what it lost; the hub has it, and no break."""
    province.seat_of(GUANGZHOU).ask("card", line=LINE)
    province.pass_s(2.0)
    backup = province.memory.disk(NodeId(GUANGZHOU)).journal.copy()
    province.seat_of(GUANGZHOU).ask("card", customer=OTHER)
    province.pass_s(2.0)
    lost = province.journal(NodeId(GUANGZHOU)).lineage
    province.crash_city(GUANGZHOU)
    province.memory.disk(NodeId(GUANGZHOU)).journal = backup
    province.start_city(GUANGZHOU)
    province.pass_s(10.0)
    assert province.rows(GUANGZHOU, TailMissing)
    province.seat_of(GUANGZHOU).ask("card", line=LINE)
    province.pass_s(3.0)
    chain = at_hub(province, GUANGZHOU)
    assert (chain.rows, chain.breaks, chain.lost) == (3, (), (LineageId(lost),))


def at_hub(province: WorkingProvince, city: CityId) -> Any:
    rows = province.memory.disk(HUB).ledger.rows.values()
    return check(city, [Kept(row.lineage, row.sequence, data) for row, data in rows if row.node == city])
