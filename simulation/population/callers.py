"""Customers: when they call, what for, how they use the menu, how long they wait, and when they hang up.

Everything about a customer is drawn when the call arrives, from its city's own source. So two runs with the same seed
have the same customers, whatever became of them: policies can be compared on the same callers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Protocol

from dataset.ids import CityId
from dataset.packages import ServicePackage
from dataset.self_service import Say, SelfServiceKind
from federation.ports import Clock, Timer
from simulation.population.day import DayProfile
from simulation.population.draws import Draw, exponential, lognormal, never
from site_node.switch.simulated import Caller, CallState, Hearing, Sound


class Dials(Protocol):
    """The part of ``site_node.switch.simulated.Network`` that customers see."""

    def call(self, city: CityId, called: str, calling: str) -> Caller:
        """Dial."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something people call for: the door of its own, and the keys to press at the one number."""

    service: str
    share: float
    door: str
    keys: str


@dataclass(frozen=True, slots=True)
class Habits:
    """What customers are like. Durations in seconds; shares between 0 and 1."""

    one_number: float = 0.6
    """share that dials the one number; the others dial the old number of the service"""
    barges_in: float = 0.5
    """share of menus that are not listened to to the end"""
    wrong_digit: float = 0.05
    """share of customers whose first key leads nowhere"""
    presses_nothing: float = 0.02
    """share that waits for a human instead of pressing"""
    key_delay_s: Draw = field(default_factory=lambda: lognormal(1.5, 0.5))
    """from the end of the menu (with barge-in: from its beginning) to the key"""
    patience_s: Draw = field(default_factory=lambda: exponential(180.0))
    """until a human answers, counted from dialling, and anew from the last key of a menu"""
    second_patience_s: Draw = field(default_factory=lambda: exponential(240.0))
    """the same when a talk is interrupted: on hold, in a transfer"""
    known: float = 0.85
    """share that calls from a number on record, where there are any"""
    hangs_up: float = 0.7
    """share of customers who end the talk themselves; the others leave it to the agent"""
    talk_s: Draw = field(default_factory=lambda: lognormal(160.0, 0.8))
    """what they have to say, for those who end the talk themselves"""


KEY_S = 0.4
"""between two keys of a number or a PIN"""


@dataclass(frozen=True, slots=True)
class SelfServiceHabits:
    """How customers serve themselves. Shares between 0 and 1."""

    ways: Mapping[SelfServiceKind, str]
    """what there is, and the keys that lead there at the one number"""
    pins: Mapping[str, str]
    """PINs by line, of as many as are known when one calls"""
    share: float = 0.15
    wrong_pin: float = 0.08
    """share that has forgotten its PIN"""
    wants_agent: float = 0.1
    """share that wants an agent after the answer"""
    hangs_up: float = 0.4
    """share that hangs up after the answer; the others let themselves be told goodbye"""


class CallOutcome(StrEnum):
    """What became of a call, as its customer sees it."""

    SERVED = "served"
    """talked to somebody"""
    SELF_SERVED = "self_served"
    """heard by self-service what was wanted"""
    GAVE_UP = "gave_up"
    """hung up before anybody answered"""
    CUT_OFF = "cut_off"
    """the center ended the call before anybody talked"""
    TURNED_AWAY = "turned_away"
    """the call was never answered"""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What a customer remembers of a call. Moments are in the clock's monotonic seconds."""

    city: CityId
    called: str
    calling: str
    service: str
    began: float
    answered: float | None
    """the center's own answer (menu)"""
    heard_agent: float | None
    """a human's voice, for the first time"""
    ended: float
    talked_s: float
    hung_up: bool
    """the customer ended the call"""
    outcome: CallOutcome


@dataclass(frozen=True, slots=True)
class _Person:
    """One customer's nature, drawn at arrival."""

    wish: Wish
    called: str
    calling: str
    keys: str
    barges_in: bool
    key_delay_s: float
    patience_s: float
    second_patience_s: float
    talk_s: float
    entries: Mapping[str, str] = field(default_factory=dict)
    """what is keyed in after a prompt of self-service; empty: hangs up"""


def wishes_of(package: ServicePackage, shares: Mapping[str, float] | None = None) -> tuple[Wish, ...]:
    """What can be called for by way of this package, equally often unless ``shares`` (by service) says otherwise.

    A service is what a menu without keys names; its door and its keys at the one number (the first door) are found in
    the package. Raises ``ValueError`` for a share of a service that the package does not have.
    """
    first = package.doors[0]
    keys = _keys_from(package, first.menu)
    doors: dict[str, str] = {}
    for door in package.doors[1:]:
        behind = package.menus[door.menu]
        doors[door.menu if behind.otherwise is None else behind.otherwise] = door.number
    services = {menu.service: name for name, menu in package.menus.items() if menu.skill is not None}
    unknown = set(shares or {}) - set(services)
    if unknown:
        raise ValueError(f"the package has no service {', '.join(sorted(unknown))}; it has {', '.join(services)}")
    return tuple(
        Wish(service, 1.0 if shares is None else shares.get(service, 0.0), doors.get(menu, first.number), keys[menu])
        for service, menu in services.items()
        if menu in keys
    )


def self_service_of(package: ServicePackage) -> Mapping[SelfServiceKind, str]:
    """The self-services that can be reached from the one number (the first door), each with the fewest keys."""
    ways: dict[SelfServiceKind, str] = {}
    for name, keys in _keys_from(package, package.doors[0].menu).items():
        kind = package.menus[name].self_service
        if kind is not None:
            ways.setdefault(kind, keys)
    return ways


def _keys_from(package: ServicePackage, menu: str) -> dict[str, str]:
    """For every menu that can be reached from ``menu``, the fewest keys that lead there."""
    reached = {menu: ""}
    waiting = [menu]
    for name in waiting:
        for key, way in package.menus[name].keys.items():
            if way not in reached:
                reached[way] = reached[name] + key
                waiting.append(way)
    return reached


class Customer:
    """One call from its first ring to its end."""

    def __init__(
        self,
        clock: Clock,
        city: CityId,
        person: _Person,
        phone: Caller,
        menu_prompts: frozenset[str],
        done: Callable[[CallRecord], None],
    ) -> None:
        self._clock = clock
        self._city = city
        self._person = person
        self._phone = phone
        self._menu_prompts = menu_prompts
        self._done = done
        self._keys_left = person.keys
        self._listening_to = ""
        self._key_timer: Timer | None = None
        self._patience_timer: Timer | None = None
        self._talk_timer: Timer | None = None
        self._talk_left_s = person.talk_s
        self._entry_timer: Timer | None = None
        self._told = False
        self._hears_agent_since: float | None = None
        self._heard_agent: float | None = None
        self._talked_s = 0.0
        self._hung_up = False
        phone.on_change = self._changed
        self._wait()

    def _changed(self) -> None:
        if self._phone.state is CallState.OVER:
            self._over()
            return
        hearing = self._phone.hears()
        if hearing.sound is Sound.VOICE:
            self._talk_goes_on()
        else:
            self._talk_stops()
            self._menu(hearing)
            self._wait()

    # ── menu ──
    def _menu(self, hearing: Hearing) -> None:
        if hearing.prompt in self._person.entries and self._entry_timer is None:
            entry = self._person.entries[hearing.prompt]
            self._told |= hearing.prompt == Say.AGAIN
            self._entry_timer = self._clock.call_later(self._person.key_delay_s, self._key_in, entry)
        said = hearing.prompt if hearing.prompt in self._menu_prompts else ""
        if said == self._listening_to:
            return
        ended, self._listening_to = self._listening_to, said
        if not self._keys_left:
            return
        if said if self._person.barges_in else ended:
            self._set_key_timer()

    def _set_key_timer(self) -> None:
        if self._key_timer is None:
            self._key_timer = self._clock.call_later(self._person.key_delay_s, self._press)

    def _press(self) -> None:
        self._key_timer = None
        key, self._keys_left = self._keys_left[0], self._keys_left[1:]
        self._listening_to = ""
        if not self._keys_left:
            self._patience_timer = _stopped(self._patience_timer)
            self._wait()
        self._phone.press(key)

    def _key_in(self, keys: str) -> None:
        """The next key of a number or a PIN."""
        self._entry_timer = None
        if not keys:
            self._hang_up()
            return
        if len(keys) > 1:
            self._entry_timer = self._clock.call_later(KEY_S, self._key_in, keys[1:])
        self._phone.press(keys[0])

    # ── waiting and talking ──
    def _wait(self) -> None:
        if self._patience_timer is None:
            first = self._heard_agent is None
            patience = self._person.patience_s if first else self._person.second_patience_s
            self._patience_timer = _later(self._clock, patience, self._hang_up)

    def _talk_goes_on(self) -> None:
        now = self._clock.monotonic()
        if self._heard_agent is None:
            self._heard_agent = now
        if self._hears_agent_since is None:
            self._hears_agent_since = now
            self._key_timer = _stopped(self._key_timer)
            self._entry_timer = _stopped(self._entry_timer)
            self._patience_timer = _stopped(self._patience_timer)
            self._talk_timer = _later(self._clock, self._talk_left_s, self._hang_up)

    def _talk_stops(self) -> None:
        if self._hears_agent_since is not None:
            talked = self._clock.monotonic() - self._hears_agent_since
            self._talked_s += talked
            self._talk_left_s = max(self._talk_left_s - talked, 0.0)
            self._hears_agent_since = None
            self._talk_timer = _stopped(self._talk_timer)

    # ── the end ──
    def _hang_up(self) -> None:
        if not self._phone.over:
            self._hung_up = True
            self._phone.hang_up()

    def _over(self) -> None:
        self._talk_stops()
        for timer in (self._key_timer, self._entry_timer, self._patience_timer, self._talk_timer):
            _stopped(timer)
        self._phone.on_change = None
        person, phone = self._person, self._phone
        ended = phone.ended if phone.ended is not None else self._clock.monotonic()
        self._done(
            CallRecord(
                city=self._city,
                called=person.called,
                calling=person.calling,
                service=person.wish.service,
                began=phone.began,
                answered=phone.answered,
                heard_agent=self._heard_agent,
                ended=ended,
                talked_s=self._talked_s,
                hung_up=self._hung_up,
                outcome=self._outcome(),
            )
        )

    def _outcome(self) -> CallOutcome:
        if self._heard_agent is not None:
            return CallOutcome.SERVED
        if self._told:
            return CallOutcome.SELF_SERVED
        if self._hung_up:
            return CallOutcome.GAVE_UP
        return CallOutcome.TURNED_AWAY if self._phone.answered is None else CallOutcome.CUT_OFF


class Callers:
    """All customers of all cities. ``calls_per_hour`` is meant for an ordinary daytime hour (weight 1 of the day)."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        network: Dials,
        calls_per_hour: Mapping[CityId, float],
        wishes: Sequence[Wish],
        one_number: str,
        menu_prompts: frozenset[str],
        *,
        habits: Habits | None = None,
        profile: DayProfile | None = None,
        done: Callable[[CallRecord], None] | None = None,
        numbers: Mapping[CityId, Sequence[str]] | None = None,
        self_service: SelfServiceHabits | None = None,
    ) -> None:
        """``numbers``: what customers on record of each city call from, as many as are known when one calls.
        ``self_service``: of those who serve themselves; None: nobody does.
        """
        if not wishes or sum(wish.share for wish in wishes) <= 0:
            raise ValueError("customers need something to call for: no wish has a share")
        self._clock = clock
        self._network = network
        self._wishes = tuple(wishes)
        self._shares = [wish.share for wish in wishes]
        self._one_number = one_number
        self._menu_prompts = menu_prompts
        self.habits = habits or Habits()
        self._profile = profile or DayProfile()
        self._done = done
        self.calls_per_hour = dict(calls_per_hour)
        """may be changed while running: takes effect with the next arrival of that city"""
        self._sources = {city: Random(rng.getrandbits(64)) for city in calls_per_hour}
        self._numbers = numbers
        self._choices = {city: Random(rng.getrandbits(64)) for city in calls_per_hour} if numbers is not None else {}
        """who of them calls: apart from all else, so that everybody else is as without them"""
        self._self_service = self_service if self_service is not None and self_service.ways else None
        self._serving = {city: Random(rng.getrandbits(64)) for city in calls_per_hour} if self._self_service else {}
        """who serves itself, and how: apart as well"""
        self._timers: dict[CityId, Timer] = {}
        self.called: dict[CityId, int] = dict.fromkeys(calls_per_hour, 0)
        self.outcomes: dict[CallOutcome, int] = dict.fromkeys(CallOutcome, 0)
        self.in_progress = 0

    def start(self) -> None:
        """From now on calls arrive."""
        for city in self.calls_per_hour:
            self._await_next(city)

    def stop(self) -> None:
        """No new calls; those in progress go on."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def call_now(self, city: CityId) -> None:
        """One more customer of ``city`` calls at once."""
        self.called[city] += 1
        self.in_progress += 1
        person = self._known(city, self._draw(self._sources[city], self.called[city]))
        if self._self_service is not None and self._serving[city].random() < self._self_service.share:
            person = self._serving_itself(self._serving[city], self._self_service, person)
        phone = self._network.call(city, person.called, person.calling)
        Customer(self._clock, city, person, phone, self._menu_prompts, self._record)

    def _await_next(self, city: CityId) -> None:
        # asked again at least every hour, so that a changed rate is noticed in the night too
        wait = self._profile.next_arrival(self._clock.wall(), self.calls_per_hour[city], self._sources[city])
        if wait > 3600.0:
            self._timers[city] = self._clock.call_later(3600.0, self._await_next, city)
        else:
            self._timers[city] = self._clock.call_later(wait, self._arrive, city)

    def _arrive(self, city: CityId) -> None:
        self.call_now(city)
        self._await_next(city)

    def _draw(self, rng: Random, number: int) -> _Person:
        habits = self.habits
        wish = rng.choices(self._wishes, self._shares)[0]
        called = self._one_number if rng.random() < habits.one_number else wish.door
        keys = wish.keys if called == self._one_number else ""
        wrong, nothing = rng.random() < habits.wrong_digit, rng.random() < habits.presses_nothing
        talk_s = habits.talk_s(rng)
        return _Person(
            wish=wish,
            called=called,
            calling=f"13{rng.randrange(10):d}{rng.randrange(10**8):08d}",
            keys="" if nothing else f"9{keys}" if wrong and keys else keys,
            barges_in=rng.random() < habits.barges_in,
            key_delay_s=habits.key_delay_s(rng),
            patience_s=habits.patience_s(rng),
            second_patience_s=habits.second_patience_s(rng),
            talk_s=talk_s if rng.random() < habits.hangs_up else never()(rng),
        )

    def _known(self, city: CityId, person: _Person) -> _Person:
        """Somebody on record instead of a stranger, in most cases."""
        numbers = self._numbers.get(city) if self._numbers is not None else None
        if not numbers or self._choices[city].random() >= self.habits.known:
            return person
        return replace(person, calling=self._choices[city].choice(numbers))

    def _serving_itself(self, rng: Random, habits: SelfServiceHabits, person: _Person) -> _Person:
        """The same customer at the keys: whoever has no PIN can hear what things cost."""
        pin = habits.pins.get(person.calling, "")
        kinds = [kind for kind in habits.ways if pin or kind == "tariff"]
        if not kinds:
            return person
        wrong, after = rng.random() < habits.wrong_pin, rng.random()
        agent = after < habits.wants_agent
        ends = "0" if agent else "" if after < habits.wants_agent + habits.hangs_up else "#"
        return replace(
            person,
            called=self._one_number,
            keys=habits.ways[rng.choice(kinds)],
            entries={
                Say.ASK_NUMBER: "1#",
                Say.ASK_PIN: "000#" if wrong else f"{pin}#",
                Say.AGAIN: ends,
            },
        )

    def _record(self, record: CallRecord) -> None:
        self.in_progress -= 1
        self.outcomes[record.outcome] += 1
        if self._done is not None:
            self._done(record)


def menu_prompts_of(package: ServicePackage) -> frozenset[str]:
    """The prompts after which a key is expected: the last of each menu that has keys."""
    return frozenset(menu.say[-1] for menu in package.menus.values() if menu.keys and menu.say)


def _later(clock: Clock, seconds: float, call: Callable[[], None]) -> Timer | None:
    return clock.call_later(seconds, call) if seconds != float("inf") else None


def _stopped(timer: Timer | None) -> Timer | None:
    """Stop a timer that may have run; None, to put in its place."""
    if timer is not None and timer.active():
        timer.cancel()
    return None
