"""What SIPp has written is read while it writes: never more than whole lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.machines.launch import Launched
from simulation.machines.sipp import Sipp

COLUMNS = "StartTime;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);\n"


@pytest.mark.parametrize(
    ("statistics", "log", "found"),
    [
        ("", "", (0, 0, 0)),
        ("StartTime;Succ", "answ", (0, 0, 0)),
        (COLUMNS + "0;1;4;2;\n0;1;", "answered|1-a|2026 1.5\nanswered|2-", (4, 2, 1)),
        (COLUMNS + "0;1;4;2;\n0;1;5;2;\n", "answered|1-a|2026 1.5\nanswered|2-a|2026 1.75\n", (5, 2, 2)),
    ],
)
def test_half_a_line_is_for_the_next_time(
    tmp_path: Path, statistics: str, log: str, found: tuple[int, int, int]
) -> None:
    (tmp_path / "statistics.csv").write_text(statistics, "utf-8")
    (tmp_path / "log.txt").write_text(log, "utf-8")
    process = Launched("sipp", pid=0, born=0, log=tmp_path / "screen.log", record=tmp_path / "process.json")
    result = Sipp("callers", tmp_path, process).result()
    assert (result.successful, result.failed, result.count("answered")) == found
