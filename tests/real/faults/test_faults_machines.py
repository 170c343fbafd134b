"""Faults of a city's own machines with calls in every state: its node, its switch, its clock, its disk."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dataset.rows import AttemptAnswered, ContactBorn, Ending
from tests.harness.listening import Listening
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince
from tests.harness.real_witness import Witness, ending_of, in_thread, rows_of
from tests.real.faults.conftest import CLOCK_CITY
from tests.real.faults.scenes import all_well, in_order, metric

CITY, OTHER = "guangzhou", "shenzhen"
UNHEARD_S = 1.0


def killed_and_back(province: RealProvince, city: str, meanwhile: Callable[[], bool] | None = None) -> None:
    """Kill -9 of a node, and its return; ``meanwhile`` is asked at each turn."""
    node = province.nodes[city]
    in_thread(province, node.kill, meanwhile)
    in_thread(province, node.start, meanwhile)
    province.wait(lambda: all_well(province), 30.0, f"{city} is back")


def test_row_05_a_node_is_killed_while_a_seat_rings(province: RealProvince, witness: Witness, people: People) -> None:
    """The caller keeps the line and the place, and is answered; one record."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent = people.agent(CITY, 0)
    caller = people.caller(CITY, "13700000101")
    people.wait(lambda: agent.rings, "the seat rings")
    killed_and_back(province, CITY)
    assert not caller.call.over
    agent.lost.clear()
    agent.attach()
    people.wait(lambda: agent.ready_again() or agent.rings, "the seat rings", 30.0)
    agent.answer()
    people.hear_each_other(caller, agent)
    caller.hang_up()
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    said = witness.check()
    rows = rows_of(province, caller.number)
    assert sum(isinstance(row, ContactBorn) for row in rows) == 1
    (answer,) = [row for row in rows if isinstance(row, AttemptAnswered)]
    print(f"row 5: node killed while the seat rang: answered after {answer.waited_s:.1f} s, one record; {said}")


def test_row_05_a_node_is_killed_while_a_caller_is_held(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Music goes on until the node is back; then the agent, whose wish for it nobody has on record, has
    the caller again.
    """
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent = people.agent(CITY, 0)
    caller = people.caller(CITY, "13700000102")
    agent.answer()
    people.hear_each_other(caller, agent)
    agent.do("hold", contact=agent.contact)
    agent.wait_presence("held")
    people.wait(caller.hears_music, "the caller hears music")
    listening = Listening({"music": lambda: caller.hears_music() or caller.hears(agent)})

    def looking() -> bool:
        listening.look()
        return False

    killed_and_back(province, CITY, looking)
    assert not caller.call.over
    agent.lost.clear()
    agent.attach()
    agent.wait_presence("talking")
    people.hear_each_other(caller, agent)
    agent.do("hang_up", contact=agent.contact)
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    said = witness.check()
    ended = ending_of(province, caller.number)
    assert (ended.ending, ended.answers) == (Ending.COMPLETED, 1)
    print(f"row 5: node killed in hold: longest silence {listening.longest_s['music']:.2f} s, one record; {said}")
    assert listening.longest_s["music"] < UNHEARD_S


def test_row_05_the_anchor_is_killed_while_a_transfer_rings(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Sent on to a named agent of another city, whose seat rings when the anchor's node dies: one of both answers."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    first, second = people.agent(CITY, 0), people.agent(OTHER, 0)
    caller = people.caller(CITY, "13700000103")
    first.answer()
    people.hear_each_other(caller, first)
    first.do("transfer", contact=first.contact, to_agent=second.agent, note="")
    first.wrap_up()
    first.do("not_ready", reason="break")
    people.wait(lambda: second.rings, "the named agent's seat rings", 20.0)
    killed_and_back(province, CITY, second.ready_again)
    assert not caller.call.over
    first.lost.clear()
    first.attach()
    people.wait(lambda: second.ready_again() or second.rings, "the named agent's seat rings again", 30.0)
    second.answer()
    people.hear_each_other(caller, second)
    caller.hang_up()
    second.wrap_up()
    witness.saw(caller.number, spoke=True)
    said = witness.check()
    ended = ending_of(province, caller.number)
    assert (ended.ending, ended.agent, ended.answers) == (Ending.COMPLETED, second.agent, 2)
    print(f"row 5: anchor killed while a transfer rang: the same agent answered, one record of two segments; {said}")


def test_row_06_a_switch_is_killed_with_callers_in_queue_and_at_a_ringing_seat(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Both end with a reason, the agent is free, nothing is left in any switch, and the next caller is served."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent = people.agent(CITY, 0)
    ringing = people.caller(CITY, "13700000104")
    people.wait(lambda: agent.rings, "the seat rings")
    queued = people.caller(CITY, "13700000105")
    people.wait(queued.hears_music, "the second caller waits")
    switch = province.switches[CITY]
    in_thread(province, switch.kill)
    people.wait(lambda: ringing.call.over and queued.call.over, "the callers have lost their lines", 20.0)
    in_thread(province, switch.start)
    province.wait(lambda: all_well(province), 30.0, "the switch is back")
    for one in (ringing, queued):
        witness.saw(one.number, spoke=False)
    said = witness.check()
    causes = {ending_of(province, one.number).ending for one in (ringing, queued)}
    assert causes == {Ending.FAILED}
    assert "0 active channels" in switch.cli("core show channels count")
    agent.phone.lose_line()
    agent.register()
    if agent.presence != "ready":
        agent.do("ready")
    again = people.caller(CITY, "13700000106")
    agent.answer(30.0)
    people.hear_each_other(again, agent)
    again.hang_up()
    agent.wrap_up()
    witness.saw(again.number, spoke=True)
    print(
        f"row 6: switch killed with a ringing and a queued caller: both failed, agent free; {said}; {witness.check()}"
    )


@pytest.mark.parametrize("step_s", [600, -600])
def test_row_11_a_clock_jumps_in_the_middle_of_a_call(
    province: RealProvince, witness: Witness, people: People, set_clock: Callable[[int], None], step_s: int
) -> None:
    """±10 min on one node's wall clock: durations are right, rows keep their order, the hub says how far it is off."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent = people.agent(CLOCK_CITY, 0)
    caller = people.caller(CLOCK_CITY, f"1370000011{step_s > 0:d}")
    agent.answer()
    began = time.monotonic()
    people.hear_each_other(caller, agent)
    set_clock(step_s)
    offset = f'yht_hub_city_clock_offset_seconds{{city="{CLOCK_CITY}"}}'
    province.wait(
        lambda: abs(metric(province, "hub", offset) - step_s) < 3.0,
        10.0,
        "the hub has measured how far the clock is off",
    )
    measured_s = metric(province, "hub", offset)
    hub_log = province.nodes["hub"].log

    def alarmed() -> bool:
        said = hub_log.read_text("utf-8").splitlines()
        return any('"event":"clock-off"' in line and CLOCK_CITY in line for line in said)

    province.wait(alarmed, 10.0, "the hub has given the alarm, with one of its next beats")
    caller.hang_up()
    talked_s = time.monotonic() - began
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    checked = witness.check()
    assert in_order(province)
    on_record_s = ending_of(province, caller.number).talked_s
    assert abs(on_record_s - talked_s) < 1.0
    print(
        f"row 11: clock {step_s:+d} s in talk: talk {on_record_s:.2f} s on record, {talked_s:.2f} s by the "
        f"caller's own clock; the hub measured {measured_s:+.1f} s; {checked}"
    )
    set_clock(0)
    province.wait(lambda: abs(metric(province, "hub", offset)) < 3.0, 10.0, "the clock is right again")
