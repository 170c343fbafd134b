"""What other cities have on record, beside what is known here: whose part is missing is said, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from dataset.errors import Refused
from dataset.ids import CityId
from federation.node.login import Actor
from federation.node.lookups import WITHIN_S, Lookups
from federation.node.operations import Answer, refusal_of
from site_node.services.area_codes import AreaCodes


class Elsewhere:
    """Completes answers from here by asking the owning city."""

    def __init__(self, city: CityId, lookups: Lookups, codes: AreaCodes) -> None:
        self.city = city
        self.codes = codes
        self._lookups = lookups

    async def ask(
        self,
        actor: Actor,
        city: CityId | None,
        operation: str,
        fields: Mapping[str, Any],
        here: Answer | None,
        within_s: float = WITHIN_S,
    ) -> tuple[Answer | None, list[dict[str, Any]]]:
        """What ``city`` answers, and whose part is missing; None when there is nobody else to ask.

        Raises ``Refused`` when it does not answer and nothing is known here either.
        """
        if city is None or city == self.city:
            return None, []
        try:
            return await self._lookups.ask(city, operation, fields, actor, within_s), []
        except Refused as refused:
            if here is None:
                raise
            return None, [missing(city, refused)]

    async def ask_each(
        self, actor: Actor, cities: Iterable[CityId], operation: str, fields: Mapping[str, Any]
    ) -> tuple[list[tuple[CityId, Answer]], list[dict[str, Any]]]:
        """What other ``cities`` answer, all asked at once, in their order; and whose part is missing. Never raises."""
        others = [city for city in cities if city != self.city]
        asked = [Deferred.fromCoroutine(self.ask(actor, city, operation, fields, {})) for city in others]
        answers, silent = list[tuple[CityId, Answer]](), list[dict[str, Any]]()
        for city, (there, none) in zip(others, await gatherResults(asked, consumeErrors=True), strict=True):
            if there is not None:
                answers.append((city, there))
            silent += none
        return answers, silent


def missing(city: CityId, refused: Refused) -> dict[str, Any]:
    """The part of ``city`` that is missing, and why."""
    return {"city": city, **refusal_of(refused)}
