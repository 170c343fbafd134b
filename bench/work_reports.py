"""Reports of work at a large province's hub: each against a count of all rows anew, and how long the reactor waits.

    python -m bench.work_reports [--items N] [--days D] [--directory DIR] [--no-peer]

A ledger is filled with N work items over D days, some rows each, of cities and services as they come. They are counted
from the beginning, as after an upgrade; then each report is asked for, for spans of days. The peer reads the rows of
400 days into memory and folds them, as reports did before there were figures. While something runs, a timer asks for
the reactor every millisecond: ``held_ms`` and ``worked_ms`` are those of ``bench.output.watch``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, timedelta
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from bench.output import say
from bench.output.watch import Watch
from dataset.calendar import midnight
from dataset.ids import AgentId, CityId, LineageId, NodeId
from dataset.rows import ROW_BYTES, Journalled, LineageOpened, WorkStepped
from dataset.services.service import Service
from dataset.work import Acted, Actor, AnyStep, Assigned, Noted, Opened, WorkItemId, item_of, request_id
from federation.core.ledger import Batch, ReceivedEntry
from federation.core.service_fold import ServiceFold
from federation.node.clock import ReactorClock
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.offering import Offering, load_offering
from federation.node.program import answer_promptly
from federation.node.province import load_province
from provincial_hub.core.work_figures import BEFORE_S
from provincial_hub.shell.figures_table import FileTable
from provincial_hub.shell.work_figures import WorkFigures

reactor: Any = _reactor
PROVINCE = Path(__file__).parents[1] / "conf/province.toml"
Found = dict[str, dict[str, Any]]
"""by what was done: its seconds, and how long the reactor was held"""
LINEAGE = LineageId("7f3a9c21")
LAST = date(2026, 11, 26)
OF_OTHERS = 0.1
"""share of items that another city took in"""
STAY_OPEN = 0.01
ROWS_A_BATCH = 2_000


class Items:
    """The rows of many items, in the order of time."""

    def __init__(self, cities: list[CityId], offering: Offering, items: int, days: int, rng: Random) -> None:
        self._cities = cities
        self._services = [one for one in offering.catalogue if one.makes_work]
        self._rng = rng
        self._items = items
        self._begin = midnight(LAST - timedelta(days=days - 1))
        self._days = days

    def rows(self) -> Iterator[tuple[float, CityId, WorkStepped]]:
        """With the time and the owning city of each."""
        waiting: list[tuple[float, int, CityId, WorkStepped]] = []
        number = 0
        for at in range(self._items):
            opened_at = self._begin + self._days * 86_400.0 * at / self._items
            while waiting and waiting[0][0] <= opened_at:
                moment, _, city, row = heappop(waiting)
                yield moment, city, row
            owning = self._rng.choice(self._cities)
            for moment, row in self._item(at, owning, opened_at):
                number += 1
                heappush(waiting, (moment, number, owning, row))
        end = self._begin + self._days * 86_400.0
        while waiting and waiting[0][0] < end:
            moment, _, city, row = heappop(waiting)
            yield moment, city, row

    def _item(self, number: int, owning: CityId, at: float) -> Iterator[tuple[float, WorkStepped]]:
        rng, service = self._rng, self._rng.choice(self._services)
        serving = rng.choice(self._cities) if rng.random() < OF_OTHERS else owning
        request = request_id("20", LINEAGE, number)
        by = Actor(agent=AgentId(f"10{number % 100:02d}@{serving}"), role="agent", city=serving)
        values = {field.id: "中山五路 1 号" for field in service.text.fields if field.required}
        steps: list[AnyStep] = [
            Opened(
                at=at,
                item=item_of(request),
                service=service.reference,
                owning=owning,
                customer=f"c{number}",
                line=f"020{number % 100_000_000:08d}",
                values=dict(values),
                by=by,
                collected_fen=rng.choice([0, 2_000]),
            )
        ]
        stays = rng.random() < STAY_OPEN
        for step in self._way(service, by, at, stays):
            at = step.at
            steps.append(step)
        for one in steps:
            yield (
                one.at,
                WorkStepped(
                    item=WorkItemId(item_of(request)),
                    request=request if isinstance(one, Opened) else None,
                    serving=serving if isinstance(one, Opened) else owning,
                    service=service.reference,
                    step=one,
                    handling_fen=service.handling_fen if serving != owning and isinstance(one, Opened) else 0,
                ),
            )

    def _way(self, service: Service, by: Actor, at: float, stays: bool) -> Iterator[AnyStep]:
        """On to an ending by actions as they come, each given to somebody."""
        state = service.begins.id
        for _ in range(3):
            at += self._rng.expovariate(1 / 50_000.0) + 60.0
            meanwhile: list[AnyStep] = [Assigned(at=at, to=by.agent), Noted(at=at, by=by, note="已联系客户，改期上门")]
            yield self._rng.choice(meanwhile)
            actions = [one for one in service.actions.values() if state in one.from_]
            if stays or not actions:
                return
            action = self._rng.choice(actions)
            at += self._rng.expovariate(1 / 50_000.0) + 60.0
            yield Acted(at=at, action=action.id, by=by, note="x")
            state = action.to
            if service.states[state].ends is not None:
                return


async def measured(name: str, work: Callable[[], Awaitable[Any]], found: Found, clock: ReactorClock) -> Any:
    """What ``work`` comes to; its time and how long the reactor was held are added to ``found``."""
    await _pause(clock)
    began, processor = time.perf_counter(), time.process_time()
    with Watch() as watch:
        result = await work()
        await _pause(clock)
    found[name] = {
        "s": round(time.perf_counter() - began, 3),
        "processor_s": round(time.process_time() - processor, 3),
        **watch.found(),
        "most_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return result


def _pause(clock: ReactorClock, seconds: float = 0.005) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    clock.call_later(seconds, done.callback, None)
    return done


async def fill(store: SqliteLedgerStore, items: Items, clock: ReactorClock) -> int:
    """Write all rows of ``items``; how many."""
    sequences: dict[CityId, int] = {}
    waiting: dict[CityId, list[ReceivedEntry]] = {}
    count = 0

    async def commit(city: CityId) -> None:
        entries = waiting.pop(city, [])
        done: Deferred[Any] = Deferred()
        store.commit(Batch(NodeId(city), LINEAGE, tuple(entries), entries[-1].number), done.callback)
        await done

    def put(city: CityId, wall: float, row: Any) -> None:
        sequences[city] = sequence = sequences.get(city, 0) + 1
        one = Journalled(node=city, lineage=LINEAGE, sequence=sequence, wall=wall, mono=0.0, boot="b", row=row)
        waiting.setdefault(city, []).append(ReceivedEntry(sequence, ROW_BYTES.encode(one), one))

    for wall, city, row in items.rows():
        if city not in sequences:
            put(city, wall, LineageOpened(node=NodeId(city), previous=None, previous_head=0))
        put(city, wall, row)
        count += 1
        if len(waiting[city]) >= ROWS_A_BATCH:
            await commit(city)
    for city in list(waiting):
        await commit(city)
    return count


async def run(options: argparse.Namespace, directory: Path) -> None:
    """Fill, count, ask."""
    province, package = load_province(PROVINCE)
    offering = load_offering(PROVINCE, province, package)
    cities = [CityId(f"city{at:02d}") for at in range(options.cities)]
    clock = ReactorClock(reactor)
    store = SqliteLedgerStore(directory / "ledger.sqlite", reactor)
    rows = await fill(store, Items(cities, offering, options.items, options.days, Random(options.seed)), clock)
    figures = WorkFigures(FileTable(directory / "figures.sqlite", reactor), store, offering, clock)
    found: Found = {}

    async def count() -> None:
        figures.start()
        while figures.counting:
            await _pause(clock)

    await measured("nothing, for two seconds", lambda: _pause(clock, 2.0), found, clock)
    await measured("count everything, once", count, found, clock)
    wall = midnight(LAST + timedelta(days=1)) - 3_600.0
    month = LAST.replace(day=1)
    spans = {"a day": LAST, "a month": month, "a year": LAST - timedelta(days=365)}
    for name, first in spans.items():
        ask = partial(figures.services, first, LAST, None, wall)
        await measured(f"services, {name}", ask, found, clock)
    last = month - timedelta(days=1)
    await measured(
        "services, the month before", lambda: figures.services(last.replace(day=1), last, None, wall), found, clock
    )
    await measured("settlement, a month", lambda: figures.handled(last.replace(day=1), last), found, clock)
    await measured(
        "questions, a month", lambda: figures.questions(offering.unanswered, month, LAST, None, wall, 200), found, clock
    )
    if not options.no_peer:

        async def anew() -> None:
            begin = midnight(month)
            work = (*await store.standing(), *await store.work_since(begin - BEFORE_S))
            fold = ServiceFold(offering.catalogue.versions.__getitem__, offering.calendar, work)
            fold.parts(begin, wall)
            fold.standing(wall)
            fold.untold(begin, wall)

        await measured("all rows anew, services of a month", anew, found, clock)
    await figures.stop()
    await store.stop()
    sizes = {file.name: round(file.stat().st_size / 1e6) for file in directory.glob("*.sqlite")}
    say(
        {
            "bench": "work_reports",
            "items": options.items,
            "rows": rows,
            "cities": options.cities,
            "days": options.days,
            "megabytes": sizes,
            "measured": found,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, metavar="N", help="work items (20000)")
    parser.add_argument("--days", type=int, default=400, metavar="D", help="over which they are spread (400)")
    parser.add_argument("--cities", type=int, default=14, metavar="N", help="that own them (14)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="for the files; it must be empty (a new one)")
    parser.add_argument("--no-peer", action="store_true", help="no count of all rows anew, which needs much memory")
    options = parser.parse_args()
    failed: list[Any] = []
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        running = Deferred.fromCoroutine(run(options, Path(directory)))
        running.addErrback(failed.append).addBoth(lambda _: reactor.callWhenRunning(reactor.stop))
        answer_promptly()
        reactor.run()
    for failure in failed:
        failure.raiseException()


if __name__ == "__main__":
    main()
