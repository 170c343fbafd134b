"""What is wrong is named with its place: at the start, where then nothing runs, and in what comes over the link."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pika
import pytest

from dataset.ids import CityId, LineageId, NodeId
from federation.core.envelope import Envelope as Message
from federation.core.envelope import FullPictureWanted, Stream, encode
from federation.links.amqp.link import EXCHANGE
from simulation.machines.addresses import claimed_slot
from simulation.machines.nodes import NodeProcess
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require
from tests.harness.real_province import CONF, RealProvince, Shape

FREE_PORT = 8099
"""of the nodes' own address: nobody listens here"""
PROGRAMS = {"hub": "provincial_hub", "guangzhou": "site_node"}
START_S = 30.0


@dataclass(frozen=True)
class Refusal:
    """How a program that must not start has ended."""

    status: int
    said: str

    def names(self, slug: str, *places: str) -> None:
        """Status 1, the slug, every place, both languages, and no trace of the program's own."""
        assert self.status == 1, self.said
        assert f"[{slug}]" in self.said, self.said
        for place in places:
            assert place in self.said, self.said
        assert "Traceback" not in self.said
        assert any("\u4e00" <= letter <= "\u9fff" for letter in self.said)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvince]:
    """One switch, the broker, the hub and one city."""
    require("asterisk", "rabbitmq")
    folder = tmp_path_factory.mktemp("bad-input")
    with claimed_slot() as slot:
        half = RealProvince(slot, folder, Shape(agents={"guangzhou": 1}), ReactorDriver())
        try:
            half.switches["guangzhou"].remove()
            half.switches["guangzhou"].start()
            half.broker.remove()
            half.broker.start()
            for name in PROGRAMS:
                half.nodes[name].start()
            half.wait(lambda: healthy(half), 20.0, "hub and city see each other")
            yield half
        finally:
            half.stop()


def healthy(province: RealProvince) -> bool:
    """Whether the hub and the one city do their work, and hear each other."""
    hub, city = (province.nodes[name].health() or {} for name in PROGRAMS)
    seen = hub.get("record_read") and hub["cities"]["guangzhou"]
    return bool(seen and city.get("hub_seen") and city.get("switch_up") and city.get("link"))


def written(data: Path) -> dict[str, bytes]:
    """Everything in a data directory."""
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def refused(
    province: RealProvince,
    node: str,
    data: Path,
    settings: Mapping[str, object] | None = None,
    file: Path | None = None,
) -> Refusal:
    """Start a second program beside the running ones, in an old data directory, and see it end."""
    data.mkdir(exist_ok=True)
    (data / "users.json").write_text("[]\n")
    before = written(data)
    refusal = start(province, node, {"data": data, "http.port": FREE_PORT, **(settings or {})}, file)
    assert written(data) == before, "a program that did not start has left something"
    return refusal


def start(province: RealProvince, node: str, settings: Mapping[str, object], file: Path | None = None) -> Refusal:
    slot = province.slot
    usual: dict[str, object] = {"province": province.folder / "province.toml", "link.addresses": f"{slot.broker}:5672"}
    if node != "hub":
        usual["switch.url"] = province.switches[node].spec.ari_url
    program = NodeProcess(
        PROGRAMS[node],
        file or CONF / "up" / f"{node}.toml",
        province.folder / "refused",
        listen=(f"127.0.{slot.number}.1", FREE_PORT),
        settings={**usual, **settings},
    )
    done = subprocess.run(program.command(), capture_output=True, text=True, timeout=START_S)
    with socket.socket() as probe:
        assert probe.connect_ex((f"127.0.{slot.number}.1", FREE_PORT)) != 0, "something listens"
    assert healthy(province), "those that run were disturbed"
    return Refusal(done.returncode, done.stdout + done.stderr)


# ── at the start ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("node", PROGRAMS)
def test_a_wrong_key_in_the_configuration(running: RealProvince, tmp_path: Path, node: str) -> None:
    """Named with file and line, with the key that was probably meant; a wrong value beside it is named too."""
    text = (CONF / "up" / f"{node}.toml").read_text("utf-8")
    assert "port = 80" in text
    file = tmp_path / f"{node}.toml"
    lines = text.replace("listen = ", "lisden = ").splitlines()
    file.write_text("\n".join(lines) + "\n", "utf-8")
    line = next(number for number, one in enumerate(lines, 1) if one.startswith("lisden"))
    refused(running, node, tmp_path / "data", file=file).names("setting-unknown", f"{file}:{line}", "lisden", "listen")


def test_a_wrong_value_on_the_command_line(running: RealProvince, tmp_path: Path) -> None:
    """The form that is accepted is said."""
    refused(running, "guangzhou", tmp_path / "data", {"keep": "soon"}).names("setting-unit", "keep", "soon")


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_menu_that_names_a_missing_skill(running: RealProvince, tmp_path: Path, node: str) -> None:
    """Named with file and line of the service package."""
    package = tmp_path / "package.toml"
    lines = (
        (CONF / "packages" / "yihaotong.toml")
        .read_text("utf-8")
        .replace('skill = "bill"\nservice', 'skill = "bil"\nservice')
        .splitlines()
    )
    package.write_text("\n".join(lines), "utf-8")
    line = next(number for number, one in enumerate(lines, 1) if one == 'skill = "bil"')
    province = tmp_path / "province.toml"
    text = (running.folder / "province.toml").read_text("utf-8")
    province.write_text(text.replace(str(CONF / "packages" / "yihaotong.toml"), str(package)), "utf-8")
    refusal = refused(running, node, tmp_path / "data", {"province": province})
    refusal.names("package-skill-missing", f"{package}:{line}", "bil")


def test_a_broker_that_cannot_be_reached(running: RealProvince, tmp_path: Path) -> None:
    """The hub has no work without it."""
    nowhere = f"127.0.{running.slot.number}.6:5672"
    refused(running, "hub", tmp_path / "data", {"link.addresses": nowhere}).names("broker-unreachable", nowhere)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_broker_that_refuses_the_password(running: RealProvince, tmp_path: Path, node: str) -> None:
    refusal = refused(running, node, tmp_path / "data", {"link.password": "guessed"})
    refusal.names("broker-unreachable", f"{running.slot.broker}:5672")
    assert "guessed" not in refusal.said


def test_a_switch_that_refuses_the_password(running: RealProvince, tmp_path: Path) -> None:
    """The address is said, the password is not."""
    refusal = refused(running, "guangzhou", tmp_path / "data", {"switch.password": "guessed"})
    refusal.names("ari-login-refused", running.switches["guangzhou"].spec.ari_url)
    assert "guessed" not in refusal.said


def test_a_city_whose_broker_and_switch_are_away(running: RealProvince, tmp_path: Path) -> None:
    """That is no mistake of its configuration: it starts, names both, and waits for them (I5)."""
    slot = running.slot
    broker, switch = f"127.0.{slot.number}.6:5672", f"http://127.0.{slot.number}.19:8088/ari"
    settings = {
        "province": running.folder / "province.toml",
        "data": tmp_path / "data",
        "link.addresses": broker,
        "switch.url": switch,
    }
    listen = (f"127.0.{slot.number}.1", FREE_PORT)
    island = NodeProcess("site_node", CONF / "up" / "shenzhen.toml", tmp_path, listen=listen, settings=settings)
    island.start()
    try:
        health = island.health() or {}
        assert (health["link"], health["switch_up"]) == (False, False)
        told = [line for line in events(island.log) if line["level"] in ("warn", "error")]
        assert any(broker in line["text"] for line in told), told
        assert any(switch in str(line) for line in told), told
    finally:
        island.stop()
    assert healthy(running)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_journal_in_use(running: RealProvince, node: str) -> None:
    """A second program on the same disk is refused; the first one does not notice."""
    data = running.folder / node
    lineage = (running.nodes[node].health() or {}).get("lineage")
    refusal = start(running, node, {"data": data, "http.port": FREE_PORT})
    refusal.names("journal-in-use", str(data / "journal.sqlite"))
    assert (running.nodes[node].health() or {}).get("lineage") == lineage


@pytest.mark.parametrize("node", PROGRAMS)
def test_an_address_that_is_taken(running: RealProvince, tmp_path: Path, node: str) -> None:
    """The journal was open already by then; it is closed in order, and the next start takes it up."""
    port = running.nodes[node].listen[1]
    refusal = start(running, node, {"data": tmp_path / "data", "http.port": port})
    refusal.names("cannot-listen", f"127.0.{running.slot.number}.1:{port}")


# ── over the link ───────────────────────────────────────────────────────────────────────────────────────────────────
def metric(province: RealProvince, node: str, name: str, **labels: str) -> float:
    """One sample of ``/metrics``; 0 where there is none yet."""
    wanted = "".join(["{", ",".join(f'{key}="{value}"' for key, value in labels.items()), "}"]) if labels else ""
    with urlopen(f"{province.nodes[node].address}/metrics", timeout=5.0) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"{name}{wanted} "):
                return float(line.rpartition(" ")[2])
    return 0.0


def events(log: Path) -> list[dict[str, Any]]:
    """All lines of a log."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]


def logged(province: RealProvince, node: str, event: str) -> list[dict[str, Any]]:
    """Lines of one event in a node's log."""
    return [line for line in events(province.nodes[node].log) if line.get("event") == event]


STRANGER = Message(
    sender=NodeId("zhuhai"),
    to=NodeId("guangzhou"),
    stream=Stream.COMMAND,
    lineage=LineageId("00000001"),
    sequence=1,
    body=FullPictureWanted(),
)


@pytest.mark.parametrize("node", PROGRAMS)
@pytest.mark.parametrize("stream", ["picture", "command", "ledger"])
def test_a_malformed_envelope(running: RealProvince, node: str, stream: str) -> None:
    """Refused, logged, counted, on each stream; the node goes on, and what follows is taken in."""
    good = msgspec.json.decode(encode(STRANGER))
    bad = {
        "envelope-malformed": [b"\xff\xfe nothing", b"", b"[]", json.dumps({**good, "sequence": "one"}).encode()],
        "envelope-version": [json.dumps({**good, "version": 0}).encode()],
        "envelope-too-large": [b'"' + b"x" * 5_000_000 + b'"'],
    }
    dropped = "yht_link_messages_dropped_total"
    before = {slug: metric(running, node, dropped, reason=slug) for slug in bad}
    lines = len(logged(running, node, "message-refused"))
    user = next(one for one in running.broker.spec.users if one.name == "shenzhen")
    with pika.BlockingConnection(pika.URLParameters(running.broker.spec.uri(user.name))) as connection:
        channel = connection.channel()
        for bodies in bad.values():
            for body in bodies:
                channel.basic_publish(EXCHANGE, f"{node}.{stream}", body)

    def counted() -> bool:
        return all(
            metric(running, node, dropped, reason=slug) == before[slug] + len(bodies) for slug, bodies in bad.items()
        )

    running.wait(counted, 10.0, "all are counted")
    assert len(logged(running, node, "message-refused")) == lines + sum(map(len, bad.values()))
    assert healthy(running)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_message_of_a_stranger(running: RealProvince, node: str) -> None:
    """A whole envelope of a node that the province does not have."""
    name = "yht_hub_messages_refused_total" if node == "hub" else "yht_messages_refused_total"
    before = metric(running, node, name, reason="unknown_sender")
    with pika.BlockingConnection(pika.URLParameters(running.broker.spec.uri("shenzhen"))) as connection:
        connection.channel().basic_publish(EXCHANGE, f"{node}.command", encode(STRANGER))
    running.wait(
        lambda: metric(running, node, name, reason="unknown_sender") == before + 1, 10.0, "the stranger is counted"
    )
    assert CityId(STRANGER.sender) not in (running.nodes["hub"].health() or {})["cities"]
    assert healthy(running)
