"""What each role may ask is what the page says, and what the table of operations declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.roles import EVERY_ROLE, Decided, decided, in_full

PAGE = (Path(__file__).parents[2] / "docs" / "roles.md").read_text(encoding="utf-8")
_LINE = re.compile(r"^\| (city|other|hub) \| `(\w+)` \| (.*) \|$", re.MULTILINE)


def written() -> dict[tuple[str, str], tuple[str, ...]]:
    """The decisions on the page."""
    found = {}
    for door, operation, cells in _LINE.findall(PAGE):
        marks = [cell.strip() for cell in cells.split("|")]
        found[door, operation] = tuple(role for role, mark in zip(EVERY_ROLE, marks, strict=True) if mark)
    return found


def test_every_operation_is_decided_on_the_page_and_no_other() -> None:
    assert {(one.door, one.operation) for one in decided()} == written().keys()


@pytest.mark.parametrize("one", decided(), ids=lambda one: f"{one.door}-{one.operation}")
def test_each_role_is_let_in_or_turned_away_as_the_page_has_it(one: Decided) -> None:
    assert one.roles == written()[one.door, one.operation]
    assert one.roles == tuple(role for role in EVERY_ROLE if not one.declared or role in one.declared)


def test_an_auditor_changes_nothing_and_sees_no_customer() -> None:
    """Whoever looks at what others did has no part in it."""
    may = {one.operation for one in decided() if "auditor" in one.roles and one.declared}
    assert not may & {"card", "customers", "work_item", "work_items", "work_open", "work_act", "declare_lost", "settle"}
    assert not in_full("auditor", own=True)
