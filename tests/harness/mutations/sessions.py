"""Agents' sessions (A8)."""

from __future__ import annotations

from typing import Any

from dataset.ids import city_of
from site_node.core import sessions
from tests.harness.mutations.registry import Real, breaks


@breaks(
    "A8",
    shows="one agent with two sessions, at the city that the id names and at another, and a contact in each",
    needs="an agent who logs in at a second city, with the first cut off",
)
def an_agent_may_log_in_anywhere(real: Real) -> None:
    """Whoever has the password gets a session, wherever the agent belongs."""

    def log_in(original: Any, self: sessions.Sessions, event: Any) -> None:
        home, self._city = self._city, city_of(event.agent)
        try:
            original(self, event)
        finally:
            self._city = home

    real.around(sessions.Sessions, "log_in", log_in)
