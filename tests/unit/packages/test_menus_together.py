"""A service stands in the menu by its own file: callers reach it by key, and no other file is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.packages import ServicePackage, parse_package, parse_prompts
from federation.node.offering import load_offering
from federation.node.province import load_province
from simulation.machines.prompts import work_prompts
from site_node.core import menu

CONF = Path(__file__).parents[3] / "conf"
PACKAGE = (CONF / "packages/yihaotong.toml").read_text(encoding="utf-8")
PROMPTS = parse_prompts((CONF / "prompts/prompts.toml").read_bytes(), "prompts.toml")
LAMP = """\
id = "message_lamp"
version = "1"
zh = "留言灯"
en = "Message lamp"
group = "enquiry"
skill = "order"
door = ["10000"]
branch = "main"
answers = "tariff"
[choice]
key = "8"
say = ["menu-189"]
priority = 2
[[field]]
id = "line"
zh = "电话号码"
en = "Telephone number"
type = "line"
required = true
"""
BELL = LAMP.replace("message_lamp", "night_bell").replace('key = "8"', 'key = "9"')


def package(*services: str, text: str = PACKAGE) -> ServicePackage:
    files = {f"s{at}.toml": one.encode() for at, one in enumerate(services)}
    return parse_package(text.encode(), "p.toml", PROMPTS, files)


def faults(*services: str, text: str = PACKAGE) -> list[tuple[str, str, str]]:
    with pytest.raises(Refused) as refused:
        package(*services, text=text)
    assert all(problem.zh and problem.en for problem in refused.value.problems)
    return [(problem.slug, problem.place, problem.en) for problem in refused.value.problems]


def line(text: str, mark: str) -> int:
    return text[: text.index(mark)].count("\n") + 1


def test_a_file_makes_a_service_reachable_by_key_and_touches_no_other(tmp_path: Path) -> None:
    """The shipped configuration with one file more: who presses 8 at 10000 has chosen it, and the seat knows."""
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    (conf / "packages/services/message_lamp.toml").write_text(LAMP, "utf-8")
    province, found = load_province(conf / "province.toml")
    step = menu.press(found, menu.enter(found, found.doors[0].menu).place, "8")
    assert step.chosen is not None
    assert (step.chosen.service, step.chosen.skill, step.chosen.priority) == ("message_lamp", "order", 2)
    assert step.chosen.say == ("menu-189",)
    assert load_offering(conf / "province.toml", province, found).catalogue.chosen["message_lamp"] == "message_lamp"
    spoken = {prompt.id: prompt.zh for prompt in work_prompts(conf / "packages/services")}
    assert spoken["service-message-lamp"] == "留言灯", "its name is read out of its file"


def test_a_menu_is_said_key_by_key_with_the_agent_last() -> None:
    said = package(BELL, LAMP).menus["main"].say
    assert said[0] == "welcome"
    assert said[-6:] == (
        "service-message-lamp", "press-8", "service-night-bell", "press-9", "key-general", "press-0",
    )  # fmt: skip
    assert said == package(LAMP, BELL).menus["main"].say, "in whatever order the files are read"


def test_a_service_may_say_itself_by_a_prompt_of_its_own() -> None:
    said = package(LAMP.replace('say = ["menu-189"]', 'prompt = "menu-112"')).menus["main"].say
    assert "service-message-lamp" not in said
    assert said[said.index("press-8") - 1] == "menu-112"


def test_in_a_menu_that_is_said_in_one_piece_services_follow_behind() -> None:
    found = package(LAMP.replace('branch = "main"', 'branch = "self"')).menus["self"]
    assert found.say == ("self-menu", "service-message-lamp", "press-8")
    assert found.keys["8"] == "message_lamp"


def test_what_was_there_keeps_its_meaning() -> None:
    before, after = package(), package(LAMP, BELL)
    assert {name: each for name, each in after.menus.items() if name in before.menus and name != "main"} == {
        name: each for name, each in before.menus.items() if name != "main"
    }
    assert {key: way for key, way in after.menus["main"].keys.items() if key not in "89"} == before.menus["main"].keys


TOO_MANY = "\n".join(
    (
        "[menu.long]",
        'say = ["welcome"]',
        'otherwise = "general"',
        "[menu.long.key]",
        *(f'{key} = "general"' for key in "1234567890"),
        "",
        "[prompts]",
    )
)


@pytest.mark.parametrize(
    ("old", "new", "slug", "mark", "says"),
    [
        ('key = "8"', 'key = "5"', "service-choice", "key =", "is used already at p.toml:"),
        ('branch = "main"\n', "", "service-choice", "[choice]", 'add branch, such as branch = "main"'),
        ('branch = "main"', 'branch = "mian"', "service-unknown", "branch", "Did you mean main?"),
        ('branch = "main"', 'branch = "order"', "service-choice", "branch", "those that ask: main, self"),
        ('id = "message_lamp"', 'id = "order"', "service-choice", "id =", "the package has a menu order"),
        ('say = ["menu-189"]', 'say = ["menu-198"]', "package-prompt-missing", "say", "Did you mean menu-189?"),
        (
            'say = ["menu-189"]',
            'prompt = "key-lamp"',
            "package-prompt-missing",
            "prompt",
            "there is no prompt key-lamp",
        ),
    ],
)
def test_each_fault_is_named_with_file_line_and_remedy(old: str, new: str, slug: str, mark: str, says: str) -> None:
    text = LAMP.replace(old, new)
    [(found, place, en)] = faults(text)
    assert (found, place) == (slug, f"s0.toml:{line(text, mark)}")
    assert says in en


def test_two_services_that_want_one_key_are_named_with_each_other_and_the_free_keys() -> None:
    other = BELL.replace('key = "9"', 'key = "8"')
    [(slug, place, en)] = faults(LAMP, other)
    assert (slug, place) == ("service-choice", f"s1.toml:{line(other, 'key =')}")
    assert f"key 8 of the menu main is used already at s0.toml:{line(LAMP, 'key =')}; free: 7, 9, *, #" in en


def test_a_menu_of_ten_keys_takes_no_more() -> None:
    text = LAMP.replace('branch = "main"', 'branch = "long"').replace('key = "8"', 'key = "*"')
    [(slug, place, en)] = faults(text, text=PACKAGE.replace("[prompts]", TOO_MANY, 1))
    assert (slug, place) == ("service-choice", f"s0.toml:{line(text, 'key =')}")
    assert "make another menu" in en


def test_a_menu_that_says_nothing_of_its_own_keys_takes_none() -> None:
    silent = PACKAGE.replace('say = ["self-menu"]\n', "", 1)
    [(slug, _, en)] = faults(LAMP.replace('branch = "main"', 'branch = "self"'), text=silent)
    assert slug == "service-choice"
    assert "give it words (or say)" in en


def test_every_key_of_the_package_is_named_once_one_is() -> None:
    [(slug, place, _)] = faults(text=(text := PACKAGE.replace('5 = "key-order"\n', "", 1)))
    assert (slug, place) == ("package-words", f"p.toml:{line(text, '5 = ')}")
    [(slug, place, _)] = faults(text=(text := PACKAGE.replace('5 = "order"\n', "", 1)))
    assert (slug, place) == ("package-words", f"p.toml:{line(text, '5 = ')}")
