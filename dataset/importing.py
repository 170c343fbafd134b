"""Rows of a table of text as records: which column becomes which field, and what is wrong with a row that does not.

The mapping is a declared file, so that a new source needs no code:

    table = "directory"
    home = "020"
    [constants]
    city = "guangzhou"
    [[column]]
    name = "电话"
    field = "number"
    as = "number"

A field of a part is written with a point (``document.number``); a column of a list of parts makes one of them
(``field = "items.fen"`` with ``with = { code = "rent", zh = "月租费", en = "Rent" }``) where its cell is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from dataset.cells import ACCEPTED, CONVERTERS, CellForm, Convert
from dataset.csv_text import Encoding
from dataset.declared import Reading, did_you_mean, setting
from dataset.errors import Problem, Refused
from dataset.number_plan import NumberPlan
from dataset.puts import accepted
from dataset.tables import Record, Table
from dataset.toml_text import Path, parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the source."""

    name: str = setting("列名，如首行所写", "name of the column, as the first row has it")
    field: str = setting("记录的字段", "field of the record")
    as_: CellForm = setting("内容的形式", "form of what is in it", key="as", default="text")
    required: bool = setting("不可为空", "must not be empty", default=False)
    separator: str | None = setting("一格多值的分隔符", "what stands between several values", default=None)
    values: Mapping[str, str] = setting("原值 → 代码；其他值不可用", "value → code; no other is accepted", factory=dict)
    with_: Mapping[str, str] = setting("该部分的其他字段", "other fields of that part", key="with", factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingText:
    """The file."""

    table: str = setting("表", "table")
    encoding: Literal["auto", "utf-8", "gb18030"] = setting("编码", "encoding", default="auto")
    delimiter: Literal[",", ";", "|", "tab"] = setting("分隔符", "what stands between cells", default=",")
    home: str = setting("本地号码的区号", "area code of local numbers", default="")
    constants: Mapping[str, str] = setting("每行相同的字段", "fields that are the same in all rows", factory=dict)
    columns: tuple[Column, ...] = setting("列", "columns", key="column")


@dataclass(frozen=True)
class _Way:
    """Where the value of a column goes."""

    column: Column
    path: tuple[str, ...]
    listed: bool
    """each value is one part of a list"""
    convert: Convert


@dataclass(frozen=True)
class RowMapping:
    """A checked mapping. ``fill`` adds what follows from other fields."""

    text: MappingText
    table: Table[Any]
    ways: tuple[_Way, ...]
    fill: Callable[[Any], Any] | None

    @property
    def encoding(self) -> Encoding | None:
        """As stated; None: to be detected."""
        return None if self.text.encoding == "auto" else self.text.encoding

    @property
    def delimiter(self) -> str:
        """The character between cells."""
        return "\t" if self.text.delimiter == "tab" else self.text.delimiter

    def bind(self, header: Sequence[str], file: str) -> Binding:
        """Find the columns in the first row. Raises ``Refused`` (``import-column``), naming all that are not there."""
        names = [name.strip() for name in header]
        problems = []
        for name in dict.fromkeys(way.column.name for way in self.ways):
            count = names.count(name)
            if count != 1:
                near = did_you_mean(name, filter(None, names)) if count == 0 else ("请改名。", "Rename one of them.")
                problems.append(
                    Problem(
                        "import-column",
                        zh=f"首行中列 {name} 有 {count} 个，应有一个。{near[0]}",
                        en=f"the first row has the column {name} {count} times; once is expected. {near[1]}",
                        place=f"{file}:1",
                    )
                )
        if problems:
            raise Refused(*problems)
        return Binding(self, tuple(names), tuple((names.index(way.column.name), way) for way in self.ways))


@dataclass(frozen=True)
class Binding:
    """A mapping with the places of its columns in one file."""

    mapping: RowMapping
    header: tuple[str, ...]
    places: tuple[tuple[int, _Way], ...]

    def record(self, cells: Sequence[str], revision: int) -> Record:
        """The record of one row. Raises ``Refused`` with everything that is wrong, each at its column."""
        if len(cells) < len(self.header) or any(cell.strip() for cell in cells[len(self.header) :]):
            raise Refused(
                Problem(
                    "import-cells",
                    zh=f"该行有 {len(cells)} 格，应与首行一样有 {len(self.header)} 格",
                    en=f"the row has {len(cells)} cells; {len(self.header)} as in the first row are expected",
                )
            )
        values: dict[str, Any] = {"revision": revision, **self.mapping.text.constants}
        problems: list[Problem] = []
        for place, way in self.places:
            _place(values, way, _read(way, cells[place].strip(), problems))
        if problems:
            raise Refused(*problems)
        return self._made(values)

    def _made(self, values: dict[str, Any]) -> Record:
        table = self.mapping.table
        try:
            record: Record = msgspec.convert(values, table.record)
        except msgspec.ValidationError as error:
            raise Refused(*(self._faults(values) or [self._at("", str(error), str(error))])) from error
        if self.mapping.fill is not None:
            record = self.mapping.fill(record)
        faults = record.faults()
        if faults:
            raise Refused(*(Problem(one.slug, one.zh, one.en, self._column_of(one.place)) for one in faults))
        return record

    def _faults(self, values: dict[str, Any]) -> list[Problem]:
        """Which field is missing or has another form than the record declares."""
        problems = []
        hints = get_type_hints(self.mapping.table.record, include_extras=True)
        for one in msgspec.structs.fields(self.mapping.table.record):
            if one.name not in values:
                if one.required:
                    problems.append(self._at(one.name, "缺少", "missing"))
                continue
            try:
                msgspec.convert(values[one.name], hints[one.name])
            except msgspec.ValidationError as error:
                zh, en = accepted(hints[one.name]) or (str(error), str(error))
                shown = str(values[one.name])[:60]
                problems.append(
                    self._at(one.name, f"{shown} 不可用，应为{zh}", f"{shown} is not accepted; {en} expected")
                )
        return problems

    def _at(self, field: str, zh: str, en: str) -> Problem:
        return Problem("import-value", zh=zh, en=en, place=self._column_of(field))

    def _column_of(self, field: str) -> str:
        """The column that fills ``field``, or the field where none does."""
        return next((way.column.name for _, way in self.places if way.path[0] == field), field)


def _read(way: _Way, text: str, problems: list[Problem]) -> Any:
    """The value of one cell; None when it is empty or wrong, which is noted."""
    column = way.column
    if not text:
        if column.required:
            problems.append(Problem("import-value", zh="不可为空", en="must not be empty", place=column.name))
        return None
    if column.separator is None:
        return _value(way, text, problems)
    parts = [part.strip() for part in text.split(column.separator)]
    return [_value(way, part, problems) for part in parts if part]


def _value(way: _Way, text: str, problems: list[Problem]) -> Any:
    column = way.column
    if column.values:
        if text in column.values:
            return column.values[text]
        words = "、".join(column.values)
        zh, en = f"其中之一：{words}", f"one of {words}"
    else:
        try:
            value = way.convert(text)
        except Refused as refused:  # the number plan says it better
            problems += [Problem(one.slug, one.zh, one.en, column.name) for one in refused.problems]
            return None
        if value is not None:
            return value
        zh, en = ACCEPTED[column.as_]
    problems.append(
        Problem(
            "import-value",
            zh=f"{text[:60]} 不可用，应为{zh}",
            en=f"{text[:60]} is not accepted; {en} expected",
            place=column.name,
        )
    )
    return None


def _place(values: dict[str, Any], way: _Way, value: Any) -> None:
    if value is None:
        return
    first, *rest = way.path
    if way.listed:
        values.setdefault(first, []).append({**way.column.with_, rest[0]: value})
    elif rest:
        values.setdefault(first, {**way.column.with_})[rest[0]] = value
    else:
        values[first] = value


# ── reading the mapping ─────────────────────────────────────────────────────────────────────────────────────────────
def parse_mapping(
    data: bytes,
    file: str,
    tables: Mapping[str, Table[Any]],
    plan: NumberPlan | None = None,
    fill: Mapping[str, Callable[[Any], Any]] | None = None,
) -> RowMapping:
    """The mapping in ``data``; ``file`` is for messages. ``plan`` reads numbers; ``fill`` by table.

    Raises ``Refused`` with every fault, by line.
    """
    reading = Reading(parse_toml(data, file))
    text = reading.table(MappingText)
    table = tables.get(text.table)
    if table is None:
        if reading.sound("table"):
            zh, en = did_you_mean(text.table, tables)
            reading.fault(("table",), "import-table", f"没有表 {text.table}。{zh}", f"no table {text.table}. {en}")
        reading.done()
        raise AssertionError("a table that is not there is a fault")
    hints = get_type_hints(table.record)
    for name in text.constants:
        _known(reading, ("constants", name), name, hints)
    ways = [_way(reading, ("column", at), one, hints, plan, text.home) for at, one in enumerate(text.columns)]
    named = {*text.constants, *(way.path[0] for way in ways if way is not None)}
    missing = [one.name for one in msgspec.structs.fields(table.record) if one.required and one.name not in named]
    if missing and not reading.problems:
        names = ", ".join(missing)
        reading.fault((), "import-field", f"没有列填写：{names}", f"no column fills: {names}")
    reading.done()
    return RowMapping(text, table, tuple(way for way in ways if way is not None), (fill or {}).get(table.name))


def _known(reading: Reading, path: Path, name: str, hints: Mapping[str, Any]) -> bool:
    if name in hints:
        return True
    if reading.sound(*path):
        zh, en = did_you_mean(name, hints)
        reading.fault(path, "import-field", f"没有字段 {name}。{zh}", f"there is no field {name}. {en}")
    return False


def _way(
    reading: Reading, path: Path, column: Column, hints: Mapping[str, Any], plan: NumberPlan | None, home: str
) -> _Way | None:
    here = (*path, "field")
    first, _, rest = column.field.partition(".")
    if not _known(reading, here, first, hints):
        return None
    inner, listed = _inner(hints[first])
    part = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
    if part:
        if not _known(reading, here, rest, get_type_hints(inner)):
            return None
    elif rest:
        reading.fault(here, "import-field", f"字段 {first} 没有下级", f"the field {first} has no parts")
        return None
    if listed and not part and column.separator is None:
        zh, en = "该字段可有多值，请写明 separator", "the field holds several values; say their separator"
        reading.fault((*path, "separator"), "import-separator", zh, en)
    if column.as_ == "number" and plan is None:
        zh, en = "读号码须有号码计划", "numbers are read by a number plan, and none was given"
        reading.fault((*path, "as"), "import-plan", zh, en)
        return None
    convert = CONVERTERS[column.as_] if plan is None or column.as_ != "number" else _by_plan(plan, home)
    return _Way(column, (first, rest) if part else (first,), listed and part, convert)


def _by_plan(plan: NumberPlan, home: str) -> Convert:
    return lambda text: plan.normalise(text, home)


def _inner(hint: Any) -> tuple[Any, bool]:
    """What a field is made of, and whether it holds several."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)
