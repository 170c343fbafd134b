"""Output commit: nothing leaves before the rows decided earlier are on disk (federation.md J1, O2, S1).

Effects leave in the order they were decided. A step that wrote rows holds back its own effects, and all later ones,
until those rows are synced; group commit makes that some milliseconds for everybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from dataset.ids import NodeId
from dataset.rows import AnyRow
from federation.ports import Journal

log = Logger()

Effect = Callable[[], None]


@dataclass(slots=True)
class _Batch:
    effects: list[Effect]
    synced: bool


class Output:
    """The one way out of a core."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._batches: deque[_Batch] = deque()
        self._draining = False

    def __len__(self) -> int:
        """Batches that wait for a sync."""
        return len(self._batches)

    def put(self, rows: Sequence[tuple[AnyRow, Sequence[NodeId]]], effects: list[Effect]) -> None:
        """Journal ``rows``, then let ``effects`` happen, after everything put before."""
        if not rows and not effects:
            return
        batch = _Batch(effects, synced=not rows)
        self._batches.append(batch)
        if rows:
            self._journal.append(rows, lambda: self._synced(batch))
        else:
            self._drain()

    def _synced(self, batch: _Batch) -> None:
        batch.synced = True
        self._drain()

    def _drain(self) -> None:
        """Effects may lead to new ones: these wait their turn."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._batches and self._batches[0].synced:
                for effect in self._batches.popleft().effects:
                    _carry_out(effect)
        finally:
            self._draining = False


def _carry_out(effect: Effect) -> None:
    """The core has moved on and its rows are on record: one effect that fails takes no other along."""
    try:
        effect()
    except Exception:  # noqa: BLE001 - whoever put it is not at fault, and the others are owed; logged in full
        log.failure("an effect of the core failed", event="effect-failed")
