"""Reports: equal to the offline fold whatever the rows' way was, with revisions and what is missing (I6, B6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from dataset.ids import HUB, AgentId, CityId, ContactId, NodeId, SkillId, Token
from dataset.intervals import fold
from dataset.measures import INTERVAL_S, balance
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    ContactBorn,
    ContactEnded,
    Ending,
    Entered,
    Evidence,
    Journalled,
    Left,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
)
from provincial_hub.core.revisions import Slot
from provincial_hub.services.intervals import interval_view
from provincial_hub.shell.revisions import MemoryRevisions, Told
from tests.province.hub_scene import FOSHAN, GUANGZHOU, NOON, SHENZHEN, HubScene, ScriptedCity

FAULT = SkillId("fault")
CITIES = (GUANGZHOU, SHENZHEN, FOSHAN)
SPAN: dict[str, Any] = {"from": NOON, "to": NOON + 8 * INTERVAL_S}


def contact_of(city: ScriptedCity, number: int) -> ContactId:
    return ContactId(f"0000-{city.journal.lineage}-{number:06x}")


def waits(city: ScriptedCity, number: int) -> None:
    """A caller of ``city`` waits."""
    contact = contact_of(city, number)
    city.write(
        ContactBorn(
            contact=contact, city=city.city, channel="voice", door="112", calling="", connection="c", package="p@1"
        ),
        QueueEntered(contact=contact, skill=FAULT, service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0),
    )


def served(anchor: ScriptedCity, site: ScriptedCity, number: int) -> None:
    """That caller is answered by an agent of ``site``, and done; the anchor's and the serving city's rows."""
    contact, token = contact_of(anchor, number), Token(f"{site.journal.lineage}-{number:06x}")
    agent, away = AgentId(f"1001@{site.city}"), site is not anchor
    opened = SegmentOpened(
        contact=contact,
        n=1,
        site=site.city,
        anchor=anchor.city,
        agent=agent,
        token=token,
        skill=FAULT,
        service="fault",
        received=away,
    )
    done: list[AnyRow] = [
        SegmentConfirmed(contact=contact, n=1),
        SegmentClosed(
            contact=contact,
            n=1,
            site=site.city,
            agent=agent,
            talked_s=60.0,
            held_s=0.0,
            wrap_up_s=3.0,
            disposition="solved",
            notes="",
            ended_by="agent",
        ),
    ]
    anchor.write(
        AttemptAnswered(
            contact=contact,
            n=1,
            site=site.city,
            agent=agent,
            token=token,
            skill=FAULT,
            service="fault",
            channel="voice",
            waited_s=2.0,
        ),
        QueueLeft(
            contact=contact,
            skill=FAULT,
            service="fault",
            channel="voice",
            how=Left.SENT_OUT if away else Left.ANSWERED_HERE,
            waited_s=2.0,
            within_target=True,
        ),
    )
    site.write(opened, *done)
    anchor.write(
        ContactEnded(
            contact=contact, city=anchor.city, ending=Ending.COMPLETED, evidence=Evidence.SEEN, cause="customer"
        )
    )


def figures(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The report's figures without the hub's own revisions."""
    return [{name: value for name, value in one.items() if name != "revision"} for one in answer["intervals"]]


def offline(scene: HubScene, order: Random) -> list[dict[str, Any]]:
    """The fold of all journals, row by row in any order."""
    rows: list[Journalled] = [row for city in scene.cities.values() for row in city.journal.rows_since(0.0)]
    rows += scene.journal.rows_since(0.0)
    order.shuffle(rows)
    found = fold(rows).intervals(SPAN["from"], SPAN["to"])
    assert [balance(one) for one in found] == [0] * len(found)
    return [interval_view(one) for one in found]


def bytes_of(figures: Sequence[Any]) -> bytes:
    return msgspec.json.encode(figures)


def in_the_next_quarter(scene: HubScene, quarters: int = 1) -> None:
    """So much later that the quarter of an hour just lived is over, and its rows had time to arrive."""
    now = scene.clock.wall()
    scene.clock.advance(NOON + ((now - NOON) // INTERVAL_S + quarters) * INTERVAL_S + 70.0 - now)


def start_all(scene: HubScene) -> None:
    for city in scene.cities.values():
        city.start("ready")
    scene.clock.advance(3.0)


def test_late_rows_reopen_an_interval_under_a_new_revision() -> None:
    """B6: told while a city was cut off, named as missing since; told again after the heal, as revision 2."""
    scene = HubScene()
    start_all(scene)
    foshan = scene.cities[FOSHAN]
    scene.wires.cut([NodeId(FOSHAN)])
    cut_at = scene.clock.wall()
    waits(foshan, 1)
    served(foshan, foshan, 1)
    waits(scene.cities[GUANGZHOU], 1)
    scene.clock.advance(10.0)
    running = scene.ask("intervals", **SPAN)
    assert [(one["city"], one["revision"]) for one in running["intervals"]] == [("guangzhou", 0)], "not over yet"
    in_the_next_quarter(scene)
    before = scene.ask("intervals", **SPAN)
    assert {one["revision"] for one in before["intervals"] if one["start"] == NOON} == {1}
    assert (before["complete"], before["revised"], before["hub"]) == (False, [], "hub")
    (missing,) = before["missing"]
    assert (missing["city"], missing["seen"], missing["lost"]) == ("foshan", False, None)
    assert abs(missing["since"] - cut_at) <= 2.0
    scene.wires.cut([NodeId(FOSHAN)], restore=True)
    foshan.beat_again()
    scene.clock.advance(10.0)
    after = scene.ask("intervals", **SPAN)
    told = {(one["city"], one["start"]): one["revision"] for one in after["intervals"]}
    assert (told["foshan", NOON], told["guangzhou", NOON]) == (2, 1)
    (revised,) = after["revised"]
    assert (revised["city"], revised["start"], revised["revision"]) == ("foshan", NOON, 2)
    assert after["complete"]
    scene.kill_hub()
    scene.start_hub()
    scene.clock.advance(10.0)
    again = scene.ask("intervals", **SPAN)
    assert (again["intervals"], again["revised"]) == (after["intervals"], after["revised"]), "a restart changes nothing"
    assert bytes_of(figures(again)) == bytes_of(offline(scene, Random(1)))


class FullDisk(MemoryRevisions):
    """Takes nothing."""

    def tell(self, figures: Mapping[Slot, str], at: float) -> Deferred[Told]:
        return Deferred()


def test_a_report_is_told_though_its_revision_cannot_be_kept() -> None:
    """With a full disk at the hub: figures come, a little later; no number is claimed for them."""
    scene = HubScene()
    start_all(scene)
    waits(scene.cities[FOSHAN], 1)
    in_the_next_quarter(scene)
    scene.revisions_on = FullDisk
    scene.kill_hub()
    scene.start_hub()
    scene.clock.advance(10.0)
    answer = scene.ask("intervals", within_s=8.0, **SPAN)
    assert {one["revision"] for one in answer["intervals"]} == {None}
    assert answer["revised"] == []
    assert bytes_of(figures(answer)) == bytes_of(offline(scene, Random(1)))


def test_the_day_names_what_is_missing_and_what_was_revised() -> None:
    """The same in words, both languages: silent since, declared lost since, by whom and why; revised quarters."""
    scene = HubScene()
    start_all(scene)
    foshan, shenzhen = scene.cities[FOSHAN], scene.cities[SHENZHEN]
    waits(foshan, 1)
    scene.clock.advance(5.0)
    foshan.silent()
    scene.wires.cut([NodeId(FOSHAN)])
    shenzhen.silent()
    scene.wires.cut([NodeId(SHENZHEN)])
    waits(shenzhen, 1)
    served(shenzhen, shenzhen, 1)
    in_the_next_quarter(scene)
    day = "2001-09-09"
    first = scene.ask("day", day=day)
    assert not first["complete"]
    assert "! 深圳  自 09-09 12:00 无音讯" in first["zh"], first["zh"]
    scene.ask("declare_lost", city=FOSHAN, reason="fire")
    scene.wires.cut([NodeId(SHENZHEN)], restore=True)
    shenzhen.beat_again()
    scene.clock.advance(10.0)
    second = scene.ask("day", day=day)
    assert "! Foshan  declared lost since 09-09 12:16 (bureau: fire); silent since 09-09 12:00" in second["en"]
    assert "! 佛山  自 09-09 12:16 宣告失联（bureau：fire）" in second["zh"]
    assert "~ revised intervals 2: Foshan 09-09 12:00 #2, Shenzhen 09-09 12:00 #2" in second["en"]
    assert "故障 1" in second["zh"], "the caller who waited in the lost city"
    assert "… 2001-09-09 is not over yet: figures will change" in second["en"]
    assert "还没有到" in scene.ask("day", day="2001-09-10")["zh"]
    assert "…" not in scene.ask("day", day="2001-09-08")["en"]
    assert scene.refusal("day", day="09-09-2001") == (400, "bad-request", "day")


def test_segments_served_for_a_lost_city_are_named_in_the_report() -> None:
    """O3, E3: Shenzhen served a caller of Foshan whose word never came; the report of Shenzhen's day says so."""
    scene = HubScene()
    start_all(scene)
    foshan, shenzhen = scene.cities[FOSHAN], scene.cities[SHENZHEN]
    scene.wires.cut([NodeId(FOSHAN)])
    foshan.silent()
    contact = contact_of(foshan, 1)
    shenzhen.write(
        SegmentOpened(
            contact=contact,
            n=1,
            site=SHENZHEN,
            anchor=FOSHAN,
            agent=AgentId("1001@shenzhen"),
            token=Token("t"),
            skill=FAULT,
            service="fault",
            received=True,
        )
    )
    scene.clock.advance(10.0)
    scene.ask("declare_lost", city=FOSHAN, reason="fire")
    answer = scene.ask("intervals", **SPAN, city=SHENZHEN)
    (missing,) = answer["missing"]
    assert (missing["city"], missing["seen"], missing["unconfirmed"]) == ("shenzhen", True, 1)
    assert not answer["complete"]
    assert "1 segments that no word of their anchor confirms" in scene.ask("day", day="2001-09-09")["en"]


@pytest.mark.parametrize("seed", range(6))
def test_I6_reports_equal_the_offline_fold_after_every_heal(seed: int) -> None:  # noqa: N802
    """I6: lines that lose, double and reorder, cities cut off for quarters of an hour, a hub that dies and one that
    loses its disks; reports are asked for all the while. At the end the figures are byte-equal to the fold of all
    journals, and no revision ever stood for two different figures.
    """
    draw, scene = Random(seed), HubScene()
    for pair in ((one, HUB) for one in CITIES):
        for line in (scene.wires.line(NodeId(pair[0]), HUB), scene.wires.line(HUB, NodeId(pair[0]))):
            line.loss, line.duplicate, line.jitter_s = 0.15, 0.2, 0.4
    start_all(scene)
    numbers = dict.fromkeys(CITIES, 0)
    said: dict[tuple[str, int, int], bytes] = {}

    def read() -> list[dict[str, Any]]:
        answer = scene.ask("intervals", **SPAN)
        slots: dict[tuple[str, int, int], list[Any]] = {}
        for one, plain in zip(answer["intervals"], figures(answer), strict=True):
            if one["revision"]:
                slots.setdefault((one["city"], one["start"], one["revision"]), []).append(plain)
        for slot, content in slots.items():
            assert said.setdefault(slot, bytes_of(content)) == bytes_of(content), slot
        return figures(answer)

    apart: set[CityId] = set()
    for _ in range(6):
        if draw.random() < 0.6:
            gone = draw.choice(CITIES)
            (apart.discard if gone in apart else apart.add)(gone)
            scene.wires.cut([NodeId(gone)], restore=gone not in apart)
        for _ in range(4):
            anchor, site = draw.choice(CITIES), draw.choice(CITIES)
            numbers[anchor] += 1
            waits(scene.cities[anchor], numbers[anchor])
            scene.clock.advance(draw.uniform(1.0, 200.0))
            if draw.random() < 0.8:
                served(scene.cities[anchor], scene.cities[site], numbers[anchor])
        if draw.random() < 0.5:
            read()
        if draw.random() < 0.3:
            scene.kill_hub()
            if draw.random() < 0.4:
                scene.lose_disks()
                said.clear()  # it counts its readers from 1 again
            scene.start_hub()
        in_the_next_quarter(scene)
        scene.clock.advance(draw.uniform(0.0, 60.0))
        read()
    for city in apart:
        scene.wires.cut([NodeId(city)], restore=True)
    for city in CITIES:
        for line in (scene.wires.line(NodeId(city), HUB), scene.wires.line(HUB, NodeId(city))):
            line.loss = line.duplicate = line.jitter_s = 0.0
    scene.clock.advance(120.0)
    told = read()
    assert told
    assert bytes_of(told) == bytes_of(offline(scene, draw))
    assert bytes_of(told) == bytes_of(offline(scene, draw)), "in another order too"
