"""Reading a trace: strict about its form, and open about what cannot have been so."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from dataset.errors import Refused
from simulation.replay.anomalies import MEANING, AnomalyKind, anomalies
from simulation.replay.report import anomaly_lines, anomaly_table
from simulation.replay.totals import Totals, mean_patience_s, totals_of_trace
from simulation.replay.trace import COLUMNS, MOST_FAULTS, Outcome, Span, load_trace, parse_trace
from tests.harness.synthetic_trace import FILE, trace_text

HEADER = "\t".join(COLUMNS)
GOOD = (
    "AA0101\t34539\t23317894\t2\tPS\t990201\t8:09:16\t8:09:22\t6\t8:09:22\t8:09:27\t5\t"
    "HANG\t0:00:00\t0:00:00\t0\tNO_SERVER"
)
SERVED = (
    "AA0101\t34540\t0\t0\tPS\t990201\t8:10:00\t8:10:10\t10\t0:00:00\t0:00:00\t0\tAGENT\t8:10:10\t8:11:10\t60\tDORIT"
)


def read(*lines: str) -> str:
    return "\r\n".join((HEADER, *lines, ""))


def changed(line: str, **fields: str) -> str:
    values = dict(zip(COLUMNS, line.split("\t"), strict=True))
    values.update({name.replace("vru_line", "vru+line"): value for name, value in fields.items()})
    return "\t".join(values[name] for name in COLUMNS)


def kinds(*lines: str) -> list[AnomalyKind]:
    return [one.kind for one in anomalies(parse_trace(read(*lines), "t").calls)]


class TestForm:
    def test_a_line(self) -> None:
        (call,) = parse_trace(read(GOOD), "t").calls
        assert call.line == 2
        assert call.date == date(1999, 2, 1)
        assert call.menu == Span(29356, 29362, 6)
        assert call.queue == Span(29362, 29367, 5)
        assert call.service is None
        assert (call.outcome, call.server, call.priority, call.kind) == (Outcome.HANG, "", 2, "PS")

    def test_both_kinds_of_line_ends_and_empty_lines(self) -> None:
        assert len(parse_trace(f"{HEADER}\n{GOOD}\n\n{SERVED}\n", "t").calls) == 2

    def test_a_service_after_midnight_belongs_to_the_next_day(self) -> None:
        line = changed(SERVED, vru_entry="23:59:30", vru_exit="23:59:40", ser_start="23:59:43", ser_exit="0:01:28")
        (call,) = parse_trace(read(line), "t").calls
        assert call.service is not None
        assert call.service.length == 105

    @pytest.mark.parametrize(
        ("fields", "column"),
        [
            ({"outcome": "AGNT"}, "outcome"),
            ({"vru_entry": "8:61:00"}, "vru_entry"),
            ({"vru_entry": "24:00:00"}, "vru_entry"),
            ({"q_time": "five"}, "q_time"),
            ({"date": "990231"}, "date"),
            ({"priority": "7"}, "priority"),
            ({"server": ""}, "server"),
            ({"vru_line": "AA01"}, "vru+line"),
            ({"call_id": "3" * 100}, "call_id"),
        ],
    )
    def test_a_broken_line_is_named_with_file_line_and_column(self, fields: dict[str, str], column: str) -> None:
        with pytest.raises(Refused) as raised:
            parse_trace(read(SERVED, changed(GOOD, **fields)), "calls.txt")
        (problem,) = raised.value.problems
        assert problem.slug == "trace-line"
        assert problem.place == "calls.txt:3"
        assert column in problem.en
        assert column in problem.zh
        assert len(problem.en) < 120

    def test_a_line_that_was_cut_off(self) -> None:
        with pytest.raises(Refused, match=r"calls\.txt:2: 12 columns"):
            parse_trace(read("\t".join(GOOD.split("\t")[:12])), "calls.txt")

    def test_several_broken_lines_are_named_together_but_not_without_end(self) -> None:
        with pytest.raises(Refused) as raised:
            parse_trace(read(*["nonsense"] * 100), "t")
        assert len(raised.value.problems) == MOST_FAULTS

    @pytest.mark.parametrize("text", ["", "a\tb\tc\n", GOOD])
    def test_another_header_is_refused(self, text: str) -> None:
        with pytest.raises(Refused) as raised:
            parse_trace(text, "t")
        assert raised.value.problems[0].slug == "trace-header"
        assert raised.value.problems[0].place == "t:1"

    def test_a_file_that_is_not_there_or_no_text(self, tmp_path: Path) -> None:
        binary = tmp_path / "binary"
        binary.write_bytes(b"\xff\xfe\x00")
        for path in (tmp_path / "nothing", binary):
            with pytest.raises(Refused) as raised:
                load_trace(path)
            assert raised.value.problems[0].slug == "trace-unreadable"
            assert raised.value.problems[0].place == str(path)


class TestAnomalies:
    def test_a_good_line_has_none(self) -> None:
        assert kinds(GOOD, SERVED) == []

    @pytest.mark.parametrize(
        ("line", "kind"),
        [
            (changed(SERVED, server="NO_SERVER"), AnomalyKind.AGENT_WITHOUT_SERVER),
            (
                changed(SERVED, ser_start="0:00:00", ser_exit="0:00:00", ser_time="0"),
                AnomalyKind.AGENT_WITHOUT_SERVICE,
            ),
            (changed(SERVED, ser_start="8:10:09", ser_time="61"), AnomalyKind.SERVICE_BEFORE_MENU_END),
            (changed(SERVED, ser_start="8:10:12", ser_time="58"), AnomalyKind.SERVICE_LATE),
            (
                changed(SERVED, q_start="8:10:10", q_exit="8:10:12", q_time="2", ser_start="8:10:11", ser_time="59"),
                AnomalyKind.SERVICE_BEFORE_QUEUE_END,
            ),
            (
                changed(GOOD, ser_start="8:09:27", ser_exit="8:09:37", ser_time="10"),
                AnomalyKind.HANG_WITH_SERVICE,
            ),
            (
                changed(GOOD, outcome="PHANTOM", ser_start="8:09:27", ser_exit="8:09:37", ser_time="10"),
                AnomalyKind.PHANTOM_WITH_SERVICE,
            ),
            (
                changed(SERVED, vru_entry="8:10:30", vru_time="-20"),
                AnomalyKind.SPAN_BACKWARDS,
            ),
            (changed(GOOD, q_start="8:09:23", q_time="4"), AnomalyKind.QUEUE_NOT_AT_MENU_END),
            (changed(GOOD, q_time="6"), AnomalyKind.STATED_TIME_DIFFERS),
            (changed(GOOD, customer_id="6.02701E+11"), AnomalyKind.CUSTOMER_ID_MANGLED),
        ],
    )
    def test_each_kind_of_a_single_line(self, line: str, kind: AnomalyKind) -> None:
        assert kinds(line) == [kind]

    def test_overlapping_services_of_one_agent(self) -> None:
        """The second line is the odd one, and it names the first."""
        again = changed(SERVED, call_id="34541", vru_line="AA0102", ser_exit="8:12:10", ser_time="120")
        trace = parse_trace(read(SERVED, again), "t")
        (anomaly,) = anomalies(trace.calls)
        assert (anomaly.kind, anomaly.line) == (AnomalyKind.OVERLAPPING_SERVICES, 3)
        assert anomaly.detail == "DORIT, 60 s, line 2"

    def test_the_same_agent_on_another_day_does_not_overlap(self) -> None:
        assert kinds(SERVED, changed(SERVED, date="990202")) == []

    def test_a_line_taken_twice_and_a_call_id_twice(self) -> None:
        again = changed(
            SERVED, vru_entry="8:10:30", vru_exit="8:11:15", vru_time="45", ser_start="8:11:15", ser_exit="8:11:16"
        )
        again = changed(again, ser_time="1")
        assert kinds(SERVED, again) == [AnomalyKind.CALL_ID_TWICE, AnomalyKind.LINE_TAKEN_TWICE]

    def test_every_kind_has_a_meaning_and_every_anomaly_is_listed(self) -> None:
        assert set(MEANING) == set(AnomalyKind)
        found = anomalies(load_trace(FILE).calls)
        assert {one.kind for one in found} == set(AnomalyKind)
        listed = "\n".join(anomaly_lines(found))
        numbers = [int(word) for line in listed.splitlines() if line.startswith("    ") for word in line.split()]
        assert sorted(numbers) == sorted(one.line for one in found)
        assert len(list(anomaly_table(found, "t"))) == len(found)


class TestTotals:
    def test_totals_of_a_day(self) -> None:
        trace = parse_trace(read(GOOD, SERVED, changed(GOOD, outcome="PHANTOM", call_id="1")), "t")
        assert totals_of_trace(trace.day(date(1999, 2, 1))) == Totals(3, 1, 1, 1)

    def test_patience_counts_those_who_were_answered_as_censored(self) -> None:
        waited = changed(SERVED, q_start="8:10:10", q_exit="8:10:25", q_time="15", ser_start="8:10:25")
        assert mean_patience_s(parse_trace(read(GOOD, waited, SERVED), "t").calls) == 20.0
        assert mean_patience_s(parse_trace(read(SERVED), "t").calls) is None


def test_the_committed_trace_is_the_one_that_is_made_up() -> None:
    assert FILE.read_bytes() == trace_text().encode("ascii")


@pytest.mark.skipif("YHT_TRACE" not in os.environ, reason="YHT_TRACE does not name the Anonymous Bank's trace")
def test_the_banks_february() -> None:
    """33,344 calls; 1 February: 1,354 answered, 197 hung up, 16 virtual."""
    trace = load_trace(Path(os.environ["YHT_TRACE"]))
    assert len(trace.calls) == 33_344
    assert totals_of_trace(trace.day(date(1999, 2, 1))) == Totals(1567, 1354, 197, 16)
    counts = Counter(one.kind for one in anomalies(trace.calls))
    assert counts[AnomalyKind.AGENT_WITHOUT_SERVER] == 491
    assert counts[AnomalyKind.HANG_WITH_SERVICE] == 97
    assert counts[AnomalyKind.OVERLAPPING_SERVICES] == 446
