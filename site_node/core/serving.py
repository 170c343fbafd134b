"""The serving half of a city: the leases on its agents' slots and the legs they hold (federation.md A2-A6, O3, O4).

A contact is served here whether it is anchored here or in another city. The slot and the seat's leg are always ours; at
home the partner is the customer's own connection and the anchor half commits the answer, else the partner is the leg
that came in and the far anchor commits.
"""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from dataset import rows
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, AttemptId, CityId, ConnectionId, ContactId, SkillId, Token, token
from dataset.rows import AnyRow, Withdrawn
from federation.core.envelope import Context, Granted, NotGranted, Propose, Release, Taken
from federation.core.lease import LEASE_MOVES, Lease, LeaseMove, LeaseState, NumberPool
from federation.core.matching import MatchIndex
from site_node.core.admission import OWN_CITY_FIRST
from site_node.core.agent import AgentMove
from site_node.core.names import seat_connection
from site_node.core.rules import Rules
from site_node.core.sessions import Sessions
from site_node.core.sight import Sight
from site_node.core.step import Step
from site_node.core.telephony import Alert, Answer, Cause, Clear, Join, Leg, Make, Mark, Offered, Role, Seat

_MISSED = {Cause.NO_ANSWER: "no_answer", Cause.REJECTED: "rejected", Cause.BUSY: "seat_busy"}
_WITHDRAWN = {Cause.NO_ANSWER: Withdrawn.NO_ANSWER, Cause.REJECTED: Withdrawn.REJECTED, Cause.BUSY: Withdrawn.BUSY}
_ENDED_BY = {Cause.NORMAL: "customer", Cause.TRANSFERRED: "transfer", Cause.FINISHED: "customer"}
IN_TALK = (LeaseState.TALKING, LeaseState.HELD)


class Home(Protocol):
    """What the serving half tells the anchor half of the same city."""

    def home_answered(self, attempt: AttemptId) -> None:
        """The seat answered: commit and join (O2)."""

    def home_failed(self, attempt: AttemptId, reason: Withdrawn) -> None:
        """The seat did not answer; the caller keeps the old place."""

    def home_lost(self, attempt: AttemptId, cause: Cause) -> None:
        """The seat's leg ended without an explicit "finished" (O4)."""

    def is_full(self) -> bool:
        """Callers of our own are turned away at the door."""


class Serving:
    """The leases of one city."""

    def __init__(
        self, rules: Rules, step: Step, index: MatchIndex, sessions: Sessions, sight: Sight, home: Home
    ) -> None:
        self._rules = rules
        self._step = step
        self._index = index
        self._sessions = sessions
        self._sight = sight
        self._home = home
        self._leases: dict[Token, Lease] = {}
        self._by_attempt: dict[AttemptId, Token] = {}
        self._by_connection: dict[ConnectionId, Token] = {}
        self._numbers = NumberPool(range(rules.first_number, rules.first_number + rules.numbers), rules.number_rest_s)
        self._tokens_issued = 0
        self._unconfirmed: dict[AttemptId, float] = {}
        """segments on record whose outcome row has not come yet (O3), and since when"""
        self._handling: dict[SkillId, float] = {}
        """mean handling time per skill, exponentially weighted, seconds"""

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────
    def lease(self, which: Token | None) -> Lease | None:
        """The lease with this token."""
        return self._leases.get(which) if which is not None else None

    def all(self) -> list[Lease]:
        """All leases, segments in wrap-up included."""
        return list(self._leases.values())

    def lease_of(self, agent: AgentId, contact: ContactId) -> Lease:
        """What ``agent`` has of ``contact``. Raises ``Refused`` (404 ``unknown-contact``)."""
        session = self._sessions.of(agent)
        for which in (session.lease, session.wrapping):
            lease = self.lease(which)
            if lease is not None and lease.contact == contact and lease.state is not LeaseState.GRANTED:
                return lease
        raise Refused(
            Problem(
                "unknown-contact",
                zh=f"您没有正在处理接触 {contact}",
                en=f"you are not handling contact {contact}",
                place="contact",
            ),
            status=404,
        )

    def knows(self, connection: ConnectionId) -> bool:
        """Whether this connection is a seat's leg, or a leg from another city."""
        return connection in self._by_connection

    def legs(self) -> list[ConnectionId]:
        """All legs known: seats, and legs from other cities."""
        return list(self._by_connection)

    def uses(self, connection: ConnectionId) -> bool:
        """Whether a lease that is not over needs this leg."""
        lease = self.lease(self._by_connection.get(connection))
        if lease is None or connection not in (lease.seat, lease.partner):
            return False
        return lease.state is LeaseState.RINGING or lease.state in IN_TALK

    def lease_with(self, connection: ConnectionId) -> Lease | None:
        """The lease that this seat's or inbound leg is of, over or not; None when that one is forgotten."""
        lease = self.lease(self._by_connection.get(connection))
        return lease if lease is not None and connection in (lease.seat, lease.partner) else None

    def unconfirmed_since(self) -> list[float]:
        """When each segment began whose outcome has not come yet."""
        return list(self._unconfirmed.values())

    def numbers_without_lease(self) -> list[tuple[str, Token]]:
        """Numbers of the pool that are lent for a token nobody knows any more."""
        return [(number, which) for number, which in self._numbers.lent() if which not in self._leases]

    def take_back(self, number: str) -> None:
        """The number stands for nothing; it rests."""
        self._numbers.give_back(number, self._step.now)

    def mean_handling_s(self, skill: SkillId) -> float:
        """Mean time from answer to the end of wrap-up, of late, for ``skill``."""
        return self._handling.get(skill, self._rules.handling_s)

    def keep(self, lease: Lease) -> None:
        """Replace a lease by a changed one."""
        self._leases[lease.token] = lease
        self._by_attempt[lease.attempt] = lease.token
        self._step.show(lease.agent)

    # ── grants ──────────────────────────────────────────────────────────────────────────────────────────────────
    def lease_home(self, attempt: AttemptId, agent: AgentId, context: Context, *, outbound: bool = False) -> Lease:
        """Lease the slot of an idle agent of ours to a contact of ours, as for any other city (A2); ``outbound``: the
        free slot of one who calls a customer back.
        """
        return self._grant(attempt, self._rules.city, agent, context, number="", outbound=outbound)

    def proposed(self, message: Propose) -> None:
        """Another city's contact wants one of our agents: grant, or say why not (A2)."""
        agent, reason = self._choose(message)
        number = None
        if agent is not None:
            number = self._numbers.lend(message.anchor, self._next_token(), self._step.now)
            reason = reason if number is not None else "numbers_exhausted"
        if agent is None or number is None:
            answer = NotGranted(contact=message.contact, n=message.n, site=self._rules.city, reason=reason)
            self._answer(message.anchor, answer, message.budget_s)
            return
        attempt = AttemptId(message.contact, message.n)
        self._step.write(self._decision(message, agent))
        lease = self._grant(attempt, message.anchor, agent, message.context, number)
        granted = Granted(
            contact=message.contact,
            n=message.n,
            site=self._rules.city,
            agent=agent,
            token=lease.token,
            number=number,
            ttl_s=self._rules.grant_s,
        )
        self._step.start_timer("lease", lease.token, after_s=self._rules.grant_s)
        self._answer(message.anchor, granted, self._rules.grant_s)

    def _answer(self, anchor: CityId, answer: Granted | NotGranted, budget_s: float) -> None:
        """To the anchor, with a copy to the hub that leads."""
        self._step.send(anchor, answer, budget_s)
        if self._sight.leader is not None:
            self._step.send(self._sight.leader, answer, budget_s)

    def _decision(self, message: Propose, agent: AgentId) -> rows.Decision:
        """Which agent of ours, and why: the serving site's own share of the route (I9)."""
        return rows.Decision(
            contact=message.contact,
            n=message.n,
            by=self._rules.city,
            choice="grant",
            site=self._rules.city,
            agent=agent,
            why="named_agent" if message.agent is not None else "longest_idle",
            known={
                "home.idle": self._index.idle_count(message.context.skill),
                "home.idle_s": round(self._step.now - self._sessions.of(agent).since, 3),
                "waited_s": message.context.waited_s,
            },
        )

    def _choose(self, message: Propose) -> tuple[AgentId | None, str]:
        """The agent to grant, or why nobody: the one asked for, else the longest idle with the skill."""
        attempt = AttemptId(message.contact, message.n)
        if attempt in self._by_attempt:
            return None, "granted_already"
        if not self._sessions.switch_up:
            return None, "unverified"
        if self._home.is_full():
            return None, OWN_CITY_FIRST
        if message.agent is None:
            return self._index.agent_for(message.context.skill), "nobody_idle"
        session = self._sessions.get(message.agent)
        if session is None:
            return None, "agent_unknown"
        if not session.verified:
            return None, "unverified"
        return (session.agent, "") if self._index.is_idle(session.agent) else (None, "agent_busy")

    def _next_token(self) -> Token:
        return token(self._rules.lineage, self._tokens_issued + 1)

    def _grant(
        self,
        attempt: AttemptId,
        anchor: CityId,
        agent: AgentId,
        context: Context,
        number: str,
        *,
        outbound: bool = False,
    ) -> Lease:
        """Hold the slot under a token that was never used before (A3)."""
        fresh = self._next_token()
        self._tokens_issued += 1
        lease = Lease(
            token=fresh,
            attempt=attempt,
            anchor=anchor,
            agent=agent,
            context=context,
            number=number,
            since=self._step.now,
            outbound=outbound,
        )
        self._sessions.hold_slot(agent, fresh)
        self.keep(lease)
        return lease

    def taken(self, message: Taken) -> None:
        """The leg is on its way: wait for it a little longer. Only a help; the leg itself is what counts."""
        lease = self.lease(message.token)
        if lease is not None and lease.state is LeaseState.GRANTED:
            self._step.start_timer("lease", lease.token, after_s=self._rules.leg_serving_s)

    def released(self, message: Release) -> None:
        """Not taken after all; nothing for a lease that its leg has claimed (A4)."""
        self._unclaimed(message.token, LeaseMove.RELEASE)

    def lease_expired(self, which: Token) -> None:
        """The leg did not come in time."""
        self._unclaimed(which, LeaseMove.EXPIRE)

    def _unclaimed(self, which: Token, move: LeaseMove) -> None:
        lease = self.lease(which)
        if lease is None or not LEASE_MOVES.may(lease.state, move):
            return
        if LEASE_MOVES.after(lease.state, move) is LeaseState.GONE:
            self._forget(lease)
            self._free_slot(lease, front=True)

    # ── legs ────────────────────────────────────────────────────────────────────────────────────────────────────
    def leg_offered(self, report: Offered, sender: CityId) -> None:
        """A leg from another city: claimed by the token it carries, or refused and counted (A3)."""
        by_number = self._numbers.token(report.called, sender)
        which = report.token or by_number
        lease = self.lease(which)
        reason = ""
        if which is None:
            reason = "missing"
        elif lease is None:
            reason = "expired" if which.startswith(f"{self._rules.lineage}-") else "unknown"
        elif lease.anchor != sender or by_number != which or lease.state is not LeaseState.GRANTED:
            reason = "mismatch"
        if lease is None or reason:
            self._step.write(rows.LegRefused(from_city=sender, reason=reason, token=which or "", number=report.called))
            self._step.ask(Clear(report.connection, Cause.REFUSED))
            return
        self._step.stop_timer("lease", lease.token)
        self._step.ask(Mark(report.connection, Leg(lease.contact, lease.attempt.n, Role.INBOUND, lease.token)))
        self._step.ask(Alert(report.connection))
        self._by_connection[report.connection] = lease.token
        self.ring(lease, report.connection)

    def ring(self, lease: Lease, partner: ConnectionId) -> Lease:
        """The leg is here (at home: the caller; of a call-back: nobody yet): the lease is claimed, the seat rings."""
        seat = seat_connection(lease.attempt)
        claimed = LEASE_MOVES.after(lease.state, LeaseMove.CLAIM)
        lease = replace(lease, state=claimed, seat=seat, partner=partner, since=self._step.now)
        self.keep(lease)
        self._by_connection[seat] = lease.token
        session = self._sessions.of(lease.agent)
        self._sessions.move(session, AgentMove.CALL_OUT if lease.outbound else AgentMove.RING)
        self._step.ask(
            Make(
                connection=seat,
                device=Seat(session.seat),
                leg=Leg(lease.contact, lease.attempt.n, Role.SEAT, lease.token),
                ring_s=self._rules.ring_serving_s,
                calling=lease.context.calling,
            )
        )
        return lease

    def established(self, connection: ConnectionId) -> None:
        """A seat answered (a leg that came in is established by our own answer: nothing new)."""
        lease = self.lease(self._by_connection[connection])
        if lease is None or connection != lease.seat:
            return
        if lease.state is LeaseState.CLEARING:
            self._step.ask(Clear(connection, Cause.CANCELLED))
        elif lease.state is LeaseState.RINGING and lease.partner is not None:
            self._answered(lease, connection, lease.partner)

    def _answered(self, lease: Lease, seat: ConnectionId, partner: ConnectionId) -> None:
        lease = replace(lease, state=LEASE_MOVES.after(lease.state, LeaseMove.ANSWER), answered_at=self._step.now)
        self.keep(lease)
        session = self._sessions.of(lease.agent)
        self._sessions.move(session, AgentMove.ANSWER)
        at_home = lease.anchor == self._rules.city
        self._step.write(
            rows.SegmentOpened(
                contact=lease.contact,
                n=lease.attempt.n,
                site=self._rules.city,
                anchor=lease.anchor,
                agent=lease.agent,
                token=lease.token,
                skill=lease.context.skill,
                service=lease.context.service,
                channel=lease.context.channel,
                received=not at_home,
                name=session.name,
                seat=session.seat,
            )
        )
        self._unconfirmed[lease.attempt] = self._step.now
        if at_home:
            self._home.home_answered(lease.attempt)
            self._confirm(lease.attempt, lease)
        else:
            self._step.ask(Join(partner, seat))
            self._step.ask(Answer(partner))

    def cleared(self, connection: ConnectionId, cause: Cause) -> None:
        """The switch says that a leg is gone."""
        lease = self.lease(self._by_connection.pop(connection))
        if lease is None:
            return
        if connection == lease.seat:
            self._seat_gone(lease, cause)
        elif connection == lease.partner:
            self._partner_gone(lease, cause)

    def _seat_gone(self, lease: Lease, cause: Cause) -> None:
        """The only thing that frees a claimed slot (A4)."""
        was = lease.state
        lease = replace(lease, seat=None, state=LEASE_MOVES.after(was, LeaseMove.SEAT_GONE))
        self.keep(lease)
        if was is LeaseState.RINGING:
            self._missed(lease, cause)
        elif lease.answered_at is None:
            self._unrung(lease)
        elif was in IN_TALK:
            lease = self._mark_ended(lease, cause.value)
            self._wrap_up(lease)
            if lease.anchor == self._rules.city:
                self._home.home_lost(lease.attempt, cause)
            elif lease.partner is not None:
                self._step.ask(Clear(lease.partner, Cause.NORMAL))
        else:
            self._wrap_up(lease)

    def _missed(self, lease: Lease, cause: Cause) -> None:
        """The seat did not answer: 示忙 with the reason, and the caller keeps the old place."""
        self._forget(lease)
        session = replace(self._sessions.of(lease.agent), lease=None, then_not_ready="")
        self._sessions.move(session, AgentMove.MISS, reason=_MISSED.get(cause, "seat_unreachable"))
        self._sessions.settle(lease.agent)
        if lease.anchor == self._rules.city:
            self._home.home_failed(lease.attempt, _WITHDRAWN.get(cause, Withdrawn.UNREACHABLE))
        elif lease.partner is not None:
            self._step.ask(Clear(lease.partner, cause if cause in _MISSED else Cause.UNREACHABLE))

    def _unrung(self, lease: Lease) -> None:
        """The caller left, or was taken elsewhere, before the seat answered."""
        self._forget(lease)
        session = replace(self._sessions.of(lease.agent), lease=None)
        self._sessions.move(session, AgentMove.UNRING)
        self._sessions.settle(lease.agent, front=True)

    def _partner_gone(self, lease: Lease, cause: Cause) -> None:
        """The leg from the other city ended: its anchor hung up, or sent the caller on, or the line broke."""
        lease = replace(lease, partner=None)
        self.keep(lease)
        if lease.state is LeaseState.RINGING or lease.state in IN_TALK:
            self.end(lease, _ENDED_BY.get(cause, cause.value))

    def speaks(self, which: Token) -> None:
        """The customer whom the agent calls back has answered."""
        lease = self.lease(which)
        if lease is not None and lease.state in IN_TALK:
            self.keep(replace(lease, talk_at=self._step.now))

    def end_home(self, which: Token | None, ended_by: str) -> None:
        """The anchor half is done with this seat: the customer left, was sent on, or the attempt was withdrawn."""
        lease = self.lease(which)
        if lease is not None and (lease.state is LeaseState.RINGING or lease.state in IN_TALK):
            self.end(replace(lease, partner=None), ended_by)

    def end(self, lease: Lease, ended_by: str) -> Lease:
        """Over; now the seat's channel has to go."""
        if lease.answered_at is not None:
            lease = self._mark_ended(lease, ended_by)
        lease = replace(lease, state=LEASE_MOVES.after(lease.state, LeaseMove.END), since=self._step.now)
        self.keep(lease)
        if lease.seat is not None:
            self._step.ask(Clear(lease.seat, Cause.CLEARED_BY_US))
        return lease

    def _mark_ended(self, lease: Lease, ended_by: str) -> Lease:
        lease = replace(held_until(lease, self._step.now), ended_at=self._step.now, ended_by=ended_by)
        self.keep(lease)
        return lease

    # ── wrap-up and after ───────────────────────────────────────────────────────────────────────────────────────
    def _wrap_up(self, lease: Lease) -> None:
        session = replace(self._sessions.of(lease.agent), lease=None, wrapping=lease.token)
        self._sessions.move(session, AgentMove.END)
        if session.leaving or not lease.wrap_up:
            self.finish(lease)
        else:
            self._step.start_timer("wrap_up", lease.token, after_s=self._rules.wrap_up_s)

    def wrap_up_over(self, which: Token) -> None:
        """The countdown ran out."""
        lease = self.lease(which)
        if lease is not None and self._sessions.of(lease.agent).wrapping == which:
            self.finish(lease)

    def finish(self, lease: Lease) -> None:
        """The segment is closed; the agent is free for the next."""
        self._step.stop_timer("wrap_up", lease.token)
        answered = lease.answered_at if lease.answered_at is not None else self._step.now
        ended = lease.ended_at if lease.ended_at is not None else self._step.now
        spoke = lease.speaks_since if lease.speaks_since is not None else ended
        if not lease.outbound:  # what callers have to wait for is how long callers take
            self._measure(lease.context.skill, self._step.now - answered)
        self._step.write(
            rows.SegmentClosed(
                contact=lease.contact,
                n=lease.attempt.n,
                site=self._rules.city,
                agent=lease.agent,
                talked_s=round(ended - spoke - lease.held_s, 3),
                held_s=round(lease.held_s, 3),
                wrap_up_s=round(self._step.now - ended, 3),
                disposition=lease.disposition,
                notes="\n".join(lease.notes),
                ended_by=lease.ended_by,
            )
        )
        self._forget(lease)
        session = self._sessions.of(lease.agent)
        reason = session.then_not_ready
        session = replace(session, wrapping=None, then_not_ready="")
        move = AgentMove.FINISH_NOT_READY if reason else AgentMove.FINISH_READY
        self._sessions.move(session, move, reason=reason)
        self._sessions.settle(lease.agent)

    def _measure(self, skill: SkillId, handled_s: float) -> None:
        known = self._handling.get(skill)
        self._handling[skill] = handled_s if known is None else known + 0.1 * (handled_s - known)

    def _free_slot(self, lease: Lease, *, front: bool) -> None:
        session = self._sessions.of(lease.agent)
        self._sessions.keep(replace(session, lease=None))
        self._sessions.settle(lease.agent, front=front)

    def _forget(self, lease: Lease) -> None:
        """Drop a lease that holds nothing any more; its number rests."""
        del self._leases[lease.token]
        self._by_attempt.pop(lease.attempt, None)
        self._step.stop_timer("lease", lease.token)
        if lease.number:
            self._numbers.give_back(lease.number, self._step.now)

    # ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────────
    def outcome(self, row: AnyRow) -> None:
        """The outcome row of an attempt that we served (O3): the segment is confirmed, or never was."""
        if not isinstance(row, rows.AttemptAnswered | rows.AttemptWithdrawn):
            return
        attempt = AttemptId(row.contact, row.n)
        # an anchor that restarted knows its attempt, and no longer whose grant it had taken
        lease = self.lease(row.token if row.token is not None else self._by_attempt.get(attempt))
        if isinstance(row, rows.AttemptAnswered):
            if attempt in self._unconfirmed:
                self._confirm(attempt, lease)
            return
        if attempt in self._unconfirmed:
            self._unconfirmed.pop(attempt, None)
            self._step.write(rows.SegmentVoided(contact=row.contact, n=row.n, reason=row.reason))
        if lease is not None and lease.attempt == attempt:
            self._withdrawn(lease)

    def _withdrawn(self, lease: Lease) -> None:
        """The row may be faster than the voice network's own word, and then no other outcome will ever come: an answer
        after it would be nobody's (O2).
        """
        if lease.state is LeaseState.GRANTED:
            self._unclaimed(lease.token, LeaseMove.RELEASE)
        elif lease.state is LeaseState.RINGING or lease.state in IN_TALK:
            partner = lease.partner
            self.end(lease, "withdrawn")
            if partner is not None:
                self._step.ask(Clear(partner, Cause.CANCELLED))

    def _confirm(self, attempt: AttemptId, lease: Lease | None) -> None:
        self._unconfirmed.pop(attempt, None)
        self._step.write(rows.SegmentConfirmed(contact=attempt.contact, n=attempt.n))
        if lease is not None:
            self.keep(replace(self._leases[lease.token], confirmed=True))

    # ── after a restart ─────────────────────────────────────────────────────────────────────────────────────────
    def restore(self, lease: Lease) -> None:
        """Put back an answered segment that a restart interrupted; its session was restored before."""
        self._leases[lease.token] = lease
        self._by_attempt[lease.attempt] = lease.token
        if not lease.confirmed:
            self._unconfirmed[lease.attempt] = self._step.now
        for connection in (lease.seat, lease.partner):
            if connection is not None and (connection == lease.seat or lease.anchor != self._rules.city):
                self._by_connection[connection] = lease.token

    def await_outcome(self, attempt: AttemptId) -> None:
        """An earlier run closed this attempt's segment before its outcome came (O3)."""
        self._unconfirmed[attempt] = self._step.now


def held_until(lease: Lease, now: float) -> Lease:
    """The lease with a hold that is still open counted up to ``now``."""
    if lease.held_since is None:
        return lease
    return replace(lease, held_s=lease.held_s + now - lease.held_since, held_since=None)
