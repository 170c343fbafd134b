"""Home routing: finding an agent for each waiting contact, at home first, in the province when home will be late.

Until a grant is taken a contact races at home; a home win withdraws the attempt first (A1). Whatever fails gives
everything back: the caller keeps the old place.
"""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from dataset import rows
from dataset.ids import AgentId, AttemptId, CityId, ContactId, NodeId, SkillId, city_of
from dataset.rows import Left, Withdrawn
from federation.core.attempt import ATTEMPT_MOVES, Attempt, AttemptMove, AttemptState
from federation.core.envelope import Close, Granted, NoProposal, NotGranted, Open, Propose, Release, SkillPicture, Taken
from federation.core.matching import MatchIndex
from federation.core.overflow import pause_before_next, should_open
from site_node.core.contact import Contact, ContactMove, ContactState
from site_node.core.contacts import Contacts, context_of, waited_s
from site_node.core.names import outbound_connection
from site_node.core.peers import PeerMatching
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.sight import Sight
from site_node.core.step import Step
from site_node.core.telephony import Cause, Clear, Join, Leg, Make, Role, Trunk

_LEG_FAILED = {
    Cause.NO_ANSWER: Withdrawn.NO_ANSWER,
    Cause.BUSY: Withdrawn.BUSY,
    Cause.REJECTED: Withdrawn.REJECTED,
    Cause.REFUSED: Withdrawn.REFUSED,
}

LOOK_AGAIN_AT_LEAST_S = 0.05


class Routing:
    """Attempts of the contacts anchored in one city."""

    def __init__(
        self,
        rules: Rules,
        step: Step,
        index: MatchIndex,
        contacts: Contacts,
        sessions: Sessions,
        sight: Sight,
        serving: Serving,
        peers: PeerMatching,
    ) -> None:
        self._rules = rules
        self._us = NodeId(rules.city)
        self._step = step
        self._index = index
        self._contacts = contacts
        self._sessions = sessions
        self._sight = sight
        self._serving = serving
        self._peers = peers
        self._wanted: dict[AgentId, deque[ContactId]] = {}
        """contacts that wait for one agent of this city by name"""

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────
    def wait(self, which: ContactId, *, front: bool) -> None:
        """The contact waits: give it a place in its queue, or with the agent it was sent to, and look for an agent.

        After a try without an answer that is the old place, whatever ``front`` says.
        """
        contact = self._contacts.of(which)
        if contact.transfer is not None and contact.transfer.to_agent is not None:
            self._wait_for(contact, contact.transfer.to_agent)
            return
        self._index.wait(which, contact.skill, contact.priority, front=front, place=contact.place)
        agent = self._index.agent_for(contact.skill)
        if agent is not None:
            self._try_home(contact, agent, "idle_at_home")
        else:
            self.consider_opening(which)

    def _wait_for(self, contact: Contact, agent: AgentId) -> None:
        """Wait for one agent, of this city or another."""
        if city_of(agent) != self._rules.city:
            self._open_to_agent(contact, agent)
        elif self._index.is_idle(agent):
            self._try_home(contact, agent, "named_agent")
        elif contact.transfer is not None and contact.transfer.going_back:
            self._ask_again(contact.id)
        else:
            self._wanted.setdefault(agent, deque()).append(contact.id)

    def agent_idle(self, agent: AgentId) -> None:
        """A slot of ours is free: whoever was sent to this agent comes first, then the queues."""
        wanted = self._wanted.get(agent)
        if wanted:
            which = wanted.popleft()
            if not wanted:
                del self._wanted[agent]
            self._try_home(self._contacts.of(which), agent, "named_agent")
            return
        best = self._index.contact_for(agent)
        if best is not None:
            self._try_home(self._contacts.of(best), agent, "idle_at_home")

    def leave(self, contact: Contact) -> None:
        """The contact waits no longer, whatever for; its place in the queue is remembered."""
        place = self._index.place_of(contact.id)
        if place is not None:
            self._contacts.change(contact.id, place=place)
            self._index.leave(contact.id)
        agent = contact.transfer.to_agent if contact.transfer is not None else None
        if agent is not None and agent in self._wanted and contact.id in self._wanted[agent]:
            self._wanted[agent].remove(contact.id)
            if not self._wanted[agent]:
                del self._wanted[agent]
        for timer in ("look", "retry"):
            self._step.stop_timer(timer, contact.id)

    def expected_wait_s(self, skill: SkillId, ahead: int) -> float | None:
        """Expected wait behind ``ahead`` others of ``skill``, seconds; None when nobody is staffed."""
        staffed = self._sessions.staffed(skill)
        if not staffed:
            return None
        if self._index.idle_count(skill) > ahead:
            return 0.0
        return (ahead + 1) * self._serving.mean_handling_s(skill) / staffed

    # ── at home ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _try_home(self, contact: Contact, agent: AgentId, why: str) -> None:
        """An agent of ours is idle: lease the slot, ring the seat."""
        idle, waiting = self._index.idle_count(contact.skill), self._index.waiting(contact.skill)
        self.leave(contact)
        if contact.remote is not None:
            self.withdraw_remote(contact, Withdrawn.HOME_WON)
            contact = self._contacts.of(contact.id)
        n = contact.attempts + 1
        attempt_id = AttemptId(contact.id, n)
        self._write_opened(contact, n, "home", agent)
        self._step.write(
            rows.Decision(
                contact=contact.id,
                n=n,
                by=self._rules.city,
                choice="home",
                site=self._rules.city,
                agent=agent,
                why=why,
                known={
                    "home.idle": idle,
                    "home.waiting": waiting,
                    "waited_s": round(waited_s(contact, self._step.now), 3),
                },
            )
        )
        lease = self._serving.lease_home(attempt_id, agent, context_of(contact, self._step.now))
        attempt = Attempt(n, AttemptState.TAKEN, self._rules.city, agent, lease.token, home=True, since=self._step.now)
        self._contacts.change(contact.id, attempts=n, home=attempt)
        lease = self._serving.ring(lease, contact.connection)
        self._contacts.change(contact.id, home=replace(attempt, connection=lease.seat))

    def home_failed(self, attempt: AttemptId, reason: Withdrawn) -> None:
        """The seat did not answer: back to the old place."""
        contact = self._contacts.get(attempt.contact)
        if contact is not None and contact.home is not None and contact.home.n == attempt.n:
            self._withdraw_home(contact, reason)
            self.wait(contact.id, front=True)

    def home_lost_lease(self, contact: Contact) -> None:
        """A try at home that no lease stands for: back to the old place."""
        if contact.home is not None:
            self.home_failed(AttemptId(contact.id, contact.home.n), Withdrawn.UNREACHABLE)

    def _withdraw_home(self, contact: Contact, reason: Withdrawn) -> None:
        attempt = contact.home
        if attempt is None:
            return
        self._contacts.change(contact.id, home=None)
        self._write_withdrawn(contact, attempt, reason)

    # ── in the province ─────────────────────────────────────────────────────────────────────────────────────────
    def consider_opening(self, which: ContactId) -> None:
        """Open the contact to the province if home will be late."""
        contact = self._contacts.get(which)
        if (
            contact is None
            or contact.state is not ContactState.WAITING
            or contact.home is not None
            or contact.remote is not None
            or not self._index.waits(which)
        ):
            return
        waiting = self._index.waiting(contact.skill)
        home = SkillPicture(
            waiting=waiting,
            idle=self._index.idle_count(contact.skill),
            staffed=self._sessions.staffed(contact.skill),
        )
        verdict = should_open(
            home,
            waited_s=waited_s(contact, self._step.now),
            expected_wait_s=self.expected_wait_s(contact.skill, waiting - 1),
            province_seen=self._sight.proposer is not None,
            policy=self._rules.overflow,
            hops=contact.hops,
        )
        if verdict.open:
            self._open(contact, verdict.why, verdict.known)
        elif verdict.look_again_s is not None:
            # a remainder of 1e-15 s would not move any clock on, and be looked at for ever at one moment
            self._step.start_timer("look", which, after_s=max(verdict.look_again_s, LOOK_AGAIN_AT_LEAST_S))

    def _open(self, contact: Contact, why: str, known: dict[str, float | int | str]) -> None:
        n = contact.attempts + 1
        self._contacts.change(contact.id, attempts=n, remote=self._open_attempt(n))
        self._write_opened(contact, n, "province", None)
        self._step.write(
            rows.Decision(contact=contact.id, n=n, by=self._rules.city, choice="open", why=why, known=known)
        )
        budget = self._rules.open_budget_s
        self._step.start_timer("grant", contact.id, str(n), after_s=budget + self._rules.grant_wait_s)
        wish = Open(
            contact=contact.id,
            n=n,
            context=context_of(contact, self._step.now),
            budget_s=budget,
            refused_by=contact.refused_by,
        )
        if self._sight.leader is not None:
            self._step.send(self._sight.leader, wish, budget)
        else:
            self._peers.open(wish)

    def _open_attempt(self, n: int) -> Attempt:
        return Attempt(n, since=self._step.now, proposer=self._sight.proposer)

    def follow(self, *, new_reign: bool) -> None:
        """Who looks for agents elsewhere has changed (B2, B3): what is open with somebody else is renewed at once.

        ``new_reign``: the hub that leads has started anew, or leads under a new term, and knows of nothing. Only where
        one of our own proposals is unanswered is its answer waited for.
        """
        for contact in self._contacts.all():
            attempt = contact.remote
            if attempt is not None and attempt.agent is None and attempt.state is AttemptState.OPEN:
                asking = self._peers.asking(AttemptId(contact.id, attempt.n))
                forgotten = new_reign and attempt.proposer == self._sight.leader
                if asking or (attempt.proposer == self._sight.proposer and not forgotten):
                    continue
                self.withdraw_remote(contact, Withdrawn.NO_GRANT)
            self.consider_opening(contact.id)

    def hand_over(self) -> None:
        """A hub leads: attempts for which no city is asked from here any more are opened there."""
        if self._sight.leader is None:
            return
        for attempt in self._peers.waiting():
            contact = self._contacts.get(attempt.contact)
            if contact is not None and contact.remote is not None and contact.remote.n == attempt.n:
                self.withdraw_remote(contact, Withdrawn.NO_GRANT)
                self.consider_opening(contact.id)

    def _open_to_agent(self, contact: Contact, agent: AgentId) -> None:
        """A named agent of another city: that city is asked directly (only it can grant, A2)."""
        n = contact.attempts + 1
        budget = self._rules.proposal_s
        self._contacts.change(contact.id, attempts=n, remote=Attempt(n, agent=agent, since=self._step.now))
        self._write_opened(contact, n, agent, agent)
        self._step.write(
            rows.Decision(
                contact=contact.id,
                n=n,
                by=self._rules.city,
                choice="propose",
                site=city_of(agent),
                agent=agent,
                why="named_agent",
                known={"waited_s": round(waited_s(contact, self._step.now), 3), "budget_s": budget},
            )
        )
        self._step.send(
            city_of(agent),
            Propose(
                contact=contact.id,
                n=n,
                anchor=self._rules.city,
                context=context_of(contact, self._step.now),
                budget_s=budget,
                agent=agent,
            ),
            budget,
        )
        self._step.start_timer("grant", contact.id, str(n), after_s=self._rules.grant_wait_s)

    def granted(self, message: Granted) -> None:
        """A slot elsewhere: take it if the attempt is still open, else give it back at once."""
        self._peers.heard(message)
        contact = self._contacts.get(message.contact)
        attempt = contact.remote if contact is not None else None
        if contact is not None and message.token in (
            attempt.token if attempt else None,
            contact.current.token if contact.current else None,
        ):
            return  # a doubled message
        if (
            contact is None
            or attempt is None
            or attempt.n != message.n
            or attempt.state is not AttemptState.OPEN
            or contact.state is not ContactState.WAITING
        ):
            release = Release(contact=message.contact, n=message.n, token=message.token, reason=Withdrawn.TIMED_OUT)
            self._step.send(message.site, release, self._rules.grant_s)
            return
        self._take(contact, attempt, message)

    def _take(self, contact: Contact, attempt: Attempt, message: Granted) -> None:
        """Take the grant and extend the voice leg with its token; from here on the contact does not race at home."""
        self.leave(contact)
        self._step.stop_timer("grant", contact.id, str(attempt.n))
        connection = outbound_connection(AttemptId(contact.id, attempt.n))
        taken = replace(
            attempt,
            state=ATTEMPT_MOVES.after(attempt.state, AttemptMove.TAKE),
            site=message.site,
            agent=message.agent,
            token=message.token,
            connection=connection,
            since=self._step.now,
        )
        self._contacts.change(contact.id, remote=taken)
        self._contacts.add_leg(connection, contact.id)
        if attempt.proposer != self._us:
            self._peers.moved(message.site)
        told = Taken(contact=contact.id, n=attempt.n, token=message.token)
        self._step.send(message.site, told, self._rules.leg_serving_s)
        self._tell_proposer(attempt, told, self._rules.leg_serving_s)
        self._step.ask(
            Make(
                connection=connection,
                device=Trunk(message.site, message.number, message.token),
                leg=Leg(contact.id, attempt.n, Role.OUTBOUND, message.token),
                ring_s=self._rules.leg_anchor_s + self._rules.ring_anchor_s,
                calling=contact.calling,
            )
        )
        self._step.start_timer("leg", contact.id, str(attempt.n), after_s=self._rules.leg_anchor_s)

    def not_granted(self, message: NotGranted) -> None:
        """A city refused. Who proposes tries on; where we asked for one agent, we ask again a little later."""
        self._peers.heard(message)
        contact = self._contacts.get(message.contact)
        attempt = contact.remote if contact is not None else None
        if contact is None or attempt is None or attempt.n != message.n or attempt.state is not AttemptState.OPEN:
            return
        if attempt.agent is not None:
            self.withdraw_remote(contact, Withdrawn.NO_GRANT)
            self._ask_again(contact.id)

    def no_proposal(self, message: NoProposal) -> None:
        """The hub found nobody within the budget."""
        self.grant_missing(message.contact, message.n)

    def grant_missing(self, which: ContactId, n: int) -> None:
        """No grant came in time: the attempt is withdrawn, and a new one follows if the caller still waits."""
        contact = self._contacts.get(which)
        attempt = contact.remote if contact is not None else None
        if contact is None or attempt is None or attempt.n != n or attempt.state is not AttemptState.OPEN:
            return
        self.withdraw_remote(contact, Withdrawn.NO_GRANT)
        if attempt.agent is not None:
            self._ask_again(which)
        else:
            self._pause(self._contacts.change(which, fruitless=contact.fruitless + 1, refused_by=()))

    def waits(self, which: ContactId) -> bool:
        """Whether the contact has a place in a queue, or waits for an agent of ours by name."""
        return self._index.waits(which) or any(which in line for line in self._wanted.values())

    def budget_s(self, attempt: Attempt) -> float:
        """How long an attempt to another city may stay in its state (A9)."""
        if attempt.state is AttemptState.OPEN:
            return self._rules.grant_wait_s + (self._rules.open_budget_s if attempt.agent is None else 0.0)
        return self._rules.leg_anchor_s if attempt.state is AttemptState.TAKEN else self._rules.ring_anchor_s

    def _pause(self, contact: Contact) -> None:
        pause = pause_before_next(contact.id, contact.fruitless, self._rules.overflow)
        self._step.start_timer("look", contact.id, after_s=pause)

    def _ask_again(self, which: ContactId) -> None:
        """The agent asked for cannot take the caller now: ask again a little later; but whoever comes back to the first
        agent does not wait for one person, and joins the queue.
        """
        contact = self._contacts.of(which)
        if contact.transfer is not None and contact.transfer.going_back:
            self._contacts.change(which, transfer=None)
            self.wait(which, front=True)
        else:
            self._step.start_timer("retry", which, after_s=self._rules.transfer_retry_s)

    def retry(self, which: ContactId) -> None:
        """Ask again for the agent that a caller was sent to."""
        contact = self._contacts.get(which)
        if contact is not None and contact.state is ContactState.WAITING and contact.remote is None:
            agent = contact.transfer.to_agent if contact.transfer is not None else None
            if agent is not None:
                self._wait_for(contact, agent)

    # ── the leg on its way ──────────────────────────────────────────────────────────────────────────────────────
    def leg_delivered(self, contact: Contact, attempt: Attempt) -> None:
        """The leg has arrived; the far seat rings."""
        state = ATTEMPT_MOVES.after(attempt.state, AttemptMove.ALERT)
        moved = replace(attempt, state=state, since=self._step.now)
        self._contacts.change(contact.id, remote=moved)
        self._step.stop_timer("leg", contact.id, str(attempt.n))
        self._step.start_timer("ring", contact.id, str(attempt.n), after_s=self._rules.ring_anchor_s)

    def leg_answered(self, contact: Contact, attempt: Attempt) -> None:
        """The far agent answered: this, in our journal, is the commit (O2)."""
        for timer in ("leg", "ring"):
            self._step.stop_timer(timer, contact.id, str(attempt.n))
        self.commit(contact, replace(attempt, state=ATTEMPT_MOVES.after(attempt.state, AttemptMove.ANSWER)))

    def leg_failed(self, contact: Contact, attempt: Attempt, cause: Cause) -> None:
        """The leg ended without an answer: everything back, the caller keeps the old place."""
        self.give_back(contact, attempt, _LEG_FAILED.get(cause, Withdrawn.UNREACHABLE))

    def leg_late(self, which: ContactId, n: int) -> None:
        """The leg did not arrive, or the seat did not answer, in the anchor's time."""
        contact = self._contacts.get(which)
        attempt = contact.remote if contact is not None else None
        if contact is not None and attempt is not None and attempt.n == n and attempt.connection is not None:
            self.give_back(contact, attempt, Withdrawn.TIMED_OUT)

    def give_back(self, contact: Contact, attempt: Attempt, reason: Withdrawn) -> None:
        """Withdraw an attempt that had been taken, and give the caller the old place."""
        self.withdraw_remote(contact, reason)
        refused = tuple(dict.fromkeys((*contact.refused_by, *((attempt.site,) if attempt.site else ()))))
        self._contacts.change(contact.id, refused_by=refused, fruitless=contact.fruitless + 1)
        if contact.transfer is not None and contact.transfer.to_agent is not None:
            self._ask_again(contact.id)
        else:
            self.wait(contact.id, front=True)

    def withdraw_remote(self, contact: Contact, reason: Withdrawn) -> None:
        """End the open attempt to another city, on record; a leg already made is hung up (O2)."""
        attempt = contact.remote
        if attempt is None:
            return
        ATTEMPT_MOVES.after(attempt.state, AttemptMove.WITHDRAW)
        self._contacts.change(contact.id, remote=None)
        for timer in ("grant", "leg", "ring"):
            self._step.stop_timer(timer, contact.id, str(attempt.n))
        self._write_withdrawn(contact, attempt, reason)
        closed = Close(contact=contact.id, n=attempt.n, reason=reason)
        # as long as the opening may wait for a hub that is away: else that is served for a caller who is gone
        self._tell_proposer(attempt, closed, self._rules.open_budget_s)
        if attempt.connection is not None:
            self._step.ask(Clear(attempt.connection, Cause.CANCELLED))

    def withdraw_all(self, contact: Contact, reason: Withdrawn) -> None:
        """The caller left, or moves on: no attempt stays open."""
        self.leave(contact)
        token = contact.home.token if contact.home is not None else None
        self._withdraw_home(contact, reason)
        self._serving.end_home(token, reason)
        self.withdraw_remote(self._contacts.of(contact.id), reason)

    # ── the commit ──────────────────────────────────────────────────────────────────────────────────────────────
    def home_answered(self, attempt: AttemptId) -> None:
        """A seat of ours answered: home answers are committed too (O2)."""
        contact = self._contacts.get(attempt.contact)
        if contact is not None and contact.home is not None and contact.home.n == attempt.n:
            move = ATTEMPT_MOVES.after(contact.home.state, AttemptMove.ANSWER)
            self.commit(contact, replace(contact.home, state=move))

    def commit(self, contact: Contact, attempt: Attempt) -> None:
        """Write the answer down; the audio is joined once that is synced (O2)."""
        if attempt.site is None or attempt.agent is None or attempt.token is None or attempt.connection is None:
            raise ValueError(f"attempt {contact.id}#{attempt.n} was answered without a grant")
        now = self._step.now
        waited = waited_s(contact, now)
        place = now - (contact.place_since if contact.place_since is not None else now)
        self._step.write(
            rows.AttemptAnswered(
                contact=contact.id,
                n=attempt.n,
                site=attempt.site,
                agent=attempt.agent,
                token=attempt.token,
                skill=contact.skill,
                service=contact.service,
                channel="voice",
                waited_s=round(waited, 3),
            ),
            *(() if attempt.home else (attempt.site,)),
        )
        self._step.write(
            rows.QueueLeft(
                contact=contact.id,
                skill=contact.skill,
                service=contact.service,
                channel="voice",
                how=Left.ANSWERED_HERE if attempt.home else Left.SENT_OUT,
                waited_s=round(place, 3),
                within_target=place <= self._rules.service_level_s,
            )
        )
        self._contacts.move(
            contact.id,
            ContactMove.ANSWER,
            home=None,
            remote=None,
            current=attempt,
            transfer=None,
            answers=contact.answers + 1,
            answered_at=now,
            first_wait_s=waited if contact.first_wait_s is None else contact.first_wait_s,
            last_site=attempt.site,
            last_agent=attempt.agent,
            handled_by=(*contact.handled_by, attempt.agent),
            refused_by=(),
            fruitless=0,
            place=None,
            hops=contact.hops + (not attempt.home),
        )
        for timer in ("announce", "transfer"):
            self._step.stop_timer(timer, contact.id)
        self._step.ask(Join(contact.connection, attempt.connection))

    def _tell_proposer(self, attempt: Attempt, message: Taken | Close, budget_s: float) -> None:
        """Whoever looks for a city need not look on; where one agent was asked for, the hub that leads learns of it."""
        if attempt.proposer == self._us:
            self._peers.over(message)
            return
        hub = attempt.proposer if attempt.proposer is not None else self._sight.leader
        if hub is not None:
            self._step.send(hub, message, budget_s)

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _write_opened(self, contact: Contact, n: int, scope: str, agent: AgentId | None) -> None:
        self._step.write(rows.AttemptOpened(contact=contact.id, n=n, skill=contact.skill, scope=scope, agent=agent))

    def _write_withdrawn(self, contact: Contact, attempt: Attempt, reason: Withdrawn) -> None:
        receivers: tuple[CityId, ...] = (attempt.site,) if attempt.site is not None and not attempt.home else ()
        self._step.write(
            rows.AttemptWithdrawn(
                contact=contact.id,
                n=attempt.n,
                reason=reason,
                site=attempt.site,
                agent=attempt.agent if attempt.token is not None else None,
                token=attempt.token,
            ),
            *receivers,
        )
