"""A whole telephone network in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from random import Random

from dataset.ids import CityId, ConnectionId
from dataset.spoken import is_piece
from federation.ports import Clock
from site_node.core.telephony import Cause, Prompt
from site_node.switch.simulated.adapter import SimulatedSwitch
from site_node.switch.simulated.exchange import Exchange
from site_node.switch.simulated.phones import Caller, OutsidePhone, SeatPhone
from site_node.switch.simulated.trunks import Trunk


class Network:
    """Switches, seats and trunks of the given cities, and a way to call them.

    Each pair of cities has a trunk with ``trunk_delay_s`` one way (change the trunk's fields for more). A prompt takes
    ``prompt_s`` seconds by its name, else ``usual_prompt_s``; a number in it takes ``number_s`` more. The words that
    amounts, days and digits are made of take ``piece_s``.
    """

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        cities: Iterable[CityId],
        *,
        trunk_delay_s: float = 0.02,
        prompt_s: Mapping[str, float] | None = None,
        usual_prompt_s: float = 2.5,
        number_s: float = 0.8,
        piece_s: float = 0.4,
        seat_media_timeout_s: float = 30.0,
    ) -> None:
        self.clock = clock
        self._rng = rng
        self._prompts = dict(prompt_s or {})
        self._usual_prompt_s = usual_prompt_s
        self._number_s = number_s
        self._piece_s = piece_s
        self._seat_media_timeout_s = seat_media_timeout_s
        self._run = rng.getrandbits(32)
        self._ids = 0
        self._telephones: dict[str, OutsidePhone] = {}
        self.when_called: Callable[[OutsidePhone], None] | None = None
        """of a number that was not added: told of its telephone when it is called for the first time, before it rings;
        without it such a number leads nowhere"""
        self._cities = {
            city: Exchange(city, clock, self._new_id, self.prompt_length_s, self._outside) for city in cities
        }
        for one, other in combinations(self._cities.values(), 2):
            trunk = Trunk(one, other, clock, rng, trunk_delay_s)
            one.trunks[other.city] = trunk
            other.trunks[one.city] = trunk

    @property
    def cities(self) -> list[CityId]:
        """Every city that has a switch here."""
        return list(self._cities)

    def city(self, city: CityId) -> Exchange:
        """The switch itself, with its faults (``fail``, ``recover``, ``disconnect``, ``reconnect``) and delays."""
        return self._cities[city]

    def adapter(self, city: CityId) -> SimulatedSwitch:
        """A new adapter for a run of that city's site node."""
        return SimulatedSwitch(self._cities[city])

    def trunk(self, one: CityId, other: CityId) -> Trunk:
        """The trunk between two cities."""
        return self._cities[one].trunks[other]

    def add_seat(self, city: CityId, extension: str) -> SeatPhone:
        """Put a registered phone at a seat, or the phone that is already there."""
        seats = self._cities[city].seats
        if extension not in seats:
            seats[extension] = SeatPhone(self.clock, extension, self._seat_media_timeout_s)
        return seats[extension]

    def seat(self, city: CityId, extension: str) -> SeatPhone:
        """The phone at a seat; ``KeyError`` where there is none."""
        return self._cities[city].seats[extension]

    def call(self, city: CityId, called: str, calling: str) -> Caller:
        """Somebody dials ``called`` and arrives at the public door of ``city``."""
        caller = Caller(self.clock, called, calling)
        taken = self._cities[city].offer(caller, called, calling)
        if isinstance(taken, Cause):
            self.clock.call_later(0.0, self._turn_away, caller, taken)
        else:
            caller.connection = taken
        return caller

    def telephone(self, number: str) -> OutsidePhone:
        """The telephone of a customer who may be called back, put in if it was not there."""
        if number not in self._telephones:
            self._telephones[number] = OutsidePhone(self.clock, number, self._seat_media_timeout_s)
        return self._telephones[number]

    @property
    def telephones(self) -> list[OutsidePhone]:
        """Every customer's telephone that was called back, or put in to be."""
        return list(self._telephones.values())

    def _outside(self, number: str) -> OutsidePhone | None:
        if number not in self._telephones and self.when_called is not None:
            self.when_called(self.telephone(number))
        return self._telephones.get(number)

    def prompt_length_s(self, prompt: Prompt) -> float:
        """How long one prompt takes."""
        usual_s = self._piece_s if is_piece(prompt.name) else self._usual_prompt_s
        said = self._prompts.get(prompt.name, usual_s)
        return said if prompt.number is None else said + self._number_s

    def _turn_away(self, caller: Caller, cause: Cause) -> None:
        if not caller.over:
            caller.told_cleared(cause)

    def _new_id(self) -> ConnectionId:
        self._ids += 1
        return ConnectionId(f"{self._run:08x}-{self._ids:06x}")
