"""kill -9 on every kind of machine of a running province: what callers hear, and what is on record afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from dataset.rows import Ending
from simulation.machines.addresses import CITIES
from tests.harness.driving import ReactorDriver
from tests.harness.listening import Listening
from tests.harness.real_floor import Crowd, Floor
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.real_witness import Witness, contact_of, ending_of, home_answers, in_thread

UNHEARD_S = 1.0
"""Longest gap in a tone that still counts as going on: an ear looks 0.3 s back, and shares two cores with the rest."""
AGENTS = {"guangzhou": 3, "shenzhen": 3, "foshan": 3}


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(agents=AGENTS, wrap_up_s=60.0)
    with real_province(tmp_path_factory.mktemp("kills"), shape, ReactorDriver()) as running:
        yield running


@pytest.fixture
def witness(province: RealProvince) -> Iterator[Witness]:
    seen = Witness(province)
    seen.begin()
    yield seen
    province.put_away()
    seen.end()


def test_the_hub_is_killed_under_load(province: RealProvince, witness: Witness, tmp_path: Path) -> None:
    """Cities go on with their own calls; after the hub's return the ledger is complete."""

    def handling(rng: Random) -> float:
        return rng.expovariate(1 / 2.5)

    floor = Floor(province, tmp_path / "seats", [city.id for city in CITIES], handling, seed=3)
    floor.open()
    crowd = Crowd.call(province, tmp_path / "callers", {"guangzhou": 32, "shenzhen": 16, "foshan": 12}, 16.0, 20.0)
    province.wait(lambda: crowd.answered() >= 15, 30.0, "the load is on")
    in_thread(province, province.nodes["hub"].kill)
    before = home_answers(province)
    province.wait(
        lambda: all(count >= before[city] + 2 for city, count in home_answers(province).items()),
        30.0,
        "every city answers on its own",
    )
    assert not crowd.over
    in_thread(province, province.nodes["hub"].start)
    province.wait(lambda: crowd.over, 60.0, "all calls are over")
    floor.close()
    spoke = floor.answers()
    print(f"{len(spoke)} of 60 answered by agents")
    witness.lines += crowd.lines(spoke)
    assert len(witness.lines) == 60
    assert len(spoke) >= 50
    witness.check()
    province.wait(lambda: all((province.nodes["hub"].health() or {})["cities"].values()), 10.0, "all cities are heard")


def test_a_site_node_is_killed_in_mid_call(province: RealProvince, witness: Witness, people: People) -> None:
    """A call at home, one sent out and one received: every voice goes on, each call is adopted, and ends once."""
    at_home = people.agent("guangzhou", 0)
    home = people.caller("guangzhou", "13700000001")
    at_home.answer()
    elsewhere = people.agent("shenzhen", 0)
    sent = people.caller("guangzhou", "13700000002")
    elsewhere.answer()
    serving = people.agent("guangzhou", 1)
    received = people.caller("foshan", "13700000003")
    serving.answer()
    pairs = {"home": (home, at_home), "sent": (sent, elsewhere), "received": (received, serving)}
    for caller, agent in pairs.values():
        people.hear_each_other(caller, agent)

    ears: dict[str, Callable[[], bool]] = {}
    for name, (caller, agent) in pairs.items():
        ears[f"{name}: caller"] = lambda caller=caller, agent=agent: caller.hears(agent)  # type: ignore[misc]
        ears[f"{name}: seat"] = lambda caller=caller, agent=agent: agent.hears(caller)  # type: ignore[misc]
    listening = Listening(ears)
    node = province.nodes["guangzhou"]

    def looking() -> bool:
        listening.look()
        return False

    in_thread(province, node.kill, looking)
    people.wait(
        listening.while_waiting(lambda: bool(at_home.lost and serving.lost)), "the agents' connections are gone"
    )
    in_thread(province, node.start, looking)
    adopted = listening.while_waiting(lambda: _adopted(province, "guangzhou", 2))
    people.wait(adopted, "both contacts are adopted", 20.0)
    for agent in (at_home, serving):
        agent.lost.clear()
        agent.attach()
        listening.look()
        people.wait(listening.while_waiting(lambda agent=agent: agent.presence == "talking"), "back at the call")  # type: ignore[misc]
    assert at_home.contact == contact_of(province, "13700000001")
    assert serving.contact == contact_of(province, "13700000003")
    for caller, agent in pairs.values():
        people.hear_each_other(caller, agent)
    print(f"longest gaps in the tones: {listening.longest_s}")
    assert max(listening.longest_s.values()) < UNHEARD_S, listening.longest_s

    at_home.do("hang_up", contact=at_home.contact)
    people.wait(lambda: home.call.over, "the agent's hang-up clears the caller")
    sent.hang_up()
    received.hang_up()
    for caller, agent in pairs.values():
        agent.wrap_up()
        witness.saw(caller.number, spoke=True)
    witness.check()
    for caller, agent in pairs.values():
        ended = ending_of(province, caller.number)
        assert (ended.ending, ended.agent, ended.answers) == (Ending.COMPLETED, agent.agent, 1)
    assert (province.nodes["guangzhou"].health() or {})["contacts_live"] == 0


def _adopted(province: RealProvince, city: str, contacts: int) -> bool:
    health = province.nodes[city].health() or {}
    return bool(health.get("switch_up") and health.get("link") and health.get("contacts_live") == contacts)


def test_a_switch_is_killed_in_talk(province: RealProvince, witness: Witness, people: People) -> None:
    """Its calls end with a reason, agents here and elsewhere are freed, and the next call is served."""
    at_home = people.agent("foshan", 0)
    home = people.caller("foshan", "13700000011")
    at_home.answer()
    people.hear_each_other(home, at_home)
    elsewhere = people.agent("shenzhen", 1)
    sent = people.caller("foshan", "13700000012")
    elsewhere.answer()
    people.hear_each_other(sent, elsewhere)

    switch = province.switches["foshan"]
    in_thread(province, switch.kill)
    people.wait(lambda: home.call.over and sent.call.over, "the callers have lost their lines", 20.0)
    people.wait(lambda: not at_home.state["island"]["switch"], "the seat page says that the switch is away", 20.0)
    in_thread(province, switch.start)
    people.wait(lambda: at_home.presence == "wrap_up", f"the agent at home is freed: {at_home.state}", 20.0)
    people.wait(lambda: elsewhere.presence == "wrap_up", f"the agent elsewhere is freed: {elsewhere.state}", 40.0)
    at_home.wrap_up()
    elsewhere.wrap_up()
    for caller in (home, sent):
        witness.saw(caller.number, spoke=True)
    witness.check()
    for number in (home.number, sent.number):
        print(f"{number}: {ending_of(province, number)}")
        assert ending_of(province, number).cause not in ("", "customer", "agent")
    for city in ("foshan", "shenzhen"):
        assert "0 active channels" in province.switches[city].cli("core show channels count")
        assert (province.nodes[city].health() or {})["contacts_live"] == 0

    at_home.phone.lose_line()
    at_home.register()
    if at_home.presence != "ready":
        at_home.ready()
    again = people.caller("foshan", "13700000013")
    at_home.answer()
    people.hear_each_other(again, at_home)
    again.hang_up()
    at_home.wrap_up()
    witness.saw(again.number, spoke=True)
    witness.check()


def test_the_broker_is_killed_and_comes_back(province: RealProvince, witness: Witness, people: People) -> None:
    """Calls at home go on and begin without it; what they left on record reaches the hub when it is back."""
    agent = people.agent("shenzhen", 0)
    before = people.caller("shenzhen", "13700000021")
    agent.answer()
    people.hear_each_other(before, agent)
    in_thread(province, province.broker.kill)
    node = province.nodes["shenzhen"]
    people.wait(lambda: not (node.health() or {"link": True})["link"], "the city knows that the link is down", 20.0)
    people.hear_each_other(before, agent)
    before.hang_up()
    agent.wrap_up()
    agent.wait_presence("ready")
    during = people.caller("shenzhen", "13700000022")
    agent.answer()
    people.hear_each_other(during, agent)
    agent.do("hang_up", contact=agent.contact)
    people.wait(lambda: during.call.over, "the caller's line is cleared")
    agent.wrap_up()
    assert (node.health() or {})["rows_waiting"]["hub"] > 0

    in_thread(province, province.broker.start)
    people.wait(lambda: bool((node.health() or {}).get("hub_seen")), "the hub is heard again", 40.0)
    for number in ("13700000021", "13700000022"):
        witness.saw(number, spoke=True)
    witness.check()
    for number in ("13700000021", "13700000022"):
        assert ending_of(province, number).ending is Ending.COMPLETED
