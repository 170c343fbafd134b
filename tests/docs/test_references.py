"""A document that names a file, a command or a make target is wrong from the day that thing is gone."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dataset.ids import CityId
from federation.node.province import load_province
from simulation.machines.__main__ import commands
from simulation.machines.addresses import CITIES, Slot
from simulation.machines.asterisk import trial_seats
from simulation.province import PROVINCE_USER, password_of

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


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_the_readme_knows_who_sits_where(name: str) -> None:
    """Which number to dial at which port, and which login to use at which seat, as `yht up` has them."""
    text = (ROOT / name).read_text("utf-8")
    province, package = load_province(ROOT / "conf" / "province.toml")
    phones = {seat.user: seat.password for seat in trial_seats()}
    for city in CITIES:
        agents = province.agents_of(CityId(city.id), package)
        settings = tomllib.loads((ROOT / "conf" / "up" / f"{city.id}.toml").read_text("utf-8"))
        assert f"sip:{province.province.number}@{Slot(0).main(city)}:5060" in text
        assert f"http://127.0.0.1:{settings['http']['port']}/" in text
        assert f"`{agents[0].seat}`–`{agents[-1].seat}`" in text
        assert f"`{password_of(agents[0].staff)}`" in text
        assert all(agent.seat in phones for agent in agents)
    assert f"`{phones['8001']}`" in text
    assert f"`{PROVINCE_USER.user}`" in text
    assert f"`{password_of(PROVINCE_USER.user)}`" in text
