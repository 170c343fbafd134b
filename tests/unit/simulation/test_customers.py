"""A province of customers from a seed: believable, the same everywhere, and each fen of a bill accounted for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from functools import lru_cache
from math import ceil
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.numbers import NumberKind
from dataset.pinyin import person_spelling
from dataset.puts import prepare
from dataset.records.customer import CustomerKind, DocumentKind
from dataset.records.line import Line, LineStatus
from dataset.records.money import account
from dataset.records.tariff import TariffUnit
from dataset.services.workflow import OPEN
from federation.core.work_checks import holds
from federation.core.work_item import Facts
from simulation.population.customers import CHUNK, MOST_LINES, Population
from simulation.population.material import material
from simulation.population.numbering import DistrictNumbers, ProvinceNumbers
from simulation.population.people import draw_company, draw_person
from simulation.population.subscribers import Subscriber
from site_node.core.customer_card import services_of
from tests.harness.services import calendar, catalogue

TODAY = date(2026, 11, 20)
CITIES = ("guangzhou", "shenzhen", "foshan")
MATERIAL = material()
PRICES = {one.code: one for one in MATERIAL.tariffs}


def population(seed: int = 7, lines: int = 3_000, months: int = 3) -> Population:
    return Population(MATERIAL, seed, lines, CITIES, today=TODAY, months=months)


@lru_cache(maxsize=1)
def everybody() -> tuple[Subscriber, ...]:
    province = population()
    return tuple(one for city in province.sizes for one in province.subscribers(city))


def telephones(subscribers: tuple[Subscriber, ...]) -> list[Line]:
    return [line for one in subscribers for line in one.lines if line.service == "install_line"]


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), lines=st.integers(10, 60), months=st.integers(1, 5))
def test_every_bill_is_its_items_and_every_item_is_its_price(seed: int, lines: int, months: int) -> None:
    province = population(seed, lines, months)
    for city in province.sizes:
        for one in province.subscribers(city):
            for bill in one.bills:
                assert bill.faults() == ()
                for item in bill.items:
                    price = PRICES[item.code]
                    units = item.seconds if price.unit is TariffUnit.SECOND else item.count
                    assert abs(item.fen) == ceil(units / price.per) * price.fen
                    assert (item.fen < 0) == (item.code == "bundle")


def test_what_is_owed_is_what_the_bills_and_payments_say() -> None:
    owing = 0
    for one in everybody():
        for line in one.lines:
            bills = [bill for bill in one.bills if bill.line == line.number]
            payments = [payment for payment in one.payments if payment.line == line.number]
            state = account(bills, payments, TODAY)
            assert state.credit_fen == 0
            assert set(state.open_fen) == {bill.month for bill in bills if bill.settled_on is None and bill.total_fen}
            overdue = sum(1 for bill in bills if bill.settled_on is None and bill.due_on < TODAY)
            assert (line.status is LineStatus.SUSPENDED) == (overdue >= 2)
            owing += state.overdue_fen > 0
    assert 0.01 < owing / sum(len(one.lines) for one in everybody()) < 0.08


def test_bills_are_of_months_in_which_the_line_was_there() -> None:
    lines = {line.number: line for one in everybody() for line in one.lines}
    for one in everybody():
        for bill in one.bills:
            line = lines[bill.line]
            assert line.installed_on is not None
            assert f"{line.installed_on:%Y-%m}" <= bill.month
            assert line.ceased_on is None or bill.month <= f"{line.ceased_on:%Y-%m}"
    assert {bill.month for one in everybody() for bill in one.bills} == {"2026-08", "2026-09", "2026-10"}


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_number_is_one_line_s_and_in_an_exchange_of_its_district() -> None:
    numbers = [line.number for one in everybody() for line in one.lines]
    assert len(set(numbers)) == len(numbers)
    for line in telephones(everybody()):
        number = MATERIAL.plan.parse(line.number)
        exchange = MATERIAL.plan.exchange_of(number)
        assert exchange is not None
        assert number.kind is NumberKind.FIXED
        assert number.area == MATERIAL.cities[line.city].area_code
        assert (exchange.district, f"{exchange.zh}局") == (line.district, line.exchange)


def test_every_number_is_one_of_the_plan_as_it_stands() -> None:
    kinds = {
        "install_line": NumberKind.FIXED,
        "adsl": NumberKind.CIRCUIT,
        "fibre_broadband": NumberKind.CIRCUIT,
        "ddn": NumberKind.CIRCUIT,
        "leased_line": NumberKind.CIRCUIT,
        "card_200": NumberKind.CARD,
        "card_300": NumberKind.CARD,
        "freephone_800": NumberKind.FREEPHONE,
        "number_400": NumberKind.SHARED_COST,
    }
    for one in everybody():
        for line in one.lines:
            number = MATERIAL.plan.parse(line.number)
            assert (number.text, number.kind) == (line.number, kinds[line.service])


def test_numbers_of_the_province_are_not_given_twice_but_refused() -> None:
    numbers = ProvinceNumbers(MATERIAL.plan, "7")
    assert len({numbers.paid("400", n) for n in range(20_000)}) == 20_000
    assert len({numbers.mobile(n) for n in range(20_000)}) == 20_000
    with pytest.raises(Refused):
        numbers.paid("400", 10**7)


def test_nobody_shares_a_mobile_number() -> None:
    mobile = [number for one in everybody() for number in one.customer.contact_numbers]
    assert len(set(mobile)) == len(mobile)
    assert {MATERIAL.plan.parse(number).kind for number in mobile} == {NumberKind.MOBILE}


DISTRICTS = [(one.area_code, district.name) for one in MATERIAL.cities.values() for district in one.districts]


@given(st.integers(0, 2**32), st.sampled_from(DISTRICTS))
def test_a_district_s_numbers_come_in_tens_and_never_twice(seed: int, place: tuple[str, str]) -> None:
    numbers = DistrictNumbers(MATERIAL.plan, *place, str(seed))
    found = [numbers.number(n)[0] for n in range(200)]
    assert len(set(found)) == 200
    assert [number[:-1] for number in found[:10]] == [found[0][:-1]] * 10
    with pytest.raises(Refused):
        numbers.number(numbers.capacity)


def test_every_line_of_a_full_district_has_a_number_of_its_own() -> None:
    numbers = DistrictNumbers(MATERIAL.plan, "0755", "盐田区", "7")
    assert len({numbers.number(n)[0] for n in range(numbers.capacity)}) == numbers.capacity == 40_000


def test_there_are_numbers_enough_for_a_million_lines_in_any_one_city() -> None:
    for city in MATERIAL.cities.values():
        for district in city.districts:
            room = DistrictNumbers(MATERIAL.plan, city.area_code, district.name, "7").capacity
            assert MOST_LINES * district.share / 1000 <= room, district.name


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_surnames_are_as_frequent_as_in_china() -> None:
    rng, city = Random(1), MATERIAL.cities["shenzhen"]
    counts = Counter(draw_person(rng, MATERIAL.names, city).name[0] for _ in range(20_000))
    (first, _), (second, _), (third, _) = counts.most_common(3)
    assert {first, second} == {"王", "李"}
    assert third == "张"
    assert 0.07 < counts["王"] / 20_000 < 0.095
    assert counts["区"] > 0


def test_households_companies_and_key_accounts_have_their_shares() -> None:
    kinds = Counter(one.customer.kind for one in everybody())
    lines = Counter(one.customer.kind for one in everybody() for line in one.lines if line.service == "install_line")
    assert 0.07 < (kinds[CustomerKind.BUSINESS] + kinds[CustomerKind.KEY_ACCOUNT]) / kinds.total() < 0.14
    assert 0.18 < (lines[CustomerKind.BUSINESS] + lines[CustomerKind.KEY_ACCOUNT]) / lines.total() < 0.45
    for one in everybody():
        of_own = sum(line.service == "install_line" for line in one.lines)
        assert (one.customer.kind is CustomerKind.KEY_ACCOUNT) == (of_own >= 16)


def test_names_of_companies_seldom_repeat_even_in_a_large_city() -> None:
    rng, city = Random(1), MATERIAL.cities["guangzhou"]
    names = Counter(
        draw_company(rng, MATERIAL.companies, MATERIAL.names, city, district, district.streets.draw(rng)).name
        for district in rng.choices(city.districts, k=10_000)
    )
    assert len(names) > 8_000
    assert max(names.values()) < 20


def test_documents_have_valid_check_digits_and_belong_to_nobody() -> None:
    documents = [one.customer.document for one in everybody() if one.customer.document is not None]
    residents = [one.number for one in documents if one.kind is DocumentKind.RESIDENT_ID]
    weights = [2**place % 11 for place in range(17, 0, -1)]
    for number in residents:
        total = sum(int(digit) * weight for digit, weight in zip(number[:17], weights, strict=True))
        assert "10X98765432"[total % 11] == number[17]
        assert number[4:6] == "99"
    digits = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    licences = [one.number for one in documents if one.kind is DocumentKind.BUSINESS_LICENCE]
    for number in licences:
        assert (
            sum(digits.index(digit) * pow(3, at, 31) for at, digit in enumerate(number[:17])) % 31
            == (31 - digits.index(number[17])) % 31
        )
    assert min(len(residents), len(licences)) > 100


def test_some_are_unlisted_some_have_special_needs_and_every_service_is_had() -> None:
    homes = [entry for one in everybody() for entry in one.entries if not entry.category]
    assert 0.2 < sum(entry.unlisted for entry in homes) / len(homes) < 0.4
    needs = {need for one in everybody() for need in one.customer.special_needs}
    assert needs == {"elderly", "hearing", "sight", "dialect_cantonese"}
    assert {line.service for one in everybody() for line in one.lines} == {
        "install_line", "adsl", "fibre_broadband", "ddn", "leased_line", "card_200", "card_300", "freephone_800",
        "number_400",
    }  # fmt: skip


def test_the_directory_holds_people_by_their_pinyin_and_companies_by_department() -> None:
    for one in everybody():
        owned = {line.number: line for line in one.lines}
        for entry in one.entries:
            assert owned[entry.number].status is not LineStatus.CEASED
            assert entry.name.startswith(one.customer.name)
            if one.customer.kind is CustomerKind.RESIDENTIAL:
                assert entry.pinyin == person_spelling(entry.name).full
            else:
                assert entry.category
                assert not entry.unlisted
    assert any(entry.name.endswith("教务处") for one in everybody() for entry in one.entries)


def test_no_line_has_what_a_service_s_own_rules_would_have_refused() -> None:
    """Every service and feature could have been ordered, as the last one, for the line as it is."""
    kinds = {"line_has_service", "line_lacks_service", "at_most_per_line"}
    looked_at: set[str] = set()
    for one in everybody():
        for line in telephones((one,)):
            had = services_of(one.lines, line.number)
            for code in had.keys() & catalogue().services.keys():
                before = Facts(services={name: count - (name == code) for name, count in had.items()})
                for rule in catalogue().services[code].text.rules:
                    if rule.kind in kinds and OPEN in rule.at:
                        assert holds(rule, calendar(), {}, before, 0.0), (had, code, rule)
                        looked_at.add(code)
    assert looked_at >= {
        "call_waiting",
        "three_way",
        "hotline",
        "forward_all",
        "isdn_2b_d",
        "fibre_broadband",
        "card_300",
    }


def test_what_no_service_knows_is_only_what_nobody_can_order_any_more() -> None:
    codes = {code for one in everybody() for line in one.lines for code in (line.service, *line.features)}
    assert codes - catalogue().services.keys() == {"adsl", "ring_back_tone"}


# ── the same everywhere, of any size ────────────────────────────────────────────────────────────────────────────────
def test_every_record_is_one_that_a_store_takes() -> None:
    province = population(lines=300)
    puts = [put for city in province.sizes for put in province.records(city)] + list(province.public())
    assert len({(put.table.name, put.table.key_of(put.record)) for put in puts}) == len(puts)
    assert all(prepare(put) for put in puts)


@pytest.mark.parametrize("lines", [10, 11, 999, 2_345])
def test_a_province_has_just_as_many_lines_as_were_asked_for(lines: int) -> None:
    province = population(lines=lines, months=1)
    assert sum(province.sizes.values()) == lines
    for city, size in province.sizes.items():
        assert len(telephones(tuple(province.subscribers(city)))) == size


def test_a_chunk_needs_no_other_and_a_larger_province_only_adds() -> None:
    small, large = population(lines=3_000), population(lines=6_000)
    city = CityId("guangzhou")
    whole = list(large.subscribers(city))
    begins = len(large.chunk(city, 0))
    assert large.chunk(city, 1) == whole[begins : begins + len(large.chunk(city, 1))]
    assert small.chunk(city, 0) == large.chunk(city, 0)
    assert small.chunk(CityId("shenzhen"), 0) == large.chunk(CityId("shenzhen"), 0)
    with pytest.raises(IndexError):
        small.chunk(city, small.chunks(city))


def test_another_seed_makes_other_people() -> None:
    assert population(1).chunk(CityId("foshan"), 0) != population(2).chunk(CityId("foshan"), 0)


@pytest.mark.parametrize(
    ("lines", "cities", "slug"),
    [(0, CITIES, "population-size"), (MOST_LINES + 1, CITIES, "population-size"), (9, ("paris",), "population-city")],
)
def test_what_cannot_be_made_is_refused(lines: int, cities: tuple[str, ...], slug: str) -> None:
    with pytest.raises(Refused) as refused:
        Population(MATERIAL, 1, lines, cities, today=TODAY)
    assert refused.value.problems[0].slug == slug


def digest(province: Population) -> str:
    found = hashlib.sha256()
    for city in province.sizes:
        for put in province.records(city):
            found.update(put.table.name.encode() + msgspec.json.encode(put.record))
    return found.hexdigest()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_gives_the_same_bytes_in_every_process(hash_seed: str) -> None:
    program = f"from {__name__} import *; print(digest(population(lines=200)))"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == digest(population(lines=200))


def test_a_hundred_thousand_lines_need_the_memory_of_one_chunk() -> None:
    """Beside the numbers, which are counted here to see that none comes twice."""
    program = f"""
import gc, resource
from {__name__} import *
gc.freeze()  # what was imported is not looked at again and again
province, numbers, peaks = population(lines=100_000, months=1), set(), []
for city in province.sizes:
    for n in range(province.chunks(city)):
        numbers.update(int(line.number) for line in telephones(tuple(province.chunk(city, n))))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(len(numbers), peaks[-1] - peaks[2], len(peaks))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines, more_kb, chunks = map(int, ran.stdout.split())
    assert lines == 100_000
    assert chunks == 100_000 // CHUNK
    assert more_kb < 60_000
