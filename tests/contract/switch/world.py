"""What a form of the switch port has to bring along to be tested: two cities with phones around them, and time.

The tests see nothing else. A form is one module with a function ``open_world() -> SwitchWorld``; see README.md here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dataset.ids import CityId, ConnectionId
from site_node.core.telephony import (
    Answer,
    Clear,
    Cleared,
    Established,
    Offered,
    Report,
    Request,
    SwitchUp,
)
from site_node.ports import Capability, Switch

R = TypeVar("R", bound=Report)

HERE = CityId("guangzhou")
THERE = CityId("shenzhen")
DOOR = "10000"
NUMBER_OUT_OF_THE_POOL = "7701"
SEAT = "8001"
OTHER_SEAT = "8002"
NUMBER_OUTSIDE = "02081230001"
UNREGISTERED_SEAT = "8009"
"""configured at the switch, but no phone has registered there"""


class ServicesMissing(Exception):
    """A form cannot be tested on this machine; the text says what is missing and how to get it."""


class Phone(ABC):
    """A phone outside, with its own voice (a tone, in real audio), as somebody holding it would describe things."""

    @property
    @abstractmethod
    def in_call(self) -> bool:
        """It was answered (or has answered), and the call is not over."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Its last call has ended, by whoever."""

    @abstractmethod
    def hears(self, other: Phone) -> bool:
        """Now hears the voice of ``other``."""

    @abstractmethod
    def hears_sound(self) -> bool:
        """Now hears a prompt or music."""

    @abstractmethod
    def hears_nothing(self) -> bool:
        """Now hears no sound and nobody's voice (ringback counts as nothing)."""

    @abstractmethod
    def hang_up(self) -> None:
        """Put the receiver down: ends the call, or stops calling. Nothing when there is no call."""


class CallerPhone(Phone):
    """A customer's phone that has dialled."""

    @abstractmethod
    def press(self, digits: str) -> None:
        """Press ``0-9*#``, one after the other, at a human pace."""


class SeatPhone(Phone):
    """A phone at a seat."""

    @property
    @abstractmethod
    def ringing(self) -> bool:
        """It rings."""

    @abstractmethod
    def answer(self) -> None:
        """Pick up while it rings."""

    @abstractmethod
    def reject(self) -> None:
        """Decline while it rings (SIP 603)."""


def ignored(report: Report) -> None:
    """Nobody listens."""


class CityWorld(ABC):
    """One city's switch under test, what it reported, and the phones around it."""

    def __init__(self, world: SwitchWorld, city: CityId) -> None:
        self.world = world
        self.city = city
        self.reports: list[Report] = []
        """everything reported since the test began, or since ``restart_node``"""
        self.on_report: Callable[[Report], None] = ignored
        """called with each report as it comes, as a city's core is"""
        self._made = 0

    # ── what a form provides ──
    @property
    @abstractmethod
    def switch(self) -> Switch:
        """The adapter in use now."""

    @abstractmethod
    def make_switch(self) -> None:
        """Make a new adapter (as a new process of the site node would), from now on ``switch``; do not start it."""

    @abstractmethod
    def call(self, called: str = DOOR, calling: str = "13800000001") -> CallerPhone:
        """A customer dials ``called`` at the public door."""

    @abstractmethod
    def seat(self, extension: str) -> SeatPhone:
        """The phone that is registered at ``extension`` (``SEAT`` or ``OTHER_SEAT``), idle."""

    @abstractmethod
    def outside(self) -> SeatPhone:
        """The telephone of a customer, at ``NUMBER_OUTSIDE`` in the public network, idle (capability OUTSIDE)."""

    def kill_switch(self) -> None:
        """The switch dies with all its calls (world feature ``kill_switch``)."""
        raise NotImplementedError

    def revive_switch(self) -> None:
        """Start the switch again, empty."""
        raise NotImplementedError

    # ── what tests use ──
    def start(self) -> None:
        """Start the adapter and wait until its switch is up."""
        self.switch.start(self._heard)
        self.first(SwitchUp)

    def begin_anew(self) -> None:
        """Before a test: nothing was reported, and nobody listens."""
        self.reports.clear()
        self.on_report = ignored

    def _heard(self, report: Report) -> None:
        self.reports.append(report)
        self.on_report(report)

    def stop(self) -> None:
        """Stop the adapter, as at the end of its process."""
        fired: list[Any] = []
        self.switch.stop().addBoth(fired.append)
        self.world.until(lambda: bool(fired), what="stop() of the adapter fires")
        assert fired == [None], fired

    def restart_node(self) -> SwitchUp:
        """A new adapter takes the old one's place; the snapshot it begins with. ``reports`` begins anew."""
        self.stop()
        self.reports = []
        self.make_switch()
        self.start()
        first = self.reports[0]
        assert isinstance(first, SwitchUp), first
        return first

    def request(self, *requests: Request) -> None:
        """Give requests to the switch."""
        for request in requests:
            self.switch.request(request)

    def new_connection(self) -> ConnectionId:
        """An id for a ``Make``: of one length, never given before."""
        return self.world.new_connection()

    def all_of(self, kind: type[R], connection: ConnectionId | None = None) -> list[R]:
        """All reports of a kind so far (about ``connection`` only, if given)."""
        return [
            report
            for report in self.reports
            if isinstance(report, kind) and (connection is None or getattr(report, "connection", None) == connection)
        ]

    def first(self, kind: type[R], connection: ConnectionId | None = None, within: float = 10.0) -> R:
        """Wait for the first report of a kind (about ``connection``, if given)."""
        self.world.until(
            lambda: bool(self.all_of(kind, connection)), within, f"{self.city}: {kind.__name__} {connection or ''}"
        )
        return self.all_of(kind, connection)[0]

    def about(self, connection: ConnectionId) -> list[Report]:
        """All reports about one connection, in order."""
        return [report for report in self.reports if getattr(report, "connection", None) == connection]

    def offered(self, called: str = DOOR, calling: str = "13800000001") -> tuple[CallerPhone, ConnectionId]:
        """A customer dials, and the leg has been offered to us."""
        before = len(self.all_of(Offered))
        caller = self.call(called, calling)
        self.world.until(lambda: len(self.all_of(Offered)) > before, what=f"{self.city}: Offered")
        return caller, self.all_of(Offered)[-1].connection

    def answered(self, called: str = DOOR, calling: str = "13800000001") -> tuple[CallerPhone, ConnectionId]:
        """A customer dials, and we have answered."""
        caller, connection = self.offered(called, calling)
        self.request(Answer(connection))
        self.first(Established, connection)
        self.world.until(lambda: caller.in_call, what="the caller's phone sees the answer")
        return caller, connection

    def live_connections(self) -> Iterator[ConnectionId]:
        """Connections that were offered here and are not cleared, for cleaning up."""
        gone = {report.connection for report in self.all_of(Cleared)}
        for offered in self.all_of(Offered):
            if offered.connection not in gone:
                yield offered.connection

    def clear_offered(self) -> None:
        """Take down what came in and is still there."""
        self.request(*[Clear(connection) for connection in self.live_connections()])


class SwitchWorld(ABC):
    """Two cities whose switches have a trunk between them, and time, virtual or real."""

    form: str
    capabilities: frozenset[Capability]
    features: frozenset[str] = frozenset()
    """what this world can do to its switches: ``kill_switch``"""
    here: CityWorld
    there: CityWorld

    def __init__(self) -> None:
        self._connections = 0

    @abstractmethod
    def now(self) -> float:
        """Monotonic seconds of this world."""

    @abstractmethod
    def turn_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass until ``condition()``, at most ``within_s`` seconds; whether it came true."""

    @abstractmethod
    def begin(self) -> None:
        """Before each test: adapters started and up, no calls anywhere, seats registered and idle, reports empty."""

    @abstractmethod
    def end(self) -> None:
        """After each test: phones hung up, connections cleared, adapters left in a state that ``begin`` accepts."""

    @abstractmethod
    def close(self) -> None:
        """After the last test: everything stopped."""

    def until(self, condition: Callable[[], bool], within: float = 10.0, what: str = "the condition") -> None:
        """Let time pass until ``condition()``; the test fails with everything reported so far if it does not hold."""
        if not self.turn_until(condition, within):
            lines = [f"{city.city}: {report}" for city in (self.here, self.there) for report in city.reports]
            raise AssertionError(f"within {within} s not seen: {what}\nreports:\n  " + "\n  ".join(lines or ["none"]))

    def nothing_more(self, for_s: float = 0.5) -> None:
        """Let a moment pass in which late reports would show themselves."""
        self.turn_until(lambda: False, for_s)

    def new_connection(self) -> ConnectionId:
        """An id for a ``Make``, of one length, never given before in this world."""
        self._connections += 1
        return ConnectionId(f"{self.run_id()}-{self._connections:06x}")

    def run_id(self) -> str:
        """Eight hex digits, another for every run against the same switches."""
        return "00c0ffee"
