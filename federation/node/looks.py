"""Who looks at a customer's data, on record with the node that shows it (I10)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import AgentId, CityId, ContactId, NodeId
from dataset.rows import CheckMade, DataViewed, Viewed
from federation.node.login import Actor
from federation.ports import Clock, Journal

SAME_LIST_S = 600.0
"""a list that is asked for again within this time and shows the same is the same look: pages renew theirs themselves"""
LISTS_KEPT = 2_000
"""lists of which it is remembered that they are on record"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What somebody wants to see: the part of an audit row that is about it."""

    operation: str
    what: Viewed
    id: str
    customers: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    """ids of what a list shows"""
    line: str = ""
    unmasked: bool = False
    reason: str = ""
    during: ContactId | None = None
    """the contact at the seat of whoever looks"""
    asked: tuple[CityId, ...] = ()
    """other cities that were asked as well"""
    checks: tuple[CheckMade, ...] = ()
    """checks of identity of other cities that hold for the contact ``during``"""


class Looks:
    """Writes the audit rows of a node; they go to ``hubs`` like all rows of record, and those of the own seats during
    a contact whose identity another city has checked to that city as well.
    """

    def __init__(self, journal: Journal, hubs: Sequence[NodeId], clock: Clock) -> None:
        self._journal = journal
        self._hubs = tuple(hubs)
        self._clock = clock
        self._lists: OrderedDict[tuple[AgentId, str], tuple[Look, float]] = OrderedDict()

    def shown(self, actor: Actor, look: Look) -> Deferred[None]:
        """It is shown. Fires once that is on disk: whoever shows unmasked data waits for it (J1); never errbacks."""
        synced: Deferred[None] = Deferred()
        self._journal.append([(row_of(actor, look), self._for(actor, look))], lambda: synced.callback(None))
        return synced

    def listed(self, actor: Actor, look: Look) -> None:
        """A list is shown, masked. One that the same page has shown just now is on record already."""
        which, now = (name_of(actor), look.operation), self._clock.monotonic()
        before = self._lists.pop(which, None)
        if before is not None and before[0] == look and now - before[1] < SAME_LIST_S:
            self._lists[which] = before
            return
        self._lists[which] = look, now
        while len(self._lists) > LISTS_KEPT:
            self._lists.popitem(last=False)
        self.shown(actor, look)

    def refused(self, actor: Actor, look: Look, refused: Refused) -> None:
        """It was not shown. What could not be understood, or not be read from disk, was no look."""
        slug = refused.problems[0].slug
        if slug != "bad-request" and refused.status < 500:
            self._journal.append([(row_of(actor, look, slug), self._for(actor, look))], lambda: None)

    def _for(self, actor: Actor, look: Look) -> tuple[NodeId, ...]:
        if actor.node != self._journal.node:
            return self._hubs
        checkers = {NodeId(one.city) for one in look.checks} - {self._journal.node}
        return (*self._hubs, *sorted(checkers))


def name_of(actor: Actor) -> AgentId:
    """Whom ``actor`` is on record as, at a seat or not."""
    return actor.agent if actor.agent is not None else AgentId(f"{actor.user}@{actor.node}")


def row_of(actor: Actor, look: Look, slug: str = "") -> DataViewed:
    """The row that says so. ``slug``: of a refusal."""
    return DataViewed(
        agent=name_of(actor),
        roles=tuple(sorted(actor.roles)),
        city=actor.node,
        operation=look.operation,
        what=look.what,
        id=look.id,
        customers=look.customers,
        listed=look.listed,
        line=look.line,
        during=look.during,
        unmasked=look.unmasked,
        reason=look.reason,
        refused=slug,
        asked=look.asked,
        checks=look.checks or msgspec.UNSET,
    )
