"""The part of the agent API that is about customers: who is looked for, and the card of one; masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import ContactId
from federation.node.login import Actor
from federation.node.operations import Answer, Operation, Request
from site_node.core.customer_card import CustomerCard, FoundCustomers
from site_node.desktop.operations import AGENT, OVERSEERS
from site_node.ports import CustomerRecords
from site_node.services.seats import SeatService

Word = Annotated[str, msgspec.Meta(max_length=64)]


class Customers(Request, frozen=True, kw_only=True):
    """Exactly one of ``text`` (a number, a document, a name or its beginning) and ``contact`` (whoever is calling)."""

    text: Word = ""
    contact: Word = ""


class Card(Request, frozen=True, kw_only=True):
    """Exactly one of ``line`` and ``customer``."""

    line: Word = ""
    customer: Word = ""


def customer_operations(
    customers: CustomerRecords, seats: SeatService, now: Callable[[], float]
) -> tuple[Operation, ...]:
    """``now``: wall time of the city."""

    def find(actor: Actor, ask: Customers) -> Deferred[Answer]:
        _one_of("text", ask.text, "contact", ask.contact)
        text = seats.calling(actor, ContactId(ask.contact)) if ask.contact else ask.text
        return customers.find(text).addCallback(_answer)

    def card(_: Actor, ask: Card) -> Deferred[Answer]:
        _one_of("line", ask.line, "customer", ask.customer)
        asked = customers.card(line=ask.line, customer=ask.customer, at=now())
        return asked.addCallback(lambda found: {"card": _answer(found)})

    return (
        Operation("customers", Customers, AGENT | OVERSEERS, find, "查找客户", "look for a customer"),
        Operation("card", Card, AGENT | OVERSEERS, card, "客户资料", "a customer whole"),
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
