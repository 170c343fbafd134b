"""One Asterisk of one city: its configuration from conf/asterisk/*.conf.in, its start, its end (docs/asterisk.md)."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from string import Template

from simulation.machines.addresses import CITIES, City, Slot
from simulation.machines.asterisk_root import AsteriskRoot
from simulation.machines.launch import POLL, Launched, launch, require_free, wait_until_ready
from simulation.machines.machine import Machine
from simulation.machines.places import conf_dir
from simulation.machines.trouble import MachineTrouble, tail_of

START_SECONDS = 30.0
APPLICATION = "yihaotong"
SEATS_PER_CITY = 8
PLAIN = (
    *("asterisk", "modules", "http", "ari", "rtp", "logger", "musiconhold", "indications", "stasis", "sorcery"),
    *("cdr", "cel"),
)
"""Files rendered from the specification alone; pjsip and extensions also hold the seats and trunks."""
EMPTY = ("acl", "ccss", "features", "manager", "pjproject", "udptl", "websocket_client")
"""Files that Asterisk complains about when they are not there, and that have nothing to say."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A telephone at which an agent sits: user name and password of its registration."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Another city's trunk: known by its address."""

    city: str
    address: str
    port: int = 5060


@dataclass(frozen=True, slots=True)
class Gateway:
    """The way out to the public network. ``shown``: the number that customers see."""

    address: str
    port: int = 5060
    shown: str = "10000"


@dataclass(frozen=True, slots=True)
class AsteriskSpec:
    """Everything one instance is told. Timeouts are seconds without RTP, 0 is off (rule O5)."""

    city: str
    sip_address: str
    trunk_address: str
    ari_password: str
    seats: Sequence[Seat]
    peers: Sequence[Peer]
    sip_port: int = 5060
    trunk_port: int = 5060
    ari_port: int = 8088
    ari_user: str = APPLICATION
    application: str = APPLICATION
    rtp_first: int = 20000
    rtp_last: int = 29999
    public_from: str = "127.0.0.0/255.0.0.0"
    public_rtp_timeout: int = 0
    public_rtp_timeout_hold: int = 0
    """of a caller who holds us, and so may send nothing"""
    outside: Gateway | None = None
    """None: nobody can be called back"""
    outside_rtp_timeout: int = 0
    seat_rtp_timeout: int = 30
    trunk_rtp_timeout: int = 15
    seats_behind_nat: str = "no"
    """``yes`` answers a telephone where its packets come from instead of where it says it is."""
    max_calls: int = 2000
    verbosity: int = 2

    @property
    def ari_address(self) -> str:
        """ARI listens where the seats are, never on all addresses."""
        return self.sip_address

    @property
    def ari_url(self) -> str:
        """Base address of ARI."""
        return f"http://{self.ari_address}:{self.ari_port}/ari"


def trial_seats(count: int = SEATS_PER_CITY) -> list[Seat]:
    """Seats 8001, 8002 … with the passwords the README names."""
    return [Seat(str(8001 + n), f"seat-{8001 + n}") for n in range(count)]


def trial_spec(slot: Slot, city: City, *, seats: int = SEATS_PER_CITY) -> AsteriskSpec:
    """The city's switch in one slot, with trunks to the two others."""
    return AsteriskSpec(
        city=city.id,
        sip_address=slot.main(city),
        trunk_address=slot.trunk(city),
        ari_password=f"ari-{city.id}",
        seats=trial_seats(seats),
        peers=[Peer(other.id, slot.trunk(other)) for other in CITIES if other is not city],
        outside=Gateway(slot.gateway(city)),
    )


class _Templates:
    """conf/asterisk/*.conf.in, filled with one specification."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.folder = conf_dir() / "asterisk"
        self.values = values

    def fill(self, name: str, **more: object) -> str:
        path = self.folder / f"{name}.conf.in"
        try:
            return Template(path.read_text("utf-8")).substitute({**self.values, **more})
        except (KeyError, ValueError) as broken:
            raise MachineTrouble(
                "asterisk-template",
                zh=f"模板中的变量无法填入：{broken}",
                en=f"the template names something unknown: {broken}",
                place=str(path),
            ) from broken


def render(spec: AsteriskSpec, root: AsteriskRoot, directory: Path) -> dict[str, str]:
    """The configuration files by name. Nothing is written."""
    values: dict[str, object] = {one.name: getattr(spec, one.name) for one in fields(spec)}
    values |= {
        "ari_address": spec.ari_address,
        "run_dir": root.inside(directory),
        "module_dir": root.module_dir,
    }
    templates = _Templates(values)

    def per_peer(name: str) -> str:
        return "".join(
            templates.fill(name, peer=peer.city, peer_address=peer.address, peer_port=peer.port) for peer in spec.peers
        )

    files = {f"{name}.conf": templates.fill(name) for name in PLAIN}
    files |= {f"{name}.conf": "; defaults\n[general]\n" if name == "udptl" else "; defaults\n" for name in EMPTY}
    files["pjsip.conf"] = templates.fill(
        "pjsip",
        seats="".join(templates.fill("seat", seat=seat.user, password=seat.password) for seat in spec.seats),
        trunks=per_peer("trunk"),
        outside=""
        if spec.outside is None
        else templates.fill(
            "outside",
            outside_address=spec.outside.address,
            outside_port=spec.outside.port,
            outside_from=spec.outside.shown,
        ),
    )
    files["extensions.conf"] = templates.fill(
        "extensions",
        trunk_contexts=per_peer("trunk-context"),
        neighbours="".join(f"exten => {peer.city},1,NoOp()\n" for peer in spec.peers),
    )
    return files


@dataclass
class Asterisk(Machine):
    """One instance. Its directory lies inside the root, because it runs there."""

    root: AsteriskRoot
    spec: AsteriskSpec
    directory: Path
    process: Launched | None = None

    @property
    def name(self) -> str:
        """How troubles name it."""
        return f"asterisk {self.spec.city}"

    @property
    def log(self) -> Path:
        """Its own log; what it prints before that is in ``console.log``."""
        return self.directory / "log" / "messages.log"

    @property
    def recordings(self) -> Path:
        """Where ARI's recordings are written."""
        return self.directory / "spool" / "recording"

    def write(self) -> None:
        """Write the configuration and the folders; calls in progress are not touched."""
        sounds = self.root.inside(self.root.prompts())
        owner = self.root.owner()
        for part in ("etc", "cache", "lib", "lib/keys", "data", "spool", "spool/recording", "spool/tmp", "run", "log"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        for name, text in render(self.spec, self.root, self.directory).items():
            path = self.directory / "etc" / name
            path.write_text(text, "utf-8")
            path.chmod(0o640)
        shared = {part: f"/usr/share/asterisk/{part}" for part in ("documentation", "rest-api", "static-http")}
        for part, target in {**shared, "sounds": sounds, "moh": f"{sounds}/moh"}.items():
            link = self.directory / "data" / part
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        for folder, _, names in os.walk(self.directory):
            for one in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(one, *owner, follow_symlinks=False)

    def start(self, seconds: float = START_SECONDS) -> Asterisk:
        """Start it and wait until ARI answers. One that already runs is kept."""
        if self.running():
            return self
        spec = self.spec
        require_free(f"{self.name} (SIP)", spec.sip_address, spec.sip_port, socket.SOCK_DGRAM)
        require_free(f"{self.name} (trunk)", spec.trunk_address, spec.trunk_port, socket.SOCK_DGRAM)
        require_free(f"{self.name} (ARI)", spec.ari_address, spec.ari_port, socket.SOCK_STREAM)
        self.write()
        inside = self.root.inside(self.directory)
        argv = ["chroot", str(self.root.path), "asterisk", "-f", "-U", "asterisk", "-G", "asterisk"]
        self.process = launch(
            self.name,
            [*argv, "-C", f"{inside}/etc/asterisk.conf"],
            log=self.directory / "log" / "console.log",
            record=self._record,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LANG": "C.UTF-8"},
        )
        wait_until_ready(self.process, self.ari_answers, seconds, self.log if self.log.exists() else None)
        return self

    def _ask(self, path: str) -> tuple[int, bytes]:
        """Status and body of one GET below ``/ari``; status 0 when nobody answers."""
        spec = self.spec
        word = base64.b64encode(f"{spec.ari_user}:{spec.ari_password}".encode()).decode()
        asked = http.client.HTTPConnection(spec.ari_address, spec.ari_port, timeout=2)
        try:
            asked.request("GET", f"/ari{path}", headers={"Authorization": f"Basic {word}"})
            answer = asked.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            asked.close()

    def ari_answers(self) -> bool:
        """Whether ARI answers and SIP is loaded; a refused password is a trouble of its own."""
        status, _ = self._ask("/endpoints/PJSIP/anonymous")
        if status == 401:
            raise MachineTrouble(
                "ari-password-refused",
                zh=f"{self.name} 拒绝了 ARI 密码",
                en=f"{self.name} refused the ARI password",
                place=self.spec.ari_url,
                tail=tail_of(self.log),
            )
        return status == 200

    def seat_online(self, user: str) -> bool:
        """Whether the seat's telephone is registered and answers."""
        status, body = self._ask(f"/endpoints/PJSIP/{user}")
        return status == 200 and json.loads(body)["state"] == "online"

    def trunk_online(self, peer: str) -> bool:
        """Whether the switch of another city has answered last: a trunk that was away is believed again then only."""
        return self.seat_online(f"trunk-{peer}")

    def wait_for_seats(self, users: Sequence[str], seconds: float = 15.0) -> None:
        """Wait until these seats can be rung: a telephone that was away is believed again at its next answer only."""
        if not self.running() or self.process is None:
            raise MachineTrouble("machine-not-running", zh=f"{self.name} 未运行", en=f"{self.name} is not running")
        end = time.monotonic() + seconds
        missing = list(users)
        while missing := [user for user in missing if not self.seat_online(user)]:
            if time.monotonic() > end:
                raise MachineTrouble(
                    "seats-not-online",
                    zh=f"{self.name}：话机不在线：{', '.join(missing)}",
                    en=f"{self.name}: telephones are not online: {', '.join(missing)}",
                    tail=tail_of(self.log),
                )
            time.sleep(POLL)

    def kept_registrations(self) -> list[str]:
        """Users whose registration is on disk and so survives a kill: the switch writes about a second behind."""
        database = self.directory / "lib" / "astdb.sqlite3"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as kept:
            rows = kept.execute("SELECT key FROM astdb WHERE key LIKE '/registrar/contact/%'").fetchall()
        return sorted(str(key).split("/")[3].partition(";")[0] for (key,) in rows)

    def cli(self, command: str, seconds: float = 10.0) -> str:
        """What a console command prints, for example ``pjsip show contacts``."""
        inside = f"{self.root.inside(self.directory)}/etc/asterisk.conf"
        argv = ["chroot", str(self.root.path), "asterisk", "-C", inside, "-rx", command]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            done = subprocess.CompletedProcess(argv, 1, "", str(late))
        if done.returncode:
            raise MachineTrouble(
                "asterisk-cli",
                zh=f"{self.name} 的控制台没有回答",
                en=f"the console of {self.name} did not answer",
                place=command,
                tail=done.stdout + done.stderr,
            )
        return done.stdout


def city_asterisk(root: AsteriskRoot, slot: Slot, city: City, *, spec: AsteriskSpec | None = None) -> Asterisk:
    """The switch of one city in one slot (not started)."""
    directory = root.path / "srv/yht" / str(slot.number) / city.id
    return Asterisk(root, spec or trial_spec(slot, city), directory)
