"""The only place where the parts of a city meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Unpack

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from dataset.ids import CityId, LineageId, NodeId
from dataset.number_plan import NumberPlan
from dataset.packages import ServicePackage
from dataset.records.package import PackageKind
from federation.core.ledger import SendingPace
from federation.node.articles import Articles
from federation.node.http import NodeResource, NodeWeb, WebPlace
from federation.node.ledger_store import LedgerStore
from federation.node.login import Logins
from federation.node.looks import Looks
from federation.node.metrics import CopyCounts, DoorCounts, JournalCounts, LinkCounts, StoreCounts
from federation.node.offering import Offering
from federation.node.operations import OperationTable
from federation.node.province import Province
from federation.node.public_copies import PublicCopies
from federation.node.search_fts5 import Fts5ArticleSearch
from federation.ports import Clock, Journal, Link, Store
from site_node.attachment_files import MemoryAttachments
from site_node.core.admission import Admission
from site_node.core.mass_faults import MassFaultRules
from site_node.core.rules import Rules
from site_node.core.site import Site
from site_node.core.work_desk import DeskRules, WorkDesk
from site_node.desktop.attachment_operations import attachments_looked_for
from site_node.desktop.attachments_anywhere import AttachmentsAnywhere
from site_node.desktop.city_door import CityDoor, city_door
from site_node.desktop.customer_operations import customers_looked_for
from site_node.desktop.customers_here import OwnCustomers
from site_node.desktop.directory_operations import directory_looks
from site_node.desktop.line_operations import testing
from site_node.desktop.mass_fault_operations import mass_faults_looked_for
from site_node.desktop.repeat_operations import repeats_looked_for
from site_node.desktop.tariff_operations import tariffs_looked_for
from site_node.desktop.work_operations import looking
from site_node.line_test import EmbeddedLineTest
from site_node.messages import EmbeddedMessages
from site_node.ports import AttachmentFiles, Capability, LineTest, Messages, Switch
from site_node.services.area_codes import AreaCodes
from site_node.services.attachments import Attachments
from site_node.services.audit import AuditTrail
from site_node.services.customers import StoredCustomers
from site_node.services.directory import DirectoryService
from site_node.services.elsewhere import Elsewhere
from site_node.services.identity import IdentityChecks
from site_node.services.knowledge import KnowledgeService
from site_node.services.line_tests import LineTests
from site_node.services.past_items import PastItems
from site_node.services.repeats import Repeats
from site_node.services.seats import SeatRules, SeatSettings
from site_node.services.self_service import SelfServiceRecords
from site_node.services.self_service_elsewhere import SelfServiceEverywhere, self_service_looked_for
from site_node.services.tariffs import TariffService
from site_node.services.versions import VersionsInUse
from site_node.services.work import WorkService
from site_node.shell.aftermath import Aftermath
from site_node.shell.counts import CityCounts
from site_node.shell.history import History
from site_node.shell.mass_faults import MassFaults
from site_node.shell.messenger import Messenger
from site_node.shell.running import RunningCity
from site_node.shell.work import no_records
from site_node.shell.work_files import WorkFiles


def rules_of(province: Province, city: CityId, lineage: LineageId) -> Rules:
    """The numbers a city's core goes by, out of the province file. Raises ``KeyError`` for an unknown city."""
    times, queue = province.times, province.queue
    return Rules(
        city=city,
        area_code=province.city(city).area_code,
        lineage=lineage,
        hubs=province.hub_ids,
        peers=frozenset(other.id for other in province.cities if other.id != city),
        beat_s=times.beat_s,
        link_one_way_s=times.link_one_way_s,
        journal_sync_s=times.journal_sync_s,
        grant_s=times.grant_s,
        leg_serving_s=times.leg_serving_s,
        leg_anchor_s=times.leg_anchor_s,
        ring_serving_s=times.ring_serving_s,
        ring_anchor_s=times.ring_anchor_s,
        proposal_s=times.proposal_s,
        overflow=province.overflow.policy,
        admission=Admission(
            most_calls=province.city(city).most_calls,
            most_waiting_per_agent=queue.most_waiting_per_agent,
            most_waiting_always=queue.most_waiting_always,
        ),
        service_level_s=queue.service_level_within_s,
        short_s=queue.short_within_s,
        announce_every_s=queue.announce_every_s,
        wrap_up_s=queue.wrap_up_s,
        transfer_wait_s=queue.transfer_wait_s,
        evidence_s=province.evidence.every_s,
    )


def mass_fault_rules(province: Province) -> MassFaultRules:
    """From when on reports are one mass fault, out of the province file."""
    declared = province.mass_fault
    return MassFaultRules(
        window_s=declared.window_s,
        cable=declared.cable,
        cable_share=declared.cable_share,
        cable_least=declared.cable_least,
        exchange=declared.exchange,
        district=declared.district,
        repair_s=declared.repair_s,
    )


class Part(Protocol):
    """Something that runs beside the city."""

    def start(self) -> object:
        """Begin."""

    def stop(self) -> None:
        """Begin nothing more."""


@dataclass(frozen=True, slots=True)
class City:
    """A city and its door; ``running`` alone is enough where nobody logs in."""

    running: RunningCity
    desk: CityDoor
    records: Store | None = None
    """what is on record of the city's customers, closed with the city"""
    parts: tuple[Part, ...] = ()
    """what follows the city's rows in its records, and what is shown beside its calls"""
    articles: Articles | None = None

    def start(self) -> None:
        """Take up what an earlier run left; then listen to switch, link and desktops."""
        self.running.start()
        self.desk.start()
        for part in self.parts:
            part.start()

    def stop(self) -> Deferred[None]:
        """Let desktops go, fall silent, close the disks; calls stay as they are. Fires when that is done."""
        self.desk.stop()
        for part in self.parts:
            part.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.running.stop()
        if self.records is not None:
            await self.records.stop()

    def health(self) -> Mapping[str, object]:
        """``GET /health``."""
        return self.running.health()

    def resource(self, reactor: IReactorTime, **place: Unpack[WebPlace]) -> Resource:
        """The city's web: ``api/v1``, ``metrics``, ``health`` and the screens, to be mounted at ``place``."""
        web = NodeWeb(
            door=self.desk.door, reactor=reactor, registry=self.running.counts.registry, health=self.health, **place
        )
        return NodeResource(web)


def build_city(
    *,
    city: CityId,
    province: Province,
    package: ServicePackage,
    clock: Clock,
    journal: Journal,
    switch: Switch,
    logins: Logins,
    link: Link | None = None,
    store: LedgerStore | None = None,
    people_clock: Clock | None = None,
    seats: SeatSettings | None = None,
    counts: CityCounts | None = None,
    pace: SendingPace | None = None,
    records: Store | None = None,
    offering: Offering | None = None,
    plan: NumberPlan | None = None,
    messages: Messages | None = None,
    line_test: LineTest | None = None,
    files: AttachmentFiles | None = None,
    sending: AttachmentFiles | None = None,
) -> City:
    """A city that is ready to ``start``. Without ``link`` and ``store`` it stands alone (B5). ``pace``: of its ledger.
    Without ``records`` it knows nothing of its customers. ``plan``: understands numbers as people type them.

    ``offering``: the province's services, calendar and articles; without them it takes in no work and shows no
    knowledge. ``messages``: how customers are told; ``line_test``: how lines are tested; ``files``: where attachments
    lie, ``sending``: those that other cities have yet to take; the embedded forms when left out.

    ``people_clock`` is the time of those who look (``clock`` when left out), which is not the city's own where the
    simulated world runs faster than real.
    """
    area_code = province.city(city).area_code
    customers = StoredCustomers(records, city, area_code, plan) if records is not None else None
    past = PastItems(records, city) if records is not None else None
    desk = aftermath = work_files = None
    if offering is not None and offering.catalogue.services:
        desk = WorkDesk(DeskRules(city, area_code, journal.lineage, offering.catalogue, offering.calendar))
        work_files = WorkFiles(
            city,
            journal.lineage,
            files if files is not None else MemoryAttachments(),
            sending if sending is not None else MemoryAttachments(),
            desk.book,
            clock,
        )
        if records is not None:
            aftermath = Aftermath(city, province.city(city).name, desk, records, clock)
    self_service = None
    codes = AreaCodes({other.area_code: other.id for other in province.cities}, plan)
    if customers is not None:
        self_service = SelfServiceRecords(customers, logins.matches, clock, desk.book if desk is not None else None)
    everywhere = SelfServiceEverywhere(city, self_service, codes) if self_service is not None else None
    running = RunningCity(
        site=Site(rules_of(province, city, journal.lineage), package),
        clock=clock,
        journal=journal,
        switch=switch,
        link=link,
        store=store,
        counts=counts if counts is not None else CityCounts(),
        beat_s=province.times.beat_s,
        pace=pace,
        desk=desk,
        facts=customers.facts if customers is not None else no_records,
        aftermath=aftermath,
        past=past.since if past is not None else None,
        self_service=everywhere.answer if everywhere is not None else None,
        files=work_files,
    )
    roster = {record.agent: record for record in province.agents_of(city, package)}
    by_command = Capability.SEAT_ANSWER in switch.capabilities
    rules = SeatRules(
        package=package,
        roster=roster,
        can_answer=lambda _: by_command,
        seats=frozenset(record.seat for record in roster.values()),
        settings=seats or SeatSettings(),
    )
    people = people_clock if people_clock is not None else clock
    asked = DoorCounts(running.counts.registry)
    JournalCounts(running.counts.registry, journal)
    StoreCounts(running.counts.registry, records)
    if link is not None:
        LinkCounts(running.counts.registry, link.dropped, link.failures)
    if everywhere is not None:
        everywhere.lookups = running.lookups
    identity = IdentityChecks(city, journal, running, records)
    work = None
    if running.work is not None:
        work = WorkService(running, running.work, clock, codes, identity, records)
    copies = None
    if records is not None and link is not None:
        others = {other.id: running.hub_followed for other in province.cities if other.id != city}
        copies = running.copies = PublicCopies(NodeId(city), records, clock, running.behind, own=city, follows=others)
    CopyCounts(running.counts.registry, copies.ages_s if copies is not None else dict)
    directory = DirectoryService(city, records, codes, clock, copies) if records is not None else None
    tariffs = TariffService(city, records, clock, copies) if records is not None else None
    elsewhere = Elsewhere(city, running.lookups, codes)
    repeats = Repeats(running.work, past, elsewhere, clock) if running.work is not None else None
    tests = LineTests(city, line_test if line_test is not None else EmbeddedLineTest(clock), records, clock)
    articles = knowledge = None
    if records is not None and offering is not None:
        articles = Articles(city, records, Fts5ArticleSearch(), clock.wall, offering.articles)
        knowledge = KnowledgeService(
            running, articles, records, clock, running.record, work=work, unanswered=offering.unanswered
        )
    mass_faults = None
    if records is not None and running.work is not None and work is not None:
        mass_faults = MassFaults(
            city=city,
            city_name=province.city(city).name,
            hubs=province.hub_ids,
            rules=mass_fault_rules(province),
            work=running.work,
            journal=journal,
            store=records,
            clock=clock,
            counts=running.counts,
            area_code=area_code,
            prompt=package.prompts.mass_fault,
        )
        running.site.anchor.notices.of = mass_faults.word
        work.mass_faults = mass_faults.book
    trail = AuditTrail(running, Looks(journal, province.hub_ids, clock), identity)
    own = OwnCustomers(city, customers, work, trail, clock.wall) if customers is not None else None
    attachments = anywhere = None
    if records is not None and work is not None and work_files is not None:
        attachments = Attachments(city=city, records=records, files=work_files, work=work, trail=trail)
        anywhere = AttachmentsAnywhere(attachments, work_files, work, elsewhere, trail)
    versions = None
    if records is not None and offering is not None:
        in_use: dict[tuple[PackageKind, str], str] = {(PackageKind.MENUS, package.name): package.version}
        in_use |= {(PackageKind.SERVICE, one.id): one.text.version for one in offering.catalogue}
        versions = VersionsInUse(city, records, in_use, clock)
    door = city_door(
        running,
        logins,
        people,
        rules,
        province.queue.wrap_up_s,
        asked.observed,
        work=work,
        elsewhere=elsewhere,
        customers=own,
        directory=directory,
        knowledge=knowledge,
        tests=tests,
        repeats=repeats,
        mass_faults=mass_faults,
        trail=trail,
        tariffs=tariffs,
        attachments=anywhere,
        versions=versions,
        identity=identity,
        now=clock.wall,
    )
    running.lookups.table = OperationTable(
        (
            *((*looking(work, trail), testing(tests, work, trail)) if work is not None else ()),
            *(attachments_looked_for(attachments, trail) if attachments is not None else ()),
            *(repeats_looked_for(repeats, trail) if repeats is not None else ()),
            *((mass_faults_looked_for(mass_faults),) if mass_faults is not None else ()),
            *(customers_looked_for(own, trail) if own is not None else ()),
            *(directory_looks(directory, trail) if directory is not None else ()),
            *(tariffs_looked_for(tariffs) if tariffs is not None else ()),
            *((self_service_looked_for(self_service),) if self_service is not None else ()),
        )
    )
    asked.read_live(lambda: door.door.live)
    parts: list[Part | None] = [articles, mass_faults, identity, versions, copies]
    if records is not None:
        parts.append(History(city, journal, records, clock))
    if records is not None and aftermath is not None:
        parts.append(Messenger(city, records, messages if messages is not None else EmbeddedMessages(), clock))
    return City(running, door, records, tuple(part for part in parts if part is not None), articles)
