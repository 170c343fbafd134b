"""What several commands have alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from simulation.machines.trouble import MachineTrouble

CONF = Path(__file__).parents[2] / "conf"
SLOT = click.option(
    "--slot",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    help="回环地址 127.0.<slot>.*，FOLDER 中的地址须与之一致 · loopback addresses, which FOLDER has to name as well",
)


@contextmanager
def trouble_said() -> Iterator[None]:
    """What the machine cannot do is said on the error output, and the exit status is 1."""
    try:
        yield
    except MachineTrouble as trouble:
        click.echo(str(trouble), err=True)
        raise SystemExit(1) from None
