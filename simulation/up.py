"""``yht up``: the same province as processes of their own, on real Asterisk and RabbitMQ."""

from __future__ import annotations

import signal
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.packages import ServicePackage
from federation.node.configuration import beside, read_file
from federation.node.login import CHEAP, UserRecord
from federation.node.program import directory
from federation.node.province import Province, load_province
from federation.node.users import write_users
from simulation.machines.addresses import CITIES, Slot
from simulation.machines.asterisk import Asterisk, city_asterisk
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.nodes import NodeProcess
from simulation.machines.rabbitmq import RabbitMQ, slot_rabbitmq
from simulation.province import PROVINCE_USER, password_of

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodeFile:
    """One configuration file of the folder: which program, and what of it concerns the machines around."""

    path: Path
    city: CityId | None
    """None: the hub"""
    province: Path
    data: Path
    listen: tuple[str, int]


def read_folder(folder: Path) -> tuple[NodeFile, ...]:
    """The node files of ``folder``, hub first. Raises ``Refused`` (``no-nodes``, ``file-unreadable``)."""
    found = [_node_file(path) for path in sorted(folder.glob("*.toml"))]
    if not any(one.city is None for one in found) or not any(one.city for one in found):
        raise Refused(
            Problem(
                "no-nodes",
                zh="目录中应有 hub.toml 和每个城市的 .toml，如 conf/up",
                en="the folder needs hub.toml and a .toml for each city, as conf/up has",
                place=str(folder),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.city is not None, one.city or "")))


def _node_file(path: Path) -> NodeFile:
    try:
        said: Mapping[str, Any] = tomllib.loads(read_file(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(
            Problem("file-not-toml", zh=f"不是合法的 TOML：{error}", en=f"not valid TOML: {error}", place=str(path))
        ) from error
    http = said.get("http", {})
    city = said.get("city")
    return NodeFile(
        path=path,
        city=CityId(city) if city is not None else None,
        province=beside(str(path), str(said.get("province", ""))),
        data=beside(str(path), str(said.get("data", f"../../.run/up/{path.stem}"))),
        listen=(http.get("listen", "127.0.0.1"), http.get("port", 8080)),
    )


def make_users(file: NodeFile, province: Province, package: ServicePackage) -> list[UserRecord]:
    """Trial accounts for one node, written where it has none yet; all of them, for printing."""
    if file.city is None:
        records = [PROVINCE_USER]
    else:
        records = [
            UserRecord(agent.staff, agent.name, frozenset({"agent"}), CHEAP.hash(password_of(agent.staff)), agent.agent)
            for agent in province.agents_of(file.city, package)
        ]
    users = directory(file.data) / "users.json"
    if not users.exists():
        write_users(users, records)
    return records


class UpProvince:
    """Machines and nodes of one folder in one slot of loopback addresses."""

    def __init__(self, folder: Path, say: Say, *, slot: int = 0) -> None:
        self.files = read_folder(folder)
        self.province, self.package = load_province(self.files[0].province)
        self.slot = Slot(slot)
        self.switches: dict[str, Asterisk] = {}
        self.broker: RabbitMQ | None = None
        self.nodes: list[NodeProcess] = []
        self._say = say

    def start(self) -> None:
        """Start everything, in order; what was started is stopped again when something does not come up."""
        try:
            root = asterisk_root(self._say)
            for city in CITIES:
                self._say(f"Asterisk {city.zh} …")
                self.switches[city.id] = city_asterisk(root, self.slot, city).start()
            self._say("RabbitMQ …")
            self.broker = slot_rabbitmq(self.slot).start()
            for file in self.files:
                make_users(file, self.province, self.package)
                self._say(f"{file.path.stem} …")
                program = "provincial_hub" if file.city is None else "site_node"
                node = NodeProcess(program, file.path, file.data, listen=file.listen)
                self.nodes.append(node.start())
        except BaseException:
            self.stop()
            raise

    def welcome(self) -> None:
        """Say where everything is, and how to get in."""
        for file, node in zip(self.files, self.nodes, strict=True):
            if file.city is None:
                user = PROVINCE_USER.user
                self._say(f"省中心 province  {node.address}/   {user} / {password_of(user)}")
                continue
            switch = self.switches[file.city].spec
            agents = self.province.agents_of(file.city, self.package)
            self._say(f"{self.province.city(file.city).name} {file.city}")
            self._say(f"  拨入 dial      sip:{self.province.province.number}@{switch.sip_address}:{switch.sip_port}")
            self._say(f"  坐席页面 seat  {node.address}/seat/{file.city}")
            for agent in agents[:3]:
                phone = next(seat for seat in switch.seats if seat.user == agent.seat)
                self._say(
                    f"    {agent.staff} / {password_of(agent.staff)}  {agent.name}  座席 seat {agent.seat}  "
                    f"话机 phone {phone.user} / {phone.password} @ {switch.sip_address}:{switch.sip_port}"
                )
            if len(agents) > 3:
                self._say(f"    … {agents[-1].staff}, 座席 seat {agents[-1].seat}")
        self._say("Ctrl+C 全部停下 · stops everything")

    def stop(self) -> None:
        """Stop nodes first, then broker and switches."""
        for node in reversed(self.nodes):
            if node.running():
                node.stop()
        if self.broker is not None:
            self.broker.stop()
        for switch in self.switches.values():
            switch.stop()


def wait_for_stop() -> None:
    """Wait for Ctrl+C or SIGTERM."""
    awaited = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    signal.sigwait(awaited)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, awaited)
