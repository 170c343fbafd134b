"""Who looks at a customer's data, on record before anybody asks (I10), and who may see it unmasked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred

from dataset.errors import Problem, Refused
from dataset.ids import ContactId
from federation.node.login import Actor
from federation.node.looks import Look, Looks
from site_node.services.city import City
from site_node.services.identity import IdentityChecks

OVERSEERS = frozenset({"supervisor", "site_admin"})
"""may see anybody's data unmasked, with a reason"""


@dataclass(frozen=True, slots=True)
class AtSeat:
    """What happens at the seat of whoever looks; another city vouches for it where the seat is there."""

    during: ContactId | None
    checked: frozenset[str]
    """lines of which the caller has shown to be the customer"""


class AuditTrail:
    """Looks at the data of a city's customers, each with the contact at the seat of whoever looks."""

    def __init__(self, city: City, looks: Looks, identity: IdentityChecks) -> None:
        self._city = city
        self._looks = looks
        self._identity = identity

    def shown(self, actor: Actor, look: Look) -> Deferred[None]:
        """See ``Looks``."""
        return self._looks.shown(actor, self._during(actor, look))

    def listed(self, actor: Actor, look: Look) -> None:
        """See ``Looks``."""
        self._looks.listed(actor, self._during(actor, look))

    def refused(self, actor: Actor, look: Look, refused: Refused) -> None:
        """See ``Looks``."""
        self._looks.refused(actor, self._during(actor, look), refused)

    def contact_of(self, actor: Actor) -> ContactId | None:
        """The contact at the own seat."""
        view = self._city.seat_view(actor.agent) if actor.agent is not None else None
        return view.calls[0].contact if view is not None and view.calls else None

    def _during(self, actor: Actor, look: Look) -> Look:
        during = look.during or self.contact_of(actor)
        checks = self._identity.made_elsewhere(during, than=actor.node) if during is not None else ()
        return replace(look, during=during, checks=checks)


def check_unmask(actor: Actor, reason: str, *, own: bool) -> None:
    """Whether ``actor`` may see something unmasked. ``own``: it is of the customer whose identity was checked in the
    contact at the own seat, or a work item that the actor has in hand.

    Raises ``Refused``: as ``check_whose``; 400 ``reason-missing``.
    """
    check_whose(actor, own=own)
    if not reason.strip():
        raise Refused(
            Problem(
                "reason-missing",
                zh="请写明为什么要看完整资料，它会记录在案",
                en="say why it is needed in full; the reason goes on record",
                place="reason",
            )
        )


def check_whose(actor: Actor, *, own: bool) -> None:
    """Whether the record is one that ``actor`` may see more of than is masked, whatever the reason.

    Raises ``Refused``: 403 ``unmask-auditor``, ``unmask-not-yours``.
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
