"""What is public, and how a copy is held against it."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from dataset.ids import CityId
from dataset.records.directory import DirectoryEntry
from dataset.records.tariff import TariffItem
from federation.core.public_copy import (
    LARGEST_PIECE_BYTES,
    PUBLIC_TABLES,
    Differences,
    Round,
    differences,
    mark_of,
    told,
)
from tests.harness.sample_records import ENTRY, TARIFF

GUANGZHOU, SHENZHEN = CityId("guangzhou"), CityId("shenzhen")
DIRECTORY, TARIFFS = PUBLIC_TABLES["directory"], PUBLIC_TABLES["tariffs"]
OWN_PRICE = replace(TARIFF, city=GUANGZHOU)


def entry(number: str, **changed: object) -> DirectoryEntry:
    return replace(ENTRY, number=number, **changed)


@pytest.mark.parametrize(
    ("one", "published"),
    [
        (ENTRY, True),
        (replace(ENTRY, unlisted=True), False),
        (replace(ENTRY, deleted=True), False),
        (replace(ENTRY, city=SHENZHEN), False),
    ],
)
def test_a_city_publishes_its_own_listed_numbers_only(one: DirectoryEntry, published: bool) -> None:
    assert DIRECTORY.publishes(one, GUANGZHOU) is published


@pytest.mark.parametrize(("city", "published"), [(GUANGZHOU, True), (None, False), (SHENZHEN, False)])
def test_a_city_publishes_prices_of_its_own_not_those_of_the_province(city: CityId | None, published: bool) -> None:
    price: TariffItem = replace(TARIFF, city=city)
    assert TARIFFS.publishes(price, GUANGZHOU) is published


def test_an_unlisted_number_is_in_no_slice() -> None:
    """It is read from none, so it cannot be told by mistake."""
    assert not [name for name, *_ in DIRECTORY.table.entries(replace(ENTRY, unlisted=True)) if name == "by_slice"]
    assert [name for name, *_ in DIRECTORY.table.entries(ENTRY) if name == "by_slice"]


def test_positions_are_those_of_the_index() -> None:
    assert DIRECTORY.position(entry("02081230042")) == ("42", "02081230042")
    assert TARIFFS.position(replace(OWN_PRICE, since=date(2026, 3, 1))) == ("install_line", "local_call", "2026-03-01")


def test_a_mark_is_of_content_and_order_and_not_of_revisions() -> None:
    """Each holder counts its own."""
    one, other = entry("02081230001"), entry("02081230002")
    assert mark_of([one, other]) == mark_of([replace(one, revision=7), other])
    assert len({mark_of([one, other]), mark_of([other, one]), mark_of([one]), mark_of([])}) == 4
    assert mark_of([one]) != mark_of([replace(one, house="1")])


def test_an_answer_is_small_and_has_one_record_at_least() -> None:
    many = [entry(f"0208123{at:04}") for at in range(200)]
    chosen = told(many)
    assert 1 < len(chosen) < 200
    assert sum(map(len, chosen)) <= LARGEST_PIECE_BYTES
    assert len(told([replace(ENTRY, aliases=("很长的别名" * 10,) * 60), *many])) == 1


def test_differences_are_what_makes_the_one_into_the_other() -> None:
    same, old, gone, new = (entry(f"0208123000{at}") for at in range(4))
    moved = replace(old, house="2001", revision=5)
    assert differences(DIRECTORY, [replace(same, revision=3), old, gone], [same, moved, new]) == Differences(
        changed=(moved, new), gone=(gone,)
    )


def test_a_round_is_as_old_as_its_oldest_answer_and_the_one_before_counts_until_it_ends() -> None:
    first = Round(done=50.0).on(("42", "x"), 100.0)
    second = first.on(("43", "y"), 90.0)
    assert (first.since, second.since, second.as_of, second.done) == (("42", "x"), ("43", "y"), 90.0, 50.0)
    assert second.on((), 120.0) == Round(done=90.0)
