"""Streams, journal and lineage (S1-S4, J1-J5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from dataset.ids import LineageId, NodeId
from dataset.rows import ROW_FROM_BYTES, AnyRow, Journalled
from federation.core.envelope import LedgerRow, LedgerRows
from federation.core.ledger import Batch, NameMissing, Receiver, ReceiverAct, Sender, SenderAct
from federation.node.journal import JournalSettings, Stamped, Stamps
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.ports import OutboxEntry
from tests.harness.mutations.registry import Real, breaks


# ── S1 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "S1",
    found=True,
    shows="rows at the hub that no journal holds (phantoms); tail_missing of a node whose disk lost nothing",
    needs="crashes while rows wait for their sync; a slow sync (0.1 s and more) helps",
)
def rows_are_published_before_their_sync(real: Real) -> None:
    """The outboxes hear of rows when they are appended, and read those too that are not on disk yet."""

    def stamp(original: Any, self: Stamps, rows: Sequence[tuple[AnyRow, Sequence[str]]]) -> list[Stamped]:
        stamped: list[Stamped] = original(self, rows)
        vars(self)["last"] = stamped
        return stamped

    def append(original: Any, self: MemoryJournal, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Any) -> None:
        original(self, rows, synced)
        if self._dead:
            return
        stamped: list[Stamped] = vars(self._stamps)["last"]
        vars(self).setdefault("early", []).extend(stamped)
        heads = {receiver: number for one in stamped for receiver, number, _ in one.outgoing}
        for hear in self._hearers._outgoing if heads else ():
            hear(heads)

    def pending(
        original: Any, self: MemoryJournal, receiver: NodeId, lineage: LineageId, after: int, limit: int
    ) -> Deferred[list[OutboxEntry]]:
        found: Deferred[list[OutboxEntry]] = original(self, receiver, lineage, after, limit)
        return found.addCallback(lambda entries: _with_early(self, entries, receiver, lineage, after)[:limit])

    real.around(Stamps, "stamp", stamp)
    real.around(MemoryJournal, "append", append)
    real.around(MemoryJournal, "pending", pending)


def _with_early(
    journal: MemoryJournal, entries: list[OutboxEntry], receiver: NodeId, lineage: LineageId, after: int
) -> list[OutboxEntry]:
    """``entries`` and what is appended but not on disk."""
    if lineage != journal.lineage:
        return entries
    known = {entry.number for entry in entries}
    early = [
        OutboxEntry(number, one.data)
        for one in vars(journal).get("early", ())
        for to, number, _ in one.outgoing
        if to == receiver and number > after and number not in known
    ]
    return sorted([*entries, *early], key=lambda entry: entry.number)


@breaks(
    "S1",
    found=True,
    shows="rows of a journal that the hub never gets (lost), silently: it states a head that covers them",
    needs="crashes of a receiver (hub, or a city that serves others) while rows are being committed",
)
def cursor_is_written_before_the_rows(real: Real) -> None:
    """The receiver moves its cursor when rows arrive, and writes the rows a moment later."""

    def commit(original: Any, self: MemoryLedgerStore, batch: Batch, done: Any) -> None:
        self.ledger.heads.setdefault(batch.sender, {})[batch.lineage] = batch.cursor
        original(self, batch, done)

    real.around(MemoryLedgerStore, "commit", commit)


@breaks(
    "S1",
    shows="rows on record twice (doubled); the hub's intervals differ from the offline fold; effects of outcomes "
    "happen twice",
    needs="doubled or retransmitted ledger messages",
)
def rows_are_applied_twice(real: Real) -> None:
    """Rows that come again are applied again: neither number nor origin is compared."""

    def rows(original: Any, self: Receiver, message: LedgerRows) -> list[ReceiverAct]:
        head = self._received.get(message.lineage, 0)
        first = message.rows[0].number if message.rows else 0
        if 0 < first <= head:
            self._received[message.lineage] = first - 1
        acts: list[ReceiverAct] = original(self, message)
        self._received[message.lineage] = max(head, self._received.get(message.lineage, 0))
        return acts

    real.around(Receiver, "rows", rows)
    real.around(MemoryLedger, "insert", _insert_whatever)


def _insert_whatever(original: Any, self: MemoryLedger, slot: Any, row: Journalled, data: bytes) -> bool:
    """A table without a unique index."""
    origin = (row.node, row.lineage, row.sequence)
    known = self.rows.pop(origin, None)
    inserted: bool = original(self, slot, row, data)
    if known is not None:
        self.rows[row.node, LineageId(f"{row.lineage}+{len(self.rows)}"), row.sequence] = known
    return inserted


# ── S2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "S2",
    shows="rows behind a poison row never arrive (lost); an outbox that grows and is retransmitted for ever",
    needs="rows that the receiver cannot read (newer kinds, flipped bits)",
)
def poison_row_blocks_its_stream(real: Real) -> None:
    """Rows that cannot be read are not taken; their sender may send them again."""

    def rows(original: Any, self: Receiver, message: LedgerRows) -> list[ReceiverAct]:
        good: list[LedgerRow] = []
        for one in message.rows:
            try:
                ROW_FROM_BYTES.decode(bytes(one.row))
            except msgspec.MsgspecError:
                break
            good.append(one)
        if len(good) == len(message.rows):
            return original(self, message)  # type: ignore[no-any-return]  # the real one's
        return original(self, msgspec.structs.replace(message, rows=tuple(good))) if good else []

    real.around(Receiver, "rows", rows)


@breaks(
    "S2",
    shows="numbers of a stream that are neither rows, nor parked, nor in a hole: totals that name nothing as unknown",
    needs="rows that the receiver cannot read (newer kinds, flipped bits)",
)
def poison_row_is_dropped(real: Real) -> None:
    """Rows that cannot be read are passed over."""

    def apply(original: Any, self: MemoryLedgerStore, batch: Batch) -> list[Journalled]:
        readable = tuple(entry for entry in batch.entries if entry.journalled is not None)
        return original(self, replace(batch, entries=readable))  # type: ignore[no-any-return]  # the real one's

    real.around(MemoryLedgerStore, "_apply", apply)


# ── S3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "S3",
    found=True,
    shows="rows of one origin on record twice, counted twice, acted on twice",
    needs="relayed rows that are sent again: a hub that lost its disk, two hubs that give back one tail",
)
def origin_is_not_compared(real: Real) -> None:
    """A row counts as new when its number in the stream is, whoever wrote it and however it came before."""
    real.around(MemoryLedger, "insert", _insert_whatever)


# ── S4 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "S4",
    shows="rows of now that wait behind those of an outage: their delay grows with the backlog",
    needs="a restart after an outage of the line with a backlog in the lineage before",
)
def backlog_goes_first(real: Real) -> None:
    """Streams are sent in the order of their lineages, the oldest first."""

    def next_lineage(original: Any, self: Sender) -> LineageId | None:
        return next((lineage for lineage, line in self._lines.items() if line.sent < line.head), None)

    real.around(Sender, "_next_lineage", next_lineage)


# ── J2 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "J2",
    found=True,
    shows="no tail_missing after a journal was lost or restored; contacts of the lost part that stay alive for ever",
    needs="journals lost to the last sync (less than was synced), lost whole, or restored from a backup",
)
def missing_tail_is_not_named(real: Real) -> None:
    """A sender goes on from the lower of both heads, and says nothing of what the receiver has beyond its journal."""

    def restart(original: Any, self: Sender, lineage: LineageId, stated: int) -> list[SenderAct]:
        acts: list[SenderAct] = original(self, lineage, stated)
        return [act for act in acts if not isinstance(act, NameMissing)]

    real.around(Sender, "_restart_line", restart)


@breaks(
    "J2",
    shows="contacts, tokens or rows of one id from two runs; rows that the hub takes for duplicates and never gets",
    needs="restarts of any node",
)
def run_goes_on_in_the_old_lineage(real: Real) -> None:
    """A restarted process writes on under the lineage of the one before, its counters from the start."""

    def begin(
        original: Any, self: MemoryJournal, disk: MemoryDisk, settings: JournalSettings, *a: Any, **k: Any
    ) -> None:
        if disk.lineages:
            known = disk.lineages[-1].lineage
            settings = dataclasses.replace(settings, new_lineage=lambda: known)
        original(self, disk, settings, *a, **k)

    real.around(MemoryJournal, "__init__", begin)


# ── J3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "J3",
    found=True,
    shows="a receiver whose head of a lineage is beyond what it stated in the session: rows applied that the sender "
    "was told are missing, or that it no longer has",
    needs="ledger messages that are late over a restart or over a new session of their sender",
)
def rows_of_older_sessions_are_taken(real: Real) -> None:
    """Rows are applied whatever session they were sent in."""

    def rows(original: Any, self: Receiver, message: LedgerRows) -> list[ReceiverAct]:
        waits, self._hello_waits = self._hello_waits, False
        acts: list[ReceiverAct] = original(self, msgspec.structs.replace(message, session=self._session))
        self._hello_waits = waits
        return acts

    real.around(Receiver, "rows", rows)


# ── J4 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "J4",
    shows="rows of a run that ended while the line was cut never come (lost)",
    needs="restarts of a city with rows in its outbox",
)
def rows_of_closed_lineages_are_refused(real: Real) -> None:
    """Once a node has opened a new lineage, rows of the ones before count as done and are passed over."""

    def rows(original: Any, self: Receiver, message: LedgerRows) -> list[ReceiverAct]:
        run, _, _ = message.session.rpartition("-")
        if message.lineage != run and message.rows:
            self._committed[message.lineage] = self._received[message.lineage] = message.rows[-1].number
            message = msgspec.structs.replace(message, rows=())
        return original(self, message)  # type: ignore[no-any-return]  # the real one's

    real.around(Receiver, "rows", rows)


# ── B5 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "B5",
    shows="a hub that joined later, or was added, has nothing from before (lost), and nothing says so",
    needs="a city that joins a province, or a second hub, after some time",
)
def hub_that_comes_later_hears_only_what_is_new(real: Real) -> None:
    """A receiver that the journal has no stream for gets rows from now on."""
    real.without(MemoryDisk, "address_all_to")


# ── J5 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@breaks(
    "J5",
    shows="a hub with an empty disk that never gets what it had acknowledged (lost)",
    needs="a hub that loses its disk",
)
def acknowledgement_is_for_ever(real: Real) -> None:
    """A sender goes on from its own memory of acknowledgements, whatever head the receiver states."""

    def restart(original: Any, self: Sender, lineage: LineageId, stated: int) -> list[SenderAct]:
        line = self._lines.get(lineage)
        acts: list[SenderAct] = original(self, lineage, max(stated, line.acked) if line is not None else stated)
        return acts

    real.around(Sender, "_restart_line", restart)
