"""What is on record of the city's customers: for the rules of services, for who answers, for who looks for somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred

from dataset.calendar import day_of
from dataset.errors import Problem, Refused
from dataset.ids import CityId, CustomerId
from dataset.keys import Key
from dataset.number_plan import NumberPlan
from dataset.pages import ALL, LARGEST_PAGE, Span
from dataset.records.contact import CONTACTS, PastContact
from dataset.records.customer import CUSTOMERS, Customer
from dataset.records.line import IN_USE, LINES, Line
from dataset.records.money import BILLS, PAYMENTS, Bill, Payment, account
from dataset.records.tariff import TARIFFS, tariffs_on
from dataset.tables import Record, Table
from federation.core.work_item import Facts
from federation.ports import Store
from site_node.core.customer_bills import CustomerBills, bills_of
from site_node.core.customer_card import (
    LAST_CONTACTS,
    CardContact,
    CustomerCard,
    FoundCustomers,
    OnRecord,
    accounts_of,
    card_of,
    contacts_of,
    found,
    overdue,
    services_of,
)
from site_node.core.self_records import LastBill, Price, Statement

R = TypeVar("R", bound=Record)
MOST_FOUND = 20
"""customers in one answer; whoever looks for somebody says more about them"""
_LATEST = Span(backwards=True)
_SEPARATORS = re.compile(r"[\s\-()（）－]+")


class StoredCustomers:
    """``site_node.ports.CustomerRecords`` in the store of ``city``, whose area code is ``area_code``.

    With ``plan``, numbers are looked for as people type them (``020-8888 6666``, ``+86 138 1234 0001``); without it as
    they are dialled, the area code of the own city left out or not.
    """

    def __init__(self, store: Store, city: CityId, area_code: str, plan: NumberPlan | None = None) -> None:
        self._store = store
        self._city = city
        self._area_code = area_code
        self._plan = plan

    def facts(self, line: str, customer: str, at: float) -> Deferred[Facts]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._facts(line, customer, at))

    def card(self, *, line: str = "", customer: str = "", at: float, unmasked: bool = False) -> Deferred[CustomerCard]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._card(line, customer, at, unmasked))

    def numbers(self, *, line: str = "", customer: str = "") -> Deferred[tuple[CustomerId, tuple[str, ...]]]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._numbers_of(line, customer))

    def bills(self, *, line: str = "", customer: str = "", at: float) -> Deferred[CustomerBills]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._bills(line, customer, at))

    def contacts(self, city: CityId, customer: str, calling: str) -> Deferred[tuple[CardContact, ...]]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._contacts_here(city, customer, calling))

    def find(self, text: str, *, unmasked: bool = False) -> Deferred[FoundCustomers]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._find(text.strip(), unmasked))

    def line(self, typed: str) -> Deferred[Line | None]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._line(typed))

    def statement(self, line: Line, at: float) -> Deferred[Statement]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._statement(line, at))

    def prices(self, service: str, codes: Sequence[str], at: float) -> Deferred[tuple[Price, ...]]:
        """See ``CustomerRecords``."""
        return Deferred.fromCoroutine(self._prices(service, codes, at))

    # ── facts and card ──────────────────────────────────────────────────────────────────────────────────────────────
    async def _facts(self, line: str, customer: str, at: float) -> Facts:
        known = await self._store.get(LINES, (self._city, line)) if line else None
        owner = known.customer if known is not None else CustomerId(customer)
        if not owner:
            return Facts()
        lines, bills, payments, unread = await self._account(owner)
        _whole(unread, owner)
        arrears = overdue(accounts_of(bills, payments, day_of(at)))
        return Facts(services=services_of(lines, line), arrears_fen=arrears)

    async def _card(self, line: str, customer: str, at: float, unmasked: bool) -> CustomerCard:
        owner = await self._owner(line, customer)
        lines, bills, payments, unread = await self._account(owner.id)
        contacts, damaged = await self._contacts(self._city, owner.id, line)
        everything = OnRecord(
            customer=owner, lines=lines, bills=bills, payments=payments, contacts=contacts, unread=unread + damaged
        )
        return card_of(everything, day_of(at), unmasked=unmasked)

    async def _owner(self, line: str, customer: str) -> Customer:
        if line:
            known = await self._store.get(LINES, (self._city, line))
            if known is None:
                raise self._unknown("line", f"没有号码 {line} 的资料", f"nothing is on record of the line {line}")
            customer = known.customer
        owner: Customer | None = await self._store.get(CUSTOMERS, (self._city, customer))
        if owner is None:
            raise self._unknown(
                "customer", f"没有客户 {customer} 的资料", f"nothing is on record of customer {customer}"
            )
        return owner

    async def _numbers_of(self, line: str, customer: str) -> tuple[CustomerId, tuple[str, ...]]:
        owner = await self._owner(line, customer)
        lines, _ = await self._all(LINES, (self._city, owner.id), "by_customer")
        return owner.id, tuple(sorted(one.number for one in lines))

    async def _bills(self, line: str, customer: str, at: float) -> CustomerBills:
        owner = await self._owner(line, customer)
        _, bills, payments, unread = await self._account(owner.id)
        _whole(unread, owner.id)
        return bills_of(owner, bills, payments, day_of(at))

    def _unknown(self, what: str, zh: str, en: str) -> Refused:
        return Refused(
            Problem(
                f"{what}-unknown",
                zh=f"{self._city} {zh}；请核对，或在其归属局查找",
                en=f"{en} in {self._city}; check it, or look in the owning city",
                place=what,
            ),
            status=404,
        )

    async def _account(self, customer: CustomerId) -> tuple[list[Line], list[Bill], list[Payment], int]:
        """Lines, bills and payments of a customer, and how many of them are damaged. What an earlier customer of the
        same number left or paid is not among them.
        """
        owner: Key = (self._city, customer)
        lines, unread = await self._all(LINES, owner, "by_customer")
        bills, damaged = await self._all(BILLS, owner, "by_customer")
        unread += damaged
        payments: list[Payment] = []
        for number in sorted({*(line.number for line in lines), *(bill.line for bill in bills)}):
            some, damaged = await self._all(PAYMENTS, (self._city, number))
            payments += (one for one in some if one.customer == customer)
            unread += damaged
        return lines, bills, payments, unread

    async def _contacts_here(self, city: CityId, customer: str, calling: str) -> tuple[CardContact, ...]:
        found, _ = await self._contacts(city, CustomerId(customer), calling)
        return contacts_of(found)

    async def _contacts(self, city: CityId, customer: CustomerId, calling: str) -> tuple[list[PastContact], int]:
        """The last contacts of the customer of ``city`` and from the number, and how many of them are damaged."""
        contacts: list[PastContact] = []
        unread = 0
        asked: list[tuple[str, Key]] = [("by_customer", (city, customer))] if customer else []
        if calling:
            asked.append(("by_calling", (calling,)))
        for index, partition in asked:
            page = await self._store.page(CONTACTS, partition, _LATEST, index=index, limit=LAST_CONTACTS)
            contacts += page.records
            unread += page.unread
        return contacts, unread

    async def _all(self, table: Table[R], partition: Key, index: str | None = None) -> tuple[list[R], int]:
        """Every record of a partition, and how many are damaged."""
        records: list[R] = []
        unread, token = 0, None
        while True:
            page = await self._store.page(table, partition, ALL, index=index, limit=LARGEST_PAGE, token=token)
            records += page.records
            unread += page.unread
            token = page.token
            if token is None:
                return records, unread

    # ── one line, and prices ────────────────────────────────────────────────────────────────────────────────────────
    async def _line(self, typed: str) -> Line | None:
        for number in self._numbers(typed):
            known: Line | None = await self._store.get(LINES, (self._city, number))
            if known is not None and known.status in IN_USE:
                return known
        return None

    async def _statement(self, line: Line, at: float) -> Statement:
        all_bills, damaged = await self._all(BILLS, (self._city, line.number))
        all_payments, unread = await self._all(PAYMENTS, (self._city, line.number))
        _whole(damaged + unread, line.customer)
        bills = [one for one in all_bills if one.customer == line.customer]
        payments = [one for one in all_payments if one.customer == line.customer]
        stands = account(bills, payments, day_of(at))
        last = max(bills, key=lambda bill: bill.month, default=None)
        return Statement(
            due_fen=sum(stands.open_fen.values()),
            overdue_fen=stands.overdue_fen,
            credit_fen=stands.credit_fen,
            last=LastBill(last.month, last.total_fen, last.due_on) if last is not None else None,
        )

    async def _prices(self, service: str, codes: Sequence[str], at: float) -> tuple[Price, ...]:
        items, damaged = await self._all(TARIFFS, (service,))
        _whole(damaged, service)
        today = tariffs_on(items, day_of(at), self._city)
        found = (today[code] for code in codes if code in today)
        return tuple(Price(one.code, one.fen, one.unit, one.per) for one in found)

    # ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _find(self, text: str, unmasked: bool) -> FoundCustomers:
        customers: dict[str, Customer] = {}
        more = False
        for number in self._numbers(text):
            line: Line | None = await self._store.get(LINES, (self._city, number))
            if line is not None:
                await self._take(customers, line.customer)
            more |= await self._look(customers, "by_contact_number", (self._city, number))
        if re.fullmatch(r"[0-9A-Za-z-]+", text):
            await self._take(customers, text)
            more |= await self._look(customers, "by_document", (self._city, text.upper()))
        if text:
            more |= await self._look(customers, "by_name", (self._city, text[:1]), Span(begins=text))
        chosen = list(customers.values())
        return FoundCustomers(
            customers=tuple(found(one, unmasked=unmasked) for one in chosen[:MOST_FOUND]),
            more=more or len(chosen) > MOST_FOUND,
        )

    def _numbers(self, text: str) -> tuple[str, ...]:
        """What ``text`` may be as a number, as records have it."""
        digits = _SEPARATORS.sub("", text)
        if self._plan is not None:
            try:
                return tuple(dict.fromkeys((self._plan.normalise(text, self._area_code), *_digits(digits))))
            except Refused:
                return _digits(digits)
        return (*_digits(digits), *(f"{self._area_code}{one}" for one in _digits(digits) if one[0] not in "01"))

    async def _take(self, customers: dict[str, Customer], customer: str) -> None:
        one = await self._store.get(CUSTOMERS, (self._city, customer))
        if one is not None:
            customers[one.id] = one

    async def _look(self, customers: dict[str, Customer], index: str, partition: Key, span: Span = ALL) -> bool:
        """Add what stands there; whether there is more."""
        page = await self._store.page(CUSTOMERS, partition, span, index=index, limit=MOST_FOUND)
        customers.update((one.id, one) for one in page.records)
        return page.token is not None


def _whole(unread: int, place: str) -> None:
    """Raise ``Refused`` when records of ``place`` are damaged: nothing is told, or decided, by half of them."""
    if unread:
        raise Refused(
            Problem(
                "record-damaged",
                zh=f"{unread} 条记录在磁盘上已损坏，无法据此核对或答复；请从备份恢复或重新导入",
                en=f"{unread} records are damaged on disk, so nothing can be decided or told by them; "
                "restore the backup or import them again",
                place=place,
            ),
            status=503,
        )


def _digits(text: str) -> tuple[str, ...]:
    """``text``, if it has the form of a number of a record."""
    return (text,) if re.fullmatch(r"\+?[0-9]{3,15}", text) else ()
