"""``python -m simulation.version1 run --config FILE``: a city's node that speaks version 1, as before its upgrade.

All else of it is the present program, so its disk is one that the present version goes on with.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from federation.node.program import run_commands, run_program
from simulation.version1.wording import VERSION_1
from site_node.program import start_site
from site_node.settings import SiteSettings


@click.group()
def version1() -> None:
    """版本 1 的城市节点，仅供试验 · a city's node of version 1, for trials."""


@version1.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option(
    "--set", "arguments", multiple=True, metavar="KEY=VALUE", help="覆盖一项，如 http.port=8090 · overrides one setting"
)
@click.pass_obj
def run(reactor: Any, /, file: Path, arguments: tuple[str, ...]) -> None:
    """Run the city until SIGTERM or Ctrl+C."""
    raise SystemExit(run_program(reactor, SiteSettings, partial(start_site, wording=VERSION_1), file, arguments, None))


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    run_commands(version1, reactor)


if __name__ == "__main__":
    main()
