"""A province of real processes with two hubs and a Consul: one leads, the other stands by (B2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataset.rows import Decision, Journalled
from federation.node.province import load_province
from simulation.machines.addresses import CITIES, Slot, claimed_slot
from simulation.machines.consul import slot_consul
from simulation.machines.nodes import NodeProcess
from simulation.up import NodeFile, make_users
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.harness.real_province import RealProvince, Shape

HUBS = ("hub", "hub2")


class TwoHubProvince(RealProvince):
    """``RealProvince`` with a second hub, and the lock in Consul."""

    def __init__(self, slot: Slot, folder: Path, shape: Shape, driver: ReactorDriver) -> None:
        super().__init__(slot, folder, shape, driver)
        self._file.write_text(shape.text() + "".join(f'[[hub]]\nid = "{hub}"\n' for hub in HUBS), "utf-8")
        self.province, self.package = load_province(self._file)
        self.consul = slot_consul(slot)
        cities = {city.id: self.nodes[city.id] for city in CITIES}
        self.nodes = {**{hub: self.hub_node(hub) for hub in HUBS}, **cities}

    def hub_node(self, hub: str) -> NodeProcess:
        """A hub with its disk below the province's folder."""
        data = self.folder / hub
        data.mkdir(exist_ok=True)
        listen = (f"127.0.{self.slot.number}.1", 8080 if hub == "hub" else 8090)
        config = self.folder / f"{hub}.toml"
        config.write_text(
            f'id = "{hub}"\nprovince = "{self._file}"\ndata = "{data}"\n'
            f"[link]\naddresses = {json.dumps(self.broker_addresses)}\n"
            f'virtual_host = "yihaotong"\nreplicated = {json.dumps(self.shape.replicated)}\n'
            f'[leader]\nform = "consul"\naddresses = ["{self.consul.spec.address}:{self.consul.spec.port}"]\n'
            f'[log]\nform = "json"\n'
        )
        make_users(NodeFile(config, None, self._file, data, listen), self.province, self.package)
        environment = {"YHT_LINK_PASSWORD": f"amqp-{hub}"}
        return NodeProcess("provincial_hub", config, data, listen=listen, environment=environment)

    def start(self) -> None:
        self.consul.remove()
        self.consul.start()
        super().start()
        self.wait(lambda: self.leader() is not None, 10.0, "one hub leads")

    def stop(self) -> None:
        super().stop()
        self.consul.remove()

    def _ready(self, name: str) -> bool:
        if name not in HUBS:
            return super()._ready(name)
        health = self.nodes[name].health() or {}
        return bool(health.get("record_read")) and all(health.get("cities", {}).values())

    # ── who leads ───────────────────────────────────────────────────────────────────────────────────────────────
    def leading(self) -> list[str]:
        """The hubs that say that they lead."""
        return [hub for hub in HUBS if (self.nodes[hub].health() or {}).get("leads")]

    def leader(self) -> str | None:
        """The hub that leads and that every city follows."""
        leading = self.leading()
        followed = {(self.nodes[city.id].health() or {}).get("leader") for city in CITIES}
        return leading[0] if len(leading) == 1 and followed == set(leading) else None

    def term(self, node: str) -> int:
        """The highest term that ``node`` knows."""
        return int((self.nodes[node].health() or {})["term"])

    def proposals(self, hub: str, since: float = 0.0) -> list[Journalled]:
        """What ``hub`` decided to propose from that wall time on, as its own journal has it."""
        return [
            row
            for row in self.journal(hub)
            if isinstance(row.row, Decision) and row.row.choice == "propose" and row.wall >= since
        ]

    def ledger_of(self, hub: str) -> list[Journalled]:
        """The cities' rows in one hub's ledger file."""
        return [row for row in self._rows(hub, "ledger", "SELECT data FROM rows") if row.node not in HUBS]

    def all_reported_to(self, hub: str) -> bool:
        """Whether no city has a row that ``hub`` has not acknowledged."""
        healths = [self.nodes[city.id].health() for city in CITIES]
        return all(health is not None and not health["rows_waiting"].get(hub) for health in healths)


@contextmanager
def two_hub_province(folder: Path, shape: Shape, driver: ReactorDriver) -> Iterator[TwoHubProvince]:
    """Started, in a slot of its own; skips, or fails where services are required, without its services."""
    require("asterisk", "rabbitmq", "sipp", "consul")
    with claimed_slot() as slot:
        province = TwoHubProvince(slot, folder, shape, driver)
        try:
            province.start()
            yield province
        finally:
            province.stop()
