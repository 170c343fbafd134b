"""What a simulated province is made of, ready to draw from: names by decade, districts, trades, prices, numbers.

The files stand in ``conf/population``; the number plan in ``conf`` says which exchange serves which district.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

from dataset.declared import Reading
from dataset.number_plan import NumberPlan, parse_plan
from dataset.records.tariff import TariffItem, TariffUnit
from dataset.toml_text import parse_toml
from federation.node.configuration import read_file
from simulation.population.texts import (
    AddressesText,
    CityText,
    CompaniesText,
    DecadeText,
    DistrictText,
    NamesText,
    TariffsText,
    TradeText,
)

CONF = Path(__file__).parents[2] / "conf"
T = TypeVar("T")
_FAVOUR = 4.0
"""The n-th most frequent name of a list is drawn with weight 1 / (n + this): frequent, but not everybody's."""


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """Things to draw from, each as often as its weight says."""

    things: tuple[T, ...]
    sums: tuple[float, ...]

    @classmethod
    def of(cls, things: Sequence[T], weights: Sequence[float]) -> Weighted[T]:
        """``things`` with their ``weights``, in any unit."""
        return cls(tuple(things), tuple(accumulate(weights)))

    @classmethod
    def by_rank(cls, things: Sequence[T]) -> Weighted[T]:
        """``things``, the most frequent first."""
        return cls.of(things, [1.0 / (rank + _FAVOUR) for rank in range(len(things))])

    def draw(self, rng: Random) -> T:
        """One of them."""
        return rng.choices(self.things, cum_weights=self.sums)[0]


@dataclass(frozen=True, slots=True)
class Decade:
    """Given names of people born in the ten years from ``start``: whole ones, and characters to make others of."""

    start: int
    one_character: float
    male: Weighted[str]
    female: Weighted[str]
    male_characters: Weighted[str]
    female_characters: Weighted[str]


@dataclass(frozen=True, slots=True)
class Names:
    """How people are called."""

    surnames: Weighted[str]
    decades: Weighted[Decade]
    foreign_share: float
    foreign: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class District:
    """One district, and what stands in it."""

    name: str
    share: float
    streets: Weighted[str]
    estates: tuple[str, ...]
    buildings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class City:
    """One city of the province."""

    id: str
    area_code: str
    share: float
    name: str
    identity_area: str
    districts: tuple[District, ...]


@dataclass(frozen=True, slots=True)
class Companies:
    """What companies are called."""

    trades: Weighted[TradeText]
    brands: tuple[str, ...]
    brand_share: float
    brand_characters: str


@dataclass(frozen=True, slots=True)
class Material:
    """Everything together."""

    plan: NumberPlan
    names: Names
    cities: Mapping[str, City]
    companies: Companies
    tariffs: tuple[TariffItem, ...]


@lru_cache(maxsize=4)
def material(conf: Path = CONF) -> Material:
    """What the files below ``conf`` hold. Raises ``Refused`` naming file, line and field of every fault."""
    folder = conf / "population"
    return Material(
        plan=parse_plan(read_file(conf / "number_plan.toml"), "number_plan.toml"),
        names=_names(_read(folder / "names.toml", NamesText)),
        cities={city.id: _city(city) for city in _read(folder / "addresses.toml", AddressesText).city},
        companies=_companies(_read(folder / "companies.toml", CompaniesText)),
        tariffs=_tariffs(_read(folder / "tariffs.toml", TariffsText)),
    )


def _read(path: Path, cls: type[T]) -> T:
    reading = Reading(parse_toml(read_file(path), path.name))
    values = reading.table(cls)
    reading.done()
    return values


def _names(text: NamesText) -> Names:
    words = text.surnames.split()
    return Names(
        surnames=Weighted.of(words[::2], [float(share) for share in words[1::2]]),
        decades=Weighted.of([_decade(one) for one in text.decade], [one.share for one in text.decade]),
        foreign_share=text.foreign.share,
        foreign=tuple(name.strip() for name in text.foreign.names.split(",")),
    )


def _decade(text: DecadeText) -> Decade:
    return Decade(
        start=text.start,
        one_character=text.one_character,
        male=Weighted.by_rank(text.male.split()),
        female=Weighted.by_rank(text.female.split()),
        male_characters=Weighted.by_rank(text.male_characters),
        female_characters=Weighted.by_rank(text.female_characters),
    )


def _city(text: CityText) -> City:
    districts = tuple(_district(one) for one in text.district)
    return City(text.id, text.area_code, text.share, text.name, text.identity_area, districts)


def _district(text: DistrictText) -> District:
    return District(
        name=text.name,
        share=text.share,
        streets=Weighted.by_rank(text.streets.split()),
        estates=tuple(text.estates.split()),
        buildings=tuple(text.buildings.split()),
    )


def _companies(text: CompaniesText) -> Companies:
    return Companies(
        trades=Weighted.of(text.trade, [one.share for one in text.trade]),
        brands=tuple(text.brands.split()),
        brand_share=text.brand_share,
        brand_characters=text.brand_characters,
    )


def _tariffs(text: TariffsText) -> tuple[TariffItem, ...]:
    return tuple(
        TariffItem(
            service=one.service,
            code=one.code,
            since=date.fromisoformat(text.since),
            zh=one.zh,
            en=one.en,
            fen=one.fen,
            unit=TariffUnit(one.unit),
            per=one.per,
            regulated=one.regulated,
        )
        for one in text.item
    )
