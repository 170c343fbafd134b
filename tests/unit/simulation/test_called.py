"""Customers whom a city calls: most pick up, some decline or let it ring, and they hang up when all is said."""

from __future__ import annotations

from random import Random

from dataset.ids import CityId, ConnectionId, ContactId
from federation.node.clock import VirtualClock
from simulation.population.called import CalledCustomers, CalledHabits
from site_node.core.telephony import Cause, Cleared, Established, Join, Leg, Make, Outside, Report, Role, Seat
from site_node.switch.simulated import CallState, Network

CITY = CityId("guangzhou")
SEAT, CUSTOMER = ConnectionId("seat"), ConnectionId("customer")


class Calling:
    """A city's switch that calls customers, and what it reports."""

    def __init__(self, answers: float, declines: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock, Random(1), [CITY])
        self.customers = CalledCustomers(self.clock, 7, self.network, CalledHabits(answers=answers, declines=declines))
        self.reports: list[Report] = []
        self.switch = self.network.adapter(CITY)
        self.switch.start(self.reports.append)
        self.pass_s(0.1)
        self.phone = self.network.add_seat(CITY, "8001")

    def call(self, number: str = "02081230001", *, name: ConnectionId = CUSTOMER) -> None:
        self.switch.request(Make(name, Outside(number), Leg(ContactId("c"), 1, Role.CUSTOMER), 30.0))
        self.pass_s(35.0)

    def pass_s(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)


def test_whoever_answers_hears_somebody_and_hangs_up() -> None:
    calling = Calling(answers=1.0)
    calling.switch.request(Make(SEAT, Seat("8001"), Leg(ContactId("c"), 1, Role.SEAT), 20.0))
    calling.pass_s(0.5)
    calling.phone.answer()
    calling.call()
    assert Established(CUSTOMER) in calling.reports
    assert calling.network.telephone("02081230001").state is CallState.IN_CALL, "waits for a word"
    calling.switch.request(Join(CUSTOMER, SEAT))
    calling.pass_s(300.0)
    assert Cleared(CUSTOMER, Cause.NORMAL) in calling.reports
    assert calling.customers.counts == {"answered": 1, "talked": 1}


def test_some_decline_and_some_let_it_ring() -> None:
    declining, silent = Calling(answers=0.0, declines=1.0), Calling(answers=0.0, declines=0.0)
    declining.call()
    silent.call()
    assert declining.reports[-1] == Cleared(CUSTOMER, Cause.REJECTED)
    assert silent.reports[-1] == Cleared(CUSTOMER, Cause.NO_ANSWER)


def test_the_same_seed_has_the_same_customers_whoever_is_called_besides() -> None:
    one, other = Calling(answers=0.5), Calling(answers=0.5)
    other.call("02081239999", name=ConnectionId("before"))
    for calling in (one, other):
        calling.reports.clear()
        for n in range(6):
            calling.call(f"0208123000{n}", name=ConnectionId(f"c{n}"))
    assert one.reports == other.reports
    assert len({type(report) for report in one.reports}) > 1
