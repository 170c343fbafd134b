"""B2 in a whole province: one of two hubs leads, the other is as good, and no old leader is listened to."""

from __future__ import annotations

import pytest

from dataset.ids import HUB, NodeId
from dataset.intervals import fold
from dataset.rows import AttemptAnswered, AttemptOpened, ContactBorn, Decision
from federation.core.envelope import Envelope, HubBeat, Propose, Stream
from federation.links.inprocess import Fate
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.two_hubs import HUB2, TwoHubs


@pytest.fixture
def world() -> TwoHubs:
    return TwoHubs()


def answered(world: TwoHubs, n: int = 1) -> bool:
    return world.time.run_until(lambda: len(world.rows(FOSHAN, AttemptAnswered)) >= n, 30.0)


def decisions(world: TwoHubs, hub: NodeId) -> list[tuple[str, str]]:
    """Who decided what, as far as ``hub`` can tell."""
    rows = [row.row for row, _ in world.memory.disk(hub).ledger.rows.values()]
    return [(row.by, row.choice) for row in rows if isinstance(row, Decision) and row.by in (HUB, HUB2)]


def test_one_leads_and_the_cities_follow_it(world: TwoHubs) -> None:
    assert world.leads() == [HUB]
    assert world.followed() == {(HUB, 1)}
    standby = world.hubs[HUB2].running
    assert (standby.leader, standby.term, standby.health()["leads"]) == (HUB, 1, False)


def test_the_standby_has_everything_that_the_leader_has(world: TwoHubs) -> None:
    """Rows, pictures, and the leader's own decisions: a route is explained at either."""
    world.agent(GUANGZHOU)
    world.call(FOSHAN)
    world.pass_s(2.0)
    world.phone(GUANGZHOU).answer()
    assert answered(world)
    world.pass_s(3.0)
    contact = world.rows(FOSHAN, ContactBorn)[0].contact
    first, second = (world.hubs[hub].running for hub in (HUB, HUB2))
    assert decisions(world, HUB) == decisions(world, HUB2) == [(HUB, "propose")]
    assert [one.row for one in second.memory.decisions(contact)] == [one.row for one in first.memory.decisions(contact)]
    assert second.memory.intervals.json() == first.memory.intervals.json()
    assert second.picture.seen(world.time.monotonic()) == {GUANGZHOU, SHENZHEN, FOSHAN}


def test_the_standby_answers_no_open_and_says_why(world: TwoHubs) -> None:
    """A late message to a hub that leads no more is counted, not acted upon."""
    world.agent(GUANGZHOU)
    line = world.wires.line(NodeId(FOSHAN), HUB)
    line.delay_s, line.keeps_stale = 5.0, True
    world.call(FOSHAN, wait_s=0.1)
    world.lock.cut(HUB)
    world.pass_s(6.0)
    counted = world.hubs[HUB].running.counts.registry.get_sample_value(
        "yht_hub_commands_ignored_total", {"why": "not_leading", "kind": "open"}
    )
    assert world.leads() == [HUB2]
    assert counted == 1.0
    assert not decisions(world, HUB)


def test_a_killed_leader_is_replaced_and_the_new_one_proposes_within_ten_seconds(world: TwoHubs) -> None:
    """Row 25: nobody is told; a caller who comes meanwhile is answered elsewhere."""
    world.agent(GUANGZHOU)
    world.kill(HUB)
    died = world.time.monotonic()
    world.pass_s(3.5)
    world.call(FOSHAN, wait_s=0.0)
    proposed: list[Envelope] = []
    world.wires.on_fate = lambda fate, _, envelope: (
        proposed.append(envelope) if fate is Fate.SENT and isinstance(envelope.body, Propose) else None
    )
    assert world.time.run_until(lambda: any(one.sender == HUB2 for one in proposed), 10.0)
    assert world.time.monotonic() - died < 10.0
    assert {one.term for one in proposed if one.sender == HUB2} == {2}
    assert world.followed() == {(HUB2, 2)}
    assert world.time.run_until(lambda: world.phone(GUANGZHOU).ringing, 10.0)
    world.phone(GUANGZHOU).answer()
    assert answered(world)


def test_a_leader_that_is_stopped_in_order_hands_over_at_once(world: TwoHubs) -> None:
    """An upgrade of the hub: SIGTERM gives the lock back, nobody waits for it to run out."""
    world.stop_hub(HUB)
    world.pass_s(0.1)
    assert world.leads() == [HUB2]
    assert world.followed() == {(HUB2, 2)}


def test_a_caller_who_waited_at_the_dead_leader_is_opened_to_the_next(world: TwoHubs) -> None:
    """Nobody was idle; the leader dies with the open attempt; then somebody far away becomes ready."""
    caller = world.call(FOSHAN)
    assert world.hubs[HUB].running.core.open_attempts() == 1
    world.kill(HUB)
    world.pass_s(6.0)
    assert world.hubs[HUB2].running.core.open_attempts() == 1
    world.agent(GUANGZHOU)
    assert world.time.run_until(lambda: world.phone(GUANGZHOU).ringing, 5.0)
    assert decisions(world, HUB2)[-1] == (HUB2, "propose")
    world.phone(GUANGZHOU).answer()
    assert answered(world)
    assert not caller.over


def test_a_hub_dies_after_its_proposal_and_the_other_takes_over(world: TwoHubs) -> None:
    """Interleaving "hub dies after the proposal", with two hubs: the grant goes to the anchor, which needs no hub for
    the rest; the next contact is the new leader's.
    """
    world.agent(GUANGZHOU)
    world.agent(SHENZHEN)
    killed: list[float] = []

    def kill_after_proposal(fate: Fate, to: NodeId, envelope: Envelope) -> None:
        if fate is Fate.ARRIVED and isinstance(envelope.body, Propose) and envelope.sender == HUB and not killed:
            killed.append(world.time.monotonic())
            world.kill(HUB)

    world.wires.on_fate = kill_after_proposal
    world.call(FOSHAN)
    assert killed
    ringing = GUANGZHOU if world.phone(GUANGZHOU).ringing else SHENZHEN
    world.phone(ringing).answer()
    assert answered(world, 1)
    world.pass_s(5.0)
    assert world.leads() == [HUB2]
    other = SHENZHEN if ringing == GUANGZHOU else GUANGZHOU
    world.call(FOSHAN, calling="13800000002")
    assert world.time.run_until(lambda: world.phone(other).ringing, 20.0)
    world.phone(other).answer()
    assert answered(world, 2)
    attempts = world.rows(FOSHAN, AttemptOpened)
    assert len({(one.contact, one.n) for one in attempts}) == len(attempts)


def test_a_hub_paused_past_its_term_says_nothing_as_leader_when_it_goes_on(world: TwoHubs) -> None:
    """Interleaving "hub paused past its term, then continues" (row 19): by its own clock the time is up."""
    world.agent(GUANGZHOU)
    world.processes[HUB].stop()
    world.pass_s(8.0)
    assert world.hubs[HUB2].running.leads
    world.call(FOSHAN)
    world.processes[HUB].stop()
    said: list[Envelope] = []
    world.wires.on_fate = lambda fate, _, one: said.append(one) if fate is Fate.SENT and one.sender == HUB else None
    world.processes[HUB].go_on()
    world.pass_s(3.0)
    beats = [one.body for one in said if isinstance(one.body, HubBeat)]
    assert beats
    assert not any(beat.leads for beat in beats)
    assert not [one for one in said if one.stream is Stream.COMMAND]
    assert world.leads() == [HUB2]
    assert world.hubs[HUB].running.term == 2


def test_what_an_old_leader_still_says_is_refused(world: TwoHubs) -> None:
    """Interleaving "hub paused past its term": what it had on its way when it was paused arrives under the old term."""
    world.agent(GUANGZHOU)
    for city in (GUANGZHOU, SHENZHEN, FOSHAN):
        line = world.wires.line(HUB, NodeId(city))
        line.delay_s, line.keeps_stale = 6.0, True
    world.call(FOSHAN, wait_s=0.5)
    world.lock.cut(HUB)
    world.pass_s(9.0)
    assert world.followed() == {(HUB2, 2)}
    refused = [
        city.running.counts.registry.get_sample_value("yht_messages_refused_total", {"reason": "old_term"})
        for city in world.sites.values()
    ]
    assert any(refused)


def test_with_the_lock_out_of_reach_for_everybody_nobody_leads(world: TwoHubs) -> None:
    """No lock, no leader: cities go on by themselves (B3); when it is back one leads under a higher term."""
    world.lock.cut(HUB, HUB2)
    world.pass_s(4.0)
    assert world.leads() == []
    assert world.followed() == {(None, 1)}
    world.lock.restore(HUB, HUB2)
    world.pass_s(4.0)
    [leader] = world.leads()
    [(followed, term)] = world.followed()
    assert followed == leader
    assert term != 1, "a new one"


def test_a_lock_that_lost_its_terms_gives_no_old_one_out_for_long(world: TwoHubs) -> None:
    """Consul came back with an empty disk, and the hub that gets the lock was started anew: the cities know better."""
    world.lock.term = 41
    world.lock.cut(HUB)
    world.pass_s(4.0)
    assert world.followed() == {(HUB2, 42)}
    world.kill(HUB2)
    world.kill(HUB)
    world.lock.forget()
    world.lock.restore(HUB)
    world.start_hub(HUB)
    world.pass_s(6.0)
    assert world.leads() == [HUB]
    assert world.followed() == {(HUB, 43)}


def test_a_lock_that_forgets_twice_gives_two_hubs_no_term_in_common(world: TwoHubs) -> None:
    """While the first was cut off from the line it heard nothing of the other's reign, and the lock forgot that too."""
    led: dict[int, set[NodeId]] = {}

    def note(fate: Fate, _: NodeId, one: Envelope) -> None:
        if fate is Fate.SENT and isinstance(one.body, HubBeat) and one.body.leads:
            led.setdefault(one.term, set()).add(one.sender)

    world.wires.on_fate = note
    world.pass_s(3.0)
    assert world.leads() == [HUB]
    world.wires.cut([HUB])
    world.lock.forget()
    world.pass_s(5.0)
    assert world.leads() == [HUB2]
    world.lock.forget()
    world.pass_s(5.0)
    assert world.leads() == [HUB]
    world.wires.cut([HUB], restore=True)
    world.pass_s(5.0)
    assert len(led) == 3
    assert all(len(hubs) == 1 for hubs in led.values()), led
    assert {hub for hub, _ in world.followed()} == {HUB}


def test_a_hub_with_an_empty_disk_becomes_equal_to_the_other(world: TwoHubs) -> None:
    """Row 25: its host was lost for good; a new one rebuilds its ledger from the sites."""
    world.agent(GUANGZHOU)
    world.call(FOSHAN)
    world.phone(GUANGZHOU).answer()
    assert answered(world)
    world.kill(HUB)
    world.pass_s(6.0)
    world.memory.lose(HUB)
    world.start_hub(HUB)
    world.pass_s(30.0)
    rebuilt, kept = ([row for row, _ in world.memory.disk(hub).ledger.rows.values()] for hub in (HUB, HUB2))
    of_cities = [[row for row in rows if row.node not in (HUB, HUB2)] for rows in (rebuilt, kept)]
    assert {(row.lineage, row.sequence) for row in of_cities[0]} == {
        (row.lineage, row.sequence) for row in of_cities[1]
    }
    assert fold(of_cities[0]).json() == fold(of_cities[1]).json()
    assert world.hubs[HUB].running.memory.intervals.json() == world.hubs[HUB2].running.memory.intervals.json()


# ── what cities took for each other counts on (A7) ──────────────────────────────────────────────────────────────────
def moved_once() -> TwoHubs:
    """佛山 and 广州 may have one contact an hour, and have had it; 广州 has somebody idle again."""
    world = TwoHubs(moves_per_hour=1)
    world.agent(GUANGZHOU)
    world.agent(GUANGZHOU, 1)
    world.call(FOSHAN)
    world.pass_s(2.0)
    rings = next(phone for phone in (world.phone(GUANGZHOU), world.phone(GUANGZHOU, 1)) if phone.ringing)
    rings.answer()
    assert answered(world)
    world.pass_s(3.0)
    return world


def test_a_new_leader_counts_what_was_moved_before_it_led() -> None:
    world = moved_once()
    world.kill(HUB)
    world.pass_s(8.0)
    assert world.leads() == [HUB2]
    world.call(FOSHAN)
    assert decisions(world, HUB2)[-1] == (HUB2, "wait")
    world.pass_s(3600.0)
    assert (HUB2, "propose") not in decisions(world, HUB2)
    world.agent(GUANGZHOU, 2)
    assert world.time.run_until(lambda: (HUB2, "propose") in decisions(world, HUB2), 30.0), "the hour is over"


def test_a_hub_that_comes_back_counts_what_was_moved_before_its_start() -> None:
    world = moved_once()
    world.stop_hub(HUB2)
    world.kill(HUB)
    world.pass_s(1.0)
    world.start_hub(HUB)
    world.pass_s(10.0)
    assert world.leads() == [HUB]
    world.call(FOSHAN)
    assert decisions(world, HUB)[-1] == (HUB, "wait")


def test_a_city_that_comes_back_counts_what_was_moved_before_its_start() -> None:
    """Without any hub, so by its own matching (B3)."""
    world = moved_once()
    for hub in (HUB, HUB2):
        world.kill(hub)
    world.crash_city(FOSHAN)
    world.pass_s(1.0)
    world.start_city(FOSHAN)
    world.pass_s(10.0)
    world.call(FOSHAN)
    decided = world.rows(FOSHAN, Decision)
    assert [(one.by, one.choice, one.why) for one in decided][-1:] == [(FOSHAN, "wait", "capped")]
