"""The city of ``bench.backlog``: a process of its own, with callers, agents, and the backlog in its journal.

Everything is what production runs but its switch, which is the simulated one. It is told what to do by lines on its
input and answers with one JSON object per line. Home routing is measured from the moment at which a caller's leg is
answered, who enters the queue by that, to the request that lets an agent's phone ring; between the two the rows are
synced (O2).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet import stdio
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineOnlyReceiver

from bench.backlog_parts.rows import FAULT
from dataset.errors import Refused
from dataset.ids import HUB, AgentId, CityId, ContactId
from federation.core.ledger import SendingPace
from federation.links.build import build_link
from federation.links.settings import LinkSettings
from federation.node.clock import ReactorClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.login import CHEAP, Logins, MemoryUsers
from federation.node.logs import LogSettings, start_logging
from federation.node.program import answer_promptly, boot_id, new_lineage
from federation.node.province import load_province
from site_node.assembly import build_city
from site_node.core.events import FinishAsked, LoggedIn, ReadyAsked
from site_node.core.telephony import Established, Make, Report, Request, Seat
from site_node.switch.simulated import Network, SimulatedSwitch

reactor: Any = _reactor
CITY = CityId("guangzhou")
AGENTS = 120
RINGS_S, TALKS_S, WRAPS_UP_S = 0.05, 0.5, 0.1
SAYS_EVERY_S = 0.25


class TimedSwitch(SimulatedSwitch):
    """The simulated switch; notes how long a caller waits for an agent's phone to ring, and lets agents work."""

    def __init__(self, network: Network, floor: Floor) -> None:
        super().__init__(network.city(CITY))
        self._network = network
        self._floor = floor
        self._since: dict[str, float] = {}
        self.waits: list[float] = []

    def start(self, sink: Any) -> None:
        """As the simulated one, listened to."""

        def report(one: Report) -> None:
            if isinstance(one, Established):
                self._since[one.connection] = time.perf_counter()
            sink(one)

        super().start(report)

    def request(self, request: Request) -> None:
        """As the simulated one, listened to."""
        if isinstance(request, Make) and isinstance(request.device, Seat):
            customer = self._floor.customer(request.leg.contact)
            since = self._since.pop(customer, None)
            if since is not None:
                self.waits.append(time.perf_counter() - since)
            self._floor.rings(request.device.extension, request.leg.contact)
        super().request(request)


class Floor:
    """Callers who come at a rate, and agents who answer each at once."""

    def __init__(self, clock: ReactorClock, network: Network) -> None:
        self._clock = clock
        self._network = network
        self._number = 0
        self.running: Any = None
        self.stopped = False
        self.refused: Counter[str] = Counter()
        for at in range(AGENTS):
            network.add_seat(CITY, str(8001 + at))

    def customer(self, contact: ContactId) -> str:
        """The leg of the caller."""
        return str(self.running.site.contacts.of(contact).connection)

    def seat_agents(self) -> None:
        for at in range(AGENTS):
            agent = AgentId(f"{1001 + at}@{CITY}")
            self.running.act(LoggedIn(agent, "李敏", str(8001 + at), (FAULT,), can_answer=False))
            self.running.act(ReadyAsked(agent))

    def call(self) -> None:
        if self.stopped:
            return
        self._number += 1
        caller = self._network.call(CITY, "112", f"138{self._number:08d}")
        self._clock.call_later(RINGS_S + TALKS_S + random.random() * 0.1, caller.hang_up)

    def rings(self, seat: str, contact: ContactId) -> None:
        self._clock.call_later(RINGS_S, self._network.seat(CITY, seat).answer)
        self._clock.call_later(RINGS_S + TALKS_S + 0.1 + WRAPS_UP_S, self._finish, seat, contact)

    def _finish(self, seat: str, contact: ContactId) -> None:
        if self.stopped:
            return
        agent = AgentId(f"{int(seat) - 7000}@{CITY}")
        try:
            self.running.act(FinishAsked(agent, contact))
        except Refused as refused:
            self.refused[refused.problems[0].slug] += 1


class Orders(LineOnlyReceiver):
    """What the measuring process wants, line by line: ``take`` (the waits so far), ``stop``."""

    delimiter = b"\n"

    def __init__(self, city: Any, floor: Floor, switch: TimedSwitch) -> None:
        self._city = city
        self._floor = floor
        self._switch = switch

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        if line == b"take":
            say(waits=self._switch.waits)
            self._switch.waits = []
        elif line == b"stop":
            self._floor.stopped = True
            self._city.running.stop().addBoth(lambda _: reactor.stop())


def say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def run(arguments: argparse.Namespace) -> None:
    start_logging(CITY, LogSettings(level="warn"))
    clock = ReactorClock(reactor)
    province, package = load_province(arguments.province)
    settings = LinkSettings(addresses=(arguments.broker,), password=arguments.password)
    link = await build_link(reactor, settings, CITY, file=arguments.province, can_do_without=False)  # type: ignore[arg-type]  # a city is a node
    journal = SqliteJournal(
        arguments.folder / "journal.sqlite",
        JournalSettings(node=CITY, boot=boot_id(), new_lineage=new_lineage, receivers=(HUB,), area_code="020"),  # type: ignore[arg-type]  # as above
        clock,
        reactor,
    )
    network = Network(clock, Random(1), [CITY], usual_prompt_s=0.2)
    floor = Floor(clock, network)
    switch = TimedSwitch(network, floor)
    city = build_city(
        city=CITY,
        province=province,
        package=package,
        clock=clock,
        journal=journal,
        switch=switch,
        logins=Logins(CITY, MemoryUsers(), clock, random.randbytes, hasher=CHEAP),  # type: ignore[arg-type]  # as above
        link=link,
        store=SqliteLedgerStore(arguments.folder / "ledger.sqlite", reactor),
        pace=SendingPace.at(arguments.pace * 1e6),
    )
    floor.running = city.running
    city.running.start()  # without its desk, which logs out agents who have no screen
    stdio.StandardIO(Orders(city, floor, switch))
    clock.call_later(1.0, floor.seat_agents)
    clock.call_later(1.5, LoopingCall(floor.call).start, 1.0 / arguments.calls)

    def tell() -> None:
        say(waiting=city.health()["rows_waiting"].get("hub", 0), link=city.health()["link"], refused=floor.refused)  # type: ignore[attr-defined]  # a mapping

    LoopingCall(tell).start(SAYS_EVERY_S)


def main() -> None:
    answer_promptly()
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--province", type=Path, required=True)
    arguments.add_argument("--broker", required=True)
    arguments.add_argument("--password", required=True)
    arguments.add_argument("--pace", type=float, required=True)
    arguments.add_argument("--calls", type=float, required=True)
    chosen = arguments.parse_args()

    def broke(failure: Any) -> None:
        failure.printTraceback(sys.stderr)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(chosen)).addErrback(broke))
    reactor.run()


if __name__ == "__main__":
    main()
