"""What the services need of the running city; ``site_node.shell`` provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, ContactId
from federation.core.envelope import CityPicture
from federation.node.login import Actor
from site_node.core.events import AgentEvent, TransferAsked
from site_node.core.views import CallView, SeatView


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

    def peers_seen(self) -> bool:
        """Whether any other city is heard now."""

    def stands_alone(self) -> bool:
        """Whether the city has no link (B5)."""

    def watch(self, agent: AgentId, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each change of the agent's session; the result ends it."""


def agent_of(city: City, actor: Actor) -> AgentId:
    """The agent that ``actor`` is on record as, at a seat or not."""
    return actor.agent if actor.agent is not None else AgentId(f"{actor.user}@{city.city}")


def call_at(city: City, agent: AgentId | None, contact: ContactId) -> CallView | None:
    """The contact at the seat of ``agent``; None when it is not there, or nobody is."""
    view = city.seat_view(agent) if agent is not None else None
    return next((call for call in view.calls if call.contact == contact), None) if view is not None else None


def own_call(city: City, actor: Actor, contact: ContactId) -> CallView:
    """The contact at the seat of ``actor``, with which something is handed in.

    Raises ``Refused`` 404 ``unknown-contact`` when it is not there.
    """
    found = call_at(city, actor.agent, contact)
    if found is None:
        raise Refused(
            Problem(
                "unknown-contact",
                zh="您的座席上没有此接触；请在其结束之前提交，或不带接触提交",
                en="this contact is not at your seat; hand it in before it ends, or without a contact",
                place="contact",
            ),
            status=404,
        )
    return found


def own_contact(city: City, actor: Actor, contact: ContactId) -> ContactId:
    """``contact``, which is at the seat of ``actor``. Raises as ``own_call``."""
    own_call(city, actor, contact)
    return contact
