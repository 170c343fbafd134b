"""Outbox and inbox over a bad line: after it heals every row is applied gaplessly and once (I3, S1-S4, J2-J5)."""

from __future__ import annotations

from random import Random
from typing import TypeVar

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from dataset.ids import CityId, LineageId, NodeId
from dataset.rows import ROW_BYTES, Journalled, LegRefused, LineageOpened, TailMissing
from federation.core.envelope import Envelope, LedgerHello, LedgerRow, LedgerRows, Stream
from federation.node.clock import VirtualClock
from tests.harness.lossy import Carrier, Node, rows_in

HUB = NodeId("hub")
GZ = NodeId("guangzhou")
T = TypeVar("T")
BEEF = LineageId("0000beef")


def now(deferred: Deferred[T]) -> T:
    got: list[T] = []
    deferred.addCallback(got.append)
    return got[0]


def province(seed: int = 1, *, loss: float = 0.0, double: float = 0.0, delay_s: float = 0.05) -> Carrier:
    return Carrier(VirtualClock(1_000_000.0), seed, loss=loss, double=double, delay_s=delay_s)


def row(number: int) -> LegRefused:
    return LegRefused(from_city="shenzhen", reason="missing", number=str(number))


def settled(city: Node, hub: Node, within_s: float = 600.0) -> bool:
    city.carrier.clock.advance(0.02)
    return city.carrier.clock.run_until(
        lambda: not any(city.ledger.waiting().values()) and city.ledger.open_to(HUB), within_s
    )


def assert_all_applied(city: Node, hub: Node) -> None:
    """The hub has every row on the city's disk, once, and in each lineage in order."""
    expected = rows_in(city.disk, "hub")
    got = [(one.lineage, one.sequence) for one in hub.applied if one.node == city.name]
    assert sorted(got) == sorted(expected)
    for lineage in {lineage for lineage, _ in got}:
        sequences = [sequence for of, sequence in got if of == lineage]
        assert sequences == sorted(sequences)
    for lineage, head in hub.store.heads(city.name).items():
        assert head == sum(of == lineage for of, _ in expected)


def test_rows_arrive_once_and_in_order() -> None:
    """The plain case: what a city journals is at the hub a moment later."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    for number in range(100):
        city.write(row(number), "hub")
    assert settled(city, hub, 5.0)
    assert_all_applied(city, hub)
    assert isinstance(hub.applied[0].row, LineageOpened)


def test_nothing_is_published_before_it_is_synced() -> None:
    """S1: a row that a crash could still take back is known to nobody else."""
    carrier = province(delay_s=0.0)
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    assert settled(city, hub)
    city.write(row(1), "hub")
    carrier.clock.advance(0.004)
    city.crash()
    carrier.clock.advance(60.0)
    assert [type(one.row) for one in hub.applied] == [LineageOpened]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    double=st.sampled_from([0.0, 0.2]),
    delay_s=st.sampled_from([0.01, 0.5, 3.0]),
    events=st.lists(st.sampled_from(["write", "city", "hub", "cut", "heal", "wait"]), max_size=30),
)
def test_bad_line_and_crashes_lose_and_double_nothing(
    seed: int, loss: float, double: float, delay_s: float, events: list[str]
) -> None:
    """Whatever is dropped, doubled, reordered, cut off, and whoever is killed: after the heal the hub has every row
    that was called synced, once, gaplessly.
    """
    carrier = province(seed, loss=loss, double=double, delay_s=delay_s)
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    random = Random(seed)
    written = 0
    for event in events:
        match event:
            case "write":
                for _ in range(random.randrange(1, 40)):
                    written += 1
                    city.write(row(written), "hub")
            case "city":
                city.crash()
                city.start()
            case "hub":
                hub.crash()
                hub.start()
            case "cut":
                carrier.cut.add(frozenset((HUB, GZ)))
                city.ledger.link_changed(False)
            case "heal":
                carrier.cut.clear()
                city.ledger.link_changed(True)
        carrier.clock.advance(random.uniform(0.0, 5.0))
    carrier.heal()
    assert settled(city, hub)
    on_record = [one for one, _ in hub.ledger_disk.rows.values()]
    told = [one.row for one in on_record if isinstance(one.row, LegRefused)]
    assert [one for one in city.synced if one not in told] == []
    expected = rows_in(city.disk, "hub")
    assert sorted((one.lineage, one.sequence) for one in on_record) == sorted(expected)
    assert len({(one.lineage, one.sequence) for one in hub.applied}) == len(hub.applied)


def test_hub_killed_in_the_middle_goes_on_where_its_cursor_is() -> None:
    """Failure mode 3: the restarted hub refuses the old session, the city opens a new one from the stated heads."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    for number in range(2_000):
        city.write(row(number), "hub")
    assert carrier.clock.run_until(lambda: len(hub.applied) > 300, 60.0)
    hub.crash()
    carrier.clock.advance(1.0)
    hub.start()
    assert settled(city, hub)
    assert_all_applied(city, hub)
    assert hub.ledger.counts()[GZ].refused >= 1


def test_hub_with_an_empty_disk_rebuilds_its_ledger() -> None:
    """J5: the city sends again what was acknowledged long ago, every lineage of it."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    for number in range(50):
        city.write(row(number), "hub")
    assert settled(city, hub)
    city.crash()
    city.start()
    assert settled(city, hub)
    before = {(one.lineage, one.sequence) for one in hub.applied}
    hub.crash()
    fresh = Node("hub", carrier)
    carrier.heal()
    assert carrier.clock.run_until(lambda: len(fresh.applied) == len(before), 60.0)
    assert {(one.lineage, one.sequence) for one in fresh.applied} == before


def test_numbers_no_longer_kept_become_a_named_hole() -> None:
    """J5: what neither side has any more is named as unknown, and does not stop the rest."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    for number in range(30):
        city.write(row(number), "hub")
    assert settled(city, hub)
    carrier.clock.advance(31 * 86_400.0)
    city.write(row(31), "hub")
    assert settled(city, hub)
    hub.crash()
    fresh = Node("hub", carrier)
    carrier.heal()
    assert carrier.clock.run_until(lambda: len(fresh.applied) == 2, 60.0)
    unknown = now(fresh.store.unknown())
    assert [(hole.first, hole.last) for hole in unknown.holes] == [(2, 31)]
    assert fresh.ledger.unknown_rows(CityId(city.name)) == 30


def test_lineage_with_nothing_kept_does_not_stop_the_others() -> None:
    """J5, the extreme: an old lineage of which only its opening is left."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    city.write(row(1), "hub")
    assert settled(city, hub)
    city.crash()
    carrier.clock.advance(40 * 86_400.0)
    city.start()
    carrier.clock.advance(600.0)
    city.write(row(2), "hub")
    assert settled(city, hub)
    assert len(rows_in(city.disk, "hub")) == 3
    hub.crash()
    fresh = Node("hub", carrier)
    carrier.heal()
    assert carrier.clock.run_until(lambda: sum(fresh.store.heads(city.name).values()) == 4, 60.0)
    assert fresh.store.unknown_count(city.name) == 1


def test_journal_restored_from_a_backup_names_its_missing_tail() -> None:
    """J2: a restored journal that wrote on before connecting gives no number twice, and says what it does not know."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    city.write(row(1), "hub")
    carrier.clock.advance(1.0)
    backup, old = city.disk.copy(), city.journal.lineage
    city.write(row(2), "hub")
    assert settled(city, hub)
    city.crash()
    city.disk = backup
    carrier.cut.add(frozenset((HUB, GZ)))
    city.start()
    city.write(row(3), "hub")
    carrier.clock.advance(5.0)
    carrier.heal()
    assert settled(city, hub)
    carrier.clock.advance(5.0)
    texts = [one.row.number for one in hub.applied if isinstance(one.row, LegRefused)]
    assert texts == ["1", "2", "3"]
    missing = [one for one in hub.applied if isinstance(one.row, TailMissing)]
    assert [one.row for one in missing] == [TailMissing(receiver="hub", of=old, stated=3, held=2)]
    assert missing[0].lineage != old


def test_journal_lost_whole_names_the_lineages_it_does_not_know() -> None:
    """J2 and failure mode 26: journal gone, new one; the hub keeps what it had."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    city.write(row(1), "hub")
    assert settled(city, hub)
    old = city.journal.lineage
    city.crash()
    city = Node("guangzhou", carrier, ("hub",))
    assert settled(city, hub)
    carrier.clock.advance(1.0)
    assert [one.row for one in hub.applied if isinstance(one.row, TailMissing)] == [
        TailMissing(receiver="hub", of=old, stated=2, held=0)
    ]


def test_late_rows_of_a_closed_lineage_are_applied() -> None:
    """J4: what a dead run had not yet delivered comes after the new run's rows, and counts."""
    carrier = province()
    hub, city = Node("hub", carrier), Node("guangzhou", carrier, ("hub",))
    assert settled(city, hub)
    carrier.cut.add(frozenset((HUB, GZ)))
    for number in range(500):
        city.write(row(number), "hub")
    carrier.clock.advance(5.0)
    old = city.journal.lineage
    city.crash()
    city.start()
    city.write(row(1_000), "hub")
    carrier.clock.advance(1.0)
    sent_before = len(carrier.sent)
    carrier.heal()
    assert settled(city, hub)
    assert_all_applied(city, hub)
    later = [one.body.lineage for one in carrier.sent[sent_before:] if isinstance(one.body, LedgerRows)]
    assert later[0] == city.journal.lineage, "the current lineage goes first (S4)"
    assert set(later[1:]) == {old}


def test_poison_row_is_parked_and_the_rest_flows() -> None:
    """S2 and failure mode 10: an unknown kind and plain rubbish hold nothing up, and are named."""
    carrier = province()
    hub = Node("hub", carrier)
    good = ROW_BYTES.encode(Journalled(node="gz", lineage=BEEF, sequence=3, wall=1.0, mono=1.0, boot="b", row=row(1)))
    newer = good.replace(b"leg_refused", b"leg_teleported")

    def say(body: LedgerHello | LedgerRows) -> None:
        envelope = Envelope(sender=GZ, to=HUB, stream=Stream.LEDGER, lineage=BEEF, sequence=1, body=body)
        hub.ledger.heard(envelope)

    session = f"{BEEF}-000001"
    say(LedgerHello(session=session, lineage=BEEF, head=3))
    rows = tuple(
        LedgerRow(number=number, row=msgspec.Raw(data))
        for number, data in enumerate([b'{"no":"row"}', newer, good], start=1)
    )
    say(LedgerRows(session=session, lineage=BEEF, rows=rows))
    carrier.clock.advance(1.0)
    assert [one.row for one in hub.applied] == [row(1)]
    assert hub.store.heads(GZ) == {BEEF: 3}
    unknown = now(hub.store.unknown())
    assert [(one.number, one.why, one.data) for one in unknown.parked] == [
        (1, "unreadable", b'{"no":"row"}'),
        (2, "unreadable", newer),
    ]
    assert hub.ledger.unknown_rows(CityId(GZ)) == 2
