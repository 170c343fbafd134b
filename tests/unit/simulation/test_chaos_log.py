"""A campaign of hours is stopped and goes on: its log has every seed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.errors import Refused
from simulation.chaos.campaign import Totals
from simulation.chaos.log import CampaignLog, block_of
from simulation.chaos.run import Result


def result(seed: int, *violations: str) -> Result:
    """As of a seed that was played."""
    return Result(
        seed=seed,
        cities=3,
        contacts=200 + seed,
        rows=3000,
        violations=list(violations),
        unchecked=["I4"],
        faults={"cut": 2, f"kind-{seed % 2}": 1},
        kinds_hit=2,
        interleavings={"consult": seed},
        digest=f"digest-{seed}",
        island_calls=2,
        lost_with_journal=seed,
    )


def test_the_sums_of_a_log_read_again_are_those_of_all_seeds(tmp_path: Path) -> None:
    results = [result(seed, *["I1: lost"] * (seed == 7)) for seed in range(12)]
    log = CampaignLog(tmp_path / "log")
    log.add(block_of(results[:5], "1 abc"))
    log.add(block_of(results[5:], "1 abd"))
    expected = Totals()
    for one in results:
        expected.add(one)
    assert CampaignLog(tmp_path / "log").totals() == expected
    assert expected.failed == [7]
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]


def test_only_seeds_that_no_block_has_are_played(tmp_path: Path) -> None:
    log = CampaignLog(tmp_path / "log")
    log.add(block_of([result(seed) for seed in range(3, 6)], "1 abc"))
    assert CampaignLog(tmp_path / "log").missing(range(8)) == [0, 1, 2, 6, 7]


def test_the_digest_of_a_block_is_of_its_seeds_in_order() -> None:
    first, second = result(1), result(2)
    assert block_of([first, second], "1").digest == block_of([first, second], "2").digest
    assert block_of([first, second], "1").digest != block_of([first, result(3)], "1").digest


@pytest.mark.parametrize("line", ["seeds 0-99: 20400 contacts", '{"first": 0}', '{"first": '])
def test_a_file_that_is_no_log_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "log"
    CampaignLog(file).add(block_of([result(0)], "1"))
    with file.open("a", encoding="utf-8") as log:
        log.write(line + "\n")
    before = file.read_bytes()
    with pytest.raises(Refused) as refused:
        CampaignLog(file)
    assert refused.value.problems[0].slug == "chaos-log-unreadable"
    assert refused.value.problems[0].place == f"{file}:2"
    assert file.read_bytes() == before
