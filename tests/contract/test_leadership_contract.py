"""The promises of ``federation.ports.Leadership``, for every form: of two hubs one leads, the next one higher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest
from twisted.internet.defer import Deferred, fail, gatherResults

from dataset.ids import HUB, NodeId
from federation.core.leader import Tenure
from federation.links.discovery.consul import ConsulAccess, ConsulLeadership, ConsulTrouble
from federation.links.discovery.file import FileLeadership
from federation.links.discovery.inprocess import InProcessLock
from federation.node.clock import ReactorClock, VirtualClock
from federation.node.login import Runner, at_once
from federation.node.users import in_threads
from federation.ports import Leadership
from simulation.machines.addresses import claimed_slot
from simulation.machines.consul import Consul, slot_consul
from tests.harness.driving import ReactorDriver
from tests.harness.real_machines import require

HUB2 = NodeId("hub2")


class Hub:
    """One who competes, and keeps what it is told."""

    def __init__(self, leadership: Leadership, monotonic: Callable[[], float], heard: int = 0) -> None:
        self.leadership = leadership
        self.heard = heard
        self.tenures: list[Tenure | None] = []
        self._monotonic = monotonic
        leadership.compete(self._term, self.tenures.append)

    def _term(self) -> int:
        return max([self.heard, *(one.term for one in self.tenures if one is not None)])

    @property
    def tenure(self) -> Tenure | None:
        """What it holds by its own clock."""
        last = self.tenures[-1] if self.tenures else None
        return last if last is not None and self._monotonic() < last.until else None

    @property
    def leads(self) -> bool:
        return self.tenure is not None

    @property
    def term(self) -> int:
        assert self.tenure is not None
        return self.tenure.term


class World(Protocol):
    """One form of the lock, for as many hubs as are asked for."""

    def hub(self, node: NodeId, heard: int = 0) -> Hub:
        """A hub that competes from now on."""

    def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Let time pass until ``condition``; whether it came true."""

    def give_to(self, node: NodeId) -> None:
        """What an operator has to do for ``node`` to be next, where that is an operator's business."""

    def cut(self, hub: Hub) -> None:
        """``hub`` can renew no more, and is told nothing."""


class InProcessWorld:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lock = InProcessLock(self.clock)
        self.nodes: dict[Hub, NodeId] = {}

    def hub(self, node: NodeId, heard: int = 0) -> Hub:
        hub = Hub(self.lock.leadership(node, (HUB, HUB2)), self.clock.monotonic, heard)
        self.nodes[hub] = node
        return hub

    def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.clock.run_until(condition, within_s)

    def give_to(self, node: NodeId) -> None:
        pass

    def cut(self, hub: Hub) -> None:
        self.lock.cut(self.nodes[hub])


class FileWorld:
    """Each hub has a file of its own machine; the test is the operator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.hubs: dict[NodeId, Hub] = {}
        self.term = 0

    def hub(self, node: NodeId, heard: int = 0) -> Hub:
        if not self.hubs:
            self.give_to(node)
        leadership = FileLeadership(self.file(node), node, (HUB, HUB2), self.clock, at_once)
        hub = self.hubs[node] = Hub(leadership, self.clock.monotonic, heard)
        if heard:
            self.give_to(node)
        return hub

    def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.clock.run_until(condition, within_s)

    def give_to(self, node: NodeId) -> None:
        self.term = max(self.term, *(hub.heard for hub in self.hubs.values()), 0) + 1
        for one in (HUB, HUB2):
            if not self.file(one).is_dir():
                self.file(one).write_text(f'leader = "{node}"\nterm = {self.term}\n')

    def cut(self, hub: Hub) -> None:
        [node] = [node for node, one in self.hubs.items() if one is hub]
        self.file(node).unlink()
        self.file(node).mkdir()
        self.until(lambda: not hub.leads, 3.0)  # an operator looks before the other file is changed

    def file(self, node: NodeId) -> Path:
        return self.folder / f"{node}.toml"


class ConsulWorld:
    """A real Consul, and real time."""

    def __init__(self, machine: Consul, driver: ReactorDriver) -> None:
        self.machine = machine
        self.driver = driver
        self.clock = ReactorClock(driver.reactor)
        self.hubs: list[Hub] = []
        self.deaf: dict[Hub, DeafRunner] = {}

    def hub(self, node: NodeId, heard: int = 0) -> Hub:
        access = ConsulAccess(addresses=((self.machine.spec.address, self.machine.spec.port),))
        runner = DeafRunner(in_threads(self.driver.reactor))
        leadership = ConsulLeadership(access, node, (HUB, HUB2), f"{len(self.hubs)}", self.clock, runner)
        hub = Hub(leadership, self.clock.monotonic, heard)
        self.hubs.append(hub)
        self.deaf[hub] = runner
        return hub

    def until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self.driver.until(condition, within_s)

    def give_to(self, node: NodeId) -> None:
        pass

    def cut(self, hub: Hub) -> None:
        self.deaf[hub].cut = True

    def stop(self) -> None:
        stopped = [hub.leadership.stop() for hub in self.hubs]
        done: list[object] = []
        gatherResults(stopped).addBoth(done.append)
        assert self.driver.until(lambda: bool(done), 20.0)


class DeafRunner:
    """Threads whose questions are not answered any more once the line is cut."""

    def __init__(self, run: Runner) -> None:
        self.cut = False
        self._run = run

    def __call__(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return fail(ConsulTrouble("the line is cut")) if self.cut else self._run(function, *args)


@contextmanager
def in_process() -> Iterator[World]:
    yield InProcessWorld()


@contextmanager
def by_file() -> Iterator[World]:
    with TemporaryDirectory() as folder:
        yield FileWorld(Path(folder))


@contextmanager
def in_consul() -> Iterator[World]:
    require("consul")
    with claimed_slot() as slot:
        machine = slot_consul(slot)
        machine.remove()
        machine.start()
        world = ConsulWorld(machine, ReactorDriver())
        try:
            yield world
            world.stop()
        finally:
            machine.remove()


FORMS = {"inprocess": in_process, "file": by_file, "consul": in_consul}


@pytest.fixture(params=FORMS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with FORMS[request.param]() as made:
        yield made


def test_of_two_hubs_one_leads_and_goes_on_leading(world: World) -> None:
    first = world.hub(HUB)
    assert world.until(lambda: first.leads, 15.0)
    second = world.hub(HUB2)
    begun = first.tenure
    assert begun is not None
    assert world.until(lambda: first.tenure is not None and first.tenure.until > begun.until, 15.0)
    assert (first.leads, second.leads) == (True, False)
    assert {one.term for one in first.tenures if one is not None} == {begun.term}


def test_when_the_leader_stops_the_other_leads_under_a_higher_term(world: World) -> None:
    first = world.hub(HUB)
    assert world.until(lambda: first.leads, 15.0)
    term = first.term
    second = world.hub(HUB2)
    first.leadership.stop()
    world.give_to(HUB2)
    assert world.until(lambda: second.leads, 15.0)
    assert second.term > term


def test_a_term_is_above_all_that_was_heard_of(world: World) -> None:
    """The lock may have lost its terms, or the province another lock before."""
    hub = world.hub(HUB, heard=70)
    assert world.until(lambda: hub.leads, 15.0)
    assert hub.term > 70


def test_who_cannot_renew_stops_by_its_own_clock_before_another_begins(world: World) -> None:
    first = world.hub(HUB)
    assert world.until(lambda: first.leads, 15.0)
    second = world.hub(HUB2)
    world.cut(first)
    both: list[bool] = []

    def taken_over() -> bool:
        both.append(first.leads and second.leads)
        return second.leads

    world.give_to(HUB2)
    assert world.until(taken_over, 15.0)
    assert not any(both)
    assert not first.leads


def test_who_resigns_leads_again_only_under_a_higher_term(world: World) -> None:
    """Another led meanwhile: what was decided under the old term is over."""
    hub = world.hub(HUB)
    assert world.until(lambda: hub.leads, 15.0)
    term = hub.term
    hub.heard = term + 5
    hub.leadership.resign()
    assert not hub.leads
    world.give_to(HUB)
    assert world.until(lambda: hub.leads, 15.0)
    assert hub.term > term + 5
