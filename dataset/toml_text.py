"""TOML with the line of every key, so that a fault in a file can be named as ``file:line``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from dataset.errors import Problem, Refused

Path = tuple[str | int, ...]
"""Where a value stands in a document: ``("city", 0, "id")``."""

_BARE_END = frozenset(",]}#\n")
_AT_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class TomlText:
    """A parsed document: ``values`` as of ``tomllib``, and the line of each key and array element."""

    file: str
    values: dict[str, Any]
    lines: dict[Path, int] = field(repr=False)
    origins: dict[Path, str] = field(default_factory=dict, repr=False)
    """where values that were laid over the file come from (``environment YHT_HTTP_PORT``)"""

    def place(self, path: Path = ()) -> str:
        """``file:line`` of ``path``, or of the nearest thing around it that has a line."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
            line = self.lines.get(path[:length])
            if line is not None:
                return f"{self.file}:{line}"
        return self.file


def parse_toml(data: bytes, file: str) -> TomlText:
    """The document in ``data``. Raises ``Refused`` (``file-not-utf8``, ``file-not-toml``) naming the line."""
    return parse_toml_text(utf8_text(data, file), file)


def utf8_text(data: bytes, file: str) -> str:
    """``data`` as a text with plain line breaks. Raises ``Refused`` (``file-not-utf8``) naming the line."""
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(
            Problem(
                "file-not-utf8",
                zh="文件不是 UTF-8 编码，请以 UTF-8 保存",
                en="the file is not UTF-8; save it as UTF-8",
                place=f"{file}:{line}",
            )
        ) from error


def parse_toml_text(text: str, file: str) -> TomlText:
    """The document in ``text``. Raises ``Refused`` (``file-not-toml``) naming the line."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        reason = _AT_LINE.sub("", str(error)).strip()
        raise Refused(
            Problem(
                "file-not-toml",
                zh=f"不是合法的 TOML（应为 键 = 值、[表] 或 [[表]]）：{reason}",
                en=f"not valid TOML (key = value, [table] or [[table]] expected): {reason}",
                place=f"{file}:{line}",
            )
        ) from error
    return TomlText(file, values, _LineIndex(text).read())


class _LineIndex:
    """One walk over a text that ``tomllib`` has accepted already, so only its shape has to be followed."""

    def __init__(self, text: str) -> None:
        self._text = text + "\n"
        self._at = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self._blank(newlines=True):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _step(self, count: int = 1) -> str:
        taken = self._text[self._at : self._at + count]
        self._at += count
        self._line += taken.count("\n")
        return taken

    def _peek(self) -> str:
        return self._text[self._at]

    def _blank(self, newlines: bool) -> bool:
        """Skip blanks and comments; False at the end of the text."""
        while self._at < len(self._text):
            here = self._peek()
            if here in " \t" or (newlines and here == "\n"):
                self._step()
            elif here == "#":
                while self._peek() != "\n":
                    self._step()
            else:
                return True
        return False

    def _key(self) -> Path:
        """A dotted key; stops behind it."""
        parts: list[str | int] = []
        while True:
            self._blank(newlines=False)
            start = self._at
            if self._peek() in "\"'":
                self._string()
                parts.append(str(next(iter(tomllib.loads(f"{self._text[start : self._at]} = 0")))))
            else:
                while self._peek().isalnum() or self._peek() in "-_":
                    self._step()
                parts.append(self._text[start : self._at])
            self._blank(newlines=False)
            if self._peek() != ".":
                return tuple(parts)
            self._step()

    def _resolve(self, keys: Path, base: Path = ()) -> Path:
        """``keys`` below ``base``, with the current element where a part is an array of tables."""
        path = base
        for key in keys:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _header(self) -> Path:
        line, many = self._line, self._text.startswith("[[", self._at)
        self._step(2 if many else 1)
        keys = self._key()
        self._step(2 if many else 1)
        if many:
            array = (*self._resolve(keys[:-1]), keys[-1])
            self._arrays[array] = self._arrays.get(array, -1) + 1
            path: Path = (*array, self._arrays[array])
        else:
            path = self._resolve(keys)
        self._note(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line
        path = (*table, *self._key())
        self._note(path, line)
        self._step()  # =
        self._value(path)

    def _value(self, path: Path) -> None:
        self._blank(newlines=False)
        here = self._peek()
        if here == "[":
            self._items(path, "]")
        elif here == "{":
            self._items(path, "}")
        elif here in "\"'":
            self._string()
        else:
            while self._peek() not in _BARE_END:
                self._step()

    def _items(self, path: Path, end: str) -> None:
        """The inside of an array or of an inline table."""
        self._step()
        count = 0
        while True:
            self._blank(newlines=True)
            if self._peek() == end:
                self._step()
                return
            if self._peek() == ",":
                self._step()
            elif end == "]":
                self._note((*path, count), self._line)
                self._value((*path, count))
                count += 1
            else:
                self._pair(path)

    def _string(self) -> None:
        quote = self._peek()
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._step(len(mark))
        while not self._text.startswith(mark, self._at):
            self._step(2 if quote == '"' and self._peek() == "\\" else 1)
        self._step(len(mark))
        while len(mark) == 3 and self._peek() == quote:  # up to two quotes may stand before the closing three
            self._step()
