"""Lines that lose, double and reorder, and a hub that dies: the ledger is complete, every queue balances."""

from __future__ import annotations

from random import Random

import pytest

from dataset.ids import HUB, AgentId, ContactId, NodeId, SkillId, Token
from dataset.intervals import fold
from dataset.measures import balance
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    ContactBorn,
    ContactEnded,
    Ending,
    Entered,
    Evidence,
    Left,
    QueueEntered,
    QueueLeft,
)
from federation.core.envelope import Context, NoProposal, Open, Propose
from federation.node.journal_memory import MemoryDisk
from federation.node.ledger_store_memory import MemoryLedger
from tests.province.hub_scene import FOSHAN, GUANGZHOU, SHENZHEN, HubScene, ScriptedCity

FAULT = SkillId("fault")


def life(city: ScriptedCity, number: int, draw: Random) -> list[AnyRow]:
    """The rows of one contact that is answered here, answered elsewhere, or leaves."""
    contact = ContactId(f"0000-{city.journal.lineage}-{number:06x}")
    how = draw.choice((Left.ANSWERED_HERE, Left.SENT_OUT, Left.ABANDONED))
    rows: list[AnyRow] = [
        ContactBorn(
            contact=contact, city=city.city, channel="voice", door="112", calling="", connection="c", package="p@1"
        ),
        QueueEntered(contact=contact, skill=FAULT, service="fault", channel="voice", how=Entered.OFFERED, waited_s=0.0),
    ]
    if how is not Left.ABANDONED:
        others = [one for one in (GUANGZHOU, SHENZHEN, FOSHAN) if one != city.city]
        site = city.city if how is Left.ANSWERED_HERE else draw.choice(others)
        rows.append(
            AttemptAnswered(
                contact=contact,
                n=1,
                site=site,
                agent=AgentId(f"1001@{site}"),
                token=Token("t"),
                skill=FAULT,
                service="fault",
                channel="voice",
                waited_s=1.0,
            )
        )
    rows += [
        QueueLeft(contact=contact, skill=FAULT, service="fault", channel="voice", how=how, waited_s=1.0),
        ContactEnded(
            contact=contact,
            city=city.city,
            ending=Ending.ABANDONED if how is Left.ABANDONED else Ending.COMPLETED,
            evidence=Evidence.SEEN,
            cause="customer",
        ),
    ]
    return rows


def spoil_lines(scene: HubScene, *, loss: float, duplicate: float, jitter_s: float) -> None:
    for city in scene.cities:
        for line in (scene.wires.line(NodeId(city), HUB), scene.wires.line(HUB, NodeId(city))):
            line.loss, line.duplicate, line.jitter_s = loss, duplicate, jitter_s


@pytest.mark.parametrize("seed", range(5))
def test_the_ledger_is_complete_whatever_the_lines_do_and_however_often_the_hub_dies(seed: int) -> None:
    """0 lost, 0 doubled; the sums of I7 hold; live folds equal a recount from the ledger."""
    draw, scene = Random(seed), HubScene()
    spoil_lines(scene, loss=0.2, duplicate=0.2, jitter_s=0.4)
    for city in scene.cities.values():
        city.start("talking")
    written = 0
    for number in range(1, 41):
        for city in scene.cities.values():
            for row in life(city, number, draw):
                city.write(row)
                written += 1
            scene.clock.advance(draw.uniform(0.0, 0.4))
        if number in (13, 29):
            scene.kill_hub()
            scene.clock.advance(3.0)
            scene.start_hub()
    spoil_lines(scene, loss=0.0, duplicate=0.0, jitter_s=0.0)
    scene.clock.advance(90.0)
    kept = [row for row, _ in scene.ledger.rows.values() if row.node != HUB]
    openings = len(scene.cities)
    assert len(kept) == written + openings
    assert len({(row.lineage, row.sequence) for row in kept}) == len(kept)
    live = scene.hub.running.memory.intervals
    assert live.json() == fold(kept).json()
    assert all(balance(one) == 0 for one in live.intervals())
    assert list(scene.hub.running.memory.contacts.live()) == []


def test_a_hub_that_lost_its_disk_gets_the_rows_of_cities_that_have_nothing_new_to_report() -> None:
    """J5: a new run of the hub is asked what it has, although the line never broke and no row came since."""
    scene = HubScene()
    for number, city in enumerate(scene.cities.values()):
        city.start("talking")
        for row in life(city, number, Random(number)):
            city.write(row)
    scene.clock.advance(3.0)
    before = {(row.lineage, row.sequence) for row, _ in scene.ledger.rows.values() if row.node != HUB}
    scene.kill_hub()
    scene.journal_disk, scene.ledger = MemoryDisk(), MemoryLedger()
    scene.start_hub()
    scene.clock.advance(5.0)
    assert before
    assert {(row.lineage, row.sequence) for row, _ in scene.ledger.rows.values() if row.node != HUB} == before


@pytest.mark.parametrize("seed", range(5))
def test_every_open_attempt_is_answered_or_runs_out_and_nothing_stays_behind(seed: int) -> None:
    """Proposals, grants and closings may get lost: nobody waits for ever, no seat stays promised."""
    draw, scene = Random(seed), HubScene()
    spoil_lines(scene, loss=0.3, duplicate=0.2, jitter_s=0.5)
    scene.cities[GUANGZHOU].start("ready", "talking")
    scene.cities[SHENZHEN].start("ready")
    scene.cities[FOSHAN].start("talking")
    context = Context(
        calling="1",
        door="112",
        path=(),
        service="fault",
        skill=FAULT,
        channel="voice",
        priority=0,
        package="p@1",
        waited_s=0.0,
    )
    for number in range(60):
        scene.cities[FOSHAN].say(Open(contact=ContactId(f"c{number}"), n=1, context=context, budget_s=6.0))
        scene.clock.advance(draw.uniform(0.0, 0.5))
    scene.clock.advance(7.0)
    assert (scene.hub.running.core.open_attempts(), scene.hub.running.core.waiting()) == (0, 0)
    assert any(isinstance(one, NoProposal) for one in scene.cities[FOSHAN].heard)
    spoil_lines(scene, loss=0.0, duplicate=0.0, jitter_s=0.0)
    scene.clock.advance(3.0)
    scene.cities[SHENZHEN].heard.clear()
    scene.cities[FOSHAN].say(Open(contact=ContactId("last"), n=1, context=context, budget_s=6.0))
    scene.clock.advance(0.1)
    assert [type(one) for one in scene.cities[SHENZHEN].heard if not hasattr(one, "wall")] == [Propose]
