"""Which version of a service a city has used from when is on record, written at its starts and told at the seat."""

from __future__ import annotations

from dataclasses import replace

from tests.harness.services import catalogue
from tests.province.three_cities import GUANGZHOU
from tests.province.working_province import WorkingProvince


def test_a_version_is_in_use_from_the_start_that_reads_it_until_the_next() -> None:
    province = WorkingProvince(with_records=True)
    began = province.time.wall()
    seat = province.seat_of(GUANGZHOU)
    found = seat.ask("versions")["versions"]
    assert {one["name"] for one in found if one["kind"] == "service"} == set(catalogue().services)
    assert len([one for one in found if one["kind"] == "menus"]) == 1
    assert all(one["until"] is None and began - 60.0 <= one["since"] <= began + 60.0 for one in found)
    [first] = seat.ask("versions", name="fault")["versions"]
    assert first["version"] == catalogue().services["fault"].text.version
    province.restart_city(GUANGZHOU)
    assert province.seat_of(GUANGZHOU).ask("versions")["versions"] == found, "nothing is another version"
    assert province.offering is not None
    old = province.offering
    fault = catalogue().services["fault"]
    newer = replace(fault, text=replace(fault.text, version="99"))
    services = {**old.catalogue.services, "fault": newer}
    province.offering = replace(old, catalogue=replace(old.catalogue, services=services))
    province.pass_s(100.0)
    province.restart_city(GUANGZHOU)
    second, known = province.seat_of(GUANGZHOU).ask("versions", name="fault")["versions"]
    assert (second["version"], second["until"]) == ("99", None)
    assert known == {**first, "until": second["since"]}
    assert second["since"] > first["since"] + 100.0
    assert province.seat_of(GUANGZHOU).ask("versions", name="nothing")["versions"] == []
