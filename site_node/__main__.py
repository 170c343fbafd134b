"""``python -m site_node``: the program of one city. The only place of it that knows the global reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dataset.errors import Refused
from federation.node.configuration import reference
from federation.node.program import read_settings, run_program, say_problems
from site_node.program import add_city_user, start_site
from site_node.settings import SiteSettings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def site_node() -> None:
    """一个城市的节点 · the node of one city.

    \b
    python -m site_node run --config conf/up/guangzhou.toml
    python -m site_node user --config FILE 1001      让坐席 1001 可以登录 lets agent 1001 log in
    python -m site_node settings            全部配置项 every setting, its form and default
    """


@site_node.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option(
    "--set", "arguments", multiple=True, metavar="KEY=VALUE", help="覆盖一项，如 http.port=8090 · overrides one setting"
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warn", "error"]), help="同 as --set log.level=…")
@click.pass_obj
def run(reactor: Any, /, file: Path, arguments: tuple[str, ...], log_level: str | None) -> None:
    """Run the city until SIGTERM or Ctrl+C; calls at the switch go on without the node and are adopted by its next run.

    Order of settings: --set, environment (YHT_HTTP_PORT), file, default. A wrong one is named with file, line and the
    accepted form, and nothing starts.
    """
    raise SystemExit(run_program(reactor, SiteSettings, start_site, file, arguments, log_level))


@site_node.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option(
    "--role",
    "roles",
    type=click.Choice(["agent", "supervisor", "site_admin"]),
    multiple=True,
    default=("agent",),
    show_default=True,
    help="角色，可多次 · may be given again",
)
@click.option("--name", default="", help="姓名；坐席缺省用省文件中的 name; an agent's is in the province file")
@click.password_option(help="密码；缺省时询问 · asked for when left out")
@click.argument("user")
def user(file: Path, roles: tuple[str, ...], name: str, password: str, user: str) -> None:
    """Let somebody log in at this city, or give another password. USER of an agent is the staff number.

    A running node sees it at its next start.
    """
    try:
        add_city_user(read_settings(SiteSettings, file), file, user, name, roles, password)
    except Refused as refused:
        say_problems(refused, lambda line: click.echo(line, err=True))
        raise SystemExit(1) from refused


@site_node.command()
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def settings(language: str) -> None:
    """Every setting of the configuration file."""
    click.echo(reference(SiteSettings, "zh" if language == "zh" else "en"))


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    site_node(obj=reactor)


if __name__ == "__main__":
    main()
