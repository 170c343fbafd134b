"""``yht demo``: hub and cities of a province alive in one process, with simulated callers and staff, in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from dataset.calendar import day_of
from dataset.ids import CityId, NodeId
from dataset.intervals import IntervalFold
from dataset.number_plan import NumberPlan
from dataset.packages import ServicePackage
from federation.node.clock import ReactorClock
from federation.node.http import HttpSettings, SharedRoot, listen, web_site
from federation.node.memory_transport import MemoryDoor
from federation.node.offering import Offering
from federation.node.province import AgentRecord, Province
from federation.node.screens import BUILT
from provincial_hub.services.summary import day_summary
from simulation.population.called import CalledCustomers
from simulation.population.callers import (
    Callers,
    SelfServiceHabits,
    menu_prompts_of,
    self_service_of,
    wishes_of,
)
from simulation.population.clerks import Clerk, Diligence
from simulation.population.customers import MOST_LINES, Population
from simulation.population.day import LOCAL_OFFSET_S
from simulation.population.draws import lognormal
from simulation.population.filling import Filling
from simulation.population.material import material
from simulation.population.staff import Manners, Place, Staff
from simulation.province import PROVINCE_USER, SimulatedProvince, city_base, clerk_of, lead_of, password_of
from simulation.storage import FileStorage

log = Logger()
MANNERS = Manners(forms=0.5, calls_back_s=lognormal(60.0, 0.5))
"""of the simulated staff: every second talk leads to work, and customers are called before it is closed"""
OPENING_HOUR = 9.5
"""local hour at which the simulated day begins, whatever the hour outside: a newcomer wants to see callers"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """What ``yht demo`` is told."""

    seed: int = 1
    speed: float = 1.0
    calls_per_hour: float | None = None
    """of the whole province, shared out as in the province file; None: as in the file"""
    listen: str = "127.0.0.1"
    port: int = 8080
    own_seats: int = 1
    """seats of each city that are left free for people"""
    lines: int = 300
    """telephone lines on record, on average of the cities; 0: nobody is on record"""
    clerks: bool = True
    """whether somebody behind the seats does the work that is handed in"""


@dataclass(slots=True)
class _People:
    staff: list[Staff] = field(default_factory=list)
    clerks: list[Clerk] = field(default_factory=list)
    free: dict[CityId, list[AgentRecord]] = field(default_factory=dict)


class Demo:
    """One running demo."""

    def __init__(
        self,
        reactor: Any,
        province: Province,
        package: ServicePackage,
        settings: DemoSettings,
        folder: Path,
        now: float,
        offering: Offering | None = None,
        plan: NumberPlan | None = None,
    ) -> None:
        rng = Random(settings.seed)
        began = opening(now)
        real = ReactorClock(reactor)
        clock = ReactorClock(reactor, speed=settings.speed, wall=lambda: began + real.wall() - now)
        self.settings = settings
        self.world = SimulatedProvince(
            province,
            package,
            clock,
            Random(rng.getrandbits(64)),
            storage=FileStorage(folder, clock, reactor),
            people_clock=real,
            speed=settings.speed,
            offering=offering,
            with_records=True,
            plan=plan,
        )
        self._began = began
        self._filling: Filling | None = None
        self._numbers: dict[CityId, list[str]] = {}
        self._pins: dict[str, str] = {}
        self._reactor = reactor
        self._clock = clock
        self._port: IListeningPort | None = None
        self._people = self._populate(Random(rng.getrandbits(64)))
        self.called = CalledCustomers(clock, settings.seed, self.world.network)
        rates = {city.id: city.calls_per_hour for city in province.cities}
        if settings.calls_per_hour is not None:
            total = sum(rates.values()) or 1.0
            rates = {city: rate * settings.calls_per_hour / total for city, rate in rates.items()}
        self.callers = Callers(
            clock,
            Random(rng.getrandbits(64)),
            self.world.network,
            rates,
            wishes_of(package),
            province.province.number,
            menu_prompts_of(package),
            numbers=self._numbers,
            self_service=SelfServiceHabits(self_service_of(package), self._pins),
        )

    def _populate(self, rng: Random) -> _People:
        """Staff at every seat but the ones left free for people."""
        people = _People()
        for city in self.world.province.cities:
            agents = self.world.province.agents_of(city.id, self.world.package)
            for agent in agents:
                self.world.network.add_seat(city.id, agent.seat)
            kept = min(self.settings.own_seats, max(0, len(agents) - 1))
            people.free[city.id] = list(agents[len(agents) - kept :])
            entrance = _Entrance(self.world, city.id, self._clock)
            places = [
                Place(
                    agent.staff,
                    password_of(agent.staff),
                    agent.seat,
                    entrance,
                    self.world.network.seat(city.id, agent.seat),
                )
                for agent in agents[: len(agents) - kept]
            ]
            people.staff.append(Staff(self._clock, Random(rng.getrandbits(64)), places, MANNERS))
            if self.world.offering is not None:
                clerk, work_rng = clerk_of(city.id), Random(rng.getrandbits(64))
                people.clerks.append(Clerk(self._clock, work_rng, clerk, password_of(clerk), entrance, Diligence()))
        return people

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> Deferred[str]:
        """Start everything; fires with the address of the first page. Errbacks with ``Refused``."""
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> str:
        root = SharedRoot(BUILT, self._nodes, self._demo)
        self.world.start()
        if self.world.hub is not None:
            root.mount("/hub", self.world.hub.resource(self._reactor, base="/hub", demo=self._demo))
        for city, site in self.world.sites.items():
            root.mount(city_base(city), site.resource(self._reactor, base=city_base(city), demo=self._demo))
        settings = HttpSettings(listen=self.settings.listen, port=self.settings.port)
        self._port = await listen(self._reactor, settings, web_site(root))
        for staff in self._people.staff:
            staff.arrive()
        for clerk in self._people.clerks if self.settings.clerks else ():
            clerk.arrive()
        self.callers.start()
        self._clock.call_later(0.0, self._fill)  # the first page does not wait for it
        port = cast(IPv4Address, self._port.getHost()).port
        return f"http://{self.settings.listen}:{port}/"

    def _fill(self) -> None:
        """Put customers on record, and have them call."""
        known = [city.id for city in self.world.province.cities if city.id in material().cities]
        if not known or not self.settings.lines:
            return
        lines = min(self.settings.lines * len(known), MOST_LINES)
        population = Population(material(), self.settings.seed, lines, known, today=day_of(self._began))
        stores = {city: site.records for city, site in self.world.sites.items() if site.records is not None}
        self._filling = Filling(population, stores, self._clock, self._numbers, self._pins)
        self._filling.start().addErrback(
            lambda failure: log.failure("customers could not be put on record", failure, event="population-failed")
        )

    def stop(self) -> Deferred[None]:
        """Nobody at the door; fires when everything is closed."""
        return Deferred.fromCoroutine(self._stop())

    def quiet(self) -> None:
        """No new calls."""
        self.callers.stop()

    async def _stop(self) -> None:
        if self._filling is not None:
            self._filling.stop()
        if self._port is not None:
            stopping = self._port.stopListening()
            if stopping is not None:
                await stopping
        await self.world.stop()

    def summary(self) -> str:
        """The simulated day so far, out of the nodes' own journals, every queue's balance written out (I7)."""
        fold = IntervalFold()
        for node in (*self.world.province.hub_ids, *(NodeId(city.id) for city in self.world.province.cities)):
            for row in self.world.journal(node).rows_since(0.0):
                fold.add(row)
        intervals = fold.intervals()
        return "\n".join(
            (
                day_summary(self.world.province, intervals, "zh"),
                day_summary(self.world.province, intervals, "en"),
            )
        )

    # ── what the first page asks ────────────────────────────────────────────────────────────────────────────────
    def _nodes(self) -> Mapping[str, Any]:
        return {
            "hub": "/hub",
            "cities": [
                {"city": city.id, "name": city.name, "name_en": city.name_en, "base": city_base(city.id)}
                for city in self.world.province.cities
            ],
        }

    def _demo(self) -> Mapping[str, Any]:
        return {"demo": True, "speed": self.settings.speed, "logins": self.logins()}

    def logins(self) -> list[dict[str, str]]:
        """Accounts that nobody else sits at: the bureau's, and the free seats of each city."""
        user = PROVINCE_USER
        logins = [{"kind": "province", "user": user.user, "password": password_of(user.user), "name": user.name}]
        for city, free in self._people.free.items():
            logins += [
                {
                    "kind": "agent",
                    "user": agent.staff,
                    "password": password_of(agent.staff),
                    "city": city,
                    "base": city_base(city),
                    "seat": agent.seat,
                    "name": agent.name,
                }
                for agent in free
            ]
            lead = lead_of(city)
            logins.append(
                {
                    "kind": "supervisor",
                    "user": lead,
                    "password": password_of(lead),
                    "city": city,
                    "base": city_base(city),
                    "name": "班长",
                }
            )
        return logins


class _Entrance:
    """The door of a city's present run, on the clock of the simulated people."""

    def __init__(self, world: SimulatedProvince, city: CityId, clock: ReactorClock) -> None:
        self._world = world
        self._city = city
        self._clock = clock

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        """Log in."""
        return self._door().login(user, password, seat)

    def open(self) -> Any:
        """A live connection."""
        return self._door().open()

    def _door(self) -> MemoryDoor:
        return MemoryDoor(self._world.sites[self._city].desk.door, self._clock)


def opening(now: float) -> float:
    """UTC seconds of today's opening hour in China."""
    midnight = (now + LOCAL_OFFSET_S) // 86_400 * 86_400 - LOCAL_OFFSET_S
    return float(midnight + OPENING_HOUR * 3600)


def run_demo(
    reactor: Any,
    province: Province,
    package: ServicePackage,
    settings: DemoSettings,
    now: float,
    say: Callable[[str], None],
    offering: Offering | None = None,
    plan: NumberPlan | None = None,
) -> Deferred[None]:
    """Run until interrupted; the reactor's shutdown waits until everything is closed and summed up."""
    folder = TemporaryDirectory(prefix="yht-demo-")
    demo = Demo(reactor, province, package, settings, Path(folder.name), now, offering, plan)
    interrupted: Deferred[None] = Deferred()

    async def whole() -> None:
        address = await demo.start()
        _welcome(demo, address, say)
        await interrupted
        say("正在结束 · ending …")
        demo.quiet()
        summary = demo.summary()
        await demo.stop()
        folder.cleanup()
        say(summary)

    running = Deferred.fromCoroutine(whole())

    def shutdown() -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def ended(result: object) -> object:
            done.callback(None)
            return result

        running.addBoth(ended)
        if not interrupted.called:
            interrupted.callback(None)
        return done

    reactor.addSystemEventTrigger("before", "shutdown", shutdown)
    return running


def _welcome(demo: Demo, address: str, say: Callable[[str], None]) -> None:
    head = demo.world.province.province
    say(f"一号通 {head.name} · {head.name_en}: {address}")
    say("登录 · logins:")
    for login in demo.logins():
        seat = f"座席 seat {login['seat']}" if "seat" in login else "班长台 supervisor"
        where = "省中心 province" if login["kind"] == "province" else f"{login['city']} {seat}"
        say(f"  {where}: {login['user']} / {login['password']}  {login['name']}")
    say("Ctrl+C 结束并打印当日汇总 · ends cleanly and prints the day's summary")
