"""The chain of audit rows, by which it shows when one was taken out, changed, put in later or put elsewhere (I10).

Every row carries the hash of the one before it, and a hash over its own bytes, that one included. So whoever holds
the last hash holds all rows before it to what they were; the opening of each run states it, and hubs have the openings.
Hashes are taken over bytes as they were written: a later version, which knows more fields, checks the rows of this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from typing import NamedTuple

import msgspec

from dataset.ids import LineageId
from dataset.lineages import Lineages
from dataset.rows import ROW_BYTES, ROW_FROM_BYTES, DataViewed, Journalled, LineageOpened, TailMissing

_OPEN = b'"hash":""'
"""no text within a row can look like it: there, quotes are escaped"""


def linked(journalled: Journalled, number: int, before: str) -> tuple[Journalled, bytes, str]:
    """An audit row in its place: behind the row with the hash ``before``. The row, its bytes, its hash."""
    assert isinstance(journalled.row, DataViewed)
    row = msgspec.structs.replace(journalled.row, number=number, before=before, hash="")
    unsealed = ROW_BYTES.encode(msgspec.structs.replace(journalled, row=row))
    found = sha256(unsealed).hexdigest()
    whole = msgspec.structs.replace(journalled, row=msgspec.structs.replace(row, hash=found))
    return whole, unsealed.replace(_OPEN, _sealed(found), 1), found


def hash_of(data: bytes, stated: str) -> str:
    """The hash that the bytes of an audit row should state; ``stated`` is the one that they do."""
    return sha256(data.replace(_sealed(stated), _OPEN, 1)).hexdigest()


def _sealed(found: str) -> bytes:
    return b'"hash":"' + found.encode() + b'"'


@dataclass(frozen=True, slots=True)
class Break:
    """One place where a chain is not whole."""

    lineage: LineageId
    number: int
    """of the audit row in its run; 0 for the opening of the run, and for a row that cannot be read"""
    why: str
    """``unreadable``; ``changed``: its bytes are not those that were written; ``missing``: rows up to ``upto`` are not
    there; ``doubled``: another row has its number; ``moved``: it is not where it was written; ``unlinked``: the row
    before it is another one than it was; ``cut``: the run did not begin behind the last row of the run before it
    """
    upto: int = 0
    """last number of those missing; 0 where it is about one row"""
    sequence: int = 0
    """place in the journal; 0 where there is no row"""


@dataclass(frozen=True, slots=True)
class Chain:
    """What a check of one node's audit rows came to."""

    node: str
    rows: int
    first: float | None
    """wall time of the first row, UTC seconds"""
    last: float | None
    head: str
    """hash of the last row; the same wherever the same rows are held"""
    breaks: tuple[Break, ...]
    lost: tuple[LineageId, ...] = ()
    """runs whose last rows the node lost with its disk, by its own word (J2); they are on record here"""

    @property
    def whole(self) -> bool:
        """Whether nothing was taken out, changed or put in."""
        return not self.breaks


class _Seen(NamedTuple):
    """What of a row is remembered: there may be years of them."""

    number: int
    sequence: int
    before: str
    hash: str


@dataclass(slots=True)
class _Run:
    rows: list[_Seen] = field(default_factory=list)
    opening: str | None = None
    """what the opening of the run states; None while that is not on record"""


class Kept(NamedTuple):
    """A row as it lies somewhere: the run and sequence under which it is kept, and its bytes."""

    lineage: LineageId
    sequence: int
    data: bytes


def check(node: str, found: Iterable[Kept]) -> Chain:
    """Check the audit rows of ``node``: ``found`` is they, and its rows about runs, in any order."""
    runs: dict[LineageId, _Run] = {}
    lineages = Lineages()
    restored: set[LineageId] = set()
    """runs that came after a loss"""
    breaks: list[Break] = []
    first, last = inf, -inf
    for kept in found:
        try:
            one = ROW_FROM_BYTES.decode(kept.data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            breaks.append(Break(kept.lineage, 0, "unreadable", sequence=kept.sequence))
            continue
        if one.origin != (node, kept.lineage, kept.sequence):
            breaks.append(Break(kept.lineage, getattr(one.row, "number", 0), "moved", sequence=kept.sequence))
        lineages.add(one)
        run = runs.setdefault(one.lineage, _Run())
        match one.row:
            case LineageOpened(audit=audit):
                run.opening = audit
            case TailMissing():
                restored.add(one.lineage)
            case DataViewed() as row:
                run.rows.append(_Seen(row.number, one.sequence, row.before, row.hash))
                first, last = min(first, one.wall), max(last, one.wall)
                if hash_of(kept.data, row.hash) != row.hash:
                    breaks.append(Break(one.lineage, row.number, "changed", sequence=one.sequence))
            case _:
                pass
    order = sorted(runs, key=lambda lineage: lineages.rank(node, lineage))
    for lineage in order:
        breaks += _within(lineage, runs[lineage])
    breaks_between, lost = _between(runs, order, restored)
    count = sum(len(run.rows) for run in runs.values())
    return Chain(
        node=node,
        rows=count,
        first=first if count else None,
        last=last if count else None,
        head=next((_head(runs[lineage]) for lineage in reversed(order) if _head(runs[lineage])), ""),
        breaks=tuple(dict.fromkeys((*breaks, *breaks_between))),
        lost=lost,
    )


def _head(run: _Run) -> str:
    return run.rows[-1].hash if run.rows else run.opening or ""


def _within(lineage: LineageId, run: _Run) -> list[Break]:
    """One run: its numbers without a gap, each row behind the one before it, in the order of writing."""
    run.rows.sort()
    breaks = []
    expected, before, sequence = 1, run.opening, 0
    for row in run.rows:
        if row.number < expected:
            breaks.append(Break(lineage, row.number, "doubled", sequence=row.sequence))
            continue
        if row.number > expected:
            breaks.append(Break(lineage, expected, "missing", row.number - 1))
        elif before is not None and row.before != before:
            breaks.append(Break(lineage, row.number, "unlinked", sequence=row.sequence))
        if row.sequence <= sequence:
            breaks.append(Break(lineage, row.number, "moved", sequence=row.sequence))
        expected, before, sequence = row.number + 1, row.hash, row.sequence
    return breaks


def _between(
    runs: Mapping[LineageId, _Run], order: Sequence[LineageId], restored: set[LineageId]
) -> tuple[list[Break], tuple[LineageId, ...]]:
    """Each run begins behind the last row of the one before it, but for what a lost disk explains."""
    breaks: list[Break] = []
    lost: list[LineageId] = []
    last, of = "", LineageId("")
    for lineage in order:
        run = runs[lineage]
        if run.opening is None:
            breaks.append(Break(lineage, 0, "missing"))
        elif run.opening != last:
            # a node that lost the end of its journal goes on from where that ends now, and says so itself
            if lineage in restored:
                lost.append(of)
            else:
                breaks.append(Break(lineage, 0, "cut"))
        last, of = _head(run), lineage
    return breaks, tuple(lost)
