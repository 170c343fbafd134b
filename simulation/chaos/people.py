"""The people of a seed: callers who come by their own plan whatever happens, and agents who keep coming back."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from dataset.ids import CityId, ContactId
from simulation.chaos.world import ChaosProvince, CityEntrance
from simulation.population.callers import Callers, CallOutcome, CallRecord, Habits, menu_prompts_of, wishes_of
from simulation.population.draws import exponential, lognormal
from simulation.population.staff import Manners, Place, Staff
from simulation.province import password_of
from site_node.switch.simulated import Caller

FIRST_CALL_S, LAST_CALL_S = 12.0, 1030.0
CALLS = (204, 220)
"""as few and as many calls that reach us as a seed may plan"""
CONTACTS = 200
"""are born in each seed, if need be of a few more calls at the end"""
_TRIES = 3
"""a caller whose city does not answer dials so often, each time somewhere else"""

HABITS = Habits(
    one_number=0.25,
    wrong_digit=0.05,
    presses_nothing=0.02,
    key_delay_s=lognormal(1.0, 0.4),
    patience_s=exponential(70.0),
    second_patience_s=exponential(60.0),
    hangs_up=0.6,
    talk_s=lognormal(14.0, 0.8),
)
MANNERS = Manners(
    reaction_s=lognormal(2.5, 0.5),
    misses=0.03,
    handling_s=lognormal(18.0, 0.7),
    holds=0.05,
    hold_s=lognormal(5.0, 0.5),
    notes=0.04,
    transfers=0.08,
    wrap_up_s=lognormal(2.0, 0.4),
    breaks=0.01,
    break_s=lognormal(40.0, 0.4),
    back_after_miss_s=lognormal(6.0, 0.4),
)


class _Dials:
    """The network as the callers see it; remembers who called."""

    def __init__(self, world: ChaosProvince) -> None:
        self._network = world.network
        self.by_calling: dict[str, Caller] = {}

    def call(self, city: CityId, called: str, calling: str) -> Caller:
        """See ``Dials``."""
        caller = self.by_calling[calling] = self._network.call(city, called, calling)
        return caller


class _NumberedCallers(Callers):
    """Callers of whom no two have the same number."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._numbered = 0

    def _draw(self, rng: Random, number: int) -> Any:
        self._numbered += 1
        return replace(super()._draw(rng, number), calling=f"139{self._numbered:08d}")


class People:
    """Callers and agents of one run."""

    def __init__(self, world: ChaosProvince, rng: Random) -> None:
        self._world = world
        self._rng = Random(rng.getrandbits(64))
        self.records: list[CallRecord] = []
        self.cities = [city.id for city in world.province.cities]
        self._dials = _Dials(world)
        self._plan_rng = Random(rng.getrandbits(64))
        self.turned_away = 0
        places = []
        for city in world.province.cities:
            for agent in world.province.agents_of(city.id, world.package):
                phone = world.network.add_seat(city.id, agent.seat)
                entrance = CityEntrance(world, city.id)
                places.append(Place(agent.staff, password_of(agent.staff), agent.seat, entrance, phone))
        self.staff = Staff(world.time, Random(rng.getrandbits(64)), places, MANNERS)
        self.callers = _NumberedCallers(
            world.time,
            Random(rng.getrandbits(64)),
            self._dials,
            dict.fromkeys(self.cities, 0.0),
            wishes_of(world.package),
            world.province.province.number,
            menu_prompts_of(world.package),
            habits=HABITS,
            done=self._done,
        )

    def begin(self) -> None:
        """Agents come to work; calls come as planned."""
        self.staff.arrive(5.0)
        rng = self._plan_rng
        shares = [rng.uniform(0.3, 2.0) for _ in self.cities]
        for _ in range(rng.randint(*CALLS)):
            city = rng.choices(self.cities, shares)[0]
            self._world.time.call_later(rng.uniform(FIRST_CALL_S, LAST_CALL_S), self._call, city, 1)
        self._world.time.call_later(LAST_CALL_S, self._fill_up)

    def _fill_up(self) -> None:
        """Calls that found nobody there have left no contact: as many more come now, when everything is well again."""
        for number in range(CONTACTS - len(self._world.watch.born)):
            city = self._plan_rng.choice(self.cities)
            self._world.time.call_later(self._plan_rng.uniform(0.0, 20.0) + number * 0.1, self._call, city, 1)

    def _call(self, city: CityId, tried: int) -> None:
        """Dial; where nobody answers, elsewhere a little later."""
        self.callers.call_now(city)
        if not self._world.network.city(city).attended and tried < _TRIES:
            others = [one for one in self.cities if one != city]
            self._world.time.call_later(2.0, self._call, self._plan_rng.choice(others), tried + 1)

    def _done(self, record: CallRecord) -> None:
        self.records.append(record)
        if record.outcome is CallOutcome.TURNED_AWAY:
            self.turned_away += 1

    def hang_up_contact(self, contact: ContactId) -> bool:
        """The caller of ``contact`` hangs up now; whether there was one."""
        born = self._world.watch.born.get(contact)
        caller = self._dials.by_calling.get(born.calling) if born is not None else None
        if caller is None or caller.over:
            return False
        caller.hang_up()
        return True

    def all_hang_up(self) -> None:
        """The day is over."""
        for caller in list(self._dials.by_calling.values()):
            if not caller.over:
                caller.hang_up()

    @property
    def done(self) -> bool:
        """Whether every call is over for its caller."""
        return self.callers.in_progress == 0
