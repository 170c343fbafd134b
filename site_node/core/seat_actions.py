"""What an agent does: with the own readiness, and with the contact at the seat. Refused before anything changes."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from dataset.errors import Problem, Refused
from dataset.ids import AttemptId, Token
from federation.core.envelope import TransferAnswer, TransferWanted
from federation.core.lease import LEASE_MOVES, LeaseMove, LeaseState
from site_node.core import events
from site_node.core.agent import AgentMove, Presence
from site_node.core.call_back import CallBacks
from site_node.core.rules import Rules
from site_node.core.serving import IN_TALK, Serving, held_until
from site_node.core.sessions import Sessions, wrong_state
from site_node.core.step import Step
from site_node.core.telephony import Cause, Clear, Join, Music, Part


class Anchoring(Protocol):
    """What the agents' actions need of the anchor half of the same city."""

    def home_finished(self, attempt: AttemptId) -> None:
        """The agent explicitly finished (O4)."""

    def home_noted(self, attempt: AttemptId, note: str) -> None:
        """The agent wrote a note."""

    def home_transfer(self, attempt: AttemptId, request: events.TransferAsked) -> None:
        """The agent sends the caller on. Raises ``Refused``."""


class SeatActions:
    """One method per event of ``events.AgentEvent``."""

    def __init__(
        self,
        rules: Rules,
        step: Step,
        sessions: Sessions,
        serving: Serving,
        call_backs: CallBacks,
        anchor: Anchoring,
    ) -> None:
        self._rules = rules
        self._step = step
        self._sessions = sessions
        self._serving = serving
        self._call_backs = call_backs
        self._anchor = anchor
        self._wishes: dict[str, Token] = {}
        """transfers asked of other anchors and not yet answered"""

    def act(self, event: events.AgentEvent) -> None:
        """Let one event of an agent happen. Raises ``Refused``."""
        match event:
            case events.LoggedIn():
                self._sessions.log_in(event)
            case events.LoggedOut():
                self._log_out(event)
            case events.ReadyAsked():
                self._ready(event)
            case events.NotReadyAsked():
                self._not_ready(event)
            case events.CallBackAsked():
                self._call_backs.asked(event)
            case events.AnswerAsked():
                self._answer(event)
            case events.HoldAsked():
                self._hold(event)
            case events.RetrieveAsked():
                self._retrieve(event)
            case events.TransferAsked():
                self._transfer(event)
            case events.NoteAdded():
                self._note(event)
            case events.DispositionSet():
                lease = self._serving.lease_of(event.agent, event.contact)
                self._serving.keep(replace(lease, disposition=event.code))
            case events.HangUpAsked():
                self._hang_up(event, wrap_up=True)
            case events.FinishAsked():
                self._finish(event)

    # ── readiness ───────────────────────────────────────────────────────────────────────────────────────────────
    def _log_out(self, event: events.LoggedOut) -> None:
        """In a contact it is refused, or with ``forced`` postponed to the contact's end."""
        session = self._sessions.of(event.agent)
        if session.lease is None and session.wrapping is None:
            self._sessions.log_out(session, event.reason)
            return
        if not event.forced:
            raise wrong_state(session, "log out")
        self._sessions.keep(replace(session, leaving=True))
        lease = self._serving.lease(session.wrapping)
        if lease is not None:
            self._serving.finish(lease)

    def _ready(self, event: events.ReadyAsked) -> None:
        """示闲; out of wrap-up it finishes the segment; in a contact it takes back a 示忙 asked for its end."""
        session = replace(self._sessions.of(event.agent), then_not_ready="")
        lease = self._serving.lease(session.wrapping)
        if session.presence is Presence.NOT_READY:
            self._sessions.move(session, AgentMove.READY)
            self._sessions.offer(event.agent)
            return
        self._sessions.keep(session)
        if lease is not None:
            self._serving.finish(lease)

    def _not_ready(self, event: events.NotReadyAsked) -> None:
        """示忙: at once, or at the end of the contact. A slot already promised is kept: its caller is on the way."""
        session = self._sessions.of(event.agent)
        if session.presence is Presence.NOT_READY or (session.presence is Presence.READY and session.lease is None):
            self._sessions.move_out(session, event.reason)
        else:
            self._sessions.keep(replace(session, then_not_ready=event.reason))

    # ── the contact at the seat ─────────────────────────────────────────────────────────────────────────────────
    def _answer(self, event: events.AnswerAsked) -> None:
        lease = self._serving.lease_of(event.agent, event.contact)
        session = self._sessions.of(event.agent)
        if lease.state is not LeaseState.RINGING:
            raise wrong_state(session, "answer")
        if not session.can_answer:
            raise Refused(
                Problem("answer-at-phone", zh="请在话机上接听", en="this seat is answered at the phone"), status=409
            )
        self._step.answer_seat(session.seat)

    def _hold(self, event: events.HoldAsked) -> None:
        lease = self._serving.lease_of(event.agent, event.contact)
        session = self._sessions.of(event.agent)
        if lease.state is not LeaseState.TALKING or lease.seat is None or lease.partner is None:
            raise wrong_state(session, "hold")
        if lease.speaks_since is None:
            raise wrong_state(session, "hold before the customer has answered")
        state = LEASE_MOVES.after(lease.state, LeaseMove.HOLD)
        self._serving.keep(replace(lease, state=state, held_since=self._step.now))
        self._sessions.move(session, AgentMove.HOLD)
        self._step.ask(Part(lease.partner, lease.seat))
        self._step.ask(Music(lease.partner))

    def _retrieve(self, event: events.RetrieveAsked) -> None:
        lease = self._serving.lease_of(event.agent, event.contact)
        session = self._sessions.of(event.agent)
        if lease.state is not LeaseState.HELD or lease.seat is None or lease.partner is None:
            raise wrong_state(session, "retrieve")
        state = LEASE_MOVES.after(lease.state, LeaseMove.RETRIEVE)
        self._serving.keep(replace(held_until(lease, self._step.now), state=state))
        self._sessions.move(session, AgentMove.RETRIEVE)
        self._step.ask(Join(lease.partner, lease.seat))

    def _note(self, event: events.NoteAdded) -> None:
        lease = self._serving.lease_of(event.agent, event.contact)
        note = f"{event.agent}: {event.text}"
        self._serving.keep(replace(lease, notes=(*lease.notes, note)))
        if lease.anchor == self._rules.city:
            self._anchor.home_noted(lease.attempt, note)

    def _hang_up(self, event: events.HangUpAsked | events.FinishAsked, *, wrap_up: bool) -> None:
        """Explicitly finished (O4): said through the voice network itself, so it holds with the link down too."""
        lease = self._serving.lease_of(event.agent, event.contact)
        gives_up = lease.outbound and lease.state is LeaseState.RINGING
        if lease.state not in IN_TALK and not gives_up:
            raise wrong_state(self._sessions.of(event.agent), "hang up")
        partner = lease.partner
        self._serving.end(replace(lease, wrap_up=wrap_up), "agent")
        if lease.anchor == self._rules.city:
            self._anchor.home_finished(lease.attempt)
        elif partner is not None:
            self._step.ask(Clear(partner, Cause.FINISHED))

    def _finish(self, event: events.FinishAsked) -> None:
        """The segment is done, wrap-up included; out of talk the call is hung up first."""
        lease = self._serving.lease_of(event.agent, event.contact)
        if lease.state in IN_TALK:
            self._hang_up(event, wrap_up=False)
        elif self._sessions.of(event.agent).wrapping == lease.token:
            self._serving.finish(lease)
        elif lease.state is LeaseState.CLEARING and lease.answered_at is not None:
            self._serving.keep(replace(lease, wrap_up=False))
        else:
            raise wrong_state(self._sessions.of(event.agent), "finish")

    # ── transfer ────────────────────────────────────────────────────────────────────────────────────────────────
    def _transfer(self, event: events.TransferAsked) -> None:
        """The anchor sends the caller on (O1): this very city, or another one that is asked over the link."""
        lease = self._serving.lease_of(event.agent, event.contact)
        if lease.state not in IN_TALK:
            raise wrong_state(self._sessions.of(event.agent), "transfer")
        if lease.outbound:
            raise Refused(
                Problem(
                    "call-back-transfer",
                    zh="回访通话不能转接；需要他人处理时请转派工单",
                    en="a call-back cannot be transferred: hand the work item on instead",
                    place="contact",
                ),
                status=409,
            )
        if (event.to_skill is None) == (event.to_agent is None):
            raise Refused(
                Problem(
                    "transfer-target",
                    zh="请给出 to_skill 或 to_agent 之一",
                    en="name either to_skill or to_agent",
                    place="to_skill",
                )
            )
        notes = (*lease.notes, f"{event.agent}: {event.note}") if event.note else lease.notes
        if lease.anchor == self._rules.city:
            self._anchor.home_transfer(lease.attempt, event)
            self._step.settle_transfer(event.request)
            return
        self._serving.keep(replace(lease, notes=notes))
        self._wishes[event.request] = lease.token
        budget = 2 * self._rules.link_one_way_s + self._rules.journal_sync_s
        wish = TransferWanted(
            contact=lease.contact,
            n=lease.attempt.n,
            token=lease.token,
            by=event.agent,
            request=event.request,
            to_skill=event.to_skill,
            to_agent=event.to_agent,
            notes=notes,
            budget_s=budget,
        )
        self._step.send(lease.anchor, wish, budget)
        self._step.start_timer("wish", event.request, after_s=budget)

    def transfer_answered(self, message: TransferAnswer) -> None:
        """The far anchor has taken the caller over, or has not."""
        if self._wishes.pop(message.request, None) is None:
            return
        self._step.stop_timer("wish", message.request)
        problem = None
        if message.problem:
            problem = Problem(message.problem, zh="接入局未能转接", en="the anchor could not transfer the caller")
        self._step.settle_transfer(message.request, problem)

    def wish_expired(self, request: str) -> None:
        """The far anchor did not answer in time; as far as we know the agent still has the caller."""
        if self._wishes.pop(request, None) is not None:
            self._step.settle_transfer(
                request,
                Problem(
                    "anchor-unreachable",
                    zh="接入局没有应答，客户仍在您这里，请稍后再试",
                    en="the anchor did not answer; you still have the caller, try again",
                ),
            )
