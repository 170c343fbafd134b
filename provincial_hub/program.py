"""From a configuration file to a running hub: checks the broker, opens disks, assembles, listens."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId
from dataset.records.catalogue import PUBLIC
from federation.core.ledger import SendingPace
from federation.links.build import build_link
from federation.links.discovery.build import build_leadership
from federation.node.clock import ReactorClock
from federation.node.configuration import beside
from federation.node.http import listen, web_site
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.login import Logins
from federation.node.logs import start_logging
from federation.node.metrics import ReactorLateness, watch_process
from federation.node.offering import load_offering
from federation.node.origin import OriginRule
from federation.node.program import boot_id, directory, new_lineage
from federation.node.province import Province, load_province
from federation.node.screens import BUILT
from federation.node.store_sqlite import SqliteStore
from federation.node.users import FileUsers, add_user, in_threads
from provincial_hub.assembly import Hub, build_hub
from provincial_hub.settings import HubSettings
from provincial_hub.shell.figures_table import FileTable
from provincial_hub.shell.revisions import SqliteRevisions

DAY_S = 86_400.0
USERS = "users.json"
LEDGER = "ledger.sqlite"
log = Logger()


class RunningProgram:
    """A started hub with its listener."""

    def __init__(self, hub: Hub, port: IListeningPort, watch: ReactorLateness) -> None:
        self.hub = hub
        self._watch = watch
        self.port = port

    def stop(self) -> Deferred[None]:
        """Close the listener, then the hub."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._watch.stop()
        stopping = self.port.stopListening()
        if stopping is not None:
            await stopping
        await self.hub.stop()


def start_hub(reactor: Any, settings: HubSettings, file: Path) -> Deferred[Any]:
    """Start the hub; fires with a ``RunningProgram``. Errbacks with ``Refused``: nothing runs then."""
    return Deferred.fromCoroutine(_start(reactor, settings, file))


async def _start(reactor: Any, settings: HubSettings, file: Path) -> RunningProgram:
    province_file = beside(str(file), settings.province)
    province, package = load_province(province_file)
    offering = load_offering(
        province_file, province, package
    )  # a service with a fault is found at the start, not at a call
    node = _node(province, settings, file)
    bases = _bases(province, settings, file)
    start_logging(node, settings.log)
    clock = ReactorClock(reactor)
    leadership = build_leadership(reactor, settings.leader, node, province.hub_ids, file=file)
    link = await build_link(reactor, settings.link, node, file=file, can_do_without=False)
    data = directory(beside(str(file), settings.data))
    users = FileUsers(data / USERS, reactor)
    journal = SqliteJournal(
        data / "journal.sqlite",
        JournalSettings(
            node=node,
            boot=boot_id(),
            new_lineage=new_lineage,
            receivers=tuple(hub for hub in province.hub_ids if hub != node),
            keep_days=settings.keep_s / DAY_S,
            reserve_bytes=int(settings.reserve),
            nodes=province.nodes,
        ),
        clock,
        reactor,
    )
    try:
        store = SqliteLedgerStore(data / LEDGER, reactor)
    except Refused:
        await journal.stop()
        raise
    try:
        revisions = SqliteRevisions(data / "reports.sqlite", reactor)
    except Refused:
        await store.stop()
        await journal.stop()
        raise
    try:
        service_revisions = SqliteRevisions(data / "service-reports.sqlite", reactor)
    except Refused:
        await revisions.stop()
        await store.stop()
        await journal.stop()
        raise
    try:
        work_figures = FileTable(data / "figures.sqlite", reactor)
    except Refused:
        await service_revisions.stop()
        await revisions.stop()
        await store.stop()
        await journal.stop()
        raise
    try:
        records = SqliteStore(data / "store.sqlite", node, PUBLIC, reactor)
    except Refused:
        await work_figures.stop()
        await service_revisions.stop()
        await revisions.stop()
        await store.stop()
        await journal.stop()
        raise
    hub = build_hub(
        province=province,
        package=package,
        clock=clock,
        link=link,
        journal=journal,
        store=store,
        node=node,
        leadership=leadership,
        logins=Logins(node, users, clock, secrets.token_bytes, runner=in_threads(reactor), settings=settings.login),
        bases=bases,
        history_s=settings.history_s,
        revisions=revisions,
        service_revisions=service_revisions,
        work_figures=work_figures,
        offering=offering,
        pace=SendingPace.at(settings.link.pace),
        records=records,
    )
    resource = hub.resource(
        reactor,
        origins=OriginRule(settings.http.origins),
        screens=beside(str(file), settings.screens) if settings.screens else BUILT,
        nodes=lambda: _nodes(province, bases),
    )
    try:
        port = await listen(reactor, settings.http, web_site(resource))
    except Refused:
        await hub.stop()
        raise
    hub.start().addErrback(_record_unread)
    where = cast(IPv4Address, port.getHost())
    log.info("the hub runs: console at {listen}:{port}", listen=settings.http.listen, port=where.port, event="started")
    return RunningProgram(hub, port, watch_process(hub.running.counts.registry, node, clock))


def _record_unread(failure: Failure) -> None:
    log.failure(
        "the record could not be read; contacts are still routed, rows wait in their cities' outboxes",
        failure,
        event="record-unread",
    )


def _node(province: Province, settings: HubSettings, file: Path) -> NodeId:
    node = NodeId(settings.id)
    if node not in province.hub_ids:
        known = ", ".join(province.hub_ids)
        raise Refused(
            Problem(
                "hub-unknown",
                zh=f"省文件中没有省中心 {node}；有：{known}",
                en=f"the province file has no hub {node}; it has {known}",
                place=f"{file}: id",
            )
        )
    return node


def _bases(province: Province, settings: HubSettings, file: Path) -> Mapping[CityId, str]:
    known = [city.id for city in province.cities]
    unknown = sorted(set(settings.cities) - set(known))
    if unknown:
        raise Refused(
            *(
                Problem(
                    "city-unknown",
                    zh=f"省文件中没有城市 {name}；有：{', '.join(known)}",
                    en=f"the province file has no city {name}; it has {', '.join(known)}",
                    place=f"{file}: cities.{name}",
                )
                for name in unknown
            )
        )
    return {CityId(name): base for name, base in settings.cities.items()}


def _nodes(province: Province, bases: Mapping[CityId, str]) -> dict[str, Any]:
    """``GET api/v1/nodes``: where the screens find hub and cities."""
    return {
        "hub": "",
        "cities": [
            {"city": one.id, "name": one.name, "name_en": one.name_en, "base": bases.get(one.id)}
            for one in province.cities
            if one.id in bases
        ],
    }


def add_console_user(
    settings: HubSettings, file: Path, user: str, name: str, roles: Collection[str], password: str
) -> None:
    """Add a user of the console. Raises ``Refused`` as ``add_user``."""
    add_user(beside(str(file), settings.data) / USERS, user, name, roles, password)
