"""Customers who are called back before their item is closed are asked how satisfied they are (满意度)."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import HUB
from dataset.rows import WorkStepped
from dataset.work import Acted
from tests.province.test_every_service import leave
from tests.province.test_services_report import line_of
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import Bureau, Seat, WorkingProvince, finish


@pytest.fixture
def province() -> WorkingProvince:
    return WorkingProvince()


def installed(province: WorkingProvince) -> str:
    """An item of 广州, taken in there, of which the customer was reached."""
    office = province.seat_of(GUANGZHOU)
    item = str(office.order(office.take_call(GUANGZHOU))["item"])
    for action in ("confirm_plant", "send_crew", "installed_it"):
        office.ask("work_act", item=item, action=action)
    office.ask("work_called_back", item=item, reached=True, note="装机员当面确认")
    province.pass_s(2.0)
    return item


def refused(seat: Seat, **asked: Any) -> tuple[int, str, str | None]:
    with pytest.raises(Refused) as told:
        seat.ask("work_act", **asked)
    [problem] = told.value.problems
    return told.value.status, problem.slug, problem.place


def test_the_mark_is_wanted_looked_at_and_shown(province: WorkingProvince) -> None:
    """Refused with the field named when it is missing or none; on record with the action, and shown in both cities."""
    item = installed(province)
    office = province.seat_of(GUANGZHOU)
    shown = office.ask("work_item", item=item)["item"]
    assert shown["asks_satisfaction"] == ["close"]
    service = office.ask("service", service="install_line")["service"]
    assert [one["id"] for one in service["actions"] if one["asks_satisfaction"]] == ["close"]
    assert refused(office, item=item, action="close") == (400, "satisfaction-missing", "satisfaction")
    assert refused(office, item=item, action="close", satisfaction=6) == (400, "satisfaction-range", "satisfaction")
    again = {"item": item, "action": "again", "note": "还有杂音", "satisfaction": 2}
    assert refused(office, **again) == (400, "satisfaction-not-asked", "satisfaction")
    with pytest.raises(Refused):
        office.ask("work_act", item=item, action="close", satisfaction="5")
    assert office.ask("work_act", item=item, action="close", satisfaction=2)["state"] == "accepted"
    province.pass_s(2.0)
    for city in (GUANGZHOU, SHENZHEN):
        told = province.seat_of(city).ask("work_item", item=item, owning=GUANGZHOU)["item"]
        marks = [(one["action"], one["satisfaction"]) for one in told["steps"] if one["step"] == "acted"]
        assert marks[-2:] == [("installed_it", None), ("close", 2)]
        assert told["asks_satisfaction"] == []
    rows = [row.row for row, _ in province.memory.disk(HUB).ledger.rows.values()]
    taken = [row.step for row in rows if isinstance(row, WorkStepped) and isinstance(row.step, Acted)]
    assert [(one.action, one.satisfaction) for one in taken][-1] == ("close", 2)


def test_another_city_is_asked_for_it_at_its_own_seat(province: WorkingProvince) -> None:
    """深圳 took the order in, so it knows the item: what is missing is said at once, and not days later by 广州."""
    seat = province.seat_of(SHENZHEN)
    item = seat.order(seat.take_call(SHENZHEN))["item"]
    province.pass_s(2.0)
    office = province.seat_of(GUANGZHOU)
    for action in ("confirm_plant", "send_crew", "installed_it"):
        office.ask("work_act", item=item, action=action)
    office.ask("work_called_back", item=item, reached=True, note="装机员当面确认")
    province.pass_s(2.0)
    assert refused(seat, item=item, action="close") == (400, "satisfaction-missing", "satisfaction")
    assert seat.ask("work_act", item=item, action="close", satisfaction=4)["state"] == "pending"
    province.pass_s(2.0)
    told = office.ask("work_item", item=item)["item"]
    assert (told["ends"], told["steps"][-1]["satisfaction"], told["steps"][-1]["city"]) == ("done", 4, SHENZHEN)


def test_the_report_tells_how_satisfied_customers_are_by_service_and_city(province: WorkingProvince) -> None:
    """Three orders of 广州, marked 5, 2 and not at all; nothing at 深圳, which took one in."""
    for city, mark in ((GUANGZHOU, 5), (SHENZHEN, 2), (GUANGZHOU, 0)):
        seat = province.seat_of(city)
        contact = seat.take_call(city)
        item = seat.order(contact)["item"]
        leave(seat, contact)
        province.pass_s(2.0)
        finish(province, item, satisfaction=mark)
        province.pass_s(3.0)
    told = Bureau(province).report("services_report")
    for told_of in (None, GUANGZHOU):
        line = line_of(told, "install_line", told_of)
        assert (line["called_back"], line["satisfaction_asked"], line["satisfaction_said"]) == (3, 3, 2)
        assert (line["satisfied"], line["satisfaction_points"]) == (1, 7)
        assert (line["satisfied_share"], line["satisfaction_mean"]) == (0.5, 3.5)
    assert line_of(told, "install_line", SHENZHEN)["satisfaction_asked"] == 0
    for language, heads in (("zh", ["评价", "满意", "均分"]), ("en", ["said", "happy", "mean"])):
        lines = told[language].splitlines()
        assert lines[1].split()[-3:] == heads
        assert lines[2].split()[-3:] == ["2/3", "50.0%", "3.50"]
