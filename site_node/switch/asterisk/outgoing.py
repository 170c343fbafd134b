"""What is asked of Asterisk to make a leg. Pure; agreed in docs/asterisk.md (Call limit, Between cities)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from site_node.core.telephony import Make, Outside, Seat, Trunk
from site_node.switch.asterisk.ari import AriAnswer
from site_node.switch.asterisk.snapshot import variables_of
from site_node.switch.asterisk.translate import Kind

RING_NET_S = 5
"""Asterisk itself stops ringing so many seconds after us: a net for the case that this program dies meanwhile."""


@dataclass(frozen=True, slots=True)
class Draft:
    """``POST /channels/create`` for one leg. ``group_count`` is what to ask before ringing a seat."""

    query: Mapping[str, str]
    variables: Mapping[str, str]
    group_count: str | None = None


def draft_of(request: Make, application: str, outside: str = "") -> Draft:
    """How to create the channel of ``request``; it keeps its leg in variables from birth (O6). ``outside``: the PJSIP
    endpoint of the public network.
    """
    variables = variables_of(request.leg)
    if request.calling:
        # What the far telephone shows; "i" keeps Asterisk from sending an update for it.
        variables |= {"CONNECTEDLINE(num,i)": request.calling, "CONNECTEDLINE(pres,i)": "allowed"}
    group_count = None
    arguments: tuple[str, ...]
    match request.device:
        case Seat(extension):
            endpoint, arguments = f"PJSIP/{extension}", (Kind.SEAT.value, extension)
            group_count = f"GROUP_COUNT({extension}@seat)"
        case Trunk(city, number, token):
            endpoint, arguments = f"PJSIP/{number}@trunk-{city}", (Kind.CITY.value, city, number)
            variables |= {
                "PJSIP_HEADER(add,X-Yht-Token)": token,
                "PJSIP_HEADER(add,X-Yht-Contact)": request.leg.contact,
                "PJSIP_HEADER(add,X-Yht-Attempt)": str(request.leg.attempt),
            }
        case Outside(number):
            endpoint, arguments = f"PJSIP/{number}@{outside}", (Kind.OUTSIDE.value, number)
    query = {
        "endpoint": endpoint,
        "app": application,
        "appArgs": ",".join(arguments),
        "channelId": request.connection,
    }
    return Draft(query, variables, group_count)


def dial_query(ring_s: float) -> dict[str, str]:
    """The query of ``dial``: ``ring_s`` is kept by us to the millisecond, Asterisk's own time is the net."""
    return {"timeout": str(math.ceil(ring_s) + RING_NET_S)}


def is_busy(counted: AriAnswer) -> bool:
    """Whether the switch's own count of a seat's channels (this one included) says that somebody was first (A6).

    No count is no proof that the seat is free.
    """
    value = counted.value() if counted.good else None
    return not (isinstance(value, dict) and value.get("value") == "1")
