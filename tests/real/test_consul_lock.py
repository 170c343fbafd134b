"""The lock in a real Consul under what happens to it: frozen, emptied, guarded by tokens, taken by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from twisted.internet.defer import gatherResults

from dataset.ids import HUB, NodeId
from federation.links.discovery.consul import ConsulAccess, ConsulLeadership
from federation.node.clock import ReactorClock
from federation.node.users import in_threads
from simulation.machines.addresses import Slot, claimed_slot
from simulation.machines.certificates import Signed, TrialCa
from simulation.machines.consul import Consul, slot_consul
from tests.contract.test_leadership_contract import Hub
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require

HUB2 = NodeId("hub2")
LOCK = "yihaotong/leader"


@pytest.fixture(scope="module")
def slot() -> Iterator[Slot]:
    require("consul")
    with claimed_slot() as claimed:
        yield claimed


@contextmanager
def started(slot: Slot, token: str = "", tls: Signed | None = None, ca: Path | None = None) -> Iterator[Consul]:
    machine = slot_consul(slot, token=token, tls=tls, ca=ca)
    machine.remove()
    try:
        yield machine.start()
    finally:
        machine.remove()


class Hubs:
    """Hubs of one test, which give the lock back at its end."""

    def __init__(self, machine: Consul, token: str = "") -> None:
        self.machine = machine
        self._token = token
        self.driver = ReactorDriver()
        self.clock = ReactorClock(self.driver.reactor)
        self.all: list[Hub] = []

    def hub(self, node: NodeId, token: str = "", before: tuple[tuple[str, int], ...] = ()) -> Hub:
        at = (self.machine.spec.address, self.machine.spec.port)
        return self.of(node, ConsulAccess(addresses=(*before, at), token=token))

    def of(self, node: NodeId, access: ConsulAccess) -> Hub:
        run = f"{len(self.all):08x}"
        lock = ConsulLeadership(access, node, (HUB, HUB2), run, self.clock, in_threads(self.driver.reactor))
        self.all.append(Hub(lock, self.clock.monotonic))
        return self.all[-1]

    def one_leads(self, within_s: float = 15.0) -> Hub:
        assert self.driver.until(lambda: any(hub.leads for hub in self.all), within_s)
        [leader] = [hub for hub in self.all if hub.leads]
        return leader

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = Request(f"{self.machine.url}/v1/{path}", body, {"X-Consul-Token": self._token}, method=method)
        with urlopen(request, timeout=5.0) as answer:
            return json.load(answer)

    def close(self) -> None:
        stopped = gatherResults([hub.leadership.stop() for hub in self.all])
        self.driver.result_of(stopped, 30.0)


@pytest.fixture
def hubs(slot: Slot) -> Iterator[Hubs]:
    with started(slot) as machine:
        made = Hubs(machine)
        yield made
        made.close()


def test_a_frozen_consul_makes_the_leader_stop_in_time(hubs: Hubs) -> None:
    """Connections stand and nothing is answered: the leader's clock decides, and later one leads again."""
    leader = hubs.hub(HUB)
    hubs.one_leads()
    hubs.hub(HUB2)
    hubs.machine.suspend()
    assert hubs.driver.until(lambda: not leader.leads, 3.5)
    hubs.machine.resume()
    hubs.one_leads()


def test_a_consul_that_lost_its_data_gives_no_term_twice(hubs: Hubs) -> None:
    """A new Consul counts from the start; the hubs do not."""
    hubs.hub(HUB)
    hubs.hub(HUB2)
    before = hubs.one_leads().term
    for hub in hubs.all:
        hub.heard = before  # beats have told them
    hubs.machine.kill()
    hubs.machine.remove()
    hubs.machine.start()
    assert hubs.driver.until(lambda: not any(hub.leads and hub.term == before for hub in hubs.all), 10.0)
    assert hubs.one_leads().term > before


def test_a_session_that_was_ended_by_hand_is_a_lost_lock(hubs: Hubs) -> None:
    """The operator's last means: the hub hears of it within a second, and somebody leads under a higher term."""
    leader = hubs.hub(HUB)
    term = hubs.one_leads().term
    [entry] = hubs.ask("GET", f"kv/{LOCK}")
    hubs.ask("PUT", f"session/destroy/{entry['Session']}", b"")
    assert hubs.driver.until(lambda: None in leader.tenures, 2.0)
    assert hubs.one_leads().term > term


def test_a_value_that_is_no_term_is_written_anew(hubs: Hubs) -> None:
    """Somebody tried out the key."""
    hubs.ask("PUT", f"kv/{LOCK}", "随便写的".encode())
    assert hubs.hub(HUB).heard == 0
    assert hubs.one_leads().term == 1
    [entry] = hubs.ask("GET", f"kv/{LOCK}")
    assert entry["LockIndex"] == 1


def test_the_next_address_is_tried_when_one_is_dead(hubs: Hubs) -> None:
    hubs.hub(HUB, before=(("127.0.0.1", 1),))
    hubs.one_leads()


def test_tls_is_verified_both_ways(slot: Slot, tmp_path: Path) -> None:
    """A hub that trusts Consul's CA and shows a certificate leads; one without either stands by."""
    ca, other = TrialCa(tmp_path / "ca"), TrialCa(tmp_path / "other", "somebody else's CA")
    own = ca.sign("hub")
    with started(slot, tls=ca.sign("consul", [slot.consul]), ca=ca.certificate) as machine:
        at = ((slot.consul, machine.spec.tls_port),)
        shown = (str(own.certificate), str(own.key))
        hubs = Hubs(machine)
        deceived = hubs.of(HUB, ConsulAccess(addresses=at, tls=True, ca=str(other.certificate), certificate=shown))
        unknown = hubs.of(HUB, ConsulAccess(addresses=at, tls=True, ca=str(ca.certificate)))
        right = hubs.of(HUB2, ConsulAccess(addresses=at, tls=True, ca=str(ca.certificate), certificate=shown))
        assert hubs.one_leads() is right
        assert (deceived.tenures, unknown.tenures) == ([], [])
        hubs.close()


def _knows(hubs: Hubs) -> bool:
    """Whether Consul has made up its mind about tokens after its start."""
    try:
        hubs.ask("GET", "acl/token/self")
    except HTTPError:
        return False
    return True


RULES = """
key "yihaotong/leader" { policy = "write" }
session_prefix "" { policy = "write" }
service_prefix "yihaotong-hub" { policy = "write" }
node_prefix "" { policy = "read" }
"""
"""As ``docs/operator.md`` has them."""


def test_only_who_has_the_token_gets_the_lock(slot: Slot) -> None:
    """With access control a hub needs no more than the guide says, and one with a wrong token stands by."""
    everything = "6f0c2a7e-3d5b-4a51-9d0e-2f7d6f1c9b10"
    guide = (Path(__file__).parents[2] / "docs/operator.md").read_text("utf-8")
    assert all(rule in guide for rule in RULES.split("\n"))
    with started(slot, everything) as machine:
        hubs = Hubs(machine, everything)
        assert hubs.driver.until(lambda: _knows(hubs), 15.0)
        hubs.ask("PUT", "acl/policy", json.dumps({"Name": "hub", "Rules": RULES}).encode())
        made = hubs.ask("PUT", "acl/token", json.dumps({"Policies": [{"Name": "hub"}]}).encode())
        wrong = hubs.hub(HUB, token="00000000-0000-0000-0000-000000000001")
        right = hubs.hub(HUB2, token=made["SecretID"])
        assert hubs.one_leads(25.0) is right
        assert wrong.tenures == []
        hubs.close()
