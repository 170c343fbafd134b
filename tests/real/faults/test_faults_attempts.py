"""Faults in the middle of an attempt: the hub, the serving site or the agent's slot is lost on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataset.rows import AttemptAnswered, AttemptOpened, AttemptWithdrawn, Ending
from tests.harness.real_people import Caller, People, SeatedAgent
from tests.harness.real_province import RealProvince
from tests.harness.real_witness import Witness, ending_of, in_thread, rows_of
from tests.real.faults.scenes import all_well, beats_heard, chosen, metric, rows_at, site_dies, site_returns, waited

ANCHOR, SERVING, OTHER = "foshan", "shenzhen", "guangzhou"
TAKEN = 'yht_hub_messages_total{kind="taken",sender="foshan"}'
STEPS = ("open sent", "proposed", "granted", "taken", "ringing")


def test_row_03_the_hub_is_killed_at_each_step_of_an_attempt(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Held at the step by pausing or muting whoever would go on; then kill -9. The caller keeps the place each time."""
    agent = people.agent(SERVING, 0)
    after: list[str] = []
    for place, step in enumerate(STEPS):
        province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
        beats_heard(province, SERVING)
        number = f"1330000000{place}"
        caller = _killed_at(province, people, agent, step, number)
        agent.answer(30.0)
        people.hear_each_other(caller, agent)
        caller.hang_up()
        agent.wrap_up()
        witness.saw(number, spoke=True)
        way = waited(province, ANCHOR, number)
        assert way.place_kept, way
        assert (way.places, way.answers) == (1, 1)
        after.append(f"{step} {way.on_record_s:.1f} s")
    print(f"row 3: hub killed when: answered after (same place, once): {', '.join(after)}; {witness.check()}")


def _killed_at(province: RealProvince, people: People, agent: SeatedAgent, step: str, number: str) -> Caller:
    """A caller whose attempt is at ``step`` when the hub is killed; the hub is started again."""
    hub, serving, line = province.nodes["hub"], province.nodes[SERVING], province.lines[ANCHOR]
    taken = metric(province, "hub", TAKEN)
    if step == "open sent":
        hub.suspend()
    elif step == "proposed":
        serving.suspend()
    elif step == "granted":
        line.tell("mute", "far")
    reached: dict[str, Callable[[], bool]] = {
        "open sent": lambda: any(isinstance(row, AttemptOpened) for row in rows_at(province, ANCHOR, number)),
        "proposed": lambda: chosen(province, "hub", number, "propose"),
        "granted": lambda: chosen(province, SERVING, number, "grant"),
        "taken": lambda: metric(province, "hub", TAKEN) > taken,
        "ringing": lambda: agent.rings,
    }
    caller = people.caller(ANCHOR, number)
    people.wait(reached[step], f"the attempt is at the step {step}")
    in_thread(province, hub.kill)
    serving.resume()
    line.heal()
    in_thread(province, hub.start)
    return caller


@pytest.mark.parametrize("when", ["granted", "ringing", "in talk"])
def test_row_17_the_serving_site_dies(province: RealProvince, witness: Witness, people: People, when: str) -> None:
    """Node and switch, kill -9: the caller is at home at the old place, before one who called later."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    there, here = people.agent(SERVING, 0), people.agent(ANCHOR, 0, ready=False)
    place = ("granted", "ringing", "in talk").index(when)
    line = province.lines[ANCHOR]
    if when == "granted":
        line.tell("mute", "far")
    caller = people.caller(ANCHOR, f"1340000001{place}")
    if when == "granted":
        people.wait(lambda: chosen(province, SERVING, caller.number, "grant"), "the lease is granted")
    else:
        people.wait(lambda: there.rings, "the seat elsewhere rings")
        if when == "in talk":
            there.answer()
            people.hear_each_other(caller, there)
    later = people.caller(ANCHOR, f"1340000002{place}")
    site_dies(province, SERVING)
    line.heal()

    def given_back() -> bool:
        if when == "in talk":
            return any(getattr(row, "how", "") == "returned" for row in rows_at(province, ANCHOR, caller.number))
        return any(isinstance(row, AttemptWithdrawn) for row in rows_at(province, ANCHOR, caller.number))

    province.wait(given_back, 30.0, "the caller is back at home")
    here.do("ready")
    here.answer()
    people.hear_each_other(caller, here)
    caller.hang_up()
    here.wrap_up()
    here.answer()
    people.hear_each_other(later, here)
    later.hang_up()
    here.wrap_up()
    site_returns(province, people, SERVING, there)
    for one in (caller, later):
        witness.saw(one.number, spoke=True)
    said = witness.check(60.0)
    answers = [row for row in rows_of(province, caller.number) if isinstance(row, AttemptAnswered)]
    assert len(answers) == (2 if when == "in talk" else 1)
    assert (answers[-1].site, ending_of(province, caller.number).ending) == (ANCHOR, Ending.COMPLETED)
    way = waited(province, ANCHOR, later.number)
    print(
        f"row 17: serving site dead when {when}: back at the old place and answered at home after "
        f"{answers[-1].waited_s:.1f} s of waiting, the later caller after {way.on_record_s:.1f} s; {said}"
    )


def test_row_18_two_cities_want_the_only_idle_agent(province: RealProvince, witness: Witness, people: People) -> None:
    """Again and again, at the same moment: one wins, the other waits on and is next."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent = people.agent(SERVING, 0)
    rounds, wins = 6, {ANCHOR: 0, OTHER: 0}
    for turn in range(rounds):
        callers = {city: people.caller(city, f"135000{city_at}000{turn}") for city_at, city in enumerate(wins)}
        for _ in callers:
            agent.answer(20.0)
            (winner,) = [
                city for city, one in callers.items() if agent.calls[0]["anchor"] == city and not one.call.over
            ]
            wins[winner] += len([one for one in callers.values() if not one.call.over]) == 2
            people.hear_each_other(callers[winner], agent)
            callers[winner].hang_up()
            agent.wrap_up()
        for city, one in callers.items():
            witness.saw(one.number, spoke=True)
            assert waited(province, city, one.number).answers == 1
    print(f"row 18: {rounds} collisions: won by {wins}, every loser waited on and was next; {witness.check()}")


def test_row_19_a_serving_node_is_paused_past_its_lease(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """SIGSTOP after the grant, SIGCONT when the anchor has given up: the late leg finds nothing, nobody is stuck."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    there, here = people.agent(SERVING, 0), people.agent(ANCHOR, 0, ready=False)
    line, node = province.lines[ANCHOR], province.nodes[SERVING]
    granted = f'yht_hub_proposals_answered_total{{answer="granted",city="{SERVING}"}}'
    before = metric(province, "hub", granted)
    line.tell("mute", "far")
    caller = people.caller(ANCHOR, "13600000001")
    # by the hub's copy: a node that is stopped between the lease's row and its word of it leaves the anchor waiting
    people.wait(lambda: metric(province, "hub", granted) > before, "the lease is granted, and the grant on its way")
    node.suspend()
    line.heal()
    try:
        province.wait(
            lambda: any(isinstance(row, AttemptWithdrawn) for row in rows_at(province, ANCHOR, caller.number)),
            20.0,
            "the anchor gave the attempt up",
        )
        here.do("ready")
        here.answer()
        people.hear_each_other(caller, here)
    finally:
        node.resume()
    province.wait(lambda: all_well(province), 30.0, "the paused node is heard again")
    people.wait(lambda: there.presence == "ready", f"the agent there is free: {there.state}")
    assert not there.rings
    caller.hang_up()
    here.wrap_up()
    here.do("not_ready", reason="break")
    again = people.caller(ANCHOR, "13600000002")
    there.answer(30.0)
    people.hear_each_other(again, there)
    again.hang_up()
    there.wrap_up()
    for one in (caller, again):
        witness.saw(one.number, spoke=True)
        assert waited(province, ANCHOR, one.number).answers == 1
    print(f"row 19: node paused past its lease: one owner, its agent served the next caller; {witness.check()}")


def test_row_19_the_hub_is_paused_and_goes_on(province: RealProvince, witness: Witness, people: People) -> None:
    """SIGSTOP for longer than the cities wait: they do without; what it says afterwards harms nobody."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    agent, hub = people.agent(SERVING, 0), province.nodes["hub"]
    hub.suspend()
    try:
        caller = people.caller(ANCHOR, "13600000011")
        agent.answer(30.0)
        people.hear_each_other(caller, agent)
    finally:
        hub.resume()
    province.wait(lambda: all_well(province), 30.0, "the hub is heard again")
    assert agent.presence == "talking"
    caller.hang_up()
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    way = waited(province, ANCHOR, caller.number)
    assert way.answers == 1
    print(f"row 19: hub paused: the caller was served without it after {way.on_record_s:.1f} s; {witness.check()}")
