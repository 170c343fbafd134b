"""The hub that is paused past its term; and what is not in federation.md's list but shows one more rule at work."""

from __future__ import annotations

from dataclasses import replace

from dataset import rows
from dataset.ids import HUB, ConnectionId, NodeId, SkillId
from dataset.intervals import fold
from dataset.rows import Ending, Evidence, Withdrawn
from federation.core.envelope import Granted, HubBeat, LedgerRows, Open, Propose
from federation.node.province import HubEntry
from site_node.core import events
from site_node.core.telephony import Leg, Make, Role, Seat
from tests.province.interleaved import ANCHOR, CITIES, SERVING, THIRD, Scene, interleaving

HUB2 = NodeId("hub2")


@interleaving(
    "hub paused past its term, then continues",
    "B2",
    broken_by=("old_term_is_obeyed", "lock_is_held_until_it_says_otherwise"),
    hubs=(HUB, HUB2),
)
def hub_paused(scene: Scene) -> None:
    """The leader sleeps past its lock's time with a proposal on its way, another hub leads: when it goes on it says
    nothing as leader, and what it had said under the lower term is refused.
    """
    scene.agent(SERVING)
    proposal = scene.hold(SERVING, Propose)
    caller = scene.call(ANCHOR, wait_s=0.5)
    assert len(proposal.waiting) == 1
    proposal.no_more()
    scene.moment()
    scene.processes[HUB].stop()
    scene.pass_s(9.0)
    assert {city.health()["leader"] for city in scene.sites.values()} == {HUB2}
    assert scene.phone(SERVING).ringing
    caller.hang_up()
    scene.pass_s(2.0)
    granted = len(scene.heard_by(ANCHOR, Granted))
    proposal.let_go()
    scene.pass_s(1.0)
    assert len(scene.heard_by(ANCHOR, Granted)) == granted
    before = len(scene.heard_by(HUB2, HubBeat))
    scene.lock.cut(HUB)
    scene.processes[HUB].go_on()
    scene.pass_s(3.0)
    said = scene.heard_by(HUB2, HubBeat)[before:]
    assert said
    assert not any(beat.leads for beat in said)
    scene.lock.restore(HUB)
    scene.holds()


@interleaving(
    "the hub comes and goes while contacts are open to the province",
    "A1",
    "B3",
    broken_by=("two_attempts_are_open",),
    listed=False,
)
def hub_comes_and_goes(scene: Scene) -> None:
    """Whoever is to be asked next, one attempt to other cities is open at a time (A1)."""
    caller = scene.call(ANCHOR)
    scene.kill(HUB)
    scene.moment()
    scene.pass_s(6.0)
    scene.begin(HUB)
    scene.pass_s(6.0)
    settled = {row.n for row in scene.rows(ANCHOR, rows.AttemptWithdrawn)}
    opened = [row.n for row in scene.rows(ANCHOR, rows.AttemptOpened)]
    assert len(opened) > 2
    assert set(opened) - settled == {opened[-1]}
    caller.hang_up()
    scene.holds()


@interleaving(
    "the anchor dies before an attempt's opening is on its disk",
    "O2",
    "J1",
    broken_by=("attempt_is_heard_of_before_it_is_synced",),
    listed=False,
)
def anchor_dies_before_opening(scene: Scene) -> None:
    """Nobody hears of an attempt that a crash could forget (O2): so no (contact, n) is issued twice."""
    scene.agent(SERVING)
    scene.slow_disk(ANCHOR, 1.0)
    scene.call(ANCHOR, wait_s=1.5)
    scene.moment()
    scene.restart(ANCHOR)
    scene.pass_s(5.0)
    asked = [(wish.contact, wish.n) for wish in scene.sent_by(ANCHOR, Open)]
    assert len(asked) == 1
    assert {(row.contact, row.n) for row in scene.rows(ANCHOR, rows.AttemptOpened)} == set(asked)
    scene.holds()


@interleaving(
    "the caller hangs up while the commit is on its way to the disk",
    "O2",
    "O3",
    "J1",
    broken_by=("audio_is_bridged_before_the_journal", "outcome_goes_to_the_hub_only"),
    listed=False,
)
def caller_leaves_while_committing(scene: Scene) -> None:
    """The 200 OK is here, its row is not synced, and the caller hangs up: the answer counts, nobody was bridged, and
    both sides have the same record (O2, O3). When the anchor dies before the sync, neither side has an answer.
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.slow_disk(ANCHOR, 1.0)
    scene.phone(SERVING).answer()
    scene.pass_s(0.5)
    assert caller.hears().voice is None
    scene.moment()
    caller.hang_up()
    scene.pass_s(10.0)
    first = scene.record(caller.calling)
    assert first.ending is not None
    assert (first.ending.ending, first.ending.cause) == (Ending.COMPLETED, "customer")
    assert len(scene.rows(SERVING, rows.SegmentConfirmed)) == 1
    scene.pass_s(15.0)
    assert scene.seat(agent).presence == "ready"

    scene.slow_disk(ANCHOR, 0.005)
    other = scene.call(ANCHOR)
    scene.slow_disk(ANCHOR, 2.0)
    scene.phone(SERVING).answer()
    scene.pass_s(0.5)
    other.hang_up()
    scene.restart(ANCHOR, away_s=0.5)
    scene.pass_s(15.0)
    second = scene.record(other.calling)
    assert second.ending is not None
    assert (second.ending.ending, second.ending.evidence) == (Ending.FAILED, Evidence.INFERRED)
    assert [one.outcome for one in second.attempts] == [Withdrawn.RESTART]
    assert len(scene.rows(SERVING, rows.SegmentVoided)) == 1
    scene.holds()


@interleaving(
    "an agent finishes while the transfer is open",
    "O4",
    broken_by=("finish_during_a_transfer_ends_the_contact",),
    listed=False,
)
def finish_while_transferring(scene: Scene) -> None:
    """The agent sends the caller on and finishes at once: the leg goes down as finished before the anchor can take it
    down as transferred. That ends the own segment only (O4).
    """
    first = scene.agent(SERVING)
    scene.agent(THIRD, skills=("bill",))
    caller = scene.call(ANCHOR)
    scene.phone(SERVING).answer()
    scene.pass_s(5.0)
    contact = scene.contact(first)
    scene.network.city(ANCHOR).command_delay_s = 0.5
    wish = events.TransferAsked(first, contact, "r1", to_skill=SkillId("bill"))
    scene.sites[SERVING].running.transfer(wish)
    scene.pass_s(0.1)
    scene.moment()
    scene.sites[SERVING].running.act(events.FinishAsked(first, contact))
    scene.pass_s(4.0)
    assert not caller.over
    scene.phone(THIRD).answer()
    scene.pass_s(3.0)
    assert scene.talking(THIRD, caller)
    scene.holds()


@interleaving(
    "the anchor's switch dies in talk",
    "E2",
    "O5",
    broken_by=("dead_switch_counts_as_the_customer",),
    listed=False,
)
def anchor_switch_dies(scene: Scene) -> None:
    """Nobody saw how the call ended: when the switch is back it is failed, as inferred (E2)."""
    scene.agent(SERVING)
    scene.call(ANCHOR)
    scene.phone(SERVING).answer()
    scene.pass_s(5.0)
    scene.network.city(ANCHOR).fail()
    scene.moment()
    scene.pass_s(3.0)
    scene.network.city(ANCHOR).recover()
    scene.pass_s(20.0)
    ending = scene.record().ending
    assert ending is not None
    assert (ending.ending, ending.evidence) == (Ending.FAILED, Evidence.INFERRED)
    scene.holds()


@interleaving(
    "a seat has a call that its node knows nothing of",
    "A6",
    broken_by=("seat_takes_a_second_call",),
    listed=False,
)
def seat_has_a_call_already(scene: Scene) -> None:
    """The switch guards the seat by itself: a second call is turned away as busy, whatever the node believes (A6)."""
    agent = scene.agent(SERVING)
    before = scene.call(SERVING, "170")
    before.hang_up()
    scene.pass_s(1.0)
    stray = ConnectionId("somebody-else")
    leg = Leg(scene.record(before.calling).contact, 1, Role.SEAT)
    scene.network.city(SERVING).submit(Make(stray, Seat("8001"), leg, 60.0))
    scene.pass_s(0.5)
    scene.moment()
    caller = scene.call(ANCHOR)
    scene.pass_s(2.0)
    assert scene.phone(SERVING).rings == 1
    assert scene.network.city(SERVING).connections[stray].live
    assert (scene.seat(agent).presence, scene.seat(agent).reason) == ("not_ready", "seat_busy")
    assert [row.reason for row in scene.rows(ANCHOR, rows.AttemptWithdrawn)] == [Withdrawn.BUSY]
    assert not caller.over
    scene.holds()


@interleaving(
    "many contacts fail together",
    "A7",
    broken_by=("attempts_follow_without_a_pause",),
    listed=False,
)
def many_fail_together(scene: Scene) -> None:
    """Contacts that found nobody at one moment do not come back at one moment (A7)."""
    for _ in range(6):
        scene.call(ANCHOR, wait_s=0.0)
    scene.moment()
    scene.pass_s(60.0)
    again = [
        entry.mono for entry in scene.own(ANCHOR) if isinstance(entry.row, rows.AttemptOpened) and entry.row.n == 2
    ]
    assert len(again) == 6
    assert len({round(moment, 1) for moment in again}) > 3
    scene.holds()


@interleaving(
    "a receiver dies between rows and cursor",
    "S1",
    "I3",
    broken_by=("cursor_is_written_before_the_rows",),
    listed=False,
)
def hub_dies_while_committing(scene: Scene) -> None:
    """Cursor and rows are one commit: what the hub says it has, it has (S1)."""
    scene.agent(ANCHOR)
    scene.slow_disk(HUB, 1.0)
    scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(0.7)
    scene.moment()
    scene.restart(HUB)
    scene.holds()


@interleaving(
    "every ledger message arrives twice",
    "S1",
    "I3",
    broken_by=("rows_are_applied_twice",),
    listed=False,
)
def rows_come_twice(scene: Scene) -> None:
    """Numbers make a row that comes again nothing new (S1, I3)."""
    scene.line(ANCHOR, HUB).duplicate = 1.0
    scene.agent(ANCHOR)
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.moment()
    scene.pass_s(5.0)
    caller.hang_up()
    scene.pass_s(20.0)
    assert scene.hub is not None
    there = scene.on_record(HUB)
    assert sorted(set(there)) == sorted(there)
    assert scene.hub.running.memory.intervals.json() == fold(scene.hub_rows()).json()
    scene.holds()


@interleaving(
    "a row that cannot be read",
    "S2",
    broken_by=("poison_row_blocks_its_stream", "poison_row_is_dropped"),
    listed=False,
)
def poison_row(scene: Scene) -> None:
    """A bit of a row flips on the sender's disk: the receiver parks it with its bytes, what is behind it arrives, and
    totals name it as unknown (S2).
    """
    scene.agent(ANCHOR)
    scene.cut(ANCHOR)
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    spoilt = scene.spoil(ANCHOR, rows.MenuChosen)
    scene.moment()
    scene.mend(ANCHOR)
    scene.pass_s(10.0)
    caller.hang_up()
    scene.settle()
    assert scene.hub is not None
    assert scene.hub.running.ledger.unknown_rows(ANCHOR) == 1
    found = scene.findings()
    assert [sentence for sentence in found.lost if f"/{spoilt} " not in sentence] == []
    assert (found.doubled, found.phantom, found.unknown) == ([], [], [])
    assert scene.record().ending is not None


@interleaving(
    "a backlog and rows of now",
    "S4",
    broken_by=("backlog_goes_first",),
    listed=False,
)
def backlog_and_now(scene: Scene) -> None:
    """A city that was cut off and started anew reports what is now before what was (S4)."""
    scene.agent(ANCHOR)
    scene.cut(ANCHOR)
    for _ in range(3):
        caller = scene.call(ANCHOR)
        scene.phone(ANCHOR).answer()
        scene.pass_s(3.0)
        caller.hang_up()
        scene.pass_s(18.0)
    scene.moment()
    scene.restart(ANCHOR)
    before = len(scene.heard_by(HUB, LedgerRows))
    scene.mend(ANCHOR)
    scene.pass_s(10.0)
    lineages = [message.lineage for message in scene.heard_by(HUB, LedgerRows)[before:]]
    assert lineages[0] == scene.journal(NodeId(ANCHOR)).lineage
    assert len(set(lineages)) == 2
    scene.holds()


@interleaving(
    "rows are late over the loss of their journal",
    "J3",
    broken_by=("rows_of_older_sessions_are_taken",),
    listed=False,
)
def rows_late_over_a_loss(scene: Scene) -> None:
    """Rows on their way when their journal lost them arrive in the next session: the hub has stated its heads, the
    sender has named what is missing after them, and nothing is slipped in behind (J3).
    """
    scene.pass_s(2.0)
    backup = scene.backup(ANCHOR)
    lineage = scene.journal(NodeId(ANCHOR)).lineage
    late = scene.hold(HUB, LedgerRows)
    scene.agent(ANCHOR)
    late.no_more()
    assert late.waiting
    scene.kill(ANCHOR)
    scene.set_back(ANCHOR, backup)
    scene.moment()
    scene.begin(ANCHOR)
    scene.pass_s(3.0)
    stated = scene.memory.disk(HUB).ledger.heads[NodeId(ANCHOR)][lineage]
    late.let_go()
    scene.pass_s(3.0)
    assert scene.memory.disk(HUB).ledger.heads[NodeId(ANCHOR)][lineage] == stated
    scene.destroyed.clear()
    scene.holds()


@interleaving(
    "everything is gone but the city itself",
    "B4",
    "I5",
    broken_by=("city_waits_for_its_hub",),
    listed=False,
)
def city_alone(scene: Scene) -> None:
    """Cut off from hub and peers a city serves its own callers, and its rows wait in the outbox (B4)."""
    agent = scene.agent(ANCHOR)
    scene.cut(ANCHOR)
    scene.pass_s(6.0)
    scene.moment()
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    assert scene.talking(ANCHOR, caller)
    caller.hang_up()
    scene.pass_s(20.0)
    assert scene.seat(agent).presence == "ready"
    assert not any(isinstance(row.row, rows.ContactBorn) for row in scene.hub_rows())
    scene.holds()


@interleaving(
    "a second hub is added later",
    "B5",
    broken_by=("hub_that_comes_later_hears_only_what_is_new",),
    listed=False,
)
def hub_added_later(scene: Scene) -> None:
    """A hub that the journals have no stream for gets everything that is kept, gaplessly (B5)."""
    scene.agent(ANCHOR)
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    caller.hang_up()
    scene.pass_s(20.0)
    scene.province = replace(scene.province, hubs=tuple(HubEntry(id=hub) for hub in (HUB, HUB2)))
    scene.moment()
    for node in (HUB, *CITIES):
        scene.restart(node)
    scene.begin(HUB2)
    scene.pass_s(40.0)
    assert set(scene.on_record(HUB2)) == set(scene.on_record(HUB))
    scene.holds()


@interleaving(
    "anchors choose by themselves",
    "B3",
    broken_by=("islands_all_ask_the_same_city", "no_hub_means_no_help"),
    listed=False,
)
def anchors_spread(scene: Scene) -> None:
    """Without a hub nobody subtracts what others ask for: so contacts do not all ask the city with the best share."""
    for city in (SERVING, THIRD):
        scene.agent(city)
    scene.kill(HUB)
    scene.moment()
    scene.pass_s(5.0)
    for _ in range(8):
        caller = scene.call(ANCHOR)
        caller.hang_up()
        scene.pass_s(3.0)
    asked = {row.site for row in scene.rows(ANCHOR, rows.Decision) if row.choice == "propose"}
    assert asked == {SERVING, THIRD}
    scene.holds()
