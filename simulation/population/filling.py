"""A population put on record in the cities' stores, in small steps between which everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.puts import Cursor
from dataset.records.line import LINES, LineStatus
from federation.ports import Clock, Store
from simulation.population.customers import Population
from simulation.population.subscribers import Subscriber

CURSOR = "population"
"""how many records of a population a store has; its presence says that the store began with one"""
STEP = 100
"""records of a put: some milliseconds of work"""
log = Logger()


class Filling:
    """Fills ``stores`` with ``population``, city by city; a store that holds other lines already is left alone.

    A filling that was interrupted goes on where it was, with the same population. ``numbers`` gets what customers of
    each city call from, telephones of theirs and mobile ones, once their records are there; ``pins`` the PINs of lines.
    """

    def __init__(
        self,
        population: Population,
        stores: Mapping[CityId, Store],
        clock: Clock,
        numbers: dict[CityId, list[str]] | None = None,
        pins: dict[str, str] | None = None,
    ) -> None:
        self._population = population
        self._stores = stores
        self._clock = clock
        self._stopped = False
        self.numbers = numbers if numbers is not None else {}
        self.pins = pins if pins is not None else {}
        self._put = 0

    def start(self) -> Deferred[int]:
        """Begin; fires with how many records were put, once all are there or ``stop`` was called. Errbacks with
        ``Refused`` when a store cannot take them.
        """
        return Deferred.fromCoroutine(self._fill())

    def stop(self) -> None:
        """No further step: the stores are about to close."""
        self._stopped = True

    async def _fill(self) -> int:
        try:
            for city, store in self._stores.items():
                if city in self._population.sizes and await self._may(city, store):
                    await self._fill_one(city, store)
        except Refused:
            if not self._stopped:  # else the stores were closed between two steps
                raise
        return self._put

    async def _may(self, city: CityId, store: Store) -> bool:
        """Whether the store was begun with, or is empty; then it is noted first that it has begun."""
        if await store.cursor(CURSOR) is not None:
            return True
        for district in self._population.districts(city):
            if (await store.page(LINES, (city, district), index="by_district", limit=1)).records:
                return False
        await store.put([], Cursor(CURSOR, "0"))
        return True

    async def _fill_one(self, city: CityId, store: Store) -> None:
        begun = int(await store.cursor(CURSOR) or 0)
        at = 0
        for n in range(self._population.chunks(city)):
            if not await self._turn():
                return
            subscribers = self._population.chunk(city, n)
            records = chain(self._population.public() if n == 0 else (), *(one.records() for one in subscribers))
            while batch := list(islice(records, STEP)):
                at += len(batch)
                if at <= begun:
                    continue
                if not await self._turn():
                    return
                await store.put(batch, Cursor(CURSOR, str(at)))
                self._put += len(batch)
            self.numbers.setdefault(city, []).extend(_calling(subscribers))
            for one in subscribers:
                self.pins.update(one.pins)
        if at > begun:
            log.info("{city} has {count} records of customers", city=city, count=at, event="population-filled")

    def _turn(self) -> Deferred[bool]:
        """The next turn, behind everything else that waits; whether there is still to be anything."""
        turn: Deferred[bool] = Deferred()
        self._clock.call_later(0.0, lambda: turn.callback(not self._stopped))
        return turn


def _calling(subscribers: list[Subscriber]) -> Iterator[str]:
    for one in subscribers:
        yield from (
            line.number for line in one.lines if line.service == "install_line" and line.status is not LineStatus.CEASED
        )
        yield from one.customer.contact_numbers
