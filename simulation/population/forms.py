"""Forms as somebody at a seat fills them in, from what the agent API shows of a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any
from zlib import crc32

CALLING = "calling"
"""the number that calls, as the agent API lets it stand in a form"""
OPTIONAL = 0.3
"""share of the fields that need not be filled in, and are"""
WORDS = ("客户来电说明", "请尽快处理", "下午在家", "已核对", "单位用户")
MARKS = (5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 3, 3, 2, 1, 0, 0, 0)
"""what customers say when they are asked how satisfied they are"""
STREETS = ("中山五路 1 号", "天河路 208 号 3 栋 502 房", "深南中路 2008 号", "祖庙路 33 号", "北京路 168 号")


def mark_of(item: str) -> int:
    """How satisfied the customer of ``item`` says they are when called back, 1 to 5, or 0 for not saying; the same
    whenever it is asked, and of many items most are satisfied.
    """
    return MARKS[crc32(item.encode()) % len(MARKS)]


def filled(
    service: Mapping[str, Any], rng: Random, day: date, needed: Iterable[str] = ()
) -> dict[str, str | int | bool]:
    """Values for the form of ``service`` (as the agent API shows it) that is handed in on ``day``: by its schema, and
    by the rules on its fields. Those of ``needed`` too, wherever they are asked.
    """
    schema, rules = service["schema"], service["rules"]
    told = {rule["field"]: rule["is"] for rule in rules if rule["kind"] == "field_is" and "open" in rule["at"]}
    days = {rule["field"]: rule for rule in rules if rule["kind"] in ("earliest_day", "latest_day")}
    wanted, values = {*schema["required"], *needed, *told}, dict[str, str | int | bool]()
    for rule in schema.get("allOf", ()):
        wanted.update(rule["then"].get("required", ()))
    for name, field in schema["properties"].items():
        when = field.get("x-when")
        if when is not None and _shown(values.get(when["field"])) not in when["is"]:
            continue
        if name in told:
            values[name] = _meant(field, rng.choice(told[name]))
        elif name in wanted or rng.random() < OPTIONAL:
            values[name] = value(field, rng, _near(day, days.get(name), rng))
    return values


def value(field: Mapping[str, Any], rng: Random, day: date) -> str | int | bool:
    """Something that the field accepts; ``day`` for a date."""
    match field["x-layout"]["type"]:
        case "yes_no":
            return rng.random() < 0.7
        case "number" | "money":
            least = int(field.get("minimum", 1))
            return rng.randint(least, min(int(field.get("maximum", least + 50)), least + 50))
        case "choice":
            return str(rng.choice(field["enum"]))
        case "date":
            return day.isoformat()
        case "line":
            return CALLING
        case "phone":
            return f"139{rng.randrange(10**8):08d}"
        case "email":
            return f"user{rng.randint(100, 999)}@example.cn"
        case "address":
            return rng.choice(STREETS)
        case _:
            return rng.choice(WORDS)


def _near(day: date, rule: Mapping[str, Any] | None, rng: Random) -> date:
    """A day that the rule on the field allows; some days ahead where there is none."""
    if rule is None:
        return day + timedelta(days=rng.randint(4, 8))
    ahead = int(rule["days"])
    if rule["kind"] == "latest_day":
        return day + timedelta(days=rng.randint(0, ahead))
    return day + timedelta(days=3 + 2 * ahead)  # working days, with week-ends and holidays between


def _meant(field: Mapping[str, Any], word: str) -> str | int | bool:
    """What a field holds when it is ``word`` in a rule."""
    match field["x-layout"]["type"]:
        case "yes_no":
            return word == "yes"
        case "number" | "money":
            return int(word)
        case _:
            return word


def _shown(value: str | int | bool | None) -> str | None:
    """As conditions name it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
