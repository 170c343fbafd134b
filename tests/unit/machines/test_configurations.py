"""What is written for machines before they start, and what is said when they do not."""

from __future__ import annotations

import hashlib
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from federation.links.amqp.definitions import password_hash
from simulation.machines.addresses import CITIES, Slot, city_of
from simulation.machines.asterisk import AsteriskSpec, Seat, render, trial_spec
from simulation.machines.asterisk_root import AsteriskRoot
from simulation.machines.certificates import TrialCa
from simulation.machines.launch import launch, recall, require_free, wait_until_ready
from simulation.machines.places import conf_dir
from simulation.machines.rabbitmq import BrokerSpec, BrokerTlsSpec, BrokerUser, broker_definitions
from simulation.machines.trouble import MachineTrouble


@pytest.fixture
def root(tmp_path: Path) -> AsteriskRoot:
    (tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules").mkdir(parents=True)
    return AsteriskRoot(tmp_path, "22.0.0")


def rendered(root: AsteriskRoot, spec: AsteriskSpec) -> dict[str, str]:
    return render(spec, root, root.path / "srv/yht/3/guangzhou")


def test_a_city_knows_the_other_two_by_their_address_alone(root: AsteriskRoot) -> None:
    """A trunk is its address: IP identification, one context per neighbour."""
    files = rendered(root, trial_spec(Slot(3), city_of("guangzhou")))
    assert "match = 127.0.3.22/32" in files["pjsip.conf"]
    assert "match = 127.0.3.23/32" in files["pjsip.conf"]
    assert "[from-trunk-shenzhen]" in files["extensions.conf"]
    assert "trunk-guangzhou" not in files["pjsip.conf"]


def test_nothing_listens_on_all_addresses(root: AsteriskRoot) -> None:
    for text in rendered(root, trial_spec(Slot(3), city_of("foshan"))).values():
        assert "0.0.0.0:" not in text
        assert "bindaddr = 0.0.0.0" not in text


def test_every_seat_has_a_password_one_contact_and_a_count(root: AsteriskRoot) -> None:
    """A6: the switch counts a seat's channels itself."""
    spec = replace(trial_spec(Slot(3), city_of("foshan")), seats=[Seat("8001", "a"), Seat("8002", "b")])
    text = rendered(root, spec)["pjsip.conf"]
    assert text.count("set_var = GROUP(seat)=") == 2
    assert "password = b" in text
    assert "max_contacts = 1" in text


def test_no_variable_of_a_template_is_left(root: AsteriskRoot) -> None:
    """Only Asterisk's own ${...} and $[...] remain."""
    for name, text in rendered(root, trial_spec(Slot(3), city_of("foshan"))).items():
        rest = text.replace("${", "").replace("$[", "")
        assert "$" not in rest, name


def test_addresses_of_a_slot_do_not_meet() -> None:
    slot = Slot(9)
    every = [*slot.brokers, *(slot.main(city) for city in CITIES), *(slot.trunk(city) for city in CITIES)]
    every += [slot.outside(n) for n in range(100)]
    assert len(set(every)) == len(every)
    with pytest.raises(MachineTrouble, match="bad-slot"):
        Slot(256)
    with pytest.raises(MachineTrouble, match="unknown-city"):
        city_of("peking")


def test_a_broker_is_told_hashes_not_passwords() -> None:
    """The trial broker has production's rights for nodes; only onlookers have all."""
    spec = BrokerSpec("127.0.3.5", 3, {"hub": "s3cret-hub"}, [BrokerUser("onlooker", "s3cret-all", vhost="/")])
    told = broker_definitions(spec)
    assert "s3cret" not in str(told)
    assert told["vhosts"] == [{"name": "/"}, {"name": "yihaotong"}]
    [hub, onlooker] = told["permissions"]
    assert (hub["user"], hub["configure"]) == ("hub", r"^yht\.hub\.(picture|command|ledger)$")
    assert (onlooker["user"], onlooker["vhost"], onlooker["configure"]) == ("onlooker", "/", ".*")
    assert spec.uri("hub") == "amqp://hub:s3cret-hub@127.0.3.5:5672/yihaotong"
    assert spec.uri("onlooker") == "amqp://onlooker:s3cret-all@127.0.3.5:5672/%2F"
    with pytest.raises(MachineTrouble, match="no-such-user"):
        spec.uri("nobody")


def test_the_hash_is_rabbitmqs() -> None:
    """RabbitMQ's documented form: base64(salt + sha256(salt + password))."""
    import base64

    salt = bytes.fromhex("908dc60a")
    expected = base64.b64encode(salt + hashlib.sha256(salt + b"test12").digest()).decode()
    assert password_hash("test12", salt) == expected == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MachineTrouble, match=rf"port-taken.*127\.0\.0\.1:{port}"):
            require_free("something", "127.0.0.1", port, socket.SOCK_STREAM)


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match="machine-not-installed"):
        launch("x", ["/no/such/program"], log=tmp_path / "log", record=tmp_path / "record")


def test_a_machine_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    machine = launch(
        "broken",
        [sys.executable, "-c", "import sys; sys.exit('the disk is full')"],
        log=tmp_path / "log",
        record=tmp_path / "record",
    )
    with pytest.raises(MachineTrouble, match=r"(?s)machine-ended-early.*the disk is full"):
        wait_until_ready(machine, lambda: False, 20)


def test_a_machine_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    machine = launch("slow", ["sleep", "60"], log=tmp_path / "log", record=tmp_path / "record")
    with pytest.raises(MachineTrouble, match="machine-start-timeout"):
        wait_until_ready(machine, lambda: False, 0.1)
    assert not machine.alive()


def test_a_later_command_finds_the_process_and_never_another(tmp_path: Path) -> None:
    """The record holds pid and birth: a pid that was given to another program since is not ours."""
    record = tmp_path / "record"
    machine = launch("sleeper", ["sleep", "60"], log=tmp_path / "log", record=record)
    try:
        found = recall(record)
        assert found is not None
        assert found.pid == machine.pid
        record.write_text(record.read_text().replace(f'"born": {machine.born}', '"born": 1'))
        assert recall(record) is None
    finally:
        machine.kill()
    assert recall(tmp_path / "nothing") is None


def test_the_example_for_a_provinces_brokers_has_only_settings_that_trial_brokers_start_with(tmp_path: Path) -> None:
    """RabbitMQ refuses a key that it does not know: those of the example are all in files that real brokers read in
    the tests, with TLS and as a cluster.
    """
    ca = TrialCa(tmp_path)
    tls = BrokerTlsSpec(ca.certificate, ca.sign("broker", ["127.0.3.5"]))
    spec = BrokerSpec("127.0.3.5", 3, {"hub": "secret-hub"}, tls=tls, member=2, cookie="x")
    trial = (conf_dir() / "rabbitmq" / "rabbitmq.conf.in").read_text("utf-8").replace("$more", spec.more_lines())
    example = (conf_dir() / "rabbitmq" / "province.conf.example").read_text("utf-8")

    def keys(text: str) -> set[str]:
        lines = (line.strip() for line in text.splitlines())
        return {line.partition(" = ")[0] for line in lines if " = " in line and not line.startswith("#")}

    assert keys(example) - keys(trial) == {"listeners.tcp"}
    assert spec.node == "yht3c@localhost"
    assert "cluster_formation.classic_config.nodes.3 = yht3c@localhost" in trial


MANY_THREADS = """
import threading, time
def work():
    while True:
        time.sleep(0.0005)
for _ in range(20):
    threading.Thread(target=work).start()
"""


def test_a_frozen_machine_does_nothing_more_once_that_is_said(tmp_path: Path) -> None:
    """Each of its threads, however busy the computer is; let go on, it works again."""
    machine = launch("busy", [sys.executable, "-c", MANY_THREADS], log=tmp_path / "log", record=tmp_path / "record")

    def states() -> str:
        threads = Path(f"/proc/{machine.pid}/task").glob("*/stat")
        return "".join(thread.read_text().rpartition(")")[2].split()[0] for thread in threads)

    try:
        wait_until_ready(machine, lambda: len(states()) == 21, 20)
        for _ in range(50):
            machine.suspend()
            assert set(states()) == {"T"}
            machine.resume()
            wait_until_ready(machine, lambda: "T" not in states(), 20)
    finally:
        machine.kill()
