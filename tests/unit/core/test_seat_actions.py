"""What agents do: refused before anything changes, applied at the right moment, and safe when doubled."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.errors import Refused
from dataset.ids import AgentId, CityId, ConnectionId, ContactId, SkillId, Token
from dataset.rows import Ending
from federation.core.envelope import TransferAnswer, TransferWanted
from federation.core.lease import LeaseState
from site_node.core import events
from site_node.core.agent import Presence
from site_node.core.commands import AgentShown, AnswerSeat, TransferSettled
from site_node.core.contact import ContactState
from site_node.core.events import AgentEvent
from site_node.core.telephony import Cause, Clear, Established, Join, Make, Music, Part, SwitchDown
from tests.unit.core.core_alone import ABROAD, BILL, FAR_CONTACT, FAR_LEG, FAULT, FOSHAN, SHENZHEN, CoreAlone

CALLER = ConnectionId("caller-1")


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone()


def refused(core: CoreAlone, event: AgentEvent) -> str:
    """The slug of a refusal, which has changed nothing."""
    before = (core.site.contacts.all(), core.site.sessions.all(), core.site.serving.all(), list(core.rows))
    with pytest.raises(Refused) as caught:
        core.does(event)
    assert (core.site.contacts.all(), core.site.sessions.all(), core.site.serving.all(), core.rows) == before
    return caught.value.problems[0].slug


# ── logging in and out ──────────────────────────────────────────────────────────────────────────────────────────────
def test_a_seat_in_use_is_refused(core: CoreAlone) -> None:
    core.log_in(1)
    other = AgentId("1002@guangzhou")
    assert refused(core, events.LoggedIn(other, "other", "8001", (FAULT,), True)) == "seat-taken"


def test_whoever_is_not_logged_in_can_do_nothing(core: CoreAlone) -> None:
    nobody = AgentId("1009@guangzhou")
    assert refused(core, events.ReadyAsked(nobody)) == "not-logged-in"
    assert refused(core, events.LoggedOut(nobody)) == "not-logged-in"


def test_a_reload_keeps_state_and_place_among_the_idle(core: CoreAlone) -> None:
    """The same agent from another browser: the session goes on, and the longest idle is still the longest idle."""
    first = core.ready(1)
    core.ready(2)
    core.does(events.LoggedIn(first, "agent 1", "8001", (FAULT,), True))
    assert core.session(first).presence is Presence.READY
    assert core.site.index.agent_for(FAULT) == first


def test_new_skills_serve_those_who_wait_for_them(core: CoreAlone) -> None:
    """An idle agent who logs in again with more skills does not sit idle beside a waiting caller."""
    agent = core.ready(1, BILL)
    which = core.call()
    core.does(events.LoggedIn(agent, "agent 1", "8001", (BILL, FAULT), True))
    assert core.lease(agent).contact == which


def test_logging_out_in_a_contact_is_refused(core: CoreAlone) -> None:
    agent, _ = core.talk()
    assert refused(core, events.LoggedOut(agent)) == "wrong-state"


def test_logging_out_of_a_promised_slot_is_refused(core: CoreAlone) -> None:
    """示闲 to the eye, but a caller of another city is on the way."""
    agent = core.ready()
    core.grant()
    assert refused(core, events.LoggedOut(agent)) == "wrong-state"


def test_a_forced_logout_waits_for_the_end_of_the_contact(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.LoggedOut(agent, "connection_lost", forced=True))
    assert core.session(agent).presence is Presence.TALKING
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.clears(seat)
    assert core.site.sessions.get(agent) is None
    assert core.count(rows.SegmentClosed) == 1
    assert core.ended().contact == which
    assert core.timers.keys() == {("evidence",)}


def test_a_forced_logout_while_the_seat_rings(core: CoreAlone) -> None:
    agent = core.ready()
    which = core.call()
    core.does(events.LoggedOut(agent, "connection_lost", forced=True))
    core.clears(core.lease(agent).seat, Cause.NO_ANSWER)
    assert core.site.sessions.get(agent) is None
    assert core.site.index.waits(which)


def test_a_forced_logout_in_wrap_up_closes_the_segment(core: CoreAlone) -> None:
    agent, _ = core.talk()
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.clears(seat)
    assert core.session(agent).presence is Presence.WRAP_UP
    core.does(events.LoggedOut(agent, "override", forced=True))
    assert core.site.sessions.get(agent) is None
    assert core.count(rows.SegmentClosed) == 1


# ── readiness ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_not_ready_asked_during_a_contact_applies_at_its_end(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.NotReadyAsked(agent, "meal"))
    assert core.session(agent).presence is Presence.TALKING
    core.call()
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.clears(seat)
    core.does(events.FinishAsked(agent, which))
    assert (core.session(agent).presence, core.session(agent).reason) == (Presence.NOT_READY, "meal")
    assert core.ringing() == []


def test_ready_asked_in_a_contact_takes_it_back(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.NotReadyAsked(agent, "meal"))
    core.does(events.ReadyAsked(agent))
    seat = core.lease(agent).seat
    core.does(events.FinishAsked(agent, which))
    core.clears(seat)
    assert core.session(agent).presence is Presence.READY


def test_not_ready_keeps_a_slot_that_is_promised(core: CoreAlone) -> None:
    """A caller of another city is on the way: 示忙 comes when that is over."""
    agent = core.ready()
    grant = core.grant()
    core.does(events.NotReadyAsked(agent, "break"))
    assert core.session(agent).presence is Presence.READY
    core.expires("lease", grant.token)
    assert (core.session(agent).presence, core.session(agent).reason) == (Presence.NOT_READY, "break")


def test_not_ready_while_ringing_applies_when_the_caller_leaves(core: CoreAlone) -> None:
    agent = core.ready()
    core.call()
    core.does(events.NotReadyAsked(agent, "break"))
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.clears(seat)
    assert (core.session(agent).presence, core.session(agent).reason) == (Presence.NOT_READY, "break")


def test_the_longest_idle_is_so_after_the_switch_was_away(core: CoreAlone) -> None:
    core.ready(1)
    core.now += 1.0
    second = core.ready(2)
    core.now += 1.0
    core.does(events.NotReadyAsked(AgentId("1001@guangzhou"), "break"))
    core.does(events.ReadyAsked(AgentId("1001@guangzhou")))
    core.does(SwitchDown("broken"))
    assert core.site.index.agent_for(FAULT) is None
    core.shows()
    assert core.site.index.agent_for(FAULT) == second


# ── the contact at the seat ─────────────────────────────────────────────────────────────────────────────────────────
def test_answer_by_command_where_the_seat_can(core: CoreAlone) -> None:
    agent = core.ready()
    which = core.call()
    core.does(events.AnswerAsked(agent, which))
    assert core.commands == [AnswerSeat("8001")]
    core.log_in(1, can_answer=False)
    assert refused(core, events.AnswerAsked(agent, which)) == "answer-at-phone"


def test_what_is_not_possible_now_is_refused(core: CoreAlone) -> None:
    agent = core.ready()
    which = core.call()
    for event in (
        events.HoldAsked(agent, which),
        events.RetrieveAsked(agent, which),
        events.HangUpAsked(agent, which),
        events.FinishAsked(agent, which),
        events.TransferAsked(agent, which, "r1", to_skill=BILL),
    ):
        assert refused(core, event) == "wrong-state"
    assert refused(core, events.NoteAdded(agent, ContactId("other"), "x")) == "unknown-contact"


def test_hold_is_music_and_retrieve_is_talk(core: CoreAlone) -> None:
    agent, which = core.talk()
    seat = core.lease(agent).seat or CALLER
    core.does(events.HoldAsked(agent, which))
    assert (core.asked(Part), core.asked(Music)) == ([Part(CALLER, seat)], [Music(CALLER)])
    assert refused(core, events.HoldAsked(agent, which)) == "wrong-state"
    core.does(events.RetrieveAsked(agent, which))
    assert core.asked(Join) == [Join(CALLER, seat)]
    assert AgentShown(agent) in core.commands


def test_a_promised_slot_is_no_contact_yet(core: CoreAlone) -> None:
    agent = core.ready()
    core.grant()
    assert refused(core, events.NoteAdded(agent, FAR_CONTACT, "x")) == "unknown-contact"


def test_hanging_up_for_another_city_says_finished_through_the_trunk(core: CoreAlone) -> None:
    """O4: on the leg itself, so that it is exact while the link is down."""
    agent, _ = core.talk_for_foshan()
    core.does(events.HangUpAsked(agent, FAR_CONTACT))
    assert Clear(FAR_LEG, Cause.FINISHED) in core.asked(Clear)
    assert core.lease(agent).state is LeaseState.CLEARING


def test_hanging_up_at_home_ends_the_contact(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.HangUpAsked(agent, which))
    assert (core.ended().ending, core.ended().cause) == (Ending.COMPLETED, "agent")
    assert refused(core, events.HangUpAsked(agent, which)) == "wrong-state"


# ── transfer ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("skill", "agent"), [(None, None), (BILL, ABROAD)])
def test_a_transfer_has_one_target(core: CoreAlone, skill: SkillId | None, agent: AgentId | None) -> None:
    first, which = core.talk()
    assert refused(core, events.TransferAsked(first, which, "r1", skill, agent)) == "transfer-target"


def test_a_transfer_to_an_unknown_skill_keeps_the_caller(core: CoreAlone) -> None:
    first, which = core.talk()
    wish = events.TransferAsked(first, which, "r1", to_skill=SkillId("none"))
    assert refused(core, wish) == "unknown-skill"
    assert core.contact(which).state is ContactState.TALKING


def test_an_agent_who_finishes_after_a_transfer_ends_only_the_own_segment(core: CoreAlone) -> None:
    """O4."""
    first, which = core.talk()
    seat = core.lease(first).seat
    core.does(events.TransferAsked(first, which, "r1", to_skill=BILL))
    assert TransferSettled("r1") in core.commands
    core.does(events.FinishAsked(first, which))
    core.clears(seat)
    assert core.count(rows.ContactEnded) == 0
    assert core.contact(which).state is ContactState.WAITING
    assert core.session(first).presence is Presence.READY


def wish(core: CoreAlone, agent: AgentId, request: str = "r1") -> TransferWanted:
    core.does(events.TransferAsked(agent, FAR_CONTACT, request, to_skill=BILL, note="March bill"))
    [wanted] = core.sent(TransferWanted, FOSHAN)
    return wanted


def test_a_wish_that_is_not_answered_leaves_the_caller_with_the_agent(core: CoreAlone) -> None:
    agent, grant = core.talk_for_foshan()
    wanted = wish(core, agent)
    assert (wanted.token, wanted.notes) == (grant.token, (f"{agent}: March bill",))
    core.expires("wish", "r1")
    [settled] = [one for one in core.commands if isinstance(one, TransferSettled)]
    assert settled.problem is not None
    assert settled.problem.slug == "anchor-unreachable"
    assert core.session(agent).presence is Presence.TALKING
    # the answer comes after all: the agent has been told, nothing more is said
    assert core.hears(TransferAnswer(contact=FAR_CONTACT, request="r1"), FOSHAN) == []
    wish(core, agent, "r2")


def test_a_wish_that_is_granted_frees_the_agent_when_the_leg_goes(core: CoreAlone) -> None:
    agent, _ = core.talk_for_foshan()
    wish(core, agent)
    core.hears(TransferAnswer(contact=FAR_CONTACT, request="r1"), FOSHAN)
    assert core.commands[-1] == TransferSettled("r1")
    assert ("wish", "r1") not in core.timers
    assert core.hears(TransferAnswer(contact=FAR_CONTACT, request="r1"), FOSHAN) == []
    seat = core.lease(agent).seat
    core.clears(FAR_LEG, Cause.TRANSFERRED)
    core.clears(seat)
    assert core.session(agent).presence is Presence.WRAP_UP
    assert core.lease(agent).ended_by == "transfer"


def test_a_wish_that_is_refused_says_why(core: CoreAlone) -> None:
    agent, _ = core.talk_for_foshan()
    wish(core, agent)
    core.hears(TransferAnswer(contact=FAR_CONTACT, request="r1", problem="contact-gone"), FOSHAN)
    [settled] = [one for one in core.commands if isinstance(one, TransferSettled)]
    assert settled.problem is not None
    assert settled.problem.slug == "contact-gone"


# ── transfer, as the anchor hears it ────────────────────────────────────────────────────────────────────────────────
def wanted(core: CoreAlone, which: ContactId, request: str = "r1", skill: SkillId = BILL) -> TransferWanted:
    current = core.contact(which).current
    assert current is not None
    assert current.token is not None
    return TransferWanted(
        contact=which, n=current.n, token=current.token, by=ABROAD, request=request, to_skill=skill, notes=("n",)
    )


def test_a_doubled_transfer_wish_is_answered_alike_and_done_once(core: CoreAlone) -> None:
    which, leg = core.talk_abroad()
    message = wanted(core, which)
    core.hears(message)
    assert [one.problem for one in core.sent(TransferAnswer, SHENZHEN)] == [""]
    assert core.asked(Clear) == [Clear(leg, Cause.TRANSFERRED)]
    assert core.contact(which).notes == ("n",)
    core.hears(message)
    assert [one.problem for one in core.sent(TransferAnswer, SHENZHEN)] == [""]
    assert core.count(rows.TransferAsked) == 1


def test_a_doubled_wish_after_the_next_answer_moves_nobody(core: CoreAlone) -> None:
    which, leg = core.talk_abroad()
    message = wanted(core, which)
    core.hears(message)
    core.clears(leg)
    agent = core.ready(1, BILL)
    core.does(Established(core.lease(agent).seat or CALLER))
    core.hears(message)
    assert core.contact(which).state is ContactState.TALKING
    assert core.count(rows.TransferAsked) == 1


def test_a_wish_with_another_token_is_refused(core: CoreAlone) -> None:
    """Only the agent who has the caller can send the caller on."""
    which, _ = core.talk_abroad()
    message = wanted(core, which)
    stale = TransferWanted(
        contact=which, n=message.n, token=Token("0000000b-000099"), by=ABROAD, request="r9", to_skill=BILL
    )
    core.hears(stale)
    assert [one.problem for one in core.sent(TransferAnswer)] == ["contact-gone"]
    assert core.contact(which).state is ContactState.TALKING


def test_a_wish_for_an_unknown_skill_keeps_the_caller_there(core: CoreAlone) -> None:
    which, _ = core.talk_abroad()
    core.hears(wanted(core, which, skill=SkillId("none")))
    assert [one.problem for one in core.sent(TransferAnswer)] == ["unknown-skill"]
    assert core.contact(which).state is ContactState.TALKING


def test_a_wish_for_a_caller_who_left(core: CoreAlone) -> None:
    which, _ = core.talk_abroad()
    message = wanted(core, which)
    core.clears(CALLER, Cause.NORMAL)
    core.hears(message)
    assert [one.problem for one in core.sent(TransferAnswer)] == ["contact-gone"]
    assert core.asked(Make) == []


def test_the_next_agent_may_be_anywhere_but_the_star_stays_a_star(core: CoreAlone) -> None:
    """O1: every further leg is extended by the anchor."""
    which, _ = core.talk_abroad()
    agent = core.ready(1, BILL)
    core.hears(wanted(core, which))
    assert core.ringing() == ["8001"]
    assert core.lease(agent).partner == CALLER
    assert core.lease(agent).context.handled_by == (AgentId("2001@shenzhen"),)
    assert core.lease(agent).anchor == CityId("guangzhou")
