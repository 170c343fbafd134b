"""Attempts of a city's own contacts: what is written, what is asked, and what late and doubled messages do."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import ConnectionId
from dataset.rows import Ending, Entered, Evidence, Left, Withdrawn
from federation.core.envelope import Close, NoProposal, NotGranted, Open, Propose, Release, Taken
from site_node.core import events
from site_node.core.commands import Send
from site_node.core.contact import ContactState
from site_node.core.telephony import (
    Answer,
    Cause,
    Clear,
    Delivered,
    Digit,
    Established,
    Join,
    Make,
    Mark,
    Music,
    Offered,
    Play,
    Played,
    Role,
    Trunk,
)
from tests.unit.core.core_alone import ABROAD, BILL, FAULT, FOSHAN, HUB, SHENZHEN, CoreAlone

CALLER = ConnectionId("caller-1")


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone()


# ── birth, menu, end ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_contact_is_written_before_the_caller_hears_anything(core: CoreAlone) -> None:
    """J1: born in the journal, then answered."""
    core.does(Offered(CALLER, "112", "13800000001"))
    assert core.place(rows.ContactBorn) < core.place(Mark) < core.place(Answer)


def test_a_number_without_a_door_is_turned_away_unborn(core: CoreAlone) -> None:
    core.does(Offered(CALLER, "999", "13800000001"))
    assert core.asked(Clear) == [Clear(CALLER, Cause.UNREACHABLE)]
    assert (core.rows[-1:], core.site.anchor.unknown_doors) == ([], 1)


def test_a_key_counts_in_the_menu_only(core: CoreAlone) -> None:
    which = core.call("10000")
    assert core.asked(Play)[0].barge_in
    core.does(Digit(CALLER, "3"))
    assert core.contact(which).skill == BILL
    assert core.does(Digit(CALLER, "1")) == []


def test_silence_after_the_prompts_is_a_try(core: CoreAlone) -> None:
    which = core.call("10000")
    core.does(Played(CALLER, completed=False))
    assert ("menu", which) not in core.timers
    core.does(Played(CALLER, completed=True))
    core.expires("menu", which)
    assert core.asked(Play)[0].prompts[0].name == "no-input"


def test_the_music_goes_on_after_prompts_in_the_queue(core: CoreAlone) -> None:
    core.call()
    core.does(Played(CALLER, completed=True))
    assert core.asked(Music) == [Music(CALLER)]


def test_a_caller_who_leaves_ends_once_with_every_timer_stopped(core: CoreAlone) -> None:
    core.sees_hub()
    core.call()
    core.does(Established(CALLER))
    core.clears(CALLER, Cause.NORMAL)
    assert (core.ended().ending, core.ended().cause) == (Ending.ABANDONED, "customer")
    assert core.timers.keys() == {("evidence",)}
    assert core.does(Established(CALLER)) != []  # a report that cannot be true any more only hangs up
    core.clears(CALLER, Cause.NORMAL)
    assert core.count(rows.ContactEnded) == 1


def test_whoever_leaves_in_the_menu_was_in_the_menu(core: CoreAlone) -> None:
    core.call("10000")
    core.clears(CALLER, Cause.NORMAL)
    assert core.ended().ending is Ending.MENU


# ── at home ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_attempt_is_written_before_the_seat_rings(core: CoreAlone) -> None:
    core.ready()
    core.call()
    assert core.place(rows.AttemptOpened) < core.place(Make)
    assert core.ringing() == ["8001"]


def test_a_home_answer_is_written_before_the_audio_is_joined(core: CoreAlone) -> None:
    """O2: home answers too."""
    agent = core.ready()
    core.call()
    seat = core.lease(agent).seat
    core.does(Established(seat or CALLER))
    assert core.place(rows.AttemptAnswered) < core.place(Join)
    assert core.asked(Join) == [Join(CALLER, seat or CALLER)]
    assert core.wrote(rows.QueueLeft)[0].how is Left.ANSWERED_HERE


def test_the_caller_leaves_while_the_seat_rings(core: CoreAlone) -> None:
    """The attempt is withdrawn; the slot is free when the seat's channel is gone, and not before (A4)."""
    agent = core.ready()
    core.call()
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is Withdrawn.CUSTOMER_LEFT
    assert [one.connection for one in core.asked(Clear)] == [seat]
    core.call()
    assert core.ringing() == []
    core.clears(seat)
    assert core.ringing() == ["8001"]


def test_the_seat_answers_while_it_is_hung_up(core: CoreAlone) -> None:
    """O2: an answer after withdrawal is hung up at once, and leaves no answer on record."""
    agent = core.ready()
    core.call()
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.does(Established(seat or CALLER))
    assert core.asked(Clear) == [Clear(seat or CALLER, Cause.CANCELLED)]
    assert core.count(rows.AttemptAnswered) == core.count(rows.SegmentOpened) == 0


def test_the_missed_caller_goes_first_to_the_next_agent(core: CoreAlone) -> None:
    agent = core.ready()
    first = core.call()
    core.call()
    core.ready(2, BILL)
    core.clears(core.lease(agent).seat, Cause.NO_ANSWER)
    assert core.site.index.oldest(FAULT) == first


# ── in the province ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_attempt_is_written_before_the_hub_is_asked(core: CoreAlone) -> None:
    """O2: journalled as opened before anyone hears of it."""
    which, wish = core.open_abroad()
    assert core.place(rows.AttemptOpened) < core.place(Open)
    assert (wish.contact, wish.n) == (which, 1)
    assert core.site.index.waits(which)


def test_the_named_city_is_asked_after_the_attempt_is_written(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.TransferAsked(agent, which, "r1", to_agent=ABROAD))
    assert core.place(rows.AttemptOpened) < core.place(Propose)
    assert core.sent(Propose, SHENZHEN)[0].agent == ABROAD


def test_a_grant_is_taken_and_the_leg_carries_its_token(core: CoreAlone) -> None:
    which, wish = core.open_abroad()
    grant = core.granted(which, wish.n)
    core.hears(grant)
    [made] = core.asked(Make)
    assert made.device == Trunk(SHENZHEN, "7100", grant.token)
    assert (made.leg.role, made.leg.contact, made.leg.attempt) == (Role.OUTBOUND, which, wish.n)
    assert [one.token for one in core.sent(Taken, SHENZHEN)] == [grant.token]
    assert not core.site.index.waits(which)


def test_a_doubled_grant_changes_nothing(core: CoreAlone) -> None:
    """Not while the leg is on its way, and not in talk: the lease in use must not be released."""
    which, wish = core.open_abroad()
    grant = core.granted(which, wish.n)
    core.hears(grant)
    [made] = core.asked(Make)
    assert core.hears(grant) == []
    core.does(Established(made.connection))
    assert core.hears(grant) == []


def test_a_second_grant_for_the_same_attempt_is_given_back(core: CoreAlone) -> None:
    """Two islands, or hub and peer, may each have found an agent (A2)."""
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    core.hears(core.granted(which, wish.n, "0000000c-000001", FOSHAN), FOSHAN)
    assert core.asked(Make) == []
    assert [one.token for one in core.sent(Release, FOSHAN)] == ["0000000c-000001"]


def test_a_grant_after_home_has_won_is_given_back(core: CoreAlone) -> None:
    """A1: the home win withdraws the attempt first; the grant that travels meanwhile frees its slot at once."""
    which, wish = core.open_abroad()
    core.ready()
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is Withdrawn.HOME_WON
    assert [one.n for one in core.sent(Close, HUB)] == [wish.n]
    budgets = [one.budget_s for one in core.commands if isinstance(one, Send) and isinstance(one.message, Close)]
    assert budgets == [wish.budget_s], "a hub that was away finds the closing wherever it finds the opening"
    assert core.place(rows.AttemptWithdrawn) < core.place(Make)
    core.hears(core.granted(which, wish.n))
    assert core.asked(Make) == []
    assert [one.token for one in core.sent(Release, SHENZHEN)] == ["0000000b-000001"]


def test_a_grant_for_a_caller_who_has_left_is_given_back(core: CoreAlone) -> None:
    which, wish = core.open_abroad()
    core.clears(CALLER, Cause.NORMAL)
    core.hears(core.granted(which, wish.n))
    assert len(core.sent(Release, SHENZHEN)) == 1


def test_a_grant_for_an_earlier_attempt_is_given_back(core: CoreAlone) -> None:
    """A proposal of minutes ago finds another attempt open: the number decides."""
    which, wish = core.open_abroad()
    core.hears(NoProposal(contact=which, n=wish.n, reason="nobody_idle"), HUB)
    core.expires("look", which)
    [again] = core.sent(Open)
    assert again.n == wish.n + 1
    core.hears(core.granted(which, wish.n))
    assert (core.asked(Make), len(core.sent(Release))) == ([], 1)


def test_an_answer_abroad_is_written_before_the_audio_is_joined(core: CoreAlone) -> None:
    """O2, O3: and the row is addressed to the serving city too."""
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    core.does(Delivered(made.connection))
    core.does(Established(made.connection))
    assert core.place(rows.AttemptAnswered) < core.place(Join)
    assert core.asked(Join) == [Join(CALLER, made.connection)]
    assert core.wrote(rows.QueueLeft)[0].how is Left.SENT_OUT
    assert not [key for key in core.timers if key[0] in ("grant", "leg", "ring")]


@pytest.mark.parametrize("delivered", [False, True])
def test_an_answer_after_withdrawal_is_hung_up_at_once(core: CoreAlone, delivered: bool) -> None:
    """O2: the anchor's time was over, the 200 OK was on its way."""
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    if delivered:
        core.does(Delivered(made.connection))
    core.expires("ring" if delivered else "leg", which, str(wish.n))
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is Withdrawn.TIMED_OUT
    assert core.asked(Clear) == [Clear(made.connection, Cause.CANCELLED)]
    core.does(Established(made.connection))
    assert core.asked(Clear) == [Clear(made.connection, Cause.CANCELLED)]
    assert (core.asked(Join), core.count(rows.AttemptAnswered)) == ([], 0)
    core.clears(made.connection)
    assert core.contact(which).state is ContactState.WAITING


def test_an_answer_for_a_caller_who_has_left_is_hung_up_at_once(core: CoreAlone) -> None:
    """The caller hangs up while 200 OK is on the way."""
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    core.clears(CALLER, Cause.NORMAL)
    core.does(Established(made.connection))
    assert core.asked(Clear) == [Clear(made.connection, Cause.CANCELLED)]
    core.clears(made.connection)
    assert core.count(rows.ContactEnded) == 1


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.NO_ANSWER, Withdrawn.NO_ANSWER),
        (Cause.BUSY, Withdrawn.BUSY),
        (Cause.REJECTED, Withdrawn.REJECTED),
        (Cause.REFUSED, Withdrawn.REFUSED),
        (Cause.CONGESTION, Withdrawn.UNREACHABLE),
        (Cause.SWITCH_FAILED, Withdrawn.UNREACHABLE),
    ],
)
def test_a_leg_that_fails_gives_the_old_place_back(core: CoreAlone, cause: Cause, reason: Withdrawn) -> None:
    which, wish = core.open_abroad()
    other = core.call()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    core.clears(made.connection, cause)
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is reason
    assert core.site.index.oldest(FAULT) == which
    assert core.site.index.waits(other)
    [again] = core.sent(Open)
    assert again.refused_by == (SHENZHEN,)


def test_a_leg_that_breaks_in_talk_puts_the_caller_at_the_front(core: CoreAlone) -> None:
    """O4: a BYE after a fault looks like normal clearing; only "finished" ends the contact."""
    which, leg = core.talk_abroad()
    core.clears(leg, Cause.NORMAL)
    assert core.contact(which).state is ContactState.WAITING
    assert core.wrote(rows.QueueEntered)[0].how is Entered.RETURNED


def test_an_explicit_finish_across_the_trunk_ends_the_contact(core: CoreAlone) -> None:
    """O4: it crosses as a cause of the leg itself, so it holds with the link down."""
    _, leg = core.talk_abroad()
    core.clears(leg, Cause.FINISHED)
    assert (core.ended().ending, core.ended().cause, core.ended().evidence) == (
        Ending.COMPLETED,
        "agent",
        Evidence.SEEN,
    )
    assert core.asked(Clear) == [Clear(CALLER, Cause.NORMAL)]


# ── an agent by name ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_refused_named_agent_is_asked_again_until_the_time_is_over(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.TransferAsked(agent, which, "r1", to_agent=ABROAD))
    [wish] = core.sent(Propose)
    core.hears(NotGranted(contact=which, n=wish.n, site=SHENZHEN, reason="agent_unknown"))
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is Withdrawn.NO_GRANT
    core.expires("retry", which)
    [again] = core.sent(Propose)
    assert again.n == wish.n + 1
    core.clears(core.lease(agent).seat)
    core.does(events.FinishAsked(agent, which))
    core.expires("transfer", which)
    assert core.ringing() == ["8001"]
    assert core.wrote(rows.TransferAsked)[0].outcome == "returned"


def test_a_named_agent_of_ours_who_is_not_there(core: CoreAlone) -> None:
    """Nobody of that name logs in: the caller is back with the first agent, or else in the queue."""
    agent, which = core.talk()
    nobody = core.log_in(9)
    core.does(events.LoggedOut(nobody))
    core.does(events.TransferAsked(agent, which, "r1", to_agent=nobody))
    core.clears(core.lease(agent).seat)
    core.expires("transfer", which)
    assert core.site.index.waits(which)  # the first agent is in wrap-up
    core.does(events.FinishAsked(agent, which))
    assert core.ringing() == ["8001"]


def test_a_named_agent_who_becomes_free_takes_the_caller_before_the_queue(core: CoreAlone) -> None:
    agent, which = core.talk()
    named = core.log_in(2)
    core.does(events.TransferAsked(agent, which, "r1", to_agent=named))
    core.call()
    core.does(events.ReadyAsked(named))
    assert core.lease(named).contact == which


# ── waiting time ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_talk_is_no_waiting(core: CoreAlone) -> None:
    """The original waiting time comes back with the caller; the minutes in talk are no part of it."""
    core.sees_hub()
    which = core.call()
    core.now += 7.0
    agent = core.ready()
    core.does(Established(core.lease(agent).seat or CALLER))
    core.now += 600.0
    core.clears(core.lease(agent).seat, Cause.NORMAL)
    assert core.wrote(rows.QueueEntered)[0].waited_s == pytest.approx(7.0)
    core.now += 2.0
    core.ready(2)
    core.does(Established(core.lease(core.site.sessions.all()[1].agent).seat or CALLER))
    assert core.wrote(rows.AttemptAnswered)[0].waited_s == pytest.approx(9.0)
    assert core.contact(which).first_wait_s == pytest.approx(7.0)
