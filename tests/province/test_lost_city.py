"""A whole city lost for good, declared so, and back on a new host with an empty disk; and reports of a rebuilt hub."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from dataset.ids import HUB, CityId, ContactId, NodeId
from dataset.intervals import fold
from dataset.measures import balance
from dataset.rows import ContactBorn, Journalled, LineageOpened, SiteDeclaredLost, SiteRejoined
from federation.core.joins import contact_record, standing
from federation.node.login import Actor
from provincial_hub.services.intervals import interval_view
from tests.province.three_cities import FOSHAN, GUANGZHOU, ThreeCities
from tests.province.two_hubs import HUB2, TwoHubs

BUREAU = Actor(user="bureau", agent=None, name="bureau", roles=frozenset({"province"}), node=HUB)


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def ask(province: ThreeCities, question: Any) -> Any:
    """What the hub's service answers."""
    got: list[Any] = []
    Deferred.fromCoroutine(question).addBoth(got.append)
    assert province.time.run_until(lambda: bool(got), 5.0), "no answer in time"
    return got[0]


def on_record(province: ThreeCities) -> list[Journalled]:
    return [row for row, _ in province.memory.disk(HUB).ledger.rows.values()]


def contacts_of(province: ThreeCities, city: CityId) -> list[ContactId]:
    return [row.row.contact for row in on_record(province) if isinstance(row.row, ContactBorn) and row.node == city]


def endings(province: ThreeCities, city: CityId) -> list[tuple[str, str] | None]:
    """Of each contact of the city: ending and cause; None for one that lives."""
    rows = on_record(province)
    known = standing(rows)
    found = [contact_record(contact, rows, known).ending for contact in contacts_of(province, city)]
    return [(one.ending, one.cause) if one is not None else None for one in found]


def figures(province: ThreeCities) -> bytes:
    """What the hub tells of the whole time, without its own revisions; every sum holds."""
    assert province.hub is not None
    begin, end = 1_700_000_000.0 - 900.0, province.time.wall() + 900.0
    answer = ask(province, province.hub.intervals.intervals(BUREAU, begin, end, None))
    assert [one["balance"] for one in answer["intervals"]] == [0] * len(answer["intervals"])
    rows = on_record(province)
    Random(1).shuffle(rows)
    offline = fold(rows).intervals(begin, end)
    assert [balance(one) for one in offline] == [0] * len(offline)
    told = [{name: value for name, value in one.items() if name != "revision"} for one in answer["intervals"]]
    assert msgspec.json.encode(told) == msgspec.json.encode([interval_view(one) for one in offline]), "I6"
    return msgspec.json.encode(told)


def test_a_city_lost_for_good_is_declared_so_and_comes_back_with_an_empty_disk(province: ThreeCities) -> None:
    """Row 24, E3, J2, J5: one caller of Foshan waits and one is done when all of it burns. Its open contact ends as
    site_lost; when a new host takes up the name, the hub hands it what it has of the old journal, and what was
    computed gives way to what the city then writes.
    """
    assert province.hub is not None
    province.agent(FOSHAN)
    done = province.call(FOSHAN, calling="13900000001")
    province.phone(FOSHAN).answer()
    province.pass_s(5.0)
    waits = province.call(FOSHAN, calling="13900000002")
    done.hang_up()
    province.pass_s(1.0)
    assert not waits.over
    province.pass_s(5.0)
    province.crash_city(FOSHAN)
    province.memory.lose(NodeId(FOSHAN))
    province.pass_s(30.0)
    assert endings(province, FOSHAN)[1] is None
    told = ask(province, province.hub.province.declare_lost(BUREAU, FOSHAN, "fire"))
    assert told["lost"]["reason"] == "fire"
    assert endings(province, FOSHAN) == [("completed", "customer"), ("failed", "site_lost")]
    figures(province)
    report = ask(province, province.hub.intervals.report(1_700_000_000.0, province.time.wall()))
    (missing,) = report.missing
    assert (missing.city, missing.seen, missing.lost is not None) == (FOSHAN, False, True)

    waits.hang_up()
    province.pass_s(60.0)
    province.start_city(FOSHAN)
    province.pass_s(60.0)
    facts = [type(row.row) for row in on_record(province) if isinstance(row.row, SiteDeclaredLost | SiteRejoined)]
    assert facts == [SiteDeclaredLost, SiteRejoined]
    openings = [row for row in on_record(province) if isinstance(row.row, LineageOpened) and row.node == FOSHAN]
    assert len({row.lineage for row in openings}) == 2
    first, second = endings(province, FOSHAN)
    assert first == ("completed", "customer"), "what was at the hub is not lost"
    assert second is not None
    assert second[0] == "failed"
    assert second[1] != "site_lost"
    figures(province)
    again = province.call(FOSHAN, calling="13900000003")
    assert not again.over
    assert len(set(contacts_of(province, FOSHAN))) == 3, "no id twice"


def test_reports_of_a_rebuilt_hub_are_those_of_the_one_that_was_lost(province: ThreeCities) -> None:
    """Row 25, J5, B6: figures byte for byte; its revisions begin at 1 again, since it has told nobody anything."""
    for at, city in enumerate((GUANGZHOU, FOSHAN, GUANGZHOU)):
        if at < 2:
            province.agent(city)
        caller = province.call(city, calling=f"1390000000{at}")
        province.phone(city).answer()
        province.pass_s(5.0)
        caller.hang_up()
        province.pass_s(600.0)
    before = figures(province)
    province.crash_hub()
    province.memory.lose(HUB)
    province.pass_s(10.0)
    province.start_hub()
    province.pass_s(60.0)
    assert figures(province) == before
    assert province.hub is not None
    report = ask(province, province.hub.intervals.report(1_700_000_000.0, province.time.wall()))
    assert {revision.number for revision in report.revisions.values()} == {1}
    assert report.missing == []


def declare(world: TwoHubs, hub: NodeId, reason: str) -> None:
    got: list[Any] = []
    question = world.hubs[hub].province.declare_lost(BUREAU, FOSHAN, reason)
    Deferred.fromCoroutine(question).addBoth(got.append)
    assert world.time.run_until(lambda: bool(got), 5.0)
    assert got[0]["lost"]["reason"] == reason, got


def lost_at(world: TwoHubs, hub: NodeId) -> list[str]:
    """The reasons of all declarations that stand, as far as a hub knows."""
    return [one.reason for one in world.hubs[hub].running.memory.lost.standing()]


def test_two_hubs_declare_without_hearing_each_other_and_agree() -> None:
    """E3: both facts stand at both hubs after the heal; the city's return ends both, at both. A hub that loses its
    disk has the declarations back from the other.
    """
    world = TwoHubs()
    world.call(FOSHAN)
    world.pass_s(3.0)
    world.crash_city(FOSHAN)
    world.pass_s(5.0)
    for line in (world.wires.line(HUB, HUB2), world.wires.line(HUB2, HUB)):
        line.cut = True
    declare(world, HUB, "fire")
    declare(world, HUB2, "flood")
    world.pass_s(10.0)
    assert (lost_at(world, HUB), lost_at(world, HUB2)) == (["fire"], ["flood"])
    for line in (world.wires.line(HUB, HUB2), world.wires.line(HUB2, HUB)):
        line.cut = False
    world.pass_s(60.0)
    assert sorted(lost_at(world, HUB)) == sorted(lost_at(world, HUB2)) == ["fire", "flood"]
    first, second = (world.hubs[hub].running.memory for hub in (HUB, HUB2))
    assert first.intervals.json() == second.intervals.json()
    assert sum(one.failed for one in first.intervals.intervals(city=FOSHAN)) == 1
    world.kill(HUB)
    world.memory.lose(HUB)
    world.start_hub(HUB)
    world.pass_s(60.0)
    assert sorted(lost_at(world, HUB)) == ["fire", "flood"]
    world.start_city(FOSHAN)
    world.pass_s(30.0)
    assert lost_at(world, HUB) == lost_at(world, HUB2) == []
    assert world.hubs[HUB].running.memory.intervals.json() == second.intervals.json()
