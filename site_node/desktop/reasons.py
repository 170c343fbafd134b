"""Words of requests that go on record with whoever looks at a customer's data."""

from __future__ import annotations

from typing import Annotated

import msgspec

LONGEST_REASON = 200
Reason = Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)]
