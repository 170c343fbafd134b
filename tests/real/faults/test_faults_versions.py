"""Row 20: a city that speaks the version before, among others that do not, and its upgrade under live calls."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pika

from dataset.rows import AttemptAnswered
from federation.core.envelope import VERSION
from federation.links.amqp.layout import EXCHANGE
from simulation.version1 import envelope as version1
from tests.harness.listening import Listening
from tests.harness.real_people import Caller, People, SeatedAgent
from tests.harness.real_province import DOUBLER, RealProvince
from tests.harness.real_witness import Witness, in_thread, rows_of
from tests.real.faults.scenes import all_well, beats_heard

OLD, OTHER = "guangzhou", "shenzhen"
OLDER_PROGRAM, PROGRAM = "simulation.version1", "site_node"
UNHEARD_S = 1.0


class Tap:
    """Hears everything that passes the broker, as bytes: which version each node speaks, and in which kinds."""

    def __init__(self, province: RealProvince) -> None:
        self._parameters = pika.URLParameters(province.broker.spec.uri(DOUBLER))
        self.versions: dict[str, Counter[int]] = defaultdict(Counter)
        """by sender: messages by version"""
        self.kinds: dict[str, set[str]] = defaultdict(set)
        self.newer: list[bytes] = []
        """messages that call themselves version 1 and have in them what version 1 does not know"""
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, EXCHANGE, "#")
        while not self._over.is_set():
            for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
                if method is None:
                    break
                self._heard(body)
        connection.close()

    def _heard(self, body: bytes) -> None:
        said = json.loads(body)
        self.versions[said["sender"]][said["version"]] += 1
        self.kinds[said["sender"]].add(said["body"]["kind"])
        if said["version"] == version1.VERSION and version1.ENCODER.encode(version1.DECODER.decode(body)) != body:
            self.newer.append(body)

    def forget(self) -> None:
        """Begin to count anew."""
        self.versions.clear()
        self.kinds.clear()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10.0)


@contextmanager
def tapped(province: RealProvince) -> Iterator[Tap]:
    tap = Tap(province)
    try:
        yield tap
    finally:
        tap.stop()


def restarted(province: RealProvince, program: str, listening: Listening | None = None) -> None:
    """The city's node is stopped in order and started as ``program``, as an upgrade does; calls stay at the switch."""
    node = province.nodes[OLD]

    def work() -> None:
        node.stop()
        node.program = program
        node.start()

    in_thread(province, work, listening.while_waiting(lambda: False) if listening else None)
    province.wait(lambda: all_well(province), 30.0, f"{OLD} is back as {program}")
    beats_heard(province, OLD)


def moved(people: People, at: str, number: str, agent: SeatedAgent) -> Caller:
    """Somebody who comes in at ``at`` and whom ``agent`` of another city answers."""
    caller = people.caller(at, number)
    agent.answer()
    people.hear_each_other(caller, agent)
    return caller


def sent_on(people: People, caller: Caller, first: SeatedAgent, to: SeatedAgent) -> None:
    """``first`` hands the caller to ``to`` by name, and is done."""
    first.do("transfer", contact=first.contact, to_agent=to.agent, note="")
    first.wrap_up()
    first.do("not_ready", reason="break")
    to.answer()
    people.hear_each_other(caller, to)


def over(witness: Witness, caller: Caller, agent: SeatedAgent) -> None:
    """The caller hangs up, the agent is done."""
    caller.hang_up()
    agent.wrap_up()
    agent.do("not_ready", reason="break")
    witness.saw(caller.number, spoke=True)


def test_row_20_a_city_of_the_version_before_works_with_the_others_and_is_upgraded(
    province: RealProvince, witness: Witness, people: People
) -> None:
    """Callers are moved and sent on both ways between the versions. The old node is replaced by the new one with a
    caller in talk, who notices nothing; then everything goes on in the new version.
    """
    node = province.nodes[OLD]
    try:
        with tapped(province) as tap:
            restarted(province, OLDER_PROGRAM)
            tap.forget()
            here, there = people.agent(OLD, 0, ready=False), people.agent(OTHER, 0, ready=False)

            # ── both versions together ──────────────────────────────────────────────────────────────────────────────
            here.ready()
            caller = moved(people, OTHER, "13700002001", here)
            there.ready()
            sent_on(people, caller, here, there)
            over(witness, caller, there)
            there.ready()
            staying = moved(people, OLD, "13700002002", there)
            province.wait(lambda: {"granted", "open"} <= tap.kinds[OLD], 5.0, "the old node has asked and granted")
            old = dict(tap.versions[OLD])
            others = {sender: dict(said) for sender, said in tap.versions.items() if sender != OLD}

            # ── upgraded under a call ───────────────────────────────────────────────────────────────────────────────
            ears = Listening({"caller": lambda: staying.hears(there), "agent": lambda: there.hears(staying)})
            restarted(province, PROGRAM, ears)
            tap.forget()
            here.lost.clear()
            here.attach()
            here.ready()
            sent_on(people, staying, there, here)
            over(witness, staying, here)
            here.ready()
            over(witness, moved(people, OTHER, "13700002003", here), here)
            there.ready()
            over(witness, moved(people, OLD, "13700002004", there), there)
            new = dict(tap.versions[OLD])
            assert tap.newer == []
    finally:
        if node.program != PROGRAM:
            restarted(province, PROGRAM)
    said = witness.check()
    assert set(old) == {version1.VERSION}
    assert others.keys() >= {"hub", OTHER}
    assert {version for said_in in others.values() for version in said_in} == {VERSION} == set(new)
    answers = {
        number: [row.site for row in rows_of(province, number) if isinstance(row, AttemptAnswered)]
        for number in (f"1370000200{nth}" for nth in range(1, 5))
    }
    assert list(answers.values()) == [[OLD, OTHER], [OTHER, OLD], [OLD], [OTHER]]
    print(
        f"row 20: {old[version1.VERSION]} messages of version 1 beside "
        f"{sum(said_in[VERSION] for said_in in others.values())} of version {VERSION}: callers moved and sent on both "
        f"ways; upgraded in talk: longest silence {max(ears.longest_s.values()):.2f} s, sent on after it; {said}"
    )
    assert max(ears.longest_s.values()) < UNHEARD_S
