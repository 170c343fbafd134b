"""A believable province of customers, of any size, from a seed.

Every city is a row of chunks of a thousand telephone lines. A chunk is drawn from its own source of randomness and
needs nothing of the chunks before it, so a city of a million lines is made piece by piece, in any order, by any
number of machines, in the memory of one chunk; the same seed gives the same bytes everywhere. How many lines of a
chunk belong to a district is fixed by the districts' shares, so each line knows its place in its district, and with it
its number (``numbering``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from random import Random

from msgspec import structs

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.puts import Put
from dataset.records.customer import CustomerKind
from dataset.records.line import Line, LineStatus
from dataset.records.money import Bill, BillItem, Payment
from dataset.records.tariff import TARIFFS, tariffs_on
from simulation.population.billing import BillMonth, draw_payer, months_before, settle
from simulation.population.charges import HOME_USE, OFFICE_USE, Prices, called, line_items, rented
from simulation.population.material import City, Material
from simulation.population.numbering import DistrictNumbers, ProvinceNumbers, SubscriberNumbers
from simulation.population.subscribers import Drawing, Subscriber

CHUNK = 1_000
"""telephone lines of a chunk; the last one of a city may have fewer"""
MOST_LINES = 1_000_000
"""telephone lines of a province"""
_COMPANY = 0.10
"""share of companies among subscribers; they have about a quarter of the lines"""
_SUSPENDED_AFTER = 2
"""unpaid bills after which a line is cut off"""


class Population:
    """The customers of a province: ``lines`` telephone lines in ``cities``, as they are on ``today``.

    ``months``: how many months of bills and payments each line has. Raises ``Refused`` for a size or a city that
    cannot be made.
    """

    def __init__(
        self, material: Material, seed: int, lines: int, cities: Sequence[str], *, today: date, months: int = 3
    ) -> None:
        _check(material, lines, cities)
        self._material = material
        self._seed = seed
        self._today = today
        self._months = months_before(today, months)
        self._cities = {CityId(city): material.cities[city] for city in cities}
        self._sizes = _sizes(lines, self._cities)
        self._tables = {city: _district_table(one) for city, one in self._cities.items()}
        self._numbers = {
            (city, district.name): DistrictNumbers(material.plan, one.area_code, district.name, str(seed))
            for city, one in self._cities.items()
            for district in one.districts
        }
        self._prices: dict[tuple[str, CityId], Prices] = {
            (month.name, city): tariffs_on(material.tariffs, month.last, city)
            for month in self._months
            for city in self._cities
        }
        self._province = ProvinceNumbers(material.plan, str(seed))

    @property
    def sizes(self) -> Mapping[CityId, int]:
        """Telephone lines of each city."""
        return self._sizes

    def chunks(self, city: CityId) -> int:
        """How many chunks a city has."""
        return -(-self._sizes[city] // CHUNK)

    def districts(self, city: CityId) -> tuple[str, ...]:
        """The districts of a city, by name."""
        return tuple(district.name for district in self._cities[city].districts)

    def subscribers(self, city: CityId) -> Iterator[Subscriber]:
        """All subscribers of a city, one chunk in memory at a time."""
        for n in range(self.chunks(city)):
            yield from self.chunk(city, n)

    def records(self, city: CityId) -> Iterator[Put]:
        """Everything on record of a city's customers, in the same order as ``subscribers``."""
        for one in self.subscribers(city):
            yield from one.records()

    def public(self) -> Iterator[Put]:
        """What belongs to the province as a whole: what things cost."""
        yield from (Put(TARIFFS, one) for one in self._material.tariffs)

    def chunk(self, city: CityId, n: int) -> list[Subscriber]:
        """The ``n``-th chunk of a city, counted from 0; needs no other one."""
        if not 0 <= n < self.chunks(city):
            raise IndexError(f"{city} has {self.chunks(city)} chunks, there is no {n}")
        rng = Random(f"{self._seed}/{city}/{n}")
        lines = Counter(self._tables[city][: self._sizes[city] - n * CHUNK])
        whole = Counter(self._tables[city])
        serials = count(n * CHUNK)
        found: list[Subscriber] = []
        for district in self._cities[city].districts:
            first, taken = n * whole[district.name], 0
            while taken < lines[district.name]:
                numbers = self._taking(city, district.name, first + taken, next(serials))
                drawing = Drawing(rng, self._material, self._cities[city], district, numbers, self._today)
                draw = drawing.company if rng.random() < _COMPANY else drawing.household
                found.append(self._billed(rng, draw(lines[district.name] - taken)))
                taken += numbers.telephones
        rng.shuffle(found)
        return found

    def _taking(self, city: CityId, district: str, first: int, serial: int) -> SubscriberNumbers:
        """What the ``serial``-th subscriber of a city takes; ``first``: its first line among those of the district."""
        return SubscriberNumbers(
            district=self._numbers[city, district],
            province=self._province,
            first=first,
            serial=serial,
            of_province=list(self._material.cities).index(city) * MOST_LINES + serial,
        )

    # ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _billed(self, rng: Random, one: Subscriber) -> Subscriber:
        """The subscriber with its bills and payments, and cut off where it owes too much."""
        city = one.customer.city
        payer = draw_payer(rng, city, [other for other in self._cities if other != city])
        bills: list[Bill] = []
        payments: list[Payment] = []
        lines: list[Line] = []
        office = one.customer.kind is not CustomerKind.RESIDENTIAL
        for line in one.lines:
            unpaid = 0
            for row in settle(rng, line, payer, self._months, self._today, _Charges(self._prices, rng, line, office)):
                if isinstance(row, Payment):
                    payments.append(row)
                else:
                    bills.append(row)
                    unpaid += row.settled_on is None and row.due_on < self._today
            cut = unpaid >= _SUSPENDED_AFTER and line.status is LineStatus.ACTIVE
            lines.append(structs.replace(line, status=LineStatus.SUSPENDED) if cut else line)
        return replace(one, lines=tuple(lines), bills=tuple(bills), payments=tuple(payments))


@dataclass(frozen=True, slots=True)
class _Charges:
    """What one line comes to in a month, by its service."""

    prices: Mapping[tuple[str, CityId], Prices]
    rng: Random
    line: Line
    office: bool

    def __call__(self, month: BillMonth) -> Sequence[BillItem]:
        line, prices = self.line, self.prices[month.name, self.line.city]
        if line.service == "install_line":
            use = OFFICE_USE if self.office else HOME_USE
            return line_items(self.rng, prices, use, line.tariff, line.features)
        if line.service.startswith("card"):
            return called(self.rng, prices, line.tariff)
        if line.service in ("freephone_800", "number_400"):
            calls = line.tariff.replace("_rent", "_calls")
            return [*rented(prices, line.tariff), *called(self.rng, prices, calls)]
        return rented(prices, line.tariff, discount="bundle" if line.service == "fibre_broadband" else "")


# ── sizes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _check(material: Material, lines: int, cities: Sequence[str]) -> None:
    if not 1 <= lines <= MOST_LINES:
        raise Refused(
            Problem(
                "population-size",
                zh=f"线数应为 1 至 {MOST_LINES}，而不是 {lines}",
                en=f"1 to {MOST_LINES} lines are accepted, not {lines}",
            )
        )
    known = "、".join(material.cities), ", ".join(material.cities)
    for city in cities:
        if city not in material.cities:
            raise Refused(
                Problem(
                    "population-city",
                    zh=f"没有城市 {city} 的街道资料；可用：{known[0]}",
                    en=f"nothing is known of the streets of {city}; accepted: {known[1]}",
                    place="addresses.toml",
                )
            )


def _sizes(lines: int, cities: Mapping[CityId, City]) -> Mapping[CityId, int]:
    """``lines`` by the cities' shares, to the last one (largest remainder)."""
    whole = sum(city.share for city in cities.values())
    exact = {id_: lines * city.share / whole for id_, city in cities.items()}
    found = {id_: int(size) for id_, size in exact.items()}
    short = lines - sum(found.values())
    for id_ in sorted(cities, key=lambda id_: found[id_] - exact[id_])[:short]:
        found[id_] += 1
    return found


def _district_table(city: City) -> list[str]:
    """The districts of a chunk's lines, as evenly mixed as their shares allow: any beginning of it is fair as well."""
    whole = sum(district.share for district in city.districts)
    given: Counter[str] = Counter()
    table = []
    for n in range(1, CHUNK + 1):
        due = max(city.districts, key=lambda district: n * district.share / whole - given[district.name])
        given[due.name] += 1
        table.append(due.name)
    return table
