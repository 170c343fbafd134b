"""Two ledgers over a real broker that is killed again and again, falls short of memory or disk, or has a slow reader
(failure modes 7, 8 and 15): rows arrive gaplessly and once, and nothing grows without bounds but the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from twisted.internet.threads import deferToThread

from dataset.ids import NodeId
from federation.core.envelope import Stream
from federation.core.ledger import SendingPace
from federation.links.amqp.layout import queue_name
from federation.links.amqp.link import COMMANDS_KEPT, PICTURES_KEPT, PREFETCH
from tests.harness.real_reactor import run_on_reactor
from tests.real.amqp_broker import RabbitNode
from tests.real.ledgers import Books, all_arrive, pause, two_books, until
from tests.real.links import access_to, command, ends

HUB = NodeId("hub")
ROWS_PER_S = 50.0
KILLS = 5
OUTBOX_EMPTY_S = 60.0
ALARM_S = 5.0


def both(broker: RabbitNode) -> dict[str, Any]:
    return {name: access_to(broker, name, connect=5.0) for name in ("hub", "guangzhou")}


def back_after(books: Sequence[Books], kills: int) -> bool:
    """Whether every link has come up anew after each kill."""
    return all(one.ups.count(True) > kills and one.ups[-1] for one in books)


def test_failure_mode_7_a_broker_that_is_killed_again_and_again_loses_no_row(
    rabbit: RabbitNode, tmp_path: Path
) -> None:
    """Kill -9 five times, while a city and its hub write fifty rows a second for each other; each time it comes up
    again as soon as both have found it.
    """

    async def work(reactor: Any) -> str:
        async with two_books(reactor, both(rabbit), tmp_path) as (hub, city):
            hub.keep_writing(ROWS_PER_S)
            city.keep_writing(ROWS_PER_S)
            for kills in range(1, KILLS + 1):
                await deferToThread(rabbit.kill)
                await deferToThread(rabbit.start)
                await until(reactor, partial(back_after, (hub, city), kills), OUTBOX_EMPTY_S)
            hub.stop_writing()
            city.stop_writing()
            most = max(hub.waiting, city.waiting)
            took = await all_arrive(reactor, hub, city, OUTBOX_EMPTY_S)
            return (
                f"{KILLS} kills: {len(hub.written) + len(city.written)} rows, lost 0, doubled 0; {most} waited at the"
                f" end, the outboxes were empty after {took:.1f} s; {hub.repeated() + city.repeated()} entries came"
                " again and were told apart"
            )

    print(run_on_reactor(work, 240.0))


@pytest.mark.parametrize("alarm", ["memory", "disk"])
def test_failure_mode_8_a_broker_short_of_memory_or_disk_keeps_nobody_from_writing(
    rabbit: RabbitNode, tmp_path: Path, alarm: str
) -> None:
    """Publishing is blocked: the link says so, rows go to disk as before and wait in the outbox, and leave it when the
    alarm is over.
    """
    raise_or_end = rabbit.short_of_memory if alarm == "memory" else rabbit.short_of_disk

    async def work(reactor: Any) -> str:
        async with two_books(reactor, both(rabbit), tmp_path) as (hub, city):
            hub.keep_writing(ROWS_PER_S)
            city.keep_writing(ROWS_PER_S)
            await pause(reactor, 1.0)
            await deferToThread(raise_or_end, True)
            noticed = await until(reactor, lambda: not hub.ups[-1] and not city.ups[-1], 10.0, "both are told")
            before = city.synced
            await pause(reactor, ALARM_S)
            synced, waiting = city.synced - before, city.waiting
            assert synced >= 0.8 * ROWS_PER_S * ALARM_S
            assert waiting >= synced
            assert city.ups[-1] is hub.ups[-1] is False
            ended = monotonic()
            await deferToThread(raise_or_end, False)
            await until(reactor, lambda: hub.ups[-1] and city.ups[-1], 15.0, "the links are up again")
            hub.stop_writing()
            city.stop_writing()
            await all_arrive(reactor, hub, city, OUTBOX_EMPTY_S)
            return (
                f"{alarm} alarm: noticed after {noticed:.2f} s; {synced} rows synced meanwhile, {waiting} waited;"
                f" all at the hub {monotonic() - ended:.1f} s after its end was commanded, lost 0, doubled 0"
            )

    print(run_on_reactor(work, 120.0))


def measures(rabbit: RabbitNode, queue: str) -> dict[str, int]:
    """What the broker says of a queue now; statistics are a few seconds old at most."""
    columns = ("name", "messages", "messages_unacknowledged", "message_bytes", "memory")
    listed = rabbit.control("list_queues", "-p", "yihaotong", "--no-table-headers", *columns)
    [line] = [line.split("\t") for line in listed.splitlines() if line.startswith(f"{queue}\t")]
    return dict(zip(columns[1:], map(int, line[1:]), strict=True))


def repetitions(silent_s: float) -> int:
    """How often an outbox has sent its window again in a silence: each time after twice as long."""
    pace, times, waits, passed = SendingPace(), 0, SendingPace().answer_s, 0.0
    while (passed := passed + waits) <= silent_s:
        times, waits = times + 1, min(2 * waits, pace.answer_longest_s)
    return times


def test_failure_mode_15_a_slow_reader_costs_the_broker_a_bounded_amount(rabbit: RabbitNode, tmp_path: Path) -> None:
    """The hub's consuming connection is not read: the broker hands out the prefetch and no more, its queue holds what
    the city's outbox window allows, and everything else waits on the city's disk; then it reads on, and has all.
    """
    window = SendingPace().window_bytes

    async def work(reactor: Any) -> str:
        async with two_books(reactor, both(rabbit), tmp_path) as (hub, city):
            connection = hub.link._consumer.connection
            assert connection is not None
            connection.transport.pauseProducing()
            began = reactor.seconds()
            for _ in range(20):
                city.write(500)
                await pause(reactor, 0.1)
            for number in range(3 * PREFETCH[Stream.COMMAND]):
                city.post.send(HUB, command(str(number)), Stream.COMMAND, 60.0)
            await until(reactor, lambda: city.synced == 10_000, 30.0, "all rows are on the city's disk")
            await pause(reactor, 6.0)
            ledger = await deferToThread(measures, rabbit, queue_name(HUB, Stream.LEDGER))
            most = (2 + repetitions(reactor.seconds() - began)) * window  # rows are counted without their envelopes
            commands = await deferToThread(measures, rabbit, queue_name(HUB, Stream.COMMAND))
            waiting = city.waiting
            assert waiting >= 9_000
            assert ledger["message_bytes"] <= most, "the window, and its repetitions after a silence"
            assert ledger["messages_unacknowledged"] <= PREFETCH[Stream.LEDGER]
            assert commands["messages_unacknowledged"] == PREFETCH[Stream.COMMAND]
            connection.transport.resumeProducing()
            took = await all_arrive(reactor, hub, city, 120.0)
            return (
                f"slow reader: {waiting} rows waited in the outbox, {ledger['messages']} messages with"
                f" {ledger['message_bytes']} bytes in the ledger's queue ({ledger['memory']} bytes of broker memory),"
                f" {commands['messages_unacknowledged']} of {commands['messages']} commands handed out; all at the hub"
                f" {took:.1f} s after it reads again"
            )

    print(run_on_reactor(work, 240.0))


def test_failure_mode_15_queues_of_a_node_that_is_away_keep_their_length(rabbit: RabbitNode) -> None:
    """Pictures and commands for a node that does not come: the oldest are dropped at the queue's limit."""
    sent = 3 * COMMANDS_KEPT // 2

    async def work(reactor: Any) -> str:
        async with ends(reactor, rabbit, ["hub", "guangzhou"]) as (hub, guangzhou):
            await hub.link.stop()
            for start in range(0, sent, 1_000):
                for number in range(start, start + 1_000):
                    guangzhou.post.send(HUB, command(str(number)), Stream.COMMAND, 300.0)
                    if number < 3 * PICTURES_KEPT:
                        guangzhou.post.send(HUB, command(str(number)), Stream.PICTURE, 300.0)
                await until(reactor, lambda: not guangzhou.link._publisher.unconfirmed, 30.0, "all are confirmed")
                if start == 3_000:
                    pictures = await deferToThread(measures, rabbit, queue_name(HUB, Stream.PICTURE))
            commands = await deferToThread(measures, rabbit, queue_name(HUB, Stream.COMMAND))
            assert pictures["messages"] <= PICTURES_KEPT
            assert commands["messages"] == COMMANDS_KEPT
            assert not guangzhou.link.dropped
            return (
                f"a node that is away: {pictures['messages']} pictures of {3 * PICTURES_KEPT},"
                f" {commands['messages']} commands of {sent} kept ({commands['memory']} bytes of broker memory)"
            )

    print(run_on_reactor(work, 120.0))
