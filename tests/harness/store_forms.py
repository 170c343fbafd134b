"""The forms of the store under one roof, and tables to try them with."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.ids import NodeId
from dataset.tables import Index, Record, Table
from federation.node.clock import VirtualClock
from federation.node.store_memory import MemoryRecords, MemoryStore
from federation.node.store_sqlite import SqliteStore
from federation.ports import Store
from tests.harness.threads import ThreadCalls

T = TypeVar("T")


class Kind(StrEnum):
    HOME = "home"
    SHOP = "shop"


class Entry(Record, frozen=True, kw_only=True):
    """Something with all that a key can be made of."""

    city: str
    number: str
    owner: str | None = None
    names: tuple[str, ...] = ()
    kind: Kind = Kind.HOME
    hidden: bool = False
    when: float = 0.0
    note: str = ""


class Event(Record, frozen=True, kw_only=True):
    city: str
    number: str
    when: float
    n: int
    note: str = ""


class Lone(Record, frozen=True, kw_only=True):
    """A record that is alone in its partition."""

    id: str
    note: str = ""


ENTRIES = Table(
    "entries",
    Entry,
    ("city",),
    ("number",),
    (
        Index("by_owner", ("city", "owner"), ("kind", "when")),
        Index("by_name", ("city",), ("names",), where=lambda one: not one.hidden),
    ),
)
EVENTS = Table("events", Event, ("city", "number"), ("when", "n"))
LONE = Table("lone", Lone, ("id",))
TABLES = (ENTRIES, EVENTS, LONE)
NODE = NodeId("guangzhou")

_partitions = count(1)


def a_city() -> str:
    """A partition that nothing was ever written in, in any form: a form may live longer than one example."""
    return f"city{next(_partitions)}"


class Form(Protocol):
    """One form of the store in a test."""

    def open(self, tables: tuple[Table[Any], ...] = TABLES) -> Store:
        """The store, with all that was put before."""

    def wait(self, condition: Callable[[], bool]) -> None:
        """Let time pass until it is true."""

    def close(self) -> None:
        """Close everything."""


class MemoryForm:
    def __init__(self, _: Path) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.records = MemoryRecords()

    def open(self, tables: tuple[Table[Any], ...] = TABLES) -> MemoryStore:
        return MemoryStore(self.records, NODE, tables, self.clock)

    def wait(self, condition: Callable[[], bool]) -> None:
        assert self.clock.run_until(condition, 20.0)

    def close(self) -> None:
        pass


class SqliteForm:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "store.sqlite"
        self.calls = ThreadCalls()
        self._open: list[SqliteStore] = []

    def open(self, tables: tuple[Table[Any], ...] = TABLES) -> SqliteStore:
        store = SqliteStore(self.path, NODE, tables, self.calls)
        self._open.append(store)
        return store

    def wait(self, condition: Callable[[], bool]) -> None:
        self.calls.until(condition)

    def close(self) -> None:
        for store in self._open:
            result(self, store.stop())


def outcome(form: Form, deferred: Deferred[Any]) -> Any:
    """What came of it: a result, or the exception."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    form.wait(lambda: bool(got))
    return got[0].value if isinstance(got[0], Failure) else got[0]


def result(form: Form, deferred: Deferred[T]) -> T:
    """What it fired with; raises what it failed with."""
    got = outcome(form, deferred)
    if isinstance(got, Exception):
        raise got
    found: T = got
    return found
