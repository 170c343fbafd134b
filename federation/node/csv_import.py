"""A CSV file into a table of the store: in batches, with bad rows put aside, and going on where it was killed.

How far it has come is a cursor of the store, named by the content of the file, the mapping and the revision, so another
file, or the same one changed, is another work. The cursor of a batch is put with the records of the next one, when the
batch's bad rows are on disk: so after a kill at any moment nothing is left out, in the store or among the bad rows,
and what comes twice changes nothing.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
from twisted.internet.defer import Deferred

from dataset.csv_text import CsvRow, Encoding, detect, rows
from dataset.errors import Problem, Refused
from dataset.importing import Binding, RowMapping
from dataset.puts import Cursor, Outcome, Put, Written, prepare
from dataset.tables import Record
from federation.ports import Store

BATCH = 200
"""rows in one put"""
_PIECE = 1 << 20
REASON = ("行 line", "原因 reason")
"""The columns that a file of bad rows has more than its source; a mapping passes over them."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import has come."""

    at: int = 0
    """bytes of the file that are done"""
    size: int = 0
    line: int = 1
    rows: int = 0
    written: int = 0
    unchanged: int = 0
    """were there already"""
    older: int = 0
    """a higher revision was there"""
    bad: int = 0
    """put aside with their reason"""
    bad_size: int = 0
    """bytes of the file of bad rows"""
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is imported."""

    file: Path
    mapping: RowMapping
    mapping_bytes: bytes
    """the mapping as it was written: with another one, another work begins"""
    revision: int
    """of all records in it; of two files of one source, the later has the higher one"""

    @property
    def bad_file(self) -> Path:
        """Where bad rows go: beside the file, ``x.csv.bad.csv``."""
        return self.file.with_name(f"{self.file.name}.bad.csv")


async def import_csv(store: Store, source: Source, told: Callable[[Progress], None]) -> Progress:
    """Import all of ``source``; ``told`` hears of each batch. Reads files in the caller's thread: for a command.

    An import that was finished is done again from the start, which changes nothing where nothing has changed.
    Raises ``Refused``: ``import-file``, ``csv-encoding``, ``import-column``, and what the store refuses.
    """
    try:
        with source.file.open("rb") as file:
            encoding, size, digest = _survey(file, source)
            work = _Work(store, source, file, encoding, f"import {source.mapping.table.name} {digest}")
            return await work.go_on(size, told)
    except OSError as error:
        raise Refused(
            Problem(
                "import-file",
                zh=f"无法读写文件（应为可读的 CSV，其目录可写）：{error}",
                en=f"the file cannot be used (a CSV that can be read, in a directory that can be written): {error}",
                place=str(error.filename or source.file),
            )
        ) from error


def _survey(file: BinaryIO, source: Source) -> tuple[Encoding, int, str]:
    """Encoding, size, and what names this import; reads the whole file, in pieces."""
    digest = sha256(f"{source.revision}\n".encode() + source.mapping_bytes)

    def pieces() -> Iterator[bytes]:
        while piece := file.read(_PIECE):
            digest.update(piece)
            yield piece

    stated = source.mapping.encoding
    encoding = stated or detect(pieces(), str(source.file))
    for _ in pieces():  # what the encoding did not need
        pass
    return encoding, file.tell(), digest.hexdigest()[:32]


class _Work:
    def __init__(self, store: Store, source: Source, file: BinaryIO, encoding: Encoding, name: str) -> None:
        self._store = store
        self._source = source
        self._file = file
        self._encoding = encoding
        self._name = name
        self._delimiter = source.mapping.delimiter

    async def go_on(self, size: int, told: Callable[[Progress], None]) -> Progress:
        """From where it had come."""
        found = await self._store.cursor(self._name)
        here = msgspec.json.decode(found, type=Progress) if found is not None else Progress()
        if here.done:
            here = Progress()
        header = self._header()
        binding = self._source.mapping.bind(header.cells, str(self._source.file))
        if here.at == 0:
            here = Progress(at=header.end, size=size, line=header.following)
        self._file.seek(here.at)
        left = rows(self._file, self._encoding, self._delimiter, line=here.line, at=here.at)
        with _BadRows(self._source.bad_file, here.bad_size, header.cells, self._delimiter) as bad:
            behind: Cursor | None = None
            while batch := list(islice(left, BATCH)):
                here = await self._batch(binding, batch, behind, here, bad)
                behind = self._cursor(here)
                told(here)
            here = msgspec.structs.replace(here, done=True, at=size, bad_size=bad.size)
        await self._store.put([], self._cursor(here))
        if here.bad == 0:
            self._source.bad_file.unlink(missing_ok=True)
        told(here)
        return here

    def _header(self) -> CsvRow:
        self._file.seek(0)
        header = next(rows(self._file, self._encoding, self._delimiter), None)
        if header is None or header.fault is not None:
            reason = header.fault if header is not None and header.fault is not None else None
            raise Refused(
                Problem(
                    "import-column",
                    zh=f"首行应为列名{f'：{reason.zh}' if reason else ''}",
                    en=f"the first row should have the names of the columns{f': {reason.en}' if reason else ''}",
                    place=f"{self._source.file}:1",
                )
            )
        return header

    def _cursor(self, here: Progress) -> Cursor:
        return Cursor(self._name, msgspec.json.encode(here).decode())

    async def _batch(
        self, binding: Binding, batch: list[CsvRow], behind: Cursor | None, here: Progress, bad: _BadRows
    ) -> Progress:
        good: list[tuple[CsvRow, Record]] = []
        reasons: list[_Reason] = []
        for row in batch:
            try:
                if row.fault is not None:
                    raise Refused(row.fault)
                good.append((row, binding.record(row.cells, self._source.revision)))
            except Refused as refused:
                reasons.append((row, refused.problems))
        try:
            written = await self._put(good, behind)
        except Refused:
            unfit = self._unfit(good)
            if not unfit:  # it was not for the records
                raise
            reasons += unfit
            rows_unfit = {row.line for row, _ in unfit}
            good = [one for one in good if one[0].line not in rows_unfit]
            written = await self._put(good, behind)
        reasons += [(good[at][0], (_CONFLICT,)) for at in written.conflicts]
        bad.add(sorted(reasons, key=lambda one: one[0].line))
        counts = {outcome: written.outcomes.count(outcome) for outcome in Outcome}
        return msgspec.structs.replace(
            here,
            at=batch[-1].end,
            line=batch[-1].following,
            rows=here.rows + len(batch),
            written=here.written + counts[Outcome.WRITTEN],
            unchanged=here.unchanged + counts[Outcome.UNCHANGED],
            older=here.older + counts[Outcome.OLDER],
            bad=here.bad + len(reasons),
            bad_size=bad.size,
        )

    def _put(self, good: list[tuple[CsvRow, Record]], behind: Cursor | None) -> Deferred[Written]:
        return self._store.put([Put(self._source.mapping.table, record) for _, record in good], behind)

    def _unfit(self, good: list[tuple[CsvRow, Record]]) -> list[_Reason]:
        """Rows whose record the store does not take: keys that are too long and the like."""
        found: list[_Reason] = []
        for row, record in good:
            try:
                prepare(Put(self._source.mapping.table, record))
            except Refused as refused:
                found.append((row, refused.problems))
        return found


_Reason = tuple[CsvRow, tuple[Problem, ...]]
_CONFLICT = Problem(
    "import-conflict",
    zh="同一键、同一修订号已有另一内容（文件中重复，或在别处改过）；两者都已保留，请核对",
    en="another content with this key and revision is there (twice in the file, or changed elsewhere); "
    "both are kept, find out which is right",
)


class _BadRows:
    """The file of bad rows: UTF-8 with a mark, as office programs want it; on disk after each ``add``."""

    def __init__(self, path: Path, size: int, header: Sequence[str], delimiter: str) -> None:
        self._header = header
        self._delimiter = delimiter
        self._file = path.open("r+b" if size and path.exists() else "w+b")
        self.size = self._file.truncate(min(size, self._file.seek(0, os.SEEK_END)))
        self._file.seek(self.size)
        if self.size == 0:
            self._write("\ufeff" + self._line([*header, *REASON]))

    def __enter__(self) -> _BadRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, reasons: Sequence[_Reason]) -> None:
        """Write rows with what is wrong with them, in both languages."""
        if reasons:
            self._write("".join(self._row(row, problems) for row, problems in reasons))

    def _row(self, row: CsvRow, problems: Sequence[Problem]) -> str:
        zh = "；".join(f"{one.place}：{one.zh}" if one.place else one.zh for one in problems)
        en = "; ".join(f"{one.place}: {one.en}" if one.place else one.en for one in problems)
        cells = [*row.cells, *[""] * (len(self._header) - len(row.cells))]
        return self._line([*cells, str(row.line), f"{zh} · {en}"])

    def _line(self, cells: Sequence[str]) -> str:
        text = StringIO()
        csv.writer(text, delimiter=self._delimiter).writerow(cells)
        return text.getvalue()

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "backslashreplace"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.size = self._file.tell()
