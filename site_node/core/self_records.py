"""What a self-service asks the records, and what they answer. Values; a PIN in one is never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from dataset.records.tariff import TariffUnit


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class LineQuestion:
    """Whether there is such a line."""

    number: str
    """as it was keyed in, or as the network delivered it"""


@dataclass(frozen=True, slots=True)
class BillQuestion:
    """What is owed for ``line``, and its last bill."""

    line: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProgressQuestion:
    """What work is open for ``line``."""

    line: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PriceQuestion:
    """What ``codes`` of the service ``plan`` cost today."""

    plan: str
    codes: tuple[str, ...]


Question = LineQuestion | BillQuestion | ProgressQuestion | PriceQuestion


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class LineFound:
    """The line, as records have its number."""

    line: str
    has_pin: bool


@dataclass(frozen=True, slots=True)
class LineUnknown:
    """No line of this city that is in use has the number."""


@dataclass(frozen=True, slots=True)
class PinWrong:
    """It may be tried again."""


@dataclass(frozen=True, slots=True)
class PinLocked:
    """There were too many wrong PINs for the line, in this contact or in others."""


@dataclass(frozen=True, slots=True)
class LastBill:
    """The bill of ``month`` (``2026-11``)."""

    month: str
    total_fen: int
    due_on: date


@dataclass(frozen=True, slots=True)
class Statement:
    """How a line stands, in whole fen."""

    due_fen: int
    """still to be paid of all bills, overdue or not"""
    overdue_fen: int
    credit_fen: int
    """paid beyond all bills"""
    last: LastBill | None


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A work item that has not ended."""

    service: str
    state: str
    due_on: date | None


@dataclass(frozen=True, slots=True)
class OpenItems:
    """The newest first."""

    items: tuple[OpenItem, ...]
    more: bool
    """there are more than are told"""


@dataclass(frozen=True, slots=True)
class Price:
    """A price for each ``per`` units."""

    code: str
    fen: int
    unit: TariffUnit
    per: int


@dataclass(frozen=True, slots=True)
class Prices:
    """In the order asked for; what has no price today is left out."""

    prices: tuple[Price, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """The records could not be read."""


@dataclass(frozen=True, slots=True)
class Away:
    """The city whose line it is did not answer."""


Answer = LineFound | LineUnknown | PinWrong | PinLocked | Statement | OpenItems | Prices | Unread | Away
