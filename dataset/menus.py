"""Menus as they are declared, and as they are put together: the package's own keys, and those of the services that have
one in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from dataset.declared import Between, Reading, Seconds, setting
from dataset.errors import Refused
from dataset.ids import SkillId
from dataset.self_service import SelfServiceKind, service_prompt
from dataset.services.service import Choice, ServiceText
from dataset.services.words import SKILL, Code, MenuName
from dataset.spoken import press_prompt
from dataset.toml_text import Path, parse_toml

KEYS = "123456789*#0"
"""What a telephone can press, in the order in which a menu says it: who wants nothing of it all presses 0."""
MOST_KEYS = 10
"""of one menu, services' keys among them: nobody keeps more in mind"""
Name = MenuName
_OWN_KEY = re.compile(rb"^\s*(\[choice\]|choice\b)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuText:
    """A ``[menu.<id>]`` table."""

    say: tuple[Name, ...] = setting("依次播放的语音", "prompts to say, in order", default=())
    key: Mapping[str, Name] | None = setting("按键 → 菜单", "key → menu", default=None)
    words: Mapping[str, Name] | None = setting(
        "按键 → 说它的语音：各键依次播报“…请按几”；不写则由 say 整段说",
        "key → prompt that names it: the keys are said one by one; left out, say tells of them all",
        default=None,
    )
    otherwise: Name | None = setting("多次未按或按错后进入", "menu after too many wrong or missing keys", default=None)
    tries: Annotated[int, Between(1, 9)] = setting("允许的次数", "how many tries", default=3)
    wait_s: Seconds = setting("等待按键的时间", "how long to wait for a key", default=6.0, key="wait")
    skill: Annotated[SkillId, SKILL] | None = setting("需要的技能", "skill that is needed", default=None)
    service: Annotated[str, SKILL] | None = setting(
        "业务；缺省同技能", "service; the skill's code when left out", default=None
    )
    priority: Annotated[int, Between(0, 9)] = setting("优先级，大者先", "larger is served first", default=0)
    self_service: SelfServiceKind | None = setting(
        "自助：帐单、办理进度、资费", "self-service: bill, progress of work, tariff", default=None
    )
    plan: Code | None = setting("资费自助：报哪项业务的价格", "tariff: the service whose prices are told", default=None)
    tell: tuple[Code, ...] = setting("资费自助：依次播报的资费代码", "tariff: codes of the prices told", default=())

    def said(self) -> tuple[str, ...]:
        """All prompts in order: ``say``, then of each key that has words what it is for and that it is pressed."""
        words = self.words or {}
        return (*self.say, *(part for key in KEYS if key in words for part in (words[key], press_prompt(key))))


# ── services with a key of their own ────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Placed:
    """A service with a key of its own, and the file that says so."""

    text: ServiceText
    choice: Choice
    reading: Reading


def read_placed(files: Mapping[str, bytes]) -> Iterator[Placed]:
    """Those of ``files`` (name → content) that have a key of their own. What else is wrong with a file is said where
    all services are checked (``parse_catalogue``).
    """
    for file, data in files.items():
        if _OWN_KEY.search(data) is None:
            continue  # most of them, and these are read once, later
        try:
            reading = Reading(parse_toml(data, file))
        except Refused:
            continue
        text = reading.table(ServiceText)
        reading.problems.clear()
        if text.choice is not None and all(reading.sound(*path) for path in (("id",), ("skill",), ("choice", "key"))):
            yield Placed(text, text.choice, reading)


class Together:
    """The menus of a package with the services in them; faults of a service are noted in its own file's reading."""

    def __init__(self, menus: Mapping[str, MenuText], prompts: Collection[str] | None, own: Reading) -> None:
        self._own = menus
        self._prompts = prompts
        self._reading = own
        self._taken: dict[tuple[str, str], str] = {}
        """by menu and key: where the service that has it says so"""
        self.menus = dict(menus)

    def put(self, one: Placed) -> None:
        """``one`` gets its key, and a menu of its name behind it; or a fault is noted."""
        menu = self._branch(one)
        if menu is None or not self._key_is_free(one, menu) or not self._prompts_are_there(one):
            return
        name, key = one.text.id, one.choice.key
        branch = one.text.branch or ""
        self._taken[branch, key] = one.reading.text.place(("choice", "key"))
        self.menus[name] = MenuText(
            say=one.choice.say, skill=one.text.skill, service=name, priority=one.choice.priority
        )
        words = {**(menu.words or {}), key: one.choice.prompt or service_prompt(name)}
        self.menus[branch] = replace(menu, key={**(menu.key or {}), key: name}, words=words)

    def _branch(self, one: Placed) -> MenuText | None:
        """The menu that it stands in, if it can."""
        branch = one.text.branch
        if branch is None:
            _fault(
                one,
                ("choice",),
                '有自己的按键，须写明在哪个菜单：请加 branch，如 branch = "main"',
                'a key of its own needs a menu to stand in: add branch, such as branch = "main"',
            )
            return None
        if not one.reading.known(("branch",), branch, self._own, "service-unknown", "菜单", "menu"):
            return None
        menu = self.menus[branch]
        if menu.skill is not None or menu.self_service is not None:
            asking = [name for name, each in self._own.items() if each.key is not None]
            _fault(
                one,
                ("branch",),
                f"菜单 {branch} 不问按键，不能加按键；问按键的有：{'、'.join(asking)}",
                f"the menu {branch} asks for no key, so none can be added; those that ask: {', '.join(asking)}",
            )
            return None
        if one.text.id in self.menus:
            _fault(
                one,
                ("id",),
                f"业务包中已有菜单 {one.text.id}，业务的按键不能用同名菜单；请改菜单名，或去掉 [choice]",
                f"the package has a menu {one.text.id}, so the key of this service can lead to none of that name; "
                "rename the menu, or remove [choice]",
            )
            return None
        if not self._own[branch].words and not menu.say:
            _fault(
                one,
                ("branch",),
                f"菜单 {branch} 自己的按键没有语音；请在业务包中为它写 words（或 say）",
                f"nothing is said of the menu {branch}'s own keys; give it words (or say) in the package",
            )
            return None
        return menu

    def _key_is_free(self, one: Placed, menu: MenuText) -> bool:
        branch, key, keys = one.text.branch or "", one.choice.key, menu.key or {}
        free = [each for each in KEYS if each not in keys]
        if key in keys:
            place = self._taken.get((branch, key)) or self._reading.text.place(("menu", branch, "key", key))
            _fault(
                one,
                ("choice", "key"),
                f"菜单 {branch} 的按键 {key} 已在 {place} 用过；空着的：{'、'.join(free) or '无'}",
                f"key {key} of the menu {branch} is used already at {place}; free: {', '.join(free) or 'none'}",
            )
            return False
        if len(keys) >= MOST_KEYS:
            _fault(
                one,
                ("choice", "key"),
                f"菜单 {branch} 已有 {len(keys)} 个按键，最多 {MOST_KEYS} 个；请另立一个菜单，把业务放进去",
                f"the menu {branch} has {len(keys)} keys already, {MOST_KEYS} at most; make another menu for some of"
                " its services",
            )
            return False
        return True

    def _prompts_are_there(self, one: Placed) -> bool:
        """The service's own name needs none: it is read out of its file."""
        if self._prompts is None:
            return True
        found = [one.reading.known(("choice", "key"), *_prompt(press_prompt(one.choice.key), self._prompts))]
        if one.choice.prompt is not None:
            found.append(one.reading.known(("choice", "prompt"), *_prompt(one.choice.prompt, self._prompts)))
        for at, prompt in enumerate(one.choice.say):
            found.append(one.reading.known(("choice", "say", at), *_prompt(prompt, self._prompts)))
        return all(found)


def _prompt(prompt: str, prompts: Collection[str]) -> tuple[str, Collection[str], str, str, str]:
    return prompt, prompts, "package-prompt-missing", "语音", "prompt"


def _fault(one: Placed, path: Path, zh: str, en: str) -> None:
    one.reading.fault(path, "service-choice", zh, en, value=False)
