"""Unknown slots are settled by a row of this hub, which every hub hears (S2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import NodeId
from dataset.rows import Journalled, RowSettled
from federation.node.ledger_store import LedgerStore
from federation.ports import Journal

log = Logger()


class Settling:
    """Writes ``RowSettled``, and says when it counts in this hub's own ledger."""

    def __init__(self, journal: Journal, store: LedgerStore, others: Sequence[NodeId]) -> None:
        self._journal = journal
        self._store = store
        self._others = tuple(others)
        self._waiting: list[tuple[RowSettled, Deferred[None]]] = []

    def start(self) -> None:
        """After those who keep own rows in the ledger: behind their write comes ours."""
        self._journal.on_rows(self._journalled)

    def settle(self, row: RowSettled) -> Deferred[None]:
        """Journal ``row``; fires once totals no longer count what it settles."""
        done: Deferred[None] = Deferred()
        self._waiting.append((row, done))
        log.warn(
            "{by} settles number {first} to {last} of {sender}, lineage {lineage}: {reason}",
            by=row.by,
            first=row.first,
            last=row.last,
            sender=row.sender,
            lineage=row.lineage,
            reason=row.reason,
            event="row-settled",
        )
        self._journal.append([(row, self._others)], _on_disk)
        return done

    def _journalled(self, rows: Sequence[Journalled]) -> None:
        for journalled in rows:
            for row, done in [one for one in self._waiting if one[0] is journalled.row]:
                self._waiting.remove((row, done))
                self._store.keep_own([], _fires(done))


def _fires(done: Deferred[None]) -> Callable[[Sequence[Journalled]], None]:
    return lambda _: done.callback(None)


def _on_disk() -> None:
    """What follows hears of it with all own rows."""
