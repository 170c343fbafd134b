"""A city that stands alone (B5): the life of a contact, from birth to its one ending."""

from __future__ import annotations

from math import ceil

import pytest

from dataset import rows
from dataset.errors import Refused
from dataset.ids import ConnectionId, SkillId
from dataset.rows import Ending, Evidence, Left
from site_node.core import events
from site_node.switch.simulated.phones import Caller
from site_node.switch.simulated.sound import Sound
from tests.province.lone_city import LoneCity


@pytest.fixture
def lone() -> LoneCity:
    return LoneCity()


def ending(lone: LoneCity) -> rows.ContactEnded:
    [ended] = lone.rows(rows.ContactEnded)
    assert isinstance(ended, rows.ContactEnded)
    return ended


def test_no_hub_is_missed_where_none_is_configured(lone: LoneCity) -> None:
    """B5: the screen of a city without a link speaks of no island, and says that the city stands alone."""
    view = lone.city.seat_view(lone.ready())
    assert view is not None
    assert (view.hub_seen, view.alone) == (True, True)
    health = lone.city.health()
    assert (health["alone"], health["link"], health["rows_waiting"]) == (True, False, {})


def test_an_idle_agent_at_home_answers_at_once(lone: LoneCity) -> None:
    """An idle home agent wins at once; the agent finishes; one ending is on record."""
    agent = lone.ready()
    caller = lone.call()
    assert lone.phone().ringing
    assert lone.seat(agent).presence == "alerting"
    lone.phone().answer()
    lone.pass_s(1.0)
    [call] = lone.seat(agent).calls
    assert call.state == "talking"
    assert call.confirmed
    lone.pass_s(30.0)
    lone.city.act(events.HangUpAsked(agent, call.contact))
    lone.pass_s(1.0)
    assert caller.over
    assert lone.seat(agent).presence == "wrap_up"
    lone.city.act(events.DispositionSet(agent, call.contact, "solved"))
    lone.city.act(events.FinishAsked(agent, call.contact))
    lone.pass_s(0.1)
    assert lone.seat(agent).presence == "ready"
    ended = ending(lone)
    assert (ended.ending, ended.cause, ended.evidence) == (Ending.COMPLETED, "agent", Evidence.SEEN)
    assert ended.talked_s == pytest.approx(31.0, abs=0.2)
    [closed] = lone.rows(rows.SegmentClosed)
    assert isinstance(closed, rows.SegmentClosed)
    assert closed.disposition == "solved"
    assert closed.talked_s == pytest.approx(31.0, abs=0.2)


def test_the_caller_hangs_up_in_talk(lone: LoneCity) -> None:
    """The customer's own hang-up ends an answered contact (O4)."""
    agent = lone.ready()
    caller = lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    caller.hang_up()
    lone.pass_s(1.0)
    assert ending(lone).ending is Ending.COMPLETED
    assert lone.seat(agent).presence == "wrap_up"
    lone.pass_s(20.0)
    assert lone.seat(agent).presence == "ready"


def test_a_number_without_a_door_is_turned_away_and_counted(lone: LoneCity) -> None:
    """No contact is born of a wrong number; the operator sees how many there are."""
    caller = lone.call(door="999")
    assert caller.over
    assert lone.rows(rows.ContactBorn) == []
    assert lone.city.counts.registry.get_sample_value("yht_doors_unknown_total") == 1.0


def test_nobody_answers_the_seat(lone: LoneCity) -> None:
    """No answer: the agent is 示忙 with the reason, the caller is back at the front and goes to the next agent."""
    first = lone.ready()
    left = lone.call(calling="13800000001")
    assert lone.phone("8001").ringing
    lone.call(calling="13800000002")  # waits already when the first one comes back
    lone.pass_s(21.0)
    assert lone.seat(first).presence == "not_ready"
    assert lone.seat(first).reason == "no_answer"
    assert not lone.phone("8001").ringing
    assert not left.over
    second = lone.ready("1002", "8002")
    assert lone.phone("8002").ringing
    [call] = lone.seat(second).calls
    assert call.calling == "13800000001"
    assert call.waited_s == pytest.approx(22.0, abs=1.0)


def test_whoever_waits_hears_the_place_and_the_expected_wait(lone: LoneCity) -> None:
    """Every half minute; the wait in minutes is left out while no agent of the skill works."""
    agent = lone.log_in()
    ahead, caller = lone.call(calling="13800000001"), lone.call(calling="13800000002")
    lone.pass_s(30.5)
    assert said(caller) == [("queue-position", 2)]
    lone.city.act(events.ReadyAsked(agent))
    lone.pass_s(1.0)
    lone.phone().answer()
    lone.pass_s(29.0)
    assert lone.seat(agent).presence == "talking"
    assert not ahead.over
    [position, wait] = said(caller)
    assert position == ("queue-position", 1)
    handling_s = lone.city.site.serving.mean_handling_s(SkillId("fault"))
    assert wait == ("queue-wait-minutes", ceil(handling_s / 60))
    lone.pass_s(10.0)
    assert caller.hears().sound is Sound.MUSIC


def said(caller: Caller) -> list[tuple[str, int | None]]:
    """The prompts that are being said to the caller now, with their numbers."""
    assert caller.connection is not None
    playing = caller.connection.playing
    return [(prompt.name, prompt.number) for prompt in playing.prompts] if playing is not None else []


def test_a_caller_who_leaves_the_queue(lone: LoneCity) -> None:
    """Leaving within the threshold is short, later abandoned."""
    quick = lone.call()
    quick.hang_up()
    slow = lone.call(calling="13800000002")
    lone.pass_s(30.0)
    slow.hang_up()
    lone.pass_s(1.0)
    assert [row.how for row in lone.rows(rows.QueueLeft)] == [Left.SHORT, Left.ABANDONED]
    assert [row.ending for row in lone.rows(rows.ContactEnded)] == [Ending.ABANDONED, Ending.ABANDONED]


def test_a_phone_that_hangs_up_does_not_end_the_contact(lone: LoneCity) -> None:
    """A BYE after a fault looks like normal clearing: only an explicit "finished" ends the contact (O4)."""
    lone.ready()
    caller = lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    second = lone.ready("1002", "8002")
    lone.phone().hang_up()
    lone.pass_s(1.0)
    assert not caller.over
    assert lone.phone("8002").ringing
    lone.phone("8002").answer()
    lone.pass_s(1.0)
    assert lone.seat(second).presence == "talking"
    assert [row.how for row in lone.rows(rows.QueueEntered)] == ["offered", "returned"]


def test_the_menu_leads_by_keys(lone: LoneCity) -> None:
    """A wrong key is named, the right one interrupts the prompt and leads to its branch."""
    caller = lone.call("10000")
    caller.press("9")
    lone.pass_s(1.0)
    caller.press("3")
    lone.pass_s(1.0)
    [chosen] = lone.rows(rows.MenuChosen)
    assert isinstance(chosen, rows.MenuChosen)
    assert (chosen.path, chosen.skill) == (("3",), "bill")


def test_silence_in_the_menu_leads_to_the_general_queue(lone: LoneCity) -> None:
    """A caller without a keypad still reaches a person."""
    lone.call("10000")
    lone.pass_s(120.0)
    [chosen] = lone.rows(rows.MenuChosen)
    assert isinstance(chosen, rows.MenuChosen)
    assert chosen.skill == "general"


def test_hold_and_retrieve_are_counted(lone: LoneCity) -> None:
    """Hold is music for the caller and apart from talk in the segment."""
    agent = lone.ready()
    lone.call()
    lone.phone().answer()
    lone.pass_s(10.0)
    contact = lone.seat(agent).calls[0].contact
    lone.city.act(events.HoldAsked(agent, contact))
    lone.pass_s(7.0)
    assert lone.seat(agent).presence == "held"
    lone.city.act(events.RetrieveAsked(agent, contact))
    lone.pass_s(3.0)
    lone.city.act(events.FinishAsked(agent, contact))
    lone.pass_s(1.0)
    [closed] = lone.rows(rows.SegmentClosed)
    assert isinstance(closed, rows.SegmentClosed)
    assert closed.held_s == pytest.approx(7.0, abs=0.1)
    assert closed.talked_s == pytest.approx(13.0, abs=0.2)


def test_wrong_state_is_refused_and_changes_nothing(lone: LoneCity) -> None:
    """Bad input gets a clear refusal with a stable slug."""
    agent = lone.ready()
    lone.call()
    contact = lone.seat(agent).calls[0].contact
    with pytest.raises(Refused) as refused:
        lone.city.act(events.HoldAsked(agent, contact))
    assert refused.value.problems[0].slug == "wrong-state"
    assert lone.seat(agent).presence == "alerting"


def test_blind_transfer_to_another_skill(lone: LoneCity) -> None:
    """Number, menu path, notes and contact id go along to the next agent."""
    first = lone.ready()
    second = lone.ready("1002", "8002", ("bill",))
    lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    contact = lone.seat(first).calls[0].contact
    lone.city.transfer(
        events.TransferAsked(first, contact, "r1", to_skill="bill", note="wants the March bill")  # type: ignore[arg-type]
    )
    lone.pass_s(1.0)
    assert lone.seat(first).presence == "wrap_up"
    assert lone.phone("8002").ringing
    lone.phone("8002").answer()
    lone.pass_s(1.0)
    [call] = lone.seat(second).calls
    assert call.contact == contact
    assert call.notes == (f"{first}: wants the March bill",)
    assert call.handled_by == (first,)


def test_a_transfer_that_nobody_takes_comes_back(lone: LoneCity) -> None:
    """Nobody takes it in time: the caller is back with the first agent."""
    first = lone.ready()
    lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    contact = lone.seat(first).calls[0].contact
    lone.city.transfer(events.TransferAsked(first, contact, "r1", to_skill="bill"))  # type: ignore[arg-type]
    lone.pass_s(1.0)
    lone.city.act(events.FinishAsked(first, contact))
    lone.pass_s(31.0)
    assert lone.phone("8001").ringing


def test_a_restart_in_mid_call_keeps_the_call(lone: LoneCity) -> None:
    """A site node is killed in mid-call: the audio stays, the call is adopted, one ending (O6)."""
    agent = lone.ready()
    caller = lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    contact = lone.seat(agent).calls[0].contact
    lone.crash_and_restart()
    assert not caller.over
    assert lone.seat(agent).presence == "talking"
    assert lone.seat(agent).calls[0].contact == contact
    lone.pass_s(10.0)
    caller.hang_up()
    lone.pass_s(1.0)
    ended = ending(lone)
    assert (ended.contact, ended.ending) == (contact, Ending.COMPLETED)
    assert ended.talked_s == pytest.approx(16.0, abs=0.5)


def test_a_restart_while_callers_wait(lone: LoneCity) -> None:
    """Callers in menu and queue go on; nobody is lost."""
    waiting = lone.call()
    choosing = lone.call("10000", "13800000002")
    lone.crash_and_restart()
    assert not waiting.over
    assert not choosing.over
    lone.ready()
    lone.pass_s(1.0)
    assert lone.phone().ringing
    choosing.press("1")
    lone.pass_s(1.0)
    assert len(lone.rows(rows.MenuChosen)) == 2


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
def test_durations_go_on_over_a_restart_whatever_the_wall_clock_does(lone: LoneCity, jump_s: float) -> None:
    """The clock is set by ten minutes while the node restarts in mid-call: waiting and talk last as long as ever."""
    caller = lone.call()
    lone.pass_s(8.0)
    agent = lone.ready()
    lone.phone().answer()
    lone.pass_s(10.0)
    lone.clock.jump_wall(jump_s)
    lone.crash_and_restart()
    lone.pass_s(10.0)
    caller.hang_up()
    lone.pass_s(20.0)
    record = ending(lone)
    assert record.waited_s == pytest.approx(9.0, abs=0.2)
    assert record.talked_s == pytest.approx(21.1, abs=0.2)
    assert record.lasted_s == pytest.approx(30.3, abs=0.3)
    [segment] = lone.rows(rows.SegmentClosed)
    assert segment.talked_s == pytest.approx(21.1, abs=0.2)
    assert lone.seat(agent).presence == "ready"


def test_after_a_boot_no_duration_is_negative(lone: LoneCity) -> None:
    """The machine itself was booted, and its clock was set back: what cannot be known counts as no time."""
    lone.call()
    lone.pass_s(8.0)
    lone.boot = "another"
    lone.clock.jump_wall(-600.0)
    lone.crash_and_restart()
    lone.ready()
    lone.phone().answer()
    lone.pass_s(1.0)
    [answered] = lone.rows(rows.AttemptAnswered)
    assert 0.0 <= answered.waited_s < 5.0


def test_a_restart_moves_nobody_back_in_the_queue(lone: LoneCity) -> None:
    """Who called first is served first, whether or not the node died in between."""
    numbers = [f"1380000000{n}" for n in range(4)]
    for number in numbers:
        lone.call(calling=number)
    lone.crash_and_restart()
    agent = lone.ready()
    served = []
    for _ in numbers:
        lone.phone().answer()
        lone.pass_s(1.0)
        [call] = lone.seat(agent).calls
        served.append(call.calling)
        lone.city.act(events.HangUpAsked(agent, call.contact))
        lone.pass_s(1.0)
        lone.city.act(events.DispositionSet(agent, call.contact, "solved"))
        lone.city.act(events.FinishAsked(agent, call.contact))
        lone.pass_s(1.0)
    assert served == numbers


def test_a_caller_who_left_during_a_restart(lone: LoneCity) -> None:
    """What is gone is ended once, as inferred (E2)."""
    caller = lone.call()
    lone.journal.crash()
    lone.city.stop()
    caller.hang_up()
    lone.pass_s(1.0)
    lone.start()
    ended = ending(lone)
    assert ended.evidence is Evidence.INFERRED


def test_the_switch_dies_under_a_call(lone: LoneCity) -> None:
    """Calls end with a reason, agents are freed, no ghosts (failure 6)."""
    agent = lone.ready()
    lone.call()
    lone.phone().answer()
    lone.pass_s(5.0)
    lone.network.city(lone.city.city).fail()
    lone.pass_s(1.0)
    lone.network.city(lone.city.city).recover()
    lone.pass_s(1.0)
    assert ending(lone).ending is Ending.FAILED
    lone.pass_s(20.0)
    assert lone.seat(agent).presence == "ready"
    lone.call(calling="13800000003")
    assert lone.phone().ringing


def test_the_tokens_and_ids_of_two_runs_differ(lone: LoneCity) -> None:
    """Never reissued (A3): a lineage and a counter."""
    lone.ready()
    lone.call()
    lone.crash_and_restart()
    lone.call(calling="13800000002")
    born = [row.contact for row in lone.rows(rows.ContactBorn)]
    assert len(set(born)) == 2
    assert all(isinstance(row.connection, str) and ConnectionId(row.connection) for row in lone.rows(rows.ContactBorn))


def test_a_caller_whose_seat_did_not_answer_is_not_served_before_those_who_came_earlier(lone: LoneCity) -> None:
    """The caller keeps the old place, neither more nor less: two whose seats missed them are served as they came."""
    lone.ready("1001", "8001")
    lone.ready("1002", "8002")
    callers = [lone.call(calling=f"1380000000{number}") for number in range(3)]
    assert lone.phone("8001").ringing
    assert lone.phone("8002").ringing
    lone.pass_s(21.0)  # both miss; the first caller's ring time is over first
    assert [caller.over for caller in callers] == [False, False, False]
    lone.ready("1003", "8003")
    assert lone.phone("8003").calling == "13800000000"
