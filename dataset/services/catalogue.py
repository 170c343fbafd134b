"""All services of the province, checked one by one and against each other and the one number's package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dataset.declared import Reading
from dataset.errors import Problem, Refused
from dataset.packages import ServicePackage
from dataset.services.checks import Checks
from dataset.services.service import Service, ServiceText
from dataset.toml_text import Path, parse_toml

OF_SERVICES = ("line_has_service", "line_lacks_service", "no_open_item", "at_most_per_line")
"""Rules whose values are services."""


def parse_service(data: bytes, file: str) -> Service:
    """The service in ``data``; ``file`` is for messages. Raises ``Refused`` with every fault, by file and line."""
    service, problems = _read(data, file)
    if problems:
        raise Refused(*problems)
    return service.service


@dataclass(frozen=True)
class Catalogue:
    """The services that the province offers."""

    services: Mapping[str, Service]
    """by code"""
    earlier: Mapping[str, Service] = field(default_factory=dict)
    """versions in force no more, which work items began with, by ``id@version``"""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """by code, of those with a branch: what a contact has as its service when the caller came to that menu"""

    def __iter__(self) -> Iterator[Service]:
        return iter(self.services.values())

    @cached_property
    def versions(self) -> Mapping[str, Service]:
        """All versions by ``id@version``, those in force too."""
        return {**self.earlier, **{service.reference: service for service in self}}

    def entered_by(self, number: str) -> tuple[Service, ...]:
        """Those that a door leads to."""
        return tuple(service for service in self if number in service.text.doors)

    def of_skill(self, skill: str) -> tuple[Service, ...]:
        """Those that an agent with ``skill`` serves."""
        return tuple(service for service in self if service.text.skill == skill)


@dataclass(frozen=True)
class _Read:
    service: Service
    reading: Reading


def parse_catalogue(
    files: Mapping[str, bytes], package: ServicePackage, earlier: Mapping[str, bytes] | None = None
) -> Catalogue:
    """The services in ``files`` (name → content), and those of ``earlier`` versions, which are checked each for itself:
    what they say of others was true in their time. Raises ``Refused`` with the faults of all of them.
    """
    problems: list[Problem] = []
    read = _read_all(files, problems)
    past = _read_all(earlier or {}, problems)
    by_id: dict[str, _Read] = {}
    for one in read:
        before = len(one.reading.problems)
        _Together(one, by_id, read, package).run()
        problems += one.reading.problems[before:]
        by_id.setdefault(one.service.id, one)
    versions = {one.service.reference: one for one in by_id.values()}
    for one in past:
        first = versions.setdefault(one.service.reference, one)
        if first is not one and one.reading.sound("version"):
            place = first.reading.text.place(("version",))
            one.reading.taken(("version",), one.service.text.version, place, "service-version-twice")
            problems.append(one.reading.problems[-1])
    if problems:
        raise Refused(*problems)
    return Catalogue(
        {name: one.service for name, one in by_id.items()},
        {one.service.reference: one.service for one in past},
        {
            name: name if one.service.text.choice is not None else package.chosen_by(menu)
            for name, one in by_id.items()
            if (menu := one.service.text.branch) is not None
        },
    )


def _read_all(files: Mapping[str, bytes], problems: list[Problem]) -> list[_Read]:
    found = []
    for file, data in files.items():
        try:
            one, faults = _read(data, file)
        except Refused as refused:  # no TOML at all
            problems += refused.problems
            continue
        found.append(one)
        problems += faults
    return found


def _read(data: bytes, file: str) -> tuple[_Read, tuple[Problem, ...]]:
    reading = Reading(parse_toml(data, file))
    text = reading.table(ServiceText)
    Checks(reading, text).run()
    found: tuple[Problem, ...] = ()
    try:
        reading.done()
    except Refused as refused:
        found = refused.problems
    return _Read(Service(text), reading), found


class _Together:
    """What one service says of others and of the package."""

    def __init__(self, one: _Read, before: Mapping[str, _Read], every: list[_Read], package: ServicePackage) -> None:
        self._reading = one.reading
        self._text = one.service.text
        self._before = before
        self._ids = {other.service.id for other in every}
        self._package = package

    def run(self) -> None:
        text = self._text
        if text.id in self._before and self._reading.sound("id"):
            self._reading.taken(("id",), text.id, self._before[text.id].reading.text.place(("id",)), "service-twice")
        if text.today is not None:
            self._known(("today",), text.today, self._ids, "业务", "service")
        skills = {str(skill.id) for skill in self._package.skills}
        self._known(("skill",), text.skill, skills, "技能", "skill")
        for at, number in enumerate(text.doors):
            self._door(("door", at), number)
        if text.branch is not None:
            self._branch(text.branch)
        for at, rule in enumerate(text.rules):
            if rule.kind in OF_SERVICES:
                for place, name in enumerate(rule.values):
                    self._known(("rule", at, "values", place), name, self._ids, "业务", "service")

    def _door(self, path: Path, number: str) -> None:
        door = self._package.door(number)
        if door is None:
            self._known(path, number, {door.number for door in self._package.doors}, "号码", "number")
        elif self._text.skill not in self._skills_behind(door.menu):
            zh, en = (
                f"拨 {number} 到不了技能 {self._text.skill}",
                f"{number} does not lead to the skill {self._text.skill}",
            )
            if self._reading.sound(*path):
                self._reading.fault(path, "service-door", zh, en, value=False)

    def _branch(self, menu: str) -> None:
        """The menu is there, a caller of one of the numbers comes to it, and it leads to who serves this."""
        self._known(("branch",), menu, set(self._package.menus), "菜单", "menu")
        if menu not in self._package.menus or not self._reading.sound("branch"):
            return
        doors = [door for number in self._text.doors if (door := self._package.door(number)) is not None]
        if doors and not any(menu in self._behind(door.menu) for door in doors):
            numbers = "、".join(door.number for door in doors)
            self._reading.fault(
                ("branch",),
                "service-branch",
                f"拨 {numbers} 到不了菜单 {menu}；请在业务包的菜单中用一个按键引到它，或另选菜单",
                f"{numbers.replace('、', ', ')} does not lead to the menu {menu}; let a key of the package's menus "
                "lead there, or name another menu",
                value=False,
            )
        elif self._text.skill not in self._skills_behind(menu):
            self._reading.fault(
                ("branch",),
                "service-branch",
                f"菜单 {menu} 到不了技能 {self._text.skill}；请选转到此技能的菜单",
                f"the menu {menu} does not lead to the skill {self._text.skill}; name a menu that does",
                value=False,
            )

    def _skills_behind(self, menu: str) -> set[str]:
        """Skills that a caller can come to from ``menu``."""
        steps = (self._package.menu(name) for name in self._behind(menu))
        return {str(step.skill) for step in steps if step.skill is not None}

    def _behind(self, menu: str) -> set[str]:
        """``menu``, and all that a caller can come to from it."""
        found, ahead = set[str](), [menu]
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                step = self._package.menu(name)
                ahead += [*step.keys.values(), *([step.otherwise] if step.otherwise else ())]
        return found

    def _known(self, path: Path, word: str, words: set[str], zh: str, en: str) -> None:
        self._reading.known(path, word, words, "service-unknown", zh, en)
