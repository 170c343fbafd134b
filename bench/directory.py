"""How long directory enquiry takes among a million entries in the SQLite store, by kind of question.

Each question's first page is timed, and given as a multiple of a bare get by key. The gets are a part of the same run
for themselves: right behind a question they would wait for what it left to be done. ``cpu`` figures are processor time
of all threads, which a busy machine changes little. ``more`` is the share of answers that could not be looked through
to the end. Run:
``python -m bench.directory [--entries N] [--questions N] [--directory DIR]``; a directory that is named is kept and
used again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bench.output import say
from dataset.ids import CityId, NodeId
from dataset.puts import LARGEST_BATCH, Put
from dataset.records.directory import DIRECTORY, DirectoryEntry, spelled
from federation.node.clock import ReactorClock
from federation.node.login import Actor
from federation.node.program import answer_promptly
from federation.node.store_sqlite import SqliteStore
from simulation.population.material import Weighted, material
from simulation.population.people import draw_company, draw_person
from site_node.services.area_codes import AreaCodes
from site_node.services.directory import DirectoryService

CITY = CityId("guangzhou")
SEED = 7
COMPANIES = 0.1
"""of all who are drawn; they have about a third of the numbers"""
UNLISTED = 0.3
SAMPLED = 5_000
"""entries of which questions are made"""
SETTLING = 5
"""gets that are not counted, behind the questions of each kind"""
ASKING = Actor("bench", None, "bench", frozenset({"supervisor"}), NodeId(CITY))


def entries(count: int) -> Iterator[DirectoryEntry]:
    """So many entries of one city, as ``simulation.population`` draws people and companies."""
    rng, found = Random(SEED), material()
    city = found.cities[CITY]
    districts = Weighted.of(city.districts, [one.share for one in city.districts])
    made = 0
    while made < count:
        district = districts.draw(rng)
        street = district.streets.draw(rng)
        if rng.random() < COMPANIES:
            company = draw_company(rng, found.companies, found.names, city, district, street)
            names = [company.name, *(f"{company.name}{part}" for part in company.trade.departments)]
            several = [(name, company.aliases if name == company.name else ()) for name in names]
            category, unlisted = company.trade.code, False
        else:
            several = [(draw_person(rng, found.names, city).name, ())]
            category, unlisted = "", rng.random() < UNLISTED
        house = f"{rng.randrange(1, 900)}号"
        for name, aliases in several[: count - made]:
            yield spelled(
                DirectoryEntry(
                    city=CITY,
                    number=f"020{20_000_000 + made}",
                    name=name,
                    aliases=aliases,
                    category=category,
                    district=district.name,
                    street=street,
                    house=house,
                    unlisted=unlisted,
                )
            )
            made += 1


def questions(kind: str, of: DirectoryEntry, rng: Random) -> str:
    """A question of this kind that ``of`` answers."""
    bare = of.district.removesuffix("区")
    middle = rng.randrange(1, max(2, len(of.name) - 4))
    return {
        "name": of.name,
        "beginning": of.name[:5],
        "part": of.name[middle : middle + 4],
        "pinyin": of.pinyin,
        "initials": of.initials[0],
        "initials_begin": of.initials[0][:4],
        "name_district": f"{of.name} {bare}",
        "part_district": f"{bare} {of.name[middle : middle + 4]}",
        "part_street": f"{of.name[middle : middle + 4]} {of.street}",
        "initials_tianhe": f"{of.initials[0][:5]} tianhe",
        "number": of.number.removeprefix("020"),
        "trade_district": f"{bare} 医院",
        "surname": of.name[0],
        "initial": of.initials[0][0],
        "trade": "学校",
    }[kind]


ORDINARY = {
    "name": "all", "beginning": "firms", "part": "firms", "pinyin": "all", "initials": "all",
    "initials_begin": "firms", "name_district": "all", "part_district": "firms", "part_street": "firms",
    "initials_tianhe": "firms", "number": "all",
}  # fmt: skip
BROAD = {"trade_district": "firms", "surname": "persons", "initial": "all", "trade": "firms"}
"""questions that thousands answer"""


async def load(store: SqliteStore, count: int) -> None:
    """Put ``count`` entries, a few batches ahead of the disk."""
    made, waiting = entries(count), list[Deferred[Any]]()
    while batch := [Put(DIRECTORY, one) for one in islice(made, LARGEST_BATCH)]:
        waiting.append(store.put(batch))
        if len(waiting) > 4:
            await waiting.pop(0)
    for one in waiting:
        await one


async def measure(folder: Path, count: int, asked: int) -> None:
    """Print a table and one JSON line."""
    clock = ReactorClock(reactor)
    path = folder / f"directory-{count}.sqlite"
    began, new = time.perf_counter(), not path.exists()
    store = SqliteStore(path, NodeId(CITY), [DIRECTORY], reactor)  # type: ignore[arg-type]
    if new:
        await load(store, count)
    loaded_s = time.perf_counter() - began
    service = DirectoryService(CITY, store, AreaCodes({"020": CITY}), clock)
    answer_promptly()
    rng = Random(SEED)
    listed = [one for one in islice(entries(count), SAMPLED) if not one.unlisted]
    of = {
        "all": listed,
        "firms": [one for one in listed if one.category and len(one.name) > 5],
        "persons": [one for one in listed if not one.category],
    }
    gets: list[float] = []
    gets_worked: list[float] = []
    shown: dict[str, dict[str, float]] = {}
    for kind, among in {**ORDINARY, **BROAD}.items():
        took, worked, more, found = [], [], 0, 0
        for _ in range(asked):
            entry = rng.choice(of[among])
            text = questions(kind, entry, rng)
            between, before = time.perf_counter(), time.process_time()
            answer = await service.look(ASKING, text, CITY)
            took.append(time.perf_counter() - between)
            worked.append(time.process_time() - before)
            more += answer.more
            found += len(answer.entries)
        shown[kind] = {
            **_both(took, worked),
            "more": round(more / asked, 2),
            "found": round(found / asked, 1),
        }
        for n in range(asked + SETTLING):
            at, begun = time.perf_counter(), time.process_time()
            await store.get(DIRECTORY, (CITY, rng.choice(listed).number))
            if n >= SETTLING:
                gets.append(time.perf_counter() - at)
                gets_worked.append(time.process_time() - begun)
    bare = _both(gets, gets_worked)
    for figures in shown.values():
        figures |= {f"{name}_ratio": round(figures[f"{name}_ms"] / bare[f"{name}_ms"], 1) for name in _NAMES}
    size = sum(one.stat().st_size for one in folder.glob(f"{path.name}*"))
    say(
        {
            "bench": "directory",
            "entries": count,
            "load_s": round(loaded_s, 1) if new else None,
            "file_mb": round(size / 1e6),
            "get": bare,
            "ordinary": {kind: shown[kind] for kind in ORDINARY},
            "broad": {kind: shown[kind] for kind in BROAD},
        }
    )
    await store.stop()


_NAMES = ("p50", "p99", "cpu_p50", "cpu_p99")


def _both(took: list[float], worked: list[float]) -> dict[str, float]:
    return {**_figures(took), **{f"cpu_{name}": value for name, value in _figures(worked).items()}}


def _figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        f"p{share}_ms": round(1e3 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 3)
        for share in (50, 99)
    }


def main() -> None:
    """Measure in a temporary directory, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=300, help="of each kind")
    parser.add_argument("--directory", type=Path, help="where the store is kept, and found again")
    arguments = parser.parse_args()

    async def run() -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.directory or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            await measure(folder, arguments.entries, arguments.questions)

    def ended(outcome: object) -> None:
        if isinstance(outcome, Failure):
            outcome.printTraceback()
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run()).addBoth(ended))
    reactor.run()


if __name__ == "__main__":
    main()
