"""Rows, messages, requests and reports in few words, for timelines."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


def short(value: Any) -> str:
    """A row, message, request or report in few words: what it is, and its fields that say something."""
    if isinstance(value, msgspec.Struct):
        name = str(value.__struct_config__.tag or type(value).__name__)
        fields = [(field, getattr(value, field)) for field in value.__struct_fields__]
    elif hasattr(value, "__dataclass_fields__"):
        name = type(value).__name__
        fields = [(field, getattr(value, field)) for field in value.__dataclass_fields__]
    else:
        return str(value)
    said = [f"{field}={_plain(one)}" for field, one in fields if one not in (None, "", (), {}, False)]
    return f"{name} {' '.join(said)}"


def _plain(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, msgspec.Struct) or hasattr(value, "__dataclass_fields__"):
        return f"({short(value)})"
    if isinstance(value, tuple):
        return "[" + ", ".join(_plain(one) for one in value) + "]"
    return str(value)
