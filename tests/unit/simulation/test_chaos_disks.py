"""The disks of a seed: what a fault takes off them is gone whole, with what was known from it."""

from __future__ import annotations

from dataset.ids import NodeId
from dataset.rows import AnyRow, LineageOpened
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.ports import Journal
from simulation.chaos.disks import ChaosDisks
from tests.harness.rows_of_record import GUANGZHOU, W1, W2, W3, counting_lineages, noted, stepped

NODE = NodeId(GUANGZHOU)
NEVER = 1e12


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.disks = ChaosDisks(self.clock, lambda _: self.clock, lambda *_: None, sync_s=0.005)
        self._lineages = counting_lineages()

    def open(self) -> Journal:
        return self.disks.journal(JournalSettings(NODE, "boot", self._lineages, (NodeId("hub"),)))

    def write(self, journal: Journal, *rows: AnyRow) -> None:
        journal.append([(row, ("hub",)) for row in rows], lambda: None)
        self.clock.advance(1.0)

    def open_work(self, journal: Journal) -> list[AnyRow]:
        return [one.row for one in journal.rows_of_work(NEVER) if not isinstance(one.row, LineageOpened)]


def test_lost_tail_takes_openings_and_endings_of_work_items_with_it() -> None:
    """Which items are open is what the rows say that are left: an ending that is gone never was."""
    scene = Scene()
    journal = scene.open()
    scene.write(journal, stepped(W1), stepped(W2), noted(W1, ended=True), stepped(W3), noted(W2, ended=True))
    scene.disks.crash(NODE)
    assert scene.disks.lose_tail(NODE, 3) == 3
    assert scene.open_work(scene.open()) == [stepped(W1), stepped(W2)]
    assert [one.row for one in scene.disks.destroyed.values()] == [
        noted(W1, ended=True),
        stepped(W3),
        noted(W2, ended=True),
    ]


def test_journal_set_back_to_a_backup_has_the_open_items_of_its_time() -> None:
    """Nor does the backup change with what is written afterwards."""
    scene = Scene()
    journal = scene.open()
    scene.write(journal, stepped(W1))
    backup = scene.disks.backup(NODE)
    scene.write(journal, noted(W1, ended=True), stepped(W2))
    scene.disks.crash(NODE)
    for _ in range(2):
        scene.disks.lose_journal(NODE, backup)
        again = scene.open()
        assert scene.open_work(again) == [stepped(W1)]
        scene.write(again, noted(W1, ended=True))
        assert scene.open_work(again) == []
        scene.disks.crash(NODE)
    scene.disks.lose_journal(NODE, None)
    assert scene.open_work(scene.open()) == []
