"""Row 27: ten times the load. A province of its own, with limits so small that a storm on one machine reaches them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from simulation.machines.sipp import Callers, Sipp, start_callers
from tests.harness.driving import ReactorDriver
from tests.harness.real_floor import Floor, caller_lines
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.real_witness import Witness
from tests.harness.stalls import StallWatch
from tests.real.faults.scenes import metric

STORM_S = float(os.environ.get("YHT_STORM_SECONDS", "15"))
USUAL_S = 12.0
CITY = "guangzhou"
AGENTS = {"guangzhou": 6, "shenzhen": 2, "foshan": 0}
HANDLING_S = 2.0
USUAL_RATE = 3.6
"""calls per second: a little more than the seats can do, so that the usual time shows what they can"""
MOST_CALLS, MOST_WAITING = 60, 12
STAYS_S = 12.0


@pytest.fixture(scope="module")
def busy_province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(
        agents=AGENTS,
        queue=f"most_waiting_per_agent = {MOST_WAITING / AGENTS[CITY]}\nmost_waiting_always = {MOST_WAITING}\n",
        each_city=f"most_calls = {MOST_CALLS}\n",
    )
    with real_province(tmp_path_factory.mktemp("storm"), shape, ReactorDriver()) as running:
        yield running


def handling(rng: Random) -> float:
    return HANDLING_S


def call(province: RealProvince, folder: Path, nth: int, door: str, rate: float, seconds: float) -> Sipp:
    spec = province.switches[CITY].spec
    callers = Callers(
        name=f"storm-{nth}",
        door=f"{spec.sip_address}:{spec.sip_port}",
        address=province.slot.outside(60 + nth),
        number=door,
        caller=f"15{nth}[call_number]",
        calls=round(rate * seconds),
        rate=rate,
        patience=10.0,
        talk=STAYS_S,
    )
    started = start_callers(callers, folder / callers.name)
    province.at_end.callback(started.process.stop)
    return started


def late(province: RealProvince, limit: str) -> int:
    """How often the city's loop was later than ``limit`` seconds."""
    whole = metric(province, CITY, "yht_reactor_late_seconds_count")
    return round(whole - metric(province, CITY, f'yht_reactor_late_seconds_bucket{{le="{limit}"}}'))


def test_row_27_a_call_storm_takes_no_answer_away(busy_province: RealProvince, tmp_path: Path) -> None:
    """The seats answer as many as before, whoever has to be turned away hears so at once, and nothing breaks."""
    province = busy_province
    floor = Floor(province, tmp_path / "seats", [CITY, "shenzhen"], handling, seed=5)
    floor.open()
    late_before = late(province, "0.5")
    with StallWatch() as stalls:
        usual_at = time.time()
        usual = call(province, tmp_path, 1, "112", USUAL_RATE, USUAL_S)
        province.wait(lambda: time.time() - usual_at > USUAL_S, USUAL_S + 2.0, "the usual load is over")
        storm_at = time.time()
        storm = call(province, tmp_path, 2, "112", 9.0 * USUAL_RATE, STORM_S)
        urgent = call(province, tmp_path, 3, "180", USUAL_RATE, STORM_S)
        running = (usual, storm, urgent)
        province.wait(lambda: time.time() - storm_at > STORM_S, STORM_S + 5.0, "the storm blows")
        end = STORM_S + STAYS_S + 30.0
        province.wait(lambda: not any(one.process.alive() for one in running), end, "all calls are over")
    late_since = late(province, "0.5") - late_before
    floor.close()
    answers = floor.answers()
    witness = Witness(province)
    for nth, sipp in enumerate(running, 1):
        witness.lines += caller_lines(sipp, f"15{nth}", answers)
    checked = witness.check()

    def rate(begin: float, until: float) -> float:
        return sum(begin <= at < until for _, at in answers.values()) / (until - begin)

    capacity = rate(usual_at + 4.0, storm_at)
    in_storm = rate(storm_at + 2.0, storm_at + STORM_S)
    refused = Counter(code for sipp in running for code in sipp.result().refused_with())
    turned_away = {
        reason: round(metric(province, CITY, f'yht_calls_turned_away_total{{reason="{reason}"}}'))
        for reason in ("city_full", "queue_full")
    }
    share = {
        door: sum(number.startswith(f"15{nth}") for number in answers) / sipp.result().count("dialled")
        for nth, door, sipp in ((2, "112", storm), (3, "180", urgent))
    }
    print(
        f"row 27: storm of {10 * USUAL_RATE:.0f} calls/s for {STORM_S:g} s: answered {in_storm:.2f}/s, capacity "
        f"{capacity:.2f}/s (limit 0.9 of it); busy {turned_away['city_full']}, let go after an announcement "
        f"{turned_away['queue_full']}; of class 1 {share['180']:.0%} answered, of class 0 {share['112']:.0%}; "
        f"loop late by more than 0.5 s {late_since} times; {checked}"
    )
    assert in_storm >= 0.9 * capacity
    assert refused.keys() <= {486}
    assert refused[486] == turned_away["city_full"] > 0
    assert turned_away["queue_full"] > 0
    assert share["180"] > share["112"]
    assert late_since == 0 or stalls.worst_s > 0.3
