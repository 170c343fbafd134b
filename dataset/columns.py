"""Tables of text for a terminal, where a Chinese character is two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

BETWEEN = "  "


def width(text: str) -> int:
    """How many columns ``text`` takes."""
    return sum(_width(one) for one in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def in_columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A line by row, each as long as another, the first ``left`` columns to the left and the others to the right; no
    blanks at the end. ``ValueError`` when rows differ in their number of columns.
    """
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell + " " * (wide - width(cell)) if at < left else " " * (wide - width(cell)) + cell
            for at, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(BETWEEN.join(cells).rstrip())
    return lines
