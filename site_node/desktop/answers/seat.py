"""The state of whoever is logged in, and whom a contact can be transferred to."""

from __future__ import annotations

from typing import Literal

from dataset.ids import AgentId, CityId, ContactId, SkillId
from dataset.rows import IdentityHow
from dataset.work import CallBackOutcome
from federation.node.answers import Count, Seconds
from federation.node.operations import Reply
from site_node.core.call_back import CallBackState

Presence = Literal["offline", "not_ready", "ready", "alerting", "talking", "held", "wrap_up"]
AtSeat = Literal["alerting", "talking", "held", "wrap_up"]
Seen = Literal["not_ready", "ready", "reserved", "alerting", "talking", "held", "wrap_up"]
"""an agent as others see it; ``reserved``: ready, but promised to a caller"""


class Named(Reply, frozen=True, kw_only=True):
    """A code with its names."""

    code: str
    zh: str
    en: str


class Island(Reply, frozen=True, kw_only=True):
    """What the city does without."""

    alone: bool
    hub: bool
    peers: bool
    switch: bool


class NoteShown(Reply, frozen=True, kw_only=True):
    """A note that travels with a contact."""

    by: str
    text: str


class CheckShown(Reply, frozen=True, kw_only=True):
    """A check of identity that holds for a contact: who made it (null: the menu), in which city, when; the line is
    masked.
    """

    city: CityId
    line: str
    how: IdentityHow
    agent: AgentId | None
    at: Seconds


class CallShown(Reply, frozen=True, kw_only=True):
    """One contact at the own seat; the calling number is masked."""

    contact: ContactId
    attempt: Count
    state: AtSeat
    since_s: Seconds
    anchor: CityId
    received: bool
    confirmed: bool
    calling: str
    outbound: bool
    door: str
    path: tuple[str, ...]
    line: str
    service: str
    skill: SkillId
    waited_s: Seconds
    talk_s: Seconds
    hold_s: Seconds
    identity: tuple[CheckShown, ...]
    notes: tuple[NoteShown, ...]
    handled_by: tuple[AgentId, ...]
    disposition: str
    dispositions: tuple[Named, ...]
    wrap_up_left_s: Seconds | None


class CallBackShown(Reply, frozen=True, kw_only=True):
    """The call to the customer of a work item, or the last one; the number is masked. ``outcome``: null while it goes
    on.
    """

    contact: ContactId
    item: str
    owning: CityId
    number: str
    state: CallBackState
    outcome: CallBackOutcome | None
    talked_s: Seconds


class CallBackBegun(Reply, frozen=True, kw_only=True):
    """The own telephone rings; then ``number`` (masked) is called."""

    contact: ContactId
    number: str


class SeatState(Reply, frozen=True, kw_only=True):
    """The whole state of whoever is logged in: the answer of ``attach``, and every push of ``state``. ``at``: wall time
    of the city, by which its deadlines run.
    """

    at: float
    agent: str
    name: str
    city: CityId
    seat: str
    can_answer: bool
    roles: tuple[str, ...]
    presence: Presence
    reason: str
    since_s: Seconds
    skills: tuple[SkillId, ...]
    reasons: tuple[str, ...]
    reason_names: tuple[Named, ...]
    wrap_up_s: Seconds
    island: Island
    calls: tuple[CallShown, ...]
    call_back: CallBackShown | None


class TargetSkill(Reply, frozen=True, kw_only=True):
    """A queue to transfer to. ``expected_wait_s``: null where nobody is staffed."""

    skill: SkillId
    zh: str
    en: str
    expected_wait_s: Seconds | None
    idle: Count


class TargetAgent(Reply, frozen=True, kw_only=True):
    """Somebody to transfer to. ``age_s``: how old that knowledge is."""

    agent: AgentId
    name: str
    city: CityId
    presence: Seen
    since_s: Seconds
    age_s: Seconds
    skills: tuple[SkillId, ...]


class TargetsFound(Reply, frozen=True, kw_only=True):
    """Whom a contact can be transferred to."""

    skills: tuple[TargetSkill, ...]
    agents: tuple[TargetAgent, ...]
