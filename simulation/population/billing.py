"""Bills and payments of the last months: issued on the third, due on the twenty-fifth, paid in time, late, or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from dataset.calendar import CHINA
from dataset.ids import CityId, ReceiptId
from dataset.records.line import Line
from dataset.records.money import Bill, BillItem, Payment

_ISSUED_DAY = 3
_DUE_DAY = 25
_CHANNELS = ("bank", "bank", "bank", "web", "web", "counter", "agency", "ivr")


@dataclass(frozen=True, slots=True)
class BillMonth:
    """One month that was charged for."""

    name: str
    first: date
    last: date
    issued_on: date
    due_on: date
    issued_at: float
    """seconds since 1970 of the beginning of ``issued_on`` in China"""


def months_before(today: date, count: int) -> tuple[BillMonth, ...]:
    """The ``count`` last months whose bills are out on ``today``, the oldest first."""
    found: list[BillMonth] = []
    end = today.replace(day=1) - timedelta(1)
    while len(found) < count:
        first, following = end.replace(day=1), end + timedelta(1)
        month = BillMonth(
            name=f"{first:%Y-%m}",
            first=first,
            last=end,
            issued_on=(issued := following.replace(day=_ISSUED_DAY)),
            due_on=following.replace(day=_DUE_DAY),
            issued_at=datetime(issued.year, issued.month, issued.day, tzinfo=CHINA).timestamp(),
        )
        if month.issued_on <= today:
            found.append(month)
        end = first - timedelta(1)
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Payer:
    """How a customer pays: over what, how many days after the bill, and how many of the last months not at all."""

    channel: str
    days: int
    unpaid: int
    elsewhere: CityId | None
    """takes its money to another city (异地受理)"""


def draw_payer(rng: Random, city: CityId, others: Sequence[CityId]) -> Payer:
    """Most pay within days; one in fourteen is late, one in twenty owes one month or more."""
    habit = rng.random()
    unpaid = (1 if rng.random() < 0.6 else 2 if rng.random() < 0.6 else 12) if habit < 0.05 else 0
    days = rng.randrange(24, 40) if 0.05 <= habit < 0.12 else rng.randrange(1, 21)
    elsewhere = rng.choice(others) if others and rng.random() < 0.02 else None
    return Payer(rng.choice(_CHANNELS), days, unpaid, elsewhere)


Charged = Callable[[BillMonth], Sequence[BillItem]]
"""what a month came to"""


def settle(
    rng: Random, line: Line, payer: Payer, months: Sequence[BillMonth], today: date, charged: Charged
) -> Iterator[Bill | Payment]:
    """The bills of ``line`` for the months in which it was there, and what was paid of them until ``today``."""
    for at, month in enumerate(months):
        if line.installed_on is not None and line.installed_on > month.last:
            continue
        if line.ceased_on is not None and line.ceased_on < month.first:
            continue
        items = tuple(charged(month))
        total = sum(item.fen for item in items)
        paid_on = month.issued_on + timedelta(payer.days)
        pays = at < len(months) - payer.unpaid and paid_on <= today
        yield Bill(
            city=line.city,
            line=line.number,
            month=month.name,
            customer=line.customer,
            items=items,
            total_fen=total,
            due_on=month.due_on,
            issued_at=month.issued_at,
            settled_on=paid_on if pays else None,
        )
        if pays and total:
            yield Payment(
                city=line.city,
                line=line.number,
                receipt=ReceiptId(f"{payer.channel[0].upper()}{line.number}{month.first:%Y%m}"),
                customer=line.customer,
                fen=total,
                at=month.issued_at + payer.days * 86_400 + rng.randrange(8 * 3600, 21 * 3600),
                channel=payer.channel,
                months=(month.name,),
                serving=payer.elsewhere,
            )
