"""A private RabbitMQ node: own name, ports, epmd and folders, beside any the host runs. No root needed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from simulation.machines.addresses import Slot
from simulation.machines.launch import Launched, launch, recall, require_free, wait_until_ready
from simulation.machines.machine import Machine
from simulation.machines.places import conf_dir, slot_dir
from simulation.machines.trouble import MachineTrouble

START_SECONDS = 60.0
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A login with its rights (regular expressions, as RabbitMQ has them) in one virtual host."""

    name: str
    password: str
    vhost: str = "yihaotong"
    configure: str = ".*"
    write: str = ".*"
    read: str = ".*"
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """One node. ``number`` makes its name and internal ports, and is the slot's."""

    address: str
    number: int
    users: Sequence[BrokerUser]
    port: int = 5672

    @property
    def node(self) -> str:
        """Erlang's name of it."""
        return f"yht{self.number}@localhost"

    @property
    def epmd_port(self) -> int:
        """Its own epmd, not the host's on 4369."""
        return 14400 + self.number

    @property
    def distribution_port(self) -> int:
        """Where rabbitmqctl reaches it."""
        return 15700 + self.number

    def uri(self, user: str | None = None) -> str:
        """``amqp://user:password@host:port/vhost`` of a user, by default the first."""
        for one in self.users:
            if user is None or one.name == user:
                return f"amqp://{one.name}:{one.password}@{self.address}:{self.port}/{one.vhost}"
        raise MachineTrouble("no-such-user", zh="RabbitMQ 没有这个用户", en="no such user", place=str(user))


def trial_users() -> list[BrokerUser]:
    """One login per node of the trial province."""
    names = ("hub", "guangzhou", "shenzhen", "foshan")
    return [BrokerUser(name, f"amqp-{name}") for name in names]


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's salted SHA-256 form of a password; ``salt`` is four bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(spec: BrokerSpec) -> dict[str, object]:
    """Users, virtual hosts and permissions as RabbitMQ imports them at its start."""
    return {
        "users": [
            {
                "name": user.name,
                "password_hash": password_hash(user.password, os.urandom(4)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"] if user.administrator else [],
            }
            for user in spec.users
        ],
        "vhosts": [{"name": name} for name in sorted({user.vhost for user in spec.users})],
        "permissions": [
            {
                "user": user.name,
                "vhost": user.vhost,
                "configure": user.configure,
                "write": user.write,
                "read": user.read,
            }
            for user in spec.users
        ],
    }


@dataclass
class RabbitMQ(Machine):
    """One node with its files in ``directory``."""

    spec: BrokerSpec
    directory: Path
    process: Launched | None = None
    epmd: Launched | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """How troubles name it."""
        return f"rabbitmq {self.spec.node}"

    @property
    def log(self) -> Path:
        """Its own log."""
        return self.directory / "log" / f"{self.spec.node}.log"

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
        known = self.directory / "definitions.json"
        known.touch(mode=0o600)
        known.write_text(json.dumps(definitions(self.spec), indent=1))
        template = Template((conf_dir() / "rabbitmq" / "rabbitmq.conf.in").read_text("utf-8"))
        values = {"address": self.spec.address, "port": self.spec.port, "definitions": known}
        (self.directory / "rabbitmq.conf").write_text(template.substitute(values))
        (self.directory / "plugins").write_text("[].\n")
        (self.directory / "none.conf").write_text("")

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
        require_free(self.name, self.spec.address, self.spec.port, socket.SOCK_STREAM)
        require_free(f"{self.name} (distribution)", "127.0.0.1", self.spec.distribution_port, socket.SOCK_STREAM)
        self._write()
        environment = self._environment()
        self._start_epmd(environment)
        self.process = launch(
            self.name,
            [str(PROGRAMS / "rabbitmq-server")],
            log=self.directory / "log" / "console.log",
            record=self._record,
            env=environment,
            cwd=self.directory,
        )
        wait_until_ready(self.process, self.takes_connections, seconds)
        return self

    def _start_epmd(self, environment: dict[str, str]) -> None:
        record = self.directory / "epmd.json"
        self.epmd = recall(record)
        if self.epmd is not None:
            return
        require_free(f"{self.name} (epmd)", "127.0.0.1", self.spec.epmd_port, socket.SOCK_STREAM)
        self.epmd = launch("epmd", ["epmd"], log=self.directory / "log" / "epmd.log", record=record, env=environment)
        wait_until_ready(self.epmd, self._epmd_listens, 10)

    def _epmd_listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.spec.epmd_port), timeout=2).close()
        except OSError:
            return False
        return True

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
        self.epmd = self.epmd or recall(self.directory / "epmd.json")
        if self.epmd is not None:
            self.epmd.stop()
            self.epmd = None

    def ctl(self, *command: str, seconds: float = 60.0) -> str:
        """What ``rabbitmqctl`` prints, for example ``list_queues name messages``."""
        done = subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), "--quiet", *command],
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


def slot_rabbitmq(slot: Slot, users: Sequence[BrokerUser] | None = None) -> RabbitMQ:
    """The broker of one slot (not started)."""
    spec = BrokerSpec(slot.broker, slot.number, trial_users() if users is None else users)
    return RabbitMQ(spec, slot_dir(slot.number) / "rabbitmq")
