"""``python -m provincial_hub``: the program of the province. The only place of it that knows the global reactor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from dataset.errors import Language
from dataset.ids import NodeId
from federation.links.settings import VIRTUAL_HOST
from federation.node.asking import Asking
from federation.node.audit_files import (
    Asked,
    break_line,
    chain_lines,
    check_ledger,
    differences,
    view_line,
    views,
)
from federation.node.audit_looks import LOOKS, audit_seen, check_looks, look_line, look_of, looks_in, looks_lines
from federation.node.configuration import beside, reference
from federation.node.offering import load_offering
from federation.node.program import read_settings, refusals_said, run_commands, run_program
from federation.node.province import load_province
from provincial_hub.broker_definitions import as_json, broker_definitions, write_private
from provincial_hub.program import LEDGER, USERS, add_console_user, start_hub
from provincial_hub.services.days import day_named, month_named, span_of
from provincial_hub.services.province import READERS
from provincial_hub.settings import HubSettings


def _of_days(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a report of some days."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="全部数字，供程序读取 every figure, for programs"),
        click.option(
            "--language", type=click.Choice(["zh", "en"]), help="语种，缺省两种 · language; both when left out"
        ),
        click.option("--city", help="一个城市，缺省全省 · one city; all when left out"),
        click.option("--to", "last", help="最后一天（含），缺省同 --from · last day; that of --from when left out"),
        click.option("--from", "first", required=True, help="第一天 first day, 2026-01-01"),
        click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console"),
        click.option(
            "--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file"
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def provincial_hub() -> None:
    """省中心 · the hub of the province: proposals between cities, the ledger, the console.

    \b
    python -m provincial_hub run --config conf/up/hub.toml
    python -m provincial_hub user --config conf/up/hub.toml bureau     添加用户 adds a user
    python -m provincial_hub broker-definitions --config … --passwords …   消息代理的用户和权限 users and rights
                                            at the broker
    python -m provincial_hub declare-lost --config conf/up/hub.toml --reason "火灾 fire" foshan
    python -m provincial_hub parked --config conf/up/hub.toml             总数中的未知项 what totals name as unknown
    python -m provincial_hub settle --config … --reason "…" foshan 7f3a9c21 41   处理一项 settles one
    python -m provincial_hub day --config conf/up/hub.toml 2026-01-31     一天的小结 a day's sums
    python -m provincial_hub settlement --config conf/up/hub.toml 2026-01     局间结算 what cities owe each other
    python -m provincial_hub services-report --config … --from 2026-01-01 --to 2026-01-31   业务报表 what came of
                                            each service
    python -m provincial_hub knowledge-report --config … --from 2026-01-01 --to 2026-01-31   知识报表 use and
                                            judgement of articles, questions without an answer
    python -m provincial_hub audit verify --config conf/up/hub.toml   各局审计记录是否完整 cities' audit rows
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
    with refusals_said():
        add_console_user(read_settings(HubSettings, file), file, user, name, roles, password)


@provincial_hub.command("broker-definitions")
@click.option("--config", "file", type=click.Path(path_type=Path), help="省中心配置文件 the hub's configuration file")
@click.option("--province", "province_file", type=click.Path(path_type=Path), help="或：省文件 or: the province file")
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    required=True,
    help='各节点密码 passwords, one line per node: guangzhou = "…"',
)
@click.option("--virtual-host", help="代理虚拟主机；缺省取自配置 virtual host; that of --config, else yihaotong")
@click.option(
    "--output", type=click.Path(path_type=Path), help="写入文件；缺省打印 file to write; printed when left out"
)
def print_broker_definitions(
    file: Path | None, province_file: Path | None, passwords: Path, virtual_host: str | None, output: Path | None
) -> None:
    """RabbitMQ's definitions: a user for each hub and city with its own rights, the exchange, limits, dead letters.

    A password comes from the environment (YHT_BROKER_PASSWORD_GUANGZHOU), else from the passwords file, else it is
    drawn and added to that file, which only its owner can read. Import the result: rabbitmqctl import_definitions FILE.
    """
    if (file is None) == (province_file is None):
        raise click.UsageError("--config 或 --province · one of --config and --province")
    with refusals_said():
        if file is not None:
            settings = read_settings(HubSettings, file)
            province_file = beside(str(file), settings.province)
            virtual_host = virtual_host or settings.link.virtual_host
        assert province_file is not None
        province, _ = load_province(province_file)
        told, drawn = broker_definitions(
            (*province.hub_ids, *(NodeId(city.id) for city in province.cities)),
            passwords,
            os.environ,
            virtual_host or VIRTUAL_HOST,
        )
        if drawn:
            click.echo(f"{passwords}: 新密码 new passwords: {', '.join(drawn)}", err=True)
        if output is not None:
            write_private(output, as_json(told))
    if output is None:
        click.echo(as_json(told), nl=False)


@provincial_hub.command("services")
@click.option("--province", "file", type=click.Path(path_type=Path), required=True, help="省文件 the province file")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="语种 language")
def print_services(file: Path, language: Language) -> None:
    """Check the services of a province and list them: reference, name, group, numbers, and whether it makes work.

    \b
    python -m provincial_hub services --province province.toml

    Every fault is named with file, line and the accepted form; exit status 1 then. Nothing has to run for it, so a
    service is checked before it is brought to the cities.
    """
    with refusals_said():
        province, package = load_province(file)
        offering = load_offering(file, province, package)
    for service in offering.catalogue:
        text = service.text
        work = {"zh": "工单", "en": "work item"}[language] if service.makes_work else "-"
        click.echo(f"{service.reference}\t{service.name(language)}\t{text.group}\t{','.join(text.doors)}\t{work}")


@provincial_hub.command("declare-lost")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--reason", required=True, help="原因，记录在案 · why; goes on record")
@click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console")
@click.argument("city")
def declare_lost(file: Path, reason: str, name: str, city: str) -> None:
    """Declare CITY lost for good: switch, node and disk are gone, or stay away (E3).

    The running hub of this machine writes it down; its other hubs hear of it. Needs the role province; the password
    is asked for, or read from YHT_CONSOLE_PASSWORD. The city leaves routing, reports name it, its open contacts count
    as failed. This ends by itself when the city is heard again.
    """
    answer = _ask(file, name, "declare_lost", city=city, reason=reason)
    click.echo(f"{answer['zh']}\n{answer['en']}")


@provincial_hub.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console")
@click.option("--all", "everything", is_flag=True, help="连同已处理的 · settled ones too")
@click.argument("node", required=False)
def parked(file: Path, name: str, everything: bool, node: str | None) -> None:
    """What totals name as unknown, of NODE or of all: rows that cannot be read, numbers that nobody keeps (S2, J5).

    As the running hub of this machine has it. The exit status is 2 while anything is not settled. Password as for
    declare-lost.
    """
    answer = _ask(file, name, "parked", **({} if node is None else {"node": node}))
    for slot in [*answer["parked"], *answer["holes"]]:
        if everything or slot["settled"] is None:
            click.echo(_slot_line(slot))
    click.echo(f"未知 unknown: {answer['unknown']}" + (f"  +{answer['more']} …" if answer["more"] else ""))
    raise SystemExit(2 if answer["unknown"] else 0)


def _slot_line(slot: dict[str, Any]) -> str:
    numbers = f"{slot['number']}" if "number" in slot else f"{slot['first']}-{slot['last']}"
    what = f"{slot['why']}  {slot['size']} B  {slot['begins']}" if "why" in slot else "gone"
    settled = slot["settled"]
    note = f"  ✓ {settled['by']}: {settled['reason']}" if settled else ""
    return f"{slot['node']}  {slot['lineage']}  {numbers}  {what}{note}"


@provincial_hub.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--reason", required=True, help="原因，记录在案 · why; goes on record")
@click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console")
@click.argument("node")
@click.argument("lineage")
@click.argument("number", type=click.IntRange(min=1))
def settle(file: Path, reason: str, name: str, node: str, lineage: str, number: int) -> None:
    """Settle what `parked` shows at NUMBER of NODE's LINEAGE: it counts as unknown no more, and stays to be seen.

    The running hub of this machine writes it down; its other hubs hear of it. Needs the role province; password as
    for declare-lost.
    """
    answer = _ask(file, name, "settle", node=node, lineage=lineage, number=number, reason=reason)
    click.echo(f"{answer['zh']}\n{answer['en']}")


@provincial_hub.command("day")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console")
@click.argument("day")
def day(file: Path, name: str, day: str) -> None:
    """The sums of DAY (2026-01-31, Shanghai) in words, as the running hub of this machine counts them.

    Each line beginning with ! names what may be missing and since when, with ~ which quarters of an hour were told
    otherwise before. The exit status is 2 while anything is missing. Password as for declare-lost.
    """
    with refusals_said():  # before the password is asked for
        day_named(day)
    answer = _ask(file, name, "day", day=day)
    click.echo(f"{answer['zh']}\n\n{answer['en']}")
    raise SystemExit(0 if answer["complete"] else 2)


@provincial_hub.command("settlement")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file")
@click.option("--user", "name", default="bureau", show_default=True, help="省中心用户 user of the console")
@click.option("--csv", "as_csv", is_flag=True, help="逐项列出，供导入 every sum as CSV")
@click.argument("month")
def settlement(file: Path, name: str, month: str, as_csv: bool) -> None:
    """What cities owe each other for work that one took in for another's customers in MONTH (2026-01, Shanghai).

    A line by pair of cities: how many, what was collected at the desk, the charge for handling, and who pays whom on
    balance. Each line beginning with ! names what may be missing; the exit status is 2 then. Password as for
    declare-lost.
    """
    with refusals_said():  # before the password is asked for
        month_named(month)
    answer = _ask(file, name, "settlement", month=month)
    if as_csv:
        click.echo("owning,serving,service,entries,collected_fen,handling_fen")
        for pair in answer["pairs"]:
            for one in pair["services"]:
                sums = f"{one['entries']},{one['collected_fen']},{one['handling_fen']}"
                click.echo(f"{pair['owning']},{pair['serving']},{one['service']},{sums}")
    else:
        click.echo(f"{answer['zh']}\n\n{answer['en']}")
    raise SystemExit(0 if answer["complete"] else 2)


@provincial_hub.command("services-report")
@_of_days
def services_report(**asked: Any) -> None:
    """What came of each service from day to day (in China): taken in, ended, in the promised time, escalated, back.

    A line by service for the province, and one by city below it. Each line beginning with ! names what may be missing,
    with ~ which days were told otherwise before; the exit status is 2 while anything is missing. Password as for
    declare-lost.
    """
    _tell_days("services_report", **asked)


@provincial_hub.command("knowledge-report")
@_of_days
def knowledge_report(**asked: Any) -> None:
    """How often each article was shown from day to day (in China), whether it helped, and who keeps it.

    Then, by today: each line beginning with ! names an article that expires within 30 days, or has, or a city of which
    something may be missing; with ? a question that waits for an answer. The exit status is 2 while anything is
    missing. Password as for declare-lost.
    """
    _tell_days("knowledge_report", **asked)


def _tell_days(
    operation: str, file: Path, name: str, first: str, last: str | None, city: str | None,
    language: Language | None, as_json: bool,
) -> None:  # fmt: skip
    with refusals_said():  # before the password is asked for
        span_of(first, last or first)
    asked = {"first": first, "last": last or first, **({} if city is None else {"city": city})}
    answer = _ask(file, name, operation, **asked)
    if as_json:
        figures = {key: value for key, value in answer.items() if key not in ("zh", "en")}
        click.echo(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        click.echo("\n\n".join(answer[one] for one in ("zh", "en") if language in (None, one)))
    raise SystemExit(0 if answer["complete"] else 2)


def _ask(file: Path, user: str, operation: str, **fields: Any) -> dict[str, Any]:
    """One thing of the running hub; says what is refused, and leaves."""
    with refusals_said():
        asking = Asking(read_settings(HubSettings, file).http)
        password = os.environ.get("YHT_CONSOLE_PASSWORD") or click.prompt("密码 password", hide_input=True, err=True)
        return asking.once(user, password, operation, **fields)


@provincial_hub.group()
def audit() -> None:
    """Who has looked at customers' data, as this hub got it from the cities; the hub may run."""


_CONFIG = click.option(
    "--config", "file", type=click.Path(path_type=Path), required=True, help="配置文件 configuration file"
)


@audit.command("verify")
@_CONFIG
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="与某局日志比较 compare with a city's journal, or a copy of it",
)
def verify_audit(file: Path, journal: Path | None) -> None:
    """Whether every audit row of every city is there, as it was written; each place where not is named.

    A city that has rewritten its history since is found out: its next run states a hash that is not the one here. With
    --journal each row of that file is held to the one that the hub got. The exit status is 1 where anything is wrong.
    """
    with refusals_said():
        ledger = _ledger_of(file)
        chains, looks = check_ledger(ledger), check_looks(ledger.with_name(LOOKS))
        apart = differences(ledger, journal) if journal is not None else []
    for chain in chains:
        click.echo("\n".join(chain_lines(chain)))
    for line in [*map(break_line, apart), *looks_lines(looks)]:
        click.echo(line)
    raise SystemExit(0 if all(chain.whole for chain in chains) and not apart and not looks.broken else 1)


@audit.command("show")
@_CONFIG
@click.option("--user", "name", required=True, help="审计员用户 a user with the role auditor")
@click.option("--customer", default="", help="客户号 whose data")
@click.option("--line", default="", help="号码，连同区号 about which line, with its area code")
@click.option("--agent", default="", help="坐席，如 1001@guangzhou · who looked")
@click.option("--looks", is_flag=True, help="谁查看过审计记录 who has looked into this record instead")
def show_audit(file: Path, name: str, customer: str, line: str, agent: str, looks: bool) -> None:
    """Who has looked at what in all cities, and what was refused, one view a line; numbers are masked.

    For users of the console with the role auditor; the password is asked for, or read from YHT_AUDITOR_PASSWORD. This
    is a look, too: when, by which user of the operating system and at what is on record beside the ledger first.
    """
    with refusals_said():
        data = beside(str(file), read_settings(HubSettings, file).data)
        asked = Asked(customer, line, agent)

        def told() -> Iterable[str]:
            if looks:
                return map(look_line, looks_in(data / LOOKS))
            return map(view_line, views(data / LEDGER, asked, ledger=True))

        audit_seen(name, data / USERS, look_of(name, data / LEDGER, asked, looks=looks), data / LOOKS, told)


def _ledger_of(file: Path) -> Path:
    return beside(str(file), read_settings(HubSettings, file).data) / LEDGER


@provincial_hub.command()
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def settings(language: str) -> None:
    """Every setting of the configuration file."""
    click.echo(reference(HubSettings, "zh" if language == "zh" else "en"))


def main() -> None:
    """Run the command line."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    run_commands(provincial_hub, reactor)


if __name__ == "__main__":
    main()
