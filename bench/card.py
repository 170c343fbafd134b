"""How long a seat waits for a customer's card: of its own city, and of another one over a line of given round trip.

A whole province runs in one process in real time, with its records in SQLite files, journals included, since each look
goes on record; only the lines between the cities are simulated (``federation.links.inprocess``), so that their round
trip is known. Each question goes through the agent API, one after another and all kinds in turn:

    card_here            the own city's store
    card_there           the owning city, by ``lookup`` over the line, and what is known here beside it
    directory_here       114 of the own city, for comparison
    directory_copy       114 of another city, from the copy that came here by way of the hub (``copied``: the share of
                         answers that were of it; waited for before anything is measured, two minutes or so)
    directory_there      114 of another city for what is not in the copy, which is asked there

``*_trips``: in multiples of the line's round trip, below which no answer of another city can come. ``cpu_*``: processor
time of all cities and threads together. One round trip of the line carries the question there and the answer back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from bench.output import say
from dataset.calendar import day_of
from dataset.ids import CityId, NodeId
from dataset.records.directory import DirectoryEntry
from dataset.records.line import Line, LineStatus
from federation.node.clock import ReactorClock
from federation.node.live import LiveLimits
from federation.node.logs import LogSettings, start_logging
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.number_plan import load_plan
from federation.node.offering import load_offering
from federation.node.program import answer_promptly
from federation.node.province import load_province
from simulation.population.customers import Population
from simulation.population.filling import Filling
from simulation.population.material import material
from simulation.province import SimulatedProvince, lead_of, password_of
from simulation.storage import FileStorage

reactor: Any = _reactor
PROVINCE = Path(__file__).parents[1] / "conf" / "province.toml"
HERE, THERE = CityId("guangzhou"), CityId("shenzhen")
SEED = 7
UNLIMITED = LiveLimits(per_second=1e6, burst=1e6)
SETTLES_S = 3.0
"""beats of a few seconds, after which everybody is in sight"""
COPIED_WITHIN_S = 240.0


@dataclass
class Known:
    """Whom questions are about, in one city."""

    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """of firms in the directory"""


Ask = Callable[[Random, Mapping[CityId, Known]], tuple[str, dict[str, Any]]]
KINDS: dict[str, Ask] = {
    "card_here": lambda rng, of: ("card", {"line": rng.choice(of[HERE].lines)}),
    "card_there": lambda rng, of: ("card", {"line": rng.choice(of[THERE].lines), "city": THERE}),
    "directory_here": lambda rng, of: ("directory", {"text": rng.choice(of[HERE].names)}),
    "directory_copy": lambda rng, of: ("directory", {"text": rng.choice(of[THERE].names), "city": THERE}),
    "directory_there": lambda rng, of: ("directory", {"text": f"{rng.choice(of[THERE].names)}无", "city": THERE}),
}
"""by name: an operation of the agent API and its fields"""


@dataclass
class Figures:
    """What one kind of question has shown over one line."""

    took: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    copied: int = 0

    def summary(self, trip_s: float) -> dict[str, float]:
        p50, p99 = _quantiles(self.took)
        cpu_p50, cpu_p99 = _quantiles(self.worked)
        return {
            "p50_ms": round(1e3 * p50, 1),
            "p99_ms": round(1e3 * p99, 1),
            "p50_trips": round(p50 / trip_s, 2),
            "p99_trips": round(p99 / trip_s, 2),
            "cpu_p50_ms": round(1e3 * cpu_p50, 2),
            "cpu_p99_ms": round(1e3 * cpu_p99, 2),
            "copied": round(self.copied / len(self.took), 2),
        }


def _quantiles(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


async def populate(storage: FileStorage, clock: ReactorClock, lines: int) -> dict[CityId, Known]:
    """Customers in both cities, on record there before they start."""
    population = Population(material(), SEED, 2 * lines, [HERE, THERE], today=day_of(clock.wall()))
    stores = {city: storage.records(NodeId(city)) for city in (HERE, THERE)}
    await Filling(population, stores, clock).start()
    for store in stores.values():
        await store.stop()
    known = {HERE: Known(), THERE: Known()}
    for city, of in known.items():
        for put in chain.from_iterable(one.records() for one in population.subscribers(city)):
            match put.record:
                case Line(status=status, service="install_line") as line if status is not LineStatus.CEASED:
                    of.lines.append(line.number)
                case DirectoryEntry(unlisted=False) as entry if entry.category:
                    of.names.append(entry.name)
                case _:
                    pass
    return known


async def at_a_desk(world: SimulatedProvince, clock: ReactorClock) -> ClientEnd:
    """A supervisor of one city, who may look at every customer."""
    door = MemoryDoor(world.sites[HERE].desk.door, clock, limits=UNLIMITED)
    answer = await door.login(lead_of(HERE), password_of(lead_of(HERE)))
    end = door.open()
    await end.send("attach", token=answer["token"])
    return end


async def copied(end: ClientEnd, known: Mapping[CityId, Known]) -> None:
    """Wait until the other city's directory has come here. Raises ``TimeoutError``."""
    print(f"waiting for the copy of the directory of {THERE} …", file=sys.stderr, flush=True)
    until = time.monotonic() + COPIED_WITHIN_S
    operation, fields = KINDS["directory_copy"](Random(SEED), known)
    while not any(part["copy"] for part in (await end.send(operation, **fields))["parts"]):
        if time.monotonic() > until:
            raise TimeoutError(f"no copy of the directory of {THERE} came within {COPIED_WITHIN_S:.0f} s")
        await deferLater(reactor, 1.0)


async def measure(folder: Path, trips_ms: list[float], asked: int, lines: int) -> dict[str, Any]:
    start_logging("bench", LogSettings(level="error"))
    clock = ReactorClock(reactor)
    province, package = load_province(PROVINCE)
    storage = FileStorage(folder, clock, reactor)
    known = await populate(storage, clock, lines)
    world = SimulatedProvince(
        province,
        package,
        clock,
        Random(SEED),
        storage=storage,
        with_records=True,
        plan=load_plan(PROVINCE),
        offering=load_offering(PROVINCE, province, package),
    )
    world.start()
    end = await at_a_desk(world, clock)
    answer_promptly()
    await deferLater(reactor, SETTLES_S)
    await copied(end, known)
    shown: dict[str, Any] = {"bench": "card", "lines_each": lines, "asked": asked}
    for trip_ms in trips_ms:
        for pair in ((HERE, THERE), (THERE, HERE)):
            world.wires.line(NodeId(pair[0]), NodeId(pair[1])).delay_s = trip_ms / 2e3
        figures = await ask_all(end, known, asked)
        shown[f"trip_{trip_ms:g}_ms"] = {kind: one.summary(trip_ms / 1e3) for kind, one in figures.items()}
    end.close()
    await world.stop()
    return shown


async def ask_all(end: ClientEnd, known: Mapping[CityId, Known], asked: int) -> dict[str, Figures]:
    """``asked`` questions of each kind, in turn."""
    rng, figures = Random(SEED), {kind: Figures() for kind in KINDS}
    for _ in range(asked):
        for kind, ask in KINDS.items():
            operation, fields = ask(rng, known)
            began, before = time.perf_counter(), time.process_time()
            answer = await end.send(operation, **fields)
            figures[kind].took.append(time.perf_counter() - began)
            figures[kind].worked.append(time.process_time() - before)
            figures[kind].copied += any(part.get("copy", False) for part in answer["parts"])
            if answer["missing"]:
                raise RuntimeError(f"{kind}: a part is missing: {answer['missing']}")
    return figures


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", default="20,100", help="round trips of the line to measure, in ms; default 20,100")
    parser.add_argument("--questions", type=int, default=300, help="of each kind and round trip")
    parser.add_argument("--lines", type=int, default=1_000, help="telephone lines on record in each of the two cities")
    chosen = parser.parse_args()
    trips_ms = [float(one) for one in chosen.trips.split(",")]
    failed = []

    async def run(folder: Path) -> None:
        say(await measure(folder, trips_ms, chosen.questions, chosen.lines))

    def ended(outcome: object) -> None:
        if isinstance(outcome, Failure):
            outcome.printTraceback()
            failed.append(outcome)
        reactor.stop()

    with tempfile.TemporaryDirectory() as temporary:
        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(Path(temporary))).addBoth(ended))
        reactor.run()
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
