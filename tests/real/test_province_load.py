"""300 calls in a minute on three cities, one of them with too few seats: real SIP, real agents' API, real brokers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from twisted.internet import reactor as _reactor

from dataset.rows import ContactBorn, ContactEnded
from simulation.machines.addresses import CITIES
from simulation.machines.sipp import Callers, Sipp, start_callers
from simulation.population.draws import Draw
from tests.harness.driving import ReactorDriver
from tests.harness.ledger_checker import CallerLine, LedgerCheck
from tests.harness.pooled import Arrival, answered
from tests.harness.real_floor import RING_S, WRAP_UP_S, Floor, spoke
from tests.harness.real_province import RealProvince, Shape, real_province
from tests.harness.stalls import StallWatch

reactor: object = _reactor
CALLS = int(os.environ.get("YHT_LOAD_CALLS", "300"))
SECONDS = 60.0
AGENTS = {"guangzhou": 14, "shenzhen": 14, "foshan": 2}
STAYS_S = (8.0, 16.0, 32.0)
"""how long callers stay on the line at most: a third each"""
HANDLING_S = 5.0


def exponential(mean_s: float) -> Draw:
    def draw(rng: Random) -> float:
        return rng.expovariate(1 / mean_s)

    return draw


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    shape = Shape(agents=AGENTS, wrap_up_s=3.0)
    with real_province(tmp_path_factory.mktemp("load"), shape, ReactorDriver()) as running:
        yield running


def call_all(province: RealProvince, folder: Path) -> dict[str, Sipp]:
    """A third of the calls at each city's door, in three patiences each; every caller has a number of its own."""
    running = {}
    at_city = CALLS // len(CITIES)
    for city in CITIES:
        spec = province.switches[city.id].spec
        for place, stays_s in enumerate(STAYS_S):
            each = at_city // len(STAYS_S) + (place < at_city % len(STAYS_S))
            name = f"{city.number}{place}"
            callers = Callers(
                name=f"callers-{name}",
                door=f"{spec.sip_address}:{spec.sip_port}",
                address=province.slot.outside(60 + 10 * city.number + place),
                number="112",
                caller=f"13{name}[call_number]",
                calls=each,
                rate=each / SECONDS,
                patience=10.0,
                talk=stays_s,
            )
            running[name] = start_callers(callers, folder / callers.name)
    return running


def test_overflow_answers_as_many_as_one_pool_would(province: RealProvince, tmp_path: Path) -> None:
    """Answered calls ≥ those of a fully pooled simulation of the same arrivals − 2 percentage points; 0/0/0."""
    floor = Floor(province, tmp_path / "seats", list(AGENTS), exponential(HANDLING_S), seed=7)
    floor.open()
    with StallWatch() as stalls:
        callers = call_all(province, tmp_path / "callers")
        province.wait(
            lambda: not any(one.process.alive() for one in callers.values()),
            SECONDS + max(STAYS_S) + 30,
            "all calls over",
        )
    province.wait(province.ledger_complete, 20.0, "every outbox is empty")
    floor.close()
    province.wait(province.ledger_complete, 20.0, "every outbox is empty again")

    lines, times = _callers(callers)
    seats = floor.answers()
    ledger = province.hub_ledger()
    number_of = {row.row.contact: row.row.calling for row in ledger if isinstance(row.row, ContactBorn)}
    ended = {number_of[row.row.contact]: row.row for row in ledger if isinstance(row.row, ContactEnded)}

    answered_there = {number for number in times if number in seats}
    limit, alone = _limits(times)
    share, pooled, unpooled = len(answered_there) / len(times), limit / len(times), alone / len(times)
    print(
        f"\n{len(times)} calls: answered {share:.1%}, one pool {pooled:.1%}, without overflow {unpooled:.1%}; "
        f"served elsewhere {sum(row.serving not in (None, row.city) for row in ended.values())}"
    )
    assert unpooled <= 0.85, "the scenario must lose at least 15 % without overflow"
    assert share >= pooled - 0.02

    check = LedgerCheck(
        [line._replace(spoke=_spoke(line.test_id, times, seats)) for line in lines],
        {city.id: province.journal(city.id) for city in CITIES},
        ledger,
    )
    findings = check.findings()
    print(findings.text())
    assert findings.passed
    _check_places(ended, province)
    _check_times(ended, times, seats, stalls.worst_s)


def _callers(running: dict[str, Sipp]) -> tuple[list[CallerLine], dict[str, tuple[float, float]]]:
    """Lines for the checker, and (answered, ended) by number, out of SIPp's own log."""
    lines: list[CallerLine] = []
    times: dict[str, tuple[float, float]] = {}
    for name, sipp in running.items():
        marks: dict[str, dict[str, float]] = {}
        for seen in sipp.result().seen:
            marks.setdefault(seen.call, {})[seen.what] = seen.at
        for call, mark in marks.items():
            number = f"13{name}{call.partition('-')[0]}"
            assert "answered" in mark, f"{number} was never answered: {mark}"
            end = mark.get("released", mark.get("hung-up"))
            assert end is not None, f"{number} never ended: {mark}"
            lines.append(CallerLine(number, reached=True))
            times[number] = (mark["answered"], end)
    return lines, times


def _spoke(number: str, times: dict[str, tuple[float, float]], seats: dict[str, tuple[str, float]]) -> bool | None:
    _, answered_at = seats.get(number, ("", None))
    return spoke(answered_at, times[number][1])


def _limits(times: dict[str, tuple[float, float]]) -> tuple[int, int]:
    """Answered by one pool, and by cities on their own, of the very arrivals of this run.

    Each caller's handling time is drawn from the number, so that who of two came first by a hair does not change
    everybody's: the limits vary by a few calls in 300 only (80 to 82 % on their own).
    """
    first = min(at for at, _ in times.values())
    arrivals = [
        Arrival(
            at=at - first,
            city=CITIES[int(number[2]) - 1].id,
            stays_s=STAYS_S[int(number[3])],
            handling_s=RING_S + Random(f"handling {number}").expovariate(1 / HANDLING_S) + WRAP_UP_S,
        )
        for number, (at, _) in sorted(times.items(), key=lambda item: item[1])
    ]
    return answered(arrivals, AGENTS, pooled=True), answered(arrivals, AGENTS, pooled=False)


def _check_places(ended: dict[str, ContactEnded], province: RealProvince) -> None:
    """Anchor and serving site are right on every record."""
    for number, row in ended.items():
        assert row.city == CITIES[int(number[2]) - 1].id, f"{number} is anchored at {row.city}"


def _check_times(
    ended: dict[str, ContactEnded],
    times: dict[str, tuple[float, float]],
    seats: dict[str, tuple[str, float]],
    stalled_s: float,
) -> None:
    """Waiting and talk of the answered calls agree with SIPp's own within 100 ms, and none is half a second off.

    What the machine itself kept everybody waiting comes on top: SIPp and the nodes share its two cores, and one call in
    twenty may meet a moment when the others have both.
    """
    off: dict[str, list[float]] = {"wait": [], "talk": []}
    for number, (city, at) in seats.items():
        row = ended[number]
        began, over = times[number]
        if row.serving is None and spoke(at, over) is None:
            continue  # the caller left in the moment of the answer
        assert row.serving == city, f"{number}: served at {city}, on record {row.serving}"
        off["wait"].append(abs(row.waited_s - (at - began)))
        off["talk"].append(abs(row.talked_s - (over - at)))
    most = {name: sorted(values)[int(0.95 * len(values))] for name, values in off.items()}
    worst = {name: max(values) for name, values in off.items()}
    print(
        f"off SIPp's, 19 of 20 and largest: waiting {1000 * most['wait']:.0f} and {1000 * worst['wait']:.0f} ms, "
        f"talk {1000 * most['talk']:.0f} and {1000 * worst['talk']:.0f} ms; "
        f"longest stall of the machine {1000 * stalled_s:.0f} ms"
    )
    assert max(most.values()) <= 0.1 + stalled_s
    assert max(worst.values()) <= 0.5 + stalled_s
