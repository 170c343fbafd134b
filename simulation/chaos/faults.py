"""Carries out a schedule, undoes everything in the end, and counts how often each kind of fault really hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, ConnectionId, ContactId, NodeId, Token, is_hub
from federation.core.envelope import Envelope, HubBeat, PieceAsked, PieceTold, Stream
from federation.core.lease import LeaseState
from federation.links.inprocess import Fate
from federation.node.journal_memory import MemoryDisk
from federation.node.login import Actor
from simulation.chaos.island import IslandWatch
from simulation.chaos.schedule import Kind, Step, Who
from simulation.chaos.sessions import SessionWatch
from simulation.chaos.slots import SlotWatch
from simulation.chaos.watch import Moment, Track
from simulation.chaos.witness import Witness
from simulation.chaos.work_watch import DeadlineWatch
from simulation.chaos.world import ChaosProvince
from site_node.core.telephony import Cause
from site_node.switch.simulated.trunks import Trunk

BACKUP_EVERY_S = 20.0
_LOOK_AFTER_S = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Harm:
    """What a fault does to one direction of a line."""

    kind: Kind
    cut: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    stale: bool = False


@dataclass(slots=True)
class _Armed:
    """A step that waits for its moment; with ``of`` only of that contact."""

    step: Step
    of: ContactId | None = None


Undo = Callable[[], None]


class Faults:
    """The faults of one run."""

    def __init__(
        self, world: ChaosProvince, rng: Random, hang_up: Callable[[ContactId], bool], say: Callable[[str, str], None]
    ) -> None:
        self.hits: Counter[Kind] = Counter()
        self.tainted_nodes: set[NodeId] = set()
        """nodes whose journal was harmed"""
        self.lost: set[NodeId] = set()
        """cities of which nothing is left"""
        self._disturbances: Counter[NodeId] = Counter()
        self._calm_since: dict[NodeId, float] = {}
        self._stepped_at: dict[NodeId, float] = {}
        """when its wall clock was last set"""
        self._world = world
        self._rng = rng
        self._hang_up = hang_up
        self._say = say
        self._harms: dict[tuple[NodeId, NodeId], list[_Harm]] = {}
        self._usual_delay = {
            pair: world.wires.line(*pair).delay_s for pair in ((a, b) for a in world.nodes for b in world.nodes)
        }
        self._cut_off: Counter[NodeId] = Counter()
        self._undo: dict[int, Undo] = {}
        self._count = 0
        self._armed: list[_Armed] = []
        self._harmed_trunks: set[Trunk] = set()
        self._paused: dict[NodeId, float] = {}
        self._backups: dict[NodeId, list[tuple[float, MemoryDisk]]] = {}
        self._healed = False
        self.island = IslandWatch(world.time, world.wires, world.nodes, self.disturbed_at)
        world.on_rows.append(self.island.on_rows)
        self.slots = SlotWatch(world.time, world.network, self.disturbed_at, self._waits)
        world.on_rows.append(self.slots.on_rows)
        self.sessions = SessionWatch(world.time, world.wires)
        self.deadlines = DeadlineWatch(world.time, world.books, self._deadlines_disturbed_at)
        self._trunk_harmed_at: dict[Trunk, float] = {}
        self.witness = Witness(world.time, world.network, world.watch, self._gone_s, self._calm_s, self._knows)
        world.on_rows.append(self.witness.on_rows)
        world.on_request.append(self.witness.on_request)
        world.on_report.append(self.witness.on_report)
        world.watch.hear = self._moment
        world.wires.on_fate = self._fate

    # ── the schedule ────────────────────────────────────────────────────────────────────────────────────────────────
    def begin(self, steps: list[Step]) -> None:
        """From now on faults happen."""
        for step in steps:
            self._world.time.call_later(step.at_s, self._due, step)
        restored = [step for step in steps if step.kind is Kind.JOURNAL_RESTORED]
        if restored:
            self._back_up()

    def _back_up(self) -> None:
        if self._healed:
            return
        for node in self._world.nodes:
            if not is_hub(node):
                copies = self._backups.setdefault(node, [])
                copies.append((self._world.time.monotonic(), self._world.disks.backup(node)))
        self._world.time.call_later(BACKUP_EVERY_S * 3, self._back_up)

    def _due(self, step: Step) -> None:
        if step.moment is None:
            self._carry_out(step, None)
        else:
            self._armed.append(_Armed(step))

    def _moment(self, moment: Moment, track: Track) -> None:
        if not self._armed or self._healed:
            return
        for armed in [one for one in self._armed if one.step.moment is moment and one.of in (None, track.id.contact)]:
            self._armed.remove(armed)
            for follower in armed.step.then:
                self._armed.append(_Armed(follower, track.id.contact))
            self._world.time.call_later(armed.step.delay_s, self._carry_out, armed.step, track)

    def _carry_out(self, step: Step, track: Track | None) -> None:
        if self._healed:
            return
        node = self._node_of(step, track)
        if node is None:
            return
        self._say(node, f"fault: {step.text()}")
        other = step.other
        if track is not None and step.who is Who.BOTH:
            other = NodeId(track.anchor if track.site == CityId(node) else track.site or track.anchor)
        undo = self._DO[step.kind](self, step, node, other, track)
        if undo is not None:
            self._count += 1
            number = self._count
            self._undo[number] = undo
            self._world.time.call_later(step.lasts_s, self._over, number, step, node)

    def _over(self, number: int, step: Step, node: NodeId) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            self._say(node, f"over: {step.kind}")
            undo()

    def _node_of(self, step: Step, track: Track | None) -> NodeId | None:
        if step.who is Who.NAMED or track is None:
            return step.node
        if step.who is Who.HUB:
            running = [hub for hub in self._world.hubs if hub not in self._paused]
            leader = self._world.lock.holder
            return leader if leader in running else running[0] if running else None
        if step.who is Who.ANCHOR:
            return NodeId(track.anchor)
        if track.site is not None:
            return NodeId(track.site)
        others = [node for node in self._world.nodes if not is_hub(node) and CityId(node) != track.anchor]
        return self._rng.choice(others)

    def heal(self) -> None:
        """Undo everything that lasts; nothing new happens."""
        self._healed = True
        self._armed = []
        for number in list(self._undo):
            undo = self._undo.pop(number, None)
            if undo is not None:
                undo()
        for process in self._world.processes.values():
            process.wall_step_s = 0.0

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        if fate is Fate.SENT and self._harms:
            harms = self._harms.get((envelope.sender, receiver))
            if harms:
                for harm in harms:
                    self.hits[harm.kind] += 1
        stream = envelope.stream
        if stream is Stream.COMMAND:
            self.witness.on_command(fate, receiver, envelope)
            self.slots.on_fate(fate, receiver, envelope)
            self._world.watch.on_command(fate, receiver, envelope)
        elif stream is Stream.LEDGER:
            if isinstance(envelope.body, PieceAsked | PieceTold):
                self._world.on_piece(fate, receiver, envelope)
            self.sessions.on_fate(fate, receiver, envelope)
        elif fate is Fate.SENT and isinstance(envelope.body, HubBeat):
            self._world.watch.on_hub_beat(envelope, envelope.body)

    def _harm(self, pairs: list[tuple[NodeId, NodeId]], harm: _Harm) -> Undo:
        for pair in pairs:
            self._harms.setdefault(pair, []).append(harm)
            self._recompute(pair)

        def undo() -> None:
            for pair in pairs:
                self._harms[pair].remove(harm)
                self._recompute(pair)

        return undo

    def _recompute(self, pair: tuple[NodeId, NodeId]) -> None:
        harms = self._harms[pair]
        line = self._world.wires.line(*pair)
        line.cut = any(one.cut for one in harms)
        line.delay_s = self._usual_delay[pair] + sum(one.delay_s for one in harms)
        line.jitter_s = max((one.jitter_s for one in harms), default=0.0)
        line.loss = max((one.loss for one in harms), default=0.0)
        line.duplicate = max((one.duplicate for one in harms), default=0.0)
        line.keeps_stale = any(one.stale for one in harms)
        if not harms:
            del self._harms[pair]

    def _around(self, node: NodeId, *, to: bool = True, of: bool = True) -> list[tuple[NodeId, NodeId]]:
        others = [one for one in self._world.nodes if one != node]
        return [*((node, one) for one in others if of), *((one, node) for one in others if to)]

    def _cut_node(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        return self._apart(node, step.kind)

    def _apart(self, node: NodeId, kind: Kind) -> Undo:
        """Cut a node off, and let its link know, until all that cut it off is over."""
        undo = self._harm(self._around(node), _Harm(kind, cut=True))
        self._cut_off[node] += 1
        self._world.wires.tell(node, False)

        def back() -> None:
            undo()
            self._cut_off[node] -= 1
            if not self._cut_off[node]:
                self._world.wires.tell(node, True)

        return back

    def _cut_silent(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        return self._harm(self._around(node), _Harm(step.kind, cut=True))

    def _cut_pair(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if other is None:
            return None
        return self._harm([(node, other), (other, node)], _Harm(step.kind, cut=True))

    def _one_way(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        return self._harm(self._around(node, to=False), _Harm(step.kind, cut=True))

    def _line_quality(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        harm = {
            Kind.LOSS: _Harm(step.kind, loss=step.figure),
            Kind.DELAY: _Harm(step.kind, delay_s=step.figure),
            Kind.DUPLICATE: _Harm(step.kind, duplicate=step.figure, jitter_s=0.5),
            Kind.REORDER: _Harm(step.kind, jitter_s=step.figure),
            Kind.STALE: _Harm(step.kind, delay_s=step.figure, stale=True),
        }[step.kind]
        return self._harm(self._around(node, to=step.kind is not Kind.STALE), harm)

    def _grant_again(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> None:
        if track is not None and track.grant is not None:
            self._world.time.call_later(step.figure, self._world.wires.carry, track.grant)
            self.hits[step.kind] += 1

    def _broker(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        self._world.wires.broker_dies()
        self.hits[step.kind] += 1
        return self._world.wires.broker_returns

    # ── processes and disks ─────────────────────────────────────────────────────────────────────────────────────────
    def _crash(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if not self._world.runs(node):
            return None
        self._disturb(node)
        self._world.kill(node)
        self._paused.pop(node, None)
        self.hits[step.kind] += 1

        def back() -> None:
            self._calm(node)
            if not self._world.runs(node) and node not in self.lost:
                self._world.start_node(node)

        return back

    def _journal_tail(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        return self._harm_journal(step, node, lambda: self._world.disks.lose_tail(node, max(1, int(step.figure))))

    def _journal_lost(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        return self._harm_journal(step, node, lambda: self._world.disks.lose_journal(node, None))

    def _journal_restored(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        now = self._world.time.monotonic()
        old = [disk for at, disk in self._backups.get(node, ()) if at <= now - step.figure]
        if not old:
            return None
        return self._harm_journal(step, node, lambda: self._world.disks.lose_journal(node, old[-1]), alone=True)

    def _harm_journal(self, step: Step, node: NodeId, harm: Callable[[], int], *, alone: bool = False) -> Undo | None:
        if is_hub(node):
            return None
        back = self._crash(step, node, None, None)
        if back is None:
            return None
        self.hits[step.kind] -= 1
        gone = harm()
        self._say(node, f"{gone} rows are gone from its journal")
        if gone:
            self.hits[step.kind] += 1
            self.tainted_nodes.add(node)
            if step.kind is not Kind.JOURNAL_RESTORED:
                self._world.watch.count({Kind.JOURNAL_TAIL: "journal_tail_lost"}.get(step.kind, "journal_lost"))
        if not alone:
            return back
        connected = self._apart(node, Kind.CUT_NODE)

        def write_on() -> None:
            back()
            written = len(self._world.disks.shadow[node])

            def connect() -> None:
                if gone and len(self._world.disks.shadow[node]) > written:
                    self._world.watch.count("journal_restored")
                connected()

            if self._healed:
                connect()
            else:
                self._count += 1
                number = self._count
                self._undo[number] = connect
                self._world.time.call_later(self._rng.uniform(5.0, 40.0), self._over, number, step, node)

        return write_on

    def _hub_disk(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if not is_hub(node):
            return None
        back = self._crash(step, node, None, None)
        if back is None:
            return None
        self.tainted_nodes.add(node)
        self._world.disks.lose_journal(node, None)
        if not self._world.disks.lose_ledger(node):
            self.hits[step.kind] -= 1
        self._world.watch.count("hub_disk_lost")
        return back

    def _pause(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if not self._world.runs(node) or node in self._paused:
            return None
        self._disturb(node)
        process = self._world.processes[node]
        process.stop()
        self._paused[node] = began = self._world.time.monotonic()
        led = self._world.lock.holder == node

        def back() -> None:
            self._calm(node)
            if self._paused.pop(node, None) is None or process.killed:
                return
            if process.waiting():
                self.hits[step.kind] += 1
            paused_s = self._world.time.monotonic() - began
            if is_hub(node):
                holder = self._world.lock.holder
                self._world.watch.hub_goes_on(term_over=led and holder not in (node, None))
            else:
                self._world.watch.node_goes_on(node, paused_s, self._world.province.times.grant_s)
            process.go_on()

        return back

    def _city_lost(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if is_hub(node) or self.lost or not self._world.runs(node):
            return None
        self._world.watch.host_lost(CityId(node))
        self._switch_dies(step, node, None, None)
        self._crash(step, node, None, None)
        self.lost.add(node)
        self.tainted_nodes.add(node)
        self._world.disks.lose_journal(node, None)
        self._world.disks.lose_ledger(node)
        self._world.disks.lose_files(node)
        self._world.time.call_later(15.0, self._declare_lost, node)
        if step.figure < 0.5:
            return None  # for good

        def back() -> None:
            self.lost.discard(node)
            self._world.network.city(CityId(node)).recover()
            if not self._world.runs(node):
                self._world.start_node(node)

        return back

    def _declare_lost(self, node: NodeId) -> None:
        """Somebody at the province says that a city is gone for good; again, until it is on record."""
        if node not in self.lost:
            return
        self._world.time.call_later(10.0, self._declare_lost, node)
        for hub in self._world.hubs.values():
            boss = Actor("province", None, "", frozenset({"province"}), hub.running.node)
            declaring = hub.province.declare_lost(boss, CityId(node), "flood")
            Deferred.fromCoroutine(declaring).addErrback(lambda failure: failure.trap(Refused))

    def _lock_away(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        nodes = self._world.province.hub_ids if self._rng.random() < 0.3 else (node,)
        self._world.lock.cut(*nodes)
        self.hits[step.kind] += 1
        return lambda: self._world.lock.restore(*nodes)

    def _lock_forgets(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> None:
        self._world.lock.forget()
        self.hits[step.kind] += 1

    def _version_mix(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if node in self._world.of_version_1 or not self._world.runs(node):
            return None
        self._world.of_version_1.add(node)
        self._restart(node)
        self.hits[step.kind] += 1

        def back() -> None:
            self._world.of_version_1.discard(node)
            if self._world.runs(node):
                self._restart(node)

        return back

    def _restart(self, node: NodeId) -> None:
        self._disturb(node)
        self._calm(node)
        self._paused.pop(node, None)
        self._world.kill(node)
        self._world.start_node(node)

    def _clock_step(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        self._world.watch.clock_jumps(node)
        by_s = self._rng.choice((-600.0, 600.0))
        self._step_wall(node, by_s)
        self.hits[step.kind] += 1

        def back() -> None:
            self._step_wall(node, -by_s)

        return back

    def _step_wall(self, node: NodeId, by_s: float) -> None:
        self._world.processes[node].wall_step_s += by_s
        self._stepped_at[node] = self._world.time.monotonic()

    def _slow_store(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        self._world.disks.slow(node, step.figure)
        written = len(self._world.disks.shadow[node])
        self._disturb(node)

        def back() -> None:
            self._calm(node)
            self.hits[step.kind] += len(self._world.disks.shadow[node]) > written
            self._world.disks.slow(node, None)

        return back

    def _disturb(self, node: NodeId) -> None:
        self._disturbances[node] += 1

    def _calm(self, node: NodeId) -> None:
        self._disturbances[node] -= 1
        self._calm_since[node] = self._world.time.monotonic()

    def _gone_s(self, node: NodeId) -> float:
        """For how long a node has been down."""
        since = self._world.killed_at.get(node)
        return 0.0 if since is None else self._world.time.monotonic() - since

    def _calm_s(self, one: CityId, other: CityId) -> float:
        """For how long nothing was wrong with two cities and the trunk between them."""
        trunk = self._world.network.trunk(one, other)
        if trunk in self._harmed_trunks:
            return 0.0
        last = max(
            self.disturbed_at(NodeId(one)), self.disturbed_at(NodeId(other)), self._trunk_harmed_at.get(trunk, 0.0)
        )
        return self._world.time.monotonic() - last

    def _knows(self, city: CityId, connection: ConnectionId) -> bool:
        """Whether a city's node knows a leg at its switch; one that has been disturbed of late is not asked."""
        site = self._world.sites.get(city)
        calm = self._world.time.monotonic() - self.disturbed_at(NodeId(city)) > _LOOK_AFTER_S
        if site is None or not calm:
            return True
        core = site.running.site
        known = (core.serving.knows, core.contacts.knows_leg, core.call_backs.knows)
        return any(knows(connection) for knows in known)

    def _waits(self, city: CityId, token: Token) -> bool:
        """Whether a city's node still holds a slot for a leg that has not come."""
        site = self._world.sites.get(city)
        lease = site.running.site.serving.lease(token) if site is not None else None
        return lease is not None and lease.state is LeaseState.GRANTED

    def disturbed_at(self, node: NodeId) -> float:
        """When something besides the lines last kept a node from its own callers; infinite while something does."""
        return float("inf") if self._disturbances[node] else self._calm_since.get(node, 0.0)

    def _deadlines_disturbed_at(self, node: NodeId) -> float:
        """As ``disturbed_at``, or when its clock was last set: a deadline that has passed is then still to come."""
        return max(self.disturbed_at(node), self._stepped_at.get(node, 0.0))

    # ── voice ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _switch_dies(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        exchange = self._world.network.city(CityId(node))
        if not exchange.up:
            return None
        self._disturb(node)
        self.hits[step.kind] += bool(exchange.connections)
        self._world.watch.switch_dies(CityId(node))
        exchange.fail()

        def back() -> None:
            self._calm(node)
            exchange.recover()

        return back

    def _switch_away(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        exchange = self._world.network.city(CityId(node))
        if not exchange.connected:
            return None
        self._disturb(node)
        self.hits[step.kind] += bool(exchange.connections)
        exchange.disconnect()

        def back() -> None:
            self._calm(node)
            exchange.reconnect()

        return back

    def _trunk(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        if other is None or other == node:
            return None
        trunk = self._world.network.trunk(CityId(node), CityId(other))
        if trunk in self._harmed_trunks:
            return None
        self._harmed_trunks.add(trunk)
        usual, set_ups = trunk.delay_s, trunk.set_ups
        used = trunk.in_use > 0
        match step.kind:
            case Kind.TRUNK_CUT:
                trunk.cut()
            case Kind.TRUNK_MUTE:
                trunk.mute(CityId(self._rng.choice((node, other))))
            case Kind.TRUNK_REFUSES:
                trunk.refuses = self._rng.choice((Cause.REFUSED, Cause.CONGESTION, Cause.BUSY))
            case Kind.TRUNK_SLOW:
                trunk.delay_s = step.figure
            case Kind.ANSWER_LOST:
                trunk.answers_lost += 1
            case _:
                trunk.alerts_lost += 1

        def back() -> None:
            self._harmed_trunks.discard(trunk)
            self._trunk_harmed_at[trunk] = self._world.time.monotonic()
            lost = step.kind in (Kind.ANSWER_LOST, Kind.ALERT_LOST)
            unspent = lost and trunk.answers_lost + trunk.alerts_lost > 0
            self.hits[step.kind] += (used or trunk.set_ups > set_ups) and not unspent
            trunk.delay_s, trunk.refuses, trunk.answers_lost, trunk.alerts_lost = usual, None, 0, 0
            trunk.restore()

        return back

    def _phone_vanishes(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo | None:
        seats = [phone for _, phone in sorted(self._world.network.city(CityId(node)).seats.items()) if phone.registered]
        if not seats:
            return None
        busy = [phone for phone in seats if phone.busy] or seats
        phone = self._rng.choice(busy)
        self._disturb(node)
        self.hits[step.kind] += phone.busy
        phone.vanish()

        def back() -> None:
            self._calm(node)
            phone.register()

        return back

    def _unattended(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> Undo:
        phones = [phone for _, phone in sorted(self._world.network.city(CityId(node)).seats.items())]
        rung = sum(phone.rings for phone in phones)
        for phone in phones:
            phone.unattended = True

        def back() -> None:
            self.hits[step.kind] += sum(phone.rings for phone in phones) > rung
            for phone in phones:
                phone.unattended = False

        return back

    def _caller_leaves(self, step: Step, node: NodeId, other: NodeId | None, track: Track | None) -> None:
        if track is not None and self._hang_up(track.id.contact):
            self.hits[step.kind] += 1

    _DO: dict[Kind, Callable[..., Undo | None]] = {  # noqa: RUF012 - a table, never changed
        Kind.CUT_NODE: _cut_node,
        Kind.CUT_SILENT: _cut_silent,
        Kind.CUT_PAIR: _cut_pair,
        Kind.ONE_WAY: _one_way,
        Kind.LOSS: _line_quality,
        Kind.DELAY: _line_quality,
        Kind.STALE: _line_quality,
        Kind.DUPLICATE: _line_quality,
        Kind.REORDER: _line_quality,
        Kind.GRANT_AGAIN: _grant_again,
        Kind.BROKER: _broker,
        Kind.CRASH_CITY: _crash,
        Kind.CRASH_HUB: _crash,
        Kind.JOURNAL_TAIL: _journal_tail,
        Kind.JOURNAL_LOST: _journal_lost,
        Kind.JOURNAL_RESTORED: _journal_restored,
        Kind.HUB_DISK: _hub_disk,
        Kind.CITY_LOST: _city_lost,
        Kind.LOCK_AWAY: _lock_away,
        Kind.LOCK_FORGETS: _lock_forgets,
        Kind.VERSION_MIX: _version_mix,
        Kind.SWITCH_DIES: _switch_dies,
        Kind.SWITCH_AWAY: _switch_away,
        Kind.TRUNK_CUT: _trunk,
        Kind.TRUNK_MUTE: _trunk,
        Kind.TRUNK_REFUSES: _trunk,
        Kind.TRUNK_SLOW: _trunk,
        Kind.ANSWER_LOST: _trunk,
        Kind.ALERT_LOST: _trunk,
        Kind.CLOCK_STEP: _clock_step,
        Kind.SLOW_STORE: _slow_store,
        Kind.PAUSE: _pause,
        Kind.PHONE_VANISHES: _phone_vanishes,
        Kind.UNATTENDED: _unattended,
        Kind.CALLER_LEAVES: _caller_leaves,
    }
