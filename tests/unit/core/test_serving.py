"""The serving half: grants, legs with good and bad tokens, seats that answer or not, and a switch that was away."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import ConnectionId, Token
from dataset.rows import Withdrawn
from federation.core.envelope import Granted, NotGranted, Release, Taken
from federation.core.lease import LeaseState
from site_node.core import events
from site_node.core.agent import Presence
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Music,
    Offered,
    Part,
    Play,
    Role,
    SwitchDown,
)
from tests.unit.core.core_alone import BILL, FAR_CONTACT, FAR_LEG, FAULT, FOSHAN, HUB, SHENZHEN, CoreAlone

CALLER = ConnectionId("caller-1")


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone()


def withdrawn(grant: Granted) -> events.OutcomeApplied:
    return events.OutcomeApplied(
        rows.AttemptWithdrawn(
            contact=grant.contact,
            n=grant.n,
            reason=Withdrawn.TIMED_OUT,
            site=grant.site,
            agent=grant.agent,
            token=grant.token,
        )
    )


def answered(grant: Granted) -> events.OutcomeApplied:
    return events.OutcomeApplied(
        rows.AttemptAnswered(
            contact=grant.contact,
            n=grant.n,
            site=grant.site,
            agent=grant.agent,
            token=grant.token,
            skill=FAULT,
            service="fault",
            channel="voice",
            waited_s=4.0,
        )
    )


# ── grants ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_grant_holds_the_slot_and_says_so_to_anchor_and_hub(core: CoreAlone) -> None:
    agent = core.ready()
    core.sees_hub()
    core.hears(core.propose(), HUB)
    [grant, copy] = core.sent(Granted)
    assert grant == copy
    assert (len(core.sent(Granted, FOSHAN)), len(core.sent(Granted, HUB))) == (1, 1)
    assert not core.site.index.is_idle(agent)
    assert core.session(agent).presence is Presence.READY
    assert core.timers["lease", grant.token] == core.rules.grant_s


def test_two_islands_want_one_slot(core: CoreAlone) -> None:
    """A2: the first grant wins, the other is refused and tries on."""
    core.ready()
    core.grant()
    core.hears(core.propose(n=2), HUB)
    assert [one.reason for one in core.sent(NotGranted, FOSHAN)] == ["nobody_idle"]


def test_a_doubled_proposal_leases_no_second_slot(core: CoreAlone) -> None:
    core.ready()
    core.ready(2)
    core.grant()
    core.hears(core.propose(), HUB)
    assert core.sent(Granted) == []
    assert core.sent(NotGranted)[0].reason == "granted_already"


def test_why_a_named_agent_is_not_granted(core: CoreAlone) -> None:
    busy = core.ready()
    core.grant()
    away = core.log_in(2)
    core.hears(core.propose(busy, n=2))
    assert core.sent(NotGranted)[0].reason == "agent_busy"
    core.hears(core.propose(away, n=2))
    assert core.sent(NotGranted)[0].reason == "agent_busy"
    core.does(events.LoggedOut(away))
    core.hears(core.propose(away, n=2))
    assert core.sent(NotGranted)[0].reason == "agent_unknown"


def test_nobody_is_granted_while_the_switch_is_away(core: CoreAlone) -> None:
    """A5: missing evidence makes a slot unverified, never free."""
    core.ready()
    core.does(SwitchDown("broken"))
    core.hears(core.propose())
    assert core.sent(NotGranted)[0].reason == "unverified"
    core.shows()
    core.hears(core.propose())
    assert len(core.sent(Granted, FOSHAN)) == 1


def test_an_empty_pool_of_numbers_refuses_the_grant() -> None:
    """A3, and the slot stays free."""
    core = CoreAlone(numbers=1)
    core.ready()
    second = core.ready(2)
    core.grant()
    core.hears(core.propose(n=2))
    assert core.sent(NotGranted)[0].reason == "numbers_exhausted"
    assert core.site.index.is_idle(second)


def test_an_unused_grant_expires_and_gives_the_place_back(core: CoreAlone) -> None:
    agent = core.ready()
    core.ready(2)
    grant = core.grant()
    core.expires("lease", grant.token)
    assert core.site.index.agent_for(FAULT) == agent


def test_a_release_frees_the_slot_for_whoever_waits(core: CoreAlone) -> None:
    core.ready()
    grant = core.grant()
    core.call()
    reason = Withdrawn.TIMED_OUT
    core.hears(Release(contact=FAR_CONTACT, n=1, token=grant.token, reason=reason), FOSHAN)
    assert core.ringing() == ["8001"]
    assert ("lease", grant.token) not in core.timers


def test_taken_gives_the_leg_its_time(core: CoreAlone) -> None:
    core.ready()
    grant = core.grant()
    core.now += 5.0
    core.hears(Taken(contact=FAR_CONTACT, n=1, token=grant.token), FOSHAN)
    assert core.timers["lease", grant.token] == 5.0 + core.rules.leg_serving_s


# ── legs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_seat_rings_when_the_leg_arrives(core: CoreAlone) -> None:
    agent = core.ready()
    grant = core.grant()
    core.leg(grant)
    assert core.place(Mark) < core.place(Alert) < core.place(Make)
    assert core.ringing() == ["8001"]
    assert core.lease(agent).state is LeaseState.RINGING
    assert core.timers.keys() == {("evidence",)}


def test_the_dialled_number_stands_for_the_token(core: CoreAlone) -> None:
    """A3: where trunks carry no headers the number out of the pool is enough."""
    core.ready()
    core.leg(core.grant(), header=False)
    assert core.ringing() == ["8001"]


def refused(core: CoreAlone) -> str:
    [row] = core.wrote(rows.LegRefused)
    assert core.asked(Clear) == [Clear(FAR_LEG, Cause.REFUSED)]
    assert core.ringing() == []
    return row.reason


def test_an_expired_token_is_refused(core: CoreAlone) -> None:
    """The leg comes after the lease expired."""
    core.ready()
    grant = core.grant()
    core.expires("lease", grant.token)
    core.leg(grant)
    assert refused(core) == "expired"


def test_an_expired_token_is_refused_though_the_slot_is_leased_again(core: CoreAlone) -> None:
    core.ready()
    grant = core.grant()
    core.expires("lease", grant.token)
    again = core.grant(n=2)
    core.leg(grant)
    assert refused(core) == "expired"
    assert core.site.serving.lease(again.token) is not None


def test_a_token_of_an_earlier_run_is_unknown(core: CoreAlone) -> None:
    core.ready()
    core.does(Offered(FAR_LEG, "7000", "139", FOSHAN, Token("00000009-000001")))
    assert refused(core) == "unknown"


def test_a_leg_without_any_token_is_refused(core: CoreAlone) -> None:
    core.ready()
    core.does(Offered(FAR_LEG, "7000", "139", FOSHAN))
    assert refused(core) == "missing"


@pytest.mark.parametrize("header", [True, False])
def test_the_token_of_another_sender_is_refused(core: CoreAlone, header: bool) -> None:
    """A3: a number maps to one token, from one sending trunk; the token itself too."""
    core.ready()
    core.leg(core.grant(), header=header, sender=SHENZHEN)
    assert refused(core) == ("mismatch" if header else "missing")


def test_a_token_under_another_number_is_refused(core: CoreAlone) -> None:
    core.ready()
    grant = core.grant()
    core.does(Offered(FAR_LEG, "7005", "139", FOSHAN, grant.token))
    assert refused(core) == "mismatch"


def test_a_second_leg_with_a_claimed_token_is_refused(core: CoreAlone) -> None:
    core.ready()
    grant = core.grant()
    core.leg(grant)
    second = ConnectionId("second")
    core.does(Offered(second, grant.number, "139", FOSHAN, grant.token))
    assert core.asked(Clear) == [Clear(second, Cause.REFUSED)]


@pytest.mark.parametrize("late", ["release", "expiry"])
def test_a_release_overtaken_by_the_leg_frees_nothing(core: CoreAlone, late: str) -> None:
    """A4: the leg has claimed the lease; only the seat's channel frees the slot now."""
    agent = core.ready()
    grant = core.grant()
    core.leg(grant)
    if late == "release":
        release = Release(contact=FAR_CONTACT, n=1, token=grant.token, reason=Withdrawn.TIMED_OUT)
        assert core.hears(release, FOSHAN) == []
    else:
        assert core.does(events.TimerExpired(("lease", grant.token))) == []
    assert core.lease(agent).state is LeaseState.RINGING
    assert not core.site.index.is_idle(agent)


def test_an_answer_for_another_city_is_written_before_its_leg_is_answered(core: CoreAlone) -> None:
    core.talk_for_foshan()
    assert core.place(rows.SegmentOpened) < core.place(Join)
    assert [one.connection for one in core.asked(Answer)] == [FAR_LEG]


@pytest.mark.parametrize(
    ("cause", "reason", "told"),
    [
        (Cause.NO_ANSWER, "no_answer", Cause.NO_ANSWER),
        (Cause.BUSY, "seat_busy", Cause.BUSY),
        (Cause.REJECTED, "rejected", Cause.REJECTED),
        (Cause.UNREACHABLE, "seat_unreachable", Cause.UNREACHABLE),
        (Cause.CONGESTION, "seat_unreachable", Cause.UNREACHABLE),
    ],
)
def test_a_seat_that_does_not_answer_is_not_ready_and_says_why(
    core: CoreAlone, cause: Cause, reason: str, told: Cause
) -> None:
    """示忙 with the reason; the far anchor hears the same from the voice network."""
    agent = core.ready()
    core.leg(core.grant())
    core.clears(core.lease(agent).seat, cause)
    assert (core.session(agent).presence, core.session(agent).reason) == (Presence.NOT_READY, reason)
    assert core.asked(Clear) == [Clear(FAR_LEG, told)]


@pytest.mark.parametrize(
    ("cause", "reason", "why"),
    [
        (Cause.NO_ANSWER, "no_answer", Withdrawn.NO_ANSWER),
        (Cause.BUSY, "seat_busy", Withdrawn.BUSY),
        (Cause.REJECTED, "rejected", Withdrawn.REJECTED),
        (Cause.UNREACHABLE, "seat_unreachable", Withdrawn.UNREACHABLE),
    ],
)
def test_the_same_at_home(core: CoreAlone, cause: Cause, reason: str, why: Withdrawn) -> None:
    agent = core.ready()
    which = core.call()
    core.clears(core.lease(agent).seat, cause)
    assert (core.session(agent).presence, core.session(agent).reason) == (Presence.NOT_READY, reason)
    assert core.wrote(rows.AttemptWithdrawn)[0].reason is why
    assert core.site.index.waits(which)


def test_the_anchor_hangs_up_while_the_seat_rings(core: CoreAlone) -> None:
    agent = core.ready()
    core.leg(core.grant())
    seat = core.lease(agent).seat
    core.clears(FAR_LEG, Cause.NORMAL)
    assert core.asked(Clear) == [Clear(seat or FAR_LEG, Cause.CLEARED_BY_US)]
    core.does(Established(seat or FAR_LEG))  # the agent was faster than our hanging up
    assert core.asked(Clear) == [Clear(seat or FAR_LEG, Cause.CANCELLED)]
    core.clears(seat)
    assert core.session(agent).presence is Presence.READY
    assert core.site.index.is_idle(agent)


# ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_outcome_confirms_the_segment_once(core: CoreAlone) -> None:
    agent, grant = core.talk_for_foshan()
    assert not core.lease(agent).confirmed
    core.does(answered(grant))
    assert core.lease(agent).confirmed
    assert core.does(answered(grant)) == []
    assert core.count(rows.SegmentConfirmed) == 1


def test_a_withdrawn_segment_never_was(core: CoreAlone) -> None:
    agent, grant = core.talk_for_foshan()
    core.does(withdrawn(grant))
    assert core.count(rows.SegmentVoided) == 1
    assert Clear(FAR_LEG, Cause.CANCELLED) in core.asked(Clear)
    assert core.lease(agent).state is LeaseState.CLEARING


def test_an_outcome_faster_than_the_voice_network_stops_the_ringing(core: CoreAlone) -> None:
    """Answer crosses withdrawal with the CANCEL lost: no other outcome will come, so nobody may answer any more."""
    agent = core.ready()
    grant = core.grant()
    core.leg(grant)
    seat = core.lease(agent).seat
    core.does(withdrawn(grant))
    assert [one.connection for one in core.asked(Clear)] == [seat, FAR_LEG]
    core.does(Established(seat or FAR_LEG))
    core.clears(seat)
    assert core.count(rows.SegmentOpened) == 0
    assert core.site.index.is_idle(agent)


def test_an_outcome_faster_than_the_leg_frees_the_slot(core: CoreAlone) -> None:
    agent = core.ready()
    grant = core.grant()
    core.does(withdrawn(grant))
    assert core.site.index.is_idle(agent)
    core.leg(grant)
    assert refused(core) == "expired"


# ── the switch was away ─────────────────────────────────────────────────────────────────────────────────────────────
def held(
    leg: ConnectionId | None, *, established: bool = True, joined_to: ConnectionId | None = None
) -> HeldConnection:
    assert leg is not None
    what = Leg(FAR_CONTACT, 1, Role.SEAT)
    return HeldConnection(leg, True, leg in (CALLER, FAR_LEG), what, joined_to)


def test_a_seat_that_answered_meanwhile_is_in_talk(core: CoreAlone) -> None:
    """Reports of the time without a switch are lost; its snapshot is the evidence (I8)."""
    agent = core.ready()
    core.call()
    seat = core.lease(agent).seat
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER), held(seat))
    assert core.session(agent).presence is Presence.TALKING
    assert core.place(rows.AttemptAnswered) < core.place(Join)


def test_a_leg_abroad_that_was_answered_meanwhile_is_in_talk(core: CoreAlone) -> None:
    which, wish = core.open_abroad()
    core.hears(core.granted(which, wish.n))
    [made] = core.asked(Make)
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER), held(made.connection))
    assert core.place(rows.AttemptAnswered) < core.place(Join)


def test_a_seat_that_should_have_been_hung_up_is_hung_up_again(core: CoreAlone) -> None:
    """The slot would else be held for ever (A4)."""
    agent = core.ready()
    core.call()
    seat = core.lease(agent).seat
    core.clears(CALLER, Cause.NORMAL)
    core.does(SwitchDown("broken"))
    core.shows(held(seat))
    assert [one.connection for one in core.asked(Clear)] == [seat]


def test_an_explicit_finish_is_said_again(core: CoreAlone) -> None:
    """O4: lost with the switch, it would bring the caller back into a queue."""
    agent, grant = core.talk_for_foshan()
    seat = core.lease(agent).seat
    core.does(SwitchDown("broken"))
    core.does(events.HangUpAsked(agent, grant.contact))
    core.shows(held(FAR_LEG), held(seat))
    assert core.asked(Clear)[0] == Clear(FAR_LEG, Cause.FINISHED)
    assert Clear(seat or FAR_LEG, Cause.CLEARED_BY_US) in core.asked(Clear)


def test_a_held_caller_stays_on_hold(core: CoreAlone) -> None:
    """The agent who went to ask a colleague is not put on the air by a line that broke."""
    agent, which = core.talk()
    seat = core.lease(agent).seat
    core.does(events.HoldAsked(agent, which))
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER), held(seat))
    assert (core.asked(Join), core.asked(Music)) == ([], [Music(CALLER)])
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER, joined_to=seat), held(seat, joined_to=CALLER))
    assert core.asked(Part) == [Part(CALLER, seat or CALLER)]


def test_a_caller_who_arrived_meanwhile_or_was_in_the_menu_goes_on(core: CoreAlone) -> None:
    core.does(Offered(CALLER, "10000", "13800000001"))
    core.does(SwitchDown("broken"))
    unmarked = HeldConnection(CALLER, False, True, None, called="10000")
    core.shows(unmarked)
    assert (len(core.asked(Mark)), core.asked(Answer)) == (1, [Answer(CALLER)])
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER))
    assert len(core.asked(Play)) == 1
    core.does(SwitchDown("broken"))
    core.shows(held(CALLER))
    assert len(core.asked(Play)) == 1
    assert core.count(rows.ContactBorn) == 1


def test_a_dead_switch_leaves_nothing_in_hand(core: CoreAlone) -> None:
    """E2: what its switch does not show any more has ended, inferred."""
    agent, _ = core.talk()
    core.does(SwitchDown("died"))
    core.shows()
    assert (core.ended().ending, core.ended().evidence) == (rows.Ending.FAILED, rows.Evidence.INFERRED)
    assert core.session(agent).presence is Presence.WRAP_UP
    assert core.site.contacts.legs() == core.site.serving.legs() == []


def test_a_restart_between_the_transfer_and_its_hanging_up_ends_the_first_seat() -> None:
    """O6: the journal says that the caller was sent on, the switch still shows both in talk: the seat is hung up."""
    before, after = CoreAlone(), CoreAlone()
    agent, which = before.talk()
    seat = before.lease(agent).seat
    before.does(events.TransferAsked(agent, which, "r1", to_skill=BILL))
    journal = [
        rows.Journalled(
            node="guangzhou", lineage=before.rules.lineage, sequence=n, wall=0.0, mono=0.0, boot="b", row=row
        )
        for n, row in enumerate(before.rows)
        if getattr(row, "contact", None) == which
    ]
    after.site.recover(journal, 0.0, 0.0, "b")
    after.shows(held(CALLER, joined_to=seat), held(seat, joined_to=CALLER))
    assert {one.connection for one in after.asked(Clear)} == {seat}
    after.clears(seat)
    assert after.session(agent).presence is Presence.WRAP_UP
    assert after.site.index.waits(which)
