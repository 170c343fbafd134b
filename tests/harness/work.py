"""Work items of the shipped services, for tests: who acts, forms that may be handed in, records that allow it all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from dataset.calendar import CHINA, day_of
from dataset.ids import AgentId, AttachmentId, CityId
from dataset.services.form import Field, Value
from dataset.services.service import Service
from dataset.services.words import Role
from dataset.services.workflow import OPEN, Action
from dataset.work import Actor, Attached, Opened, WorkItemId
from federation.core.work_item import Facts
from tests.harness.services import calendar, catalogue

GUANGZHOU = CityId("guangzhou")
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=CHINA).timestamp()
HOUR = 3600.0
WORKING = tuple(service for service in catalogue() if service.makes_work)


def actor(role: Role, agent: str = "1001@guangzhou") -> Actor:
    """Somebody in this role."""
    return Actor(agent=AgentId(agent), role=role, city=GUANGZHOU)


def filled(field: Field, day: date) -> Value:
    """A value that the field accepts; ``day`` for a date."""
    match field.type:
        case "yes_no":
            return True
        case "number" | "money":
            return max(1, field.least or 0) if field.most is None else min(max(1, field.least or 0), field.most)
        case "choice":
            return field.choices[0].code
        case "date":
            return day.isoformat()
        case "phone" | "line":
            return "02012345678"
        case "email":
            return "wang@example.cn"
        case _:
            return "中山五路 1 号"


def form_for(
    service: Service,
    needed: tuple[str, ...] = (),
    now: float = NOW,
    action: str = OPEN,
    told: Mapping[str, str] | None = None,
) -> dict[str, Value]:
    """A form that may be handed in with ``action``, by the rules of the service, with these fields too where they are
    asked, and with these words in the fields of ``told``.
    """
    rules = service.text.rules
    words = {str(one.field): one.is_[0] for one in rules if one.kind == "field_is" and action in one.at} | dict(
        told or {}
    )
    apart = {one.other: one.field for one in rules if one.kind == "fields_differ"}
    values: dict[str, Value] = {}
    for field in service.text.fields:
        if field.asked(values) and (field.required or field.id in needed or field.id in words):
            word, day = words.get(field.id), _day(service, field, now)
            value = filled(field, day) if word is None else told_value(field, word)
            values[field.id] = another(field, value) if value == values.get(apart.get(field.id) or "") else value
    return values


def told_value(field: Field, word: str) -> Value:
    """What a field holds when it is ``word`` in a service's file."""
    match field.type:
        case "yes_no":
            return word == "yes"
        case "number" | "money":
            return int(word)
        case _:
            return word


def another(field: Field, value: Value) -> Value:
    """A value that the field accepts too."""
    match field.type:
        case "number" | "money":
            assert isinstance(value, int)
            return value + 1 if field.most is None or value < field.most else value - 1
        case "choice":
            return next(one.code for one in field.choices if one.code != value)
        case "date":
            return (date.fromisoformat(str(value)) - timedelta(days=1)).isoformat()
        case "phone" | "line":
            return "02087654321"
        case "email":
            return "li@example.cn"
        case "yes_no":
            return not value
        case _:
            return "中山六路 2 号"


def _day(service: Service, field: Field, now: float) -> date:
    """A day that the rules on the field allow: five working days ahead, or as near to that as may be."""
    ahead = 5
    for one in service.text.rules:
        if one.field == field.id and one.days is not None:
            ahead = max(ahead, one.days) if one.kind == "earliest_day" else min(ahead, one.days)
    return calendar().work_days_after(day_of(now), ahead)


def friendly(service: Service) -> Facts:
    """Records under which every rule of the service holds."""
    services = {name: 1 for one in service.text.rules if one.kind == "line_has_service" for name in one.values}
    return Facts(services=services, identity_checked=True)


def mark_for(action: Action | None) -> int | None:
    """How satisfied the customer is, where ``action`` asks it."""
    return 5 if action is not None and action.asks_satisfaction else None


def begun(service: Service, values: dict[str, Value] | None = None, at: float = NOW) -> Opened:
    """The first step: a customer of 广州 asks in 深圳."""
    return Opened(
        at=at,
        item=WorkItemId("w-0020-aaaaaaaa-000001"),
        service=service.reference,
        owning=GUANGZHOU,
        customer="c-1",
        line="02012345678",
        values=form_for(service, now=at) if values is None else values,
        by=actor("agent", "2001@shenzhen"),
    )


def attached(number: int, *, at: float, by: Actor) -> Attached:
    """The ``number``-th file that somebody adds."""
    return Attached(
        at=at,
        by=by,
        attachment=AttachmentId(f"a-0755-7f3a9c21-{number:06x}"),
        name="合同.pdf",
        media_type="application/pdf",
        size=1_000,
        sha256="0" * 64,
    )
