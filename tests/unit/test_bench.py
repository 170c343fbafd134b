"""``make bench`` finds every measurement there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.__main__ import NEEDS

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
