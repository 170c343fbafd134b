"""Cities with their stores of records: opened and closed with the city, kept over its end, looked at from outside."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import structs
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import NodeId
from dataset.puts import Put
from dataset.records.line import LINES
from federation.node.clock import VirtualClock
from federation.node.province import load_province
from federation.ports import Store
from simulation.province import SimulatedProvince
from simulation.storage import MemoryStorage
from tests.harness.sample_records import LINE
from tests.province.three_cities import GUANGZHOU, PROVINCE, SHENZHEN, ThreeCities


class WithRecords(SimulatedProvince):
    def __init__(self) -> None:
        self.time = VirtualClock(wall0=1_700_000_000.0)
        self.memory = MemoryStorage(self.time)
        super().__init__(*load_province(PROVINCE), self.time, Random(1), storage=self.memory, with_records=True)
        self.start()
        self.time.advance(3.0)

    def records(self, city: str = GUANGZHOU) -> Store:
        store = self.sites[city].records  # type: ignore[index]  # a city of the file
        assert store is not None
        return store


def test_what_was_put_in_one_city_outlives_its_node_and_is_that_city_s_alone() -> None:
    province, found = WithRecords(), list[object]()
    province.records().put([Put(LINES, LINE)])
    province.time.advance(1.0)
    province.memory.crash(NodeId(GUANGZHOU))
    province.stop_city(GUANGZHOU)
    province.start_city(GUANGZHOU)
    for city in (GUANGZHOU, SHENZHEN):
        province.records(city).get(LINES, (LINE.city, LINE.number)).addBoth(found.append)
    assert found == [LINE, None]


def test_a_city_closes_its_store_when_it_stops() -> None:
    province, found = WithRecords(), list[object]()
    store = province.records()
    province.stop_city(GUANGZHOU)
    province.time.advance(1.0)
    store.get(LINES, (LINE.city, LINE.number)).addBoth(found.append)
    [failure] = found
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, Refused)
    assert failure.value.problems[0].slug == "store-stopped"


@pytest.mark.parametrize("with_conflict", [True, False])
def test_conflicts_and_damage_are_counted_where_the_operator_looks(*, with_conflict: bool) -> None:
    province = WithRecords()
    other = structs.replace(LINE, address="elsewhere") if with_conflict else LINE
    province.records().put([Put(LINES, LINE), Put(LINES, other)])
    province.time.advance(1.0)
    registry = province.sites[GUANGZHOU].running.counts.registry
    assert registry.get_sample_value("yht_store_conflicts_total") == float(with_conflict)
    assert registry.get_sample_value("yht_store_damaged_records") == 0.0
    province.records().damaged.add("lines 1")
    assert registry.get_sample_value("yht_store_damaged_records") == 1.0


def test_a_province_that_was_not_told_so_opens_no_store() -> None:
    """As in campaigns of faults, whose seeds have to mean what they meant."""
    province = ThreeCities()
    assert province.sites[GUANGZHOU].records is None
    assert province.memory.disk(NodeId(GUANGZHOU)).records is None
