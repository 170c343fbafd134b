"""The part of the agent API that is about prices, in any city."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec

from dataset.ids import CityId
from dataset.records.tariff import TariffItem
from federation.node.login import Actor
from federation.node.operations import Answer, Operation, Outcomes, Request
from site_node.desktop.answers.prices import PricesFound, PricesHere
from site_node.desktop.work_operations import STAFF, STORE
from site_node.services.elsewhere import Elsewhere
from site_node.services.tariffs import TariffService

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Prices(Request, frozen=True, kw_only=True):
    """What ``service`` costs. ``city``: where; this one when empty. ``day``: past or to come; today when left out."""

    service: Name
    day: date | None = None
    city: Annotated[str, msgspec.Meta(max_length=64)] = ""


class PricesThere(Request, frozen=True, kw_only=True):
    """The same, asked by another city for this one."""

    service: Name
    day: date | None = None


def tariffs_looked_for(tariffs: TariffService) -> tuple[Operation, ...]:
    """What seats of other cities may ask."""

    async def here(_: Actor, ask: PricesThere) -> Answer:
        return await _here(tariffs, ask, tariffs.city)

    outcomes = Outcomes(PricesHere, {503: STORE})
    return (Operation("tariffs", PricesThere, STAFF, here, "资费", "prices", outcomes),)


def tariff_operations(tariffs: TariffService, elsewhere: Elsewhere) -> tuple[Operation, ...]:
    """Prices in any city: from the copy of its own ones where that is whole, else from there; while the city does not
    answer, those of the province, with the city named as missing.
    """

    async def anywhere(actor: Actor, ask: Prices) -> Answer:
        city = elsewhere.codes.known(ask.city, "city") if ask.city else tariffs.city
        there: Answer | None = None
        missing: list[dict[str, Any]] = []
        if tariffs.copied(city) is None:
            # a city of the version before knows of no day, and is asked as it was where none is named
            fields = {"service": ask.service} | ({"day": ask.day.isoformat()} if ask.day is not None else {})
            there, missing = await elsewhere.ask(actor, city, "tariffs", fields, {})
        found = there if there is not None else await _here(tariffs, ask, city)
        return {**found, "missing": missing}

    outcomes = Outcomes(PricesFound, {404: ("city-unknown",), 503: STORE})
    return (Operation("tariffs", Prices, STAFF, anywhere, "资费", "prices", outcomes),)


async def _here(tariffs: TariffService, ask: Prices | PricesThere, city: CityId) -> Answer:
    day = ask.day if ask.day is not None else tariffs.today()
    found = await tariffs.on(day, ask.service, city)
    copied = tariffs.copied(city)
    part = {"city": tariffs.city, "as_of": tariffs.now()} if copied is None else {"city": city, "as_of": copied}
    return {
        "prices": [_price(one) for one in found],
        "day": day.isoformat(),
        "parts": [{**part, "copy": copied is not None}],
    }


def _price(one: TariffItem) -> dict[str, Any]:
    return {
        "code": one.code,
        "zh": one.zh,
        "en": one.en,
        "fen": one.fen,
        "unit": one.unit,
        "per": one.per,
        "since": one.since.isoformat(),
        "until": one.until.isoformat() if one.until is not None else None,
        "regulated": one.regulated,
        "city": one.city,
    }
