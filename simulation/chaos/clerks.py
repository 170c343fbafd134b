"""The work side of a seed's agents: forms and actions handed in through the agent API, and all they were told of them.

Whoever is at a seat hands in forms for lines of any city, acts on items of any city, and asks again how a request
stands. What they were told is the evidence against which the records are held in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Refused
from dataset.ids import CityId
from federation.ports import Clock
from simulation.chaos.desks import Desk
from simulation.chaos.offered import QUESTION, REPAIR, REPAIRED, WITHDRAW
from simulation.population.forms import mark_of

FIRST_S, LAST_S = 20.0, 1030.0
EVERY_S = 27.0
"""mean time between two of a city's clerks handing something in"""
ASK_AGAIN_S = 97.0
CLOSE_UP_S = (1085.0, 1115.0)
"""when what is still open is withdrawn; more than once, for somebody else may act on it at the same time"""
LAST_ASKED_S = 1150.0
ASKED_LAST = 4
"""in the end it is asked about every request that is pending, and about one of so many others"""
LINES = 4
"""of each city: few, so that two often want the same"""
RECENT = 7
"""items that are acted on are among the latest so many that somebody has handed in"""
TWO_AT_ONCE = 0.2
CALLS_EVERY_S = 20.0
"""mean time between two of a city's looks for a customer to be called, where calls are made"""
LOOKS = 3
"""items that are looked at then: the customer of each that waits for a call is called, if somebody is free"""
FEES = (0, 0, 1_000, 2_080)
"""fen, taken in with a form or an action"""


@dataclass(slots=True)
class HandedIn:
    """A request that a city gave a receipt for, and what was said of it."""

    request: str
    item: str
    owning: CityId
    serving: CityId
    told: list[str] = field(default_factory=list)
    """``pending``, ``accepted``, ``refused`` as they were said; never twice the same in a row"""
    collected_fen: int | None = None
    """None: the receipt came without the agent knowing what for (the answer to the form was lost)"""


@dataclass(frozen=True, slots=True)
class _Item:
    item: str
    owning: CityId


Told = Callable[[HandedIn, str], None]


class Clerks:
    """All clerks of a run. ``codes``: area code of each city; ``told`` hears every word about a request."""

    def __init__(
        self, clock: Clock, rng: Random, codes: Mapping[CityId, str], told: Told, *, calls_back: bool = False
    ) -> None:
        self.handed_in: dict[str, HandedIn] = {}
        """by request"""
        self.refused = 0
        """told at the seat, and nothing written"""
        self.unknown_requests: list[tuple[CityId, str]] = []
        """requests that their city, asked again, knew nothing of"""
        self.crossed: set[str] = set()
        """items that two acted on at the same time"""
        self._clock = clock
        self._rng = rng
        self._codes = codes
        self._told = told
        self._calls_back = calls_back
        self._desks: dict[CityId, list[Desk]] = {city: [] for city in codes}
        self._items: list[_Item] = []
        self._under_way: dict[str, int] = {}
        """items, and how many actions on each are not answered at the seat"""

    def begin(self) -> None:
        """Hand things in until ``LAST_S``; then withdraw what is open, and ask how everything stands."""
        for city in self._codes:
            self._clock.call_later(FIRST_S + self._pause(), self._next, city)
            self._clock.call_later(ASK_AGAIN_S, self._ask_again, city)
            if self._calls_back:
                self._clock.call_later(FIRST_S, self._call, city)
            for moment in CLOSE_UP_S:
                self._clock.call_later(moment, self._close_up, city)
            self._clock.call_later(LAST_ASKED_S, self._ask_all, city)

    def recent(self, most: int) -> list[tuple[str, CityId]]:
        """The latest items that somebody has handed in, and their cities."""
        return [(one.item, one.owning) for one in self._items[-most:]]

    def receipt(self, receipt: Mapping[str, Any], city: CityId) -> None:
        """Somebody else at a seat of ``city`` was told how a request stands: it is asked about like all others."""
        self._receipt(receipt, city, None)

    def seated(self, city: CityId, desk: Desk) -> None:
        """Somebody of ``city`` is at a seat."""
        desks = self._desks[city]
        desks.append(desk)
        desk.on_push(lambda push: self._pushed(city, push))
        desk.on_close(lambda code, reason: desks.remove(desk) if desk in desks else None)

    # ── what they do ────────────────────────────────────────────────────────────────────────────────────────────────
    def _pause(self) -> float:
        return self._rng.expovariate(1 / EVERY_S)

    def _next(self, city: CityId) -> None:
        if self._clock.monotonic() > LAST_S:
            return
        self._clock.call_later(self._pause(), self._next, city)
        desk = self._desk(city)
        if desk is None:
            return
        rng = self._rng
        if not self._items or rng.random() < 0.4:
            self._open(city, desk)
            return
        one = rng.choice(self._items[-RECENT:])
        if rng.random() < TWO_AT_ONCE:
            other = rng.choice(list(self._codes))
            second = self._desk(other)
            op, fields = self._blind(one)
            self._act(city, desk, one, op, fields)
            if second is not None:
                self._act(other, second, one, op, fields)
        elif rng.random() < 0.3:
            self._act(city, desk, one, *self._blind(one))
        else:
            asked = desk.send("work_item", item=one.item, owning=one.owning)
            asked.addCallback(lambda answer: self._act(city, desk, one, *self._fitting(answer["item"])))
            asked.addErrback(self._refusal)

    def _desk(self, city: CityId) -> Desk | None:
        desks = self._desks[city]
        return self._rng.choice(desks) if desks else None

    def _open(self, city: CityId, desk: Desk) -> None:
        rng = self._rng
        others = [one for one in self._codes if one != city]
        owning = city if rng.random() < 0.4 else rng.choice(others)
        line = self._line(owning, rng.randrange(LINES))
        service = REPAIR if rng.random() < 0.7 else QUESTION
        values = {"symptom": "无拨号音"} if service == REPAIR else {"words": "资费如何"}
        fen = rng.choice(FEES)
        asked = desk.send("work_open", service=service, line=line, values=values, collected_fen=fen)
        asked.addCallback(self._receipt, city, fen)
        asked.addErrback(self._refusal)

    def _line(self, city: CityId, number: int) -> str:
        return f"{self._codes[city]}8123{number:04d}"

    def _blind(self, one: _Item) -> tuple[str, dict[str, Any]]:
        """Something that may be done to an item of which nothing was looked at."""
        action = self._rng.choice(("send", "send", "answer", REPAIRED, WITHDRAW))
        mark = _mark(one.item, action)
        return self._rng.choice(
            (
                ("work_note", {"note": "用户来电催办"}),
                ("work_take", {}),
                ("work_give_back", {}),
                ("work_called_back", {"reached": True, "note": "上门时当面确认"}),
                ("work_act", {"action": action, "note": "按用户要求", "collected_fen": self._rng.choice(FEES), **mark}),
                ("work_act", {"action": action, "note": "按用户要求", "collected_fen": self._rng.choice(FEES), **mark}),
            )
        )

    def _call(self, city: CityId) -> None:
        """Call the customer of some item that waits for it."""
        if self._clock.monotonic() > LAST_S:
            return
        self._clock.call_later(self._rng.expovariate(1 / CALLS_EVERY_S), self._call, city)
        desk = self._desk(city)
        if desk is None or not self._items:
            return

        def shown(answer: Mapping[str, Any], one: _Item) -> None:
            item = answer["item"]
            if item["state"] == "sent" and item["ends"] is None:
                self._call_back(one, self._rng.sample(self._desks[city], len(self._desks[city])))

        for one in self._rng.sample(self._items[-RECENT:], min(len(self._items), LOOKS)):
            asked = desk.send("work_item", item=one.item, owning=one.owning)
            asked.addCallback(shown, one).addErrback(self._refusal)

    def _call_back(self, one: _Item, desks: list[Desk]) -> None:
        """From the first of ``desks`` whose agent has nothing else in hand."""

        def refused(failure: Failure) -> None:
            self._refusal(failure)
            self._call_back(one, desks[1:])

        if desks:
            desks[0].send("work_call_back", item=one.item).addErrback(refused)

    def _fitting(self, shown: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """What brings an item on, as it is shown."""
        rng = self._rng
        if shown["ends"] is not None or rng.random() < 0.1:
            return "work_note", {"note": "用户来电致谢"}
        if shown["assignee"] is None and rng.random() < 0.25:
            return "work_take", {}
        if shown["state"] == "sent" and not shown["called_back"]:
            return "work_called_back", {"reached": rng.random() < 0.9, "note": "上门时当面确认"}
        possible = [one for one in shown["possible"] if one != WITHDRAW or rng.random() < 0.2]
        if not possible:
            return "work_give_back", {}
        action, fen = rng.choice(possible), rng.choice(FEES)
        return "work_act", {"action": action, "note": "已办", "collected_fen": fen, **_mark(shown["item"], action)}

    def _act(self, city: CityId, desk: Desk, one: _Item, op: str, fields: Mapping[str, Any]) -> None:
        under_way = self._under_way
        if under_way.get(one.item, 0):
            self.crossed.add(one.item)
        under_way[one.item] = under_way.get(one.item, 0) + 1

        def over(answer: Any) -> Any:
            under_way[one.item] -= 1
            return answer

        asked = desk.send(op, item=one.item, owning=one.owning, **fields).addBoth(over)
        asked.addCallback(self._receipt, city, fields.get("collected_fen", 0))
        asked.addErrback(self._refusal)

    def _close_up(self, city: CityId) -> None:
        """Withdraw what is still open of the own lines."""
        desk = self._desk(city)
        if desk is None:
            return

        def found(answer: Mapping[str, Any]) -> None:
            for shown in answer["items"]:
                if shown["ends"] is None:
                    one = _Item(shown["item"], CityId(shown["owning"]))
                    self._act(city, desk, one, "work_act", {"action": WITHDRAW, "note": "收工"})

        for number in range(LINES):
            desk.send("work_items", line=self._line(city, number)).addCallback(found).addErrback(self._refusal)

    # ── what they are told ──────────────────────────────────────────────────────────────────────────────────────────
    def _ask_again(self, city: CityId) -> None:
        self._clock.call_later(ASK_AGAIN_S, self._ask_again, city)
        self._ask_about(city, [one for one in self._of(city) if one.told[-1] == "pending"])

    def _ask_all(self, city: CityId) -> None:
        wanted = enumerate(self._of(city))
        self._ask_about(city, [one for at, one in wanted if one.told[-1] == "pending" or at % ASKED_LAST == 0])

    def _of(self, city: CityId) -> list[HandedIn]:
        return [one for one in self.handed_in.values() if one.serving == city]

    def _ask_about(self, city: CityId, wanted: list[HandedIn]) -> None:
        desk = self._desk(city)
        for one in wanted if desk is not None else ():
            assert desk is not None
            asked: Deferred[Any] = desk.send("work_request", request=one.request)
            asked.addCallback(self._receipt, city, None)
            asked.addErrback(self._not_known, city, one.request)

    def _pushed(self, city: CityId, push: Mapping[str, Any]) -> None:
        if push["push"] == "work":
            self._receipt(push["receipt"], city, None)

    def _receipt(self, receipt: Mapping[str, Any], city: CityId, fen: int | None) -> None:
        request = receipt["request"]
        one = self.handed_in.get(request)
        if one is None:
            item, owning = receipt["item"], CityId(receipt["owning"])
            one = self.handed_in[request] = HandedIn(request, item, owning, city)
            if item == f"w-{request}":
                self._items.append(_Item(item, owning))
        if fen is not None:
            one.collected_fen = fen
        state = receipt["state"]
        if not one.told or one.told[-1] != state:
            one.told.append(state)
        self._told(one, state)

    def _not_known(self, failure: Failure, city: CityId, request: str) -> None:
        refused = failure.value
        if isinstance(refused, Refused) and refused.problems[0].slug == "request-unknown":
            self.unknown_requests.append((city, request))
        else:
            self._refusal(failure)

    def _refusal(self, failure: Failure) -> None:
        """Told so, or the connection went: nothing that a clerk wonders at."""
        failure.trap(Refused)
        self.refused += 1


def _mark(item: str, action: str) -> dict[str, int]:
    """How satisfied the customer is, where ``action`` asks it: nothing is drawn for it, so seeds play what they did."""
    return {"satisfaction": mark_of(item)} if action == REPAIRED else {}
