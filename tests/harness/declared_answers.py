"""Holds what operations answer against what they declare to answer, while any test runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

import msgspec

from dataset.errors import Refused
from federation.node.openapi import refused_by_any
from federation.node.operations import Answer, OperationTable, Outcomes


def undeclared(name: str, outcomes: Outcomes, answer: Answer | Refused) -> str:
    """What the declaration of an operation does not say about an answer of it; empty when it says all."""
    if isinstance(answer, Refused):
        slug = answer.problems[0].slug
        known = (*outcomes.refuses.get(answer.status, ()), *refused_by_any(answer.status))
        if any(fnmatchcase(slug, one) for one in known):
            return ""
        return (
            f"{name} refuses with {answer.status} {slug}, which its Outcomes do not name: "
            f"add it to their `refuses` (known for {answer.status}: {', '.join(known) or 'none'})"
        )
    try:
        msgspec.json.decode(msgspec.json.encode(answer), type=outcomes.answer)
    except msgspec.ValidationError as error:
        return f"{name} answers what {outcomes.answer.__name__} does not say: {error}"
    return ""


@contextmanager
def answers_held() -> Iterator[None]:
    """Every answer within is held against its declaration. Raises ``AssertionError`` at the end."""
    wrong: dict[str, None] = {}

    def told(name: str, outcomes: Outcomes, answer: Answer | Refused) -> None:
        if complaint := undeclared(name, outcomes, answer):
            wrong[complaint] = None

    before, OperationTable.told = OperationTable.told, told
    try:
        yield
    finally:
        OperationTable.told = before
    assert not wrong, "\n".join(wrong)


def undeclared_in(table: OperationTable) -> list[str]:
    """What to do for each operation whose answer is not declared."""
    return [
        f"{one.name}: give its Operation outcomes=Outcomes(TheAnswer, {{404: ('what-is-unknown',)}}): "
        "a Reply in site_node/desktop/answers/ or provincial_hub/console/answers.py, and its refusals by status"
        for one in table
        if one.outcomes is None
    ]
