"""Simulated people in a whole province: they and its records of them must tell the same story."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dataset.ids import CityId, NodeId
from dataset.rows import AttemptAnswered, ContactBorn, ContactEnded, Ending, QueueLeft
from federation.node.memory_transport import ClientEnd, MemoryDoor
from simulation.population.callers import Callers, CallOutcome, CallRecord, Habits, menu_prompts_of, wishes_of
from simulation.population.day import FLAT, DayProfile
from simulation.population.draws import exponential
from simulation.population.staff import Manners, Place, Staff
from simulation.province import password_of
from tests.province.three_cities import ThreeCities

PLAIN = Manners(
    misses=0.0, holds=0.0, transfers=0.0, notes=0.0, breaks=0.0, handling_s=exponential(1e9), wrap_up_s=exponential(5.0)
)
"""nothing that the customer's own notes of a call cannot know"""


class _Entrance:
    """The city's door as it is now: a restarted site node has another one."""

    def __init__(self, province: ThreeCities, city: CityId) -> None:
        self._province = province
        self._city = city

    def _door(self) -> MemoryDoor:
        return MemoryDoor(self._province.sites[self._city].desk.door, self._province.clock)

    def login(self, user: str, password: str, seat: str = "") -> Deferred[dict[str, Any]]:
        return self._door().login(user, password, seat)

    def open(self) -> ClientEnd:
        return self._door().open()


class Peopled:
    """Three cities with everybody at work and, from ``start``, customers."""

    def __init__(self, manners: Manners | None = None, habits: Habits | None = None, *, busier: float = 1.0) -> None:
        self.world = ThreeCities()
        self.records: list[CallRecord] = []
        places = []
        for city in self.world.province.cities:
            for agent in self.world.province.agents_of(city.id, self.world.package):
                phone = self.world.network.add_seat(city.id, agent.seat)
                entrance = _Entrance(self.world, city.id)
                places.append(Place(agent.staff, password_of(agent.staff), agent.seat, entrance, phone))
        self.staff = Staff(self.world.clock, Random(11), places, manners)
        self.callers = Callers(
            self.world.clock,
            Random(12),
            self.world.network,
            {city.id: city.calls_per_hour * busier for city in self.world.province.cities},
            wishes_of(self.world.package),
            self.world.province.province.number,
            menu_prompts_of(self.world.package),
            habits=habits,
            profile=DayProfile(FLAT),
            done=self.records.append,
        )
        self.staff.arrive()
        self.world.pass_s(10.0)

    def work(self, seconds: float) -> None:
        """Let customers come for so long, and everybody finish."""
        self.callers.start()
        self.world.pass_s(seconds)
        self.callers.stop()
        self.world.time.run_until(lambda: self.callers.in_progress == 0, 7200.0)
        self.world.pass_s(60.0)

    def rows(self, kind: type) -> list[Any]:
        found: list[Any] = []
        for city in self.world.sites:
            found += self.world.rows(city, kind)
        return found


def test_an_hour_of_people_and_every_customer_is_on_record_once() -> None:
    """What customers experienced and what the province wrote down are the same calls (I1), and nobody was refused."""
    people = Peopled(busier=1.3)
    people.work(3600.0)
    assert len(people.records) == sum(people.callers.called.values()) > 120
    endings = Counter(row.ending for row in people.rows(ContactEnded))
    outcomes = people.callers.outcomes
    assert endings[Ending.COMPLETED] == outcomes[CallOutcome.SERVED]
    assert endings[Ending.ABANDONED] + endings[Ending.MENU] == outcomes[CallOutcome.GAVE_UP]
    assert sum(endings.values()) == len(people.rows(ContactBorn)) == len(people.records)
    assert any(row.how == "sent_out" for row in people.rows(QueueLeft))
    assert len(people.world.ledger_rows(ContactEnded)) == len(people.records)
    counts = people.staff.counts
    assert counts["talks"] > 100
    assert {"transfers", "notes", "missed"} <= set(counts)
    late = {"wrong-state", "unknown-contact"}
    assert not [name for name in counts if name.startswith("refused") and name.rpartition(": ")[2] not in late]
    assert counts["broken"] == counts["connection_lost"] == 0


def test_answers_and_talks_on_record_are_those_that_customers_heard() -> None:
    """Within 100 ms, at home and across cities."""
    people = Peopled(PLAIN, Habits(hangs_up=1.0), busier=1.5)
    people.work(1800.0)
    heard = {record.calling: record for record in people.records if record.heard_agent is not None}
    numbers = {row.contact: row.calling for row in people.rows(ContactBorn)}
    answered = {
        numbers[entry.row.contact]: entry.mono
        for city in people.world.sites
        for entry in people.world.journal(NodeId(city)).rows_since(0.0)
        if isinstance(entry.row, AttemptAnswered) and entry.row.contact in numbers
    }
    talked = {numbers[row.contact]: row.talked_s for row in people.rows(ContactEnded) if row.answers}
    assert len(heard) > 50
    assert set(answered) == set(heard) == set(talked)
    for calling, record in heard.items():
        assert answered[calling] == pytest.approx(record.heard_agent, abs=0.1)
        assert talked[calling] == pytest.approx(record.talked_s, abs=0.1)


def test_everybody_goes_home() -> None:
    people = Peopled()
    people.callers.start()
    people.world.pass_s(600.0)
    people.callers.stop()
    people.staff.go_home()
    people.world.time.run_until(lambda: people.callers.in_progress == 0, 7200.0)
    people.world.pass_s(60.0)
    for city, site in people.world.sites.items():
        assert site.running.own_picture().agents == (), city
