"""``yht call``."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import click

from simulation.calling import Calling, place_calls
from simulation.commands.common import SLOT, trouble_said
from simulation.machines.addresses import CITIES, Slot, city_of

DIGITS = "0123456789"
KEYS = DIGITS + "*#"


def _made_of(allowed: str, least: int, zh: str, en: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """An option's check: a text of these characters only, at least so many."""

    def check(context: click.Context, parameter: click.Parameter, value: str) -> str:
        if len(value) < least or not set(value) <= set(allowed):
            raise click.BadParameter(f"{value!r}：{zh} · {en}")
        return value

    return check


_NUMBER = _made_of(DIGITS, 2, "号码由至少两位数字组成", "a number has two digits or more")


@click.command()
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
    callback=_NUMBER,
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
    callback=_NUMBER,
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
        with trouble_said():
            place_calls(Calling(city_of(city), **options), Slot(slot), click.echo)
    except KeyboardInterrupt:
        click.echo("已挂断 · hung up")
