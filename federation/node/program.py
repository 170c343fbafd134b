"""What the programs' command lines share: settings with their sources, and a run that starts whole or not at all."""

from __future__ import annotations

import gc
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import click
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import LineageId
from federation.node.configuration import Sources, configure, read_file

Settings = TypeVar("Settings")
Result = TypeVar("Result")


class Running(Protocol):
    """What a program has started."""

    def stop(self) -> Deferred[None]:
        """Close everything; fires when that is done."""


SWITCH_INTERVAL_S = 0.0005
"""how long the threads that write the disks may keep the interpreter from the reactor; Python's own 5 ms would be most
of a routing decision beside a backlog (S4)"""
COLLECT_AFTER = (2_000, 25, 800)
"""new objects between two looks for garbage; how many of these until a look at what has outlived them (50,000 objects:
some 5 ms; four hundred thousand stop a hub for 0.1 s); how many of those until a look at all that it remembers, which
takes longer than a decision may: after 40 million"""


def read_settings(cls: type[Settings], file: Path, arguments: Sequence[str] = (), prefix: str = "YHT_") -> Settings:
    """Settings of command line > environment > ``file`` > default. Raises ``Refused`` with every fault."""
    sources = Sources(file=str(file), data=read_file(file), environment=os.environ, arguments=arguments, prefix=prefix)
    return configure(cls, sources)


def new_lineage() -> LineageId:
    """A random id for one run of a node (J2)."""
    return LineageId(secrets.token_hex(4))


def boot_id() -> str:
    """The id of this boot of the machine; monotonic times compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"unknown-{secrets.token_hex(8)}"


def directory(path: Path) -> Path:
    """``path`` as an existing directory. Raises ``Refused`` (``directory-unusable``)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            Problem(
                "directory-unusable",
                zh=f"无法使用此目录：{error.strerror}；请检查路径和权限",
                en=f"the directory cannot be used: {error.strerror}; check its path and permissions",
                place=str(path),
            )
        ) from error
    return path


def say_problems(refused: Refused, say: Callable[[str], None]) -> None:
    """Every problem in both languages, with its slug."""
    for problem in refused.problems:
        say(f"{problem.text('zh')}\n  {problem.text('en')}  [{problem.slug}]")


@contextmanager
def refusals_said() -> Iterator[None]:
    """For a command: what is refused inside is said on the error output, and the exit status is 1."""
    try:
        yield
    except Refused as refused:
        say_problems(refused, lambda line: click.echo(line, err=True))
        raise SystemExit(1) from refused


AUDITOR_PASSWORD = "YHT_AUDITOR_PASSWORD"


def auditor_password() -> str:
    """That of whoever reads audit rows on a command line: from ``YHT_AUDITOR_PASSWORD``, else asked for."""
    given: str = os.environ.get(AUDITOR_PASSWORD) or click.prompt("密码 password", hide_input=True, err=True)
    return given


def run_commands(commands: click.Group, reactor: Any) -> NoReturn:
    """Run the command line of this process. What is wrong with it is said in both languages, with the slug
    ``command-line``, and the exit status is 2; nothing has been done then.
    """
    try:
        status = commands.main(obj=reactor, standalone_mode=False)
    except click.UsageError as wrong:
        if wrong.ctx is not None:
            click.echo(wrong.ctx.get_usage(), err=True)
        say_problems(Refused(_wrong_command_line(wrong)), lambda line: click.echo(line, err=True))
        raise SystemExit(wrong.exit_code) from None
    except click.ClickException as wrong:
        wrong.show()
        raise SystemExit(wrong.exit_code) from None
    except click.Abort:
        click.echo("已中止 · aborted", err=True)
        raise SystemExit(1) from None
    raise SystemExit(status if isinstance(status, int) else 0)


def _wrong_command_line(wrong: click.UsageError) -> Problem:
    match wrong:
        case click.MissingParameter(param=click.Parameter() as parameter):
            zh = f"缺少 {parameter.get_error_hint(wrong.ctx)}"
        case click.NoSuchOption(option_name=name):
            zh = f"没有选项 {name}"
        case click.BadParameter(param=click.Parameter() as parameter):
            zh = f"{parameter.get_error_hint(wrong.ctx)} 的值不可用"
        case _:
            zh = "命令行有误"
    en = wrong.format_message()
    if " · " in en:  # our own words, in both languages
        said, en = wrong.message.split(" · ", 1)
        zh = said if zh == "命令行有误" else f"{zh}：{said}"
    place = wrong.ctx.command_path if wrong.ctx is not None else ""
    return Problem("command-line", zh=f"{zh}；用法见 --help", en=f"{en.removesuffix('.')}. See --help.", place=place)


def run_until_stopped(reactor: Any, start: Callable[[], Deferred[Running]], say: Callable[[str], None]) -> int:
    """Run the reactor; the result is the exit status.

    ``start`` fires with what runs, or errbacks with ``Refused``, said through ``say``: then nothing has started and the
    status is 1. SIGTERM and Ctrl+C let what runs close in order.
    """
    failures: list[Failure] = []
    running: list[Running] = []
    stopping: list[bool] = []

    def shutdown() -> Deferred[None] | None:
        stopping.append(True)
        return running[0].stop() if running else None

    def failed(failure: Failure) -> None:
        failures.append(failure)
        if not stopping:
            reactor.stop()

    reactor.addSystemEventTrigger("before", "shutdown", shutdown)
    reactor.callWhenRunning(lambda: maybeDeferred(start).addCallbacks(running.append, failed))
    reactor.run()
    for failure in failures:
        if isinstance(failure.value, Refused):
            say_problems(failure.value, say)
        else:
            say(failure.getTraceback())
    return 1 if failures else 0


def run_to_end(reactor: Any, work: Callable[[], Deferred[Result]], say: Callable[[str], None]) -> Result | None:
    """Run the reactor until ``work`` is done; its result, or None when it was refused or broke, which is said."""
    results: list[Result] = []
    failures: list[Failure] = []

    def ended(_: object) -> None:
        if reactor.running:
            reactor.stop()

    reactor.callWhenRunning(lambda: maybeDeferred(work).addCallbacks(results.append, failures.append).addBoth(ended))
    reactor.run()
    for failure in failures:
        if isinstance(failure.value, Refused):
            say_problems(failure.value, say)
        else:
            say(failure.getTraceback())
    return results[0] if results else None


def answer_promptly() -> None:
    """Set the interpreter up for a process that answers while it takes in a backlog (``bench.backlog``)."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # what is imported by now stays, and is not looked at again
    gc.set_threshold(*COLLECT_AFTER)


def run_program(
    reactor: Any,
    cls: type[Settings],
    start: Callable[[Any, Settings, Path], Deferred[Any]],
    file: Path,
    arguments: Sequence[str],
    log_level: str | None,
) -> int:
    """The ``run`` command of a program: read the settings, start, run until stopped; the result is the exit status."""
    if log_level is not None:
        arguments = (*arguments, f"log.level={log_level}")

    def say(line: str) -> None:
        click.echo(line, err=True)

    answer_promptly()
    return run_until_stopped(reactor, lambda: start(reactor, read_settings(cls, file, arguments), file), say)
