"""Many seeds over all cores, and what became of them in short form."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from signal import SIG_DFL, SIG_IGN, SIGINT, SIGTERM, signal

from simulation.chaos.run import Result, be_quiet, play
from simulation.chaos.schedule import Kind
from simulation.chaos.watch import INTERLEAVINGS, NOT_BUILT

CHUNK = 5
"""seeds that a process plays: what they leave, a good deal of memory each, goes with it"""


@dataclass(slots=True)
class Totals:
    """Sums over seeds."""

    seeds: int = 0
    contacts: int = 0
    rows: int = 0
    violations: int = 0
    island_calls: int = 0
    lost_with_journal: int = 0
    failed: list[int] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    """kind: in how many seeds it hit"""
    interleavings: Counter[str] = field(default_factory=Counter)
    """name: how often it was reached"""
    unchecked: dict[str, None] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """One more seed."""
        self.seeds += 1
        self.contacts += result.contacts
        self.rows += result.rows
        self.violations += len(result.violations)
        self.island_calls += result.island_calls
        self.lost_with_journal += result.lost_with_journal
        if result.violations:
            self.failed.append(result.seed)
        self.faults.update(dict.fromkeys(result.faults, 1))
        self.interleavings.update(result.interleavings)
        self.unchecked.update(dict.fromkeys(result.unchecked))

    @property
    def never_reached(self) -> list[str]:
        """Kinds of faults and interleavings at zero."""
        kinds = [str(kind) for kind in Kind if not self.faults[kind]]
        return kinds + [name for name in INTERLEAVINGS if not self.interleavings[name]]

    def lines(self) -> Iterator[str]:
        """For a log."""
        yield f"{self.seeds} seeds, {self.contacts} contacts, {self.rows} rows, {self.violations} violations"
        yield "faults that hit, in how many seeds: " + _counts((str(kind), self.faults[kind]) for kind in Kind)
        yield "interleavings reached, how often: " + _counts((name, self.interleavings[name]) for name in INTERLEAVINGS)
        yield (
            f"calls on islands that I5 was held to: {self.island_calls};"
            f" facts unknown and named since their rows were destroyed: {self.lost_with_journal}"
        )
        yield "never reached: " + (", ".join(self.never_reached) or "none")
        yield "not built, so not reached: " + "; ".join(NOT_BUILT)
        yield "not looked at: " + "; ".join(self.unchecked)


def _counts(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in pairs)


def _play_some(seeds: Sequence[int]) -> list[Result]:
    """Play ``seeds`` in a process of their own.

    A seed leaves a province that hangs together in circles, and few before it is over. To find them and take them apart
    costs a tenth of the time; to end the process costs nothing.
    """
    fork = get_context("fork")
    told, tell = fork.Pipe(duplex=False)
    player = fork.Process(target=_play_and_tell, args=(seeds, tell))
    player.start()
    tell.close()
    try:
        results: list[Result] = told.recv()
    except EOFError:
        player.join()
        raise RuntimeError(
            f"the process that played seeds {seeds[0]} to {seeds[-1]} ended: {player.exitcode}"
        ) from None
    finally:
        told.close()
        player.terminate()  # when nobody waits for the results any more
        player.join()
    return results


def _play_and_tell(seeds: Sequence[int], tell: Connection) -> None:
    signal(SIGINT, SIG_IGN)  # of a terminal: whoever asked for the seeds says when to stop
    signal(SIGTERM, SIG_DFL)
    gc.disable()
    be_quiet()
    tell.send([play(seed) for seed in seeds])


def campaign(seeds: Sequence[int], jobs: int | None = None) -> Generator[Result, None, None]:
    """Play all ``seeds``, in order, over ``jobs`` processes (all cores when left out); ``close`` ends it early."""
    jobs = jobs or os.cpu_count() or 1
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        for chunk in chunks:
            yield from _play_some(chunk)
        return
    # Ctrl-C reaches all processes of a terminal: the players go on to the end of what they have, and get no more
    spawn = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=signal, initargs=(SIGINT, SIG_IGN)) as pool:
        try:
            for results in pool.map(_play_some, chunks):
                yield from results
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
