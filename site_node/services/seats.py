"""Agents at their seats: who is connected, what they may do, and what happens when a connection is lost.

The city's core knows agent sessions; this service knows the people's connections to them. A session outlives its
connection: after ``grace_s`` without one the agent is 示忙 (``connection_lost``), after ``gone_s`` more logged out, or
at the end of the contact. Whoever comes back with the token finds everything as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.declared import Seconds, setting
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, ContactId, SkillId
from dataset.packages import ServicePackage
from federation.core.envelope import CityPicture
from federation.node.door import Listener, LoginRequest, Push
from federation.node.login import Actor, Logins
from federation.node.province import AgentRecord
from federation.ports import Clock, Timer
from site_node.core import events
from site_node.core.views import CallView, SeatView
from site_node.services.city import City, call_at
from site_node.services.targets import targets

MOST_NOTES = 50
"""Notes of one contact; they travel with every hop of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatSettings:
    """Patience with lost connections."""

    grace_s: Seconds = setting(
        "连接中断多久后示忙", "示忙 after so long without a connection", key="grace", default=60.0
    )
    gone_s: Seconds = setting("示忙后多久退出", "logged out after so long more", key="gone", default=240.0)


@dataclass(slots=True, eq=False)
class _Here:
    """One agent who is logged in."""

    actor: Actor
    seat: str
    listener: Listener | None = None
    timer: Timer | None = None
    unwatch: Callable[[], None] | None = None
    pushing: bool = False
    lost: bool = False
    """the grace is over; 示忙 was asked for"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatRules:
    """What the service goes by. ``seats``: extensions of this city, None: any; ``can_answer``: whether a seat can be
    answered by command.
    """

    package: ServicePackage
    roster: Mapping[AgentId, AgentRecord]
    can_answer: Callable[[str], bool]
    seats: frozenset[str] | None = None
    settings: SeatSettings = field(default_factory=SeatSettings)


Shown = Callable[[Actor, str, SeatView | None], dict[str, Any]]
"""How a state looks outside: of somebody at a seat, with the session; None without one."""


class SeatService:
    """The agent operations of a city and the ``Attendance`` of its door. ``clock`` is that of the people."""

    def __init__(self, city: City, logins: Logins, clock: Clock, rules: SeatRules, shown: Shown) -> None:
        self._city = city
        self._shown = shown
        self._logins = logins
        self._clock = clock
        self._rules = rules
        self._here: dict[AgentId, _Here] = {}
        self._seatless: dict[str, list[Listener]] = {}
        """connections of supervisors and others without a seat, by login session"""
        self._unclaimed: frozenset[AgentId] = frozenset()
        self._reconciling: Timer | None = None
        self._requests = 0
        self._log = Logger(namespace="seats")

    # ── Attendance ──────────────────────────────────────────────────────────────────────────────────────────────────
    def entered(self, actor: Actor, request: LoginRequest) -> dict[str, Any]:
        """Take the seat. Raises ``Refused``: 400 ``seat-missing``, 403 ``agent-of-another-city`` (A8), 404
        ``seat-unknown``, 409 ``seat-taken``.
        """
        about = {"agent": actor.agent or "", "city": self._city.city, "seat": request.seat}
        if actor.agent is None or "agent" not in actor.roles or (not request.seat and _sees_city(actor)):
            return {**about, "seat": ""}
        self._check_seat(request.seat)
        self._city.act(self._logged_in(actor, actor.agent, request.seat))
        here = self._here.get(actor.agent)
        if here is None:
            here = self._here[actor.agent] = _Here(actor, request.seat)
            agent = actor.agent
            here.unwatch = self._city.watch(agent, lambda: self._changed(agent))
        here.seat = request.seat
        here.lost = False
        return about

    def alone(self, actor: Actor) -> bool:
        """An agent sits at one place only."""
        return actor.agent is not None and "agent" in actor.roles

    def attach(self, actor: Actor, listener: Listener) -> dict[str, Any]:
        """A connection begins; an earlier one of the same agent is told ``taken_over`` and ends."""
        here = self._of(actor)
        if here is None:
            self._seatless.setdefault(actor.session, []).append(listener)
            return self._shown(actor, "", None)
        if here.listener is not None:
            before, here.listener = here.listener, None
            before.end("taken_over", {})
        if here.lost and actor.agent is not None:
            self._city.act(self._logged_in(actor, actor.agent, here.seat))
            here.lost = False
        self._disarm(here)
        here.listener = listener
        return self._state(here)

    def detach(self, actor: Actor, listener: Listener) -> None:
        """A connection is gone; the agent has ``grace_s`` to come back."""
        others = self._seatless.get(actor.session, [])
        if listener in others:
            others.remove(listener)
            if not others:
                del self._seatless[actor.session]
        here = self._of(actor)
        if here is not None and here.listener is listener:
            here.listener = None
            self._arm(here)

    def seen(self, actor: Actor) -> None:
        """A call was made; without a live connection that too is a sign of life."""
        here = self._here.get(actor.agent) if actor.agent is not None else None
        if here is None:
            return
        here.actor = actor
        if here.listener is None and not here.lost:
            self._arm(here)

    def left(self, actor: Actor, reason: str) -> None:
        """The login session has ended; whether the seat session goes on depends on why."""
        ending = self._seatless.pop(actor.session, [])
        here = self._of(actor)
        if here is not None and here.listener is not None:
            ending.append(here.listener)
            here.listener = None
        kind, fields = ("taken_over", {}) if reason == "taken_over" else ("logged_out", {"reason": reason})
        for listener in ending:
            # In a call of its own, so that the answer to ``logout`` is on its way before the connection ends.
            self._clock.call_later(0.0, listener.end, kind, fields)
        if here is None:
            return
        if reason in ("logged_out", "connection_lost"):
            self._forget(here)
        elif reason != "taken_over":
            self._arm(here)

    def start(self) -> None:
        """Begin to look for sessions that nobody holds: those of an earlier run whose agents did not come back (I8)."""
        self._reconciling = self._clock.call_later(self._rules.settings.grace_s, self._reconcile)

    def stop(self) -> None:
        """Let go of all timers; agent sessions stay as they are."""
        if self._reconciling is not None and self._reconciling.active():
            self._reconciling.cancel()
        self._reconciling = None
        for here in list(self._here.values()):
            self._forget(here)

    def roles(self, agent: AgentId) -> frozenset[str]:
        """Of an agent at a seat; none of anybody else."""
        here = self._here.get(agent)
        return here.actor.roles if here is not None else frozenset()

    def tell(self, agent: AgentId, push: Push) -> None:
        """Push to an agent's live connection; nothing while there is none."""
        here = self._here.get(agent)
        if here is not None and here.listener is not None:
            here.listener.push(push)

    # ── readiness ───────────────────────────────────────────────────────────────────────────────────────────────────
    def ready(self, actor: Actor) -> None:
        """示闲."""
        self._city.act(events.ReadyAsked(self._seated(actor)))

    def not_ready(self, actor: Actor, reason: str) -> None:
        """示忙. Raises ``Refused`` 400 ``unknown-reason``."""
        agent = self._seated(actor)
        reasons = self._rules.package.chosen_reasons()
        if reason not in reasons:
            raise _unknown("unknown-reason", "没有此示忙原因", "there is no such reason", "reason", reasons)
        self._city.act(events.NotReadyAsked(agent, reason))

    def logout(self, actor: Actor) -> None:
        """下线. Raises ``Refused`` 409 in a contact."""
        here = self._of(actor)
        if here is not None and actor.agent is not None and self._city.seat_view(actor.agent) is not None:
            self._city.act(events.LoggedOut(actor.agent))
        self._logins.close(actor)

    # ── the contact ─────────────────────────────────────────────────────────────────────────────────────────────────
    def answer(self, actor: Actor, contact: ContactId) -> None:
        """Answer the phone that rings."""
        self._city.act(events.AnswerAsked(self._seated(actor), contact))

    def calling(self, actor: Actor, contact: ContactId) -> str:
        """The number that calls in a contact at the own seat, whole. Raises ``Refused`` 404 ``unknown-contact``."""
        return self._at_seat(actor, contact).calling

    def anchor(self, actor: Actor, contact: ContactId) -> CityId:
        """Where a contact at the own seat arrived. Raises as ``calling``."""
        return self._at_seat(actor, contact).anchor

    def _at_seat(self, actor: Actor, contact: ContactId) -> CallView:
        call = call_at(self._city, self._seated(actor), contact)
        if call is None:
            raise Refused(
                Problem("unknown-contact", "您的座席上没有此接触", "this contact is not at your seat", "contact"),
                status=404,
            )
        return call

    def hold(self, actor: Actor, contact: ContactId) -> None:
        """The customer hears music."""
        self._city.act(events.HoldAsked(self._seated(actor), contact))

    def retrieve(self, actor: Actor, contact: ContactId) -> None:
        """Back from hold."""
        self._city.act(events.RetrieveAsked(self._seated(actor), contact))

    def note(self, actor: Actor, contact: ContactId, text: str) -> None:
        """Add a note that travels with the contact. Raises ``Refused`` 409 ``too-many-notes``."""
        agent = self._seated(actor)
        call = call_at(self._city, agent, contact)
        if call is not None and len(call.notes) >= MOST_NOTES:
            raise Refused(
                Problem(
                    "too-many-notes",
                    zh=f"每个接触最多 {MOST_NOTES} 条备注",
                    en=f"a contact holds at most {MOST_NOTES} notes",
                    place="text",
                ),
                status=409,
            )
        self._city.act(events.NoteAdded(agent, contact, _one_line(text)))

    def disposition(self, actor: Actor, contact: ContactId, code: str) -> None:
        """How the contact came out. Raises ``Refused`` 400 ``unknown-disposition``."""
        agent = self._seated(actor)
        if not self._rules.package.has_disposition(code):
            codes = tuple(one.code for one in self._rules.package.dispositions)
            raise _unknown("unknown-disposition", "没有此处理结果", "there is no such disposition", "code", codes)
        self._city.act(events.DispositionSet(agent, contact, code))

    def hang_up(self, actor: Actor, contact: ContactId) -> None:
        """Explicitly finished (O4); wrap-up begins."""
        self._city.act(events.HangUpAsked(self._seated(actor), contact))

    def finish(self, actor: Actor, contact: ContactId) -> None:
        """The segment is done. Raises ``Refused`` 409 ``disposition-missing`` where the package wants one."""
        agent = self._seated(actor)
        call = call_at(self._city, agent, contact)
        wanted = self._rules.package.disposition_required and (call is None or not call.outbound)  # the switch said it
        if call is not None and wanted and not call.disposition:
            raise Refused(
                Problem(
                    "disposition-missing",
                    zh="请先选择处理结果",
                    en="choose a disposition first",
                    place="contact",
                ),
                status=409,
            )
        self._city.act(events.FinishAsked(agent, contact))

    def transfer(
        self, actor: Actor, contact: ContactId, to_skill: SkillId | None, to_agent: AgentId | None, note: str
    ) -> Deferred[None]:
        """Blind transfer; fires when the anchor has taken the caller over. Raises ``Refused`` 400
        ``transfer-target``, 404 ``unknown-skill``; errbacks with ``Refused`` when it did not come about.
        """
        agent = self._seated(actor)
        if (to_skill is None) == (to_agent is None) or to_agent == agent:
            raise Refused(
                Problem(
                    "transfer-target",
                    zh="请给出 to_skill 或 to_agent 之一，且不是自己",
                    en="name either to_skill or to_agent, and somebody else",
                    place="to_agent" if to_agent is not None else "to_skill",
                )
            )
        if to_skill is not None and self._rules.package.skill(to_skill) is None:
            skills = tuple(skill.id for skill in self._rules.package.skills)
            raise _unknown("unknown-skill", "没有此技能", "there is no such skill", "to_skill", skills, status=404)
        self._requests += 1
        return self._city.transfer(
            events.TransferAsked(
                agent=agent,
                contact=contact,
                request=f"{agent}.{actor.session}.{self._requests}",
                to_skill=to_skill,
                to_agent=to_agent,
                note=_one_line(note),
            )
        )

    # ── looking around ──────────────────────────────────────────────────────────────────────────────────────────────
    def targets(self, actor: Actor, text: str) -> dict[str, Any]:
        """People and skills of the province to transfer to."""
        return targets(
            text,
            asking=actor.agent,
            package=self._rules.package,
            home=self._city.own_picture(),
            province=self._city.province(),
        )

    def city(self, actor: Actor) -> tuple[CityPicture, list[SeatView]]:
        """Queues and agents of this city, and what is at its seats; for supervisors."""
        picture = self._city.own_picture()
        seats = [view for agent in picture.agents if (view := self._city.seat_view(agent.agent)) is not None]
        return picture, seats

    def stands_alone(self) -> bool:
        """Whether the city has no link (B5)."""
        return self._city.stands_alone()

    def peers_seen(self) -> bool:
        """Whether any other city is heard now."""
        return self._city.peers_seen()

    async def password(self, actor: Actor, old: str, new: str) -> None:
        """Change the own password."""
        await self._logins.change_password(actor, old, new)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _of(self, actor: Actor) -> _Here | None:
        """The agent's presence, if this login session is the one that holds it."""
        here = self._here.get(actor.agent) if actor.agent is not None else None
        return here if here is not None and here.actor.session == actor.session else None

    def _seated(self, actor: Actor) -> AgentId:
        if actor.agent is None or self._of(actor) is None:
            raise Refused(Problem("no-seat", "您没有登录到座席", "you are not logged in at a seat", "seat"), status=409)
        return actor.agent

    def _check_seat(self, seat: str) -> None:
        if not seat:
            raise Refused(Problem("seat-missing", "请填写座席分机", "name the seat you sit at", "seat"))
        if self._rules.seats is not None and seat not in self._rules.seats:
            raise Refused(
                Problem("seat-unknown", f"本局没有座席 {seat}", f"there is no seat {seat} in this city", "seat"),
                status=404,
            )

    def _logged_in(self, actor: Actor, agent: AgentId, seat: str) -> events.LoggedIn:
        record = self._rules.roster.get(agent)
        skills = record.skills if record is not None else ()
        return events.LoggedIn(agent, actor.name, seat, skills, self._rules.can_answer(seat))

    def _state(self, here: _Here) -> dict[str, Any]:
        view = self._city.seat_view(here.actor.agent) if here.actor.agent is not None else None
        return self._shown(here.actor, here.seat, view)

    def _changed(self, agent: AgentId) -> None:
        """The city says that the session changed: push it once, after everything that belongs to the change."""
        here = self._here.get(agent)
        if here is not None and not here.pushing:
            here.pushing = True
            self._clock.call_later(0.0, self._push, here)

    def contact_changed(self, contact: ContactId) -> None:
        """What belongs to ``contact`` is shown anew at the seat that has it."""
        for agent in [agent for agent in self._here if call_at(self._city, agent, contact) is not None]:
            self._changed(agent)

    def _push(self, here: _Here) -> None:
        here.pushing = False
        if here.listener is not None:
            here.listener.push(Push("state", {"state": self._state(here)}))
        elif here.lost and here.actor.agent is not None and self._city.seat_view(here.actor.agent) is None:
            # Logged out at the end of the contact that had kept the session alive.
            self._logins.close(here.actor, "connection_lost")

    def _arm(self, here: _Here) -> None:
        self._disarm(here)
        here.timer = self._clock.call_later(self._rules.settings.grace_s, self._grace_over, here)

    def _disarm(self, here: _Here) -> None:
        if here.timer is not None and here.timer.active():
            here.timer.cancel()
        here.timer = None

    def _grace_over(self, here: _Here) -> None:
        agent = here.actor.agent
        view = self._city.seat_view(agent) if agent is not None else None
        here.lost = True
        here.timer = self._clock.call_later(self._rules.settings.gone_s, self._gone, here)
        if agent is None or view is None or view.presence == "not_ready":
            return
        self._log.warn(
            "{agent} has lost the connection and is 示忙 now",
            agent=agent,
            event="agent-connection-lost",
            node=self._city.city,
        )
        self._try(events.NotReadyAsked(agent, "connection_lost"))

    def _gone(self, here: _Here) -> None:
        here.timer = None
        agent = here.actor.agent
        if agent is not None and self._city.seat_view(agent) is not None:
            self._try(events.LoggedOut(agent, "connection_lost", forced=True))
        if agent is None or self._city.seat_view(agent) is None:
            self._logins.close(here.actor, "connection_lost")

    def _reconcile(self) -> None:
        """Log out whoever was without a login session at two looks in a row; in a contact at its end."""
        unclaimed = frozenset(one.agent for one in self._city.own_picture().agents) - self._here.keys()
        for agent in sorted(unclaimed & self._unclaimed):
            self._log.warn(
                "{agent} has not come back since the node's restart and is logged out",
                agent=agent,
                event="agent-unclaimed",
                node=self._city.city,
            )
            self._try(events.LoggedOut(agent, "connection_lost", forced=True))
        self._unclaimed = unclaimed
        self.start()

    def _try(self, event: events.AgentEvent) -> None:
        """An event of ours that the session may have run ahead of; what is refused is logged and over."""
        try:
            self._city.act(event)
        except Refused as refused:
            self._log.info("{what} came too late: {why}", what=type(event).__name__, why=str(refused), event="too-late")

    def _forget(self, here: _Here) -> None:
        self._disarm(here)
        if here.unwatch is not None:
            here.unwatch()
            here.unwatch = None
        if here.actor.agent is not None and self._here.get(here.actor.agent) is here:
            del self._here[here.actor.agent]


def _sees_city(actor: Actor) -> bool:
    return bool(actor.roles & {"supervisor", "site_admin"})


def _one_line(text: str) -> str:
    """Without control characters, which have no business in a note."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _unknown(slug: str, zh: str, en: str, place: str, known: tuple[str, ...], *, status: int = 400) -> Refused:
    return Refused(
        Problem(slug, f"{zh}；可用：{'、'.join(known)}", f"{en}; known: {', '.join(known)}", place), status=status
    )
