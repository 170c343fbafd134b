"""One try to have one agent take a contact, as its anchor sees it (federation.md A1, O2)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.ids import AgentId, CityId, ConnectionId, NodeId, Token
from federation.core.moves import Moves


class AttemptState(StrEnum):
    """Where an attempt stands. The two outcomes are final, and exactly one of them is journalled."""

    OPEN = "open"
    """journalled; the province (or a named agent's city) is asked"""
    TAKEN = "taken"
    """a grant was taken, the leg is on its way; the contact no longer races at home"""
    ALERTING = "alerting"
    """the leg has arrived and the seat rings"""
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class AttemptMove(StrEnum):
    """What can happen to an attempt."""

    TAKE = "take"
    ALERT = "alert"
    ANSWER = "answer"
    WITHDRAW = "withdraw"


ATTEMPT_MOVES: Moves[AttemptState, AttemptMove] = Moves(
    "attempt",
    AttemptState.OPEN,
    {
        (AttemptState.OPEN, AttemptMove.TAKE): AttemptState.TAKEN,
        (AttemptState.OPEN, AttemptMove.WITHDRAW): AttemptState.WITHDRAWN,
        (AttemptState.TAKEN, AttemptMove.ALERT): AttemptState.ALERTING,
        (AttemptState.TAKEN, AttemptMove.ANSWER): AttemptState.ANSWERED,  # 200 without 180
        (AttemptState.TAKEN, AttemptMove.WITHDRAW): AttemptState.WITHDRAWN,
        (AttemptState.ALERTING, AttemptMove.ALERT): AttemptState.ALERTING,
        (AttemptState.ALERTING, AttemptMove.ANSWER): AttemptState.ANSWERED,
        (AttemptState.ALERTING, AttemptMove.WITHDRAW): AttemptState.WITHDRAWN,
    },
)


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that is open, or the answered one of a contact in talk.

    ``n`` is issued by the anchor alone, and at most one attempt to another city is open (A1). ``site``, ``agent``,
    ``token`` and ``connection`` are known once a grant has been taken; at home that is at once.
    """

    n: int
    state: AttemptState = AttemptState.OPEN
    site: CityId | None = None
    agent: AgentId | None = None
    token: Token | None = None
    connection: ConnectionId | None = None
    home: bool = False
    since: float = 0.0
    """when it came to its state, the anchor's monotonic seconds"""
    proposer: NodeId | None = None
    """who looks for a city: the hub that it was opened at, or its own anchor (B3); None where one agent is asked for"""
