"""The ``yht`` command."""

from __future__ import annotations

import signal
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
from provincial_hub.__main__ import provincial_hub
from simulation.calling import Calling, place_calls
from simulation.chaos.command import chaos
from simulation.demo import DemoSettings, run_demo
from simulation.machines.addresses import CITIES, Slot, city_of
from simulation.machines.trouble import MachineTrouble
from simulation.replay.command import replay
from simulation.up import StopSigns, UpProvince
from site_node.__main__ import site_node

CONF = Path(__file__).parents[1] / "conf"
DIGITS = "0123456789"
KEYS = DIGITS + "*#"
SLOT = click.option(
    "--slot",
    type=click.IntRange(0, 255),
    default=0,
    show_default=True,
    help="回环地址 127.0.<slot>.*，FOLDER 中的地址须与之一致 · loopback addresses, which FOLDER has to name as well",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def yht() -> None:
    """一号通: a virtual contact center for a whole province. One number for the caller, any seat for the agent.

    \b
    第一次使用 · the first time:
      yht demo                        三地市在一个进程中，打开它打印的地址 · three cities in one process; open
                                      the address it prints, click a contact to read why it went where it went
      yht demo --calls-per-hour 400   话务高峰，看来话溢出到邻市 · a storm: watch calls overflow to other cities

    \b
    真实交换机 · on real switches (Debian, root):
      yht up conf/up                  三台 Asterisk、RabbitMQ、各节点为独立进程 · and a softphone can dial in
      yht call                        客户打进来，不需要话机 · a customer calls, without a telephone of yours

    \b
    真实话务 · recorded traffic:
      yht replay --trace FILE         核心须与记录一致 · the core has to agree with a real center's days

    \b
    故障演练 · faults by seed:
      yht chaos --seeds 300           一切都可能出错，承诺须守住 · whatever breaks, every promise is checked

    \b
    一个城市、省中心 · one city, the province's hub (= python -m site_node, python -m provincial_hub):
      yht site run --config conf/up/guangzhou.toml
      yht hub run --config conf/up/hub.toml
      yht site settings               全部配置项 · every setting, its form and default

    yht COMMAND --help 有更多说明 · says more.
    """


yht.add_command(replay)
yht.add_command(chaos)
yht.add_command(site_node, "site")
yht.add_command(provincial_hub, "hub")


@yht.command()
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
        return run_demo(reactor, province, package, settings, time.time(), _say, offering, load_plan(file))

    _with_reactor(reactor, run)


@yht.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=CONF / "up")
@click.option(
    "--telephones/--no-telephones",
    default=True,
    show_default=True,
    help="座席的自动话机，和公网上接听回访的客户 · telephones of seats that answer by themselves, and customers in the "
    "public network who can be called back",
)
@SLOT
def up(folder: Path, telephones: bool, slot: int) -> None:
    """Hub and three cities as processes of their own, on real Asterisk and RabbitMQ; Ctrl+C stops them all.

    FOLDER holds hub.toml and one file per city (conf/up is an example). Needs Debian and root. Prints the number to
    dial, the seats' softphone logins, the addresses of the pages, and how to try calls (yht call) without a telephone.
    """
    signs = StopSigns()
    try:
        province = UpProvince(folder, _say, slot=slot, telephones=telephones)
        try:
            if province.start(signs.asked):
                province.welcome()
                signs.wait(province.look)
        finally:
            province.stop()
    except Refused as refused:
        say_problems(refused, lambda line: click.echo(line, err=True))
        raise SystemExit(1) from None
    except MachineTrouble as trouble:
        click.echo(str(trouble), err=True)
        raise SystemExit(1) from None


def _made_of(allowed: str, least: int, zh: str, en: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """An option's check: a text of these characters only, at least so many."""

    def check(context: click.Context, parameter: click.Parameter, value: str) -> str:
        if len(value) < least or not set(value) <= set(allowed):
            raise click.BadParameter(f"{value!r}：{zh} · {en}")
        return value

    return check


@yht.command()
@click.option(
    "--city",
    type=click.Choice([city.id for city in CITIES]),
    default=CITIES[0].id,
    show_default=True,
    help="在哪个城市拨入 · where the customer calls",
)
@click.option(
    "--number",
    default="10000",
    show_default=True,
    callback=_made_of(DIGITS, 2, "号码由至少两位数字组成", "a number has two digits or more"),
    help="所拨号码，如 10000、112 · the number called",
)
@click.option(
    "--keys",
    default="0",
    show_default=True,
    callback=_made_of(KEYS, 0, "按键只能是数字、* 和 #", "keys are digits, * and #"),
    help="接通后按的键；10000 的菜单中 0 转人工 · keys pressed in the menu; 0 leads to an agent",
)
@click.option(
    "--from",
    "caller",
    default="13800138000",
    show_default=True,
    callback=_made_of(DIGITS, 2, "号码由至少两位数字组成", "a number has two digits or more"),
    help="来电显示的号码 · the number that is shown",
)
@click.option(
    "--calls",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="几个客户，一秒一个，号码末位为 1、2 … · how many customers, one each second",
)
@click.option(
    "--talk", type=click.IntRange(1, 3600), default=300, show_default=True, help="最长通话秒数 seconds at most"
)
@click.option(
    "--patience",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    help="等待应答秒数 seconds until answered",
)
@SLOT
def call(city: str, slot: int, **options: Any) -> None:
    """A customer calls the one number of the province that yht up runs; Ctrl+C hangs up.

    \b
    yht call                          10000，按 0 转人工 · 10000, and 0 for an agent
    yht call --number 112 --keys ""   直接到障碍申告 · straight to fault reports
    yht call --city foshan --calls 5  佛山只有三个座席：看溢出 · Foshan has three seats: watch the overflow
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts with & ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        place_calls(Calling(city_of(city), **options), Slot(slot), _say)
    except KeyboardInterrupt:
        _say("已挂断 · hung up")
    except MachineTrouble as trouble:
        click.echo(str(trouble), err=True)
        raise SystemExit(1) from None


def _say(line: str) -> None:
    click.echo(line)


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
