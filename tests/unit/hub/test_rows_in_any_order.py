"""What the hub counts does not depend on the way that rows came by (I6, S3)."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.ids import HUB, CityId, ContactId, LineageId, NodeId
from dataset.intervals import fold
from dataset.rows import ROW_BYTES, Ending, Journalled, Left, LineageOpened, SiteDeclaredLost, SiteRejoined
from federation.core.ledger import Batch, ReceivedEntry
from federation.node.clock import VirtualClock
from federation.node.ledger_store_memory import MemoryLedger, MemoryLedgerStore
from provincial_hub.core.revisions import figures, told
from provincial_hub.shell.memory import Memory
from provincial_hub.shell.revisions import Told
from tests.harness.rows_of_record import (
    GUANGZHOU,
    SHENZHEN,
    Writing,
    answered,
    born,
    closed,
    confirmed,
    ended,
    entered,
    left,
    segment,
)

CITIES = (GUANGZHOU, SHENZHEN)
T0 = 1_000_000 // 900 * 900 + 900


def a_few_hours(draw: Random) -> list[Journalled]:
    """Both cities' rows and a hub's: home and moved calls, some never finished, a city lost and back, a new run."""
    writers = {city: Writing(city, f"0000000{at}", T0) for at, city in enumerate(CITIES)}
    rows: list[Journalled] = []
    for number in range(draw.randint(3, 9)):
        anchor, site = draw.choice(CITIES), draw.choice(CITIES)
        contact = ContactId(f"0020-{writers[anchor].lineage}-{number:06x}")
        at = T0 + draw.uniform(0.0, 4_000.0)
        at_home, there = writers[anchor], writers[site]
        rows += at_home.at(at, born(contact, anchor), entered(contact))
        if draw.random() < 0.3:
            rows += at_home.at(at + 20, left(contact, Left.ABANDONED), ended(contact, Ending.ABANDONED, city=anchor))
        elif draw.random() < 0.8:
            how = Left.ANSWERED_HERE if site == anchor else Left.SENT_OUT
            rows += at_home.at(at + 5, answered(contact, site=site), left(contact, how))
            rows += there.at(at + 6, segment(contact, site=site, anchor=anchor), confirmed(contact))
            rows += there.at(at + draw.uniform(10, 1_000), closed(contact, site=site))
            if draw.random() < 0.8:
                rows += at_home.at(at + 1_000, ended(contact, city=anchor))
    hub = Writing(HUB, "000000f1", T0 + 5_000)
    (declared,) = hub.write(SiteDeclaredLost(city=GUANGZHOU, by="bureau", reason="fire"))
    rows.append(declared)
    if draw.random() < 0.5:
        rows += hub.write(SiteRejoined(city=GUANGZHOU, ends=(declared.origin,)))
        again = Writing(GUANGZHOU, "0000000a", T0 + 6_000)
        previous = LineageId("00000000") if draw.random() < 0.5 else None
        rows += again.write(LineageOpened(node=GUANGZHOU, previous=previous, previous_head=3))
    return rows


@settings(max_examples=150, deadline=None)
@given(draw=st.randoms(use_true_random=False))
def test_I6_any_order_with_late_doubled_and_relayed_rows(draw: Random) -> None:  # noqa: N802
    """Each row by itself, in any order, some twice, some through other nodes' streams, with readers in between: the
    figures at the end are those of the offline fold byte for byte, and no revision stood for two contents.
    """
    rows = a_few_hours(draw)
    ways = [(row, row.node) for row in rows]
    ways += [(row, draw.choice((*CITIES, HUB, "hub2"))) for row in rows if draw.random() < 0.4]
    draw.shuffle(ways)
    clock, memory = VirtualClock(), Memory()
    store = MemoryLedgerStore(MemoryLedger(), clock)
    sent: dict[str, int] = {}
    known: Told = {}
    said: dict[tuple[CityId, int, int], str] = {}

    def taken(fresh: object) -> None:
        assert isinstance(fresh, list | tuple)
        for row in fresh:
            memory.apply(row, now=0.0)

    for row, by in ways:
        sent[by] = sent.get(by, 0) + 1
        entry = ReceivedEntry(sent[by], ROW_BYTES.encode(row), row)
        store.commit(Batch(NodeId(by), LineageId("000000aa"), (entry,), sent[by]), taken)
        clock.advance(1.0)
        if draw.random() < 0.2:
            read = figures(memory.intervals.intervals(), CITIES, T0, T0 + 8_000, T0 + 9_000)
            known.update(told(known, read, clock.wall()))
            for slot, digest in read.items():
                assert said.setdefault((*slot, known[slot].number), digest) == digest
    assert memory.intervals.json() == fold(rows).json()
    assert memory.intervals.unconfirmed() == fold(rows).unconfirmed()
