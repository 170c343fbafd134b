"""The serving site's hold on a slot, move by move (A2-A6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dataset.ids import AgentId, AttemptId, CityId, ContactId, SkillId, Token
from federation.core.envelope import Context
from federation.core.lease import LEASE_MOVES, Lease, LeaseMove, LeaseState
from site_node.core.serving import held_until

CONTEXT = Context(
    calling="13800000001",
    door="112",
    path=(),
    service="fault",
    skill=SkillId("fault"),
    channel="voice",
    priority=0,
    package="p@1",
    waited_s=0.0,
)


def lease() -> Lease:
    attempt = AttemptId(ContactId("0020-00000001-000001"), 1)
    return Lease(Token("0000000a-000001"), attempt, CityId("foshan"), AgentId("1001@guangzhou"), CONTEXT)


def test_a_new_lease_waits_for_its_leg_and_is_unconfirmed() -> None:
    fresh = lease()
    assert (fresh.state, fresh.confirmed, fresh.seat, fresh.partner) == (LeaseState.GRANTED, False, None, None)
    assert fresh.contact == "0020-00000001-000001"


@given(st.lists(st.sampled_from(LeaseMove)))
def test_whatever_happens_a_claimed_slot_is_freed_by_its_seat_only(moves: list[LeaseMove]) -> None:
    """A4 over every order of events: no release, expiry, answer or end frees what a leg has claimed."""
    state, claimed = LeaseState.GRANTED, False
    for move in moves:
        if not LEASE_MOVES.may(state, move):
            continue
        after = LEASE_MOVES.after(state, move)
        if claimed and after is LeaseState.GONE:
            assert move is LeaseMove.SEAT_GONE
        claimed = claimed or move is LeaseMove.CLAIM
        state = after


@given(st.lists(st.sampled_from(LeaseMove)))
def test_a_seat_that_is_being_hung_up_never_talks_again(moves: list[LeaseMove]) -> None:
    state = LeaseState.CLEARING
    for move in moves:
        if LEASE_MOVES.may(state, move):
            state = LEASE_MOVES.after(state, move)
            assert state in (LeaseState.CLEARING, LeaseState.GONE)


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)), max_size=8))
def test_holds_add_up(holds: list[tuple[float, float]]) -> None:
    """Every hold is counted once, whether it was ended by retrieving or is still open."""
    one, now = lease(), 0.0
    for talk_s, hold_s in holds:
        now += talk_s
        one = replace(one, held_since=now)
        now += hold_s
        one = held_until(one, now)
        assert held_until(one, now + 5.0) == one
    assert abs(one.held_s - sum(hold for _, hold in holds)) < 1e-6
