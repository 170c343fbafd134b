"""The rows of an outage: written into a journal as the run that was cut off would have written them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

from dataset.ids import AgentId, CityId, ContactId, LineageId, NodeId, SkillId, Token
from dataset.rows import (
    ROW_BYTES,
    AnyRow,
    AttemptAnswered,
    AttemptOpened,
    ContactBorn,
    ContactEnded,
    Ending,
    Entered,
    Evidence,
    Journalled,
    Left,
    MenuChosen,
    QueueEntered,
    QueueLeft,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
)
from federation.node.journal import contact_of
from federation.node.journal_sqlite import SEQUENCE_BITS

GUANGZHOU = NodeId("guangzhou")
FAULT = SkillId("fault")
ROWS_PER_CONTACT = 10
OUTAGE_S = 40_000.0


def story(lineage: LineageId, number: int) -> Iterator[AnyRow]:
    """The rows of one whole contact."""
    contact = ContactId(f"0020-{lineage}-{number:06x}")
    city, agent = CityId(GUANGZHOU), AgentId("1001@guangzhou")
    token = Token(f"{lineage}-{number:06x}")
    service, channel = "fault", "voice"
    yield ContactBorn(
        contact=contact,
        city=city,
        channel=channel,
        door="10000",
        calling=f"139{number:08d}",
        connection=f"c{number}",
        package="yihaotong@1",
    )
    yield MenuChosen(contact=contact, path=("1", "2"), service=service, skill=FAULT, priority=0)
    yield QueueEntered(
        contact=contact, skill=FAULT, service=service, channel=channel, how=Entered.OFFERED, waited_s=0.0
    )
    yield AttemptOpened(contact=contact, n=1, skill=FAULT, scope="home", agent=agent)
    yield SegmentOpened(
        contact=contact, n=1, site=city, anchor=city, agent=agent, token=token, skill=FAULT, service=service
    )
    yield AttemptAnswered(
        contact=contact,
        n=1,
        site=city,
        agent=agent,
        token=token,
        skill=FAULT,
        service=service,
        channel=channel,
        waited_s=4.0,
    )
    yield QueueLeft(
        contact=contact,
        skill=FAULT,
        service=service,
        channel=channel,
        how=Left.ANSWERED_HERE,
        waited_s=4.0,
        within_target=True,
    )
    yield SegmentConfirmed(contact=contact, n=1)
    yield ContactEnded(
        contact=contact,
        city=city,
        ending=Ending.COMPLETED,
        evidence=Evidence.SEEN,
        cause="customer",
        service=service,
        skill=FAULT,
        serving=city,
        agent=agent,
        answers=1,
        waited_s=4.0,
        talked_s=160.0,
        lasted_s=170.0,
    )
    yield SegmentClosed(
        contact=contact,
        n=1,
        site=city,
        agent=agent,
        talked_s=160.0,
        held_s=0.0,
        wrap_up_s=15.0,
        disposition="done",
        notes="",
        ended_by="customer",
    )


def fill(path: Path, count: int, wall: float) -> int:
    """Write ``count`` rows behind the last ones of the last run in the journal at ``path``; their bytes."""
    size = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("BEGIN")
        ordinal, name, head = file.execute(
            "SELECT ordinal, lineage, head FROM lineages ORDER BY ordinal DESC LIMIT 1"
        ).fetchone()
        base = ordinal << SEQUENCE_BITS
        sent, last = file.execute(
            "SELECT head, (SELECT max(id) FROM rows) FROM streams WHERE receiver = 'hub' AND lineage = ?", (ordinal,)
        ).fetchone()
        first = max(head, last - base)

        def rows() -> Iterator[tuple[int, float, ContactId | None, str, bytes, int]]:
            nonlocal size
            done = 0
            for number in range(count // ROWS_PER_CONTACT):
                for row in story(LineageId(name), 0x100000 + number):
                    done += 1
                    at = wall - OUTAGE_S + done * OUTAGE_S / count
                    one = Journalled(
                        node=GUANGZHOU,
                        lineage=LineageId(name),
                        sequence=first + done,
                        wall=at,
                        mono=at,
                        boot="bench",
                        row=row,
                    )
                    data = ROW_BYTES.encode(one)
                    size += len(data)
                    yield base + first + done, at, contact_of(row), f"hub:{sent + done}", data, crc32(data)

        file.executemany("INSERT INTO rows (id, wall, contact, outgoing, data, crc) VALUES (?, ?, ?, ?, ?, ?)", rows())
        file.execute(
            f"INSERT INTO outbox SELECT 'hub', ?1, (id & {(1 << SEQUENCE_BITS) - 1}) - ?2 + ?3,"
            f" id & {(1 << SEQUENCE_BITS) - 1} FROM rows WHERE id > ?4",
            (ordinal, first, sent, base + first),
        )
        file.execute("UPDATE streams SET head = ? WHERE receiver = 'hub' AND lineage = ?", (sent + count, ordinal))
        file.execute("UPDATE lineages SET head = ? WHERE ordinal = ?", (first + count, ordinal))
        file.execute("COMMIT")
    return size
