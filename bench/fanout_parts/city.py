"""The product's server of ``bench.fanout``: a city with its desktop, everybody logged in at a seat.

``notice``: one push, the same for every seat, as ``SeatService`` gives it to each. ``state``: the city hears that its
hub leads, or does not any more, so that it shows every seat a new state of its own.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall

from bench.fanout_parts.orders import listen_to, reactor, say
from dataset.ids import HUB, CityId, LineageId, NodeId
from federation.core.envelope import Envelope, HubBeat, Stream
from federation.node.clock import ReactorClock
from federation.node.door import Push
from federation.node.http import HttpSettings, listen, web_site
from federation.node.journal import JournalSettings
from federation.node.login import CHEAP, Logins, MemoryUsers, UserRecord
from federation.node.logs import LogSettings, start_logging
from federation.node.program import answer_promptly
from federation.node.province import load_province
from simulation.storage import MemoryStorage
from site_node.assembly import build_city
from site_node.switch.simulated.network import Network

CITY = CityId("guangzhou")
PASSWORD = "at the seat"
"""of everybody in this process"""


class Hub:
    """A link with a hub at its other end that says whether it leads (``federation.ports.Link``)."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._received: Callable[[Envelope], None] = lambda envelope: None
        self._count = 0
        self._hears = True

    def start(self, received: Callable[[Envelope], None], changed: Callable[[bool], None]) -> None:
        """See ``Link``."""
        self._received = received
        changed(True)

    def send(self, envelope: Envelope) -> None:
        """Nobody hears."""

    def stop(self) -> Deferred[None]:
        """See ``Link``."""
        return succeed(None)

    def turn(self) -> None:
        """From now on the hub hears the city no more; or again."""
        self._hears = not self._hears
        self.beat()

    def beat(self) -> None:
        """The next beat: it says whether the hub hears the city, which follows it only then."""
        self._count += 1
        body = HubBeat(count=self._count, wall=time.time(), silent=() if self._hears else (CITY,))
        self._received(
            Envelope(
                sender=NodeId(HUB),
                to=NodeId(CITY),
                stream=Stream.PICTURE,
                lineage=LineageId("0badcafe"),
                sequence=self._count,
                body=body,
                term=1,
            )
        )


async def run(arguments: argparse.Namespace) -> None:
    start_logging(CITY, LogSettings(level="error"))
    clock = ReactorClock(reactor)
    province, package = load_province(arguments.province)
    cities = tuple(replace(city, agents=arguments.seats) for city in province.cities)
    province = replace(province, cities=cities)
    hash_ = CHEAP.hash(PASSWORD)
    roster = province.agents_of(CITY, package)
    users = [UserRecord(one.staff, one.name, frozenset({"agent"}), hash_, one.agent) for one in roster]
    network, storage, hub = Network(clock, random.Random(1), [CITY]), MemoryStorage(clock), Hub()
    city = build_city(
        city=CITY,
        province=province,
        package=package,
        clock=clock,
        journal=storage.journal(
            JournalSettings(
                node=NodeId(CITY),
                boot="bench",
                new_lineage=lambda: LineageId("00000001"),
                receivers=province.hub_ids,
                area_code="020",
                nodes=province.nodes,
            )
        ),
        switch=network.adapter(CITY),
        logins=Logins(NodeId(CITY), MemoryUsers(*users), clock, random.randbytes, hasher=CHEAP),
        link=hub,
        store=storage.ledger_store(NodeId(CITY)),
    )
    city.start()
    tokens = []
    for one in roster:
        posted = await city.desk.door.post(
            "login", msgspec.json.encode({"user": one.staff, "password": PASSWORD, "seat": one.seat}), None
        )
        tokens.append(msgspec.json.decode(posted.body)["token"])
    port = await listen(reactor, HttpSettings(port=0), web_site(city.resource(reactor)))
    notice = msgspec.json.decode(arguments.payload.read_bytes())
    kind = notice.pop("push")

    def tell_all() -> None:
        push = Push(kind, notice)
        for one in roster:
            city.desk.seats.tell(one.agent, push)

    listen_to({"notice": tell_all, "state": hub.turn})
    LoopingCall(hub.beat).start(province.times.beat_s / 2)
    say(port=port.getHost().port, tokens=tokens)  # type: ignore[attr-defined]  # an IPv4Address


def main() -> None:
    answer_promptly()
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--province", type=Path, required=True)
    arguments.add_argument("--seats", type=int, required=True)
    arguments.add_argument("--payload", type=Path, required=True, help="the push that every seat gets, as JSON")

    def broke(failure: Any) -> None:
        failure.printTraceback(sys.stderr)
        reactor.stop()

    chosen = arguments.parse_args()
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(chosen)).addErrback(broke))
    reactor.run()


if __name__ == "__main__":
    main()
