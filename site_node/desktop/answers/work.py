"""Work items, with their steps and what followed."""

from __future__ import annotations

from typing import Literal

from dataset.ids import AgentId, CityId, ContactId
from dataset.records.work import MessageState
from dataset.services.form import Value
from dataset.services.words import Role
from dataset.work import CallBackOutcome
from federation.node.answers import Count, Seconds
from federation.node.operations import ProblemTold, Reply
from site_node.desktop.answers.parts import MissingPart, Part

Handed = Literal["pending", "accepted", "refused"]


class ReceiptShown(Reply, frozen=True, kw_only=True):
    """How something that was handed in stands; ``pending`` until the owning city has answered."""

    request: str
    item: str
    owning: CityId
    state: Handed
    problems: tuple[ProblemTold, ...]


class IdentityHolds(Reply, frozen=True, kw_only=True):
    """Whether a check of identity holds for a line in a contact."""

    checked: bool


class ItemShort(Reply, frozen=True, kw_only=True):
    """A work item in a list. ``about``: what it is about where it has no line, masked as its form is."""

    item: str
    service: str
    zh: str
    en: str
    group: str
    owning: CityId
    line: str
    about: str
    customer: str
    state: str
    state_zh: str
    state_en: str
    ends: str | None
    opened_at: float
    since: float
    due_at: float | None
    late: bool
    missed: Count
    pressed: Count
    assignee: AgentId | None
    parked_until: float | None
    waits_for_role: Role | None
    times_before: Count
    repeat_of: str | None
    ahead: bool
    mass_fault: str | None
    revision: Count


class OpenedBy(Reply, frozen=True, kw_only=True):
    """Who handed the form in."""

    agent: AgentId
    role: Role
    city: CityId
    contact: ContactId | None


class StepShown(Reply, frozen=True, kw_only=True):
    """A step that was taken. ``overtaken``: another step came first, and this one counts no more."""

    step: str
    at: float
    by: AgentId | None
    city: CityId | None
    role: Role | None
    action: str | None
    zh: str | None
    en: str | None
    note: str
    to: AgentId | None
    until: float | None
    reached: bool | None
    how: Literal["", "call", "other"] | None
    outcome: CallBackOutcome | None
    talked_s: Seconds | None
    file: str | None
    attachment: str | None
    contact: ContactId | None
    collected_fen: int
    satisfaction: int | None
    overtaken: bool


class ChargeShown(Reply, frozen=True, kw_only=True):
    """What became due with a step."""

    code: str
    zh: str
    en: str
    fen: int
    monthly: bool
    deposit: bool
    at: float


class MessageShown(Reply, frozen=True, kw_only=True):
    """What the customer is told, and where."""

    at: float
    to: str | None
    text: str
    state: MessageState
    sent_at: float | None


class ItemWhole(ItemShort, frozen=True, kw_only=True):
    """A work item with its form, its steps and what followed. ``masked``: whether personal values are."""

    masked: bool
    values: dict[str, Value]
    possible: tuple[str, ...]
    asks_satisfaction: tuple[str, ...]
    called_back: bool
    opened_by: OpenedBy
    again_of: str | None
    steps: tuple[StepShown, ...]
    charges: tuple[ChargeShown, ...]
    messages: tuple[MessageShown, ...]


class ItemHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A work item as one city (``from``) knows it."""

    item: ItemWhole
    from_: CityId
    as_of: float


class ItemFound(ItemHere, frozen=True, kw_only=True):
    """A work item, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class ItemsHere(Reply, frozen=True, kw_only=True):
    """Work items that one city knows of. ``more``: how many are not shown."""

    items: tuple[ItemShort, ...]
    more: Count
    parts: tuple[Part, ...]


class ItemsFound(ItemsHere, frozen=True, kw_only=True):
    """Work items, and whose part is missing."""

    missing: tuple[MissingPart, ...]
