"""``yht up``."""

from __future__ import annotations

from pathlib import Path

import click

from federation.node.program import refusals_said
from simulation.commands.common import CONF, SLOT, trouble_said
from simulation.up import StopSigns, UpProvince


@click.command()
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
    with refusals_said(), trouble_said():
        province = UpProvince(folder, click.echo, slot=slot, telephones=telephones)
        try:
            if province.start(signs.asked):
                province.welcome()
                signs.wait(province.look)
        finally:
            province.stop()
