"""Work items of the past, as the city's records have them: the journal forgets what ended long ago, these do not."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from dataset.ids import CityId, CustomerId
from dataset.pages import LARGEST_PAGE, Span
from dataset.records.customer import CUSTOMERS
from dataset.records.line import LINES
from dataset.records.work import WORK_ITEMS, WorkRecord
from federation.core.repeats import EarlierItem
from federation.ports import Store

_MOST = 100
"""items of one line or customer within a time: more says no more"""


class PastItems:
    """Of one city's records."""

    def __init__(self, store: Store, city: CityId) -> None:
        self._store = store
        self._city = city

    def since(self, line: str, customer: str, since: float) -> Deferred[tuple[EarlierItem, ...]]:
        """Items of ``line``, or where that is empty of ``customer``, opened at ``since`` (seconds since 1970) or later.

        Errbacks with ``Refused`` while the records cannot be read.
        """
        return Deferred.fromCoroutine(self._since(line, customer, since))

    async def _since(self, line: str, customer: str, since: float) -> tuple[EarlierItem, ...]:
        index, who = ("by_line", line) if line else ("by_customer", customer)
        if not who:
            return ()
        span = Span(since=(since,), backwards=True)
        page = await self._store.page(WORK_ITEMS, (self._city, who), span, index=index, limit=_MOST)
        return tuple(_earlier(one) for one in page.records)

    async def of_line_and_customer(self, line: str, since: float) -> tuple[tuple[EarlierItem, ...], str]:
        """Items of the customer who has ``line``, of all lines, and the number of the customer's document ("" where
        none is on record). Raises ``Refused`` while the records cannot be read.
        """
        known = await self._store.get(LINES, (self._city, line))
        found = await self._since(line, "", since)
        if known is None:
            return found, ""
        customer = await self._store.get(CUSTOMERS, (self._city, known.customer))
        document = customer.document.number if customer is not None and customer.document is not None else ""
        return (*found, *await self._all_of(known.customer, since)), document

    async def of_document(self, document: str, since: float) -> tuple[EarlierItem, ...]:
        """Items of every customer with this document. Raises ``Refused`` while the records cannot be read."""
        page = await self._store.page(CUSTOMERS, (self._city, document), index="by_document", limit=_MOST)
        found: list[EarlierItem] = []
        for one in page.records:
            found += await self._all_of(one.id, since)
        return tuple(found)

    async def _all_of(self, customer: CustomerId, since: float) -> tuple[EarlierItem, ...]:
        """By the customer's name on the items, and by its lines: a form may name the line only."""
        found = list(await self._since("", customer, since))
        lines = await self._store.page(LINES, (self._city, customer), index="by_customer", limit=LARGEST_PAGE)
        for line in lines.records[:_MOST]:
            found += await self._since(line.number, "", since)
        return tuple(found)


def _earlier(record: WorkRecord) -> EarlierItem:
    return EarlierItem(
        item=record.item,
        service=record.service.partition("@")[0],
        city=record.city,
        line=record.line,
        customer=record.customer,
        opened_at=record.opened_at,
        ending=record.ending,
    )
