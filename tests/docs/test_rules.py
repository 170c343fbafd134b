"""Every rule of federation.md is cited by name where the product keeps it, and where a test exercises it."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.province.interleaved import INTERLEAVINGS
from tests.province.test_interleavings import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("dataset", "federation", "site_node", "provincial_hub", "simulation")
RULES = re.findall(r"(?m)^- \*\*([OEASJB]\d)\*\* ", (ROOT / "docs" / "federation.md").read_text("utf-8"))
CITED = re.compile(r"\b([OEASJB]\d)(?:[-–]([OEASJB]\d))?\b")

NOT_IN_CODE = {
    "E4": "contacts without a customer's leg come with callbacks, e-mail and work items",
}
NOT_IN_TESTS = {
    "O7": "what moves without a customer's leg comes with callbacks, e-mail and work items; its epoch is in the rows",
    "E4": "as above",
}


def rules_in(text: str) -> Iterator[str]:
    """Rules cited; ``S1-S4`` cites all four."""
    for first, last in CITED.findall(text):
        yield first
        if last and last[0] == first[0]:
            yield from (f"{first[0]}{n}" for n in range(int(first[1]) + 1, int(last[1]) + 1))


def words_about(path: Path) -> str:
    """The docstrings and comments of a module."""
    text = path.read_text("utf-8")
    strings = [
        node.value.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    with path.open("rb") as file:
        comments = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    return "\n".join([*strings, *comments])


def test_the_rules_are_those_of_the_protocol() -> None:
    """Seven of ownership, four of endings, nine of attempts, four of streams, five of journals, six of brokers."""
    assert len(RULES) == len(set(RULES)) == 35


def test_every_rule_is_cited_where_the_product_keeps_it() -> None:
    modules = [path for top in PRODUCT for path in (ROOT / top).rglob("*.py")]
    cited = {rule for path in modules for rule in rules_in(words_about(path))}
    assert sorted(set(RULES) - cited) == sorted(NOT_IN_CODE), "cite the rule, or take it off the exceptions"


def test_every_rule_is_exercised_by_a_test_that_names_it() -> None:
    """In the docstring of a test, or among the rules of an interleaving that is played."""
    assert SCENARIOS
    named = {rule for one in INTERLEAVINGS.values() for rule in one.rules}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(rules_in(ast.get_docstring(node) or ""))
    assert sorted(set(RULES) - named) == sorted(NOT_IN_TESTS), "cite the rule, or take it off the exceptions"


@pytest.mark.parametrize("table", [NOT_IN_CODE, NOT_IN_TESTS], ids=["code", "tests"])
def test_an_exception_has_a_reason(table: dict[str, str]) -> None:
    assert set(table) <= set(RULES)
    assert all(len(reason) > 5 for reason in table.values())
