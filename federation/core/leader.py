"""Which of the hubs a node follows: the one that leads under the highest term ever heard (federation.md B2); and how
long a hub may lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dataset.ids import LineageId, NodeId
from federation.core.picture import SILENT_AFTER_BEATS, Steadiness

RETIRED_RUNS = 16
"""how many earlier runs of a hub are remembered, so that their late beats are not taken for new ones"""
NO_RUN = LineageId("")
STEADY = Steadiness()


class Tenure(NamedTuple):
    """A hub's hold on the lock by which one of several leads (B2)."""

    term: int
    """grows with each hold, whoever has it; above all that were heard of, and of a hub alone (``own_term``)"""
    until: float
    """on the holder's own monotonic clock: surely nobody else has the lock before; each renewal moves it on"""


def own_term(node: NodeId, hubs: Sequence[NodeId], above: int) -> int:
    """The lowest term above ``above`` that is ``node``'s, one of ``hubs``: of two hubs one has the odd terms, the other
    the even ones, as proposers have ballots in Paxos. So no two hubs ever have the same, whatever a lock forgets while
    one of them hears nothing of the other.
    """
    place = sorted(hubs).index(node) + 1
    return above + 1 + (place - above - 1) % len(hubs)


@dataclass(slots=True)
class _Heard:
    term: int
    leads: bool
    at: float
    run: LineageId = NO_RUN
    retired: tuple[LineageId, ...] = ()
    steadiness: Steadiness = STEADY


class HubsInSight:
    """Beats of hubs in, the leader out. Callers pass ``now``, seconds on their own monotonic clock."""

    def __init__(self, silent_after_s: float) -> None:
        self._beat_s = silent_after_s / SILENT_AFTER_BEATS
        self._silent_after_s = silent_after_s
        self._hubs: dict[NodeId, _Heard] = {}
        self.term = 0
        """the highest heard; what a hub says under a lower one is refused"""

    def heard(self, hub: NodeId, term: int, *, leads: bool, now: float, run: LineageId = NO_RUN) -> None:
        """A beat of ``hub``. A standby says which term it knows of: so its word of a new one counts too.

        ``run``: the lineage that it speaks in. A new one counts at once, one that keeps falling silent does not.
        """
        self.term = max(self.term, term)
        known = self._hubs.get(hub)
        if known is None:
            self._hubs[hub] = _Heard(term, leads, now, run)
        elif known.run == run:
            known.steadiness = known.steadiness.heard(known.at, now, self._beat_s)
            known.term, known.leads, known.at = term, leads, now
        elif run not in known.retired:
            self._hubs[hub] = _Heard(term, leads, now, run, (*known.retired, known.run)[-RETIRED_RUNS:])

    def heard_term(self, term: int) -> None:
        """Somebody who is no hub knows of ``term``."""
        self.term = max(self.term, term)

    def outdated(self, term: int) -> bool:
        """Whether what a hub says under ``term`` is to be refused: somebody leads, or led, under a higher one."""
        return term < self.term

    def leader(self, now: float) -> NodeId | None:
        """The hub to follow: it leads under the highest term, and is not silent (B6)."""
        leading = [
            hub for hub, one in self._hubs.items() if one.leads and one.term == self.term and self._counts(one, now)
        ]
        return min(leading, default=None)

    def following(self, now: float) -> tuple[NodeId | None, tuple[int, LineageId] | None]:
        """The hub to follow, and its reign: term and run. With another it knows nothing of what was opened before."""
        leader = self.leader(now)
        return leader, (self._hubs[leader].term, self._hubs[leader].run) if leader is not None else None

    def seen(self, now: float) -> frozenset[NodeId]:
        """The hubs that are not silent, leading or not."""
        return frozenset(hub for hub, one in self._hubs.items() if self._counts(one, now))

    def _counts(self, one: _Heard, now: float) -> bool:
        return now - one.at <= self._silent_after_s and one.steadiness.counts(one.at)
