"""Staff at the seats: they log in through the agent API, answer, talk, hold, note, transfer and take breaks.

The agent API is all they know (``docs/agent-api.md``), besides the phone on the desk. They react to what the API shows
them, with human delays, and take no notice of being too late: a refusal is counted, not an accident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.calendar import CHINA
from dataset.errors import Refused
from federation.ports import Clock, Timer
from simulation.population.draws import Draw, lognormal
from simulation.population.forms import CALLING, filled

State = Mapping[str, Any]
"""The ``state`` object of the agent API."""


class SeatDoor(Protocol):
    """A live connection to the agent API; in memory, or a WebSocket."""

    def send(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """Ask for an operation; fires with its answer, errbacks with ``Refused``."""

    def on_push(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Hear every push."""

    def on_close(self, callback: Callable[[int, str], None]) -> None:
        """Hear that the connection is gone."""

    def close(self) -> None:
        """Go away."""


class Entrance(Protocol):
    """A node's door from outside (``federation.node.memory_transport.MemoryDoor`` has this shape)."""

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        """Log in; fires with the answer, ``token`` in it."""

    def open(self) -> SeatDoor:
        """A new live connection."""


class DeskPhone(Protocol):
    """The phone on the desk."""

    def answer(self) -> None:
        """Pick up, if it rings."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What staff are like. Durations in seconds; shares between 0 and 1."""

    reaction_s: Draw = field(default_factory=lambda: lognormal(3.0, 0.5))
    """from the first ring to the answer"""
    misses: float = 0.01
    """share of rings that nobody hears"""
    handling_s: Draw = field(default_factory=lambda: lognormal(180.0, 0.8))
    """until the agent ends a talk that the customer has not ended"""
    holds: float = 0.08
    hold_s: Draw = field(default_factory=lambda: lognormal(25.0, 0.6))
    notes: float = 0.15
    transfers: float = 0.04
    to_agent: float = 0.5
    """share of transfers that go to a named agent, not to a skill"""
    forms: float = 0.0
    """share of talks in which the form of a service is handed in"""
    wrap_up_s: Draw = field(default_factory=lambda: lognormal(9.0, 0.4))
    """at the customer's records after a talk"""
    breaks: float = 0.02
    """share of contacts after which the agent takes a break"""
    break_s: Draw = field(default_factory=lambda: lognormal(300.0, 0.5))
    back_after_miss_s: Draw = field(default_factory=lambda: lognormal(20.0, 0.5))
    """until the agent notices having been set to 示忙"""
    calls_back_s: Draw | None = None
    """how often whoever is idle looks for a customer to call before an item is closed; None: nobody does"""
    command_answers: float = 0.5
    """share of answers given on the screen instead of at the phone, where the seat can"""


@dataclass(frozen=True, slots=True)
class Place:
    """One agent's login and seat."""

    user: str
    password: str
    seat: str
    entrance: Entrance
    phone: DeskPhone | None = None


async def hand_in(door: SeatDoor, rng: Random, skill: str, contact: str, now: float) -> Mapping[str, Any] | None:
    """Hand in a form of some service of ``skill``; its receipt, None where there is none. Raises ``Refused``."""
    services = (await door.send("services"))["services"]
    wanted = [one["id"] for one in services if one["makes_work"] and one["skill"] == skill]
    if not wanted:
        return None
    service = (await door.send("service", service=rng.choice(wanted)))["service"]
    await door.send("identity_checked", contact=contact, line=CALLING)
    values = filled(service, rng, datetime.fromtimestamp(now, CHINA).date())
    return await door.send("work_open", service=service["id"], line=CALLING, contact=contact, values=values)


async def call_somebody_back(door: SeatDoor) -> bool:
    """Call the customer of an item that may be closed after a call only; whether there is one. Raises ``Refused``."""
    found = (await door.send("work_items", mine=True))["items"] + (await door.send("work_items", waiting=True))["items"]
    for one in found[:AT_ONCE]:
        item = (await door.send("work_item", item=one["item"]))["item"]
        service = (await door.send("service", service=item["service"].partition("@")[0]))["service"]
        wanted = {action["id"] for action in service["actions"] if action["after_call_back"]}
        if not item["called_back"] and wanted & set(item["possible"]):
            await door.send("work_call_back", item=one["item"])
            return True
    return False


AT_ONCE = 10
"""items that are looked at in one go"""
NOTES = ("客户催单", "已核对地址", "需回访", "请联系手机", "资料已更新")
"""What agents write down."""


class StaffMember:
    """One agent, from login to the end of the shift."""

    def __init__(self, clock: Clock, rng: Random, place: Place, manners: Manners, counts: Counter[str]) -> None:
        self._clock = clock
        self._rng = rng
        self._place = place
        self._manners = manners
        self._counts = counts
        self._log = Logger(namespace="population")
        self._door: SeatDoor | None = None
        self._going_home = False
        self._state: State = {}
        self._contact: tuple[str, int] | None = None
        self._stage = ""
        self._talk_planned = False
        self._disposed = False
        self._transferring = False
        self._stage_timers: list[Timer] = []
        self._talk_timers: list[Timer] = []
        self._back_timer: Timer | None = None
        self._look_timer: Timer | None = None

    # ── coming and going ────────────────────────────────────────────────────────────────────────────────────────────
    def arrive(self) -> None:
        """Log in, and begin to work; try again until it works."""
        if not self._going_home and self._door is None:
            place = self._place
            self._watch(place.entrance.login(place.user, place.password, place.seat), self._logged_in, "login")

    @property
    def at_work(self) -> bool:
        """Whether connected to a seat."""
        return self._door is not None

    def go_home(self) -> None:
        """Leave as soon as there is no contact; nothing more is begun."""
        self._going_home = True
        if self._door is not None:
            if not self._state.get("calls"):
                self._leave()
            else:
                self._ask("not_ready", reason=self._some_reason())

    def _logged_in(self, answer: Mapping[str, Any]) -> None:
        door = self._place.entrance.open()
        self._door = door
        door.on_push(self._pushed)
        door.on_close(self._closed)
        self._watch(door.send("attach", token=answer["token"]), self._changed, "attach")

    def _pushed(self, push: Mapping[str, Any]) -> None:
        if push["push"] == "state":
            self._changed(push["state"])
        elif push["push"] == "taken_over":
            self._counts["taken_over"] += 1
            self._going_home = True  # somebody else wants this seat

    def _closed(self, code: int, reason: str) -> None:
        self._door = None
        self._forget_contact()
        self._back_timer = _stop(self._back_timer)
        self._look_timer = _stop(self._look_timer)
        if not self._going_home:
            self._counts["connection_lost"] += 1
            self._clock.call_later(5.0, self.arrive)

    def _leave(self) -> None:
        door, self._door = self._door, None
        self._back_timer = _stop(self._back_timer)
        self._look_timer = _stop(self._look_timer)
        if door is not None:
            # what answers a logout no longer matters; the connection ends with it
            self._watch(door.send("logout"), lambda answer: door.close(), "logout")

    # ── what the screen shows ───────────────────────────────────────────────────────────────────────────────────────
    def _changed(self, state: State) -> None:
        self._state = state.get("state", state)
        call = next(iter(self._state["calls"]), None)
        which = None if call is None else (call["contact"], call["attempt"])
        if which != self._contact:
            self._forget_contact()
            self._contact = which
        if call is None:
            self._idle()
        elif call["state"] != self._stage:
            self._stage = call["state"]
            self._stage_timers = _stop_all(self._stage_timers)
            self._enter_stage(call)

    def _enter_stage(self, call: State) -> None:
        match call["state"]:
            case "alerting":
                self._ring()
            case "talking":
                self._talk(call)
            case "held":
                self._at_stage(self._manners.hold_s, self._act, "retrieve")
            case "wrap_up":
                self._talk_timers = _stop_all(self._talk_timers)
                self._counts["talks"] += 1
                self._at_stage(self._manners.wrap_up_s, self._finish)
            case _:
                self._counts[f"unknown state {call['state']}"] += 1

    def _idle(self) -> None:
        if self._going_home:
            self._leave()
        elif self._state["presence"] == "not_ready" and self._back_timer is None:
            reason = self._state["reason"]
            if reason in self._state["reasons"]:
                delay = self._manners.break_s(self._rng)
            else:
                delay = self._manners.back_after_miss_s(self._rng) if reason != "login" else 1.0
            self._back_timer = self._clock.call_later(delay, self._back)
        if self._manners.calls_back_s is not None and self._look_timer is None and not self._going_home:
            self._look_timer = self._clock.call_later(self._manners.calls_back_s(self._rng), self._look_for_customer)

    def _look_for_customer(self) -> None:
        self._look_timer = None
        if self._door is not None and self._state["presence"] == "ready" and not self._state["calls"]:
            calling = Deferred.fromCoroutine(call_somebody_back(self._door))
            self._watch(calling, self._called_somebody, "call back")

    def _called_somebody(self, called: bool) -> None:
        self._counts["calls back"] += called
        if not called and not self._state["calls"]:
            self._idle()  # and looks again

    def _back(self) -> None:
        self._back_timer = None
        if self._state["presence"] == "not_ready":
            self._ask("ready")

    # ── a call ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _ring(self) -> None:
        self._counts["rings"] += 1
        if self._rng.random() >= self._manners.misses:
            self._at_stage(self._manners.reaction_s, self._answer)
        else:
            self._counts["missed"] += 1

    def _answer(self) -> None:
        on_screen = self._state["can_answer"] and self._rng.random() < self._manners.command_answers
        if on_screen or self._place.phone is None:
            self._act("answer")
        else:
            self._place.phone.answer()

    def _talk(self, call: State) -> None:
        if self._talk_planned:
            return
        self._talk_planned = True
        rng, manners = self._rng, self._manners
        handling_s = manners.handling_s(rng)
        self._in_talk(handling_s, self._end_talk)
        if rng.random() < manners.notes:
            self._in_talk(handling_s * rng.uniform(0.2, 0.9), self._note)
        if rng.random() < manners.holds:
            self._in_talk(handling_s * rng.uniform(0.2, 0.6), self._act, "hold")
        if call["outbound"]:
            return
        if rng.random() < manners.transfers and not call["handled_by"]:
            self._in_talk(handling_s * rng.uniform(0.3, 0.8), self._look_for_target)
        if manners.forms and rng.random() < manners.forms:  # nobody's other draws change where no forms are filled in
            self._in_talk(handling_s * rng.uniform(0.5, 0.9), self._hand_in, call)

    def _hand_in(self, call: State) -> None:
        """The form of one of the services that the caller's queue is for, once it is clear who calls."""
        if self._door is not None and self._contact is not None:
            form = hand_in(self._door, self._rng, call["skill"], self._contact[0], self._clock.wall())
            self._watch(Deferred.fromCoroutine(form), self._handed_in, "form")

    def _handed_in(self, receipt: Mapping[str, Any] | None) -> None:
        if receipt is not None:
            self._counts[f"forms {receipt['state']}"] += 1

    def _note(self) -> None:
        self._counts["notes"] += 1
        self._act("note", text=self._rng.choice(NOTES))

    def _end_talk(self) -> None:
        if self._transferring:
            return  # the answer to the transfer decides
        if self._stage == "held":
            self._act("retrieve")
        self._dispose()
        self._act("hang_up")

    def _look_for_target(self) -> None:
        if self._door is not None and self._contact is not None:
            contact = self._contact
            self._watch(
                self._door.send("targets", text=""), lambda targets: self._transfer(contact, targets), "targets"
            )

    def _transfer(self, contact: tuple[str, int], targets: Mapping[str, Any]) -> None:
        if contact != self._contact or self._stage not in ("talking", "held") or self._door is None:
            return
        own, skill = self._state["agent"], self._state["calls"][0]["skill"]
        agents = [one["agent"] for one in targets["agents"] if one["presence"] == "ready" and one["agent"] != own]
        skills = [one["skill"] for one in targets["skills"] if one["skill"] != skill]
        if agents and (not skills or self._rng.random() < self._manners.to_agent):
            target = {"to_agent": self._rng.choice(agents)}
        elif skills:
            target = {"to_skill": self._rng.choice(skills)}
        else:
            return
        self._transferring = True
        self._counts["transfers"] += 1
        answer = self._door.send("transfer", contact=contact[0], note=self._rng.choice(NOTES), **target)
        self._watch(answer.addBoth(self._transfer_answered, contact), lambda answer: None, "transfer")

    def _transfer_answered(self, answer: Any, contact: tuple[str, int]) -> Any:
        if contact == self._contact:
            self._transferring = False
            if isinstance(answer, Failure) and self._stage in ("talking", "held"):
                self._in_talk(5.0, self._end_talk)  # then they deal with it themselves
        return answer

    def _finish(self) -> None:
        self._dispose()
        if self._rng.random() < self._manners.breaks and not self._going_home:
            self._counts["breaks"] += 1
            self._ask("not_ready", reason=self._some_reason())
        self._act("finish")

    def _dispose(self) -> None:
        codes = [one["code"] for one in self._state["calls"][0]["dispositions"]] if self._state["calls"] else []
        if codes and not self._disposed:
            self._disposed = True
            self._act("disposition", code=self._rng.choice(codes))

    # ── ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _some_reason(self) -> str:
        return str(self._rng.choice(self._state["reasons"]))

    def _forget_contact(self) -> None:
        self._stage_timers = _stop_all(self._stage_timers)
        self._talk_timers = _stop_all(self._talk_timers)
        self._contact = None
        self._stage = ""
        self._talk_planned = self._disposed = self._transferring = False

    def _at_stage(self, delay: Draw, call: Callable[..., None], *args: Any) -> None:
        self._stage_timers.append(self._clock.call_later(delay(self._rng), call, *args))

    def _in_talk(self, delay_s: float, call: Callable[..., None], *args: Any) -> None:
        self._talk_timers.append(self._clock.call_later(delay_s, call, *args))

    def _act(self, op: str, **fields: Any) -> None:
        """An operation on the contact in hand."""
        if self._contact is not None:
            self._ask(op, contact=self._contact[0], **fields)

    def _ask(self, op: str, **fields: Any) -> None:
        if self._door is not None:
            self._watch(self._door.send(op, **fields), lambda answer: None, op)

    def _watch(self, answer: Deferred[Any], then: Callable[[Any], None], op: str) -> None:
        answer.addCallbacks(then, self._refused, errbackArgs=(op,))
        answer.addErrback(self._broken, op)

    def _refused(self, failure: Failure, op: str) -> None:
        failure.trap(Refused)
        refused = failure.value
        slug = refused.problems[0].slug if isinstance(refused, Refused) else ""
        self._counts[f"refused {op}: {slug}"] += 1
        if op in ("login", "attach"):
            if self._door is not None:
                self._door.close()
                self._door = None
            self._clock.call_later(5.0, self.arrive)

    def _broken(self, failure: Failure, op: str) -> None:
        self._counts["broken"] += 1
        self._log.failure("an agent's {op} broke: {user}", failure, op=op, user=self._place.user, event="staff-broken")


class Staff:
    """Everybody at the given places; each agent draws from an own source, so that one does not disturb the others."""

    def __init__(self, clock: Clock, rng: Random, places: Iterable[Place], manners: Manners | None = None) -> None:
        self.counts: Counter[str] = Counter()
        """what happened to all of them, by name; ``refused <operation>: <slug>`` among them"""
        self._clock = clock
        self._rng = rng
        manners = manners or Manners()
        self.members = [
            StaffMember(clock, Random(rng.getrandbits(64)), place, manners, self.counts) for place in places
        ]

    def arrive(self, within_s: float = 5.0) -> None:
        """Everybody logs in, one after the other, within so many seconds."""
        for number, member in enumerate(self.members):
            self._clock.call_later(within_s * number / max(len(self.members), 1), member.arrive)

    def go_home(self) -> None:
        """Everybody leaves, as soon as their contact is over."""
        for member in self.members:
            member.go_home()


def _stop(timer: Timer | None) -> Timer | None:
    """Stop a timer that may have run; None, to put in its place."""
    if timer is not None and timer.active():
        timer.cancel()
    return None


def _stop_all(timers: list[Timer]) -> list[Timer]:
    """Stop them; an empty list, to put in their place."""
    for timer in timers:
        _stop(timer)
    return []
