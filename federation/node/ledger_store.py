"""Where rows received from other nodes are kept: every row once, with the cursor of its sender's stream (S1-S3).

Two forms under one contract: ``ledger_store_sqlite`` (a writer and a reader thread), and ``ledger_store_memory`` on any
clock for simulations. In both, rows and cursor are one commit, so a cursor never lags behind rows already written, and
J3's repair is nothing to do.
Rows that an older version parked because it could not read them are read again at each opening.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import ROW_FROM_BYTES, Journalled, Row
from federation.core.ledger import Batch

Applied = Callable[[Sequence[Journalled]], None]
"""Told, after a commit, the rows of it that were not on record before, in order."""

Place = tuple[float, int]
"""where a page ended: wall time, and the order of arrival among rows of that time"""
FIRST: Place = (float("-inf"), 0)
UNREADABLE = "unreadable"
DIFFERS = "differs"
STANDING_KINDS = (
    "lineage_opened",
    "tail_missing",
    "tail_returned",
    "row_settled",
    "site_declared_lost",
    "site_rejoined",
)
"""rows that a fold of any stretch of time has to know"""
WORK_KINDS = ("work_requested", "work_stepped", "work_refused")
"""rows about work items"""

RUN_KINDS = ("lineage_opened", "tail_missing")
"""rows by which the runs of a node are put in order"""
REPORTED_KINDS = (*WORK_KINDS, *RUN_KINDS, "articles_shown", "article_judged")
"""rows that reports of work and of knowledge are made of"""


class Settled(NamedTuple):
    """Who took note of an unknown slot, and why it need not be known."""

    by: str
    reason: str
    wall: float


class ParkedRow(NamedTuple):
    """A slot whose row counts as unknown until someone settles it (S2)."""

    sender: NodeId
    lineage: LineageId
    number: int
    why: str
    """``unreadable``, or ``differs``: another row with the same origin is on record"""
    data: bytes
    settled: Settled | None = None


class Hole(NamedTuple):
    """Numbers that the sender no longer kept when they were asked for (J5)."""

    sender: NodeId
    lineage: LineageId
    first: int
    last: int
    settled: Settled | None = None


class Unknown(NamedTuple):
    """All that totals have to name as unknown until it is settled; what is settled stays to be seen."""

    parked: list[ParkedRow]
    holes: list[Hole]


class ReportedPage(NamedTuple):
    """Some rows in the order of their arrival."""

    rows: list[tuple[int, Journalled]]
    """each with its place: 1 or more, ascending, for good"""
    place: int
    """up to which place was read"""
    last: int
    """the place of the last row of all"""


class LedgerStore(Protocol):
    """What inbox, reports and console need of the ledger's storage."""

    def heads(self, sender: NodeId) -> dict[LineageId, int]:
        """The committed cursor of each lineage of ``sender``."""

    def senders(self) -> list[NodeId]:
        """Every node that rows were received from."""

    def commit(self, batch: Batch, done: Applied) -> None:
        """Write rows, parked slots, hole and cursor in one transaction, then call ``done``, never from inside."""

    def keep_own(self, rows: Sequence[Journalled], done: Applied) -> None:
        """Write rows of this node's own journal beside the received ones (the hub's decisions)."""

    def rows_of_contact(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """All rows about ``contact``, in the order of their arrival."""

    def rows_between(self, begin: float, end: float) -> Deferred[list[Journalled]]:
        """All rows with begin ≤ wall time < end, UTC seconds."""

    def page(self, begin: float, after: Place, limit: int) -> Deferred[tuple[list[Journalled], Place | None]]:
        """Rows with wall time ≥ begin in the order of wall time, at most ``limit`` behind ``after``, and the place of
        the last one; None in its stead once there are no more. Begin with ``FIRST``.
        """

    def all_rows(self) -> Deferred[list[Journalled]]:
        """Everything on record, in the order of arrival."""

    def standing(self) -> Deferred[list[Journalled]]:
        """All rows of the kinds in ``STANDING_KINDS``, in the order of arrival."""

    def work_since(self, wall: float, of: NodeId | None = None) -> Deferred[list[Journalled]]:
        """All rows of the kinds in ``WORK_KINDS`` with that wall time or later, and those that ``of`` wrote at any
        time, in the order of arrival.
        """

    def reported_after(self, place: int, limit: int) -> Deferred[ReportedPage]:
        """Those of the kinds in ``REPORTED_KINDS`` among the next ``limit`` places behind ``place``."""

    def rows_at(self, places: Sequence[int]) -> Deferred[list[tuple[int, Journalled]]]:
        """The rows at these places, in order; places that have none, or none that can be read, are left out."""

    def tail(
        self, node: NodeId, lineage: LineageId, beyond: int, after: int, limit: int
    ) -> Deferred[list[tuple[int, bytes]]]:
        """Rows that ``node`` wrote in ``lineage`` after the one it sent as number ``beyond``, as they came (J5).

        At most ``limit`` with sequences above ``after`` (the last one of the page before; 0: the first page), as
        (sequence, bytes), in order.
        """

    def latest_contacts(self, limit: int, city: CityId | None = None) -> Deferred[list[ContactId]]:
        """Contacts by the wall time of their birth, latest first."""

    def unknown(self) -> Deferred[Unknown]:
        """Parked slots and holes, settled ones too."""

    def unknown_count(self, sender: NodeId) -> int:
        """How many numbers of ``sender`` are parked or in holes and not settled, as committed; for totals."""

    def stop(self) -> Deferred[None]:
        """Commit what was given, and close."""


def kind_of(row: Row) -> str:
    """The word that names the row's kind in its JSON."""
    return str(row.__struct_config__.tag)


def digest(data: bytes) -> str:
    """What a parked slot's content is known by when it is settled (``RowSettled.digest``)."""
    return sha256(data).hexdigest()


def readable(data: bytes) -> Journalled | None:
    """The row in ``data``; None where this version cannot read it."""
    try:
        return ROW_FROM_BYTES.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
