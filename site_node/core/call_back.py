"""Calls of this city to the customers of work items (回访): contacts whose direction is outbound.

In the words of ECMA-269's make call: *initiated* while the agent's own telephone rings, *originated* once the agent has
answered and the customer's number is dialled, *delivered* while the customer's telephone rings, *established* when the
two are joined, *cleared* at the end. The agent's slot is leased as for any contact (I2), so the serving half knows no
difference but that the agent is there first; there is no queue, no attempt and nobody to return to
(docs/decisions/call-back.md).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from dataset import rows
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, AttemptId, ConnectionId, ContactId, SkillId, Token
from dataset.rows import VOICE_OUT, CallBackOf, Ending, Evidence
from dataset.work import CallBackOutcome
from federation.core.envelope import Context
from federation.core.lease import LeaseState
from federation.core.moves import Moves
from site_node.core.agent import Presence
from site_node.core.events import CallBackAsked
from site_node.core.names import customer_connection
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions, wrong_state
from site_node.core.step import Step
from site_node.core.telephony import Cause, Clear, HeldConnection, Join, Leg, Make, Music, Outside, Part, Role

N = 1
"""the one try of a call-back, as its lease and its legs are named"""
LOST = (Cause.SWITCH_FAILED, Cause.MEDIA_LOST)
_NOT_REACHED = {
    Cause.NO_ANSWER: CallBackOutcome.NO_ANSWER,
    Cause.BUSY: CallBackOutcome.BUSY,
    Cause.REJECTED: CallBackOutcome.REFUSED,
    Cause.REFUSED: CallBackOutcome.REFUSED,
    Cause.UNREACHABLE: CallBackOutcome.UNREACHABLE,
    Cause.CONGESTION: CallBackOutcome.UNREACHABLE,
}


class CallBackState(StrEnum):
    """Where a call-back stands."""

    INITIATED = "initiated"
    """the agent's own telephone rings"""
    ORIGINATED = "originated"
    """the agent has answered; the customer's number is dialled"""
    DELIVERED = "delivered"
    """the customer's telephone rings"""
    ESTABLISHED = "established"
    """the customer has answered; the two hear each other"""
    CLEARED = "cleared"


class CallBackMove(StrEnum):
    """What can happen to a call-back."""

    ORIGINATE = "originate"
    DELIVER = "deliver"
    ESTABLISH = "establish"
    CLEAR = "clear"


_S, _M = CallBackState, CallBackMove
CALL_BACK_MOVES: Moves[CallBackState, CallBackMove] = Moves(
    "call-back",
    _S.INITIATED,
    {
        (_S.INITIATED, _M.ORIGINATE): _S.ORIGINATED,
        (_S.INITIATED, _M.CLEAR): _S.CLEARED,
        (_S.ORIGINATED, _M.DELIVER): _S.DELIVERED,
        (_S.ORIGINATED, _M.ESTABLISH): _S.ESTABLISHED,  # an answer without ringing before it
        (_S.ORIGINATED, _M.CLEAR): _S.CLEARED,
        (_S.DELIVERED, _M.ESTABLISH): _S.ESTABLISHED,
        (_S.DELIVERED, _M.CLEAR): _S.CLEARED,
        (_S.ESTABLISHED, _M.CLEAR): _S.CLEARED,
    },
)
DIALLED = (CallBackState.ORIGINATED, CallBackState.DELIVERED)


class CallBack(msgspec.Struct, frozen=True):
    """A value, replaced and never changed. Times are the site's monotonic seconds."""

    id: ContactId
    about: CallBackOf
    number: str
    service: str
    skill: SkillId
    token: Token
    born: float
    state: CallBackState = CallBackState.INITIATED
    established_at: float | None = None
    outcome: CallBackOutcome | None = None
    """set with its end"""
    talked_s: float = 0.0

    @property
    def attempt(self) -> AttemptId:
        """As its lease and its legs are named."""
        return AttemptId(self.id, N)

    @property
    def customer(self) -> ConnectionId:
        """The customer's leg."""
        return customer_connection(self.attempt)

    @property
    def agent(self) -> AgentId:
        """Who calls."""
        return self.about.by.agent


class CallBacks:
    """All call-backs of one city that are under way, and each agent's last one."""

    def __init__(
        self,
        rules: Rules,
        package: str,
        step: Step,
        sessions: Sessions,
        serving: Serving,
        new_contact: Callable[[], ContactId],
    ) -> None:
        self._rules = rules
        self._package = package
        self._step = step
        self._sessions = sessions
        self._serving = serving
        self._new_contact = new_contact
        self._live: dict[ContactId, CallBack] = {}
        self._legs: dict[ConnectionId, ContactId] = {}
        self._last: dict[AgentId, CallBack] = {}

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────
    def get(self, contact: ContactId) -> CallBack | None:
        """The call-back with this id, while it is under way."""
        return self._live.get(contact)

    def all(self) -> list[CallBack]:
        """All that are under way, in order of birth."""
        return list(self._live.values())

    def of(self, agent: AgentId) -> CallBack | None:
        """The agent's call-back, or the last one and how it ended."""
        return next((one for one in self._live.values() if one.agent == agent), self._last.get(agent))

    def knows(self, connection: ConnectionId) -> bool:
        """Whether this is the customer's leg of a call-back that is under way."""
        return connection in self._legs

    # ── the agent's side ────────────────────────────────────────────────────────────────────────────────────────
    def asked(self, event: CallBackAsked) -> None:
        """A contact is born, in the journal first (J1), and the agent's own telephone rings.

        Raises ``Refused``: 503 ``switch-away``, 409 ``wrong-state`` where the slot is not free, 409
        ``call-back-under-way`` where somebody here calls about the same item.
        """
        session = self._sessions.of(event.agent)
        if not session.verified:
            raise Refused(
                Problem(
                    "switch-away",
                    zh="交换机连接中断，暂时不能外呼，请稍后再试",
                    en="the switch is away: nobody can be called now, try again shortly",
                ),
                status=503,
            )
        free = session.lease is None and session.wrapping is None
        if not free or session.presence not in (Presence.READY, Presence.NOT_READY):
            raise wrong_state(session, "call back")
        for other in self._live.values():
            if other.about.item == event.item:
                raise Refused(
                    Problem(
                        "call-back-under-way",
                        zh=f"坐席 {other.agent} 正在为此工单回访用户，请等其结束",
                        en=f"{other.agent} is calling the customer about this item: wait until that call has ended",
                        place=event.item,
                    ),
                    status=409,
                )
        which = self._new_contact()
        attempt = AttemptId(which, N)
        about = CallBackOf(
            item=event.item,
            owning=event.owning,
            by=event.by,
            seat=session.seat,
            customer=event.customer,
            line=event.line,
        )
        self._step.write(
            rows.ContactBorn(
                contact=which,
                city=self._rules.city,
                channel=VOICE_OUT,
                door="",
                calling=event.number,
                connection=customer_connection(attempt),
                package=self._package,
                call_back=about,
            )
        )
        if session.presence is Presence.NOT_READY:
            self._sessions.keep(replace(session, then_not_ready=session.reason))
        lease = self._serving.lease_home(attempt, event.agent, self._context(event), outbound=True)
        born = CallBack(which, about, event.number, event.service, event.skill, lease.token, self._step.now)
        self._keep(born)
        self._serving.ring(lease, born.customer)

    def _context(self, event: CallBackAsked) -> Context:
        return Context(
            calling=event.number,
            door="",
            path=(),
            service=event.service,
            skill=event.skill,
            channel=VOICE_OUT,
            priority=0,
            package=self._package,
            waited_s=0.0,
        )

    def seat_answered(self, attempt: AttemptId) -> None:
        """The agent is there: the customer's number is dialled."""
        call = self._live.get(attempt.contact)
        if call is None:
            return
        self._move(call, CallBackMove.ORIGINATE)
        self._step.ask(
            Make(
                connection=call.customer,
                device=Outside(call.number),
                leg=Leg(call.id, N, Role.CUSTOMER, call.token),
                ring_s=self._rules.call_back_ring_s,
            )
        )

    def seat_failed(self, attempt: AttemptId) -> None:
        """The agent's own telephone was not answered."""
        call = self._live.get(attempt.contact)
        if call is not None:
            self._end(call, CallBackOutcome.AGENT_MISSED, "agent_missed")

    def seat_lost(self, attempt: AttemptId, cause: Cause) -> None:
        """The agent's leg is gone after the answer: there is nobody to return the customer to."""
        call = self._live.get(attempt.contact)
        if call is not None:
            self._agent_gone(call, cause, "seat")

    def finished(self, attempt: AttemptId) -> None:
        """The agent has hung up, or given up."""
        call = self._live.get(attempt.contact)
        if call is not None:
            self._agent_gone(call, Cause.NORMAL, "agent")

    def _agent_gone(self, call: CallBack, cause: Cause, who: str) -> None:
        """``who``: ``agent`` said so here, ``seat`` hung up at the telephone."""
        lost = cause in LOST
        self._end(
            call,
            CallBackOutcome.FAILED if lost else CallBackOutcome.GIVEN_UP,
            cause.value if lost else who,
            failed=lost,
            evidence=Evidence.INFERRED if cause is Cause.SWITCH_FAILED else Evidence.SEEN,
        )

    # ── the customer's side ─────────────────────────────────────────────────────────────────────────────────────
    def delivered(self, connection: ConnectionId) -> None:
        """The customer's telephone rings."""
        call = self._with(connection)
        if call is not None and CALL_BACK_MOVES.may(call.state, CallBackMove.DELIVER):
            self._move(call, CallBackMove.DELIVER)

    def established(self, connection: ConnectionId) -> None:
        """The customer has answered: on record first, then the two are joined."""
        call = self._with(connection)
        lease = self._serving.lease(call.token) if call is not None else None
        if call is None or not CALL_BACK_MOVES.may(call.state, CallBackMove.ESTABLISH):
            return
        self._step.write(rows.CallBackAnswered(contact=call.id))
        self._serving.speaks(call.token)
        self._move(call, CallBackMove.ESTABLISH, established_at=self._step.now)
        if lease is not None and lease.seat is not None:
            self._step.ask(Join(connection, lease.seat))

    def cleared(self, connection: ConnectionId, cause: Cause, evidence: Evidence = Evidence.SEEN) -> None:
        """The customer hung up, or was not reached: the switch says which."""
        call = self._with(connection)
        if call is None:
            return
        lost = cause in LOST or (call.state in DIALLED and cause not in _NOT_REACHED)
        self._end(
            call,
            _NOT_REACHED.get(cause, CallBackOutcome.FAILED),
            "customer" if cause is Cause.NORMAL and not lost else cause.value,
            failed=lost,
            evidence=evidence,
            customer_gone=True,
        )

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _end(
        self,
        call: CallBack,
        outcome: CallBackOutcome,
        cause: str,
        *,
        failed: bool = False,
        evidence: Evidence = Evidence.SEEN,
        customer_gone: bool = False,
    ) -> None:
        """The one ending (I1): on record, and both legs hung up. Who was reached stays so, however the talk ended."""
        talked_s = self._step.now - call.established_at if call.established_at is not None else 0.0
        reached = call.state is CallBackState.ESTABLISHED
        ended = replace(
            call,
            state=CALL_BACK_MOVES.after(call.state, CallBackMove.CLEAR),
            outcome=CallBackOutcome.REACHED if reached else outcome,
            talked_s=round(talked_s, 3),
        )
        del self._live[call.id]
        del self._legs[call.customer]
        self._last[call.agent] = ended
        self._write_end(ended, call.state is not CallBackState.INITIATED, cause, failed, evidence)
        self._serving.end_home(call.token, "customer" if cause == "customer" else str(ended.outcome))
        if not customer_gone and call.state is not CallBackState.INITIATED:
            self._step.ask(Clear(call.customer, Cause.NORMAL if reached else Cause.CANCELLED))
        self._step.show(call.agent)

    def _write_end(self, ended: CallBack, called: bool, cause: str, failed: bool, evidence: Evidence) -> None:
        reached = ended.outcome is CallBackOutcome.REACHED
        assert ended.outcome is not None
        self._step.write(
            rows.CallBackEnded(
                contact=ended.id,
                item=ended.about.item,
                owning=ended.about.owning,
                by=ended.about.by,
                outcome=ended.outcome,
                called=called,
                talked_s=ended.talked_s,
            )
        )
        ending = Ending.FAILED if failed else Ending.COMPLETED if reached else Ending.CLOSED_BY_US
        self._step.write(
            rows.ContactEnded(
                contact=ended.id,
                city=self._rules.city,
                ending=ending,
                evidence=evidence,
                cause=cause,
                service=ended.service,
                skill=ended.skill,
                serving=self._rules.city if reached else None,
                agent=ended.agent,
                answers=int(reached),
                talked_s=ended.talked_s,
                lasted_s=round(self._step.now - ended.born, 3),
            )
        )

    # ── restart, and the switch that comes back ─────────────────────────────────────────────────────────────────
    def restore(self, call: CallBack) -> None:
        """Put back what a restart interrupted after the agent had answered; its lease is restored behind it."""
        self._keep(call)

    def interrupted(self, call: CallBack) -> None:
        """A restart came before the agent had answered: it is over, and what still rings is hung up as an orphan."""
        ended = replace(call, state=CallBackState.CLEARED, outcome=CallBackOutcome.FAILED)
        self._last[call.agent] = ended
        self._write_end(ended, False, "restart", True, Evidence.INFERRED)

    def drop_what_is_gone(self, there: dict[ConnectionId, HeldConnection]) -> None:
        """Customers' legs that the switch does not show."""
        for call in self.all():
            if call.state is not CallBackState.INITIATED and call.customer not in there:
                self.leg_gone(call.customer)

    def leg_gone(self, connection: ConnectionId) -> None:
        """As if the switch had said so; what it may still do about it is undone."""
        self._step.ask(Clear(connection, Cause.CANCELLED))
        self.cleared(connection, Cause.SWITCH_FAILED, Evidence.INFERRED)

    def catch_up(self, there: dict[ConnectionId, HeldConnection]) -> None:
        """What happened while nobody heard of it."""
        for call in self.all():
            lease = self._serving.lease(call.token)
            seat = there.get(lease.seat) if lease is not None and lease.seat is not None else None
            customer = there.get(call.customer)
            if lease is None or lease.seat is None:
                self._agent_gone(call, Cause.SWITCH_FAILED, "seat")
            elif call.state is CallBackState.INITIATED:
                if seat is not None and seat.established:
                    self._serving.established(lease.seat)
            elif customer is not None and call.state is CallBackState.ESTABLISHED:
                self.join_again(customer, lease.seat, held=lease.state is LeaseState.HELD)
            elif customer is not None and customer.established:
                self.established(call.customer)

    def join_again(self, customer: HeldConnection, seat: ConnectionId, *, held: bool) -> None:
        """Customer and agent hear each other, unless the agent holds the customer."""
        if held and customer.joined_to is not None:
            self._step.ask(Part(customer.connection, customer.joined_to))
            self._step.ask(Music(customer.connection))
        elif not held and customer.joined_to != seat:
            self._step.ask(Join(customer.connection, seat))

    def end_without_lease(self, call: CallBack) -> None:
        """No lease stands for it (I8)."""
        self._agent_gone(call, Cause.SWITCH_FAILED, "seat")

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _with(self, connection: ConnectionId) -> CallBack | None:
        contact = self._legs.get(connection)
        return self._live.get(contact) if contact is not None else None

    def _keep(self, call: CallBack) -> None:
        self._live[call.id] = call
        self._legs[call.customer] = call.id
        self._step.show(call.agent)

    def _move(self, call: CallBack, move: CallBackMove, *, established_at: float | None = None) -> None:
        self._keep(replace(call, state=CALL_BACK_MOVES.after(call.state, move), established_at=established_at))
