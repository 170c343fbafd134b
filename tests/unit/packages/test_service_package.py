"""The province declares doors, menus and skills in a file; a fault in it is named, and nothing is used half."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.errors import Refused
from dataset.packages import ServicePackage, parse_package, parse_prompts

CONF = Path(__file__).parents[3] / "conf"
GOOD = (CONF / "packages/yihaotong.toml").read_text(encoding="utf-8")
PROMPTS = parse_prompts((CONF / "prompts/prompts.toml").read_bytes(), "prompts.toml")


def package(text: str = GOOD) -> ServicePackage:
    return parse_package(text.encode(), "p.toml", PROMPTS)


def faults(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        package(text)
    assert all(problem.zh and problem.en for problem in refused.value.problems)
    return [(problem.slug, problem.place) for problem in refused.value.problems]


def line(text: str, mark: str) -> str:
    return f"p.toml:{text[: text.index(mark)].count(chr(10)) + 1}"


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def test_the_shipped_package_opens_one_number_with_all_services_and_old_numbers_directly() -> None:
    shipped = package()
    assert shipped.reference == "yihaotong@1"
    door = shipped.door("10000")
    assert door is not None
    main = shipped.menu(door.menu)
    assert main.asks
    skills = {shipped.menu(way).skill for key, way in main.keys.items() if key != "6"}
    assert skills == {skill.id for skill in shipped.skills}
    for number, skill in (
        ("112", "fault"),
        ("114", "directory"),
        ("180", "complaint"),
        ("189", "order"),
    ):
        door = shipped.door(number)
        assert door is not None
        assert not shipped.menu(door.menu).asks
        assert shipped.menu(door.menu).skill == skill
    assert shipped.door("999") is None
    door = shipped.door("170")
    assert door is not None
    assert shipped.skill_behind(door.menu) == "bill"
    assert shipped.menu("complaint").priority == 1
    assert main.wait_s == 6.0


def test_self_service_is_reached_from_the_one_number_and_from_170_and_leads_to_agents() -> None:
    shipped = package()
    ways = {shipped.menu(way).self_service for door in ("self", "bill_170") for way in shipped.menu(door).keys.values()}
    assert {"bill", "progress"} <= ways
    assert shipped.menu("main").keys["6"] == "self"
    served = {name: menu for name, menu in shipped.menus.items() if menu.self_service is not None}
    assert {menu.self_service for menu in served.values()} == {"bill", "progress", "tariff"}
    assert {name: shipped.skill_behind(name) for name in served if name.startswith("self")} == {
        "self_bill": "bill",
        "self_progress": "order",
    }
    assert not any(menu.asks for menu in served.values())


def test_reasons_that_the_system_sets_cannot_be_chosen() -> None:
    assert package().chosen_reasons() == ("break", "meal", "training", "work")


def test_prompts_used_are_all_there() -> None:
    assert package().prompts_used() <= set(PROMPTS)


FAULTS = [
    ("[menu.main]\n", "[menu.main]\ntriez = 2\n", "setting-unknown", "triez"),
    ('skill = "bill"', 'skill = "bil"', "package-skill-missing", 'skill = "bil"'),
    ('3 = "bill"', '3 = "bil"', "package-menu-missing", '3 = "bil"'),
    ('menu = "order"', 'menu = "oder"', "package-menu-missing", 'menu = "oder"'),
    ('otherwise = "general"', 'otherwise = "generel"', "package-menu-missing", 'otherwise = "generel"'),
    ('number = "112"', 'number = "10000"', "package-twice", 'number = "10000"\nmenu = "fault"'),
    ('code = "follow_up"', 'code = "solved"', "package-twice", 'code = "solved"\nzh = "待跟进"'),
    ('0 = "general"', '0 = "main"', "package-menu-cycle", "[menu.main]"),
    ('en = "Meal"\n', "", "setting-missing", '[[not_ready_reason]]\ncode = "meal"'),
    ('en = "Meal"', 'en = ""', "setting-form", 'en = ""'),
    ("tries = 3", "tries = true", "setting-type", "tries = true"),
    ("tries = 3", "tries = 0", "setting-form", "tries = 0"),
    ('wait = "6s"', "wait = 6", "setting-unit", "wait = 6"),
    ('wait = "6s"', 'wait = "6 fortnights"', "setting-unit", "wait = "),
    ('wait = "6s"', 'wait = "0s"', "setting-form", "wait = "),
    ('say = ["menu-170"]', 'say = ["menu-171"]', "package-prompt-missing", 'say = ["menu-171"]'),
    ('say = ["menu-170"]', 'say = "menu-170"', "setting-type", 'say = "menu-170"'),
    ('sorry = "all-busy-sorry"', 'sorry = "all-bussy"', "package-prompt-missing", "sorry ="),
    ('sorry = "all-busy-sorry"\n', "", "setting-missing", "[prompts]"),
    ('mass_fault = "mass-fault"', 'mass_fault = "please-wait"', "package-prompt-missing", "mass_fault ="),
    ('2 = "self_progress"', 'x = "self_progress"', "package-key", 'x = "self_progress"'),
    ('skill = "bill"\n', "", "package-menu-dead-end", "[menu.bill]"),
    ('otherwise = "general"\n', "", "package-menu-dead-end", "[menu.main]"),
    ('skill = "bill"\n', 'skill = "bill"\notherwise = "general"\n', "package-menu-both", "[menu.bill]"),
    ('self_service = "bill"', 'self_service = "bills"', "setting-form", 'self_service = "bills"'),
    ('self_service = "bill"', 'self_service = "bill"\nskill = "bill"', "package-menu-both", "[menu.self_bill]"),
    ('self_service = "bill"', 'self_service = "bill"\nsay = ["welcome"]', "package-menu-both", "[menu.self_bill]"),
    ('otherwise = "order"\n', "", "package-menu-dead-end", "[menu.self_progress]"),
    ('otherwise = "order"\n', 'otherwise = "self_bill"\n', "package-self-service", 'otherwise = "self_bill"'),
    ('self_service = "bill"', 'self_service = "bill"\nplan = "ddn"', "package-self-service", "[menu.self_bill]"),
    ('plan = "install_line"\n', "", "package-self-service", "[menu.tariff_local]"),
    ('skill = "bill"\n', 'skill = "bill"\ntell = ["ddn_64k"]\n', "package-self-service", "[menu.bill]"),
    ('"fibre_500m", ', '"fibre_900m", ', "package-prompt-missing", "[menu.tariff_broadband]"),
    ('languages = ["zh", "en"]', 'languages = ["zh", "fr"]', "setting-form", "languages"),
    ('version = "1"', "version = 1", "setting-type", "version"),
    ('code = "no_answer"', 'code = "noanswer"', "package-reason-missing", "[[not_ready_reason]]"),
]


@pytest.mark.parametrize(("old", "new", "slug", "mark"), FAULTS)
def test_each_fault_is_named_with_its_line(old: str, new: str, slug: str, mark: str) -> None:
    text = changed(old, new)
    assert faults(text) == [(slug, line(text, mark))]


def test_all_faults_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = GOOD
    for old, new, _, _ in (FAULTS[0], FAULTS[1], FAULTS[5], FAULTS[8], FAULTS[15]):
        text = text.replace(old, new, 1)
    found = faults(text)
    assert [slug for slug, _ in found] == [
        "package-twice",
        "setting-unknown",
        "package-prompt-missing",
        "package-skill-missing",
        "setting-missing",
    ]


def test_a_long_way_round_is_a_circle_too() -> None:
    text = (
        GOOD
        + '\n[menu.a]\notherwise = "b"\n[menu.a.key]\n1 = "b"\n[menu.b]\notherwise = "a"\n[menu.b.key]\n1 = "fault"\n'
    )
    assert [slug for slug, _ in faults(text)] == ["package-menu-cycle"]


@pytest.mark.parametrize(
    ("data", "slug", "place"),
    [
        (b'name = "x"\nversion = \n', "file-not-toml", "p.toml:2"),
        (b'name = "x"\nname = "y"\n', "file-not-toml", "p.toml:2"),
        (b'name = "\xff\xfe"\n', "file-not-utf8", "p.toml:1"),
        (b"[menu", "file-not-toml", "p.toml:1"),
    ],
)
def test_a_file_that_is_not_toml_is_named_with_its_line(data: bytes, slug: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_package(data, "p.toml")
    assert [(problem.slug, problem.place) for problem in refused.value.problems] == [(slug, place)]


def test_an_empty_file_names_what_is_missing() -> None:
    with pytest.raises(Refused) as refused:
        parse_package(b"", "p.toml")
    assert {problem.slug for problem in refused.value.problems} == {"setting-missing"}
    assert len(refused.value.problems) == 7


_LINES = GOOD.splitlines(keepends=True)


@given(
    st.integers(0, len(_LINES) - 1), st.sampled_from(["", "x = 1\n", "[menu.main]\n", "skill = [[]]\n", "= \n", '"\n'])
)
def test_a_damaged_line_is_refused_or_accepted_but_never_breaks_the_reader(at: int, instead: str) -> None:
    text = "".join([*_LINES[:at], instead, *_LINES[at + 1 :]])
    with contextlib.suppress(Refused):
        package(text)


@pytest.mark.parametrize(("zh", "en", "line"), [("", "Hello.", 2), ("您好。", "  ", 3)])
def test_a_prompt_without_words_in_a_language_is_refused(zh: str, en: str, line: int) -> None:
    """By file, line and remedy: a caller would hear nothing."""
    with pytest.raises(Refused) as refused:
        parse_prompts(f'[prompt.hello]\nzh = "{zh}"\nen = "{en}"\n'.encode(), "prompts.toml")
    [problem] = refused.value.problems
    assert (problem.slug, problem.place) == ("prompt-words", f"prompts.toml:{line}")
    assert "write what is said" in problem.en
