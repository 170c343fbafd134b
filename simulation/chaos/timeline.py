"""A seed told as a story: what happened when, to whom; of the contacts that matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from simulation.chaos.run import Result
from simulation.chaos.scene import WALL0

_CONTACT = re.compile(r"\d{3,4}-[0-9a-f]{8}-[0-9a-f]{6}")
_AGENT = re.compile(r"\d{4}@[a-z]+")
_CALL = re.compile(r"\b139\d{8}\b")
_BORN = re.compile(rf"contact_born .*?({_CONTACT.pattern}).*?(139\d{{8}})")


def concerned(result: Result, asked: Iterable[str] = ()) -> set[str]:
    """Contacts that the violations name, directly or by caller, and those asked for."""
    text = "\n".join(result.violations)
    found = {*_CONTACT.findall(text), *asked}
    calls = set(_CALL.findall(text))
    for _, _, what in result.timeline:
        born = _BORN.search(what)
        if born is not None and born[2] in calls:
            found.add(born[1])
    return found


def story(result: Result, asked: Iterable[str] = ()) -> Iterator[str]:
    """The lines of a seed's timeline: every fault, and everything about the contacts concerned."""
    contacts = concerned(result, asked)
    agents = set(_AGENT.findall("\n".join(result.violations)))
    yield f"seed {result.seed}: {result.cities} cities, {result.contacts} contacts, {result.rows} rows"
    yield from (f"  planned: {step}" for step in result.schedule)
    for moment, where, what in result.timeline:
        fault = what.startswith(("fault:", "over:")) or " rows are gone " in what
        about = any(one in what for one in contacts)
        shown = any(one in what for one in agents) and "agent_changed" in what
        if fault or about or shown:
            yield f"{_time(moment)}  {where:<10} {'!! ' if fault else ''}{what}"
    yield from (f"violation: {one}" for one in result.violations)


def _time(moment: float) -> str:
    return f"{datetime.fromtimestamp(WALL0 + moment, UTC):%H:%M:%S.%f}"[:-3] + f" {moment:8.3f}"
