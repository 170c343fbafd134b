"""What the rows say about each contact: its way, where it is now, how it ended.

A fold of rows of record, and nothing else: every city's rows come in order, but the cities' among each other in any,
so each row writes what it alone knows, and the state is read off the whole.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dataset.ids import AgentId, CityId, ContactId, LineageId, SkillId
from dataset.lineages import Lineages
from dataset.rows import (
    VOICE_OUT,
    AttemptAnswered,
    AttemptOpened,
    AttemptWithdrawn,
    ContactBorn,
    ContactEnded,
    Ending,
    Journalled,
    MenuChosen,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentOpened,
    SegmentVoided,
)
from dataset.standing import LostSites
from federation.core.joins import STRENGTH

ENDED_KEPT = 20_000
"""contacts kept here after their ending; older ones are read from the ledger when asked for"""

NO_CITY, NO_SKILL, NO_LINEAGE = CityId(""), SkillId(""), LineageId("")


@dataclass(slots=True)
class AttemptSeen:
    """One attempt, as its anchor's rows and its serving site's segment tell it."""

    n: int
    scope: str = ""
    site: CityId | None = None
    agent: AgentId | None = None
    outcome: str = ""
    """empty while open; ``answered``, or why it was withdrawn"""
    answered_at: float | None = None
    """wall time of the commit at the anchor"""
    waited_s: float = 0.0
    segment: str = ""
    """empty, ``open``, ``voided`` or ``closed``, as the serving site says"""
    talked_s: float | None = None
    """as the serving site measured it"""


@dataclass(slots=True)
class ContactSeen:
    """One contact."""

    contact: ContactId
    city: CityId = NO_CITY
    channel: str = "voice"
    door: str = ""
    calling: str = ""
    package: str = ""
    born: float | None = None
    path: tuple[str, ...] = ()
    service: str = ""
    skill: SkillId = NO_SKILL
    attempts: dict[int, AttemptSeen] = field(default_factory=dict)
    places: int = 0
    """queue places entered and not left"""
    queued_s: float = 0.0
    """waiting on record so far, over all places"""
    waits_since: tuple[float, float] | None = None
    """waiting brought into the open place, and the reader's monotonic time when its row came"""
    ended: ContactEnded | None = None
    ended_by: tuple[str, LineageId, int] = ("", NO_LINEAGE, 0)
    """node, lineage and sequence of that row"""
    runs: set[LineageId] = field(default_factory=set)
    """lineages in which its anchor wrote about it"""
    lost: bool = False
    """E3: a later run of its anchor does not list it, or its city is declared lost; any ending on record takes this
    back, and the city's return too"""

    @property
    def answer(self) -> AttemptSeen | None:
        """The last answer: the highest attempt answered (O6)."""
        answered = [one for one in self.attempts.values() if one.outcome == "answered"]
        return max(answered, key=lambda one: one.n, default=None)

    @property
    def state(self) -> str:
        """``menu``, ``waiting``, ``transferring``, ``talking`` or ``ended``."""
        if self.ended is not None or self.lost:
            return "ended"
        if self.places > 0:
            return "waiting"
        if self.channel == VOICE_OUT:
            return "talking"
        answer = self.answer
        if answer is None:
            return "menu"
        trying = any(one.n > answer.n and not one.outcome for one in self.attempts.values())
        return "transferring" if trying else "talking"

    @property
    def serving(self) -> CityId | None:
        """The city of the last answer, while the contact is with it."""
        answer = self.answer
        return answer.site if answer is not None and self.state in ("talking", "transferring", "ended") else None

    @property
    def route(self) -> tuple[CityId, ...]:
        """The anchor, then each city that answered, in order."""
        route = [self.city]
        for _, one in sorted(self.attempts.items()):
            if one.outcome == "answered" and one.site is not None and one.site != route[-1]:
                route.append(one.site)
        return tuple(route)

    def waited_s(self, now: float) -> float:
        """To the first answer, or until now: as the anchor measured it, counted on here while the contact waits."""
        answered = [one for _, one in sorted(self.attempts.items()) if one.outcome == "answered"]
        if answered:
            return answered[0].waited_s
        if self.ended is not None:
            return self.ended.waited_s
        if self.places > 0 and self.waits_since is not None:
            brought_s, heard_at = self.waits_since
            return brought_s + max(0.0, now - heard_at)
        return self.queued_s

    @property
    def ending(self) -> str | None:
        """Its one ending; None while it lives. One lost with its journal counts as failed (E3)."""
        if self.ended is not None:
            return self.ended.ending
        return Ending.FAILED if self.lost else None

    @property
    def talked_s(self) -> float | None:
        """By the anchor's ending; None before it."""
        return self.ended.talked_s if self.ended is not None else None


class ContactFold:
    """All live contacts and the latest ended ones."""

    def __init__(self, *, ended_kept: int = ENDED_KEPT) -> None:
        self._kept = ended_kept
        self._contacts: dict[ContactId, ContactSeen] = {}
        self._ended: OrderedDict[ContactId, None] = OrderedDict()
        self._live: dict[ContactId, None] = {}
        self._lineages = Lineages()
        self._lost = LostSites()
        self._by_kind: dict[type, Callable[[Journalled, float], None]] = {
            ContactBorn: self._born,
            MenuChosen: self._menu,
            QueueEntered: self._entered,
            QueueLeft: self._left,
            AttemptOpened: self._opened,
            AttemptAnswered: self._answered,
            AttemptWithdrawn: self._withdrawn,
            SegmentOpened: self._segment_opened,
            SegmentVoided: self._segment_voided,
            SegmentClosed: self._segment_closed,
            ContactEnded: self._contact_ended,
        }

    def apply(self, journalled: Journalled, *, now: float) -> ContactSeen | None:
        """Take in one row; the contact that it changed. ``now``: the reader's monotonic time, for screens only."""
        if self._lineages.add(journalled):
            for contact in [one for one in self._live if self._contacts[one].city == journalled.node]:
                self._look_for_loss(self._contacts[contact])
            return None
        take_in = self._by_kind.get(type(journalled.row))
        if take_in is None:
            if self._lost.add(journalled):
                for one in [one for one in self._contacts.values() if one.ended is None]:
                    self._look_for_loss(one)
            return None
        take_in(journalled, now)
        known = self._contacts.get(ContactId(getattr(journalled.row, "contact", "")))
        if known is not None and known.city == journalled.node and journalled.lineage not in known.runs:
            known.runs.add(journalled.lineage)
            self._look_for_loss(known)  # it may be a late row of a lineage that was closed (J4), or an adoption (O6)
        return known

    def get(self, contact: ContactId) -> ContactSeen | None:
        """The contact, if it is live or ended lately."""
        return self._contacts.get(contact)

    def live(self) -> Iterator[ContactSeen]:
        """Contacts that are born and not ended."""
        return (self._contacts[contact] for contact in self._live)

    def latest(self, limit: int, city: CityId | None = None) -> list[ContactSeen]:
        """The last born first; with ``city`` those that it anchored or answered."""
        found: list[ContactSeen] = []
        for contact in reversed(self._contacts.values()):
            if contact.born is not None and (city is None or city in contact.route):
                found.append(contact)
                if len(found) == limit:
                    break
        return found

    def _look_for_loss(self, known: ContactSeen) -> None:
        """E3: a later run of its anchor that does not list the contact has lost it with the journal of the run before;
        so has a city that is declared lost. Any ending on record is better.
        """
        known.lost = (
            known.born is not None
            and known.ended is None
            and (
                known.city in self._lost.cities()
                or self._lineages.lost_at(known.city, known.contact, known.runs) is not None
            )
        )
        if known.lost:
            self._gone(known.contact)
        elif known.born is not None and known.ended is None:
            self._live[known.contact] = None
            self._ended.pop(known.contact, None)

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _of(self, contact: ContactId) -> ContactSeen:
        known = self._contacts.get(contact)
        if known is None:
            known = self._contacts[contact] = ContactSeen(contact)
            self._gone(contact)  # nothing is known of its life; a birth may still come
        return known

    def _attempt(self, contact: ContactId, n: int) -> AttemptSeen:
        attempts = self._of(contact).attempts
        known = attempts.get(n)
        if known is None:
            known = attempts[n] = AttemptSeen(n)
        return known

    def _born(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, ContactBorn)
        known = self._contacts.pop(row.contact, None) or ContactSeen(row.contact)
        self._contacts[row.contact] = known  # last in the order of births
        known.city, known.channel, known.door, known.calling = row.city, row.channel, row.door, row.calling
        known.package, known.born = row.package, journalled.wall
        if known.ended is None:
            self._live[row.contact] = None
            self._ended.pop(row.contact, None)

    def _menu(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, MenuChosen)
        known = self._of(row.contact)
        known.path, known.service, known.skill = row.path, row.service, row.skill

    def _entered(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, QueueEntered)
        known = self._of(row.contact)
        known.places += 1
        known.waits_since = (row.waited_s, now)
        known.service, known.skill = row.service, row.skill

    def _left(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, QueueLeft)
        known = self._of(row.contact)
        known.places -= 1
        known.queued_s += row.waited_s

    def _opened(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, AttemptOpened)
        self._attempt(row.contact, row.n).scope = row.scope

    def _answered(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, AttemptAnswered)
        one = self._attempt(row.contact, row.n)
        one.site, one.agent, one.outcome = row.site, row.agent, "answered"
        one.answered_at, one.waited_s = journalled.wall, row.waited_s

    def _withdrawn(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, AttemptWithdrawn)
        one = self._attempt(row.contact, row.n)
        if one.outcome != "answered":  # were there both, somebody spoke
            one.outcome, one.site, one.agent = row.reason, row.site or one.site, row.agent or one.agent

    def _segment_opened(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, SegmentOpened)
        one = self._attempt(row.contact, row.n)
        one.segment = one.segment or "open"

    def _segment_voided(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, SegmentVoided)
        self._attempt(row.contact, row.n).segment = "voided"

    def _segment_closed(self, journalled: Journalled, now: float) -> None:
        row = journalled.row
        assert isinstance(row, SegmentClosed)
        one = self._attempt(row.contact, row.n)
        one.segment, one.talked_s = "closed", row.talked_s

    def _contact_ended(self, journalled: Journalled, now: float) -> None:
        """E1, as ``federation.core.joins`` has it: evidence, ownership epoch, order of lineages, sequence."""
        row = journalled.row
        assert isinstance(row, ContactEnded)
        known = self._of(row.contact)
        by = (journalled.node, journalled.lineage, journalled.sequence)
        if known.ended is not None and self._rank(row, by) < self._rank(known.ended, known.ended_by):
            return
        known.ended, known.ended_by = row, by
        known.city, known.lost = known.city or row.city, False
        self._gone(row.contact)

    def _gone(self, contact: ContactId) -> None:
        self._live.pop(contact, None)
        self._ended[contact] = None
        self._ended.move_to_end(contact)
        while len(self._ended) > self._kept:
            oldest, _ = self._ended.popitem(last=False)
            del self._contacts[oldest]

    def _rank(self, row: ContactEnded, by: tuple[str, LineageId, int]) -> tuple[int, int, int, LineageId, int]:
        node, lineage, sequence = by
        return STRENGTH[row.evidence], row.epoch, self._lineages.rank(node, lineage), lineage, sequence
