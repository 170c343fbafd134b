"""After a restart, or when the switch comes back: journal and switch are compared, and the switch is the evidence.

Federation.md O6: for each contact the highest answered attempt with a live leg is the current one, other legs are hung
up, and open attempts without an answer on record are withdrawn. A slot stays ungrantable until its switch has shown
its channels (A5). What is gone is ended as inferred (E2); what nobody knows is an orphan and hung up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from dataset import rows
from dataset.ids import AttemptId, ConnectionId, ContactId, SkillId
from dataset.rows import AnyRow, Evidence, Journalled, Withdrawn
from federation.core.attempt import Attempt, AttemptState
from federation.core.envelope import Context
from federation.core.lease import Lease, LeaseState
from site_node.core.agent import AgentSession, Presence
from site_node.core.anchor import Anchor
from site_node.core.contact import Contact, ContactState, MenuPlace
from site_node.core.contacts import Contacts
from site_node.core.names import outbound_connection, seat_connection
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.step import Step
from site_node.core.telephony import Cause, Clear, HeldConnection, Join, Music, Offered, Role


@dataclass(slots=True)
class _Past:
    """What the journal says about one contact, row by row."""

    born: rows.ContactBorn | None = None
    born_wall: float = 0.0
    chosen: rows.MenuChosen | None = None
    skill: SkillId = SkillId("")  # noqa: RUF009  # a NewType call is the string itself
    entered_wall: float | None = None
    place_wall: float | None = None
    attempts: int = 0
    open: dict[int, rows.AttemptOpened] = field(default_factory=dict)
    answered: rows.AttemptAnswered | None = None
    answered_wall: float = 0.0
    answers: int = 0
    talking: bool = False
    segments: dict[int, tuple[rows.SegmentOpened, float]] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    awaiting: set[int] = field(default_factory=set)
    """segments closed here before their outcome came"""
    ended_wall: float | None = None
    """its ending is on record; a segment may still be in wrap-up"""

    def add(self, row: AnyRow, wall: float) -> None:
        """Take one more row into account."""
        match row:
            case rows.ContactBorn():
                self.born, self.born_wall = row, wall
            case rows.MenuChosen():
                self.chosen, self.skill = row, row.skill
            case rows.QueueEntered():
                self.skill, self.place_wall, self.talking = row.skill, wall, False
                self.entered_wall = self.entered_wall if self.entered_wall is not None else wall
            case rows.AttemptOpened():
                self.open[row.n] = row
                self.attempts = max(self.attempts, row.n)
            case rows.AttemptWithdrawn():
                self.open.pop(row.n, None)
            case rows.AttemptAnswered():
                self.open.pop(row.n, None)
                self.answered, self.answered_wall, self.talking = row, wall, True
                self.answers += 1
            case rows.ContactEnded():
                self.ended_wall = wall
            case rows.SegmentOpened():
                self.segments[row.n] = (row, wall)
            case rows.SegmentConfirmed():
                self.confirmed.add(row.n)
                self.awaiting.discard(row.n)
            case rows.SegmentClosed():
                opened, _ = self.segments.pop(row.n, (None, 0.0))
                if opened is not None and opened.received and row.n not in self.confirmed:
                    self.awaiting.add(row.n)
            case rows.SegmentVoided():
                self.segments.pop(row.n, None)
                self.awaiting.discard(row.n)
            case _:
                pass


class Adoption:
    """Brings a city back to what its journal and its switch hold."""

    def __init__(
        self,
        rules: Rules,
        step: Step,
        contacts: Contacts,
        anchor: Anchor,
        routing: Routing,
        serving: Serving,
        sessions: Sessions,
    ) -> None:
        self._rules = rules
        self._step = step
        self._contacts = contacts
        self._anchor = anchor
        self._routing = routing
        self._serving = serving
        self._sessions = sessions
        self._interrupted: list[ContactId] = []
        """rebuilt contacts that were not in talk: they go on once their switch shows them"""

    # ── from the journal ────────────────────────────────────────────────────────────────────────────────────────
    def rebuild(self, journal: list[Journalled], wall: float) -> None:
        """Rebuild live contacts and open segments; durations go on by wall time, the only clock both runs share."""
        past: dict[ContactId, _Past] = {}
        for entry in journal:
            row = entry.row
            contact = getattr(row, "contact", None)
            if contact is not None:
                past.setdefault(contact, _Past()).add(row, entry.wall)
        shift = self._step.now - wall
        for which, found in past.items():
            if found.ended_wall is None and found.born is not None and found.born.city == self._rules.city:
                self._rebuild_contact(which, found, found.born, shift)
            for segment, opened in found.segments.values():
                if found.ended_wall is not None:
                    self._close_wrap_up(segment, found.ended_wall - opened)
                    continue
                self._rebuild_segment(segment, opened + shift, segment.n in found.confirmed)
            for n in sorted(found.awaiting):
                self._serving.await_outcome(AttemptId(which, n))

    def _rebuild_contact(self, which: ContactId, past: _Past, born: rows.ContactBorn, shift: float) -> None:
        for n, opened in past.open.items():
            self._step.write(rows.AttemptWithdrawn(contact=which, n=n, reason=Withdrawn.RESTART))
            attempt = AttemptId(which, n)
            self._contacts.add_leg(outbound_connection(attempt), which)
            if opened.scope != "home":
                self._step.ask(Clear(outbound_connection(attempt), Cause.CANCELLED))
        current = None
        if past.talking and past.answered is not None:
            current = self._answered_attempt(past.answered)
        state = ContactState.TALKING if current else ContactState.WAITING if past.chosen else ContactState.MENU
        waiting_since = past.entered_wall + shift if past.entered_wall is not None else None
        last = past.answered
        self._contacts.keep(
            Contact(
                id=which,
                connection=ConnectionId(born.connection),
                calling=born.calling,
                door=born.door,
                package=born.package,
                born=past.born_wall + shift,
                state=state,
                menu=MenuPlace("", past.chosen.path) if past.chosen else None,
                service=past.chosen.service if past.chosen else "",
                skill=past.skill,
                priority=past.chosen.priority if past.chosen else 0,
                attempts=past.attempts,
                current=current,
                waiting_since=waiting_since,
                place_since=past.place_wall + shift if past.place_wall is not None else None,
                first_wait_s=last.waited_s if last else None,
                answers=past.answers,
                answered_at=past.answered_wall + shift if current else None,
                last_site=last.site if last else None,
                last_agent=last.agent if last else None,
                handled_by=(last.agent,) if last else (),
            )
        )
        self._contacts.add_leg(ConnectionId(born.connection), which)
        if current is not None and current.connection is not None and not current.home:
            self._contacts.add_leg(current.connection, which)
        if current is None:
            self._interrupted.append(which)

    def _answered_attempt(self, row: rows.AttemptAnswered) -> Attempt:
        home = row.site == self._rules.city
        attempt = AttemptId(row.contact, row.n)
        return Attempt(
            n=row.n,
            state=AttemptState.ANSWERED,
            site=row.site,
            agent=row.agent,
            token=row.token,
            connection=seat_connection(attempt) if home else outbound_connection(attempt),
            home=home,
        )

    def _close_wrap_up(self, segment: rows.SegmentOpened, talked_s: float) -> None:
        """The contact had ended and the agent was writing up: what was written is lost, the segment is not."""
        self._step.write(
            rows.SegmentClosed(
                contact=segment.contact,
                n=segment.n,
                site=segment.site,
                agent=segment.agent,
                talked_s=round(max(talked_s, 0.0), 3),
                held_s=0.0,
                wrap_up_s=0.0,
                disposition="",
                notes="",
                ended_by="restart",
            )
        )

    def _rebuild_segment(self, segment: rows.SegmentOpened, answered_at: float, confirmed: bool) -> None:
        """An answered segment that is still open: lease and session, unverified until the switch shows the seat."""
        attempt = AttemptId(segment.contact, segment.n)
        contact = self._contacts.get(segment.contact)
        home = segment.anchor == self._rules.city
        lease = Lease(
            token=segment.token,
            attempt=attempt,
            anchor=segment.anchor,
            agent=segment.agent,
            context=Context(
                calling=contact.calling if contact else "",
                door=contact.door if contact else "",
                path=contact.menu.path if contact and contact.menu else (),
                service=segment.service,
                skill=segment.skill,
                channel=segment.channel,
                priority=0,
                package=contact.package if contact else "",
                waited_s=0.0,
            ),
            state=LeaseState.TALKING,
            seat=seat_connection(attempt),
            partner=contact.connection if home and contact else None,
            answered_at=answered_at,
            confirmed=confirmed,
        )
        self._sessions.restore(
            AgentSession(
                agent=segment.agent,
                name=segment.name or segment.agent,
                seat=segment.seat,
                skills=(segment.skill,),
                can_answer=False,
                presence=Presence.TALKING,
                reason="",
                since=answered_at,
                lease=segment.token,
                verified=False,
            )
        )
        self._serving.restore(lease)

    # ── from the switch ─────────────────────────────────────────────────────────────────────────────────────────
    def reconcile(self, shown: tuple[HeldConnection, ...]) -> None:
        """The switch shows all that it holds: what it does not show is gone, what only it knows is an orphan."""
        there = {held.connection: held for held in shown}
        self._adopt_inbound(shown)
        self._drop_what_is_gone(there)
        self._hang_up_orphans(shown)
        for contact in sorted(self._contacts.all(), key=_longest_waiting_first):
            self._resume(contact, there)
        self._interrupted.clear()
        self._sessions.verify()

    def _adopt_inbound(self, shown: tuple[HeldConnection, ...]) -> None:
        """Legs from other cities are known by their token only: we did not choose their ids."""
        for held in shown:
            if held.leg is not None and held.leg.role is Role.INBOUND:
                lease = self._serving.lease(held.leg.token)
                if lease is not None and lease.partner is None and lease.anchor != self._rules.city:
                    self._serving.restore(replace(lease, partner=held.connection))

    def _drop_what_is_gone(self, there: dict[ConnectionId, HeldConnection]) -> None:
        for lease in self._serving.all():
            for connection in (lease.seat, lease.partner):
                if connection is not None and connection not in there and self._serving.knows(connection):
                    self._serving.cleared(connection, Cause.SWITCH_FAILED)
            if (
                lease.seat is not None
                and lease.partner is None
                and lease.state in (LeaseState.TALKING, LeaseState.HELD)
            ):
                current = self._serving.lease(lease.token)
                if current is not None and current.partner is None and current.seat is not None:
                    self._serving.end(current, "partner_gone")
        for contact in self._contacts.all():
            for connection in self._legs_of(contact):
                if connection not in there:
                    self._anchor.cleared(connection, Cause.SWITCH_FAILED, Evidence.INFERRED)

    def _legs_of(self, contact: Contact) -> list[ConnectionId]:
        """Legs to other cities first: whether the caller is there still decides last."""
        legs = [attempt.connection for attempt in (contact.remote, contact.current) if attempt and not attempt.home]
        return [*(leg for leg in legs if leg is not None), contact.connection]

    def _hang_up_orphans(self, shown: tuple[HeldConnection, ...]) -> None:
        for held in shown:
            if self._serving.knows(held.connection) or self._is_ours(held):
                continue
            if held.incoming and held.leg is None and not held.established:
                self._anchor.offered(Offered(held.connection, held.called, held.calling))
            else:
                self._step.ask(Clear(held.connection, Cause.CLEARED_BY_US))

    def _is_ours(self, held: HeldConnection) -> bool:
        contact = self._contacts.with_leg(held.connection)
        return contact is not None and held.connection in self._legs_of(contact)

    def _resume(self, contact: Contact, there: dict[ConnectionId, HeldConnection]) -> None:
        """A contact goes on where its switch shows it."""
        held = there.get(contact.connection)
        if held is None:
            return
        if contact.state is ContactState.TALKING and contact.current is not None:
            if contact.current.connection is not None and held.joined_to != contact.current.connection:
                self._step.ask(Join(contact.connection, contact.current.connection))
        elif contact.id in self._interrupted:
            self._anchor.resume(contact, answered=held.established)
        elif contact.state is ContactState.WAITING:
            self._step.ask(Music(contact.connection))


def _longest_waiting_first(contact: Contact) -> float:
    """Callers take their places anew in the order of their waiting time, so a restart moves nobody back."""
    return contact.waiting_since if contact.waiting_since is not None else inf
