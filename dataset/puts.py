"""What is written, checked before anything is; and which of two contents stands.

**Revisions.** A record carries ``revision``. The higher one stands; the same one with the same content changes
nothing; the same one with another content is a conflict, which is told to whoever put it and kept until a higher
revision settles it. So the state is a function of the set of what was put, in whatever order and however often.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from dataset.declared import Between, Pattern, unwrap
from dataset.errors import Problem, Refused
from dataset.tables import Record, Table

LARGEST_RECORD = 1_000_000
"""bytes of one record as it is stored; what is larger goes in parts (``dataset.records.attachment``)"""
LARGEST_BATCH = 1_000


class Outcome(StrEnum):
    """What became of one record of a put."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    """the same content was there"""
    OLDER = "older"
    """a higher revision was there"""
    CONFLICT = "conflict"
    """another content of the same revision was there; both are kept, the greater bytes stand"""


class Ruling(NamedTuple):
    """What a store has to do with one record of a put."""

    outcome: Outcome
    stands: bool
    """the content put is the one to show from now on"""
    rival: bytes | None = None
    """a content to keep as a conflict"""
    settles: bool = False
    """conflicts known so far are over"""


def rule(known: tuple[int, bytes] | None, revision: int, data: bytes) -> Ruling:
    """Which content stands where ``known`` (revision, bytes) stood: the greater in (revision, bytes).

    It is the same whichever came first, so that two copies of a store agree without asking each other.
    """
    if known is None:
        return Ruling(Outcome.WRITTEN, True)
    if revision != known[0]:
        newer = revision > known[0]
        return Ruling(Outcome.WRITTEN if newer else Outcome.OLDER, newer, settles=newer)
    if data == known[1]:
        return Ruling(Outcome.UNCHANGED, False)
    return Ruling(Outcome.CONFLICT, data > known[1], min(data, known[1]))


class Put(NamedTuple):
    """One record to write, with its table."""

    table: Table[Any]
    record: Record


class Cursor(NamedTuple):
    """How far some work has come, by the name of the work; written after the records that it speaks of."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a put did, record by record in its order."""

    outcomes: tuple[Outcome, ...]

    @property
    def conflicts(self) -> tuple[int, ...]:
        """Places in the batch of records that another content of the same revision stands beside."""
        return tuple(at for at, one in enumerate(self.outcomes) if one is Outcome.CONFLICT)


class Prepared(NamedTuple):
    """A record as it is written."""

    table: Table[Any]
    partition: bytes
    clustering: bytes
    revision: int
    deleted: bool
    data: bytes
    entries: tuple[tuple[str, bytes, bytes], ...]


_BYTES = msgspec.json.Encoder(order="deterministic")


def prepare(put: Put) -> Prepared:
    """Check and encode one record.

    Raises ``Refused``: ``record-form`` (a value of another type than its field, a text that is no Unicode),
    ``record-revision``, ``record-too-large``, ``key-form``, ``key-too-long``.
    """
    table, record = put
    if type(record) is not table.record:
        raise TypeError(f"table {table.name} holds {table.record.__name__}, not {type(record).__name__}")
    key = table.key_of(record)
    place = f"{table.name} {' '.join(map(str, key))[:80]!r}"
    if type(record.revision) is not int or not 1 <= record.revision < 1 << 63:
        raise Refused(
            Problem(
                "record-revision",
                zh=f"修订号 {record.revision!r} 不可用，应为不小于 1 的 64 位整数",
                en=f"the revision {record.revision!r} is not accepted; a whole number from 1, of 64 bits, is expected",
                place=place,
            )
        )
    data = _encoded(table, record, place)
    if len(data) > LARGEST_RECORD:
        raise Refused(
            Problem(
                "record-too-large",
                zh=f"记录有 {len(data)} 字节，最多 {LARGEST_RECORD} 字节；更大的内容请作为附件分块保存",
                en=f"the record has {len(data)} bytes; at most {LARGEST_RECORD} are accepted, "
                "larger content is kept as an attachment in parts",
                place=place,
            )
        )
    partition, clustering = table.place(key)
    entries = tuple(dict.fromkeys(table.entries(record, partition + clustering))) if table.indexes else ()
    return Prepared(table, partition, clustering, record.revision, record.deleted, data, entries)


def _encoded(table: Table[Any], record: Record, place: str) -> bytes:
    """The bytes of ``record``, which can be read again: structs do not check the types of what they are made of."""
    try:
        data = _BYTES.encode(record)
        faults = table.read(data).faults()
    except (msgspec.MsgspecError, UnicodeError, TypeError, OverflowError) as error:
        raise Refused(*(_wrong_fields(record, place) or [_wrong_form(record, place, error)])) from error
    if faults:
        raise Refused(*(Problem(one.slug, one.zh, one.en, f"{place} {one.place}") for one in faults))
    return data


def _wrong_form(record: Record, place: str, error: Exception) -> Problem:
    name = type(record).__name__
    return Problem(
        "record-form",
        zh=f"记录不符合 {name} 的格式：{error}",
        en=f"the record does not have the form of {name}: {error}",
        place=place,
    )


def _wrong_fields(record: Record, place: str) -> list[Problem]:
    """Each field whose value has not the form that is declared, with that form."""
    problems = []
    for name, hint in get_type_hints(type(record), include_extras=True).items():
        try:
            msgspec.convert(getattr(record, name), hint)
        except msgspec.ValidationError as error:
            zh, en = accepted(hint) or (str(error), str(error))
            value = repr(getattr(record, name))[:60]
            problems.append(
                Problem(
                    "record-form",
                    zh=f"{value} 不可用，应为{zh}",
                    en=f"{value} is not accepted; {en} expected",
                    place=f"{place} {name}",
                )
            )
    return problems


def accepted(hint: Any) -> tuple[str, str] | None:
    """The form of a declared field in both languages, where one is declared: a pattern, limits, or some words."""
    kind, forms, _ = unwrap(hint)
    if get_origin(kind) is tuple:
        return accepted(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        words = " | ".join(str(one.value) for one in kind)
        return f"其中之一：{words}", f"one of {words}"
    for form in forms:
        if isinstance(form, Pattern):
            return form.zh, form.en
        if isinstance(form, Between):
            zh, en = form.form
            return f"数，{zh}", f"a number, {en}"
    return None


def prepare_all(batch: tuple[Put, ...]) -> list[Prepared]:
    """As ``prepare``, for a whole put. Raises ``Refused`` (also ``batch-too-large``), before anything is written."""
    if len(batch) > LARGEST_BATCH:
        raise Refused(
            Problem(
                "batch-too-large",
                zh=f"一次写入 {len(batch)} 条，最多 {LARGEST_BATCH} 条；请分批写入",
                en=f"{len(batch)} records in one put; at most {LARGEST_BATCH} are accepted, put them in parts",
                place="put",
            )
        )
    return [prepare(one) for one in batch]
