"""One step of the core: the moment it happens at, and the commands it decides, in order."""

from __future__ import annotations

from dataset.errors import Problem
from dataset.ids import AgentId, CityId, NodeId
from dataset.rows import AnyRow
from federation.core.envelope import AnyMessage
from site_node.core.commands import (
    AgentShown,
    AnswerSeat,
    Ask,
    AskRecords,
    Command,
    Send,
    StartTimer,
    StopTimer,
    TimerKey,
    TransferSettled,
    Write,
)
from site_node.core.telephony import Request


class Step:
    """Collects what one event leads to. The halves of the core share one, so that their commands keep their order."""

    def __init__(self) -> None:
        self.now = 0.0
        """monotonic seconds"""
        self._commands: list[Command] = []

    def begin(self, now: float) -> None:
        """A new event happens at ``now``."""
        self.now = now
        self._commands = []

    def taken(self) -> list[Command]:
        """What has been decided since ``begin``; each agent is shown once, after everything else."""
        if not self._commands:
            return []
        shown = dict.fromkeys(command for command in self._commands if isinstance(command, AgentShown))
        others: list[Command] = [command for command in self._commands if not isinstance(command, AgentShown)]
        self._commands = []
        return [*others, *shown]

    def write(self, row: AnyRow, *receivers: NodeId | CityId) -> None:
        """Journal a row."""
        self._commands.append(Write(row, tuple(NodeId(node) for node in receivers)))

    def ask(self, request: Request) -> None:
        """Ask the switch."""
        self._commands.append(Ask(request))

    def ask_records(self, question: AskRecords) -> None:
        """Ask the records."""
        self._commands.append(question)

    def answer_seat(self, extension: str) -> None:
        """Answer a ringing seat."""
        self._commands.append(AnswerSeat(extension))

    def send(self, to: NodeId | CityId, message: AnyMessage, budget_s: float) -> None:
        """Tell another node."""
        self._commands.append(Send(NodeId(to), message, budget_s))

    def start_timer(self, *key: str, after_s: float) -> None:
        """Set or replace a timer."""
        self._commands.append(StartTimer(key, after_s))

    def stop_timer(self, *key: str) -> None:
        """Forget a timer."""
        timer: TimerKey = key
        self._commands.append(StopTimer(timer))

    def show(self, agent: AgentId) -> None:
        """The agent's session changed."""
        self._commands.append(AgentShown(agent))

    def settle_transfer(self, request: str, problem: Problem | None = None) -> None:
        """The outcome of an agent's transfer is known."""
        self._commands.append(TransferSettled(request, problem))
