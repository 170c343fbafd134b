"""One seed, from the first login to the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner, globalLogPublisher
from zope.interface import implementer

from dataset.ids import NodeId
from dataset.rows import ROW_BYTES
from federation.node.clock import VirtualClock
from simulation.chaos.aims import attaches, calls_back, draw_aims
from simulation.chaos.call_backs import CallBacks
from simulation.chaos.check import Verdict, check
from simulation.chaos.clerks import Clerks
from simulation.chaos.faults import Faults
from simulation.chaos.files import Files
from simulation.chaos.people import People
from simulation.chaos.scene import WALL0, draw_province, package
from simulation.chaos.schedule import Step, draw_schedule
from simulation.chaos.world import ChaosProvince

HEAL_S = 1000.0
HANG_UP_S = 1065.0
END_S = 1200.0


@dataclass(slots=True)
class Result:
    """What became of one seed."""

    seed: int
    cities: int
    contacts: int
    rows: int
    violations: list[str]
    unchecked: list[str]
    faults: dict[str, int]
    """kind: how often it hit"""
    kinds_hit: int
    interleavings: dict[str, int]
    digest: str
    """over every row, every call and every receipt: equal for equal runs"""
    island_calls: int = 0
    """calls at home in an island that I5 was held to"""
    lost_with_journal: int = 0
    """facts that are unknown, and named, since a fault destroyed their rows"""
    timeline: list[tuple[float, str, str]] = field(default_factory=list)
    """moment, place, what happened"""
    schedule: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Nothing was violated."""
        return not self.violations


class Run:
    """A seed being played."""

    def __init__(self, seed: int, *, timeline: bool = False, faults: bool = True) -> None:
        self.seed = seed
        self.timeline: list[tuple[float, str, str]] = []
        rng = Random(seed)
        self.time = VirtualClock(wall0=WALL0)
        self.world = world = ChaosProvince(
            draw_province(Random(rng.getrandbits(64))),
            package(),
            self.time,
            Random(rng.getrandbits(64)),
            with_records=attaches(seed),
        )
        if timeline:
            world.watch.said = self.say
        self._roads(Random(rng.getrandbits(64)))
        self.people = People(world, Random(rng.getrandbits(64)))
        codes = {city.id: city.area_code for city in world.province.cities}
        # a source of their own: what everybody else does in a seed does not hang on what they draw
        self.call_backs = CallBacks(world, seed) if calls_back(seed) else None
        self.clerks = Clerks(
            self.time,
            Random(f"{seed}, clerks"),
            codes,
            world.work.on_told,
            calls_back=self.call_backs is not None,
        )
        world.on_seated.append(self.clerks.seated)
        self.files = Files(world, seed, self.clerks) if attaches(seed) else None
        cities = [NodeId(city.id) for city in world.province.cities]
        self.schedule: list[Step] = (
            draw_schedule(Random(rng.getrandbits(64)), cities, world.province.hub_ids) if faults else []
        )
        if faults:
            self.schedule += draw_aims(seed, cities, world.province.hub_ids)
        say = self.say if timeline else _say_nothing
        self.faults = Faults(world, Random(rng.getrandbits(64)), self.people.hang_up_contact, say)
        self.broken: list[str] = []
        """what the program itself logged as a failure"""

    def say(self, where: str, what: str) -> None:
        """For the timeline."""
        self.timeline.append((self.time.monotonic(), where, what))

    def _roads(self, rng: Random) -> None:
        """How far everything is from everything else; nothing of it wrong."""
        world = self.world
        for one in world.nodes:
            for other in world.nodes:
                world.wires.line(one, other).delay_s = rng.choice((0.005, 0.02, 0.06, 0.15))
        for city in [one.id for one in world.province.cities]:
            exchange = world.network.city(city)
            exchange.command_delay_s = rng.choice((0.0, 0.01, 0.05))
            exchange.report_delay_s = rng.choice((0.0, 0.01, 0.05))
            for beyond, trunk in exchange.trunks.items():
                if beyond > city:
                    trunk.delay_s = rng.choice((0.02, 0.1, 0.4))

    def play(self) -> Verdict:
        """Let the twenty minutes pass and judge them."""
        with self._heard_failures():
            self.world.start()
            self.people.begin()
            self.clerks.begin()
            if self.files is not None:
                self.files.begin()
            self.faults.begin(self.schedule)
            self._pass_until(HEAL_S)
            self.faults.heal()
            self._start_all()
            self._pass_until(HANG_UP_S)
            self.people.all_hang_up()
            if self.call_backs is not None:
                self.call_backs.all_hang_up()
            self._pass_until(END_S)
        return check(self.world, self.people, self.clerks, self.faults, self.call_backs, self.files, self.broken)

    def _pass_until(self, moment: float) -> None:
        """Let time pass. What a call raises is noted and the others go on, as under a reactor."""
        while self.time.monotonic() < moment:
            try:
                self.time.advance_to(moment)
            except Exception as error:  # noqa: BLE001 - judged as a violation, and the seed is played to its end
                where = error.__traceback__
                while where is not None and where.tb_next is not None:
                    where = where.tb_next
                place = where.tb_frame.f_code.co_qualname if where is not None else ""
                self.broken.append(f"{type(error).__name__}: {error} in {place}")

    def _start_all(self) -> None:
        for node in self.world.nodes:
            if not self.world.runs(node) and node not in self.faults.lost:
                self.world.start_node(node)
        for city in self.world.province.cities:
            if NodeId(city.id) in self.faults.lost:
                continue
            exchange = self.world.network.city(city.id)
            exchange.recover()
            exchange.reconnect()

    @contextmanager
    def _heard_failures(self) -> Iterator[None]:
        observer = _Observer(self.broken)
        globalLogPublisher.addObserver(observer)
        try:
            yield
        finally:
            globalLogPublisher.removeObserver(observer)

    def result(self) -> Result:
        """Play, and say what became of it."""
        verdict = self.play()
        world = self.world
        hits = {str(kind): count for kind, count in sorted(self.faults.hits.items()) if count}
        return Result(
            seed=self.seed,
            cities=len(world.province.cities),
            contacts=len(world.watch.born),
            rows=sum(len(rows) for rows in world.disks.shadow.values()),
            violations=verdict.violations,
            unchecked=verdict.unchecked,
            faults=hits,
            kinds_hit=len(hits),
            interleavings=dict(sorted(world.watch.reached.items())),
            digest=self._digest(),
            island_calls=verdict.island_calls,
            lost_with_journal=verdict.lost_with_journal,
            timeline=self.timeline,
            schedule=[step.text() for step in self.schedule],
        )

    def _digest(self) -> str:
        digest = blake2b(digest_size=16)
        for node in self.world.nodes:
            digest.update(node.encode())
            for row in self.world.disks.shadow[node].values():
                digest.update(ROW_BYTES.encode(row))
        for record in self.people.records:
            digest.update(repr(record).encode())
        for handed_in in self.clerks.handed_in.values():
            digest.update(repr(handed_in).encode())
        digest.update(repr((sorted(self.faults.hits.items()), self.world.wires.dropped)).encode())
        return digest.hexdigest()


@implementer(ILogObserver)
class _Observer:
    """Keeps what the program logs as a failure."""

    def __init__(self, broken: list[str]) -> None:
        self._broken = broken

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            where = failure.frames[-1] if failure.frames else ("", "", 0)
            said = f"{failure.type.__name__}: {failure.getErrorMessage()} in {where[0]} ({where[2]})"
            self._broken.append(f"{formatEvent(event)}: {said}")
        elif event.get("log_level") is LogLevel.error:
            self._broken.append(formatEvent(event))


def _say_nothing(where: str, what: str) -> None:
    """No timeline is wanted."""


_quiet = False


def be_quiet() -> None:
    """Keep the program's log off the terminal; failures in it are still judged."""
    global _quiet
    if not _quiet:
        _quiet = True
        globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)


def play(seed: int, *, timeline: bool = False) -> Result:
    """Play ``seed``."""
    return Run(seed, timeline=timeline).result()
