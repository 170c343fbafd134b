"""Interleavings of federation.md in which a node, its switch or its host dies at a bad moment."""

from __future__ import annotations

from dataset import rows
from dataset.ids import SkillId
from dataset.rows import Ending, Evidence, Withdrawn
from federation.core.envelope import Granted, Propose
from site_node.core import events
from tests.province.interleaved import ANCHOR, SERVING, THIRD, Scene, interleaving


@interleaving(
    "serving node restarts while the seat rings",
    "A3",
    "A5",
    "O6",
    broken_by=("orphans_are_kept", "slot_is_assignable_without_its_switch", "tokens_begin_anew_with_each_run"),
)
def serving_restarts_while_ringing(scene: Scene) -> None:
    """Its token means nothing to the next run (A3): leg and seat are hung up (O6), the caller keeps the old place.
    Until the switch has shown the seat's channels the slot is promised to nobody (A5).
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    assert scene.phone(SERVING).ringing
    exchange = scene.network.city(SERVING)
    scene.kill(SERVING)
    exchange.disconnect()
    scene.moment()
    scene.pass_s(1.0)
    scene.begin(SERVING)
    scene.agent(SERVING)
    assert scene.phone(SERVING).ringing
    other = scene.call(THIRD)
    assert scene.heard_by(THIRD, Granted) == []
    exchange.reconnect()
    scene.pass_s(0.5)
    assert scene.phone(SERVING).rings == 1 or not scene.phone(SERVING).ringing
    scene.pass_s(8.0)
    phone = scene.phone(SERVING)
    assert phone.ringing
    assert phone.rings == 2
    phone.answer()
    scene.pass_s(2.0)
    assert scene.talking(SERVING, caller) or scene.talking(SERVING, other)
    assert scene.seat(agent).presence == "talking"
    tokens = [grant.token for city in (ANCHOR, THIRD) for grant in scene.heard_by(city, Granted)]
    assert len(tokens) > 1
    assert sorted(set(tokens)) == sorted(tokens)
    scene.holds()


@interleaving(
    "the serving switch restarts while the seat rings",
    "A5",
    "O4",
    broken_by=("slot_is_assignable_without_its_switch",),
)
def serving_switch_restarts_while_ringing(scene: Scene) -> None:
    """The serving switch dies with the ringing call: nobody is promised its seats until it is back and has shown what
    it holds (A5); the caller keeps the place and is served.
    """
    scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    assert scene.phone(SERVING).ringing
    exchange = scene.network.city(SERVING)
    exchange.fail()
    scene.moment()
    scene.pass_s(2.0)
    second = scene.agent(SERVING, 1)
    scene.call(THIRD)
    scene.pass_s(2.0)
    assert scene.heard_by(THIRD, Granted) == []
    exchange.recover()
    scene.pass_s(4.0)
    assert scene.phone(SERVING, 1).ringing or scene.phone(SERVING).ringing
    assert scene.seat(second).presence in ("alerting", "ready")
    scene.phone(SERVING).answer()
    scene.phone(SERVING, 1).answer()
    scene.pass_s(40.0)
    assert not caller.over
    scene.holds()


@interleaving(
    "the serving site's host is gone for good",
    "B6",
    "O4",
    "O5",
    broken_by=("silent_trunk_is_evidence", "silent_city_stays_in_the_picture"),
)
def serving_host_is_gone(scene: Scene) -> None:
    """Node and switch of the serving city die in talk, for good: the anchor misses the voice (O5) and gives the caller
    the front of the queue (O4); the hub asks the silent city no more (B6), another city answers.
    """
    scene.agent(SERVING)
    scene.agent(SERVING, 1)
    caller = scene.call(ANCHOR)
    scene.phone(SERVING).answer()
    scene.pass_s(5.0)
    assert scene.talking(SERVING, caller)
    scene.kill(SERVING)
    scene.network.city(SERVING).fail()
    scene.moment()
    scene.pass_s(5.0)
    asked_before = _proposals(scene)
    scene.pass_s(13.0)
    assert [row.how for row in scene.rows(ANCHOR, rows.QueueEntered)] == ["offered", "returned"]
    assert _proposals(scene) == asked_before
    scene.agent(THIRD)
    scene.pass_s(5.0)
    scene.phone(THIRD).answer()
    scene.pass_s(2.0)
    assert scene.talking(THIRD, caller)
    caller.hang_up()
    scene.pass_s(5.0)
    record = scene.record()
    assert record.ending is not None
    assert (record.ending.ending, record.ending.evidence) == (Ending.COMPLETED, Evidence.SEEN)
    scene.holds()


def _proposals(scene: Scene) -> int:
    """How often the hub has decided to ask the serving city."""
    return sum(row.choice == "propose" and row.site == SERVING for row in scene.rows("hub", rows.Decision))


@interleaving(
    "anchor node restarts between 200 OK and the journal",
    "O2",
    "O6",
    broken_by=("audio_is_bridged_before_the_journal", "open_attempts_are_forgotten_at_a_restart"),
)
def anchor_restarts_before_commit(scene: Scene) -> None:
    """The far agent has answered, the anchor dies before that is on its disk: nobody was bridged, the attempt is
    withdrawn at the restart, its leg hung up, the segment never was, and the caller is served anew.
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    assert scene.phone(SERVING).ringing
    scene.slow_disk(ANCHOR, 1.0)
    scene.phone(SERVING).answer()
    scene.pass_s(0.5)
    assert caller.hears().voice is None
    scene.moment()
    scene.restart(ANCHOR)
    scene.pass_s(2.0)
    assert [row.reason for row in scene.rows(ANCHOR, rows.AttemptWithdrawn)] == [Withdrawn.RESTART]
    assert scene.rows(ANCHOR, rows.AttemptAnswered) == []
    assert not scene.phone(SERVING).busy
    scene.pass_s(5.0)
    assert len(scene.rows(SERVING, rows.SegmentVoided)) == 1
    scene.pass_s(20.0)
    assert scene.seat(agent).presence == "alerting"
    scene.phone(SERVING).answer()
    scene.pass_s(2.0)
    assert scene.talking(SERVING, caller)
    scene.holds()


@interleaving(
    "anchor node restarts between an answer at home and the journal",
    "O2",
    broken_by=("audio_is_bridged_before_the_journal", "home_answers_are_not_committed"),
)
def anchor_restarts_before_home_commit(scene: Scene) -> None:
    """The same with an agent at home, whose answers are committed too (O2): no voice before the commit is on disk; and
    what is on disk is adopted.
    """
    scene.agent(ANCHOR)
    caller = scene.call(ANCHOR)
    assert scene.phone(ANCHOR).ringing
    scene.slow_disk(ANCHOR, 1.0)
    scene.phone(ANCHOR).answer()
    scene.pass_s(0.5)
    assert caller.hears().voice is None
    scene.moment()
    scene.restart(ANCHOR)
    scene.pass_s(2.0)
    assert not caller.over
    scene.agent(ANCHOR)
    scene.pass_s(2.0)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    assert scene.talking(ANCHOR, caller)
    scene.restart(ANCHOR)
    scene.pass_s(2.0)
    assert scene.talking(ANCHOR, caller)
    assert scene.record().state == "talking"
    scene.holds()


@interleaving(
    "anchor node restarts with a bridge command in flight",
    "O6",
    broken_by=("commands_of_the_dead_are_not_awaited", "lowest_answer_is_current"),
)
def anchor_restarts_with_bridge_in_flight(scene: Scene) -> None:
    """What the dead process had asked of its switch is done before the next one looks (O6): a bridge command on its way
    leads to the talk it was meant for, a seat that it still lets ring is known for what it is.
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.network.city(ANCHOR).command_delay_s = 0.5
    scene.phone(SERVING).answer()
    scene.pass_s(0.2)
    assert len(scene.rows(ANCHOR, rows.AttemptAnswered)) == 1
    assert not scene.talking(SERVING, caller)
    scene.moment()
    scene.restart(ANCHOR, away_s=0.1)
    scene.pass_s(3.0)
    assert scene.talking(SERVING, caller)
    scene.sites[SERVING].running.transfer(
        events.TransferAsked(agent, scene.contact(agent), "r1", to_skill=SkillId("bill"))
    ).addErrback(lambda failure: None)
    scene.pass_s(2.0)
    second = scene.agent(SERVING, 1, skills=("bill",))
    scene.pass_s(8.0)
    scene.phone(SERVING, 1).answer()
    scene.pass_s(2.0)
    assert scene.talking(SERVING, caller, 1)
    scene.restart(ANCHOR, away_s=0.1)
    scene.pass_s(2.0)
    assert scene.talking(SERVING, caller, 1)
    assert scene.seat(second).presence == "talking"

    scene.agent(ANCHOR)
    scene.call(ANCHOR, wait_s=0.0)
    assert scene.time.run_until(lambda: scene.rows(ANCHOR, rows.AttemptOpened)[-1].scope == "home", 6.0)
    scene.pass_s(0.1)
    scene.restart(ANCHOR, away_s=0.1)
    scene.pass_s(2.0)
    assert not scene.phone(ANCHOR).ringing
    scene.holds()


@interleaving(
    "anchor node restarts in the middle of a transfer",
    "O6",
    broken_by=("orphans_are_kept", "open_attempts_are_forgotten_at_a_restart"),
)
def anchor_restarts_in_transfer(scene: Scene) -> None:
    """The caller has been sent on, that is on record, and before the first leg is hung up the anchor dies: the first
    agent does not keep the caller, target and notes are not forgotten, the second agent gets both.
    """
    first = scene.agent(SERVING)
    second = scene.agent(THIRD, skills=("bill",))
    caller = scene.call(ANCHOR)
    scene.phone(SERVING).answer()
    scene.pass_s(5.0)
    wish = events.TransferAsked(first, scene.contact(first), "r1", to_skill=SkillId("bill"), note="March bill")
    scene.network.city(ANCHOR).disconnect()
    scene.sites[SERVING].running.transfer(wish).addErrback(lambda failure: None)
    held = scene.hold(THIRD, Propose)
    scene.pass_s(1.0)
    assert len(scene.rows(ANCHOR, rows.TransferAsked)) == 1
    scene.moment()
    scene.kill(ANCHOR)
    scene.pass_s(1.0)
    scene.begin(ANCHOR)
    held.let_go()
    scene.network.city(ANCHOR).reconnect()
    scene.pass_s(3.0)
    assert not scene.talking(SERVING, caller)
    assert not scene.phone(SERVING).busy
    scene.pass_s(10.0)
    assert scene.phone(THIRD).ringing
    scene.phone(THIRD).answer()
    scene.pass_s(2.0)
    assert scene.talking(THIRD, caller)
    [call] = scene.seat(second).calls
    assert call.notes == (f"{first}: March bill",)
    assert call.handled_by == (first,)
    scene.holds()


@interleaving(
    "trunk silent in talk",
    "O4",
    "O5",
    broken_by=("silent_trunk_is_evidence", "bye_counts_as_finished", "returned_caller_begins_anew"),
)
def trunk_silent_in_talk(scene: Scene) -> None:
    """The trunk stays up and carries no voice: both ends notice (O5). The serving side, which notices first, clears
    like anybody who hangs up; only an explicit "finished" would end the contact, so the caller is back at the front
    with the original waiting time (O4).
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.pass_s(6.0)
    scene.phone(SERVING).answer()
    scene.pass_s(5.0)
    [first] = scene.rows(ANCHOR, rows.QueueEntered)
    scene.network.trunk(ANCHOR, SERVING).mute(toward=SERVING)
    scene.moment()
    scene.pass_s(17.0)
    assert not scene.phone(SERVING).busy
    assert not caller.over
    _, returned = scene.rows(ANCHOR, rows.QueueEntered)
    assert returned.how == "returned"
    assert returned.waited_s > first.waited_s + 5.0
    other = scene.call(ANCHOR)
    scene.network.trunk(ANCHOR, SERVING).restore()
    scene.pass_s(25.0)
    assert scene.seat(agent).presence == "alerting"
    scene.phone(SERVING).answer()
    scene.pass_s(2.0)
    assert scene.talking(SERVING, caller)
    assert not scene.talking(SERVING, other)
    scene.holds()
