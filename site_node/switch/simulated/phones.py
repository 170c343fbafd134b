"""Phones outside a simulated switch: a customer's that has dialled, and the one at a seat."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from federation.ports import Clock
from site_node.core.telephony import Cause
from site_node.switch.simulated.connection import HOPS, Connection
from site_node.switch.simulated.sound import RINGBACK, SILENCE, Hearing, Sound


class CallState(StrEnum):
    """Where a phone is in its call."""

    IDLE = "idle"
    CALLING = "calling"
    """has dialled, hears nothing yet"""
    ALERTING = "alerting"
    """its call alerts at the far end"""
    RINGING = "ringing"
    """it rings itself"""
    IN_CALL = "in_call"
    OVER = "over"
    """a customer's call has ended"""


class Phone:
    """What both kinds do. ``on_change`` is called, through the clock, after state or hearing have changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notice_set = False
        self._noticed: tuple[CallState, Hearing] = (CallState.IDLE, SILENCE)
        self.state = CallState.IDLE
        self.connection: Connection | None = None
        self.on_change: Callable[[], None] | None = None
        self.cause: Cause | None = None
        """why the last call ended, as the switch told it; None when the phone ended it itself"""

    def hears(self) -> Hearing:
        """What comes out of the receiver now."""
        if self.state is CallState.IN_CALL and self.connection is not None:
            return self.connection.toward_far()
        return RINGBACK if self.state is CallState.ALERTING else SILENCE

    # ── FarEnd, as the switch sees the phone ──
    def told_alerting(self) -> None:
        """The call alerts (customers only)."""
        if self.state is CallState.CALLING:
            self._become(CallState.ALERTING)

    def told_answered(self) -> None:
        """The switch answered (customers only)."""
        if self.state in (CallState.CALLING, CallState.ALERTING):
            self._become(CallState.IN_CALL)

    def told_cleared(self, cause: Cause) -> None:
        """The switch ended the call."""
        self.cause = cause
        self._call_ended()

    def told_digit(self, digit: str) -> None:
        """A tone of a digit; people take no notice."""

    def hearing_changed(self, hops: int = HOPS) -> None:
        """What the receiver gives may have changed."""
        if self.on_change is not None and not self._notice_set:
            self._notice_set = True
            self._clock.call_later(0.0, self._notice)

    def voice(self, hops: int) -> Hearing:
        """Whoever holds the phone, talking."""
        return Hearing(Sound.VOICE, voice=self) if self.state is CallState.IN_CALL else SILENCE

    # ── ──
    def _become(self, state: CallState) -> None:
        self.state = state
        self.hearing_changed()

    def _call_ended(self) -> None:
        raise NotImplementedError

    def _notice(self) -> None:
        self._notice_set = False
        now = (self.state, self.hears())
        if now != self._noticed:
            self._noticed = now
            if self.on_change is not None:
                self.on_change()


class Caller(Phone):
    """A customer who has dialled once. Times are in the clock's monotonic seconds."""

    def __init__(self, clock: Clock, called: str, calling: str) -> None:
        super().__init__(clock)
        self.called = called
        self.calling = calling
        self.state = CallState.CALLING
        self.began = clock.monotonic()
        self.answered: float | None = None
        self.ended: float | None = None

    @property
    def over(self) -> bool:
        """The call has ended."""
        return self.state is CallState.OVER

    def press(self, digit: str) -> None:
        """Press one of ``0-9*#``; unheard unless the call is answered."""
        if len(digit) != 1 or digit not in "0123456789*#":
            raise ValueError(f"not a digit of a telephone: {digit!r}")
        if self.state is CallState.IN_CALL and self.connection is not None:
            self.connection.exchange.far_digit(self.connection, digit)

    def hang_up(self) -> None:
        """Put the receiver down; nothing when the call is over."""
        connection = self.connection
        if self.state is not CallState.OVER:
            self._call_ended()
            if connection is not None:
                connection.exchange.far_ended(connection, Cause.NORMAL)

    def told_answered(self) -> None:
        """The switch answered."""
        self.answered = self._clock.monotonic()
        super().told_answered()

    def _call_ended(self) -> None:
        self.connection = None
        self.ended = self._clock.monotonic()
        self._become(CallState.OVER)


class RingingPhone(Phone):
    """A phone that a switch calls, for one call at a time (A6): at a seat, or a customer's."""

    def __init__(self, clock: Clock, media_timeout_s: float) -> None:
        super().__init__(clock)
        self.registered = True
        self.unattended = False
        """nobody is there to pick up, nor to press a key"""
        self.calling = ""
        """number shown for the call that rings or is talked on"""
        self.rings = 0
        """how often it has rung so far"""
        self._media_timeout_s = media_timeout_s

    @property
    def busy(self) -> bool:
        """A call rings or is talked on."""
        return self.connection is not None

    @property
    def ringing(self) -> bool:
        """It rings."""
        return self.state is CallState.RINGING

    def ring(self, connection: Connection) -> Connection:
        """The switch lets it ring; ``connection`` again."""
        self.connection = connection
        self.calling = connection.calling
        self.cause = None
        self.rings += 1
        self._become(CallState.RINGING)
        return connection

    def answer(self) -> None:
        """Pick up; nothing unless it rings."""
        connection = self.connection
        if self.ringing and connection is not None and not self.unattended:
            self._become(CallState.IN_CALL)
            connection.exchange.far_answered(connection)

    def reject(self) -> None:
        """Decline; nothing unless it rings."""
        if self.ringing:
            self._end(Cause.REJECTED)

    def hang_up(self) -> None:
        """Put the receiver down; nothing unless in a call."""
        if self.state is CallState.IN_CALL:
            self._end(Cause.NORMAL)

    def vanish(self) -> None:
        """The phone loses its network: unregistered; its call is given up when the switch misses its voice (O5)."""
        self.registered = False
        connection = self.connection
        if connection is not None:
            ringing = self.ringing
            self._call_ended()
            self.connection = connection  # the switch still counts the call until it notices
            if not ringing:
                self._clock.call_later(self._media_timeout_s, self._missed, connection)

    def register(self) -> None:
        """The phone is there (again)."""
        self.registered = True

    def _missed(self, connection: Connection) -> None:
        if self.connection is connection:
            self.connection = None
            connection.exchange.far_ended(connection, Cause.MEDIA_LOST)

    def _end(self, cause: Cause) -> None:
        connection = self.connection
        self._call_ended()
        if connection is not None:
            connection.exchange.far_ended(connection, cause)

    def _call_ended(self) -> None:
        self.connection = None
        self.calling = ""
        self._become(CallState.IDLE)


class SeatPhone(RingingPhone):
    """The phone at a seat."""

    def __init__(self, clock: Clock, extension: str, media_timeout_s: float) -> None:
        super().__init__(clock, media_timeout_s)
        self.extension = extension


class OutsidePhone(RingingPhone):
    """A customer's telephone, which a city calls back."""

    def __init__(self, clock: Clock, number: str, media_timeout_s: float) -> None:
        super().__init__(clock, media_timeout_s)
        self.number = number
