"""One contract for both forms of the ledger store: rows and cursor together, each row once, nothing unknown unnamed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ROW_FROM_BYTES, Journalled, LineageOpened, RowSettled, TailMissing
from federation.core.ledger import Batch, ReceivedEntry
from federation.node.clock import VirtualClock
from federation.node.ledger_store import FIRST, Hole, LedgerStore, ParkedRow, Place, Settled, Unknown, digest, kind_of
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from tests.harness.rows_of_record import (
    C1,
    C2,
    C3,
    R1,
    R2,
    W1,
    W2,
    Writing,
    asked,
    born,
    ended,
    entered,
    left,
    noted,
    refused,
    stepped,
)
from tests.harness.threads import ThreadCalls

GZ, SZ = NodeId("guangzhou"), NodeId("shenzhen")
A = LineageId("0000000a")
DATA = Path(__file__).parent.parent / "data"
FORMAT_1, FORMAT_2 = DATA / "ledger_format_1.sql", DATA / "ledger_format_2.sql"


class MemoryForm:
    def __init__(self, _: Path) -> None:
        self.clock = VirtualClock()
        self.ledger = MemoryLedger()

    def open(self) -> MemoryLedgerStore:
        return MemoryLedgerStore(self.ledger, self.clock)

    def wait(self, condition: Callable[[], bool]) -> None:
        assert self.clock.run_until(condition, 20.0)

    def close(self) -> None:
        pass


class SqliteForm:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "ledger.sqlite"
        self.calls = ThreadCalls()
        self._open: list[SqliteLedgerStore] = []

    def open(self) -> SqliteLedgerStore:
        store = SqliteLedgerStore(self.path, self.calls)
        self._open.append(store)
        return store

    def wait(self, condition: Callable[[], bool]) -> None:
        self.calls.until(condition)

    def close(self) -> None:
        for store in self._open:
            result(self, store.stop())


Form = MemoryForm | SqliteForm


@pytest.fixture(params=[MemoryForm, SqliteForm])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    form: Form = request.param(tmp_path)
    yield form
    form.close()


def result(form: Form, deferred: Deferred[Any]) -> Any:
    got: list[Any] = []
    deferred.addBoth(got.append)
    form.wait(lambda: bool(got))
    return got[0]


def batch(rows: Sequence[Journalled | bytes], first: int = 1, *, sender: NodeId = GZ, of: LineageId = A) -> Batch:
    entries = tuple(
        ReceivedEntry(number, one, None)
        if isinstance(one, bytes)
        else ReceivedEntry(number, ROW_BYTES.encode(one), one)
        for number, one in enumerate(rows, first)
    )
    return Batch(sender, of, entries, first + len(rows) - 1)


def commit(form: Form, store: LedgerStore, what: Batch) -> list[Journalled]:
    told: list[list[Journalled]] = []
    store.commit(what, lambda rows: told.append(list(rows)))
    assert told == [], "never from inside the call"
    form.wait(lambda: bool(told))
    return told[0]


def test_rows_and_cursor_survive_together(form: Form) -> None:
    """S1: the cursor is never ahead of the rows, nor behind them."""
    store = form.open()
    rows = Writing(GZ).write(born(C1), entered(C1), ended(C1))
    assert commit(form, store, batch(rows)) == rows
    assert store.heads(GZ) == {A: 3}
    assert store.heads(SZ) == {}
    result(form, store.stop())
    again = form.open()
    assert (again.heads(GZ), again.senders()) == ({A: 3}, [GZ])
    assert result(form, again.rows_of_contact(C1)) == rows
    assert result(form, again.all_rows()) == rows


def test_relayed_row_is_on_record_once(form: Form) -> None:
    """S3: a row that comes by another way too keeps its origin; the second moves a cursor and nothing else."""
    store = form.open()
    rows = Writing(GZ).write(born(C1), born(C2))
    commit(form, store, batch(rows))
    relayed = batch(rows[1:], sender=NodeId("hub-2"), of=LineageId("000000cc"))
    assert commit(form, store, relayed) == []
    assert store.heads(NodeId("hub-2")) == {LineageId("000000cc"): 1}
    assert result(form, store.all_rows()) == rows
    assert result(form, store.unknown()) == Unknown([], [])


def test_same_origin_with_other_content_is_parked(form: Form) -> None:
    """Two different rows can never share an origin; if they do, neither is silently dropped."""
    store = form.open()
    one, other = Writing(GZ).write(born(C1)), Writing(GZ).write(born(C2))
    commit(form, store, batch(one))
    assert commit(form, store, batch(other, first=2)) == []
    (parked,) = result(form, store.unknown()).parked
    assert (parked.number, parked.why, ROW_FROM_BYTES.decode(parked.data)) == (2, "differs", other[0])
    assert store.unknown_count(GZ) == 1


@pytest.mark.parametrize("rubbish", [b"rubbish", b'{"node": "\xff"}'])
def test_unreadable_row_takes_its_slot_and_is_named(form: Form, rubbish: bytes) -> None:
    """S2."""
    store = form.open()
    rows = Writing(GZ).write(born(C1))
    assert commit(form, store, batch([rubbish, *rows])) == rows
    assert store.heads(GZ) == {A: 2}
    assert result(form, store.unknown()).parked == [ParkedRow(GZ, A, 1, "unreadable", rubbish)]
    assert (store.unknown_count(GZ), store.unknown_count(SZ)) == (1, 0)
    result(form, store.stop())
    assert form.open().unknown_count(GZ) == 1


def test_row_parked_by_an_older_version_is_read_by_a_newer_one(form: Form) -> None:
    """N and N-1: what was unknown yesterday settles itself after the upgrade."""
    store = form.open()
    (row,) = Writing(GZ).write(born(C1))
    commit(form, store, batch([ROW_BYTES.encode(row)]))
    assert result(form, store.all_rows()) == []
    result(form, store.stop())
    again = form.open()
    assert result(form, again.all_rows()) == [row]
    assert result(form, again.unknown()).parked == []
    assert again.unknown_count(GZ) == 0


def test_holes_are_named(form: Form) -> None:
    """J5: numbers that nobody has any more count as unknown."""
    store = form.open()
    commit(form, store, Batch(GZ, A, (), 9, hole=(3, 9)))
    assert result(form, store.unknown()).holes == [Hole(GZ, A, 3, 9)]
    assert store.unknown_count(GZ) == 7


def test_two_nodes_that_drew_one_lineage_are_two_nodes(form: Form) -> None:
    """A lineage has 32 bits: rows are the same only when node, lineage and sequence are (S3)."""
    store = form.open()
    gz, sz = Writing(GZ).write(born(C1)), Writing(SZ).write(born(C2))
    assert commit(form, store, batch(gz)) == gz
    assert commit(form, store, batch(sz, sender=SZ)) == sz
    assert result(form, store.all_rows()) == [*gz, *sz]
    assert result(form, store.unknown()) == Unknown([], [])


def settling(store: LedgerStore, form: Form, **what: Any) -> list[Journalled]:
    row = RowSettled(**{"sender": GZ, "lineage": A, "by": "wang", "reason": "asked the city", **what})
    told: list[list[Journalled]] = []
    store.keep_own(Writing("hub", "000000bb").at(500.0, row), lambda rows: told.append(list(rows)))
    form.wait(lambda: bool(told))
    return told[0]


def test_settled_slot_is_known_and_stays_to_be_seen(form: Form) -> None:
    """S2: totals name a parked slot until somebody settles it; who did and why is on record, over restarts too."""
    store = form.open()
    commit(form, store, batch([b"rubbish", b"rubbish", b"other"]))
    commit(form, store, Batch(GZ, A, (), 9, hole=(4, 9)))
    assert store.unknown_count(GZ) == 9
    settling(store, form, first=1, last=2, digest=digest(b"rubbish"))
    assert store.unknown_count(GZ) == 7
    result(form, store.stop())
    store = form.open()
    assert store.unknown_count(GZ) == 7
    note = Settled("wang", "asked the city", 500.0)
    assert result(form, store.unknown()) == Unknown(
        [
            ParkedRow(GZ, A, 1, "unreadable", b"rubbish", note),
            ParkedRow(GZ, A, 2, "unreadable", b"rubbish", note),
            ParkedRow(GZ, A, 3, "unreadable", b"other"),
        ],
        [Hole(GZ, A, 4, 9)],
    )


def test_settled_hole_is_known_by_its_numbers(form: Form) -> None:
    """S2, J5: the same for what nobody keeps any more; other holes stay unknown."""
    store = form.open()
    commit(form, store, Batch(GZ, A, (), 9, hole=(3, 9)))
    commit(form, store, Batch(GZ, A, (), 12, hole=(11, 12)))
    settling(store, form, first=3, last=9, digest="")
    assert store.unknown_count(GZ) == 2
    assert [(one.first, one.settled is not None) for one in result(form, store.unknown()).holes] == [
        (3, True),
        (11, False),
    ]


def test_settlement_that_came_first_holds_for_a_slot_that_comes_later(form: Form) -> None:
    """A hub hears of another hub's settling in any order (E1): the slot is known once it is parked here too."""
    store = form.open()
    settling(store, form, first=1, last=1, digest=digest(b"rubbish"))
    commit(form, store, batch([b"rubbish"]))
    assert store.unknown_count(GZ) == 0


def test_tail_of_a_node_is_given_as_it_came(form: Form) -> None:
    """J5: what a node sent beyond a number, byte for byte, in pieces; rows that another way brought are among it."""
    store = form.open()
    rows = Writing(GZ).write(*(born(C1) for _ in range(6)))
    commit(form, store, batch(rows[:4]))
    commit(form, store, batch(rows[4:], sender=NodeId("hub2"), of=LineageId("000000cc")))
    whole = [(one.sequence, ROW_BYTES.encode(one)) for one in rows]
    assert result(form, store.tail(GZ, A, 2, 0, 3)) == whole[2:5]
    assert result(form, store.tail(GZ, A, 2, 5, 3)) == whole[5:]
    assert result(form, store.tail(GZ, A, 0, 0, 10)) == whole
    assert result(form, store.tail(SZ, A, 0, 0, 10)) == []


def test_standing_facts_are_found_without_their_time(form: Form) -> None:
    """What a report of any day has to know: who came after whom, what is missing."""
    store = form.open()
    opened = LineageOpened(node=GZ, previous=None, previous_head=0)
    missing = TailMissing(receiver="hub", of=LineageId("00000001"), stated=5, held=2)
    rows = Writing(GZ).write(opened, born(C1), missing, ended(C1))
    commit(form, store, batch(rows))
    assert [kind_of(one.row) for one in result(form, store.standing())] == ["lineage_opened", "tail_missing"]


def test_rows_about_work_items_are_found_by_their_time(form: Form) -> None:
    """What a starting city needs of others' rows for its book of work; in the order in which they came."""
    store = form.open()
    gz, sz = Writing(GZ), Writing(SZ, "0000000b")
    early = gz.at(100.0, born(C1), stepped(W1), asked(R2))
    late = gz.at(300.0, noted(W1, ended=True), ended(C1))
    commit(form, store, batch([*late, *early]))
    other = sz.at(200.0, refused(R1), stepped(W2), entered(C2))
    commit(form, store, batch(other, sender=SZ, of=LineageId("0000000b")))
    assert result(form, store.work_since(0.0)) == [late[0], *early[1:], *other[:2]]
    assert result(form, store.work_since(200.0)) == [late[0], *other[:2]]
    assert result(form, store.work_since(201.0)) == [late[0]]
    assert result(form, store.work_since(201.0, GZ)) == [late[0], *early[1:]], "those of one node at any time"
    assert result(form, store.work_since(301.0, SZ)) == other[:2]
    result(form, store.stop())
    again = form.open()
    assert result(form, again.work_since(200.0)) == [late[0], *other[:2]]
    commit(form, again, batch(early, sender=SZ, of=LineageId("0000000c")))
    assert result(form, again.work_since(0.0)) == [late[0], *early[1:], *other[:2]], "each row once, whoever sent it"


def test_rows_that_reports_are_made_of_are_followed_by_the_order_of_their_arrival(form: Form) -> None:
    """Whoever counts them goes on where it was, and reads the rows of an item again by their places."""
    store = form.open()
    gz = Writing(GZ)
    early = gz.write(LineageOpened(node=GZ, previous=None, previous_head=0), stepped(W1), born(C1))
    commit(form, store, batch(early))
    page = result(form, store.reported_after(0, 2))
    assert ([row for _, row in page.rows], page.place < page.last) == (early[:2], True)
    page = result(form, store.reported_after(page.place, 2))
    assert (page.rows, page.place) == ([], page.last)
    late = gz.write(entered(C1), noted(W1))
    commit(form, store, batch(late, first=4))
    commit(form, store, batch(early[1:2], sender=SZ, of=LineageId("0000000c")))
    page = result(form, store.reported_after(page.place, 100))
    assert ([row for _, row in page.rows], page.place) == (late[1:], page.last), "what came twice has one place"
    places = [place for place, _ in result(form, store.reported_after(0, 100)).rows]
    assert places == sorted(places)
    assert [row for _, row in result(form, store.rows_at([*reversed(places), 999]))] == [*early[:2], late[1]]
    result(form, store.stop())
    again = form.open()
    assert [place for place, _ in result(form, again.reported_after(0, 100)).rows] == places
    assert result(form, again.rows_at([])) == []


def test_file_of_the_second_format_shows_the_work_in_it(tmp_path: Path) -> None:
    """A hub of the version before may have received rows about work items already."""
    form = SqliteForm(tmp_path)
    rows = Writing(GZ).write(stepped(W1), born(C1), refused(R2))
    with closing(sqlite3.connect(form.path)) as file:
        file.executescript(FORMAT_2.read_text())
        for number, one in enumerate(rows, 1):
            values = (number, GZ, A, number, GZ, A, one.sequence, one.wall, kind_of(one.row), ROW_BYTES.encode(one))
            file.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)", values)
        file.execute("INSERT INTO cursors VALUES (?, ?, 3)", (GZ, A))
        file.commit()
    store = form.open()
    assert (store.heads(GZ), result(form, store.all_rows())) == ({A: 3}, rows)
    assert result(form, store.work_since(0.0)) == [rows[0], rows[2]]
    (fresh,) = Writing(SZ).write(stepped(W2))
    commit(form, store, batch([fresh], sender=SZ))
    assert result(form, store.work_since(0.0)) == [rows[0], rows[2], fresh]
    form.close()


def test_file_of_the_first_format_is_brought_to_the_present_one(tmp_path: Path) -> None:
    """An upgrade keeps rows, cursors, parked slots and holes, and rows are then told apart by node."""
    form = SqliteForm(tmp_path)
    (row,) = Writing(GZ).write(born(C1))
    with closing(sqlite3.connect(form.path)) as file:
        file.executescript(FORMAT_1.read_text())
        values = (GZ, A, 1, GZ, A, row.sequence, row.wall, "contact_born", C1, ROW_BYTES.encode(row))
        file.execute("INSERT INTO rows VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        file.execute("INSERT INTO parked VALUES (?, ?, 2, 'unreadable', ?)", (GZ, A, b"rubbish"))
        file.execute("INSERT INTO holes VALUES (?, ?, 3, 4)", (GZ, A))
        file.execute("INSERT INTO cursors VALUES (?, ?, 4)", (GZ, A))
        file.commit()
    store = form.open()
    assert (store.heads(GZ), store.unknown_count(GZ)) == ({A: 4}, 3)
    assert result(form, store.all_rows()) == [row]
    (same_place,) = Writing(SZ).write(born(C2))
    assert commit(form, store, batch([same_place], sender=SZ)) == [same_place]
    settling(store, form, first=2, last=2, digest=digest(b"rubbish"))
    assert store.unknown_count(GZ) == 2
    result(form, store.stop())
    form.open()
    form.close()


def test_upgrade_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """All steps and the new version are one transaction: a file that cannot be raised can still be read by the old."""
    form = SqliteForm(tmp_path)
    with closing(sqlite3.connect(form.path)) as file:
        file.executescript(FORMAT_1.read_text())
        file.execute("CREATE TABLE settled (mine TEXT)")
        file.commit()
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "ledger-unreadable"
    with closing(sqlite3.connect(form.path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (1,)
        indexed = file.execute("SELECT sql FROM sqlite_master WHERE name = 'rows_by_origin'").fetchone()[0]
    assert indexed.endswith("(lineage, sequence)")


def test_queries_by_time_and_birth(form: Form) -> None:
    """What reports and screens ask for."""
    store = form.open()
    gz, sz = Writing(GZ), Writing(SZ, "0000000b")
    early, late = gz.at(100.0, born(C1), entered(C1)), gz.at(300.0, born(C2))
    commit(form, store, batch([*late, *early]))
    commit(form, store, batch(sz.at(200.0, born(C3)), sender=SZ, of=LineageId("0000000b")))
    assert result(form, store.rows_between(100.0, 200.0)) == early
    assert result(form, store.latest_contacts(2)) == [C2, C3]
    assert result(form, store.latest_contacts(5, CityId("guangzhou"))) == [C2, C1]


def test_the_record_is_read_page_by_page_in_the_order_of_its_times(form: Form) -> None:
    """So that a hub that starts holds neither all of it in memory, nor its reactor for as long as that takes."""
    store = form.open()
    gz, sz = Writing(GZ), Writing(SZ, "0000000b")
    rows = [*gz.at(300.0, born(C2)), *gz.at(100.0, born(C1), entered(C1)), *gz.at(50.0, left(C1))]
    commit(form, store, batch(rows))
    others = sz.at(100.0, born(C3))
    commit(form, store, batch(others, sender=SZ, of=LineageId("0000000b")))
    for size in (1, 2, 3, 4, 100):
        read: list[Journalled] = []
        place: Place | None = FIRST
        while place is not None:
            page, place = result(form, store.page(100.0, place, size))
            assert len(page) <= size
            read += page
        assert read == [rows[1], rows[2], *others, rows[0]]


def test_own_rows_are_kept_beside_received_ones(form: Form) -> None:
    """The hub's decisions; given again at a restart, they are on record once."""
    store = form.open()
    rows = Writing("hub").write(born(C1))
    told: list[list[Journalled]] = []
    store.keep_own(rows, lambda fresh: told.append(list(fresh)))
    store.keep_own(rows, lambda fresh: told.append(list(fresh)))
    form.wait(lambda: len(told) == 2)
    assert told == [rows, []]
    assert (result(form, store.all_rows()), store.heads(NodeId("hub"))) == (rows, {})


def test_crash_takes_rows_and_cursor_together(tmp_path: Path) -> None:
    """What was being committed is asked for again."""
    form = MemoryForm(tmp_path)
    store = form.open()
    store.commit(batch(Writing(GZ).write(born(C1))), lambda rows: pytest.fail("the process is dead"))
    store.crash()
    form.clock.advance(10.0)
    assert (form.open().heads(GZ), form.ledger.rows) == ({}, {})


def test_file_belongs_to_one_process(tmp_path: Path) -> None:
    """As the journal's."""
    form = SqliteForm(tmp_path)
    form.open()
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "ledger-in-use"
    form.close()
