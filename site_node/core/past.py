"""Contacts and segments that are over, as records for whoever answers the customer next; made of the city's own rows.

Pure. The rows stay the truth; each record has its contact's id for a key, so that making it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dataset.ids import ContactId, CustomerId
from dataset.records.contact import IdentityOnRecord, PastContact, PastSegment
from dataset.rows import (
    ContactBorn,
    ContactEnded,
    IdentityChecked,
    Journalled,
    MenuChosen,
    SegmentClosed,
    SegmentOpened,
    WorkRequested,
    WorkStepped,
)
from dataset.work import Opened, WorkItemId


@dataclass(slots=True)
class _Contact:
    """What is known of a contact that goes on."""

    born: ContactBorn | None = None
    began_at: float = 0.0
    service: str = ""
    segments: int = 0
    items: list[WorkItemId] = field(default_factory=list)
    identity: list[IdentityOnRecord] = field(default_factory=list)


class Past:
    """Follows rows in their order, and gives what is over with each."""

    def __init__(self) -> None:
        self._contacts: dict[ContactId, _Contact] = {}
        self._segments: dict[tuple[ContactId, int], tuple[SegmentOpened, float]] = {}

    def after(self, row: Journalled) -> PastContact | PastSegment | None:
        """What is over with ``row``, if anything is."""
        match row.row:
            case ContactBorn() as born:
                self._contacts[born.contact] = _Contact(born, row.wall)
            case MenuChosen(contact=contact, service=service) if contact in self._contacts:
                self._contacts[contact].service = service
            case IdentityChecked(contact=contact) as checked if contact in self._contacts:
                at = checked.at if checked.at is not None else row.wall
                found = IdentityOnRecord(how=checked.how, line=checked.line, at=at, agent=checked.agent)
                if found not in self._contacts[contact].identity:  # a check that is handed on has a second row
                    self._contacts[contact].identity.append(found)
            case SegmentOpened() as opened:
                self._segments[opened.contact, opened.n] = opened, row.wall
                if opened.contact in self._contacts:
                    self._contacts[opened.contact].segments += 1
            case WorkRequested(item=item, step=Opened() as step) | WorkStepped(item=item, step=Opened() as step):
                known = self._contacts.get(step.by.contact) if step.by.contact is not None else None
                if known is not None and item not in known.items:
                    known.items.append(item)
            case SegmentClosed() as closed:
                return self._segment(closed, row.wall)
            case ContactEnded() as ended:
                return self._contact(ended, row.wall)
            case _:
                pass
        return None

    def _contact(self, ended: ContactEnded, wall: float) -> PastContact | None:
        known = self._contacts.pop(ended.contact, None)
        if known is None or known.born is None:
            return None  # its birth is on no row that is kept
        born, about = known.born, known.born.call_back
        items = known.items if about is None else [about.item, *known.items]
        return PastContact(
            contact=ended.contact,
            city=ended.city,
            channel=born.channel,
            door=born.door,
            calling=born.calling,
            began_at=known.began_at,
            ended_at=max(wall, known.began_at),
            ending=ended.ending,
            service=ended.service or known.service,
            package=born.package,
            segments=max(known.segments, ended.answers),
            waited_s=ended.waited_s,
            talked_s=ended.talked_s,
            customer=CustomerId(about.customer) if about is not None and about.customer else None,
            customer_city=about.owning if about is not None and about.customer else None,
            line=about.line if about is not None else "",
            work_items=tuple(items),
            identity=tuple(known.identity),
        )

    def _segment(self, closed: SegmentClosed, wall: float) -> PastSegment | None:
        known = self._segments.pop((closed.contact, closed.n), None)
        if known is None:
            return None
        opened, began_at = known
        return PastSegment(
            contact=closed.contact,
            n=closed.n,
            site=closed.site,
            agent=closed.agent,
            agent_name=opened.name,
            skill=opened.skill,
            service=opened.service,
            began_at=began_at,
            ended_at=max(wall, began_at),
            talked_s=closed.talked_s,
            held_s=closed.held_s,
            wrap_up_s=closed.wrap_up_s,
            disposition=closed.disposition,
            notes=closed.notes,
        )


def all_after(past: Past, rows: Iterable[Journalled]) -> list[PastContact | PastSegment]:
    """What is over with ``rows``, in order."""
    return [found for row in rows if (found := past.after(row)) is not None]
