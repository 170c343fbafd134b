"""From a configuration file to a running city: opens disks, checks broker and switch, assembles, listens."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId
from dataset.records.catalogue import EVERY
from federation.core.envelope import Wording
from federation.core.ledger import SendingPace
from federation.links.build import build_link
from federation.node.clock import ReactorClock
from federation.node.configuration import beside
from federation.node.http import listen, web_site
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.login import Logins
from federation.node.logs import start_logging
from federation.node.metrics import ReactorLateness, watch_process
from federation.node.number_plan import load_plan
from federation.node.offering import load_offering
from federation.node.origin import OriginRule
from federation.node.program import boot_id, directory, new_lineage
from federation.node.province import Province, load_province
from federation.node.screens import BUILT
from federation.node.store_sqlite import SqliteStore
from federation.node.users import FileUsers, add_user, in_threads
from site_node.assembly import City, build_city
from site_node.attachment_files import FolderAttachments
from site_node.settings import SiteSettings
from site_node.switch.asterisk.adapter import AsteriskSwitch
from site_node.switch.asterisk.login import AriLogin, check_login

DAY_S = 86_400.0
USERS = "users.json"
ATTACHMENTS = "attachments"
SENDING = "sending"
"""files that other cities have yet to take"""
JOURNAL = "journal.sqlite"
STORE = "store.sqlite"
"""records of customers and of what the province publishes; ``import`` puts them while the city is down"""
log = Logger()


class RunningSite:
    """A started city with its listener."""

    def __init__(self, city: City, port: IListeningPort, watch: ReactorLateness) -> None:
        self.city = city
        self._watch = watch
        self._port = port

    def stop(self) -> Deferred[None]:
        """Close the listener, then the city; calls stay as they are."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._watch.stop()
        stopping = self._port.stopListening()
        if stopping is not None:
            await stopping
        await self.city.stop()


def start_site(reactor: Any, settings: SiteSettings, file: Path, wording: Wording | None = None) -> Deferred[Any]:
    """Start the city; fires with a ``RunningSite``. Errbacks with ``Refused``: nothing runs then.

    ``wording``: that of another version, for the time when both are in use.
    """
    return Deferred.fromCoroutine(_start(reactor, settings, file, wording))


async def _start(reactor: Any, settings: SiteSettings, file: Path, wording: Wording | None) -> RunningSite:
    province_file = beside(str(file), settings.province)
    province, package = load_province(province_file)
    offering = load_offering(province_file, province, package)
    plan = load_plan(province_file)
    city = city_of(province, settings, file)
    start_logging(city, settings.log)
    clock = ReactorClock(reactor)
    switch = settings.switch
    login = AriLogin(switch.url, switch.user, switch.password, switch.application, switch.outside)
    await check_login(reactor, login)
    node = NodeId(city)
    link = (
        await build_link(reactor, settings.link, node, file=file, can_do_without=True, wording=wording)
        if settings.link is not None
        else None
    )
    data = directory(beside(str(file), settings.data))
    records = SqliteStore(data / STORE, node, EVERY, reactor)  # first: while an import runs, no new lineage begins
    journal = SqliteJournal(
        data / JOURNAL,
        JournalSettings(
            node=node,
            boot=boot_id(),
            new_lineage=new_lineage,
            receivers=province.hub_ids,
            area_code=province.city(city).area_code,
            keep_days=settings.keep_s / DAY_S,
            reserve_bytes=int(settings.reserve),
            nodes=province.nodes,
        ),
        clock,
        reactor,
    )
    users = FileUsers(data / USERS, reactor)
    built = build_city(
        city=city,
        province=province,
        package=package,
        clock=clock,
        journal=journal,
        switch=AsteriskSwitch(reactor, login),
        logins=Logins(node, users, clock, secrets.token_bytes, runner=in_threads(reactor), settings=settings.login),
        link=link,
        store=SqliteLedgerStore(data / "ledger.sqlite", reactor) if link is not None else None,
        pace=SendingPace.at(settings.link.pace) if settings.link is not None else None,
        seats=settings.seats,
        records=records,
        plan=plan,
        offering=offering,
        files=FolderAttachments(directory(data / ATTACHMENTS), in_threads(reactor)),
        sending=FolderAttachments(directory(data / ATTACHMENTS / SENDING), in_threads(reactor)),
    )
    resource = built.resource(
        reactor,
        origins=OriginRule(settings.http.origins),
        screens=beside(str(file), settings.screens) if settings.screens else BUILT,
        nodes=lambda: {
            "hub": None,
            "cities": [
                {"city": one.id, "name": one.name, "name_en": one.name_en, "base": ""}
                for one in province.cities
                if one.id == city
            ],
        },
    )
    try:
        port = await listen(reactor, settings.http, web_site(resource))
    except Refused:
        await built.stop()
        raise
    built.start()
    where = cast(IPv4Address, port.getHost())
    log.info(
        "{city} runs: agents at {listen}:{port}",
        city=city,
        listen=settings.http.listen,
        port=where.port,
        event="started",
    )
    return RunningSite(built, port, watch_process(built.running.counts.registry, city, clock))


def city_of(province: Province, settings: SiteSettings, file: Path) -> CityId:
    """The city that ``settings`` name. Raises ``Refused`` (``city-unknown``)."""
    known = [one.id for one in province.cities]
    if settings.city in known:
        return CityId(settings.city)
    raise Refused(
        Problem(
            "city-unknown",
            zh=f"省文件中没有城市 {settings.city}；有：{', '.join(known)}",
            en=f"the province file has no city {settings.city}; it has {', '.join(known)}",
            place=f"{file}: city",
        )
    )


def add_city_user(
    settings: SiteSettings, file: Path, user: str, name: str, roles: Collection[str], password: str
) -> None:
    """Add a user of this city's door. With the role agent the user is a staff number of the province file.

    Raises ``Refused``: ``staff-unknown``, ``password-weak``, ``users-unreadable``, ``directory-unusable``.
    """
    province, package = load_province(beside(str(file), settings.province))
    city = city_of(province, settings, file)
    roster = {agent.staff: agent for agent in province.agents_of(city, package)}
    agent = roster.get(user)
    if "agent" in roles and agent is None:
        first, last = (min(roster), max(roster)) if roster else ("-", "-")
        raise Refused(
            Problem(
                "staff-unknown",
                zh=f"{settings.province} 中 {city} 没有工号 {user}；工号为 {first} 至 {last}",
                en=f"{settings.province} has no staff number {user} in {city}; they run from {first} to {last}",
                place="user",
            )
        )
    path = beside(str(file), settings.data) / USERS
    known = agent.name if agent is not None else user
    add_user(path, user, name or known, roles, password, agent.agent if agent is not None else None)
