"""Whether this hub leads (B2): what the lock says, what its own clock says of that, and what others have heard.

A hub leads while it holds the lock and while the time is not up for which nobody else can have got it: a hub that
cannot renew stops by its own clock, and one that was paused looks at that clock before it says anything. Whoever hears
of a higher term leads no more, whatever the lock says.

Nothing here reads a clock: callers pass ``now``, seconds on their own monotonic clock.
"""

from __future__ import annotations

from enum import StrEnum

from dataset.ids import NodeId
from federation.core.leader import HubsInSight, Tenure


class Turn(StrEnum):
    """What became of a hub."""

    PROMOTED = "promoted"
    DEMOTED = "demoted"


class Leading:
    """One hub's standing among the others."""

    def __init__(self, node: NodeId, *, silent_after_s: float) -> None:
        self._node = node
        self._others = HubsInSight(silent_after_s)
        self._tenure: Tenure | None = None
        self._own_term = 0
        self.term = 0
        """the highest known; its own while it leads"""
        self._rival = False
        """another hub, first by name, leads under our own term: somebody switched by hand and forgot the term"""
        self._was: int | None = None
        """the term under which it led when last looked; None = it did not"""

    def lock_says(self, tenure: Tenure | None) -> None:
        """The lock was got, renewed (the same term), or lost (None)."""
        if tenure is None or tenure.term != self._own_term:
            self._rival = False
        self._tenure = tenure
        if tenure is not None:
            self._own_term = max(self._own_term, tenure.term)
            self.term = max(self.term, tenure.term)

    def heard(self, hub: NodeId, term: int, *, leads: bool, now: float) -> None:
        """A beat of another hub."""
        self._others.heard(hub, term, leads=leads, now=now)
        self.term = max(self.term, term)
        if leads and self._tenure is not None and term == self._tenure.term and hub < self._node:
            self._rival = True

    def heard_term(self, term: int) -> None:
        """A city knows of ``term``: so a lock that forgot its terms does not give an old one out for long."""
        self._others.heard_term(term)
        self.term = max(self.term, term)

    @property
    def overruled(self) -> bool:
        """It holds the lock, but another led under a higher term: it has to give the lock back for a new one."""
        return self._tenure is not None and (self._rival or self._tenure.term < self._others.term)

    def leads(self, now: float) -> bool:
        """Whether it may say anything as the hub that leads."""
        return self._tenure is not None and now < self._tenure.until and not self.overruled

    def leader(self, now: float) -> NodeId | None:
        """The hub that leads, as far as is known here."""
        return self._node if self.leads(now) else self._others.leader(now)

    def look(self, now: float) -> Turn | None:
        """What has become of it since the last look; to be asked before anything is said as the hub that leads."""
        term = self._tenure.term if self._tenure is not None and self.leads(now) else None
        was, self._was = self._was, term
        if term == was:
            return None
        return Turn.DEMOTED if term is None else Turn.PROMOTED
