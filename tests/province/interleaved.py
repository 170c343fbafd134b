"""Scenes in which one particular order of events is brought about, by delays, faults and messages held back.

A ``Scene`` is a province of three cities in which every node is a process of its own: it can be killed between two
moments, stopped for a while, and its machine's wall clock can be stepped. Anchor is 佛山, serving site 深圳, and 广州
the third. ``interleaving`` registers a scenario as one of the interleavings of federation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from dataset import rows
from dataset.ids import HUB, CityId, LineageId, NodeId, is_hub
from dataset.intervals import fold
from dataset.rows import Journalled
from federation.core.envelope import AnyMessage, Envelope
from federation.core.joins import ContactRecord, contact_record, standing
from federation.links.inprocess import Fate, Line
from federation.node.clock import ProcessClock, VirtualClock
from federation.node.journal_memory import MemoryDisk
from federation.ports import Clock, Link
from simulation.ledger_check import CallerLine, Findings, LedgerCheck
from simulation.storage import MemoryStorage
from site_node.core.telephony import Report
from site_node.ports import Capability, Switch
from site_node.switch.simulated.adapter import SimulatedSwitch
from site_node.switch.simulated.phones import Caller
from tests.harness.mutations import MUTATIONS
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities

ANCHOR, SERVING, THIRD = FOSHAN, SHENZHEN, GUANGZHOU
CITIES = (GUANGZHOU, SHENZHEN, FOSHAN)
R = TypeVar("R")


# ── what is held back ───────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Held:
    """Messages that are kept on their way until somebody lets them go, however old they are by then."""

    to: NodeId
    kinds: tuple[type, ...]
    deliver: Callable[[Envelope], None]
    waiting: list[Envelope] = field(default_factory=list)
    open: bool = False

    def takes(self, envelope: Envelope) -> bool:
        """Keep ``envelope`` if it is one of these."""
        if self.open or not isinstance(envelope.body, self.kinds):
            return False
        self.waiting.append(envelope)
        return True

    def no_more(self) -> None:
        """What comes from now on passes; what is here stays."""
        self.open = True

    def let_one_go(self) -> None:
        """The oldest arrives now."""
        self.deliver(self.waiting.pop(0))

    def let_go(self) -> None:
        """All arrive now, in their order; later ones are not kept."""
        self.open = True
        waiting, self.waiting = self.waiting, []
        for envelope in waiting:
            self.deliver(envelope)


class _Link:
    """A node's link with a place on it where messages can be held back."""

    def __init__(self, link: Link, scene: Scene, node: NodeId) -> None:
        self._link = link
        self._scene = scene
        self._node = node
        self.dropped = link.dropped
        self.failures = link.failures
        self.received: Callable[[Envelope], None] | None = None

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        self.received = received
        self._scene.links[self._node] = self
        self._link.start(self._arrived, changed)

    def _arrived(self, envelope: Envelope) -> None:
        if not any(held.takes(envelope) for held in self._scene.held if held.to == self._node):
            self.take(envelope)

    def take(self, envelope: Envelope) -> None:
        if self.received is not None:
            self._scene.heard.append((self._node, envelope.body))
            self.received(envelope)

    def send(self, envelope: Envelope) -> None:
        self._link.send(envelope)

    def stop(self) -> Deferred[None]:
        self.received = None
        return self._link.stop()


class _Switch:
    """A city's switch as a process reaches it: while that is stopped, reports wait."""

    capabilities: frozenset[Capability] = SimulatedSwitch.capabilities

    def __init__(self, switch: SimulatedSwitch, process: ProcessClock) -> None:
        self._switch = switch
        self._process = process
        self.request = switch.request
        self.answer_seat = switch.answer_seat
        self.stop = switch.stop

    def start(self, sink: Callable[[Report], None]) -> None:
        self._switch.start(lambda report: self._process.reached_by(sink, report))


# ── the scene ───────────────────────────────────────────────────────────────────────────────────────────────────────
class Scene(ThreeCities):
    """See the module. ``at_the_moment`` is called when the scenario says that its critical moment has come."""

    def __init__(
        self,
        seed: int = 1,
        *,
        hubs: tuple[NodeId, ...] = (HUB,),
        at_the_moment: Callable[[Scene], None] | None = None,
    ) -> None:
        self.processes: dict[NodeId, ProcessClock] = {}
        self.links: dict[NodeId, _Link] = {}
        self.held: list[Held] = []
        self.heard: list[tuple[NodeId, AnyMessage]] = []
        """who took in what, in order"""
        self.sent: list[tuple[NodeId, AnyMessage]] = []
        """who sent what, per receiver"""
        self.calls: dict[str, Caller] = {}
        self.down: set[NodeId] = set()
        self.destroyed: dict[tuple[LineageId, int], Journalled] = {}
        """rows that a fault took off their journal"""
        self.moments = 0
        self._at_the_moment = at_the_moment
        super().__init__(seed, VirtualClock(), hubs=hubs)  # nobody at a desk is missed: time stands still there
        self.wires.on_fate = self._fate

    def _fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        if fate is Fate.SENT:
            self.sent.append((envelope.sender, envelope.body))

    def make_storage(self) -> MemoryStorage:
        return MemoryStorage(self.time, clock_of=lambda node: self.processes[node])

    # ── parts of a node ──
    def clock_of(self, node: NodeId) -> Clock:
        fresh = ProcessClock(self.time)
        if node in self.processes:
            fresh.wall_step_s = self.processes[node].wall_step_s
        self.processes[node] = fresh
        return fresh

    def switch_of(self, city: CityId) -> Switch:
        return _Switch(self.network.adapter(city), self.processes[NodeId(city)])

    def link_of(self, node: NodeId) -> Link:
        return _Link(self.wires.link(node, self.processes[node]), self, node)

    # ── people ──
    def call(self, city: CityId, door: str = "112", calling: str = "", wait_s: float = 2.0) -> Caller:
        number = calling or f"138{len(self.calls) + 1:08d}"
        self.calls[number] = super().call(city, door, number, wait_s)
        return self.calls[number]

    def talking(self, agent_city: CityId, caller: Caller, number: int = 0) -> bool:
        """Whether caller and seat hear each other."""
        phone = self.phone(agent_city, number)
        return caller.hears().voice is phone and phone.hears().voice is caller

    # ── faults ──
    def moment(self) -> None:
        """Now it matters."""
        self.moments += 1
        if self._at_the_moment is not None:
            self._at_the_moment(self)

    def hold(self, to: NodeId | CityId, *kinds: type) -> Held:
        """Hold back messages of these kinds on their way to a node."""
        node = NodeId(to)
        held = Held(node, kinds, lambda envelope: self.links[node].take(envelope))
        self.held.append(held)
        return held

    def kill(self, node: NodeId | CityId) -> None:
        """Kill -9: what was not synced is lost."""
        which = NodeId(node)
        self.down.add(which)
        self.memory.crash(which)
        self.processes[which].kill()
        if is_hub(which):
            del self.hubs[which]  # the lock is not given back
        else:
            self.stop_city(CityId(which))

    def begin(self, node: NodeId | CityId) -> None:
        """Start a node that is down."""
        which = NodeId(node)
        self.down.discard(which)
        if is_hub(which):
            self.start_hub(which)
        else:
            self.start_city(CityId(which))

    def restart(self, node: NodeId | CityId, *, away_s: float = 1.0) -> None:
        """Kill a node, and start it a little later."""
        self.kill(node)
        self.pass_s(away_s)
        self.begin(node)

    def slow_disk(self, node: NodeId | CityId, sync_s: float) -> None:
        """From the next sync on each takes so long."""
        disk = self.memory.disk(NodeId(node))
        if disk.running is not None:
            disk.running.sync_s = sync_s
        if disk.store is not None:
            disk.store.commit_s = sync_s

    def step_wall(self, node: NodeId | CityId, seconds: float) -> None:
        """The machine's wall clock is set forward or back; nobody's monotonic clock notices."""
        self.processes[NodeId(node)].wall_step_s += seconds

    def line(self, sender: NodeId | CityId, receiver: NodeId | CityId) -> Line:
        """One direction between two nodes."""
        return self.wires.line(NodeId(sender), NodeId(receiver))

    def cut(self, *nodes: NodeId | CityId) -> None:
        self.wires.cut([NodeId(node) for node in nodes])

    def mend(self, *nodes: NodeId | CityId) -> None:
        self.wires.cut([NodeId(node) for node in nodes], restore=True)

    def backup(self, node: NodeId | CityId) -> MemoryDisk:
        return self.memory.disk(NodeId(node)).journal.copy()

    def set_back(self, node: NodeId | CityId, disk: MemoryDisk) -> None:
        """The journal of a node that is down is ``disk`` from here on."""
        which = self.memory.disk(NodeId(node))
        kept = {(row.lineage, row.sequence) for row in _all(disk)}
        self.destroyed |= {
            (row.lineage, row.sequence): row for row in _all(which.journal) if (row.lineage, row.sequence) not in kept
        }
        which.journal = disk

    def spoil(self, node: NodeId | CityId, kind: type) -> int:
        """A bit flips on the disk, in the word that names the kind of the last row of a kind; its sequence."""
        rows_there = self.memory.disk(NodeId(node)).journal.lineages[-1].rows
        sequence = max(at for at, one in rows_there.items() if isinstance(one.journalled.row, kind))
        good = rows_there[sequence]
        word = str(good.journalled.row.__struct_config__.tag).encode()
        flipped = word[:-1] + bytes([word[-1] ^ 1])
        rows_there[sequence] = good._replace(data=good.data.replace(word, flipped))
        return sequence

    # ── afterwards ──
    def heard_by(self, node: NodeId | CityId, kind: type[R]) -> list[R]:
        """The messages of a kind that a node took in."""
        return [message for at, message in self.heard if at == node and isinstance(message, kind)]

    def sent_by(self, node: NodeId | CityId, kind: type[R]) -> list[R]:
        """The messages of a kind that a node sent."""
        return [message for at, message in self.sent if at == node and isinstance(message, kind)]

    def own(self, node: NodeId | CityId) -> list[Journalled]:
        """Every row in a node's journal."""
        return _all(self.memory.disk(NodeId(node)).journal)

    def hub_rows(self, hub: NodeId = HUB) -> list[Journalled]:
        """Every row of the cities that the hub has on record."""
        return [row for row, _ in self.memory.disk(hub).ledger.rows.values() if not is_hub(NodeId(row.node))]

    def on_record(self, node: NodeId | CityId) -> list[tuple[LineageId, int]]:
        """The origins of all rows of cities that a node has received and keeps."""
        kept = self.memory.disk(NodeId(node)).ledger.rows.values()
        return [(row.lineage, row.sequence) for row, _ in kept if not is_hub(NodeId(row.node))]

    def record(self, number: str = "") -> ContactRecord:
        """What the hub knows of the call of ``number``; of the only call there was."""
        known = self.hub_rows()
        [born] = [
            row.row
            for row in known
            if isinstance(row.row, rows.ContactBorn) and (not number or row.row.calling == number)
        ]
        return contact_record(born.contact, known, standing(known))

    def province_record(self, number: str) -> tuple[str | None, bool]:
        """How the call of ``number`` ended, as the hub's screens have it, and whether that is only computed."""
        assert self.hub is not None
        [seen] = [one for one in self.hub.running.memory.contacts.latest(1_000) if one.calling == number]
        return seen.ending, seen.lost

    def settle(self, within_s: float = 90.0) -> None:
        """All that is broken is whole again, people hang up and finish; then a while for the ledgers."""
        for held in self.held:
            held.let_go()
        for node in sorted(self.down):
            self.begin(node)
        for node, process in self.processes.items():
            if not process.running:
                process.go_on()
            self.slow_disk(node, 0.005)
        for cut_off in map(NodeId, (*CITIES, *self.province.hub_ids)):
            self.mend(cut_off)
        for city in CITIES:
            exchange = self.network.city(city)
            exchange.command_delay_s = exchange.report_delay_s = 0.0
            exchange.recover()
            exchange.reconnect()
            for trunk in exchange.trunks.values():
                trunk.restore()
                trunk.delay_s = 0.02
        self.pass_s(40.0)
        for caller in self.calls.values():
            caller.hang_up()
        self.pass_s(within_s)

    def findings(self, **check: Any) -> Findings:
        """What the ledger checker says; rows that a fault destroyed may be at the hub all the same."""
        lines = [CallerLine(number, reached=True) for number in self.calls]
        own = {str(city): self.own(city) for city in CITIES}
        gone = frozenset(self.destroyed)
        return LedgerCheck(lines, own, self.hub_rows(), lost_rows=gone, **check).findings()

    def durations_are_real(self) -> None:
        """No duration on record is negative, or longer than there was time: wall clocks measure none."""
        measured = ("waited_s", "talked_s", "held_s", "wrap_up_s", "lasted_s")
        for node in (*map(NodeId, CITIES), *self.province.hub_ids):
            for entry in self.own(node):
                for name in measured:
                    seconds = getattr(entry.row, name, 0.0)
                    assert 0.0 <= seconds <= self.time.monotonic() + 0.001, (name, entry)

    def holds(self) -> None:
        """0/0/0, and the hub's reports are those of the journals (I1, I2, I3, I6, I7)."""
        self.settle()
        found = self.findings()
        assert found.passed, found.text()
        offline = [*self.destroyed.values(), *(row for city in CITIES for row in self.own(city))]
        Random(1).shuffle(offline)
        for hub in self.province.hub_ids:
            assert fold(offline).json() == fold(self.hub_rows(hub)).json()


def _all(disk: MemoryDisk) -> list[Journalled]:
    return [one.journalled for lineage in disk.lineages for one in lineage.rows.values()]


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Interleaving:
    """One of federation.md's last section."""

    name: str
    sentence: str
    """which one"""
    rules: tuple[str, ...]
    broken_by: tuple[str, ...]
    """mutations under which the scenario must fail"""
    play: Callable[[Scene], None]
    hubs: tuple[NodeId, ...] = (HUB,)
    listed: bool = True
    """False: not of that list, but a rule is to be seen at work in it"""

    def begin(self, at_the_moment: Callable[[Scene], None] | None = None) -> Scene:
        """A province to play it in."""
        return Scene(hubs=self.hubs, at_the_moment=at_the_moment)


INTERLEAVINGS: dict[str, Interleaving] = {}


def interleaving(
    sentence: str,
    *rules: str,
    broken_by: tuple[str, ...],
    hubs: tuple[NodeId, ...] = (HUB,),
    listed: bool = True,
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register a scenario; its name is that of the function."""

    def register(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        unknown = [name for name in broken_by if name not in MUTATIONS]
        if unknown or play.__name__ in INTERLEAVINGS:
            raise ValueError(f"{play.__name__}: {unknown or 'there already'}")
        INTERLEAVINGS[play.__name__] = Interleaving(play.__name__, sentence, rules, broken_by, play, hubs, listed)
        return play

    return register
