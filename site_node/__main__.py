"""``python -m site_node``: the program of one city. The only place of it that knows the global reactor."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from dataset.errors import Refused
from dataset.ids import NodeId
from dataset.services.words import ROLES
from federation.links.settings import VIRTUAL_HOST, LinkSettings, LinkTlsSettings
from federation.node.asking import Asking
from federation.node.audit_files import Asked, chain_lines, check_journal, view_line, views
from federation.node.audit_looks import LOOKS, audit_seen, check_looks, look_line, look_of, looks_in, looks_lines
from federation.node.configuration import beside, reference
from federation.node.login import AUDITOR
from federation.node.logs import start_logging
from federation.node.program import read_settings, refusals_said, run_commands, run_program, run_to_end
from federation.node.province import load_province
from site_node.importing import Wanted, import_file, shown
from site_node.join import candidate, hear_province, history, link_table, progress, write_link
from site_node.program import JOURNAL, USERS, add_city_user, start_site
from site_node.settings import SiteSettings

LOOK_EVERY_S = 1.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def site_node() -> None:
    """一个城市的节点 · the node of one city.

    \b
    python -m site_node run --config conf/up/guangzhou.toml
    python -m site_node user --config FILE 1001      让坐席 1001 可以登录 lets agent 1001 log in
    python -m site_node join --config FILE --address 10.0.0.5:5672   接入省中心 joins the province
    python -m site_node import --config FILE --mapping MAPPING.toml DATA.csv   导入资料 imports records
    python -m site_node audit verify --config FILE   审计记录是否完整 whether the audit rows are whole
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
    type=click.Choice((*ROLES, AUDITOR)),
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
    with refusals_said():
        add_city_user(read_settings(SiteSettings, file), file, user, name, roles, password)


@site_node.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--address", "addresses", multiple=True, metavar="HOST:PORT", help="代理地址，可多次 may be given again")
@click.option("--virtual-host", default=VIRTUAL_HOST, show_default=True, help="代理虚拟主机 virtual host")
@click.option("--replicated", is_flag=True, help="代理是三节点集群 the brokers are a cluster of three")
@click.option("--ca", default="", metavar="FILE", help="代理证书的 CA（PEM），相对配置文件 CA of the brokers")
@click.option("--dry-run", is_flag=True, help="只检查并显示将写入的内容 check, and show what would be written")
@click.option("--watch", is_flag=True, help="只显示进度 only show how far it is")
@click.option("--no-wait", is_flag=True, help="写入后不等待 do not wait for the hubs")
@click.pass_obj
def join(
    reactor: Any,
    /,
    file: Path,
    addresses: tuple[str, ...],
    virtual_host: str,
    replicated: bool,
    ca: str,
    dry_run: bool,
    watch: bool,
    no_wait: bool,
) -> None:
    """Connect a city that stood alone to its province, with its whole history (B5).

    Checks the province file that the configuration names (city, area code, staff), the login at the broker, and that
    a hub is heard; only then is a [link] table appended to the configuration. Restart the node afterwards: calls go
    on. Shows how many rows wait until every hub has acknowledged all of them; Ctrl+C ends the showing, not the sending.
    The password at the broker is asked for, or read from YHT_LINK_PASSWORD, where the node needs it as well.
    """
    with refusals_said():
        given = read_settings(SiteSettings, file)
        if watch:
            province, _ = load_province(beside(str(file), given.province))
            raise SystemExit(_watch_joining(given, province.hub_ids))
        one = candidate(given, file)
        password = os.environ.get("YHT_LINK_PASSWORD") or click.prompt("密码 password", hide_input=True, err=True)
        link = LinkSettings(
            addresses=addresses or LinkSettings().addresses,
            password=password,
            virtual_host=virtual_host,
            replicated=replicated,
            tls=LinkTlsSettings(ca=ca) if ca else None,
        )
        start_logging(one.city, replace(given.log, level="error"))
        heard = run_to_end(reactor, lambda: hear_province(reactor, one, link, file), _complain)
        if heard is None:
            raise SystemExit(1)
        click.echo(f"收到省中心 {', '.join(sorted(heard.hubs))} · heard; 主用 leads: {heard.leader or '-'}")
        click.echo("\n".join(history(one.kept)))
        table = link_table(link, time.time())
        if dry_run:
            click.echo(f"将写入 would be appended to {file}:\n\n{table}", nl=False)
            return
        write_link(file, table)
        click.echo(f"已写入 written to {file}:\n\n{table}", nl=False)
    click.echo("请以 YHT_LINK_PASSWORD 重新启动节点 · restart the node with YHT_LINK_PASSWORD in its environment")
    if not no_wait:
        raise SystemExit(_watch_joining(given, one.province.hub_ids))


def _complain(line: str) -> None:
    click.echo(line, err=True)


def _watch_joining(settings: SiteSettings, hubs: Collection[NodeId]) -> int:
    """Say how far it is, whenever that changes, until every hub has everything."""
    asking, said = Asking(settings.http), ("", "")
    while True:
        try:
            done, zh, en = progress(asking.health(), hubs)
        except Refused:
            done, zh, en = False, "节点没有在运行", "the node does not run"
        if (zh, en) != said:
            click.echo(f"{zh} · {en}")
            said = (zh, en)
        if done:
            return 0
        time.sleep(LOOK_EVERY_S)


@site_node.command("import")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--mapping", type=click.Path(path_type=Path), required=True, help="对照表 which column is which field")
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), help="数据截至日，如 2026-01-31；缺省为文件修改时间 day of the data"
)
@click.option("--plan", type=click.Path(path_type=Path), help="号码计划，缺省在省文件旁 number plan")
@click.argument("data", type=click.Path(path_type=Path))
@click.pass_obj
def import_records(
    reactor: Any, /, file: Path, mapping: Path, as_of: datetime | None, plan: Path | None, data: Path
) -> None:
    """Put the rows of DATA, a CSV file in UTF-8 or GB 18030, into the city's store; the node must not have it open.

    Rows that are wrong are put aside in DATA.bad.csv with their line and reason: put them right there and import that
    file. May be stopped at any time: the same command goes on where it was. Exit status 2 when rows are put aside.
    """
    wanted = Wanted(config=file, mapping=mapping, data=data, plan=plan, as_of=as_of.date() if as_of else None)
    with refusals_said():
        given = read_settings(SiteSettings, file)
        start_logging(given.city, replace(given.log, level="error"))
        done = run_to_end(
            reactor,
            lambda: import_file(reactor, given, wanted, lambda progress: click.echo(shown(progress))),
            _complain,
        )
    if done is None:
        raise SystemExit(1)
    if done.bad:
        click.echo(f"{done.bad:,} 行有误，见 rows are put aside in {data}.bad.csv", err=True)
        raise SystemExit(2)


@site_node.group()
def audit() -> None:
    """Who has looked at customers' data, as this city's journal has it; the node may run."""


_CONFIG = click.option(
    "--config", "file", type=click.Path(path_type=Path), help="城市配置文件 the city's configuration file"
)
_JOURNAL = click.option("--journal", type=click.Path(path_type=Path), help="或：日志文件 or: a journal")


@audit.command("verify")
@_CONFIG
@_JOURNAL
def verify_audit(file: Path | None, journal: Path | None) -> None:
    """Whether every audit row is there, as it was written; each place where not is named, and the exit status is 1.

    Whoever can write the file can write all of it anew: compare the hash of the last row with what the hub has
    (python -m provincial_hub audit verify), or with one that you wrote down.
    """
    with refusals_said():
        source = _journal_of(file, journal)
        chain, looks = check_journal(source), check_looks(source.with_name(LOOKS))
    click.echo("\n".join([*chain_lines(chain), *looks_lines(looks)]))
    raise SystemExit(0 if chain.whole and not looks.broken else 1)


@audit.command("show")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="城市配置文件 the city's configuration file",
)
@click.option("--journal", type=click.Path(path_type=Path), help="日志的副本 a copy of the journal instead")
@click.option("--user", "name", required=True, help="审计员用户 a user with the role auditor")
@click.option("--customer", default="", help="客户号 whose data")
@click.option("--line", default="", help="号码，连同区号 about which line, with its area code")
@click.option("--agent", default="", help="坐席，如 1001@guangzhou · who looked")
@click.option("--looks", is_flag=True, help="谁查看过审计记录 who has looked into this record instead")
def show_audit(file: Path, journal: Path | None, name: str, customer: str, line: str, agent: str, looks: bool) -> None:
    """Who has looked at what, and what was refused, one view a line; numbers are masked.

    For users of this city with the role auditor; the password is asked for, or read from YHT_AUDITOR_PASSWORD. This is
    a look, too: when, by which user of the operating system and at what is on record beside the journal first.
    """
    with refusals_said():
        data = beside(str(file), read_settings(SiteSettings, file).data)
        source, asked = journal or data / JOURNAL, Asked(customer, line, agent)

        def told() -> Iterable[str]:
            if looks:
                return map(look_line, looks_in(data / LOOKS))
            return map(view_line, views(source, asked))

        audit_seen(name, data / USERS, look_of(name, source, asked, looks=looks), data / LOOKS, told)


def _journal_of(file: Path | None, journal: Path | None) -> Path:
    if journal is not None and file is None:
        return journal
    if file is None or journal is not None:
        raise click.UsageError("--config 或 --journal · one of --config and --journal")
    return beside(str(file), read_settings(SiteSettings, file).data) / JOURNAL


@site_node.command()
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def settings(language: str) -> None:
    """Every setting of the configuration file."""
    click.echo(reference(SiteSettings, "zh" if language == "zh" else "en"))


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    run_commands(site_node, reactor)


if __name__ == "__main__":
    main()
