"""Many calls on a province of real processes: SIPp dials and answers, simulated staff sit at the agent API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dataset.ids import CityId
from federation.node.clock import ReactorClock
from simulation.machines.addresses import CITIES, city_of
from simulation.machines.sipp import AnsweringSeats, Callers, Sipp, start_callers, start_seats
from simulation.population.draws import Draw
from simulation.population.staff import Manners, Place, Staff
from simulation.province import password_of
from tests.harness.ledger_checker import CallerLine
from tests.harness.network_entrance import NetworkEntrance
from tests.harness.real_province import RealProvince

RING_S = 0.2
WRAP_UP_S = 0.05
LAST_CALLS_S = 60.0
"""after which a crowd that a failed test has left is cut off"""
CROSSING_S = 1.0
"""who hangs up so soon before or after an agent's telephone is answered may have crossed with the answer on its way"""


def spoke(answered: float | None, over: float) -> bool | None:
    """Whether a caller had an agent on the line: the agent's telephone was ``answered``, and the call was ``over``, at
    these times (seconds since 1970). None where the two may have crossed: then the answer may be on record or not.
    """
    if answered is None or over < answered - CROSSING_S:
        return False
    return True if over > answered + CROSSING_S else None


def always(seconds: float) -> Draw:
    """The same each time."""

    def draw(rng: Random) -> float:
        return seconds

    return draw


class Floor:
    """Telephones that answer by themselves, and the agents at them, in the cities named."""

    def __init__(
        self, province: RealProvince, folder: Path, cities: Sequence[str], handling: Draw, seed: int, *, spare: int = 0
    ) -> None:
        """``spare`` agents of each city, its first ones, are left to others."""
        self.province = province
        self._wanted: dict[str, int] = {}
        self.staff: dict[str, Staff] = {}
        self.phones: dict[str, Sipp] = {}
        self._closed = False
        province.left_over.callback(self.close)
        reactor = province.driver.reactor
        manners = Manners(
            reaction_s=always(RING_S + 1.0),  # the telephone answers long before
            misses=0.0,
            handling_s=handling,
            holds=0.0,
            notes=0.0,
            transfers=0.0,
            breaks=0.0,
            wrap_up_s=always(WRAP_UP_S),
            back_after_miss_s=always(1.0),
        )
        for name in cities:
            city = city_of(name)
            switch = province.switches[name]
            agents = province.province.agents_of(CityId(name), province.package)[spare:]
            self._wanted[name] = len(agents)
            seats = [seat for seat in switch.spec.seats if seat.user in {agent.seat for agent in agents}]
            telephones = AnsweringSeats(
                f"seats-{name}", switch, seats, province.slot.outside(50 + city.number), ring=RING_S
            )
            self.phones[name] = start_seats(telephones, folder / name)
            province.at_end.callback(self.phones[name].process.stop)
            entrance = NetworkEntrance(reactor, province.nodes[name].address)
            places = [Place(agent.staff, password_of(agent.staff), agent.seat, entrance) for agent in agents]
            self.staff[name] = Staff(ReactorClock(reactor), Random(seed + city.number), places, manners)

    def open(self) -> None:
        """Everybody comes to work."""
        for staff in self.staff.values():
            staff.arrive(within_s=1.0)
        self.province.wait(self._all_there, 30.0, "everybody is at work")

    def _all_there(self) -> bool:
        return all(
            (self.province.nodes[city].health() or {}).get("agents", 0) >= wanted
            for city, wanted in self._wanted.items()
        )

    def close(self) -> None:
        """Everybody goes home; the telephones are put away."""
        if self._closed:
            return
        self._closed = True
        for staff in self.staff.values():
            staff.go_home()
        try:
            self.province.wait(
                lambda: all(not one.at_work for staff in self.staff.values() for one in staff.members),
                20.0,
                "all have gone home",
            )
        finally:
            for phones in self.phones.values():
                phones.stop()

    def answers(self) -> dict[str, tuple[str, float]]:
        """(city, time of the first answer) by caller's number, out of the telephones' own log."""
        found: dict[str, tuple[str, float]] = {}
        for city, sipp in self.phones.items():
            number_of: dict[str, str] = {}
            for seen in sipp.result().seen:
                if seen.what == "offered":
                    number_of[seen.call] = seen.number
                elif seen.what == "answered":
                    number = number_of[seen.call]
                    found[number] = min(found.get(number, (city, seen.at)), (city, seen.at), key=lambda one: one[1])
        return found


def caller_lines(sipp: Sipp, prefix: str, answers: dict[str, tuple[str, float]]) -> list[CallerLine]:
    """What each caller of one SIPp saw, numbered ``prefix`` and a count; ``answers`` as the telephones have them."""
    marks: dict[str, dict[str, float]] = {}
    for seen in sipp.result().seen:
        marks.setdefault(seen.call, {})[seen.what] = seen.at
    lines = []
    for call, mark in marks.items():
        number = f"{prefix}{call.partition('-')[0]}"
        over = next((mark[what] for what in ("released", "hung-up", "refused") if what in mark), None)
        assert over is not None, f"{number} did not end well: {mark}"
        _, answered = answers.get(number, ("", None))
        lines.append(CallerLine(number, reached="answered" in mark, spoke=spoke(answered, over)))
    return lines


@dataclass
class Crowd:
    """Callers of several cities; every one has a number of its own."""

    running: dict[str, Sipp]
    prefix: str = "139"
    """of the callers' numbers; the city's number and a count follow"""

    @classmethod
    def call(
        cls,
        province: RealProvince,
        folder: Path,
        calls: dict[str, int],
        seconds: float,
        stays_s: float,
        prefix: str = "139",
    ) -> Crowd:
        """``calls`` by city, spread over ``seconds``; each stays on the line ``stays_s`` at most."""
        running = {}
        for city in CITIES:
            if city.id not in calls:
                continue
            spec = province.switches[city.id].spec
            callers = Callers(
                name=f"callers-{city.number}",
                door=f"{spec.sip_address}:{spec.sip_port}",
                address=province.slot.outside(60 + city.number),
                number="112",
                caller=f"{prefix}{city.number}[call_number]",
                calls=calls[city.id],
                rate=calls[city.id] / seconds,
                patience=10.0,
                talk=stays_s,
            )
            running[city.id] = start_callers(callers, folder / callers.name)
            province.at_end.callback(running[city.id].process.stop)
        crowd = cls(running, prefix)
        province.dialled += [f"{prefix}{city_of(name).number}" for name in running]
        province.left_over.callback(crowd.gone, province)
        return crowd

    def gone(self, province: RealProvince) -> None:
        """Wait for the last calls, and cut them off when they do not end."""
        if not province.driver.until(lambda: self.over, LAST_CALLS_S):
            for sipp in self.running.values():
                sipp.process.stop()

    @property
    def over(self) -> bool:
        """Whether all have called, and have gone."""
        return not any(one.process.alive() for one in self.running.values())

    def answered(self) -> int:
        """How many our switches have answered so far."""
        return sum(one.result().count("answered") for one in self.running.values())

    def lines(self, answers: dict[str, tuple[str, float]]) -> list[CallerLine]:
        """For the ledger checker; ``answers``: whom an agent's telephone has answered, where and when."""
        lines = []
        for city, sipp in self.running.items():
            lines += caller_lines(sipp, f"{self.prefix}{city_of(city).number}", answers)
        return lines
