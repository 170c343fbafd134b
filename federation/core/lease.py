"""The serving site's hold on one slot for one attempt (federation.md A2-A6)."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import msgspec

from dataset.ids import AgentId, AttemptId, CityId, ConnectionId, ContactId, Token
from federation.core.envelope import Context
from federation.core.moves import Moves


class LeaseState(StrEnum):
    """Where a lease stands; every state but GONE holds the slot."""

    GRANTED = "granted"
    """promised; waits for the leg"""
    RINGING = "ringing"
    """claimed by its leg (at home: at once); the seat rings"""
    TALKING = "talking"
    HELD = "held"
    CLEARING = "clearing"
    """over; but only the switch's report that the seat's channel is gone frees the slot (A4)"""
    GONE = "gone"


class LeaseMove(StrEnum):
    """What can happen to a lease."""

    CLAIM = "claim"
    EXPIRE = "expire"
    RELEASE = "release"
    ANSWER = "answer"
    HOLD = "hold"
    RETRIEVE = "retrieve"
    END = "end"
    """finished by the agent, the partner left, or the caller was sent on"""
    SEAT_GONE = "seat_gone"
    """the switch says that the seat's channel is gone"""


_S, _M = LeaseState, LeaseMove
LEASE_MOVES: Moves[LeaseState, LeaseMove] = Moves(
    "lease",
    _S.GRANTED,
    {
        (_S.GRANTED, _M.CLAIM): _S.RINGING,
        (_S.GRANTED, _M.EXPIRE): _S.GONE,
        (_S.GRANTED, _M.RELEASE): _S.GONE,
        # `release` overtaken by the leg, or a timer that fires late: the claim stands (A4)
        (_S.RINGING, _M.RELEASE): _S.RINGING,
        (_S.RINGING, _M.EXPIRE): _S.RINGING,
        (_S.TALKING, _M.RELEASE): _S.TALKING,
        (_S.HELD, _M.RELEASE): _S.HELD,
        (_S.CLEARING, _M.RELEASE): _S.CLEARING,
        (_S.RINGING, _M.ANSWER): _S.TALKING,
        (_S.RINGING, _M.END): _S.CLEARING,
        (_S.RINGING, _M.SEAT_GONE): _S.GONE,
        (_S.TALKING, _M.HOLD): _S.HELD,
        (_S.TALKING, _M.END): _S.CLEARING,
        (_S.TALKING, _M.SEAT_GONE): _S.GONE,
        (_S.HELD, _M.RETRIEVE): _S.TALKING,
        (_S.HELD, _M.END): _S.CLEARING,
        (_S.HELD, _M.SEAT_GONE): _S.GONE,
        # the seat answers while we are already hanging it up: it stays dead
        (_S.CLEARING, _M.ANSWER): _S.CLEARING,
        (_S.CLEARING, _M.END): _S.CLEARING,
        (_S.CLEARING, _M.SEAT_GONE): _S.GONE,
    },
)


class Lease(msgspec.Struct, frozen=True):
    """One slot of one agent, held for one attempt. Times are the site's monotonic seconds."""

    token: Token
    attempt: AttemptId
    anchor: CityId
    agent: AgentId
    context: Context
    state: LeaseState = LeaseState.GRANTED
    number: str = ""
    """out of the pool; empty for an attempt at home"""
    seat: ConnectionId | None = None
    partner: ConnectionId | None = None
    """the inbound leg, or at home the customer's own connection"""
    since: float = 0.0
    """when it was granted, claimed, or began to be cleared"""
    answered_at: float | None = None
    outbound: bool = False
    """a call-back: the seat answers first, the customer after it"""
    talk_at: float | None = None
    """of a call-back: when the customer answered"""
    ended_at: float | None = None
    held_since: float | None = None
    held_s: float = 0.0
    confirmed: bool = False
    wrap_up: bool = True
    """False once the agent said that there is nothing to wrap up"""
    ended_by: str = ""
    disposition: str = ""
    notes: tuple[str, ...] = ()

    @property
    def contact(self) -> ContactId:
        """The contact this slot is held for."""
        return self.attempt.contact

    @property
    def speaks_since(self) -> float | None:
        """Since when agent and customer can hear each other."""
        return self.talk_at if self.outbound else self.answered_at


class NumberPool:
    """Dialled numbers that stand for tokens where a trunk carries no headers (A3).

    A number maps to one token, from one sending city; after its lease it rests for ``rest_s`` seconds before reuse.
    """

    def __init__(self, numbers: range, rest_s: float) -> None:
        self._free = deque(str(number) for number in numbers)
        self._resting: deque[tuple[float, str]] = deque()
        self._tokens: dict[str, tuple[CityId, Token]] = {}
        self._rest_s = rest_s

    def lend(self, sender: CityId, token: Token, now: float) -> str | None:
        """A number for ``token``, good on the trunk from ``sender``; None when the pool is empty."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            return None
        number = self._free.popleft()
        self._tokens[number] = (sender, token)
        return number

    def token(self, number: str, sender: CityId) -> Token | None:
        """The token that ``number`` stands for on the trunk from ``sender`` now."""
        expected, token = self._tokens.get(number, (None, None))
        return token if expected == sender else None

    def lent(self) -> list[tuple[str, Token]]:
        """Every number that stands for a token now."""
        return [(number, token) for number, (_, token) in self._tokens.items()]

    def give_back(self, number: str, now: float) -> None:
        """The lease is over; the number rests."""
        if self._tokens.pop(number, None) is not None:
            self._resting.append((now + self._rest_s, number))
