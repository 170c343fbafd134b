"""What a text is found by: Chinese in pairs of characters, other words whole, in lower case.

Chinese is written without blanks and most of its words have two characters, so every pair of neighbours is a term:
移机费 gives 移机 and 机费. The last character of a run is a term of its own too, so that a single character finds
whatever has it: it is asked for as the beginning of a term. Other words (ISDN, 2B+D, 400) are found by their beginning
where they have letters, so ``install`` finds ``installing``; numbers are found whole, since 400 is not 4001.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_RUN = re.compile(rf"(?P<han>[{HAN}]+)|(?P<other>(?:(?![{HAN}])[^\W_])+)")
LONGEST_TERM = 64
"""characters of a word that count; what is behind them is not looked at"""


class Term(NamedTuple):
    """Something that is asked for."""

    text: str
    begins: bool = False
    """terms that begin with it are meant too"""


def folded(text: str) -> str:
    """As terms are compared: full-width as half-width, compatibility forms as their plain ones, no capitals."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def terms_of(text: str) -> list[str]:
    """What ``text`` is found by, in its order, with repetitions."""
    found: list[str] = []
    for run in _RUN.finditer(folded(text)):
        if run["han"]:
            found += [run[0][at : at + 2] for at in range(len(run[0]))]
        else:
            found.append(run[0][:LONGEST_TERM])
    return found


def terms_asked(text: str) -> list[Term]:
    """What whoever writes ``text`` asks for, each once."""
    found: list[Term] = []
    for run in _RUN.finditer(folded(text)):
        if not run["han"]:
            word = run[0][:LONGEST_TERM]
            found.append(Term(word, begins=not word.isdecimal()))
        elif len(run[0]) == 1:
            found.append(Term(run[0], begins=True))
        else:
            found += [Term(run[0][at : at + 2]) for at in range(len(run[0]) - 1)]
    return list(dict.fromkeys(found))


def excerpt(text: str, asked: str, length: int = 60) -> str:
    """About ``length`` characters of ``text`` from shortly before the first place that has something of what is asked;
    its beginning where nothing has. Line breaks become blanks.
    """
    flat = " ".join(text.split())
    lower = flat.casefold()
    places = [at for one in terms_asked(asked) if (at := lower.find(one.text)) >= 0]
    start = max(0, min(places, default=0) - length // 4)
    if start + length >= len(flat):
        start = max(0, len(flat) - length)
    end = start + length
    return f"{'…' if start else ''}{flat[start:end].strip()}{'…' if end < len(flat) else ''}"
