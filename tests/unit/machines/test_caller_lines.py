"""What callers and telephones saw, put together: an answer and a hang-up within a second may have crossed."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.machines.launch import Launched
from simulation.machines.sipp import Sipp
from tests.harness.real_floor import caller_lines


@pytest.mark.parametrize(
    ("answered", "spoke"),
    [(None, False), (12.0, True), (18.8, True), (19.2, None), (20.0, None), (20.8, None), (21.2, False)],
)
def test_who_leaves_in_the_moment_of_the_answer_cannot_tell(
    tmp_path: Path, answered: float | None, spoke: bool | None
) -> None:
    log = "dialled|7-a|2026 9.5\nanswered|7-a|2026 10.0\nhung-up|7-a|2026 20.0\n"
    (tmp_path / "log.txt").write_text(log, "utf-8")
    process = Launched("sipp", pid=0, born=0, log=tmp_path / "screen.log", record=tmp_path / "process.json")
    answers = {} if answered is None else {"1397": ("guangzhou", answered)}
    (line,) = caller_lines(Sipp("callers", tmp_path, process), "139", answers)
    assert (line.test_id, line.reached, line.spoke) == ("1397", True, spoke)
