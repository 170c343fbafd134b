"""Disks that are lost: the hub's is rebuilt from the cities, a city's own lost rows come back from the hub (J5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataset import rows
from dataset.ids import HUB, CityId, NodeId
from dataset.intervals import fold
from dataset.rows import Ending, Evidence, Journalled, Left, LineageOpened, TailMissing, TailReturned, Withdrawn
from federation.node.journal_memory import MemoryDisk
from federation.node.ledger_store_memory import MemoryLedger
from federation.node.province import HubEntry
from tests.harness.ledger_checker import CallerLine, LedgerCheck
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities

HUB2 = NodeId("hub2")
CITIES = (GUANGZHOU, SHENZHEN, FOSHAN)
DAY = 86_400.0


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def own_rows(province: ThreeCities, city: CityId) -> list[Journalled]:
    """What the city itself has of its own: its journal, and what came back."""
    disk = province.memory.disk(NodeId(city))
    back = [row for row, _ in disk.ledger.rows.values() if row.node == city]
    return [*back, *province.journal(NodeId(city)).rows_since(0.0)]


def at_hub(province: ThreeCities) -> list[Journalled]:
    return [row for row, _ in province.memory.disk(HUB).ledger.rows.values() if row.node != HUB]


def assert_record_is_whole(province: ThreeCities, *callers: CallerLine) -> None:
    """0/0/0 by the ledger checker, and the hub's intervals are those of the cities' own rows, byte for byte (I6)."""
    journals = {str(city): own_rows(province, city) for city in CITIES}
    found = LedgerCheck(callers, journals, at_hub(province)).findings()
    assert found.passed, found.text()
    assert fold([row for own in journals.values() for row in own]).json() == fold(at_hub(province)).json()


def served_call(province: ThreeCities, city: CityId, number: str) -> None:
    """One call from ring to wrap-up."""
    caller = province.call(city, calling=number)
    province.phone(city).answer()
    province.pass_s(5.0)
    caller.hang_up()
    province.pass_s(60.0)


def lose_journal(province: ThreeCities, city: CityId, disk: MemoryDisk | None = None) -> None:
    """Kill the node; its next run finds another journal, or none at all."""
    province.crash_city(city)
    province.memory.disk(NodeId(city)).journal = disk or MemoryDisk()
    province.pass_s(5.0)
    province.start_city(city)
    province.pass_s(30.0)


def test_hub_with_an_empty_disk_is_rebuilt_from_the_cities(province: ThreeCities) -> None:
    """J5, failure mode 25: several runs of each city, everything acknowledged long ago; the rebuilt ledger says the
    same of every interval, byte for byte.
    """
    for turn in range(3):
        for city in CITIES:
            province.agent(city)
            served_call(province, city, f"1390000{turn}{CITIES.index(city):03d}")
            province.crash_city(city)
            province.pass_s(2.0)
            province.start_city(city)
        province.pass_s(20.0)
    before = fold(at_hub(province)).json()
    kept = {(row.node, row.lineage, row.sequence) for row in at_hub(province)}
    runs = {(row.node, row.lineage) for row in at_hub(province)}
    assert len(runs) >= 9
    province.crash_hub()
    disk = province.memory.disk(HUB)
    disk.journal, disk.ledger = MemoryDisk(), MemoryLedger()
    province.pass_s(10.0)
    province.start_hub()
    province.pass_s(60.0)
    assert {(row.node, row.lineage, row.sequence) for row in at_hub(province)} >= kept
    assert fold(at_hub(province)).json() == before
    assert_record_is_whole(
        province,
        *(CallerLine(f"1390000{turn}{place:03d}", True, True) for turn in range(3) for place in range(3)),
    )


def test_rebuilt_hub_names_what_the_cities_no_longer_keep(province: ThreeCities) -> None:
    """J5, S2: a prefix that was acknowledged and forgotten is a hole that totals name; everything after it is there."""
    province.agent(GUANGZHOU)
    served_call(province, GUANGZHOU, "13900000001")
    written = province.memory.disk(HUB).ledger.heads[NodeId(GUANGZHOU)]
    (lineage,) = written
    forgotten = written[lineage]
    province.pass_s(20.0)
    # a month later, by the disk's own rule; a month of beats would be long to sit through
    province.memory.disk(NodeId(GUANGZHOU)).journal.forget(province.time.wall() - 10.0, lambda _: True)
    served_call(province, GUANGZHOU, "13900000002")
    province.crash_hub()
    disk = province.memory.disk(HUB)
    disk.journal, disk.ledger = MemoryDisk(), MemoryLedger()
    province.pass_s(5.0)
    hub = province.start_hub()
    province.pass_s(30.0)
    (hole,) = disk.ledger.holes
    assert (hole.lineage, hole.first) == (lineage, 2)
    assert hole.last >= forgotten
    assert hub.running.ledger.unknown_rows(GUANGZHOU) == hole.last - hole.first + 1
    born = [row.row.calling for row in at_hub(province) if isinstance(row.row, rows.ContactBorn)]
    assert born == ["13900000002"]
    assert isinstance(at_hub(province)[0].row, LineageOpened)


def test_city_that_lost_its_journal_gets_its_rows_back_and_ends_what_they_began(province: ThreeCities) -> None:
    """J5, E2, I1, failure mode 26: one caller was waiting and one in talk when the disk died. Their contacts end as
    failed, inferred, with places left, attempts withdrawn and segments closed: better than a computed ending (E3).
    """
    agent = province.agent(GUANGZHOU)
    served_call(province, GUANGZHOU, "13900000001")
    province.call(GUANGZHOU, calling="13900000002")
    province.phone(GUANGZHOU).answer()
    province.pass_s(5.0)
    assert province.seat(agent).presence == "talking"
    province.call(GUANGZHOU, calling="13900000003")
    province.pass_s(5.0)
    lose_journal(province, GUANGZHOU)
    missing = province.rows(GUANGZHOU, TailMissing)
    (returned,) = province.ledger_rows(TailReturned)
    assert [(one.receiver, one.of) for one in missing] == [(HUB, returned.of)]
    assert (returned.node, returned.beyond, returned.count) == (GUANGZHOU, 0, missing[0].stated)
    endings = province.rows(GUANGZHOU, rows.ContactEnded)
    assert [(one.ending, one.evidence, one.cause) for one in endings] == [
        (Ending.FAILED, Evidence.INFERRED, "journal_lost")
    ] * 2
    assert {one.answers for one in endings} == {0, 1}
    assert [one.ended_by for one in province.rows(GUANGZHOU, rows.SegmentClosed)] == ["journal_lost"]
    assert [one.how for one in province.rows(GUANGZHOU, rows.QueueLeft)] == [Left.FAILED]
    assert {one.reason for one in province.rows(GUANGZHOU, rows.AttemptWithdrawn)} <= {Withdrawn.RESTART}
    province.pass_s(30.0)
    assert_record_is_whole(
        province,
        CallerLine("13900000001", True, True),
        CallerLine("13900000002", True),
        CallerLine("13900000003", True),
    )


def test_what_came_back_is_not_asked_for_again(province: ThreeCities) -> None:
    """The rows are in the city's ledger, not in its journal: later runs know that, and end nothing twice."""
    province.call(GUANGZHOU, calling="13900000001")
    province.pass_s(5.0)
    lose_journal(province, GUANGZHOU)
    assert len(province.rows(GUANGZHOU, rows.ContactEnded)) == 1
    for _ in range(2):
        province.crash_city(GUANGZHOU)
        province.pass_s(2.0)
        province.start_city(GUANGZHOU)
        province.pass_s(20.0)
    assert len(province.ledger_rows(TailMissing)) == len(province.ledger_rows(TailReturned)) == 1
    assert_record_is_whole(province, CallerLine("13900000001", True))


def test_city_that_dies_between_getting_its_rows_back_and_acting_on_them(province: ThreeCities) -> None:
    """What was committed is not sent again: the next run looks into its ledger, and ends the contact."""
    province.call(GUANGZHOU, calling="13900000001")
    province.pass_s(5.0)
    province.crash_city(GUANGZHOU)
    disk = province.memory.disk(NodeId(GUANGZHOU))
    disk.journal = MemoryDisk()
    province.start_city(GUANGZHOU)
    assert province.time.run_until(
        lambda: any(isinstance(row.row, TailReturned) for row, _ in disk.ledger.rows.values()), 30.0
    )
    assert province.rows(GUANGZHOU, rows.ContactEnded) == []
    province.crash_city(GUANGZHOU)
    assert province.rows(GUANGZHOU, rows.ContactEnded) == []
    province.start_city(GUANGZHOU)
    province.pass_s(30.0)
    assert [one.cause for one in province.rows(GUANGZHOU, rows.ContactEnded)] == ["journal_lost"]
    assert_record_is_whole(province, CallerLine("13900000001", True))


def test_hub_that_dies_while_giving_rows_back_goes_on_with_it(province: ThreeCities) -> None:
    """J5, S3: the next run of the hub gives the tail back from the start; what went twice is on record once."""
    province.call(GUANGZHOU, calling="13900000001")
    province.pass_s(5.0)
    province.crash_city(GUANGZHOU)
    disk = province.memory.disk(NodeId(GUANGZHOU))
    disk.journal = MemoryDisk()
    province.start_city(GUANGZHOU)
    assert province.time.run_until(lambda: bool(province.ledger_rows(TailMissing)), 30.0)
    assert province.ledger_rows(TailReturned) == []
    province.crash_hub()
    province.pass_s(5.0)
    province.start_hub()
    province.pass_s(30.0)
    assert len(province.ledger_rows(TailReturned)) == 1
    assert_record_is_whole(province, CallerLine("13900000001", True))


def test_city_restored_from_a_backup_gets_what_it_wrote_since(province: ThreeCities) -> None:
    """J2, J5: the backup knows a caller as live whose ending was lost with the rest; both endings are on record, and
    the one that was seen counts (E1).
    """
    agent = province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU, calling="13900000001")
    province.phone(GUANGZHOU).answer()
    province.pass_s(5.0)
    assert province.seat(agent).presence == "talking"
    backup = province.memory.disk(NodeId(GUANGZHOU)).journal.copy()
    caller.hang_up()
    province.pass_s(60.0)
    province.call(GUANGZHOU, calling="13900000002")
    province.pass_s(3.0)
    lose_journal(province, GUANGZHOU, backup)
    (returned,) = province.ledger_rows(TailReturned)
    assert returned.beyond > 0
    fold_of_cities = fold([row for city in CITIES for row in own_rows(province, city)])
    assert fold_of_cities.json() == fold(at_hub(province)).json()
    causes = [one.cause for one in province.rows(GUANGZHOU, rows.ContactEnded)]
    assert sorted(causes) == sorted([causes[0], "journal_lost"])
    second = [row.row for row in at_hub(province) if isinstance(row.row, rows.ContactEnded)]
    assert {one.evidence for one in second} == {Evidence.SEEN, Evidence.INFERRED}


def test_serving_city_that_lost_its_journal_closes_the_segment_that_the_anchor_confirmed(
    province: ThreeCities,
) -> None:
    """O3, J5: the anchor's outcome is on record; the segment that nobody knows here is confirmed and closed."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN, calling="13900000001")
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    lose_journal(province, SHENZHEN)
    if not caller.over:
        caller.hang_up()
    province.pass_s(60.0)
    assert [one.ended_by for one in province.rows(SHENZHEN, rows.SegmentClosed)] == ["journal_lost"]
    assert_record_is_whole(province, CallerLine("13900000001", True, True))


def test_hub_that_never_had_the_lost_rows_gets_them_from_the_other() -> None:
    """J5, S3: the second hub was away when they were written, and the city cannot send them any more: the hub that has
    them relays them, with their origin, and both hubs tell the same.
    """
    province = ThreeCities(hubs=(HUB, HUB2))
    province.wires.cut([HUB2])
    province.call(GUANGZHOU, calling="13900000001")
    province.pass_s(5.0)
    lose_journal(province, GUANGZHOU)
    province.wires.cut([HUB2], restore=True)
    province.pass_s(60.0)

    def on_record(hub: NodeId) -> dict[tuple[str, str, int], Journalled]:
        rows_there = province.memory.disk(hub).ledger.rows
        return {origin: row for origin, (row, _) in rows_there.items() if row.node in CITIES}

    assert on_record(HUB2) == on_record(HUB)
    born = [row.row for row in on_record(HUB2).values() if isinstance(row.row, rows.ContactBorn)]
    assert [one.calling for one in born] == ["13900000001"]
    assert fold(on_record(HUB2).values()).json() == fold(on_record(HUB).values()).json()
    # both were asked for the tail, both gave what they had, and the contact ended once
    assert len(province.rows(GUANGZHOU, rows.ContactEnded)) == 1


def test_second_hub_added_later_has_the_whole_history() -> None:
    """B5, S1: a province gets a second hub; at its next start each city puts all that it keeps in line for it."""
    province = ThreeCities()
    for city in CITIES:
        province.agent(city)
        served_call(province, city, f"139000000{CITIES.index(city)}")
    province.pass_s(10.0)
    province.province = replace(province.province, hubs=(HubEntry(id=HUB), HubEntry(id=HUB2)))
    province.start_hub(HUB2)
    for city in CITIES:
        province.crash_city(city)
        province.pass_s(2.0)
        province.start_city(city)
    province.pass_s(60.0)
    first, second = (
        [row for row, _ in province.memory.disk(hub).ledger.rows.values() if row.node in CITIES] for hub in (HUB, HUB2)
    )
    assert {(row.node, row.lineage, row.sequence) for row in second} == {
        (row.node, row.lineage, row.sequence) for row in first
    }
    assert fold(second).json() == fold(first).json()
    for city in CITIES:
        heads = province.memory.disk(HUB2).ledger.heads[NodeId(city)]
        runs = [row.lineage for row in second if row.node == city and isinstance(row.row, LineageOpened)]
        assert len(heads) == 2
        assert set(heads) == set(runs)
