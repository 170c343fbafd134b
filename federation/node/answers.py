"""What answers of a city and of a hub have in common, as declared types.

A program says more in types of its own, which may also say less of a field: a city knows of its own queue what a hub
may not have heard.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from dataset.ids import AgentId, ContactId, SkillId
from federation.node.operations import Reply

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Login(Reply, frozen=True, kw_only=True):
    """A login."""

    token: str
    name: str
    roles: tuple[str, ...]


class QueueOfCity(Reply, frozen=True, kw_only=True):
    """A queue of a city. ``expected_wait_s``: null where nobody is staffed."""

    skill: SkillId
    zh: str
    en: str
    waiting: Count
    oldest_wait_s: Seconds | None
    idle: Count
    staffed: Count
    expected_wait_s: Seconds | None


class LoggedIn(Reply, frozen=True, kw_only=True):
    """An agent who is logged in."""

    agent: AgentId
    name: str
    state: str
    reason: str
    since_s: Seconds | None
    skills: tuple[SkillId, ...]
    seat: str
    contact: ContactId | None
