"""Tables of records as data: keys, and further orders in which they are looked up.

A table is asked in two ways only: one record by its full key, and a page of one partition in the order of the
clustering key. Whoever needs another order declares an ``Index``; it is written in the same put. There are no joins,
no counters, and nothing that a store of several machines could not do. Which of two contents stands: ``puts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from types import UnionType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from dataset.errors import Problem, Refused
from dataset.keys import Key, KeyValue, encode_key


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all stored records. Fields are only ever added, with defaults: what is default is not written, so that
    a record of an older version has the same bytes when a newer one puts it again.
    """

    revision: int = 1
    """from 1; whoever changes a record writes a higher one"""
    deleted: bool = False
    """a tombstone: the record is gone for all who ask, and stays gone when an older revision comes late"""

    def faults(self) -> tuple[Problem, ...]:
        """What is wrong with a record whose fields have their forms, each at its field; one with faults is not put."""
        return ()


R = TypeVar("R", bound=Record)


# ── declarations ────────────────────────────────────────────────────────────────────────────────────────────────────
class KeyField(NamedTuple):
    """One field of a key, resolved."""

    name: str
    kind: type[str] | type[int] | type[float]
    many: bool
    """the field holds a tuple: an index has an entry for each value"""


def _key_field(record: type[Record], name: str) -> KeyField:
    """The kind of ``record.name``, a field or a property; a date is a text. ``TypeError`` when it can be in no key."""
    found = getattr(record, name, None)
    hint = get_type_hints(found.fget)["return"] if isinstance(found, property) else get_type_hints(record)[name]
    many = False
    while True:
        if get_origin(hint) is tuple:
            many, hint = True, get_args(hint)[0]
        elif get_origin(hint) in (Union, UnionType):
            hint = next(kind for kind in get_args(hint) if kind is not type(None))
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        else:
            break
    if isinstance(hint, type) and issubclass(hint, date):
        return KeyField(name, str, many)
    for kind in (str, int, float):
        if isinstance(hint, type) and issubclass(hint, kind):
            return KeyField(name, kind, many)
    raise TypeError(f"{record.__name__}.{name} cannot be in a key: {hint}")


@dataclass(frozen=True)
class Index(Generic[R]):
    """A further order of a table's records: partition, and clustering fields before the record's own key.

    A record whose ``where`` is false, or that has None or an empty text in a field of the partition, has no entry;
    None in a clustering field counts as empty. A field that holds a tuple gives an entry for each of its values.
    """

    name: str
    partition: tuple[str, ...]
    clustering: tuple[str, ...] = ()
    where: Callable[[R], bool] | None = None
    version: int = 1
    """higher when ``where`` or a property among the fields computes something else: entries are made anew"""


@dataclass(frozen=True, slots=True)
class Order:
    """What can be paged: a table by its own key, or by one of its indexes."""

    name: str
    """``lines``, or ``lines.by_customer``"""
    partition: tuple[KeyField, ...]
    clustering: tuple[KeyField, ...]
    shape: str
    """changes when the keys do"""


@dataclass(frozen=True)
class Table(Generic[R]):
    """Records of one kind. The full key is partition and clustering fields, in this order."""

    name: str
    record: type[R]
    partition: tuple[str, ...]
    clustering: tuple[str, ...] = ()
    indexes: tuple[Index[R], ...] = ()
    order: Order = field(init=False, repr=False, compare=False)
    orders: dict[str, Order] = field(init=False, repr=False, compare=False)
    """of the indexes, by name"""
    _key_fields: tuple[KeyField, ...] = field(init=False, repr=False, compare=False)
    _decoder: msgspec.json.Decoder[R] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = self._order(self.name, self.partition, self.clustering, 1)
        if any(one.many for one in (*own.partition, *own.clustering)):
            raise TypeError(f"{self.name}: a field with many values cannot be in the key of a record")
        object.__setattr__(self, "order", own)
        orders = {
            one.name: self._order(f"{self.name}.{one.name}", one.partition, one.clustering, one.version)
            for one in self.indexes
        }
        object.__setattr__(self, "orders", orders)
        object.__setattr__(self, "_key_fields", (*own.partition, *own.clustering))
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(self.record))

    def _order(self, name: str, partition: tuple[str, ...], clustering: tuple[str, ...], version: int) -> Order:
        fields = [tuple(_key_field(self.record, one) for one in names) for names in (partition, clustering)]
        texts = [",".join(f"{one.name}:{one.kind.__name__}" for one in some) for some in fields]
        return Order(name, fields[0], fields[1], f"{texts[0]}|{texts[1]}|{version}")

    def key_of(self, record: R) -> Key:
        """The full key of ``record``."""
        return tuple(getattr(record, name) for name in (*self.partition, *self.clustering))

    def read(self, data: bytes) -> R:
        """The record in ``data``; raises ``msgspec.MsgspecError``."""
        return self._decoder.decode(data)

    def entries(self, record: R, own: bytes = b"") -> Iterator[tuple[str, bytes, bytes]]:
        """Index entries of ``record``: name of the index, partition, clustering. A tombstone has none.

        ``own``: the bytes of its full key, where they are known already.
        """
        if record.deleted or not self.indexes:
            return
        own = own or b"".join(self.place(self.key_of(record)))
        for index in self.indexes:
            if index.where is not None and not index.where(record):
                continue
            order = self.orders[index.name]
            clusterings = [_clustering(order, values) + own for values in _each(record, order.clustering)]
            for partition in _each(record, order.partition):
                if None in partition or "" in partition:
                    continue
                place = encode_key(key_values(order.partition, partition, order.name), order.name)
                for clustering in clusterings:
                    yield index.name, place, clustering

    def place(self, key: Key) -> tuple[bytes, bytes]:
        """Partition and clustering of a full key as bytes. Raises ``Refused``."""
        values = key_values(self._key_fields, key, self.name)
        at = len(self.partition)
        return encode_key(values[:at], self.name), encode_key(values[at:], self.name)

    def in_order(self, index: str | None) -> Order:
        """The table's own order, or that of an index; ``KeyError`` when there is no such index."""
        return self.order if index is None else self.orders[index]


def _each(record: Record, fields: tuple[KeyField, ...]) -> list[tuple[Any, ...]]:
    """The values of ``fields``; every combination where some hold many, each once."""
    values: list[Any] = []
    many = False
    for one in fields:
        value = getattr(record, one.name)
        many = many or one.many
        values.append(tuple(dict.fromkeys(value)) if one.many else value)
    if not many:
        return [tuple(values)]
    return list(product(*(value if one.many else (value,) for one, value in zip(fields, values, strict=True))))


_EMPTY: dict[type, KeyValue] = {str: "", int: 0, float: float("-inf")}


def _clustering(order: Order, values: tuple[Any, ...]) -> bytes:
    if None in values:
        values = tuple(
            _EMPTY[one.kind] if value is None else value for one, value in zip(order.clustering, values, strict=True)
        )
    return encode_key(key_values(order.clustering, values, order.name), order.name)


def key_values(fields: tuple[KeyField, ...], values: Key, place: str, *, partly: bool = False) -> Key:
    """``values`` as the kinds of ``fields``. Raises ``Refused`` (``key-form``)."""
    if len(values) != len(fields) and not (partly and len(values) < len(fields)):
        raise key_form(fields, values, place)
    read: list[KeyValue] = []
    one: KeyField
    value: Any
    for one, value in zip(fields, values, strict=False):
        if type(value) is one.kind:
            read.append(value)
            continue
        if one.kind is float and type(value) is int:
            value = float(value)
        elif one.kind is str and isinstance(value, date):
            value = value.isoformat()
        if not isinstance(value, one.kind):
            raise key_form(fields, values, place)
        read.append(one.kind(value))  # an enum as its text
    return tuple(read)


def key_form(fields: tuple[KeyField, ...], values: Key, place: str) -> Refused:
    """What whoever asks with such a key is told (``key-form``)."""
    names = ", ".join(f"{one.name} ({one.kind.__name__})" for one in fields)
    return Refused(
        Problem(
            "key-form",
            zh=f"键 {values!r} 不可用，应为：{names or '空'}",
            en=f"the key {values!r} is not accepted; expected: {names or 'nothing'}",
            place=place,
        )
    )
