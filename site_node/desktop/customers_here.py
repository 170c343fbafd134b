"""Customers of this city, as its own seats and those of other cities are shown them; each look goes on record here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.masking import masked_text
from dataset.rows import Viewed
from federation.core.work_item import WorkItem
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer
from site_node.core.customer_card import without_amounts
from site_node.desktop.work_operations import MOST_SHOWN, listed_item
from site_node.ports import CustomerRecords
from site_node.services.audit import AtSeat, AuditTrail, check_unmask, check_whose
from site_node.services.elsewhere import missing
from site_node.services.work import WorkService

CARD_PARTS = ("customer", "lines", "bills", "contacts", "items")
"""what a card is made of, each with its city and moment"""


class OwnCustomers:
    """``work``: of a city that takes in work. ``now``: wall time of the city."""

    def __init__(
        self,
        city: CityId,
        records: CustomerRecords,
        work: WorkService | None,
        trail: AuditTrail,
        now: Callable[[], float],
    ) -> None:
        self._city = city
        self._records = records
        self._work = work
        self._trail = trail
        self._now = now

    async def find(self, actor: Actor, text: str, seat: AtSeat, asked: tuple[CityId, ...] = ()) -> Answer:
        """Whom ``text`` finds. ``asked``: other cities that are asked as well. Raises ``Refused``."""
        found = await self._records.find(text)
        who = tuple(one.customer for one in found.customers)
        look = Look(
            operation="customers",
            what=Viewed.SEARCH,
            id=masked_text(text),
            customers=who,
            during=seat.during,
            asked=asked,
        )
        self._trail.shown(actor, look)
        return {**_plain(found), "parts": [self._part()]}

    async def card(self, actor: Actor, look: Look, seat: AtSeat) -> Answer:
        """The card that ``look`` is for. Raises ``Refused``: as ``CustomerRecords.card`` and ``check_unmask``."""
        line, customer = look.line, "" if look.line else look.id
        found = await self._records.card(line=line, customer=customer, at=self._now(), unmasked=look.unmasked)
        _, numbers = await self._records.numbers(customer=found.customer)
        items = self._items(self._city, found.customer, numbers)
        listed = tuple(one["item"] for one in items)
        look = replace(look, customers=(found.customer,), listed=listed, during=seat.during)
        own = not seat.checked.isdisjoint(numbers)
        if look.unmasked:
            check_unmask(actor, look.reason, own=own)
            await self._trail.shown(actor, look)
        else:
            self._trail.shown(actor, look)
        parts = CARD_PARTS if self._work is not None else CARD_PARTS[:-1]
        card = found if own or look.unmasked else without_amounts(found)
        return {"card": _plain(card), "items": items, "parts": [{"part": part, **self._part()} for part in parts]}

    async def bills(self, actor: Actor, look: Look, seat: AtSeat) -> Answer:
        """The bills that ``look`` is for, once that is on disk. Raises ``Refused``: as ``CustomerRecords.bills``, and
        as ``check_whose``; 400 ``reason-missing`` for whoever does not serve the customer now.
        """
        line, customer = look.line, "" if look.line else look.id
        who, numbers = await self._records.numbers(line=line, customer=customer)
        own = not seat.checked.isdisjoint(numbers)
        if own:
            check_whose(actor, own=True)
        else:
            check_unmask(actor, look.reason, own=False)
        found = await self._records.bills(customer=who, at=self._now())
        await self._trail.shown(actor, replace(look, customers=(who,), during=seat.during))
        return {"statement": _plain(found), "parts": [self._part()]}

    async def known_of(self, owner: CityId, customer: str, line: str) -> Answer:
        """What is on record here of a customer of another city: contacts that arrived here, open items that were
        handed in here. What cannot be read is named as missing.
        """
        parts, gone = list[dict[str, Any]](), list[dict[str, Any]]()
        contacts: list[Any] = []
        try:
            contacts = [_plain(one) for one in await self._records.contacts(owner, customer, line)]
            parts.append({"part": "contacts", **self._part()})
        except Refused as refused:
            gone.append({"part": "contacts", **missing(self._city, refused)})
        items = self._items(owner, customer, (line,) if line else ())
        if self._work is not None:
            parts.append({"part": "items", **self._part()})
        return {"contacts": contacts, "items": items, "parts": parts, "missing": gone}

    def _items(self, owner: CityId, customer: str, lines: Iterable[str]) -> list[dict[str, Any]]:
        """Open items of a customer of ``owner``, masked as in every list."""
        work = self._work
        if work is None:
            return []
        found: dict[str, WorkItem] = {one.id: one for line in lines for one in work.of_line(line)}
        found |= {one.id: one for one in work.of_customer(customer)}
        still = [one for one in found.values() if one.ending is None and one.owning == owner]
        return [listed_item(work, one, work.now()) for one in still[:MOST_SHOWN]]

    def _part(self) -> dict[str, Any]:
        return {"city": self._city, "as_of": self._now()}


def _plain(found: msgspec.Struct) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.to_builtins(found)
    return answer
