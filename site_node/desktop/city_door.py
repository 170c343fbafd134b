"""Builds the door of a city: logins, seat service, operations and views together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dataset.ids import ContactId, NodeId
from dataset.rows import CheckMade
from federation.node.door import Door, Push
from federation.node.login import Actor, Logins
from federation.node.operations import Operation
from federation.ports import Clock
from site_node.core.views import SeatView
from site_node.desktop.attachment_operations import attachment_operations
from site_node.desktop.attachments_anywhere import AttachmentsAnywhere
from site_node.desktop.customer_operations import customer_operations
from site_node.desktop.customers_here import OwnCustomers
from site_node.desktop.directory_operations import directory_operations
from site_node.desktop.knowledge_operations import knowledge_operations
from site_node.desktop.line_operations import line_operations
from site_node.desktop.mass_fault_operations import mass_fault_operations
from site_node.desktop.operations import agent_operations
from site_node.desktop.repeat_operations import repeat_operations
from site_node.desktop.tariff_operations import tariff_operations
from site_node.desktop.version_operations import version_operations
from site_node.desktop.views import away_state, seat_state
from site_node.desktop.work_operations import work_operations
from site_node.desktop.work_views import receipt
from site_node.services.assigning import WorkAssigner
from site_node.services.audit import AuditTrail
from site_node.services.city import City
from site_node.services.directory import DirectoryService
from site_node.services.elsewhere import Elsewhere
from site_node.services.identity import IdentityChecks
from site_node.services.knowledge import KnowledgeService
from site_node.services.line_tests import LineTests
from site_node.services.repeats import Repeats
from site_node.services.seats import SeatRules, SeatService
from site_node.services.tariffs import TariffService
from site_node.services.versions import VersionsInUse
from site_node.services.work import WorkService
from site_node.shell.mass_faults import MassFaults


@dataclass(frozen=True, slots=True)
class CityDoor:
    """What ``city_door`` has put together."""

    door: Door
    seats: SeatService
    logins: Logins
    assigner: WorkAssigner | None = None

    def start(self) -> None:
        """Begin to look after agent sessions, and to give out work."""
        self.seats.start()
        if self.assigner is not None:
            self.assigner.start()

    def stop(self) -> None:
        """Let go of all timers; agent sessions and calls stay as they are."""
        self.seats.stop()
        self.logins.stop()
        if self.assigner is not None:
            self.assigner.stop()


def city_door(
    city: City,
    logins: Logins,
    clock: Clock,
    rules: SeatRules,
    wrap_up_s: float,
    observed: Callable[[str, str, float], None] = lambda operation, slug, seconds: None,
    work: WorkService | None = None,
    elsewhere: Elsewhere | None = None,
    customers: OwnCustomers | None = None,
    directory: DirectoryService | None = None,
    knowledge: KnowledgeService | None = None,
    tests: LineTests | None = None,
    repeats: Repeats | None = None,
    mass_faults: MassFaults | None = None,
    trail: AuditTrail | None = None,
    tariffs: TariffService | None = None,
    attachments: AttachmentsAnywhere | None = None,
    versions: VersionsInUse | None = None,
    identity: IdentityChecks | None = None,
    now: Callable[[], float] | None = None,
) -> CityDoor:
    """The door of ``city``. ``clock`` is that of the people outside, also where the city runs faster than real time.

    ``work``: of a city that takes in work; ``elsewhere``: what other cities know of it; ``customers``, ``directory``,
    ``tariffs`` and ``knowledge``: of a city with records. ``tests``: of the city's lines; ``repeats``: of matters that
    come back; ``mass_faults``: of a city that looks for them. ``trail``: without it nobody looks at a customer's data.
    ``attachments``, ``versions``: of a city with records. ``identity``: what was checked of whoever calls. ``now``:
    wall time of the city, by default that of ``clock``.
    """
    checks: Callable[[ContactId], Iterable[CheckMade]] = identity.made if identity is not None else lambda _: ()
    wall = now if now is not None else clock.wall

    def shown(actor: Actor, seat: str, view: SeatView | None) -> dict[str, Any]:
        if view is None:
            picture, peers = city.own_picture(), city.peers_seen()
            return away_state(
                actor,
                city.city,
                seat,
                picture,
                rules.package,
                wrap_up_s,
                wall(),
                peers=peers,
                alone=city.stands_alone(),
            )
        return seat_state(actor, city.city, view, rules.package, wrap_up_s, checks, wall())

    seats = SeatService(city, logins, clock, rules, shown)
    if identity is not None:
        identity.on_change(seats.contact_changed)
    more: tuple[Operation, ...] = ()
    if work is not None and elsewhere is not None and trail is not None:
        more += work_operations(work, elsewhere, trail)
        if tests is not None:
            more += line_operations(tests, work, elsewhere, trail)
        if mass_faults is not None:
            more += mass_fault_operations(mass_faults, work, elsewhere)
    if repeats is not None and work is not None and elsewhere is not None and trail is not None:
        more += repeat_operations(repeats, work, elsewhere, trail)
    if customers is not None and elsewhere is not None and trail is not None:
        checked = work.checked_lines if work is not None else lambda _: frozenset()
        more += customer_operations(customers, elsewhere, seats, trail, checked)
    if directory is not None and elsewhere is not None and trail is not None:
        more += directory_operations(directory, elsewhere, trail)
    if tariffs is not None and elsewhere is not None:
        more += tariff_operations(tariffs, elsewhere)
    if versions is not None:
        more += version_operations(versions)
    if attachments is not None and work is not None and trail is not None:
        more += attachment_operations(work, attachments, trail)
    if knowledge is not None:
        more += knowledge_operations(knowledge)
    table = agent_operations(seats, rules.package, more)
    if work is not None:
        work.on_receipt(lambda agent, one: seats.tell(agent, Push("work", {"receipt": receipt(one)})))
    assigner = None
    if work is not None:
        assigner = work.assigner(seats.roles, lambda agent, item: seats.tell(agent, Push("work_given", {"item": item})))
    return CityDoor(Door(NodeId(city.city), table, logins, seats, clock, observed), seats, logins, assigner)
