"""A document that names a file, a command or a make target is wrong from the day that thing is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulation.machines.__main__ import commands
from simulation.machines.addresses import CITIES, Slot

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("requirements/*.md")])


def test_there_are_documents() -> None:
    assert DOCUMENTS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link in a document leads to a file of the project."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text("utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(document: Path) -> None:
    """Every `make something` in a document is in the Makefile."""
    known = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    named = set(re.findall(r"`make ([a-z-]+)", document.read_text("utf-8")))
    assert named - known == set()


def test_the_machines_of_the_switch_document_exist() -> None:
    """docs/asterisk.md: its commands and its addresses are those of the code."""
    text = (ROOT / "docs/asterisk.md").read_text("utf-8")
    named = set(re.findall(r"-m simulation\.machines ([a-z]+)", text))
    assert named
    assert named <= set(commands.commands)
    for city in CITIES:
        row = next(line for line in text.splitlines() if f"`{city.id}`" in line)
        for address in (Slot(7).main(city), Slot(7).trunk(city)):
            assert address.replace(".7.", ".<slot>.") in row


def test_every_step_of_the_budget_is_a_step() -> None:
    """tox.ini runs every suite there is under tests/: none is forgotten silently."""
    text = (ROOT / "tox.ini").read_text("utf-8")
    suites = {path.parent.relative_to(ROOT).parts[1] for path in ROOT.glob("tests/*/**/test_*.py")}
    assert [suite for suite in sorted(suites) if f"pytest tests/{suite} " not in text] == []
