"""What the seat page is shown, as JSON values: ``docs/agent-api.md``, State and pushes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dataset.ids import ContactId
from dataset.masking import masked
from dataset.packages import ServicePackage
from dataset.rows import CheckMade
from federation.core.envelope import CityPicture
from federation.node.login import Actor
from site_node.core.views import CallBackView, CallView, SeatView


def seat_state(
    actor: Actor,
    city: str,
    view: SeatView,
    package: ServicePackage,
    wrap_up_s: float,
    checks: Callable[[ContactId], Iterable[CheckMade]],
    now: float,
) -> dict[str, Any]:
    """The whole state of an agent at a seat. ``checks``: of identity, that hold for a contact. ``now``: wall time of
    the city.
    """
    return {
        "at": now,
        "agent": view.agent,
        "name": view.name,
        "city": city,
        "seat": view.seat,
        "can_answer": view.can_answer,
        "roles": sorted(actor.roles),
        "presence": view.presence,
        "reason": view.reason,
        "since_s": _seconds(view.since_s),
        "skills": list(view.skills),
        **_choices(package, wrap_up_s),
        "island": {"alone": view.alone, "hub": view.hub_seen, "peers": view.peers_seen, "switch": view.switch_up},
        "calls": [call_state(call, package, checks(call.contact)) for call in view.calls],
        "call_back": call_back_state(view.call_back) if view.call_back is not None else None,
    }


def away_state(
    actor: Actor,
    city: str,
    seat: str,
    picture: CityPicture,
    package: ServicePackage,
    wrap_up_s: float,
    now: float,
    *,
    peers: bool,
    alone: bool,
) -> dict[str, Any]:
    """The state of somebody without a seat (a supervisor), or whose seat session has ended."""
    return {
        "at": now,
        "agent": actor.agent or "",
        "name": actor.name,
        "city": city,
        "seat": seat,
        "can_answer": False,
        "roles": sorted(actor.roles),
        "presence": "offline",
        "reason": "",
        "since_s": 0.0,
        "skills": [],
        **_choices(package, wrap_up_s),
        "island": {"alone": alone, "hub": picture.hub_seen, "peers": peers, "switch": picture.switch_up},
        "calls": [],
        "call_back": None,
    }


def call_state(call: CallView, package: ServicePackage, checks: Iterable[CheckMade]) -> dict[str, Any]:
    """One contact at a seat; its numbers are masked."""
    return {
        "contact": call.contact,
        "attempt": call.attempt,
        "state": call.state,
        "since_s": _seconds(call.since_s),
        "anchor": call.anchor,
        "received": call.received,
        "confirmed": call.confirmed,
        "calling": masked(call.calling),
        "outbound": call.outbound,
        "door": call.door,
        "path": list(call.path),
        "line": masked(call.line) if call.line else "",
        "service": call.service,
        "skill": call.skill,
        "waited_s": _seconds(call.waited_s),
        "talk_s": _seconds(call.talk_s),
        "hold_s": _seconds(call.hold_s),
        "identity": [
            {"city": one.city, "line": masked(one.line), "how": one.how, "agent": one.agent, "at": one.at}
            for one in checks
        ],
        "notes": [_note(note) for note in call.notes],
        "handled_by": list(call.handled_by),
        "disposition": call.disposition,
        "dispositions": [{"code": one.code, "zh": one.zh, "en": one.en} for one in package.dispositions],
        "wrap_up_left_s": None if call.wrap_up_left_s is None else _seconds(call.wrap_up_left_s),
    }


def call_back_state(call: CallBackView) -> dict[str, Any]:
    """The agent's call to the customer of a work item, or how the last one ended; its number is masked."""
    return {
        "contact": call.contact,
        "item": call.item,
        "owning": call.owning,
        "number": masked(call.number),
        "state": call.state,
        "outcome": call.outcome or None,
        "talked_s": _seconds(call.talked_s),
    }


def city_state(
    picture: CityPicture, seats: list[SeatView], package: ServicePackage, *, peers: bool, alone: bool
) -> dict[str, Any]:
    """The answer of ``city``: queues, agents, and the contacts at seats."""
    known = {skill.id: skill for skill in package.skills}
    return {
        "city": picture.city,
        "island": {"alone": alone, "hub": picture.hub_seen, "peers": peers, "switch": picture.switch_up},
        "contacts_live": picture.contacts_live,
        "trunks_busy": dict(picture.trunks_busy),
        "queues": [
            {
                "skill": skill,
                "zh": known[skill].zh if skill in known else skill,  # type: ignore[index]
                "en": known[skill].en if skill in known else skill,  # type: ignore[index]
                "waiting": queue.waiting,
                "oldest_wait_s": _seconds(queue.oldest_wait_s),
                "idle": queue.idle,
                "staffed": queue.staffed,
                "expected_wait_s": None if queue.expected_wait_s is None else _seconds(queue.expected_wait_s),
            }
            for skill, queue in picture.skills.items()
        ],
        "agents": [
            {
                "agent": agent.agent,
                "name": agent.name,
                "state": agent.state,
                "reason": agent.reason,
                "since_s": _seconds(agent.since_s),
                "skills": list(agent.skills),
                "seat": agent.seat,
                "contact": agent.contact,
            }
            for agent in picture.agents
        ],
        "contacts": [
            {
                "contact": call.contact,
                "agent": view.agent,
                "state": call.state,
                "since_s": _seconds(call.since_s),
                "anchor": call.anchor,
                "received": call.received,
                "calling": masked(call.calling),
                "service": call.service,
                "skill": call.skill,
                "waited_s": _seconds(call.waited_s),
                "talk_s": _seconds(call.talk_s),
            }
            for view in seats
            for call in view.calls
        ],
    }


def _choices(package: ServicePackage, wrap_up_s: float) -> dict[str, Any]:
    return {
        "reasons": list(package.chosen_reasons()),
        "reason_names": [{"code": one.code, "zh": one.zh, "en": one.en} for one in package.reasons],
        "wrap_up_s": wrap_up_s,
    }


def _note(note: str) -> dict[str, str]:
    by, colon, text = note.partition(": ")
    return {"by": by, "text": text} if colon else {"by": "", "text": note}


def _seconds(value: float) -> float:
    return round(value, 1)
