"""What customers have of the operator: lines, each a number with its service and features.

What numbers there are is the number plan's (``dataset.number_plan``), a file of the province.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from dataset.errors import Problem
from dataset.ids import CityId, CustomerId
from dataset.records.forms import Code, Number
from dataset.tables import Index, Record, Table


class LineStatus(StrEnum):
    """How far a line is in its life."""

    ORDERED = "ordered"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """cut off for arrears, or at the customer's wish"""
    CEASED = "ceased"


IN_USE = (LineStatus.ACTIVE, LineStatus.SUSPENDED)
"""what a customer has, though it may be cut off"""


class Line(Record, frozen=True, kw_only=True):
    """A number (or a data line's own number) that a customer has, or had."""

    city: CityId
    number: Number
    customer: CustomerId
    service: Code
    """of a telephone line ``install_line``, of others ``fibre_broadband``, ``ddn`` …: the id of the service that it was
    ordered by, which services' rules ask for
    """
    status: LineStatus = LineStatus.ACTIVE
    features: tuple[Code, ...] = ()
    """``caller_id``, ``forward_busy``, ``isdn_2b_d`` …, by service as well; one as often as the line has it"""
    over: Number | None = None
    """the telephone line that it comes over (broadband), or that it is charged to (a card)"""
    tariff: str = ""
    """code of the plan that it is charged by"""
    address: str = ""
    district: str = ""
    exchange: str = ""
    """the switch that serves it"""
    cable: str = ""
    """cable or distribution box: lines of one fail together"""
    installed_on: date | None = None
    ceased_on: date | None = None
    pin_digest: str = ""
    """of the PIN for self-service, in argon2's own form; empty: none was set"""

    def faults(self) -> tuple[Problem, ...]:
        """What does not fit together."""
        if self.ceased_on is not None and self.installed_on is not None and self.ceased_on < self.installed_on:
            return (
                Problem(
                    "line-days",
                    zh=f"拆机日 {self.ceased_on} 早于装机日 {self.installed_on}；应不早于装机日",
                    en=f"removed on {self.ceased_on}, before it was installed on {self.installed_on}; "
                    "that day or a later one is expected",
                    place="ceased_on",
                ),
            )
        return ()


LINES = Table(
    "lines",
    Line,
    ("city", "number"),
    indexes=(
        Index("by_customer", ("city", "customer"), ("number",)),
        Index("by_cable", ("city", "cable"), ("number",)),
        Index("by_district", ("city", "district"), ("number",)),
    ),
)
