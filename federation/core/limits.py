"""How many contacts of one city another has taken of late (federation.md A7), so that nothing oscillates."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dataset.ids import CityId

HOUR_S = 3600.0


class PairMoves:
    """Grants by anchor and serving city within the last hour, and whether a pair is at its limit.

    A grant counts when it is heard of, taken or not; of the time before somebody began to count, the answers that are
    on record do. Callers pass ``now``, seconds on their own monotonic clock. At most ``limit`` moments per pair are
    remembered; 0 means no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._moves: dict[tuple[CityId, CityId], deque[float]] = {}

    def moved(self, anchor: CityId, site: CityId, now: float) -> None:
        """``site`` granted an agent to a contact of ``anchor``."""
        if self._limit:
            self._moves.setdefault((anchor, site), deque(maxlen=self._limit)).append(now)

    def recall(self, answered: Iterable[tuple[CityId, CityId, float]], began: float) -> None:
        """From before ``began``, when whoever counts began to, only ``answered`` counts: anchor, site, and when."""
        earlier: dict[tuple[CityId, CityId], list[float]] = {}
        for anchor, site, at in answered:
            if at < began:
                earlier.setdefault((anchor, site), []).append(at)
        for pair in {*earlier, *self._moves} if self._limit else ():
            since = [at for at in self._moves.get(pair, ()) if at >= began]
            self._moves[pair] = deque([*sorted(earlier.get(pair, ())), *since], maxlen=self._limit)

    def count(self, anchor: CityId, site: CityId, now: float) -> int:
        """How many there were within the hour before ``now``."""
        moves = self._moves.get((anchor, site))
        if moves is None:
            return 0
        while moves and moves[0] <= now - HOUR_S:
            moves.popleft()
        return len(moves)

    def full(self, anchor: CityId, site: CityId, under_way: int, now: float) -> bool:
        """Whether the pair is at its limit, were the proposals ``under_way`` all granted."""
        return bool(self._limit) and self.count(anchor, site, now) + under_way >= self._limit
