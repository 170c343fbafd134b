"""Faults of what travels and of what is kept: backlog, doubled and reordered messages, lost and old journals."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import pika

from dataset.rows import ContactBorn, SegmentOpened, TailMissing
from federation.links.amqp.layout import EXCHANGE
from simulation.machines.sipp import Callers, start_callers
from tests.harness.real_floor import Crowd, Floor
from tests.harness.real_people import People
from tests.harness.real_province import DOUBLER, RealProvince
from tests.harness.real_witness import Witness, in_thread
from tests.real.faults.scenes import all_well, beats_heard, in_order, waited

CITY, OTHER = "foshan", "shenzhen"
SPARE = 2


def short_talks(rng: Random) -> float:
    return rng.expovariate(1 / 2.0)


# ── doubled and reordered ───────────────────────────────────────────────────────────────────────────────────────────
class Doubler:
    """Publishes each message of the province a second time, as its sender, later and in any order."""

    def __init__(self, province: RealProvince) -> None:
        self._parameters = pika.URLParameters(province.broker.spec.uri(DOUBLER))
        self.doubled: Counter[str] = Counter()
        """by stream"""
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        draw = Random(9)
        connection = pika.BlockingConnection(self._parameters)
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, EXCHANGE, "#")
        kept: list[tuple[str, Any, bytes]] = []
        while not self._over.is_set():
            for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.2):
                if method is None:
                    break
                if not (properties.headers or {}).get("again"):
                    properties.headers = {**(properties.headers or {}), "again": True}
                    kept.append((method.routing_key, properties, body))
                if len(kept) >= 40:
                    break
            draw.shuffle(kept)
            for key, properties, body in kept:
                channel.basic_publish(EXCHANGE, key, body, properties)
                self.doubled[key.split(".")[1]] += 1
            kept.clear()
        connection.close()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10.0)


def test_row_09_doubled_and_reordered_messages_have_one_effect(
    province: RealProvince, witness: Witness, tmp_path: Path
) -> None:
    """Everything that any node sends comes a second time, in batches of any order, under load with overflow."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    floor = Floor(province, tmp_path / "seats", [OTHER, "guangzhou"], short_talks, seed=4, spare=SPARE)
    floor.open()
    doubler = Doubler(province)
    try:
        crowd = Crowd.call(province, tmp_path / "callers", {CITY: 14, "guangzhou": 10}, 12.0, 20.0, prefix="162")
        province.wait(lambda: crowd.over, 60.0, "all calls are over")
        floor.close()
        spoke = floor.answers()
        witness.lines += crowd.lines(spoke)
        said = witness.check()
    finally:
        doubler.stop()
    assert in_order(province)
    print(
        f"row 9: doubled and reordered {dict(doubler.doubled)} messages, {len(spoke)} of 24 calls answered, each once; "
        f"{said}"
    )
    assert min(doubler.doubled[stream] for stream in ("picture", "command", "ledger")) > 20
    assert len(spoke) >= 20


# ── journals lost ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_row_26_a_journal_is_lost_or_old(
    province: RealProvince, witness: Witness, people: People, tmp_path: Path
) -> None:
    """Restored from a backup, lost whole, lost to what was last moved into the file: nothing is used twice, the missing
    rows are named, and the city works on each time.
    """
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    node, folder = province.nodes[CITY], province.folder / CITY
    backup = tmp_path / "backup.sqlite"

    def one_call(number: str) -> None:
        agent = people.agent(CITY, 0)
        caller = people.caller(CITY, number)
        agent.answer()
        people.hear_each_other(caller, agent)
        caller.hang_up()
        agent.wrap_up()
        agent.leave()
        people.agents.remove(agent)
        witness.saw(number, spoke=True)
        province.wait(lambda: not any((node.health() or {})["rows_waiting"].values()), 20.0, "its rows are at the hub")

    def disks(suffixes: tuple[str, ...]) -> None:
        for suffix in suffixes:
            (folder / f"journal.sqlite{suffix}").unlink(missing_ok=True)

    one_call("16300000001")
    with sqlite3.connect(f"file:{folder / 'journal.sqlite'}?mode=ro", uri=True) as now:
        with sqlite3.connect(backup) as copy:
            now.backup(copy)
        copy.close()
    now.close()
    told: list[str] = []
    for place, what in enumerate(
        ("restored from an old backup", "lost whole", "lost to the last move into the file"), 2
    ):
        one_call(f"1630000000{place}")
        in_thread(province, node.kill)
        if what == "lost to the last move into the file":
            disks(("-wal", "-shm"))
        else:
            disks(("", "-wal", "-shm"))
            if what == "restored from an old backup":
                shutil.copy(backup, folder / "journal.sqlite")
        in_thread(province, node.start)
        province.wait(lambda: all_well(province), 30.0, f"the node is back, its journal {what}")
        one_call(f"1630000001{place}")
        named = [
            row.row for row in province.hub_ledger() if isinstance(row.row, TailMissing) and row.row.receiver == "hub"
        ]
        told.append(f"{what}: {sum(row.stated - row.held for row in named)} rows named")
        beats_heard(province, CITY)
    ledger = province.hub_ledger()
    here = {(row.lineage, row.sequence) for row in province.journal(CITY)}
    witness.lost_rows |= {
        (row.lineage, row.sequence) for row in ledger if row.node == CITY and (row.lineage, row.sequence) not in here
    }
    said = witness.check(60.0)
    born = Counter(row.row.contact for row in ledger if isinstance(row.row, ContactBorn))
    tokens = Counter(row.row.token for row in ledger if isinstance(row.row, SegmentOpened))
    assert max(born.values()) == 1
    assert max(tokens.values()) == 1
    print(f"row 26: journal {'; '.join(told)} (in all); {len(born)} ids, {len(tokens)} tokens, none twice; {said}")
    assert witness.lost_rows


# ── backlog ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_row_04_live_calls_go_first_when_the_hub_returns_to_a_backlog(
    province: RealProvince, witness: Witness, people: People, tmp_path: Path
) -> None:
    """Thousands of rows wait for a hub that was away: a caller who needs another city is routed at once."""
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    hub = province.nodes["hub"]
    in_thread(province, hub.kill)
    rows_before = sum(len(province.journal(city)) for city in province.switches)
    running = {}
    for nth, city in enumerate(province.switches):
        spec = province.switches[city].spec
        callers = Callers(
            name=f"backlog-{city}",
            door=f"{spec.sip_address}:{spec.sip_port}",
            address=province.slot.outside(80 + nth),
            number="112",
            caller=f"161{nth}[call_number]",
            calls=150,
            rate=15.0,
            patience=10.0,
            talk=0.3,
        )
        running[f"161{nth}"] = start_callers(callers, tmp_path / callers.name)
        province.dialled.append(f"161{nth}")
        province.at_end.callback(running[f"161{nth}"].process.stop)
    province.wait(lambda: not any(one.process.alive() for one in running.values()), 60.0, "all have called")
    for prefix, sipp in running.items():
        for call in {seen.call for seen in sipp.result().seen if seen.what == "answered"}:
            witness.saw(f"{prefix}{call.partition('-')[0]}", spoke=False)
    backlog = sum(len(province.journal(city)) for city in province.switches) - rows_before
    agent = people.agent(OTHER, 0)
    began = time.monotonic()
    in_thread(province, hub.start)
    province.wait(lambda: all_well(province), 20.0, "the hub is heard")
    heard_s = time.monotonic() - began
    at_hub = len(province.hub_ledger())
    caller = people.caller(CITY, "16000000001")
    agent.answer(20.0)
    people.hear_each_other(caller, agent)
    left = backlog + rows_before - len(province.hub_ledger())
    caller.hang_up()
    agent.wrap_up()
    witness.saw(caller.number, spoke=True)
    said = witness.check(120.0)
    assert in_order(province)
    way = waited(province, CITY, caller.number)
    print(
        f"row 4: hub back to {backlog} rows, in touch after {heard_s:.1f} s with {at_hub} rows on record, a caller "
        f"routed after {way.on_record_s:.1f} s (limit 3) with {max(0, left)} rows still to come; {said}"
    )
    assert backlog > 1500
    assert way.on_record_s < 3.0
