"""What does not fit between this city's contacts, leases and agents and what its switch holds (federation.md I8, A4).

Pure looking: each ``Finding`` says what is wrong, what it rests on, and how it would be put right. Whether it is acted
on is decided elsewhere (``evidence``), for a single look may deceive: requests and reports are always under way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial

from dataset.ids import AgentId, ConnectionId, ContactId
from dataset.rows import Evidence
from federation.core.attempt import Attempt, AttemptState
from federation.core.lease import Lease, LeaseState
from site_node.core.agent import AgentSession, Presence
from site_node.core.anchor import LONGEST_WORD_S
from site_node.core.call_back import DIALLED, CallBack, CallBackState
from site_node.core.contact import Contact, ContactState
from site_node.core.in_hand import InHand
from site_node.core.serving import IN_TALK
from site_node.core.telephony import Answer, Cause, Clear, HeldConnection, Join, Leg, Mark, Music, Offered, Part, Role

MENU_SILENT_S = 120.0
"""a caller in the menu without a prompt, a key or a timer for so long hears it again"""
UNREACHABLE = "seat_unreachable"
"""an agent whose session was put right is 示忙 with it"""
IN_CALL = (Presence.ALERTING, Presence.TALKING, Presence.HELD)
_LEG = (AttemptState.TAKEN, AttemptState.ALERTING)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    what: str
    """stable word, as in ``rows.Repaired``"""
    key: str
    """which thing it is about"""
    state: Hashable
    """what it rests on; whoever touches that makes it another finding"""
    found: str
    done: str
    repair: Callable[[], None]
    contact: ContactId | None = None
    agent: AgentId | None = None
    connection: str = ""
    after_s: float = 0.0
    """how long it has to look alike, beyond two looks"""


class Comparison:
    """Looks at everything that a city has in hand."""

    def __init__(self, city: InHand) -> None:
        self._city = city

    def findings(self, shown: tuple[HeldConnection, ...]) -> Iterator[Finding]:
        """Everything that does not fit; what the customer's leg says of a contact before what others do."""
        there = {held.connection: held for held in shown}
        for contact in self._city.contacts.all():
            yield from self._of_contact(contact, there)
        for call in self._city.call_backs.all():
            yield from self._of_call_back(call, there)
        for lease in self._city.serving.all():
            yield from self._of_lease(lease, there)
        for held in shown:
            yield from self._of_connection(held)
        yield from self._of_forgotten_legs(there)
        seats = {held.called for held in shown if held.leg is not None and held.leg.role is Role.SEAT}
        for session in self._city.sessions.all():
            yield from self._of_session(session, seats)
        for number, token in self._city.serving.numbers_without_lease():
            yield Finding(
                "number_without_lease",
                number,
                token,
                f"number {number} is lent for {token}, which nobody holds",
                "taken back, to rest",
                partial(self._city.serving.take_back, number),
            )

    # ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────
    def _of_contact(self, contact: Contact, there: dict[ConnectionId, HeldConnection]) -> Iterator[Finding]:
        held = there.get(contact.connection)
        about = partial(_contact_finding, contact)
        if held is None:
            yield about(
                "caller_gone",
                "the switch does not hold the customer's leg",
                "ended as failed, inferred (E2)",
                partial(self._leg_gone, contact.connection),
                connection=contact.connection,
            )
            return
        if held.leg is None:
            leg = Leg(contact.id, 0, Role.CUSTOMER)
            yield about(
                "not_marked", "the customer's leg does not say what it is for (O6)", "marked", self._mark(held, leg)
            )
        if contact.state is ContactState.TALKING:
            yield from self._in_talk(contact, held, there)
        elif contact.state is ContactState.WAITING:
            yield from self._waiting(contact, there)
        elif not held.established:
            yield about("not_answered", "the customer's leg is not answered", "answered again", self._answer(held))
        elif contact.state is ContactState.ARRIVED:
            yield about(
                "answer_unheard",
                "the customer's leg is answered, and nobody said so",
                "went on to the menu",
                partial(self._city.anchor.established, contact.connection),
            )
        else:
            yield about(
                "menu_silent",
                f"in the menu, and nothing has happened for {MENU_SILENT_S:.0f} s",
                "said the menu again",
                partial(self._city.anchor.say_again, contact, answered=True),
                after_s=MENU_SILENT_S,
            )

    def _in_talk(
        self, contact: Contact, held: HeldConnection, there: dict[ConnectionId, HeldConnection]
    ) -> Iterator[Finding]:
        current = contact.current
        if current is None or current.connection is None:
            return
        lease = self._city.serving.lease(current.token) if current.home else None
        about = partial(_contact_finding, contact, state=(contact, lease), agent=current.agent)
        if current.home and lease is None:
            yield about(
                "talk_without_lease",
                "in talk at home, and no lease stands for it",
                "back to the front of the queue (O4)",
                partial(self._city.anchor.returned, contact, Cause.SWITCH_FAILED),
            )
        elif current.connection not in there:
            if not current.home:  # a seat's own is found with its lease
                yield about(
                    "leg_gone",
                    "in talk, and the switch does not hold the leg to the agent",
                    "back to the front of the queue (O4)",
                    partial(self._leg_gone, current.connection),
                    connection=current.connection,
                )
        else:
            on_hold = lease is not None and lease.state is LeaseState.HELD
            yield from self._joined(about, held, current.connection, held_back=on_hold)

    def _joined(
        self, about: Callable[..., Finding], held: HeldConnection, other: ConnectionId, *, held_back: bool
    ) -> Iterator[Finding]:
        if held_back and held.joined_to is not None:
            yield about(
                "held_joined",
                f"on hold, and joined to {held.joined_to}",
                "parted, and music",
                self._ask(Part(held.connection, held.joined_to), Music(held.connection)),
            )
        elif not held_back and held.joined_to != other:
            yield about(
                "not_joined",
                f"in talk, and not joined to {other}",
                "joined again",
                self._ask(Part(held.connection, other), Join(held.connection, other)),
            )

    def _waiting(self, contact: Contact, there: dict[ConnectionId, HeldConnection]) -> Iterator[Finding]:
        about = partial(_contact_finding, contact)
        attempt = contact.remote
        if attempt is not None:
            yield from self._of_attempt(about, contact, attempt, there)
        elif contact.home is not None:
            if self._city.serving.lease(contact.home.token) is None:
                yield about(
                    "attempt_without_lease",
                    f"attempt {contact.home.n} rings at home, and no lease stands for it",
                    "withdrawn; back to the old place",
                    partial(self._city.routing.home_lost_lease, contact),
                )
        elif contact.turned_away:
            yield about(
                "closing_overdue",
                "may not wait, and is still there",
                "closed by us",
                partial(self._city.anchor.closing, contact.id),
                after_s=LONGEST_WORD_S + self._slack_s,
            )
        elif not self._city.routing.waits(contact.id):
            yield about(
                "waits_for_nothing",
                "waiting, without a place in a queue, an agent named or an attempt",
                "put back at the front",
                partial(self._city.routing.wait, contact.id, front=True),
                after_s=self._city.rules.transfer_retry_s + self._slack_s,  # the pause before an agent is asked again
            )
        transfer = contact.transfer
        waited = self._city.step.now - (contact.place_since if contact.place_since is not None else self._city.step.now)
        late = waited > self._city.rules.transfer_wait_s + self._slack_s
        rings = contact.home is not None or (attempt is not None and attempt.state in _LEG)
        if transfer is not None and not transfer.going_back and late and not rings:
            yield _contact_finding(
                contact,
                "transfer_overdue",
                f"sent on {waited:.0f} s ago, and nobody took the caller",
                "back to the first agent, or on in the queue",
                partial(self._city.anchor.transfer_late, contact.id),
                state=(contact.id, contact.place_since, transfer),
                after_s=self._city.rules.transfer_wait_s + self._slack_s,  # a restart gives it its whole time anew
            )

    def _of_attempt(
        self,
        about: Callable[..., Finding],
        contact: Contact,
        attempt: Attempt,
        there: dict[ConnectionId, HeldConnection],
    ) -> Iterator[Finding]:
        overdue_s = self._city.step.now - attempt.since - self._city.routing.budget_s(attempt)
        leg = there.get(attempt.connection) if attempt.connection is not None else None
        if attempt.connection is not None and leg is None:
            yield about(
                "leg_gone",
                f"attempt {attempt.n}: the switch does not hold its leg",
                "withdrawn; back to the old place",
                partial(self._leg_gone, attempt.connection),
                connection=attempt.connection,
            )
        elif leg is not None and leg.established:
            yield about(
                "answer_unheard",
                f"attempt {attempt.n} is answered, and nobody said so",
                "committed (O2)",
                partial(self._city.routing.leg_answered, contact, attempt),
                connection=leg.connection,
            )
        elif overdue_s > self._slack_s:
            late = self._city.routing.grant_missing if attempt.connection is None else self._city.routing.leg_late
            yield about(
                "attempt_overdue",
                f"attempt {attempt.n} is {attempt.state} for {overdue_s:.0f} s more than its budget",
                "withdrawn",
                partial(late, contact.id, attempt.n),
            )

    # ── call-backs ──────────────────────────────────────────────────────────────────────────────────────────────
    def _of_call_back(self, call: CallBack, there: dict[ConnectionId, HeldConnection]) -> Iterator[Finding]:
        lease = self._city.serving.lease(call.token)
        customer = there.get(call.customer)
        about = partial(_call_back_finding, call, lease)
        if lease is None:
            yield about(
                "talk_without_lease",
                f"a call-back is {call.state}, and no lease stands for it",
                "ended as failed, inferred (E2)",
                partial(self._city.call_backs.end_without_lease, call),
            )
        elif call.state is CallBackState.INITIATED:
            return
        elif customer is None:
            yield about(
                "caller_gone",
                "the switch does not hold the leg of the customer who is called back",
                "ended as failed, inferred (E2)",
                partial(self._city.call_backs.leg_gone, call.customer),
            )
        elif call.state in DIALLED and customer.established:
            yield about(
                "answer_unheard",
                "the customer who is called back has answered, and nobody said so",
                "went on as answered",
                partial(self._city.call_backs.established, call.customer),
            )
        elif call.state is CallBackState.ESTABLISHED and lease.seat is not None:
            yield from self._joined(about, customer, lease.seat, held_back=lease.state is LeaseState.HELD)
        elif self._city.step.now - call.born > self._longest_ring_s:
            yield about(
                "ring_overdue",
                f"the telephone of the customer who is called back rings for more than {self._longest_ring_s:.0f} s",
                "hung up",
                self._ask(Clear(call.customer, Cause.NO_ANSWER)),
            )

    @property
    def _longest_ring_s(self) -> float:
        return self._city.rules.ring_serving_s + self._city.rules.call_back_ring_s + self._slack_s

    # ── leases ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _of_lease(self, lease: Lease, there: dict[ConnectionId, HeldConnection]) -> Iterator[Finding]:
        about = partial(_lease_finding, lease)
        age_s = self._city.step.now - lease.since
        if lease.state is LeaseState.GRANTED:
            if age_s > self._city.rules.grant_s + self._city.rules.leg_serving_s + self._slack_s:
                yield about(
                    "grant_overdue",
                    f"granted {age_s:.0f} s ago, and no leg has claimed it",
                    "slot freed: unclaimed (A4)",
                    partial(self._city.serving.lease_expired, lease.token),
                )
            return
        if lease.seat is None:
            return
        seat = there.get(lease.seat)
        if seat is None:
            yield about(
                "seat_gone",
                f"{lease.state}, and the switch does not hold the seat's leg",
                "slot freed by that evidence (A4)",
                partial(self._seat_gone, lease.seat),
                connection=lease.seat,
            )
        elif lease.state is LeaseState.CLEARING:
            again = self._ask(Clear(lease.seat, Cause.CLEARED_BY_US))
            yield about("not_cleared", "over, and the seat's leg is still there", "hung up again", again)
        elif self._at_home(lease) and not self._is_wanted(lease):
            yield about(
                "seat_left_over",
                f"{lease.state} for a contact that has nothing to do with it",
                "hung up",
                partial(self._city.serving.end_home, lease.token, "repaired"),
            )
        elif lease.state is LeaseState.RINGING:
            yield from self._ringing(about, lease, seat, age_s)
        if seat is not None and not self._at_home(lease):
            yield from self._of_partner(about, lease, seat, there)

    def _ringing(
        self, about: Callable[..., Finding], lease: Lease, seat: HeldConnection, age_s: float
    ) -> Iterator[Finding]:
        if seat.established:
            yield about(
                "answer_unheard",
                "the seat has answered, and nobody said so",
                "went on as answered",
                partial(self._city.serving.established, seat.connection),
                connection=seat.connection,
            )
        elif age_s > self._city.rules.ring_serving_s + self._slack_s:
            yield about(
                "ring_overdue",
                f"rings for {age_s:.0f} s",
                "hung up",
                self._ask(Clear(seat.connection, Cause.NO_ANSWER)),
                connection=seat.connection,
            )

    def _of_partner(
        self,
        about: Callable[..., Finding],
        lease: Lease,
        seat: HeldConnection,
        there: dict[ConnectionId, HeldConnection],
    ) -> Iterator[Finding]:
        """The leg from the other city."""
        if lease.partner is None or not (lease.state is LeaseState.RINGING or lease.state in IN_TALK):
            return
        partner = there.get(lease.partner)
        if partner is None:
            yield about(
                "partner_gone",
                f"{lease.state}, and the switch does not hold the other city's leg",
                "ended, the seat hung up",
                partial(self._seat_gone, lease.partner),
                connection=lease.partner,
            )
            return
        if partner.leg is None:
            leg = Leg(lease.contact, lease.attempt.n, Role.INBOUND, lease.token)
            yield about(
                "not_marked",
                "the other city's leg does not say what it is for (O6)",
                "marked",
                self._mark(partner, leg),
                connection=partner.connection,
            )
        if lease.state in IN_TALK:
            yield from self._joined(about, partner, seat.connection, held_back=lease.state is LeaseState.HELD)
            if not partner.established:
                yield about(
                    "not_answered",
                    "the seat has answered, the other city's leg is not told",
                    "answered again",
                    self._answer(partner),
                    connection=partner.connection,
                )

    # ── connections ─────────────────────────────────────────────────────────────────────────────────────────────
    def _of_connection(self, held: HeldConnection) -> Iterator[Finding]:
        """What nobody needs is hung up; a call that nobody was told of is taken."""
        lease = self._city.serving.lease_with(held.connection)
        if self._city.serving.uses(held.connection) or self._is_ours(held.connection):
            return
        if lease is not None and held.connection == lease.seat:
            return  # being cleared: found with its lease
        known = self._city.serving.knows(held.connection) or self._city.contacts.knows_leg(held.connection)
        fresh = held.incoming and held.leg is None and not held.established and not known
        if fresh and self._city.anchor.opens(held.called):
            report = Offered(held.connection, held.called, held.calling)
            yield _connection_finding(
                held,
                "call_unheard",
                f"a call for {held.called} waits, and nobody said so",
                "taken",
                partial(self._city.anchor.offered, report),
            )
            return
        # the far anchor has to hear that the agent finished, else it takes the caller back (O4)
        cause = Cause.CLEARED_BY_US
        if lease is not None:
            cause = Cause.FINISHED if lease.ended_by == "agent" else Cause.NORMAL
        yield _connection_finding(
            held,
            "orphan",
            "the switch holds a leg that no contact and no agent needs",
            "hung up",
            self._ask(Clear(held.connection, cause)),
        )

    def _of_forgotten_legs(self, there: dict[ConnectionId, HeldConnection]) -> Iterator[Finding]:
        """Legs of what is over, of whose end no report came."""
        for connection in self._city.serving.legs():
            if connection not in there and self._city.serving.lease_with(connection) is None:
                yield _leg_finding(connection, partial(self._seat_gone, connection))
        for connection in self._city.contacts.legs():
            contact = self._city.contacts.with_leg(connection)
            if connection not in there and (contact is None or not self._is_ours(connection)):
                yield _leg_finding(connection, partial(self._leg_gone, connection))

    # ── agents ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _of_session(self, session: AgentSession, seats: set[str]) -> Iterator[Finding]:
        about = partial(_session_finding, session)
        held_by = session.wrapping if session.presence is Presence.WRAP_UP else session.lease
        busy = session.presence in IN_CALL or session.presence is Presence.WRAP_UP
        if (busy or held_by is not None) and self._city.serving.lease(held_by) is None:
            if session.seat not in seats:  # A4, A5: the switch shows that the seat is free
                yield about(
                    "session_without_lease",
                    f"{session.presence} for a lease that nobody holds, and the seat has no call",
                    "freed",
                    partial(self._city.sessions.put_right, session, UNREACHABLE),
                )
        elif session.presence is Presence.READY and self._city.sessions.is_forgotten(session):
            yield about(
                "idle_unlisted",
                "示闲 with a free slot, and not among the idle",
                "offered",
                partial(self._city.sessions.offer, session.agent),
            )
        elif session.presence is Presence.WRAP_UP and session.wrapping is not None:
            overdue_s = self._city.step.now - session.since - self._city.rules.wrap_up_s
            if overdue_s > self._slack_s:
                yield about(
                    "wrap_up_overdue",
                    f"in wrap-up for {overdue_s:.0f} s more than its time",
                    "finished",
                    partial(self._city.serving.wrap_up_over, session.wrapping),
                )

    # ── words for all of these ──────────────────────────────────────────────────────────────────────────────────
    @property
    def _slack_s(self) -> float:
        return self._city.rules.evidence_s

    def _at_home(self, lease: Lease) -> bool:
        return lease.anchor == self._city.rules.city

    def _is_wanted(self, lease: Lease) -> bool:
        """Whether the contact of a lease at home knows of it."""
        call_back = self._city.call_backs.get(lease.contact)
        if call_back is not None:
            return call_back.token == lease.token
        contact = self._city.contacts.get(lease.contact)
        tries = (contact.home, contact.current) if contact is not None else ()
        return any(one is not None and one.token == lease.token for one in tries)

    def _is_ours(self, connection: ConnectionId) -> bool:
        """Whether a live contact needs this leg of its own."""
        if self._city.call_backs.knows(connection):
            return True
        contact = self._city.contacts.with_leg(connection)
        if contact is None:
            return False
        legs = (leg.connection for leg in (contact.remote, contact.current) if leg is not None and not leg.home)
        return connection == contact.connection or connection in legs

    def _ask(self, *requests: Clear | Join | Part | Music | Answer | Mark) -> Callable[[], None]:
        def ask() -> None:
            for request in requests:
                self._city.step.ask(request)

        return ask

    def _mark(self, held: HeldConnection, leg: Leg) -> Callable[[], None]:
        return self._ask(Mark(held.connection, leg))

    def _answer(self, held: HeldConnection) -> Callable[[], None]:
        return self._ask(Answer(held.connection))

    def _leg_gone(self, connection: ConnectionId) -> None:
        """As if the switch had said so; what it may still do about it is undone."""
        self._city.step.ask(Clear(connection, Cause.CANCELLED))
        self._city.anchor.cleared(connection, Cause.SWITCH_FAILED, Evidence.INFERRED)

    def _seat_gone(self, connection: ConnectionId) -> None:
        """The same for the serving half: the only way in which a claimed slot is freed (A4)."""
        self._city.step.ask(Clear(connection, Cause.CANCELLED))
        self._city.serving.cleared(connection, Cause.SWITCH_FAILED)


def _contact_finding(
    contact: Contact,
    what: str,
    found: str,
    done: str,
    repair: Callable[[], None],
    *,
    state: Hashable = None,
    agent: AgentId | None = None,
    connection: str = "",
    after_s: float = 0.0,
) -> Finding:
    state = contact if state is None else state
    leg = connection or contact.connection
    return Finding(what, contact.id, state, found, done, repair, contact.id, agent, leg, after_s)


def _call_back_finding(
    call: CallBack, lease: Lease | None, what: str, found: str, done: str, repair: Callable[[], None]
) -> Finding:
    return Finding(what, call.id, (call, lease), found, done, repair, call.id, call.agent, call.customer)


def _lease_finding(
    lease: Lease, what: str, found: str, done: str, repair: Callable[[], None], *, connection: str = ""
) -> Finding:
    agent, contact = lease.agent, lease.contact
    return Finding(what, lease.token, lease, found, done, repair, contact, agent, connection or lease.seat or "")


def _connection_finding(held: HeldConnection, what: str, found: str, done: str, repair: Callable[[], None]) -> Finding:
    contact = held.leg.contact if held.leg is not None else None
    return Finding(
        what, held.connection, (held.leg, held.established), found, done, repair, contact, None, held.connection
    )


def _leg_finding(connection: ConnectionId, repair: Callable[[], None]) -> Finding:
    found, done = "of what is over, and the switch does not hold it", "forgotten"
    return Finding("leg_forgotten", connection, connection, found, done, repair, connection=connection)


def _session_finding(session: AgentSession, what: str, found: str, done: str, repair: Callable[[], None]) -> Finding:
    return Finding(what, session.agent, session, found, done, repair, agent=session.agent)
