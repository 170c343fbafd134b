"""Where a hub keeps what it has counted of work items and of the knowledge: one file beside the ledger, or memory.

It is no record: it is made of the ledger's rows, and counted anew where it is not there, or not made of this ledger.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed

from dataset.ids import ArticleId, CityId
from dataset.knowledge_measures import ArticleKey
from dataset.service_measures import NOTHING as NO_PART
from dataset.service_measures import ServicePart, added, replaced
from dataset.work import WorkItemId
from federation.core.service_fold import Standing
from federation.node.sqlite_thread import FromThreads, OwnedFile, Schema, SqliteThread, Trouble, log_trouble
from provincial_hub.core.revisions import day_digest
from provincial_hub.core.work_figures import BEFORE_S, EVER, DayPart, Figures, Handled, kept

T = TypeVar("T")
PARTS_AT_ONCE = 64
"""of one service and city, added up together"""
_LATER = 1e300
"""in the place of a moment that has not come"""

SCHEMA = Schema(
    slug="figures",
    zh="报表的计数",
    en="file of counts for reports",
    version=1,
    statements=(
        """CREATE TABLE items (
            item TEXT PRIMARY KEY, places TEXT NOT NULL, run TEXT NOT NULL, several INTEGER NOT NULL DEFAULT 0,
            stale INTEGER NOT NULL DEFAULT 1, figures BLOB, first REAL, until REAL, last_at REAL, city TEXT,
            service TEXT, opened_at REAL, overdue_from INTEGER, untold TEXT, doubled INTEGER)""",
        "CREATE INDEX stale ON items (stale) WHERE stale",
        "CREATE INDEX several ON items (several) WHERE several",
        "CREATE INDEX open ON items (service, opened_at) WHERE service IS NOT NULL",
        "CREATE INDEX untold ON items (untold) WHERE untold IS NOT NULL",
        "CREATE INDEX doubled ON items (doubled) WHERE doubled",
        f"CREATE INDEX long ON items (first) WHERE until - first > {BEFORE_S}",
        "CREATE INDEX by_last ON items (last_at)",
        """CREATE TABLE parts (
            day INTEGER NOT NULL, city TEXT NOT NULL, service TEXT NOT NULL, part BLOB NOT NULL,
            PRIMARY KEY (day, city, service)) WITHOUT ROWID""",
        """CREATE TABLE turns (
            day INTEGER NOT NULL, city TEXT NOT NULL, service TEXT NOT NULL, open INTEGER NOT NULL,
            overdue INTEGER NOT NULL, PRIMARY KEY (day, city, service)) WITHOUT ROWID""",
        """CREATE TABLE handled (
            day INTEGER NOT NULL, owning TEXT NOT NULL, serving TEXT NOT NULL, service TEXT NOT NULL,
            entries INTEGER NOT NULL, collected_fen INTEGER NOT NULL, handling_fen INTEGER NOT NULL,
            PRIMARY KEY (day, owning, serving, service)) WITHOUT ROWID""",
        """CREATE TABLE shown (
            day INTEGER NOT NULL, article TEXT NOT NULL, version INTEGER NOT NULL, city TEXT NOT NULL,
            times INTEGER NOT NULL, PRIMARY KEY (day, article, version, city)) WITHOUT ROWID""",
        "CREATE TABLE judged (day INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (day, place)) WITHOUT ROWID",
        "CREATE TABLE read_up_to (place INTEGER NOT NULL, row INTEGER NOT NULL, origin TEXT NOT NULL)",
        "INSERT INTO read_up_to VALUES (0, 0, '')",
        "CREATE TABLE made_with (name TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID",
    ),
)


class Table(Protocol):
    """A place for ``SCHEMA``."""

    def write(self, apply: Callable[[sqlite3.Connection], T], done: Callable[[T], None]) -> None:
        """``apply`` in a transaction, then ``done`` with its result; as ``SqliteThread``."""

    def read(self, query: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """The result of ``query``, which sees all that was written before."""

    def stop(self) -> Deferred[None]:
        """Finish what was given, and close."""


class FileTable:
    """In the file at ``path``. Raises ``Refused``: ``figures-in-use``, ``figures-newer``, ``figures-unreadable``."""

    def __init__(self, path: Path, reactor: FromThreads, trouble: Trouble = log_trouble) -> None:
        self._file = OwnedFile(path, SCHEMA)
        self._thread = SqliteThread(self._file.connect(), reactor, trouble, name=f"figures {path.name}")

    def write(self, apply: Callable[[sqlite3.Connection], T], done: Callable[[T], None]) -> None:
        """See ``Table``."""
        self._thread.write(apply, done)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """See ``Table``."""
        return self._thread.read(query)

    def stop(self) -> Deferred[None]:
        """See ``Table``."""
        return self._thread.stop().addCallback(lambda _: self._file.release())


class MemoryTable:
    """In memory, at once; for simulated hubs."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in SCHEMA.statements:
            self._connection.execute(statement)

    def write(self, apply: Callable[[sqlite3.Connection], T], done: Callable[[T], None]) -> None:
        """See ``Table``."""
        self._connection.execute("BEGIN")
        result = apply(self._connection)
        self._connection.execute("COMMIT")
        done(result)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """See ``Table``."""
        return succeed(query(self._connection))

    def stop(self) -> Deferred[None]:
        """See ``Table``."""
        self._connection.close()
        return succeed(None)


# ── taken in ────────────────────────────────────────────────────────────────────────────────────────────────────────
class Stored(NamedTuple):
    """An item as it is kept."""

    item: WorkItemId
    places: tuple[int, ...]
    """of its rows in the ledger"""
    several: bool
    """written in several runs, whose order can change"""
    figures: Figures | None


class Seen(NamedTuple):
    """A row of an item that came."""

    place: int
    item: WorkItemId
    run: str


class UpTo(NamedTuple):
    """How far the ledger is read: to a place, and which row of work was the last, by place and origin."""

    place: int = 0
    row: int = 0
    origin: str = ""


def up_to(connection: sqlite3.Connection) -> UpTo:
    """How far the ledger was read."""
    return UpTo(*connection.execute("SELECT place, row, origin FROM read_up_to").fetchone())


def forget(connection: sqlite3.Connection) -> None:
    """Begin anew: it was another ledger."""
    for table in ("items", "parts", "turns", "handled", "shown", "judged"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE read_up_to SET place = 0, row = 0, origin = ''")


def made_with(connection: sqlite3.Connection, digests: dict[str, str]) -> None:
    """Have items counted anew where they were counted with something else than what ``digests`` are of, by name."""
    known = dict(connection.execute("SELECT name, digest FROM made_with"))
    if known == digests:
        return
    only_more = all(digests.get(name) == digest for name, digest in known.items())
    connection.execute("UPDATE items SET stale = 1" + (" WHERE untold IS NOT NULL" if only_more else ""))
    connection.execute("DELETE FROM made_with")
    connection.executemany("INSERT INTO made_with VALUES (?, ?)", digests.items())


class Came(NamedTuple):
    """What some rows, each of which comes once, are about."""

    seen: Sequence[Seen]
    runs_changed: bool
    shown: Mapping[tuple[int, ArticleKey], int]
    """by day, how often"""
    judged: Sequence[tuple[int, int]]
    """days and places of what was said of articles"""


def take_in(connection: sqlite3.Connection, came: Came, upto: UpTo) -> None:
    """Rows came: their items are to be counted anew, and where runs may stand in another order, those of several."""
    connection.executemany(
        "INSERT INTO items (item, places, run) VALUES (?, ?, ?) ON CONFLICT (item) DO UPDATE SET stale = 1,"
        " places = places || ',' || excluded.places, several = several OR run != excluded.run",
        [(one.item, str(one.place), one.run) for one in came.seen],
    )
    connection.executemany(
        "INSERT INTO shown VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, article, version, city)"
        " DO UPDATE SET times = times + excluded.times",
        [(day, *key, times) for (day, key), times in came.shown.items()],
    )
    connection.executemany("INSERT INTO judged VALUES (?, ?)", came.judged)
    if came.runs_changed:
        connection.execute("UPDATE items SET stale = 1 WHERE several")
    connection.execute("UPDATE read_up_to SET place = ?, row = ?, origin = ?", upto)


_STORED = "item, places, several, figures"


def _stored(found: Iterable[tuple[str, str, int, bytes | None]]) -> list[Stored]:
    return [
        Stored(
            WorkItemId(item),
            tuple(map(int, places.split(","))),
            bool(several),
            _FIGURES.decode(figures) if figures is not None else None,
        )
        for item, places, several, figures in found
    ]


def stale(connection: sqlite3.Connection, limit: int) -> list[Stored]:
    """Items that are to be counted anew."""
    return _stored(connection.execute(f"SELECT {_STORED} FROM items WHERE stale LIMIT ?", (limit,)))


def stale_count(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many are to be counted anew, of how many."""
    (waiting,) = connection.execute("SELECT count(*) FROM items WHERE stale").fetchone()
    (known,) = connection.execute("SELECT count(*) FROM items").fetchone()
    return waiting, known


def count(connection: sqlite3.Connection, counted: Sequence[tuple[Stored, Figures]]) -> None:
    """Put new figures of items in the place of those that they had."""
    parts: dict[tuple[int, CityId, str], list[tuple[ServicePart, ServicePart]]] = {}
    turns: Counter[tuple[int, CityId, str]] = Counter()
    overdue: Counter[tuple[int, CityId, str]] = Counter()
    handled: dict[tuple[int, CityId, CityId, str], list[int]] = {}
    for stored, new in counted:
        for figures, sign in ((stored.figures, -1), (new, 1)):
            if figures is None:
                continue
            for one in figures.parts:
                change = (one.part, NO_PART) if sign < 0 else (NO_PART, one.part)
                parts.setdefault((one.day, one.city, one.service), []).append(change)
            for turn in figures.turns:
                turns[turn.day, turn.city, turn.service] += sign * turn.open
                overdue[turn.day, turn.city, turn.service] += sign * turn.overdue
            for two in figures.handled:
                sums = handled.setdefault((two.day, two.owning, two.serving, two.service), [0, 0, 0])
                for at, more in enumerate((two.entries, two.collected_fen, two.handling_fen)):
                    sums[at] += sign * more
    for place, changes in parts.items():
        _change_part(connection, place, changes)
    connection.executemany(
        "INSERT INTO turns VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, city, service)"
        " DO UPDATE SET open = open + excluded.open, overdue = overdue + excluded.overdue",
        [(*place, turns[place], overdue[place]) for place in turns if turns[place] or overdue[place]],
    )
    connection.executemany(
        "INSERT INTO handled VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, owning, serving, service) DO UPDATE SET"
        " entries = entries + excluded.entries, collected_fen = collected_fen + excluded.collected_fen,"
        " handling_fen = handling_fen + excluded.handling_fen",
        [(*place, *sums) for place, sums in handled.items() if any(sums)],
    )
    connection.executemany(
        "UPDATE items SET stale = 0, figures = ?, first = ?, until = ?, last_at = ?, city = ?, service = ?,"
        " opened_at = ?, overdue_from = ?, untold = ?, doubled = ? WHERE item = ?",
        [
            (
                _ENCODE(new),
                new.first,
                _LATER if new.until is None else new.until,
                new.last_at,
                *(
                    (new.open.city, new.open.service, new.open.opened_at, new.open.overdue_from)
                    if new.open
                    else [None] * 4
                ),
                new.untold,
                new.doubled,
                stored.item,
            )
            for stored, new in counted
        ],
    )


def _change_part(
    connection: sqlite3.Connection, place: tuple[int, CityId, str], changes: Sequence[tuple[ServicePart, ServicePart]]
) -> None:
    known = connection.execute("SELECT part FROM parts WHERE day = ? AND city = ? AND service = ?", place).fetchone()
    whole = _PART.decode(known[0]) if known is not None else NO_PART
    whole = replaced(whole, added(old for old, _ in changes), added(new for _, new in changes))
    if whole:
        connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)", (*place, _ENCODE(kept(whole))))
    else:
        connection.execute("DELETE FROM parts WHERE day = ? AND city = ? AND service = ?", place)


_ENCODE = msgspec.json.Encoder().encode
_FIGURES = msgspec.json.Decoder(Figures)
_PART = msgspec.json.Decoder(ServicePart)


# ── told ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def counted_apart(connection: sqlite3.Connection, begin: float, at: float | None) -> list[Stored]:
    """Items whose figures are not for a report that begins at ``begin``: some of their rows are too old for it. And,
    where it tells what is open at the moment ``at``, such as have steps that are not past then.
    """
    return _stored(
        connection.execute(
            f"SELECT {_STORED} FROM items WHERE item IN (SELECT item FROM items INDEXED BY long"
            f" WHERE until - first > {BEFORE_S} AND first < ?1 AND until >= ?2"
            " UNION SELECT item FROM items WHERE last_at >= ?3)",
            (begin - BEFORE_S, begin, EVER if at is None else at),
        )
    )


def untold_items(connection: sqlite3.Connection) -> list[Stored]:
    """Items that cannot be told."""
    return _stored(connection.execute(f"SELECT {_STORED} FROM items WHERE untold IS NOT NULL"))


def open_at(connection: sqlite3.Connection, day: int) -> dict[tuple[CityId, str], Standing]:
    """What was open at the midnight at which ``day`` begins."""
    found = connection.execute(
        "SELECT city, service, sum(open), sum(overdue) FROM turns WHERE day <= ? GROUP BY city, service", (day,)
    )
    return {(CityId(city), service): Standing(open_, overdue) for city, service, open_, overdue in found}


def open_now(
    connection: sqlite3.Connection, day: int, apart: frozenset[WorkItemId]
) -> tuple[dict[tuple[CityId, str], Standing], list[Stored]]:
    """What is open now, in the course of ``day``, without those ``apart``: as far as it was overdue when the day
    began, and what becomes overdue before it is over.
    """
    known: Counter[tuple[CityId, str]] = Counter()
    overdue: Counter[tuple[CityId, str]] = Counter()
    for city, service, open_, late in connection.execute(
        "SELECT city, service, count(*), sum(overdue_from <= ?) FROM items INDEXED BY open"
        " WHERE service IS NOT NULL GROUP BY city, service",
        (day,),
    ):
        known[CityId(city), service] += open_
        overdue[CityId(city), service] += late or 0
    places = msgspec.json.encode(sorted(apart)).decode()
    for city, service, since in connection.execute(
        "SELECT city, service, overdue_from FROM items WHERE service IS NOT NULL"
        " AND item IN (SELECT value FROM json_each(?))",
        (places,),
    ):
        known[CityId(city), service] -= 1
        overdue[CityId(city), service] -= since is not None and since <= day
    near = _stored(
        connection.execute(
            f"SELECT {_STORED} FROM items INDEXED BY open WHERE service IS NOT NULL AND overdue_from = ?", (day + 1,)
        )
    )
    near = [one for one in near if one.item not in apart]
    return {place: Standing(known[place], overdue[place]) for place in known}, near


def open_items(connection: sqlite3.Connection, service: str, city: CityId | None) -> list[WorkItemId]:
    """Those of a service that are open now, of ``city`` or all, the oldest first."""
    found = connection.execute(
        "SELECT item FROM items INDEXED BY open WHERE service = ?1 AND (?2 IS NULL OR city = ?2)"
        " ORDER BY opened_at, item",
        (service, city),
    )
    return [WorkItemId(item) for (item,) in found]


def named(connection: sqlite3.Connection, items: Sequence[WorkItemId]) -> list[Stored]:
    """These items."""
    names = msgspec.json.encode(list(items)).decode()
    return _stored(
        connection.execute(f"SELECT {_STORED} FROM items WHERE item IN (SELECT value FROM json_each(?))", (names,))
    )


class Sums(NamedTuple):
    """What was counted of some days."""

    services: dict[tuple[str, CityId], ServicePart]
    """by service and city"""
    digests: dict[tuple[CityId, int], str]
    """by city and day"""


Changes = dict[tuple[int, CityId], dict[str, tuple[ServicePart, ServicePart]]]
"""By day and city, and by service: parts that do not count in a report, and those that do in their place."""


def day_sums(
    connection: sqlite3.Connection, first: int, last: int, city: CityId | None, changes: Changes, only: str = ""
) -> Sums:
    """The days from ``first`` to ``last``, both included, of ``city`` or all, and of the service ``only`` where one is
    named.
    """
    waiting: dict[tuple[str, CityId], list[ServicePart]] = {}
    digests: dict[tuple[CityId, int], str] = {}
    left = {place: of for place, of in changes.items() if first <= place[0] <= last and city in (None, place[1])}

    def take(day: int, name: CityId, known: list[tuple[str, ServicePart]]) -> None:
        of = left.pop((day, name), None)
        if of is not None:
            parts = dict(known)
            for service, (old, new) in of.items():
                parts[service] = replaced(parts.get(service, NO_PART), old, new)
            known = [(service, part) for service, part in sorted(parts.items()) if part]
        if known and not only:
            digests[name, day] = day_digest(known)
        for service, part in known:
            if only in ("", service):
                some = waiting.setdefault((service, name), [])
                some.append(part)
                if len(some) >= PARTS_AT_ONCE:
                    some[:] = [added(some)]

    found: Iterator[tuple[int, str, str, bytes]] = connection.execute(
        "SELECT day, city, service, part FROM parts WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR city = ?3)"
        " AND (?4 = '' OR service = ?4) ORDER BY day, city, service",
        (first, last, city, only),
    )
    for (day, name), group in groupby(found, key=lambda one: one[:2]):
        take(day, CityId(name), [(service, _PART.decode(part)) for _, _, service, part in group])
    for day, name in list(left):
        take(day, name, [])
    return Sums({place: added(some) for place, some in waiting.items()}, digests)


def handled_between(connection: sqlite3.Connection, first: int, last: int) -> list[Handled]:
    """What was handled on the days from ``first`` to ``last``, both included; ``day`` is that of the first."""
    found = connection.execute(
        "SELECT owning, serving, service, sum(entries), sum(collected_fen), sum(handling_fen) FROM handled"
        " WHERE day BETWEEN ? AND ? GROUP BY owning, serving, service HAVING sum(entries) > 0",
        (first, last),
    )
    return [Handled(first, CityId(owning), CityId(serving), *rest) for owning, serving, *rest in found]


def shown_between(connection: sqlite3.Connection, first: int, last: int) -> dict[ArticleKey, int]:
    """How often each version of an article was shown in each city on the days from ``first`` to ``last``."""
    found = connection.execute(
        "SELECT article, version, city, sum(times) FROM shown WHERE day BETWEEN ? AND ?"
        " GROUP BY article, version, city",
        (first, last),
    )
    return {ArticleKey(ArticleId(article), version, CityId(city)): times for article, version, city, times in found}


def judged_between(connection: sqlite3.Connection, first: int, last: int) -> list[int]:
    """The places of what was said of articles on these days."""
    found = connection.execute("SELECT place FROM judged WHERE day BETWEEN ? AND ?", (first, last))
    return [place for (place,) in found]


def doubled_items(connection: sqlite3.Connection) -> list[Stored]:
    """Items that are settled apart."""
    return _stored(connection.execute(f"SELECT {_STORED} FROM items WHERE doubled"))


def changes_of(counted: Iterable[tuple[Sequence[DayPart], Sequence[DayPart]]]) -> Changes:
    """Of items: the parts that they have, and those that count in their place."""
    lists: dict[tuple[int, CityId], dict[str, tuple[list[ServicePart], list[ServicePart]]]] = {}
    for pair in counted:
        for which, parts in enumerate(pair):
            for one in parts:
                of = lists.setdefault((one.day, one.city), {})
                of.setdefault(one.service, ([], []))[which].append(one.part)
    return {
        place: {service: (added(old), added(new)) for service, (old, new) in of.items()} for place, of in lists.items()
    }
