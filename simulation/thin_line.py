"""A busy province of which one city hangs on a thin line: what its streams cost there, and whether they keep up (S4).

Everything runs on a virtual clock, with simulated people: real cores, shells, journals and ledgers; voice goes
elsewhere and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from dataset.ids import CityId, NodeId
from dataset.records.attachment import digest
from dataset.rows import AttemptAnswered, Journalled
from federation.core.envelope import Beat, Envelope, Stream, encode
from federation.core.ledger import SendingPace
from federation.links.inprocess import Access, Fate
from federation.node.clock import VirtualClock
from federation.node.memory_transport import ClientEnd, MemoryDoor
from federation.node.province import load_province
from simulation.chaos.offered import offering
from simulation.population.callers import Callers, CallRecord, menu_prompts_of, wishes_of
from simulation.population.day import FLAT, DayProfile
from simulation.population.staff import Place, Staff
from simulation.province import SimulatedProvince, password_of
from simulation.storage import MemoryStorage
from site_node.shell.work_files import WorkFiles

LINE_BITS_PER_S = 512_000.0
DELAY_S = 0.1
OVERHEAD_BYTES = 250
"""TCP/IP, TLS records and AMQP method, header and body frames with properties, both ways' acknowledgements included"""
THIN = CityId("guangzhou")
VOID_S = 3 * DELAY_S
"""a command whose rest of a budget is less than the way is void when it is sent, on any line"""


@dataclass(frozen=True, slots=True)
class ThinLine:
    """What one run showed."""

    seconds: float
    calls: int
    answered: int
    moved_share: float
    """of the thin city's answered calls, those answered elsewhere"""
    up_share: float
    """of the line, over the whole run"""
    down_share: float
    longest_wait_s: float
    """of any message, for the line"""
    commands: int
    slowest_command_s: float
    closest_to_budget: float
    """largest share of its budget that a command spent on the way"""
    commands_lost: int
    """commands that never came, but for those that were void from the start, or sent while the line was cut, or then on
    their way"""
    ledger_lag_s: float
    """longest time from a row's journalling at the thin city to the hub's commit"""
    bytes_per_beat: float
    bytes_per_full_beat: float
    bytes_per_contact: float
    """ledger and commands of all nodes, over the contacts of all cities"""
    file_bytes_per_s: float = 0.0
    """of contents of files that came over the thin line, both ways together"""


class _Entrance:
    def __init__(self, world: SimulatedProvince, city: CityId) -> None:
        self._door = MemoryDoor(world.sites[city].desk.door, world.clock)

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        return self._door.login(user, password, seat)

    def open(self) -> ClientEnd:
        return self._door.open()


class _Watch:
    """Looks at every envelope."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._sent: dict[tuple[str, str, str, int], float] = {}
        self.delays: list[float] = []
        self.shares: list[float] = []
        self.beats: list[tuple[bool, int]] = []
        self.lag_s = 0.0
        self.cut = False

    def fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        if envelope.stream is not Stream.COMMAND:
            return
        place = (envelope.sender, receiver, envelope.lineage, envelope.sequence)
        if fate is Fate.SENT:
            if not self.cut:
                self._sent[place] = self._clock.monotonic()
        elif fate is Fate.DROPPED and place in self._sent and (self.cut or (envelope.budget_s or 0.0) < VOID_S):
            del self._sent[place]
        elif fate is Fate.ARRIVED and place in self._sent:
            delay = self._clock.monotonic() - self._sent.pop(place)
            self.delays.append(delay)
            if envelope.budget_s and envelope.budget_s >= VOID_S:
                self.shares.append(delay / envelope.budget_s)

    @property
    def not_come(self) -> int:
        """Commands dropped, or still on the way."""
        return len(self._sent)

    def rows(self, rows: Sequence[Journalled]) -> None:
        for row in rows:
            if row.node == THIN:
                self.lag_s = max(self.lag_s, self._clock.wall() - row.wall)


def run(
    province_file: Path,
    *,
    seconds: float = 3_600.0,
    agents: int = 30,
    busier: float = 1.5,
    pace_bits_per_s: float = LINE_BITS_PER_S / 2,
    cut_s: float = 0.0,
    seed: int = 1,
    file_bytes: int = 0,
) -> ThinLine:
    """``agents`` in each city; the thin one gets ``busier`` times the calls that its own can take, the others few.
    ``file_bytes``: all the while a file of this size is on its way from and to the thin city, one after the other.

    With ``cut_s`` the thin line is cut for so long in the middle: then what was written meanwhile has to come, beside
    everything else.
    """
    province, package = load_province(province_file)
    taken_per_hour = agents * 3_600.0 / 200.0
    cities = tuple(
        replace(city, agents=agents, calls_per_hour=taken_per_hour * (busier if city.id == THIN else 0.35))
        for city in province.cities
    )
    province = replace(province, cities=cities)
    clock = VirtualClock(wall0=1_700_000_000.0)
    world = SimulatedProvince(
        province,
        package,
        clock,
        Random(seed),
        storage=MemoryStorage(clock),
        link_delay_s=DELAY_S,
        pace=SendingPace.at(pace_bits_per_s),
        offering=offering() if file_bytes else None,
    )
    access = world.wires.access[NodeId(THIN)] = Access(LINE_BITS_PER_S, OVERHEAD_BYTES)
    watch = _Watch(clock)
    world.wires.on_fate = watch.fate
    world.start()
    assert world.hub is not None
    world.hub.running.ledger.on_rows(watch.rows)
    clock.advance(3.0)
    records: list[CallRecord] = []
    staff = Staff(clock, Random(seed + 1), _places(world))
    callers = Callers(
        clock,
        Random(seed + 2),
        world.network,
        {city.id: city.calls_per_hour for city in cities},
        wishes_of(package),
        province.province.number,
        menu_prompts_of(package),
        profile=DayProfile(FLAT),
        done=records.append,
    )
    staff.arrive()
    clock.advance(20.0)
    began, up, down = clock.monotonic(), access.up_bytes, access.down_bytes
    access.longest_wait_s = 0.0
    before = dict(world.wires.bytes_sent)
    callers.start()
    files = _Files(world, file_bytes) if file_bytes else None
    if cut_s:
        clock.advance((seconds - cut_s) / 2)
        watch.cut = True
        world.wires.cut([NodeId(THIN)])
        clock.advance(cut_s)
        world.wires.cut([NodeId(THIN)], restore=True)
        watch.cut = False
        clock.advance((seconds - cut_s) / 2)
    else:
        clock.advance(seconds)
    callers.stop()
    if files is not None:
        files.over = True
    took = clock.monotonic() - began
    capacity = LINE_BITS_PER_S / 8 * took
    up_share, down_share = (access.up_bytes - up) / capacity, (access.down_bytes - down) / capacity
    sent = {key: size - before.get(key, 0) for key, size in world.wires.bytes_sent.items()}
    clock.run_until(lambda: callers.in_progress == 0, 3_600.0)
    clock.advance(60.0)
    answers = [row.row for row in world.journal(NodeId(THIN)).rows_since(0.0) if isinstance(row.row, AttemptAnswered)]
    to_all = len(province.cities) + len(province.hub_ids) - 1
    picture = sent[NodeId(THIN), Stream.PICTURE] / to_all
    beats = took / province.times.beat_s
    return ThinLine(
        seconds=took,
        calls=len(records),
        answered=len(answers),
        moved_share=sum(answer.site != THIN for answer in answers) / max(len(answers), 1),
        up_share=up_share,
        down_share=down_share,
        longest_wait_s=access.longest_wait_s,
        commands=len(watch.delays),
        slowest_command_s=max(watch.delays, default=0.0),
        closest_to_budget=max(watch.shares, default=0.0),
        commands_lost=watch.not_come,
        ledger_lag_s=watch.lag_s,
        bytes_per_beat=picture / beats,
        bytes_per_full_beat=_full_beat(world),
        bytes_per_contact=sum(size for (_, stream), size in sent.items() if stream is not Stream.PICTURE)
        / max(len(records), 1),
        file_bytes_per_s=files.fetched / took if files is not None else 0.0,
    )


class _Files:
    """A content that is lent to the other city and fetched, again and again, each way."""

    def __init__(self, world: SimulatedProvince, size: int) -> None:
        self.over = False
        self.fetched = 0
        self._world = world
        self._content = bytes(size)
        other = next(city.id for city in world.province.cities if city.id != THIN)
        for here, there in ((THIN, other), (other, THIN)):
            self._fetch(here, there)

    def _files(self, city: CityId) -> WorkFiles:
        work = self._world.sites[city].running.work
        assert work is not None
        assert work.files is not None
        return work.files

    def _fetch(self, here: CityId, there: CityId) -> None:
        sha256, lender = digest(self._content), self._files(there)
        lender.own.keep(sha256, self._content)
        pieces = self._files(here).pieces
        assert pieces is not None

        def whole(content: bytes) -> None:
            self.fetched += len(content)
            if not self.over:
                self._fetch(here, there)

        pieces.fetch(there, lender.lend(here, sha256), len(self._content)).addCallback(whole)


def _places(world: SimulatedProvince) -> list[Place]:
    return [
        Place(
            agent.staff,
            password_of(agent.staff),
            agent.seat,
            _Entrance(world, city.id),
            world.network.add_seat(city.id, agent.seat),
        )
        for city in world.province.cities
        for agent in world.province.agents_of(city.id, world.package)
    ]


def _full_beat(world: SimulatedProvince) -> float:
    picture = world.sites[THIN].running.own_picture()
    beat = Beat(count=1, wall=world.clock.wall(), digest="0" * 16, full=picture)
    envelope = Envelope(
        sender=NodeId(THIN),
        to=NodeId("*"),
        stream=Stream.PICTURE,
        lineage=world.journal(NodeId(THIN)).lineage,
        sequence=1,
        body=beat,
    )
    return float(len(encode(envelope)))
