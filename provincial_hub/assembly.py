"""The only place where the parts of the hub meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Unpack

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from dataset.calendar import NO_WORK
from dataset.ids import HUB, CityId, NodeId
from dataset.packages import ServicePackage
from dataset.services.catalogue import Catalogue
from federation.core.ledger import SendingPace
from federation.core.picture import ProvincePicture
from federation.core.proposals import Proposals
from federation.links.discovery.alone import Alone
from federation.node.door import Door
from federation.node.http import NodeResource, NodeWeb, WebPlace
from federation.node.ledger_store import LedgerStore
from federation.node.login import Logins
from federation.node.looks import Looks
from federation.node.metrics import CopyCounts, DoorCounts, JournalCounts, LinkCounts
from federation.node.offering import Offering
from federation.node.province import Province
from federation.node.public_copies import PublicCopies
from federation.ports import Clock, Journal, Leadership, Link, Store
from provincial_hub.console.live import ConsoleAttendance
from provincial_hub.console.operations import console_operations
from provincial_hub.services.intervals import IntervalService
from provincial_hub.services.knowledge_report import KnowledgeReport
from provincial_hub.services.parked import ParkedService
from provincial_hub.services.province import ProvinceService, Shown
from provincial_hub.services.services_report import ServicesReport
from provincial_hub.services.settlement import SettlementService
from provincial_hub.shell.counts import HubCounts
from provincial_hub.shell.figures_table import MemoryTable, Table
from provincial_hub.shell.hub import HISTORY_S, RunningHub
from provincial_hub.shell.memory import Memory
from provincial_hub.shell.revisions import MemoryRevisions, Revisions
from provincial_hub.shell.work_figures import WorkFigures


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub and its door; ``running`` alone is enough where nobody looks."""

    running: RunningHub
    door: Door
    province: ProvinceService
    intervals: IntervalService
    logins: Logins
    console: ConsoleAttendance
    revisions: tuple[Revisions, ...]
    figures: WorkFigures
    copies: PublicCopies | None = None
    records: Store | None = None
    """the province's copy of what cities publish, closed with the hub"""

    def start(self) -> Deferred[None]:
        """Route and beat at once; fires when the rows on record are read."""
        reading = self.running.start()
        self.figures.start()
        if self.copies is not None:
            self.copies.start()
        return reading

    def stop(self) -> Deferred[None]:
        """Let screens go, fall silent, close the disks; fires when that is done."""
        self.console.stop()
        self.logins.stop()
        if self.copies is not None:
            self.copies.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.figures.stop()
        await self.running.stop()
        for one in self.revisions:
            await one.stop()
        if self.records is not None:
            await self.records.stop()

    def health(self) -> Mapping[str, object]:
        """``GET /health``."""
        return self.running.health()

    def resource(self, reactor: IReactorTime, **place: Unpack[WebPlace]) -> Resource:
        """The hub's web: ``api/v1``, ``metrics``, ``health`` and the screens, to be mounted at ``place``."""
        web = NodeWeb(
            door=self.door, reactor=reactor, registry=self.running.counts.registry, health=self.health, **place
        )
        return NodeResource(web)


def build_hub(
    *,
    province: Province,
    package: ServicePackage,
    clock: Clock,
    link: Link,
    journal: Journal,
    store: LedgerStore,
    logins: Logins,
    node: NodeId = HUB,
    leadership: Leadership | None = None,
    people_clock: Clock | None = None,
    bases: Mapping[CityId, str] | None = None,
    speed: float = 1.0,
    history_s: float = HISTORY_S,
    counts: HubCounts | None = None,
    revisions: Revisions | None = None,
    service_revisions: Revisions | None = None,
    work_figures: Table | None = None,
    offering: Offering | None = None,
    pace: SendingPace | None = None,
    records: Store | None = None,
) -> Hub:
    """A hub that is ready to ``start``. Without ``leadership`` it is the only one and leads.

    ``people_clock`` is the time of those who look (``clock`` when left out), which is not the hub's own where the
    simulated world runs faster than real; ``bases``: where each city's screens are; ``revisions``: where it is kept
    what readers were told of queues, ``service_revisions`` of services, ``work_figures`` what is counted of work items,
    in memory when left out; ``offering``: the
    services that its reports know; ``records``: where it keeps the province's copy of what cities publish, without
    which it keeps none.
    """
    people = people_clock if people_clock is not None else clock
    core = Proposals(
        ProvincePicture(beat_s=province.times.beat_s),
        province.overflow.policy,
        proposal_s=province.times.proposal_s,
        node=node,
    )
    running = RunningHub(
        node=node,
        cities=[city.id for city in province.cities],
        others=[hub for hub in province.hub_ids if hub != node],
        leadership=leadership if leadership is not None else Alone(),
        clock=clock,
        link=link,
        journal=journal,
        store=store,
        core=core,
        memory=Memory(),
        counts=counts if counts is not None else HubCounts(),
        history_s=history_s,
        pace=pace,
        codes={city.area_code: city.id for city in province.cities},
    )
    copies = None
    if records is not None:
        follows = {city.id: partial(running.heard_city, city.id) for city in province.cities}
        copies = running.copies = PublicCopies(node, records, clock, running.behind, own=None, follows=follows)
    shown = Shown(province=province, package=package, speed=speed, bases=bases or {})
    looks = Looks(journal, [hub for hub in province.hub_ids if hub != node], clock)
    service = ProvinceService(running, store, shown, clock, looks)
    revisions = revisions or MemoryRevisions()
    intervals = IntervalService(running, store, revisions, shown, clock)
    parked = ParkedService(store, running.settling, province.nodes)
    service_revisions = service_revisions or MemoryRevisions()
    offered = offering if offering is not None else Offering(Catalogue({}), NO_WORK)
    console = ConsoleAttendance(running, service, offered.catalogue, people)
    figures = WorkFigures(work_figures if work_figures is not None else MemoryTable(), store, offered, clock)
    running.ledger.on_rows(figures.heard)
    running.counts.read_work_figures(lambda: figures.behind_s, lambda: figures.behind[1])
    settlements = SettlementService(province, figures, intervals, clock)
    services = ServicesReport(province, offered, figures, intervals, service_revisions, clock)
    knowledge = KnowledgeReport(province, offered, figures, intervals, looks, clock)
    table = console_operations(service, intervals, parked, settlements, services, knowledge, logins, looks)
    asked = DoorCounts(running.counts.registry)
    JournalCounts(running.counts.registry, journal)
    LinkCounts(running.counts.registry, link.dropped, link.failures)
    CopyCounts(running.counts.registry, copies.ages_s if copies is not None else dict)
    door = Door(node, table, logins, console, people, asked.observed)
    asked.read_live(lambda: door.live)
    return Hub(
        running,
        door,
        service,
        intervals,
        logins,
        console,
        (revisions, service_revisions),
        figures,
        copies=copies,
        records=records,
    )
