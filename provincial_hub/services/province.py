"""What the bureau's console may ask: the province now, contacts and their ways, intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dataset.errors import Problem, Refused
from dataset.ids import CityId, ContactId, is_hub
from dataset.packages import ServicePackage
from dataset.rows import Decision, Viewed
from federation.node.ledger_store import LedgerStore
from federation.node.login import Actor
from federation.node.looks import Look, Looks
from federation.node.province import Province
from federation.ports import Clock
from provincial_hub.core.contacts import ContactFold, ContactSeen
from provincial_hub.services.views import Json, city_view, contact_view, flow_view, lost_view, way_view
from provincial_hub.shell.hub import RunningHub

READERS = frozenset({"province", "supervisor", "auditor"})
DECLARERS = frozenset({"province"})
"""who may write standing facts"""
LATEST_SHOWN = 50
"""contacts in the province's own picture"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the console shows that is not of the hub itself."""

    province: Province
    package: ServicePackage
    speed: float = 1.0
    """how many times faster than real the simulated world runs"""
    bases: Mapping[CityId, str] = field(default_factory=dict)
    """where each city's own screens are: a path at this listener, or an address"""


class ProvinceService:
    """Reads the folds and the ledger; writes standing facts, and who has looked at contacts. Each call checks the
    actor's role.
    """

    def __init__(self, hub: RunningHub, store: LedgerStore, shown: Shown, clock: Clock, looks: Looks) -> None:
        self._hub = hub
        self._store = store
        self._shown = shown
        self._clock = clock
        self._looks = looks
        self._started = clock.wall()

    # ── now ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    def province(self, actor: Actor) -> Json:
        """The whole province at this moment."""
        allow(actor)
        now, wall = self._clock.monotonic(), self._clock.wall()
        traffic = self._hub.memory.traffic
        return {
            "at": wall,
            "hub": self._hub.node,
            "leads": self._hub.leads,
            "leader": self._hub.leader,
            "term": self._hub.term,
            "speed": self._shown.speed,
            "name": self._shown.province.province.name,
            "name_en": self._shown.province.province.name_en,
            "number": self._shown.province.province.number,
            "link": self._hub.link_up,
            "cities": [
                city_view(
                    city,
                    self._hub.picture.city(city.id, now),
                    traffic,
                    self._shown.package.skills,
                    lost=self._hub.lost.of(city.id),
                    wall=wall,
                    base=self._shown.bases.get(city.id, ""),
                    started=self._started,
                )
                for city in self._shown.province.cities
            ],
            "flows": [flow_view(flow) for flow in traffic.flows(wall, self._hub.lost.cities())],
            "latest": [contact_view(one, now=now) for one in self._hub.memory.contacts.latest(LATEST_SHOWN)],
        }

    async def declare_lost(self, actor: Actor, city: CityId, reason: str) -> Json:
        """E3: ``city`` is gone for good; fires once that is on record. Raises ``Refused``: 403, 404, 409, 400 for a
        reason that says nothing.
        """
        allow(actor, DECLARERS)
        known_city(self._shown.province, city)
        if not reason.strip():
            raise Refused(
                Problem("reason-missing", zh="请写明原因", en="say why", place="reason"),
            )
        declared = await self._hub.lost.declare(city, actor.user, reason.strip())
        name, name_en = next((one.name, one.name_en) for one in self._shown.province.cities if one.id == city)
        return {
            "city": city,
            "lost": lost_view(declared),
            "zh": f"{name}已宣告失联：不再参与路由，报表中列明；其未完接触计为故障结束（site_lost）。"
            "该市重新接入后自动恢复。",
            "en": f"{name_en} is declared lost: out of routing, named in reports; its open contacts count as failed"
            " (site_lost). This ends by itself when the city is heard again.",
        }

    # ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────────
    async def contacts(self, actor: Actor, city: CityId | None, limit: int) -> Json:
        """The last born first; older ones than are at hand come from the ledger."""
        allow(actor)
        known_city(self._shown.province, city)
        now = self._clock.monotonic()
        found = {one.contact: one for one in self._hub.memory.contacts.latest(limit, city)}
        if len(found) < limit:
            for contact in await self._store.latest_contacts(limit, city):
                if len(found) == limit:
                    break
                if contact not in found and (one := await self._folded(contact)) is not None:
                    found[contact] = one
        latest = sorted(found.values(), key=lambda one: (-(one.born or 0.0), one.contact))
        self._looks.listed(actor, look_at_contacts(city or "", [one.contact for one in latest]))
        return {"contacts": [contact_view(one, now=now) for one in latest]}

    async def contact(self, actor: Actor, contact: ContactId) -> Json:
        """Its whole way: rows of all cities, every decision with what was known. Raises ``Refused`` 404."""
        allow(actor)
        rows = list(await self._store.rows_of_contact(contact))
        places = {(row.node, row.lineage, row.sequence) for row in rows}
        rows += [
            row for row in self._hub.memory.decisions(contact) if (row.node, row.lineage, row.sequence) not in places
        ]
        seen = self._hub.memory.contacts.get(contact) or await self._folded(contact)
        if seen is None and not rows:
            raise Refused(
                Problem(
                    "unknown-contact",
                    zh=f"没有接触 {contact[:40]}；编号形如 0020-7f3a9c21-000001",
                    en=f"there is no contact {contact[:40]}; ids look like 0020-7f3a9c21-000001",
                    place="contact",
                ),
                status=404,
            )
        self._looks.shown(actor, look_at_contact(contact))
        shown = contact_view(seen or ContactSeen(contact), now=self._clock.monotonic())
        told, decisions = way_view(rows)
        return {"contact": shown, "rows": told, "decisions": decisions}

    async def _folded(self, contact: ContactId) -> ContactSeen | None:
        """A contact that is not at hand any more, from its rows."""
        fold = ContactFold()
        for row in await self._store.standing():
            fold.apply(row, now=self._clock.monotonic())
        for row in await self._store.rows_of_contact(contact):
            if not (isinstance(row.row, Decision) and is_hub(row.node)):
                fold.apply(row, now=self._clock.monotonic())
        return fold.get(contact)


def look_at_contacts(city: str, listed: Iterable[ContactId] = ()) -> Look:
    """At the latest contacts, of one city or of all."""
    return Look(operation="contacts", what=Viewed.SEARCH, id=city or "all", listed=tuple(listed))


def look_at_contact(contact: str) -> Look:
    """At the whole way of a contact."""
    return Look(operation="contact", what=Viewed.SEARCH, id=contact, listed=(contact,))


def known_city(province: Province, city: CityId | None) -> None:
    """Raises ``Refused`` 404 for a city that the province has not; None stands for all."""
    names = [one.id for one in province.cities]
    if city is not None and city not in names:
        known = "、".join(names)
        raise Refused(
            Problem(
                "unknown-city",
                zh=f"没有城市 {city[:40]}，现有：{known}",
                en=f"there is no city {city[:40]}; known: {known.replace('、', ', ')}",
                place="city",
            ),
            status=404,
        )


def allow(actor: Actor, roles: frozenset[str] = READERS) -> None:
    """Raises ``Refused`` 403 for whoever has none of ``roles``, which are all of the console's when left out."""
    if not roles & actor.roles:
        wanted = ", ".join(sorted(roles))
        raise Refused(
            Problem(
                "not-your-role",
                zh=f"您没有此操作的权限，需要角色：{wanted}",
                en=f"your roles do not allow this; it needs one of: {wanted}",
            ),
            status=403,
        )
