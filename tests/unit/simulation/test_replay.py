"""Days of a trace through the real core: exactly as they were, and with the core deciding."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulation.replay.command import replay
from simulation.replay.forced import course_of, lanes_of, play_forced
from simulation.replay.free import play_free
from simulation.replay.totals import Totals
from simulation.replay.trace import Trace, load_trace, parse_trace
from tests.harness.synthetic_trace import FILE
from tests.unit.simulation.test_trace import GOOD, SERVED, changed, read

FIRST, SECOND = date(1999, 3, 2), date(1999, 3, 3)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return load_trace(FILE)


class TestForced:
    @pytest.mark.parametrize("day", [FIRST, SECOND])
    def test_a_day_comes_out_of_the_core_as_it_was(self, trace: Trace, day: date) -> None:
        """Totals equal, and every answer and every end at its very second."""
        shares: list[float] = []
        result = play_forced(day, trace.day(day), shares.append)
        assert result.expected == result.played
        assert result.late == 0
        assert result.good
        assert result.answers == result.expected.answered
        assert shares == sorted(shares)
        assert shares[-1] == 1.0

    def test_overlapping_services_need_a_second_seat(self) -> None:
        """The core never lets one seat hold two contacts (I2)."""
        again = changed(SERVED, call_id="34541", vru_line="AA0102", ser_exit="8:12:10", ser_time="120")
        calls = parse_trace(read(SERVED, again), "t").calls
        lanes = lanes_of(course_of(call) for call in calls)
        assert [lane.name for lane in lanes] == ["DORIT", "DORIT 2"]
        assert play_forced(calls[0].date, calls).good

    def test_one_who_is_served_before_somebody_who_waits_longer(self) -> None:
        early = changed(
            SERVED,
            **{"q_start": "8:10:10", "q_exit": "8:20:00", "q_time": "590"},
            **{"ser_start": "8:20:00", "ser_exit": "8:21:00"},
        )
        late = changed(
            SERVED,
            **{"call_id": "2", "vru_entry": "8:15:00", "vru_exit": "8:15:10", "ser_start": "8:15:10"},
            **{"ser_exit": "8:16:10"},
        )
        calls = parse_trace(read(early, late), "t").calls
        result = play_forced(calls[0].date, calls)
        assert result.good
        assert result.seats == 2
        assert result.servers == 1

    def test_everything_within_one_second(self) -> None:
        """Arrival, menu, answer and end of one call at the same second."""
        line = changed(
            SERVED,
            **{"vru_exit": "8:10:00", "vru_time": "0", "ser_start": "8:10:00", "ser_exit": "8:10:00", "ser_time": "0"},
        )
        calls = parse_trace(read(line), "t").calls
        result = play_forced(calls[0].date, calls)
        assert result.played == Totals(1, 1, 0, 0)
        assert result.good

    def test_one_after_the_other_at_the_same_seat_without_a_pause(self) -> None:
        second = changed(
            SERVED,
            **{"call_id": "2", "vru_entry": "8:10:20", "vru_exit": "8:10:30", "q_start": "8:10:30"},
            **{"q_exit": "8:11:10", "q_time": "40", "ser_start": "8:11:10", "ser_exit": "8:12:10"},
        )
        calls = parse_trace(read(SERVED, second), "t").calls
        result = play_forced(calls[0].date, calls)
        assert result.good
        assert result.seats == 1

    def test_a_day_without_answers(self) -> None:
        calls = parse_trace(read(GOOD, changed(GOOD, outcome="PHANTOM", call_id="2")), "t").calls
        result = play_forced(calls[0].date, calls)
        assert result.played == Totals(2, 0, 1, 1)
        assert result.good

    @pytest.mark.skipif("YHT_TRACE" not in os.environ, reason="YHT_TRACE does not name the Anonymous Bank's trace")
    def test_the_banks_first_of_february(self) -> None:
        whole = load_trace(Path(os.environ["YHT_TRACE"]))
        result = play_forced(date(1999, 2, 1), whole.day(date(1999, 2, 1)))
        assert result.played == Totals(1567, 1354, 197, 16)
        assert result.good


class TestFree:
    def test_the_core_decides_and_everybody_is_accounted_for(self, trace: Trace) -> None:
        result = play_free(FIRST, trace.day(FIRST), 240.0)
        assert result.trace == Totals(120, 103, 16, 1)
        assert result.played.offered == 120
        assert result.played.other == 1
        assert result.played.answered + result.played.hung_up == 119
        assert 60 <= result.played.answered <= 119
        assert 0.0 < result.played_waits.within <= 1.0

    def test_the_same_seed_gives_the_same_day(self, trace: Trace) -> None:
        assert play_free(SECOND, trace.day(SECOND), 240.0, 5) == play_free(SECOND, trace.day(SECOND), 240.0, 5)

    def test_less_patience_more_hang_ups(self, trace: Trace) -> None:
        patient = play_free(SECOND, trace.day(SECOND), 10_000.0)
        hasty = play_free(SECOND, trace.day(SECOND), 10.0)
        assert hasty.played.hung_up > patient.played.hung_up


class TestCommand:
    def test_forced(self) -> None:
        result = CliRunner().invoke(replay, ["--trace", str(FILE)])
        assert result.exit_code == 0, result.output
        assert "2/2 天与记录完全一致" in result.output
        assert "overlapping-services 1:" in result.output
        assert "1999-03-03  2/2" in result.stderr

    def test_one_date_freely_and_the_anomalies_in_a_file(self, tmp_path: Path) -> None:
        listed = tmp_path / "anomalies.txt"
        arguments = ["--trace", str(FILE), "--date", "1999-03-02", "--free", "--anomalies", str(listed)]
        result = CliRunner().invoke(replay, arguments)
        assert result.exit_code == 0, result.output
        assert "差 difference" in result.output
        assert f"{FILE}:" in listed.read_text(encoding="utf-8").splitlines()[0]

    def test_the_trace_may_be_named_by_the_environment(self) -> None:
        result = CliRunner().invoke(replay, ["--date", "1999-03-03"], env={"YHT_TRACE": str(FILE)})
        assert result.exit_code == 0, result.output

    def test_a_date_that_is_not_in_it(self) -> None:
        result = CliRunner().invoke(replay, ["--trace", str(FILE), "--date", "1999-02-01"])
        assert result.exit_code == 1
        assert "1999-03-02 – 1999-03-03" in result.output
        assert "[trace-date]" in result.output

    def test_a_broken_line_is_named_and_nothing_is_played(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.txt"
        broken.write_text(read(SERVED, changed(GOOD, outcome="AGNT")), encoding="ascii")
        result = CliRunner().invoke(replay, ["--trace", str(broken)])
        assert result.exit_code == 1
        assert f"{broken}:3" in result.output
        assert "offered" not in result.output
