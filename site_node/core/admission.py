"""Who is let in when more call than a city can bear (failure 27): busy at the door, or a word and out at the queue.

A switch and a queue bear so much and no more. Beyond that every further call takes something from those who are in
already, until nobody is served in time. So a city lets in what it can serve: those turned away hear so at once, and the
rate of answers stays what the seats can do. By class: at the queue only those count who would be served before; at the
door a share is kept for calls whose door leads straight to a higher priority.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

CITY_FULL = "city_full"
"""cause of an ending at the door: as many calls as the city may have"""
QUEUE_FULL = "queue_full"
"""cause of an ending at the queue: as many are served before as the seats can get to"""
OWN_CITY_FIRST = "own_city_first"
"""why another city's contact is not granted an agent while our own callers are turned away"""


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits of one city. Empty answers mean: come in."""

    most_calls: int = 500
    """contacts with a leg at this switch, in menu, queue and talk together"""
    most_waiting_per_agent: float = 5.0
    """callers served before one who asks for a skill, per agent staffed for it"""
    most_waiting_always: int = 50
    """so many may wait for a skill however few are staffed: other cities may take them"""
    kept_for_higher: float = 0.1
    """share of ``most_calls`` that calls of priority 0 cannot have"""

    def at_the_door(self, live: int, priority: int) -> str:
        """Why a call is met with busy while ``live`` contacts are here; empty: it is let in."""
        most = self.most_calls if priority > 0 else floor(self.most_calls * (1.0 - self.kept_for_higher))
        return CITY_FULL if live >= max(1, most) else ""

    def at_the_queue(self, before: int, staffed: int) -> str:
        """Why a caller may not wait behind ``before`` others for a skill with ``staffed`` agents; empty: may wait."""
        return QUEUE_FULL if before >= self._most_waiting(staffed) else ""

    def _most_waiting(self, staffed: int) -> int:
        return max(self.most_waiting_always, floor(self.most_waiting_per_agent * staffed))
