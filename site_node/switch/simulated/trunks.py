"""Trunks between simulated cities: legs with delay, capacity, refusal and loss, and lines that break."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from dataset.ids import CityId
from federation.ports import Clock, Timer
from site_node.core.telephony import Cause
from site_node.switch.simulated.connection import HOPS, Connection
from site_node.switch.simulated.sound import SILENCE, Hearing

if TYPE_CHECKING:
    from site_node.switch.simulated.exchange import Exchange

_BEFORE_ANSWER = frozenset(
    {Cause.REFUSED, Cause.BUSY, Cause.REJECTED, Cause.NO_ANSWER, Cause.UNREACHABLE, Cause.CONGESTION}
)
_AFTER_ANSWER = frozenset({Cause.FINISHED, Cause.TRANSFERRED})


def cause_across(cause: Cause, *, answered: bool, by_maker: bool) -> Cause:
    """What the far city is told when one city clears a leg with ``cause``."""
    if answered:
        return cause if cause in _AFTER_ANSWER else Cause.NORMAL
    if by_maker:
        return Cause.NORMAL  # a cancelled call looks like a caller who hangs up
    return cause if cause in _BEFORE_ANSWER else Cause.REJECTED


class TrunkEnd:
    """One end of a leg between cities: the far end of that city's connection."""

    def __init__(self, trunk: Trunk, exchange: Exchange, maker: bool) -> None:
        self.trunk = trunk
        self.exchange = exchange
        self.maker = maker
        self.connection: Connection | None = None
        self.peer: TrunkEnd = self
        """the other city's end (set by the trunk when it makes both)"""
        self._missing: Timer | None = None

    @property
    def live(self) -> bool:
        """Whether this city still holds its connection."""
        return self.connection is not None and self.connection.live

    @property
    def sends(self) -> bool:
        """Whether voice goes out from here."""
        return self.connection is not None and self.connection.live and self.connection.established

    @property
    def receives(self) -> bool:
        """Whether voice arrives here."""
        return self.peer.sends and self.trunk.carries_voice_to(self.exchange.city)

    # ── FarEnd ──
    def told_alerting(self) -> None:
        """Let the maker know (SIP 180)."""
        if self.trunk.alerts_lost > 0:
            self.trunk.alerts_lost -= 1
            return
        self._send(lambda exchange, connection: exchange.far_alerting(connection))

    def told_answered(self) -> None:
        """Let the maker know (SIP 200)."""
        if self.trunk.answers_lost > 0:
            self.trunk.answers_lost -= 1
        else:
            self._send(lambda exchange, connection: exchange.far_answered(connection), watch=True)
        self.watch()

    def told_cleared(self, cause: Cause) -> None:
        """Let the far city know, with what the network can carry of the cause."""
        if cause is not Cause.SWITCH_FAILED:
            answered = self.connection is not None and self.connection.established
            told = cause_across(cause, answered=answered, by_maker=self.maker)
            self._send(lambda exchange, connection: exchange.far_ended(connection, told))
        self.ended()

    def told_digit(self, digit: str) -> None:
        """A digit that travels with the voice."""
        self._send(lambda exchange, connection: exchange.far_digit(connection, digit))

    def hearing_changed(self, hops: int = HOPS) -> None:
        """What this city sends has changed: so has what the far city's partner hears."""
        far = self.peer.connection
        if far is not None and far.joined is not None and hops > 0:
            far.joined.far.hearing_changed(hops - 1)

    def voice(self, hops: int) -> Hearing:
        """What the far city sends, if it arrives."""
        far = self.peer.connection
        return far.toward_far(hops) if far is not None and self.receives else SILENCE

    # ── evidence of voice (O5) ──
    def watch(self) -> None:
        """Start or stop counting silence at both ends."""
        self._watch_here()
        self.peer._watch_here()

    def ended(self) -> None:
        """The connection of this city is gone."""
        self.watch()
        self.trunk.forget_when_idle(self)

    def _watch_here(self) -> None:
        if not self.sends or self.receives:
            if self._missing is not None:
                self._missing.cancel()
                self._missing = None
        elif self._missing is None:
            self._missing = self.trunk.clock.call_later(self.trunk.media_timeout_s, self._missed)

    def _missed(self) -> None:
        self._missing = None
        if self.connection is not None:
            self.exchange.far_ended(self.connection, Cause.MEDIA_LOST)
            # the far city, if it can still be told, sees a clearing like any other: hence O4
            self._send(lambda exchange, connection: exchange.far_ended(connection, Cause.NORMAL))
            self.ended()

    def _send(self, what: Callable[[Exchange, Connection], None], *, watch: bool = False) -> None:
        def arrived() -> None:
            far = self.peer
            if far.connection is None or not far.exchange.up:
                return
            was_live = far.connection.live
            what(far.exchange, far.connection)
            if watch:
                far.watch()
            if was_live and not far.connection.live:
                far.ended()

        self.trunk.carry(self.exchange.city, arrived)


class Trunk:
    """The lines between two cities. Fields may change at any time; ``cut``, ``restore`` and ``mute`` act at once.

    ``delay_s`` is one way, for signalling (voice itself is not delayed); ``capacity`` counts legs; ``loss`` is the
    share of set-ups that get lost on the way; ``refuses`` is the cause with which every set-up is refused.
    """

    def __init__(self, one: Exchange, other: Exchange, clock: Clock, rng: Random, delay_s: float) -> None:
        self.clock = clock
        self.delay_s = delay_s
        self.capacity: int | None = None
        self.loss = 0.0
        self.refuses: Cause | None = None
        self.answers_lost = 0
        """how many of the next answers (SIP 200) do not arrive, however often they are sent again"""
        self.alerts_lost = 0
        """the same of SIP 180"""
        self.media_timeout_s = 15.0
        self.set_ups = 0
        """how many legs were asked for so far"""
        self._rng = rng
        self._ends = {one.city: one, other.city: other}
        self._legs: dict[TrunkEnd, None] = {}  # in order, so that a run is repeatable
        self._cut = False
        self._mute: set[CityId] = set()
        self._arrival: dict[CityId, float] = {}

    @property
    def in_use(self) -> int:
        """Legs that hold a line now."""
        return len(self._legs)

    # ── faults ──
    def cut(self) -> None:
        """Nothing goes through any more, and what is on the way is lost."""
        self._cut = True
        self._voice_changed()

    def mute(self, toward: CityId) -> None:
        """Voice no longer arrives in ``toward``; signalling does (a silent trunk)."""
        self._mute.add(toward)
        self._voice_changed()

    def restore(self) -> None:
        """Undo ``cut`` and ``mute``."""
        self._cut = False
        self._mute.clear()
        self._voice_changed()

    def carries_voice_to(self, city: CityId) -> bool:
        """Whether voice sent now arrives there."""
        return not self._cut and city not in self._mute

    def watch_all(self) -> None:
        """Look again at which legs get no voice."""
        for maker in list(self._legs):
            maker.watch()

    def _voice_changed(self) -> None:
        self.watch_all()
        for maker in list(self._legs):
            maker.hearing_changed()
            maker.peer.hearing_changed()

    # ── legs ──
    def new_leg(self, exchange: Exchange) -> TrunkEnd:
        """The maker's end of a new leg; ``set_up`` with its connection follows."""
        (far_city,) = [city for city in self._ends if city != exchange.city]
        maker = TrunkEnd(self, exchange, maker=True)
        maker.peer = TrunkEnd(self, self._ends[far_city], maker=False)
        maker.peer.peer = maker
        return maker

    def set_up(self, maker: TrunkEnd, connection: Connection) -> None:
        """Ask the far city for the leg: number, token and calling number arrive there."""
        maker.connection = connection
        self.set_ups += 1
        if self._cut:
            self.clock.call_later(self.delay_s, maker.exchange.far_ended, connection, Cause.UNREACHABLE)
            return
        if self.capacity is not None and self.in_use >= self.capacity:
            self.clock.call_later(0.0, maker.exchange.far_ended, connection, Cause.CONGESTION)
            return
        self._legs[maker] = None
        if self.loss and self._rng.random() < self.loss:
            return
        self.carry(maker.exchange.city, lambda: self._arrive(maker, connection))

    def _arrive(self, maker: TrunkEnd, connection: Connection) -> None:
        far = maker.peer
        taken: Connection | Cause = self.refuses or far.exchange.offer(
            far, connection.called, connection.calling, maker.exchange.city, connection.token
        )
        if isinstance(taken, Connection):
            far.connection = taken
        else:
            cause = taken
            self.carry(far.exchange.city, lambda: self._turned_away(maker, connection, cause))

    def _turned_away(self, maker: TrunkEnd, connection: Connection, cause: Cause) -> None:
        if connection.live:
            maker.exchange.far_ended(connection, cause)
            maker.ended()

    def forget_when_idle(self, end: TrunkEnd) -> None:
        """Give the line back once neither city holds a connection on it."""
        if not end.live and not end.peer.live:
            self._legs.pop(end if end.maker else end.peer, None)

    def carry(self, from_city: CityId, arrived: Callable[[], None]) -> None:
        """Bring something to the other city after the delay and in order; lost when the trunk is cut."""
        if self._cut:
            return
        now = self.clock.monotonic()
        moment = max(now + self.delay_s, self._arrival.get(from_city, 0.0))
        self._arrival[from_city] = moment
        self.clock.call_later(moment - now, self._arrived, arrived)

    def _arrived(self, arrived: Callable[[], None]) -> None:
        if not self._cut:
            arrived()
