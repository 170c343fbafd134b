"""Proof that the checker can fail: each seed of docs/mutations.md still shows the mutation it stands beside.

One seed is played per row, over all cores; ``YHT_CHAOS_SEEDS`` below 100 plays a few rows only.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.harness.mutation_search import PAGE, Caught, known, seed_shows
from tests.harness.mutations import MUTATIONS

ROWS = [one for one in known(PAGE.read_text("utf-8")).values() if one.seed is not None]
PLAYED = ROWS if int(os.environ.get("YHT_CHAOS_SEEDS", "16")) >= 100 else ROWS[:: max(1, len(ROWS) // 4)]


def _shows(one: Caught) -> str:
    return seed_shows(one.mutation, one.seed if one.seed is not None else 0)


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """What each row's seed shows, by mutation."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return dict(zip((one.mutation for one in PLAYED), pool.map(_shows, PLAYED), strict=True))


@pytest.mark.parametrize("row", PLAYED, ids=lambda row: row.mutation)
def test_a_seed_catches_its_mutation(row: Caught, shown: dict[str, str]) -> None:
    assert shown[row.mutation], (
        f"seed {row.seed} shows nothing of {row.mutation}: tox run -e mutations -- {row.mutation}"
    )


def test_at_least_twenty_mutations_are_caught() -> None:
    """Every row's mutation exists, and its seed is among the 300 that CI plays."""
    assert len(ROWS) >= 20
    assert all(one.mutation in MUTATIONS and one.seed is not None and one.seed < 300 for one in ROWS)
