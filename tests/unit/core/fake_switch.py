"""The smallest switch that keeps the promises of ``site_node.core.telephony``; people and lines do as a seed says."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random

from dataset.ids import CityId, ConnectionId, Token
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Device,
    Digit,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Music,
    Offered,
    Outside,
    Part,
    Play,
    Played,
    Report,
    Request,
    Role,
    Seat,
    Show,
    Shown,
    StopPlaying,
    SwitchDown,
    SwitchUp,
    Trunk,
)

_SEAT_ENDS = (Cause.NO_ANSWER, Cause.REJECTED, Cause.BUSY, Cause.UNREACHABLE)
_TRUNK_ENDS = (Cause.NO_ANSWER, Cause.REFUSED, Cause.BUSY, Cause.REJECTED, Cause.UNREACHABLE, Cause.CONGESTION)
_TALK_ENDS = (Cause.NORMAL, Cause.MEDIA_LOST)


@dataclass(slots=True)
class Connection:
    """One leg at this switch."""

    id: ConnectionId
    incoming: bool
    device: Device | None = None
    leg: Leg | None = None
    established: bool = False
    alerting: bool = False
    playing: bool = False
    joined_to: ConnectionId | None = None
    called: str = ""
    calling: str = ""
    from_city: CityId | None = None


class FakeSwitch:
    """Requests happen at once; reports wait in ``reports`` until they are delivered, in order."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.connections: dict[ConnectionId, Connection] = {}
        self.reports: deque[Report] = deque([SwitchUp(())])
        self.reachable = True
        self.broke = False
        """the way has been broken: a request from before may come after a snapshot that does not show it yet"""
        self.loss = 0.0
        """share of requests and reports that come to nothing"""
        self.made: set[ConnectionId] = set()
        self.faults: list[str] = []
        """what the core asked for and must never ask for"""
        self._born = 0

    # ── the core asks ───────────────────────────────────────────────────────────────────────────────────────────
    def request(self, request: Request) -> None:
        """Carry out; silently nothing while the way to the switch is broken, or for connections that are gone."""
        if not self.reachable or self._is_lost():
            return
        if isinstance(request, Make):
            self._make(request)
            return
        if isinstance(request, Show):
            self._report(Shown(request.number, tuple(_held(leg) for leg in self.connections.values())))
            return
        names = (request.one, request.other) if isinstance(request, Join | Part) else (request.connection,)
        legs = [self.connections[name] for name in names if name in self.connections]
        if len(legs) < len(names):
            return
        match request:
            case Answer():
                if legs[0].incoming and not legs[0].established:
                    legs[0].established = True
                    self._report(Established(legs[0].id))
            case Mark(leg=what):
                legs[0].leg = what
            case Clear():
                self.clear(legs[0], Cause.CLEARED_BY_US)
            case Join():
                self._join(legs[0], legs[1])
            case Part():
                for leg in legs:
                    leg.joined_to = None
            case Play():
                legs[0].playing = True
            case StopPlaying() | Music():
                self._interrupt(legs[0])
            case Alert():
                pass

    def _make(self, request: Make) -> None:
        if request.connection in self.made:
            self.faults.append(f"{request.connection} was made twice")
        self.made.add(request.connection)
        if any(one.device == request.device for one in self.connections.values() if isinstance(one.device, Seat)):
            if not self.broke:
                self.faults.append(f"{request.connection} was made to a seat in a call")
            self._report(Cleared(request.connection, Cause.BUSY))  # the switch's own guard (A6)
            return
        self.connections[request.connection] = Connection(request.connection, False, request.device, request.leg)

    def _join(self, one: Connection, other: Connection) -> None:
        for leg, partner in ((one, other), (other, one)):
            if leg.joined_to not in (None, partner.id):
                self.faults.append(f"{leg.id} is joined to {leg.joined_to}, not free for {partner.id}")
            self._interrupt(leg)
            leg.joined_to = partner.id

    def _interrupt(self, leg: Connection) -> None:
        if leg.playing:
            leg.playing = False
            self._report(Played(leg.id, completed=False))

    def clear(self, leg: Connection, cause: Cause) -> None:
        """The connection ends, whoever ended it."""
        self._interrupt(leg)
        del self.connections[leg.id]
        if leg.joined_to is not None and leg.joined_to in self.connections:
            self.connections[leg.joined_to].joined_to = None
        self._report(Cleared(leg.id, cause))

    def _report(self, report: Report) -> None:
        if self.reachable and not self._is_lost():
            self.reports.append(report)

    def _is_lost(self) -> bool:
        return self.loss > 0.0 and self.random.random() < self.loss

    # ── people and lines ────────────────────────────────────────────────────────────────────────────────────────
    def offer(
        self, called: str, calling: str, from_city: CityId | None = None, token: Token | None = None
    ) -> ConnectionId:
        """A call comes in."""
        self._born += 1
        leg = Connection(
            ConnectionId(f"in-{self._born:05d}"), True, called=called, calling=calling, from_city=from_city
        )
        self.connections[leg.id] = leg
        self._report(Offered(leg.id, called, calling, from_city, token))
        return leg.id

    def live(self, what: type | None) -> list[Connection]:
        """Legs to seats, to trunks, or (None) that came in."""
        if what is None:
            return [leg for leg in self.connections.values() if leg.device is None]
        return [leg for leg in self.connections.values() if isinstance(leg.device, what)]

    def something_happens(self) -> None:
        """Somebody at some leg does what is possible there."""
        if not self.connections:
            return
        leg = self.random.choice(list(self.connections.values()))
        chance = self.random.random()
        if leg.playing and chance < 0.5:
            leg.playing = False
            self._report(Played(leg.id, completed=True))
        elif isinstance(leg.device, Seat):
            self._at_a_seat(leg, chance)
        elif isinstance(leg.device, Trunk | Outside):
            self._at_a_trunk(leg, chance)
        elif leg.established and chance < 0.75:
            self._report(Digit(leg.id, self.random.choice("0123459#")))
        elif chance > 0.93:
            self.clear(leg, Cause.NORMAL if chance < 0.98 else Cause.MEDIA_LOST)

    def _at_a_seat(self, leg: Connection, chance: float) -> None:
        if leg.established:
            if chance > 0.9:
                self.clear(leg, self.random.choice(_TALK_ENDS))
        elif not leg.alerting and chance < 0.4:
            leg.alerting = True
            self._report(Delivered(leg.id))
        elif chance < 0.8:
            leg.established = True
            self._report(Established(leg.id))
        else:
            self.clear(leg, self.random.choice(_SEAT_ENDS))

    def _at_a_trunk(self, leg: Connection, chance: float) -> None:
        if leg.established:
            if chance > 0.85:
                self.clear(leg, self.random.choice((*_TALK_ENDS, Cause.FINISHED)))
        elif not leg.alerting and chance < 0.5:
            leg.alerting = True
            self._report(Delivered(leg.id))
        elif chance < 0.75:
            leg.established = True
            self._report(Established(leg.id))
        else:
            self.clear(leg, self.random.choice(_TRUNK_ENDS))

    def answer_seat(self, extension: str) -> None:
        """The seat's phone is answered by command."""
        for leg in self.live(Seat):
            if leg.device == Seat(extension) and not leg.established and self.reachable:
                leg.established = True
                self._report(Established(leg.id))

    # ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────
    def lose(self, *, die: bool) -> None:
        """The way to the switch breaks: calls go on, reports of the time are lost. Or the switch itself dies."""
        if not self.reachable:
            return
        self.reachable, self.broke = False, True
        self.reports.clear()
        self.reports.append(SwitchDown("broken"))
        if die:
            self.connections.clear()

    def lose_silently(self) -> None:
        """A connection is gone, or apart from its partner, and nobody says so."""
        if not self.connections:
            return
        leg = self.random.choice(list(self.connections.values()))
        if leg.joined_to is not None and leg.joined_to in self.connections:
            self.connections[leg.joined_to].joined_to = None
            leg.joined_to = None
        if self.random.random() < 0.7:
            del self.connections[leg.id]

    def come_back(self) -> None:
        """The way is there again; the switch shows what it holds."""
        if self.reachable:
            return
        self.reachable = True
        self.reports.append(SwitchUp(tuple(_held(leg) for leg in self.connections.values())))


def _held(leg: Connection) -> HeldConnection:
    return HeldConnection(
        connection=leg.id,
        established=leg.established,
        incoming=leg.incoming,
        leg=leg.leg,
        joined_to=leg.joined_to,
        called=leg.called,
        calling=leg.calling,
    )


def role(leg: Connection) -> Role | None:
    """What the core said that the leg is for."""
    return leg.leg.role if leg.leg is not None else None
