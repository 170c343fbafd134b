"""What is published is read in stretches of bounded size, over both forms of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from dataset.ids import CityId
from dataset.puts import Put
from dataset.records.catalogue import PUBLIC
from dataset.records.directory import DIRECTORY
from dataset.records.tariff import TARIFFS
from federation.core.public_copy import MOST_COMPARED, PUBLIC_TABLES, Position
from federation.node.public_copies import stretch
from tests.harness.sample_records import ENTRY, TARIFF
from tests.harness.store_forms import Form, MemoryForm, SqliteForm, result

CITY, OTHER = CityId("guangzhou"), CityId("shenzhen")


@pytest.fixture(params=[MemoryForm, SqliteForm])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    form: Form = request.param(tmp_path)
    yield form
    form.close()


def all_stretches(form: Form, name: str, *puts: Put) -> list[tuple[list[Position], Position]]:
    """From the beginning to the end, the positions in each and where it ended."""
    store = form.open(PUBLIC)
    for at in range(0, len(puts), 500):
        result(form, store.put(puts[at : at + 500]))
    public, found = PUBLIC_TABLES[name], list[tuple[list[Position], Position]]()
    since: Position = ()
    while True:
        got = result(form, Deferred.fromCoroutine(stretch(store, public, CITY, since, ())))
        assert got is not None
        records, since = got
        found.append(([public.position(one) for one in records], since))
        if not since:
            return found


def test_every_listed_entry_is_in_one_stretch_of_a_bounded_size(form: Form) -> None:
    numbers = [f"0208{at:07}" for at in range(2 * MOST_COMPARED + 50)]
    listed = [replace(ENTRY, number=number) for number in numbers]
    others = [replace(ENTRY, number="02099999901", unlisted=True), replace(ENTRY, number="075599999901", city=OTHER)]
    found = all_stretches(form, "directory", *(Put(DIRECTORY, one) for one in (*listed, *others)))
    assert [len(one) for one, _ in found] == [MOST_COMPARED, MOST_COMPARED, 50]
    assert [ends for _, ends in found] == [found[1][0][0], found[2][0][0], ()]
    everything = [at for one, _ in found for at in one]
    assert (everything, len(set(everything))) == (sorted(everything), len(numbers))


def test_a_stretch_ends_where_it_is_told_to(form: Form) -> None:
    store, public = form.open(PUBLIC), PUBLIC_TABLES["directory"]
    result(form, store.put([Put(DIRECTORY, replace(ENTRY, number=f"0208000{at:04}")) for at in range(300)]))
    for since, before, count in (((), ("42", "02080000142"), 3 * 42 + 1), (("99", "02080000099"), (), 3)):
        found = result(form, Deferred.fromCoroutine(stretch(store, public, CITY, since, before)))
        assert found is not None
        assert (len(found[0]), found[1]) == (count, before)


def test_prices_of_the_city_alone_are_read_in_the_order_of_their_days(form: Form) -> None:
    own = [replace(TARIFF, city=CITY, since=date(2026, month, 1)) for month in (3, 1, 2)]
    found = all_stretches(form, "tariffs", *(Put(TARIFFS, one) for one in (*own, TARIFF, replace(TARIFF, city=OTHER))))
    assert found == [([("install_line", "local_call", f"2026-0{month}-01") for month in (1, 2, 3)], ())]


def test_nobody_is_told_that_what_cannot_be_read_is_gone(tmp_path: Path) -> None:
    form = SqliteForm(tmp_path)
    store, public = form.open(PUBLIC), PUBLIC_TABLES["directory"]
    result(
        form, store.put([Put(DIRECTORY, replace(ENTRY, number=number)) for number in ("02080000001", "02080000002")])
    )
    with closing(sqlite3.connect(form.path)) as file:
        file.execute("UPDATE records SET crc = crc + 1 WHERE instr(data, CAST('02080000001' AS BLOB))")
        file.commit()
    assert result(form, Deferred.fromCoroutine(stretch(store, public, CITY, (), ()))) is None
    form.close()
