"""CSV as operators' systems write it: UTF-8 with or without a mark, or GB 18030; every row with its line and place.

A row that cannot be read has a fault and costs no other row: a quotation mark that is never closed does not swallow
the rest of the file, and a byte that is no character spoils its own row only.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dataset.errors import Problem, Refused

Encoding = Literal["utf-8", "gb18030"]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "gb18030")
MOST_LINES = 100
"""of one row: a field may have line ends in it, within quotation marks"""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row."""

    line: int
    """in the file, from 1, where it begins"""
    cells: list[str]
    end: int
    """byte in the file behind it"""
    following: int
    """the line behind it"""
    fault: Problem | None = None


def detect(chunks: Iterable[bytes], file: str) -> Encoding:
    """The encoding of a whole file, given in pieces: UTF-8 if all of it is that, else GB 18030 if all of it is.

    GB 18030 reads nearly any bytes, UTF-8 hardly any but its own, so the order is no guess. Raises ``Refused``
    (``csv-encoding``).
    """
    decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in ENCODINGS}
    first = True
    for chunk in chunks:
        if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise _undetected(file)
        first = False
        _feed(decoders, chunk, final=False)
        if not decoders:
            break
    _feed(decoders, b"", final=True)
    for name in ENCODINGS:
        if name in decoders:
            return name
    raise _undetected(file)


def _feed(decoders: dict[Encoding, codecs.IncrementalDecoder], chunk: bytes, *, final: bool) -> None:
    for name in list(decoders):
        try:
            decoders[name].decode(chunk, final)
        except UnicodeDecodeError:
            del decoders[name]


def _undetected(file: str) -> Refused:
    return Refused(
        Problem(
            "csv-encoding",
            zh='文件既不是 UTF-8 也不是 GB 18030 编码；请另存为其中之一，或在对照表中写明 encoding = "gb18030"，'
            "读不了的行会单独列出",
            en="the file is neither UTF-8 nor GB 18030; save it as one of them, or say which one it is meant to be "
            '(encoding = "gb18030") and have the lines listed that cannot be read',
            place=file,
        )
    )


def rows(
    lines: Iterable[bytes], encoding: Encoding, delimiter: str = ",", *, line: int = 1, at: int = 0
) -> Iterator[CsvRow]:
    """The rows in ``lines``, which end with ``\\n`` as files give them; the first is line ``line`` at byte ``at``.

    In both encodings no character has the byte of ``\\n`` in it. Empty lines are passed over.
    """
    ahead: deque[bytes] = deque()
    source = iter(lines)
    while True:
        taken = [ahead.popleft()] if ahead else _one(source)
        if not taken:
            return
        cells, fault = _parse(taken, encoding, delimiter, line)
        while fault is not None and fault.slug == "csv-open":
            following = [ahead.popleft()] if ahead else _one(source)
            if not following or len(taken) == MOST_LINES:
                ahead.extendleft(reversed([*taken[1:], *following]))
                taken = taken[:1]
                cells = [_text(taken[0], encoding, line).rstrip("\r\n")]
                break
            taken += following
            cells, fault = _parse(taken, encoding, delimiter, line)
        at += sum(map(len, taken))
        if fault is not None or any(cell.strip() for cell in cells):
            yield CsvRow(line, cells, at, line + len(taken), fault)
        line += len(taken)


def _one(source: Iterator[bytes]) -> list[bytes]:
    return [line for line in [next(source, b"")] if line]


def _parse(taken: list[bytes], encoding: Encoding, delimiter: str, line: int) -> tuple[list[str], Problem | None]:
    data = b"".join(taken)
    text, fault = _text(data, encoding, line), None
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        fault = _no_character(encoding, error)
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        opened = "unexpected end" in str(error)
        return [text.rstrip("\r\n")], fault or _wrong_form("csv-open" if opened else "csv-form", error)
    return cells, fault


def _text(data: bytes, encoding: Encoding, line: int) -> str:
    """Without the mark of the file's beginning; what is no character stays to be seen, as its bytes."""
    return (data.removeprefix(codecs.BOM_UTF8) if line == 1 else data).decode(encoding, "backslashreplace")


def _no_character(encoding: Encoding, error: UnicodeDecodeError) -> Problem:
    bad = error.object[error.start : error.end].hex(" ")
    return Problem(
        "csv-character",
        zh=f"字节 {bad} 不是 {encoding} 字符；请改正后重新导入该行",
        en=f"the bytes {bad} are no character in {encoding}; put the row right and import it again",
        place="",
    )


def _wrong_form(slug: str, error: csv.Error) -> Problem:
    if slug == "csv-open":
        zh, en = "引号没有配对", "a quotation mark is not closed"
    else:
        zh, en = f"不是合法的 CSV：{error}", f"not valid CSV: {error}"
    return Problem(
        slug,
        zh=f'{zh}；含引号的内容应整体加引号，其中的引号写作 ""',
        en=f'{en}; a field with quotation marks is quoted as a whole, and those in it are written ""',
        place="",
    )
