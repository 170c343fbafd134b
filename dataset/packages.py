"""The service package: what the province offers under its numbers, as data.

Doors (numbers dialled), menus, skills, prompts, reasons for 示忙 and dispositions are declared in a file, versioned,
and checked as a whole before anything uses them: every fault is named with its line, and a package with a fault is
refused. A contact keeps the version it was born under for life.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from dataset.declared import Pattern, Reading, setting
from dataset.errors import Language, Refused
from dataset.ids import SkillId
from dataset.menus import KEYS, MenuText, Together, read_placed
from dataset.self_service import PROMPTS, SelfServiceKind, price_prompt
from dataset.services.words import SKILL, Dialled, MenuName
from dataset.spoken import after_number, press_prompt
from dataset.toml_text import parse_toml

Word = Annotated[
    str, Pattern(r"[a-z][a-z0-9_]{0,31}", "小写字母开头的代码，如 fault", "a lower-case code such as fault")
]
Name = MenuName
Text = Annotated[str, Pattern(r"\S(.{0,198}\S)?", "1 至 200 字的文字", "a text of 1 to 200 characters")]

SYSTEM_REASONS = ("login", "no_answer", "rejected", "seat_busy", "seat_unreachable", "connection_lost")
"""Reasons for 示忙 that the system sets itself; each package gives them names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What an agent must be able to do; each city has one queue per skill."""

    id: Annotated[SkillId, SKILL] = setting("技能代码", "code of the skill")
    zh: Text = setting("中文名", "Chinese name")
    en: Text = setting("英文名", "English name")

    def text(self, language: Language) -> str:
        """The name in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A number that a customer can dial, and the menu that opens behind it."""

    number: Dialled = setting("客户所拨号码", "the number that the customer dials")
    menu: Name = setting("进入的菜单", "the menu behind it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """One step of a contact's way: it asks for a key, serves the caller itself, or names a skill and ends the menu."""

    id: str
    say: tuple[str, ...]
    keys: Mapping[str, str]
    """key pressed → menu"""
    otherwise: str | None
    """menu after ``tries`` wrong or missing keys; out of a self-service also after a 0"""
    tries: int
    wait_s: float
    """seconds to wait for a key after the prompts"""
    skill: SkillId | None
    service: str
    priority: int
    """larger is served first"""
    self_service: SelfServiceKind | None = None
    plan: str = ""
    """service whose prices are told"""
    tell: tuple[str, ...] = ()
    """codes of these prices, in order"""

    @property
    def asks(self) -> bool:
        """Whether it waits for a key that leads to another menu."""
        return self.skill is None and self.self_service is None


WITH_NUMBER = frozenset({"position", "expected_minutes", "mass_fault"})
"""those of ``Prompts`` that are said around a number, and need the words after it too (``spoken.after_number``)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """What the core says by itself; each is the id of a prompt."""

    invalid: Name = setting("按键无效", "a key that leads nowhere was pressed")
    nothing_pressed: Name = setting("没有按键", "no key was pressed")
    wait: Name = setting("进入排队时", "on entering a queue")
    position: Name = setting("播报排队位置", "the place in the queue, with a number")
    expected_minutes: Name = setting("播报预计等待分钟数", "expected wait in minutes, with a number")
    returned: Name = setting("线路中断、重新接通", "the leg was lost; the caller is connected again")
    transferring: Name = setting("转接中", "the caller is being sent on")
    closed: Name = setting("非工作时间", "out of hours")
    sorry: Name = setting("全忙", "nobody can take the call")
    mass_fault: Name | None = setting(
        "主叫所在区有大面积障碍：预计小时数，按任意键转人工；不写则不播报",
        "a mass fault where the caller's line is, with the hours until it is repaired; any key leads to an agent. "
        "Left out: nothing is said",
        default=None,
    )

    def all(self) -> Iterator[tuple[str, str]]:
        """(field, prompt), with the words after their number of those that have one."""
        for name in Prompts.__dataclass_fields__:
            prompt: str | None = getattr(self, name)
            if prompt is None:
                continue
            yield name, prompt
            if name in WITH_NUMBER:
                yield name, after_number(prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReadyReason:
    """Why an agent is 示忙. ``system``: set by the system itself, not to be chosen."""

    code: Word = setting("原因代码", "code of the reason")
    zh: Text = setting("中文名", "Chinese name")
    en: Text = setting("英文名", "English name")
    system: bool = setting("只由系统设置", "set by the system only", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """How a contact came out, as the agent sees it."""

    code: Word = setting("结果代码", "code of the disposition")
    zh: Text = setting("中文名", "Chinese name")
    en: Text = setting("英文名", "English name")


@dataclass(frozen=True)
class ServicePackage:
    """A checked package. Every name in it leads somewhere."""

    name: str
    version: str
    languages: tuple[Language, ...]
    skills: tuple[Skill, ...]
    doors: tuple[Door, ...]
    menus: Mapping[str, Menu]
    prompts: Prompts
    reasons: tuple[NotReadyReason, ...]
    dispositions: tuple[Disposition, ...]
    disposition_required: bool
    """whether a contact may be finished only with a disposition"""

    @property
    def reference(self) -> str:
        """``name@version``, as contacts carry it."""
        return f"{self.name}@{self.version}"

    def door(self, number: str) -> Door | None:
        """The door that opens for a number dialled; None when there is none."""
        return next((door for door in self.doors if door.number == number), None)

    def menu(self, menu: str) -> Menu:
        """A menu by id. Raises ``KeyError`` for an id that is not of this package."""
        return self.menus[menu]

    def skill(self, skill: str) -> Skill | None:
        """A skill by id."""
        return next((one for one in self.skills if one.id == skill), None)

    def chosen_reasons(self) -> tuple[str, ...]:
        """Codes of the reasons that an agent may choose."""
        return tuple(reason.code for reason in self.reasons if not reason.system)

    def has_disposition(self, code: str) -> bool:
        """Whether ``code`` is a disposition of this package."""
        return any(one.code == code for one in self.dispositions)

    def prompts_used(self) -> frozenset[str]:
        """Ids of all prompts that this package can have said."""
        own = {prompt for _, prompt in self.prompts.all()}
        served = (_self_service_prompts(menu.tell) for menu in self.menus.values() if menu.self_service is not None)
        return frozenset(own.union(*(menu.say for menu in self.menus.values()), *served))

    def chosen_by(self, menu: str) -> str:
        """The service that a contact has whose caller comes from ``menu`` to a skill without pressing anything."""
        return self._end_of(menu).service

    def skill_behind(self, menu: str) -> SkillId:
        """The skill that a caller comes to from ``menu`` without pressing anything."""
        skill = self._end_of(menu).skill
        assert skill is not None
        return skill

    def _end_of(self, menu: str) -> Menu:
        found = self.menus[menu]
        while found.skill is None:
            assert found.otherwise is not None, f"menu {found.id} leads nowhere, which parse_package refuses"
            found = self.menus[found.otherwise]
        return found


def _self_service_prompts(tell: tuple[str, ...]) -> frozenset[str]:
    return PROMPTS.union(price_prompt(code) for code in tell)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class PackageText:
    """The file of a service package."""

    name: Name = setting("业务包名", "name of the package")
    version: Annotated[str, Pattern(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}", '版本，如 "1"', 'a version such as "1"')] = (
        setting("版本", "version")
    )
    languages: tuple[Literal["zh", "en"], ...] = setting("语种", "languages", default=("zh", "en"))
    skills: tuple[Skill, ...] = setting("技能", "skills", key="skill")
    doors: tuple[Door, ...] = setting("门", "doors", key="door")
    menus: Mapping[str, MenuText] = setting("菜单", "menus", key="menu")
    prompts: Prompts = setting("系统语音", "prompts of the system")
    reasons: tuple[NotReadyReason, ...] = setting("示忙原因", "reasons for 示忙", key="not_ready_reason")
    dispositions: tuple[Disposition, ...] = setting("处理结果", "dispositions", key="disposition", default=())
    disposition_required: bool = setting(
        "结束前必须选处理结果", "a contact may be finished only with a disposition", default=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """One prompt, as it is read aloud until it is recorded."""

    zh: str = setting("中文", "Chinese")
    en: str = setting("英文", "English")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCatalogue:
    """The file of prompts."""

    prompt: Mapping[str, PromptText] = setting("语音", "prompts")


def parse_prompts(data: bytes, file: str) -> Mapping[str, PromptText]:
    """The prompts that there are, by id. Raises ``Refused`` naming every fault with its line."""
    reading = Reading(parse_toml(data, file))
    catalogue = reading.table(PromptCatalogue)
    for name, prompt in catalogue.prompt.items():
        for language, text in (("zh", prompt.zh), ("en", prompt.en)):
            if not text.strip() and reading.sound("prompt", name, language):
                reading.fault(
                    ("prompt", name, language),
                    "prompt-words",
                    "语音没有文字；请写上要说的话，中英文都要",
                    "a prompt without words; write what is said, in Chinese and in English",
                    value=False,
                )
    reading.done()
    return catalogue.prompt


def parse_package(
    data: bytes, file: str, prompts: Collection[str] | None = None, services: Mapping[str, bytes] | None = None
) -> ServicePackage:
    """The package in ``data``, with the keys of the ``services`` (file → content) that have one in its menus; ``file``
    is for messages only.

    ``prompts`` are the ids that there are; None: not checked. Raises ``Refused`` with every fault, each a ``Problem``
    naming file, line, field and remedy.
    """
    reading = Reading(parse_toml(data, file))
    text = reading.table(PackageText)
    _Checks(reading, text, prompts).run()
    together = Together(text.menus, prompts, reading)
    problems = []
    for one in read_placed(services or {}):
        together.put(one)
        problems += one.reading.problems
    if problems:
        raise Refused(*reading.problems, *problems)
    reading.done()
    text = replace(text, menus=together.menus)
    menus = {
        name: Menu(
            id=name,
            say=menu.said(),
            keys=menu.key or {},
            otherwise=menu.otherwise,
            tries=menu.tries,
            wait_s=menu.wait_s,
            skill=menu.skill,
            service=menu.service or (menu.skill or ""),
            priority=menu.priority,
            self_service=menu.self_service,
            plan=menu.plan or "",
            tell=menu.tell,
        )
        for name, menu in text.menus.items()
    }
    return ServicePackage(
        name=text.name,
        version=text.version,
        languages=text.languages,
        skills=text.skills,
        doors=text.doors,
        menus=menus,
        prompts=text.prompts,
        reasons=text.reasons,
        dispositions=text.dispositions,
        disposition_required=text.disposition_required and bool(text.dispositions),
    )


class _Checks:
    """What must hold between the parts of a package."""

    def __init__(self, reading: Reading, text: PackageText, prompts: Collection[str] | None) -> None:
        self._reading = reading
        self._text = text
        self._prompts = prompts
        self._skills = {skill.id for skill in text.skills}

    def run(self) -> None:
        text = self._text
        self._reading.once(("skill",), "id", [skill.id for skill in text.skills], "package-twice")
        self._reading.once(("door",), "number", [door.number for door in text.doors], "package-twice")
        self._reading.once(("not_ready_reason",), "code", [reason.code for reason in text.reasons], "package-twice")
        self._reading.once(
            ("disposition",), "code", [disposition.code for disposition in text.dispositions], "package-twice"
        )
        for key, found in (("skill", text.skills), ("door", text.doors), ("not_ready_reason", text.reasons)):
            if not found and self._reading.sound(key):
                self._reading.fault((key,), "package-empty", "至少要有一项", "at least one is needed")
        self._system_reasons()
        for at, door in enumerate(text.doors):
            self._leads_to_menu(("door", at, "menu"), door.menu)
        for name, menu in text.menus.items():
            if self._reading.sound("menu", name):
                self._menu(name, menu)
        self._cycles()
        for name, prompt in text.prompts.all():
            self._prompt(("prompts", name), prompt)

    def _system_reasons(self) -> None:
        found = {reason.code: reason.system for reason in self._text.reasons}
        for code in SYSTEM_REASONS:
            if self._text.reasons and not found.get(code):
                self._reading.fault(
                    ("not_ready_reason",),
                    "package-reason-missing",
                    f"缺少系统原因 {code}（带 system = true）",
                    f"the system's own reason {code} is missing (with system = true)",
                    value=False,
                )

    def _leads_to_menu(self, path: tuple[str | int, ...], menu: str) -> None:
        self._reading.known(path, menu, self._text.menus, "package-menu-missing", "菜单", "menu")

    def _prompt(self, path: tuple[str | int, ...], prompt: str) -> None:
        if self._prompts is not None:
            self._reading.known(path, prompt, self._prompts, "package-prompt-missing", "语音", "prompt")

    def _menu(self, name: str, menu: MenuText) -> None:
        reading, path = self._reading, ("menu", name)
        for at, prompt in enumerate(menu.say):
            self._prompt((*path, "say", at), prompt)
        if menu.words is not None:
            self._words(name, menu.key or {}, menu.words)
        given = menu.key is not None or not reading.sound(*path, "key")
        if menu.self_service is not None:
            self._self_service(name, menu, keys=given)
        elif menu.plan is not None or menu.tell:
            reading.fault(
                path,
                "package-self-service",
                'plan 与 tell 只用于 self_service = "tariff"；请去掉，或加上',
                'plan and tell belong to self_service = "tariff"; remove them, or add it',
                value=False,
            )
        elif menu.skill is not None:
            reading.known((*path, "skill"), menu.skill, self._skills, "package-skill-missing", "技能", "skill")
            if given or menu.otherwise is not None:
                reading.fault(
                    path,
                    "package-menu-both",
                    "菜单或者问按键（key、otherwise），或者指定技能（skill），不可兼有；请去掉其一",
                    "a menu either asks for a key (key, otherwise) or names a skill; remove one of them",
                    value=False,
                )
        elif not given:
            reading.fault(
                path,
                "package-menu-dead-end",
                "菜单须有 skill，或 key 与 otherwise，否则来话无处可去",
                "a menu needs skill, or key and otherwise; else the caller has nowhere to go",
                value=False,
            )
        elif menu.otherwise is None and reading.sound(*path, "otherwise"):
            reading.fault(
                path,
                "package-menu-dead-end",
                "问按键的菜单须有 otherwise（多次未按后进入的菜单）",
                "a menu that asks for a key needs otherwise (the menu after too many wrong or missing keys)",
                value=False,
            )
        self._ways(name, menu)

    def _words(self, name: str, keys: Mapping[str, str], words: Mapping[str, str]) -> None:
        """Each key is named, and no other."""
        for key, prompt in words.items():
            path = ("menu", name, "words", key)
            if key not in keys:
                self._reading.fault(
                    path,
                    "package-words",
                    f"菜单没有按键 {key}，不能说它；请去掉，或在 key 中加上",
                    f"the menu has no key {key} to be said; remove it, or add the key",
                    value=False,
                )
            self._prompt(path, prompt)
            if key in KEYS:
                self._prompt(path, press_prompt(key))
        for key in keys:
            if key in KEYS and key not in words:
                self._reading.fault(
                    ("menu", name, "key", key),
                    "package-words",
                    f"没有说这个按键的语音；请在 [menu.{name}.words] 中加 {key}",
                    f"nothing says what this key is for; add {key} to [menu.{name}.words]",
                    value=False,
                )

    def _self_service(self, name: str, menu: MenuText, *, keys: bool) -> None:
        """It serves the caller itself, and whoever wants an agent goes on to ``otherwise``."""
        path = ("menu", name)
        if menu.skill is not None or keys or menu.say:
            self._reading.fault(
                path,
                "package-menu-both",
                "自助菜单不可有 skill、key 或 say；请去掉，人工由 otherwise 指定",
                "a self-service has no skill, no keys and nothing of its own to say; remove them: otherwise says where "
                "the agents are",
                value=False,
            )
        way = self._text.menus.get(menu.otherwise or "")
        if way is not None and way.self_service is not None:
            self._reading.fault(
                (*path, "otherwise"),
                "package-self-service",
                "须为有人工的菜单，不可又是自助",
                "a menu with agents expected, not another self-service",
                value=False,
            )
        if menu.otherwise is None and self._reading.sound(*path, "otherwise"):
            self._reading.fault(
                path,
                "package-menu-dead-end",
                "自助菜单须有 otherwise（转人工时进入的菜单）",
                "a self-service needs otherwise (the menu on the way to an agent)",
                value=False,
            )
        if (menu.self_service == "tariff") != (menu.plan is not None and bool(menu.tell)) or (
            menu.self_service != "tariff" and (menu.plan is not None or menu.tell)
        ):
            self._reading.fault(
                path,
                "package-self-service",
                "tariff 须有 plan（业务）和 tell（资费代码），其他自助不可有",
                "tariff needs plan (a service) and tell (codes of its prices), other self-services have neither",
                value=False,
            )
        if self._prompts is not None:
            missing = sorted(_self_service_prompts(menu.tell) - set(self._prompts))
            if missing:
                self._reading.fault(
                    path,
                    "package-prompt-missing",
                    f"自助所需的语音还没有：{'、'.join(missing)}；请补上",
                    f"self-service needs prompts that are not there: {', '.join(missing)}; add them",
                    value=False,
                )

    def _ways(self, name: str, menu: MenuText) -> None:
        if menu.otherwise is not None:
            self._leads_to_menu(("menu", name, "otherwise"), menu.otherwise)
        if menu.wait_s <= 0 and self._reading.sound("menu", name, "wait"):
            self._reading.fault(
                ("menu", name, "wait"), "setting-form", "须大于 0，如 6s", "more than 0 expected, such as 6s"
            )
        for key, way in (menu.key or {}).items():
            path = ("menu", name, "key", key)
            if key not in KEYS:
                self._reading.fault(
                    path,
                    "package-key",
                    "不是电话按键，应为 0 至 9、* 或 #",
                    "not a key of a telephone; 0 to 9, * or # expected",
                    value=False,
                )
            self._leads_to_menu(path, way)

    def _cycles(self) -> None:
        """Each caller must come to a skill: a menu must not lead back to itself."""
        ways = {
            name: [way for way in (*(menu.key or {}).values(), menu.otherwise) if way in self._text.menus]
            for name, menu in self._text.menus.items()
        }
        done: set[str] = set()
        for start in ways:
            trail: list[str] = []
            self._walk(start, ways, trail, done)

    def _walk(self, name: str, ways: Mapping[str, list[str | None]], trail: list[str], done: set[str]) -> None:
        if name in trail:
            circle = " → ".join([*trail[trail.index(name) :], name])
            self._reading.fault(
                ("menu", trail[-1]),
                "package-menu-cycle",
                f"菜单绕成一圈：{circle}；请让其中一个按键改去别的菜单",
                f"menus lead in a circle: {circle}; let one of these keys lead elsewhere",
                value=False,
            )
            return
        if name in done:
            return
        trail.append(name)
        for way in dict.fromkeys(ways[name]):
            if way is not None:
                self._walk(way, ways, trail, done)
        trail.pop()
        done.add(name)
