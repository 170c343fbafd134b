"""What cities publish is in a copy at the hub and in the other cities: how new it is, is told; unlisted numbers are not
in it; with the hub away a city goes on from its last copy.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import HUB, CityId, NodeId
from dataset.puts import Put
from dataset.records.directory import DIRECTORY
from dataset.records.tariff import TARIFFS
from federation.node.public_copies import REST_S
from tests.harness.sample_records import ENTRY, TARIFF
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.two_hubs import TwoHubs
from tests.province.working_province import WorkingProvince

LIBRARY = replace(ENTRY, city=SHENZHEN, number="075526120001", name="深圳图书馆", aliases=(), pinyin="", initials=())
SECRET = replace(LIBRARY, number="075526120009", name="隐名之人", category="", unlisted=True)
PERSON = replace(LIBRARY, number="075526120003", name="单雄信", category="")
ROUND_S = 20.0
"""more than a round over what these cities have"""


class Province(WorkingProvince):
    """深圳 has a library, a person, and somebody who wants to be told to nobody."""

    def __init__(self) -> None:
        super().__init__(with_records=True)
        self.put(SHENZHEN, *(Put(DIRECTORY, one) for one in (LIBRARY, PERSON, SECRET)))

    def put(self, city: CityId, *puts: Put) -> None:
        records = self.sites[city].records
        assert records is not None
        self.result(records.put(puts))

    def copied(self) -> None:
        """Both steps of a round: to the hub, and from there."""
        self.pass_s(2 * (REST_S + ROUND_S))

    def kept(self, node: str, number: str) -> Any:
        """What stands of a number of 深圳 in the store of ``node``."""
        store = self.memory.disk(NodeId(node)).records
        assert store is not None
        found: list[Any] = []
        store.get(DIRECTORY, (SHENZHEN, number)).addBoth(found.append)
        self.pass_s(0.1)
        return found[0]


@pytest.fixture
def province() -> Province:
    province = Province()
    province.copied()
    return province


def numbers(found: dict[str, Any]) -> list[str]:
    return [one["number"] for one in found["entries"]]


def test_a_seat_finds_in_the_copy_and_is_told_how_old_it_is(province: Province) -> None:
    seat = province.seat_of(GUANGZHOU)
    asked = province.time.wall()
    found = seat.ask("directory", text="深圳图书馆", city="shenzhen")
    assert (numbers(found), found["missing"]) == (["075526120001"], [])
    [part] = found["parts"]
    assert (part["city"], part["copy"]) == ("shenzhen", True)
    assert 0 < asked - part["as_of"] < 2 * (REST_S + ROUND_S)


def test_unlisted_numbers_are_in_no_copy_and_the_owning_city_alone_says_so(province: Province) -> None:
    for node in (HUB, GUANGZHOU, FOSHAN):
        assert province.kept(node, SECRET.number) is None
        assert province.kept(node, LIBRARY.number).name == "深圳图书馆"
    seat = province.seat_of(GUANGZHOU)
    found = seat.ask("directory", text=SECRET.number)
    assert (found["whose"], found["entries"], found["parts"][0]["copy"]) == ("unlisted", [], False)
    province.wires.cut([NodeId(SHENZHEN)])
    province.pass_s(10.0)
    found = seat.ask("directory", text=SECRET.number)
    assert (found["whose"], found["entries"]) == ("unknown", [])
    assert [one["city"] for one in found["missing"]] == ["shenzhen"]


def test_a_persons_number_in_the_copy_is_told_to_whom_the_own_citys_would_be(province: Province) -> None:
    found = province.seat_of(GUANGZHOU).ask("directory", text=PERSON.number)
    assert (found["whose"], found["entries"], found["parts"][0]["copy"]) == ("person", [], True)


def test_what_changes_and_what_is_taken_out_follows(province: Province) -> None:
    moved = replace(LIBRARY, revision=2, street="福中一路", house="2001")
    hidden = replace(PERSON, revision=2, unlisted=True)
    province.put(SHENZHEN, Put(DIRECTORY, moved), Put(DIRECTORY, hidden))
    province.copied()
    for node in (HUB, GUANGZHOU):
        assert province.kept(node, LIBRARY.number).street == "福中一路"
        assert province.kept(node, PERSON.number) is None, "unlisted now"
    province.put(SHENZHEN, Put(DIRECTORY, replace(PERSON, revision=3)))
    province.copied()
    assert province.kept(GUANGZHOU, PERSON.number).name == "单雄信", "and back"


def test_with_the_hub_away_the_last_copy_serves_and_tells_its_age(province: Province) -> None:
    seat = province.seat_of(GUANGZHOU)
    before = seat.ask("directory", text="深圳图书馆", city="shenzhen")["parts"][0]["as_of"]
    province.crash_hub()
    province.wires.cut([NodeId(SHENZHEN)])
    province.pass_s(600.0)
    found = seat.ask("directory", text="深圳图书馆", city="shenzhen")
    [part] = found["parts"]
    assert (numbers(found), part["copy"]) == (["075526120001"], True)
    assert 0 <= part["as_of"] - before < REST_S + ROUND_S
    assert province.time.wall() - part["as_of"] > 500.0


def test_the_operator_sees_how_old_each_copy_is(province: Province) -> None:
    assert province.hub is not None
    for registry, cities in (
        (province.hub.running.counts.registry, (GUANGZHOU, SHENZHEN, FOSHAN)),
        (province.sites[GUANGZHOU].running.counts.registry, (SHENZHEN, FOSHAN)),
    ):
        for city in cities:
            for table in ("directory", "tariffs"):
                age_s = registry.get_sample_value("yht_public_copy_age_seconds", {"table": table, "city": city})
                assert age_s is not None
                assert 0.0 <= age_s < 2 * (REST_S + ROUND_S)


def test_a_restart_goes_on_from_its_copy(province: Province) -> None:
    province.restart_city(GUANGZHOU)
    province.wires.cut([NodeId(SHENZHEN), HUB])
    found = province.seat_of(GUANGZHOU).ask("directory", text="深圳图书馆", city="shenzhen")
    assert (numbers(found), found["parts"][0]["copy"]) == (["075526120001"], True)


def test_a_hub_that_lost_its_disk_has_no_copy_to_tell_until_it_is_whole_again(province: Province) -> None:
    """Nobody is told meanwhile that what was there is gone."""
    province.memory.lose(HUB)
    province.stop_hub()
    province.start_hub()
    province.pass_s(1.0)
    assert province.kept(GUANGZHOU, LIBRARY.number) is not None
    province.copied()
    assert province.kept(HUB, LIBRARY.number) is not None
    assert province.kept(GUANGZHOU, LIBRARY.number) is not None


def test_what_a_copy_does_not_have_is_asked_of_its_city(province: Province) -> None:
    new = replace(LIBRARY, number="075526120005", name="深圳音乐厅")
    province.put(SHENZHEN, Put(DIRECTORY, new))
    found = province.seat_of(GUANGZHOU).ask("directory", text="深圳音乐厅", city="shenzhen")
    assert (numbers(found), found["parts"][0]["copy"]) == (["075526120005"], False)


def test_with_the_hub_that_leads_gone_the_other_hands_on_its_own_copy() -> None:
    """Each hub has the province's from the cities; nobody begins anew."""
    province = TwoHubs(with_records=True)
    records, copies = province.sites[SHENZHEN].records, province.sites[GUANGZHOU].running.copies
    assert records is not None
    assert copies is not None
    records.put([Put(DIRECTORY, LIBRARY)])
    province.pass_s(2 * (REST_S + ROUND_S))
    [leads] = province.leads()
    province.kill(leads)
    province.pass_s(10.0)
    gone = province.time.wall()
    records.put([Put(DIRECTORY, replace(LIBRARY, number="075526120005"))])
    province.pass_s(3 * (REST_S + ROUND_S))
    as_of = copies.as_of("directory", SHENZHEN)
    assert as_of is not None
    assert as_of > gone
    found: list[Any] = []
    store = province.memory.disk(NodeId(GUANGZHOU)).records
    assert store is not None
    store.get(DIRECTORY, (SHENZHEN, "075526120005")).addBoth(found.append)
    province.pass_s(0.1)
    assert found[0] is not None


# ── prices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
ALL_OVER = TARIFF
SPECIAL = replace(TARIFF, city=SHENZHEN, fen=18, since=date(2026, 2, 1))


def prices(found: dict[str, Any]) -> list[tuple[str, int, str | None]]:
    return [(one["code"], one["fen"], one["city"]) for one in found["prices"]]


def test_prices_of_another_city_are_the_provinces_and_its_own_from_the_copy(province: Province) -> None:
    for city in (GUANGZHOU, SHENZHEN):
        province.put(city, Put(TARIFFS, ALL_OVER))
    province.put(SHENZHEN, Put(TARIFFS, SPECIAL))
    seat = province.seat_of(GUANGZHOU)
    province.copied()
    province.wires.cut([NodeId(SHENZHEN), HUB])
    found = seat.ask("tariffs", service="install_line", city="shenzhen")
    assert (prices(found), found["missing"]) == ([("local_call", 18, "shenzhen")], [])
    assert [(one["city"], one["copy"]) for one in found["parts"]] == [("shenzhen", True)]
    found = seat.ask("tariffs", service="install_line")
    assert prices(found) == [("local_call", 22, None)], "another city's price holds there only"
    assert [(one["city"], one["copy"]) for one in found["parts"]] == [("guangzhou", False)]


def test_prices_are_those_of_the_day_that_is_asked_about() -> None:
    """Past, to come, and of another city that is asked there."""
    province = Province()
    until, since = date(2026, 12, 31), date(2027, 1, 1)
    province.put(GUANGZHOU, Put(TARIFFS, replace(ALL_OVER, until=until)))
    province.put(GUANGZHOU, Put(TARIFFS, replace(ALL_OVER, since=since, fen=20)))
    province.put(SHENZHEN, Put(TARIFFS, replace(SPECIAL, since=since, fen=16)))
    seat = province.seat_of(GUANGZHOU)
    province.stop_hub()

    def on(day: str, **where: str) -> list[int]:
        found = seat.ask("tariffs", service="install_line", day=day, **where)
        assert found["day"] == day
        return [fen for _, fen, _ in prices(found)]

    assert [on(day) for day in ("1998-01-01", "2026-12-31", "2027-01-01")] == [[], [22], [20]]
    assert on("2027-01-01", city="shenzhen") == [16]
    with pytest.raises(Refused) as refused:
        on("2027-02-30")
    assert refused.value.problems[0].place == "day"


def test_without_a_copy_the_city_is_asked_and_named_when_it_does_not_answer() -> None:
    province = Province()
    province.put(GUANGZHOU, Put(TARIFFS, ALL_OVER))
    province.put(SHENZHEN, Put(TARIFFS, SPECIAL))
    seat = province.seat_of(GUANGZHOU)
    province.stop_hub()
    found = seat.ask("tariffs", service="install_line", city="shenzhen")
    assert (prices(found), found["parts"][0]["city"]) == ([("local_call", 18, "shenzhen")], "shenzhen")
    province.wires.cut([NodeId(SHENZHEN)])
    province.pass_s(10.0)
    found = seat.ask("tariffs", service="install_line", city="shenzhen")
    assert prices(found) == [("local_call", 22, None)]
    assert [one["city"] for one in found["missing"]] == ["shenzhen"]
    with pytest.raises(Refused) as refused:
        seat.ask("tariffs", service="install_line", city="atlantis")
    assert refused.value.problems[0].slug == "city-unknown"
