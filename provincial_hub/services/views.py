"""The province, its contacts and their ways in the shapes of ``docs/console-api.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from dataset.masking import masked
from dataset.packages import Skill
from dataset.rows import Decision, Journalled
from dataset.standing import Declaration
from federation.core.envelope import AgentPicture, SkillPicture
from federation.core.picture import KnownCity, staffed_for
from federation.node.province import City
from provincial_hub.core.contacts import ContactSeen
from provincial_hub.core.traffic import Flow, Traffic

Json = dict[str, Any]


def rounded(seconds: float | None) -> float | None:
    """Seconds to the millisecond; None for what is not known."""
    return None if seconds is None or seconds != seconds or seconds == float("inf") else round(seconds, 3)


def city_view(
    city: City,
    known: KnownCity,
    traffic: Traffic,
    skills: Sequence[Skill],
    *,
    lost: Declaration | None,
    wall: float,
    base: str,
    started: float,
) -> Json:
    """One city: what its picture says, how old that is, and what its rows count today."""
    picture = known.picture
    return {
        "city": city.id,
        "name": city.name,
        "name_en": city.name_en,
        "x": city.x,
        "y": city.y,
        "seen": known.seen,
        "age_s": rounded(known.age_s),
        "missing_since": None if known.seen else wall - known.age_s if picture is not None else started,
        "lost": lost_view(lost),
        "switch_up": picture.switch_up if picture is not None else False,
        "hub_seen": picture.hub_seen if picture is not None else False,
        "contacts_live": picture.contacts_live if picture is not None else 0,
        "service_level": traffic.service_level(city.id, wall),
        "base": base,
        "skills": [
            skill_view(skill, staffed_for(picture, skill.id) if picture is not None else SkillPicture())
            for skill in skills
        ],
        "agents": [agent_view(agent) for agent in picture.agents] if picture is not None else [],
        "today": asdict(traffic.today(city.id, wall)),
    }


def lost_view(declared: Declaration | None) -> Json | None:
    """Since when, by whom and why a city counts as lost (E3); None while it does not."""
    return None if declared is None else {"since": declared.since, "by": declared.by, "reason": declared.reason}


def skill_view(skill: Skill, figures: SkillPicture) -> Json:
    """One queue of one city."""
    return {
        "skill": skill.id,
        "zh": skill.zh,
        "en": skill.en,
        "waiting": figures.waiting,
        "oldest_wait_s": rounded(figures.oldest_wait_s),
        "idle": figures.idle,
        "staffed": figures.staffed,
        "expected_wait_s": rounded(figures.expected_wait_s),
    }


def agent_view(agent: AgentPicture) -> Json:
    """One agent session."""
    return {
        "agent": agent.agent,
        "name": agent.name,
        "state": agent.state,
        "reason": agent.reason,
        "since_s": rounded(agent.since_s),
        "skills": list(agent.skills),
        "seat": agent.seat,
        "contact": agent.contact,
    }


def flow_view(flow: Flow) -> Json:
    """Contacts of one city served in another."""
    return {"from": flow.origin, "to": flow.to, "up": flow.up, "last_15_min": flow.last_15_min}


def contact_view(contact: ContactSeen, *, now: float) -> Json:
    """One contact; ``now`` is the hub's monotonic time, for one that waits."""
    answer = contact.answer
    return {
        "contact": contact.contact,
        "city": contact.city,
        "calling": _masked(contact.calling),
        "door": contact.door,
        "path": list(contact.path),
        "service": contact.service,
        "skill": contact.skill,
        "state": contact.state,
        "serving": contact.serving,
        "agent": answer.agent if answer is not None and contact.serving is not None else None,
        "born": contact.born,
        "waited_s": rounded(contact.waited_s(now)),
        "talked_s": rounded(contact.talked_s),
        "ending": contact.ending,
        "route": list(contact.route),
    }


def row_view(row: Journalled) -> Json:
    """A row of record with its place; numbers of customers masked."""
    fields: Json = msgspec.to_builtins(row.row)
    for holder in (fields, fields.get("call_back") or {}):
        for name in ("calling", "line"):
            if name in holder:
                holder[name] = _masked(holder[name])
    return {**fields, "wall": row.wall, "node": row.node, "lineage": row.lineage, "sequence": row.sequence}


def way_view(rows: Iterable[Journalled]) -> tuple[list[Json], list[Json]]:
    """Rows and decisions about one contact, each in the order of their wall times, writers and places."""
    ordered = sorted(rows, key=lambda row: (row.wall, row.node, row.lineage, row.sequence))
    return (
        [row_view(row) for row in ordered if not isinstance(row.row, Decision)],
        [row_view(row) for row in ordered if isinstance(row.row, Decision)],
    )


def _masked(number: str) -> str:
    """A withheld number stays empty."""
    return masked(number) if number else ""
