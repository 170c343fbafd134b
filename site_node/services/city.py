"""What the services need of the running city; ``site_node.shell`` provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from dataset.ids import AgentId, CityId
from federation.core.envelope import CityPicture
from site_node.core.events import AgentEvent, TransferAsked
from site_node.core.views import SeatView


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
