"""Whatever a caller types and a network delivers becomes one number, or is refused with the accepted form."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.errors import Refused
from dataset.number_plan import Nature, NumberPlan, parse_plan
from dataset.numbers import Number, NumberKind, Reach

FILE = Path(__file__).parents[3] / "conf/number_plan.toml"
PLAN = parse_plan(FILE.read_bytes(), "number_plan.toml")
SHENZHEN = "0755"


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("0755-2612 3456", "075526123456"),
        ("(0755) 26123456", "075526123456"),
        ("+86 755 26123456", "075526123456"),
        ("+86 (0)755 2612-3456", "075526123456"),
        ("0086-755-26123456", "075526123456"),
        ("8675526123456", "075526123456"),
        ("75526123456", "075526123456"),
        ("26123456", "075526123456"),
        ("2612-3456", "075526123456"),
        ("０７５５－２６１２３４５６", "075526123456"),
        ("17909 0755 26123456", "075526123456"),
        ("0755-26123456转8001", "075526123456-8001"),
        ("0755-26123456 ext. 8001", "075526123456-8001"),
        ("26123456-801", "075526123456-801"),
        ("0660-3361234-5", "06603361234-5"),
        ("010-62345678", "01062345678"),
        ("+86 10 6234 5678", "01062345678"),
        ("020 8123 4567", "02081234567"),
        ("13800138000", "13800138000"),
        ("138-0013-8000", "13800138000"),
        ("013800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("17951 138 0013 8000", "13800138000"),
        ("400-810-8888", "4008108888"),
        ("+86 400 810 8888", "4008108888"),
        ("400-810-8888-12", "4008108888-12"),
        ("800 820 8820", "8008208820"),
        ("95588", "95588"),
        ("+86 95588", "95588"),
        ("10000", "10000"),
        ("+86 10000", "10000"),
        ("112", "112"),
        ("0755 12345", "075512345"),
        ("200", "200"),
        ("106550218888", "106550218888"),
        ("+852 2345 6789", "+85223456789"),
        ("00852 23456789", "+85223456789"),
        ("+1 212 555 0100", "+12125550100"),
        ("0755-9 0000 1234", "0755900001234"),
        ("200 0755 0000 1234", "200075500001234"),
    ],
)
def test_every_way_of_writing_a_number_comes_to_one_text(typed: str, text: str) -> None:
    assert PLAN.normalise(typed, SHENZHEN) == text


@pytest.mark.parametrize(
    ("typed", "kind", "reach"),
    [
        ("26123456", NumberKind.FIXED, Reach.LOCAL),
        ("02081234567", NumberKind.FIXED, Reach.LONG_DISTANCE),
        ("13800138000", NumberKind.MOBILE, Reach.MOBILE),
        ("112", NumberKind.SPECIAL, Reach.SPECIAL),
        ("8008208820", NumberKind.FREEPHONE, Reach.FREEPHONE),
        ("4008108888", NumberKind.SHARED_COST, Reach.SHARED_COST),
        ("+85223456789", NumberKind.INTERNATIONAL, Reach.INTERNATIONAL),
        ("0755900001234", NumberKind.CIRCUIT, Reach.NONE),
        ("200075500001234", NumberKind.CARD, Reach.NONE),
    ],
)
def test_a_number_is_classified_as_seen_from_a_city(typed: str, kind: NumberKind, reach: Reach) -> None:
    number = PLAN.parse(typed, SHENZHEN)
    assert (number.kind, number.reach(SHENZHEN)) == (kind, reach)


@pytest.mark.parametrize(
    ("typed", "home", "slug"),
    [
        ("", SHENZHEN, "number-empty"),
        (" - ", SHENZHEN, "number-empty"),
        ("王芳", SHENZHEN, "number-characters"),
        ("2612*3456", SHENZHEN, "number-characters"),
        ("26123456", "", "number-area-missing"),
        ("2612345", SHENZHEN, "number-length"),
        ("0755-261234567", SHENZHEN, "number-length"),
        ("0662-33123456", SHENZHEN, "number-length"),
        ("0755-92123456", SHENZHEN, "number-first-digit"),
        ("0255-26123456", SHENZHEN, "number-length"),
        ("0699-2612345", SHENZHEN, "number-area"),
        ("12000138000", SHENZHEN, "number-mobile"),
        ("1380013800", SHENZHEN, "number-special"),
        ("115", SHENZHEN, "number-special"),
        ("13800138000转1", SHENZHEN, "number-extension"),
        ("+999 1234567", SHENZHEN, "number-country"),
        ("+852 12", SHENZHEN, "number-length"),
        ("+852 1234567890123", SHENZHEN, "number-length"),
    ],
)
def test_what_is_no_number_is_refused_with_the_accepted_form(typed: str, home: str, slug: str) -> None:
    with pytest.raises(Refused) as refused:
        PLAN.parse(typed, home, "customers.csv:7")
    (problem,) = refused.value.problems
    assert (problem.slug, problem.place) == (slug, "customers.csv:7")
    assert "0755-26123456" in problem.zh
    assert "0755-26123456" in problem.en


def test_a_length_is_named_with_its_city() -> None:
    with pytest.raises(Refused) as refused:
        PLAN.parse("0662-33123456")
    assert refused.value.problems[0].zh.startswith("阳江（0662）的本地号码为 7 位，而不是 8 位")


@pytest.mark.parametrize(
    ("digits", "nature", "text"),
    [
        ("26123456", Nature.SUBSCRIBER, "075526123456"),
        ("75526123456", Nature.NATIONAL, "075526123456"),
        ("1062345678", Nature.NATIONAL, "01062345678"),
        ("13800138000", Nature.NATIONAL, "13800138000"),
        ("075526123456", Nature.NATIONAL, "075526123456"),
        ("8675526123456", Nature.INTERNATIONAL, "075526123456"),
        ("85223456789", Nature.INTERNATIONAL, "+85223456789"),
        ("13800138000", Nature.UNKNOWN, "13800138000"),
    ],
)
def test_what_the_network_delivers_is_read_by_its_nature(digits: str, nature: Nature, text: str) -> None:
    assert PLAN.from_network(digits, nature, SHENZHEN).text == text


def test_a_number_is_shown_in_groups_and_masked_in_the_middle() -> None:
    shown = {
        typed: (PLAN.parse(typed, SHENZHEN).display(SHENZHEN), PLAN.parse(typed, SHENZHEN).masked())
        for typed in ("26123456", "0662-3312345", "13800138000", "4008108888", "95588", "+85223456789")
    }
    assert shown == {
        "26123456": ("26123456", "0755-26****56"),
        "0662-3312345": ("0662-3312345", "0662-33***45"),
        "13800138000": ("138 0013 8000", "138****8000"),
        "4008108888": ("400-810-8888", "400-810-8888"),
        "95588": ("95588", "95588"),
        "+85223456789": ("+852 23456789", "+852 23****89"),
    }
    company = PLAN.parse("0755-26123456转8001")
    assert company.display() == "0755-26123456 转 8001"
    assert company.masked() == "0755-26****56"


def test_the_plan_knows_cities_exchanges_services_networks_and_countries() -> None:
    number = PLAN.parse("26123456", SHENZHEN)
    area, exchange = PLAN.area_of(number), PLAN.exchange_of(number)
    assert area is not None
    assert exchange is not None
    assert (area.zh, area.en, exchange.district) == ("深圳", "Shenzhen", "南山区")
    service, network = PLAN.service_of(PLAN.parse("112")), PLAN.network_of(PLAN.parse("18900000000"))
    assert service is not None
    assert network is not None
    assert (service.zh, network.operator) == ("障碍申告", "中国电信")
    country = PLAN.country_of(PLAN.parse("+85223456789"))
    assert country is not None
    assert country.zh == "香港"
    assert PLAN.exchange_of(PLAN.parse("010-62345678")) is None


def test_every_city_of_the_province_file_is_in_the_plan() -> None:
    lengths = {area.code: area.digits for area in PLAN.area if area.province == "广东"}
    assert len(lengths) == 21
    assert {code for code, digits in lengths.items() if digits == (8,)} == {
        "020", "0754", "0755", "0757", "0760", "0769",
    }  # fmt: skip


# ── for all numbers ─────────────────────────────────────────────────────────────────────────────────────────────────
def _digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


_extensions = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=6))
_fixed = st.sampled_from(PLAN.area).flatmap(
    lambda area: st.sampled_from(area.digits).flatmap(
        lambda length: st.builds(
            lambda first, rest, extension: Number(NumberKind.FIXED, area.code, first + rest, extension),
            st.sampled_from(PLAN.local_first_digits),
            _digits(length - 1),
            _extensions,
        )
    )
)
_mobile = st.sampled_from([prefix for one in PLAN.mobile for prefix in one.prefixes]).flatmap(
    lambda prefix: _digits(11 - len(prefix)).map(lambda rest: Number(NumberKind.MOBILE, "", prefix + rest))
)
_special = st.sampled_from(PLAN.special).flatmap(
    lambda one: st.sampled_from(one.digits).flatmap(
        lambda length: st.builds(
            lambda rest, area: Number(NumberKind.SPECIAL, area, one.prefix + rest),
            _digits(length - len(one.prefix)),
            st.sampled_from(["", "0755", "020"] if one.by_city else [""]),
        )
    )
)
_paid = st.builds(
    lambda kind, rest, extension: Number(
        kind, "", ("400" if kind is NumberKind.SHARED_COST else "800") + rest, extension
    ),
    st.sampled_from([NumberKind.SHARED_COST, NumberKind.FREEPHONE]),
    _digits(7),
    _extensions,
)
_abroad = st.sampled_from(PLAN.country).flatmap(
    lambda country: st.integers(7 - len(country.code), 15 - len(country.code)).flatmap(
        lambda length: _digits(length).map(lambda rest: Number(NumberKind.INTERNATIONAL, f"+{country.code}", rest))
    )
)
_circuit = st.builds(
    lambda area, rest: Number(NumberKind.CIRCUIT, area.code, f"9{rest}"), st.sampled_from(PLAN.area), _digits(8)
)
_card = st.builds(
    lambda kind, rest: Number(NumberKind.CARD, "", kind + rest), st.sampled_from(["200", "300"]), _digits(12)
)
_numbers = st.one_of(_fixed, _mobile, _special, _paid, _abroad, _circuit, _card)


@given(_numbers, st.sampled_from(["", "0755", "020", "0662", "0433"]))
def test_parsing_gives_back_every_number_that_was_written(number: Number, home: str) -> None:
    assert PLAN.parse(number.text, home) == number
    assert PLAN.parse(number.display(), home) == number


@given(_numbers)
def test_a_local_form_is_read_back_where_it_is_local(number: Number) -> None:
    if number.kind in (NumberKind.FIXED, NumberKind.CIRCUIT) and not number.extension:
        assert PLAN.parse(number.display(number.area), number.area) == number


def _typed(number: Number, spaces: list[int], cut: int) -> str:
    """The number as somebody in a hurry types it: with spaces anywhere, and the last digits missing."""
    text = number.text[: len(number.text) - cut]
    for at in spaces:
        text = f"{text[: at % (len(text) + 1)]} {text[at % (len(text) + 1) :]}"
    return text


@given(
    st.builds(_typed, _numbers, st.lists(st.integers(0, 20), max_size=3), st.sampled_from([0, 0, 0, 1, 2])),
    st.sampled_from(["", "0755", "0662"]),
)
def test_normalising_twice_changes_nothing(typed: str, home: str) -> None:
    try:
        once = PLAN.normalise(typed, home)
    except Refused:
        return
    assert PLAN.normalise(once, home) == once
    assert PLAN.normalise(once) == once


@given(_numbers)
def test_a_masked_number_hides_at_least_three_digits_of_a_person(number: Number) -> None:
    if number.kind in (NumberKind.FIXED, NumberKind.MOBILE):
        assert number.masked().count("*") >= 3
        assert number.digits not in number.masked()


@given(st.text())
def test_no_text_makes_the_plan_fall_over(typed: str) -> None:
    with contextlib.suppress(Refused):
        assert PLAN.normalise(typed, SHENZHEN)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────
GOOD = """name = "试"
mobile = [{ operator = "甲", operator_en = "A", prefixes = ["138"] }]
special = [{ prefix = "112", digits = [3], zh = "障碍", en = "fault" }]
exchange = [{ area = "0755", zh = "南山", en = "Nanshan", district = "南山区", prefixes = ["26"] }]
area = [{ code = "0755", zh = "深圳", en = "Shenzhen", province = "广东", digits = [8] }]
country = [{ code = "852", zh = "香港", en = "Hong Kong" }]
"""


def _plan(text: str) -> NumberPlan:
    return parse_plan(text.encode(), "plan.toml")


@pytest.mark.parametrize(
    ("old", "new", "slug", "line"),
    [
        ('code = "0755"', 'code = "755"', "setting-form", 5),
        ("digits = [8]", "digits = [2]", "setting-form", 5),
        ('area = "0755", zh', 'area = "0756", zh', "plan-area", 4),
        ('prefixes = ["26"]', 'prefixes = ["26", "2612"]', "plan-prefix-twice", 4),
        ('prefixes = ["26"]', 'prefixes = ["96"]', "plan-prefix", 4),
        ('prefixes = ["26"]', 'prefixes = ["26123456"]', "plan-prefix", 4),
        ("digits = [8]", "digits = []", "plan-prefix", 4),
        ('prefixes = ["26"]', 'prefixes = ["x"]', "setting-form", 4),
        ('prefixes = ["26"]', 'prefixes = "26"', "setting-type", 4),
        ("digits = [8] }", 'digits = [8] }, { code = "0755", zh = "甲", en = "A", province = "乙", digits = [7] }',
         "plan-code-twice", 5),
    ],
)  # fmt: skip
def test_a_fault_in_the_plan_is_named_with_its_line(old: str, new: str, slug: str, line: int) -> None:
    assert _plan(GOOD).parse("26123456", "0755").text == "075526123456"
    with pytest.raises(Refused) as refused:
        _plan(GOOD.replace(old, new))
    assert (slug, f"plan.toml:{line}") in [(problem.slug, problem.place) for problem in refused.value.problems]
