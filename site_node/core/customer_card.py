"""What whoever answers sees of a customer at once: one card behind all the old numbers. Pure.

Personal data is masked unless it is asked for unmasked: the name of a person, numbers, documents, addresses. Names and
addresses of companies are nobody's secret. Money is whole fen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import msgspec
from msgspec.structs import replace

from dataset.errors import Language
from dataset.ids import AgentId, CityId, ContactId, CustomerId
from dataset.masking import masked, masked_address, masked_name
from dataset.records.contact import IdentityOnRecord, PastContact
from dataset.records.customer import Customer, CustomerKind, DocumentKind
from dataset.records.line import IN_USE, Line, LineStatus
from dataset.records.money import Account, Bill, Payment, account
from dataset.rows import Ending

LAST_BILLS = 3
LAST_CONTACTS = 10


class CardDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document of identity."""

    kind: DocumentKind
    number: str


class CardLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line with what it has, and what is owed for it."""

    number: str
    service: str
    features: tuple[str, ...]
    status: LineStatus
    tariff: str
    address: str
    over: str | None
    """the telephone line that it comes over, or is charged to"""
    due_fen: int | None
    """None here and below: an amount that is not told (``without_amounts``)"""
    overdue_fen: int | None


class CardBill(msgspec.Struct, frozen=True, kw_only=True):
    """The bills of one month, of all lines together."""

    month: str
    total_fen: int | None
    open_fen: int | None
    """still to be paid"""
    due_on: date


class CardContact(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier contact. Moments are seconds since 1970 (UTC)."""

    contact: ContactId
    city: CityId
    channel: str
    began_at: float
    ended_at: float
    ending: Ending
    service: str
    work_items: tuple[str, ...]
    identity: tuple[IdentityOnRecord, ...]
    """how and by whom it was checked that it was the customer; the number masked"""


class CustomerCard(msgspec.Struct, frozen=True, kw_only=True):
    """A customer whole."""

    city: CityId
    customer: CustomerId
    masked: bool
    name: str
    kind: CustomerKind
    document: CardDocument | None
    contact_numbers: tuple[str, ...]
    contact_name: str
    address: str
    district: str
    language: Language
    special_needs: tuple[str, ...]
    manager: AgentId | None
    promotions: bool
    lines: tuple[CardLine, ...]
    due_fen: int | None
    """still to be paid of all bills, overdue or not"""
    overdue_fen: int | None
    credit_fen: int | None
    """paid beyond all bills"""
    bills: tuple[CardBill, ...]
    """of the last months, the latest first"""
    contacts: tuple[CardContact, ...]
    """the latest first"""
    unread: int
    """records of this customer that are damaged on disk: where it is not 0, something is missing above"""


class FoundCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as a list shows it."""

    city: CityId
    """whose customer"""
    customer: CustomerId
    name: str
    kind: CustomerKind
    district: str
    document: CardDocument | None


class FoundCustomers(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and whether there is more."""

    customers: tuple[FoundCustomer, ...]
    more: bool


class OnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on record of one customer, as a store gives it, in any order."""

    customer: Customer
    lines: Sequence[Line]
    bills: Sequence[Bill]
    payments: Sequence[Payment]
    contacts: Sequence[PastContact] = ()
    unread: int = 0


def accounts_of(bills: Iterable[Bill], payments: Iterable[Payment], today: date) -> dict[str, Account]:
    """What is owed, by line; what was paid for one line settles no other's bills."""
    by_line: dict[str, tuple[list[Bill], list[Payment]]] = {}
    for bill in bills:
        by_line.setdefault(bill.line, ([], []))[0].append(bill)
    for payment in payments:
        by_line.setdefault(payment.line, ([], []))[1].append(payment)
    return {line: account(*both, today) for line, both in by_line.items()}


def overdue(accounts: Mapping[str, Account]) -> int:
    """Whole fen whose last day to pay is over (欠费)."""
    return sum(one.overdue_fen for one in accounts.values())


def services_of(lines: Iterable[Line], line: str = "") -> Mapping[str, int]:
    """How often each service and feature is had, by its id: of ``line`` and what comes over it or is charged to it; of
    all ``lines`` when none is named. Suspended ones count, ordered and ceased ones do not.
    """
    counts: Counter[str] = Counter()
    for one in lines:
        if one.status in IN_USE and (not line or line in (one.number, one.over)):
            counts.update((one.service, *one.features))
    return dict(counts)


def found(customer: Customer, *, unmasked: bool = False) -> FoundCustomer:
    """The entry of ``customer`` in a list."""
    return FoundCustomer(
        city=customer.city,
        customer=customer.id,
        name=_name(customer, unmasked),
        kind=customer.kind,
        district=customer.district,
        document=_document(customer, unmasked),
    )


def card_of(known: OnRecord, today: date, *, unmasked: bool = False) -> CustomerCard:
    """The card, as of ``today`` in China."""
    customer = known.customer
    accounts = accounts_of(known.bills, known.payments, today)
    home = customer.kind is CustomerKind.RESIDENTIAL
    number = _shown(unmasked, lambda text: masked(text.partition("-")[0]))
    address = _shown(unmasked or not home, masked_address)
    return CustomerCard(
        city=customer.city,
        customer=customer.id,
        masked=not unmasked,
        name=_name(customer, unmasked),
        kind=customer.kind,
        document=_document(customer, unmasked),
        contact_numbers=tuple(number(one) for one in customer.contact_numbers),
        contact_name=_shown(unmasked or not customer.contact_name, masked_name)(customer.contact_name),
        address=address(customer.address),
        district=customer.district,
        language=customer.language,
        special_needs=customer.special_needs,
        manager=customer.manager,
        promotions=customer.promotions,
        lines=tuple(
            CardLine(
                number=number(one.number),
                service=one.service,
                features=one.features,
                status=one.status,
                tariff=one.tariff,
                address=address(one.address),
                over=number(one.over) if one.over is not None else None,
                due_fen=sum(accounts[one.number].open_fen.values()) if one.number in accounts else 0,
                overdue_fen=accounts[one.number].overdue_fen if one.number in accounts else 0,
            )
            for one in sorted(known.lines, key=lambda one: (one.status not in IN_USE, one.number))
        ),
        due_fen=sum(sum(one.open_fen.values()) for one in accounts.values()),
        overdue_fen=overdue(accounts),
        credit_fen=sum(one.credit_fen for one in accounts.values()),
        bills=_bills(known.bills, accounts),
        contacts=contacts_of(known.contacts),
        unread=known.unread,
    )


def without_amounts(card: CustomerCard) -> CustomerCard:
    """For whoever serves somebody who has not shown to be this customer: nothing of what is owed or paid."""
    return replace(
        card,
        lines=tuple(replace(line, due_fen=None, overdue_fen=None) for line in card.lines),
        due_fen=None,
        overdue_fen=None,
        credit_fen=None,
        bills=tuple(replace(bill, total_fen=None, open_fen=None) for bill in card.bills),
    )


def _bills(bills: Iterable[Bill], accounts: Mapping[str, Account]) -> tuple[CardBill, ...]:
    months: dict[str, list[Bill]] = {}
    for bill in bills:
        months.setdefault(bill.month, []).append(bill)
    return tuple(
        CardBill(
            month=month,
            total_fen=sum(bill.total_fen for bill in months[month]),
            open_fen=sum(one.open_fen.get(month, 0) for one in accounts.values()),
            due_on=max(bill.due_on for bill in months[month]),
        )
        for month in sorted(months, reverse=True)[:LAST_BILLS]
    )


def contacts_of(contacts: Iterable[PastContact]) -> tuple[CardContact, ...]:
    """The latest of ``contacts``, as the card shows them."""
    each = {one.contact: one for one in contacts}
    latest = sorted(each.values(), key=lambda one: (one.began_at, one.contact), reverse=True)
    return tuple(
        CardContact(
            contact=one.contact,
            city=one.city,
            channel=one.channel,
            began_at=one.began_at,
            ended_at=one.ended_at,
            ending=one.ending,
            service=one.service,
            work_items=one.work_items,
            identity=tuple(replace(each, line=masked(each.line)) for each in one.identity),
        )
        for one in latest[:LAST_CONTACTS]
    )


# ── masking ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _shown(whole: bool, mask: Callable[[str], str]) -> Callable[[str], str]:
    return (lambda text: text) if whole else mask


def _name(customer: Customer, unmasked: bool) -> str:
    return _shown(unmasked or customer.kind is not CustomerKind.RESIDENTIAL, masked_name)(customer.name)


def _document(customer: Customer, unmasked: bool) -> CardDocument | None:
    document = customer.document
    if document is None:
        return None
    return CardDocument(kind=document.kind, number=document.number if unmasked else document.masked)
