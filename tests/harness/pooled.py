"""What the same callers would get from one pooled queue, and from cities that do not help each other.

A discrete-event model of the arrivals, handling times and times on the line that a real run had: FIFO, one queue per
group of agents, no delays of any kind. It is the limit that overflow is measured against, not a copy of the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush


@dataclass(frozen=True, slots=True)
class Arrival:
    """One caller: when, where, how long they stay on the line at most, how long the agent would talk. Seconds."""

    at: float
    city: str
    stays_s: float
    handling_s: float


def answered(arrivals: Sequence[Arrival], agents: Mapping[str, int], *, pooled: bool) -> int:
    """How many are answered, with all agents in one group or each city on its own."""
    if pooled:
        return _answered(sorted(arrivals, key=lambda one: one.at), sum(agents.values()))
    return sum(
        _answered(sorted((one for one in arrivals if one.city == city), key=lambda one: one.at), count)
        for city, count in agents.items()
    )


def _answered(arrivals: Sequence[Arrival], agents: int) -> int:
    """FIFO with reneging: each agent takes the next caller who is still there when the agent becomes free."""
    free_at = [0.0] * agents
    heapify(free_at)
    served = 0
    for one in arrivals:
        if not free_at:
            return 0
        begins = max(one.at, free_at[0])
        leaves = one.at + one.stays_s
        if begins >= leaves:
            continue
        heappop(free_at)
        heappush(free_at, min(begins + one.handling_s, leaves))
        served += 1
    return served
