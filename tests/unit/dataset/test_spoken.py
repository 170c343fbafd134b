"""Amounts, dates and digits as a caller hears them; whatever is composed reads back to what was meant.

The reader below knows how Chinese and English are read and nothing of how they are composed.
"""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset import spoken
from dataset.errors import Language
from simulation.machines.places import conf_dir
from simulation.machines.prompts import read_prompts

TEXTS = {prompt.id: prompt for prompt in read_prompts(conf_dir() / "prompts" / "prompts.toml")}
LANGUAGES: tuple[Language, ...] = ("zh", "en")


def heard(pieces: tuple[str, ...], language: Language) -> str:
    """What the recordings say one after the other."""
    if language == "zh":
        return "".join(TEXTS[piece].zh for piece in pieces)
    return " ".join(TEXTS[piece].en for piece in pieces)


# ── an independent reader ───────────────────────────────────────────────────────────────────────────────────────────
_ZH = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "幺": 1}
_EN_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_EN_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN = {word: value for value, word in enumerate(_EN_WORDS)} | {word: at * 10 for at, word in enumerate(_EN_TENS, 2)}
_EN_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def read_zh(text: str) -> int:
    """A Chinese number: each digit is multiplied by the unit behind it, a section by its 万 or 亿."""
    whole = section = last = 0
    for sign in text:
        if sign in _ZH:
            last = _ZH[sign]
        elif sign in "十百千":
            section += (last or 1) * {"十": 10, "百": 100, "千": 1000}[sign]
            last = 0
        else:
            whole += (section + last) * {"万": 10**4, "亿": 10**8}[sign]
            section = last = 0
    return whole + section + last


def read_en(text: str) -> int:
    whole = section = 0
    for word in text.split():
        if word in _EN:
            section += _EN[word]
        elif word == "hundred":
            section *= 100
        else:
            whole += section * {"thousand": 10**3, "million": 10**6, "billion": 10**9}[word]
            section = 0
    return whole + section


def read_amount(text: str, language: Language) -> int:
    """An amount in fen."""
    minus = "负" if language == "zh" else "minus "
    sign, text = (-1, text.removeprefix(minus)) if text.startswith(minus) else (1, text)
    if language == "zh":
        found = re.fullmatch(r"(?:(.+)元)?零?(?:(.)角)?(?:(.)分)?", text)
        assert found, text
        yuan, jiao, fen = (read_zh(part) if part else 0 for part in found.groups())
        return sign * (yuan * 100 + jiao * 10 + fen)
    found = re.fullmatch(r"(?:(.+?) yuan ?)?(?:(.+) fen)?", text)
    assert found, text
    yuan, fen = (read_en(part) if part else 0 for part in found.groups())
    return sign * (yuan * 100 + fen)


def read_day(text: str, language: Language) -> date:
    if language == "zh":
        found = re.fullmatch("(.{4})年(.+)月(.+)日", text)
        assert found, text
        year = int("".join(str(_ZH[sign]) for sign in found[1]))
        return date(year, read_zh(found[2]), read_zh(found[3]))
    name, *words = text.split()
    ways = [date(year, _EN_MONTHS.index(name) + 1, day) for day, year in ways_to_read(words)]
    [only] = ways  # one way to hear it
    return only


def ways_to_read(words: list[str]) -> list[tuple[int, int]]:
    """Day and year, with every place where the day may end."""
    found = []
    for at in (1, 2):
        year = read_year(words[at:])
        proper = at == 1 or (_EN[words[0]] in (20, 30) and 0 < _EN.get(words[1], 0) < 10)
        if proper and year is not None:
            found.append((read_en(" ".join(words[:at])), year))
    return found


def read_year(words: list[str]) -> int | None:
    """Two pairs, or a number of thousands; None for what is no year."""
    if "thousand" in words[1:2] or not words:
        return read_en(" ".join(words)) if words and _EN.get(words[0], 0) in (1, 2) else None
    if any(word not in _EN for word in words) or _EN[words[0]] < 10 or len(words) < 2:
        return None
    return _EN[words[0]] * 100 + read_en(" ".join(words[1:]))


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (0, "零", "zero"),
        (2, "二", "two"),
        (10, "十", "ten"),
        (12, "十二", "twelve"),
        (37, "三十七", "thirty seven"),
        (100, "一百", "one hundred"),
        (101, "一百零一", "one hundred one"),
        (110, "一百一十", "one hundred ten"),
        (115, "一百一十五", "one hundred fifteen"),
        (200, "二百", "two hundred"),
        (1_001, "一千零一", "one thousand one"),
        (1_010, "一千零一十", "one thousand ten"),
        (1_100, "一千一百", "one thousand one hundred"),
        (2_222, "两千二百二十二", "two thousand two hundred twenty two"),
        (10_000, "一万", "ten thousand"),
        (10_001, "一万零一", "ten thousand one"),
        (20_000, "两万", "twenty thousand"),
        (100_000, "十万", "one hundred thousand"),
        (101_000, "十万一千", "one hundred one thousand"),
        (120_500, "十二万零五百", "one hundred twenty thousand five hundred"),
        (1_000_010, "一百万零一十", "one million ten"),
        (1_150_000, "一百一十五万", "one million one hundred fifty thousand"),
        (100_000_001, "一亿零一", "one hundred million one"),
        (200_050_000, "两亿零五万", "two hundred million fifty thousand"),
        (spoken.LARGEST, "九千九百九十九亿九千九百九十九万九千九百九十九", None),
    ],
)
def test_numbers_are_said_as_people_say_them(value: int, zh: str, en: str | None) -> None:
    assert heard(spoken.number(value, "zh"), "zh") == zh
    if en is not None:
        assert heard(spoken.number(value, "en"), "en") == en


@given(st.integers(0, spoken.LARGEST))
def test_every_number_reads_back(value: int) -> None:
    assert read_zh(heard(spoken.number(value, "zh"), "zh")) == value
    assert read_en(heard(spoken.number(value, "en"), "en")) == value


def test_every_number_up_to_twenty_thousand_is_read_back_and_no_two_sound_alike() -> None:
    for language, read in (("zh", read_zh), ("en", read_en)):
        said = [heard(spoken.number(value, language), language) for value in range(20_001)]  # type: ignore[arg-type]  # a Literal
        assert [read(text) for text in said] == list(range(20_001))
        assert len(set(said)) == len(said)


@given(st.integers(1, spoken.LARGEST))
def test_a_chinese_number_has_no_two_zeros_together_and_none_at_its_end(value: int) -> None:
    said = heard(spoken.number(value, "zh"), "zh")
    assert "零零" not in said
    assert not said.endswith("零")


@pytest.mark.parametrize("value", [-1, spoken.LARGEST + 1])
def test_what_cannot_be_said_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="cannot be said"):
        spoken.number(value, "zh")


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("fen", "zh", "en"),
    [
        (0, "零元", "zero yuan"),
        (1, "一分", "one fen"),
        (10, "一角", "ten fen"),
        (22, "两角两分", "twenty two fen"),
        (100, "一元", "one yuan"),
        (200, "两元", "two yuan"),
        (1_005, "十元零五分", "ten yuan five fen"),
        (1_050, "十元五角", "ten yuan fifty fen"),
        (11_000, "一百一十元", "one hundred ten yuan"),
        (12_345, "一百二十三元四角五分", "one hundred twenty three yuan forty five fen"),
        (100_001_000, "一百万零一十元", "one million ten yuan"),
        (-350, "负三元五角", "minus three yuan fifty fen"),
    ],
)
def test_amounts_are_said_in_yuan_jiao_and_fen(fen: int, zh: str, en: str) -> None:
    assert heard(spoken.amount(fen, "zh"), "zh") == zh
    assert heard(spoken.amount(fen, "en"), "en") == en


@given(st.integers(-(10**12), 10**12), st.sampled_from(LANGUAGES))
def test_every_amount_reads_back_to_the_fen(fen: int, language: Language) -> None:
    assert read_amount(heard(spoken.amount(fen, language), language), language) == fen


# ── days and digits ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("when", "zh", "en"),
    [
        (date(2026, 11, 26), "二零二六年十一月二十六日", "November twenty six twenty twenty six"),
        (date(2026, 2, 1), "二零二六年二月一日", "February one twenty twenty six"),
        (date(2005, 10, 10), "二零零五年十月十日", "October ten two thousand five"),
        (date(1998, 12, 31), "一九九八年十二月三十一日", "December thirty one nineteen ninety eight"),
    ],
)
def test_days_are_said_as_days(when: date, zh: str, en: str) -> None:
    assert heard(spoken.day(when, "zh"), "zh") == zh
    assert heard(spoken.day(when, "en"), "en") == en


@given(st.dates(date(1990, 1, 1), date(2099, 12, 31)))
def test_every_day_reads_back(when: date) -> None:
    assert read_day(heard(spoken.day(when, "zh"), "zh"), "zh") == when
    assert read_day(heard(spoken.day(when, "en"), "en"), "en") == when


def test_a_month_of_bills_is_said_without_its_day() -> None:
    assert heard(spoken.month("2026-09", "zh"), "zh") == "二零二六年九月"
    assert heard(spoken.month("2026-09", "en"), "en") == "September twenty twenty six"


def test_digits_are_said_one_by_one_and_a_1_cannot_be_heard_as_a_7() -> None:
    assert heard(spoken.digits("020-8112 0071", "zh"), "zh") == "零二零八幺幺二零零七幺"
    assert heard(spoken.digits("1071", "en"), "en") == "one zero seven one"


@given(st.text("0123456789", max_size=15), st.sampled_from(LANGUAGES))
def test_all_digits_read_back(text: str, language: Language) -> None:
    said = heard(spoken.digits(text, language), language)
    values = [_ZH[sign] for sign in said] if language == "zh" else [_EN[word] for word in said.split()]
    assert "".join(map(str, values)) == text


def test_every_piece_is_a_prompt_in_both_languages() -> None:
    assert set(spoken.PIECES) <= TEXTS.keys()
    assert all(TEXTS[piece].zh and TEXTS[piece].en for piece in spoken.PIECES)
