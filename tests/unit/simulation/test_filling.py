"""A demo's cities get their customers on record without anybody waiting for it, once, whatever comes between."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.puts import Put
from dataset.records.catalogue import EVERY
from dataset.records.line import LINES
from federation.node.clock import VirtualClock
from federation.node.store_memory import MemoryRecords, MemoryStore
from simulation.population.customers import Population
from simulation.population.filling import CURSOR, STEP, Filling
from simulation.population.material import material
from site_node.services.customers import StoredCustomers
from tests.harness.sample_records import LINE

GUANGZHOU, FOSHAN = CityId("guangzhou"), CityId("foshan")
TODAY = date(2026, 11, 26)


class Disk:
    """A city's store over its crashes."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1_795_000_000.0)
        self.records = MemoryRecords()
        self.open()

    def open(self) -> MemoryStore:
        self.store = MemoryStore(self.records, NodeId(GUANGZHOU), EVERY, self.clock)
        return self.store

    def filling(self, lines: int = 60) -> Filling:
        population = Population(material(), 3, lines, [GUANGZHOU], today=TODAY)
        return Filling(population, {GUANGZHOU: self.store, FOSHAN: self.store}, self.clock)

    def put(self, asked: Deferred[int]) -> int:
        """Let it come to its end; how many records it put."""
        got: list[object] = []
        asked.addBoth(got.append)
        assert self.clock.run_until(lambda: bool(got), 60.0)
        assert isinstance(got[0], int), got[0]
        return got[0]


def whole() -> Disk:
    disk = Disk()
    disk.put(disk.filling().start())
    return disk


def test_everybody_who_calls_is_found_by_the_number_that_calls() -> None:
    disk = Disk()
    filling = disk.filling()
    disk.put(filling.start())
    customers = StoredCustomers(disk.store, GUANGZHOU, "020")
    assert len(filling.numbers[GUANGZHOU]) > 60
    for number in filling.numbers[GUANGZHOU]:
        found: list[object] = []
        customers.find(number).addCallback(lambda one: len(one.customers)).addBoth(found.append)
        assert found == [1], number
    assert FOSHAN not in filling.numbers, "of which the population knows nobody"


def test_a_store_is_filled_once() -> None:
    disk = whole()
    before = dict(disk.records.held)
    again = disk.filling()
    assert disk.put(again.start()) == 0
    assert disk.records.held == before
    assert again.numbers[GUANGZHOU], "and its customers call all the same"


@pytest.mark.parametrize("at_s", [0.0, 0.003, 0.006, 0.011, 0.02, 0.05])
@pytest.mark.parametrize("crash", [True, False])
def test_a_filling_that_was_interrupted_goes_on_where_it_was(*, at_s: float, crash: bool) -> None:
    disk = Disk()
    filling = disk.filling()
    got: list[object] = []
    filling.start().addBoth(got.append)
    disk.clock.advance(at_s)
    filling.stop()
    if crash:
        disk.store.crash()
    else:
        disk.store.stop()
        disk.clock.advance(1.0)
        assert isinstance(got[0], int), "no error for what was asked to stop"
    begun = int(disk.records.cursors.get(CURSOR, 0))
    disk.open()
    rest = disk.put(disk.filling().start())
    complete = whole()
    assert disk.records.held == complete.records.held
    assert begun + rest == int(complete.records.cursors[CURSOR])


def test_what_somebody_else_has_put_there_is_left_alone() -> None:
    disk = Disk()
    district = material().cities[GUANGZHOU].districts[-1].name
    disk.store.put([Put(LINES, structs.replace(LINE, district=district))])
    disk.clock.advance(1.0)
    assert disk.put(disk.filling().start()) == 0
    assert len(disk.records.held) == 1


def test_no_step_is_long_and_others_have_their_turn_between() -> None:
    """Whoever else waits is called between any two puts."""
    disk, turns = Disk(), list[int]()
    written: list[int] = []
    put = disk.store.put

    def noting(batch: list[Put], cursor: object = None) -> object:
        written.append(len(batch))
        disk.clock.call_later(0.0, turns.append, len(written))
        return put(batch, cursor)  # type: ignore[arg-type]  # as it came

    disk.store.put = noting  # type: ignore[method-assign, assignment]  # listening in
    disk.put(disk.filling().start())
    assert max(written) <= STEP
    assert turns == list(range(1, len(written) + 1))


def test_a_store_that_cannot_be_written_is_told_to_whoever_waits() -> None:
    disk = Disk()
    filling = disk.filling()
    got: list[object] = []
    filling.start().addBoth(got.append)
    disk.store.stop()
    disk.clock.advance(1.0)
    [failure] = got
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, Refused)
