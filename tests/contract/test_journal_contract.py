"""One contract for both forms of the journal: what is called synced is there after any end of the process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest
from twisted.internet.defer import Deferred

from dataset.audit import Chain, Kept, check
from dataset.errors import Refused
from dataset.ids import LineageId, NodeId
from dataset.rows import (
    ROW_BYTES,
    ROW_FROM_BYTES,
    AttemptAnswered,
    DataViewed,
    Journalled,
    LegRefused,
    LineageOpened,
    MassFaultCleared,
    MassFaultDeclared,
    MassFaultLinked,
    TailMissing,
    WorkStepped,
)
from dataset.work import DeadlinePassed, MassFaultId
from federation.node.clock import VirtualClock
from federation.node.journal import RUNS_NAMED, JournalSettings
from federation.node.journal_memory import MemoryDisk, MemoryJournal
from federation.node.journal_sqlite import SqliteJournal
from federation.ports import Journal, OutboxEntry
from tests.harness.rows_of_record import (
    BY,
    C1,
    C2,
    C3,
    GUANGZHOU,
    R2,
    SHENZHEN,
    W1,
    W2,
    W3,
    answered,
    asked,
    born,
    closed,
    confirmed,
    counting_lineages,
    ended,
    noted,
    refused,
    segment,
    stepped,
    viewed,
)
from tests.harness.threads import ThreadCalls
from tests.harness.work import attached

HUB, HUB2 = NodeId("hub"), NodeId("hub2")
FORMATS = [Path(__file__).parent.parent / "data" / f"journal_format_{number}.sql" for number in (1, 2, 3)]
DAY = 86_400.0


class MemoryForm:
    def __init__(self, _: Path) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.disk = MemoryDisk()
        self._lineages = counting_lineages()

    def open(self, receivers: tuple[NodeId, ...] = (HUB,), nodes: frozenset[NodeId] | None = None) -> MemoryJournal:
        settings = JournalSettings(
            NodeId("guangzhou"), "boot-1", self._lineages, receivers, "020", keep_days=30, nodes=nodes
        )
        return MemoryJournal(self.disk, settings, self.clock)

    def wait(self, condition: Callable[[], bool]) -> None:
        assert self.clock.run_until(condition, 20.0)

    def close(self) -> None:
        pass


class SqliteForm:
    def __init__(self, directory: Path) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.path = directory / "journal.sqlite"
        self._lineages = counting_lineages()
        self.calls = ThreadCalls()
        self._open: list[SqliteJournal] = []

    def open(self, receivers: tuple[NodeId, ...] = (HUB,), nodes: frozenset[NodeId] | None = None) -> SqliteJournal:
        settings = JournalSettings(
            NodeId("guangzhou"), "boot-1", self._lineages, receivers, "020", keep_days=30, nodes=nodes
        )
        journal = SqliteJournal(self.path, settings, self.clock, self.calls)
        self._open.append(journal)
        return journal

    def wait(self, condition: Callable[[], bool]) -> None:
        self.calls.until(condition)

    def close(self) -> None:
        for journal in self._open:
            result(self, journal.stop())


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


def write(form: Form, journal: Journal, *rows: tuple[Any, tuple[str, ...]]) -> None:
    done: list[bool] = []
    journal.append(rows, lambda: done.append(True))
    form.wait(lambda: bool(done))


def pending(
    form: Form, journal: Journal, receiver: str, lineage: LineageId, after: int = 0, limit: int = 100
) -> list[OutboxEntry]:
    entries: list[OutboxEntry] = result(form, journal.pending(NodeId(receiver), lineage, after, limit))
    return entries


def test_first_row_of_a_run_opens_its_lineage(form: Form) -> None:
    """J2: the first thing a receiver hears of a run is who came before."""
    journal = form.open()
    (entry,) = pending(form, journal, "hub", journal.lineage)
    row = ROW_FROM_BYTES.decode(entry.data)
    assert (entry.number, row.sequence, row.node) == (1, 1, "guangzhou")
    assert row.row == LineageOpened(node="guangzhou", previous=None, previous_head=0, live_contacts=(), area_code="020")
    first = journal.lineage
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub",)), (ended(C2), ("hub",)))
    result(form, journal.stop())

    again = form.open()
    assert again.lineage != first
    (entry,) = pending(form, again, "hub", again.lineage)
    opening = ROW_FROM_BYTES.decode(entry.data).row
    assert isinstance(opening, LineageOpened)
    assert (opening.previous, opening.previous_head, opening.live_contacts) == (first, 4, (C1,))
    assert opening.before == ()
    second = again.lineage
    result(form, again.stop())
    runs = [first, second]
    for _ in range(RUNS_NAMED + 2):
        journal = form.open()
        opening = journal.rows_since(0.0)[-1].row
        assert isinstance(opening, LineageOpened)
        assert (*opening.before, opening.previous) == tuple(runs[-1 - RUNS_NAMED :]), "those before it, in order"
        runs.append(journal.lineage)
        result(form, journal.stop())


def test_synced_is_called_later_and_in_order(form: Form) -> None:
    """An effect waits for its row (J1), and never happens inside the call that writes it."""
    journal = form.open()
    order: list[int] = []
    for number in range(50):
        journal.append([(born(), ("hub",))], partial(order.append, number))
        assert order == []
    form.wait(lambda: len(order) == 50)
    assert order == list(range(50))


def test_numbers_run_gapless_for_each_receiver(form: Form) -> None:
    """S1: numbers run per (lineage, receiver); a peer heard of later begins with the opening of the lineage too."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub", "shenzhen")), (born(C3), ("shenzhen",)))
    write(form, journal, (LegRefused(from_city="x", reason="missing"), ()))

    def seen(receiver: str) -> list[tuple[int, int]]:
        return [
            (entry.number, ROW_FROM_BYTES.decode(entry.data).sequence)
            for entry in pending(form, journal, receiver, journal.lineage)
        ]

    assert seen("hub") == [(1, 1), (2, 2), (3, 3)]
    assert seen("shenzhen") == [(1, 1), (2, 3), (3, 4)]
    assert [(one.head, one.acknowledged) for one in journal.streams(NodeId("shenzhen"))] == [(3, 0)]
    assert [entry.number for entry in pending(form, journal, "hub", journal.lineage, after=1, limit=1)] == [2]
    assert pending(form, journal, "hub", LineageId("ffffffff")) == []
    assert sorted(journal.receivers()) == ["hub", "shenzhen"]


def test_hearers_are_told_after_the_sync(form: Form) -> None:
    """S1: outboxes hear of numbers only once they are on disk; views hear the rows themselves."""
    journal = form.open()
    rows: list[int] = []
    heads: list[dict[NodeId, int]] = []
    journal.on_rows(lambda group: rows.extend(one.sequence for one in group))
    journal.on_outgoing(lambda new: heads.append(dict(new)))
    journal.append([(born(C1), ("hub",)), (born(C2), ())], lambda: rows.append(-1))
    assert (rows, heads) == ([], [])
    form.wait(lambda: bool(heads))
    assert rows == [-1, 2, 3]
    assert heads == [{HUB: 2}]


def test_rows_carry_all_three_times(form: Form) -> None:
    """A row's interval is fixed by the wall time of its writing; durations need the monotonic time and boot."""
    journal = form.open()
    form.clock.advance(5.0)
    form.clock.jump_wall(-600.0)
    write(form, journal, (born(C1), ("hub",)))
    row = journal.rows_of_live_contacts()[0]
    assert (row.boot, row.wall - row.mono) == ("boot-1", 1_000_000.0 - 600.0)


def test_live_contacts_are_found_over_all_lineages(form: Form) -> None:
    """O6: a restarted node gets every row of what is still going on here, and of nothing else."""
    journal = form.open()
    served = segment(C3, site=GUANGZHOU, anchor=SHENZHEN)
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub",)), (served, ("hub",)))
    result(form, journal.stop())
    journal = form.open()
    write(form, journal, (ended(C2), ("hub",)), (closed(C3), ("hub",)))
    assert [one.row for one in journal.rows_of_live_contacts()] == [born(C1), served, closed(C3)]
    write(form, journal, (confirmed(C3), ("hub",)))
    assert [one.row for one in journal.rows_of_live_contacts()] == [born(C1)]
    assert [one.row for one in journal.rows_since(0.0) if not isinstance(one.row, LineageOpened)][:2] == [
        born(C1),
        born(C2),
    ]


def test_acknowledged_rows_are_forgotten_after_the_days_they_are_kept(form: Form) -> None:
    """J5: acknowledged rows stay N days; what is not acknowledged, or still live, stays."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub",)), (ended(C2), ("hub",)), (born(C3), ("hub",)))
    write(form, journal, (ended(C3), ("hub",)))
    journal.acknowledged(HUB, journal.lineage, 5)
    form.clock.advance(29 * DAY)
    write(form, journal, (born(C3), ("hub",)))
    assert len(pending(form, journal, "hub", journal.lineage)) == 7
    form.clock.advance(2 * DAY)
    write(form, journal, (ended(C3), ("hub",)))
    form.clock.advance(DAY)
    write(form, journal, (born(C3), ("hub",)))
    kept = [entry.number for entry in pending(form, journal, "hub", journal.lineage)]
    assert kept == [1, 2, 6, 7, 8, 9]
    journal.acknowledged(HUB, journal.lineage, 0)
    form.clock.advance(DAY)
    write(form, journal)
    assert [entry.number for entry in pending(form, journal, "hub", journal.lineage)] == kept


def test_a_receiver_that_has_left_the_province_keeps_nothing_from_being_forgotten(form: Form) -> None:
    """J5: its rows are kept for their days, in case it is named again; nobody waits for it."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub", "shenzhen")), (ended(C1), ("hub", "shenzhen")))
    result(form, journal.stop())
    again = form.open(nodes=frozenset({NodeId("guangzhou"), HUB}))
    assert again.receivers() == [HUB]
    again.acknowledged(HUB, journal.lineage, 3)
    write(form, again, (born(C2), ("hub",)))
    kept = [entry.number for entry in pending(form, again, "shenzhen", journal.lineage)]
    form.clock.advance(31 * DAY)
    write(form, again, (ended(C2), ("hub",)))
    form.clock.advance(DAY)
    write(form, again, (born(C3), ("hub",)))
    assert kept == [1, 2, 3]
    assert pending(form, again, "shenzhen", journal.lineage)[1:] == []
    assert [one for one in again.rows_since(0.0) if one.row in (born(C1), ended(C1))] == []


def test_watermarks_survive_a_restart(form: Form) -> None:
    """Only a convenience (the receiver's heads decide), but a clean stop keeps them."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)))
    journal.acknowledged(HUB, journal.lineage, 2)
    result(form, journal.stop())
    again = form.open()
    assert [(one.lineage, one.head, one.acknowledged) for one in again.streams(HUB)] == [
        (journal.lineage, 2, 2),
        (again.lineage, 1, 0),
    ]
    with pytest.raises(RuntimeError):
        journal.append([(born(), ())], lambda: None)


def test_failing_hearer_keeps_nobody_else_from_hearing(form: Form) -> None:
    """A fault in a view must not hold back a call's next step."""
    journal = form.open()
    heard: list[str] = []

    def broken(_: object) -> None:
        raise ValueError("broken view")

    journal.on_rows(broken)
    journal.on_rows(lambda rows: heard.append("rows"))
    write(form, journal, (born(), ("hub",)))
    write(form, journal, (born(), ("hub",)))
    assert heard == ["rows", "rows"]


def seen_by(form: Form, journal: Journal, receiver: NodeId) -> list[tuple[LineageId, int, int]]:
    """Lineage, number and the row's own sequence of all that waits for ``receiver``, oldest run first."""
    return [
        (stream.lineage, entry.number, ROW_FROM_BYTES.decode(entry.data).sequence)
        for stream in journal.streams(receiver)
        for entry in pending(form, journal, receiver, stream.lineage)
    ]


def test_city_that_stood_alone_keeps_everything_for_the_hub_it_joins(form: Form) -> None:
    """B5: joining backfills the whole history, gapless per run, oldest run first; later starts add nothing."""
    journal = form.open(())
    first = journal.lineage
    write(form, journal, (born(C1), ()), (born(C2), ()), (ended(C2), ()))
    form.clock.advance(400 * DAY)
    write(form, journal, (born(C3), ()))
    result(form, journal.stop())
    journal = form.open(())
    second = journal.lineage
    write(form, journal, (ended(C1), ()))
    result(form, journal.stop())
    joined = form.open((HUB,))
    assert seen_by(form, joined, HUB) == [
        *((first, number, number) for number in range(1, 6)),
        *((second, number, number) for number in (1, 2)),
        (joined.lineage, 1, 1),
    ]
    assert [(one.head, one.acknowledged) for one in joined.streams(HUB)] == [(5, 0), (2, 0), (1, 0)]
    before = seen_by(form, joined, HUB)
    result(form, joined.stop())
    again = form.open((HUB,))
    assert seen_by(form, again, HUB) == [*before, (again.lineage, 1, 1)]


def test_second_hub_added_later_gets_what_is_kept_for_hubs(form: Form) -> None:
    """B5, S1: each hub is a receiver of its own; what is for one city alone, or forgotten already, it does not get."""
    journal = form.open((HUB,))
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub", "shenzhen")), (ended(C2), ("hub",)))
    write(form, journal, (TailMissing(receiver="shenzhen", of=journal.lineage, stated=2, held=1), ("shenzhen",)))
    write(form, journal, (ended(C1), ("hub",)))
    first = journal.lineage
    journal.acknowledged(HUB, first, 3)
    journal.acknowledged(NodeId("shenzhen"), first, 9)
    form.clock.advance(31 * DAY)
    write(form, journal, (born(C3), ("hub",)))
    result(form, journal.stop())
    again = form.open((HUB, HUB2))
    # sequences 2 and 3 are acknowledged and older than the days they are kept
    assert seen_by(form, again, HUB2) == [
        (first, 1, 1),
        (first, 2, 4),
        (first, 3, 6),
        (first, 4, 7),
        (again.lineage, 1, 1),
    ]
    assert [number for of, number, _ in seen_by(form, again, HUB) if of == first] == [1, 4, 5, 6]


def test_new_hub_keeps_rows_from_being_forgotten(form: Form) -> None:
    """J5: what a hub that joined late has not acknowledged stays, whatever the others have."""
    journal = form.open((HUB,))
    write(form, journal, (born(C1), ("hub",)), (ended(C1), ("hub",)))
    journal.acknowledged(HUB, journal.lineage, 3)
    first = journal.lineage
    result(form, journal.stop())
    journal = form.open((HUB, HUB2))
    form.clock.advance(40 * DAY)
    write(form, journal, (born(C2), ("hub", "hub2")))
    assert [place[2] for place in seen_by(form, journal, HUB2) if place[0] == first] == [1, 2, 3]
    journal.acknowledged(HUB2, first, 3)
    form.clock.advance(1 * DAY)
    write(form, journal, (ended(C2), ("hub", "hub2")))
    assert [place[2] for place in seen_by(form, journal, HUB2) if place[0] == first] == [1]
    assert [place[2] for place in seen_by(form, journal, HUB) if place[0] == first] == [1]


def test_relayed_rows_go_out_byte_for_byte_and_are_nobodys_here(form: Form) -> None:
    """S3, J5: another node's rows take their places in the streams, with their own origin and order."""
    journal = form.open()
    heard: list[Journalled] = []
    heads: list[dict[NodeId, int]] = []
    journal.on_rows(heard.extend)
    journal.on_outgoing(lambda new: heads.append(dict(new)))
    foreign = [b'{"as": "it came"}', ROW_BYTES.encode(_foreign(3)), ROW_BYTES.encode(_foreign(4))]
    done: list[int] = []
    journal.relay(foreign, ("foshan", "hub2"), lambda: done.append(1))
    form.wait(lambda: done == [1])
    assert (heard, heads) == ([], [{NodeId("foshan"): 4, HUB2: 4}])
    write(form, journal, (born(C2), ("hub", "foshan")))
    entries = pending(form, journal, "foshan", journal.lineage)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.data for entry in entries[1:4]] == foreign
    assert ROW_FROM_BYTES.decode(entries[4].data).sequence == 5
    assert [one.node for one in journal.rows_since(0.0)] == ["guangzhou"] * 2
    assert [one.row for one in journal.rows_of_live_contacts()] == [born(C2)]
    for receiver in ("foshan", "hub2", "hub"):
        journal.acknowledged(NodeId(receiver), journal.lineage, 5)
    result(form, journal.stop())
    again = form.open()
    opening = ROW_FROM_BYTES.decode(pending(form, again, "hub", again.lineage)[0].data).row
    assert isinstance(opening, LineageOpened)
    assert opening.previous_head == 5
    assert [entry.data for entry in pending(form, again, "hub2", journal.lineage)[1:]] == foreign
    form.clock.advance(31 * DAY)
    write(form, again, (ended(C2), ("hub",)))
    assert len(pending(form, again, "hub2", journal.lineage)) == 1


def _foreign(sequence: int) -> Journalled:
    lineage = LineageId("000000f0")
    return Journalled(node="foshan", lineage=lineage, sequence=sequence, wall=1.0, mono=1.0, boot="b", row=born(C1))


def test_rows_of_named_contacts_are_found(form: Form) -> None:
    """What is on record about contacts, live or not, over all runs."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub",)), (ended(C1), ("hub",)))
    result(form, journal.stop())
    again = form.open()
    assert [one.row for one in again.rows_of_contacts([C1, C3])] == [born(C1), ended(C1)]
    assert again.rows_of_contacts([]) == []


def test_rows_of_a_kind_are_found_over_all_lineages(form: Form) -> None:
    """In order, since a time, and no others, whatever their texts say."""
    journal = form.open()
    write(form, journal, (answered(C1), ("hub",)), (born(C1), ("hub",)), (answered(C2), ("hub",)))
    result(form, journal.stop())
    form.clock.advance(DAY)
    late = form.clock.wall()
    again = form.open()
    pretends = LegRefused(from_city="x", reason='"row":{"kind":"attempt_answered"')
    write(form, again, (born(C2), ()), (pretends, ("hub",)), (answered(C3), ()), (ended(C1), ()))
    assert [one.row for one in again.rows_of_kind(AttemptAnswered, 0.0)] == [answered(C1), answered(C2), answered(C3)]
    assert [one.row for one in again.rows_of_kind(AttemptAnswered, late)] == [answered(C3)]
    assert [one.row for one in again.rows_of_kind(LegRefused, 0.0)] == [pretends]
    assert [type(one.row) for one in again.rows_of_kind(LineageOpened, 0.0)] == [LineageOpened] * 2
    assert again.rows_of_kind(DataViewed, 0.0) == []


def work(journal: Journal, since: float = 0.0) -> list[Any]:
    return [one.row for one in journal.rows_of_work(since) if not isinstance(one.row, LineageOpened | TailMissing)]


def test_rows_of_work_come_with_the_order_of_runs(form: Form) -> None:
    """However old: steps of several runs are put in order by them."""
    journal = form.open()
    write(form, journal, (stepped(W1), ("hub",)))
    result(form, journal.stop())
    form.clock.advance(DAY)
    again = form.open()
    missing = TailMissing(receiver="hub", of=LineageId("0badcafe"), stated=3, held=1)
    write(form, again, (missing, ("hub",)))
    rows = [one.row for one in again.rows_of_work(form.clock.wall() + 1)]
    assert [type(row) for row in rows] == [LineageOpened, WorkStepped, LineageOpened, TailMissing]
    later = rows[2]
    assert isinstance(later, LineageOpened)
    assert later.previous == journal.lineage


def test_rows_of_work_are_found_over_all_lineages(form: Form) -> None:
    """For the book of work at a start: open items whole, however old, of all others what is of late; in order."""
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)), (stepped(W1), ("hub",)), (stepped(W2), ("hub", "shenzhen")))
    write(form, journal, (noted(W2, ended=True), ("hub",)), (asked(R2), ("shenzhen",)))
    result(form, journal.stop())
    form.clock.advance(DAY)
    late = form.clock.wall()
    again = form.open()
    write(form, again, (stepped(W3), ("hub",)), (noted(W1), ("hub",)), (refused(R2), ("shenzhen",)), (ended(C1), ()))
    rows = [stepped(W1), stepped(W2), noted(W2, ended=True), asked(R2), stepped(W3), noted(W1), refused(R2)]
    assert work(again) == rows
    assert work(again, late) == [stepped(W1), stepped(W3), noted(W1), refused(R2)]
    assert work(again, late + 1) == [stepped(W1), stepped(W3), noted(W1)]
    write(form, again, (noted(W1, ended=True), ("hub",)))
    assert work(again, late + 1) == [stepped(W3)]


def test_a_mass_fault_that_stands_is_found_however_old(form: Form) -> None:
    """It is kept as an open item is, with everything that was said of it, until it is cleared."""
    name = MassFaultId("m-0020-0000000a-000001")
    declared = MassFaultDeclared(mass_fault=name, area="cable", name="天河-12", items=(W1,), by=None, expected_at=1.0)
    linked = MassFaultLinked(mass_fault=name, items=(W2,))
    cleared = MassFaultCleared(mass_fault=name, how="repaired", by=BY)
    journal = form.open()
    write(form, journal, (declared, ("hub",)), (linked, ("hub",)))
    result(form, journal.stop())
    form.clock.advance(DAY)
    late = form.clock.wall() + 1
    again = form.open()
    assert work(again, late) == [declared, linked]
    write(form, again, (cleared, ("hub",)))
    assert work(again, late) == []
    assert work(again) == [declared, linked, cleared]


def test_work_items_are_no_live_contacts(form: Form) -> None:
    """What is open among items is no contact whose customer may still be here (E3)."""
    journal = form.open()
    write(form, journal, (stepped(W1), ("hub",)))
    assert journal.rows_of_live_contacts() == []
    result(form, journal.stop())
    again = form.open()
    opening = ROW_FROM_BYTES.decode(pending(form, again, "hub", again.lineage)[0].data).row
    assert isinstance(opening, LineageOpened)
    assert opening.live_contacts == ()


def pass_days(form: Form, journal: Journal, days: float) -> None:
    """Acknowledge everything, let ``days`` pass, and give the journal the occasion to forget."""
    for receiver in journal.receivers():
        for stream in journal.streams(receiver):
            journal.acknowledged(receiver, stream.lineage, stream.head)
    form.clock.advance(days * DAY)
    write(form, journal)


def test_rows_are_forgotten_by_their_own_time_where_the_clock_was_set(form: Form) -> None:
    """J5: a clock that was ahead for a while, or is set back, puts off what is forgotten and keeps nothing for good."""
    journal = form.open()

    def kept() -> list[Any]:
        return [one.row for one in journal.rows_since(0.0) if not isinstance(one.row, LineageOpened)]

    write(form, journal, (born(C1), ("hub",)), (ended(C1), ("hub",)))
    form.clock.jump_wall(10 * DAY)
    write(form, journal, (born(C2), ("hub",)), (ended(C2), ("hub",)))
    form.clock.jump_wall(-15 * DAY)
    write(form, journal, (born(C3), ("hub",)), (ended(C3), ("hub",)))
    pass_days(form, journal, 31)
    assert kept() == [born(C1), ended(C1), born(C2), ended(C2)]
    pass_days(form, journal, 5)
    assert kept() == [born(C2), ended(C2)]
    pass_days(form, journal, 10)
    assert kept() == []


def test_rows_of_open_work_items_are_kept_however_old(form: Form) -> None:
    """J5: an item is the fold of its steps, so the first is needed as long as there may be another."""
    journal = form.open()
    write(form, journal, (stepped(W1), ("hub",)), (stepped(W2), ("hub",)), (noted(W1), ("hub",)))
    write(form, journal, (noted(W2, ended=True), ("hub",)), (asked(R2), ("hub",)), (born(C1), ()), (ended(C1), ()))
    write(form, journal, (noted(W2), ("hub",)), (stepped(W2, attached(1, at=0.0, by=BY)), ("hub",)))  # opens nothing
    pass_days(form, journal, 31)
    assert work(journal) == [stepped(W1), noted(W1)]
    result(form, journal.stop())
    journal = form.open()
    pass_days(form, journal, 400)
    assert work(journal) == [stepped(W1), noted(W1)]
    assert [one.row for one in journal.rows_since(0.0) if not isinstance(one.row, LineageOpened)] == work(journal)
    write(form, journal, (noted(W1, ended=True), ("hub",)))
    pass_days(form, journal, 29)
    assert work(journal) == [noted(W1, ended=True)], "the others were older than the days already"
    pass_days(form, journal, 2)
    assert work(journal) == []


def test_note_on_an_ended_work_item_does_not_open_it_again(form: Form) -> None:
    """An ending stands: what is noted afterwards goes with its days, like the rest."""
    journal = form.open()
    write(form, journal, (stepped(W1), ("hub",)), (noted(W1, ended=True), ("hub",)), (noted(W1, "thanks"), ("hub",)))
    assert work(journal, form.clock.wall() + 1) == []
    result(form, journal.stop())
    journal = form.open()
    assert work(journal, form.clock.wall() + 1) == []
    pass_days(form, journal, 31)
    assert work(journal) == []


def test_work_item_that_goes_on_behind_an_ending_is_open_again(form: Form) -> None:
    """J5: the ending was overtaken by a row that came back, which this journal does not hold."""
    journal = form.open()
    missed = stepped(W1, step=DeadlinePassed(at=1.0))
    write(form, journal, (stepped(W1), ("hub",)), (noted(W1, ended=True), ("hub",)), (missed, ("hub",)))
    assert work(journal, form.clock.wall() + 1) == [stepped(W1), noted(W1, ended=True), missed]
    pass_days(form, journal, 40)
    assert len(work(journal, form.clock.wall() + 1)) == 3


def test_work_item_that_ends_with_its_opening_was_never_open(form: Form) -> None:
    """A question that was answered at once: nothing waits on it."""
    journal = form.open()
    write(form, journal, (stepped(W1, ended=True), ("hub",)))
    assert work(journal, form.clock.wall() + 1) == []


# ── audit rows ──────────────────────────────────────────────────────────────────────────────────────────────────────
def chain_at(form: Form, journal: Journal, receiver: str) -> Chain:
    """What ``receiver`` finds when it checks what it was sent."""
    kept = []
    for stream in journal.streams(NodeId(receiver)):
        for entry in pending(form, journal, receiver, stream.lineage):
            row = ROW_FROM_BYTES.decode(entry.data)
            kept.append(Kept(row.lineage, row.sequence, entry.data))
    return check("guangzhou", kept)


def test_audit_rows_are_one_chain_over_all_runs(form: Form) -> None:
    """I10: each names the one before it, also that of the run before; the opening of a run states the last."""
    journal = form.open()
    write(form, journal, (viewed("K1"), ("hub",)), (born(C1), ("hub",)), (viewed("K2"), ("hub",)))
    result(form, journal.stop())
    journal = form.open()
    result(form, journal.stop())
    journal = form.open()
    write(form, journal, (viewed("K3"), ("hub",)))
    rows = [one.row for one in journal.rows_since(0.0)]
    views = [row for row in rows if isinstance(row, DataViewed)]
    assert [(row.number, row.customers) for row in views] == [(1, ("K1",)), (2, ("K2",)), (1, ("K3",))]
    assert [row.before for row in views] == ["", views[0].hash, views[1].hash]
    assert [row.audit for row in rows if isinstance(row, LineageOpened)] == ["", views[1].hash, views[1].hash]
    chain = chain_at(form, journal, "hub")
    assert (chain.whole, chain.rows, chain.head) == (True, 3, views[2].hash)
    form.close()


def test_audit_rows_are_never_forgotten(form: Form) -> None:
    """Whoever asks after years who has looked finds it, and the chain is whole from its beginning; the rest goes."""
    journal = form.open()
    for contact, customer in ((C1, "K1"), (C2, "K2"), (C3, "K3")):
        write(form, journal, (born(contact), ("hub",)), (viewed(customer), ("hub",)), (ended(contact), ("hub",)))
    pass_days(form, journal, 31)
    pass_days(form, journal, 400)
    assert [type(one.row) for one in journal.rows_since(0.0)] == [LineageOpened, DataViewed, DataViewed, DataViewed]
    assert [entry.number for entry in pending(form, journal, "hub", journal.lineage)] == [1, 3, 6, 9]
    journal.acknowledged(HUB, journal.lineage, 0)
    chain = chain_at(form, journal, "hub")
    assert (chain.whole, chain.rows) == (True, 3), "a hub that lost its disk is sent them again"
    form.close()


# ── the memory form ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_crash_loses_what_was_not_synced(tmp_path: Path) -> None:
    """The simulated journal is honest: numbers given and not synced are gone, and given again in another lineage."""
    form = MemoryForm(tmp_path)
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)))
    told: list[str] = []
    journal.append([(born(C2), ("hub",))], lambda: told.append("synced"))
    form.clock.advance(0.004)
    journal.crash()
    journal.append([(born(C3), ("hub",))], lambda: told.append("dead"))
    form.clock.advance(10.0)
    assert told == []
    again = form.open()
    assert [one.row for one in again.rows_of_live_contacts()] == [born(C1)]
    assert [(one.lineage, one.head) for one in again.streams(HUB)] == [(journal.lineage, 2), (again.lineage, 1)]


def test_backup_goes_its_own_way(tmp_path: Path) -> None:
    """A journal restored from a backup does not know what was written since."""
    form = MemoryForm(tmp_path)
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)))
    backup = form.disk.copy()
    write(form, journal, (ended(C1), ("hub",)))
    form.disk = backup
    assert [one.row for one in form.open().rows_of_live_contacts()] == [born(C1)]


def test_open_work_items_are_those_of_the_rows_on_the_disk(tmp_path: Path) -> None:
    """A crash loses an opening or an ending with its row, and a backup knows the items of its time."""
    form = MemoryForm(tmp_path)
    journal = form.open()
    write(form, journal, (stepped(W1), ("hub",)), (stepped(W2), ("hub",)))
    backup = form.disk.copy()
    write(form, journal, (noted(W2, ended=True), ("hub",)))
    journal.append([(stepped(W3), ("hub",)), (noted(W1, ended=True), ("hub",))], lambda: None)
    journal.crash()
    later = form.clock.wall() + DAY
    assert work(form.open(), later) == [stepped(W1)]
    form.disk = backup
    assert work(form.open(), later) == [stepped(W1), stepped(W2)]


# ── the SQLite form ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_groups_that_wait_share_one_transaction(tmp_path: Path) -> None:
    """Group commit: a flush of the disk is paid once for all that waits (J1)."""
    form = SqliteForm(tmp_path)
    journal = form.open()
    done: list[int] = []
    for number in range(500):
        journal.append([(born(), ("hub",))], partial(done.append, number))
    form.wait(lambda: len(done) == 500)
    assert journal.groups < 250
    form.close()


def test_file_belongs_to_one_process(tmp_path: Path) -> None:
    """A second process on one journal would give numbers twice: it is refused with a sentence that says so."""
    form = SqliteForm(tmp_path)
    form.open()
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "journal-in-use"
    assert "journal.sqlite" in refused.value.problems[0].place
    form.close()
    form.open()
    form.close()


def test_foreign_files_are_refused_unchanged(tmp_path: Path) -> None:
    """A wrong file is named, and nothing in it is touched."""
    form = SqliteForm(tmp_path)
    form.path.write_bytes(b"this is not a database, but it is somebody's" * 100)
    before = form.path.read_bytes()
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "journal-unreadable"
    assert form.path.read_bytes() == before
    form.path.unlink()

    journal = form.open()
    result(form, journal.stop())
    settings = JournalSettings(NodeId("foshan"), "boot-1", counting_lineages(99))
    with pytest.raises(Refused) as refused:
        SqliteJournal(form.path, settings, form.clock, form.calls)
    assert refused.value.problems[0].slug == "journal-of-another-node"
    assert "guangzhou" in refused.value.problems[0].text("zh")


def test_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """An older program must not write into what it does not understand."""
    form = SqliteForm(tmp_path)
    result(form, form.open().stop())
    with sqlite3.connect(form.path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "journal-newer"


def test_refusing_disk_holds_rows_until_it_takes_them(tmp_path: Path) -> None:
    """Failure mode 23: a full disk is an alarm; rows wait, in order, and nothing is called synced meanwhile."""
    problems: list[str | None] = []
    form = SqliteForm(tmp_path)
    settings = JournalSettings(NodeId("guangzhou"), "boot-1", counting_lineages(), (HUB,))
    journal = SqliteJournal(
        form.path, settings, form.clock, form.calls, lambda problem: problems.append(problem.slug if problem else None)
    )
    blocker = sqlite3.connect(form.path, isolation_level=None)
    blocker.execute("CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    done: list[int] = []
    journal.append([(born(C1), ("hub",))], lambda: done.append(1))
    form.wait(lambda: problems == ["disk-refuses"])
    journal.append([(born(C2), ("hub",))], lambda: done.append(2))
    assert done == []
    blocker.execute("DROP TRIGGER full")
    blocker.close()
    form.wait(lambda: done == [1, 2])
    assert problems == ["disk-refuses", None]
    result(form, journal.stop())


@pytest.mark.parametrize("older", FORMATS, ids=lambda path: path.stem)
def test_file_of_an_older_format_is_brought_to_the_present_one(tmp_path: Path, older: Path) -> None:
    """An upgrade keeps rows, streams and what is live; rows without a checksum are taken as they are."""
    form = SqliteForm(tmp_path)
    old = LineageId("00000001")

    def journalled(sequence: int, row: Any) -> Journalled:
        return Journalled(node="guangzhou", lineage=old, sequence=sequence, wall=5.0, mono=5.0, boot="b", row=row)

    opening = journalled(1, LineageOpened(node="guangzhou", previous=None, previous_head=0))
    birth = journalled(2, born(C1))
    with closing(sqlite3.connect(form.path)) as file:
        file.executescript(older.read_text())
        file.execute("INSERT INTO node VALUES ('guangzhou')")
        file.execute("INSERT INTO lineages VALUES (1, ?, 2)", (old,))
        for one, contact in ((opening, None), (birth, C1)):
            place = (1 << 40) + one.sequence
            values = (place, one.wall, contact, f"hub:{one.sequence}", ROW_BYTES.encode(one))
            file.execute("INSERT INTO rows (id, wall, contact, outgoing, data) VALUES (?, ?, ?, ?, ?)", values)
            file.execute("INSERT INTO outbox VALUES ('hub', 1, ?, ?)", (one.sequence, one.sequence))
        file.execute("INSERT INTO streams VALUES ('hub', 1, 2, 1)")
        file.execute("INSERT INTO live VALUES (?, 'anchor')", (C1,))
        file.commit()
    journal = form.open((HUB, HUB2))
    assert journal.rows_of_live_contacts() == [birth]
    assert seen_by(form, journal, HUB) == [(old, 1, 1), (old, 2, 2), (journal.lineage, 1, 1)]
    assert seen_by(form, journal, HUB2) == seen_by(form, journal, HUB)
    write(form, journal, (ended(C1), ("hub",)), (stepped(W1), ("hub",)), (noted(W1), ("hub",)))
    assert work(journal, form.clock.wall() + 1) == [stepped(W1), noted(W1)]
    assert journal.damaged == set()
    result(form, journal.stop())
    assert work(form.open(), form.clock.wall() + 1) == [stepped(W1), noted(W1)]
    form.close()


def test_flipped_bit_in_a_row_becomes_an_unknown_and_no_fact(tmp_path: Path) -> None:
    """Bad input: SQLite's pages have no checksum, the rows do. The damaged one is sent as what it is, so that its
    receiver parks it and totals name it (S2); the others go on, and what starts here does not act on it.
    """
    form = SqliteForm(tmp_path)
    journal = form.open()
    write(form, journal, (born(C1), ("hub",)), (born(C2), ("hub",)), (ended(C2), ("hub",)))
    result(form, journal.stop())
    with closing(sqlite3.connect(form.path)) as file:
        (data,) = file.execute("SELECT data FROM rows WHERE contact = ?", (C1,)).fetchone()
        flipped = data.replace(b"13800000001", b"13800000003")
        assert flipped != data
        file.execute("UPDATE rows SET data = ? WHERE contact = ?", (flipped, C1))
        file.commit()
    again = form.open()
    entries = pending(form, again, "hub", journal.lineage)
    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    with pytest.raises(msgspec.MsgspecError):
        ROW_FROM_BYTES.decode(entries[1].data)
    assert b"13800000003" in entries[1].data
    assert [ROW_FROM_BYTES.decode(entry.data).sequence for entry in (entries[0], *entries[2:])] == [1, 3, 4]
    assert again.rows_of_live_contacts() == []
    assert len(again.damaged) == 1
    form.close()


def test_file_whose_pages_are_broken_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Bad input: a journal that SQLite itself cannot read any more opens nothing, and says which file it is."""
    form = SqliteForm(tmp_path)
    journal = form.open()
    for _ in range(200):
        write(form, journal, (born(C1), ("hub",)))
    result(form, journal.stop())
    data = bytearray(form.path.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 64] = bytes(64)
    form.path.write_bytes(bytes(data))
    with pytest.raises(Refused) as refused:
        form.open()
    assert refused.value.problems[0].slug == "journal-unreadable"
    assert "journal.sqlite" in refused.value.problems[0].place


def test_new_hub_is_put_in_line_for_a_long_history_quickly(tmp_path: Path) -> None:
    """B5: a city of years joins without its callers noticing: set-based, one transaction."""
    form = SqliteForm(tmp_path)
    result(form, form.open(()).stop())
    row = ROW_BYTES.encode(_foreign(1))
    with closing(sqlite3.connect(form.path)) as file:
        file.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)"
            " INSERT INTO rows SELECT (1 << 40) + i, 1.0, NULL, '', ?, ?, NULL, NULL FROM n",
            (row, crc32(row)),
        )
        file.commit()
    began = time.perf_counter()
    journal = form.open((HUB,))
    took = time.perf_counter() - began
    assert [one.head for one in journal.streams(HUB)] == [250_000, 1]
    assert [entry.number for entry in pending(form, journal, "hub", journal.streams(HUB)[0].lineage, 249_998)] == [
        249_999,
        250_000,
    ]
    assert took < 10.0
    form.close()
