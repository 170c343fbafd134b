"""Interleavings of federation.md around one attempt: grants, legs, answers and withdrawals that cross."""

from __future__ import annotations

from dataset import rows
from dataset.ids import HUB
from dataset.rows import Ending, Withdrawn
from federation.core.envelope import Granted, NotGranted, Propose, Release, Taken
from tests.province.interleaved import ANCHOR, SERVING, THIRD, Scene, interleaving


@interleaving(
    "SIP up and AMQP down when the agent answers",
    "O2",
    "O3",
    "B4",
    broken_by=("outcome_goes_to_the_hub_only", "segment_confirms_itself"),
)
def answer_without_link(scene: Scene) -> None:
    """The seat rings, the line between the nodes is cut, the agent answers: they talk, the anchor has the commit, and
    the serving site's segment is unconfirmed until the outcome row is there (O3).
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.cut(SERVING)
    scene.phone(SERVING).answer()
    scene.pass_s(1.0)
    scene.moment()
    assert scene.talking(SERVING, caller)
    assert len(scene.rows(ANCHOR, rows.AttemptAnswered)) == 1
    assert not scene.seat(agent).calls[0].confirmed
    scene.pass_s(30.0)
    caller.hang_up()
    scene.pass_s(2.0)
    assert scene.rows(SERVING, rows.SegmentConfirmed) == []
    scene.mend(SERVING)
    scene.pass_s(40.0)
    assert len(scene.rows(SERVING, rows.SegmentConfirmed)) == 1
    scene.holds()


@interleaving(
    "answer crosses withdrawal",
    "O2",
    "O3",
    broken_by=("answer_after_withdrawal_is_kept", "segment_confirms_itself"),
)
def answer_crosses_withdrawal(scene: Scene) -> None:
    """The report of the 200 OK is on its way from the anchor's switch when the anchor's time is over: the attempt is
    withdrawn, the late answer is hung up at once, the caller keeps the place (O2).
    """
    scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.pass_s(10.0)
    scene.network.city(ANCHOR).report_delay_s = 20.0
    scene.phone(SERVING).answer()
    scene.moment()
    scene.pass_s(19.0)
    [withdrawn] = scene.rows(ANCHOR, rows.AttemptWithdrawn)
    assert withdrawn.reason is Withdrawn.TIMED_OUT
    assert not scene.phone(SERVING).busy
    scene.network.city(ANCHOR).report_delay_s = 0.0
    scene.pass_s(3.0)
    outcomes = scene.rows(ANCHOR, rows.AttemptAnswered)
    assert [row.n for row in outcomes if row.n == 1] == []
    assert not caller.over
    assert scene.record().state == "waiting"
    assert scene.rows(SERVING, rows.SegmentConfirmed) == []
    assert len(scene.rows(SERVING, rows.SegmentVoided)) == 1
    scene.holds()


@interleaving(
    "caller hangs up while 200 OK is on the way",
    "O2",
    "O3",
    broken_by=("segment_confirms_itself", "outcome_goes_to_the_hub_only"),
)
def caller_leaves_with_ok_on_its_way(scene: Scene) -> None:
    """The agent picks up, the caller is gone before the anchor hears of it: an abandoned call, no answer, and a segment
    that never was.
    """
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.network.trunk(ANCHOR, SERVING).delay_s = 1.0
    scene.pass_s(8.0)
    scene.phone(SERVING).answer()
    scene.pass_s(0.5)
    scene.moment()
    caller.hang_up()
    scene.pass_s(4.0)
    assert not scene.phone(SERVING).busy
    scene.pass_s(20.0)
    record = scene.record()
    assert record.ending is not None
    assert record.ending.ending is Ending.ABANDONED
    assert [one.outcome for one in record.attempts] == [Withdrawn.CUSTOMER_LEFT]
    assert scene.rows(SERVING, rows.SegmentConfirmed) == []
    assert len(scene.rows(SERVING, rows.SegmentVoided)) == 1
    assert scene.seat(agent).presence == "ready"
    scene.holds()


@interleaving(
    "200 OK lost",
    "O3",
    "O5",
    broken_by=("silent_trunk_is_evidence", "segment_confirms_itself"),
)
def ok_lost(scene: Scene) -> None:
    """The trunk loses the 200 OK: the agent sits in silence, the caller still waits. The serving site gives up for want
    of voice (O5), the anchor after its ring time; the caller has the old place, the segment never was.
    """
    scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    trunk = scene.network.trunk(ANCHOR, SERVING)
    trunk.cut()
    scene.phone(SERVING).answer()
    scene.moment()
    scene.pass_s(17.0)
    assert not scene.phone(SERVING).busy
    scene.pass_s(10.0)
    [withdrawn] = scene.rows(ANCHOR, rows.AttemptWithdrawn)
    assert withdrawn.reason is Withdrawn.TIMED_OUT
    trunk.restore()
    scene.pass_s(2.0)
    assert not caller.over
    assert scene.rows(SERVING, rows.SegmentConfirmed) == []
    assert len(scene.rows(SERVING, rows.SegmentVoided)) == 1
    scene.holds()


@interleaving(
    "hub dies after the proposal, its message arrives minutes later",
    "A1",
    "A2",
    "A3",
    broken_by=("stale_grant_is_taken", "lease_has_no_time_to_live"),
)
def proposal_of_dead_hub(scene: Scene) -> None:
    """A stale proposal costs capacity for a moment, never safety: the grant it leads to finds its attempt withdrawn and
    is released at once; where the anchor cannot be asked, the lease ends by itself.
    """
    late = scene.hold(SERVING, Propose)
    agent = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    scene.kill(HUB)
    scene.moment()
    home = scene.agent(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(120.0)
    assert scene.seat(home).presence == "talking"
    late.let_go()
    scene.pass_s(1.0)
    assert len(scene.heard_by(ANCHOR, Granted)) == 1
    assert len(scene.heard_by(SERVING, Release)) == 1
    assert scene.phone(SERVING).rings == 0
    assert scene.talking(ANCHOR, caller)
    assert scene.seat(agent).presence == "ready"
    scene.begin(HUB)
    scene.pass_s(5.0)

    late = scene.hold(SERVING, Propose)
    other = scene.call(ANCHOR)
    scene.pass_s(2.0)
    scene.cut(ANCHOR)
    other.hang_up()
    scene.pass_s(60.0)
    late.let_go()
    scene.pass_s(8.0)
    scene.mend(ANCHOR)
    third = scene.call(THIRD)
    assert scene.phone(SERVING).ringing
    third.hang_up()
    scene.holds()


@interleaving(
    "home agent wins while the grant travels",
    "A1",
    broken_by=("home_win_leaves_the_attempt_open",),
)
def home_wins_against_grant(scene: Scene) -> None:
    """A home agent comes free while the grant is on its way: the attempt is withdrawn first, the grant is given back,
    one seat rings (A1).
    """
    grant = scene.hold(ANCHOR, Granted)
    far = scene.agent(SERVING)
    caller = scene.call(ANCHOR)
    assert len(grant.waiting) == 1
    scene.moment()
    home = scene.agent(ANCHOR)
    assert scene.phone(ANCHOR).ringing
    grant.let_go()
    scene.pass_s(1.0)
    assert scene.phone(SERVING).rings == 0
    assert [row.reason for row in scene.rows(ANCHOR, rows.AttemptWithdrawn)] == [Withdrawn.HOME_WON]
    scene.phone(ANCHOR).answer()
    scene.pass_s(2.0)
    assert scene.talking(ANCHOR, caller)
    assert scene.seat(home).presence == "talking"
    assert scene.seat(far).presence == "ready"
    scene.holds()


@interleaving(
    "`release` overtakes CANCEL",
    "A4",
    broken_by=("release_frees_a_claimed_lease",),
)
def release_overtakes_cancel(scene: Scene) -> None:
    """The caller hangs up at a slow trunk; a doubled grant brings a release that is faster than the CANCEL. The slot is
    free when the seat's channel is gone, and not before (A4).
    """
    agent = scene.agent(SERVING)
    scene.line(SERVING, ANCHOR).duplicate = 1.0
    doubled = scene.hold(ANCHOR, Granted)
    caller = scene.call(ANCHOR)
    doubled.let_one_go()
    scene.pass_s(1.0)
    assert scene.phone(SERVING).ringing
    scene.network.trunk(ANCHOR, SERVING).delay_s = 3.0
    caller.hang_up()
    scene.pass_s(0.02)
    scene.moment()
    doubled.let_go()
    scene.pass_s(0.04)
    assert scene.heard_by(SERVING, Release)
    assert scene.phone(SERVING).ringing
    assert scene.seat(agent).presence == "alerting"
    scene.pass_s(5.0)
    assert not scene.phone(SERVING).ringing
    assert scene.seat(agent).presence == "ready"
    scene.holds()


@interleaving(
    "ring timer fires while the seat still rings",
    "A4",
    "A9",
    broken_by=("timer_frees_a_ringing_seat", "both_sides_ring_equally_long"),
)
def ring_timer_while_ringing(scene: Scene) -> None:
    """Timers run out while the seat rings: the lease's own, which frees nothing (A4), and both ring times, of which the
    serving site's is the shorter, so that the caller's anchor hears why (A9).
    """
    agent = scene.agent(SERVING)
    scene.call(ANCHOR)
    scene.pass_s(10.0)
    scene.moment()
    assert scene.phone(SERVING).ringing
    assert scene.seat(agent).presence == "alerting"
    scene.call(THIRD)
    assert len(scene.heard_by(THIRD, Granted)) == 0
    assert scene.phone(SERVING).rings == 1
    scene.pass_s(10.0)
    assert (scene.seat(agent).presence, scene.seat(agent).reason) == ("not_ready", "no_answer")
    [withdrawn] = scene.rows(ANCHOR, rows.AttemptWithdrawn)
    assert withdrawn.reason is Withdrawn.NO_ANSWER
    scene.holds()


@interleaving(
    "two islands match one slot",
    "A2",
    "B3",
    "I2",
    broken_by=("slot_is_granted_twice",),
)
def two_islands_one_slot(scene: Scene) -> None:
    """No hub: two anchors see the same idle agent and ask at the same moment (B3). The first grant wins, the other is
    refused, tries on, and is served in turn (A2).
    """
    wanted = scene.agent(SERVING)
    scene.kill(HUB)
    scene.pass_s(5.0)
    callers = [scene.call(city, wait_s=0.0) for city in (ANCHOR, THIRD)]
    scene.moment()
    scene.pass_s(0.4)
    grants = [*scene.heard_by(ANCHOR, Granted), *scene.heard_by(THIRD, Granted)]
    refusals = [*scene.heard_by(ANCHOR, NotGranted), *scene.heard_by(THIRD, NotGranted)]
    assert [grant.agent for grant in grants] == [wanted]
    assert [refusal.reason for refusal in refusals] == ["nobody_idle"]
    scene.phone(SERVING).answer()
    scene.pass_s(1.0)
    [served] = [caller for caller in callers if scene.talking(SERVING, caller)]
    served.hang_up()
    assert scene.time.run_until(lambda: scene.phone(SERVING).ringing, 30.0)
    scene.phone(SERVING).answer()
    scene.pass_s(1.0)
    [second] = [caller for caller in callers if scene.talking(SERVING, caller)]
    assert second is not served
    scene.holds()


@interleaving(
    "leg comes after the lease expired and the slot was leased again",
    "A3",
    broken_by=("token_is_not_checked", "token_is_used_again"),
)
def leg_after_slot_leased_again(scene: Scene) -> None:
    """A leg is so slow that its lease is over and the slot is promised to the next caller: it is refused with a reason
    and counted, and the agent gets the caller that the seat was rung for (A3).
    """
    scene.agent(SERVING)
    trunk = scene.network.trunk(ANCHOR, SERVING)
    trunk.delay_s = 9.0
    late = scene.call(ANCHOR)
    scene.pass_s(5.0)
    assert scene.heard_by(SERVING, Taken)
    assert scene.phone(SERVING).rings == 0
    again = scene.hold(SERVING, Taken)
    trunk.delay_s = 3.0
    other = scene.call(ANCHOR)
    scene.pass_s(1.0)
    scene.moment()
    scene.pass_s(2.0)
    again.let_go()
    scene.pass_s(3.0)
    assert [row.reason for row in scene.rows(SERVING, rows.LegRefused)] == ["expired"]
    trunk.delay_s = 0.02
    scene.phone(SERVING).answer()
    scene.pass_s(3.0)
    assert scene.talking(SERVING, other)
    assert not late.over
    scene.holds()
