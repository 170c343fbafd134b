"""``yht chaos``."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from dataset.errors import Refused
from federation.node.program import say_problems
from simulation.chaos.campaign import Totals, campaign
from simulation.chaos.log import CampaignLog, block_of, program
from simulation.chaos.run import Result, be_quiet, play
from simulation.chaos.timeline import story

BLOCK = 500
"""seeds per line of the log"""
ENDED_BY = (signal.SIGINT, signal.SIGTERM)
"""a shell begins its background jobs with SIGINT ignored, so it is not left to what is found"""


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="种子个数 how many seeds")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="第一个种子 the first of them")
@click.option("--seed", type=click.IntRange(0), default=None, help="只运行这一个 play this one alone")
@click.option("--jobs", type=click.IntRange(1), default=None, help="进程数；缺省全部核 processes; else all cores")
@click.option("--timeline", is_flag=True, help="打印经过（与 --seed 合用）tell the story of --seed")
@click.option("--contact", "contacts", multiple=True, help="时间线中一并显示的接触 contacts to follow in it")
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="简短记录写入此文件；其中已有的种子不再运行 write a short log to this file; seeds it has are not played again",
)
def chaos(
    seeds: int,
    first_seed: int,
    seed: int | None,
    jobs: int | None,
    timeline: bool,
    contacts: tuple[str, ...],
    log_file: Path | None,
) -> None:
    """A province in which everything goes wrong by seed; afterwards every promise is checked.

    Each seed is twenty virtual minutes of at least three cities and their hubs, with cuts, crashes, lost disks, frozen
    processes, dead switches and clocks that jump. Exit status 1 when a promise was broken.

    \b
    yht chaos --seeds 300                    some minutes on two cores; Ctrl-C or kill ends it with what was played
    yht chaos --seeds 10000 --log FILE       hours: stop it and give the same command again, and it goes on
    yht chaos --seed 17 --timeline           one seed again, told as a story
    """
    if seed is None and (timeline or contacts):
        raise click.UsageError("--timeline 和 --contact 须与 --seed 合用 · --timeline and --contact need --seed.")
    if seed is not None and (besides := _given("seeds", "first_seed", "jobs", "log_file")):
        raise click.UsageError(f"--seed 只运行一个种子 · --seed plays one alone, without {', '.join(besides)}.")
    log = _log(log_file) if log_file is not None else None
    be_quiet()
    if seed is not None:
        result = play(seed, timeline=timeline or bool(contacts))
        for line in story(result, contacts) if timeline or contacts else _verdict(result):
            click.echo(line)
        _end(1, len(result.violations))
    else:
        _end(*_many(range(first_seed, first_seed + seeds), jobs, log))


def _given(*names: str) -> list[str]:
    """Those of the options that are on the command line."""
    context = click.get_current_context()
    from_there = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return [option.opts[0] for option in context.command.params if option.name in from_there]


def _log(file: Path) -> CampaignLog:
    """A log that cannot be written is found out before the hours that go into it, and loses nothing that is there."""
    try:
        return CampaignLog(file)
    except OSError as error:
        raise click.BadParameter(
            f"无法写入 {file} · {file} cannot be written: {error.strerror}.", param_hint="--log"
        ) from error
    except Refused as refused:
        say_problems(refused, lambda line: click.echo(line, err=True))
        raise SystemExit(2) from refused


def _verdict(result: Result) -> list[str]:
    return [
        f"seed {result.seed}: {result.contacts} contacts, digest {result.digest}",
        *(f"  {one}" for one in result.violations),
    ]


def _many(seeds: range, jobs: int | None, log: CampaignLog | None) -> tuple[int, int]:
    """Seeds played and promises broken, the log's among them; Ctrl-C ends it early, and what was played is told."""
    totals, block, version = Totals(), list[Result](), program()
    wanted: Sequence[int] = seeds
    if log is not None:
        wanted, totals = log.missing(seeds), log.totals()
        if totals.seeds:
            click.echo(f"记录中已有 · {log.file} has {totals.seeds} seeds already, {len(wanted)} to play", err=True)
    began = time.monotonic()
    results = campaign(wanted, jobs)
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDED_BY}
    try:
        for played, result in enumerate(results, 1):
            if log is not None and block and (len(block) == BLOCK or result.seed != block[-1].seed + 1):
                log.add(block_of(block, version))
                block = []
            block.append(result)
            totals.add(result)
            if result.violations:
                for line in (*_verdict(result), f"  again: yht chaos --seed {result.seed} --timeline"):
                    click.echo(line)
            _progress(played, totals.violations, len(wanted), began)
    except KeyboardInterrupt:
        results.close()
        click.echo(f"已停止 · stopped; {totals.seeds} seeds were played", err=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if log is not None and block:
        log.add(block_of(block, version))
    for line in totals.lines():
        click.echo(line)
    return totals.seeds, totals.violations


def _progress(played: int, violations: int, count: int, began: float) -> None:
    if sys.stderr.isatty():
        pace = played / max(time.monotonic() - began, 1e-9)
        said = f"\r{played}/{count} seeds, {violations} violations, {pace:.1f} seeds/s "
        click.echo(said, nl=played == count, err=True)


def _end(seeds: int, violations: int) -> None:
    click.echo(f"{seeds} seed{'s' if seeds != 1 else ''}, {violations} violation{'s' if violations != 1 else ''}")
    if violations:
        raise SystemExit(1)
