"""An operator who searches the manual for a word of the log finds it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
PACKAGES = ("dataset", "federation", "site_node", "provincial_hub")
LEVELS = {"debug", "info", "warn", "warning", "error", "critical", "failure", "exception"}
WORD = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)+|leads|overruled|stranger|repaired")


def _events() -> Iterator[tuple[str, str]]:
    """Every event word that the programs may log, with the level's method."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                    continue
                if call.func.attr not in LEVELS:
                    continue
                named = [word.value for word in call.keywords if word.arg == "event"]
                for value in named or call.args[:1]:
                    if (
                        isinstance(value, ast.Constant)
                        and isinstance(value.value, str)
                        and (named or WORD.fullmatch(value.value))
                    ):
                        yield value.value, call.func.attr


EVENTS = sorted(dict.fromkeys(word for word, _ in _events()))


def test_events_are_found() -> None:
    """The search itself works: both ways of writing an event are seen."""
    assert {"link-down", "amqp_blocked"} <= set(EVENTS)
    assert len(EVENTS) > 50


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_is_explained(event: str) -> None:
    """Each word stands in the table of events, with its level and what to do."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and f"`{event}`" in line]
    assert rows, f"docs/operations.md does not list the event {event}"
