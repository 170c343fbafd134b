"""What follows from a step in the owning city's records: how far the item is, charges, messages, the customer's line.

Pure. Everything is named by the step's own origin, so that it can be made again after a crash and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from msgspec.structs import replace

from dataset.calendar import CHINA, day_of
from dataset.errors import Language
from dataset.ids import CityId, CustomerId
from dataset.puts import Put
from dataset.records.attachment import ATTACHMENTS, Attachment
from dataset.records.line import LINES, Line, LineStatus
from dataset.records.work import CHARGES, MESSAGES, WORK_ITEMS, Charge, CustomerMessage, WorkRecord
from dataset.rows import Journalled
from dataset.services.form import Field, Value
from dataset.services.service import BLANK, Service
from dataset.work import Attached
from federation.core.work_item import Effect, Ended, FeeDue, Tell, WorkItem

LATE_S = 86_400.0
"""a message whose step is older than this when it comes to be written is not sent: its row came back after a loss"""


def puts_of(
    journalled: Journalled,
    item: WorkItem,
    effects: tuple[Effect, ...],
    service: Service,
    *,
    now: float,
    city_name: str,
    language: Language = "zh",
    to: str | None = None,
) -> list[Put]:
    """Charges and messages of one step. ``to``: where the customer is told, as far as the records say; the form goes
    before.
    """
    origin = "/".join(str(part) for part in journalled.origin)
    at = journalled.wall
    found = []
    for effect in effects:
        match effect:
            case FeeDue(code=code, fen=fen, monthly=monthly, deposit=deposit):
                charge = Charge(
                    city=item.owning,
                    line=item.line,
                    item=item.id,
                    origin=origin,
                    code=code,
                    customer=item.customer,
                    fen=fen,
                    monthly=monthly,
                    deposit=deposit,
                    at=at,
                )
                found.append(Put(CHARGES, charge))
            case Tell(message=message):
                told = CustomerMessage(
                    city=item.owning,
                    origin=origin,
                    code=message,
                    item=item.id,
                    to=reached_by(item, service) or to,
                    text=text_of(item, service, message, city_name, language),
                    at=at,
                    state="waiting" if at > now - LATE_S else "dropped",
                )
                found.append(Put(MESSAGES, told))
            case _:
                pass
    return found


def record_of(item: WorkItem, steps: int) -> Put:
    """How far the item has come with ``steps`` rows on record, which only grow."""
    record = WorkRecord(
        city=item.owning,
        item=item.id,
        service=item.service,
        line=item.line,
        customer=item.customer,
        state=item.state,
        ending=item.ending or "",
        opened_in=item.opened_by.city,
        opened_at=item.opened_at,
        due_at=item.due_at,
        revision=steps,
    )
    return Put(WORK_ITEMS, record)


def attachment_of_step(item: WorkItem, step: Attached) -> Put:
    """The file that the step added."""
    return Put(
        ATTACHMENTS,
        Attachment(
            id=step.attachment,
            city=item.owning,
            kind="file",
            name=step.name,
            media_type=step.media_type,
            size=step.size,
            sha256=step.sha256,
            parts=0,
            at=step.at,
            by=step.by.agent,
            work_item=item.id,
        ),
    )


# ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────────
def reached_by(item: WorkItem, service: Service) -> str | None:
    """The number for contact that the form has: a mobile one before others."""
    numbers = [
        str(item.values[field.id])
        for field in service.text.fields
        if field.type == "phone" and "contact" in field.id and field.id in item.values
    ]
    return next((number for number in numbers if number.startswith("1")), numbers[0] if numbers else None)


def text_of(item: WorkItem, service: Service, message: str, city_name: str, language: Language) -> str:
    """The message with its blanks filled in."""
    fields = {field.id: field for field in service.text.fields}
    known = {
        "item": item.id,
        "service": service.name(language),
        "due": _moment(item.due_at) if item.due_at is not None else "",
        "city": city_name,
    }

    def fill(name: str) -> str:
        if name in known:
            return known[name]
        value = item.values.get(name)
        return "" if value is None else said(fields[name], value, language)

    return BLANK.sub(lambda blank: fill(blank[1]), service.messages[message].text(language))


def said(field: Field, value: Value, language: Language) -> str:
    """A value as it stands in a sentence."""
    match field.type:
        case "yes_no":
            return {"zh": ("否", "是"), "en": ("no", "yes")}[language][bool(value)]
        case "choice":
            names = {choice.code: choice.zh if language == "zh" else choice.en for choice in field.choices}
            return names.get(str(value), str(value))
        case "money":
            return f"{int(value) / 100:.2f} 元" if language == "zh" else f"{int(value) / 100:.2f} yuan"
        case _:
            return str(value)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M")


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def done(effects: tuple[Effect, ...]) -> bool:
    """Whether the step has ended the item as it was meant to end."""
    return any(isinstance(effect, Ended) and effect.ending == "done" for effect in effects)


def lines_after(item: WorkItem, service: Service, known: Line | None, at: float) -> list[Put]:
    """The customer's lines after the item is done, where the service says that they change. ``known``: the item's line
    as it is on record. What is so already stays as it is.
    """
    change = service.text.line_change
    if change is None:
        return []
    day, number = day_of(at), _filled(item.values, change.number)
    address = _filled(item.values, change.address)
    match change.kind:
        case "opens":
            return [_opened(item, service, number, address, day)] if number else []
        case "feature" if known is not None and service.id not in known.features:
            return [_changed(known, features=(*known.features, service.id))]
        case "ceases" if known is not None and known.status is not LineStatus.CEASED:
            return [_changed(known, status=LineStatus.CEASED, ceased_on=day)]
        case "moves" if known is not None and known.status is not LineStatus.CEASED:
            where = {"address": address} if address else {}
            if not number or number == known.number:
                return [_changed(known, **where)] if where and known.address != address else []
            moved = replace(known, number=number, revision=1, installed_on=day, **where)
            return [_changed(known, status=LineStatus.CEASED, ceased_on=day), Put(LINES, moved)]
        case _:
            return []


def _opened(item: WorkItem, service: Service, number: str, address: str, day: date) -> Put:
    line = Line(
        city=CityId(item.owning),
        number=number,
        customer=CustomerId(item.customer),
        service=service.id,
        status=LineStatus.ACTIVE,
        address=address,
        installed_on=day,
    )
    return Put(LINES, line)


def _changed(line: Line, **changes: Any) -> Put:
    return Put(LINES, replace(line, revision=line.revision + 1, **changes))


def _filled(values: Mapping[str, Value], name: str | None) -> str:
    value = values.get(name) if name is not None else None
    return str(value) if value is not None else ""
