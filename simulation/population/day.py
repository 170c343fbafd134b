"""How busy a day is, hour by hour, and the moments at which calls arrive in it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

LOCAL_OFFSET_S = 8 * 3600
"""Asia/Shanghai, which has no summer time"""
DAY_S = 86_400

TWO_PEAKS: tuple[float, ...] = (
    *(0.15, 0.10, 0.08, 0.07, 0.08, 0.12),
    *(0.30, 0.60, 1.05, 1.45, 1.60, 1.40),
    *(1.00, 1.10, 1.40, 1.55, 1.45, 1.15),
    *(1.00, 1.05, 1.00, 0.75, 0.50, 0.30),
)
"""Load in the middle of each local hour against an ordinary daytime hour: a peak at ten and one at half past three."""
FLAT: tuple[float, ...] = (1.0,) * 24


class DayProfile:
    """Weights of the 24 local hours, straight lines between their middles. ``ValueError`` unless there are 24 ≥ 0."""

    def __init__(self, hours: Sequence[float] = TWO_PEAKS) -> None:
        if len(hours) != 24 or min(hours) < 0 or max(hours) <= 0:
            raise ValueError("a day's profile has 24 weights, none below 0 and not all 0")
        self._hours = tuple(hours)
        self.highest = max(hours)

    def weight(self, wall: float) -> float:
        """The weight at a moment given in UTC seconds since the epoch."""
        middle = ((wall + LOCAL_OFFSET_S) % DAY_S) / 3600.0 - 0.5
        hour = int(middle // 1)
        part = middle - hour
        return self._hours[hour % 24] * (1.0 - part) + self._hours[(hour + 1) % 24] * part

    def next_arrival(self, wall: float, per_hour: float, rng: Random) -> float:
        """Seconds from ``wall`` to the next arrival of a Poisson process with ``per_hour`` × weight calls an hour.

        By thinning (Lewis and Shedler, 1979). ``inf`` when nobody ever calls.
        """
        if per_hour <= 0:
            return float("inf")
        highest = per_hour * self.highest / 3600.0
        moment = wall
        while True:
            moment += rng.expovariate(highest)
            if rng.random() * self.highest <= self.weight(moment):
                return moment - wall
