"""What people and systems write into a cell, as a value: yuan as fen, days in any of the usual forms, yes and no."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Literal

from dataset.calendar import CHINA

Convert = Callable[[str], str | int | float | bool | None]
"""The value of a text without spaces around it; None when it has another form."""
CellForm = Literal["text", "code", "whole", "yuan", "fen", "day", "month", "moment", "yes_no", "number"]
"""``number`` is read by the number plan, see ``dataset.importing``."""

_YUAN = re.compile(r"(-?)[¥￥]?(\d{1,9}|\d{1,3}(?:,\d{3}){1,3})(?:\.(\d{1,2}))?元?")
_WHOLE = re.compile(r"-?(\d{1,15}|\d{1,3}(?:,\d{3}){1,4})")
_DAY = re.compile(r"(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|年(\d{1,2})月(\d{1,2})日|(\d{2})(\d{2}))")
_MONTH = re.compile(r"(\d{4})(?:[-/.](\d{1,2})|年(\d{1,2})月|(\d{2}))")
_YES = frozenset({"是", "有", "y", "yes", "true", "1", "√"})
_NO = frozenset({"否", "无", "n", "no", "false", "0", "×"})


def _plain(text: str) -> str:
    """Full-width digits and signs as the usual ones."""
    return unicodedata.normalize("NFKC", text).strip()


def yuan_in_fen(text: str) -> int | None:
    """``12.34``, ``¥1,234.5``, ``-3元`` → fen; exact, no floating number in between."""
    found = _YUAN.fullmatch(_plain(text))
    if found is None:
        return None
    fen = int(found[2].replace(",", "")) * 100 + int((found[3] or "").ljust(2, "0"))
    return -fen if found[1] else fen


def whole(text: str) -> int | None:
    """``1,234`` → 1234."""
    found = _WHOLE.fullmatch(_plain(text))
    return int(found[0].replace(",", "")) if found else None


def day(text: str) -> str | None:
    """``2026/1/31``, ``20260131``, ``2026年1月31日`` → ``2026-01-31``; None also for a day that no calendar has."""
    found = _DAY.fullmatch(_plain(text))
    if found is None:
        return None
    year, *rest = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, *rest).isoformat()
    except ValueError:
        return None


def month(text: str) -> str | None:
    """``2026年1月``, ``202601`` → ``2026-01``."""
    found = _MONTH.fullmatch(_plain(text))
    if found is None:
        return None
    year, number = (int(part) for part in found.groups() if part is not None)
    return f"{year:04}-{number:02}" if 1 <= number <= 12 else None


def moment(text: str) -> float | None:
    """``2026-01-31 08:30:00``, China's time unless an offset is written → seconds since 1970 (UTC)."""
    try:
        read = datetime.fromisoformat(_plain(text).replace("/", "-"))
    except ValueError:
        return None
    return (read if read.tzinfo is not None else read.replace(tzinfo=CHINA)).timestamp()


def yes_no(text: str) -> bool | None:
    """``是``, ``有``, ``Y``, ``1`` and their opposites."""
    word = _plain(text).lower()
    return True if word in _YES else False if word in _NO else None


def _text(text: str) -> str:
    return text


def _code(text: str) -> str:
    return _plain(text).lower().replace("-", "_")


CONVERTERS: Mapping[CellForm, Convert] = {
    "text": _text,
    "code": _code,
    "whole": whole,
    "fen": whole,
    "yuan": yuan_in_fen,
    "day": day,
    "month": month,
    "moment": moment,
    "yes_no": yes_no,
}
ACCEPTED: Mapping[CellForm, tuple[str, str]] = {
    "text": ("文字", "a text"),
    "code": ("代码", "a code"),
    "whole": ("整数，如 1,234", "a whole number such as 1,234"),
    "fen": ("整数（分），如 1234", "a whole number of fen such as 1234"),
    "yuan": ("元，至多两位小数，如 12.34", "yuan with at most two decimals, such as 12.34"),
    "day": ("日期，如 2026-01-31、20260131、2026年1月31日", "a day such as 2026-01-31, 20260131, 2026年1月31日"),
    "month": ("年月，如 2026-01、202601、2026年1月", "a month such as 2026-01, 202601, 2026年1月"),
    "moment": ("时刻，如 2026-01-31 08:30:00", "a moment such as 2026-01-31 08:30:00"),
    "yes_no": ("是/否、有/无、Y/N 或 1/0", "yes/no, Y/N, 1/0, 是/否 or 有/无"),
    "number": ("电话号码", "a telephone number"),
}
