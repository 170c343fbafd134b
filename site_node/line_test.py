"""The embedded form of the ``LineTest`` port: a test desk over copper pairs that nobody has laid.

Each line has a pair of its own, drawn from its number, so it measures alike each time. What is wrong with it is what a
simulation has declared of the line, of its cable or of its exchange; of the others some are drawn to be faulty, as
lines are whose customers complain.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from federation.ports import Clock, Timer
from site_node.core.line_test import Lies, LineTested, LineUnderTest, Outcome

OHM_PER_KM = 280.0
"""loop resistance of a pair of 0.4 mm, at 20 °C"""
NF_PER_KM = 50.0
"""capacitance of such a pair"""
BELL_NF = 1_000.0
"""the capacitor of a telephone's bell: whether it is seen tells an open pair from a whole one"""
TELEPHONE_OHM = 250.0
"""of a telephone that is off the hook"""
HEADS = 4
"""tests at a time in one exchange"""
LONGEST_KM = 5.0
SHORTEST_S, LONGEST_S = 3.0, 9.0
"""how long a test takes"""
_LIES = {
    Outcome.BREAK: (Lies.CABLE, Lies.FRAME, Lies.PREMISES),
    Outcome.SHORT: (Lies.CABLE, Lies.PREMISES),
    Outcome.EARTH: (Lies.CABLE, Lies.PREMISES),
    Outcome.FOREIGN_VOLTAGE: (Lies.CABLE,),
    Outcome.OFF_HOOK: (Lies.PREMISES,),
    Outcome.NO_DIAL_TONE: (Lies.EXCHANGE,),
    Outcome.NO_SYNC: (Lies.EXCHANGE, Lies.PREMISES),
}
"""where each kind of fault may lie; the first is what a declared one is at, unless it says otherwise"""
Of = Literal["line", "cable", "exchange"]


@dataclass(frozen=True, slots=True)
class SimulatedFault:
    """What a simulation says is wrong."""

    outcome: Outcome
    lies: Lies | None = None
    """None: where such a fault lies mostly"""


class _Pair(NamedTuple):
    """A line as it is drawn from its number."""

    km: float
    insulation: tuple[float, float, float]
    fault: SimulatedFault | None
    at_km: float
    """how far out its faults lie, if in the cable"""


class EmbeddedLineTest:
    """Tests any line. ``faulty``: the share of lines that have a fault that nobody has declared; ``failing``: the share
    of tests that come to nothing.
    """

    def __init__(
        self, clock: Clock, seed: str = "", *, faulty: float = 0.35, failing: float = 0.02, heads: int = HEADS
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._faulty = faulty
        self._failing = failing
        self._heads = heads
        self._declared: dict[tuple[Of, str], SimulatedFault | None] = {}
        self._testing: dict[str, str] = {}
        """the exchange of each line that is under test"""
        self._tests: Counter[str] = Counter()

    # ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────────────
    def declare(self, of: Of, name: str, fault: SimulatedFault | None) -> None:
        """From now on the line, or everything on the cable or exchange, has this fault; None: it is good."""
        self._declared[of, name] = fault

    def forget(self, of: Of, name: str) -> None:
        """What was declared holds no more: the line is as it was drawn."""
        self._declared.pop((of, name), None)

    # ── the port ────────────────────────────────────────────────────────────────────────────────────────────────────
    def test(self, line: LineUnderTest) -> Deferred[LineTested]:
        """See ``LineTest``."""
        busy = line.number in self._testing or Counter(self._testing.values())[line.exchange] >= self._heads
        found: Deferred[LineTested] = Deferred(lambda _: self._let_go(line, timer))
        if busy:
            found.errback(_busy(line))
            return found
        self._tests[line.number] += 1
        drawn = Random(f"{self._seed}/{line.number}/{self._tests[line.number]}")
        self._testing[line.number] = line.exchange
        takes_s = drawn.uniform(SHORTEST_S, LONGEST_S)
        timer = self._clock.call_later(takes_s, self._done, line, found, drawn.random() < self._failing)
        return found

    def _let_go(self, line: LineUnderTest, timer: Timer) -> None:
        """Whoever asked waits no more: the test head is free."""
        self._testing.pop(line.number, None)
        if timer.active():
            timer.cancel()

    def _done(self, line: LineUnderTest, found: Deferred[LineTested], failed: bool) -> None:
        self._testing.pop(line.number, None)
        if failed:
            found.errback(_failed(line))
        else:
            found.callback(self._measured(line))

    # ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _pair(self, number: str) -> _Pair:
        drawn = Random(f"{self._seed}/{number}")
        km = round(drawn.uniform(0.3, LONGEST_KM), 2)
        insulation = (drawn.uniform(50, 500), drawn.uniform(20, 300), drawn.uniform(20, 300))
        outcome = drawn.choice([one for one in Outcome if one is not Outcome.OK])
        fault = SimulatedFault(outcome, drawn.choice(_LIES[outcome])) if drawn.random() < self._faulty else None
        return _Pair(km, insulation, fault, round(drawn.uniform(0.2, 0.9) * km, 2))

    def _fault(self, line: LineUnderTest, pair: _Pair) -> SimulatedFault | None:
        """What is declared nearest to the line, else what it was drawn with."""
        fault = pair.fault
        places: tuple[tuple[Of, str], ...] = (("line", line.number), ("cable", line.cable), ("exchange", line.exchange))
        for place in places:
            if place[1] and place in self._declared:
                fault = self._declared[place]
                break
        if fault is not None and fault.outcome is Outcome.NO_SYNC and not line.data:
            return None  # a pair without broadband
        return fault

    def _measured(self, line: LineUnderTest) -> LineTested:
        pair = self._pair(line.number)
        fault = self._fault(line, pair)
        outcome = fault.outcome if fault is not None else Outcome.OK
        lies = Lies.NOWHERE
        if fault is not None and outcome is not Outcome.OK:
            lies = fault.lies if fault.lies is not None else _LIES[outcome][0]
        at_km = {Lies.CABLE: pair.at_km, Lies.PREMISES: pair.km}.get(lies, 0.0)
        ab, ae, be = pair.insulation
        bad = 0.001 * (1 + pair.at_km)  # some kilohms, as wet insulation has
        loop_km = at_km if outcome is Outcome.SHORT else pair.km
        current = {Outcome.SHORT: 0.0, Outcome.OFF_HOOK: TELEPHONE_OHM}.get(outcome)
        open_at = at_km if outcome is Outcome.BREAK else None
        synced = outcome in (Outcome.OK, Outcome.NO_DIAL_TONE, Outcome.OFF_HOOK) if line.data else None
        return LineTested(
            line=line.number,
            outcome=outcome,
            lies=lies,
            at=self._clock.wall(),
            insulation_ab_mohm=_rounded(bad if current is not None else ab),
            insulation_ae_mohm=_rounded(bad if outcome is Outcome.EARTH else ae),
            insulation_be_mohm=_rounded(bad * 10 if outcome is Outcome.FOREIGN_VOLTAGE else be),
            loop_ohm=round(loop_km * OHM_PER_KM + current) if current is not None else None,
            capacitance_nf=round(NF_PER_KM * open_at if open_at is not None else NF_PER_KM * pair.km + BELL_NF),
            foreign_v=round(12 + pair.km * 8, 1) if outcome is Outcome.FOREIGN_VOLTAGE else 0.0,
            distance_km=at_km if lies in (Lies.CABLE, Lies.PREMISES) else None,
            dsl_synced=synced,
            dsl_down_kbps=round(24_000 - 4_000 * pair.km) if synced else None,
            dsl_margin_db=round(18 - 2.2 * pair.km, 1) if synced else None,
        )


def _rounded(value: float) -> float:
    return round(value, 4) if value < 1 else round(value, 1)


def _busy(line: LineUnderTest) -> Refused:
    return Refused(
        Problem(
            "line-test-busy",
            zh="测量设备正忙或该线路正在测试，请稍后再测",
            en="the test equipment is busy, or this line is under test: try again shortly",
            place=line.number,
        ),
        status=409,
    )


def _failed(line: LineUnderTest) -> Refused:
    return Refused(
        Problem(
            "line-test-failed",
            zh="测试未成功，线路情况不明；请再测一次",
            en="the test came to nothing, so nothing is known of the line: test it again",
            place=line.number,
        ),
        status=503,
    )
