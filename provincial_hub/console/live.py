"""Who looks at the province: pushes at most once a second, and only while something changes."""

from __future__ import annotations

from typing import Any

from dataset.errors import Problem, Refused
from dataset.services.catalogue import Catalogue
from federation.node.door import Listener, LoginRequest, Push
from federation.node.login import Actor
from federation.ports import Clock, Timer
from provincial_hub.services.province import READERS, ProvinceService
from provincial_hub.shell.hub import RunningHub

PUSH_EVERY_S = 1.0


class ConsoleAttendance:
    """``federation.node.door.Attendance`` of the hub. ``services`` says what they are called; ``clock`` is the time of
    the people who look.
    """

    def __init__(self, hub: RunningHub, province: ProvinceService, services: Catalogue, clock: Clock) -> None:
        self._province = province
        self._services = [
            {"service": each.id, "zh": each.name("zh"), "en": each.name("en")} for each in services.services.values()
        ]
        self._clock = clock
        self._listeners: dict[Listener, Actor] = {}
        self._timer: Timer | None = None
        self._pushed_at = float("-inf")
        self._unwatch = hub.watch(self._changed)

    # ── Attendance ──────────────────────────────────────────────────────────────────────────────────────────────────
    def entered(self, actor: Actor, request: LoginRequest) -> dict[str, Any]:
        """Only those who may see something are let in."""
        if not READERS & actor.roles:
            raise Refused(
                Problem(
                    "not-your-role",
                    zh="此处为省中心，坐席请登录本市的坐席页面",
                    en="this is the province's console; agents log in at their city's page",
                    place="user",
                ),
                status=403,
            )
        return {"user": actor.user}

    def alone(self, actor: Actor) -> bool:
        """Many screens may show the province to one user."""
        return False

    def attach(self, actor: Actor, listener: Listener) -> dict[str, Any]:
        """A screen; it is told of changes from now on. What services are called is told here, once."""
        state = {
            "province": self._province.province(actor),
            "services": self._services,
            "user": actor.user,
            "roles": sorted(actor.roles),
        }
        self._listeners[listener] = actor
        return state

    def detach(self, actor: Actor, listener: Listener) -> None:
        """That screen is gone."""
        self._listeners.pop(listener, None)

    def seen(self, actor: Actor) -> None:
        """Nothing waits for signs of life here."""

    def left(self, actor: Actor, reason: str) -> None:
        """The login has ended, and with it all its screens."""
        for listener in [one for one, owner in self._listeners.items() if owner.session == actor.session]:
            del self._listeners[listener]
            listener.end("logged_out", {"reason": reason})

    # ── pushes ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _changed(self) -> None:
        if not self._listeners or self._timer is not None:
            return
        wait_s = max(0.0, self._pushed_at + PUSH_EVERY_S - self._clock.monotonic())
        self._timer = self._clock.call_later(wait_s, self._push)

    def _push(self) -> None:
        self._timer = None
        self._pushed_at = self._clock.monotonic()
        if not self._listeners:
            return
        first = next(iter(self._listeners.values()))
        push = Push("province", {"province": self._province.province(first)})  # the same for all three roles
        for listener in list(self._listeners):
            listener.push(push)

    def stop(self) -> None:
        """Push no more; screens are told that the hub closes."""
        self._unwatch()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        for listener in list(self._listeners):
            del self._listeners[listener]
            listener.end("logged_out", {"reason": "closing"})
