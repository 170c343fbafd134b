"""A simulated province whose processes, disks, lines and switches can be harmed one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId, is_hub
from dataset.packages import ServicePackage
from federation.core.envelope import Envelope
from federation.core.leader import Tenure
from federation.core.work_book import WorkBook
from federation.links.inprocess import Fate
from federation.node.clock import ProcessClock, VirtualClock
from federation.node.journal import Stamped
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.province import Province
from federation.ports import Clock, Leadership, Link, Timer
from simulation.chaos.desks import Desk
from simulation.chaos.disks import ChaosDisks, Written
from simulation.chaos.offered import offering
from simulation.chaos.watch import Watch
from simulation.chaos.work_watch import WorkWatch
from simulation.province import SimulatedProvince
from simulation.version1.link import Version1Link
from site_node.core.telephony import Report, Request
from site_node.ports import Capability, Switch
from site_node.switch.simulated.adapter import SimulatedSwitch

SYNC_S = 0.005
HearRequest = Callable[[CityId, Request], None]
HearReport = Callable[[CityId, Report], None]


class ChaosProvince(SimulatedProvince):
    """Every node has a process of its own, which can be stopped or killed."""

    storage: ChaosDisks

    def __init__(
        self,
        province: Province,
        package: ServicePackage,
        time: VirtualClock,
        rng: Random,
        *,
        with_records: bool = False,
    ) -> None:
        self.time = time
        self.processes: dict[NodeId, ProcessClock] = {}
        self.of_version_1: set[NodeId] = set()
        """nodes that run the version before, from their next start on"""
        disks = ChaosDisks(time, lambda node: self.processes[node], self._rows_on_disk, sync_s=SYNC_S)
        super().__init__(province, package, time, rng, storage=disks, offering=offering(), with_records=with_records)
        self.disks = disks
        self.watch = Watch(time, self.network, self.wires, self._hub_lineages)
        self.wires.on_fate = self.watch.on_fate
        self.work = WorkWatch(time, self.wires, self.watch)
        disks.on_received = self.work.on_received
        self.on_kill: list[Callable[[NodeId], None]] = [self.watch.node_dies, self.work.node_dies]
        """told of every city whose process is about to be killed"""
        self.on_rows: list[Written] = [self.watch.on_rows, self.work.on_rows]
        """told of every group that reaches a journal's disk"""
        self.on_request: list[HearRequest] = [self.watch.on_request]
        self.on_report: list[HearReport] = [self.watch.on_report]
        self.killed_at: dict[NodeId, float] = {}
        """nodes that are down, and since when"""
        self.on_seated: list[Callable[[CityId, Desk], None]] = []
        """told of every agent whose screen is connected"""
        self.ends: dict[CityId, list[ClientEnd | _Login]] = {}
        """what agents have open at each city's door"""
        self.on_piece: Callable[[Fate, NodeId, Envelope], None] = lambda fate, receiver, envelope: None
        """told of every piece of a file, and of every question for one, on its way"""
        self.nodes = (*self.province.hub_ids, *(NodeId(city.id) for city in province.cities))

    def _rows_on_disk(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        for hear in self.on_rows:
            hear(node, stamped)

    def _hub_lineages(self) -> dict[NodeId, str]:
        return {hub: self.journal(hub).lineage for hub in self.hubs}

    def books(self) -> Iterator[tuple[CityId, WorkBook, float]]:
        """What each running city knows of work, and its wall time."""
        for city, site in self.sites.items():
            if site.running.work is not None:
                yield city, site.running.work.desk.book, self.processes[NodeId(city)].wall()

    # ── parts of a node ─────────────────────────────────────────────────────────────────────────────────────────────
    def clock_of(self, node: NodeId) -> Clock:
        """A new process; the machine's wall clock is as wrong as it was."""
        fresh = ProcessClock(self.time)
        if node in self.processes:
            fresh.wall_step_s = self.processes[node].wall_step_s
        self.processes[node] = fresh
        return fresh

    def people_clock_of(self, node: NodeId) -> Clock:
        """The same: who looks at a stopped process sees it stand still."""
        return self.processes[node]

    def switch_of(self, city: CityId) -> Switch:
        """The switch, behind the process's door."""
        return _SwitchOfProcess(
            self.network.adapter(city), city, self.processes[NodeId(city)], self.on_request, self.on_report
        )

    def link_of(self, node: NodeId) -> Link:
        """The link, behind the process's door."""
        link = self.wires.link(node, self.processes[node])
        return Version1Link(link) if node in self.of_version_1 else link

    def leadership_of(self, node: NodeId, clock: Clock) -> Leadership:
        """The lock; who is killed does not give it back."""
        return _LeadershipOfProcess(super().leadership_of(node, clock), self.processes[node])

    # ── life and death ──────────────────────────────────────────────────────────────────────────────────────────────
    def runs(self, node: NodeId) -> bool:
        """Whether the node's process is there, stopped or not."""
        return node in self.hubs or CityId(node) in self.sites

    def kill(self, node: NodeId) -> None:
        """As kill -9: what was not synced is lost, and nothing the process had set is ever called; its machine closes
        the connections of its agents, who log in again.
        """
        if not is_hub(node):
            for hear in self.on_kill:
                hear(node)
        self.killed_at[node] = self.time.monotonic()
        self.disks.crash(node)
        self.processes[node].kill()
        if is_hub(node):
            self.stop_hub(node)
        else:
            self.stop_city(CityId(node))
            for end in self.ends.pop(CityId(node), ()):
                end.break_off()

    def start_node(self, node: NodeId) -> None:
        """Start a node that is down."""
        self.killed_at.pop(node, None)
        if is_hub(node):
            self.start_hub(node)
        else:
            self.start_city(CityId(node))


class _LeadershipOfProcess:
    """The lock as a process reaches it."""

    def __init__(self, inner: Leadership, process: ProcessClock) -> None:
        self._inner = inner
        self._process = process

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """See ``Leadership``."""
        self._inner.compete(heard, changed)

    def resign(self) -> None:
        """See ``Leadership``."""
        self._inner.resign()

    def stop(self) -> Deferred[None]:
        """See ``Leadership``."""
        return succeed(None) if self._process.killed else self._inner.stop()


class _SwitchOfProcess:
    """A switch as a process reaches it: reports wait while the process is stopped."""

    capabilities: frozenset[Capability] = SimulatedSwitch.capabilities

    def __init__(
        self,
        switch: SimulatedSwitch,
        city: CityId,
        process: ProcessClock,
        requests: list[HearRequest],
        reports: list[HearReport],
    ) -> None:
        self._switch = switch
        self._city = city
        self._process = process
        self._hear_request = requests
        self._hear_report = reports

    def start(self, sink: Callable[[Report], None]) -> None:
        """See ``Switch``."""

        def heard(report: Report) -> None:
            for hear in self._hear_report:
                hear(self._city, report)
            sink(report)

        self._switch.start(lambda report: self._process.reached_by(heard, report))

    def request(self, request: Request) -> None:
        """See ``Switch``."""
        for hear in self._hear_request:
            hear(self._city, request)
        self._switch.request(request)

    def answer_seat(self, extension: str) -> None:
        """See ``Switch``."""
        self._switch.answer_seat(extension)

    def stop(self) -> Deferred[None]:
        """See ``Switch``."""
        return self._switch.stop()


class CityEntrance:
    """A city's door as it is now: a restarted node has another one, and one that is down has none."""

    def __init__(self, world: ChaosProvince, city: CityId) -> None:
        self._world = world
        self._city = city

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        """See ``Entrance``."""
        if self._city not in self._world.sites:
            return fail(_nobody_listens())
        asked = _Login()
        self._world.ends.setdefault(self._city, []).append(asked)
        self._door().login(user, password, seat).addBoth(asked.answered)
        return asked.answer

    def open(self) -> Desk:
        """See ``Entrance``."""
        door = self._door()
        end = door.open()
        self._world.ends.setdefault(self._city, []).append(end)
        return Desk(end, door, self._world.watch.on_pressed, self._attached)

    def _attached(self, desk: Desk) -> None:
        for hear in self._world.on_seated:
            hear(self._city, desk)

    def _door(self) -> MemoryDoor:
        process = self._world.processes[NodeId(self._city)]
        return MemoryDoor(self._world.sites[self._city].desk.door, _DoorClock(self._world.time, process))


class _Login:
    """A login under way: whose process dies in the meantime is told so, and tries again."""

    def __init__(self) -> None:
        self.answer: Deferred[dict[str, Any]] = Deferred()

    def answered(self, result: Any) -> None:
        """The node has answered."""
        if not self.answer.called:
            self.answer.callback(result)

    def break_off(self) -> None:
        """See ``ClientEnd``."""
        self.answered(Failure(_nobody_listens()))


def _nobody_listens() -> Refused:
    return Refused(Problem("connection-closed", zh="连接不上", en="nobody listens"), status=503)


class _DoorClock:
    """Carries what passes a door: to and from a stopped process nothing passes."""

    def __init__(self, time: VirtualClock, process: ProcessClock) -> None:
        self._time = time
        self._process = process

    def monotonic(self) -> float:
        """See ``Clock``."""
        return self._time.monotonic()

    def wall(self) -> float:
        """See ``Clock``."""
        return self._time.wall()

    def call_later(self, delay_s: float, call: Callable[..., Any], *args: Any) -> Timer:
        """See ``Clock``. That a killed process's connections are closed is still noticed."""
        return self._time.call_later(delay_s, self._pass, call, args)

    def _pass(self, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self._process.killed:
            call(*args)
        else:
            self._process.reached_by(call, *args)
