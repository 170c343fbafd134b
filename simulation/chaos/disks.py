"""The disks of a seed, with a shadow of everything ever synced, so that it is known which rows a fault destroyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred

from dataset.ids import LineageId, NodeId
from dataset.rows import Journalled
from federation.node.journal import JournalSettings, Stamped
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger_store import LedgerStore
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.store_memory import MemoryRecords
from federation.ports import Clock, Journal
from simulation.storage import MemoryStorage
from site_node.attachment_files import MemoryAttachments
from site_node.ports import AttachmentFiles

Origin = tuple[LineageId, int]
"""which row: its lineage and its sequence"""
Written = Callable[[NodeId, Sequence[Stamped]], None]


class ShadowedDisk(MemoryDisk):
    """A journal's disk that tells what reaches it, and can be set back."""

    def __init__(self, node: NodeId, written: Written) -> None:
        super().__init__()
        self._node = node
        self._written = written

    def write(self, stamped: Sequence[Stamped]) -> None:
        """See ``MemoryDisk``."""
        super().write(stamped)
        self._written(self._node, stamped)

    def rows(self) -> list[Journalled]:
        """Everything on it."""
        return [one.journalled for lineage in self.lineages for one in lineage.rows.values()]

    def set_back(self, backup: MemoryDisk) -> None:
        """Hold what ``backup`` holds, and nothing else."""
        copied = backup.copy()
        self.lineages, self.live, self.open_items = copied.lineages, copied.live, copied.open_items


class _HeardLedger(MemoryLedger):
    """A ledger that tells what is committed to it."""

    def __init__(self, heard: Callable[[Journalled], None]) -> None:
        super().__init__()
        self._heard = heard

    def insert(self, slot: tuple[NodeId, LineageId, int], row: Journalled, data: bytes) -> bool:
        """See ``MemoryLedger``."""
        new = super().insert(slot, row, data)
        if new:
            self._heard(row)
        return new


class _SlowFiles(MemoryAttachments):
    """Files of a process: what it keeps is there after a sync, unless it dies before."""

    def __init__(
        self,
        contents: dict[str, bytes],
        clock: Callable[[], Clock],
        sync_s: Callable[[], float],
        kept: Callable[[str], None],
    ) -> None:
        """``clock``: that of the node's present run."""
        super().__init__(contents)
        self._clock = clock
        self._sync_s = sync_s
        self._kept = kept

    def keep(self, sha256: str, content: bytes) -> Deferred[None]:
        """See ``AttachmentFiles``."""
        done: Deferred[None] = Deferred()

        def synced() -> None:
            super(_SlowFiles, self).keep(sha256, content).chainDeferred(done)
            self._kept(sha256)

        self._clock().call_later(self._sync_s(), synced)
        return done


class ChaosDisks(MemoryStorage):
    """``Storage`` of a seed: every node's clock is its own, every sync can be slow, every disk can be lost."""

    def __init__(self, clock: Clock, clock_of: Callable[[NodeId], Clock], written: Written, *, sync_s: float) -> None:
        super().__init__(clock, sync_s=sync_s)
        self._clock_of = clock_of
        self._hear = written
        self._usual_s = sync_s
        self._slow_s: dict[NodeId, float] = {}
        self.journals: dict[NodeId, ShadowedDisk] = {}
        self.running: dict[NodeId, tuple[MemoryJournal, MemoryLedgerStore | None]] = {}
        self.ledgers: dict[NodeId, MemoryLedger] = {}
        self.shadow: dict[NodeId, dict[Origin, Journalled]] = {}
        """every row that was ever synced, by its node"""
        self.destroyed: dict[Origin, Journalled] = {}
        """rows that a fault took off their own journal"""
        self.on_received: Callable[[NodeId, Journalled], None] = lambda node, row: None
        """told of every row of another node that reaches a ledger's disk"""
        self.on_kept: Callable[[NodeId, str], None] = lambda node, sha256: None
        """told of every content of an own item's file that reaches a city's disk"""
        self.on_files_lost: Callable[[NodeId], None] = lambda node: None
        """told of every city whose files are about to be lost"""
        self.files_lost: set[NodeId] = set()

    # ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def journal(self, settings: JournalSettings) -> Journal:
        """See ``Storage``."""
        node = settings.node
        disk = self.journals.get(node)
        if disk is None:
            disk = self.journals[node] = ShadowedDisk(node, self._on_disk)
        journal = MemoryJournal(disk, settings, self._clock_of(node), sync_s=self._sync_of(node))
        self.running[node] = (journal, None)
        return journal

    def ledger_store(self, node: NodeId) -> LedgerStore:
        """See ``Storage``."""
        ledger = self.ledgers.get(node)
        if ledger is None:
            ledger = self.ledgers[node] = self._empty_ledger(node)
        store = MemoryLedgerStore(ledger, self._clock_of(node), commit_s=self._sync_of(node))
        self.running[node] = (self.running[node][0], store)
        return store

    def attachments(self, node: NodeId) -> tuple[AttachmentFiles, AttachmentFiles]:
        """See ``Storage``. A content is on disk when a sync is over, or never."""
        disk = self.disk(node)
        clock, sync_s = partial(self._clock_of, node), partial(self._sync_of, node)
        own = _SlowFiles(disk.files, clock, sync_s, partial(self._kept, node))
        return own, _SlowFiles(disk.sending, clock, sync_s, lambda sha256: None)

    def _kept(self, node: NodeId, sha256: str) -> None:
        self.on_kept(node, sha256)

    def crash(self, node: NodeId) -> None:
        """The node dies now: what it has not synced is lost."""
        journal, store = self.running[node]
        journal.crash()
        if store is not None:
            store.crash()
        records = self.disk(node).records
        if records is not None:
            records.crash()

    def _on_disk(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        shadow = self.shadow.setdefault(node, {})
        for one in stamped:
            shadow[one.journalled.lineage, one.journalled.sequence] = one.journalled
        self._hear(node, stamped)

    # ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def slow(self, node: NodeId, sync_s: float | None) -> None:
        """From the next sync on a sync of ``node`` takes so long; None: as usual."""
        if sync_s is None:
            self._slow_s.pop(node, None)
        else:
            self._slow_s[node] = sync_s
        if node in self.running:
            journal, store = self.running[node]
            journal.sync_s = self._sync_of(node)
            if store is not None:
                store.commit_s = self._sync_of(node)

    def backup(self, node: NodeId) -> MemoryDisk:
        """A copy of the journal as it is now."""
        return self.journals[node].copy()

    def lose_journal(self, node: NodeId, backup: MemoryDisk | None) -> int:
        """The journal of a dead node is what it was in ``backup``, or empty; how many rows were destroyed."""
        disk = self.journals[node]
        before = {(row.lineage, row.sequence): row for row in disk.rows()}
        disk.set_back(backup if backup is not None else MemoryDisk())
        kept = {(row.lineage, row.sequence) for row in disk.rows()}
        gone = {origin: row for origin, row in before.items() if origin not in kept}
        self.destroyed.update(gone)
        return len(gone)

    def lose_tail(self, node: NodeId, rows: int) -> int:
        """The last ``rows`` rows of a dead node, synced or so its disk had said, are gone; how many that were."""
        disk = self.journals[node]
        lineage = disk.lineages[-1]
        last = [sequence for sequence in sorted(lineage.rows) if sequence > 1][-rows:]
        if not last:
            return 0
        self.destroyed.update({(lineage.lineage, sequence): lineage.rows[sequence].journalled for sequence in last})
        self._cut_back(disk, last[0])
        return len(last)

    @staticmethod
    def _cut_back(disk: ShadowedDisk, first_gone: int) -> None:
        """Write the disk anew without the rows of its newest lineage from ``first_gone`` on."""
        old = disk.copy()
        disk.set_back(MemoryDisk())
        for lineage in old.lineages:
            kept = [one for sequence, one in sorted(lineage.rows.items())]
            if lineage is old.lineages[-1]:
                kept = [one for one in kept if one.journalled.sequence < first_gone]
            disk.lineages.append(type(lineage)(lineage.lineage))
            MemoryDisk.write(disk, kept)
            written = disk.lineages[-1]
            for receiver, number in lineage.acknowledged.items():
                written.acknowledged[receiver] = min(number, written.heads.get(receiver, 0))

    def lose_ledger(self, node: NodeId) -> int:
        """The rows that a dead node had received from others are gone; how many that were."""
        lost = len(self.ledgers[node].rows) if node in self.ledgers else 0
        self.ledgers[node] = self._empty_ledger(node)
        return lost

    def lose_files(self, node: NodeId) -> None:
        """The files of a dead node are gone."""
        self.on_files_lost(node)
        self.files_lost.add(node)
        self.disk(node).files.clear()
        self.disk(node).sending.clear()
        self.disk(node).kept = MemoryRecords()

    def _empty_ledger(self, node: NodeId) -> MemoryLedger:
        return _HeardLedger(lambda row: self.on_received(node, row))

    def _sync_of(self, node: NodeId) -> float:
        return self._slow_s.get(node, self._usual_s)
