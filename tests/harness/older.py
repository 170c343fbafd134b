"""A node of a version before some kinds of rows: it cannot read them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import msgspec
import pytest

import federation.core.ledger
import federation.node.journal
import federation.node.ledger_store
from dataset.rows import ROW_FROM_BYTES, Journalled


class OlderDecoder:
    """Reads rows as a version does that has never heard of ``kinds``."""

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds = kinds

    def decode(self, data: bytes) -> Journalled:
        """The row. Raises ``msgspec.ValidationError`` for one that is unknown."""
        row = ROW_FROM_BYTES.decode(data)
        kind = row.row.__struct_config__.tag
        if kind in self._kinds:
            raise msgspec.ValidationError(f"Invalid value '{kind}'")
        return row


@contextmanager
def before(*kinds: str) -> Iterator[None]:
    """As long as this lasts, whoever receives rows of these kinds is of a version that does not know them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (federation.core.ledger, federation.node.journal, federation.node.ledger_store):
            patch.setattr(module, "ROW_FROM_BYTES", OlderDecoder(kinds))
        yield
