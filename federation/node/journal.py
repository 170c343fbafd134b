"""What both forms of the journal do alike: open a lineage, stamp rows, number them per receiver, know what is live.

A journal outlives its process; a lineage does not (J2). Sequence and outbox numbers are given when a row is appended
and become true with its sync: a process that dies before loses both together, and the next one writes in another
lineage, so no number ever means two rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from twisted.logger import Logger

from dataset.audit import linked
from dataset.ids import ContactId, LineageId, NodeId, is_hub
from dataset.rows import (
    ROW_BYTES,
    ROW_FROM_BYTES,
    AgentChanged,
    AnyRow,
    ArticlesShown,
    CallBackEnded,
    ContactBorn,
    ContactEnded,
    DataViewed,
    Decision,
    Journalled,
    LineageOpened,
    MassFaultCleared,
    MassFaultConfirmed,
    MassFaultDeclared,
    MassFaultLinked,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
    SegmentVoided,
    TailMissing,
    WorkRefused,
    WorkRequested,
    WorkStepped,
)
from dataset.work import Attached, Noted, WorkItemId
from federation.ports import Clock

DAY_S = 86_400.0
RUNS_NAMED = 30
"""how many runs before its previous one an opening names"""

log = Logger()


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """What a node's journal is told at its start."""

    node: NodeId
    boot: str
    """id of this boot of the machine; monotonic times compare only within one"""
    new_lineage: Callable[[], LineageId]
    """draws a random id"""
    receivers: tuple[NodeId, ...] = ()
    """who hears of this lineage even before the first row for them (the hubs); a hub that the journal knows nothing of
    yet gets everything that is kept (B5)"""
    area_code: str = ""
    reserve_bytes: int = 0
    """room on the disk that is given up when it is full (failure mode 23)"""
    keep_days: float = 30.0
    """how long acknowledged rows stay (J5): longer than the longest outage plus a rebuild"""
    nodes: frozenset[NodeId] | None = None
    """the nodes of the province; rows wait for no receiver that is none of them any more. None: for every receiver"""

    def awaits(self, receiver: NodeId) -> bool:
        """Whether rows for ``receiver`` wait for its acknowledgement."""
        return self.nodes is None or receiver in self.nodes


class Stamped(NamedTuple):
    """A row ready to be written."""

    journalled: Journalled
    data: bytes
    contact: ContactId | None
    item: WorkItemId | None
    outgoing: tuple[tuple[NodeId, int, int], ...]
    """receiver, outbox number, sequence of the row behind it"""
    audit: str | None = None
    """hash of an audit row; None of any other"""


class Relayed(NamedTuple):
    """Another node's row on its way to receivers of ours (J5): it takes a place here and keeps its own origin (S3)."""

    sequence: int
    wall: float
    data: bytes
    outgoing: tuple[tuple[NodeId, int, int], ...]


class LiveChange(NamedTuple):
    """What a row does to its contact's reasons to be live."""

    begins: tuple[str, ...]
    ends: tuple[str, ...]


_NOTHING = LiveChange((), ())


Addressed = tuple[AnyRow, Sequence[str]]
"""a row, and the nodes that must receive it"""
NO_RECORDS = (Decision, AgentChanged, ArticlesShown)
"""kinds that explain and show; no count of contacts, ending or settlement is made of them"""


def records_of(rows: Iterable[Addressed], left_out: Counter[str]) -> list[Addressed]:
    """``rows`` while room is short: without those that are no records, which are counted by kind."""
    kept = []
    for one in rows:
        if isinstance(one[0], NO_RECORDS):
            left_out[str(one[0].__struct_config__.tag)] += 1
        else:
            kept.append(one)
    return kept


def for_hubs(receivers: Iterable[str]) -> bool:
    """Whether a row written for ``receivers`` is for any hub that comes later too (B5).

    All are but those for named cities alone; a city without a hub writes for nobody.
    """
    names = list(receivers)
    return not names or any(is_hub(name) for name in names)


def keeps_everything(node: NodeId, receivers: Iterable[NodeId]) -> bool:
    """Whether nothing may be forgotten yet: a city that never had a hub backfills its history when it joins (B5)."""
    return not is_hub(node) and not any(is_hub(receiver) for receiver in receivers)


def contact_of(row: AnyRow) -> ContactId | None:
    """The contact that a row is about, if it is about one."""
    return getattr(row, "contact", None)


_OF_RUNS = (LineageOpened, TailMissing)
_OF_MASS_FAULTS = (MassFaultDeclared, MassFaultLinked, MassFaultConfirmed, MassFaultCleared)
_OF_ITEMS = (WorkRequested, WorkStepped, WorkRefused, CallBackEnded)
ABOUT_RUNS = WorkItemId("")
"""stands for the item of rows about runs: whoever reads the rows of items needs these with them"""


def item_of_row(row: AnyRow) -> WorkItemId | None:
    """The work item that the row is about, if it is about one; ``ABOUT_RUNS`` of rows about runs."""
    if isinstance(row, _OF_RUNS):
        return ABOUT_RUNS
    if isinstance(row, _OF_MASS_FAULTS):
        return WorkItemId(row.mass_fault)  # kept as an item is, until it is cleared
    return row.item if isinstance(row, _OF_ITEMS) else None


def open_after(row: AnyRow) -> bool | None:
    """Whether the row's work item is open in this journal from here on; None where the row changes nothing about that.

    Open from the row of its opening to the one that ended it. What is noted on an ended item, or attached to it, does
    not open it again; any other step does: it goes on, so what had ended it was overtaken by rows that came back (J5).
    """
    if isinstance(row, MassFaultDeclared | MassFaultCleared):
        return isinstance(row, MassFaultDeclared)
    if not isinstance(row, WorkStepped):
        return None
    if row.ended:
        return False
    return None if isinstance(row.step, Noted | Attached) else True


def live_change(row: AnyRow) -> LiveChange:
    """Which reasons to be live begin and end with ``row``: the anchor's leg, a handler, an outcome waited for (O3)."""
    if isinstance(row, ContactBorn):
        return LiveChange(("anchor",), ())
    if isinstance(row, ContactEnded):
        return LiveChange((), ("anchor",))
    if isinstance(row, SegmentOpened):
        open_segment = f"segment {row.n}"
        return LiveChange((open_segment, f"outcome {row.n}") if row.received else (open_segment,), ())
    if isinstance(row, SegmentConfirmed):
        return LiveChange((), (f"outcome {row.n}",))
    if isinstance(row, SegmentClosed):
        return LiveChange((), (f"segment {row.n}",))
    if isinstance(row, SegmentVoided):
        return LiveChange((), (f"segment {row.n}", f"outcome {row.n}"))
    return _NOTHING


class Stamps:
    """Gives the rows of one run their place: sequence, time, and a number for each receiver."""

    def __init__(self, settings: JournalSettings, clock: Clock, lineage: LineageId) -> None:
        self._settings = settings
        self._clock = clock
        self._lineage = lineage
        self._sequence = 0
        self._heads: dict[NodeId, int] = {}
        self._audit_rows = 0
        self._audit_hash = ""

    def opening(
        self, runs: Sequence[LineageId], previous_head: int, live_contacts: tuple[ContactId, ...], audit: str
    ) -> list[Stamped]:
        """The first row of the run (J2). ``runs``: those on this disk, in order; ``audit``: hash of the last audit row
        in the journal, empty without one.
        """
        self._audit_hash = audit
        row = LineageOpened(
            node=self._settings.node,
            previous=runs[-1] if runs else None,
            previous_head=previous_head,
            live_contacts=live_contacts,
            area_code=self._settings.area_code,
            audit=audit,
            before=tuple(runs[-1 - RUNS_NAMED : -1]),
        )
        return self.stamp([(row, self._settings.receivers)])

    def stamp(self, rows: Sequence[tuple[AnyRow, Sequence[str]]]) -> list[Stamped]:
        """``rows`` with their places. A receiver's number 1 is always the opening of the lineage, sequence 1."""
        stamped = []
        wall, mono = self._clock.wall(), self._clock.monotonic()
        for row, receivers in rows:
            self._sequence += 1
            journalled = Journalled(
                node=self._settings.node,
                lineage=self._lineage,
                sequence=self._sequence,
                wall=wall,
                mono=mono,
                boot=self._settings.boot,
                row=row,
            )
            outgoing = tuple(place for receiver in receivers for place in self._number(NodeId(receiver)))
            audit = None
            if isinstance(row, DataViewed):
                self._audit_rows += 1
                journalled, data, audit = linked(journalled, self._audit_rows, self._audit_hash)
                self._audit_hash = audit
            else:
                data = ROW_BYTES.encode(journalled)
            stamped.append(Stamped(journalled, data, contact_of(row), item_of_row(row), outgoing, audit))
        return stamped

    def relay(self, rows: Sequence[bytes], receivers: Sequence[str]) -> list[Relayed]:
        """Places for ``rows`` of another node, as they came from it."""
        wall = self._clock.wall()
        relayed = []
        for data in rows:
            self._sequence += 1
            outgoing = tuple(place for receiver in receivers for place in self._number(NodeId(receiver)))
            relayed.append(Relayed(self._sequence, wall, data, outgoing))
        return relayed

    def _number(self, receiver: NodeId) -> list[tuple[NodeId, int, int]]:
        head = self._heads.get(receiver, 0)
        places = []
        if head == 0 and self._sequence > 1:
            places.append((receiver, 1, 1))
            head = 1
        places.append((receiver, head + 1, self._sequence))
        self._heads[receiver] = head + 1
        return places


def read_row(data: bytes) -> Journalled | None:
    """The row in ``data``; None when a newer version wrote a kind that this one does not know."""
    try:
        return ROW_FROM_BYTES.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warn("a journalled row cannot be read by this version: {error}", error=error, event="row-unread")
        return None


def read_rows(found: Sequence[bytes]) -> list[Journalled]:
    """All rows that this version can read."""
    return [row for row in map(read_row, found) if row is not None]


class Hearers:
    """Who is told of synced rows: first each group's own ``synced``, then local views, then the outboxes."""

    def __init__(self) -> None:
        self._rows: list[Callable[[Sequence[Journalled]], None]] = []
        self._outgoing: list[Callable[[Mapping[NodeId, int]], None]] = []

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """See ``Journal.on_rows``."""
        self._rows.append(hear)

    def on_outgoing(self, hear: Callable[[Mapping[NodeId, int]], None]) -> None:
        """See ``Journal.on_outgoing``."""
        self._outgoing.append(hear)

    def tell(self, synced: Callable[[], None], group: Sequence[Stamped] | Sequence[Relayed]) -> None:
        """One group is on disk. What one hearer raises is logged with its traceback and keeps it from no other."""
        _call(synced)
        rows = [one.journalled for one in group if isinstance(one, Stamped)]
        if rows:
            for hear_rows in self._rows:
                _call(hear_rows, rows)
        heads = {receiver: number for one in group for receiver, number, _ in one.outgoing}
        if heads:
            for hear_heads in self._outgoing:
                _call(hear_heads, heads)


def _call(hear: Callable[..., None], *args: object) -> None:
    try:
        hear(*args)
    except Exception:  # noqa: BLE001 - the row is on disk whatever its hearers do; the fault is logged in full
        log.failure("a hearer of journalled rows failed", event="rows-unheard")
