"""The city now, as supervisors see it."""

from __future__ import annotations

from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.node.answers import Count, LoggedIn, QueueOfCity, Seconds
from federation.node.operations import Reply
from site_node.desktop.answers.seat import AtSeat, Island, Seen


class QueueShown(QueueOfCity, frozen=True, kw_only=True):
    """A queue of this city."""

    oldest_wait_s: Seconds


class AgentShown(LoggedIn, frozen=True, kw_only=True):
    """An agent who is logged in."""

    state: Seen
    since_s: Seconds


class ContactAtSeat(Reply, frozen=True, kw_only=True):
    """A contact at a seat of this city."""

    contact: ContactId
    agent: AgentId
    state: AtSeat
    since_s: Seconds
    anchor: CityId
    received: bool
    calling: str
    service: str
    skill: SkillId
    waited_s: Seconds
    talk_s: Seconds


class CityNow(Reply, frozen=True, kw_only=True):
    """The city now. ``trunks_busy``: legs up towards each other city."""

    city: CityId
    island: Island
    contacts_live: Count
    trunks_busy: dict[str, int]
    queues: tuple[QueueShown, ...]
    agents: tuple[AgentShown, ...]
    contacts: tuple[ContactAtSeat, ...]
