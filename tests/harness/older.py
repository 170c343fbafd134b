"""A node of the version before some kinds of rows or steps: it cannot read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest

import federation.core.ledger
import federation.node.journal
import federation.node.ledger_store
from dataset.rows import ROW_FROM_BYTES, Journalled


class OlderDecoder:
    """Reads rows as a version does that knows nothing in whose bytes one of ``marks`` stands."""

    def __init__(self, marks: Sequence[str]) -> None:
        self._marks = [mark.encode() for mark in marks]

    def decode(self, data: bytes) -> Journalled:
        """The row. Raises ``msgspec.ValidationError`` for one that is unknown."""
        if any(mark in data for mark in self._marks):
            raise msgspec.ValidationError("Invalid value - at `$.row`")
        return ROW_FROM_BYTES.decode(data)


@contextmanager
def before(*marks: str) -> Iterator[None]:
    """As long as this lasts, whoever receives rows with one of these in their bytes is of a version that does not know
    them.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (federation.core.ledger, federation.node.journal, federation.node.ledger_store):
            patch.setattr(module, "ROW_FROM_BYTES", OlderDecoder(marks))
        yield
