"""People and companies, as a seed draws them: names, birth, documents of identity.

Identity numbers and licence numbers have the right form and check digits, and an area code that was never given to
anybody, so that no number belongs to somebody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from dataset.records.customer import Document, DocumentKind
from simulation.population.material import City, Companies, District, Names
from simulation.population.texts import TradeText

_WHOLE_NAME = 0.45
"""share of people whose given name is one of the frequent ones"""
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""of the first 17 digits of an identity number (GB 11643-1999: ISO 7064, MOD 11-2)"""
_CHECKS = "10X98765432"
_CREDIT_DIGITS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""of a unified social credit code (GB 32100-2015), whose last digit is a check modulo 31"""
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
"""of an organisation code (GB 11714-1997), modulo 11"""
_BANKS = {"中国工商银行": "工行", "中国农业银行": "农行", "中国建设银行": "建行", "中国银行": "中行"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has, or pays for, a telephone."""

    name: str
    female: bool
    born: int
    document: Document


@dataclass(frozen=True, slots=True)
class Company:
    """A company, a shop, a school, an office."""

    name: str
    aliases: tuple[str, ...]
    trade: TradeText
    document: Document


def draw_person(rng: Random, names: Names, city: City) -> Person:
    """A grown-up who lives in ``city``."""
    decade = names.decades.draw(rng)
    born = decade.start + rng.randrange(10 if decade.start < 2000 else 5)
    female = rng.random() < 0.42
    if rng.random() < names.foreign_share:
        passport = f"E{rng.randrange(10**8):08d}"
        return Person(rng.choice(names.foreign), female, born, Document(kind=DocumentKind.PASSPORT, number=passport))
    known, characters = (decade.female, decade.female_characters) if female else (decade.male, decade.male_characters)
    if rng.random() < _WHOLE_NAME:
        given = known.draw(rng)
    else:
        given = characters.draw(rng)
        if rng.random() >= decade.one_character:
            given += characters.draw(rng)
    number = identity_number(
        city.identity_area, date(born, 1, 1) + timedelta(rng.randrange(365)), rng.randrange(500) * 2 + (not female)
    )
    return Person(
        names.surnames.draw(rng) + given, female, born, Document(kind=DocumentKind.RESIDENT_ID, number=number)
    )


def identity_number(area: str, born: date, order: int) -> str:
    """A resident's identity number: area, day of birth, an order that is odd for men, and the check digit."""
    digits = f"{area}{born.year}{born.month:02d}{born.day:02d}{order:03d}"
    return digits + _CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def credit_code(area: str, organisation: int) -> str:
    """A unified social credit code: 91 for a company, area, organisation code with its check digit, check digit."""
    number = f"{organisation:08d}"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(number, _ORGANISATION_WEIGHTS, strict=True)) % 11
    code = f"91{area}{number}{'X' if check == 10 else check % 11}"
    total = sum(_CREDIT_DIGITS.index(digit) * pow(3, at, 31) for at, digit in enumerate(code))
    return code + _CREDIT_DIGITS[-total % 31]


def draw_company(
    rng: Random, companies: Companies, names: Names, city: City, district: District, street: str
) -> Company:
    """A company at ``street``, called as companies of its trade are."""
    trade = companies.trades.draw(rng)
    name = rng.choice(trade.names).format(
        city=city.name.removesuffix("市"),
        district=district.name.removesuffix("新区"),
        area=_bare(street),
        brand=_brand(rng, companies),
        surname=names.surnames.draw(rng),
        ordinal=f"第{_numeral(rng.randrange(1, 51))}",
    )
    document = Document(
        kind=DocumentKind.BUSINESS_LICENCE, number=credit_code(city.identity_area, rng.randrange(10**8))
    )
    return Company(name, _aliases(name, city), trade, document)


def _brand(rng: Random, companies: Companies) -> str:
    if rng.random() < companies.brand_share:
        return rng.choice(companies.brands)
    return "".join(rng.sample(companies.brand_characters, 2))


def _numeral(number: int) -> str:
    """A number below a hundred as it is written in names: 十, 二十三."""
    tens, ones = divmod(number, 10)
    digits = "一二三四五六七八九"
    return f"{digits[tens - 1] if tens > 1 else ''}{'十' if tens else ''}{digits[ones - 1] if ones else ''}"


def _bare(street: str) -> str:
    """What a branch is called after: 南山 of 南山大道, 中山 of 中山五路, 北滘美的 of 北滘镇美的大道."""
    without_town = re.sub(r"^(.{2})[镇街]", r"\1", street)
    return re.sub(r"[东南西北中一二三四五六七八]?(大道|大街|步行街|路|街)[东南西北中]?$", "", without_town) or street


def _aliases(name: str, city: City) -> tuple[str, ...]:
    """What people ask for instead: 宏达电子 for 深圳市宏达电子有限公司, 工行… for 中国工商银行深圳…."""
    place = city.name.removesuffix("市")
    for whole, part in _BANKS.items():
        if name.startswith(whole):
            return (part + name.removeprefix(whole).removeprefix(place),)
    short = name.removesuffix("有限公司").removeprefix(city.name).removeprefix(place)
    return (short,) if short != name and len(short) > 2 else ()
