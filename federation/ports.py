"""What every node needs of its edges: links, clock, journal, store; and a hub, the lock by which one leads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from twisted.internet.defer import Deferred

from dataset.ids import ArticleId, ContactId, LineageId, NodeId
from dataset.keys import Key
from dataset.pages import ALL, Page, Span
from dataset.puts import Cursor, Put, Written
from dataset.rows import AnyRow, Journalled
from dataset.tables import Record, Table
from federation.core.envelope import Envelope
from federation.core.leader import Tenure

R = TypeVar("R", bound=Record)


class Timer(Protocol):
    """A call that was set for later (``IDelayedCall`` has this shape)."""

    def cancel(self) -> None:
        """Do not call; an error when it was called or cancelled already."""

    def active(self) -> bool:
        """Whether the call is still to come."""


class Clock(Protocol):
    """Time as a node sees it. ``monotonic`` never jumps; ``wall`` may."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; durations are differences of these, on one machine only."""

    def wall(self) -> float:
        """UTC seconds since the epoch."""

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> Timer:
        """Call ``call(*args)`` after ``delay_s`` seconds."""


class Link(Protocol):
    """How a node talks to the others. Forms: ``links.inprocess``, ``links.amqp.link``.

    Promises per stream (``Envelope.stream``): picture and command may be lost, doubled, delayed and reordered, and are
    dropped once older than ``budget_s``; ledger too may be lost (the outbox retransmits), but is kept by the carrier
    while it can. Sending never raises and never waits: what cannot be sent now is counted and dropped.
    """

    dropped: Counter[str]
    """messages that could not be sent, and such received as are no envelopes, by slug of the reason"""
    failures: Counter[str]
    """connections that could not be made or were lost, by slug of the reason"""

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """Begin. ``received`` gets every envelope for this node; ``changed`` hears True/False as the link comes and
        goes (True again after each reconnect, when the ledger handshake has to be repeated).
        """

    def send(self, envelope: Envelope) -> None:
        """Send to ``envelope.to``, a node or everybody else."""

    def stop(self) -> Deferred[None]:
        """Close; fires when nothing more will be received."""


class OutboxEntry(NamedTuple):
    """One row that waits for, or was acknowledged by, one receiver."""

    number: int
    """gapless per (lineage, receiver), from 1"""
    data: bytes
    """the ``Journalled`` as it was written"""


class OutboxStream(NamedTuple):
    """How far the rows of one lineage for one receiver have come."""

    lineage: LineageId
    head: int
    """highest number synced"""
    acknowledged: int


class Journal(Protocol):
    """Where a node writes rows before their effects. Forms: ``node.journal_sqlite`` (one writer thread) and
    ``node.journal_memory`` (a set sync delay on a ``Clock``; loses on a crash what was not synced).
    """

    node: NodeId
    lineage: LineageId
    """this run's own; its first row is ``LineageOpened`` (J2)"""
    left_out: Counter[str]
    """rows not written because room was short, by kind; for metrics"""
    damaged: set[int]
    """rows found on disk that are not what was written, each named once; for metrics"""

    @property
    def tight(self) -> bool:
        """The disk is full and its reserve in use: rows that are no records are left out."""

    boot: str
    """of the machine; the monotonic times of rows compare within one"""

    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        """Write rows, each with the nodes that must receive it, as one group; call ``synced`` once they are on disk.

        Groups are synced in the order given. ``synced`` is called from the reactor thread, never from inside
        ``append``. Audit rows are linked as they get their places (``dataset.audit``), over all lineages.
        """

    def relay(self, rows: Sequence[bytes], receivers: Sequence[str], synced: Callable[[], None]) -> None:
        """Send rows of another node on, byte for byte, in their order among the own ones (S3, J5).

        They are no rows of this journal: nobody hears of them here, and nothing but the outboxes reads them.
        """

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with rows of this run after their sync, in order, after the ``synced`` of their groups."""

    def on_outgoing(self, hear: Callable[[Mapping[NodeId, int]], None]) -> None:
        """Call ``hear`` after a sync with the new head of each receiver that got rows, in this lineage (S1)."""

    def rows_of_live_contacts(self) -> list[Journalled]:
        """All rows, of all lineages, of contacts that are live here; in order. For adoption at start.

        Live: born and not ended, or with a segment still open, or with a received segment that waits for its outcome.
        """

    def rows_of_contacts(self, contacts: Collection[ContactId]) -> list[Journalled]:
        """All rows kept, of all lineages, about these contacts; in order."""

    def rows_since(self, wall: float) -> list[Journalled]:
        """All rows kept, of all lineages, with that wall time or later; in order. For counters at start."""

    def rows_of_kind(self, kind: type[AnyRow], since: float) -> list[Journalled]:
        """All rows kept of one kind, of all lineages, with wall time ``since`` or later; in order. The others are not
        read into rows, so this costs a start little however many there are.
        """

    def rows_of_work(self, since: float) -> list[Journalled]:
        """All rows, of all lineages, about work items that are open here, however old, and those kept about any work
        item with wall time ``since`` or later; with the rows about runs (``dataset.lineages``), by which steps of
        several runs are put in order; in order. For the book of work at start.

        Open: its opening was written here, and no step that ended it.
        """

    def receivers(self) -> list[NodeId]:
        """Every node that rows were ever written for, if it still is in the province."""

    def streams(self, receiver: NodeId) -> list[OutboxStream]:
        """All lineages with rows for ``receiver``, oldest first."""

    def pending(self, receiver: NodeId, lineage: LineageId, after: int, limit: int) -> Deferred[list[OutboxEntry]]:
        """Up to ``limit`` synced entries with numbers above ``after``, in order; forgotten ones (J5) are skipped."""

    def acknowledged(self, receiver: NodeId, lineage: LineageId, number: int) -> None:
        """The receiver has all up to ``number``; these may be forgotten after the days they are kept (J5), but for
        openings of lineages, audit rows, and rows of live contacts and open work items.

        A lower number than before is taken too: a receiver that lost its disk needs its rows again.
        """

    def stop(self) -> Deferred[None]:
        """Sync and close."""


class Store(Protocol):
    """Where a node keeps records (``dataset.tables``, ``dataset.puts``, ``dataset.pages``).

    Forms: ``node.store_sqlite``, ``node.store_memory``.

    Promises: what a put wrote is read by whoever asks once the put is done, and survives any end of the process. The
    state is a function of the set of records put, whatever their order and however often each was put. A record's
    index entries change with it: an index never shows a revision that is not the one in the table. A cursor is never
    seen without all records of its put; after a crash the records may be there without it, so whoever works by a
    cursor puts the same records again.

    Every question is answered later, from no snapshot: of two pages the second may show what was put between. What
    stands in a partition from the first page to the last, with the same key in that order, is shown exactly once.
    """

    conflicts_found: int
    """records of this run that another content of the same revision stood beside; for metrics"""
    damaged: set[str]
    """records found on disk that are not what was written, each named once; for metrics"""

    def put(self, batch: Sequence[Put], cursor: Cursor | None = None) -> Deferred[Written]:
        """Write records, at most ``LARGEST_BATCH``, and then the cursor. Records of one batch need not fit together.

        Errbacks with ``Refused``, having written nothing, when one cannot be written: ``record-form``,
        ``record-revision``, ``record-too-large``, ``key-form``, ``key-too-long``, ``batch-too-large``,
        ``table-unknown``; and ``store-stopped``, when it is not known whether all was written.
        """

    def get(self, table: Table[R], key: Key, *, tombstone: bool = False) -> Deferred[R | None]:
        """The record with this full key; None when there is none, or only a tombstone that was not asked for.

        Errbacks with ``Refused``: ``key-form``, ``record-damaged``, ``store-unreadable``, ``store-stopped``.
        """

    def page(
        self,
        table: Table[R],
        partition: Key,
        span: Span = ALL,
        *,
        index: str | None = None,
        limit: int = 100,
        token: str | None = None,
    ) -> Deferred[Page[R]]:
        """Records of one partition, in the order of the table's clustering key or of its ``index``; no tombstones.

        ``token`` is that of the page before, of the same question. Errbacks with ``Refused``: ``key-form``,
        ``page-size``, ``page-token``, ``store-unreadable``, ``store-stopped``.
        """

    def conflicts(self, table: Table[R], *, limit: int = 100) -> Deferred[tuple[R, ...]]:
        """The first ``limit`` contents that do not stand because a greater one of the same revision does, by key.

        A higher revision of the same record settles them: they are gone from here then.
        """

    def cursor(self, name: str) -> Deferred[str | None]:
        """How far the work of that name has come; None when it has not begun."""

    def stop(self) -> Deferred[None]:
        """Write what was given, and close."""


class SearchText(NamedTuple):
    """What one article is found by."""

    title: str
    body: str


TITLE_WEIGHT = 8.0
"""a term in the title of an article counts as so many in its body"""


class ArticleSearch(Protocol):
    """Full text of articles, Chinese and other, ranked. Forms: ``node.search_fts5``, ``node.search_memory``.

    Derived: whoever puts an article keeps it, and it is made anew at every start. Terms: ``dataset.full_text``.
    """

    def put(self, texts: Mapping[ArticleId, SearchText | None]) -> None:
        """Find these articles by these texts from now on, and no longer those with None."""

    def search(self, text: str, limit: int) -> list[ArticleId]:
        """At most ``limit`` articles that have some term of ``text``: those with all of them first, and then by BM25
        (k1 = 1.2, b = 0.75, a term in a title counting as ``TITLE_WEIGHT`` in a body), then by name.
        """


class Leadership(Protocol):
    """The lock by which one hub of several leads (B2). Forms, in ``links.discovery``: ``alone`` (there is no other),
    ``file`` (the operator's switch), ``consul``, ``inprocess``.

    Promises: of two hubs at most one has a tenure whose ``until`` is to come, given clocks that run alike within a
    tenth; a later hold has a higher term, above ``heard()`` too. All calls come in the reactor's thread.
    """

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """Try to get the lock, and keep it from then on. ``heard`` gives the highest term this hub knows of.

        ``changed`` is told of each hold, of each renewal (the same term, a later ``until``), and with None once the
        hold is known to be lost. A holder that cannot renew hears nothing: its ``until`` passes.
        """

    def resign(self) -> None:
        """Give the lock back, and compete for it anew, under a higher term."""

    def stop(self) -> Deferred[None]:
        """Compete no more and give the lock back, so that another hub leads at once; fires when that is done."""
