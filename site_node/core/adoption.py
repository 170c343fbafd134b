"""After a restart, or when the switch comes back: journal and switch are compared, and the switch is the evidence.

Federation.md O6: for each contact the highest answered attempt with a live leg is the current one, other legs are hung
up, and open attempts without an answer on record are withdrawn. A slot stays ungrantable until its switch has shown
its channels (A5). What is gone is ended as inferred (E2); what nobody knows is an orphan and hung up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from msgspec.structs import replace

from dataset import rows
from dataset.ids import AgentId, AttemptId, CityId, ConnectionId, ContactId, SkillId, Token, city_of
from dataset.rows import AnyRow, Evidence, Journalled, Withdrawn
from federation.core.attempt import Attempt, AttemptState
from federation.core.envelope import Context
from federation.core.lease import Lease, LeaseState
from site_node.core.agent import AgentSession, Presence
from site_node.core.call_back import CallBack, CallBackState
from site_node.core.contact import Contact, ContactState, MenuPlace, Transfer
from site_node.core.in_hand import InHand
from site_node.core.names import customer_connection, outbound_connection, seat_connection
from site_node.core.serving import IN_TALK
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    HeldConnection,
    Join,
    Leg,
    Mark,
    Music,
    Offered,
    Part,
    Role,
)


@dataclass(slots=True)
class _Past:
    """What the journal says about one contact, row by row. Moments are this run's monotonic seconds."""

    born: rows.ContactBorn | None = None
    born_at: float = 0.0
    chosen: rows.MenuChosen | None = None
    skill: SkillId = SkillId("")  # noqa: RUF009  # a NewType call is the string itself
    entered_at: float | None = None
    """where the waiting brought along into the present place began"""
    place_at: float | None = None
    attempts: int = 0
    open: dict[int, rows.AttemptOpened] = field(default_factory=dict)
    answered: rows.AttemptAnswered | None = None
    answered_since: float = 0.0
    handled_by: list[AgentId] = field(default_factory=list)
    sites: list[CityId] = field(default_factory=list)
    """where its answers were"""
    talking: bool = False
    transfer: rows.TransferAsked | None = None
    """an open one"""
    notes: tuple[str, ...] = ()
    segments: dict[int, tuple[rows.SegmentOpened, float]] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    awaiting: set[int] = field(default_factory=set)
    """segments closed here before their outcome came"""
    reached_at: float | None = None
    """when the customer answered who is called back"""
    ended_at: float | None = None
    """its ending is on record; a segment may still be in wrap-up"""

    def add(self, row: AnyRow, at: float) -> None:
        """Take one more row into account."""
        match row:
            case rows.ContactBorn():
                self.born, self.born_at = row, at
            case rows.CallBackAnswered():
                self.reached_at = at
            case rows.MenuChosen():
                self.chosen, self.skill = row, row.skill
            case rows.QueueEntered():
                self.skill, self.place_at, self.talking = row.skill, at, False
                self.entered_at = at - row.waited_s
            case rows.AttemptOpened():
                self.open[row.n] = row
                self.attempts = max(self.attempts, row.n)
            case rows.AttemptWithdrawn():
                self.open.pop(row.n, None)
            case rows.AttemptAnswered():
                self.open.pop(row.n, None)
                self.answered, self.answered_since, self.talking, self.transfer = row, at, True, None
                self.handled_by.append(row.agent)
                self.sites.append(row.site)
            case rows.TransferAsked(outcome="asked"):
                self.transfer, self.notes = row, row.notes
            case rows.TransferAsked():
                self.transfer = None  # nobody took it in time: on in the queue
            case rows.ContactEnded():
                self.ended_at = at
            case rows.SegmentOpened():
                self.segments[row.n] = (row, at)
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

    def __init__(self, city: InHand) -> None:
        self._city = city
        self._interrupted: list[ContactId] = []
        """rebuilt contacts that were not in talk: they go on once their switch shows them"""

    # ── from the journal ────────────────────────────────────────────────────────────────────────────────────────
    def rebuild(self, journal: list[Journalled], wall: float, boot: str) -> None:
        """Rebuild live contacts and open segments.

        Durations go on by monotonic time where both runs are of one boot; over a boot of the machine wall time is the
        only clock that both share.
        """
        past: dict[ContactId, _Past] = {}
        for entry in journal:
            row = entry.row
            contact = getattr(row, "contact", None)
            if contact is not None:
                at = entry.mono if entry.boot == boot else min(entry.wall - wall, 0.0) + self._city.step.now
                past.setdefault(contact, _Past()).add(row, at)
        for which, found in past.items():
            if found.ended_at is None and found.born is not None and found.born.city == self._city.rules.city:
                if found.born.call_back is not None:
                    self._rebuild_call_back(which, found, found.born, found.born.call_back)
                else:
                    self._rebuild_contact(which, found, found.born)
            for segment, opened in found.segments.values():
                if found.ended_at is not None:
                    self._close_wrap_up(segment, found.ended_at - opened)
                    continue
                self._rebuild_segment(segment, opened, segment.n in found.confirmed)
            for n in sorted(found.awaiting):
                self._city.serving.await_outcome(AttemptId(which, n))

    def _rebuild_contact(self, which: ContactId, past: _Past, born: rows.ContactBorn) -> None:
        for n, opened in past.open.items():
            self._city.step.write(
                rows.AttemptWithdrawn(contact=which, n=n, reason=Withdrawn.RESTART), *self._may_have_granted(opened)
            )
            attempt = AttemptId(which, n)
            self._city.contacts.add_leg(outbound_connection(attempt), which)
            if opened.scope != "home":
                self._city.step.ask(Clear(outbound_connection(attempt), Cause.CANCELLED))
        current = None
        if past.talking and past.answered is not None:
            current = self._answered_attempt(past.answered)
        state = ContactState.TALKING if current else ContactState.WAITING if past.chosen else ContactState.MENU
        last = past.answered
        self._city.contacts.keep(
            Contact(
                id=which,
                connection=ConnectionId(born.connection),
                calling=born.calling,
                door=born.door,
                package=born.package,
                born=past.born_at,
                state=state,
                menu=MenuPlace("", past.chosen.path) if past.chosen else None,
                service=past.chosen.service if past.chosen else "",
                skill=past.skill,
                priority=past.chosen.priority if past.chosen else 0,
                attempts=past.attempts,
                current=current,
                waiting_since=past.entered_at,
                place_since=past.place_at,
                first_wait_s=last.waited_s if last else None,
                answers=len(past.handled_by),
                hops=sum(site != self._city.rules.city for site in past.sites),
                answered_at=past.answered_since if current else None,
                last_site=last.site if last else None,
                last_agent=last.agent if last else None,
                handled_by=tuple(past.handled_by),
                notes=past.notes,
                transfer=_transfer(past.transfer),
            )
        )
        self._city.contacts.add_leg(ConnectionId(born.connection), which)
        if current is not None and current.connection is not None and not current.home:
            self._city.contacts.add_leg(current.connection, which)
        if current is None:
            self._interrupted.append(which)

    def _rebuild_call_back(self, which: ContactId, past: _Past, born: rows.ContactBorn, about: rows.CallBackOf) -> None:
        """With its agent on the line it goes on where the switch shows it; before that it is over."""
        segment, _ = past.segments.get(1, (None, 0.0))
        call = CallBack(
            id=which,
            about=about,
            number=born.calling,
            service=segment.service if segment is not None else "",
            skill=segment.skill if segment is not None else SkillId(""),
            token=segment.token if segment is not None else Token(""),
            born=past.born_at,
            state=CallBackState.ORIGINATED if past.reached_at is None else CallBackState.ESTABLISHED,
            established_at=past.reached_at,
        )
        if segment is None:
            self._city.call_backs.interrupted(call)
        else:
            self._city.call_backs.restore(call)

    def _may_have_granted(self, opened: rows.AttemptOpened) -> list[CityId]:
        """Who hears that an attempt is withdrawn (O3). Whose grant had been taken is forgotten with the process: where
        the whole province was asked each city is told, and to all but one that is nothing.
        """
        if opened.agent is not None:
            return [city for city in (city_of(opened.agent),) if city != self._city.rules.city]
        return sorted(self._city.rules.peers) if opened.scope != "home" else []

    def _answered_attempt(self, row: rows.AttemptAnswered) -> Attempt:
        home = row.site == self._city.rules.city
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
        self._city.step.write(
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
        contact = self._city.contacts.get(segment.contact)
        call_back = self._city.call_backs.get(segment.contact)
        home = segment.anchor == self._city.rules.city
        lease = Lease(
            token=segment.token,
            attempt=attempt,
            anchor=segment.anchor,
            agent=segment.agent,
            context=Context(
                calling=contact.calling if contact else call_back.number if call_back else "",
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
            partner=customer_connection(attempt) if call_back else contact.connection if home and contact else None,
            answered_at=answered_at,
            outbound=call_back is not None,
            talk_at=call_back.established_at if call_back else None,
            confirmed=confirmed,
        )
        self._city.sessions.restore(
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
        self._city.serving.restore(lease)

    # ── from the switch ─────────────────────────────────────────────────────────────────────────────────────────
    def reconcile(self, shown: tuple[HeldConnection, ...]) -> None:
        """The switch shows all that it holds: what it does not show is gone, what only it knows is an orphan.

        Reports and requests of the time without a switch are lost: what the snapshot tells is caught up with, and what
        it does not show as done is asked for again.
        """
        if self._city.sessions.switch_up:
            self._city.sessions.unverify()  # nobody said that it was away; while we compare, no slot is assignable
        there = {held.connection: held for held in shown}
        self._adopt_inbound(shown)
        self._finish_again(there)
        self._drop_what_is_gone(there)
        self._end_what_was_left()
        self._hang_up_orphans(shown)
        for lease in self._city.serving.all():
            if not lease.outbound:
                self._catch_up_at_seat(lease, there)
        self._city.call_backs.catch_up(there)
        for contact in sorted(self._city.contacts.all(), key=_longest_waiting_first):
            held = there.get(contact.connection)
            if held is not None:
                self._resume(contact, held, there)
        self._interrupted.clear()
        self._city.sessions.verify()

    def _adopt_inbound(self, shown: tuple[HeldConnection, ...]) -> None:
        """Legs from other cities are known by their token only: we did not choose their ids."""
        for held in shown:
            if held.leg is not None and held.leg.role is Role.INBOUND:
                lease = self._city.serving.lease(held.leg.token)
                if lease is not None and lease.partner is None and lease.state in IN_TALK and not self._at_home(lease):
                    self._city.serving.restore(replace(lease, partner=held.connection))

    def _finish_again(self, there: dict[ConnectionId, HeldConnection]) -> None:
        """Our word to a far anchor may be lost: above all that the agent explicitly finished (O4)."""
        for lease in self._city.serving.all():
            if lease.state is LeaseState.CLEARING and lease.partner in there and not self._at_home(lease):
                self._city.step.ask(Clear(lease.partner, Cause.FINISHED if lease.ended_by == "agent" else Cause.NORMAL))

    def _drop_what_is_gone(self, there: dict[ConnectionId, HeldConnection]) -> None:
        for connection in self._city.serving.legs():
            if connection not in there and self._city.serving.knows(connection):
                # its Make may still be on the way to the switch: then this undoes it
                self._city.step.ask(Clear(connection, Cause.CANCELLED))
                self._city.serving.cleared(connection, Cause.SWITCH_FAILED)
        for lease in self._city.serving.all():
            if lease.seat is not None and lease.partner is None and lease.state in IN_TALK:
                self._city.serving.end(lease, "partner_gone")
        self._city.call_backs.drop_what_is_gone(there)
        # legs to other cities first: whether the caller is there decides last
        callers = {contact.connection for contact in self._city.contacts.all()}
        for connection in sorted(self._city.contacts.legs(), key=lambda leg: leg in callers):
            if connection not in there:
                self._city.anchor.cleared(connection, Cause.SWITCH_FAILED, Evidence.INFERRED)

    def _end_what_was_left(self) -> None:
        """Seats of ours whose caller had been sent on, or was lost, whose hanging up no journal shows (O6)."""
        for lease in self._city.serving.all():
            if self._at_home(lease) and self._city.call_backs.get(lease.contact) is None:
                contact = self._city.contacts.get(lease.contact)
                tries = (contact.home, contact.current) if contact is not None else ()
                if not any(one is not None and one.token == lease.token for one in tries):
                    self._city.serving.end_home(lease.token, "restart")

    def _hang_up_orphans(self, shown: tuple[HeldConnection, ...]) -> None:
        for held in shown:
            known = self._city.serving.knows(held.connection) or self._city.contacts.knows_leg(held.connection)
            if self._city.serving.uses(held.connection) or self._is_ours(held):
                continue
            if held.incoming and held.leg is None and not held.established and not known:
                self._city.anchor.offered(Offered(held.connection, held.called, held.calling))
            else:
                self._city.step.ask(Clear(held.connection, Cause.CLEARED_BY_US))

    def _is_ours(self, held: HeldConnection) -> bool:
        if self._city.call_backs.knows(held.connection):
            return True
        contact = self._city.contacts.with_leg(held.connection)
        if contact is None:
            return False
        legs = (leg.connection for leg in (contact.remote, contact.current) if leg is not None and not leg.home)
        return held.connection == contact.connection or held.connection in legs

    def _at_home(self, lease: Lease) -> bool:
        return lease.anchor == self._city.rules.city

    def _catch_up_at_seat(self, lease: Lease, there: dict[ConnectionId, HeldConnection]) -> None:
        """A seat of ours may have answered meanwhile; and the leg of another city may not know it yet."""
        seat = there.get(lease.seat) if lease.seat is not None else None
        partner = there.get(lease.partner) if lease.partner is not None else None
        if seat is None or partner is None:
            return
        abroad = not self._at_home(lease)
        if abroad and partner.leg is None:
            leg = Leg(lease.contact, lease.attempt.n, Role.INBOUND, lease.token)
            self._city.step.ask(Mark(partner.connection, leg))
        if lease.state is LeaseState.RINGING:
            if seat.established:
                self._city.serving.established(seat.connection)
            elif abroad:
                self._city.step.ask(Alert(partner.connection))
        elif abroad and lease.state in IN_TALK:
            self._as_joined(partner, seat.connection, held=lease.state is LeaseState.HELD)
            if not partner.established:
                self._city.step.ask(Answer(partner.connection))

    def _as_joined(self, customer: HeldConnection, other: ConnectionId, *, held: bool) -> None:
        """Customer and agent hear each other, unless the agent holds the customer."""
        if held:
            if customer.joined_to is not None:
                self._city.step.ask(Part(customer.connection, customer.joined_to))
            self._city.step.ask(Music(customer.connection))
        elif customer.joined_to != other:
            self._city.step.ask(Join(customer.connection, other))

    def _resume(self, contact: Contact, held: HeldConnection, there: dict[ConnectionId, HeldConnection]) -> None:
        """A contact goes on where its switch shows it."""
        if held.leg is None:
            self._city.step.ask(Mark(contact.connection, Leg(contact.id, 0, Role.CUSTOMER)))
        remote = contact.remote
        leg = there.get(remote.connection) if remote is not None and remote.connection is not None else None
        if contact.state is ContactState.TALKING and contact.current is not None:
            lease = self._city.serving.lease(contact.current.token) if contact.current.home else None
            if contact.current.connection is not None:
                on_hold = lease is not None and lease.state is LeaseState.HELD
                self._as_joined(held, contact.current.connection, held=on_hold)
        elif contact.id in self._interrupted:
            if held.joined_to is not None:
                self._city.step.ask(Part(contact.connection, held.joined_to))
            self._city.anchor.resume(contact, answered=held.established)
        elif contact.state is not ContactState.WAITING:
            self._city.anchor.say_again(contact, answered=held.established)
        else:
            self._city.step.ask(Music(contact.connection))
            if remote is not None and leg is not None and leg.established:
                self._city.routing.leg_answered(contact, remote)


def _transfer(row: rows.TransferAsked | None) -> Transfer | None:
    return None if row is None else Transfer(row.by, row.to_skill, row.to_agent)


def _longest_waiting_first(contact: Contact) -> float:
    """Callers take their places anew in the order of their waiting time, so a restart moves nobody back."""
    return contact.waiting_since if contact.waiting_since is not None else inf
