"""The store's SQLite file: whose it is, what it survives, and what it says when it is not what it should be."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import NodeId
from dataset.pages import Span
from dataset.puts import Cursor, Outcome, Put, Written
from dataset.tables import Index, Table
from federation.node.store_sqlite import SqliteStore
from federation.ports import Store
from tests.harness.store_forms import (
    ENTRIES,
    EVENTS,
    LONE,
    NODE,
    TABLES,
    Entry,
    Event,
    Lone,
    SqliteForm,
    outcome,
    result,
)
from tests.harness.threads import ThreadCalls

CITY = "guangzhou"


@pytest.fixture
def form(tmp_path: Path) -> Iterator[SqliteForm]:
    form = SqliteForm(tmp_path)
    yield form
    form.close()


def put(form: SqliteForm, store: Store, *entries: Entry) -> Written:
    return result(form, store.put([Put(ENTRIES, one) for one in entries]))


def refused_slug(form: SqliteForm, tables: tuple[Table[Any], ...] = TABLES) -> str:
    with pytest.raises(Refused) as refused:
        form.open(tables)
    assert "store.sqlite" in refused.value.problems[0].place
    return refused.value.problems[0].slug


# ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_file_belongs_to_one_process_and_one_node(form: SqliteForm) -> None:
    store = form.open()
    assert refused_slug(form) == "store-in-use"
    result(form, store.stop())
    with pytest.raises(Refused) as refused:
        SqliteStore(form.path, NodeId("foshan"), TABLES, form.calls)
    assert refused.value.problems[0].slug == "store-of-another-node"
    assert "guangzhou" in refused.value.problems[0].text("zh")
    form.open()


def test_foreign_and_later_files_are_refused_unchanged(form: SqliteForm) -> None:
    """A wrong file is named, and nothing in it is touched."""
    form.path.write_bytes(b"this is not a database, but it is somebody's" * 100)
    before = form.path.read_bytes()
    assert refused_slug(form) == "store-unreadable"
    assert form.path.read_bytes() == before
    form.path.unlink()
    result(form, form.open().stop())
    with closing(sqlite3.connect(form.path)) as file:
        file.execute("PRAGMA user_version=99")
    assert refused_slug(form) == "store-newer"


def test_file_whose_pages_are_broken_is_refused_with_a_sentence(form: SqliteForm) -> None:
    store = form.open()
    put(form, store, *(Entry(city=CITY, number=str(n), owner="c", note="x" * 500) for n in range(500)))
    result(form, store.stop())
    data = bytearray(form.path.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 64] = bytes(64)
    form.path.write_bytes(bytes(data))
    assert refused_slug(form) == "store-unreadable"


def test_page_that_breaks_while_the_store_runs_is_told_to_who_asks(form: SqliteForm) -> None:
    """No traceback and no empty answer: the question is refused, with the file's name."""
    store = form.open()
    put(form, store, *(Entry(city=CITY, number=str(n), note="x" * 500) for n in range(500)))
    result(form, store.stop())
    again = form.open()
    data = bytearray(form.path.read_bytes())
    for place in range(8 * 4096, len(data), 4096):
        data[place : place + 64] = b"\xff" * 64
    form.path.write_bytes(bytes(data))
    refused = outcome(form, again.page(ENTRIES, (CITY,), limit=1_000))
    assert isinstance(refused, Refused)
    assert refused.problems[0].slug == "store-unreadable"
    assert refused.status == 503


# ── declarations that change ────────────────────────────────────────────────────────────────────────────────────────
def test_new_changed_and_dropped_indexes_are_brought_in_line(form: SqliteForm) -> None:
    """An upgrade may ask for records in a new order: the entries are made once, at opening."""
    bare = Table("entries", Entry, ("city",), ("number",))
    store = form.open((bare,))
    one, two = (Entry(city=CITY, number=n, owner="c1", names=(f"name{n}",)) for n in ("1", "2"))
    result(form, store.put([Put(bare, one), Put(bare, two), Put(bare, replace(two, revision=2, deleted=True))]))
    result(form, store.stop())

    indexed = form.open()
    assert result(form, indexed.page(ENTRIES, (CITY, "c1"), index="by_owner")).records == (one,)
    result(form, indexed.stop())

    dropped = form.open((bare,))
    moved = replace(one, revision=2, owner="c2")
    result(form, dropped.put([Put(bare, moved)]))
    result(form, dropped.stop())

    again = form.open()
    assert result(form, again.page(ENTRIES, (CITY, "c1"), index="by_owner")).records == ()
    assert result(form, again.page(ENTRIES, (CITY, "c2"), index="by_owner")).records == (moved,)
    result(form, again.stop())

    shown = Index[Entry]("by_name", ("city",), ("names",), where=lambda one: one.owner == "c9", version=2)
    changed = Table("entries", Entry, ("city",), ("number",), (shown,))
    last = form.open((changed,))
    assert result(form, last.page(changed, (CITY,), index="by_name")).records == ()


def test_table_that_is_keyed_otherwise_is_refused(form: SqliteForm) -> None:
    """Its records would not be found any more; that is said, with what to do."""
    result(form, form.open().stop())
    assert refused_slug(form, (Table("entries", Entry, ("number",), ("city",)),)) == "store-keyed-otherwise"


def test_table_that_this_program_does_not_know_is_left_alone(form: SqliteForm) -> None:
    store = form.open()
    put(form, store, Entry(city=CITY, number="1", owner="c"))
    result(form, store.stop())
    result(form, form.open((LONE,)).stop())
    again = form.open()
    assert len(result(form, again.page(ENTRIES, (CITY, "c"), index="by_owner")).records) == 1


def test_field_that_comes_later_is_no_other_content(form: SqliteForm) -> None:
    """A newer version puts the same record again, with its new field at the default: nothing has changed."""

    class Older(Entry, frozen=True, kw_only=True):
        pass

    class Newer(Entry, frozen=True, kw_only=True):
        added: int = 0

    old, new = Table("e", Older, ("city",), ("number",)), Table("e", Newer, ("city",), ("number",))
    store = form.open((old,))
    result(form, store.put([Put(old, Older(city=CITY, number="1", note="x"))]))
    result(form, store.stop())
    again = form.open((new,))
    written = result(form, again.put([Put(new, Newer(city=CITY, number="1", note="x"))]))
    assert written.outcomes == (Outcome.UNCHANGED,)


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_flipped_bit_is_no_fact_and_is_mended_by_its_record(form: SqliteForm) -> None:
    """SQLite's pages have no checksum, the records do. A damaged one is named, counted in pages, and whole again once
    its owner puts it; an index entry that came of it goes.
    """
    store = form.open()
    one, two = (Entry(city=CITY, number=n, owner="c1", note="小心") for n in ("1", "2"))
    put(form, store, one, two)
    result(form, store.stop())
    with closing(sqlite3.connect(form.path)) as file:
        (data,) = file.execute("SELECT data FROM records ORDER BY id LIMIT 1").fetchone()
        flipped = data.replace("心".encode(), "必".encode())
        assert flipped != data
        file.execute("UPDATE records SET data = ? WHERE data = ?", (flipped, data))
        file.commit()
    again = form.open()
    refused = outcome(form, again.get(ENTRIES, (CITY, "1")))
    assert isinstance(refused, Refused)
    assert refused.problems[0].slug == "record-damaged"
    for index, partition in ((None, (CITY,)), ("by_owner", (CITY, "c1"))):
        page = result(form, again.page(ENTRIES, partition, index=index))
        assert (page.records, page.unread) == ((two,), 1)
    assert again.damaged == {"entries 1"}
    assert put(form, again, replace(one, owner="c2")).outcomes == (Outcome.WRITTEN,)
    assert result(form, again.page(ENTRIES, (CITY, "c1"), index="by_owner")).records == (two,)
    assert result(form, again.get(ENTRIES, (CITY, "1"))) == replace(one, owner="c2")


@pytest.mark.parametrize("damage", ["data = CAST(data AS TEXT)", "data = 7", "data = ''", "crc = 'x'"])
def test_a_column_of_another_type_is_damage_like_any_other(form: SqliteForm, damage: str) -> None:
    """The type of a column is a few bits of the row, which flip as others do; whoever asks is answered all the same."""
    store = form.open()
    one = Entry(city=CITY, number="1", owner="c1")
    put(form, store, one)
    result(form, store.stop())
    with closing(sqlite3.connect(form.path)) as file:
        file.execute(f"UPDATE records SET {damage}")
        file.commit()
    again = form.open()
    assert isinstance(outcome(form, again.get(ENTRIES, (CITY, "1"))), Refused)
    assert result(form, again.page(ENTRIES, (CITY, "c1"), index="by_owner")).unread == 1
    assert put(form, again, replace(one, revision=2)).outcomes == (Outcome.WRITTEN,)
    assert result(form, again.get(ENTRIES, (CITY, "1"))) == replace(one, revision=2)


def test_older_revision_does_not_mend_a_damaged_record(form: SqliteForm) -> None:
    """What is damaged was newer: an older content must not pass for the present one."""
    store = form.open()
    one = Entry(city=CITY, number="1", note="first")
    put(form, store, one, replace(one, revision=2, note="second"))
    result(form, store.stop())
    with closing(sqlite3.connect(form.path)) as file:
        file.execute("UPDATE records SET crc = crc + 1")
        file.commit()
    again = form.open()
    assert put(form, again, one).outcomes == (Outcome.OLDER,)
    assert isinstance(outcome(form, again.get(ENTRIES, (CITY, "1"))), Refused)


# ── threads and disk ────────────────────────────────────────────────────────────────────────────────────────────────
def test_reading_is_not_held_up_by_writing(form: SqliteForm) -> None:
    """WAL: while a write cannot be done, questions are answered from what is committed."""
    store = form.open()
    put(form, store, Entry(city=CITY, number="1"))
    with closing(sqlite3.connect(form.path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        done: list[Written] = []
        store.put([Put(ENTRIES, Entry(city=CITY, number="2"))]).addCallback(done.append)
        assert [one.number for one in result(form, store.page(ENTRIES, (CITY,))).records] == ["1"]
        assert done == []
        blocker.execute("ROLLBACK")
    form.wait(lambda: bool(done))
    assert len(result(form, store.page(ENTRIES, (CITY,))).records) == 2


def test_refusing_disk_holds_puts_and_stopping_tells_them(form: SqliteForm) -> None:
    """A full disk is an alarm; puts wait, are done when it takes them, and are told when the node stops before."""
    problems: list[str | None] = []
    store = SqliteStore(
        form.path, NODE, TABLES, form.calls, lambda problem: problems.append(problem.slug if problem else None)
    )
    with closing(sqlite3.connect(form.path, isolation_level=None)) as blocker:
        full = "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        blocker.execute(full)
        done: list[Written] = []
        store.put([Put(LONE, Lone(id="1"))]).addCallback(done.append)
        form.wait(lambda: problems == ["disk-refuses"])
        assert done == []
        blocker.execute("DROP TRIGGER full")
        form.wait(lambda: bool(done))
        blocker.execute(full)
        waiting = store.put([Put(LONE, Lone(id="2"))], Cursor("work", "1"))
        form.wait(lambda: problems == ["disk-refuses", None, "disk-refuses"])
        result(form, store.stop())
    refused = outcome(form, waiting)
    assert isinstance(refused, Refused)
    assert refused.problems[0].slug == "store-stopped"
    assert result(form, form.open().cursor("work")) is None


# ── kill -9 ─────────────────────────────────────────────────────────────────────────────────────────────────────────
PUT_FOR_EVER = """
import sys
from pathlib import Path
from tests.contract.test_store_on_disk import put_for_ever
put_for_ever(Path(sys.argv[1]))
"""


def put_for_ever(path: Path) -> None:
    """Runs in the process that is killed: puts records with a cursor, and says on stdout which puts are done."""
    calls = ThreadCalls()
    store = SqliteStore(path, NODE, TABLES, calls)
    found: list[str | None] = []
    store.cursor("work").addCallback(found.append)
    calls.until(lambda: bool(found))
    done: list[int] = []

    def said(number: int, _: Written) -> None:
        done.append(number)
        os.write(1, f"{number}\n".encode())

    for sent, number in enumerate(count(int(found[0] or 0) + 1), 1):
        batch = [Put(EVENTS, Event(city=CITY, number="1", when=float(number), n=k)) for k in range(3)]
        store.put(batch, Cursor("work", str(number))).addCallback(partial(said, number))
        if sent - len(done) >= 20:
            calls.until(partial(lambda enough: len(done) >= enough, sent - 10))


def test_killed_process_leaves_records_up_to_its_cursor(form: SqliteForm) -> None:
    """What was called done is there, and a cursor is never there without what it speaks of."""
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", PUT_FOR_EVER, str(form.path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(150)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait(20)

        store = form.open()
        reached = int(result(form, store.cursor("work")) or 0)
        assert reached >= told[-1]
        found: list[int] = []
        while True:
            span = Span(since=(float(len(found) // 3 + 1),))
            page = result(form, store.page(EVENTS, (CITY, "1"), span, limit=999))
            found += [int(one.when) for one in page.records]
            if page.token is None:
                break
        assert found == [number for number in range(1, reached + 1) for _ in range(3)]
        result(form, store.stop())
