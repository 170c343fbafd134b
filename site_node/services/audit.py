"""Who looks at a customer's data, on record before anybody asks (I10), and who may see it unmasked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import ContactId, NodeId
from dataset.rows import DataViewed, Viewed
from federation.node.login import Actor
from federation.ports import Journal
from site_node.services.city import City, agent_of

OVERSEERS = frozenset({"supervisor", "site_admin"})
"""may see anybody's data unmasked, with a reason"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What somebody wants to see: the part of an audit row that is about it."""

    operation: str
    what: Viewed
    id: str
    customers: tuple[str, ...] = ()
    line: str = ""
    unmasked: bool = False
    reason: str = ""
    during: ContactId | None = None
    """the contact at a seat of another city; that of an own seat is found"""


class AuditTrail:
    """Writes audit rows of a city; they go to its ``hubs`` like all rows of record."""

    def __init__(self, city: City, journal: Journal, hubs: Sequence[NodeId]) -> None:
        self._city = city
        self._journal = journal
        self._hubs = tuple(hubs)

    def shown(self, actor: Actor, look: Look) -> Deferred[None]:
        """It is shown. Fires once that is on disk: whoever shows unmasked data waits for it (J1); never errbacks."""
        synced: Deferred[None] = Deferred()
        self._journal.append([(self._row(actor, look), self._hubs)], lambda: synced.callback(None))
        return synced

    def refused(self, actor: Actor, look: Look, refused: Refused) -> None:
        """It was not shown. What could not be understood, or not be read from disk, was no look."""
        slug = refused.problems[0].slug
        if slug != "bad-request" and refused.status < 500:
            self._journal.append([(self._row(actor, look, slug), self._hubs)], lambda: None)

    def contact_of(self, actor: Actor) -> ContactId | None:
        """The contact at the own seat."""
        view = self._city.seat_view(actor.agent) if actor.agent is not None else None
        return view.calls[0].contact if view is not None and view.calls else None

    def _row(self, actor: Actor, look: Look, slug: str = "") -> DataViewed:
        return DataViewed(
            agent=agent_of(self._city, actor),
            roles=tuple(sorted(actor.roles)),
            city=actor.node,
            operation=look.operation,
            what=look.what,
            id=look.id,
            customers=look.customers,
            line=look.line,
            during=look.during or self.contact_of(actor),
            unmasked=look.unmasked,
            reason=look.reason,
            refused=slug,
        )


def check_unmask(actor: Actor, reason: str, *, own: bool) -> None:
    """Whether ``actor`` may see something unmasked. ``own``: it is of the customer whose identity was checked in the
    contact at the own seat, or a work item that the actor has in hand.

    Raises ``Refused``: 403 ``unmask-auditor``, ``unmask-not-yours``; 400 ``reason-missing``.
    """
    if "auditor" in actor.roles:
        raise Refused(
            Problem(
                "unmask-auditor",
                zh="审计员查看谁看过什么，不查看资料本身",
                en="an auditor sees who has looked at what, not the data itself",
                place="unmask",
            ),
            status=403,
        )
    if not own and not actor.roles & OVERSEERS:
        raise Refused(
            Problem(
                "unmask-not-yours",
                zh="只能查看当前接触中已核对身份的客户，或指派给您的工单；其他请由班长查看",
                en="only of the customer whose identity was checked in the contact at your seat, or of a work item"
                " assigned to you; otherwise ask a supervisor",
                place="unmask",
            ),
            status=403,
        )
    if not reason.strip():
        raise Refused(
            Problem(
                "reason-missing",
                zh="请写明为什么要看完整资料，它会记录在案",
                en="say why it is needed in full; the reason goes on record",
                place="reason",
            )
        )
