"""``python -m tests.web.own_demo``: the demo without chance. Nobody calls but the test.

Each line that comes in, ``<city> <door> <owning city>``, is one caller who dials ``door`` in ``city`` from a telephone
on record in ``owning city``, of a customer who has not called yet; its number is printed. The simulated staff are there
as ever, but answer directory enquiries only, so that every other caller comes to the seats that are free for people.
Nobody behind the seats takes the items of the tests.
"""

# mypy: allow-untyped-calls
# (twisted.protocols.basic and twisted.internet.stdio are not annotated)
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from dataset.calendar import day_of
from dataset.ids import CityId, SkillId
from dataset.packages import ServicePackage
from dataset.records.line import LINES, LineStatus
from federation.node.clock import ReactorClock
from federation.node.number_plan import load_plan
from federation.node.offering import load_offering
from federation.node.province import AgentText, City, Province, load_province
from simulation.demo import Demo, DemoSettings, opening
from simulation.population.called import CalledCustomers, CalledHabits
from simulation.population.customers import Population
from simulation.population.material import material

FILE = Path(__file__).parents[2] / "conf" / "province.toml"
SETTINGS = DemoSettings(seed=7, port=0, own_seats=2, calls_per_hour=0.0, lines=120, clerks=False)
ONLY = SkillId("directory")
NOT_BESIDE_AN_ALARM = frozenset({"timed_call", "do_not_disturb", "isdn_2b_d"})
"""as the rules of that order have it"""
LOOK_EVERY_S = 0.05
"""between two looks whether a customer is on record yet"""


def without_chance(province: Province, package: ServicePackage) -> Province:
    """The province with simulated staff who leave all but directory enquiries to the free seats."""

    def city(one: City) -> City:
        agents = province.agents_of(one.id, package)
        simulated = len(agents) - SETTINGS.own_seats
        listed = tuple(
            AgentText(
                staff=each.staff, name=each.name, seat=each.seat, skills=(ONLY,) if at < simulated else each.skills
            )
            for at, each in enumerate(agents)
        )
        return replace(one, listed=listed)

    return replace(province, cities=tuple(city(one) for one in province.cities))


class OwnDemo:
    """The demo, and the callers that it is told of."""

    def __init__(self, reactor: Any, folder: Path) -> None:
        province, package = load_province(FILE)
        offering, plan, now = load_offering(FILE, province, package), load_plan(FILE), time.time()
        self._reactor = reactor
        self.demo = Demo(
            reactor, without_chance(province, package), package, SETTINGS, folder, now, offering=offering, plan=plan
        )
        network = self.demo.world.network
        CalledCustomers(ReactorClock(reactor), SETTINGS.seed, network, CalledHabits(answers=1.0, declines=0.0))
        cities = [city.id for city in province.cities]
        self._population = Population(
            material(), SETTINGS.seed, SETTINGS.lines * len(cities), cities, today=day_of(opening(now))
        )
        self._numbers = {city: self._telephones(city) for city in cities}

    def _telephones(self, city: CityId) -> Iterator[str]:
        """One for each customer who may order an alarm for it."""
        for n in range(self._population.chunks(city)):
            for one in self._population.chunk(city, n):
                telephones = (line for line in one.lines if line.service == "install_line")
                line = next((each for each in telephones if each.status is LineStatus.ACTIVE), None)
                if line is not None and NOT_BESIDE_AN_ALARM.isdisjoint(line.features):
                    yield line.number

    async def call(self, city: CityId, door: str, owning: CityId) -> str:
        """Dial once the telephone is on record; its number."""
        number = next(self._numbers[owning], None)
        assert number is not None, f"every customer of {owning} has called already"
        store = self.demo.world.sites[owning].records
        assert store is not None
        while await store.get(LINES, (owning, number)) is None:
            later: Deferred[None] = Deferred()
            self._reactor.callLater(LOOK_EVERY_S, later.callback, None)
            await later
        self.demo.world.network.call(city, door, number)
        return number


class Orders(LineReceiver):
    """Callers asked for, one a line."""

    delimiter = b"\n"

    def __init__(self, own: OwnDemo, failed: Any) -> None:
        self._own = own
        self._failed = failed

    def lineReceived(self, line: bytes) -> None:  # noqa: N802  # Twisted's name
        city, door, owning = line.decode().split()
        calling = Deferred.fromCoroutine(self._own.call(CityId(city), door, CityId(owning)))
        calling.addCallbacks(lambda number: print("calling", number, flush=True), self._failed)


def main() -> None:
    """Run until interrupted."""
    from twisted.internet import reactor  # installs the reactor; must not happen on import

    running: Any = reactor
    failures: list[Failure] = []

    def failed(failure: Failure) -> None:
        failures.append(failure)
        if running.running:
            running.stop()

    with TemporaryDirectory(prefix="yht-own-demo-") as folder:
        own = OwnDemo(running, Path(folder))

        def begin() -> None:
            own.demo.start().addCallback(lambda address: print(address, flush=True)).addErrback(failed)
            StandardIO(Orders(own, failed))

        running.addSystemEventTrigger("before", "shutdown", own.demo.stop)
        running.callWhenRunning(begin)
        running.run()
    for failure in failures:
        failure.printTraceback(sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
