"""Services, with their forms and their work."""

from __future__ import annotations

from typing import Any

from dataset.ids import SkillId
from dataset.services.words import Answers, Role
from dataset.services.workflow import RuleKind, WorkClock
from federation.node.answers import Seconds
from federation.node.operations import Reply


class ServiceShort(Reply, frozen=True, kw_only=True):
    """A service in the list. ``chosen``: what a call has as its ``service`` when the caller chose the menu of this one;
    ``today``: the service that stands in its place; ``answers``: what answers it at once.
    """

    id: str
    reference: str
    zh: str
    en: str
    group: str
    skill: SkillId
    makes_work: bool
    answers: Answers | None
    doors: tuple[str, ...]
    chosen: str | None
    today: str | None


class ServicesFound(Reply, frozen=True, kw_only=True):
    """All services."""

    services: tuple[ServiceShort, ...]


class StateShown(Reply, frozen=True, kw_only=True):
    """A state that a work item of a service may be in. ``ends``: how it ends there; null: it goes on."""

    id: str
    zh: str
    en: str
    ends: str | None
    within_s: Seconds | None
    clock: WorkClock
    role: Role | None


class ActionShown(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What may be done in some states, by whom, and what has to be there by then."""

    id: str
    zh: str
    en: str
    from_: tuple[str, ...]
    to: str
    roles: tuple[Role, ...]
    needs: tuple[str, ...]
    note_required: bool
    after_call_back: bool
    asks_satisfaction: bool


class WhenShown(Reply, frozen=True, kw_only=True, rename={"is_": "is"}):
    """A field of the form, and the values of it for which something holds."""

    field: str
    is_: tuple[str, ...]


class FeeShown(Reply, frozen=True, kw_only=True):
    """A fee of today. ``per``: the field that it is multiplied by."""

    code: str
    zh: str
    en: str
    fen: int
    monthly: bool
    deposit: bool
    per: str | None
    when: WhenShown | None


class RuleShown(Reply, frozen=True, kw_only=True, rename={"is_": "is"}):
    """A rule of the service, looked at before the actions of ``at``; what is said when it does not hold."""

    kind: RuleKind
    at: tuple[str, ...]
    zh: str
    en: str
    field: str | None
    other: str | None
    days: int | None
    is_: tuple[str, ...]


class RepeatShown(Reply, frozen=True, kw_only=True):
    """Within which time the same matter counts as a repeat, and whether it goes ahead then."""

    within_s: Seconds
    press: bool


class ServiceWhole(ServiceShort, frozen=True, kw_only=True):
    """A service with its form (``schema``, JSON Schema with layout) and its work."""

    schema: dict[str, Any]
    states: tuple[StateShown, ...]
    actions: tuple[ActionShown, ...]
    fees: tuple[FeeShown, ...]
    rules: tuple[RuleShown, ...]
    knowledge: tuple[str, ...]
    repeat: RepeatShown | None


class ServiceFound(Reply, frozen=True, kw_only=True):
    """One service."""

    service: ServiceWhole
