"""114 at an agent's seat: the own city's directory, another city's, and what is said when that one is silent."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.puts import Put
from dataset.records.directory import DIRECTORY
from federation.node.login import Actor
from tests.harness.sample_records import ENTRY
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import Seat, WorkingProvince

FAR = replace(ENTRY, city=SHENZHEN, number="075526120001", name="深圳图书馆", aliases=(), pinyin="", initials=())


class Province(WorkingProvince):
    """Guangzhou and Shenzhen have something in their directories."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        for city, entries in ((GUANGZHOU, [ENTRY]), (SHENZHEN, [FAR, replace(FAR, number="075526120002")])):
            self.put(city, *(Put(DIRECTORY, one) for one in entries))

    def put(self, city: CityId, *puts: Put) -> None:
        records = self.sites[city].records
        assert records is not None
        self.result(records.put(puts))


@pytest.fixture
def province() -> Province:
    return Province()


def numbers(found: dict[str, Any]) -> list[str]:
    return [one["number"] for one in found["entries"]]


def test_an_entry_is_shown_with_all_that_is_told(province: Province) -> None:
    found = province.seat_of(GUANGZHOU).ask("directory", text="𠮷野家")
    assert found["entries"] == [
        {
            "name": "单县𠮷野家饭店",
            "aliases": ["𠮷野家", "天河分店"],
            "number": "02088886666",
            "address": "天河体育西路103",
            "category": "restaurant",
            "city": "guangzhou",
            "fit": "exact",
        }
    ]
    [part] = found["parts"]
    assert part["city"] == "guangzhou"
    assert abs(part["as_of"] - province.time.wall()) < 1.0
    assert {name: found[name] for name in ("token", "more", "whose", "unread", "missing")} == {
        "token": None, "more": False, "whose": None, "unread": 0, "missing": [],
    }  # fmt: skip


def test_another_city_is_asked_there_by_its_name_or_by_the_area_of_a_number(province: Province) -> None:
    seat = province.seat_of(GUANGZHOU)
    for fields in ({"text": "深圳", "city": "shenzhen"}, {"text": "0755-26120001"}):
        found = seat.ask("directory", **fields)
        assert ([part["city"] for part in found["parts"]], found["missing"]) == (["shenzhen"], [])
        assert numbers(found)[:1] == ["075526120001"]
    assert found["whose"] == "told"
    assert seat.ask("directory", text="深圳")["entries"] == []


def test_pages_of_another_city_go_on_with_their_token(province: Province) -> None:
    province.put(SHENZHEN, *(Put(DIRECTORY, replace(FAR, number=f"0755261300{n:02d}")) for n in range(30)))
    seat = province.seat_of(GUANGZHOU)
    first = seat.ask("directory", text="深圳", city="shenzhen")
    second = seat.ask("directory", text="深圳", city="shenzhen", token=first["token"])
    assert len({*numbers(first), *numbers(second)}) == 32
    with pytest.raises(Refused) as refused:
        seat.ask("directory", text="深圳", token=first["token"])
    assert refused.value.problems[0].slug == "page-token"


def test_while_a_city_is_silent_the_copy_here_is_shown_and_the_city_is_named(province: Province) -> None:
    province.put(GUANGZHOU, Put(DIRECTORY, FAR))
    seat = province.seat_of(GUANGZHOU)
    province.wires.cut([NodeId(SHENZHEN)])
    province.pass_s(10.0)
    found = seat.ask("directory", text="深圳", city="shenzhen")
    assert (numbers(found), [part["city"] for part in found["parts"]]) == (["075526120001"], ["guangzhou"])
    [missing] = found["missing"]
    assert (missing["city"], missing["problem"]["slug"]) == ("shenzhen", "city-silent")


@pytest.mark.parametrize(
    ("fields", "slug", "place"),
    [
        ({"text": ""}, "directory-text", "text"),
        ({"text": "王" * 65, "city": "shenzhen"}, "directory-text", "text"),
        ({"text": "王", "city": "atlantis"}, "city-unknown", "city"),
        ({"text": "王", "token": "x"}, "page-token", "token"),
        ({}, "bad-request", "text"),
        ({"text": 7}, "bad-request", "text"),
    ],
)
def test_what_is_no_enquiry_is_refused_before_anybody_is_asked(
    province: Province, fields: dict[str, Any], slug: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        province.seat_of(GUANGZHOU).ask("directory", **fields)
    assert (refused.value.problems[0].slug, refused.value.problems[0].place) == (slug, place)


def test_the_city_that_is_asked_holds_by_the_roles_that_may(province: Province) -> None:
    """A person's name for a number is for a supervisor; the directory is not for a crew."""
    person = replace(FAR, number="075526120003", name="单雄信", category="")
    province.put(SHENZHEN, Put(DIRECTORY, person))
    lookups = province.sites[GUANGZHOU].running.lookups
    fields = {"text": person.number, "city": "shenzhen"}
    for role, whose in (("agent", "person"), ("supervisor", "told")):
        actor = Actor("x", None, "x", frozenset({role}), NodeId(GUANGZHOU))
        assert province.result(lookups.ask(SHENZHEN, "directory", fields, actor))["whose"] == whose
    crew = Actor("x", None, "x", frozenset({"crew"}), NodeId(GUANGZHOU))
    with pytest.raises(Refused) as refused:
        province.result(lookups.ask(SHENZHEN, "directory", fields, crew))
    assert refused.value.problems[0].slug == "not-your-role"


def test_a_city_without_records_does_not_offer_it() -> None:
    province = WorkingProvince()
    with pytest.raises(Refused) as refused:
        Seat(province, GUANGZHOU).ask("directory", text="王")
    assert refused.value.problems[0].slug == "unknown-operation"
