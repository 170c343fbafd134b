"""Every table of transitions: whole, with an end to reach, and closed against what is not in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from federation.core.attempt import ATTEMPT_MOVES, AttemptMove, AttemptState
from federation.core.lease import LEASE_MOVES, LeaseMove, LeaseState
from federation.core.moves import IllegalMove, Moves
from site_node.core.agent import AGENT_MOVES, AgentMove, Presence
from site_node.core.call_back import CALL_BACK_MOVES, CallBackMove, CallBackState
from site_node.core.contact import CONTACT_MOVES, Contact, ContactMove, ContactState
from site_node.core.contacts import Contacts

TABLES: dict[str, tuple[Moves[Any, Any], type[StrEnum], type[StrEnum], set[Any]]] = {
    "contact": (CONTACT_MOVES, ContactState, ContactMove, {ContactState.ENDED}),
    "call-back": (CALL_BACK_MOVES, CallBackState, CallBackMove, {CallBackState.CLEARED}),
    "attempt": (ATTEMPT_MOVES, AttemptState, AttemptMove, {AttemptState.ANSWERED, AttemptState.WITHDRAWN}),
    "lease": (LEASE_MOVES, LeaseState, LeaseMove, {LeaseState.GONE}),
    # a session has no final state: logging out, at rest only, is no session at all
    "agent": (AGENT_MOVES, Presence, AgentMove, {Presence.NOT_READY}),
}


def reached(moves: Moves[Any, Any], start: Any) -> set[Any]:
    found, todo = {start}, [start]
    while todo:
        state = todo.pop()
        for (before, _), after in moves.table.items():
            if before == state and after not in found:
                found.add(after)
                todo.append(after)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached(name: str) -> None:
    moves, states, _, _ = TABLES[name]
    assert reached(moves, moves.first) == set(states)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_end(name: str) -> None:
    moves, states, _, final = TABLES[name]
    for state in states:
        assert reached(moves, state) & final, state


@pytest.mark.parametrize("name", TABLES)
def test_every_move_is_in_use(name: str) -> None:
    moves, _, words, _ = TABLES[name]
    assert {move for _, move in moves.table} == set(words)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_not_in_the_table_is_refused(name: str) -> None:
    moves, states, words, _ = TABLES[name]
    for state in states:
        for move in words:
            assert moves.may(state, move) is ((state, move) in moves.table)
            if moves.may(state, move):
                assert moves.after(state, move) == moves.table[state, move]
                continue
            with pytest.raises(IllegalMove) as refused:
                moves.after(state, move)
            assert (refused.value.machine, refused.value.state, refused.value.move) == (moves.name, state, move)


@pytest.mark.parametrize("name", ["contact", "attempt", "lease"])
def test_nothing_leaves_a_final_state(name: str) -> None:
    moves, _, _, final = TABLES[name]
    assert not [state for state, _ in moves.table if state in final]


def test_late_events_have_rows_of_their_own() -> None:
    """A release or a timer after the claim, an answer while we hang up, a second alerting: nothing is illegal there."""
    claimed = (LeaseState.RINGING, LeaseState.TALKING, LeaseState.HELD, LeaseState.CLEARING)
    for state in claimed:
        assert LEASE_MOVES.after(state, LeaseMove.RELEASE) is state  # A4
    assert LEASE_MOVES.after(LeaseState.RINGING, LeaseMove.EXPIRE) is LeaseState.RINGING
    assert LEASE_MOVES.after(LeaseState.CLEARING, LeaseMove.ANSWER) is LeaseState.CLEARING
    assert LEASE_MOVES.after(LeaseState.CLEARING, LeaseMove.END) is LeaseState.CLEARING
    assert ATTEMPT_MOVES.after(AttemptState.ALERTING, AttemptMove.ALERT) is AttemptState.ALERTING
    assert ATTEMPT_MOVES.after(AttemptState.TAKEN, AttemptMove.ANSWER) is AttemptState.ANSWERED


def test_only_the_seats_channel_frees_a_claimed_slot() -> None:
    """A4, as the table has it: from the claim on, only SEAT_GONE leads to GONE."""
    freeing = {(state, move) for (state, move), after in LEASE_MOVES.table.items() if after is LeaseState.GONE}
    assert {move for state, move in freeing if state is not LeaseState.GRANTED} == {LeaseMove.SEAT_GONE}


def test_an_illegal_move_changes_no_contact() -> None:
    """Illegal events fail before anything changes; the ending too."""
    contacts = Contacts()
    ended = Contact("c", "l", "1", "112", "p@1", 0.0, state=ContactState.ENDED)  # type: ignore[arg-type]
    contacts.keep(ended)
    for move in ContactMove:
        with pytest.raises(IllegalMove):
            contacts.move(ended.id, move, answers=7)
    with pytest.raises(IllegalMove):
        contacts.end(ended.id)
    assert contacts.all() == [ended]
