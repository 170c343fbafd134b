"""The short log of a campaign: a line of JSON for some hundred seeds, so that one of hours can stop and go on later."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import msgspec

from dataset.errors import Problem, Refused
from simulation.chaos.campaign import Totals
from simulation.chaos.run import Result


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seeds in a row, and what became of them."""

    first: int
    seeds: int
    program: str
    """the version that played them, in a checkout with its commit"""
    digest: str
    """over the digests of the seeds: whoever plays them again finds the same"""
    contacts: int
    rows: int
    violations: int
    island_calls: int
    lost_with_journal: int
    failed: list[int]
    faults: dict[str, int]
    interleavings: dict[str, int]
    unchecked: list[str]

    @property
    def after(self) -> int:
        """The seed behind the last."""
        return self.first + self.seeds


def block_of(results: Iterable[Result], program: str) -> Block:
    """Of seeds in a row, in order."""
    totals, digest, first = Totals(), blake2b(digest_size=16), -1
    for result in results:
        if first < 0:
            first = result.seed
        totals.add(result)
        digest.update(result.digest.encode())
    return Block(
        first=first,
        seeds=totals.seeds,
        program=program,
        digest=digest.hexdigest(),
        contacts=totals.contacts,
        rows=totals.rows,
        violations=totals.violations,
        island_calls=totals.island_calls,
        lost_with_journal=totals.lost_with_journal,
        failed=totals.failed,
        faults=dict(sorted(totals.faults.items())),
        interleavings=dict(sorted(totals.interleavings.items())),
        unchecked=list(totals.unchecked),
    )


class CampaignLog:
    """The blocks in a file; every one added is on disk before the next is played."""

    def __init__(self, file: Path) -> None:
        """Reads what is there; raises ``Refused`` for a line that is no block, ``OSError`` where it cannot write."""
        self.file = file
        file.open("a", encoding="utf-8").close()
        self.blocks: list[Block] = []
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            try:
                self.blocks.append(msgspec.json.decode(line, type=Block))
            except msgspec.DecodeError as error:
                raise Refused(
                    Problem(
                        "chaos-log-unreadable",
                        zh=f"这一行不是 yht chaos 的记录（{error}）；请另选一个文件",
                        en=f"this line is not of a log of yht chaos ({error}); name another file",
                        place=f"{file}:{number}",
                    )
                ) from error

    def add(self, block: Block) -> None:
        """One more; the file is replaced as a whole, so it never holds half a line."""
        self.blocks.append(block)
        beside = self.file.with_name(f"{self.file.name}.new")
        beside.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in self.blocks))
        beside.replace(self.file)

    def totals(self) -> Totals:
        """All blocks together."""
        totals = Totals()
        for block in self.blocks:
            totals.seeds += block.seeds
            totals.contacts += block.contacts
            totals.rows += block.rows
            totals.violations += block.violations
            totals.island_calls += block.island_calls
            totals.lost_with_journal += block.lost_with_journal
            totals.failed += block.failed
            totals.faults.update(Counter(block.faults))
            totals.interleavings.update(Counter(block.interleavings))
            totals.unchecked.update(dict.fromkeys(block.unchecked))
        return totals

    def missing(self, seeds: range) -> list[int]:
        """Those of ``seeds`` that no block has."""
        there = {seed for block in self.blocks for seed in range(block.first, block.after)}
        return [seed for seed in seeds if seed not in there]


def program() -> str:
    """The version that runs here; in a checkout with its commit, and a sign where that was changed."""
    try:
        said = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return version("yihaotong")
    return f"{version('yihaotong')} {said.stdout.strip()}".strip()
