"""``python -m simulation.machines``: make the root, start, stop and look at machines by hand."""

from __future__ import annotations

import sys

import click

from simulation.machines.addresses import CITIES, Slot
from simulation.machines.asterisk import Asterisk, city_asterisk
from simulation.machines.asterisk_root import AsteriskRoot, asterisk_root, existing_root
from simulation.machines.consul import consul_program, slot_consul
from simulation.machines.rabbitmq import RabbitMQ, slot_rabbitmq
from simulation.machines.trouble import MachineTrouble, MirrorTrouble

MIRROR_EXIT = 75
"""EX_TEMPFAIL: try again later, nothing is wrong with the product."""

slot_option = click.option("--slot", type=click.IntRange(0, 99), default=0, show_default=True)
MACHINES = click.Choice(["all", "asterisk", "rabbitmq", "consul"])
machine_argument = click.argument("machines", type=MACHINES, default="all")


@click.group(help=__doc__)
def commands() -> None:
    """The door to the machines."""


@commands.command()
def root() -> None:
    """Make the Asterisk root, or print the version of the one that is there."""
    made = asterisk_root(click.echo)
    click.echo(f"Asterisk {made.version} in {made.path}")


@commands.command()
def consul() -> None:
    """Fetch Consul, or say where the one that is there is."""
    click.echo(f"Consul: {consul_program(click.echo)}")


def _switches(made: AsteriskRoot, slot: int) -> list[Asterisk]:
    return [city_asterisk(made, Slot(slot), city) for city in CITIES]


@commands.command()
@machine_argument
@slot_option
def start(machines: str, slot: int) -> None:
    """Start the three cities' Asterisk and a RabbitMQ, and print addresses and logins."""
    if machines in ("all", "asterisk"):
        for switch in _switches(asterisk_root(click.echo), slot):
            switch.start()
            _show(switch)
    if machines in ("all", "rabbitmq"):
        _show_broker(slot_rabbitmq(Slot(slot)).start())
    if machines == "consul":
        consul_program(click.echo)
        click.echo(slot_consul(Slot(slot)).start().url)


def _show_broker(broker: RabbitMQ) -> None:
    click.echo(f"{broker.name}: {'running' if broker.running() else 'stopped'}")
    for node in broker.spec.nodes:
        click.echo(f"  {node:<9} {broker.spec.uri(node)}")
    click.echo(f"  log       {broker.log}")


def _show(switch: Asterisk) -> None:
    spec = switch.spec
    first = spec.seats[0]
    click.echo(f"{switch.name}: {'running' if switch.running() else 'stopped'}")
    click.echo(
        f"  call      sip:10000@{spec.sip_address}:{spec.sip_port}; trunk {spec.trunk_address}:{spec.trunk_port}"
    )
    click.echo(f"  seats     {first.user} to {spec.seats[-1].user}, password {first.password} for the first, and so on")
    click.echo(f"  ARI       {spec.ari_url} user {spec.ari_user} password {spec.ari_password}")
    click.echo(f"  log       {switch.log}")


@commands.command()
@slot_option
def status(slot: int) -> None:
    """Say which of a slot's machines run."""
    made = existing_root()
    if made is None:
        click.echo("no asterisk root yet: python -m simulation.machines root")
    for switch in _switches(made, slot) if made else []:
        _show(switch)
    _show_broker(slot_rabbitmq(Slot(slot)))


@commands.command()
@machine_argument
@slot_option
def stop(machines: str, slot: int) -> None:
    """Stop a slot's machines."""
    made = existing_root() if machines in ("all", "asterisk") else None
    for switch in _switches(made, slot) if made else []:
        switch.stop()
        click.echo(f"{switch.name}: stopped")
    if machines in ("all", "rabbitmq"):
        broker = slot_rabbitmq(Slot(slot))
        broker.stop()
        click.echo(f"{broker.name}: stopped")
    if machines in ("all", "consul") and slot_consul(Slot(slot)).running():
        slot_consul(Slot(slot)).stop()
        click.echo("consul: stopped")


def main() -> None:
    """Run a command; a machine's trouble is told in both languages, a mirror's ends with code 75."""
    try:
        commands(prog_name="python -m simulation.machines")
    except MirrorTrouble as trouble:
        click.echo(str(trouble), err=True)
        sys.exit(MIRROR_EXIT)
    except MachineTrouble as trouble:
        click.echo(str(trouble), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
