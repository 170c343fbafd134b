"""How amounts, dates, numbers and digits are said with recorded pieces: which prompts, in which order. Pure.

Each piece is a prompt of its own (``conf/prompts/prompts.toml``; ``number-0`` … ``number-20``, ``number-30`` …
``number-90`` are made beside it), so that a person records some fifty words and every amount can be said.
Chinese counts in ten thousands (万, 亿) and says a 零 for places left out (GB/T 15835 has the writing of it); English
counts in thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from dataset.errors import Language

LARGEST = 10**12 - 1
"""the largest number that can be said: 999,999,999,999"""

HUNDRED, THOUSAND, WAN, MILLION, YI, BILLION = (
    "unit-hundred", "unit-thousand", "unit-wan", "unit-million", "unit-yi", "unit-billion",
)  # fmt: skip
YUAN, JIAO, FEN, MINUS = "unit-yuan", "unit-jiao", "unit-fen", "sign-minus"
YEAR, MONTH, DAY = "date-year", "date-month", "date-day"
LIANG, YAO = "number-liang", "digit-yao"
"""两, a 2 that counts; 幺, a 1 among digits, which could be heard as a 7"""
PIECES = (
    HUNDRED, THOUSAND, WAN, MILLION, YI, BILLION, YUAN, JIAO, FEN, MINUS, YEAR, MONTH, DAY, LIANG, YAO,
    *(f"month-{n}" for n in range(1, 13)),
)  # fmt: skip
"""what is composed here, besides the numbers up to 99"""
_SECTIONS_ZH = ((YI, 10**8), (WAN, 10**4), ("", 1))
_SECTIONS_EN = ((BILLION, 10**9), (MILLION, 10**6), (THOUSAND, 10**3), ("", 1))


def is_piece(prompt: str) -> bool:
    """Whether a prompt is one of the words that things are composed of."""
    return prompt.startswith(("number-", "press-")) or prompt in PIECES


def press_prompt(key: str) -> str:
    """The prompt that says that a key is to be pressed."""
    return f"press-{({'*': 'star', '#': 'hash'}).get(key, key)}"


def after_number(prompt: str) -> str:
    """The prompt with the words after the number of ``prompt``: a sentence with a number has words on both sides."""
    return f"{prompt}-after"


def digits(text: str, language: Language) -> tuple[str, ...]:
    """The digits of a telephone number or a code, one by one; what is no digit is passed over."""
    one = YAO if language == "zh" else "number-1"
    return tuple(one if digit == "1" else f"number-{digit}" for digit in text if digit in "0123456789")


def number(value: int, language: Language) -> tuple[str, ...]:
    """A whole number from 0 to ``LARGEST``. Raises ``ValueError`` for others."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{value} cannot be said")
    if value == 0:
        return ("number-0",)
    return tuple(_chinese(value) if language == "zh" else _english(value))


def amount(fen: int, language: Language) -> tuple[str, ...]:
    """An amount of money given in fen: 1005 is ten yuan (and no jiao, 零) five fen."""
    sign, (yuan, part) = (MINUS,) if fen < 0 else (), divmod(abs(fen), 100)
    said: tuple[str, ...] = ()
    if yuan or not part:
        said = (*(_counted(yuan) if language == "zh" else number(yuan, language)), YUAN)
    if language == "en":
        return (*sign, *said, *((*number(part, "en"), FEN) if part else ()))
    jiao, rest = divmod(part, 10)
    if jiao:
        said = (*said, *_counted(jiao), JIAO)
    elif rest and yuan:
        said = (*said, "number-0")
    return (*sign, *said, *((*_counted(rest), FEN) if rest else ()))


def day(when: date, language: Language) -> tuple[str, ...]:
    """A day: 二〇二六年十一月二十六日, November 26 2026."""
    if language == "zh":
        return (*_year(when.year, "zh"), *number(when.month, "zh"), MONTH, *number(when.day, "zh"), DAY)
    return (f"month-{when.month}", *number(when.day, "en"), *_year(when.year, "en"))


def month(name: str, language: Language) -> tuple[str, ...]:
    """A month of bills, given as ``2026-11``."""
    year, _, which = name.partition("-")
    if language == "zh":
        return (*_year(int(year), "zh"), *number(int(which), "zh"), MONTH)
    return (f"month-{int(which)}", *_year(int(year), "en"))


def _year(year: int, language: Language) -> tuple[str, ...]:
    """By its digits in Chinese; in English by two pairs where nothing needs an "oh" (twenty twenty-six)."""
    if language == "zh":
        return (*(f"number-{digit}" for digit in str(year)), YEAR)
    first, last = divmod(year, 100)
    return (*number(first, "en"), *number(last, "en")) if first > 9 and last > 9 else number(year, "en")


def _counted(value: int) -> tuple[str, ...]:
    """A number before a measure word: two of something is 两."""
    return (LIANG,) if value == 2 else number(value, "zh")


def _below_hundred(value: int) -> tuple[str, ...]:
    ones = value % 10
    return (f"number-{value}",) if value <= 20 or not ones else (f"number-{value - ones}", f"number-{ones}")


def _chinese(value: int) -> Iterator[str]:
    """Sections of four places; a section with nothing in its highest places is joined on by one 零."""
    begun = False
    for unit, size in _SECTIONS_ZH:
        section = value // size % 10_000
        if not section:
            continue
        if begun and section < 1_000:
            yield "number-0"
        yield from (LIANG,) if section == 2 and unit else _section(section, after=begun)
        if unit:
            yield unit
        begun = True


def _section(value: int, *, after: bool) -> Iterator[str]:
    """A number from 1 to 9,999; ``after`` a higher section or not."""
    thousands, hundreds, rest = value // 1_000, value // 100 % 10, value % 100
    if thousands:
        yield LIANG if thousands == 2 else f"number-{thousands}"
        yield THOUSAND
    if hundreds:
        yield f"number-{hundreds}"
        yield HUNDRED
    elif thousands and rest:
        yield "number-0"
    if hundreds and 0 < rest < 10:
        yield "number-0"
    if 10 <= rest < 20 and (thousands or hundreds or after):
        yield "number-1"  # 一百一十, while 十 alone is said without
    if rest:
        yield from _below_hundred(rest)


def _english(value: int) -> Iterator[str]:
    for unit, size in _SECTIONS_EN:
        section = value // size % 1_000
        hundreds, rest = divmod(section, 100)
        if hundreds:
            yield from (f"number-{hundreds}", HUNDRED)
        if rest:
            yield from _below_hundred(rest)
        if section and unit:
            yield unit
