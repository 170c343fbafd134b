"""What is wrong is named with its place: at the start, where then nothing runs, in what comes over the link, and in
what a city has on record.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pika
import pytest

from dataset.ids import CityId, LineageId, NodeId
from dataset.rows import ROW_BYTES, ContactEnded, Journalled, LegRefused
from federation.core.envelope import Envelope as Message
from federation.core.envelope import FullPictureWanted, Stream, encode
from federation.links.amqp.layout import EXCHANGE
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from simulation.machines.addresses import claimed_slot
from simulation.machines.nodes import NodeProcess
from simulation.machines.rabbitmq import slot_rabbitmq, trial_nodes
from simulation.province import PROVINCE_USER, password_of
from tests.harness.driving import ReactorDriver
from tests.harness.node_log import log_lines
from tests.harness.real_machines import require
from tests.harness.real_people import People
from tests.harness.real_province import CONF, RealProvince, Shape
from tests.harness.threads import ThreadCalls

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
            half.broker = slot_rabbitmq(slot, {**trial_nodes(), STRANGER.sender: "amqp-stranger"})
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
        told = [line for line in log_lines(island.log) if line["level"] in ("warn", "error")]
        assert any(broker in line["text"] for line in told), told
        assert any(switch in str(line) for line in told), told
    finally:
        island.stop()
    assert healthy(running)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_disk_in_use(running: RealProvince, node: str) -> None:
    """A second program on the same disk is refused at the first file that it opens; the first one does not notice."""
    data = running.folder / node
    lineage = (running.nodes[node].health() or {}).get("lineage")
    refusal = start(running, node, {"data": data, "http.port": FREE_PORT})
    slug, file = ("journal-in-use", "journal.sqlite") if node == "hub" else ("store-in-use", "store.sqlite")
    refusal.names(slug, str(data / file))
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


def logged(province: RealProvince, node: str, event: str) -> list[dict[str, Any]]:
    """Lines of one event in a node's log."""
    return log_lines(province.nodes[node].log, event)


STRANGER = Message(
    sender=NodeId("zhuhai"),
    to=NodeId("guangzhou"),
    stream=Stream.COMMAND,
    lineage=LineageId("00000001"),
    sequence=1,
    body=FullPictureWanted(),
)


def publish(province: RealProvince, user: str, key: str, *bodies: bytes) -> None:
    """As another client than the product's, logged in as a node."""
    with pika.BlockingConnection(pika.URLParameters(province.broker.spec.uri(user))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish(EXCHANGE, key, body, pika.BasicProperties(user_id=user), mandatory=True)


@pytest.mark.parametrize("node", PROGRAMS)
@pytest.mark.parametrize("stream", ["picture", "command", "ledger"])
def test_a_malformed_envelope(running: RealProvince, node: str, stream: str) -> None:
    """Refused, logged (the same not more than once a minute), counted, on each stream; the node goes on, and what
    follows is taken in.
    """
    good = msgspec.json.decode(encode(STRANGER))
    bad = {
        "envelope-malformed": [b"\xff\xfe nothing", b"", b"[]", json.dumps({**good, "sequence": "one"}).encode()],
        "envelope-version": [json.dumps({**good, "version": 0}).encode()],
        "envelope-too-large": [b'"' + b"x" * 5_000_000 + b'"'],
    }
    dropped = "yht_link_messages_dropped_total"
    before = {slug: metric(running, node, dropped, reason=slug) for slug in bad}
    publish(running, "shenzhen", f"{node}.{stream}.shenzhen", *(body for bodies in bad.values() for body in bodies))

    def counted() -> bool:
        return all(
            metric(running, node, dropped, reason=slug) == before[slug] + len(bodies) for slug, bodies in bad.items()
        )

    running.wait(counted, 10.0, "all are counted")
    told = [line["slug"] for line in logged(running, node, "message-refused")]
    assert {slug: told.count(slug) for slug in bad} == dict.fromkeys(bad, 1)
    assert healthy(running)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_message_of_a_stranger(running: RealProvince, node: str) -> None:
    """A whole envelope of a node that the province does not have."""
    name = "yht_hub_messages_refused_total" if node == "hub" else "yht_messages_refused_total"
    before = metric(running, node, name, reason="unknown_sender")
    stranger = msgspec.structs.replace(STRANGER, to=NodeId(node))
    publish(running, STRANGER.sender, f"{node}.command.{STRANGER.sender}", encode(stranger))
    running.wait(
        lambda: metric(running, node, name, reason="unknown_sender") == before + 1, 10.0, "the stranger is counted"
    )
    assert CityId(STRANGER.sender) not in (running.nodes["hub"].health() or {})["cities"]
    assert healthy(running)


@pytest.mark.parametrize("node", PROGRAMS)
def test_a_site_that_signs_as_another(running: RealProvince, node: str) -> None:
    """Its user at the broker betrays it: refused, counted, and the line names both."""
    dropped = "yht_link_messages_dropped_total"
    before = metric(running, node, dropped, reason="sender-mismatch")
    forged = msgspec.structs.replace(STRANGER, sender=NodeId("foshan"), to=NodeId(node))
    publish(running, "shenzhen", f"{node}.command.shenzhen", encode(forged))
    running.wait(
        lambda: metric(running, node, dropped, reason="sender-mismatch") == before + 1, 10.0, "the forgery is counted"
    )
    [line] = [one for one in logged(running, node, "message-refused") if one["slug"] == "sender-mismatch"]
    assert "foshan" in line["text"]
    assert line["user"] == "shenzhen"
    assert healthy(running)


# ── in a city's record ──────────────────────────────────────────────────────────────────────────────────────────────
RUBBISH = b'{"kind": "no row", "calling": "13800001234"}'


def refused_leg(number: str) -> LegRefused:
    return LegRefused(from_city="foshan", reason="missing", number=number)


def write_poison(path: Path, lineage: LineageId) -> None:
    """Three rows that no hub can read, among good ones, in the journal of a city whose node is down: of a kind that a
    later version has, of no kind, and one in which a bit flips on the disk. Numbers 3, 4 and 5 of 6 in ``lineage``.
    """
    calls = ThreadCalls()
    settings = JournalSettings(NodeId("guangzhou"), "boot", lambda: lineage, (NodeId("hub"),), "020")
    journal = SqliteJournal(path, settings, VirtualClock(time.time()), calls)
    done: list[str] = []
    newer = Journalled(
        node=NodeId("guangzhou"),
        lineage=lineage,
        sequence=3,
        wall=time.time(),
        mono=1.0,
        boot="boot",
        row=refused_leg("3"),
    )
    journal.append([(refused_leg("2"), ("hub",))], lambda: done.append("before"))
    bytes_of_newer = ROW_BYTES.encode(newer).replace(b"leg_refused", b"leg_teleported")
    journal.relay([bytes_of_newer, RUBBISH], ("hub",), lambda: done.append("no rows"))
    journal.append([(refused_leg("5"), ("hub",)), (refused_leg("6"), ("hub",))], lambda: done.append("behind"))
    calls.until(lambda: len(done) == 3)
    journal.stop().addCallback(lambda _: done.append("closed"))
    calls.until(lambda: "closed" in done)
    with closing(sqlite3.connect(path)) as file:
        [(which, data)] = file.execute("SELECT id, data FROM rows WHERE instr(data, ?)", (b'"number":"5"',)).fetchall()
        file.execute("UPDATE rows SET data = ? WHERE id = ?", (data.replace(b'"number":"5"', b'"number":"4"'), which))
        file.commit()


def hub_command(province: RealProvince, *words: str) -> tuple[int, str]:
    """``yht hub …`` at the running hub, to its end."""
    host, port = province.nodes["hub"].listen
    user = PROVINCE_USER.user
    environment = {"YHT_HTTP_LISTEN": host, "YHT_HTTP_PORT": str(port), "YHT_CONSOLE_PASSWORD": password_of(user)}
    command, *others = words
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "simulation",
            "hub",
            command,
            "--config",
            str(CONF / "up" / "hub.toml"),
            "--user",
            user,
            *others,
        ],
        capture_output=True,
        text=True,
        timeout=START_S,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout + done.stderr


def test_row_10_poison_in_a_citys_record_is_parked_and_the_rest_flows(running: RealProvince) -> None:
    """The rows around it and a call behind it are on record; page, metric and command line name each slot by number,
    until somebody settles it.
    """
    hub, city = (running.nodes[name] for name in PROGRAMS)
    lineage = LineageId("0badc0de")
    began = time.time()
    city.stop()
    write_poison(running.folder / "guangzhou" / "journal.sqlite", lineage)
    city.start()
    running.wait(lambda: healthy(running), 20.0, "hub and city see each other")
    people = People(running)
    try:
        agent, caller = people.agent("guangzhou"), people.caller("guangzhou", "13800000010")
        agent.answer()
        people.hear_each_other(caller, agent)
        caller.hang_up()
        agent.wrap_up()
    finally:
        people.close()

    def all_there() -> bool:
        waiting = (city.health() or {}).get("rows_waiting", {"?": 1})
        return not any(waiting.values()) and any(isinstance(one.row, ContactEnded) for one in running.hub_ledger())

    running.wait(all_there, 20.0, "all that can be read is with the hub")
    arrived_s = time.time() - began
    ledger = running.hub_ledger()
    assert [one.sequence for one in ledger if one.lineage == lineage] == [1, 2, 6]
    kept = {_origin(one) for one in running.journal("guangzhou")} - {("guangzhou", lineage, 5)}
    assert kept == {_origin(one) for one in ledger}

    def unknown() -> dict[str, int]:
        missing = running.console("intervals", **{"from": began - 900.0, "to": time.time()})["missing"]
        return {one["city"]: one["unknown_rows"] for one in missing if one["unknown_rows"]}

    def measured() -> float:
        return metric(running, "hub", "yht_hub_unknown_rows", city="guangzhou")

    assert unknown() == {"guangzhou": 3}
    running.wait(lambda: measured() == 3.0, 10.0, "the metric names them")
    status, said = hub_command(running, "parked")
    lines = [line.split("  ") for line in said.splitlines()]
    assert (status, lines[-1]) == (2, ["未知 unknown: 3"]), said
    slots = [line for line in lines if line[:2] == ["guangzhou", lineage]]
    assert [(number, why) for _, _, number, why, *_ in slots] == [(str(n), "unreadable") for n in (3, 4, 5)], said
    for (*_, begins), word in zip(slots, ("leg_teleported", "138****1234", "damaged_on_disk"), strict=True):
        assert word in begins, said
    assert logged(running, "guangzhou", "row-damaged"), "the city says what its disk has done"

    for number in "345":
        status, said = hub_command(running, "settle", "--reason", "a trial", "guangzhou", lineage, number)
        assert status == 0, said
    assert unknown() == {}
    running.wait(lambda: measured() == 0.0, 10.0, "the metric names nothing any more")
    assert hub_command(running, "parked") == (0, "未知 unknown: 0\n")
    assert hub.running()
    print(f"row 10: 3 poison rows of {len(ledger) + 3} parked, the others and a call there {arrived_s:.1f} s later")


def _origin(row: Journalled) -> tuple[str, str, int]:
    return row.node, row.lineage, row.sequence
