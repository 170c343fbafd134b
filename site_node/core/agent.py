"""An agent session: an agent logged in at a seat (坐席会话)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.ids import AgentId, SkillId, Token
from federation.core.moves import Moves


class Presence(StrEnum):
    """What the agent and everybody else sees. Logged out is no session at all (下线)."""

    NOT_READY = "not_ready"
    """示忙, with a reason"""
    READY = "ready"
    """示闲; a slot promised to another city's caller is still shown so"""
    ALERTING = "alerting"
    """振铃"""
    TALKING = "talking"
    """通话"""
    HELD = "held"
    """保持"""
    WRAP_UP = "wrap_up"
    """话后"""


class AgentMove(StrEnum):
    """What can happen to a session."""

    READY = "ready"
    NOT_READY = "not_ready"
    RING = "ring"
    CALL_OUT = "call_out"
    """the agent calls a customer back: the own telephone rings first"""
    MISS = "miss"
    """the seat did not answer: 示忙 with the reason"""
    UNRING = "unring"
    """the caller left, or another agent had it: back to 示闲 at the old place"""
    ANSWER = "answer"
    HOLD = "hold"
    RETRIEVE = "retrieve"
    END = "end"
    """the seat's channel is gone after an answer"""
    FINISH_READY = "finish_ready"
    FINISH_NOT_READY = "finish_not_ready"


_P, _M = Presence, AgentMove
AGENT_MOVES: Moves[Presence, AgentMove] = Moves(
    "agent session",
    _P.NOT_READY,
    {
        (_P.NOT_READY, _M.READY): _P.READY,
        (_P.NOT_READY, _M.NOT_READY): _P.NOT_READY,  # another reason
        (_P.READY, _M.NOT_READY): _P.NOT_READY,
        (_P.READY, _M.RING): _P.ALERTING,
        (_P.READY, _M.CALL_OUT): _P.ALERTING,
        (_P.NOT_READY, _M.CALL_OUT): _P.ALERTING,  # and 示忙 again at its end
        (_P.ALERTING, _M.MISS): _P.NOT_READY,
        (_P.ALERTING, _M.UNRING): _P.READY,
        (_P.ALERTING, _M.ANSWER): _P.TALKING,
        (_P.TALKING, _M.HOLD): _P.HELD,
        (_P.TALKING, _M.END): _P.WRAP_UP,
        (_P.HELD, _M.RETRIEVE): _P.TALKING,
        (_P.HELD, _M.END): _P.WRAP_UP,
        (_P.WRAP_UP, _M.FINISH_READY): _P.READY,
        (_P.WRAP_UP, _M.FINISH_NOT_READY): _P.NOT_READY,
    },
)


class AgentSession(msgspec.Struct, frozen=True):
    """A value, replaced and never changed. Times are the site's monotonic seconds.

    The voice slot is free when ``lease`` is None; only its own site assigns it (I2). ``verified`` is False after a
    restart, or while the switch is away, until the switch has shown the seat's channels (A5).
    """

    agent: AgentId
    name: str
    seat: str
    skills: tuple[SkillId, ...]
    can_answer: bool
    presence: Presence = Presence.NOT_READY
    reason: str = "login"
    since: float = 0.0
    lease: Token | None = None
    wrapping: Token | None = None
    """the lease whose segment is in wrap-up"""
    then_not_ready: str = ""
    """示忙 asked for during a contact: reason that applies at its end"""
    leaving: bool = False
    """connection lost for good during a contact: logs out at its end"""
    verified: bool = True
