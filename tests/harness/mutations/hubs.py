"""Hubs and islands (B2, B3)."""

from __future__ import annotations

from typing import Any

import federation.core.overflow as overflow
from dataset.ids import ContactId
from federation.core.leader import HubsInSight
from federation.core.overflow import Choice
from provincial_hub.core.leading import Leading
from site_node.core.peers import PeerMatching
from site_node.core.routing import Routing
from tests.harness.mutations.registry import Real, breaks


@breaks(
    "B2",
    shows="grants for proposals of a hub that leads no more, under a lower term than the cities know",
    needs="two hubs; the leader cut off or stopped with proposals on their way, and another one promoted",
)
def old_term_is_obeyed(real: Real) -> None:
    """A city does what any hub asks, whatever term it speaks under."""
    real.around(HubsInSight, "outdated", lambda original, self, term: False)


@breaks(
    "B2",
    shows="two hubs that lead at once: beats as leader, or proposals, of a hub after its lock's time was over",
    needs="two hubs; the leader stopped, or cut off from the lock, for longer than the lock is held for",
)
def lock_is_held_until_it_says_otherwise(real: Real) -> None:
    """A hub leads until the lock tells it that it does not, however long it has not heard from it."""
    real.around(Leading, "leads", lambda original, self, now: self._tenure is not None)


@breaks(
    "B4",
    shows="callers who are turned away, or wait although an agent of their own city is idle, while the city is cut off",
    needs="a city cut off from everything, with calls and agents of its own",
)
def city_waits_for_its_hub(real: Real) -> None:
    """A contact looks for an agent at home only while somebody in the province is heard."""

    def wait(original: Any, self: Routing, which: ContactId, *, front: bool) -> None:
        if self._sight.proposer is not None:
            original(self, which, front=front)

    real.around(Routing, "wait", wait)


@breaks(
    "B3",
    shows="without a hub all anchors ask one city at one moment, and most of them are refused",
    needs="no hub, at least two anchors with several contacts each, and two cities with idle agents",
)
def islands_all_ask_the_same_city(real: Real) -> None:
    """Anchors that choose by themselves all take the city with the largest idle share."""

    def choose(original: Any, *args: Any, spread_by: Any = None, **rest: Any) -> Choice:
        return original(*args, **rest)  # type: ignore[no-any-return]  # the real one's

    real.everywhere(overflow, "choose_city", choose)


@breaks(
    "B3",
    shows="without a hub nobody is served abroad although other cities are heard and have idle agents",
    needs="no hub for some minutes, contacts at a city without agents",
)
def no_hub_means_no_help(real: Real) -> None:
    """While no hub leads, nobody is asked."""
    real.around(PeerMatching, "_may_ask", lambda original, self, picture: False)
