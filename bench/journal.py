"""How fast the journal writes on this machine's disk: rows per second, and how long a row waits for its sync.

Offered load is an open stream of groups of three rows (what one event of a call writes), at several rates and then as
fast as it goes. Run: ``python -m bench.journal [--directory DIR] [--seconds S]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bench.output import say
from dataset.ids import CityId, ContactId, LineageId, NodeId, SkillId
from dataset.rows import ContactBorn, Entered, MenuChosen, QueueEntered
from federation.node.clock import ReactorClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal

HUB = "hub"


def rows_of(number: int) -> list[tuple[ContactBorn | MenuChosen | QueueEntered, tuple[str, ...]]]:
    contact = ContactId(f"0020-7f3a9c21-{number:06x}")
    born = ContactBorn(
        contact=contact,
        city=CityId("guangzhou"),
        channel="voice",
        door="10000",
        calling="13800000001",
        connection=f"c{number}",
        package="yihaotong@3",
    )
    menu = MenuChosen(contact=contact, path=("1", "2"), service="fault", skill=SkillId("fault"), priority=5)
    queue = QueueEntered(
        contact=contact, skill=SkillId("fault"), service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0
    )
    return [(born, (HUB,)), (menu, (HUB,)), (queue, (HUB,))]


class Load:
    """Groups at ``groups_per_s``; 0 = as many as keep 500 groups waiting."""

    def __init__(self, journal: SqliteJournal, groups_per_s: float, seconds: float) -> None:
        self._journal = journal
        self._rate = groups_per_s
        self._seconds = seconds
        self._given = 0
        self.waits: list[float] = []

    async def run(self) -> float:
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < self._seconds:
            due = int(passed * self._rate) + 1 if self._rate else len(self.waits) + 500
            for _ in range(due - self._given):
                self._give()
            await deferLater(reactor, 0.001)
        while len(self.waits) < self._given:
            await deferLater(reactor, 0.001)
        return time.perf_counter() - began

    def _give(self) -> None:
        self._given += 1
        at = time.perf_counter()
        self._journal.append(rows_of(self._given), lambda: self.waits.append(time.perf_counter() - at))


async def measure(directory: Path, rates: list[float], seconds: float) -> None:
    clock = ReactorClock(reactor)
    steps = []
    for rate in rates:
        path = directory / f"journal-{rate:.0f}.sqlite"
        settings = JournalSettings(NodeId("guangzhou"), "bench", lambda: LineageId(uuid4().hex[:8]), (NodeId(HUB),))
        journal = SqliteJournal(path, settings, clock, reactor)  # type: ignore[arg-type]
        load = Load(journal, rate, seconds)
        took = await load.run()
        waits = sorted(load.waits)
        p50, p99, longest = (waits[len(waits) * share // 1000 - 1] * 1e3 for share in (500, 990, 1000))
        steps.append(
            {
                "offered_groups_per_s": rate or "as it goes",
                "rows_per_s": round(3 * len(waits) / took),
                "commits_per_s": round(journal.groups / took),
                "sync_p50_ms": round(p50, 1),
                "sync_p99_ms": round(p99, 1),
                "sync_max_ms": round(longest, 1),
            }
        )
        await journal.stop()
    say({"bench": "journal", "rates": steps})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--directory", type=Path, help="on the disk to measure; default: the system's temporary one")
    arguments.add_argument("--seconds", type=float, default=5.0, help="per rate")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        running = Deferred.fromCoroutine(measure(Path(directory), [10, 100, 1_000, 0], chosen.seconds))
        running.addErrback(lambda failure: failure.printTraceback())
        running.addBoth(lambda _: reactor.stop())
        reactor.run()


if __name__ == "__main__":
    main()
