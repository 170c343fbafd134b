"""Finds, among own rows that hubs gave back, the contacts that nothing ever ended (J5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import CityId, ContactId, LineageId, NodeId
from dataset.rows import Journalled, TailReturned
from federation.node.journal import contact_of, live_change, read_rows
from federation.node.ledger import Ledger
from federation.ports import Clock, Journal

AT_ONCE = 1_000
LOOK_BACK_S = 7 * 86_400.0
"""a tail that came back so long ago was looked at by a run since then"""

log = Logger()


class ReturnedRows:
    """Reads what came back once all of it is here, and tells the core about what is unfinished in it.

    It looks at start too: a run that died between the commit and the decision had acknowledged the rows.
    """

    def __init__(
        self,
        city: CityId,
        journal: Journal,
        ledger: Ledger,
        clock: Clock,
        found: Callable[[tuple[Journalled, ...]], None],
    ) -> None:
        self._city = city
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._found = found
        self._looking = self._again = False
        self._stopped = False

    def heard(self, rows: Sequence[Journalled]) -> None:
        """Rows of others that are now on record here."""
        if any(isinstance(one.row, TailReturned) and one.row.node == self._city for one in rows):
            self.look()

    def look(self) -> None:
        """Look at everything that came back of late."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        Deferred.fromCoroutine(self._look()).addErrback(
            lambda failure: log.failure("rows that came back cannot be read", failure, event="record-unread")
        )

    def stop(self) -> None:
        """Tell nothing more."""
        self._stopped = True

    async def _look(self) -> None:
        try:
            while True:
                self._again = False
                rows = await self._unfinished()
                if rows and not self._stopped and not self._ledger.tails_missing:
                    contacts = {contact_of(one.row) for one in rows}
                    log.warn(
                        "{count} contacts that the journal had lost are not ended by the rows that came back",
                        count=len(contacts),
                        event="journal-lost-contacts",
                    )
                    self._found(tuple(rows))
                if not self._again or self._stopped:
                    return
        finally:
            self._looking = False

    async def _unfinished(self) -> list[Journalled]:
        """All rows about contacts that something of this city is still open of, on record here by any way."""
        if self._ledger.tails_missing:
            return []
        since = self._clock.wall() - LOOK_BACK_S
        returned = [
            row.row.of
            for row in await self._ledger.store.standing()
            if isinstance(row.row, TailReturned) and row.row.node == self._city and row.wall >= since
        ]
        own: dict[ContactId, list[Journalled]] = {}
        for lineage in dict.fromkeys(returned):
            await self._read(lineage, own)
        for row in self._journal.rows_of_contacts(own):
            contact = contact_of(row.row)
            if contact is not None:
                own[contact].append(row)
        own = {contact: _in_order(rows) for contact, rows in own.items()}
        found: list[Journalled] = []
        for contact, rows in own.items():
            if _open(rows):
                outcomes = [one for one in await self._ledger.store.rows_of_contact(contact) if one.node != self._city]
                found += {(one.node, one.lineage, one.sequence): one for one in [*outcomes, *rows]}.values()
        return found

    async def _read(self, lineage: LineageId, own: dict[ContactId, list[Journalled]]) -> None:
        """Keeps the rows of contacts that are not finished, and of no others: a tail may be long."""
        after = 0
        while page := await self._ledger.store.tail(NodeId(self._city), lineage, 0, after, AT_ONCE):
            after = page[-1][0]
            touched: set[ContactId] = set()
            for row in read_rows([data for _, data in page]):
                contact = contact_of(row.row)
                if contact is not None:
                    own.setdefault(contact, []).append(row)
                    touched.add(contact)
            for contact in touched:
                if not _open(own[contact]):
                    del own[contact]


def _in_order(rows: Iterable[Journalled]) -> list[Journalled]:
    """As they were written: run after run by when each first wrote about the contact, by sequence within a run."""
    runs: dict[LineageId, dict[int, Journalled]] = {}
    for one in rows:
        runs.setdefault(one.lineage, {})[one.sequence] = one
    ordered = sorted(runs.values(), key=lambda run: min((one.wall, one.lineage) for one in run.values()))
    return [run[sequence] for run in ordered for sequence in sorted(run)]


def _open(rows: Iterable[Journalled]) -> bool:
    reasons: set[str] = set()
    for one in rows:
        begins, ends = live_change(one.row)
        reasons = (reasons | set(begins)) - set(ends)
    return bool(reasons)
