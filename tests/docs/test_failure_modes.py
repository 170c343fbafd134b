"""docs/failure-modes.md: every row that is done names tests that exist, and what was measured."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "failure-modes.md").read_text("utf-8")
FOUND = {
    (str(path.relative_to(ROOT)), name)
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"(?m)^def (test_\w+)", path.read_text("utf-8"))
}
NAMES = {name for _, name in FOUND}


def rows() -> dict[int, list[str]]:
    """The table, by number: fault, wanted, tests, figure."""
    found = {}
    for line in PAGE.splitlines():
        if re.match(r"\| \d+ \|", line):
            number, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            found[int(number)] = cells
    return found


def test_every_failure_mode_has_a_row() -> None:
    """1 to 29, each with what happens and what is wanted."""
    assert sorted(rows()) == list(range(1, 30))
    assert all(len(cells) == 4 and cells[0] and cells[1] for cells in rows().values())


def test_every_test_named_exists() -> None:
    """A test that was renamed or taken away is missed here first."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert sorted(named - NAMES) == []


def test_a_row_with_a_test_on_real_processes_has_a_figure() -> None:
    """What was measured stands beside the test that measured it."""
    real = {name for path, name in FOUND if path.startswith("tests/real/")}
    without = [
        number
        for number, (_, _, tests, figure) in rows().items()
        if real & set(re.findall(r"\w+", tests)) and not figure
    ]
    assert without == []


def test_every_row_proven_on_real_processes_is_on_the_page() -> None:
    """A test that is named after a row stands in that row."""
    for path, name in sorted(FOUND):
        match = re.match(r"test_(?:row|failure_mode)_(\d+)_", name)
        if match and path.startswith(("tests/real/faults/", "tests/real/test_amqp_ledgers")):
            assert name in rows()[int(match[1])][2], f"{name} is missing in row {match[1]}"
