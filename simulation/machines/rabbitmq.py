"""A private RabbitMQ node: own name, ports, epmd and folders, beside any the host runs. No root needed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from dataset.ids import NodeId
from federation.links.amqp.definitions import SALT_BYTES, definitions, password_hash
from federation.links.settings import VIRTUAL_HOST
from simulation.machines.addresses import CITIES, Slot
from simulation.machines.certificates import Signed
from simulation.machines.launch import Launched, launch, recall, require_free, wait_until_ready
from simulation.machines.machine import Machine
from simulation.machines.places import conf_dir, slot_dir
from simulation.machines.trouble import MachineTrouble

START_SECONDS = 120.0
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A login with every right in one virtual host, for whoever looks on or disturbs; nodes have their own rights."""

    name: str
    password: str
    vhost: str = VIRTUAL_HOST
    tags: Sequence[str] = ("administrator",)


@dataclass(frozen=True, slots=True)
class BrokerTlsSpec:
    """A listener with TLS, beside the plain one. Clients may show a certificate of ``ca``, or have to."""

    ca: Path
    shown: Signed
    port: int = 5671
    clients_must_show: bool = False

    def lines(self, address: str) -> str:
        """Of ``rabbitmq.conf``."""
        settings = {
            "listeners.ssl.1": f"{address}:{self.port}",
            "ssl_options.cacertfile": self.ca,
            "ssl_options.certfile": self.shown.certificate,
            "ssl_options.keyfile": self.shown.key,
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": str(self.clients_must_show).lower(),
        }
        return "".join(f"{key} = {value}\n" for key, value in settings.items())


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """One node. ``number`` makes its name and internal ports, and is the slot's.

    ``nodes`` (name → password) get the rights that production gives them, in ``vhost``.
    """

    address: str
    number: int
    nodes: Mapping[str, str]
    users: Sequence[BrokerUser] = ()
    port: int = 5672
    vhost: str = VIRTUAL_HOST
    tls: BrokerTlsSpec | None = None
    member: int = 0
    """which of a cluster's nodes, from 0; all have the same ``number``, epmd and cookie"""
    cookie: str = ""
    """Erlang's; drawn by the node itself when left out"""
    namespace: str = ""
    """network namespace it runs in, on all of its addresses; ``address`` is then where others reach it"""

    @property
    def listen(self) -> str:
        """Where it listens."""
        return "0.0.0.0" if self.namespace else self.address

    def inside(self, *argv: str) -> list[str]:
        """A command line that runs in its namespace."""
        return [*(("nsenter", f"--net=/run/netns/{self.namespace}") if self.namespace else ()), *argv]

    @property
    def node(self) -> str:
        """Erlang's name of it."""
        return self.node_of(self.member)

    def node_of(self, member: int) -> str:
        """Erlang's name of a member of the same cluster."""
        return f"yht{self.number}{'abc'[member] if self.cookie else ''}@localhost"

    @property
    def epmd_port(self) -> int:
        """Its own epmd, not the host's on 4369."""
        return 14400 + self.number

    @property
    def distribution_port(self) -> int:
        """Where rabbitmqctl reaches it."""
        return 15700 + 1300 * self.member + self.number

    def more_lines(self) -> str:
        """Of ``rabbitmq.conf``, for TLS and for a cluster."""
        return (self.tls.lines(self.address) if self.tls is not None else "") + self._cluster_lines()

    def _cluster_lines(self) -> str:
        """Each member joins those before it; a minority cut off from the others pauses."""
        if not self.cookie:
            return ""
        lines = [
            f"cluster_formation.classic_config.nodes.{number} = {self.node_of(member)}"
            for number, member in enumerate(range(self.member + 1), 1)
        ]
        lines += ["cluster_formation.peer_discovery_backend = classic_config"]
        return "\n".join([*lines, "cluster_partition_handling = pause_minority", ""])

    def uri(self, user: str) -> str:
        """``amqp://user:password@host:port/vhost`` of a node or a user."""
        logins = {name: (password, self.vhost) for name, password in self.nodes.items()}
        logins |= {one.name: (one.password, one.vhost) for one in self.users}
        if user not in logins:
            raise MachineTrouble("no-such-user", zh="RabbitMQ 没有这个用户", en="no such user", place=user)
        password, vhost = logins[user]
        return f"amqp://{user}:{password}@{self.address}:{self.port}/{quote(vhost, safe='')}"


def trial_nodes() -> dict[str, str]:
    """The nodes of the trial province with their passwords, a second hub among them."""
    return {name: f"amqp-{name}" for name in ("hub", "hub2", *(city.id for city in CITIES))}


def broker_definitions(spec: BrokerSpec) -> dict[str, Any]:
    """What the broker imports at its start: production's definitions for the nodes, and the further users."""
    told = definitions({NodeId(name): _hashed(password) for name, password in spec.nodes.items()}, spec.vhost)
    told["vhosts"] = [{"name": name} for name in sorted({spec.vhost, *(user.vhost for user in spec.users)})]
    for user in spec.users:
        told["users"].append(
            {
                "name": user.name,
                "password_hash": _hashed(user.password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(user.tags),
            }
        )
        rights = dict.fromkeys(("configure", "write", "read"), ".*")
        told["permissions"].append({"user": user.name, "vhost": user.vhost, **rights})
    return told


def _hashed(password: str) -> str:
    return password_hash(password, os.urandom(SALT_BYTES))


@dataclass
class RabbitMQ(Machine):
    """One node with its files in ``directory``."""

    spec: BrokerSpec
    directory: Path
    process: Launched | None = None
    epmd: Launched | None = field(default=None, repr=False)
    brings_epmd: bool = True
    """False in a cluster, which has one for all"""

    @property
    def name(self) -> str:
        """How troubles name it."""
        return f"rabbitmq {self.spec.node}"

    @property
    def log(self) -> Path:
        """Its own log."""
        return self.directory / "log" / f"{self.spec.node}.log"

    @property
    def definitions_file(self) -> Path:
        """What it imports at each start."""
        return self.directory / "definitions.json"

    def _environment(self) -> dict[str, str]:
        place = self.directory
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self.spec.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.spec.node,
            "RABBITMQ_DIST_PORT": str(self.spec.distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": str(place / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(place / "data"),
            "RABBITMQ_LOG_BASE": str(place / "log"),
            "RABBITMQ_PID_FILE": str(place / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(place / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(place / "schema"),
        }

    def _write(self) -> None:
        for part in ("data", "log", "generated", "schema"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        known = self.definitions_file
        known.touch(mode=0o600)
        known.write_text(json.dumps(broker_definitions(self.spec), indent=1))
        template = Template((conf_dir() / "rabbitmq" / "rabbitmq.conf.in").read_text("utf-8"))
        values = {
            "address": self.spec.listen,
            "port": self.spec.port,
            "definitions": known,
            "more": self.spec.more_lines(),
        }
        (self.directory / "rabbitmq.conf").write_text(template.substitute(values))
        (self.directory / "plugins").write_text("[].\n")
        (self.directory / "none.conf").write_text("")
        cookie = self.directory / ".erlang.cookie"
        if self.spec.cookie and not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(self.spec.cookie)
            cookie.chmod(0o400)

    def start(self, seconds: float = START_SECONDS) -> RabbitMQ:
        """Start it and wait until it takes AMQP connections. One that already runs is kept."""
        if self.running():
            return self
        if not (PROGRAMS / "rabbitmq-server").exists():
            raise MachineTrouble(
                "rabbitmq-not-installed",
                zh="没有安装 RabbitMQ：apt-get install rabbitmq-server",
                en="RabbitMQ is not installed: apt-get install rabbitmq-server",
                place=str(PROGRAMS),
            )
        if not self.spec.namespace:
            require_free(self.name, self.spec.address, self.spec.port, socket.SOCK_STREAM)
            require_free(f"{self.name} (distribution)", "127.0.0.1", self.spec.distribution_port, socket.SOCK_STREAM)
        self._write()
        environment = self._environment()
        if self.brings_epmd:
            self.start_epmd()
        self.process = launch(
            self.name,
            self.spec.inside(str(PROGRAMS / "rabbitmq-server")),
            log=self.directory / "log" / "console.log",
            record=self._record,
            env=environment,
            cwd=self.directory,
        )
        wait_until_ready(self.process, self.takes_connections, seconds)
        return self

    def start_epmd(self) -> None:
        """Start Erlang's own name server, unless it runs."""
        record = self.directory / "epmd.json"
        self.epmd = recall(record)
        if self.epmd is not None:
            return
        if not self.spec.namespace:
            require_free(f"{self.name} (epmd)", "127.0.0.1", self.spec.epmd_port, socket.SOCK_STREAM)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.epmd = launch(
            "epmd",
            self.spec.inside("epmd"),
            log=self.directory / "log" / "epmd.log",
            record=record,
            env=self._environment(),
        )
        wait_until_ready(self.epmd, self._epmd_listens, 10)

    def _epmd_listens(self) -> bool:
        asked = self.spec.inside("epmd", "-port", str(self.spec.epmd_port), "-names")
        return subprocess.run(asked, capture_output=True, timeout=5).returncode == 0

    def takes_connections(self) -> bool:
        """Whether it answers AMQP's greeting."""
        try:
            with socket.create_connection((self.spec.address, self.spec.port), timeout=2) as asked:
                asked.sendall(AMQP_GREETING)
                return asked.recv(1) == b"\x01"
        except OSError:
            return False

    def stop(self) -> None:
        """End it in order; what is durable stays."""
        if self.running() and self.process is not None:
            self.process.stop(30)
        self.process = None
        if self.brings_epmd:
            self.stop_epmd()

    def stop_epmd(self) -> None:
        """End Erlang's name server."""
        self.epmd = self.epmd or recall(self.directory / "epmd.json")
        if self.epmd is not None:
            self.epmd.stop()
            self.epmd = None

    def ctl(self, *command: str, seconds: float = 60.0) -> str:
        """What ``rabbitmqctl`` prints, for example ``list_queues name messages``."""
        done = subprocess.run(
            self.spec.inside(str(PROGRAMS / "rabbitmqctl"), "--quiet", *command),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=self.directory,
        )
        if done.returncode:
            raise MachineTrouble(
                "rabbitmqctl",
                zh=f"{self.name} 拒绝了命令",
                en=f"{self.name} refused a command",
                place=" ".join(command),
                tail=done.stdout + done.stderr,
            )
        return done.stdout


def slot_rabbitmq(slot: Slot, nodes: Mapping[str, str] | None = None, users: Sequence[BrokerUser] = ()) -> RabbitMQ:
    """The broker of one slot (not started), by default for the nodes of the trial province."""
    spec = BrokerSpec(slot.broker, slot.number, trial_nodes() if nodes is None else nodes, users)
    return RabbitMQ(spec, slot_dir(slot.number) / "rabbitmq")


class RabbitCluster:
    """Three nodes that are one broker: what quorum queues hold survives any one of them."""

    def __init__(self, addresses: Sequence[str], number: int, directory: Path, nodes: Mapping[str, str]) -> None:
        cookie = secrets.token_hex(16)
        self.directory = directory
        self.members = [
            RabbitMQ(
                BrokerSpec(address, number, nodes, member=member, cookie=cookie),
                directory / "abc"[member],
                brings_epmd=False,
            )
            for member, address in enumerate(addresses)
        ]

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of each member."""
        return tuple(f"{one.spec.address}:{one.spec.port}" for one in self.members)

    def start(self) -> RabbitCluster:
        """Start all, one after the other; fires up what does not run already."""
        self.members[0].start_epmd()
        for member in self.members:
            member.start()
            member.ctl("await_startup")
        return self

    def running_members(self) -> set[str]:
        """Erlang's names of the nodes that the cluster sees running."""
        asked = next(one for one in self.members if one.running())
        said = json.loads(asked.ctl("cluster_status", "--formatter", "json"))
        return set(said["running_nodes"])

    def stop(self) -> None:
        """Stop the last started first."""
        for member in reversed(self.members):
            member.stop()
        self.members[0].stop_epmd()

    def remove(self) -> None:
        """Stop all and remove their files."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def slot_cluster(slot: Slot, nodes: Mapping[str, str] | None = None) -> RabbitCluster:
    """Three brokers of one slot as one cluster (not started), by default for the nodes of the trial province."""
    folder = slot_dir(slot.number) / "rabbitmq-cluster"
    return RabbitCluster(slot.brokers, slot.number, folder, trial_nodes() if nodes is None else nodes)
