"""A check of identity goes along with the contact: to whoever has it next, in whatever city, and no further."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, ContactId, CustomerId, LineageId, NodeId
from dataset.masking import masked
from dataset.puts import Put
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import LINES, Line
from dataset.records.money import BILLS
from dataset.rows import (
    ROW_BYTES,
    AnyRow,
    DataViewed,
    IdentityChecked,
    IdentityHow,
    Journalled,
)
from tests.harness.sample_records import BILL
from tests.province.test_views_on_record import Watched, views
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat

WHO = CustomerId("440001")


class Province(Watched):
    """A customer of 广州 who owes 22 yuan."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        records = self.sites[GUANGZHOU].records
        assert records is not None
        puts = (
            Put(CUSTOMERS, Customer(city=GUANGZHOU, id=WHO, name="陈志强")),
            Put(LINES, Line(city=GUANGZHOU, number=LINE, customer=WHO, service="install_line")),
            Put(BILLS, replace(BILL, city=GUANGZHOU, line=LINE, customer=WHO)),
        )
        self.result(records.put(puts).addCallback(lambda _: {}))

    def sent_on(self, seat: Seat, contact: str, to: Seat) -> None:
        """``seat`` sends the caller on to ``to``, who answers."""
        to.ask("ready")
        self.pass_s(2.0)
        seat.ask("transfer", contact=contact, to_agent=to.agent)
        self.pass_s(3.0)
        to.ask("answer", contact=contact)
        self.pass_s(2.0)

    def checks(self, node: str) -> list[tuple[str, str | None, str | None]]:
        """Where each was made, by whom, and to whom it went, as ``node`` has them on record."""
        return [(row.city, row.agent, row.to) for row in self.rows(node, IdentityChecked)]

    def say(self, sender: CityId, to: CityId, row: AnyRow) -> None:
        """A row as if it were the next that ``sender`` writes for ``to``."""
        self.journal(NodeId(sender)).append([(row, (NodeId(to),))], lambda: None)
        self.pass_s(2.0)


@pytest.fixture
def province() -> Province:
    return Province()


def done(seat: Seat, contact: str) -> None:
    """Nothing is left to be written down."""
    seat.ask("disposition", contact=contact, code="solved")
    seat.ask("finish", contact=contact)


def due(seat: Seat) -> int | None:
    """What the customer owes, as far as the seat is told."""
    found: int | None = seat.ask("card", line=LINE)["card"]["due_fen"]
    return found


def shown(seat: Seat) -> list[dict[str, Any]]:
    """The checks that the seat shows of its contact."""
    found: list[dict[str, Any]] = seat._state()["calls"][0]["identity"]
    return found


def test_it_goes_along_to_an_agent_of_another_city(province: Province) -> None:
    """A call of 广州, checked there, sent on to 佛山: it is shown who checked, where and when; amounts are told."""
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    first.ask("identity_checked", contact=contact, line=LINE, how="service_password")
    at = province.time.wall()
    province.sent_on(first, contact, second)
    [one] = shown(second)
    assert (one["city"], one["line"], one["how"], one["agent"]) == (
        "guangzhou", "020****0001", "service_password", "1001@guangzhou",
    )  # fmt: skip
    assert abs(one["at"] - at) < 1.0, "when it was made, not when it came"
    assert due(second) is not None
    assert second.order(contact, checked=False)["state"] in ("pending", "accepted")
    assert province.checks(GUANGZHOU) == [
        ("guangzhou", "1001@guangzhou", None),
        ("guangzhou", "1001@guangzhou", "foshan"),
    ]
    assert province.checks(FOSHAN) == [("guangzhou", "1001@guangzhou", "foshan")]


def test_two_lines_that_look_alike_are_told_apart(province: Province) -> None:
    """Masked they are the same; the city knows which was checked, and says so to whoever has the contact alone."""
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    alike = f"{LINE[:4]}{'1' if LINE[4] != '1' else '2'}{LINE[5:]}"
    assert masked(alike) == masked(LINE)
    holds = [first.ask("identity_of", contact=contact, line=line)["checked"] for line in (LINE, alike)]
    assert holds == [False, False]
    first.ask("identity_checked", contact=contact, line=LINE)
    province.sent_on(first, contact, second)
    assert [second.ask("identity_of", contact=contact, line=line)["checked"] for line in (LINE, alike)] == [True, False]
    done(first, contact)
    with pytest.raises(Refused) as refused:
        first.ask("identity_of", contact=contact, line=LINE)
    assert refused.value.problems[0].slug == "unknown-contact", "the caller is at another seat now"


def test_without_a_check_nothing_goes_along(province: Province) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    province.sent_on(first, contact, second)
    assert shown(second) == []
    assert due(second) is None
    assert province.checks(GUANGZHOU) == province.checks(FOSHAN) == []


def test_it_goes_by_way_of_the_city_where_the_contact_arrived(province: Province) -> None:
    """Checked in 深圳, for a call of 广州; known in 广州 when it comes back, and in 佛山 where it goes then."""
    home, away, third = (province.seat_of(city) for city in (GUANGZHOU, SHENZHEN, FOSHAN))
    contact = home.take_call(GUANGZHOU)
    province.sent_on(home, contact, away)
    away.ask("identity_checked", contact=contact, line=LINE)
    province.pass_s(1.0)
    done(home, contact)
    province.sent_on(away, contact, home)
    assert [one["agent"] for one in shown(home)] == ["2001@shenzhen"]
    assert due(home) is not None
    done(away, contact)
    province.sent_on(home, contact, third)
    assert [one["agent"] for one in shown(third)] == ["2001@shenzhen"]
    assert due(third) is not None
    done(home, contact)
    province.sent_on(third, contact, away)
    assert [(one["city"], one["agent"]) for one in shown(away)] == [("shenzhen", "2001@shenzhen")]
    assert province.checks(SHENZHEN) == [("shenzhen", "2001@shenzhen", None)], "its own is not told to it again"


def test_within_a_city_it_holds_for_the_next_agent(province: Province) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    first.ask("identity_checked", contact=contact, line=LINE)
    province.sent_on(first, contact, second)
    assert [one["agent"] for one in shown(second)] == ["1001@guangzhou"]
    assert due(second) is not None


def test_it_holds_for_that_contact_alone(province: Province) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    first.ask("identity_checked", contact=contact, line=LINE)
    province.sent_on(first, contact, second)
    assert due(second) is not None
    done(second, contact)
    province.pass_s(2.0)
    assert due(second) is None
    done(first, contact)
    second.ask("not_ready", reason="break")
    again = first.take_call(GUANGZHOU)
    province.sent_on(first, again, second)
    assert (shown(second), due(second)) == ([], None)


@pytest.mark.parametrize("which", [GUANGZHOU, FOSHAN])
def test_it_is_known_after_a_restart_of_either_city(province: Province, which: CityId) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    first.ask("identity_checked", contact=contact, line=LINE)
    province.sent_on(first, contact, second)
    before = shown(second)
    province.restart_city(which)
    second = province.seat_of(FOSHAN)
    assert shown(second) == before
    assert due(second) is not None
    assert province.checks(FOSHAN) == [("guangzhou", "1001@guangzhou", "foshan")], "not handed on twice"


def test_a_check_that_was_on_disk_when_the_city_died_is_handed_on_by_the_next_run(province: Province) -> None:
    """The contact was answered in 佛山 while the line there was cut; 广州 dies before it can tell, and tells then."""
    first, second = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = first.take_call(GUANGZHOU)
    first.ask("identity_checked", contact=contact, line=LINE)
    second.ask("ready")
    province.pass_s(2.0)
    first.ask("transfer", contact=contact, to_agent=second.agent)
    province.pass_s(3.0)
    province.wires.cut([NodeId(GUANGZHOU)])
    second.ask("answer", contact=contact)
    province.pass_s(2.0)
    assert shown(second) == []
    province.crash_city(GUANGZHOU)
    province.wires.cut([NodeId(GUANGZHOU)], restore=True)
    province.start_city(GUANGZHOU)
    province.pass_s(5.0)
    assert [one["agent"] for one in shown(second)] == ["1001@guangzhou"]


# ── on record ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_use_is_on_record_in_both_cities(province: Province) -> None:
    """Checked in 深圳, used in 佛山 for a customer of 广州: each has it, with who checked."""
    home, away, third = (province.seat_of(city) for city in (GUANGZHOU, SHENZHEN, FOSHAN))
    contact = home.take_call(GUANGZHOU)
    province.sent_on(home, contact, away)
    away.ask("identity_checked", contact=contact, line=LINE)
    done(home, contact)
    province.sent_on(away, contact, third)
    third.ask("statement", line=LINE)
    [own] = views(province, FOSHAN)
    [owner] = views(province, GUANGZHOU)
    for row in (own, owner):
        assert (row.agent, row.operation, row.during) == ("3001@foshan", "statement", contact)
        assert row.checks, row
        [by] = row.checks
        assert (by.city, by.agent, by.how, by.line) == ("shenzhen", "2001@shenzhen", IdentityHow.ID_CARD, LINE)
    kept = [row.row for row, _ in province.memory.disk(NodeId(SHENZHEN)).ledger.rows.values()]
    assert [row for row in kept if isinstance(row, DataViewed)] == [own], (
        "whoever checked has the use on record as well"
    )
    assert views(province, SHENZHEN) == [], "and none of its own"


# ── what nobody may say ─────────────────────────────────────────────────────────────────────────────────────────────
def check(contact: str, **said: Any) -> IdentityChecked:
    return IdentityChecked(contact=ContactId(contact), line=LINE, how=IdentityHow.ID_CARD, **said)


def test_a_city_that_never_had_the_contact_cannot_check_it(province: Province) -> None:
    home = province.seat_of(GUANGZHOU)
    contact = home.take_call(GUANGZHOU)
    province.say(FOSHAN, GUANGZHOU, check(contact, city=FOSHAN, agent=AgentId("3001@foshan")))
    assert (shown(home), due(home)) == ([], None)


@pytest.mark.parametrize(
    "said",
    [
        {"city": GUANGZHOU, "agent": AgentId("1001@guangzhou")},
        {"city": FOSHAN, "agent": AgentId("3001@foshan")},
        {"city": SHENZHEN, "agent": AgentId("1001@guangzhou")},
        {"city": SHENZHEN, "agent": None},
        {"city": FOSHAN, "agent": AgentId("3001@foshan"), "to": GUANGZHOU, "at": 1.0},
    ],
)
def test_a_city_that_has_the_contact_checks_in_its_own_name_alone(province: Province, said: dict[str, Any]) -> None:
    home, away = province.seat_of(GUANGZHOU), province.seat_of(SHENZHEN)
    contact = home.take_call(GUANGZHOU)
    province.sent_on(home, contact, away)
    province.say(SHENZHEN, GUANGZHOU, check(contact, **said))
    assert province.checks(GUANGZHOU) == []


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (SHENZHEN, {"city": SHENZHEN, "agent": AgentId("2001@shenzhen"), "to": FOSHAN, "at": 1.0}),
        (SHENZHEN, {"city": GUANGZHOU, "agent": AgentId("1001@guangzhou"), "to": FOSHAN, "at": 1.0}),
        (GUANGZHOU, {"city": FOSHAN, "agent": AgentId("3001@foshan"), "to": FOSHAN, "at": 1.0}),
        (GUANGZHOU, {"city": SHENZHEN, "agent": None, "to": FOSHAN, "at": 1.0}),
    ],
)
def test_only_the_city_where_the_contact_arrived_hands_on(
    province: Province, sender: CityId, said: dict[str, Any]
) -> None:
    """And nothing in the name of the city that it hands on to."""
    home, away = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = home.take_call(GUANGZHOU)
    province.sent_on(home, contact, away)
    province.say(sender, FOSHAN, check(contact, **said))
    assert (province.checks(FOSHAN), shown(away), due(away)) == ([], [], None)


def test_a_hub_cannot_say_it_for_a_city(province: Province) -> None:
    """Rows that come by way of a hub keep their writer's name (S3), and are no word of that city's in this."""
    home, away = province.seat_of(GUANGZHOU), province.seat_of(FOSHAN)
    contact = home.take_call(GUANGZHOU)
    province.sent_on(home, contact, away)
    row = check(contact, city=GUANGZHOU, agent=AgentId("1001@guangzhou"), to=FOSHAN, at=1.0)
    whole = Journalled(node=GUANGZHOU, lineage=LineageId("0badcafe"), sequence=1, wall=1.0, mono=1.0, boot="b", row=row)
    province.journal(HUB).relay([ROW_BYTES.encode(whole)], (FOSHAN,), lambda: None)
    province.pass_s(2.0)
    assert whole in [one for one, _ in province.memory.disk(NodeId(FOSHAN)).ledger.rows.values()], "it came"
    assert (province.checks(FOSHAN), shown(away), due(away)) == ([], [], None)
