"""Whose identity was checked in which contact: on record first, and good for that contact alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, ContactId
from dataset.records.line import LINES
from dataset.rows import AnyRow, IdentityChecked, IdentityHow, Journalled
from federation.node.login import Actor
from federation.node.looks import name_of
from federation.ports import Journal, Store

CONTACTS_KEPT = 1_000
"""contacts of which it is remembered whose identity was checked"""


class IdentityChecks:
    """Of the contacts of one city: those of its seats, and of its callers who keyed in a PIN.

    ``record`` puts a row on record and fires once it is on disk; ``records``: None where the city keeps none.
    """

    def __init__(
        self, city: CityId, journal: Journal, record: Callable[[AnyRow], Deferred[None]], records: Store | None
    ) -> None:
        self._city = city
        self._journal = journal
        self._record = record
        self._records = records
        self._checked: OrderedDict[ContactId, set[str]] = OrderedDict()

    def start(self) -> None:
        """Know what was checked in contacts that go on, also before a restart."""
        self._heard(self._journal.rows_of_live_contacts())
        self._journal.on_rows(self._heard)

    def stop(self) -> None:
        """Nothing waits here."""

    async def check(self, actor: Actor, contact: ContactId, line: str, how: IdentityHow) -> None:
        """The caller of ``contact`` has shown ``actor`` to be the customer of ``line``; on disk when this is done."""
        row = IdentityChecked(
            contact=contact,
            city=self._city,
            line=line,
            customer=await self._customer(line),
            how=how,
            agent=name_of(actor),
        )
        await self._record(row)
        self._add(row)

    def lines_of(self, contact: ContactId) -> frozenset[str]:
        """Lines of which the caller has shown to be the customer."""
        return frozenset(self._checked.get(contact, ()))

    async def _customer(self, line: str) -> str:
        """Whose line it is, where that is on record here and can be read: the check stands without it."""
        if self._records is None:
            return ""
        try:
            known = await self._records.get(LINES, (self._city, line))
        except Refused:
            return ""
        return known.customer if known is not None else ""

    def _heard(self, rows: Sequence[Journalled]) -> None:
        for one in rows:
            if isinstance(one.row, IdentityChecked):
                self._add(one.row)

    def _add(self, row: IdentityChecked) -> None:
        self._checked.setdefault(row.contact, set()).add(row.line)
        while len(self._checked) > CONTACTS_KEPT:
            self._checked.popitem(last=False)
