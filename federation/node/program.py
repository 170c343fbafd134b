"""What the programs' command lines share: settings with their sources, and a run that starts whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import LineageId
from federation.node.configuration import Sources, configure, read_file

Settings = TypeVar("Settings")


class Running(Protocol):
    """What a program has started."""

    def stop(self) -> Deferred[None]:
        """Close everything; fires when that is done."""


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

    return run_until_stopped(reactor, lambda: start(reactor, read_settings(cls, file, arguments), file), say)
