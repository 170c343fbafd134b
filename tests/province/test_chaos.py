"""The province with faults on one clock, seed by seed (docs/chaos.md).

``YHT_CHAOS_SEEDS`` says how many seeds are played (``tox -e province``: 300); they are spread over all cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulation.chaos.campaign import Totals, campaign
from simulation.chaos.command import chaos
from simulation.chaos.log import CampaignLog
from simulation.chaos.run import Result, Run, play

SEEDS = int(os.environ.get("YHT_CHAOS_SEEDS", "16"))
SHARD = 20 if SEEDS >= 100 else 4


@pytest.fixture(scope="module")
def played() -> dict[int, Result]:
    """Every seed, played once for all tests of this module."""
    return {result.seed: result for result in campaign(range(SEEDS))}


@pytest.mark.parametrize("first", range(0, SEEDS, SHARD))
def test_no_promise_is_broken(first: int, played: dict[int, Result]) -> None:
    """I1-I3, I5-I9 over seeds ``first`` and following; a failing seed is named, with the command that replays it."""
    failed = [played[seed] for seed in range(first, min(first + SHARD, SEEDS)) if not played[seed].passed]
    said = [f"{result.violations[:5]}\n  again: yht chaos --seed {result.seed} --timeline" for result in failed]
    assert not failed, "\n".join(said)


def test_each_seed_is_as_large_as_it_should_be(played: dict[int, Result]) -> None:
    """At least three cities, 200 contacts and five faults that really hit."""
    for result in played.values():
        assert result.cities >= 3, result.seed
        assert result.contacts >= 200, result.seed
        assert sum(result.faults.values()) >= 5, result.seed


@pytest.mark.skipif(SEEDS < 300, reason="says something over some hundred seeds only")
def test_every_fault_hits_and_every_interleaving_is_reached(played: dict[int, Result]) -> None:
    """None of federation.md's interleavings is only intended."""
    totals = Totals()
    for result in played.values():
        totals.add(result)
    assert not totals.never_reached
    assert totals.island_calls, "I5 was held to nothing"


def test_a_seed_is_the_same_in_every_process() -> None:
    """Byte for byte, whatever the order of Python's hashes; else no seed could be replayed."""
    command = "from simulation.chaos.run import be_quiet, play; be_quiet(); print(play(3).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {play(3).digest + "\n"}


def test_a_campaign_goes_on_where_its_log_ends(tmp_path: Path) -> None:
    """Given again with more seeds, it plays only those, and its sums and its verdict are of all."""
    log = tmp_path / "log"
    first = CliRunner().invoke(chaos, ["--seeds", "1", "--jobs", "1", "--log", str(log)])
    assert first.exit_code == 0
    again = CliRunner().invoke(chaos, ["--seeds", "2", "--jobs", "1", "--log", str(log)])
    assert "has 1 seeds already, 1 to play" in again.output
    assert again.output.endswith("2 seeds, 0 violations\n")
    assert [(block.first, block.seeds) for block in CampaignLog(log).blocks] == [(0, 1), (1, 1)]


def test_a_seat_that_rings_for_an_attempt_lost_in_a_restart_is_hung_up() -> None:
    """O3: the restarted anchor's word comes before the answer, and names no token; found by this seed."""
    assert play(59).violations == []


def test_a_day_without_faults_is_a_quiet_day() -> None:
    """The floor: what is found in other runs comes from their faults."""
    result = Run(1, faults=False).result()
    assert result.violations == []
    assert result.faults == {}
