"""``make bench`` finds every measurement there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.__main__ import NEEDS
from bench.output import table

ROOT = Path(__file__).resolve().parents[2]


def test_every_measurement_is_found_and_explains_itself() -> None:
    there = {path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__", "__main__"}
    assert set(NEEDS) == there
    for name in NEEDS:
        assert 'if __name__ == "__main__":' in (ROOT / "bench" / f"{name}.py").read_text("utf-8")


def test_an_unknown_measurement_is_named() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "bench", "speed"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 2
    assert "there is no benchmark speed; there are matching" in said.stderr


def test_the_help_lists_every_measurement_and_each_has_its_own() -> None:
    assert all(f"  {name} " in told("--help") for name in NEEDS)
    assert "--seconds" in told("matching", "--help")


def told(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_figures_are_shown_as_tables() -> None:
    lines = table(
        {"bench": "x", "ratio": 1.5, "get": {"p50_ms": 0.1}, "ways": {"a": {"us": 8}, "b": {"us": 12, "n": None}}}
    )
    assert lines == ["bench x  ratio 1.5", "get  p50_ms", "        0.1", "ways  us  n", "a      8", "b     12  –"]
