"""What reports tell of work is kept as rows come, and is what a count of all rows from the beginning would say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from dataset.calendar import day_of, midnight
from dataset.errors import Refused
from dataset.ids import AgentId, ArticleId, CityId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ArticleJudged, ArticlesShown, Journalled, LineageOpened, WorkRequested, WorkStepped
from dataset.services.catalogue import Catalogue
from dataset.services.service import Service
from dataset.work import Opened, Pressed, WorkItemId
from federation.core.ledger import Batch, ReceivedEntry
from federation.node.clock import VirtualClock
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.offering import Offering
from provincial_hub.core.work_figures import BEFORE_S
from provincial_hub.services.settlement import owed
from provincial_hub.shell.figures_table import FileTable, MemoryTable
from provincial_hub.shell.work_figures import AFTER_S, ITEMS_AT_ONCE, WAITS_S, WorkFigures
from tests.harness.recounted import Recounted
from tests.harness.services import calendar, catalogue
from tests.harness.threads import ThreadCalls
from tests.harness.work import GUANGZHOU, HOUR, NOW, actor, begun, form_for
from tests.unit.core.test_service_fold import FAULT, acted, rows_of
from tests.unit.core.test_work_book import INSTALL, OWNING, SERVING, THIRD, play

T = TypeVar("T")
DAY = 24 * HOUR
UNMEASURED = Service(replace(FAULT.text, id="unmeasured", measure=None))
"""like a fault, without a time for the whole"""
OFFERED = Offering(Catalogue({**catalogue().services, "unmeasured": UNMEASURED}), calendar())
SERVICES = (INSTALL.reference, INSTALL.reference, FAULT.reference, UNMEASURED.reference, "nobody-has-it@1")


def now_of(result: Deferred[T]) -> T:
    """What it has fired with."""
    found: list[T] = []
    failed: list[BaseException] = []
    result.addCallbacks(found.append, lambda failure: failed.append(failure.value))
    if failed:
        raise failed[0]
    assert found, "it has not fired"
    return found[0]


class Disk(MemoryTable):
    """What outlives the run of a program."""

    def stop(self) -> Deferred[None]:
        return succeed(None)


class Hub:
    """A ledger, what is counted of it, and a clock."""

    def __init__(self, offering: Offering = OFFERED) -> None:
        self.clock = VirtualClock(wall0=NOW)
        self.offering = offering
        self.ledger = MemoryLedger()
        self.store = MemoryLedgerStore(self.ledger, self.clock, commit_s=0.0)
        self.table = Disk()
        self.figures = WorkFigures(self.table, self.store, offering, self.clock)
        self.number = 0

    def take(self, row: Journalled) -> None:
        self.number += 1
        entry = ReceivedEntry(self.number, ROW_BYTES.encode(row), row)
        batch = Batch(NodeId(row.node), LineageId("0000000f"), (entry,), self.number)
        self.store.commit(batch, self.figures.heard)
        self.clock.advance(0.0)

    def again(self, offering: Offering | None = None) -> None:
        """The next run of the program, with what is on disk."""
        now_of(self.figures.stop())
        self.offering = offering or self.offering
        self.figures = WorkFigures(self.table, self.store, self.offering, self.clock)

    def holds_to_the_reference(self, first: date, last: date, city: CityId | None, wall: float) -> None:
        """Every question that a report asks is answered as a count from the beginning would."""
        expected = Recounted((row for row, _ in self.ledger.rows.values()), self.offering)
        told = now_of(self.figures.services(first, last, city, wall))
        assert told == expected.services(first, last, city, wall)
        for reference in set(SERVICES):
            asked = reference.partition("@")[0], first, last, city, wall, 2
            assert now_of(self.figures.questions(*asked)) == expected.questions(*asked)
        assert list(now_of(self.figures.articles(first, last)).items()) == list(expected.articles(first, last).items())
        handled = now_of(self.figures.handled(first, last))
        assert owed(handled) == owed(expected.handled(first, last))


def stretched(rows: list[Journalled], scale: float, services: dict[WorkItemId, str], rng: Random) -> list[Journalled]:
    """The same rows over a longer time, items of several services; a row is written a little after its step."""

    def moved(at: float) -> float:
        return NOW + (at - NOW) * scale

    found, wall = [], NOW
    for one in rows:
        row: Any = one.row
        if isinstance(row, WorkStepped | WorkRequested):
            step = msgspec.structs.replace(row.step, at=moved(row.step.at))
            if isinstance(step, Opened):
                step = msgspec.structs.replace(
                    step, at=moved(max(wall, NOW)) if scale == 1 else wall, service=services[row.item]
                )
            row = msgspec.structs.replace(row, step=step)
            if isinstance(row, WorkStepped):
                row = msgspec.structs.replace(row, service=services[row.item])
            wall = max(wall, step.at)
        found.append(msgspec.structs.replace(one, wall=wall + rng.random(), row=row))
    return found


def of_knowledge(until: float, rng: Random) -> list[Journalled]:
    """Articles shown and judged in two cities, some judged again by the same agent."""
    found: list[Journalled] = []
    for sequence in range(1, rng.randrange(2, 25)):
        wall, agent = rng.uniform(NOW, until), AgentId(rng.choice("ab"))
        names = [ArticleId(name) for name in rng.sample("xyz", rng.randrange(1, 4))]
        kinds: list[ArticlesShown | ArticleJudged] = [
            ArticlesShown(agent=agent, articles=tuple((name, rng.randrange(1, 3)) for name in names)),
            ArticleJudged(agent=agent, article=names[0], version=1, useful=rng.random() < 0.5, at=wall),
        ]
        city = rng.choice([OWNING, SERVING])
        found.append(
            Journalled(
                node=city,
                lineage=LineageId("000000aa"),
                sequence=sequence,
                wall=wall,
                mono=0.0,
                boot="b",
                row=rng.choice(kinds),
            )
        )
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 1.0, 12.0, 60.0]))
def test_any_order_with_late_and_doubled_rows_and_readers_between(seed: int, scale: float) -> None:
    """Rows that disks lost and that came back, items of more than 400 days, services that are not here; a hub that is
    started again. Whenever somebody asks, the answer is that of a count from the beginning.
    """
    rng, province = Random(seed), play(seed)
    items = {one.row.item for one in province.rows() if isinstance(one.row, WorkStepped | WorkRequested)}
    services = {item: rng.choice(SERVICES) for item in sorted(items)}
    rows = [
        *stretched(province.owning.ever, scale, services, rng),
        *(row for node in province.asking.values() for row in stretched(node.ever, scale, services, rng)),
    ]
    rows += of_knowledge(max(one.wall for one in rows) + DAY, rng)
    shuffled = rows + rng.sample(rows, len(rows) // 2)
    if rng.random() < 0.7:
        rng.shuffle(shuffled)
    hub = Hub()
    until = max(one.wall for one in rows)

    def ask() -> None:
        begin = day_of(NOW + rng.uniform(-2 * DAY, until - NOW + 30 * DAY))
        last = begin + timedelta(days=rng.choice([0, 0, 1, 6, 30, 365]))
        city = rng.choice([None, None, OWNING, SERVING, THIRD])
        walls = [until + rng.random() * 60 * DAY, rng.uniform(NOW, until), midnight(last) + 13 * HOUR]
        hub.holds_to_the_reference(begin, last, city, max(midnight(begin), rng.choice(walls)))

    for at, row in enumerate(shuffled):
        hub.take(row)
        if rng.random() < 0.05:
            hub.clock.advance(AFTER_S + 1.0)
        if rng.random() < 0.02:
            hub.again()
        if at % max(1, len(shuffled) // 3) == 0:
            ask()
    for _ in range(4):
        ask()


def test_an_item_opened_too_long_ago_for_a_report_is_one_that_cannot_be_told() -> None:
    """As ever: its rows before are not looked at; nor is it among what is open. A report of earlier days has it."""
    hub = Hub()
    steps = begun(FAULT, form_for(FAULT)), acted("test", NOW + 430 * DAY, test_result="break")
    for row in rows_of(FAULT, *steps):
        hub.take(row)
    day, wall = day_of(NOW + 430 * DAY), NOW + 440 * DAY
    told = now_of(hub.figures.services(day, day, None, wall))
    assert (told.sums, told.standing, told.untold) == ({}, {}, {GUANGZHOU: 1})
    before = day_of(NOW + BEFORE_S - 2 * DAY)
    assert now_of(hub.figures.services(before, before, None, wall)).standing == {(GUANGZHOU, "fault"): (1, 1)}
    for first, last in ((day, day), (before, before), (before, day)):
        hub.holds_to_the_reference(first, last, None, wall)


def test_when_the_order_of_runs_becomes_known_their_items_are_counted_anew() -> None:
    """The customer withdrew, the city's disk lost that, and it was pressed for: what was first stands. Until the
    opening of that run is here, which says what it follows, the smaller name goes first.
    """
    hub = Hub()
    steps = acted("withdraw", NOW + HOUR), Pressed(at=NOW + 2 * HOUR, by=actor("supervisor"), note="x")
    opened, withdrawn, pressed = rows_of(FAULT, begun(FAULT, form_for(FAULT)), *steps)
    before, after = LineageId("0000000b"), LineageId("0000000a")
    for row in (opened, withdrawn):
        hub.take(msgspec.structs.replace(row, lineage=before))
    hub.take(msgspec.structs.replace(pressed, lineage=after))
    day = day_of(NOW)
    hub.holds_to_the_reference(day, day, None, NOW + DAY)
    assert now_of(hub.figures.services(day, day, None, NOW + DAY)).sums["fault", GUANGZHOU].pressed == 1
    run = LineageOpened(node=GUANGZHOU, previous=before, previous_head=2)
    hub.take(msgspec.structs.replace(pressed, lineage=after, sequence=1, row=run))
    hub.holds_to_the_reference(day, day, None, NOW + DAY)
    assert now_of(hub.figures.services(day, day, None, NOW + DAY)).sums["fault", GUANGZHOU].pressed == 0


def test_a_version_of_a_service_that_comes_is_counted_and_a_changed_calendar_counts_anew() -> None:
    without = Offering(
        Catalogue({name: one for name, one in catalogue().services.items() if name != "fault"}), calendar()
    )
    hub = Hub(without)
    for row in rows_of(FAULT, begun(FAULT, form_for(FAULT)), acted("withdraw", NOW + HOUR)):
        hub.take(row)
    day = day_of(NOW)
    assert now_of(hub.figures.services(day, day, None, NOW + DAY)).untold == {GUANGZHOU: 1}
    hub.again(OFFERED)
    told = now_of(hub.figures.services(day, day, None, NOW + DAY))
    assert (told.untold, told.sums["fault", GUANGZHOU].cancelled + told.sums["fault", GUANGZHOU].unfounded) == ({}, 1)
    hub.again(Offering(catalogue(), type(calendar())(((),) * 7, {})))
    hub.holds_to_the_reference(day, day, None, NOW + DAY)


def test_with_another_ledger_it_is_counted_anew() -> None:
    """A hub whose ledger was lost or brought back from a copy gets its rows again, in another order."""
    hub = Hub()
    rows = rows_of(FAULT, begun(FAULT, form_for(FAULT)), acted("withdraw", NOW + HOUR))
    for row in rows:
        hub.take(row)
    day = day_of(NOW)
    hub.holds_to_the_reference(day, day, None, NOW + DAY)
    hub.ledger = MemoryLedger()
    hub.store = MemoryLedgerStore(hub.ledger, hub.clock, commit_s=0.0)
    hub.again()
    hub.take(rows[1])
    hub.holds_to_the_reference(day, day, None, NOW + DAY)
    hub.take(rows[0])
    hub.holds_to_the_reference(day, day, None, NOW + DAY)


class Slow(MemoryLedgerStore):
    """A ledger that answers when the test lets it, until it ``runs``."""

    runs = False

    def __init__(self, ledger: MemoryLedger, clock: VirtualClock) -> None:
        super().__init__(ledger, clock, commit_s=0.0)
        self.held: list[tuple[Deferred[Any], list[tuple[int, Journalled]]]] = []

    def rows_at(self, places: Any) -> Deferred[list[tuple[int, Journalled]]]:
        answer: Deferred[list[tuple[int, Journalled]]] = Deferred()
        self.held.append((answer, now_of(super().rows_at(places))))
        if self.runs:
            self.go_on()
        return answer

    def go_on(self) -> None:
        answer, rows = self.held.pop()
        answer.callback(rows)


def test_who_asks_while_much_is_to_be_counted_is_told_how_far_it_is() -> None:
    """After ten seconds, by a refusal with a name of its own; once it is counted, the same question is answered."""
    hub = Hub()
    for at in range(ITEMS_AT_ONCE + 1):
        item = WorkItemId(f"w-0020-aaaaaaaa-{at:06x}")
        [row] = rows_of(FAULT, msgspec.structs.replace(begun(FAULT, form_for(FAULT)), item=item), item=item)
        hub.take(msgspec.structs.replace(row, sequence=at + 1))
    hub.store = slow = Slow(hub.ledger, hub.clock)
    hub.again()
    day = day_of(NOW)
    answer = hub.figures.services(day, day, None, NOW)
    slow.go_on()
    hub.clock.advance(WAITS_S - 0.1)
    assert not answer.called
    hub.clock.advance(0.2)
    with pytest.raises(Refused) as refused:
        now_of(answer)
    [problem] = refused.value.problems
    assert (refused.value.status, problem.slug) == (503, "still-counting")
    assert "99% of the items" in problem.text("en")
    slow.runs = True
    slow.go_on()
    told = now_of(hub.figures.services(day, day, None, NOW + HOUR))
    assert told.sums["fault", GUANGZHOU].opened == ITEMS_AT_ONCE + 1


def test_what_comes_is_counted_soon_without_being_asked_for() -> None:
    hub = Hub()
    hub.figures.start()
    for row in rows_of(FAULT, begun(FAULT, form_for(FAULT))):
        hub.take(row)
    assert hub.figures.behind == (0, 0)
    hub.clock.advance(AFTER_S + 1.0)
    assert hub.table.read(
        lambda file: file.execute("SELECT count(*) FROM items WHERE NOT stale").fetchone()
    ).result == (1,)


def test_how_far_counting_is_behind_is_the_age_of_the_oldest_row_that_waits() -> None:
    hub = Hub()
    hub.figures.start()
    assert hub.figures.behind_s == 0.0
    [row, *_] = rows_of(FAULT, begun(FAULT, form_for(FAULT)))
    hub.take(row)
    hub.clock.advance(10.0)
    assert hub.figures.behind_s == pytest.approx(10.0)
    hub.clock.advance(AFTER_S - 9.0)
    assert hub.figures.behind_s == 0.0


def test_how_far_counting_is_behind_grows_while_the_ledger_does_not_answer() -> None:
    hub = Hub()
    [row, *_] = rows_of(FAULT, begun(FAULT, form_for(FAULT)))
    hub.take(row)
    hub.store = slow = Slow(hub.ledger, hub.clock)
    hub.again()
    hub.figures.start()
    hub.clock.advance(100.0)
    assert hub.figures.behind_s == pytest.approx(100.0)
    slow.runs = True
    slow.go_on()
    assert hub.figures.behind_s == 0.0


def test_a_stop_refuses_whoever_waits() -> None:
    hub = Hub()
    hub.take(Journalled(
        node=GUANGZHOU, lineage=LineageId("0000000a"), sequence=1, wall=NOW, mono=0.0, boot="b",
        row=LineageOpened(node=GUANGZHOU, previous=None, previous_head=0),
    ))  # fmt: skip
    now_of(hub.figures.stop())
    with pytest.raises(Refused):
        now_of(hub.figures.handled(day_of(NOW), day_of(NOW)))


def test_on_disk_what_an_older_version_could_not_read_is_counted_after_the_upgrade(tmp_path: Path) -> None:
    """Behind what was counted before it, though it came first."""
    calls, clock = ThreadCalls(), VirtualClock(wall0=NOW)
    rows = rows_of(FAULT, begun(FAULT, form_for(FAULT)), acted("withdraw", NOW + HOUR))
    day = day_of(NOW)

    def of(result: Deferred[T]) -> T:
        found: list[T] = []
        result.addCallback(found.append)

        def fired() -> bool:
            clock.advance(0.0)
            return bool(found)

        calls.until(fired)
        return found[0]

    for readable in (rows[1:], rows):
        store = SqliteLedgerStore(tmp_path / "ledger.sqlite", calls)
        if readable is not rows:
            entries = tuple(
                ReceivedEntry(number, ROW_BYTES.encode(row), row if row in readable else None)
                for number, row in enumerate(rows, 1)
            )
            committed: Deferred[Any] = Deferred()
            store.commit(Batch(NodeId(GUANGZHOU), rows[0].lineage, entries, len(rows)), committed.callback)
            of(committed)
        figures = WorkFigures(FileTable(tmp_path / "figures.sqlite", calls), store, OFFERED, clock)
        told = of(figures.services(day, day, None, NOW + DAY))
        assert told == Recounted(readable, OFFERED).services(day, day, None, NOW + DAY)
        of(figures.stop())
        of(store.stop())


def test_on_disk_a_run_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    """The forms that a hub has: rows that came while the figures were away are counted, the others stand."""
    calls, clock = ThreadCalls(), VirtualClock(wall0=NOW)
    store = SqliteLedgerStore(tmp_path / "ledger.sqlite", calls)
    rows = rows_of(FAULT, begun(FAULT, form_for(FAULT)), acted("withdraw", NOW + HOUR))
    day = day_of(NOW)

    def of(result: Deferred[T]) -> T:
        found: list[T] = []
        result.addCallback(found.append)

        def fired() -> bool:
            clock.advance(0.0)
            return bool(found)

        calls.until(fired)
        return found[0]

    for number, row in enumerate(rows, 1):
        committed: Deferred[Any] = Deferred()
        entry = ReceivedEntry(number, ROW_BYTES.encode(row), row)
        store.commit(Batch(NodeId(GUANGZHOU), row.lineage, (entry,), number), committed.callback)
        of(committed)
        figures = WorkFigures(FileTable(tmp_path / "figures.sqlite", calls), store, OFFERED, clock)
        told = of(figures.services(day, day, None, NOW + DAY))
        assert told == Recounted(rows[:number], OFFERED).services(day, day, None, NOW + DAY)
        with pytest.raises(Refused, match="figures-in-use"):
            FileTable(tmp_path / "figures.sqlite", calls)
        of(figures.stop())
    of(store.stop())
