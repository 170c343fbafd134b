"""``python -m provincial_hub``: the program of the province. The only place of it that knows the global reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dataset.errors import Refused
from federation.node.configuration import reference
from federation.node.program import read_settings, run_program, say_problems
from provincial_hub.program import add_console_user, start_hub
from provincial_hub.services.province import READERS
from provincial_hub.settings import HubSettings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def provincial_hub() -> None:
    """省中心 · the hub of the province: proposals between cities, the ledger, the console.

    \b
    python -m provincial_hub run --config conf/up/hub.toml
    python -m provincial_hub user --config conf/up/hub.toml bureau     添加用户 adds a user
    python -m provincial_hub settings       全部配置项 every setting, its form and default

    \b
    The file names the province file, a data directory, the broker and the console's listener:
        province = "../province.toml"
        data = "../../var/hub"
        [link]
        addresses = ["127.0.0.5:5672"]
        [http]
        port = 8080
    """


@provincial_hub.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option(
    "--set",
    "arguments",
    multiple=True,
    metavar="KEY=VALUE",
    help="覆盖一项，如 http.port=8090 · overrides one setting",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warn", "error"]), help="同 as --set log.level=…")
@click.pass_obj
def run(reactor: Any, /, file: Path, arguments: tuple[str, ...], log_level: str | None) -> None:
    """Run the hub until SIGTERM or Ctrl+C; cities serve their own callers without it.

    Order of settings: --set, environment (YHT_HTTP_PORT), file, default. A wrong one is named with file, line and the
    accepted form, and nothing starts. Passwords belong into the environment: YHT_LINK_PASSWORD.
    """
    raise SystemExit(run_program(reactor, HubSettings, start_hub, file, arguments, log_level))


@provincial_hub.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option(
    "--role",
    "roles",
    type=click.Choice(sorted(READERS)),
    multiple=True,
    default=("province",),
    show_default=True,
    help="角色，可多次 · may be given again",
)
@click.option("--name", default="", help="姓名 name")
@click.password_option(help="密码；缺省时询问 · asked for when left out")
@click.argument("user")
def user(file: Path, roles: tuple[str, ...], name: str, password: str, user: str) -> None:
    """Add a user of the console, or give one another password. A running hub sees it at its next start."""
    try:
        add_console_user(read_settings(HubSettings, file), file, user, name, roles, password)
    except Refused as refused:
        say_problems(refused, lambda line: click.echo(line, err=True))
        raise SystemExit(1) from refused


@provincial_hub.command()
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def settings(language: str) -> None:
    """Every setting of the configuration file."""
    click.echo(reference(HubSettings, "zh" if language == "zh" else "en"))


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    provincial_hub(obj=reactor)


if __name__ == "__main__":
    main()
