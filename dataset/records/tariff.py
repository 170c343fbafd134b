"""What things cost, as of any day. Public data of the province; what one city has differently is a row of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from dataset.errors import Language, Problem
from dataset.ids import CityId
from dataset.records.forms import Amount, Code, Name, Some
from dataset.tables import Index, Record, Table


class TariffUnit(StrEnum):
    """What a price is for."""

    ONCE = "once"
    MONTH = "month"
    DAY = "day"
    CALL = "call"
    SECOND = "second"
    MESSAGE = "message"
    PAGE = "page"
    KILOBYTE = "kilobyte"


class TariffItem(Record, frozen=True, kw_only=True):
    """One price from one day on. A new price is a new row with its first day; rows are not changed once they hold."""

    service: Code
    code: Code
    """within the service: ``local_call``, ``monthly_rent`` …"""
    since: date
    """first day that it holds"""
    until: date | None = None
    """last day that it holds"""
    zh: Name
    en: Name
    fen: Amount
    """for ``per`` units"""
    unit: TariffUnit
    per: Some = 1
    """units that the price is for, begun ones counting whole: 6 with ``second`` is a price for each 6 seconds"""
    regulated: bool = False
    """set by the regulator (政府定价), not by the operator"""
    city: CityId | None = None
    """only there; None: in the whole province"""

    @property
    def city_or_all(self) -> str:
        """For the key."""
        return self.city or "*"

    def text(self, language: Language) -> str:
        """Its name."""
        return self.zh if language == "zh" else self.en

    def faults(self) -> tuple[Problem, ...]:
        """What does not fit together."""
        if self.until is not None and self.until < self.since:
            return (
                Problem(
                    "tariff-days",
                    zh=f"止于 {self.until}，早于起始日 {self.since}；应不早于起始日",
                    en=f"it ends on {self.until}, before it begins on {self.since}; "
                    "that day or a later one is expected",
                    place="until",
                ),
            )
        return ()


TARIFFS = Table(
    "tariffs",
    TariffItem,
    ("service",),
    ("code", "city_or_all", "since"),
    indexes=(Index("by_city", ("city",), ("service", "code", "since")),),
)


def tariffs_on(items: Iterable[TariffItem], day: date, city: CityId) -> dict[str, TariffItem]:
    """By code, what holds on ``day`` in ``city``: its own price before the province's, the later of two rows."""
    found: dict[str, TariffItem] = {}
    for one in items:
        if one.city not in (None, city) or not one.since <= day or (one.until is not None and one.until < day):
            continue
        known = found.get(one.code)
        if known is None or (one.city is not None, one.since) > (known.city is not None, known.since):
            found[one.code] = one
    return found
