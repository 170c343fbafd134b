"""``yht replay``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

import click

from federation.node.program import refusals_said
from simulation.replay.anomalies import anomalies
from simulation.replay.forced import play_forced
from simulation.replay.free import play_free
from simulation.replay.report import anomaly_lines, anomaly_table, forced_lines, free_lines
from simulation.replay.stage import not_in_trace
from simulation.replay.totals import mean_patience_s
from simulation.replay.trace import Trace, load_trace


@click.command()
@click.option(
    "--trace",
    "file",
    type=click.Path(path_type=Path),
    envvar="YHT_TRACE",
    required=True,
    help="话务记录文件（或环境变量 YHT_TRACE）file of calls, 17 columns, one line per call",
)
@click.option(
    "--date",
    "days",
    type=click.DateTime(["%Y-%m-%d"]),
    multiple=True,
    help="日期，可多次；缺省全部 a day of it, may be repeated; all days when left out",
)
@click.option(
    "--forced/--free",
    default=True,
    show_default=True,
    help="完全按记录 / 由核心决定 · exactly as it was / the core decides",
)
@click.option("--seed", type=int, default=1, show_default=True, help="--free 的种子 seed of --free")
@click.option(
    "--anomalies",
    "anomaly_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="将每条异常连同数值写入此文件 write every anomaly with its figures to this file",
)
def replay(file: Path, days: Sequence[datetime], forced: bool, seed: int, anomaly_file: Path | None) -> None:
    """Drive the real core with the calls of a real center's days.

    --forced plays arrivals, answers and hang-ups at their very seconds: what the core then has on record must equal
    the trace. --free keeps the callers and lets the core decide, and shows the differences. Every anomaly of the trace
    is listed. Exit status 1 when a forced day does not equal the trace.

    \b
    yht replay --trace FILE --date 1999-02-01
    yht replay --trace FILE --free --seed 7
    """
    with refusals_said():
        trace = load_trace(file)
        wanted = _days(trace, [one.date() for one in days])
        good = _play(trace, wanted, forced, seed, anomaly_file)
    if not good:
        raise SystemExit(1)


def _days(trace: Trace, wanted: Sequence[date]) -> Sequence[date]:
    known = trace.dates()
    for day in wanted:
        if day not in known:
            raise not_in_trace(day, known, trace.file)
    return sorted(set(wanted)) or known


def _play(trace: Trace, days: Sequence[date], forced: bool, seed: int, anomaly_file: Path | None) -> bool:
    chosen = set(days)
    found = anomalies(call for call in trace.calls if call.date in chosen)
    if anomaly_file is not None:
        anomaly_file.write_text("".join(f"{line}\n" for line in anomaly_table(found, trace.file)), encoding="utf-8")
    good = True
    if forced:
        results = [play_forced(day, trace.day(day), progress) for day, progress in _progressing(days)]
        good = all(day.good for day in results)
        _say(forced_lines(results))
    else:
        patience_s = mean_patience_s(trace.calls)
        if patience_s is None:
            click.echo(
                "记录中无人在队列中挂机：假定永不失去耐心 · nobody gave up: endless patience is assumed", err=True
            )
        mean_s = patience_s if patience_s is not None else 1e9
        free = [play_free(day, trace.day(day), mean_s, seed, progress) for day, progress in _progressing(days)]
        _say(free_lines(free))
    _say(anomaly_lines(found))
    return good


def _progressing(days: Sequence[date]) -> Iterator[tuple[date, Callable[[float], None]]]:
    """Each day with a way to show how far it is, on the standard error."""
    live = sys.stderr.isatty()
    for number, day in enumerate(days, start=1):
        yield day, _Shown(f"{day}  {number}/{len(days)}", live)


class _Shown:
    """How far a day is: in per cent on a terminal, else one line at its end."""

    def __init__(self, title: str, live: bool) -> None:
        self._title = title
        self._live = live
        self._percent = -1

    def __call__(self, share: float) -> None:
        percent = int(share * 100)
        if percent == self._percent:
            return
        self._percent = percent
        if self._live:
            click.echo(f"\r{self._title}  {percent:3d} %", err=True, nl=percent == 100)
        elif percent == 100:
            click.echo(self._title, err=True)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
