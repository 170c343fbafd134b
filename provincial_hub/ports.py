"""What this program needs of its edges, besides ``federation.ports``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from dataset.ids import CityId, ContactId
from dataset.rows import Journalled
from federation.core.envelope import Envelope, LedgerHello, LedgerRows


class Ledger(Protocol):
    """Rows of record of all cities, applied gaplessly and once (I3)."""

    def heard(self, envelope: Envelope, message: LedgerHello | LedgerRows) -> None:
        """Take in a ledger message; answers go out over the link after the ledger's own commit (S1)."""

    def on_rows(self, hear: Callable[[Sequence[Journalled]], None]) -> None:
        """Call ``hear`` with rows after their commit, each once, in order per lineage."""

    def rows_since(self, wall: float) -> Deferred[list[Journalled]]:
        """All rows with that wall time or later, in order of wall time; for the folds at start."""

    def rows_of(self, contact: ContactId) -> Deferred[list[Journalled]]:
        """All rows about ``contact``, whoever wrote them, in order of wall time."""

    def unknown_rows(self, city: CityId) -> int:
        """Rows of ``city`` that are parked or forgotten by their sender, which totals must name (S2, J5)."""

    def stop(self) -> Deferred[None]:
        """Finish what is being written and close."""
