"""A whole province in one process on one clock: hub and cities with their real cores, shells, journals and ledgers.

Telephones, trunks and the lines between the nodes are simulated; everything else is what production runs. The parts a
node would keep on disk outlive its crash here too, so that a crash and a restart are two calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from dataset.ids import HUB, CityId, LineageId, NodeId
from dataset.number_plan import NumberPlan
from dataset.packages import ServicePackage
from federation.core.ledger import SendingPace
from federation.links.discovery.alone import Alone
from federation.links.discovery.inprocess import InProcessLock
from federation.links.inprocess import Wires
from federation.node.journal import JournalSettings
from federation.node.login import CHEAP, Logins, MemoryUsers, UserRecord
from federation.node.offering import Offering
from federation.node.province import Province
from federation.ports import Clock, Journal, Leadership, Link
from provincial_hub.assembly import Hub, build_hub
from simulation.storage import Storage
from site_node.assembly import City, build_city
from site_node.line_test import EmbeddedLineTest
from site_node.ports import Switch
from site_node.switch.simulated.network import Network

log = Logger()


STAFF_ROLES = frozenset({"agent", "dispatcher", "crew", "back_office"})
"""of everybody at a seat of a simulated city: it is small, and each does what comes"""


LEAD_ROLES = frozenset({"supervisor", "site_admin", "province"})
"""of the one who leads a simulated city, and speaks for the province there"""


def lead_of(city: CityId) -> str:
    """The user who leads a simulated city."""
    return f"lead-{city}"


def clerk_of(city: CityId) -> str:
    """The user who does a simulated city's work behind the seats."""
    return f"clerk-{city}"


def password_of(user: str) -> str:
    """The password of an account that exists in simulations only."""
    return f"demo-{user}"


PROVINCE_USER = UserRecord("province", "省中心", frozenset({"province"}), CHEAP.hash(password_of("province")))


def city_base(city: CityId) -> str:
    """Where a city's web is when hub and cities share one listener."""
    return f"/city/{city}"


class SimulatedProvince:
    """Hub and cities of ``province``; nothing runs until it is started."""

    def __init__(
        self,
        province: Province,
        package: ServicePackage,
        clock: Clock,
        rng: Random,
        *,
        storage: Storage,
        link_delay_s: float = 0.02,
        trunk_delay_s: float = 0.02,
        people_clock: Clock | None = None,
        speed: float = 1.0,
        pace: SendingPace | None = None,
        with_records: bool = False,
        plan: NumberPlan | None = None,
        offering: Offering | None = None,
    ) -> None:
        """``offering``: what its cities take in work for; None: they take calls only. ``plan``: see ``build_city``."""
        self.province = province
        self.package = package
        self.clock = clock
        self.network = Network(
            clock, Random(rng.random()), [city.id for city in province.cities], trunk_delay_s=trunk_delay_s
        )
        self.wires = Wires(clock, Random(rng.random()), delay_s=link_delay_s)
        self.lock = InProcessLock(clock)
        """by which one of several hubs leads (B2)"""
        self.people_clock = people_clock if people_clock is not None else clock
        self.speed = speed
        self.test_desks = {city.id: EmbeddedLineTest(clock) for city in province.cities}
        """where each city's lines are tested, and a simulation declares what is wrong with them"""
        self.sites: dict[CityId, City] = {}
        self.hubs: dict[NodeId, Hub] = {}
        """the hubs that run now"""
        self.storage = storage
        self.pace = pace
        self.with_records = with_records
        """whether nodes open their stores of records, in their next runs"""
        self.plan = plan
        self.offering = offering
        self._rng = rng
        self._journals: dict[NodeId, Journal] = {}

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Start every hub and every city."""
        for hub in self.province.hub_ids:
            self.start_hub(hub)
        for city in self.province.cities:
            self.start_city(city.id)

    def stop(self) -> Deferred[None]:
        """Stop everything in order; fires when all is closed."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await gatherResults([city.stop() for city in self.sites.values()], consumeErrors=True)
        await gatherResults([hub.stop() for hub in self.hubs.values()], consumeErrors=True)

    @property
    def hub(self) -> Hub | None:
        """The first hub, while it runs."""
        return self.hubs.get(self.province.hub_ids[0])

    def journal(self, node: NodeId) -> Journal:
        """The journal of the present run of ``node``."""
        return self._journals[node]

    # ── for those who look closer ───────────────────────────────────────────────────────────────────────────────
    def clock_of(self, node: NodeId) -> Clock:
        """The clock of a node's next run; here all share one."""
        return self.clock

    def people_clock_of(self, node: NodeId) -> Clock:
        """The time of those who look at a node, for its next run."""
        return self.people_clock

    def switch_of(self, city: CityId) -> Switch:
        """The switch of a city for its next run."""
        return self.network.adapter(city)

    def link_of(self, node: NodeId) -> Link:
        """The link of a node for its next run."""
        return self.wires.link(node)

    def leadership_of(self, node: NodeId, clock: Clock) -> Leadership:
        """The lock as a hub sees it in its next run; ``clock`` is that run's."""
        hubs = self.province.hub_ids
        return self.lock.leadership(node, hubs, clock) if len(hubs) > 1 else Alone()

    # ── cities ──────────────────────────────────────────────────────────────────────────────────────────────────
    def start_city(self, city: CityId) -> City:
        """Start a city's site node; its switch runs on its own."""
        files, sending = self.storage.attachments(NodeId(city))
        built = build_city(
            city=city,
            province=self.province,
            package=self.package,
            clock=self.clock_of(NodeId(city)),
            journal=self._open_journal(NodeId(city), self.province.city(city).area_code),
            switch=self.switch_of(city),
            logins=self._logins(NodeId(city), self._city_users(city)),
            link=self.link_of(NodeId(city)),
            store=self.storage.ledger_store(NodeId(city)),
            people_clock=self.people_clock_of(NodeId(city)),
            pace=self.pace,
            records=self.storage.records(NodeId(city)) if self.with_records else None,
            plan=self.plan,
            offering=self.offering,
            line_test=self.test_desks[city],
            files=files,
            sending=sending,
        )
        self.sites[city] = built
        built.start()
        return built

    def stop_city(self, city: CityId) -> None:
        """Take a city's site node down; calls at its switch go on."""
        _noted(self.sites.pop(city).stop())

    # ── hub ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def start_hub(self, node: NodeId = HUB) -> Hub:
        """Start a hub."""
        clock = self.clock_of(node)
        built = build_hub(
            node=node,
            province=self.province,
            package=self.package,
            clock=clock,
            leadership=self.leadership_of(node, clock),
            link=self.link_of(node),
            journal=self._open_journal(node, ""),
            store=self.storage.ledger_store(node),
            logins=self._logins(node, [PROVINCE_USER]),
            people_clock=self.people_clock_of(node),
            pace=self.pace,
            offering=self.offering,
            bases={city.id: city_base(city.id) for city in self.province.cities},
            speed=self.speed,
            records=self.storage.records(node) if self.with_records else None,
        )
        self.hubs[node] = built
        _noted(built.start())
        return built

    def stop_hub(self, node: NodeId = HUB) -> None:
        """Take a hub down."""
        hub = self.hubs.pop(node, None)
        if hub is not None:
            _noted(hub.stop())

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _city_users(self, city: CityId) -> list[UserRecord]:
        agents = [
            UserRecord(agent.staff, agent.name, STAFF_ROLES, CHEAP.hash(password_of(agent.staff)), agent.agent)
            for agent in self.province.agents_of(city, self.package)
        ]
        lead, clerk, name = lead_of(city), clerk_of(city), self.province.city(city).name
        return [
            *agents,
            UserRecord(lead, f"{name}班长", LEAD_ROLES, CHEAP.hash(password_of(lead))),
            UserRecord(clerk, f"{name}后台", STAFF_ROLES | LEAD_ROLES, CHEAP.hash(password_of(clerk))),
        ]

    def _logins(self, node: NodeId, users: Sequence[UserRecord]) -> Logins:
        return Logins(node, MemoryUsers(*users), self.people_clock_of(node), self._rng.randbytes, hasher=CHEAP)

    # ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _open_journal(self, node: NodeId, area_code: str) -> Journal:
        settings = JournalSettings(
            node=node,
            boot="simulated",
            new_lineage=lambda: LineageId(f"{self._rng.getrandbits(32):08x}"),
            receivers=tuple(hub for hub in self.province.hub_ids if hub != node),
            area_code=area_code,
            nodes=self.province.nodes,
        )
        journal = self.storage.journal(settings)
        self._journals[node] = journal
        return journal


def _noted(stopping: Deferred[None]) -> None:
    """A crash is waited for by nobody; what goes wrong in it is still said."""
    stopping.addErrback(lambda failure: log.failure("a simulated crash or start went wrong", failure))
