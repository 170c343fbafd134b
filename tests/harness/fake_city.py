"""A city that does what a test says: sessions and calls as values, every event on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, ContactId, SkillId
from federation.core.envelope import AgentPicture, CityPicture, SkillPicture
from site_node.core import events
from site_node.core.views import CallView, SeatView


def a_call(contact: str = "0020-7f3a9c21-000001", state: str = "alerting", **more: object) -> CallView:
    call = CallView(
        contact=ContactId(contact),
        attempt=1,
        state=state,
        since_s=0.0,
        anchor=CityId("guangzhou"),
        received=False,
        confirmed=True,
        calling="13812340001",
        door="10000",
        path=("1",),
        service="fault",
        skill=SkillId("fault"),
        waited_s=3.21,
        talk_s=0.0,
        hold_s=0.0,
        notes=(),
        handled_by=(),
        disposition="",
        wrap_up_left_s=None,
    )
    return replace(call, **more)


class FakeCity:
    """``site_node.services.city.City`` without a core."""

    def __init__(self) -> None:
        self.city = CityId("guangzhou")
        self.views: dict[AgentId, SeatView] = {}
        self.events: list[events.AgentEvent] = []
        self.transfers: dict[str, Deferred[None]] = {}
        self.others: dict[CityId, tuple[CityPicture, float]] = {}
        self._watching: dict[AgentId, list[Callable[[], None]]] = {}

    def act(self, event: events.AgentEvent) -> None:
        self.events.append(event)
        match event:
            case events.LoggedIn():
                self._log_in(event)
            case events.LoggedOut():
                self._log_out(event)
            case events.ReadyAsked():
                self._presence(event.agent, "ready")
            case events.NotReadyAsked():
                if not self.of(event.agent).calls:
                    self.views[event.agent] = replace(self.of(event.agent), presence="not_ready", reason=event.reason)
                    self.changed(event.agent)
            case events.AnswerAsked():
                self._move(event.agent, event.contact, ("alerting",), "talking")
            case events.HoldAsked():
                self._move(event.agent, event.contact, ("talking",), "held")
            case events.RetrieveAsked():
                self._move(event.agent, event.contact, ("held",), "talking")
            case events.HangUpAsked():
                self._move(event.agent, event.contact, ("talking", "held"), "wrap_up")
            case events.FinishAsked():
                self.end_call(event.agent, event.contact)
            case events.NoteAdded():
                call = self.call(event.agent, event.contact)
                self.put(event.agent, replace(call, notes=(*call.notes, f"{event.agent}: {event.text}")))
            case events.DispositionSet():
                self.put(event.agent, replace(self.call(event.agent, event.contact), disposition=event.code))
            case events.TransferAsked():
                raise AssertionError("transfers go through transfer()")

    def transfer(self, event: events.TransferAsked) -> Deferred[None]:
        self.events.append(event)
        self.call(event.agent, event.contact)
        if event.to_agent is not None:
            return self.transfers.setdefault(event.request, Deferred())
        self.end_call(event.agent, event.contact)
        return succeed(None)

    def seat_view(self, agent: AgentId) -> SeatView | None:
        return self.views.get(agent)

    def own_picture(self) -> CityPicture:
        agents = tuple(
            AgentPicture(agent=one.agent, name=one.name, state=one.presence, skills=one.skills, seat=one.seat)
            for one in self.views.values()
        )
        idle = sum(one.presence == "ready" for one in self.views.values())
        fault = SkillPicture(waiting=2, idle=idle, staffed=len(agents), expected_wait_s=8.0)
        return CityPicture(city=self.city, skills={"fault": fault}, agents=agents, contacts_live=1)

    def province(self) -> Mapping[CityId, tuple[CityPicture, float]]:
        return self.others

    def stands_alone(self) -> bool:
        return False

    def peers_seen(self) -> bool:
        return True

    def watch(self, agent: AgentId, changed: Callable[[], None]) -> Callable[[], None]:
        self._watching.setdefault(agent, []).append(changed)
        return lambda: self._watching[agent].remove(changed)

    # ── for tests ───────────────────────────────────────────────────────────────────────────────────────────────────
    def of(self, agent: AgentId) -> SeatView:
        view = self.views.get(agent)
        if view is None:
            raise Refused(Problem("not-logged-in", "未登录坐席", "not logged in at a seat"), status=409)
        return view

    def call(self, agent: AgentId, contact: ContactId) -> CallView:
        for call in self.of(agent).calls:
            if call.contact == contact:
                return call
        raise Refused(Problem("unknown-contact", "没有此接触", "no such contact", contact), status=404)

    def put(self, agent: AgentId, call: CallView) -> None:
        others = tuple(one for one in self.of(agent).calls if one.contact != call.contact)
        self.views[agent] = replace(self.of(agent), presence=call.state, calls=(*others, call))
        self.changed(agent)

    def ring(self, agent: AgentId, **more: object) -> ContactId:
        call = a_call(**more)  # type: ignore[arg-type]
        self.put(agent, call)
        return call.contact

    def end_call(self, agent: AgentId, contact: ContactId) -> None:
        self.call(agent, contact)
        self.views[agent] = replace(self.of(agent), presence="ready", calls=())
        self.changed(agent)

    def changed(self, agent: AgentId) -> None:
        for changed in list(self._watching.get(agent, ())):
            changed()

    def watchers(self) -> int:
        return sum(len(some) for some in self._watching.values())

    def did(self, kind: type[events.AgentEvent]) -> list[events.AgentEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def _log_in(self, event: events.LoggedIn) -> None:
        for view in self.views.values():
            if view.seat == event.seat and view.agent != event.agent:
                raise Refused(Problem("seat-taken", "座席已被占用", "the seat is taken", "seat"), status=409)
        old = self.views.get(event.agent)
        if old is not None:
            self.views[event.agent] = replace(old, seat=event.seat, skills=event.skills)
            return
        self.views[event.agent] = SeatView(
            agent=event.agent,
            name=event.name,
            seat=event.seat,
            can_answer=event.can_answer,
            presence="not_ready",
            reason="login",
            since_s=0.0,
            skills=event.skills,
            calls=(),
            hub_seen=True,
            peers_seen=True,
            alone=False,
            switch_up=True,
        )

    def _log_out(self, event: events.LoggedOut) -> None:
        if self.of(event.agent).calls:
            if not event.forced:
                raise _wrong_state("log out")
            return
        del self.views[event.agent]
        self.changed(event.agent)

    def _presence(self, agent: AgentId, presence: str) -> None:
        if self.of(agent).calls:
            raise _wrong_state(presence)
        self.views[agent] = replace(self.of(agent), presence=presence, reason="")
        self.changed(agent)

    def _move(self, agent: AgentId, contact: ContactId, before: tuple[str, ...], after: str) -> None:
        call = self.call(agent, contact)
        if call.state not in before:
            raise _wrong_state(after)
        self.put(agent, replace(call, state=after))


def _wrong_state(what: str) -> Refused:
    return Refused(Problem("wrong-state", f"现在不能 {what}", f"cannot {what} now", "contact"), status=409)
