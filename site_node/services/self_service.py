"""What self-service is told: a line, its balance, its open work, prices. Who keys in wrong PINs is locked out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from dataset.calendar import day_of
from dataset.records.line import Line
from federation.core.work_book import WorkBook
from federation.node.lockout import Lockout
from federation.ports import Clock
from site_node.core.self_records import (
    Answer,
    BillQuestion,
    LineFound,
    LineQuestion,
    LineUnknown,
    OpenItem,
    OpenItems,
    PinLocked,
    PinWrong,
    PriceQuestion,
    Prices,
    ProgressQuestion,
    Question,
    Unread,
)
from site_node.ports import CustomerRecords

WRONG_PINS = 3
LOCK_S = 900.0
"""a line is locked for self-service that long after ``WRONG_PINS`` wrong PINs, whoever keyed them in"""
MOST_ITEMS = 5
"""work items that are told; whoever has more open asks an agent"""


class SelfServiceRecords:
    """Answers questions of self-service out of the city's records.

    ``matches``: whether a PIN (second) is that of a digest (first), compared off the reactor thread. ``book``: the work
    that the city knows; without it nothing can be said about progress.
    """

    def __init__(
        self,
        customers: CustomerRecords,
        matches: Callable[[str, str], Awaitable[bool]],
        clock: Clock,
        book: WorkBook | None,
    ) -> None:
        self._customers = customers
        self._matches = matches
        self._clock = clock
        self._book = book
        self._lockout = Lockout(clock, WRONG_PINS, LOCK_S)

    def answer(self, question: Question) -> Deferred[Answer]:
        """The answer. Errbacks with ``Refused`` when the records cannot be read."""
        return Deferred.fromCoroutine(self._answer(question))

    async def _answer(self, question: Question) -> Answer:
        match question:
            case LineQuestion(number):
                line = await self._customers.line(number)
                return LineUnknown() if line is None else LineFound(line.number, bool(line.pin_digest))
            case PriceQuestion(plan, codes):
                return Prices(await self._customers.prices(plan, codes, self._clock.wall()))
            case BillQuestion(number, pin) | ProgressQuestion(number, pin):
                line = await self._customers.line(number)
                if line is None:
                    return LineUnknown()
                refused = await self._identify(line, pin)
                if refused is not None:
                    return refused
                if isinstance(question, BillQuestion):
                    return await self._customers.statement(line, self._clock.wall())
                return self._open_items(line)

    async def _identify(self, line: Line, pin: str) -> PinWrong | PinLocked | None:
        """None for the right PIN. A try counts before it is looked at, so that callers at one time share the tries."""
        if self._lockout.left_s(line.number):
            return PinLocked()
        self._lockout.failed(line.number)
        if line.pin_digest and await self._matches(line.pin_digest, pin):
            self._lockout.passed(line.number)
            return None
        return PinLocked() if self._lockout.left_s(line.number) else PinWrong()

    def _open_items(self, line: Line) -> Answer:
        if self._book is None:
            return Unread()
        found = [item for item in self._book.of_line(line.number) if item.ending is None]
        items = tuple(
            OpenItem(
                item.service.partition("@")[0],
                item.state,
                day_of(item.due_at) if item.due_at is not None else None,
            )
            for item in found[:MOST_ITEMS]
        )
        return OpenItems(items, more=len(found) > MOST_ITEMS)
