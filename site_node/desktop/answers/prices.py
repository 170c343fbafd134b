"""Prices."""

from __future__ import annotations

from datetime import date

from dataset.ids import CityId
from dataset.records.tariff import TariffUnit
from federation.node.answers import Count
from federation.node.operations import Reply
from site_node.desktop.answers.parts import CopiedPart, MissingPart


class PriceShown(Reply, frozen=True, kw_only=True):
    """A price of today, in fen for each ``per`` units. ``city``: of that city alone; null: of the province."""

    code: str
    zh: str
    en: str
    fen: Count
    unit: TariffUnit
    per: Count
    since: date
    until: date | None
    regulated: bool
    city: CityId | None


class PricesHere(Reply, frozen=True, kw_only=True):
    """What a service costs on ``day``, by code."""

    prices: tuple[PriceShown, ...]
    day: date
    parts: tuple[CopiedPart, ...]


class PricesFound(PricesHere, frozen=True, kw_only=True):
    """What a service costs, and whose part is missing: its own prices then are not among them."""

    missing: tuple[MissingPart, ...]
