"""A whole province of real processes for a test module: three Asterisk, RabbitMQ, hub and three site nodes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from dataset.ids import CityId
from dataset.packages import ServicePackage
from dataset.rows import Journalled
from federation.node.journal import read_rows
from federation.node.province import Province, load_province
from simulation.machines.addresses import CITIES, Slot, city_of, claimed_slot
from simulation.machines.asterisk import Asterisk, city_asterisk, trial_spec
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.nodes import NodeProcess
from simulation.machines.places import slot_dir
from simulation.machines.rabbitmq import BrokerSpec, BrokerUser, RabbitMQ, slot_cluster, slot_rabbitmq, trial_nodes
from simulation.province import PROVINCE_USER, password_of
from simulation.up import NodeFile, make_users
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.harness.small_disk import small_disk
from tests.harness.wan import Line, namespace

CONF = Path(__file__).parents[2] / "conf"
AREA = {"guangzhou": "020", "shenzhen": "0755", "foshan": "0757"}
DOUBLER = "doubler"
"""may publish as anybody at a broker of its own namespace, to send again what others sent"""
FIRST_STAFF = {"guangzhou": 1001, "shenzhen": 2001, "foshan": 3001}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the province of a test looks like."""

    agents: Mapping[str, int]
    wrap_up_s: float = 5.0
    transfer_wait_s: float = 10.0
    overflow: bool = True
    lines: bool = False
    """the broker in a namespace of its own, and a line of its own to it for every node"""
    replicated: bool = False
    """three brokers that are one, with quorum queues"""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """more environment variables, by node"""
    disks: Mapping[str, str] = field(default_factory=dict)
    """by node: the size of the small disk that its data are on"""
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """more settings, by node"""
    queue: str = ""
    """more lines of the ``[queue]`` table"""
    tables: str = ""
    """more tables"""
    services: bool = False
    """with all services and their calendar, so that there are work items"""
    each_city: str = ""
    """more lines of every ``[[city]]`` table"""

    def text(self) -> str:
        """A province file."""
        never = "" if self.overflow else 'open_after_expected_wait = "9h"\nopen_after_wait = "9h"\n'
        cities = "".join(
            f'[[city]]\nid = "{city.id}"\nname = "{city.zh}"\nname_en = "{city.id}"\narea_code = "{AREA[city.id]}"\n'
            f"x = 0.{city.number}\ny = 0.5\n"
            f"agents = {self.agents.get(city.id, 0)}\nstaff_from = {FIRST_STAFF[city.id]}\n{self.each_city}"
            for city in CITIES
        )
        folder, calendar = CONF / "packages" / "services", CONF / "calendar.toml"
        offered = f'services = "{folder}"\ncalendar = "{calendar}"\n' if self.services else ""
        return (
            '[province]\nname = "试验"\nname_en = "trial"\nnumber = "10000"\n'
            f'package = "{CONF / "packages" / "yihaotong.toml"}"\n{offered}'
            f"{self.tables}[overflow]\n{never}"
            f'[queue]\nwrap_up = "{self.wrap_up_s:g}s"\ntransfer_wait = "{self.transfer_wait_s:g}s"\n'
            f"{self.queue}{cities}"
        )


class RealProvince:
    """The running province."""

    def __init__(self, slot: Slot, folder: Path, shape: Shape, driver: ReactorDriver) -> None:
        self.slot = slot
        self.driver = driver
        self.folder = folder
        self.shape = shape
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "province.toml"
        self._file.write_text(shape.text(), "utf-8")
        self.province: Province
        self.package: ServicePackage
        self.province, self.package = load_province(self._file)
        root = asterisk_root()
        self.switches: dict[str, Asterisk] = {
            city.id: city_asterisk(
                root, slot, city, spec=trial_spec(slot, city, seats=max(10, shape.agents.get(city.id, 0)))
            )
            for city in CITIES
        }
        self.lines: dict[str, Line] = {}
        """by node, where ``shape`` asks for lines"""
        self._machine = ExitStack()
        """namespace and disks"""
        self.at_end = ExitStack()
        """what a test started for itself, and may have no more occasion to stop"""
        self.dialled: list[str] = []
        """the number of everybody who has begun to call, or what the numbers of a crowd begin with"""
        self.left_over = ExitStack()
        """puts away what a test that fails leaves at work; does nothing where the test has put it away"""
        for name, size in shape.disks.items():
            self._machine.enter_context(small_disk(folder / name, size))
        names = ("hub", *(city.id for city in CITIES))
        self.cluster = slot_cluster(slot) if shape.replicated else None
        self.broker: RabbitMQ = self.cluster.members[0] if self.cluster is not None else slot_rabbitmq(slot)
        """of a cluster the first, which all nodes try first"""
        if shape.lines:
            where = f"yht{slot.number}"
            for place, name in enumerate(names):
                # RFC 2544 keeps 198.18.0.0/15 for tests of networks
                ends = (f"198.18.{slot.number}.{4 * place + 1}", f"198.18.{slot.number}.{4 * place + 2}")
                self.lines[name] = Line(f"{where}-{place}", where, *ends)
            users = [BrokerUser(DOUBLER, DOUBLER, tags=("administrator", "impersonator"))]
            spec = BrokerSpec(self.lines["hub"].far, slot.number, trial_nodes(), users, namespace=where)
            self.broker = RabbitMQ(spec, slot_dir(slot.number) / "rabbitmq")
        self.nodes: dict[str, NodeProcess] = {name: self._node(name) for name in names}

    def _node(self, name: str) -> NodeProcess:
        config = CONF / "up" / f"{name}.toml"
        data = self.folder / name
        settings: dict[str, object] = {
            "province": self._file,
            "data": data,
            "link.addresses": f"{self.lines[name].far}:5672" if self.lines else ",".join(self.broker_addresses),
            "link.replicated": str(self.shape.replicated).lower(),
        }
        port = 8080
        if name != "hub":
            city = city_of(name)
            port += city.number
            settings["switch.url"] = self.switches[name].spec.ari_url
        listen = (f"127.0.{self.slot.number}.1", port)
        city_id = CityId(name) if name != "hub" else None
        make_users(NodeFile(config, city_id, self._file, data, listen), self.province, self.package)
        program = "provincial_hub" if name == "hub" else "site_node"
        environment = self.shape.environments.get(name)
        settings |= self.shape.settings.get(name, {})
        log = self.folder / "log"  # not where the node's data are: that disk may be filled
        return NodeProcess(program, config, log, listen=listen, settings=settings, environment=environment)

    @property
    def broker_addresses(self) -> tuple[str, ...]:
        """``host:port`` of each broker, in the order in which nodes try them."""
        return self.cluster.addresses if self.cluster is not None else (f"{self.slot.broker}:5672",)

    def start(self) -> None:
        for switch in self.switches.values():
            switch.remove()
            switch.start()
        brokers = self.cluster or self.broker
        brokers.remove()
        if self.lines:
            self._machine.enter_context(namespace(f"yht{self.slot.number}"))
        for line in self.lines.values():
            line.start()
        brokers.start()
        for node in self.nodes.values():
            node.start()
        self.wait(lambda: all(self._ready(name) for name in self.nodes), 20.0, "all nodes see each other")

    def _ready(self, name: str) -> bool:
        health = self.nodes[name].health() or {}
        if name == "hub":
            return bool(health.get("record_read")) and all(health.get("cities", {}).values())
        return bool(health.get("hub_seen") and health.get("switch_up") and health.get("link"))

    def stop(self) -> None:
        self.at_end.close()
        for node in reversed(self.nodes.values()):
            if node.running():
                node.stop()
        (self.cluster or self.broker).stop()
        for line in self.lines.values():
            line.stop()
        self._machine.close()
        for switch in self.switches.values():
            switch.stop()

    def wait(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Turn the reactor until the condition holds; fails at the deadline."""
        assert self.driver.until(condition, within_s), f"not within {within_s:g} s: {what}"

    def put_away(self) -> None:
        """Nobody calls and nobody is at work any more, whatever the last test has left: the next one is on its own."""
        self.left_over.pop_all().close()

    # ── what was written ────────────────────────────────────────────────────────────────────────────────────────
    def journal(self, node: str) -> list[Journalled]:
        """All rows in a node's journal file."""
        return self._rows(node, "journal", "SELECT data FROM rows ORDER BY id")

    def hub_ledger(self) -> list[Journalled]:
        """All rows in the hub's ledger file, its own decisions left out."""
        found = self._rows("hub", "ledger", "SELECT data FROM rows")
        return [row for row in found if row.node != "hub"]

    def _rows(self, node: str, file: str, query: str) -> list[Journalled]:
        path = self.folder / node / f"{file}.sqlite"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)
        try:
            return read_rows([data for (data,) in connection.execute(query)])
        finally:
            connection.close()

    def ledger_complete(self) -> bool:
        """Whether every site's outbox is empty."""
        for city in CITIES:
            health = self.nodes[city.id].health()
            if health is None or any(health["rows_waiting"].values()):
                return False
        return True

    # ── console ─────────────────────────────────────────────────────────────────────────────────────────────────
    def console(self, op: str, **fields: Any) -> dict[str, Any]:
        """One operation of the console API over HTTP."""
        user = PROVINCE_USER.user
        token = self.ask("hub", "login", None, {"user": user, "password": password_of(user)})["token"]
        return self.ask("hub", op, token, fields)

    def ask(self, node: str, op: str, token: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        """One operation of a node's API over HTTP, with the token of a login."""
        request = Request(f"{self.nodes[node].address}/api/v1/{op}", json.dumps(fields).encode())
        request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        with urlopen(request, timeout=5.0) as answer:
            said: dict[str, Any] = json.load(answer)
            return said


@contextmanager
def real_province(
    folder: Path, shape: Shape, driver: ReactorDriver, prepare: Callable[[RealProvince], None] | None = None
) -> Iterator[RealProvince]:
    """A started province in a slot of its own; skips, or fails where services are required, without its services.

    ``prepare``: what is done with its files before anything runs.
    """
    require("asterisk", "rabbitmq", "sipp", *(["lines"] if shape.lines else []))
    with claimed_slot() as slot:
        province = RealProvince(slot, folder, shape, driver)
        if prepare is not None:
            prepare(province)
        try:
            province.start()
            yield province
        finally:
            try:
                province.put_away()
            finally:
                province.stop()
