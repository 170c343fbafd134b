"""The ``yht`` command, which loads of its commands the one that is asked for: no call waits for all the rest."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "audit": "site_node.__main__:audit",
    "call": "simulation.commands.call:call",
    "chaos": "simulation.chaos.command:chaos",
    "demo": "simulation.commands.demo:demo",
    "hub": "provincial_hub.__main__:provincial_hub",
    "join": "site_node.__main__:join",
    "replay": "simulation.replay.command:replay",
    "site": "site_node.__main__:site_node",
    "up": "simulation.commands.up:up",
}
"""where each command is: module and name"""


class Commands(click.Group):
    """A group of ``COMMANDS``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
      yht join --config FILE --address HOST:PORT
                                      单独的城市接入省中心 · a city that stood alone joins (= yht site join)
      yht audit verify --config FILE  审计记录是否完整 · are its audit rows whole (= yht site audit verify)

    yht COMMAND --help 有更多说明 · says more.
    """
