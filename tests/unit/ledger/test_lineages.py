"""The order of a node's runs, for a holder that has not heard of all of them."""

from __future__ import annotations

from itertools import permutations

from dataset.ids import LineageId
from dataset.lineages import Lineages
from dataset.rows import Journalled, LineageOpened

FIRST, SECOND, THIRD = (LineageId(name * 8) for name in "cba")


def opened(lineage: LineageId, wall: float, *known: LineageId) -> Journalled:
    """The first row of a run; ``known``: the runs on its disk, in order."""
    row = LineageOpened(
        node="guangzhou", previous=known[-1] if known else None, previous_head=1, before=tuple(known[:-1])
    )
    return Journalled(node="guangzhou", lineage=lineage, sequence=1, wall=wall, mono=0.0, boot="b", row=row)


def test_a_run_that_nothing_was_heard_of_does_not_hide_the_order_of_the_others() -> None:
    """A city hears only of those runs of its neighbour that wrote something for it; the clock was set back between."""
    heard = [opened(FIRST, 1_000.0), opened(THIRD, 400.0, FIRST, SECOND)]
    for rows in permutations(heard):
        lineages = Lineages()
        for row in rows:
            lineages.add(row)
        assert lineages.rank("guangzhou", FIRST) < lineages.rank("guangzhou", THIRD)
