"""From events of ARI to our reports. Pure: what is known of a leg and one event give what is known next, and reports.

The quirks of Asterisk that this makes harmless (each seen on real switches; docs/asterisk.md, What the adapter knows):

* after our hang-up nothing but the end is reported: an ``Up`` or ``StasisStart`` that comes after a DELETE is dead;
* a channel that came in ends with ``StasisEnd``, one that we made with ``ChannelDestroyed``: the end is reported once,
  and only when the switch no longer counts the channel to its seat (A4, A6);
* the cause of a channel that came in is in ``ChannelHangupRequest`` alone, and absent for a plain BYE;
* a stopped playback ends as ``done`` too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from dataset.ids import CityId, ConnectionId, Token
from site_node.core.telephony import Cause, Cleared, Delivered, Digit, Established, Offered, Played, Report
from site_node.switch.asterisk.causes import MEDIA_TIMEOUT, SOFT_HANGUP_DEVICE, cause_of
from site_node.switch.asterisk.events import (
    AriEvent,
    Destroyed,
    Dtmf,
    Ended,
    HangupAsked,
    PlaybackBegan,
    PlaybackEnded,
    Started,
    StateChanged,
)

DIGITS = frozenset("0123456789*#")


class Kind(Enum):
    """What a leg is at this switch; the value is the first argument of its channel in Stasis."""

    PUBLIC = "public"
    """came in through the public door"""
    TRUNK = "trunk"
    """came in from another city"""
    SEAT = "seat"
    """we made it, to a seat"""
    CITY = "city"
    """we made it, to another city"""
    OUTSIDE = "outside"
    """we made it, to a number of the public network"""

    @property
    def incoming(self) -> bool:
        """Whether it came in."""
        return self in (Kind.PUBLIC, Kind.TRUNK)

    @property
    def between_cities(self) -> bool:
        """Whether its far end is another city's switch."""
        return self in (Kind.TRUNK, Kind.CITY)


@dataclass(frozen=True, slots=True)
class Playback:
    """A playback that has not ended. ``stopped``: we asked for its end, so it is not completed whatever it says."""

    id: str
    barge_in: bool
    began: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one live leg from its events, and of what we asked."""

    connection: ConnectionId
    kind: Kind
    delivered: bool = False
    established: bool = False
    ending: Cause | None = None
    """what to report as its cause since we asked for its end"""
    last_cause: int | None = None
    last_sip_status: int | None = None
    playbacks: tuple[Playback, ...] = ()
    """oldest first"""

    def cause(self, q850: int | None, sip_status: int | None) -> Cause:
        """Why it ended, given the last that the switch says."""
        if self.ending is not None:
            return self.ending
        return cause_of(
            q850,
            sip_status,
            established=self.established,
            incoming=self.kind.incoming,
            between_cities=self.kind.between_cities,
        )

    @property
    def audible(self) -> Playback | None:
        """The playback that is being said and was not stopped."""
        return next((one for one in reversed(self.playbacks) if not one.stopped), None)


Step = tuple[Known | None, tuple[Report, ...]]
"""What is known next (None: the leg is gone) and what to report."""


def kind_of(arguments: tuple[str, ...]) -> Kind | None:
    """What a channel is by its Stasis arguments; None when it is not of our making."""
    try:
        return Kind(arguments[0]) if len(arguments) > 1 else None
    except ValueError:
        return None


def offered(event: Started) -> tuple[Known, Offered] | None:
    """A channel that came in, as a new leg; None for one that we made."""
    kind = kind_of(event.arguments)
    connection = ConnectionId(event.channel.id)
    rest = (*event.arguments[1:], "", "", "")
    if kind is Kind.PUBLIC:
        report = Offered(connection, called=rest[0], calling=rest[1])
    elif kind is Kind.TRUNK:
        report = Offered(
            connection,
            called=rest[1],
            calling=event.channel.caller,
            from_city=CityId(rest[0]),
            token=Token(rest[2]) if rest[2] else None,
        )
    else:
        return None
    return Known(connection, kind), report


def translate(known: Known, event: AriEvent) -> Step:
    """One event of a known leg."""
    match event:
        case StateChanged():
            return _state(known, event.channel.state)
        case Dtmf():
            if known.ending is None and event.digit in DIGITS:
                return known, (Digit(known.connection, event.digit),)
        case PlaybackBegan():
            return _playback_began(known, event), ()
        case PlaybackEnded():
            return _playback_ended(known, event)
        case HangupAsked():
            return _hangup_asked(known, event), ()
        case Ended() if known.kind.incoming:
            return None, (Cleared(known.connection, known.cause(known.last_cause, known.last_sip_status)),)
        case Destroyed():
            sip_status = event.sip_status if event.sip_status is not None else known.last_sip_status
            return None, (Cleared(known.connection, known.cause(event.cause, sip_status)),)
        case _:
            pass
    return known, ()


def _state(known: Known, state: str) -> Step:
    if known.ending is not None or known.established:
        return known, ()
    if state == "Up":
        return replace(known, established=True), (Established(known.connection),)
    if state == "Ringing" and not known.kind.incoming and not known.delivered:
        return replace(known, delivered=True), (Delivered(known.connection),)
    return known, ()


def _hangup_asked(known: Known, event: HangupAsked) -> Known:
    if not event.soft:
        return replace(known, last_cause=event.cause, last_sip_status=event.sip_status)
    if event.cause == SOFT_HANGUP_DEVICE:
        return replace(known, last_cause=MEDIA_TIMEOUT)
    return known


def _playback_began(known: Known, event: PlaybackBegan) -> Known:
    playbacks = tuple(
        replace(one, began=True) if one.id == event.playback and not one.stopped else one for one in known.playbacks
    )
    return replace(known, playbacks=playbacks)


def _playback_ended(known: Known, event: PlaybackEnded) -> Step:
    """Ids are used again, so the end of an older one (of an earlier process even) may bear the id of the present one.

    A channel says one thing after the other: an end belongs to the oldest of that id, and to a live one only after it
    has begun (or failed to).
    """
    for place, one in enumerate(known.playbacks):
        if one.id != event.playback:
            continue
        if not (one.stopped or one.began or not event.done):
            return known, ()
        left = replace(known, playbacks=known.playbacks[:place] + known.playbacks[place + 1 :])
        if known.ending is not None:
            return left, ()
        return left, (Played(known.connection, completed=event.done and not one.stopped),)
    return known, ()
