"""What a finished contact came to, as whoever answers next wants to see it. The rows of record stay the truth."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dataset.calendar import CHINA
from dataset.ids import AgentId, AttachmentId, CityId, ContactId, CustomerId
from dataset.records.forms import Count, Moment
from dataset.rows import Ending, IdentityHow
from dataset.tables import Index, Record, Table


class IdentityOnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The caller showed to be the customer of a line."""

    how: IdentityHow
    line: str
    at: Moment
    agent: AgentId | None = None
    """who checked; None: the menu"""


class PastContact(Record, frozen=True, kw_only=True):
    """One contact after its ending, at the city where it arrived."""

    contact: ContactId
    city: CityId
    """where it arrived"""
    channel: str
    door: str
    """number dialled, address written to"""
    calling: str = ""
    began_at: Moment
    ended_at: Moment
    ending: Ending
    service: str = ""
    package: str = ""
    """name@version in force"""
    customer: CustomerId | None = None
    customer_city: CityId | None = None
    """owning city of the customer, where it is known"""
    line: str = ""
    segments: Count = 0
    """handlers it had, each a ``PastSegment``"""
    waited_s: float = 0.0
    talked_s: float = 0.0
    work_items: tuple[str, ...] = ()
    attachments: tuple[AttachmentId, ...] = ()
    identity: tuple[IdentityOnRecord, ...] = ()
    """what was checked in it, here or at a city that served it"""

    @property
    def day(self) -> str:
        """Of its beginning, in China."""
        return datetime.fromtimestamp(self.began_at, CHINA).date().isoformat()


CONTACTS = Table(
    "contacts",
    PastContact,
    ("contact",),
    indexes=(
        Index("by_customer", ("customer_city", "customer"), ("began_at",)),
        Index("by_calling", ("calling",), ("began_at",)),
        Index("by_day", ("city", "day"), ("began_at",)),
    ),
)


class PastSegment(Record, frozen=True, kw_only=True):
    """One stretch of a contact with one handler, as its serving site closed it."""

    contact: ContactId
    n: Count
    site: CityId
    agent: AgentId | None = None
    """None: the menu"""
    agent_name: str = ""
    skill: str = ""
    service: str = ""
    began_at: Moment
    ended_at: Moment
    talked_s: float = 0.0
    held_s: float = 0.0
    wrap_up_s: float = 0.0
    disposition: str = ""
    notes: str = ""
    values: dict[str, str | int | bool] = msgspec.field(default_factory=dict)
    """what was filled in at the seat"""

    @property
    def day(self) -> str:
        """Of its beginning, in China."""
        return datetime.fromtimestamp(self.began_at, CHINA).date().isoformat()


SEGMENTS = Table(
    "segments",
    PastSegment,
    ("contact",),
    ("n",),
    indexes=(Index("by_agent", ("agent", "day"), ("began_at",)),),
)
