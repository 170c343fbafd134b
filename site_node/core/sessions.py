"""The agents of a city: who is logged in where, in which state, and whose slot is free (federation.md A5, A8, I2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec.structs import replace

from dataset import rows
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, SkillId, Token, city_of
from federation.core.matching import MatchIndex
from site_node.core.agent import AGENT_MOVES, AgentMove, AgentSession, Presence
from site_node.core.events import LoggedIn
from site_node.core.step import Step


class Sessions:
    """All agent sessions of one city. Every change of presence is on record and shown."""

    def __init__(self, city: CityId, step: Step, index: MatchIndex) -> None:
        self._city = city
        self._step = step
        self._index = index
        self._by_seat: dict[str, AgentId] = {}
        self._known: dict[AgentId, AgentSession] = {}
        self._staffed: Counter[SkillId] = Counter()
        self.slot_free: Callable[[AgentId], None] = _nobody_listens
        """called with an agent whose slot has just become free and assignable"""
        self.switch_up = False

    def get(self, agent: AgentId) -> AgentSession | None:
        """The session of ``agent``, if logged in."""
        return self._known.get(agent)

    def staffed(self, skill: SkillId) -> int:
        """How many agents with ``skill`` are logged in and not 示忙."""
        return self._staffed[skill]

    def all(self) -> list[AgentSession]:
        """All sessions, in order of login."""
        return list(self._known.values())

    def of(self, agent: AgentId) -> AgentSession:
        """The session of ``agent``. Raises ``Refused`` (409 ``not-logged-in``)."""
        session = self._known.get(agent)
        if session is None:
            raise Refused(
                Problem("not-logged-in", zh=f"{agent} 未登录坐席", en=f"{agent} is not logged in at a seat"), status=409
            )
        return session

    def keep(self, session: AgentSession) -> None:
        """Replace the session by a changed one; its presence is the same."""
        self._put(session)
        self._step.show(session.agent)

    def _put(self, session: AgentSession) -> None:
        self._count(self._known.get(session.agent), -1)
        self._known[session.agent] = session
        self._count(session, 1)

    def _count(self, session: AgentSession | None, by: int) -> None:
        if session is not None and session.presence is not Presence.NOT_READY:
            for skill in session.skills:
                self._staffed[skill] += by

    def restore(self, session: AgentSession) -> None:
        """Put back a session that a restart interrupted in a contact."""
        self._by_seat[session.seat] = session.agent
        self._put(session)
        self._step.show(session.agent)

    def log_in(self, event: LoggedIn) -> None:
        """A new session; or the same agent again (a reload, another browser), whose session goes on.

        Raises ``Refused``: 403 ``agent-of-another-city`` (A8), 409 ``seat-taken``, ``wrong-state``.
        """
        home = city_of(event.agent)
        if home != self._city:
            raise Refused(
                Problem(
                    "agent-of-another-city",
                    zh=f"{event.agent} 的登录归 {home}，请在 {home} 的坐席页面登录",
                    en=f"the session of {event.agent} belongs to {home}; log in at the seat page of {home}",
                    place="user",
                ),
                status=403,
            )
        holder = self._by_seat.get(event.seat)
        if holder is not None and holder != event.agent:
            raise Refused(
                Problem(
                    "seat-taken",
                    zh=f"座席 {event.seat} 已由 {holder} 登录，请换一个座席",
                    en=f"seat {event.seat} is taken by {holder}; choose another seat",
                    place="seat",
                ),
                status=409,
            )
        session = self._known.get(event.agent)
        if session is None:
            self._by_seat[event.seat] = event.agent
            session = AgentSession(
                agent=event.agent,
                name=event.name,
                seat=event.seat,
                skills=event.skills,
                can_answer=event.can_answer,
                since=self._step.now,
                verified=self.switch_up,
            )
            self._put(session)
            self._report(session, 0.0)
        else:
            self._log_in_again(session, event)

    def _log_in_again(self, session: AgentSession, event: LoggedIn) -> None:
        if session.seat != event.seat:
            if session.lease is not None:
                raise wrong_state(session, "log in at another seat")
            del self._by_seat[session.seat]
            self._by_seat[event.seat] = event.agent
        again = replace(
            session, name=event.name, seat=event.seat, skills=event.skills, can_answer=event.can_answer, leaving=False
        )
        self.keep(again)
        if session.skills != event.skills and self._index.busy(event.agent):
            self.offer(event.agent)  # somebody may wait for a skill that is new here

    def log_out(self, session: AgentSession, reason: str) -> None:
        """End a session that is in no contact."""
        self._index.busy(session.agent)
        self._count(self._known.pop(session.agent), -1)
        del self._by_seat[session.seat]
        self._report(session, self._step.now - session.since, offline=reason)

    def move(self, session: AgentSession, move: AgentMove, *, reason: str = "") -> None:
        """Bring a session to its next presence."""
        after = AGENT_MOVES.after(session.presence, move)
        lasted = self._step.now - session.since
        moved = replace(session, presence=after, reason=reason, since=self._step.now)
        self._put(moved)
        self._report(moved, lasted)

    def move_out(self, session: AgentSession, reason: str) -> None:
        """示忙 at once, or another reason for it."""
        self._index.busy(session.agent)
        self.move(session, AgentMove.NOT_READY, reason=reason)

    def hold_slot(self, agent: AgentId, token: Token) -> None:
        """The slot belongs to ``token`` from here on; nobody else gets it (I2)."""
        self._index.busy(agent)
        self._put(replace(self._known[agent], lease=token))

    def settle(self, agent: AgentId, *, front: bool = False) -> None:
        """A slot is free: log out whoever is leaving, apply a 示忙 asked for meanwhile, else offer the slot.

        ``front`` gives back the place among the idle that a try without an answer had taken.
        """
        session = self._known[agent]
        if session.leaving:
            self.log_out(session, "connection_lost")
        elif session.presence is Presence.READY:
            if session.then_not_ready:
                self.move_out(replace(session, then_not_ready=""), session.then_not_ready)
            else:
                self.offer(agent, front=front)

    def is_forgotten(self, session: AgentSession) -> bool:
        """Whether a slot that could be assigned is not among the idle."""
        free = session.verified and session.lease is None and session.presence is Presence.READY
        return free and not self._index.is_idle(session.agent)

    def put_right(self, session: AgentSession, reason: str) -> None:
        """A session in a contact that nobody knows of: out of it, and 示忙, so that the agent looks."""
        freed = replace(session, lease=None, wrapping=None, then_not_ready="")
        if freed.presence is Presence.READY:
            self.keep(freed)
            self.settle(session.agent)
            return
        if freed.presence is Presence.ALERTING:
            self.move(freed, AgentMove.MISS, reason=reason)
        else:
            if freed.presence is not Presence.WRAP_UP:
                self.move(freed, AgentMove.END)
                freed = self._known[session.agent]
            self.move(freed, AgentMove.FINISH_NOT_READY, reason=reason)
        self.settle(session.agent)

    def offer(self, agent: AgentId, *, front: bool = False) -> None:
        """Offer a ready agent's slot, unless it is held, or its switch has not shown that it is free (A5)."""
        session = self._known[agent]
        if session.verified and session.lease is None and session.presence is Presence.READY:
            self._index.idle(agent, session.skills, front=front)
            self.slot_free(agent)

    def unverify(self) -> None:
        """The switch is away: no slot is assignable (A5)."""
        self.switch_up = False
        for session in self.all():
            self._index.busy(session.agent)
            self.keep(replace(session, verified=False))

    def verify(self) -> None:
        """The switch has shown all channels: free slots are assignable again."""
        self.switch_up = True
        for session in self.all():
            if not session.verified:
                self.keep(replace(session, verified=True))
        for session in sorted(self.all(), key=lambda one: one.since):  # the longest idle is still the longest idle
            if not self._index.is_idle(session.agent):
                self.offer(session.agent)

    def _report(self, session: AgentSession, lasted_s: float, *, offline: str | None = None) -> None:
        self._step.write(
            rows.AgentChanged(
                agent=session.agent,
                name=session.name,
                state=session.presence if offline is None else "offline",
                reason=session.reason if offline is None else offline,
                seat=session.seat,
                lasted_s=round(lasted_s, 3),
            )
        )
        self._step.show(session.agent)


def wrong_state(session: AgentSession, what: str) -> Refused:
    """The refusal (409 ``wrong-state``) of something that is not possible in the present state."""
    return Refused(
        Problem(
            "wrong-state",
            zh=f"当前状态（{session.presence}）不能进行此操作：{what}",
            en=f"cannot {what} in the present state ({session.presence})",
        ),
        status=409,
    )


def _nobody_listens(agent: AgentId) -> None:
    raise RuntimeError(f"nobody was named to hear that {agent} is free")
