"""A disk that is really full: calls go on out of the reserve, records first (23)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataset.ids import AgentId, ContactId, NodeId
from dataset.rows import AgentChanged, AnyRow, Decision
from federation.node import sqlite_thread
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from tests.harness.rows_of_record import C1, born, counting_lineages, ended
from tests.harness.small_disk import fill, small_disk
from tests.harness.threads import ThreadCalls

SIZE = "3m"
RESERVE = 600_000
LINEAGES = counting_lineages()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    with small_disk(tmp_path / "disk", SIZE) as folder:
        yield folder


class City:
    """A journal on ``disk``, and what is said of its troubles."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.calls = ThreadCalls()
        self.clock = VirtualClock(1_000_000.0)
        self.said: list[str | None] = []
        self.synced = 0
        self.open()

    def open(self) -> None:
        settings = JournalSettings(NodeId("guangzhou"), "boot", LINEAGES, (NodeId("hub"),), reserve_bytes=RESERVE)
        self.journal = SqliteJournal(
            self.disk / "journal.sqlite",
            settings,
            self.clock,
            self.calls,
            lambda problem: self.said.append(problem.slug if problem else None),
        )

    def append(self, *rows: AnyRow) -> Callable[[], bool]:
        """Whether they are on disk now."""
        done: list[int] = []
        self.journal.append([(row, ("hub",)) for row in rows], lambda: done.append(1))
        return lambda: bool(done)

    def write(self, *rows: AnyRow) -> None:
        self.calls.until(self.append(*rows))

    def written_or_refused(self, written: Callable[[], bool]) -> bool:
        """Wait for either; whether it is written."""
        self.calls.until(lambda: written() or "disk-refuses" in self.said)
        return written()

    def close(self) -> None:
        done: list[object] = []
        self.journal.stop().addBoth(done.append)
        self.calls.until(lambda: bool(done))


def bulky(number: int) -> AnyRow:
    return born(ContactId(f"0020-0000000a-{number:06x}"), calling="1" * 3_000)


def test_calls_go_on_out_of_the_reserve_and_records_go_first(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up under a running city: rows of record are synced all the same; what only explains is left out
    and counted; the alarm is one line. When there is room again the reserve is taken back, and everything is written.
    """
    monkeypatch.setattr(sqlite_thread, "REFILL_EVERY_S", 0.0)
    city = City(disk)
    city.write(born(C1))
    filler = fill(city.disk)
    number = 0
    while not city.journal.tight:
        number += 1
        city.write(bulky(number))
    city.calls.until(lambda: city.said == ["disk-tight"])
    decision = Decision(contact=C1, n=1, by="guangzhou", choice="home")
    before = len(city.journal.rows_since(0.0))
    city.write(ended(C1), decision, AgentChanged(agent=AgentId("1001@guangzhou"), name="", state="ready"))
    city.write(decision)
    assert len(city.journal.rows_since(0.0)) == before + 1
    assert city.journal.left_out == {"decision": 2, "agent_changed": 1}
    filler.unlink()
    city.write(born(C1))
    city.calls.until(lambda: city.said == ["disk-tight", None])
    city.write(decision)
    assert isinstance(city.journal.rows_since(0.0)[-1].row, Decision)
    city.close()


def test_reserve_is_taken_back_while_nothing_is_written(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room was made in a quiet night: the alarm ends by itself, not with the next call."""
    monkeypatch.setattr(sqlite_thread, "REFILL_EVERY_S", 0.05)
    city = City(disk)
    filler = fill(city.disk)
    number = 0
    while not city.journal.tight:
        number += 1
        city.write(bulky(number))
    filler.unlink()
    city.calls.until(lambda: city.said == ["disk-tight", None])
    city.close()


def test_nothing_is_called_synced_when_the_reserve_is_gone_too(disk: Path) -> None:
    """O2, J1: no call is bridged without its row. Then rows wait, in order, and are written once there is room."""
    city = City(disk)
    filler = fill(city.disk)
    number = 0
    written = city.append(bulky(number))
    while city.written_or_refused(written):
        number += 1
        written = city.append(bulky(number))
    assert number > 10, "the reserve was worth something"
    assert not written()
    assert city.said == ["disk-tight", "disk-refuses"]
    filler.unlink()
    city.calls.until(written)
    assert len(city.journal.rows_since(0.0)) == number + 2
    city.close()


def test_city_starts_on_a_full_disk(disk: Path) -> None:
    """A restart must not be what takes a city down: its first row takes the reserve."""
    city = City(disk)
    city.write(born(C1))
    first = city.journal.lineage
    city.close()
    fill(city.disk)
    city.open()
    assert city.journal.tight
    assert city.journal.lineage != first
    assert [one.row for one in city.journal.rows_of_live_contacts()] == [born(C1)]
    city.write(ended(C1))
    city.close()
