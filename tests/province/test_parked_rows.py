"""A poison message from its city to the bureau's desk and off it again (S2, failure mode 10)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dataset.ids import ContactId, LineageId
from dataset.rows import ROW_BYTES, ContactBorn, Journalled, LegRefused, RowSettled
from tests.harness.older import before
from tests.province.hub_scene import FOSHAN, GUANGZHOU, SHENZHEN, HubScene
from tests.province.working_province import Bureau, WorkingProvince, finish

RUBBISH = b'{"kind": "no row", "calling": "13800001234"}'


def from_guangzhou(scene: HubScene, sequence: int, row: LegRefused | ContactBorn) -> bytes:
    lineage = scene.cities[GUANGZHOU].journal.lineage
    wall = scene.clock.wall()
    return ROW_BYTES.encode(
        Journalled(node=GUANGZHOU, lineage=lineage, sequence=sequence, wall=wall, mono=1.0, boot="b", row=row)
    )


def refused(number: str) -> LegRefused:
    return LegRefused(from_city="foshan", reason="missing", number=number)


@pytest.fixture
def scene() -> HubScene:
    """Guangzhou sends rubbish, a row of a kind that a later version has, and two rows of one origin; then good rows."""
    scene = HubScene()
    city = scene.cities[GUANGZHOU]
    city.start()
    scene.clock.advance(3.0)
    newer = from_guangzhou(scene, 900, refused("1")).replace(b"leg_refused", b"leg_teleported")
    twice = [from_guangzhou(scene, 901, refused("2")), from_guangzhou(scene, 901, refused("3"))]
    city.journal.relay([RUBBISH, newer, *twice], ("hub",), lambda: None)
    born = ContactBorn(
        contact=ContactId("0020-00000001-000001"),
        city=GUANGZHOU,
        channel="voice",
        door="112",
        calling="13800000001",
        connection="c",
        package="p@1",
    )
    city.write(born)
    scene.clock.advance(5.0)
    return scene


def day_of_work(province: WorkingProvince) -> None:
    """Knowledge shown and judged, an order that is done, one that stays open."""
    here, there = province.seat_of(GUANGZHOU), province.seat_of(SHENZHEN)
    there.ask("article", article="order-move")
    there.ask("article_vote", article="order-move", useful=True)
    done = here.order(here.take_call(GUANGZHOU))
    province.pass_s(2.0)
    finish(province, done["item"])
    other = province.seat_of(GUANGZHOU, 1)
    other.order(other.take_call(GUANGZHOU))
    province.pass_s(3.0)


def told_by(province: WorkingProvince) -> dict[str, Any]:
    """What the bureau is told of the day."""
    bureau = Bureau(province)
    assert province.hub is not None
    now = province.time.wall()
    report: Any = province.result(Deferred.fromCoroutine(province.hub.intervals.report(now - 7_200.0, now + 900.0)))
    return {
        **{name: bureau.report(name) for name in ("knowledge_report", "services_report")},
        "intervals": report.intervals,
        "unknown": {one.city: one.unknown_rows for one in report.missing if one.unknown_rows},
    }


def upgraded(province: WorkingProvince) -> dict[str, Any]:
    """What it is told after the hub's next run has begun."""
    province.stop_hub()
    province.pass_s(1.0)
    province.start_hub()
    province.pass_s(5.0)
    return told_by(province)


def test_what_a_hub_of_the_version_before_parked_is_counted_once_it_is_upgraded() -> None:
    """Cities are upgraded first, which is the wrong order: the old hub names what it cannot read. Its next run, which
    can, takes it in by itself, and tells what a hub tells that has known these kinds all along.
    """
    province, known = WorkingProvince(with_records=True), WorkingProvince(with_records=True)
    day_of_work(known)
    newer = ("articles_shown", "article_judged", "work_stepped", "segment_closed")
    with before(*(f'"kind":"{kind}"' for kind in newer)):
        day_of_work(province)
        old = told_by(province)
    knew = told_by(known)
    assert old["unknown"][SHENZHEN] == 2
    assert old["unknown"][GUANGZHOU] > 5
    assert (old["knowledge_report"]["articles"], old["services_report"]["lines"]) == ([], [])
    assert knew["unknown"] == {}
    told = upgraded(province)
    assert told == upgraded(known)
    assert told["unknown"] == {}
    assert told["knowledge_report"]["articles"]
    assert told["services_report"]["lines"]


def missing(scene: HubScene) -> dict[str, int]:
    now = scene.clock.wall()
    times: dict[str, Any] = {"from": now - 3600.0, "to": now}
    answer = scene.ask("intervals", **times)
    return {one["city"]: one["unknown_rows"] for one in answer["missing"] if one["unknown_rows"]}


def unknown_metric(scene: HubScene) -> float | None:
    scene.clock.advance(1.5)
    value: float | None = scene.hub.running.counts.registry.get_sample_value(
        "yht_hub_unknown_rows", {"city": GUANGZHOU}
    )
    return value


def test_poison_rows_hold_nothing_up_and_are_named_everywhere(scene: HubScene) -> None:
    """The good row behind them is on record; reports, metric and the bureau's list name the three by number."""
    assert [one["contact"] for one in scene.ask("contacts")["contacts"]] == ["0020-00000001-000001"]
    assert missing(scene) == {GUANGZHOU: 3}
    assert unknown_metric(scene) == 3
    answer = scene.ask("parked")
    assert (answer["unknown"], answer["holes"], answer["more"]) == (3, [], 0)
    assert [(one["number"], one["why"], one["settled"]) for one in answer["parked"]] == [
        (2, "unreadable", None),
        (3, "unreadable", None),
        (5, "differs", None),
    ]
    assert answer["parked"][0]["size"] == len(RUBBISH)
    assert answer["parked"][0]["begins"] == '{"kind": "no row", "calling": "138****1234"}'
    assert scene.ask("parked", node=FOSHAN)["parked"] == []
    assert scene.refusal("parked", node="beijing")[:2] == (404, "unknown-node")


def test_settled_slots_count_no_more_and_stay_to_be_seen(scene: HubScene) -> None:
    """Who settled what and why is a row of record; a restart of the hub knows it."""
    lineage = scene.cities[GUANGZHOU].journal.lineage
    answer = scene.ask("settle", node=GUANGZHOU, lineage=lineage, number=2, reason=" a test row, asked the city ")
    assert (answer["first"], answer["last"], answer["unknown"]) == (2, 2, 2)
    assert missing(scene) == {GUANGZHOU: 2}
    assert unknown_metric(scene) == 2
    settled = {one["number"]: one["settled"] for one in scene.ask("parked")["parked"]}
    assert settled[2]["by"] == "bureau"
    assert settled[2]["reason"] == "a test row, asked the city"
    assert (settled[3], settled[5]) == (None, None)
    (row,) = [one.row for one in scene.result(scene.store.all_rows()) if isinstance(one.row, RowSettled)]
    assert (row.sender, row.lineage, row.by) == (GUANGZHOU, lineage, "bureau")
    scene.kill_hub()
    scene.start_hub()
    scene.clock.advance(3.0)
    assert scene.ask("parked")["unknown"] == 2
    for number in (3, 5):
        scene.ask("settle", node=GUANGZHOU, lineage=lineage, number=number, reason="known")
    assert missing(scene) == {}
    assert unknown_metric(scene) == 0


def test_what_cannot_be_settled_is_refused(scene: HubScene) -> None:
    """Only the province settles, with a reason, what is there and not settled."""
    lineage = LineageId(scene.cities[GUANGZHOU].journal.lineage)
    slot: dict[str, Any] = {"node": GUANGZHOU, "lineage": lineage, "number": 2}
    assert scene.refusal("settle", **slot, reason="  ")[:2] == (400, "reason-missing")
    assert scene.refusal("settle", **{**slot, "number": 4}, reason="x")[:2] == (404, "unknown-slot")
    assert scene.refusal("settle", **{**slot, "node": FOSHAN}, reason="x")[:2] == (404, "unknown-slot")
    for user in ("boss", "inspector"):
        assert scene.refusal("settle", user=user, **slot, reason="x")[:2] == (403, "not-your-role")
        assert scene.refusal("parked", user=user)[:2] == (403, "not-your-role")
    scene.ask("settle", **slot, reason="x")
    assert scene.refusal("settle", **slot, reason="again")[:2] == (409, "already-settled")
    assert missing(scene) == {GUANGZHOU: 2}
