"""Single calls through a province of real processes, from the caller's telephone to the province's record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    ContactBorn,
    ContactEnded,
    Ending,
    MenuChosen,
    SegmentClosed,
    SegmentConfirmed,
    TransferAsked,
)
from tests.harness.driving import ReactorDriver
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince, Shape, real_province


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(agents={"guangzhou": 2, "shenzhen": 2, "foshan": 2}, wrap_up_s=60.0)
    with real_province(tmp_path_factory.mktemp("calls"), shape, ReactorDriver()) as running:
        yield running


def record(province: RealProvince, number: str) -> list[AnyRow]:
    """All rows at the hub about the one contact of a caller, once its ending and all its segments are there."""
    found: list[AnyRow] = []

    def complete() -> bool:
        rows = [row.row for row in province.hub_ledger()]
        own = [row.contact for row in rows if isinstance(row, ContactBorn) and row.calling == number]
        found[:] = [row for row in rows if getattr(row, "contact", None) in own]
        answers = count(found, AttemptAnswered)
        done = count(found, SegmentClosed) == answers == count(found, SegmentConfirmed)
        return done and count(found, ContactEnded) > 0 and province.ledger_complete()

    province.wait(complete, 20.0, f"the record of {number} is complete: {found}")
    assert count(found, ContactBorn) == 1
    return found


def count(rows: list[AnyRow], kind: type) -> int:
    return sum(isinstance(row, kind) for row in rows)


def ending(rows: list[AnyRow]) -> ContactEnded:
    """The one ending (I1)."""
    (only,) = [row for row in rows if isinstance(row, ContactEnded)]
    return only


def segments(rows: list[AnyRow]) -> list[SegmentClosed]:
    """By attempt."""
    return sorted((row for row in rows if isinstance(row, SegmentClosed)), key=lambda row: row.n)


def shown(province: RealProvince, rows: list[AnyRow]) -> dict[str, Any]:
    """What the console shows of the same contact."""
    return province.console("contact", contact=ending(rows).contact)


def test_a_call_at_home_is_answered_finished_and_on_record_once(province: RealProvince, people: People) -> None:
    """Ready, ring, answer at the phone, tones both ways, hold with music, hang up, disposition, finish."""
    agent = people.agent("guangzhou")
    caller = people.caller("guangzhou", "13800000101")
    agent.answer()
    people.hear_each_other(caller, agent)
    contact = agent.contact
    assert agent.calls[0]["anchor"] == "guangzhou"
    assert not agent.calls[0]["received"]

    agent.do("hold", contact=contact)
    agent.wait_presence("held")
    people.wait(caller.hears_music, "the caller hears music while held")
    people.wait(lambda: not agent.hears(caller), "the seat does not hear the caller while held")
    agent.do("retrieve", contact=contact)
    agent.wait_presence("talking")
    people.hear_each_other(caller, agent)

    agent.do("note", contact=contact, text="客户催单")
    agent.do("hang_up", contact=contact)
    people.wait(lambda: caller.call.over, "the caller's line is cleared")
    agent.wrap_up("follow_up")
    agent.wait_presence("ready")

    rows = record(province, "13800000101")
    end, (segment,) = ending(rows), segments(rows)
    assert (end.city, end.serving, end.agent, end.answers) == ("guangzhou", "guangzhou", agent.agent, 1)
    assert end.ending is Ending.COMPLETED
    assert (segment.disposition, segment.notes, segment.ended_by) == (
        "follow_up",
        f"{agent.agent}: 客户催单",
        "agent",
    )
    assert segment.held_s > 0
    told = shown(province, rows)
    assert told["contact"]["ending"] == "completed"
    assert told["contact"]["route"] == ["guangzhou"]
    assert sum(row["kind"] == "contact_ended" for row in told["rows"]) == 1


def test_a_caller_without_agents_at_home_is_served_in_another_city(province: RealProvince, people: People) -> None:
    """The contact stays anchored where it was dialled; the audio crosses the trunk; the caller hangs up."""
    agent = people.agent("shenzhen")
    caller = people.caller("guangzhou", "13800000102")
    agent.answer()
    people.hear_each_other(caller, agent)
    assert (agent.calls[0]["anchor"], agent.calls[0]["received"]) == ("guangzhou", True)

    caller.hang_up()
    agent.wrap_up()

    rows = record(province, "13800000102")
    end, (segment,) = ending(rows), segments(rows)
    assert (end.city, end.serving, end.agent) == ("guangzhou", "shenzhen", agent.agent)
    assert (end.ending, end.cause) == (Ending.COMPLETED, "customer")
    assert (segment.site, segment.ended_by) == ("shenzhen", "customer")
    told = shown(province, rows)
    assert told["contact"]["route"] == ["guangzhou", "shenzhen"]
    assert {one["choice"] for one in told["decisions"]} >= {"open", "propose"}


def test_a_blind_transfer_goes_from_city_to_city_with_its_story(province: RealProvince, people: People) -> None:
    """Anchored in 广州, answered in 深圳, sent on to a skill that only 佛山 can serve now; one ending, two segments."""
    first = people.agent("shenzhen")
    caller = people.caller("guangzhou", "13800000103")
    first.answer()
    people.hear_each_other(caller, first)
    second = people.agent("foshan")
    contact = first.contact
    first.do("disposition", contact=contact, code="transferred")
    first.do("transfer", contact=contact, to_skill="bill", note="请核对八月帐单")
    people.wait(lambda: not first.hears(caller), "the first seat has lost the caller")
    second.answer()
    people.hear_each_other(caller, second)
    call = second.calls[0]
    assert (call["contact"], call["anchor"], call["skill"]) == (contact, "guangzhou", "bill")
    assert call["notes"] == [{"by": first.agent, "text": "请核对八月帐单"}]
    assert call["handled_by"] == [first.agent]
    if first.calls:
        first.wrap_up("transferred")

    second.do("hang_up", contact=contact)
    people.wait(lambda: caller.call.over, "the caller's line is cleared")
    second.wrap_up()

    rows = record(province, "13800000103")
    end = ending(rows)
    assert (end.city, end.serving, end.agent, end.answers) == ("guangzhou", "foshan", second.agent, 2)
    assert [(one.site, one.agent) for one in segments(rows)] == [
        ("shenzhen", first.agent),
        ("foshan", second.agent),
    ]
    assert segments(rows)[0].ended_by == "transfer"
    assert count(rows, TransferAsked) == 1
    assert shown(province, rows)["contact"]["route"] == ["guangzhou", "shenzhen", "foshan"]


def test_a_transfer_that_nobody_takes_comes_back_to_the_first_agent(province: RealProvince, people: People) -> None:
    """The named agent does not pick up: the caller is with the first agent again, in another city than the anchor."""
    first = people.agent("shenzhen")
    caller = people.caller("guangzhou", "13800000104")
    first.answer()
    people.hear_each_other(caller, first)
    second = people.agent("foshan")
    first.do("transfer", contact=first.contact, to_agent=second.agent, note="")
    people.wait(lambda: second.rings, "the named agent's telephone rings", 20.0)
    assert second.phone.call is not None
    second.phone.call.decline()
    if first.presence == "wrap_up":
        first.wrap_up()
    first.answer(30.0)
    people.hear_each_other(caller, first)
    first.do("hang_up", contact=first.contact)
    first.wrap_up()
    rows = record(province, "13800000104")
    assert ending(rows).agent == first.agent
    assert [row.outcome for row in rows if isinstance(row, TransferAsked)] == ["asked", "returned"]


@pytest.mark.parametrize(("digit", "skill"), [("1", "fault"), ("3", "bill")])
def test_a_digit_in_the_main_menu_of_10000_chooses_a_branch(
    province: RealProvince, people: People, digit: str, skill: str
) -> None:
    """RFC 4733 events interrupt the prompt; the branch names the skill that is asked for."""
    agent = people.agent("guangzhou")
    number = f"1380000020{digit}"
    caller = people.caller("guangzhou", number, "10000")
    people.wait(lambda: caller.hears_music(), "the caller hears the menu")
    assert not agent.rings
    caller.call.voice.press(digit)
    agent.answer()
    people.hear_each_other(caller, agent)
    call = agent.calls[0]
    assert (call["door"], call["path"], call["skill"]) == ("10000", [digit], skill)
    caller.hang_up()
    agent.wrap_up()
    rows = record(province, number)
    (chosen,) = [row for row in rows if isinstance(row, MenuChosen)]
    assert (chosen.path, chosen.skill) == ((digit,), skill)


def test_the_record_of_all_calls_holds_together(province: RealProvince) -> None:
    """Nobody is in two talks, no call is left at any switch, no agent is left in a contact."""
    province.wait(province.ledger_complete, 10.0, "every outbox is empty")
    for city, switch in province.switches.items():
        assert (province.nodes[city].health() or {})["contacts_live"] == 0
        assert "0 active channels" in switch.cli("core show channels count"), city
