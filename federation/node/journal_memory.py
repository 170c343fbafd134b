"""The journal of simulations: in memory, on any clock, with a set time for a sync, and honest about crashes."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred, succeed

from dataset.ids import ContactId, LineageId, NodeId, is_hub
from dataset.rows import AnyRow, Journalled
from dataset.work import WorkItemId
from federation.node.journal import (
    ABOUT_RUNS,
    DAY_S,
    Hearers,
    JournalSettings,
    Relayed,
    Stamped,
    Stamps,
    for_hubs,
    keeps_everything,
    live_change,
    open_after,
    read_rows,
    records_of,
)
from federation.ports import Clock, OutboxEntry, OutboxStream, Timer


@dataclass
class _Lineage:
    lineage: LineageId
    head: int = 0
    rows: dict[int, Stamped] = field(default_factory=dict)
    """by sequence"""
    relayed: dict[int, Relayed] = field(default_factory=dict)
    outbox: dict[NodeId, list[tuple[int, int]]] = field(default_factory=dict)
    """number and sequence, in order"""
    heads: dict[NodeId, int] = field(default_factory=dict)
    acknowledged: dict[NodeId, int] = field(default_factory=dict)


class MemoryDisk:
    """What survives a crash. Hand it to the next ``MemoryJournal`` of the same node; ``copy`` is a backup."""

    def __init__(self) -> None:
        self.lineages: list[_Lineage] = []
        self.live: dict[ContactId, set[str]] = {}
        self.open_items: set[WorkItemId] = set()

    @property
    def audit(self) -> str:
        """Hash of the last audit row; empty without one."""
        rows = (one for lineage in reversed(self.lineages) for one in reversed(lineage.rows.values()))
        return next((one.audit for one in rows if one.audit is not None), "")

    def copy(self) -> MemoryDisk:
        """A backup: the same content, from here on apart."""
        backup = MemoryDisk()
        backup.lineages = [
            _Lineage(
                one.lineage,
                one.head,
                dict(one.rows),
                dict(one.relayed),
                {receiver: list(places) for receiver, places in one.outbox.items()},
                dict(one.heads),
                dict(one.acknowledged),
            )
            for one in self.lineages
        ]
        backup.live = {contact: set(reasons) for contact, reasons in self.live.items()}
        backup.open_items = set(self.open_items)
        return backup

    def write(self, stamped: Sequence[Stamped]) -> None:
        """One group reaches the disk, into the newest lineage."""
        lineage = self.lineages[-1]
        for one in stamped:
            lineage.head = one.journalled.sequence
            lineage.rows[lineage.head] = one
            _address(lineage, one)
            if one.contact is not None:
                self._live(one.contact, one.journalled.row)
            if one.item is not None:
                self._open(one.item, one.journalled.row)

    def write_relayed(self, relayed: Sequence[Relayed]) -> None:
        """A group of other nodes' rows reaches the disk, into the newest lineage."""
        lineage = self.lineages[-1]
        for one in relayed:
            lineage.head = one.sequence
            lineage.relayed[one.sequence] = one
            _address(lineage, one)

    def address_all_to(self, hub: NodeId) -> None:
        """Number everything kept that is for hubs for one that nothing was ever written for (B5)."""
        if any(hub in one.heads for one in self.lineages):
            return
        for lineage in self.lineages:
            kept = [
                sequence
                for sequence, one in sorted(lineage.rows.items())
                if for_hubs(receiver for receiver, _, of in one.outgoing if of == sequence)
            ]
            if kept:
                lineage.outbox[hub] = list(enumerate(kept, 1))
                lineage.heads[hub] = len(kept)

    def forget(self, before: float, awaits: Callable[[NodeId], bool]) -> None:
        """Drop rows older than ``before`` that every receiver it ``awaits`` has acknowledged (J5)."""
        for lineage in self.lineages:
            waiting = [
                sequence
                for receiver, places in lineage.outbox.items()
                if awaits(receiver)
                for _, sequence in places[bisect_right(places, (lineage.acknowledged.get(receiver, 0), 1 << 62)) :][:1]
            ]
            end = min(waiting, default=lineage.head + 1)
            old = {
                sequence
                for sequence, one in lineage.rows.items()
                if 1 < sequence < end
                and one.journalled.wall < before
                and one.audit is None
                and one.contact not in self.live
                and one.item not in self.open_items
            }
            old |= {sequence for sequence, one in lineage.relayed.items() if sequence < end and one.wall < before}
            if old:
                lineage.relayed = {sequence: one for sequence, one in lineage.relayed.items() if sequence not in old}
                lineage.rows = {sequence: one for sequence, one in lineage.rows.items() if sequence not in old}
                for receiver, places in lineage.outbox.items():
                    lineage.outbox[receiver] = [place for place in places if place[1] not in old]

    def _live(self, contact: ContactId, row: AnyRow) -> None:
        begins, ends = live_change(row)
        if begins or ends:
            reasons = (self.live.pop(contact, set()) | set(begins)) - set(ends)
            if reasons:
                self.live[contact] = reasons

    def _open(self, item: WorkItemId, row: AnyRow) -> None:
        match open_after(row):
            case True:
                self.open_items.add(item)
            case False:
                self.open_items.discard(item)


def _address(lineage: _Lineage, one: Stamped | Relayed) -> None:
    for receiver, number, sequence in one.outgoing:
        lineage.outbox.setdefault(receiver, []).append((number, sequence))
        lineage.heads[receiver] = number


class MemoryJournal:
    """``federation.ports.Journal`` on ``disk``; a sync takes ``sync_s`` seconds of ``clock``, one at a time."""

    def __init__(self, disk: MemoryDisk, settings: JournalSettings, clock: Clock, *, sync_s: float = 0.005) -> None:
        self.node = settings.node
        self.lineage = settings.new_lineage()
        self.boot = settings.boot
        self.disk = disk
        self.tight = False
        self.left_out: Counter[str] = Counter()
        self.damaged: set[int] = set()
        self._clock = clock
        self.sync_s = sync_s
        """seconds; may change at any time"""
        self._settings = settings
        self._keep_s = settings.keep_days * DAY_S
        self._forgot_at = clock.monotonic()
        self._hearers = Hearers()
        self._stamps = Stamps(settings, clock, self.lineage)
        self._waiting: list[tuple[list[Stamped] | list[Relayed], Callable[[], None]]] = []
        self._syncing: Timer | None = None
        self._stopped: Deferred[None] | None = None
        self._dead = False
        previous = disk.lineages[-1] if disk.lineages else None
        for receiver in settings.receivers:
            if is_hub(receiver):
                disk.address_all_to(receiver)
        opening = self._stamps.opening(
            [one.lineage for one in disk.lineages],
            previous.head if previous else 0,
            tuple(sorted(disk.live)),
            disk.audit,
        )
        disk.lineages.append(_Lineage(self.lineage))
        disk.write(opening)

    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """See ``Journal``. ``RuntimeError`` after ``stop``; after ``crash`` the dead process writes nothing."""
        if not self._dead:
            self._write(self._stamps.stamp(records_of(rows, self.left_out) if self.tight else rows), synced)

    def relay(self, rows: Sequence[bytes], receivers: Sequence[str], synced: Callable[[], None]) -> None:
        """See ``Journal``."""
        if not self._dead:
            self._write(self._stamps.relay(rows, receivers), synced)

    def _write(self, group: list[Stamped] | list[Relayed], synced: Callable[[], None]) -> None:
        if self._stopped is not None:
            raise RuntimeError("written after stop")
        self._waiting.append((group, synced))
        if self._syncing is None:
            self._begin_sync()

    def _begin_sync(self) -> None:
        groups, self._waiting = self._waiting, []
        self._syncing = self._clock.call_later(self.sync_s, self._synced, groups)

    def _synced(self, groups: list[tuple[list[Stamped] | list[Relayed], Callable[[], None]]]) -> None:
        self._syncing = None
        for group, _ in groups:
            own = [one for one in group if isinstance(one, Stamped)]
            if own:
                self.disk.write(own)
            else:
                self.disk.write_relayed([one for one in group if isinstance(one, Relayed)])
        if self._clock.monotonic() - self._forgot_at >= 600:
            self._forgot_at = self._clock.monotonic()
            if not keeps_everything(self.node, self._receivers()):
                self.disk.forget(self._clock.wall() - self._keep_s, self._settings.awaits)
        if self._waiting:
            self._begin_sync()
        for group, synced in groups:
            if self._dead:
                return
            self._hearers.tell(synced, group)
        if self._stopped is not None and self._syncing is None:
            self._stopped.callback(None)

    def crash(self) -> None:
        """The process dies: what is not synced is gone, nobody is called back, ``disk`` may be opened again."""
        self._dead = True
        self._waiting = []
        if self._syncing is not None:
            self._syncing.cancel()
            self._syncing = None

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """See ``Journal``."""
        self._hearers.on_rows(hear)

    def on_outgoing(self, hear: Callable[[Mapping[NodeId, int]], None]) -> None:
        """See ``Journal``."""
        self._hearers.on_outgoing(hear)

    def rows_of_live_contacts(self) -> list[Journalled]:
        """See ``Journal``."""
        return read_rows(
            [
                one.data
                for lineage in self.disk.lineages
                for one in lineage.rows.values()
                if one.contact in self.disk.live
            ]
        )

    def rows_of_contacts(self, contacts: Collection[ContactId]) -> list[Journalled]:
        """See ``Journal``."""
        return [
            one.journalled for lineage in self.disk.lineages for one in lineage.rows.values() if one.contact in contacts
        ]

    def rows_since(self, wall: float) -> list[Journalled]:
        """See ``Journal``."""
        return [
            one.journalled
            for lineage in self.disk.lineages
            for one in lineage.rows.values()
            if one.journalled.wall >= wall
        ]

    def rows_of_kind(self, kind: type[AnyRow], since: float) -> list[Journalled]:
        """See ``Journal``."""
        return [one for one in self.rows_since(since) if isinstance(one.row, kind)]

    def rows_of_work(self, since: float) -> list[Journalled]:
        """See ``Journal``."""
        return [
            one.journalled
            for lineage in self.disk.lineages
            for one in lineage.rows.values()
            if one.item is not None
            and (one.journalled.wall >= since or one.item == ABOUT_RUNS or one.item in self.disk.open_items)
        ]

    def receivers(self) -> list[NodeId]:
        """See ``Journal``."""
        return list(filter(self._settings.awaits, self._receivers()))

    def _receivers(self) -> list[NodeId]:
        return list(dict.fromkeys(receiver for lineage in self.disk.lineages for receiver in lineage.heads))

    def streams(self, receiver: NodeId) -> list[OutboxStream]:
        """See ``Journal``."""
        return [
            OutboxStream(one.lineage, one.heads[receiver], one.acknowledged.get(receiver, 0))
            for one in self.disk.lineages
            if receiver in one.heads
        ]

    def pending(self, receiver: NodeId, lineage: LineageId, after: int, limit: int) -> Deferred[list[OutboxEntry]]:
        """See ``Journal``; answers at once."""
        for one in self.disk.lineages:
            if one.lineage == lineage:
                places = one.outbox.get(receiver, [])
                first = bisect_right(places, (after, 1 << 62))
                return succeed(
                    [
                        OutboxEntry(number, (one.rows.get(sequence) or one.relayed[sequence]).data)
                        for number, sequence in places[first : first + limit]
                    ]
                )
        return succeed([])

    def acknowledged(self, receiver: NodeId, lineage: LineageId, number: int) -> None:
        """See ``Journal``."""
        for one in self.disk.lineages:
            if one.lineage == lineage and receiver in one.heads:
                one.acknowledged[receiver] = number

    def stop(self) -> Deferred[None]:
        """See ``Journal``."""
        if self._stopped is None:
            self._stopped = Deferred()
            if self._syncing is None:
                self._stopped.callback(None)
        return self._stopped
