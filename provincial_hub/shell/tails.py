"""Gives nodes their own lost rows back (J5): what their journal no longer has, and this hub's ledger has.

A node that says ``tail_missing`` about this hub gets all its rows of that lineage beyond the number it still holds, as
they came, and behind them ``tail_returned``. The other hubs get them too: they may never have had them, and the node
cannot send them any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import CityId, NodeId
from dataset.rows import Journalled, TailMissing, TailReturned
from federation.core.work_addresses import concerned
from federation.node.journal import read_rows
from federation.node.ledger_store import UNREADABLE, LedgerStore
from federation.ports import Journal

AT_ONCE = 500
"""rows of one group of the journal"""

log = Logger()


class Tails:
    """One node's tail after the other, some rows at a time, so that nothing else waits and memory is bounded."""

    def __init__(
        self,
        node: NodeId,
        journal: Journal,
        store: LedgerStore,
        hubs: Sequence[NodeId],
        codes: Mapping[str, CityId],
    ) -> None:
        """``codes``: area code → city, by which work items name where they were opened."""
        self._node = node
        self._journal = journal
        self._store = store
        self._hubs = [hub for hub in hubs if hub != node]
        self._codes = codes
        self._wanted: deque[tuple[Journalled, TailMissing]] = deque()
        self._busy = False
        self._stopped = False

    def heard(self, rows: Sequence[Journalled]) -> None:
        """Rows that are now on record here."""
        for row in rows:
            if isinstance(row.row, TailMissing) and row.row.receiver == self._node and row.node != self._node:
                self._wanted.append((row, row.row))
        if self._wanted and not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._give_back()).addErrback(
                lambda failure: log.failure("a lost tail was not given back", failure, event="tail-not-returned")
            )

    async def resume(self) -> None:
        """Go on with what an earlier run had not finished; rows that went twice are on record once (S3)."""
        standing = await self._store.standing()
        done = {
            (row.row.node, row.row.of, row.row.beyond)
            for row in standing
            if isinstance(row.row, TailReturned) and row.node == self._node
        }
        wanted = {
            (row.node, row.row.of, row.row.held): row
            for row in standing
            if isinstance(row.row, TailMissing) and row.row.receiver == self._node
        }
        self.heard([row for key, row in wanted.items() if key not in done])

    def stop(self) -> None:
        """Leave the rest to the next run."""
        self._stopped = True

    async def _give_back(self) -> None:
        try:
            while self._wanted and not self._stopped:
                await self._one(*self._wanted.popleft())
        finally:
            self._busy = False

    async def _one(self, said: Journalled, missing: TailMissing) -> None:
        node = NodeId(said.node)
        receivers = (node, *(hub for hub in self._hubs if hub != node))
        after = count = 0
        told: set[CityId] = set()
        order: list[bytes] = []
        while rows := await self._store.tail(node, missing.of, missing.held, after, AT_ONCE):
            after = rows[-1][0]
            count += len(rows)
            await self._relayed([data for _, data in rows], receivers)
            for city, about in self._work_of(node, [data for _, data in rows]).items():
                if city not in told:
                    told.add(city)
                    order = order or await self._order_of(said, missing)
                    about = order + about
                await self._relayed(about, (NodeId(city),))
            if self._stopped:
                return
        unread = [
            one.data
            for one in (await self._store.unknown()).parked
            if (one.sender, one.lineage, one.why) == (node, missing.of, UNREADABLE) and one.number > missing.held
        ]
        if unread and not self._stopped:
            await self._relayed(unread, receivers)
        if self._stopped:
            return
        returned = TailReturned(node=node, of=missing.of, beyond=missing.held, count=count + len(unread))
        self._journal.append([(returned, receivers)], _on_disk)
        log.info(
            "{node} gets {count} rows of lineage {of} back, which its journal had lost",
            node=node,
            count=count + len(unread),
            of=missing.of,
            event="tail-returned",
        )

    async def _order_of(self, said: Journalled, missing: TailMissing) -> list[bytes]:
        """What says where the lost run belongs among the others: its opening, and that ``said`` came after it.

        The order of runs is the order of an item's steps. A run on an empty disk names none before it, and by the
        clock it may have begun before the one that was lost.
        """
        rows = []
        for lineage, sequence in ((missing.of, 1), (said.lineage, said.sequence)):
            found = await self._store.tail(NodeId(said.node), lineage, 0, sequence - 1, 1)
            rows += [data for number, data in found if number == sequence]
        return rows

    def _work_of(self, node: NodeId, rows: Sequence[bytes]) -> dict[CityId, list[bytes]]:
        """By city, those of the rows of ``node`` that it wrote for other cities' work."""
        found: dict[CityId, list[bytes]] = {}
        for data in rows:
            for one in read_rows([data]):
                for city in sorted(concerned(one.row, self._codes) - {CityId(node)}):
                    found.setdefault(city, []).append(data)
        return found

    def _relayed(self, rows: Sequence[bytes], receivers: Sequence[NodeId]) -> Deferred[None]:
        synced: Deferred[None] = Deferred()
        self._journal.relay(rows, receivers, lambda: synced.callback(None))
        return synced


def _on_disk() -> None:
    """Nothing waits for it."""
