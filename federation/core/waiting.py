"""The contacts that wait for somebody in the province to become idle."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from dataset.ids import SkillId
from federation.core.open_attempt import OpenAttempt

Line = tuple[SkillId, int]
"""Skill and priority: inside a line the longest waiting comes first."""


class WaitingLines:
    """One ordered line per skill and priority."""

    def __init__(self) -> None:
        self._lines: dict[Line, list[OpenAttempt]] = {}

    def add(self, attempt: OpenAttempt) -> None:
        """Give ``attempt`` its place; by its waiting time, so whoever comes back has not lost it."""
        insort(self._lines.setdefault(_line(attempt), []), attempt, key=_place)

    def remove(self, attempt: OpenAttempt) -> None:
        """Take ``attempt`` out; it has a place."""
        line = self._lines[_line(attempt)]
        del line[bisect_left(line, attempt.place, key=_place)]
        if not line:
            del self._lines[_line(attempt)]

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def count(self, skill: SkillId) -> int:
        """How many wait for ``skill``."""
        return sum(len(line) for (one, _), line in self._lines.items() if one == skill)

    def skills(self) -> list[SkillId]:
        """Skills that somebody waits for, in order."""
        return sorted({skill for skill, _ in self._lines})

    def lines(self) -> Iterator[tuple[Line, list[OpenAttempt]]]:
        """A snapshot of all lines."""
        return iter([(line, list(attempts)) for line, attempts in self._lines.items()])


def _line(attempt: OpenAttempt) -> Line:
    return attempt.opened.context.skill, attempt.opened.context.priority


def _place(attempt: OpenAttempt) -> tuple[float, str, int]:
    return attempt.place
