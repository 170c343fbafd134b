"""The breakings of the real code are what they say: each patches something that is there, and mends it afterwards."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from federation.core.moves import Moves
from tests.harness.mutations import MUTATIONS
from tests.harness.mutations.registry import Mutation

ROOT = Path(__file__).parents[2]
PRODUCT = ("dataset", "federation", "site_node", "provincial_hub", "simulation")
RULES = (ROOT / "docs" / "federation.md").read_text("utf-8")


def code() -> dict[str, Any]:
    """Every function, method, constant and table of moves in the product's loaded modules."""
    found: dict[str, Any] = {}
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module.__name__.partition(".")[0] in PRODUCT:
            for name, value in vars(module).items():
                found[f"{module.__name__}.{name}"] = value
                if isinstance(value, type) and value.__module__ == module.__name__:
                    found |= {f"{module.__name__}.{name}.{one}": member for one, member in vars(value).items()}
                if isinstance(value, Moves):
                    found[f"{module.__name__}.{name} table"] = dict(value.table)
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name, value in after.items() if before.get(name) is not value and before.get(name) != value]


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_real_code_and_mends_it(mutation: Mutation) -> None:
    """Inside the ``with`` some product code is another; afterwards all is as before."""
    before = code()
    with mutation.in_force():
        inside = code()
        changed = [
            name for name, value in inside.items() if before.get(name) is not value and before.get(name) != value
        ]
        assert changed
    after = code()
    assert [name for name in after if before[name] is not after[name] and before[name] != after[name]] == []


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=lambda mutation: mutation.name)
def test_a_mutation_names_a_rule_and_what_shows(mutation: Mutation) -> None:
    assert re.search(rf"(?m)^- \*\*{mutation.rule}\*\* ", RULES)
    assert mutation.sentence
    assert mutation.shows


def test_every_rule_that_a_model_failed_without_has_a_mutation() -> None:
    """The rules marked *(found)* in federation.md: each of their sentences at least once."""
    wanted = {"O2": 2, "O3": 2, "O4": 1, "O5": 1, "O6": 4, "E1": 1, "E3": 1, "A4": 2, "A5": 1, "A9": 1}
    wanted |= {"S1": 2, "S3": 1, "J2": 1, "J3": 1}
    there = [mutation.rule for mutation in MUTATIONS.values() if mutation.found]
    assert {rule: there.count(rule) for rule in wanted} == wanted
    assert set(there) == set(wanted)
