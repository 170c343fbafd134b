"""Every interleaving of federation.md, on the real code: it holds, and it fails when its rule is taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.mutation_search import PAGE, known
from tests.harness.mutations import MUTATIONS
from tests.province import (
    interleaved_attempts,
    interleaved_journals,
    interleaved_others,
    interleaved_restarts,
    interleaved_sessions,
)
from tests.province.interleaved import INTERLEAVINGS, Interleaving

TESTS = Path(__file__).parents[1]
BREAKINGS = [(one, mutation) for one in INTERLEAVINGS.values() for mutation in one.broken_by]
SCENARIOS = (
    interleaved_attempts,
    interleaved_restarts,
    interleaved_journals,
    interleaved_sessions,
    interleaved_others,
)


@pytest.mark.parametrize("interleaving", INTERLEAVINGS.values(), ids=lambda one: one.name)
def test_it_holds(interleaving: Interleaving) -> None:
    """The promises are kept, and the moment that the interleaving is about was reached."""
    scene = interleaving.begin()
    interleaving.play(scene)
    assert scene.moments == 1


@pytest.mark.parametrize(
    ("interleaving", "mutation"), BREAKINGS, ids=[f"{one.name}-{mutation}" for one, mutation in BREAKINGS]
)
def test_it_fails_without_its_rule(interleaving: Interleaving, mutation: str) -> None:
    """With its rule taken out of the code the same scenario finds a promise broken."""
    with MUTATIONS[mutation].in_force(), pytest.raises(AssertionError) as broken:
        interleaving.play(interleaving.begin())
    assert Path(broken.traceback[-1].path).is_relative_to(TESTS), "the code itself stumbled"


def test_every_mutation_breaks_an_interleaving() -> None:
    """No breaking of the code is listed that nothing here, and no seed of docs/mutations.md, would notice."""
    noticed = {mutation for one in INTERLEAVINGS.values() for mutation in one.broken_by}
    noticed |= {row.mutation for row in known(PAGE.read_text("utf-8")).values() if row.seed is not None}
    assert sorted(set(MUTATIONS) - noticed) == []
