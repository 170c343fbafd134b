"""Row 25 and B2 on real processes: two hubs, a Consul, three brokers, three switches, and callers all the while."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from random import Random
from urllib.request import urlopen

import pika
import pytest
from twisted.internet.threads import deferToThreadPool

from dataset.ids import CityId, ContactId, LineageId, NodeId, SkillId
from dataset.intervals import fold
from dataset.rows import ContactBorn, ContactEnded, Journalled
from federation.core.envelope import Context, Envelope, Propose, Stream, encode
from federation.links.amqp.layout import EXCHANGE, routing_key
from simulation.machines.addresses import CITIES
from simulation.machines.nodes import NodeProcess
from simulation.machines.rabbitmq import RabbitMQ
from tests.harness.driving import ReactorDriver
from tests.harness.ledger_checker import CallerLine, Findings, LedgerCheck
from tests.harness.node_log import log_lines
from tests.harness.real_floor import Crowd, Floor
from tests.harness.real_province import Shape
from tests.harness.two_real_hubs import HUBS, TwoHubProvince, two_hub_province

WITHIN_S = 10.0
"""From the leader's end to the first proposal of the next (the promise of row 25)."""


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHubProvince]:
    shape = Shape(agents={"guangzhou": 3, "shenzhen": 3, "foshan": 1}, replicated=True)
    with two_hub_province(tmp_path_factory.mktemp("standby"), shape, ReactorDriver()) as running:
        yield running


def handling(rng: Random) -> float:
    return rng.expovariate(1 / 1.5)


class Served:
    """Callers of one test; once they have gone, what any hub has on record of them is held against what they saw."""

    def __init__(self, province: TwoHubProvince) -> None:
        self._province = province
        self._before = born(province)
        self.seen: list[CallerLine] = []

    def check(self, hub: str, within_s: float = 10.0) -> str:
        """The ledger of ``hub`` is right; says in a line what it comes to. What differs is read again ``within_s``:
        a row (an agent's presence) may have been written between the reading of a journal and that of the hub.
        """
        found = [self._findings(hub)]

        def passed() -> bool:
            if not found[-1].passed:
                found.append(self._findings(hub))
            return found[-1].passed

        assert self._province.driver.until(passed, within_s), found[-1].text()
        return found[-1].text().splitlines()[0]

    def _findings(self, hub: str) -> Findings:
        journals = {city.id: self._of_these(self._province.journal(city.id)) for city in CITIES}
        return LedgerCheck(self.seen, journals, self._of_these(self._province.ledger_of(hub))).findings()

    def _of_these(self, rows: list[Journalled]) -> list[Journalled]:
        return [row for row in rows if getattr(row.row, "contact", "") not in self._before]


CROWDS = count(1)


@contextmanager
def callers(province: TwoHubProvince, folder: Path, seconds: float) -> Iterator[Served]:
    """More callers in Foshan than its one agent can take, agents elsewhere; the record is held against them after."""
    floor = Floor(province, folder / "seats", [city.id for city in CITIES], handling, seed=5)
    floor.open()
    served = Served(province)
    # numbers of their own: telephones of a test before may be asked once more about their calls
    crowd = Crowd.call(
        province, folder / "callers", {"foshan": int(seconds * 1.5)}, seconds, 15.0, prefix=f"13{next(CROWDS)}"
    )
    province.wait(lambda: crowd.answered() >= 5, 30.0, "callers are answered")
    yield served
    province.wait(lambda: crowd.over, seconds + 60.0, "all calls are over")
    floor.close()
    spoke = floor.answers()
    served.seen = crowd.lines(spoke)
    leader = province.leader()
    assert leader is not None
    province.wait(lambda: province.all_reported_to(leader) and all_ended(province, leader), 30.0, "all is on record")
    print(f"{len(spoke)} of {int(seconds * 1.5)} callers answered by agents; {served.check(leader)}")


def born(province: TwoHubProvince) -> set[ContactId]:
    rows = [row.row for city in CITIES for row in province.journal(city.id)]
    return {row.contact for row in rows if isinstance(row, ContactBorn)}


def all_ended(province: TwoHubProvince, hub: str) -> bool:
    rows = [row.row for row in province.ledger_of(hub)]
    ended = {row.contact for row in rows if isinstance(row, ContactEnded)}
    return {row.contact for row in rows if isinstance(row, ContactBorn)} == ended


def in_thread(province: TwoHubProvince, work: Callable[[], object]) -> None:
    """Do what blocks in a thread, so that agents go on meanwhile."""
    reactor = province.driver.reactor
    done: list[object] = []
    deferToThreadPool(reactor, reactor.getThreadPool(), work).addBoth(done.append)
    province.wait(lambda: bool(done), 60.0, "the machine's work is done")
    if isinstance(failed := getattr(done[0], "value", None), BaseException):
        raise failed


def took_over(province: TwoHubProvince, standby: str, since: float, how: str) -> None:
    """The standby leads and has proposed; says when."""
    province.wait(lambda: standby in province.leading(), WITHIN_S, f"{standby} leads")
    province.wait(lambda: bool(province.proposals(standby, since)), WITHIN_S, f"{standby} proposes")
    first_s = province.proposals(standby, since)[0].wall - since
    print(f"after the leader's {how}: the first proposal of the next came after {first_s:.1f} s")
    assert first_s < WITHIN_S


def test_the_leader_is_killed_and_the_standby_proposes(province: TwoHubProvince, tmp_path: Path) -> None:
    """Kill -9: nothing is said to anybody; callers lose nothing; the killed one comes back as the standby."""
    leader = province.leader()
    assert leader is not None
    [standby] = [hub for hub in HUBS if hub != leader]
    term = province.term(leader)
    with callers(province, tmp_path, 18.0):
        province.nodes[leader].kill()
        took_over(province, standby, time.time(), "kill -9")
        in_thread(province, province.nodes[leader].start)
        assert province.leading() == [standby]
        assert province.term(standby) > term
    health = province.nodes[leader].health() or {}
    assert (health["leads"], health["leader"], health["term"]) == (False, standby, province.term(standby))


def test_the_leader_is_stopped_and_goes_on_too_late(province: TwoHubProvince, tmp_path: Path) -> None:
    """Row 19, SIGSTOP: the other leads; when the first goes on it says nothing as leader, and stands by."""
    leader = province.leader()
    assert leader is not None
    [standby] = [hub for hub in HUBS if hub != leader]
    with callers(province, tmp_path, 18.0):
        province.nodes[leader].suspend()
        took_over(province, standby, time.time(), "SIGSTOP")
        continued = time.time()
        province.nodes[leader].resume()
        province.wait(lambda: (province.nodes[leader].health() or {}).get("leader") == standby, 10.0, "it has heard")
        assert province.leading() == [standby]
    assert province.proposals(leader, continued) == []
    assert province.leader() == standby


def test_what_is_said_under_an_old_term_is_refused(province: TwoHubProvince) -> None:
    """Row 19: a proposal that a hub had sent while it led, and that arrives under another's term, moves nobody; the
    same proposal under the term in force is answered.
    """
    leader = province.leader()
    assert leader is not None
    [former] = [hub for hub in HUBS if hub != leader]
    term = province.term(leader)
    city = province.nodes["shenzhen"]
    counts = (
        'yht_messages_refused_total{reason="old_term"}',
        f'yht_messages_total{{kind="propose",sender="{former}"}}',
    )
    before = [counted(city, one) for one in counts]
    for n, said_under in enumerate((term - 1, term), 1):
        say_as(province, former, proposal(former, n, said_under))
    province.wait(
        lambda: [counted(city, one) for one in counts] == [one + 1 for one in before], 10.0, "one refused, one heard"
    )


def proposal(hub: str, n: int, term: int) -> Envelope:
    context = Context(
        calling="",
        door="112",
        path=(),
        service="fault",
        skill=SkillId("fault"),
        channel="voice",
        priority=0,
        package="",
        waited_s=0.0,
    )
    asked = Propose(
        contact=ContactId("0757-00000000-000001"), n=n, anchor=CityId("foshan"), context=context, budget_s=2.0
    )
    return Envelope(
        sender=NodeId(hub),
        to=NodeId("shenzhen"),
        stream=Stream.COMMAND,
        lineage=LineageId("00000000"),
        sequence=n,
        body=asked,
        term=term,
    )


def say_as(province: TwoHubProvince, hub: str, envelope: Envelope) -> None:
    """Publish with the rights of ``hub``."""
    key = routing_key(envelope.to, envelope.stream, envelope.sender)
    with pika.BlockingConnection(pika.URLParameters(province.broker.spec.uri(hub))) as connection:
        connection.channel().basic_publish(EXCHANGE, key, encode(envelope), pika.BasicProperties(user_id=hub))


def counted(node: NodeProcess, sample: str) -> float:
    with urlopen(f"{node.address}/metrics", timeout=5.0) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))


def test_without_consul_nobody_leads_and_cities_go_on(province: TwoHubProvince, tmp_path: Path) -> None:
    """A lock that cannot be renewed is a lock that is lost: the leader stops by its own clock, cities ask each other
    (B3); with Consul back one leads again, under the same term only if it is the same hub and never lost the lock.
    """
    leader = province.leader()
    assert leader is not None
    term = province.term(leader)
    with callers(province, tmp_path, 18.0):
        gone = time.time()
        province.consul.kill()
        province.wait(lambda: province.leading() == [], WITHIN_S, "nobody leads")
        print(f"after Consul's kill -9: the leader stopped leading within {time.time() - gone:.1f} s")
        city = province.nodes["foshan"]
        province.wait(lambda: (city.health() or {})["leader"] is None, WITHIN_S, "cities know")
        in_thread(province, province.consul.start)
        province.wait(lambda: province.leader() is not None, 20.0, "one leads again")
    now = province.leader()
    assert now is not None
    assert province.term(now) >= term + (now != leader)


def connections(broker: RabbitMQ) -> dict[str, list[str]]:
    """By node, the members of the cluster that it is connected to, as one of them knows it; asking takes seconds."""
    found: dict[str, list[str]] = {}
    for line in broker.ctl("list_connections", "--no-table-headers", "user", "host").splitlines():
        node, _, member = line.partition("\t")
        found.setdefault(node, []).append(member)
    return found


def connected_since(node: NodeProcess, brokers: Sequence[RabbitMQ], wall: float) -> list[float]:
    """When ``node`` has connected to one of these from ``wall`` on, as its log has it."""
    places = {f"{one.spec.address}:{one.spec.port}" for one in brokers}
    lines = log_lines(node.log, "amqp_connected")
    times = [datetime.fromisoformat(line["at"]).timestamp() for line in lines if line["broker"] in places]
    return sorted(at for at in times if at >= wall)


def test_the_leaders_host_is_lost_for_good(province: TwoHubProvince, tmp_path: Path) -> None:
    """Row 25: hub and disk are gone, and with them the broker that every node was connected to. The standby leads and
    has proposed within 10 s, the cities have gone to the other brokers. A new hub with an empty disk gets its ledger
    from the sites: it is equal to the standby's, and to what the sites' journals come to.
    """
    assert province.cluster is not None
    broker, *others = province.cluster.members
    assert connections(broker) == dict.fromkeys(province.nodes, [broker.spec.address] * 2), "to publish, to consume"
    leader = province.leader()
    assert leader is not None
    [standby] = [hub for hub in HUBS if hub != leader]
    with callers(province, tmp_path, 18.0) as served:
        lost = time.time()
        province.nodes[leader].kill()
        broker.kill()
        shutil.rmtree(province.folder / leader)
        took_over(province, standby, lost, "host, and that of a broker")
        there = [province.nodes[name] for name in (standby, *(city.id for city in CITIES))]
        province.wait(
            lambda: all(len(connected_since(node, others, lost)) >= 2 for node in there), WITHIN_S, "all reconnect"
        )
        back_s = max(connected_since(node, others, lost)[1] for node in there) - lost
        print(f"every node was connected to another broker after {back_s:.1f} s")
    province.nodes[leader] = province.hub_node(leader)
    begun = time.monotonic()
    province.nodes[leader].start()
    kept = {(row.node, row.lineage, row.sequence) for row in province.ledger_of(standby)}

    def rebuilt() -> bool:
        found = {(row.node, row.lineage, row.sequence) for row in province.ledger_of(leader)}
        return found >= kept

    province.wait(rebuilt, 60.0, "the new hub has every row")
    assert not broker.running()
    print(f"{len(kept)} rows were with the new hub within {time.monotonic() - begun:.1f} s of its start")

    def equal() -> bool:
        journals = fold(row for city in CITIES for row in province.journal(city.id)).json()
        return {fold(province.ledger_of(hub)).json() for hub in HUBS} == {journals}

    province.wait(equal, 10.0, "both hubs' intervals are those of the sites' journals")
    print(f"the new hub: {served.check(leader)}")
    assert province.leading() == [standby]
