"""Customers who are called back: they pick up after some rings, or not, and hang up when all is said.

Each telephone draws from a source of its own, by its number, so whom a city calls changes nothing for anybody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from federation.ports import Clock, Timer
from simulation.population.draws import Draw, lognormal
from site_node.switch.simulated import CallState, OutsidePhone, Sound


class Rings(Protocol):
    """The part of ``site_node.switch.simulated.Network`` that such customers see."""

    when_called: Callable[[OutsidePhone], None] | None


@dataclass(frozen=True, slots=True)
class CalledHabits:
    """What customers are like who are called. Durations in seconds; shares between 0 and 1."""

    answers: float = 0.75
    declines: float = 0.05
    """share that declines; the others let it ring"""
    reaction_s: Draw = field(default_factory=lambda: lognormal(5.0, 0.4))
    """from the first ring"""
    talk_s: Draw = field(default_factory=lambda: lognormal(35.0, 0.5))
    """from the first word that they hear, until they hang up"""


class CalledCustomers:
    """Everybody whom a city may call. ``counts``: ``answered``, ``declined``, ``let_ring``, ``talked``.

    ``picked_up``: how often at each number.
    """

    def __init__(self, clock: Clock, seed: int, network: Rings, habits: CalledHabits | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.picked_up: Counter[str] = Counter()
        self._clock = clock
        self._seed = seed
        self._habits = habits or CalledHabits()
        network.when_called = self._called

    def _called(self, phone: OutsidePhone) -> None:
        rng = Random(f"{self._seed} {phone.number}")
        _Customer(self._clock, rng, phone, self._habits, self.counts, self.picked_up)


class _Customer:
    """One of them, with the telephone for good."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        phone: OutsidePhone,
        habits: CalledHabits,
        counts: Counter[str],
        picked_up: Counter[str],
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._phone = phone
        self._habits = habits
        self._counts = counts
        self._picked_up = picked_up
        self._timer: Timer | None = None
        self._rung = 0
        self._hears = False
        phone.on_change = self._changed

    def _changed(self) -> None:
        phone = self._phone
        if phone.ringing and phone.rings != self._rung:
            self._rung, self._hears = phone.rings, False
            self._ring()
        elif phone.state is CallState.IN_CALL and phone.hears().sound is Sound.VOICE and not self._hears:
            self._hears = True
            self._counts["talked"] += 1
            self._after(self._habits.talk_s, phone.hang_up)
        elif phone.state is CallState.IDLE:
            self._forget()

    def _ring(self) -> None:
        chance, habits = self._rng.random(), self._habits
        if chance < habits.answers:
            self._counts["answered"] += 1
            self._after(habits.reaction_s, self._pick_up)
        elif chance < habits.answers + habits.declines:
            self._counts["declined"] += 1
            self._after(habits.reaction_s, self._phone.reject)
        else:
            self._counts["let_ring"] += 1

    def _pick_up(self) -> None:
        self._picked_up[self._phone.number] += self._phone.ringing
        self._phone.answer()

    def _after(self, delay: Draw, do: Callable[[], None]) -> None:
        self._forget()
        self._timer = self._clock.call_later(delay(self._rng), do)

    def _forget(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
