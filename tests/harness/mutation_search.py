"""Which seed of ``yht chaos`` catches which mutation: ``python -m tests.harness.mutation_search``.

Each mutation is put in force in a process of its own and seeds are played until one shows a violation: first every
seventh, which has more faults than the others (``simulation.chaos.aims``), then those in which customers are called
back, then those in which files are attached, then the rest.
The result is written to ``docs/mutations.md``, which ``tests/province/test_mutations_caught.py`` holds the code to.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from simulation.chaos.aims import EVERY, FIRST, attaches, calls_back
from simulation.chaos.run import be_quiet, play
from tests.harness.mutations import MUTATIONS

PAGE = Path(__file__).parents[2] / "docs" / "mutations.md"
SEEDS = 300
_ROW = re.compile(r"^\| ([^|]+) \| `(\w+)` \| (\d+|-) \| (.*?) \| (.*) \|$", re.MULTILINE)
_MARK = "<!-- table -->"


class Caught(NamedTuple):
    """A mutation, and the first seed that shows it; None when none does."""

    mutation: str
    seed: int | None
    violation: str


def seed_shows(mutation: str, seed: int) -> str:
    """The first violation that ``seed`` shows under ``mutation``; empty when there is none."""
    with MUTATIONS[mutation].in_force():
        result = play(seed)
    return result.violations[0] if result.violations else ""


def search(mutation: str, seeds: Sequence[int]) -> Caught:
    """Play ``seeds`` until one shows ``mutation``."""
    be_quiet()
    for seed in seeds:
        shown = seed_shows(mutation, seed)
        if shown:
            return Caught(mutation, seed, shown)
    return Caught(mutation, None, "")


def known(text: str) -> dict[str, Caught]:
    """What the page says."""
    found = {}
    for _, mutation, seed, _, violation in _ROW.findall(text):
        found[mutation] = Caught(mutation, None if seed == "-" else int(seed), violation)
    return found


def table(caught: Iterable[Caught]) -> str:
    """The page's table, by rule."""
    by_name = {one.mutation: one for one in caught}
    lines = ["| rule | mutation | seed | the careless change | what the seed shows |", "|---|---|---|---|---|"]
    for name, mutation in MUTATIONS.items():
        one = by_name.get(name, Caught(name, None, ""))
        rule = f"{mutation.rule}{' *(found)*' if mutation.found else ''}".replace(" ", "\u00a0")
        sentence = " ".join(mutation.sentence.split())
        shown = one.violation.replace("|", "/") or "not found yet"
        lines.append(f"| {rule} | `{name}` | {'-' if one.seed is None else one.seed} | {sentence} | {shown[:160]} |")
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> int:
    """Search for ``names``, all when there are none; the rest of the table stays as it is."""
    page = PAGE.read_text("utf-8")
    caught = known(page)
    limit = int(os.environ.get("YHT_CHAOS_SEEDS", SEEDS))
    order = sorted(
        range(limit), key=lambda seed: (seed % EVERY != FIRST, not calls_back(seed), not attaches(seed), seed)
    )
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = [pool.submit(search, name, order) for name in names or MUTATIONS]
        for done in as_completed(waiting):
            one = done.result()
            caught[one.mutation] = one
            print(f"{one.mutation}: {'not caught' if one.seed is None else f'seed {one.seed}: {one.violation[:150]}'}")
            PAGE.write_text(page[: page.index(_MARK)] + f"{_MARK}\n{table(caught.values())}", "utf-8")
    missing = [one.mutation for one in caught.values() if one.seed is None]
    print(
        f"{len(caught) - len(missing)} of {len(MUTATIONS)} caught" + (f"; not {', '.join(missing)}" if missing else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
