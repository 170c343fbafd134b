"""The outcome of an attempt reaches its serving site whatever dies on the way (O3): no segment stays unconfirmed."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import CityId, NodeId
from site_node.core import events
from tests.harness.ledger_checker import CallerLine, LedgerCheck
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def on_record(province: ThreeCities, city: CityId, kind: type) -> int:
    """Rows of one kind that ``city`` has received."""
    return sum(isinstance(row.row, kind) for row, _ in province.memory.disk(NodeId(city)).ledger.rows.values())


def assert_record_is_clean(province: ThreeCities, *callers: CallerLine) -> None:
    """The ledger checker's 0/0/0, nothing unknown, sums hold."""
    cities = (GUANGZHOU, SHENZHEN, FOSHAN)
    journals = {str(city): province.journal(NodeId(city)).rows_since(0.0) for city in cities}
    hub = [row for row, _ in province.memory.disk(NodeId("hub")).ledger.rows.values() if row.node != "hub"]
    found = LedgerCheck(callers, journals, hub).findings()
    assert found.passed, found.text()


def test_serving_site_dies_between_receiving_an_outcome_and_acting_on_it(province: ThreeCities) -> None:
    """The outcome is committed and will not be sent again, its confirmation is not: the next run finds it on record."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    assert province.time.run_until(lambda: on_record(province, SHENZHEN, rows.AttemptAnswered) == 1, 10.0)
    assert province.rows(SHENZHEN, rows.SegmentConfirmed) == []
    province.crash_city(SHENZHEN)
    assert province.rows(SHENZHEN, rows.SegmentConfirmed) == []
    province.pass_s(1.0)
    province.start_city(SHENZHEN)
    province.pass_s(5.0)
    assert province.seat(agent).calls[0].confirmed
    caller.hang_up()
    province.pass_s(60.0)
    assert_record_is_clean(province, CallerLine("13800000001", True, True))


def test_serving_site_restarts_after_a_segment_whose_outcome_is_still_on_its_way(province: ThreeCities) -> None:
    """Line cut when the agent answers, segment closed, node restarted, line healed: the segment is confirmed."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    assert province.phone(SHENZHEN).ringing
    province.wires.cut([NodeId(SHENZHEN)])
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    caller.hang_up()
    province.pass_s(1.0)
    province.sites[SHENZHEN].running.act(events.FinishAsked(agent, province.contact(agent)))
    province.pass_s(1.0)
    assert len(province.rows(SHENZHEN, rows.SegmentClosed)) == 1
    province.crash_city(SHENZHEN)
    province.pass_s(1.0)
    province.start_city(SHENZHEN)
    province.pass_s(3.0)
    province.wires.cut([NodeId(SHENZHEN)], restore=True)
    province.pass_s(60.0)
    assert len(province.rows(SHENZHEN, rows.SegmentConfirmed)) == 1
    assert_record_is_clean(province, CallerLine("13800000001", True, True))
