"""The part of the agent API that is about customers: who is looked for, and the card of one; looks go on record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import ContactId
from dataset.masking import masked_text
from dataset.rows import Viewed
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request, word
from site_node.core.customer_card import CustomerCard, FoundCustomers
from site_node.desktop.answers import CardFound
from site_node.desktop.operations import AGENT, OVERSEERS
from site_node.desktop.reasons import LONGEST_REASON, Reason
from site_node.desktop.work_operations import STORE, UNMASK
from site_node.ports import CustomerRecords
from site_node.services.audit import AuditTrail, check_unmask
from site_node.services.seats import SeatService

Word = Annotated[str, msgspec.Meta(max_length=64)]


class Customers(Request, frozen=True, kw_only=True):
    """Exactly one of ``text`` (a number, a document, a name or its beginning) and ``contact`` (whoever is calling)."""

    text: Word = ""
    contact: Word = ""


class Card(Request, frozen=True, kw_only=True):
    """Exactly one of ``line`` and ``customer``. ``unmask``: in full, for a ``reason`` that goes on record."""

    line: Word = ""
    customer: Word = ""
    unmask: bool = False
    reason: Reason = ""


FIND = Outcomes(
    FoundCustomers, {400: ("one-of-two",), 404: ("unknown-contact",), 409: ("no-seat", "not-logged-in"), 503: STORE}
)
CARD = Outcomes(
    CardFound,
    {
        400: ("one-of-two", *UNMASK[400]),
        403: UNMASK[403],
        404: ("line-unknown", "customer-unknown"),
        503: STORE,
    },
)


def customer_operations(
    customers: CustomerRecords,
    seats: SeatService,
    trail: AuditTrail,
    now: Callable[[], float],
    checked: Callable[[Actor], Collection[str]] = lambda _: (),
) -> tuple[Operation, ...]:
    """``now``: wall time of the city. ``checked``: lines of which the caller at a seat has shown to be the customer."""

    async def find(actor: Actor, ask: Customers) -> Answer:
        _one_of("text", ask.text, "contact", ask.contact)
        text = seats.calling(actor, ContactId(ask.contact)) if ask.contact else ask.text
        found = await customers.find(text)
        who = tuple(one.customer for one in found.customers)
        trail.shown(actor, Look(operation="customers", what=Viewed.SEARCH, id=masked_text(text), customers=who))
        return _answer(found)

    async def card(actor: Actor, ask: Card) -> Answer:
        _one_of("line", ask.line, "customer", ask.customer)
        found = await customers.card(line=ask.line, customer=ask.customer, at=now(), unmasked=ask.unmask)
        look = replace(_card_look(msgspec.structs.asdict(ask)), customers=(found.customer,))
        if ask.unmask:
            mine = set(checked(actor))
            check_unmask(actor, ask.reason, own=any(line.number in mine for line in found.lines))
            await trail.shown(actor, look)
        else:
            trail.shown(actor, look)
        return {"card": _answer(found)}

    return (
        Operation(
            "customers",
            Customers,
            AGENT | OVERSEERS,
            find,
            "查找客户",
            "look for a customer",
            FIND,
            lambda actor, fields, refused: trail.refused(actor, _search_look(fields), refused),
        ),
        Operation(
            "card",
            Card,
            AGENT | OVERSEERS,
            card,
            "客户资料",
            "a customer whole",
            CARD,
            lambda actor, fields, refused: trail.refused(actor, _card_look(fields), refused),
        ),
    )


def _search_look(fields: Mapping[str, Any]) -> Look:
    text = word(fields, "text")
    return Look(operation="customers", what=Viewed.SEARCH, id=masked_text(text) if text else "")


def _card_look(fields: Mapping[str, Any]) -> Look:
    line, customer = word(fields, "line"), word(fields, "customer")
    unmask = fields.get("unmask") is True
    return Look(
        operation="card",
        what=Viewed.LINE if line else Viewed.CUSTOMER,
        id=line or customer,
        line=line,
        unmasked=unmask,
        reason=word(fields, "reason", LONGEST_REASON) if unmask else "",
    )


def _answer(found: CustomerCard | FoundCustomers) -> Answer:
    answer: Answer = msgspec.to_builtins(found)
    return answer


def _one_of(first: str, one: str, second: str, other: str) -> None:
    if bool(one.strip()) == bool(other.strip()):
        raise Refused(
            Problem(
                "one-of-two",
                zh=f"请给出 {first} 或 {second} 之一",
                en=f"exactly one of {first} and {second} is expected",
                place=first,
            )
        )
