"""What this program needs of its edges."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from twisted.internet.defer import Deferred

from site_node.core.telephony import Report, Request


class Capability(StrEnum):
    """What a form of the switch port can do; its contract test runs per capability."""

    ANSWER = "answer"
    MAKE = "make"
    JOIN = "join"
    PLAY = "play"
    COLLECT = "collect"
    MUSIC = "music"
    TRUNK = "trunk"
    SNAPSHOT = "snapshot"
    SEAT_ANSWER = "seat_answer"
    """a ringing seat can be answered by command, not only at the phone"""


class Switch(Protocol):
    """The voice edge of a city. Forms: ``switch.simulated``, ``switch.asterisk``."""

    capabilities: frozenset[Capability]

    def start(self, sink: Callable[[Report], None]) -> None:
        """Begin to report to ``sink``, first of all ``SwitchUp`` or ``SwitchDown``; keeps trying for ever."""

    def request(self, request: Request) -> None:
        """Carry out one request; requests are carried out in the order given. Never raises for a dead connection."""

    def answer_seat(self, extension: str) -> None:
        """Answer the phone that is ringing at ``extension`` (capability SEAT_ANSWER); else nothing."""

    def stop(self) -> Deferred[None]:
        """Let go of the switch, leaving its calls as they are; fires when nothing more will be reported."""
