"""What the services need of the running city; ``site_node.shell`` provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.core.envelope import CityPicture
from site_node.core.events import AgentEvent, TransferAsked


@dataclass(frozen=True, slots=True)
class CallView:
    """One contact at a seat, as ``docs/agent-api.md`` shows it; durations in seconds at the moment of asking."""

    contact: ContactId
    attempt: int
    state: str
    since_s: float
    anchor: CityId
    received: bool
    confirmed: bool
    calling: str
    """unmasked; services mask it"""
    door: str
    path: tuple[str, ...]
    service: str
    skill: SkillId
    waited_s: float
    talk_s: float
    hold_s: float
    notes: tuple[str, ...]
    """``1001@guangzhou: text``"""
    handled_by: tuple[AgentId, ...]
    disposition: str
    wrap_up_left_s: float | None


@dataclass(frozen=True, slots=True)
class SeatView:
    """One agent session."""

    agent: AgentId
    name: str
    seat: str
    can_answer: bool
    presence: str
    reason: str
    since_s: float
    skills: tuple[SkillId, ...]
    calls: tuple[CallView, ...]
    hub_seen: bool
    switch_up: bool


class City(Protocol):
    """The running city behind the services."""

    city: CityId

    def act(self, event: AgentEvent) -> None:
        """Let an agent's event happen.

        Raises ``Refused`` (409 ``wrong-state``, 404 ``unknown-contact`` …) before any change when it is not possible
        now.
        """

    def transfer(self, event: TransferAsked) -> Deferred[None]:
        """As ``act``; fires when the anchor has taken the caller over, errbacks with ``Refused`` when it has not."""

    def seat_view(self, agent: AgentId) -> SeatView | None:
        """The agent's session now; None when not logged in."""

    def own_picture(self) -> CityPicture:
        """What the others see of us."""

    def province(self) -> Mapping[CityId, tuple[CityPicture, float]]:
        """Last picture of each other city, with its age in seconds."""

    def watch(self, agent: AgentId, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each change of the agent's session; the result ends it."""
