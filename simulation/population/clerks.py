"""Clerks behind the seats: they take what waits in their city's queue of work, and bring it a step further.

The agent API is all they know. They take no notice of what is refused: somebody was faster, or it is not time yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.calendar import CHINA
from dataset.errors import Refused
from federation.ports import Clock, Timer
from simulation.population.draws import Draw, lognormal
from simulation.population.forms import filled, mark_of
from simulation.population.staff import Entrance, SeatDoor

FORWARD = 0.9
"""share of steps that are the first of those that are possible: services name the way forward first"""
AT_ONCE = 3
"""items that a clerk looks at in one go"""
log = Logger(namespace="population")


@dataclass(frozen=True, slots=True)
class Diligence:
    """What a clerk is like."""

    every_s: Draw = field(default_factory=lambda: lognormal(20.0, 0.5))
    """between two looks at the queue"""


class Clerk:
    """One clerk of a city, without a seat."""

    def __init__(
        self, clock: Clock, rng: Random, user: str, password: str, entrance: Entrance, diligence: Diligence
    ) -> None:
        self.counts: Counter[str] = Counter()
        """steps taken, by action; and what was refused, by slug"""
        self._clock = clock
        self._rng = rng
        self._user = user
        self._password = password
        self._entrance = entrance
        self._diligence = diligence
        self._door: SeatDoor | None = None
        self._timer: Timer | None = None
        self._schemas: dict[str, Mapping[str, Any]] = {}

    def arrive(self) -> None:
        """Log in and begin; try again until it works."""
        Deferred.fromCoroutine(self._arrive()).addErrback(self._failed, self.arrive)

    def go_home(self) -> None:
        """Leave; what was taken stays taken, and its deadline brings it back."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._door is not None:
            self._door.close()
            self._door = None

    async def _arrive(self) -> None:
        login = await self._entrance.login(self._user, self._password)
        door = self._entrance.open()
        door.on_close(self._lost)
        await door.send("attach", token=login["token"])
        self._door = door
        self._again()

    def _lost(self, code: int, reason: str) -> None:
        if self._door is not None:
            self._door = None
            self._clock.call_later(5.0, self.arrive)

    def _again(self) -> None:
        self._timer = self._clock.call_later(self._diligence.every_s(self._rng), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._door is not None:
            Deferred.fromCoroutine(self._round(self._door)).addErrback(self._failed, lambda: None).addCallback(
                lambda _: self._again() if self._door is not None else None
            )

    async def _round(self, door: SeatDoor) -> None:
        """Go on with what is in hand, else take what waits longest."""
        mine = (await door.send("work_items", mine=True))["items"]
        for one in mine or (await door.send("work_items", waiting=True))["items"][:AT_ONCE]:
            try:
                if not mine:
                    await door.send("work_take", item=one["item"])
                await self._step(door, one["item"])
            except Refused as refused:
                self.counts[refused.problems[0].slug] += 1

    async def _step(self, door: SeatDoor, name: str) -> None:
        item = (await door.send("work_item", item=name))["item"]
        possible = item["possible"]
        if not possible:
            await door.send("work_give_back", item=name)
            return
        chosen = possible[0] if self._rng.random() < FORWARD else self._rng.choice(possible)
        service = await self._service(door, item["service"].partition("@")[0])
        action = next(one for one in service["actions"] if one["id"] == chosen)
        if action["after_call_back"] and not item["called_back"]:
            await door.send("work_called_back", item=name, reached=True, note="上门时当面确认")
        missing = [one for one in action["needs"] if one not in item["values"]]
        day = datetime.fromtimestamp(self._clock.wall(), CHINA).date()
        values = filled(service, self._rng, day, missing) if missing else {}
        mark = {"satisfaction": mark_of(name)} if chosen in item["asks_satisfaction"] else {}
        await door.send(
            "work_act",
            item=name,
            action=chosen,
            values={key: value for key, value in values.items() if key in missing},
            note="已办理" if action["note_required"] else "",
            **mark,
        )
        self.counts[chosen] += 1

    async def _service(self, door: SeatDoor, name: str) -> Mapping[str, Any]:
        if name not in self._schemas:
            self._schemas[name] = (await door.send("service", service=name))["service"]
        return self._schemas[name]

    def _failed(self, failure: Failure, again: Any) -> None:
        refused = failure.value
        if not isinstance(refused, Refused):
            log.failure("a simulated clerk cannot go on", failure, event="clerk-broken")
            return
        self.counts[refused.problems[0].slug] += 1
        if self._door is None:
            self._clock.call_later(5.0, again)
