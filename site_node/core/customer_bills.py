"""What a customer is charged, item by item, and what was paid: for questions about a bill. Pure.

Numbers are masked; amounts are in full, in whole fen, so it is shown for a checked identity or a reason only
(``services.audit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from dataset.ids import CityId, CustomerId
from dataset.masking import masked
from dataset.records.customer import Customer
from dataset.records.money import Bill, BillItem, Payment
from site_node.core.customer_card import accounts_of, overdue

LAST_MONTHS = 6
LAST_PAYMENTS = 12


class BillShown(msgspec.Struct, frozen=True, kw_only=True):
    """One month of one line."""

    month: str
    line: str
    items: tuple[BillItem, ...]
    total_fen: int
    open_fen: int
    """still to be paid"""
    due_on: date


class PaymentShown(msgspec.Struct, frozen=True, kw_only=True):
    """Money received. ``at``: seconds since 1970 (UTC); ``serving``: the city that took it, where it is another."""

    line: str
    fen: int
    at: float
    channel: str
    serving: CityId | None


class CustomerBills(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's account, of all lines. ``due_fen`` and ``overdue_fen`` are of all bills, shown or not."""

    city: CityId
    customer: CustomerId
    due_fen: int
    overdue_fen: int
    credit_fen: int
    bills: tuple[BillShown, ...]
    """of the last months, the latest first"""
    payments: tuple[PaymentShown, ...]
    """the latest first"""


def bills_of(customer: Customer, bills: Sequence[Bill], payments: Sequence[Payment], today: date) -> CustomerBills:
    """The account of ``customer`` as of ``today`` in China; ``bills`` and ``payments``: all that there are."""
    accounts = accounts_of(bills, payments, today)
    months = sorted({bill.month for bill in bills}, reverse=True)[:LAST_MONTHS]
    latest = sorted((bill for bill in bills if bill.month in months), key=lambda bill: bill.line)
    paid = sorted(payments, key=lambda payment: (payment.at, payment.receipt), reverse=True)
    return CustomerBills(
        city=customer.city,
        customer=customer.id,
        due_fen=sum(sum(one.open_fen.values()) for one in accounts.values()),
        overdue_fen=overdue(accounts),
        credit_fen=sum(one.credit_fen for one in accounts.values()),
        bills=tuple(
            BillShown(
                month=bill.month,
                line=_masked(bill.line),
                items=bill.items,
                total_fen=bill.total_fen,
                open_fen=accounts[bill.line].open_fen.get(bill.month, 0),
                due_on=bill.due_on,
            )
            for bill in sorted(latest, key=lambda bill: bill.month, reverse=True)
        ),
        payments=tuple(
            PaymentShown(line=_masked(one.line), fen=one.fen, at=one.at, channel=one.channel, serving=one.serving)
            for one in paid[:LAST_PAYMENTS]
        ),
    )


def _masked(number: str) -> str:
    return masked(number.partition("-")[0])
