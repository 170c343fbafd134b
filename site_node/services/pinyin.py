"""Finding Chinese names by the initials of their pinyin, as agents type them (``wf`` for 王芳)."""

from __future__ import annotations

from functools import lru_cache

from pypinyin import Style, pinyin

from dataset.pinyin import person_spelling


@lru_cache(maxsize=20_000)
def _readings(text: str) -> tuple[frozenset[str], ...]:
    """For each character all initials that its readings have; for other writing the letter itself."""
    found: list[frozenset[str]] = []
    for character in text.lower():
        if character.isspace():
            continue
        readings = pinyin(character, style=Style.FIRST_LETTER, heteronym=True, errors="default")
        found.append(frozenset(reading[0].lower() for reading in readings[0] if reading))
    return tuple(found)


def sounds_like(text: str, typed: str) -> bool:
    """Whether ``typed`` are initials that occur in ``text`` in a row, or the beginning of its pinyin."""
    typed = typed.lower().replace(" ", "")
    if not typed or not typed.isascii():
        return False
    readings = _readings(text)
    for start in range(len(readings) - len(typed) + 1):
        if all(letter in readings[start + at] for at, letter in enumerate(typed)):
            return True
    return len(typed) > 1 and person_spelling(text).full.startswith(typed)
