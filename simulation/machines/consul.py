"""A private Consul server: own addresses and folders, beside any the host runs. No root needed.

Debian 11 was the last to have Consul; its package (1.8.7) is fetched by apt from the mirror this machine uses, by a
source list of its own, and unpacked into the cache; nothing is installed.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulation.machines.addresses import Slot
from simulation.machines.asterisk_root import Say, configured_mirror
from simulation.machines.certificates import Signed
from simulation.machines.launch import Launched, launch, require_free, wait_until_ready
from simulation.machines.machine import Machine
from simulation.machines.places import cache_dir, slot_dir
from simulation.machines.trouble import MachineTrouble, MirrorTrouble

SUITE = "bullseye"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
START_SECONDS = 30.0


def existing_program() -> Path | None:
    """The program fetched earlier, if it is there."""
    program = cache_dir() / "consul" / "usr/bin/consul"
    return program if program.exists() else None


def consul_program(say: Say = print) -> Path:
    """The program: the one that is there, or a new one (15 MB). Safe when several ask at once."""
    found = existing_program()
    if found is not None:
        return found
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "consul.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return existing_program() or _fetch(say)


def _fetch(say: Say) -> Path:
    mirror = configured_mirror()
    if not KEYRING.exists():
        raise MachineTrouble(
            "debian-keyring",
            zh=f"没有 {KEYRING}：apt-get install debian-archive-keyring",
            en=f"{KEYRING} is missing: apt-get install debian-archive-keyring",
        )
    say(f"consul: fetching Debian's package from {SUITE} (15 MB)")
    building = cache_dir() / "consul.building"
    shutil.rmtree(building, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "root"):
        (building / part).mkdir(parents=True)
    (building / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
    (building / "status").touch()
    apt = [
        "apt-get",
        "-q",
        *("-o", f"Dir::Etc::sourcelist={building}/sources.list"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={building}/lists"),
        *("-o", f"Dir::State::status={building}/status"),
        *("-o", f"Dir::Cache={building}/cache"),
        *("-o", "APT::Sandbox::User=root"),
        *("-o", "Acquire::Retries=3"),
    ]
    for command in (["update"], ["download", "consul"]):
        _run([*apt, *command], building)
    [package] = building.glob("consul_*.deb")
    _run(["dpkg-deb", "-x", str(package), str(building / "root")], building)
    made = cache_dir() / "consul"
    shutil.rmtree(made, ignore_errors=True)
    (building / "root").rename(made)
    shutil.rmtree(building)
    return made / "usr/bin/consul"


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise MirrorTrouble(
            "consul-not-fetched",
            zh="无法从镜像取得 Consul",
            en="Consul could not be fetched from the mirror",
            place=" ".join(command[-2:]),
            tail=(done.stdout + done.stderr)[-2000:],
        )


@dataclass(frozen=True, slots=True)
class ConsulSpec:
    """One server. ``token``: with access control, and this the token that may do everything. ``tls``: a further
    listener that shows a certificate of ``ca``, and asks for one.
    """

    address: str
    node: str
    port: int = 8500
    token: str = ""
    tls: Signed | None = None
    ca: Path | None = None
    tls_port: int = 8501


@dataclass
class Consul(Machine):
    """One server, a cluster of its own, with its files in ``directory``: what it knows outlives a restart."""

    spec: ConsulSpec
    directory: Path
    process: Launched | None = None

    @property
    def name(self) -> str:
        """How troubles name it."""
        return f"consul {self.spec.node}"

    @property
    def log(self) -> Path:
        """Its own log."""
        return self.directory / "consul.log"

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://{self.spec.address}:{self.spec.port}"

    def _write(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        ports: dict[str, int] = {"http": self.spec.port, "dns": -1, "grpc": -1, "serf_wan": -1}
        settings: dict[str, Any] = {
            "server": True,
            "bootstrap_expect": 1,
            "node_name": self.spec.node,
            "bind_addr": self.spec.address,
            "client_addr": self.spec.address,
            "data_dir": str(self.directory / "data"),
            "ports": ports,
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "leave_on_terminate": False,
        }
        if self.spec.token:
            settings["acl"] = {
                "enabled": True,
                "default_policy": "deny",
                "tokens": {"master": self.spec.token, "agent": self.spec.token},
            }
        if self.spec.tls is not None:
            ports["https"] = self.spec.tls_port
            settings |= {
                "cert_file": str(self.spec.tls.certificate),
                "key_file": str(self.spec.tls.key),
                "ca_file": str(self.spec.ca),
                "verify_incoming_https": True,
            }
        file = self.directory / "consul.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings, indent=1))
        return file

    def start(self, seconds: float = START_SECONDS) -> Consul:
        """Start it and wait until it has elected itself. One that already runs is kept."""
        if self.running():
            return self
        program = existing_program()
        if program is None:
            raise MachineTrouble(
                "consul-not-here",
                zh="没有 Consul：请运行 scripts/install-services.sh 或 python -m simulation.machines consul",
                en="Consul is not here: run scripts/install-services.sh or python -m simulation.machines consul",
            )
        require_free(self.name, self.spec.address, self.spec.port, socket.SOCK_STREAM)
        self.process = launch(
            self.name,
            [str(program), "agent", "-config-file", str(self._write())],
            log=self.log,
            record=self._record,
            cwd=self.directory,
        )
        wait_until_ready(self.process, self.leads, seconds)
        return self

    def leads(self) -> bool:
        """Whether it answers and has a leader, itself."""
        try:
            with urllib.request.urlopen(f"{self.url}/v1/status/leader", timeout=2.0) as answer:
                return bool(json.load(answer))
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


def slot_consul(slot: Slot, *, token: str = "", tls: Signed | None = None, ca: Path | None = None) -> Consul:
    """The Consul of one slot (not started)."""
    spec = ConsulSpec(slot.consul, f"yht{slot.number}", token=token, tls=tls, ca=ca)
    return Consul(spec, slot_dir(slot.number) / "consul")
