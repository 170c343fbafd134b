"""How a benchmark says what it found: a table on standard error for whoever looks, one line of JSON on standard output.

The figures are nested dicts: at the top what holds for the whole run; a dict of dicts, or a list of them, is a table
with a row each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def say(found: Mapping[str, Any]) -> None:
    """Say it both ways."""
    sys.stdout.flush()
    print("\n".join(table(found)), file=sys.stderr, flush=True)
    print(json.dumps(found, ensure_ascii=False), flush=True)


def table(found: Mapping[str, Any]) -> list[str]:
    """The lines of the tables in ``found``."""
    lines = ["  ".join(f"{name} {_cell(value)}" for name, value in found.items() if not isinstance(value, dict | list))]
    for name, value in found.items():
        if isinstance(value, list):
            rows = {str(at + 1): one if isinstance(one, dict) else {"": one} for at, one in enumerate(value)}
            lines += _rows(name, rows)
        elif isinstance(value, dict):
            rows = {key: one for key, one in value.items() if isinstance(one, dict)}
            plain = {key: one for key, one in value.items() if not isinstance(one, dict)}
            if plain:
                lines += _rows(name, {"": plain})
            if rows:
                lines += _rows(name, rows)
    return lines


def _rows(name: str, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [
        [name, *columns],
        *([key, *(_cell(row.get(column, "")) for column in columns)] for key, row in rows.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in cells]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The name to the left, figures to the right."""
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _cell(value: Any) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False).strip('"')
