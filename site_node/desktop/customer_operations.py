"""The part of the agent API that is about customers: who is looked for, the card of one, and the bills; looks go on
record. A customer of another city is asked for there (``customers_here``, over ``services.elsewhere``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import CityId, ContactId
from dataset.masking import masked_text
from dataset.rows import Viewed
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request, word
from site_node.desktop.answers.customers import CardFound, CardHere, CustomersFound, CustomersHere, StatementFound
from site_node.desktop.customers_here import CARD_PARTS, OwnCustomers
from site_node.desktop.operations import AGENT, OVERSEERS
from site_node.desktop.reasons import LONGEST_REASON, Reason
from site_node.desktop.work_operations import SILENT, STORE, UNMASK, newest_items
from site_node.services.audit import AtSeat, AuditTrail
from site_node.services.elsewhere import Elsewhere, missing
from site_node.services.seats import SeatService

Word = Annotated[str, msgspec.Meta(max_length=64)]
SHORTEST_EVERYWHERE = 2
"""characters of what is looked for in all cities"""
MOST_SHOWN = 100
"""customers in one answer of several cities"""
_NUMBERS = {404: ("line-unknown", "customer-unknown")}


class Customers(Request, frozen=True, kw_only=True):
    """Exactly one of ``text`` (a number, a document, a name or its beginning) and ``contact`` (whoever is calling).
    ``city``: whose customers; ``everywhere``: those of all cities.
    """

    text: Word = ""
    contact: Word = ""
    city: Word = ""
    everywhere: bool = False


class CustomersThere(Request, frozen=True, kw_only=True):
    """Customers, looked for from another city. ``during``: the contact at the seat there."""

    text: Word
    during: Word = ""


class Card(Request, frozen=True, kw_only=True):
    """Exactly one of ``line`` and ``customer``. ``city``: whose customer it is, where no area code says so.
    ``unmask``: in full, for a ``reason`` that goes on record.
    """

    line: Word = ""
    customer: Word = ""
    city: Word = ""
    unmask: bool = False
    reason: Reason = ""


class CardThere(Card, frozen=True, kw_only=True):
    """A card, asked for by another city, which vouches for what happened at its seat."""

    during: Word = ""
    checked: tuple[Word, ...] = ()


class Statement(Request, frozen=True, kw_only=True):
    """Exactly one of ``line`` and ``customer``. ``reason``: for whoever does not serve the customer now."""

    line: Word = ""
    customer: Word = ""
    city: Word = ""
    reason: Reason = ""


class StatementThere(Statement, frozen=True, kw_only=True):
    """Bills, asked for by another city, which vouches for what happened at its seat."""

    during: Word = ""
    checked: tuple[Word, ...] = ()


FIND = Outcomes(
    CustomersFound,
    {
        400: ("one-of-two", "search-too-short"),
        404: ("unknown-contact", "city-unknown"),
        409: ("no-seat", "not-logged-in"),
        503: STORE,
    },
)
FIND_HERE = Outcomes(CustomersHere, {503: STORE})
_REFUSED = {400: ("one-of-two", *UNMASK[400]), 403: UNMASK[403]}
CARD = Outcomes(CardFound, {**_REFUSED, 404: (*_NUMBERS[404], "city-unknown"), 503: STORE})
CARD_HERE = Outcomes(CardHere, {**_REFUSED, **_NUMBERS, 503: STORE})
BILLS = Outcomes(StatementFound, {**_REFUSED, 404: (*_NUMBERS[404], "city-unknown"), 503: (*STORE, *SILENT)})
BILLS_HERE = Outcomes(StatementFound, {**_REFUSED, **_NUMBERS, 503: STORE})


# ── asked by other cities ───────────────────────────────────────────────────────────────────────────────────────────
def customers_looked_for(own: OwnCustomers, trail: AuditTrail) -> tuple[Operation, ...]:
    """What seats of other cities may ask about customers of this one."""

    def seat(ask: CardThere | StatementThere | CustomersThere) -> AtSeat:
        checked = () if isinstance(ask, CustomersThere) else ask.checked
        return AtSeat(ContactId(ask.during) if ask.during else None, frozenset(checked))

    def nobody(_: Mapping[str, Any]) -> tuple[CityId, ...]:
        return ()

    async def find(actor: Actor, ask: CustomersThere) -> Answer:
        return await own.find(actor, ask.text, seat(ask))

    async def card(actor: Actor, ask: CardThere) -> Answer:
        _one_of("line", ask.line, "customer", ask.customer)
        return await own.card(actor, _card_look(msgspec.structs.asdict(ask)), seat(ask))

    async def bills(actor: Actor, ask: StatementThere) -> Answer:
        _one_of("line", ask.line, "customer", ask.customer)
        return await own.bills(actor, _bills_look(msgspec.structs.asdict(ask)), seat(ask))

    return _operations(
        trail,
        nobody,
        (CustomersThere, find, FIND_HERE),
        (CardThere, card, CARD_HERE),
        (StatementThere, bills, BILLS_HERE),
    )


# ── asked at a seat ─────────────────────────────────────────────────────────────────────────────────────────────────
def customer_operations(
    own: OwnCustomers,
    elsewhere: Elsewhere,
    seats: SeatService,
    trail: AuditTrail,
    checked: Callable[[Actor], frozenset[str]] = lambda _: frozenset(),
) -> tuple[Operation, ...]:
    """Customers of any city. ``checked``: lines of which the caller at a seat has shown to be the customer."""
    desk = _Anywhere(own, elsewhere, seats, trail, checked)
    return _operations(
        trail, desk.asked, (Customers, desk.find, FIND), (Card, desk.card, CARD), (Statement, desk.bills, BILLS)
    )


class _Anywhere:
    """The owning city's word on its customers, beside what is known here of them."""

    def __init__(
        self,
        own: OwnCustomers,
        elsewhere: Elsewhere,
        seats: SeatService,
        trail: AuditTrail,
        checked: Callable[[Actor], frozenset[str]],
    ) -> None:
        self._own = own
        self._elsewhere = elsewhere
        self._codes = elsewhere.codes
        self._city = elsewhere.city
        self._seats = seats
        self._trail = trail
        self._checked = checked

    def asked(self, fields: Mapping[str, Any]) -> tuple[CityId, ...]:
        """Another city that is asked by ``fields``, whatever they hold; for what is refused."""
        city, line = word(fields, "city"), word(fields, "line")
        owner = CityId(city) if city in self._codes.cities else self._codes.city_of(line) if line else None
        return (owner,) if owner is not None and owner != self._city else ()

    def _seat(self, actor: Actor) -> AtSeat:
        return AtSeat(self._trail.contact_of(actor), self._checked(actor))

    def _owner(self, city: str, line: str) -> CityId:
        if city:
            return self._codes.known(city, "city")
        return (self._codes.city_of(line) if line else None) or self._city

    # ── who is looked for ───────────────────────────────────────────────────────────────────────────────────────────
    async def find(self, actor: Actor, ask: Customers) -> Answer:
        """Customers of all cities that may know them, asked at once."""
        _one_of("text", ask.text, "contact", ask.contact)
        text, cities = self._where(actor, ask)
        others = tuple(city for city in cities if city != self._city)
        seat = self._seat(actor)
        if not others:
            return {**await self._own.find(actor, text, seat), "missing": []}
        answers, silent = list[Answer](), list[dict[str, Any]]()
        if self._city in cities:
            try:
                answers.append(await self._own.find(actor, text, seat, others))
            except Refused as refused:
                silent.append(missing(self._city, refused))
        if not answers:
            self._trail.shown(actor, replace(_search_look({"text": text}), asked=others))
        fields = {"text": text, "during": seat.during or ""}
        told, gone = await self._elsewhere.ask_each(actor, others, "customers", fields)
        answers += [answer for _, answer in told]
        found = [one for answer in answers for one in answer["customers"]]
        return {
            "customers": found[:MOST_SHOWN],
            "more": len(found) > MOST_SHOWN or any(answer["more"] for answer in answers),
            "parts": [part for answer in answers for part in answer["parts"]],
            "missing": [*silent, *gone],
        }

    def _where(self, actor: Actor, ask: Customers) -> tuple[str, Sequence[CityId]]:
        """What is looked for, and in which cities: this one and whoever owns a number, unless others are named."""
        if ask.contact:
            text = self._seats.calling(actor, ContactId(ask.contact))
            arrived = self._seats.anchor(actor, ContactId(ask.contact))
        else:
            text, arrived = ask.text.strip(), self._city
        if ask.city:
            return text, (self._codes.known(ask.city, "city"),)
        if ask.everywhere:
            _long_enough(text)
            return text, self._codes.cities
        near = (self._city, self._codes.city_of(text), arrived)
        return text, tuple(dict.fromkeys(city for city in near if city is not None))

    # ── one of them ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def card(self, actor: Actor, ask: Card) -> Answer:
        """The card, of whichever city. While the owning city is away: what arrived here, its parts named as missing."""
        _one_of("line", ask.line, "customer", ask.customer)
        owner, seat = self._owner(ask.city, ask.line), self._seat(actor)
        look = _card_look(msgspec.structs.asdict(ask))
        if owner == self._city:
            return {**await self._own.card(actor, look, seat), "contacts": [], "missing": []}
        found, gone = None, list[dict[str, Any]]()
        try:
            found, _ = await self._elsewhere.ask(actor, owner, "card", _fields(ask, seat), None)
        except Refused as refused:
            if refused.status < 500:
                raise
            gone = [{"part": part, **missing(owner, refused)} for part in CARD_PARTS]
        customer = found["card"]["customer"] if found is not None else ask.customer
        here = await self._own.known_of(owner, customer, ask.line)
        listed = tuple(one["item"] for one in here["items"])
        whose = (customer,) if found is not None else ()
        shown = self._trail.shown(actor, replace(look, customers=whose, listed=listed, asked=(owner,)))
        if ask.unmask:
            await shown
        there_items, there_parts = (found["items"], found["parts"]) if found is not None else ([], [])
        return {
            "card": found["card"] if found is not None else None,
            "contacts": here["contacts"],
            "items": newest_items(here["items"], there_items),
            "parts": [*there_parts, *here["parts"]],
            "missing": [*gone, *here["missing"]],
        }

    async def bills(self, actor: Actor, ask: Statement) -> Answer:
        """The bills, as the owning city has them: without it there are none to be told."""
        _one_of("line", ask.line, "customer", ask.customer)
        owner, seat = self._owner(ask.city, ask.line), self._seat(actor)
        look = _bills_look(msgspec.structs.asdict(ask))
        if owner == self._city:
            return await self._own.bills(actor, look, seat)
        found, _ = await self._elsewhere.ask(actor, owner, "statement", _fields(ask, seat), None)
        assert found is not None
        who = found["statement"]["customer"]
        await self._trail.shown(actor, replace(look, customers=(who,), asked=(owner,)))
        return found


def _operations(
    trail: AuditTrail,
    asked: Callable[[Mapping[str, Any]], tuple[CityId, ...]],
    find: tuple[type[Request], Any, Outcomes],
    card: tuple[type[Request], Any, Outcomes],
    bills: tuple[type[Request], Any, Outcomes],
) -> tuple[Operation, ...]:
    """``asked``: the other city that a refused question was meant for."""
    each = (
        ("customers", find, _search_look, "查找客户", "look for a customer"),
        ("card", card, _card_look, "客户资料", "a customer whole"),
        ("statement", bills, _bills_look, "账单明细", "bills item by item"),
    )

    def refusing(look: Callable[[Mapping[str, Any]], Look]) -> Callable[[Actor, Mapping[str, Any], Refused], None]:
        return lambda actor, fields, refused: trail.refused(actor, replace(look(fields), asked=asked(fields)), refused)

    return tuple(
        Operation(name, request, AGENT | OVERSEERS, run, zh, en, outcomes, refusing(look))
        for name, (request, run, outcomes), look, zh, en in each
    )


def _fields(ask: Card | Statement, seat: AtSeat) -> dict[str, Any]:
    """What the owning city is asked."""
    asked = {name: value for name, value in msgspec.structs.asdict(ask).items() if name != "city"}
    return {**asked, "during": seat.during or "", "checked": sorted(seat.checked)}


def _search_look(fields: Mapping[str, Any]) -> Look:
    text = word(fields, "text")
    return Look(operation="customers", what=Viewed.SEARCH, id=masked_text(text) if text else "", during=_during(fields))


def _card_look(fields: Mapping[str, Any]) -> Look:
    unmask = fields.get("unmask") is True
    reason = word(fields, "reason", LONGEST_REASON) if unmask else ""
    return replace(_look("card", fields), unmasked=unmask, reason=reason)


def _bills_look(fields: Mapping[str, Any]) -> Look:
    return replace(_look("statement", fields), unmasked=True, reason=word(fields, "reason", LONGEST_REASON))


def _look(operation: str, fields: Mapping[str, Any]) -> Look:
    line, customer = word(fields, "line"), word(fields, "customer")
    return Look(
        operation=operation,
        what=Viewed.LINE if line else Viewed.CUSTOMER,
        id=line or customer,
        line=line,
        during=_during(fields),
    )


def _during(fields: Mapping[str, Any]) -> ContactId | None:
    """The contact that another city vouches for."""
    return ContactId(word(fields, "during")) or None


def _long_enough(text: str) -> None:
    if len(text) < SHORTEST_EVERYWHERE:
        raise Refused(
            Problem(
                "search-too-short",
                zh=f"在全省查找至少需要 {SHORTEST_EVERYWHERE} 个字符",
                en=f"to look in all cities, at least {SHORTEST_EVERYWHERE} characters are needed",
                place="text",
            )
        )


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
