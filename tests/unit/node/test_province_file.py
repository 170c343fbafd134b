"""One file describes the province; time budgets that break an inequality of A9 are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.ids import CityId
from federation.node.province import Province, load_province, read_province

FILE = Path(__file__).parents[3] / "conf/province.toml"
GOOD = FILE.read_text(encoding="utf-8")
PROVINCE, PACKAGE = load_province(FILE)


def read(text: str) -> Province:
    return read_province(text.encode(), "p.toml", PACKAGE)


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        read(text)
    return [(problem.slug, problem.place) for problem in refused.value.problems]


def line(text: str, mark: str) -> str:
    return f"p.toml:{text[: text.rindex(mark)].count(chr(10)) + 1}"


def test_the_shipped_province_has_three_cities_and_sound_times() -> None:
    assert [city.id for city in PROVINCE.cities] == ["guangzhou", "shenzhen", "foshan"]
    assert PROVINCE.times.grant_wait_s == pytest.approx(5.0)
    assert PROVINCE.times.grant_s >= PROVINCE.times.grant_wait_s
    assert PROVINCE.overflow.open_after_wait_s == 10.0
    assert PROVINCE.queue.wrap_up_s == 15.0
    assert PROVINCE.city(CityId("foshan")).area_code == "0757"
    with pytest.raises(KeyError):
        PROVINCE.city(CityId("beijing"))


def test_agents_are_derived_alike_every_time_and_have_names_of_their_own() -> None:
    agents = PROVINCE.agents_of(CityId("guangzhou"), PACKAGE)
    assert agents == PROVINCE.agents_of(CityId("guangzhou"), PACKAGE)
    assert [one.agent for one in agents[:2]] == ["1001@guangzhou", "1002@guangzhou"]
    assert [one.seat for one in agents] == [str(8001 + at) for at in range(8)]
    assert len({one.name for one in agents}) == 8
    assert all(len(one.skills) == len(PACKAGE.skills) for one in agents)


def test_agents_with_some_skills_each_staff_every_skill() -> None:
    province = read(GOOD.replace("agents = 6", "agents = 6\nskills_each = 2"))
    agents = province.agents_of(CityId("shenzhen"), PACKAGE)
    assert {len(one.skills) for one in agents} == {2}
    staffed = [skill for one in agents for skill in one.skills]
    assert {staffed.count(skill.id) for skill in PACKAGE.skills} == {2}


def test_agents_can_be_listed_by_name() -> None:
    text = (
        GOOD
        + '[[city.agent]]\nstaff = "77"\nname = "欧阳"\nskills = ["bill"]\n[[city.agent]]\nstaff = "78"\nname = "李"\n'
    )
    agents = read(text.replace("agents = 3", "")).agents_of(CityId("foshan"), PACKAGE)
    assert [(one.agent, one.seat, len(one.skills)) for one in agents] == [
        ("77@foshan", "8001", 1),
        ("78@foshan", "8002", 6),
    ]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('grant = "6s"', 'grant = "2.9s"', "G ≥ 2D + J"),
        ('grant = "6s"', 'grant = "4.9s"', "G ≥ P + 2D + J"),
        ('leg_serving = "6s"', 'leg_serving = "3s"', "L_s ≥ S"),
        ('leg_anchor = "10s"', 'leg_anchor = "9s"', "L_a ≥ L_s + S"),
        ('ring_anchor = "25s"', 'ring_anchor = "20s"', "R_a ≥ R_s + S"),
    ],
)
def test_a_broken_inequality_is_named(old: str, new: str, rule: str) -> None:
    text = GOOD.replace(old, new)
    with pytest.raises(Refused) as refused:
        read(text)
    (problem,) = refused.value.problems
    assert (problem.slug, problem.place) == ("times-inequality", line(text, new))
    assert rule in problem.zh
    assert rule in problem.en


def test_equal_is_enough() -> None:
    assert read(GOOD.replace('ring_anchor = "25s"', 'ring_anchor = "24s"')).times.ring_anchor_s == 24.0


@pytest.mark.parametrize(
    ("old", "new", "slug"),
    [
        ('beat = "1s"', 'beat = "0s"', "setting-form"),
        ('grant = "6s"', "grant = 6", "setting-unit"),
        ("reserve = 0.1", "reserve = 1.1", "setting-form"),
        ('announce_every = "30s"', 'announce_every = "0s"', "setting-form"),
        ('id = "shenzhen"', 'id = "hub"', "setting-form"),
        ('id = "shenzhen"', 'id = "guangzhou"', "province-twice"),
        ('area_code = "0755"', 'area_code = "020"', "province-twice"),
        ('area_code = "0755"', 'area_code = "755"', "setting-form"),
        ("x = 0.72", "x = 72", "setting-form"),
        ("agents = 6", "agents = -6", "setting-form"),
        ("agents = 6", "agent = 6", "setting-type"),
        ('number = "10000"', 'number = "10086"', "province-door-missing"),
        ('name_en = "Shenzhen"', 'nam_en = "Shenzhen"', "setting-unknown"),
    ],
)
def test_each_fault_is_named_with_its_line(old: str, new: str, slug: str) -> None:
    text = GOOD.replace(old, new)
    assert (slug, line(text, new)) in problems(text)


def test_a_listed_agent_is_checked() -> None:
    text = (
        GOOD
        + '[[city.agent]]\nstaff = "77"\nname = "甲"\nskills = ["bil"]\n[[city.agent]]\nstaff = "77"\nname = "乙"\n'
    )
    assert [slug for slug, _ in problems(text)] == ["city-agents-both", "package-skill-missing", "province-twice"]


def test_an_empty_province_is_refused() -> None:
    assert {slug for slug, _ in problems("")} == {"setting-missing"}
    assert ("province-empty", "p.toml:1") in problems("city = []\n" + GOOD.partition("[[city]]")[0])


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "province.toml"
    file.write_text(GOOD.replace('prompts = "prompts/prompts.toml"\n', ""), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        load_province(file)
    assert refused.value.problems[0].slug == "file-unreadable"
    assert refused.value.problems[0].place.endswith("packages/yihaotong.toml")
