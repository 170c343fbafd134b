"""Interleavings of federation.md in which a disk loses what it held, or a process sleeps through its deadlines."""

from __future__ import annotations

from dataset import rows
from dataset.ids import HUB, NodeId
from dataset.rows import Ending, Evidence, Withdrawn
from federation.core.envelope import LedgerRows, Taken
from federation.core.joins import LOST_WITH_JOURNAL
from federation.node.journal_memory import MemoryDisk
from federation.node.ledger_store_memory import MemoryLedger
from site_node.switch.simulated.phones import Caller
from tests.province.interleaved import ANCHOR, SERVING, Scene, interleaving

HUB2 = NodeId("hub2")


def _served(scene: Scene, talk_s: float = 5.0) -> Caller:
    """A caller who talks with the agent at home and hangs up; a little later the agent is 示闲 again."""
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(talk_s)
    caller.hang_up()
    scene.pass_s(18.0)
    return caller


@interleaving(
    "journal lost to the last sync",
    "S1",
    "J1",
    broken_by=(
        "rows_are_published_before_their_sync",
        "run_goes_on_in_the_old_lineage",
        "caller_is_answered_before_birth_is_synced",
    ),
)
def journal_tail_lost(scene: Scene) -> None:
    """The process dies with rows that are not synced: nobody has heard of them, so the hub has nothing that no journal
    holds (S1), and the next run uses none of their ids again.
    """
    scene.agent(ANCHOR)
    _served(scene)
    scene.slow_disk(ANCHOR, 2.0)
    caller = scene.call(ANCHOR, wait_s=0.0)
    scene.pass_s(1.0)
    assert caller.answered is None
    scene.moment()
    scene.restart(ANCHOR)
    scene.pass_s(8.0)
    scene.agent(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    assert scene.talking(ANCHOR, caller)
    assert scene.rows(ANCHOR, rows.TailMissing) == []
    scene.holds()


@interleaving(
    "journal lost whole",
    "J2",
    "E3",
    broken_by=("missing_tail_is_not_named", "lost_contacts_stay_alive"),
)
def journal_lost(scene: Scene) -> None:
    """The journal is gone. The next run is told by the hub what it no longer knows, and says so on record (J2); what
    lived in the lost journal counts as lost with it, computed and not written (E3), until its rows have come back and
    are ended (J5); no id comes twice.
    """
    scene.agent(ANCHOR)
    _served(scene)
    known = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    number = known.calling
    scene.kill(ANCHOR)
    scene.set_back(ANCHOR, MemoryDisk())
    tail = scene.hold(ANCHOR, LedgerRows)
    scene.moment()
    scene.pass_s(1.0)
    scene.begin(ANCHOR)
    scene.pass_s(5.0)
    named = scene.rows(ANCHOR, rows.TailMissing)
    assert {row.receiver for row in named} == {HUB}
    assert all(row.stated > row.held for row in named)
    lost = scene.record(number).ending
    assert lost is not None
    assert (lost.cause, lost.computed, lost.evidence) == (LOST_WITH_JOURNAL, True, Evidence.PROVISIONAL)
    tail.let_go()
    scene.pass_s(15.0)
    scene.agent(ANCHOR)
    _served(scene)
    ended = scene.record(number).ending
    assert ended is not None
    assert (ended.cause, ended.computed, ended.evidence) == ("journal_lost", False, Evidence.INFERRED)
    scene.settle()
    found = scene.findings()
    assert found.passed, found.text()
    assert found.contacts == 3


@interleaving(
    "journal restored from an old backup and written on before connecting",
    "J2",
    "E1",
    broken_by=("missing_tail_is_not_named", "ending_that_came_last_wins", "evidence_does_not_count"),
)
def journal_restored(scene: Scene) -> None:
    """The journal is that of an old backup, and is written on before anybody else is heard: comparing numbers shows
    nothing (J2). What the restored journal takes for alive it ends as inferred, and that gives way to what was seen.
    """
    scene.agent(ANCHOR)
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    backup = scene.backup(ANCHOR)
    caller.hang_up()
    scene.pass_s(18.0)
    _served(scene)
    scene.kill(ANCHOR)
    scene.set_back(ANCHOR, backup)
    scene.cut(ANCHOR)
    scene.moment()
    scene.pass_s(1.0)
    scene.begin(ANCHOR)
    scene.agent(ANCHOR)
    for _ in range(3):
        _served(scene)
    scene.mend(ANCHOR)
    scene.pass_s(10.0)
    assert len(scene.rows(ANCHOR, rows.TailMissing)) == 1
    record = scene.record(caller.calling)
    assert record.ending is not None
    assert (record.ending.ending, record.ending.evidence) == (Ending.COMPLETED, Evidence.SEEN)
    assert record.ending.others == 1
    assert scene.province_record(caller.calling) == ("completed", False)
    scene.settle()
    found = scene.findings()
    assert (found.phantom, found.lost) == ([], [])
    assert [sentence for sentence in found.doubled if record.contact not in sentence] == []
    assert found.contacts == 5


@interleaving(
    "late rows of a lost lineage",
    "J4",
    "E3",
    broken_by=("lost_is_written_when_a_message_arrives", "rows_of_closed_lineages_are_refused"),
)
def late_rows_of_lost_lineage(scene: Scene) -> None:
    """A city's machine is rebuilt with an empty disk, and what it had in hand counts as lost. Then the old disk is
    found: its rows come late, are applied as what they are (J4), and are better than lost (E3).
    """
    scene.agent(ANCHOR)
    caller = scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    scene.cut(ANCHOR)
    scene.pass_s(3.0)
    caller.hang_up()
    scene.pass_s(18.0)
    scene.kill(ANCHOR)
    old = scene.backup(ANCHOR)
    scene.set_back(ANCHOR, MemoryDisk())
    tail = scene.hold(ANCHOR, LedgerRows)
    scene.moment()
    scene.mend(ANCHOR)
    scene.begin(ANCHOR)
    scene.pass_s(10.0)
    lost = scene.record(caller.calling).ending
    assert lost is not None
    assert lost.computed
    assert scene.province_record(caller.calling) == ("failed", True)
    scene.kill(ANCHOR)
    new = scene.backup(ANCHOR)
    new.lineages[:0] = old.lineages
    scene.set_back(ANCHOR, new)
    scene.destroyed.clear()
    scene.begin(ANCHOR)
    tail.let_go()
    scene.pass_s(20.0)
    found = scene.record(caller.calling).ending
    assert found is not None
    assert (found.ending, found.computed) == (Ending.COMPLETED, False)
    assert scene.province_record(caller.calling) == ("completed", False)
    scene.holds()


@interleaving(
    "hub disk lost after relaying an order",
    "J5",
    "S3",
    broken_by=("acknowledgement_is_for_ever", "origin_is_not_compared"),
    hubs=(HUB, HUB2),
)
def hub_disk_lost(scene: Scene) -> None:
    """A city lost its journal and both hubs gave it its rows back; then one hub loses its disks. What is in the cities'
    journals comes again from there (J5), the rest from the other hub; every row is on record once, whoever sent it how
    often (S3).
    """
    scene.agent(ANCHOR)
    scene.agent(SERVING)
    _served(scene)
    scene.kill(ANCHOR)
    scene.set_back(ANCHOR, MemoryDisk())
    scene.begin(ANCHOR)
    scene.pass_s(15.0)
    assert len(scene.rows(ANCHOR, rows.TailMissing)) == 2
    scene.agent(ANCHOR)
    scene.call(ANCHOR)
    scene.phone(ANCHOR).answer()
    scene.pass_s(5.0)
    scene.kill(HUB)
    disk = scene.memory.disk(NodeId(HUB))
    disk.journal, disk.ledger = MemoryDisk(), MemoryLedger()
    scene.moment()
    scene.pass_s(1.0)
    scene.begin(HUB)
    scene.pass_s(60.0)
    for node in (HUB, HUB2, ANCHOR):
        there = scene.on_record(node)
        assert sorted(set(there)) == sorted(there)
    assert set(scene.on_record(HUB)) == set(scene.on_record(HUB2))
    scene.holds()


@interleaving(
    "node paused past its lease, then continues",
    "A3",
    "A9",
    "O2",
    broken_by=("answer_after_withdrawal_is_kept", "lease_has_no_time_to_live"),
)
def paused_past_lease(scene: Scene) -> None:
    """The serving node sleeps while its lease runs out and the leg comes: the leg is refused, the caller keeps the
    place. Then the anchor sleeps past its ring time while the agent answers: the attempt is withdrawn, and the late
    answer is hung up. One owner throughout.
    """
    agent = scene.agent(SERVING)
    trunk = scene.network.trunk(ANCHOR, SERVING)
    trunk.delay_s = 8.0
    stuck = scene.hold(SERVING, Taken)
    caller = scene.call(ANCHOR)
    scene.processes[NodeId(SERVING)].stop()
    scene.pass_s(9.0)
    stuck.open = True
    scene.processes[NodeId(SERVING)].go_on()
    scene.pass_s(1.0)
    assert scene.phone(SERVING).rings == 0
    assert [row.reason for row in scene.rows(SERVING, rows.LegRefused)] == ["expired"]
    trunk.delay_s = 0.02
    assert scene.time.run_until(lambda: scene.phone(SERVING).ringing, 45.0)
    assert not caller.over

    scene.pass_s(5.0)
    scene.processes[NodeId(ANCHOR)].stop()
    scene.pass_s(10.0)
    scene.network.city(ANCHOR).report_delay_s = 12.0
    scene.phone(SERVING).answer()
    scene.moment()
    scene.pass_s(20.0)
    tries = len(scene.rows(ANCHOR, rows.AttemptOpened))
    scene.processes[NodeId(ANCHOR)].go_on()
    scene.network.city(ANCHOR).report_delay_s = 0.0
    scene.pass_s(2.0)
    outcomes = [row for row in scene.rows(ANCHOR, rows.AttemptWithdrawn) if row.n == tries]
    assert [row.reason for row in outcomes] == [Withdrawn.TIMED_OUT]
    assert tries not in [row.n for row in scene.rows(ANCHOR, rows.AttemptAnswered)]
    assert not caller.over
    scene.pass_s(20.0)
    assert scene.seat(agent).presence in ("alerting", "ready")
    scene.holds()
