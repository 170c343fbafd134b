"""Where nodes of a simulated province keep journals, ledgers and records: in memory, or in files like production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dataset.ids import NodeId
from dataset.records.catalogue import EVERY
from federation.node.journal import JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger_store import LedgerStore
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.store_memory import MemoryRecords, MemoryStore
from federation.node.store_sqlite import SqliteStore
from federation.node.users import in_threads
from federation.ports import Clock, Journal, Store
from site_node.attachment_files import FolderAttachments, MemoryAttachments
from site_node.ports import AttachmentFiles


class Storage(Protocol):
    """The disks of all nodes."""

    def journal(self, settings: JournalSettings) -> Journal:
        """Open the journal of ``settings.node`` for a new run. Raises ``Refused``."""

    def ledger_store(self, node: NodeId) -> LedgerStore:
        """Open a node's store of received rows for a new run. Raises ``Refused``."""

    def records(self, node: NodeId) -> Store:
        """Open a node's store of records for a new run. Raises ``Refused``."""

    def attachments(self, node: NodeId) -> tuple[AttachmentFiles, AttachmentFiles]:
        """Where a city keeps files of its work items, and those that other cities have yet to take."""


@dataclass(slots=True)
class _Disk:
    journal: MemoryDisk
    ledger: MemoryLedger
    running: MemoryJournal | None = None
    store: MemoryLedgerStore | None = None
    kept: MemoryRecords = field(default_factory=MemoryRecords)
    records: MemoryStore | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    sending: dict[str, bytes] = field(default_factory=dict)


class MemoryStorage:
    """Disks that outlive a crash of their node but not the process; a sync takes ``sync_s`` seconds.

    ``clock_of`` gives the clock of a node's next run, where they do not all share ``clock``.
    """

    def __init__(
        self, clock: Clock, *, sync_s: float = 0.005, clock_of: Callable[[NodeId], Clock] | None = None
    ) -> None:
        self._clock_of = clock_of if clock_of is not None else lambda node: clock
        self._sync_s = sync_s
        self._disks: dict[NodeId, _Disk] = {}

    def disk(self, node: NodeId) -> _Disk:
        """What ``node`` has on disk."""
        return self._disks.setdefault(node, _Disk(MemoryDisk(), MemoryLedger()))

    def journal(self, settings: JournalSettings) -> Journal:
        """See ``Storage``."""
        disk = self.disk(settings.node)
        disk.running = MemoryJournal(disk.journal, settings, self._clock_of(settings.node), sync_s=self._sync_s)
        return disk.running

    def ledger_store(self, node: NodeId) -> LedgerStore:
        """See ``Storage``."""
        disk = self.disk(node)
        disk.store = MemoryLedgerStore(disk.ledger, self._clock_of(node), commit_s=self._sync_s)
        return disk.store

    def records(self, node: NodeId) -> Store:
        """See ``Storage``."""
        disk = self.disk(node)
        disk.records = MemoryStore(disk.kept, node, EVERY, self._clock_of(node), commit_s=self._sync_s)
        return disk.records

    def attachments(self, node: NodeId) -> tuple[AttachmentFiles, AttachmentFiles]:
        """See ``Storage``."""
        disk = self.disk(node)
        return MemoryAttachments(disk.files), MemoryAttachments(disk.sending)

    def crash(self, node: NodeId) -> None:
        """The node dies now: what it has not synced is lost."""
        disk = self.disk(node)
        if disk.running is not None:
            disk.running.crash()
        if disk.store is not None:
            disk.store.crash()
        if disk.records is not None:
            disk.records.crash()

    def lose(self, node: NodeId) -> None:
        """The node dies now, and its disks with it: its next run begins with empty ones."""
        self.crash(node)
        del self._disks[node]


class FileStorage:
    """SQLite files below ``folder``, written by threads of ``reactor``, as in production."""

    def __init__(self, folder: Path, clock: Clock, reactor: Any) -> None:
        self._folder = folder
        self._clock = clock
        self._reactor = reactor

    def journal(self, settings: JournalSettings) -> Journal:
        """See ``Storage``."""
        return SqliteJournal(self._file(settings.node, "journal"), settings, self._clock, self._reactor)

    def ledger_store(self, node: NodeId) -> LedgerStore:
        """See ``Storage``."""
        return SqliteLedgerStore(self._file(node, "ledger"), self._reactor)

    def records(self, node: NodeId) -> Store:
        """See ``Storage``."""
        return SqliteStore(self._file(node, "store"), node, EVERY, self._reactor)

    def attachments(self, node: NodeId) -> tuple[AttachmentFiles, AttachmentFiles]:
        """See ``Storage``."""
        folder, run = self._folder / node / "attachments", in_threads(self._reactor)
        return FolderAttachments(folder, run), FolderAttachments(folder / "sending", run)

    def _file(self, node: NodeId, what: str) -> Path:
        folder = self._folder / node
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{what}.sqlite"
