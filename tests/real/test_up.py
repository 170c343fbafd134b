"""``yht up`` as a person without a telephone has it: calls come in, customers are called back, and all of it stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from simulation.calling import PLACES
from simulation.machines.addresses import Slot, city_of, claimed_slot
from simulation.machines.asterisk import trial_seats, trial_spec
from simulation.province import password_of
from simulation.up import CALLER_SILENT_S
from tests.harness.driving import ReactorDriver
from tests.harness.network_entrance import NetworkEntrance, NetworkSeat
from tests.harness.real_machines import require
from tests.harness.real_province import CONF
from tests.harness.services import catalogue
from tests.harness.sip_phone import SipPhone
from tests.harness.work import form_for

CITY = "guangzhou"
START_S = 150.0
SOON_S = 20.0
TONE_HZ = 1730.0
FAILED = 'yht_contacts_ended_total{ending="failed"'


class Up:
    """The running command."""

    def __init__(self, folder: Path, slot: Slot, driver: ReactorDriver) -> None:
        self.slot = slot
        self.driver = driver
        self.folder = folder
        self.conf = folder / "up"
        self.conf.mkdir()
        for file in (CONF / "up").glob("*.toml"):
            text = file.read_text("utf-8").replace("127.0.0.", f"127.0.{slot.number}.")
            text = text.replace("../province.toml", str(CONF / "province.toml"))
            (self.conf / file.name).write_text(text.replace("../../.run/up", str(folder / "data")), "utf-8")
        self.said_in = folder / "said"
        self.process = self.run("up", str(self.conf), said_in=self.said_in)

    def run(self, command: str, *arguments: str, said_in: Path) -> subprocess.Popen[bytes]:
        """One command of ``yht`` in the province's slot."""
        with said_in.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-u", "-m", "simulation", command, *arguments, "--slot", str(self.slot.number)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.said_in.read_text("utf-8")

    def wait(self, condition: Any, what: str, within_s: float = SOON_S) -> None:
        """Turn the reactor until the condition holds."""
        assert self.driver.until(condition, within_s), f"not within {within_s:g} s: {what}"

    def address(self, city: str) -> str:
        return f"http://127.0.{self.slot.number}.1:{8080 + city_of(city).number}"

    def contacts_live(self) -> int:
        """How many contacts the city has now."""
        with urlopen(f"{self.address(CITY)}/health", timeout=SOON_S) as answer:
            return int(json.load(answer)["contacts_live"])

    def failed(self) -> float:
        """How many contacts of the city have ended by a fault."""
        with urlopen(f"{self.address(CITY)}/metrics", timeout=SOON_S) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(FAILED))

    def stop(self) -> None:
        """Ctrl+C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60.0)


class Agent:
    """Somebody at the page of a seat."""

    def __init__(self, up: Up, nth: int) -> None:
        self.up = up
        self.staff, self.seat = str(1001 + nth), str(8001 + nth)
        self.state: dict[str, Any] = {}
        self.door: NetworkSeat
        entrance = NetworkEntrance(up.driver.reactor, up.address(CITY))
        answer = entrance.login(self.staff, password_of(self.staff), self.seat)
        token = up.driver.result_of(answer, SOON_S)["token"]
        self.door = entrance.open()
        self.door.on_push(self._pushed)
        self.state = self.do("attach", token=token)

    def _pushed(self, push: dict[str, Any]) -> None:
        if push["push"] == "state":
            self.state = push["state"]

    def do(self, op: str, **fields: Any) -> dict[str, Any]:
        """One operation; its answer."""
        answer: dict[str, Any] = self.up.driver.result_of(self.door.send(op, **fields), SOON_S)
        return answer

    def wait_presence(self, presence: str) -> None:
        self.up.wait(lambda: self.state["presence"] == presence, f"{self.staff} is {presence}: {self.state}")

    def call_back(self, number: str) -> None:
        """Take in a fault whose customer is to be called at ``number``, and press 回访."""
        line = f"0208123{number[-4:]}"
        values = form_for(catalogue().services["fault"], now=time.time()) | {"line": line, "contact_phone": number}
        item = self.do("work_open", service="fault", line=line, values=values)["item"]
        self.do("work_call_back", item=item)

    @property
    def told(self) -> dict[str, Any]:
        """How the call-back goes, as the page shows it."""
        return dict(self.state.get("call_back") or {"state": "", "outcome": None})

    def wait_outcome(self, outcome: str) -> None:
        self.up.wait(lambda: self.told["outcome"] == outcome, f"{outcome}: {self.told}", 40.0)

    def wrap_up(self) -> None:
        """Be done with it."""
        self.wait_presence("wrap_up")
        [call] = self.state["calls"]
        self.do("disposition", contact=call["contact"], code="solved")
        self.do("finish", contact=call["contact"])
        self.up.wait(lambda: not self.state["calls"], "the contact is done with")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    require("asterisk", "rabbitmq", "sipp")
    with claimed_slot() as slot:
        running = Up(tmp_path_factory.mktemp("up"), slot, ReactorDriver())
        try:
            running.wait(
                lambda: "Ctrl+C" in running.said() or running.process.poll() is not None, "it has started", START_S
            )
            assert running.process.poll() is None, running.said()
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def unanswered(up: Up) -> Agent:
    """Somebody who calls a customer back whose telephone rings for fifteen seconds, while other things happen."""
    agent = Agent(up, 1)
    agent.call_back("13900005592")
    up.wait(lambda: agent.told["state"] == "delivered", f"it rings: {agent.told}")
    return agent


@pytest.fixture(scope="module")
def killed(up: Up) -> float:
    """A customer in the queue whose telephone dies without a word; when."""
    said_in = up.folder / "killed"
    caller = up.run("call", "--number", "112", "--keys", "", said_in=said_in)
    up.wait(lambda: "接通" in said_in.read_text("utf-8"), "the customer is in the queue")
    place = f"{up.slot.outside(PLACES[0])}\0".encode()
    phones = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and place in _command_line(pid)]
    for pid in (caller.pid, *phones):
        os.kill(pid, signal.SIGKILL)
    caller.wait(SOON_S)
    assert phones
    assert up.contacts_live() > 0
    return time.monotonic()


@pytest.mark.usefixtures("unanswered")
def test_a_customer_calls_and_the_seat_answers_without_a_telephone_of_anybody(up: Up) -> None:
    """``yht call``, 0 in the menu, a seat at 示闲: in talk by itself; the page ends the call, and the caller knows."""
    agent = Agent(up, 0)
    agent.do("ready")
    agent.wait_presence("ready")
    said_in = up.folder / "call"
    call = up.run("call", "--from", "13900001234", said_in=said_in)
    agent.wait_presence("alerting")
    agent.wait_presence("talking")
    [talk] = agent.state["calls"]
    assert (talk["calling"], talk["door"], talk["path"]) == ("139****1234", "10000", ["0"])
    agent.do("hang_up", contact=agent.state["calls"][0]["contact"])
    up.wait(lambda: call.poll() is not None, "the caller has gone")
    said = said_in.read_text("utf-8")
    assert call.returncode == 0, said
    assert "接通" in said
    assert "the center has hung up" in said
    agent.wrap_up()
    again = up.run("call", "--number", "112", "--keys", "", said_in=said_in)
    agent.wait_presence("talking")
    again.send_signal(signal.SIGINT)  # Ctrl+C: the customer hangs up, and does not only fall silent
    agent.wrap_up()
    assert again.wait(SOON_S) == 0
    assert "hung up" in said_in.read_text("utf-8")
    agent.do("logout")


@pytest.mark.usefixtures("killed")
def test_the_end_of_the_number_says_what_becomes_of_a_call_back(up: Up, unanswered: Agent) -> None:
    """占线, 空号, 接听 and 无人接听, all by the seats' own telephones."""
    agent = Agent(up, 2)
    for number, outcome in (("13900005591", "busy"), ("13900005593", "unreachable")):
        agent.call_back(number)
        agent.wait_outcome(outcome)
        agent.wrap_up()
    agent.call_back("13900005501")
    up.wait(lambda: agent.told["state"] == "established", f"the customer answers: {agent.told}")
    agent.do("hang_up", contact=agent.state["calls"][0]["contact"])
    agent.wait_outcome("reached")
    agent.wrap_up()
    unanswered.wait_outcome("no_answer")
    unanswered.wrap_up()
    for one in (unanswered, agent):
        one.do("logout")


def test_a_softphone_takes_a_seat_over_and_hears_the_customer_and_itself(up: Up) -> None:
    """Whoever answers speaks; a number that ends in 96 sends back what it hears, so both directions carry sound."""
    agent = Agent(up, 3)
    spec = trial_spec(up.slot, city_of(CITY))
    phone = SipPhone(up.driver.reactor, up.slot.outside(40), TONE_HZ).open((spec.sip_address, spec.sip_port))
    try:
        phone.register(agent.seat, next(one.password for one in trial_seats() if one.user == agent.seat))
        up.wait(lambda: phone.registered, "the softphone is registered")
        for number, hears in (("13900006601", "speech"), ("13900006696", "echo")):
            rings = phone.rings
            agent.call_back(number)
            up.wait(lambda rings=rings: phone.rings > rings, "the softphone rings, and no other telephone answers")
            assert phone.call is not None
            phone.call.answer()
            voice = phone.call.voice
            up.wait(lambda: agent.told["state"] == "established", f"the customer answers: {agent.told}")
            if hears == "echo":
                up.wait(lambda voice=voice: voice.hears_tone(TONE_HZ), "the softphone's own tone comes back")
            else:
                up.wait(lambda voice=voice: not voice.silent, "the customer speaks")
                assert not voice.hears_tone(TONE_HZ)
            agent.do("hang_up", contact=agent.state["calls"][0]["contact"])
            agent.wrap_up()
        agent.do("logout")
    finally:
        phone.close()


def test_what_is_in_the_way_is_named_and_left_alone(up: Up) -> None:
    """A second ``yht up`` in the same place starts nothing and stops nothing; a call to nobody says what to start."""
    said_in = up.folder / "again"
    again = up.run("up", str(up.conf), said_in=said_in)
    nowhere = subprocess.run(
        [sys.executable, "-m", "simulation", "call", "--slot", "254"], capture_output=True, text=True, timeout=30
    )
    assert nowhere.returncode == 1
    assert "[switch-not-there]" in nowhere.stderr
    up.wait(lambda: again.poll() is not None, "it has ended")
    assert again.returncode == 1
    said = said_in.read_text("utf-8")
    assert "[port-taken]" in said
    assert f"127.0.{up.slot.number}.1:8080" in said
    assert "Traceback" not in said
    assert up.process.poll() is None


def test_a_caller_whose_process_was_killed_does_not_stay_in_the_queue(up: Up, killed: float) -> None:
    """Nobody says that the customer has gone; without a packet for half a minute the switch knows it (O5)."""
    left_s = killed + CALLER_SILENT_S + SOON_S - time.monotonic()
    up.wait(lambda: up.contacts_live() == 0, "the caller is given up", left_s)
    assert up.failed() == 1


def test_ctrl_c_leaves_nobody_behind(up: Up) -> None:
    """Every process and every address of the province is free again."""
    up.stop()
    assert up.process.returncode == 0, up.said()
    mine = f"127.0.{up.slot.number}."
    left = [
        name
        for name in os.listdir("/proc")
        if name.isdigit() and mine.encode() in _command_line(name) and int(name) != os.getpid()
    ]
    assert left == []
    for address in (up.slot.gateway(city_of(CITY)), up.slot.main(city_of(CITY)), up.slot.outside(71)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 5060))


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
