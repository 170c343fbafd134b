"""``yht up``: the same province as processes of their own, on real Asterisk and RabbitMQ."""

from __future__ import annotations

import signal
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
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
from simulation.machines.addresses import CITIES, City, Slot
from simulation.machines.asterisk import Asterisk, city_asterisk, trial_spec
from simulation.machines.asterisk_root import asterisk_root
from simulation.machines.launch import require_free
from simulation.machines.network import OUTCOMES, Customers, Network, start_network
from simulation.machines.nodes import NodeProcess
from simulation.machines.places import slot_dir
from simulation.machines.rabbitmq import RabbitMQ, slot_rabbitmq
from simulation.machines.telephones import SeatTelephones
from simulation.machines.trouble import MachineTrouble
from simulation.machines.voices import AGENT, CUSTOMER_CALLED, spoken
from simulation.province import PROVINCE_USER, password_of

Say = Callable[[str], None]
SEATS_AT = 70
"""The seats' own telephones are at 127.0.<slot>.171 to .173."""
CALLER_SILENT_S, CALLER_HOLDS_S = 30, 300
"""So long a caller may send no packet, and one who holds us: then nobody is there (O5). Whoever calls here is ``yht
call`` or a softphone, which send all the time; a gateway that suppresses silence may not.
"""
NODES_WITHIN_S = 60.0
"""All nodes start at once, on whatever machine there is."""
LOOK_EVERY_S = 10.0
"""How often it is looked whether each seat has a telephone."""


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
    """The node files of ``folder``, hub first; files that name no province file are something else.

    Raises ``Refused`` (``no-nodes``, ``file-unreadable``, ``file-not-toml``).
    """
    found = [one for path in sorted(folder.glob("*.toml")) if (one := _node_file(path)) is not None]
    if not any(one.city is None for one in found) or not any(one.city for one in found):
        raise Refused(
            Problem(
                "no-nodes",
                zh="目录中应有 hub.toml 和每个城市的 .toml，如 conf/up，各自指明省份文件",
                en="the folder needs hub.toml and a .toml for each city, as conf/up has; each names the province file",
                place=str(folder),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.city is not None, one.city or "")))


def _node_file(path: Path) -> NodeFile | None:
    try:
        said: Mapping[str, Any] = tomllib.loads(read_file(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(
            Problem("file-not-toml", zh=f"不是合法的 TOML：{error}", en=f"not valid TOML: {error}", place=str(path))
        ) from error
    if not isinstance(said.get("province"), str):
        return None
    http = said.get("http", {})
    city = said.get("city")
    return NodeFile(
        path=path,
        city=CityId(city) if city is not None else None,
        province=beside(str(path), said["province"]),
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
    """Machines and nodes of one folder in one slot of loopback addresses.

    With ``telephones`` each seat has one that answers by itself, and somebody plays the public network.
    """

    def __init__(self, folder: Path, say: Say, *, slot: int = 0, telephones: bool = True) -> None:
        self.files = read_folder(folder)
        self.province, self.package = load_province(self.files[0].province)
        self.slot = Slot(slot)
        self.switches: dict[str, Asterisk] = {}
        self.broker: RabbitMQ | None = None
        self.nodes: list[NodeProcess] = []
        self.networks: list[Network] = []
        self.telephones: list[SeatTelephones] = []
        self._with_telephones = telephones
        self._trouble = ""
        self._say = say

    def start(self, stop_asked: Callable[[], bool] = lambda: False) -> bool:
        """Start everything, in order; False where ``stop_asked``, which is looked at before each step, cut that short.
        Whatever came of it, ``stop`` ends what was started. Raises ``MachineTrouble``.
        """
        for file in self.files:  # first of all: what another ``yht up`` runs is not to be taken for ours
            require_free(f"{file.path.stem} (HTTP)", *file.listen, socket.SOCK_STREAM)
        for step in self._steps():
            if stop_asked():
                return False
            self._say(step)
        return not stop_asked()

    def _steps(self) -> Iterator[str]:
        """Does one step after the other, each when what is next is asked for; what it will be is said before. In a step
        nothing waits for anything else of it.
        """
        root = asterisk_root(self._say)
        root.prompts()  # which all switches share
        cities = "、".join(city.zh for city in CITIES)

        def switch(city: City) -> None:
            spec = replace(
                trial_spec(self.slot, city),
                public_rtp_timeout=CALLER_SILENT_S,
                public_rtp_timeout_hold=CALLER_HOLDS_S,
            )
            self.switches[city.id] = city_asterisk(root, self.slot, city, spec=spec).start()

        def broker() -> None:
            self.broker = slot_rabbitmq(self.slot).start()

        yield f"Asterisk {cities}，RabbitMQ …"
        _at_once([broker, *(partial(switch, city) for city in CITIES)])
        if self._with_telephones:
            yield f"话机和公网 telephones and public network {cities} …"
            called, agent = spoken(CUSTOMER_CALLED), spoken(AGENT)
            _at_once([partial(self._connect, city, called, agent) for city in CITIES])
        yield f"{'、'.join(file.path.stem for file in self.files)} …"
        for file in self.files:
            make_users(file, self.province, self.package)
            program = "provincial_hub" if file.city is None else "site_node"
            self.nodes.append(NodeProcess(program, file.path, file.data, listen=file.listen))
        _at_once([partial(node.start, NODES_WITHIN_S) for node in self.nodes])

    def _connect(self, city: City, called: Path, agent: Path) -> None:
        """Give the city's seats telephones, and its switch a public network; what is said at each."""
        folder = slot_dir(self.slot.number)
        customers = Customers(f"network-{city.id}", self.slot.gateway(city), called)
        self.networks.append(start_network(customers, folder / customers.name))
        switch = self.switches[city.id]
        staffed = {agent.seat for agent in self.province.agents_of(CityId(city.id), self.package)}
        seats = [seat for seat in switch.spec.seats if seat.user in staffed]
        address = self.slot.outside(SEATS_AT + city.number)
        telephones = SeatTelephones(switch, seats, address, agent, folder / f"seats-{city.id}")
        self.telephones.append(telephones.start())

    def look(self) -> None:
        """Give seats that have lost their telephone one again; trouble is said once, and tried again."""
        for telephones in self.telephones:
            try:
                telephones.look()
                self._trouble = ""
            except MachineTrouble as trouble:
                if trouble.problem.slug != self._trouble:
                    self._trouble = trouble.problem.slug
                    self._say(str(trouble))

    def welcome(self) -> None:
        """Say where everything is, how to get in, and how to try calls."""
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
        if self._with_telephones:
            self._try_calls()
        self._say("Ctrl+C 全部停下 · stops everything")

    def _try_calls(self) -> None:
        """How to take and to make a call without a telephone."""
        nodes = {file.city: node for file, node in zip(self.files, self.nodes, strict=True)}
        first = next(city.id for city in self.province.cities if city.id in nodes)
        node, agent = nodes[first], self.province.agents_of(first, self.package)[0]
        slot = f" --slot {self.slot.number}" if self.slot.number else ""
        self._say("试打电话，不需要话机 · calls without a telephone of your own")
        login = f"{agent.staff} / {password_of(agent.staff)}，座席 seat {agent.seat}"
        self._say(f"  1  打开 open {node.address}/seat/{first}，登录 log in {login}")
        self._say("  2  来话 a call comes in: F9 示闲 ready，另一终端 in another terminal:")
        self._say(f"       yht call --city {first}{slot}")
        self._say("     座席话机两秒后自动接听 · the seat's telephone answers by itself after two seconds")
        self._say("  3  回访 call back: 在工单上按 F6，客户号码（联系电话）的末两位决定结果")
        self._say("     F6 on a work item; the last two digits of the customer's number say what happens:")
        for one in OUTCOMES:
            self._say(f"       …{one.digits}  {one.zh} · {one.en}")
        self._say("       其他 others  三秒后接听，等您结束 · answered after three seconds, until you end it")
        self._say("  自己的软电话随时可注册到座席，代替自动话机 · register a softphone at a seat, and it takes over")

    def stop(self) -> None:
        """Stop nodes first, then telephones, broker and switches; one that does not stop leaves the others stopped."""
        if self.switches:
            self._say("正在停下 · stopping …")
        with ExitStack() as everything:
            for switch in self.switches.values():
                everything.callback(switch.stop)
            if self.broker is not None:
                everything.callback(self.broker.stop)
            for network in self.networks:
                everything.callback(network.stop)
            for telephones in self.telephones:
                everything.callback(telephones.stop)
            for node in self.nodes:
                if node.running():
                    everything.callback(node.stop)
        self.switches.clear()
        self.nodes.clear()
        self.networks.clear()
        self.telephones.clear()


def _at_once(starts: Sequence[Callable[[], object]]) -> None:
    """Start all of them, each on a thread, and wait for all; then raise what the first that failed has raised."""
    with ThreadPoolExecutor(len(starts)) as starting:
        done = [starting.submit(start) for start in starts]
    for one in done:
        one.result()


class StopSigns:
    """Ctrl+C and SIGTERM from here on: they are noted, and interrupt nothing, so that no process is forgotten."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: self._asked.set())

    def asked(self) -> bool:
        """Whether one has come."""
        return self._asked.is_set()

    def wait(self, look: Callable[[], None]) -> None:
        """Wait for one of them, and ``look`` now and then."""
        while not self._asked.wait(LOOK_EVERY_S):
            look()
