"""A real process, a real file, kill -9: what was called synced is on disk, and numbers go on in a new lineage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path

from dataset.ids import LineageId, NodeId
from dataset.rows import ROW_FROM_BYTES, LegRefused
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.ports import OutboxEntry
from tests.harness.threads import ThreadCalls

HUB = NodeId("hub")
WRITE_FOR_EVER = """
import sys
from pathlib import Path
from tests.contract.test_journal_kill import write_for_ever
write_for_ever(Path(sys.argv[1]), sys.argv[2])
"""


def write_for_ever(path: Path, lineage: str) -> None:
    """Runs in the process that is killed: writes rows, and says on stdout which are synced."""
    calls = ThreadCalls()
    settings = JournalSettings(NodeId("guangzhou"), "boot", lambda: LineageId(lineage), (HUB,))
    journal = SqliteJournal(path, settings, VirtualClock(), calls)
    synced: list[int] = []

    def said(number: int) -> None:
        synced.append(number)
        os.write(1, f"{number}\n".encode())

    for number in count(1):
        row = LegRefused(from_city="x", reason="missing", number=str(number))
        journal.append([(row, ("hub",))], partial(said, number))
        if number - len(synced) >= 50:
            enough = number - 25
            calls.until(partial(_reached, synced, enough))


def _reached(synced: list[int], enough: int) -> bool:
    return len(synced) > enough


def rows_after_the_kill(path: Path, lineage: LineageId, new: LineageId) -> list[tuple[int, str]]:
    """Outbox number and text of each row of the dead run, as the next run finds them."""
    calls = ThreadCalls()
    settings = JournalSettings(NodeId("guangzhou"), "boot", lambda: new, (HUB,))
    journal = SqliteJournal(path, settings, VirtualClock(), calls)
    found: list[tuple[int, str]] = []

    def read(entries: list[OutboxEntry]) -> None:
        for entry in entries:
            row = ROW_FROM_BYTES.decode(entry.data).row
            assert isinstance(row, LegRefused)
            found.append((entry.number, row.number))

    journal.pending(HUB, lineage, 1, 100_000).addCallback(read)
    stopped: list[object] = []
    journal.stop().addBoth(stopped.append)
    calls.until(lambda: bool(stopped))
    return found


def test_killed_process_keeps_what_it_called_synced(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for run in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(path), f"0000000{run}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait(20)
        assert told == list(range(1, len(told) + 1))

        entries = rows_after_the_kill(path, LineageId(f"0000000{run}"), LineageId(f"0000001{run}"))
        assert len(entries) >= len(told)
        assert entries == [(number + 1, str(number)) for number in range(1, len(entries) + 1)]
