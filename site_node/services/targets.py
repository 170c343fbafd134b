"""Whom a caller can be sent to: skills and agents of the whole province, as fresh as their cities' pictures are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataset.ids import AgentId, CityId
from dataset.packages import ServicePackage
from federation.core.envelope import AgentPicture, CityPicture
from site_node.services.pinyin import sounds_like

MOST = 50
"""Agents in one answer; nobody reads more, and a province has thousands."""

_RANK = {"ready": 0, "wrap_up": 1, "talking": 2, "held": 2, "alerting": 2, "not_ready": 3}


def targets(
    text: str,
    *,
    asking: AgentId | None,
    package: ServicePackage,
    home: CityPicture,
    province: Mapping[CityId, tuple[CityPicture, float]],
) -> dict[str, Any]:
    """The answer of ``targets``: matches by name, staff number, city and pinyin initials; idle agents first, those of
    the own city before others.
    """
    text = text.strip()
    pictures = [(home, 0.0), *province.values()]
    skills = [
        {
            "skill": skill.id,
            "zh": skill.zh,
            "en": skill.en,
            "expected_wait_s": _shortest_wait(skill.id, pictures),
            "idle": sum(picture.skills[skill.id].idle for picture, _ in pictures if skill.id in picture.skills),
        }
        for skill in package.skills
        if not text or _matches(text, skill.zh, skill.en, skill.id)
    ]
    found = [
        (agent, picture.city, age)
        for picture, age in pictures
        for agent in picture.agents
        if agent.agent != asking and (not text or _agent_matches(text, agent, picture.city))
    ]
    found.sort(key=lambda one: (_RANK.get(one[0].state, 4), one[1] != home.city, one[1], one[0].agent))
    agents = [
        {
            "agent": agent.agent,
            "name": agent.name,
            "city": city,
            "presence": agent.state,
            "since_s": round(agent.since_s + age, 1),
            "age_s": round(age, 1),
            "skills": list(agent.skills),
        }
        for agent, city, age in found[:MOST]
    ]
    return {"skills": skills, "agents": agents}


def _shortest_wait(skill: str, pictures: list[tuple[CityPicture, float]]) -> float | None:
    waits = [
        wait
        for picture, _ in pictures
        if skill in picture.skills and (wait := picture.skills[skill].expected_wait_s) is not None
    ]
    return round(min(waits), 1) if waits else None


def _agent_matches(text: str, agent: AgentPicture, city: CityId) -> bool:
    staff = agent.agent.partition("@")[0]
    return staff.startswith(text) or agent.agent == text or city == text.lower() or _matches(text, agent.name)


def _matches(text: str, *names: str) -> bool:
    low = text.lower()
    return any(low in name.lower() or sounds_like(name, low) for name in names)
