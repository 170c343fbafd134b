"""Services, work items and receipts as the agent API shows them (docs/agent-api.md)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from dataset.calendar import day_of
from dataset.masking import masked, masked_text, masked_within
from dataset.records.work import Charge, CustomerMessage
from dataset.services.form import Field, Value
from dataset.services.service import Service
from dataset.work import Acted, AnyStep, Assigned, Attached, CalledBack, Opened, Parked
from federation.core.work_item import WorkItem
from site_node.services.work import Receipt, WorkService

SUBJECT = 60
"""characters of what an item is about, in a list"""


def service_short(service: Service, chosen: str | None) -> dict[str, Any]:
    """One line of the list of services; ``chosen``: what a call has as its service when it was chosen by keys."""
    text = service.text
    return {
        "id": service.id,
        "reference": service.reference,
        "zh": text.zh,
        "en": text.en,
        "group": text.group,
        "skill": text.skill,
        "makes_work": service.makes_work,
        "answers": text.answers,
        "doors": list(text.doors),
        "chosen": chosen,
        "today": text.today,
    }


def service_whole(service: Service, chosen: str | None, day: date) -> dict[str, Any]:
    """A service with its form, its work, and the fees of ``day``."""
    text = service.text
    return {
        **service_short(service, chosen),
        "schema": service.schema,
        "states": [
            {
                "id": one.id,
                "zh": one.zh,
                "en": one.en,
                "ends": one.ends,
                "within_s": one.within_s,
                "clock": one.clock,
                "role": one.role,
            }
            for one in text.states
        ],
        "actions": [
            {
                "id": one.id,
                "zh": one.zh,
                "en": one.en,
                "from": list(one.from_),
                "to": one.to,
                "roles": list(one.roles),
                "needs": list(one.needs),
                "note_required": one.note_required,
                "after_call_back": one.after_call_back,
                "asks_satisfaction": one.asks_satisfaction,
            }
            for one in text.actions
        ],
        "fees": [
            {
                "code": fee.code,
                "zh": fee.zh,
                "en": fee.en,
                "fen": fee.fen,
                "monthly": fee.monthly,
                "deposit": fee.deposit,
                "per": fee.per,
                "when": {"field": fee.when.field, "is": list(fee.when.is_)} if fee.when is not None else None,
            }
            for fee in text.fees
            if fee.holds(day)
        ],
        "rules": [
            {
                "kind": rule.kind,
                "at": list(rule.at),
                "zh": rule.zh,
                "en": rule.en,
                "field": rule.field,
                "other": rule.other,
                "days": rule.days,
                "is": list(rule.is_),
            }
            for rule in text.rules
        ],
        "knowledge": list(text.knowledge),
        "repeat": {"within_s": text.repeat.within_s, "press": text.repeat.press} if text.repeat is not None else None,
    }


def receipt(one: Receipt) -> dict[str, Any]:
    """How a request stands."""
    return {
        "request": one.request,
        "item": one.item,
        "owning": one.owning,
        "state": one.state,
        "problems": [{"slug": two.slug, "zh": two.zh, "en": two.en, "place": two.place} for two in one.problems],
    }


def item_short(item: WorkItem, service: Service, now: float) -> dict[str, Any]:
    """One line of a list of work items, its number masked. ``now``: wall time, by which it is late."""
    state = service.states[item.state]
    return {
        "item": item.id,
        "service": item.service,
        "zh": service.text.zh,
        "en": service.text.en,
        "group": service.text.group,
        "owning": item.owning,
        "line": masked(item.line) if item.line else "",
        "about": subject(item, service) if not item.line else "",
        "customer": item.customer,
        "state": item.state,
        "state_zh": state.zh,
        "state_en": state.en,
        "ends": item.ending,
        "opened_at": item.opened_at,
        "since": item.since,
        "due_at": item.due_at,
        "late": item.missed > 0 or (item.due_at is not None and item.due_at <= now),
        "missed": item.missed,
        "pressed": item.pressed,
        "assignee": item.assignee,
        "parked_until": item.parked_until,
        "waits_for_role": state.role if item.ending is None else None,
        "times_before": item.times_before,
        "repeat_of": item.repeat_of,
        "ahead": item.ahead,
        "revision": item.revision,
    }


def item_whole(
    item: WorkItem,
    service: Service,
    possible: Iterable[str],
    history: Iterable[tuple[AnyStep, bool]],
    followed: tuple[Iterable[Charge], Iterable[CustomerMessage]],
    now: float,
    *,
    unmasked: bool = False,
) -> dict[str, Any]:
    """A work item with its form, its steps, what followed from them, and what may be done now; its number and
    personal fields are masked unless ``unmasked``.
    """
    charges, messages = followed
    fields = {field.id: field for field in service.text.fields}
    numbers = {item.line, *(str(item.values.get(one.id, "")) for one in fields.values() if one.masked)}
    return {
        **item_short(item, service, now),
        **({"line": item.line} if unmasked else {}),
        "masked": not unmasked,
        "values": {name: value if unmasked else shown(fields.get(name), value) for name, value in item.values.items()},
        "possible": (able := list(possible)),
        "asks_satisfaction": [name for name in able if service.actions[name].asks_satisfaction],
        "called_back": item.called_back,
        "opened_by": {
            "agent": item.opened_by.agent,
            "role": item.opened_by.role,
            "city": item.opened_by.city,
            "contact": item.opened_by.contact,
        },
        "again_of": item.again_of,
        "steps": [_step(one, service, overtaken=gone) for one, gone in history],
        "charges": [_charge(one, item, service) for one in charges],
        "messages": [
            {
                "at": one.at,
                "to": masked(one.to) if one.to is not None and not unmasked else one.to,
                "text": one.text if unmasked else masked_within(one.text, numbers),
                "state": one.state,
                "sent_at": one.sent_at,
            }
            for one in messages
        ],
    }


def subject(item: WorkItem, service: Service) -> str:
    """What an item is about, in one line of at most ``SUBJECT`` characters: the first of its form's texts that is
    filled in, masked as the form is; "" for none.
    """
    for field in service.text.fields:
        written = item.values.get(field.id)
        if field.type in ("text", "long_text") and isinstance(written, str) and written.strip():
            words = " ".join(str(shown(field, written)).split())
            return words if len(words) <= SUBJECT else f"{words[: SUBJECT - 1]}…"
    return ""


def shown(field: Field | None, value: Value) -> Value:
    """A value as it is shown to whoever has not asked to see it in full, with a reason (I10)."""
    if field is None or not field.masked or isinstance(value, bool):
        return value
    return masked_text(str(value))


def _step(step: AnyStep, service: Service, *, overtaken: bool) -> dict[str, Any]:
    by = getattr(step, "by", None)
    action = service.actions.get(step.action) if isinstance(step, Acted) else None
    return {
        "step": str(step.__struct_config__.tag),
        "at": step.at,
        "by": by.agent if by is not None else None,
        "city": by.city if by is not None else None,
        "role": by.role if by is not None else None,
        "action": step.action if isinstance(step, Acted) else None,
        "zh": action.zh if action is not None else None,
        "en": action.en if action is not None else None,
        "note": getattr(step, "note", ""),
        "to": step.to if isinstance(step, Assigned) else None,
        "until": step.until if isinstance(step, Parked) else None,
        "reached": step.reached if isinstance(step, CalledBack) else None,
        "how": step.how if isinstance(step, CalledBack) else None,
        "outcome": step.outcome if isinstance(step, CalledBack) else None,
        "talked_s": step.talked_s if isinstance(step, CalledBack) and step.how == "call" else None,
        "file": step.name if isinstance(step, Attached) else None,
        "attachment": step.attachment if isinstance(step, Attached) else None,
        "contact": by.contact if by is not None else None,
        "collected_fen": step.collected_fen if isinstance(step, Opened | Acted) else 0,
        "satisfaction": step.satisfaction if isinstance(step, Acted) else None,
        "overtaken": overtaken,
    }


def _charge(charge: Charge, item: WorkItem, service: Service) -> dict[str, Any]:
    # one code may stand for several amounts: by what the form says, by the day, once and every month
    due = service.fees_due((charge.code,), item.values, day_of(charge.at))
    fees = due or tuple(one for one in service.text.fees if one.code == charge.code)
    alike = [one for one in fees if (one.monthly, one.deposit) == (charge.monthly, charge.deposit)]
    fee = next(iter(alike or fees), None)
    return {
        "code": charge.code,
        "zh": fee.zh if fee is not None else charge.code,
        "en": fee.en if fee is not None else charge.code,
        "fen": charge.fen,
        "monthly": charge.monthly,
        "deposit": charge.deposit,
        "at": charge.at,
    }


def service_answer(service: Service, work: WorkService) -> dict[str, Any]:
    """``service``."""
    return {"service": service_whole(service, work.chosen(service), day_of(work.now()))}
