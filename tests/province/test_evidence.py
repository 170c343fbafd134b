"""Compared with the switch again and again (I8): what is lost is put right and said, and nothing healthy is touched."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dataset import rows
from dataset.ids import CityId, ConnectionId
from dataset.rows import Ending, Evidence, Withdrawn
from site_node.core import events
from site_node.core.telephony import Answer, Clear, Cleared, Established, Join, Make, Offered
from site_node.switch.simulated.phones import CallState
from tests.province.test_population import Peopled
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities

LOOKS = 46.0
"""three looks and a bit: two that show it, and one that may have been under way"""
CITIES = (GUANGZHOU, SHENZHEN, FOSHAN)


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def repaired(province: ThreeCities, city: CityId = GUANGZHOU) -> list[str]:
    return [row.what for row in province.rows(city, rows.Repaired)]


def connections(province: ThreeCities, city: CityId, *, incoming: bool) -> list[ConnectionId]:
    exchange = province.network.city(city)
    return [one.id for one in exchange.connections.values() if one.incoming is incoming]


def stuck(province: ThreeCities, city: CityId = GUANGZHOU) -> dict[str, int]:
    """What the node's metrics say is stuck."""
    registry = province.sites[city].running.counts.registry
    found = {}
    for metric in registry.collect():
        if metric.name == "yht_stuck":
            found = {one.labels["what"]: int(one.value) for one in metric.samples if one.value}
    return found


def clean(province: ThreeCities) -> None:
    """Nothing is left over anywhere."""
    for city in CITIES:
        assert not province.network.city(city).connections
        assert province.sites[city].health()["contacts_live"] == 0
        assert stuck(province, city) == {}


# ── nothing healthy is touched ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("delay_s", "hours"), [(0.3, 0.4), (3.0, 0.6)])
def test_people_and_slow_switches_and_nothing_is_repaired(delay_s: float, hours: float) -> None:
    """Three cities at work, every command and report late by as much as three seconds."""
    people = Peopled(busier=1.6)
    for city in CITIES:
        exchange = people.world.network.city(city)
        exchange.command_delay_s = exchange.report_delay_s = delay_s
    people.work(hours * 3600.0)
    assert len(people.rows(rows.ContactEnded)) > 50
    assert people.rows(rows.Repaired) == []
    for city in CITIES:
        assert stuck(people.world, city) == {}


@pytest.mark.parametrize("seed", [5])
def test_faults_of_every_other_kind_and_nothing_is_repaired(seed: int) -> None:
    """Nodes and switches that die or are cut off, a hub and a broker that go: adoption and budgets see to all that."""
    people = Peopled(busier=1.6)
    draw, world = Random(seed), people.world
    for city in CITIES:
        exchange = world.network.city(city)
        exchange.command_delay_s = exchange.report_delay_s = 1.0
    people.callers.start()
    for _ in range(25):
        world.pass_s(draw.uniform(20.0, 100.0))
        city = draw.choice(CITIES)
        exchange = world.network.city(city)
        what = draw.choice(("node", "away", "dies", "hub", "broker"))
        if what == "node":
            world.crash_city(city)
            world.start_city(city)
        elif what == "away":
            exchange.disconnect()
            world.pass_s(draw.uniform(0.1, 40.0))
            exchange.reconnect()
        elif what == "dies":
            exchange.fail()
            world.pass_s(draw.uniform(0.1, 20.0))
            exchange.recover()
        elif what == "hub":
            world.crash_hub()
            world.pass_s(draw.uniform(0.1, 60.0))
            world.start_hub()
        else:
            world.wires.broker_dies()
            world.pass_s(draw.uniform(0.1, 60.0))
            world.wires.broker_returns()
    people.callers.stop()
    world.time.run_until(lambda: people.callers.in_progress == 0, 7200.0)
    world.pass_s(120.0)
    assert people.rows(rows.Repaired) == []


# ── each loss is found ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_seat_that_the_switch_lost_is_freed_by_its_evidence(province: ThreeCities) -> None:
    """A4, O4: never by time, but two looks show no channel; the caller is back at the front, and then answered."""
    agent = province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU)
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    [seat] = connections(province, GUANGZHOU, incoming=False)
    province.network.city(GUANGZHOU).lose(seat)
    province.pass_s(14.0)
    assert province.seat(agent).presence == "talking", "one look proves nothing"
    assert province.time.run_until(lambda: province.phone(GUANGZHOU).ringing, LOOKS)
    [row] = province.rows(GUANGZHOU, rows.Repaired)
    assert (row.what, row.agent, row.connection) == ("seat_gone", agent, seat)
    assert row.contact is not None
    assert [one.how for one in province.rows(GUANGZHOU, rows.QueueEntered)] == ["offered", "returned"]
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    assert province.seat(agent).presence == "talking"
    caller.hang_up()
    province.pass_s(60.0)
    clean(province)


def test_a_customer_whom_the_switch_lost_ends_as_failed_inferred(province: ThreeCities) -> None:
    """E2, I1."""
    province.agent(GUANGZHOU)
    province.call(GUANGZHOU)
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    [customer] = connections(province, GUANGZHOU, incoming=True)
    province.network.city(GUANGZHOU).lose(customer)
    province.pass_s(LOOKS)
    assert repaired(province) == ["caller_gone"]
    [ended] = province.rows(GUANGZHOU, rows.ContactEnded)
    assert (ended.ending, ended.evidence) == (Ending.FAILED, Evidence.INFERRED)
    province.pass_s(30.0)
    clean(province)


def test_a_hang_up_that_nobody_reported(province: ThreeCities) -> None:
    """The caller leaves while waiting, the report is lost: the place in the queue is not kept for ever."""
    caller = province.call(GUANGZHOU)
    province.network.city(GUANGZHOU).loses_reports[Cleared] = 1
    caller.hang_up()
    province.pass_s(LOOKS)
    assert repaired(province) == ["caller_gone"]
    province.pass_s(5.0)
    clean(province)


def test_a_leg_between_cities_that_both_switches_lost(province: ThreeCities) -> None:
    """Anchor and serving city each find it on their own switch; the caller is back at the front."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(2.0)
    [outbound] = connections(province, FOSHAN, incoming=False)
    for city in (FOSHAN, SHENZHEN):
        province.network.city(city).loses_reports[Cleared] = 1
    province.network.city(FOSHAN).lose(outbound)
    province.pass_s(LOOKS)
    assert repaired(province, FOSHAN) == ["leg_gone"]
    assert repaired(province, SHENZHEN) == ["partner_gone"]
    province.pass_s(20.0)
    assert province.seat(agent).presence in ("ready", "alerting", "wrap_up")
    caller.hang_up()
    province.pass_s(60.0)
    clean(province)


def test_a_leg_on_its_way_that_the_switch_lost(province: ThreeCities) -> None:
    """Long before its time is over is soon enough: the attempt ends, and the caller goes on."""
    province.agent(SHENZHEN)
    province.network.city(FOSHAN).loses_requests[Make] = 1
    caller = province.call(FOSHAN)
    province.pass_s(12.0)
    assert [row.reason for row in province.rows(FOSHAN, rows.AttemptWithdrawn)] == [Withdrawn.TIMED_OUT]
    province.pass_s(60.0)
    caller.hang_up()
    province.pass_s(LOOKS)
    clean(province)


def test_a_ring_command_that_was_lost(province: ThreeCities) -> None:
    """The seat never rings: the agent is 示忙 with a reason, and the caller is offered to somebody else."""
    agent = province.agent(GUANGZHOU)
    other = province.agent(GUANGZHOU, 1)
    province.network.city(GUANGZHOU).loses_requests[Make] = 1
    caller = province.call(GUANGZHOU)
    assert province.time.run_until(lambda: province.phone(GUANGZHOU, 1).ringing, LOOKS)
    assert repaired(province) == ["seat_gone"]
    assert (province.seat(agent).presence, province.seat(agent).reason) == ("not_ready", "seat_unreachable")
    assert province.seat(other).presence == "alerting"
    caller.hang_up()
    province.pass_s(5.0)
    clean(province)


def test_an_answer_that_nobody_reported(province: ThreeCities) -> None:
    """The agent says hello into silence; the next two looks commit the answer and join."""
    agent = province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU)
    province.network.city(GUANGZHOU).loses_reports[Established] = 1
    province.phone(GUANGZHOU).answer()
    province.pass_s(LOOKS)
    assert repaired(province) == ["answer_unheard"]
    assert province.seat(agent).presence == "talking"
    assert caller.state is CallState.IN_CALL
    caller.hang_up()
    province.pass_s(30.0)
    clean(province)


def test_an_answer_abroad_that_nobody_reported(province: ThreeCities) -> None:
    """O2: committed late is better than withdrawn with an agent on the line."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.pass_s(13.0)
    province.network.city(FOSHAN).loses_reports[Established] = 1
    province.phone(SHENZHEN).answer()
    province.pass_s(LOOKS)
    assert set(repaired(province, FOSHAN)) <= {"answer_unheard"}
    assert len(province.rows(FOSHAN, rows.AttemptOpened)) == 1 + len(province.rows(FOSHAN, rows.AttemptWithdrawn))
    caller.hang_up()
    province.pass_s(60.0)
    clean(province)


@pytest.mark.parametrize("how", ["lost request", "separated"])
def test_who_is_in_talk_hears_each_other(province: ThreeCities, how: str) -> None:
    province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU)
    exchange = province.network.city(GUANGZHOU)
    if how == "lost request":
        exchange.loses_requests[Join] = 1
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    if how == "separated":
        exchange.separate(connections(province, GUANGZHOU, incoming=True)[0])
    assert caller.hears().voice is None
    province.pass_s(LOOKS)
    assert repaired(province) == ["not_joined"]
    assert caller.hears().voice is province.phone(GUANGZHOU)
    caller.hang_up()
    province.pass_s(30.0)
    clean(province)


def test_a_hang_up_command_that_was_lost(province: ThreeCities) -> None:
    """A4: the slot stays held, the seat is hung up again, and the switch's report frees it."""
    agent = province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU)
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    province.network.city(GUANGZHOU).loses_requests[Clear] = 1
    caller.hang_up()
    province.pass_s(12.0)
    assert province.phone(GUANGZHOU).busy
    assert stuck(province) == {"clearing": 1}
    province.pass_s(LOOKS)
    assert repaired(province) == ["not_cleared"]
    assert not province.phone(GUANGZHOU).busy
    province.pass_s(20.0)
    assert province.seat(agent).presence == "ready"
    clean(province)


def test_a_call_that_nobody_was_told_of_is_taken(province: ThreeCities) -> None:
    """The caller hears it ring for half a minute, and is served then."""
    province.network.city(GUANGZHOU).loses_reports[Offered] = 1
    caller = province.call(GUANGZHOU)
    province.pass_s(LOOKS)
    assert repaired(province) == ["call_unheard"]
    assert caller.state is CallState.IN_CALL
    caller.hang_up()
    province.pass_s(5.0)
    clean(province)


def test_a_call_that_was_never_answered_is_answered(province: ThreeCities) -> None:
    province.network.city(GUANGZHOU).loses_requests[Answer] = 1
    caller = province.call(GUANGZHOU)
    province.pass_s(LOOKS)
    assert repaired(province) == ["not_answered"]
    assert caller.state is CallState.IN_CALL
    caller.hang_up()
    province.pass_s(5.0)
    clean(province)


def test_a_leg_that_nobody_needs_is_hung_up(province: ThreeCities) -> None:
    """The agent finishes, and the command that hangs up the customer is lost: an orphan, not a ghost on the line."""
    agent = province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU)
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    province.network.city(GUANGZHOU).loses_requests[Clear] = 2
    province.sites[GUANGZHOU].running.act(events.HangUpAsked(agent, province.contact(agent)))
    province.pass_s(LOOKS)
    assert sorted(repaired(province)) == ["not_cleared", "orphan"]
    assert caller.over
    province.pass_s(20.0)
    clean(province)


def test_a_finish_that_was_lost_on_the_trunk_is_said_again(province: ThreeCities) -> None:
    """O4: the far anchor must not take the hanging up for a fault, else the caller comes back."""
    agent = province.agent(SHENZHEN)
    province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(2.0)
    province.network.city(SHENZHEN).loses_requests[Clear] = 2
    province.sites[SHENZHEN].running.act(events.HangUpAsked(agent, province.contact(agent)))
    province.pass_s(LOOKS)
    assert sorted(repaired(province, SHENZHEN)) == ["not_cleared", "orphan"]
    [ended] = province.rows(FOSHAN, rows.ContactEnded)
    assert (ended.ending, ended.cause) == (Ending.COMPLETED, "agent")
    province.pass_s(20.0)
    clean(province)


def test_a_switch_that_does_not_show_repairs_nothing_and_is_seen(province: ThreeCities) -> None:
    """A5: missing evidence frees nothing."""
    agent = province.agent(GUANGZHOU)
    province.call(GUANGZHOU)
    province.phone(GUANGZHOU).answer()
    province.pass_s(2.0)
    exchange = province.network.city(GUANGZHOU)
    exchange.command_delay_s = 3600.0
    [seat] = connections(province, GUANGZHOU, incoming=False)
    exchange.lose(seat)
    province.pass_s(300.0)
    assert (repaired(province), stuck(province)) == ([], {"unseen": 1})
    assert province.seat(agent).presence == "talking"


@pytest.mark.parametrize("seed", [6])
def test_losses_by_seed_and_every_customer_on_record_once(seed: int) -> None:
    """Connections, requests and reports lost all day long: one ending each (I1), and in the end nothing is stuck."""
    people = Peopled(busier=1.6)
    draw, world = Random(seed), people.world
    people.callers.start()
    for _ in range(60):
        world.pass_s(draw.uniform(5.0, 40.0))
        exchange = world.network.city(draw.choice(CITIES))
        what = draw.choice(("connection", "separate", "request", "report"))
        if what == "request":
            exchange.loses_requests[draw.choice((Make, Clear, Join, Answer))] += 1
        elif what == "report":
            exchange.loses_reports[draw.choice((Established, Cleared, Offered))] += 1
        elif exchange.connections:
            which = draw.choice(list(exchange.connections))
            (exchange.lose if what == "connection" else exchange.separate)(which)
    people.callers.stop()
    for city in CITIES:
        world.network.city(city).loses_requests.clear()
        world.network.city(city).loses_reports.clear()
    world.time.run_until(lambda: people.callers.in_progress == 0, 7200.0)
    world.pass_s(300.0)
    found = Counter(row.what for row in people.rows(rows.Repaired))
    assert len(found) >= 5, found
    born, ended = people.rows(rows.ContactBorn), people.rows(rows.ContactEnded)
    assert sorted(row.contact for row in born) == sorted(row.contact for row in ended)
    clean(world)
