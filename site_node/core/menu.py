"""The menu as a table walk: where a caller is, what a key leads to, what is said. Data of the service package only."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from dataset.packages import Menu, ServicePackage
from site_node.core.contact import MenuPlace
from site_node.core.telephony import Prompt


@dataclass(frozen=True, slots=True)
class MenuStep:
    """What happens now: say ``prompts``; then ``chosen`` is a menu that names a skill, or a key is waited for."""

    place: MenuPlace
    prompts: tuple[Prompt, ...]
    wait_s: float
    chosen: Menu | None


def enter(package: ServicePackage, menu: str, path: tuple[str, ...] = ()) -> MenuStep:
    """A caller comes to ``menu``."""
    known = package.menu(menu)
    return MenuStep(MenuPlace(menu, path), _say(known), known.wait_s, None if known.asks else known)


def press(package: ServicePackage, place: MenuPlace, digit: str) -> MenuStep:
    """A caller at ``place`` pressed ``digit``."""
    way = package.menu(place.menu).keys.get(digit)
    if way is not None:
        return enter(package, way, (*place.path, digit))
    return _again(package, place, package.prompts.invalid)


def say_nothing(package: ServicePackage, place: MenuPlace) -> MenuStep:
    """A caller at ``place`` pressed nothing in time."""
    return _again(package, place, package.prompts.nothing_pressed)


def _again(package: ServicePackage, place: MenuPlace, why: str) -> MenuStep:
    menu = package.menu(place.menu)
    tried = replace(place, tries=place.tries + 1)
    if tried.tries >= menu.tries and menu.otherwise is not None:
        return enter(package, menu.otherwise, place.path)
    return MenuStep(tried, (Prompt(why), *_say(menu)), menu.wait_s, None)


def _say(menu: Menu) -> tuple[Prompt, ...]:
    return tuple(Prompt(name) for name in menu.say)
