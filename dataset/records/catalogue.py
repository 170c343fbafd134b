"""Which tables a city keeps for itself, and which the province keeps for all."""

from __future__ import annotations

from typing import Any

from dataset.records.article import ARTICLES, JUDGEMENTS
from dataset.records.attachment import ATTACHMENT_PARTS, ATTACHMENTS
from dataset.records.contact import CONTACTS, SEGMENTS
from dataset.records.customer import CUSTOMERS
from dataset.records.directory import DIRECTORY
from dataset.records.line import LINES
from dataset.records.money import BILLS, PAYMENTS
from dataset.records.package import PACKAGES
from dataset.records.tariff import TARIFFS
from dataset.records.work import CHARGES, MESSAGES, WORK_ITEMS
from dataset.tables import Table

LOCAL: tuple[Table[Any], ...] = (
    CUSTOMERS,
    LINES,
    BILLS,
    PAYMENTS,
    CONTACTS,
    SEGMENTS,
    ATTACHMENTS,
    ATTACHMENT_PARTS,
    WORK_ITEMS,
    CHARGES,
    MESSAGES,
    JUDGEMENTS,
    PACKAGES,
)
"""Of one city; another city's are fetched from it."""
PUBLIC: tuple[Table[Any], ...] = (DIRECTORY, TARIFFS, ARTICLES)
"""Kept by the province, with a copy in each city."""
EVERY: tuple[Table[Any], ...] = (*LOCAL, *PUBLIC)
