"""What a look at the switch finds, and that nothing is acted on which one look alone shows (I8)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dataset import rows
from dataset.ids import AttemptId, ConnectionId, Token
from dataset.rows import Repaired, Withdrawn
from federation.core.lease import LeaseState
from site_node.core import events
from site_node.core.agent import Presence
from site_node.core.contact import ContactState
from site_node.core.telephony import (
    Cause,
    Clear,
    Delivered,
    HeldConnection,
    Join,
    Leg,
    Music,
    Part,
    Play,
    Role,
    Show,
    Shown,
    SwitchDown,
    SwitchUp,
)
from tests.unit.core.core_alone import ABROAD, FAR_CONTACT, FAR_LEG, FAULT, CoreAlone

CALLER = ConnectionId("caller-1")


@pytest.fixture
def core() -> CoreAlone:
    return CoreAlone()


def held(
    connection: ConnectionId | None, joined_to: ConnectionId | None = None, *, established: bool = True
) -> HeldConnection:
    """A connection that is what it should be."""
    assert connection is not None
    leg = Leg(FAR_CONTACT, 1, Role.SEAT)
    return HeldConnection(
        connection, established, incoming=connection in (CALLER, FAR_LEG), leg=leg, joined_to=joined_to
    )


def look(core: CoreAlone, *shown: HeldConnection) -> list[Repaired]:
    """An interval passes and the switch shows this; what was repaired."""
    core.expires("evidence")
    [show] = core.asked(Show)
    core.does(Shown(show.number, shown))
    return core.wrote(Repaired)


def looks(core: CoreAlone, *shown: HeldConnection, times: int = 2) -> Repaired:
    """The same shown again and again; the one repair, by the last of these looks."""
    for _ in range(times - 1):
        assert look(core, *shown) == []
    [row] = look(core, *shown)
    return row


# ── when ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_two_looks_alike_are_needed(core: CoreAlone) -> None:
    agent, _ = core.talk()
    caller = held(CALLER, core.lease(agent).seat)
    assert look(core, caller) == []
    seat = held(core.lease(agent).seat, CALLER)
    assert look(core, caller, seat) == []
    assert look(core, caller) == [], "it was there in between"
    [row] = look(core, caller)
    assert (row.what, row.agent) == ("seat_gone", agent)


def test_what_was_touched_in_between_is_looked_at_anew(core: CoreAlone) -> None:
    agent, which = core.talk()
    caller, seat = held(CALLER), held(core.lease(agent).seat)
    assert look(core, caller, seat) == []
    core.does(events.HoldAsked(agent, which))
    core.now += 1.0
    core.does(events.RetrieveAsked(agent, which))
    assert look(core, caller, seat) == [], "not joined, but that was asked for a moment ago"
    assert looks(core, caller, seat, times=1).what == "not_joined"
    assert core.asked(Join) == [Join(CALLER, core.lease(agent).seat or CALLER)]


def test_an_old_answer_counts_for_nothing(core: CoreAlone) -> None:
    """A look that is given up after minutes may still be answered."""
    agent, _ = core.talk()
    core.expires("evidence")
    [first] = core.asked(Show)
    for _ in range(4):
        core.expires("evidence")
    [second] = core.asked(Show)
    assert second.number == first.number + 1
    core.does(Shown(first.number, ()))
    core.does(Shown(first.number, ()))
    assert core.count(Repaired) == 0
    assert core.session(agent).presence is Presence.TALKING


def test_a_switch_that_was_away_is_adopted_from_and_looks_begin_anew(core: CoreAlone) -> None:
    agent, _ = core.talk()
    seat = held(core.lease(agent).seat, CALLER)
    assert look(core, seat) == []
    core.does(SwitchDown("broken"))
    assert ("evidence",) not in core.timers
    core.does(SwitchUp((held(CALLER, seat.connection), seat)))
    assert look(core, seat) == [], "the first look since"


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_held_caller_who_hears_the_agent_is_parted(core: CoreAlone) -> None:
    agent, which = core.talk()
    core.does(events.HoldAsked(agent, which))
    seat = core.lease(agent).seat
    assert looks(core, held(CALLER, seat), held(seat, CALLER)).what == "held_joined"
    assert (core.asked(Part), core.asked(Music)) == ([Part(CALLER, seat or CALLER)], [Music(CALLER)])


def test_a_menu_that_nothing_happens_in_is_said_again(core: CoreAlone) -> None:
    core.call("10000")
    for _ in range(8):
        assert look(core, held(CALLER)) == []
    assert looks(core, held(CALLER), times=1).what == "menu_silent"
    assert len(core.asked(Play)) == 1


@pytest.mark.parametrize("timer", ["grant", "leg", "ring"])
def test_an_attempt_whose_timer_is_lost_is_withdrawn(core: CoreAlone, timer: str) -> None:
    """Longer open than every budget allows."""
    which, wish = core.open_abroad()
    shown = [held(CALLER)]
    if timer != "grant":
        core.hears(core.granted(which, wish.n))
        leg = core.contact(which).remote
        assert leg is not None
        shown.append(held(leg.connection, established=False))
        if timer == "ring":
            core.does(Delivered(leg.connection or CALLER))
    del core.timers[timer, which, str(wish.n)]
    for _ in range(6):
        if look(core, *shown):
            break
    [row] = core.wrote(Repaired)
    assert row.what == "attempt_overdue"
    [withdrawn] = core.wrote(rows.AttemptWithdrawn)
    assert withdrawn.reason is (Withdrawn.NO_GRANT if timer == "grant" else Withdrawn.TIMED_OUT)
    assert core.site.stuck(core.now)["attempt"] == 0


def test_a_waiting_caller_without_a_place_is_put_back(core: CoreAlone) -> None:
    which = core.call()
    core.site.index.leave(which)
    assert core.site.stuck(core.now)["waiting"] == 1
    assert looks(core, held(CALLER), times=3).what == "waits_for_nothing"
    assert core.site.index.waits(which)
    assert core.site.stuck(core.now)["waiting"] == 0


def test_a_transfer_that_nobody_ends_goes_back(core: CoreAlone) -> None:
    """A wish for an agent who is gone, its timer lost."""
    agent, which = core.talk()
    core.does(events.TransferAsked(agent, which, "r1", to_agent=ABROAD))
    core.clears(core.lease(agent).seat)
    core.does(events.FinishAsked(agent, which))
    del core.timers["transfer", which]
    del core.timers["grant", which, str(core.contact(which).attempts)]
    for _ in range(9):
        if any(row.what == "transfer_overdue" for row in look(core, held(CALLER))):
            break
    assert core.ringing() == ["8001"]
    assert core.session(agent).presence is Presence.ALERTING


def test_a_try_at_home_that_no_lease_stands_for_is_withdrawn(core: CoreAlone) -> None:
    agent = core.ready()
    which = core.call()
    lease = core.lease(agent)
    del core.site.serving._leases[lease.token]
    found = {row.what for _ in range(2) for row in look(core, held(CALLER))}
    assert found == {"attempt_without_lease", "session_without_lease", "leg_forgotten"}
    assert core.site.index.waits(which)
    assert (core.session(agent).presence, core.session(agent).lease) == (Presence.NOT_READY, None)


def test_a_talk_at_home_that_no_lease_stands_for_comes_back(core: CoreAlone) -> None:
    """The seat's leg is there: that is hung up first, and the agent freed only then (A4)."""
    agent, which = core.talk()
    lease = core.lease(agent)
    del core.site.serving._leases[lease.token]
    shown = (held(CALLER, lease.seat), replace(held(lease.seat, CALLER), called="8001"))
    assert {row.what for _ in range(2) for row in look(core, *shown)} == {"talk_without_lease", "orphan"}
    assert Clear(lease.seat or CALLER, Cause.CLEARED_BY_US) in core.asked(Clear)
    assert core.contact(which).state is ContactState.WAITING
    assert core.session(agent).presence is Presence.TALKING
    core.clears(lease.seat)
    assert looks(core, held(CALLER)).what == "session_without_lease"
    assert core.session(agent).presence is Presence.NOT_READY


# ── slots ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_grant_whose_timer_is_lost_is_freed(core: CoreAlone) -> None:
    """Unclaimed: here time may do it (A4)."""
    agent = core.ready()
    grant = core.grant()
    del core.timers["lease", grant.token]
    assert [row.what for _ in range(4) for row in look(core)] == ["grant_overdue"]
    assert core.site.index.is_idle(agent)


def test_a_claimed_slot_is_never_freed_by_time(core: CoreAlone) -> None:
    """A4: it is hung up again, and again; only the switch's word frees it."""
    agent = core.ready()
    core.leg(core.grant())
    seat, partner = held(core.lease(agent).seat, established=False), held(FAR_LEG, established=False)
    for _ in range(20):
        look(core, seat, partner)
    assert {row.what for row in core.rows if isinstance(row, Repaired)} == {"ring_overdue"}
    assert core.lease(agent).state is LeaseState.RINGING
    assert not core.site.index.is_idle(agent)


def test_wrap_up_whose_timer_is_lost_ends(core: CoreAlone) -> None:
    agent, _ = core.talk()
    core.clears(CALLER, Cause.NORMAL)
    core.clears(core.lease(agent).seat)
    del core.timers["wrap_up", core.lease(agent).token]
    assert [row.what for _ in range(4) for row in look(core)] == ["wrap_up_overdue"]
    assert core.session(agent).presence is Presence.READY


def test_an_agent_reserved_for_nobody_is_freed(core: CoreAlone) -> None:
    agent = core.ready()
    grant = core.grant()
    del core.site.serving._leases[grant.token]
    assert {row.what for _ in range(2) for row in look(core)} == {"session_without_lease", "number_without_lease"}
    assert core.site.index.is_idle(agent)
    assert grant.number not in dict(core.site.serving._numbers.lent())


def test_an_idle_agent_whom_nobody_counts_is_offered(core: CoreAlone) -> None:
    agent = core.ready()
    core.site.index.busy(agent)
    assert looks(core).what == "idle_unlisted"
    assert core.site.index.is_idle(agent)


def test_a_seat_that_rings_for_nobody_is_hung_up(core: CoreAlone) -> None:
    agent, which = core.talk()
    seat = core.lease(agent).seat
    core.site.contacts.change(which, current=None, state=ContactState.WAITING)
    core.site.index.wait(which, FAULT, 0)
    assert [row.what for _ in range(2) for row in look(core, held(CALLER), held(seat))] == ["seat_left_over"]
    assert core.lease(agent).state is LeaseState.CLEARING


def test_a_leg_abroad_that_is_not_answered_is_answered_again(core: CoreAlone) -> None:
    agent, _ = core.talk_for_foshan()
    seat = core.lease(agent).seat
    row = looks(core, held(FAR_LEG, seat, established=False), held(seat, FAR_LEG))
    assert (row.what, row.connection) == ("not_answered", FAR_LEG)


def test_legs_of_what_is_over_are_forgotten(core: CoreAlone) -> None:
    """Their ``Cleared`` never came."""
    core.call()
    core.site.contacts.end(core.site.contacts.all()[0].id)
    assert looks(core).what == "leg_forgotten"
    assert core.site.contacts.legs() == []


def test_unconfirmed_segments_are_counted_and_left_alone(core: CoreAlone) -> None:
    """O3: the row may be behind a cut line for hours."""
    agent, grant = core.talk_for_foshan()
    seat = core.lease(agent).seat
    core.now += 301.0
    assert core.site.stuck(core.now)["unconfirmed"] == 1
    assert look(core, held(FAR_LEG, seat), held(seat, FAR_LEG)) == []
    assert AttemptId(grant.contact, grant.n) == core.lease(agent).attempt


def test_what_the_switch_does_not_show_frees_no_other(core: CoreAlone) -> None:
    """Two agents in talk, one seat lost: the other call is not touched."""
    agent, _ = core.talk()
    other, _ = core.talk(2)
    second = ConnectionId("caller-2")
    shown = (held(CALLER), held(second, core.lease(other).seat), held(core.lease(other).seat, second))
    assert looks(core, *shown).agent == agent
    assert core.session(other).presence is Presence.TALKING
    assert Token(core.lease(other).token) == core.session(other).lease


def test_a_caller_who_may_not_wait_is_let_go_though_the_timer_is_lost(core: CoreAlone) -> None:
    """Failure 27: not put into a queue, as one who waits for nothing would be."""
    which = core.call()
    core.site.index.leave(which)
    core.site.contacts.change(which, turned_away="queue_full")
    assert core.site.stuck(core.now)["waiting"] == 0
    assert [row.what for _ in range(3) for row in look(core, held(CALLER))] == ["closing_overdue"]
    assert core.ended().cause == "queue_full"
