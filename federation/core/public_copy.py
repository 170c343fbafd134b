"""What is public of each city, and how a copy is held against it, stretch by stretch. Pure.

Who has a copy names a stretch and a mark of what it has there; who is asked has the same, or tells what it has. So a
round over everything costs little where nothing has changed, may stop anywhere and go on from there, and finds what
was added, changed, taken out or lost at either end, whatever revisions say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

import msgspec
from msgspec.structs import replace

from dataset.ids import CityId
from dataset.records.directory import DIRECTORY, SLICES
from dataset.records.tariff import TARIFFS
from dataset.tables import Record, Table

MOST_COMPARED = 200
"""records in one stretch"""
LARGEST_PIECE_BYTES = 8_000
"""of records in one answer (S4)"""

Position = tuple[str, ...]
"""the slice and the key of a record, in the order of a round; empty: the beginning, or the end"""


@dataclass(frozen=True)
class PublicTable:
    """Records that a city publishes: what stands in an index of theirs, and nothing else."""

    table: Table[Any]
    index: str
    slices: tuple[Position, ...]
    """what follows the city in the partitions of the index, in order"""

    def position(self, record: Record) -> Position:
        """Where ``record`` stands in a round."""
        order = self.table.orders[self.index]
        names = [one.name for one in (*order.partition[1:], *order.clustering)]
        return tuple(str(getattr(record, name)) for name in names)

    def publishes(self, record: Record, city: CityId) -> bool:
        """Whether ``record`` is something that ``city`` publishes, and has the form of what is kept."""
        index = next(one for one in self.table.indexes if one.name == self.index)
        listed = index.where is None or index.where(record)
        return listed and not record.deleted and getattr(record, "city", None) == city and not record.faults()


PUBLIC_TABLES = {
    "directory": PublicTable(DIRECTORY, "by_slice", tuple((one,) for one in SLICES)),
    "tariffs": PublicTable(TARIFFS, "by_city", ((),)),
}


def mark_of(records: Iterable[Record]) -> str:
    """The same for the same records in the same order, whatever their revisions: those are each holder's own."""
    mark = blake2s(digest_size=16)
    for record in records:
        mark.update(_told(record))
    return mark.hexdigest()


def told(records: Sequence[Record]) -> tuple[bytes, ...]:
    """As many of ``records``, from the first, as go into one answer; one at least."""
    chosen: list[bytes] = []
    size = 0
    for record in records:
        data = _told(record)
        size += len(data)
        if chosen and size > LARGEST_PIECE_BYTES:
            break
        chosen.append(data)
    return tuple(chosen)


def _told(record: Record) -> bytes:
    return _BYTES.encode(replace(record, revision=1))


_BYTES = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Differences:
    """What a copy has to put: records that are new or changed, and those that are gone."""

    changed: tuple[Record, ...]
    gone: tuple[Record, ...]


def differences(public: PublicTable, own: Sequence[Record], there: Sequence[Record]) -> Differences:
    """What makes ``own`` into ``there``, both of one stretch."""
    have = {public.position(one): one for one in own}
    want = {public.position(one): one for one in there}
    return Differences(
        changed=tuple(one for at, one in want.items() if at not in have or _told(have[at]) != _told(one)),
        gone=tuple(one for at, one in have.items() if at not in want),
    )


class Round(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the comparison of one table of one city has come; kept as a cursor."""

    since: Position = ()
    as_of: float | None = None
    """the oldest moment of what was told in this round (seconds since 1970, UTC)"""
    done: float | None = None
    """that of the last round that came to its end: the copy is at least as new; None: there is none yet"""

    def on(self, before: Position, as_of: float) -> Round:
        """After a stretch that ends at ``before``."""
        oldest = as_of if self.as_of is None else min(self.as_of, as_of)
        return Round(since=before, as_of=oldest, done=self.done) if before else Round(done=oldest)
