"""Bills and payments. A bill adds up, or it is not kept; what is owed is a fold of both, never a counter (I4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from dataset.errors import Language, Problem
from dataset.ids import CityId, CustomerId, ReceiptId
from dataset.records.forms import Amount, Code, Count, Moment, Month, Name, Number, SignedAmount
from dataset.tables import Index, Record, Table


class BillItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One position of a bill."""

    code: Code
    """of the tariff"""
    zh: Name
    en: Name
    fen: SignedAmount
    """below 0: a discount"""
    count: Count = 1
    """calls, months …"""
    seconds: Count = 0
    """talked, where that is what was charged"""

    def text(self, language: Language) -> str:
        """Its name."""
        return self.zh if language == "zh" else self.en


class Bill(Record, frozen=True, kw_only=True):
    """What one line cost in one month."""

    city: CityId
    line: Number
    month: Month
    customer: CustomerId
    items: tuple[BillItem, ...]
    total_fen: SignedAmount
    """the sum of the items, as the billing system stated it; a bill that does not add up is refused"""
    due_on: date
    """last day to pay without a late fee"""
    issued_at: Moment = 0.0
    settled_on: date | None = None
    """the day on which payments covered it"""

    def faults(self) -> tuple[Problem, ...]:
        """Whether it adds up."""
        total = sum(item.fen for item in self.items)
        if total == self.total_fen:
            return ()
        return (
            Problem(
                "bill-sum",
                zh=f"合计 {self.total_fen} 分，各项之和为 {total} 分；两者应相等",
                en=f"the total is {self.total_fen} fen, the items add up to {total} fen; the two must be equal",
                place="total_fen",
            ),
        )


BILLS = Table(
    "bills",
    Bill,
    ("city", "line"),
    ("month",),
    indexes=(
        Index("by_customer", ("city", "customer"), ("month", "line")),
        Index("open_by_customer", ("city", "customer"), ("due_on", "line"), lambda bill: bill.settled_on is None),
    ),
)


class Payment(Record, frozen=True, kw_only=True):
    """Money received for a line, with its receipt; a mistake is put right by a revision or a tombstone."""

    city: CityId
    line: Number
    receipt: ReceiptId
    customer: CustomerId
    fen: Amount
    at: Moment
    channel: Code
    """``counter``, ``bank``, ``agency`` (代理点), ``ivr``, ``web`` …"""
    months: tuple[Month, ...] = ()
    """the bills that it settles; empty: the oldest open ones"""
    serving: CityId | None = None
    """the city that took it, where that is another one (异地受理)"""


PAYMENTS = Table(
    "payments",
    Payment,
    ("city", "line"),
    ("receipt",),
    indexes=(
        Index("by_time", ("city", "line"), ("at",)),
        Index("by_receipt", ("city", "receipt")),
    ),
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a line's bills and payments come to."""

    open_fen: dict[str, int]
    """month → what is still to be paid of its bill, oldest first; settled ones are left out"""
    credit_fen: int
    """paid and not needed for any bill"""
    overdue_fen: int
    """of the open amounts, those whose last day to pay is over"""


def account(bills: Iterable[Bill], payments: Iterable[Payment], today: date) -> Account:
    """Payments go to the bills that they name, what is left of them to the oldest open bills; credits (a total below
    0) count as paid. The order of what is given does not matter.
    """
    by_month: dict[str, int] = {}
    due: dict[str, date] = {}
    for bill in sorted(bills, key=lambda bill: bill.month):
        by_month[bill.month] = by_month.get(bill.month, 0) + bill.total_fen
        due[bill.month] = max(bill.due_on, due.get(bill.month, bill.due_on))
    credit = -sum(fen for fen in by_month.values() if fen < 0)
    still = {month: fen for month, fen in by_month.items() if fen > 0}
    for payment in sorted(payments, key=lambda payment: (payment.at, payment.receipt)):
        rest = payment.fen
        for month in payment.months:
            part = min(rest, still.get(month, 0))
            if part:
                still[month] -= part
                rest -= part
        credit += rest
    for month in still:
        part = min(credit, still[month])
        still[month] -= part
        credit -= part
    still = {month: fen for month, fen in still.items() if fen}
    overdue = sum(fen for month, fen in still.items() if due[month] < today)
    return Account(open_fen=still, credit_fen=credit, overdue_fen=overdue)
