"""Faults of the line between a city and the brokers: cut, dead in one direction, flapping."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from dataset.rows import AttemptOpened
from tests.harness.node_log import log_lines
from tests.harness.real_floor import Crowd, Floor
from tests.harness.real_people import People
from tests.harness.real_province import RealProvince
from tests.harness.real_witness import Witness, home_answers, rows_of
from tests.harness.stalls import StallWatch
from tests.real.faults.scenes import all_well, in_order

CUT_S = float(os.environ.get("YHT_CUT_SECONDS", "20"))
FLAP_S = float(os.environ.get("YHT_FLAP_SECONDS", "24"))
BEAT_S = 1.0
CITY = "guangzhou"
SPARE = 2
"""agents of each city who are not at the simulated telephones"""


def short_talks(rng: Random) -> float:
    return rng.expovariate(1 / 2.5)


def city_hears_hub(province: RealProvince) -> bool:
    return bool((province.nodes[CITY].health() or {}).get("hub_seen"))


def hub_hears_city(province: RealProvince) -> bool:
    return bool((province.nodes["hub"].health() or {}).get("cities", {}).get(CITY))


def test_row_01_a_city_goes_on_while_its_line_is_cut(
    province: RealProvince, witness: Witness, people: People, tmp_path: Path
) -> None:
    """Its own callers are answered, the page says island, nothing is opened to the province; its records come later."""
    watcher = people.agent(CITY, 0, ready=False)
    floor = Floor(province, tmp_path / "seats", list(province.switches), short_talks, seed=3, spare=SPARE)
    floor.open()
    seconds = CUT_S + 10.0
    calls = {CITY: round(0.7 * seconds), "shenzhen": round(0.4 * seconds), "foshan": round(0.3 * seconds)}
    crowd = Crowd.call(province, tmp_path / "callers", calls, seconds, 20.0, prefix="131")
    province.wait(lambda: crowd.answered() >= 5, 30.0, "the load is on")
    province.lines[CITY].cut()
    cut_at = time.monotonic()
    province.wait(lambda: not watcher.state["island"]["hub"], 5.0, "the seat page says that the hub is away")
    shown_s = time.monotonic() - cut_at
    before, opened = home_answers(province)[CITY], opened_to_the_province(province)
    province.wait(lambda: time.monotonic() - cut_at >= CUT_S, CUT_S + 1.0, "the cut lasts")
    during = home_answers(province)[CITY] - before
    assert during >= 0.25 * (CUT_S - shown_s), f"{during} answers at home during the cut"
    assert opened_to_the_province(province) == opened
    waiting = (province.nodes[CITY].health() or {})["rows_waiting"]["hub"]
    assert waiting > during
    province.lines[CITY].heal()
    healed_at = time.monotonic()
    province.wait(lambda: all_well(province), 20.0, "the line is used again")
    back_s = time.monotonic() - healed_at
    province.wait(lambda: crowd.over, 60.0, "all calls are over")
    floor.close()
    witness.lines += crowd.lines(floor.answers())
    said = witness.check()
    assert in_order(province)
    print(
        f"row 1: cut for {CUT_S:g} s: island shown after {shown_s:.1f} s, {during} answers at home meanwhile, "
        f"{waiting} rows kept, in touch again {back_s:.1f} s after the heal; {said}"
    )


def opened_to_the_province(province: RealProvince) -> int:
    """Attempts for which the city asked others."""
    return sum(isinstance(row.row, AttemptOpened) and row.row.scope != "home" for row in province.journal(CITY))


TO_NOTICE_S = 0.1
"""a turn of a reactor that has other things to do"""


@pytest.mark.parametrize("deaf", ["hub", "city"])
def test_row_02_loss_in_one_direction_is_known_to_both_sides(province: RealProvince, deaf: str) -> None:
    """What one end sends is lost, what the other sends arrives: both stop counting on each other within three beats.

    Three beats of silence, that is: what TCP still brings after the line went deaf, until its time-outs, was heard.
    How long the silence was is what each says in its log; none was heard for longer than the machine's own stalls.
    """
    province.wait(lambda: all_well(province), 20.0, "everybody is in touch")
    nodes = {"city": province.nodes[CITY], "hub": province.nodes["hub"]}
    before = {name: node.log.stat().st_size for name, node in nodes.items()}
    province.lines[CITY].tell("mute", "near" if deaf == "hub" else "far")
    began = time.monotonic()
    noticed: dict[str, float] = {}

    def both() -> bool:
        for name, hears in (("city", city_hears_hub), ("hub", hub_hears_city)):
            if name not in noticed and not hears(province):
                noticed[name] = (time.monotonic() - began) / BEAT_S
        return len(noticed) == 2

    with StallWatch() as stalls:
        province.wait(both, 10.0, f"both know: {noticed}")
    province.lines[CITY].heal()
    silent_s = {
        name: log_lines(node.log, "hub-silent" if name == "city" else "city-silent", after=before[name])[0]["silent_s"]
        for name, node in nodes.items()
    }
    province.wait(lambda: all_well(province), 20.0, "everybody is in touch again")
    print(
        f"row 2: deaf {deaf}: the city knew after {noticed['city']:.1f} beats, {silent_s['city']} s of them silent; "
        f"the hub after {noticed['hub']:.1f}, {silent_s['hub']} s of them silent (limit 3)"
    )
    assert max(silent_s.values()) <= 3.0 * BEAT_S + TO_NOTICE_S + stalls.worst_s, (silent_s, noticed)


def test_row_22_a_flapping_line_makes_nothing_oscillate(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Two seconds dead, two alive, again and again: a caller who waits is tried a few times, and seats stay calm."""
    province.wait(lambda: all_well(province), 20.0, "everybody is in touch")
    caller = people.caller(CITY, "13200000001")
    agent = people.agent("shenzhen", 0, ready=False)
    states = [city_hears_hub(province)]
    began = time.monotonic()
    cut = False

    def flapping() -> bool:
        nonlocal cut
        wanted = int((time.monotonic() - began) / 2.0) % 2 == 0
        if wanted != cut:
            cut = wanted
            province.lines[CITY].tell("cut" if cut else "heal")
        if city_hears_hub(province) != states[-1]:
            states.append(not states[-1])
        return time.monotonic() - began >= FLAP_S

    province.wait(flapping, FLAP_S + 2.0, "the line flaps")
    province.lines[CITY].heal()
    province.wait(lambda: all_well(province), 20.0, "everybody is in touch again")
    attempts = sum(isinstance(row, AttemptOpened) for row in rows_of(province, caller.number))
    agent.ready()
    agent.answer()
    people.hear_each_other(caller, agent)
    caller.hang_up()
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    flaps = FLAP_S / 4.0
    print(
        f"row 22: {flaps:.0f} flaps: {len(states) - 1} changes of what the city counts on, {attempts} attempts of a "
        f"waiting caller; {witness.check()}"
    )
    assert len(states) - 1 <= flaps + 2
    assert attempts <= flaps + 2
