"""What Asterisk holds, from ``GET /channels`` and ``GET /bridges``, as the snapshot to adopt (O6, I8). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dataset.ids import ConnectionId, ContactId, Token
from site_node.core.telephony import HeldConnection, Leg, Role
from site_node.switch.asterisk.events import Channel, channel_from
from site_node.switch.asterisk.translate import Kind, Known, kind_of

ROLE_OF_DIALPLAN = {"remote": Role.INBOUND}
"""The trunk's dialplan marks a leg before any site node has seen it."""

CONTACT, ATTEMPT, TOKEN, ROLE = "YHT_CONTACT", "YHT_ATTEMPT", "YHT_TOKEN", "YHT_ROLE"


@dataclass(frozen=True, slots=True)
class Held:
    """One live leg: for the core, and for the adapter itself."""

    shown: HeldConnection
    known: Known
    bridge: str | None


def variables_of(leg: Leg) -> dict[str, str]:
    """What a channel remembers of its leg."""
    return {
        CONTACT: leg.contact,
        ATTEMPT: str(leg.attempt),
        TOKEN: leg.token or "",
        ROLE: leg.role.value,
    }


def leg_from(variables: Mapping[str, str]) -> Leg | None:
    """What a channel remembers; None when nobody has marked it, or not with anything we write."""
    contact, attempt, role = (variables.get(name, "") for name in (CONTACT, ATTEMPT, ROLE))
    if not contact or not attempt.isdecimal():
        return None
    try:
        known_role = ROLE_OF_DIALPLAN.get(role) or Role(role)
    except ValueError:
        return None
    token = variables.get(TOKEN, "")
    return Leg(ContactId(contact), int(attempt), known_role, Token(token) if token else None)


def _called_and_calling(kind: Kind, channel: Channel) -> tuple[str, str]:
    rest = (*channel.arguments[2:], "", "", "")
    if kind is Kind.PUBLIC:
        return rest[0], rest[1]
    if kind is Kind.TRUNK:
        return rest[1], channel.caller
    return rest[1] if kind is Kind.CITY else rest[0], channel.connected


def held_by(
    application: str,
    channels: Iterable[Mapping[str, Any]],
    bridges: Iterable[Mapping[str, Any]],
    there: Mapping[str, Any],
    leave_out: Collection[str],
) -> tuple[Held, ...]:
    """The legs of ``application``; ``there`` is what it says of itself, asked after the channels.

    A channel that came in ends with its ``StasisEnd``, and goes on being listed until it is destroyed, a moment later:
    what the application does not count as its own any more has ended, and no event will ever come for it. A channel
    that we made is there until it is destroyed. ``leave_out``: channels whose arrival will be reported as new after the
    snapshot, or whose end was reported before it.
    """
    in_stasis = frozenset(there["channel_ids"])
    ours: dict[str, tuple[Channel, Kind]] = {}
    for shown in channels:
        channel = channel_from(shown)
        kind = kind_of(channel.arguments[1:]) if channel.arguments[:1] == (application,) else None
        if kind is None or channel.id in leave_out:
            continue
        if channel.id in in_stasis or not kind.incoming:
            ours[channel.id] = (channel, kind)
    bridge_of: dict[str, str] = {}
    partner_of: dict[str, str] = {}
    for bridge in bridges:
        members = [member for member in bridge.get("channels", ()) if member in ours]
        bridge_of |= dict.fromkeys(members, bridge["id"])
        if len(members) == 2:
            partner_of |= {members[0]: members[1], members[1]: members[0]}
    return tuple(
        _held(channel, kind, partner_of.get(channel.id), bridge_of.get(channel.id)) for channel, kind in ours.values()
    )


def _held(channel: Channel, kind: Kind, partner: str | None, bridge: str | None) -> Held:
    called, calling = _called_and_calling(kind, channel)
    established = channel.state == "Up"
    shown = HeldConnection(
        connection=ConnectionId(channel.id),
        established=established,
        incoming=kind.incoming,
        leg=leg_from(channel.variables),
        joined_to=ConnectionId(partner) if partner else None,
        called=called,
        calling=calling,
    )
    known = Known(shown.connection, kind, delivered=channel.state == "Ringing", established=established)
    return Held(shown, known, bridge)
