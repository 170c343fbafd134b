"""One shape for everything that can be said to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what would be accepted.

    ``slug`` is stable and meant for programs; ``zh`` and ``en`` are the same sentence for people; ``place`` names the
    file, line, field or message. Texts carry the accepted form.
    """

    slug: str
    zh: str
    en: str
    place: str = ""

    def text(self, language: Language = "zh") -> str:
        """The sentence in one language, with its place in front when there is one."""
        sentence = self.zh if language == "zh" else self.en
        return f"{self.place}: {sentence}" if self.place else sentence


class Refused(Exception):
    """Raised for bad input or an action that is not allowed now; nothing has been changed.

    ``status`` is the HTTP status the edge answers with: 400 malformed, 401 not logged in, 403 role, 404 unknown,
    409 wrong state, 503 something needed is away.
    """

    def __init__(self, *problems: Problem, status: int = 400) -> None:
        super().__init__("; ".join(f"[{problem.slug}] {problem.text('en')}" for problem in problems))
        self.problems = problems
        self.status = status
