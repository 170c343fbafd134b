"""Which run of a node came after which, and what a run no longer knew: the ground under endings (J2, E1, E3).

Fed with rows in any order; only ``LineageOpened`` and ``TailMissing`` are looked at. The order of a node's lineages is
that of their links (``previous`` and ``before``, and the lineages named in ``tail_missing``); where these leave a
choice, the one opened earlier by its wall time, then the smaller id, comes first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import pairwise

from dataset.ids import ContactId, LineageId
from dataset.rows import Journalled, LineageOpened, TailMissing

UNKNOWN_OPENING = float("-inf")
_ABOUT_LINEAGES = frozenset({LineageOpened, TailMissing})


def born_in(contact: ContactId) -> LineageId:
    """The run of its anchor in which ``contact`` was born, as its id says."""
    return LineageId(contact.split("-")[1] if contact.count("-") == 2 else "")


@dataclass(slots=True)
class _Node:
    """What is known of one node's runs."""

    openings: dict[LineageId, tuple[float, frozenset[ContactId]]] = field(default_factory=dict)
    """wall time of the opening, contacts live then"""
    links: set[tuple[LineageId, LineageId]] = field(default_factory=set)
    """earlier, later"""
    order: dict[LineageId, int] | None = None
    """cache of the ranks"""


class Lineages:
    """The runs of all nodes."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def add(self, journalled: Journalled) -> bool:
        """Take in a row; whether it was about lineages."""
        row = journalled.row
        if type(row) not in _ABOUT_LINEAGES:  # of thousands of rows, one
            return False
        if isinstance(row, LineageOpened):
            node = self._nodes.setdefault(journalled.node, _Node())
            node.openings[journalled.lineage] = (journalled.wall, frozenset(row.live_contacts))
            if row.previous is not None:
                node.links.update(pairwise((*row.before, row.previous, journalled.lineage)))
        elif isinstance(row, TailMissing):
            node = self._nodes.setdefault(journalled.node, _Node())
            node.links.add((row.of, journalled.lineage))
        else:
            return False
        node.order = None
        return True

    def rank(self, node: str, lineage: LineageId) -> int:
        """Place of ``lineage`` among the runs of ``node``, from 0; -1 for one that nothing is known of."""
        known = self._nodes.get(node)
        if known is None:
            return -1
        if known.order is None:
            known.order = _ranks(known)
        return known.order.get(lineage, -1)

    def lost_at(self, node: str, contact: ContactId, lineages: Collection[LineageId]) -> float | None:
        """When a contact of ``node`` without an ending was lost with its journal; None when it was not (E3).

        ``lineages``: those in which the node wrote about the contact. The moment is the wall time at which the first
        later run opened without listing the contact as live.
        """
        known = self._nodes.get(node)
        if known is None:
            return None
        last = max([self.rank(node, lineage) for lineage in lineages])
        later = [
            (rank, wall)
            for lineage, (wall, live) in known.openings.items()
            if (rank := self.rank(node, lineage)) > last and contact not in live
        ]
        return min(later)[1] if later else None


def _ranks(node: _Node) -> dict[LineageId, int]:
    """Topological order; among those free to come next, the earliest opening, then the smallest id."""
    names = {*node.openings, *(name for link in node.links for name in link)}
    before = dict.fromkeys(names, 0)
    after: dict[LineageId, list[LineageId]] = {name: [] for name in names}
    for earlier, later in node.links:
        before[later] += 1
        after[earlier].append(later)

    def place(name: LineageId) -> tuple[float, LineageId]:
        return (node.openings[name][0] if name in node.openings else UNKNOWN_OPENING, name)

    free = [place(name) for name, count in before.items() if count == 0]
    heapify(free)
    order: list[LineageId] = []
    while free:
        _, name = heappop(free)
        order.append(name)
        for later in after[name]:
            before[later] -= 1
            if before[later] == 0:
                heappush(free, place(later))
    # links in a circle are no honest journal's; such lineages come last, in a fixed order
    order += sorted(names - set(order), key=place)
    return {name: rank for rank, name in enumerate(order)}
