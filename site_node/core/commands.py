"""What the core wants done. Commands are values; the shell carries them out in the order given.

Nothing leaves before the rows decided earlier (in this step or one before) are synced (J1, O2, S1); timers alone are
set at once.
"""

from __future__ import annotations

import msgspec

from dataset.errors import Problem
from dataset.ids import AgentId, ContactId, NodeId
from dataset.rows import AnyRow
from federation.core.envelope import AnyMessage
from site_node.core.self_records import Question
from site_node.core.telephony import Request

TimerKey = tuple[str, ...]


class Write(msgspec.Struct, frozen=True):
    """Journal ``row``; besides the hub, ``receivers`` get it through their ledgers."""

    row: AnyRow
    receivers: tuple[NodeId, ...] = ()


class Ask(msgspec.Struct, frozen=True):
    """A request to the switch."""

    request: Request


class AnswerSeat(msgspec.Struct, frozen=True):
    """Answer the phone that rings at ``extension`` (capability SEAT_ANSWER)."""

    extension: str


class Send(msgspec.Struct, frozen=True):
    """A command message to another node, void after ``budget_s`` seconds (A9)."""

    to: NodeId
    message: AnyMessage
    budget_s: float


class StartTimer(msgspec.Struct, frozen=True):
    """``TimerExpired(key)`` after ``after_s`` seconds; a timer with the same key is replaced."""

    key: TimerKey
    after_s: float


class StopTimer(msgspec.Struct, frozen=True):
    """Forget the timer ``key``; nothing when there is none."""

    key: TimerKey


class AgentShown(msgspec.Struct, frozen=True):
    """The agent's session changed; whoever watches it looks again."""

    agent: AgentId


class TransferSettled(msgspec.Struct, frozen=True):
    """The outcome of an agent's transfer: taken over (no problem), or not."""

    request: str
    problem: Problem | None = None


class AskRecords(msgspec.Struct, frozen=True):
    """A question of a self-service to the records; ``RecordsAnswered`` with the same number follows."""

    contact: ContactId
    asked: int
    question: Question


Command = Write | Ask | AnswerSeat | Send | StartTimer | StopTimer | AgentShown | TransferSettled | AskRecords
