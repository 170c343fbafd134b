"""``yht demo``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from federation.node.number_plan import load_plan
from federation.node.offering import load_offering
from federation.node.program import say_problems
from federation.node.province import load_province
from simulation.commands.common import CONF
from simulation.demo import DemoSettings, run_demo


@click.command()
@click.option(
    "--province",
    "file",
    type=click.Path(path_type=Path),
    default=CONF / "province.toml",
    show_default=True,
    help="省份文件 province file",
)
@click.option("--seed", type=int, default=1, show_default=True, help="同一种子，同一批来话 same seed, same callers")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 120.0),
    default=1.0,
    show_default=True,
    help="时间倍速；坐席体验请用 1 · how many times faster than real; 1 to serve callers yourself",
)
@click.option(
    "--calls-per-hour",
    type=click.FloatRange(0.0, 100_000.0),
    default=None,
    help="全省每小时来话 calls per hour of the whole province; else as in the file",
)
@click.option("--listen", default="127.0.0.1", show_default=True, help="监听地址 address")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="端口，0 为任选 port, 0 = any free one",
)
@click.option(
    "--own-seats",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="每市留给真人的座席 seats per city left free for people",
)
@click.option(
    "--lines",
    type=click.IntRange(0, 10_000),
    default=300,
    show_default=True,
    help="平均每市在册的电话，来电者多是其中的客户 telephones on record per city; most callers are among them",
)
@click.option(
    "--clerks/--no-clerks",
    default=True,
    show_default=True,
    help="后台是否办理工单 whether the offices behind the seats do the work that is handed in",
)
@click.pass_obj
def demo(reactor: Any, /, file: Path, port: int, **options: Any) -> None:
    """A province alive in the browser: hub and cities with simulated callers over a day's profile.

    The simulated day begins at 09:30. Open the address it prints, enter as the province or take a seat and serve
    callers yourself. Ctrl+C ends cleanly and prints the day's summary with the balance of every queue (I7).

    \b
    yht demo                        at real speed
    yht demo --speed 30             a busy day in less than an hour, to watch
    yht demo --calls-per-hour 400   a storm
    """

    def run() -> Deferred[None]:
        province, package = load_province(file)
        offering = load_offering(file, province, package)
        settings = DemoSettings(port=port, **options)
        return run_demo(reactor, province, package, settings, time.time(), click.echo, offering, load_plan(file))

    _with_reactor(reactor, run)


def _with_reactor(reactor: Any, run: Callable[[], Deferred[None]]) -> None:
    """Run until done or interrupted. What was refused is said in both languages, and the exit status is 1."""
    failures: list[Failure] = []
    stopping: list[bool] = []
    reactor.addSystemEventTrigger("before", "shutdown", stopping.append, True)

    def ended(_: object) -> None:
        if not stopping:
            reactor.stop()

    def begin() -> None:
        maybeDeferred(run).addErrback(failures.append).addBoth(ended)

    reactor.callWhenRunning(begin)
    reactor.run()
    for failure in failures:
        if isinstance(failure.value, Refused):
            say_problems(failure.value, lambda line: click.echo(line, err=True))
        else:
            failure.printTraceback()
    if failures:
        raise SystemExit(1)
