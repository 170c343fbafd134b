"""A city is declared lost, and comes back: routing, console, ledger, intervals, a hub's restart (E3, row 24)."""

from __future__ import annotations

from dataset.ids import ContactId, LineageId, NodeId, SkillId
from dataset.intervals import fold
from dataset.measures import balance
from dataset.rows import (
    ContactBorn,
    Entered,
    Journalled,
    LineageOpened,
    QueueEntered,
    SiteDeclaredLost,
    SiteRejoined,
)
from federation.core.envelope import Context, NoProposal, Open, Propose
from tests.province.hub_scene import FOSHAN, GUANGZHOU, SHENZHEN, HubScene, ScriptedCity

FAULT = SkillId("fault")
LOST = ContactId("0757-00000002-000001")


def up() -> HubScene:
    """All three cities are there, with somebody idle at Foshan alone; a caller waits in Foshan."""
    scene = HubScene()
    scene.cities[GUANGZHOU].start()
    scene.cities[SHENZHEN].start()
    scene.cities[FOSHAN].start("ready")
    scene.cities[FOSHAN].write(
        ContactBorn(contact=LOST, city=FOSHAN, channel="voice", door="112", calling="", connection="c", package="p@1"),
        QueueEntered(contact=LOST, skill=FAULT, service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0),
    )
    scene.clock.advance(4.0)
    return scene


def vanish(scene: HubScene) -> None:
    """Foshan is cut off for good, and known to be silent."""
    scene.cities[FOSHAN].silent()
    scene.wires.cut([NodeId(FOSHAN)])
    scene.clock.advance(6.0)


def city(scene: HubScene, of: str = FOSHAN) -> dict[str, object]:
    (found,) = [one for one in scene.ask("province")["cities"] if one["city"] == of]
    return dict(found)


def on_record(scene: HubScene) -> list[Journalled]:
    rows: list[Journalled] = scene.result(scene.store.all_rows())
    return rows


def facts(scene: HubScene) -> list[SiteDeclaredLost | SiteRejoined]:
    return [row.row for row in on_record(scene) if isinstance(row.row, SiteDeclaredLost | SiteRejoined)]


def opened(scene: HubScene, n: int) -> set[str]:
    """What the hub says to Guangzhou's wish for somebody idle."""
    caller = scene.cities[GUANGZHOU]
    context = Context(
        calling="",
        door="112",
        path=(),
        service="fault",
        skill=FAULT,
        channel="voice",
        priority=0,
        package="p@1",
        waited_s=30.0,
    )
    caller.say(Open(contact=ContactId(f"0020-00000000-{n:06x}"), n=1, context=context, budget_s=4.0))
    scene.clock.advance(6.0)
    asked = [one for one in scene.cities[FOSHAN].heard if isinstance(one, Propose)]
    return {"proposed" for _ in asked} | {one.reason for one in caller.heard if isinstance(one, NoProposal)}


def test_a_city_that_is_heard_cannot_be_declared_lost() -> None:
    """A mistake of the operator is refused, with what to do instead; so is a reason that says nothing."""
    scene = up()
    assert scene.refusal("declare_lost", city=FOSHAN, reason="fire") == (409, "city-is-heard", "city")
    assert scene.refusal("declare_lost", city="zhuhai", reason="fire")[:2] == (404, "unknown-city")
    vanish(scene)
    assert scene.refusal("declare_lost", city=FOSHAN, reason="  ")[:2] == (400, "reason-missing")
    for user in ("boss", "inspector"):
        assert scene.refusal("declare_lost", user=user, city=FOSHAN, reason="fire")[:2] == (403, "not-your-role")
    assert facts(scene) == []


def test_declared_lost_and_back_again() -> None:
    """Its waiting caller fails by computation alone; both facts are rows of the hub; the city's return ends it."""
    scene = up()
    vanish(scene)
    assert city(scene)["lost"] is None
    answer = scene.ask("declare_lost", city=FOSHAN, reason="fire in the machine room")
    assert answer["lost"]["by"] == "bureau"
    assert "佛山" in answer["zh"]
    assert scene.refusal("declare_lost", city=FOSHAN, reason="again")[:2] == (409, "already-lost")
    told = city(scene)
    assert (told["seen"], told["lost"]) == (False, answer["lost"])
    assert scene.hub.health()["declared_lost"] == [FOSHAN]
    contact = scene.ask("contact", contact=LOST)
    assert (contact["contact"]["state"], contact["contact"]["ending"]) == ("ended", "failed")
    assert [row["kind"] for row in contact["rows"]] == ["contact_born", "queue_entered"], "nobody wrote its ending"
    (interval,) = scene.hub.running.memory.intervals.intervals(city=FOSHAN)
    assert (interval.failed, interval.closing, balance(interval)) == (1, 0, 0)
    scene.kill_hub()
    scene.start_hub()
    scene.clock.advance(4.0)
    assert city(scene)["lost"] == answer["lost"], "the fact outlives the hub's process"
    scene.cities[FOSHAN].show("ready")
    scene.wires.cut([NodeId(FOSHAN)], restore=True)
    scene.cities[FOSHAN].beat_again()
    scene.clock.advance(6.0)
    assert (city(scene)["seen"], city(scene)["lost"]) == (True, None)
    assert scene.ask("contact", contact=LOST)["contact"]["state"] == "waiting"
    (declared, rejoined) = facts(scene)
    assert isinstance(declared, SiteDeclaredLost)
    assert isinstance(rejoined, SiteRejoined)
    assert (declared.city, declared.reason, rejoined.city) == (FOSHAN, "fire in the machine room", FOSHAN)
    assert scene.hub.running.memory.intervals.json() == fold(on_record(scene)).json()


def test_nobody_is_proposed_to_a_lost_city_before_its_return_is_on_record() -> None:
    """Row 24: out of routing although it beats: its beats come, its rows do not (yet)."""
    scene = up()
    assert "proposed" in opened(scene, 1)
    scene.cities[FOSHAN].heard.clear()
    vanish(scene)
    scene.ask("declare_lost", city=FOSHAN, reason="fire")
    scene.cities[FOSHAN] = again = ScriptedCity(FOSHAN, "0000000b", scene.wires, scene.clock)
    again.report_nothing()
    scene.wires.cut([NodeId(FOSHAN)], restore=True)
    again.start("ready")
    scene.clock.advance(6.0)
    assert city(scene)["seen"]
    assert city(scene)["lost"] is not None
    assert "proposed" not in opened(scene, 2)
    again.report_again()
    scene.clock.advance(10.0)
    assert city(scene)["lost"] is None
    assert "proposed" in opened(scene, 3)


def test_a_lost_city_comes_back_with_an_empty_disk_as_itself() -> None:
    """Row 24, J2: new host, new journal, the same name. What the old journal held alone is lost with it, by name."""
    scene = up()
    vanish(scene)
    scene.ask("declare_lost", city=FOSHAN, reason="fire")
    assert fold(on_record(scene)).intervals(city=FOSHAN)[0].failed == 1
    scene.clock.advance(3600.0)
    scene.cities[FOSHAN] = again = ScriptedCity(FOSHAN, "0000000b", scene.wires, scene.clock)
    scene.wires.cut([NodeId(FOSHAN)], restore=True)
    again.start("ready")
    scene.clock.advance(10.0)
    assert city(scene)["lost"] is None
    rows = on_record(scene)
    openings = [row.lineage for row in rows if isinstance(row.row, LineageOpened) and row.node == FOSHAN]
    assert openings == [LineageId("00000002"), LineageId("0000000b")]
    contact = scene.ask("contact", contact=LOST)["contact"]
    assert (contact["state"], contact["ending"]) == ("ended", "failed"), "now lost with its journal"
    intervals = fold(rows).intervals(city=FOSHAN)
    assert [balance(one) for one in intervals] == [0] * len(intervals)
    assert sum(one.failed for one in intervals) == 1, "once, however it came to be lost"
    assert scene.hub.running.memory.intervals.json() == fold(rows).json()
