"""Which city a number belongs to, and where the plan is read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.number_plan import NumberPlan
from federation.node.number_plan import load_plan
from federation.node.province import load_province
from site_node.services.area_codes import AreaCodes
from tests.harness.services import PROVINCE

CODES = {city.area_code: city.id for city in load_province(PROVINCE)[0].cities}
PLAN = load_plan(PROVINCE)
assert PLAN is not None


@pytest.mark.parametrize("plan", [PLAN, None])
@pytest.mark.parametrize(
    ("number", "city"),
    [
        ("02088886666", "guangzhou"),
        ("075526123456", "shenzhen"),
        ("0755912345678", "shenzhen"),  # a circuit
        ("075712345", "foshan"),  # a service of that city
        ("13800138000", None),
        ("4008108888", None),
        ("95588", None),
        ("01062345678", None),  # another province
        ("88886666", None),
        ("anonymous", None),
        ("", None),
    ],
)
def test_a_number_belongs_to_the_city_whose_area_code_it_has(
    number: str, city: str | None, plan: NumberPlan | None
) -> None:
    assert AreaCodes(CODES, plan).city_of(number) == city


def test_with_the_plan_a_number_is_understood_as_people_write_it() -> None:
    for text in ("+86 20 8888 6666", "020-8888 6666", "(020)88886666", "0086-20-88886666"):
        assert AreaCodes(CODES, PLAN).city_of(text) == "guangzhou"


def test_the_plan_stands_beside_the_province_file_or_where_it_is_named(tmp_path: Path) -> None:
    assert load_plan(tmp_path / "province.toml") is None
    assert load_plan(tmp_path / "province.toml", PROVINCE.parent / "number_plan.toml") == PLAN
    with pytest.raises(Refused) as refused:
        load_plan(PROVINCE, tmp_path / "none.toml")
    assert refused.value.problems[0].slug == "file-unreadable"
