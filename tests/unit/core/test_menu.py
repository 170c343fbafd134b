"""The menu as a walk over the package's data: keys, wrong keys, silence, and where too many of them lead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dataset.packages import ServicePackage, parse_package
from site_node.core import menu
from site_node.core.contact import MenuPlace
from site_node.core.telephony import Prompt

FILE = Path(__file__).parents[3] / "conf" / "packages" / "yihaotong.toml"


@pytest.fixture
def package() -> ServicePackage:
    return parse_package(FILE.read_bytes(), FILE.name)


def test_a_menu_that_asks_says_its_prompts_and_waits_for_a_key(package: ServicePackage) -> None:
    step = menu.enter(package, "main")
    assert step.place == MenuPlace("main")
    assert step.prompts[:3] == (Prompt("welcome"), Prompt("key-fault"), Prompt("press-1"))
    assert (step.wait_s, step.chosen) == (6.0, None)


def test_a_key_leads_to_its_branch_and_is_kept_in_the_path(package: ServicePackage) -> None:
    step = menu.press(package, MenuPlace("main", ("7",), tries=2), "3")
    assert step.place == MenuPlace("bill", ("7", "3"))
    assert step.chosen is not None
    assert (step.chosen.skill, step.chosen.service) == ("bill", "bill")


def test_a_door_may_name_its_skill_at_once(package: ServicePackage) -> None:
    """The old numbers enter their branch directly."""
    step = menu.enter(package, "complaint")
    assert step.chosen is not None
    assert (step.chosen.skill, step.chosen.priority) == ("complaint", 1)


@pytest.mark.parametrize("digit", ["9", "*", "#"])
def test_a_wrong_key_is_named_and_the_menu_said_again(package: ServicePackage, digit: str) -> None:
    step = menu.press(package, MenuPlace("main"), digit)
    assert step.place == MenuPlace("main", (), tries=1)
    assert step.prompts[:3] == (Prompt("invalid-choice"), Prompt("welcome"), Prompt("key-fault"))
    assert step.chosen is None


def test_silence_is_named_and_the_menu_said_again(package: ServicePackage) -> None:
    step = menu.say_nothing(package, MenuPlace("main"))
    assert step.place == MenuPlace("main", (), tries=1)
    assert step.prompts[0] == Prompt("no-input")


def test_wrong_keys_and_silence_count_together_and_lead_on(package: ServicePackage) -> None:
    """A caller without a keypad still reaches a person."""
    place = menu.press(package, MenuPlace("main"), "9").place
    place = menu.say_nothing(package, place).place
    last = menu.press(package, place, "#")
    assert last.place == MenuPlace("general")
    assert last.chosen is not None
    assert last.chosen.skill == "general"


def test_a_menu_without_otherwise_goes_on_asking(package: ServicePackage) -> None:
    patient = replace(package.menu("main"), otherwise=None)
    stubborn = replace(package, menus={**package.menus, "main": patient})
    place = MenuPlace("main")
    for tries in range(1, 9):
        step = menu.say_nothing(stubborn, place)
        assert (step.place, step.chosen) == (MenuPlace("main", (), tries), None)
        place = step.place


def test_a_right_key_after_wrong_ones_counts(package: ServicePackage) -> None:
    place = menu.press(package, MenuPlace("main"), "9").place
    step = menu.press(package, place, "0")
    assert step.place == MenuPlace("general", ("0",))
