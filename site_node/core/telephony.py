"""The vocabulary between the core and any switch, in the words of CSTA (ECMA-269): connection, device, call.

Requests go to the switch, reports come from it. Both are values. A request has no answer of its own: what becomes of it
arrives as reports, in the order in which it happened at the switch. Bridges and channels stay inside an adapter.

Life of a connection::

    Offered ─ (Alert) ─ Answer ─▶ Established ─▶ Cleared          a leg that came in (customer, or another city's leg)
    Make ─▶ Delivered ─▶ Established ─▶ Cleared         a leg that we make (a seat, another city, a number outside)

``Cleared`` is reported exactly once for every connection that was offered or made, whoever ended it, and nothing is
reported for a connection after it. ``Clear`` of an unknown or already cleared connection is silently nothing.
Requests for a cleared connection are silently nothing too: the report that says so is on its way.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dataset.ids import CityId, ConnectionId, ContactId, Token


class Role(StrEnum):
    """What a leg is for (O6)."""

    CUSTOMER = "customer"
    SEAT = "seat"
    """the phone at a seat of this switch"""
    OUTBOUND = "outbound"
    """anchor's side of a leg between cities"""
    INBOUND = "inbound"
    """serving side of a leg between cities"""
    CONSULT = "consult"


class Cause(StrEnum):
    """Why a connection ended. Adapters map Q.850 and SIP to these."""

    NORMAL = "normal"
    """the far end hung up (16)"""
    FINISHED = "finished"
    """explicitly finished by an agent; crosses trunks as Q.850 cause 86, so it never looks like a fault (O4)"""
    TRANSFERRED = "transferred"
    """our side took the leg down because the caller was sent on; crosses trunks as Q.850 cause 26"""
    BUSY = "busy"
    REJECTED = "rejected"
    """declined at the device (21 from a seat)"""
    NO_ANSWER = "no_answer"
    """ring time over"""
    REFUSED = "refused"
    """a trunk's far end refused the leg: token unknown, expired or missing (SIP 403)"""
    UNREACHABLE = "unreachable"
    """no such device now, not registered, far switch gone"""
    CONGESTION = "congestion"
    CANCELLED = "cancelled"
    """we cleared it before it was answered"""
    CLEARED_BY_US = "cleared_by_us"
    MEDIA_LOST = "media_lost"
    """media or session timer (O5)"""
    SWITCH_FAILED = "switch_failed"


class Leg(msgspec.Struct, frozen=True):
    """What a connection is for; kept by the switch itself, so that a restarted node can adopt it (O6)."""

    contact: ContactId
    attempt: int
    role: Role
    token: Token | None = None


class Seat(msgspec.Struct, frozen=True):
    """A phone at this switch, by extension (``8001``)."""

    extension: str


class Trunk(msgspec.Struct, frozen=True):
    """A leg to another city: dial ``number`` there and carry ``token`` (A3)."""

    city: CityId
    number: str
    token: Token


class Outside(msgspec.Struct, frozen=True):
    """A telephone of the public network, by the number that is dialled (``02081230001``)."""

    number: str


Device = Seat | Trunk | Outside


class Prompt(msgspec.Struct, frozen=True):
    """One thing to say: a prompt id of the service package, with a number in it where the prompt has one."""

    name: str
    number: int | None = None


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Answer(msgspec.Struct, frozen=True):
    """Answer an offered connection."""

    connection: ConnectionId


class Alert(msgspec.Struct, frozen=True):
    """Tell the far end of an offered leg that its call is alerting (SIP 180); it hears ``Delivered``."""

    connection: ConnectionId


class Mark(msgspec.Struct, frozen=True):
    """Attach ``leg`` to a connection that came in. ``Make`` attaches its own."""

    connection: ConnectionId
    leg: Leg


class Make(msgspec.Struct, frozen=True):
    """Make a connection to ``device`` under an id that we choose; give up after ``ring_s`` seconds of no answer."""

    connection: ConnectionId
    device: Device
    leg: Leg
    ring_s: float
    calling: str = ""


class Clear(msgspec.Struct, frozen=True):
    """End a connection; ``cause`` is told to its far end where the network can carry it."""

    connection: ConnectionId
    cause: Cause = Cause.CLEARED_BY_US


class Join(msgspec.Struct, frozen=True):
    """Let two connections hear each other; ends whatever either was listening to. Joining again is nothing."""

    one: ConnectionId
    other: ConnectionId


class Part(msgspec.Struct, frozen=True):
    """Undo ``Join``: each connection is alone again, in silence."""

    one: ConnectionId
    other: ConnectionId


class Play(msgspec.Struct, frozen=True):
    """Say ``prompts`` to a connection that is alone; ``Played`` follows. With ``barge_in`` a digit stops it at once."""

    connection: ConnectionId
    prompts: tuple[Prompt, ...]
    barge_in: bool = False


class StopPlaying(msgspec.Struct, frozen=True):
    """Stop ``Play`` or ``Music``; an interrupted ``Play`` still reports ``Played(completed=False)``."""

    connection: ConnectionId


class Music(msgspec.Struct, frozen=True):
    """Music to a connection that is alone, until the next ``Play``, ``Join`` or ``StopPlaying``."""

    connection: ConnectionId


class Show(msgspec.Struct, frozen=True):
    """Show all that you hold; ``Shown`` with the same number follows, or nothing when the switch cannot say.

    What was requested before it is done or under way then; what is reported after ``Shown`` may have happened before.
    """

    number: int


Request = Answer | Alert | Mark | Make | Clear | Join | Part | Play | StopPlaying | Music | Show


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Offered(msgspec.Struct, frozen=True):
    """A leg came in. From a trunk between cities ``from_city`` is set and ``called`` is the number out of the pool."""

    connection: ConnectionId
    called: str
    calling: str
    from_city: CityId | None = None
    token: Token | None = None


class Delivered(msgspec.Struct, frozen=True):
    """The device of a made connection is alerting."""

    connection: ConnectionId


class Established(msgspec.Struct, frozen=True):
    """Answered: by us (after ``Answer``) or by the device (after ``Make``)."""

    connection: ConnectionId


class Cleared(msgspec.Struct, frozen=True):
    """The connection is gone; the last report for it, and no snapshot shows it any more."""

    connection: ConnectionId
    cause: Cause


class Digit(msgspec.Struct, frozen=True):
    """One of ``0-9*#`` was pressed at the far end of a connection."""

    connection: ConnectionId
    digit: str


class Played(msgspec.Struct, frozen=True):
    """``Play`` ended."""

    connection: ConnectionId
    completed: bool


class HeldConnection(msgspec.Struct, frozen=True):
    """One connection as a switch shows it in a snapshot (ECMA-269 snapshot device)."""

    connection: ConnectionId
    established: bool
    incoming: bool
    leg: Leg | None
    joined_to: ConnectionId | None = None
    called: str = ""
    calling: str = ""


class SwitchUp(msgspec.Struct, frozen=True):
    """The switch can be reached (again); this is all that it holds for us, the truth to adopt from (O6, I8)."""

    connections: tuple[HeldConnection, ...]


class SwitchDown(msgspec.Struct, frozen=True):
    """The switch cannot be reached, or died. What it holds is unknown until the next ``SwitchUp`` (A5)."""

    reason: str


class Shown(msgspec.Struct, frozen=True):
    """All that the switch holds for us, as asked for by ``Show`` (I8)."""

    number: int
    connections: tuple[HeldConnection, ...]


Report = Offered | Delivered | Established | Cleared | Digit | Played | SwitchUp | SwitchDown | Shown
