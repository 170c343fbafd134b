"""Brings the city's records after its steps of work: one after the other, each put with how far it has come.

Rows are the truth and records follow them (``site_node.core.consequences``): whatever a crash leaves undone is done at
the next start, from the rows behind the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import CityId
from dataset.puts import Cursor, Put
from dataset.records.customer import CUSTOMERS
from dataset.records.line import LINES, Line
from dataset.rows import Journalled, WorkStepped
from dataset.work import Attached
from federation.core.work_item import Effect, WorkItem
from federation.ports import Clock, Store
from site_node.core.consequences import attachment_of_step, done, lines_after, puts_of, record_of
from site_node.core.work_desk import WorkDesk
from site_node.shell.follower import Follower

NAME = "work"
"""of the cursor"""
log = Logger()


class Aftermath:
    """What follows from the own steps of work, in the store of records."""

    def __init__(self, city: CityId, city_name: str, desk: WorkDesk, store: Store, clock: Clock) -> None:
        self._city = city
        self._city_name = city_name
        self._desk = desk
        self._store = store
        self._clock = clock
        self._follower = Follower(clock, later=_later, failed=_failed)

    def __len__(self) -> int:
        """Steps whose records are not written yet."""
        return len(self._follower)

    def start(self, rows: Iterable[Journalled]) -> None:
        """Take up the own steps behind the cursor; ``rows``: those that the journal has, in order."""
        self._follower.add([partial(self._from_cursor, self._own(rows))])

    async def _from_cursor(self, own: list[Journalled]) -> None:
        cursor = await self._store.cursor(NAME)
        places = [_place(one) for one in own]
        behind = own[places.index(cursor) + 1 :] if cursor in places else own
        self._follower.add_next(partial(self._one, row) for row in behind)

    def add(self, rows: Iterable[Journalled]) -> None:
        """Own steps that are on disk now."""
        self._follower.add(partial(self._one, row) for row in self._own(rows))

    def _own(self, rows: Iterable[Journalled]) -> list[Journalled]:
        return [one for one in rows if isinstance(one.row, WorkStepped) and one.node == self._city]

    def stop(self) -> None:
        """Write no more; the next start goes on."""
        self._follower.stop()

    async def _one(self, row: Journalled) -> None:
        puts: list[Put] = []
        passed = self._desk.book.passed(row)
        if passed is not None:
            puts = await self._follow(row, *passed)
            if isinstance(row.row, WorkStepped) and isinstance(row.row.step, Attached):
                puts.append(attachment_of_step(passed[0], row.row.step))
        now = self._desk.book.item(row.row.item) if isinstance(row.row, WorkStepped) else None
        if now is not None:
            puts.append(record_of(now, len(self._desk.book.steps(now.id))))
        await self._store.put(puts, Cursor(NAME, _place(row)))

    async def _follow(self, row: Journalled, item: WorkItem, effects: tuple[Effect, ...]) -> list[Put]:
        """Charges, messages, and what becomes of the line."""
        if not effects:
            return []
        service = self._desk.service_of(item)
        customer = await self._store.get(CUSTOMERS, (self._city, item.customer)) if item.customer else None
        numbers = customer.contact_numbers if customer is not None else ()
        puts = puts_of(
            row,
            item,
            effects,
            service,
            now=self._clock.wall(),
            city_name=self._city_name,
            language=customer.language if customer is not None else "zh",
            to=numbers[0] if numbers else None,
        )
        if done(effects) and service.text.line_change is not None:
            known = await self._store.get(LINES, (self._city, item.line)) if item.line else None
            for put in lines_after(item, service, known, row.wall):
                if await self._may_stand(put):
                    puts.append(put)
        return puts

    async def _may_stand(self, put: Put) -> bool:
        """A number that somebody has already is not given away by a form."""
        assert isinstance(put.record, Line)
        there = await self._store.get(LINES, (self._city, put.record.number))
        return there is None or put.record.revision > there.revision


def _place(row: Journalled) -> str:
    return f"{row.lineage}/{row.sequence}"


def _later(why: str) -> None:
    log.warn("records after a step of work are not written yet: {why}", why=why, event="aftermath-later")


def _failed(failure: Failure) -> None:
    log.failure("records after a step of work cannot be made", failure, event="aftermath-failed")
