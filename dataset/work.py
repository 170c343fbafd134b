"""Work items on record (工单): who asked for what, every step that was taken, and what was refused.

A step is written by one node only, the owning city, after it was checked there; a city that serves another's customer
(异地受理) writes what it asks for, and gets the owning city's row as the answer. Rows are never changed; what an item
has come to is their fold (``federation.core.work_item``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NewType

import msgspec

from dataset.ids import AgentId, AttachmentId, CityId, ContactId, LineageId
from dataset.services.form import Value
from dataset.services.words import Role

RequestId = NewType("RequestId", str)
"""``0755-7f3a9c21-000001``: area code of the city that asks, its lineage, counter."""
WorkItemId = NewType("WorkItemId", str)
"""``w-`` and the id of the request that opened it: asked again after a loss, it is the same item."""

MassFaultId = NewType("MassFaultId", str)
"""``m-0020-7f3a9c21-000001``: as a request of the owning city, with ``m-`` before it."""


def request_id(area_code: str, lineage: LineageId, counter: int) -> RequestId:
    """The ``counter``-th request that the city with ``area_code`` makes in this run."""
    return RequestId(f"{area_code:0>4}-{lineage}-{counter:06x}")


def call_back_request(contact: ContactId) -> RequestId:
    """The request for the step that follows from a call-back: one of each call, however often it is handed in."""
    return RequestId(f"cb-{contact}")


def item_of(request: RequestId) -> WorkItemId:
    """The item that ``request`` opens."""
    return WorkItemId(f"w-{request}")


def attachment_of(request: RequestId) -> AttachmentId:
    """The file that ``request`` adds to an item."""
    return AttachmentId(f"a-{request}")


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes a step, in which role, from which city, in which contact (if any)."""

    agent: AgentId
    role: Role
    city: CityId
    contact: ContactId | None = None
    identity_checked: bool = False
    """the city of the agent vouches that the customer's identity was checked in this contact"""


# ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step"):
    """What happened to an item; recorded once it was checked."""

    at: float


class Opened(Step, frozen=True, kw_only=True, tag="opened"):
    """The form was handed in."""

    item: WorkItemId
    service: str
    """``id@version``, for life"""
    owning: CityId
    customer: str
    line: str = ""
    values: dict[str, Value]
    by: Actor
    collected_fen: int = 0
    """what was taken in at the desk with the form"""
    again_of: WorkItemId | None = None
    """the item that was ended and whose matter is back: an ending stays, a new item takes it up"""
    key: str = ""
    """by which the seat names the form; the same form handed in again is the same request"""
    times_before: int = 0
    """how often the owning city had the same on record within the service's time (``[repeat]``) as it took the form"""
    repeat_of: WorkItemId | None = None
    """the last of these"""


NOT_SAID = 0
"""of ``Acted.satisfaction``: the customer would not say, or was not asked"""
MARKS = (1, 2, 3, 4, 5)
"""of ``Acted.satisfaction``: from very dissatisfied to very satisfied"""
SATISFIED = 4
"""a mark of at least this"""


class Acted(Step, frozen=True, kw_only=True, tag="acted"):
    """An action of the service was taken; ``values`` are what was filled in, changed, or (None) cleared with it."""

    action: str
    by: Actor
    values: dict[str, Value | None] = {}
    note: str = ""
    collected_fen: int = 0
    satisfaction: int | None = None
    """how satisfied the customer who was called back is: one of ``MARKS``, or ``NOT_SAID``. None: the service does not
    ask with this action, or it was taken by a city of the version before, which cannot"""


class Assigned(Step, frozen=True, kw_only=True, tag="assigned"):
    """Given to an agent, handed over to another, or (None) back to the queue of those who may."""

    to: AgentId | None
    by: Actor | None = None
    """None: by the queue"""


class Parked(Step, frozen=True, kw_only=True, tag="parked"):
    """Out of the queue until then; never beyond its deadline."""

    until: float
    by: Actor
    note: str


class Noted(Step, frozen=True, kw_only=True, tag="noted"):
    """Somebody wrote something down."""

    by: Actor
    note: str


class CallBackOutcome(StrEnum):
    """What became of a call to the customer of a work item (回访)."""

    REACHED = "reached"
    """the customer's telephone was answered: the switch said so"""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REFUSED = "refused"
    """declined at the telephone, or by the network"""
    UNREACHABLE = "unreachable"
    """no such number, no way there"""
    GIVEN_UP = "given_up"
    """the agent hung up before an answer"""
    AGENT_MISSED = "agent_missed"
    """the agent's own telephone was not answered: nobody called the customer"""
    FAILED = "failed"
    """a fault: the switch, or a restart of the node"""


class CalledBack(Step, frozen=True, kw_only=True, tag="called_back"):
    """The customer was called (回访), or reached in another way; ``by.contact`` is the call."""

    by: Actor
    reached: bool
    how: Literal["", "call", "other"] = ""
    """``call``: as the switch told; ``other``: an agent's word, with a note. Empty: written before there were calls"""
    outcome: CallBackOutcome | None = None
    """of the call"""
    talked_s: float = 0.0
    note: str = ""


class Pressed(Step, frozen=True, kw_only=True, tag="pressed"):
    """督办: a supervisor presses for it."""

    by: Actor
    note: str


class Attached(Step, frozen=True, kw_only=True, tag="attached"):
    """A file was added; its content is on the owning city's disk before this is on record."""

    by: Actor
    attachment: AttachmentId
    name: str
    """of the file, as it came"""
    media_type: str
    size: int
    """bytes"""
    sha256: str
    """of the content, in hex"""
    key: str = ""
    """by which the seat names the file; handed in again for the same item it is the same request"""


class DeadlinePassed(Step, frozen=True, kw_only=True, tag="deadline_passed"):
    """The deadline came and the item had not moved on."""


AnyStep = Opened | Acted | Assigned | Parked | Noted | CalledBack | Pressed | Attached | DeadlinePassed
Later = Acted | Assigned | Parked | Noted | CalledBack | Pressed | Attached | DeadlinePassed
"""every step but the first"""
