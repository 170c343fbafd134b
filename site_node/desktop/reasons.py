"""Words of requests that go on record with whoever looks at a customer's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

LONGEST_REASON = 200
Reason = Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)]


def word(fields: Mapping[str, Any], name: str, longest: int = 64) -> str:
    """A field of a request that may have been refused for its form: its beginning, or nothing."""
    value = fields.get(name)
    return value[:longest] if isinstance(value, str) else ""
