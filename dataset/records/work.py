"""What work on orders, faults and complaints leaves in a city's records: the item, charges, messages to the customer.

The rows of record stay the truth; these records are made from them, each under a key that its row gives, so that
making them twice changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from dataset.calendar import CHINA
from dataset.ids import CityId
from dataset.records.forms import Amount, Code, Moment, ReachedBy
from dataset.tables import Index, Record, Table
from dataset.work import WorkItemId

MessageState = Literal["waiting", "sent", "failed", "dropped"]
"""``dropped``: not sent, since it was too late to help when its row came back after a loss"""


class WorkRecord(Record, frozen=True, kw_only=True):
    """How far a work item has come; its revision is the number of its rows on record."""

    city: CityId
    """the owning city"""
    item: WorkItemId
    service: str
    """``id@version``"""
    line: str = ""
    customer: str = ""
    state: Code
    ending: str = ""
    """empty while it goes on"""
    opened_in: CityId
    opened_at: Moment
    due_at: Moment | None = None


WORK_ITEMS = Table(
    "work_items",
    WorkRecord,
    ("city", "item"),
    indexes=(
        Index("by_line", ("city", "line"), ("opened_at",)),
        Index("by_customer", ("city", "customer"), ("opened_at",)),
    ),
)


class Charge(Record, frozen=True, kw_only=True):
    """An amount that became due with a step; bills are made of these, and they are never summed anywhere else."""

    city: CityId
    line: str
    """empty where the customer has no line yet"""
    item: WorkItemId
    origin: str
    """of the step: ``node/lineage/sequence``"""
    code: Code
    customer: str = ""
    fen: Amount
    monthly: bool = False
    deposit: bool = False
    at: Moment


CHARGES = Table(
    "charges",
    Charge,
    ("city", "item"),
    ("origin", "code"),
    indexes=(Index("by_line", ("city", "line"), ("at",)), Index("by_customer", ("city", "customer"), ("at",))),
)


class CustomerMessage(Record, frozen=True, kw_only=True):
    """Something that the customer is told. ``to`` is where, as far as the form or the records say."""

    city: CityId
    origin: str
    """of the step: ``node/lineage/sequence``"""
    code: Code
    item: WorkItemId
    to: ReachedBy | None = None
    text: str
    at: Moment
    state: MessageState = "waiting"
    sent_at: Moment | None = None
    tries: int = 0

    @property
    def waits(self) -> str | None:
        """``yes`` while it is to be sent; the partition of what waits."""
        return "yes" if self.state == "waiting" else None

    @property
    def day(self) -> str:
        """In China."""
        return datetime.fromtimestamp(self.at, CHINA).date().isoformat()


MESSAGES = Table(
    "messages",
    CustomerMessage,
    ("city", "origin", "code"),
    indexes=(
        Index("waiting", ("city", "waits"), ("at",)),
        Index("by_item", ("city", "item"), ("at",)),
        Index("by_day", ("city", "day"), ("at",)),
    ),
)
