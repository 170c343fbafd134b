"""The simulated test desk measures a line alike each time, as a real pair with that fault would."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId
from federation.node.clock import VirtualClock
from site_node.core.line_test import Lies, LineTested, LineUnderTest, Outcome, note_of
from site_node.line_test import LONGEST_S, EmbeddedLineTest, SimulatedFault
from site_node.services.line_tests import WITHIN_S, LineTests

NUMBERS = st.integers(81_230_000, 81_239_999).map(lambda number: f"020{number}")


def desk(**settings: Any) -> tuple[EmbeddedLineTest, VirtualClock]:
    clock = VirtualClock()
    return EmbeddedLineTest(clock, **{"failing": 0.0, **settings}), clock


def result(asked: Deferred[LineTested], clock: VirtualClock) -> LineTested | str:
    """What a test comes to, or the slug of the refusal."""
    found: list[Any] = []
    asked.addBoth(found.append)
    clock.advance(LONGEST_S)
    assert found, "no result in the time that a test may take"
    failed = getattr(found[0], "value", None)
    return failed.problems[0].slug if isinstance(failed, Refused) else found[0]


def measured(tests: EmbeddedLineTest, clock: VirtualClock, line: LineUnderTest) -> LineTested:
    found = result(tests.test(line), clock)
    assert isinstance(found, LineTested)
    return found


@given(number=NUMBERS, outcome=st.sampled_from(list(Outcome)), data=st.booleans())
def test_what_is_measured_fits_what_was_declared(number: str, outcome: Outcome, data: bool) -> None:
    """Whoever reads the values comes to the same outcome as the desk."""
    tests, clock = desk()
    tests.declare("line", number, SimulatedFault(outcome))
    found = measured(tests, clock, LineUnderTest(number=number, data=data))
    assert found.outcome is (outcome if data or outcome is not Outcome.NO_SYNC else Outcome.OK)
    assert (found.lies is Lies.NOWHERE) == (found.outcome is Outcome.OK)
    assert (found.loop_ohm is not None) == (outcome in (Outcome.SHORT, Outcome.OFF_HOOK))
    assert (min(found.insulation_ae_mohm, found.insulation_be_mohm) < 0.1) == (
        outcome in (Outcome.EARTH, Outcome.FOREIGN_VOLTAGE)
    )
    assert (found.insulation_ab_mohm < 0.1) == (found.loop_ohm is not None)
    assert (found.capacitance_nf < 1_000) == (outcome is Outcome.BREAK), "the bell is not seen behind a break only"
    assert (found.foreign_v > 10) == (outcome is Outcome.FOREIGN_VOLTAGE)
    assert (found.dsl_synced is None) == (not data)
    if found.lies is Lies.CABLE:
        assert found.distance_km is not None
        assert 0 < found.distance_km < 5
    note = note_of(found)
    assert "None" not in note
    assert f"{found.capacitance_nf:g} nF" in note


@given(number=NUMBERS)
def test_a_line_measures_alike_each_time(number: str) -> None:
    tests, clock = desk()
    again, other = desk()
    first, second = (measured(tests, clock, LineUnderTest(number=number)) for _ in range(2))
    third = measured(again, other, LineUnderTest(number=number))
    assert (
        first == LineTested(**{**_fields(second), "at": first.at}) == LineTested(**{**_fields(third), "at": first.at})
    )


def _fields(tested: LineTested) -> dict[str, Any]:
    return {name: getattr(tested, name) for name in tested.__struct_fields__}


def test_what_is_declared_nearest_to_the_line_holds() -> None:
    tests, clock = desk(faulty=0.0)
    line = LineUnderTest(number="02081230001", exchange="五山", cable="天河-12")
    assert measured(tests, clock, line).outcome is Outcome.OK
    tests.declare("exchange", "五山", SimulatedFault(Outcome.NO_DIAL_TONE))
    assert measured(tests, clock, line).lies is Lies.EXCHANGE
    tests.declare("cable", "天河-12", SimulatedFault(Outcome.BREAK))
    assert measured(tests, clock, line).outcome is Outcome.BREAK
    tests.declare("line", line.number, None)
    assert measured(tests, clock, line).outcome is Outcome.OK
    tests.forget("line", line.number)
    assert measured(tests, clock, line).outcome is Outcome.BREAK


def test_lines_that_nobody_declared_have_faults_in_their_share() -> None:
    tests, clock = desk(faulty=0.35)
    found = Counter(measured(tests, clock, LineUnderTest(number=f"020812{number:05}")).outcome for number in range(400))
    assert 0.25 < 1 - found[Outcome.OK] / 400 < 0.45
    assert len(found) == len(Outcome) - 1, "and of every kind but the one that needs broadband"


def test_an_exchange_tests_as_many_lines_at_a_time_as_it_has_heads() -> None:
    tests, clock = desk(heads=2)
    first = [tests.test(LineUnderTest(number=f"0208123000{n}", exchange="五山")) for n in (1, 2)]
    assert result(tests.test(LineUnderTest(number="02081230003", exchange="五山")), clock) == "line-test-busy"
    for one in first:
        assert isinstance(result(one, clock), LineTested)
    again = tests.test(LineUnderTest(number="02081230001", exchange="五山"))
    assert result(tests.test(LineUnderTest(number="02081230001", exchange="石牌")), clock) == "line-test-busy"
    assert isinstance(result(again, clock), LineTested)


def test_a_test_may_come_to_nothing_and_then_says_nothing_of_the_line() -> None:
    tests, clock = desk(failing=1.0)
    assert result(tests.test(LineUnderTest(number="02081230001")), clock) == "line-test-failed"


class Hanging:
    """A test desk that never answers."""

    def __init__(self) -> None:
        self.cancelled = 0

    def test(self, line: LineUnderTest) -> Deferred[LineTested]:
        def gone(_: Deferred[LineTested]) -> None:
            self.cancelled += 1

        return Deferred(gone)


def test_a_test_that_hangs_is_given_up_in_time() -> None:
    clock, port = VirtualClock(), Hanging()
    tests = LineTests(CityId("guangzhou"), port, None, clock)
    found: list[Any] = []
    Deferred.fromCoroutine(tests.test("02081230001")).addErrback(found.append)
    clock.advance(WITHIN_S - 0.1)
    assert not found
    clock.advance(0.2)
    assert found[0].value.problems[0].slug == "line-test-late"
    assert port.cancelled == 1, "the equipment is free"


def test_a_test_that_is_given_up_frees_the_line() -> None:
    tests, clock = desk()
    given_up = tests.test(LineUnderTest(number="02081230001"))
    given_up.addErrback(lambda failure: pytest.fail(str(failure)) if failure.check(Refused) else None)
    given_up.cancel()
    assert isinstance(result(tests.test(LineUnderTest(number="02081230001")), clock), LineTested)
