"""What a customer had before of the same: at the city that owns the line, and for other lines of it in every city."""

from __future__ import annotations

from typing import Any

import msgspec

from federation.core.repeats import LONG_S, YEAR_S, EarlierItem, Often, everything, often
from federation.node.login import Actor
from federation.ports import Clock
from site_node.services.elsewhere import Elsewhere
from site_node.services.past_items import PastItems
from site_node.shell.work import Work

OWNER_WITHIN_S = 5.0
"""how long the owning city is waited for, which asks the others in turn"""


class Repeats:
    """Of one city. ``past``: None where it keeps no records; then the book of work is all there is."""

    def __init__(self, work: Work, past: PastItems | None, elsewhere: Elsewhere, clock: Clock) -> None:
        self._desk = work.desk
        self._past = past
        self._elsewhere = elsewhere
        self._clock = clock

    def now(self) -> float:
        """Wall time of the city."""
        return self._clock.wall()

    async def of_document(self, document: str, within_s: float = LONG_S) -> tuple[EarlierItem, ...]:
        """Items here of whoever has this document. Raises ``Refused`` while the records cannot be read."""
        return await self._past.of_document(document, self.now() - within_s) if self._past is not None else ()

    async def of_line(self, actor: Actor, line: str) -> tuple[tuple[Often, ...], list[str], list[dict[str, Any]]]:
        """What there is of the customer of ``line``, a line of this city: here, and in every other city that has lines
        of a customer with the same document. With it the cities that answered, and those that did not.

        Raises ``Refused`` while the own records cannot be read.
        """
        items, answered, missing = await self._everywhere(actor, line, LONG_S, "repeats_here")
        return often(items, self.now()), answered, missing

    async def progress(
        self, actor: Actor, line: str
    ) -> tuple[tuple[EarlierItem, ...], list[str], list[dict[str, Any]]]:
        """Everything of the customer of ``line`` that was taken in within a year, each item once: what is under way
        first, then the newest. With it the cities that answered, and those that did not. Raises as ``of_line``.
        """
        items, answered, missing = await self._everywhere(actor, line, YEAR_S, "progress_here")
        return everything(items), answered, missing

    async def _everywhere(
        self, actor: Actor, line: str, within_s: float, there: str
    ) -> tuple[list[EarlierItem], list[str], list[dict[str, Any]]]:
        """Items of the customer of ``line``, here and by the operation ``there`` in every other city."""
        items = list(self._desk.earlier(line, ""))
        document = ""
        if self._past is not None:
            found, document = await self._past.of_line_and_customer(line, self.now() - within_s)
            items += found
        answered, missing = [str(self._elsewhere.city)], list[dict[str, Any]]()
        if document:
            cities, wanted = self._elsewhere.codes.cities, {"document": document}
            answers, missing = await self._elsewhere.ask_each(actor, cities, there, wanted)
            for city, told in answers:
                items += msgspec.convert(told.get("items", []), tuple[EarlierItem, ...])
                answered.append(str(city))
        return items, answered, missing
