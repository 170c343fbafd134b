"""Two cities of the telephone network in memory, on virtual time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from dataset.ids import CityId
from federation.node.clock import VirtualClock
from site_node.ports import Switch
from site_node.switch.simulated import Caller, CallState, Network, SimulatedSwitch, Sound
from site_node.switch.simulated.phones import RingingPhone
from tests.contract.switch.world import (
    HERE,
    NUMBER_OUTSIDE,
    OTHER_SEAT,
    SEAT,
    THERE,
    UNREGISTERED_SEAT,
    CallerPhone,
    CityWorld,
    Phone,
    SeatPhone,
    SwitchWorld,
)


class _Hearing(Phone):
    def __init__(self, phone: Caller | RingingPhone) -> None:
        self.phone = phone
        self._was_called = False

    @property
    def in_call(self) -> bool:
        return self.phone.state is CallState.IN_CALL

    def hears(self, other: Phone) -> bool:
        assert isinstance(other, _Hearing)
        hearing = self.phone.hears()
        return hearing.sound is Sound.VOICE and hearing.voice is other.phone

    def hears_sound(self) -> bool:
        return self.phone.hears().sound in (Sound.PROMPT, Sound.MUSIC)

    def hears_nothing(self) -> bool:
        return self.phone.hears().sound in (Sound.SILENCE, Sound.RINGBACK)

    def hang_up(self) -> None:
        self.phone.hang_up()


class SimulatedCaller(_Hearing, CallerPhone):
    def __init__(self, clock: VirtualClock, caller: Caller) -> None:
        super().__init__(caller)
        self._clock = clock
        self._caller = caller

    @property
    def over(self) -> bool:
        return self._caller.over

    def press(self, digits: str) -> None:
        for number, digit in enumerate(digits):
            self._clock.call_later(0.2 * number, self._caller.press, digit)


class SimulatedSeat(_Hearing, SeatPhone):
    def __init__(self, phone: RingingPhone) -> None:
        super().__init__(phone)
        self._seat = phone
        self._rings_before = phone.rings

    @property
    def over(self) -> bool:
        return self._seat.rings > self._rings_before and not self._seat.busy

    @property
    def ringing(self) -> bool:
        return self._seat.ringing

    def answer(self) -> None:
        self._seat.answer()

    def reject(self) -> None:
        self._seat.reject()


class SimulatedCity(CityWorld):
    def __init__(self, world: SimulatedWorld, city: CityId, network: Network, clock: VirtualClock) -> None:
        super().__init__(world, city)
        self._network = network
        self._clock = clock
        self.make_switch()

    @property
    def switch(self) -> Switch:
        return self._switch

    def make_switch(self) -> None:
        self._switch: SimulatedSwitch = self._network.adapter(self.city)

    def call(self, called: str = "10000", calling: str = "13800000001") -> CallerPhone:
        return SimulatedCaller(self._clock, self._network.call(self.city, called, calling))

    def seat(self, extension: str) -> SeatPhone:
        return SimulatedSeat(self._network.seat(self.city, extension))

    def outside(self) -> SeatPhone:
        return SimulatedSeat(self._network.telephone(NUMBER_OUTSIDE))

    def kill_switch(self) -> None:
        self._network.city(self.city).fail()

    def revive_switch(self) -> None:
        self._network.city(self.city).recover()


class SimulatedWorld(SwitchWorld):
    form = "simulated"
    capabilities = SimulatedSwitch.capabilities
    features = frozenset({"kill_switch"})

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def now(self) -> float:
        return self._clock.monotonic()

    def turn_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        return self._clock.run_until(condition, within_s)

    def begin(self) -> None:
        """A new network for every test costs nothing."""
        self._clock = VirtualClock()
        self.network = Network(self._clock, Random(1), (HERE, THERE))
        for city in (HERE, THERE):
            for extension in (SEAT, OTHER_SEAT):
                self.network.add_seat(city, extension)
            self.network.add_seat(city, UNREGISTERED_SEAT).registered = False
        self.here = SimulatedCity(self, HERE, self.network, self._clock)
        self.there = SimulatedCity(self, THERE, self.network, self._clock)
        for side in (self.here, self.there):
            side.start()
            side.begin_anew()

    def end(self) -> None:
        """Nothing outlives the network."""

    def close(self) -> None:
        """Nothing was started."""


def open_world() -> SwitchWorld:
    return SimulatedWorld()
