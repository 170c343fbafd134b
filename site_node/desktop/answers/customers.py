"""Customers: found, whole, and with their bills item by item."""

from __future__ import annotations

from typing import Literal

from federation.node.operations import Reply
from site_node.core.customer_bills import CustomerBills
from site_node.core.customer_card import CardContact, CustomerCard, FoundCustomer
from site_node.desktop.answers.parts import MissingPart, Part
from site_node.desktop.answers.work import ItemShort

OfCard = Literal["customer", "lines", "bills", "contacts", "items"]


class CustomersHere(Reply, frozen=True, kw_only=True):
    """Customers of one city. ``more``: there are others."""

    customers: tuple[FoundCustomer, ...]
    more: bool
    parts: tuple[Part, ...]


class CustomersFound(CustomersHere, frozen=True, kw_only=True):
    """Customers of all cities that were asked, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class CardPart(Part, frozen=True, kw_only=True):
    """A part of a card: the city that it comes from, and when it was so."""

    part: OfCard


class MissingCardPart(MissingPart, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a card that is not there, and why."""

    part: OfCard


class CardHere(Reply, frozen=True, kw_only=True):
    """A customer of one city whole, with the open work items."""

    card: CustomerCard
    items: tuple[ItemShort, ...]
    parts: tuple[CardPart, ...]


class CardFound(Reply, frozen=True, kw_only=True):
    """A customer whole. ``card``: null while the owning city does not answer; ``contacts``: those of another city's
    customer that arrived here, the latest first.
    """

    card: CustomerCard | None
    contacts: tuple[CardContact, ...]
    items: tuple[ItemShort, ...]
    parts: tuple[CardPart, ...]
    missing: tuple[MissingCardPart, ...]


class StatementFound(Reply, frozen=True, kw_only=True):
    """The bills of a customer item by item, from which city, and when it was so."""

    statement: CustomerBills
    parts: tuple[Part, ...]
