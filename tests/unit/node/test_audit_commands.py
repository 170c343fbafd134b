"""An operator, or an auditor, asks the files whether every look is still there, and who has looked at whose data."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dataset.ids import HUB, LineageId, NodeId
from dataset.rows import ROW_FROM_BYTES, Viewed
from federation.core.ledger import Batch, ReceivedEntry
from federation.node.audit_files import check_journal
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import SqliteJournal
from federation.node.ledger_store_sqlite import SqliteLedgerStore
from federation.node.login import CHEAP, UserRecord
from federation.node.users import write_users
from provincial_hub.__main__ import provincial_hub
from simulation.command import yht
from tests.harness.rows_of_record import C1, born, counting_lineages, viewed
from tests.harness.threads import ThreadCalls

GZ = NodeId("guangzhou")
PROVINCE = Path("conf/province.toml").resolve()
LINE = "02081230001"
PASSWORD = "correct horse battery"


class Files:
    """The journal of 广州 and the ledger of a hub, as running nodes have them."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.config = folder / "data" / "journal.sqlite", folder / "hub.toml"
        self.ledger = folder / "data" / "ledger.sqlite"
        self.city = folder / "guangzhou.toml"
        common = f'province = "{PROVINCE}"\ndata = "data"\n[http]\nport = 0\n'
        self.config.write_text(f'{common}[link]\nform = "inprocess"\n')
        self.city.write_text(
            f'city = "guangzhou"\n{common}[switch]\nurl = "http://127.0.0.1:8088/ari"\npassword = "none"\n'
        )
        self._calls, self._lineages = ThreadCalls(), counting_lineages()
        self._clock = VirtualClock(wall0=1_700_000_000.0)
        self._sent: dict[LineageId, int] = {}
        for rows in (
            [viewed("K1"), born(C1), viewed("K1", what=Viewed.LINE, id=LINE, line=LINE)],
            [viewed("K2", unmasked=True, reason="核对地址"), viewed("", customers=(), refused="not-your-role")],
        ):
            self.run_city(rows)
        staff = (("audit", "auditor"), ("boss", "supervisor"))
        users = [UserRecord(user, user, frozenset({role}), CHEAP.hash(PASSWORD)) for user, role in staff]
        write_users(folder / "data" / "users.json", users)

    def run_city(self, rows: list[Any], *, report: bool = True) -> None:
        """One run of the city, and what the hub gets of it."""
        settings = JournalSettings(node=GZ, boot="b", new_lineage=self._lineages, receivers=(HUB,), area_code="020")
        journal = SqliteJournal(self.journal, settings, self._clock, self._calls)
        self._clock.advance(60.0)
        written: list[int] = []
        journal.append([(row, (HUB,)) for row in rows], lambda: written.append(1))
        self._calls.until(lambda: bool(written))
        self._wait(journal.stop())
        if report:
            self._report(journal.lineage)

    def _report(self, lineage: LineageId) -> None:
        with closing(sqlite3.connect(self.journal)) as file:
            found = [data for (data,) in file.execute("SELECT data FROM rows ORDER BY id")]
        rows = [(data, ROW_FROM_BYTES.decode(data)) for data in found]
        own = [(data, row) for data, row in rows if row.lineage == lineage]
        entries = tuple(ReceivedEntry(number, data, row) for number, (data, row) in enumerate(own, 1))
        store, done = SqliteLedgerStore(self.ledger, self._calls), list[int]()
        store.commit(Batch(GZ, lineage, entries, len(entries)), lambda _: done.append(1))
        self._calls.until(lambda: bool(done))
        self._wait(store.stop())

    def _wait(self, closing: Any) -> None:
        done: list[object] = []
        closing.addBoth(done.append)
        self._calls.until(lambda: bool(done))

    def tamper(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.journal)) as file:
            assert file.execute(statement, values).rowcount == 1
            file.commit()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def city(files: Files, what: str, *words: str, user: str = "audit", password: str = PASSWORD) -> tuple[int, str]:
    login = ["--user", user, "--config", str(files.city)] if what == "show" else []
    told = {"YHT_AUDITOR_PASSWORD": password}
    done = CliRunner(env=told).invoke(yht, ["site", "audit", what, "--journal", str(files.journal), *login, *words])
    return done.exit_code, done.output


def hub(files: Files, what: str, *words: str, user: str = "audit", password: str = PASSWORD) -> tuple[int, str]:
    login = ["--user", user] if what == "show" else []
    told = {"YHT_AUDITOR_PASSWORD": password}
    done = CliRunner(env=told).invoke(provincial_hub, ["audit", what, "--config", str(files.config), *login, *words])
    return done.exit_code, done.output


def test_a_whole_chain_is_said_to_be_whole_with_its_time_and_last_hash(files: Files) -> None:
    status, said = city(files, "verify")
    assert status == 0
    assert "guangzhou: 4 条 rows  2023-11-15 06:14 – 2023-11-15 06:15  完整 whole" in said
    assert hub(files, "verify", "--journal", str(files.journal)) == (0, said), "the hub has the same, to the hash"


def test_a_running_node_is_no_hindrance(files: Files) -> None:
    """The file is only read, also while somebody has it open and writes."""
    with closing(sqlite3.connect(files.journal, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        assert city(files, "verify")[0] == 0
        file.execute("ROLLBACK")


def test_a_place_where_the_chain_breaks_is_named(files: Files) -> None:
    files.tamper(
        "UPDATE rows SET data = CAST(replace(CAST(data AS TEXT), 'K2', 'K9') AS BLOB) WHERE instr(data, ?)",
        b'"id":"K2"',
    )
    status, said = city(files, "verify")
    assert status == 1
    assert "! 0000000b #1 (序号 sequence 2): 内容已被改动 its bytes are not those that were written" in said
    assert hub(files, "verify")[0] == 0, "the hub has it as it was"
    status, said = hub(files, "verify", "--journal", str(files.journal))
    assert status == 1
    assert "! 0000000b #1 (序号 sequence 2): 与省中心收到的不同 not what the hub got" in said


def test_a_row_that_was_taken_out_is_missed_also_at_the_very_end(files: Files) -> None:
    files.tamper("DELETE FROM rows WHERE instr(data, ?)", b"not-your-role")
    assert city(files, "verify")[0] == 0, "nothing follows that would miss it"
    status, said = hub(files, "verify", "--journal", str(files.journal))
    assert status == 1
    assert "! 0000000b #2 (序号 sequence 3): 省中心收到过" in said
    files.run_city([])
    status, said = hub(files, "verify")
    assert status == 1, "and the next run of the city tells on it by itself"
    assert "! 0000000c #0: 上一次运行的末尾被截去或改写" in said


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ((), ["K1", "020****0001", "K2", "not-your-role"]),
        (("--customer", "K1"), ["K1", "020****0001"]),
        (("--line", LINE), ["020****0001"]),
        (("--agent", "1001@guangzhou"), ["K1", "020****0001", "K2", "not-your-role"]),
        (("--agent", "9999@guangzhou"), ["nothing on record"]),
    ],
)
def test_views_are_shown_by_customer_line_and_agent_masked(
    files: Files, words: tuple[str, ...], about: list[str]
) -> None:
    status, said = city(files, "show", *words)
    assert status == 0
    lines = said.splitlines()
    assert len(lines) == len(about)
    for line, told in zip(lines, about, strict=True):
        assert told in line
    assert LINE not in said
    assert hub(files, "show", *words) == (0, said)


@pytest.mark.parametrize("ask", [city, hub])
@pytest.mark.parametrize(
    ("user", "password", "slug"),
    [("boss", PASSWORD, "not-your-role"), ("audit", "wrong", "login-refused"), ("nobody", PASSWORD, "login-refused")],
)
def test_views_are_shown_to_an_auditor_alone(
    files: Files, ask: Callable[..., tuple[int, str]], user: str, password: str, slug: str
) -> None:
    status, said = ask(files, "show", user=user, password=password)
    assert status == 1
    assert slug in said
    assert "K1" not in said


def test_no_users_or_a_file_of_users_that_is_none_lets_nobody_look(files: Files) -> None:
    users = files.journal.parent / "users.json"
    users.write_bytes(b'{"users":[{"user":"audit"')
    assert "users-unreadable" in city(files, "show")[1]
    users.unlink()
    status, said = city(files, "show")
    assert (status, "login-refused" in said) == (1, True)


def test_an_auditor_is_a_user_of_a_city_like_others(files: Files) -> None:
    words = ["user", "--config", str(files.city), "--role", "auditor", "--password", PASSWORD, "checker"]
    assert CliRunner().invoke(yht, ["site", *words]).exit_code == 0
    assert city(files, "show", user="checker")[0] == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_verify_needs_the_right_to_read_the_file_and_nothing_else(files: Files) -> None:
    """Nor may it make files of its own beside it: those of a node that is down are read where they lie."""
    folder = files.journal.parent
    for path, mode in ((files.journal, 0o444), (folder, 0o555), *((one, 0o755) for one in folder.parents[:3])):
        path.chmod(mode)
    os.seteuid(65534)
    try:
        assert check_journal(files.journal).whole
    finally:
        os.seteuid(0)


def test_one_bit_that_is_another_is_found(files: Files) -> None:
    with closing(sqlite3.connect(files.journal)) as file:
        (which, data) = file.execute("SELECT id, data FROM rows WHERE instr(data, ?)", (b"K2",)).fetchone()
    at = data.index(b"K2")
    files.tamper("UPDATE rows SET data = ? WHERE id = ?", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], which)
    status, said = city(files, "verify")
    assert status == 1
    assert "内容已被改动" in said


def test_a_row_without_its_hash_or_in_pieces_is_found(files: Files) -> None:
    with closing(sqlite3.connect(files.journal)) as file:
        (which, data) = file.execute("SELECT id, data FROM rows WHERE instr(data, ?)", (b"K2",)).fetchone()
    files.tamper("UPDATE rows SET data = ? WHERE id = ?", re.sub(rb'"hash":"[0-9a-f]*"', b'"ash":""', data), which)
    assert "内容已被改动" in city(files, "verify")[1]
    files.tamper("UPDATE rows SET data = ? WHERE id = ?", data[: len(data) // 2], which)
    status, said = city(files, "verify")
    assert (status, "无法读取" in said) == (1, True)


def test_a_file_that_was_cut_is_refused_or_its_rows_are_missed(files: Files) -> None:
    for path in files.journal.parent.glob("journal.sqlite-*"):
        path.unlink()
    whole = files.journal.read_bytes()
    for part in (0.9, 0.5, 0.1):
        files.journal.write_bytes(whole[: int(len(whole) * part)])
        status, said = city(files, "verify")
        assert status == 1
        assert "file-unreadable" in said or "!" in said


def test_a_view_in_full_is_shown_with_its_reason(files: Files) -> None:
    [line] = city(files, "show", "--customer", "K2")[1].splitlines()
    assert "1001@guangzhou (agent)  card  customer K2  完整 in full  “核对地址”" in line


@pytest.mark.parametrize(
    ("spoil", "slug"),
    [(lambda path: path.unlink(), "file-missing"), (lambda path: path.write_bytes(b"x" * 9_000), "file-unreadable")],
)
def test_a_file_that_is_none_is_refused(files: Files, spoil: Callable[[Path], None], slug: str) -> None:
    for path in files.journal.parent.glob("journal.sqlite-*"):
        path.unlink()
    spoil(files.journal)
    status, said = city(files, "verify")
    assert status == 1
    assert slug in said


def test_a_journal_of_an_older_format_has_no_audit_rows(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.executescript((Path(__file__).parents[2] / "data" / "journal_format_3.sql").read_text())
        file.execute("INSERT INTO node VALUES ('guangzhou')")
        file.commit()
    done = CliRunner().invoke(yht, ["site", "audit", "verify", "--journal", str(path)])
    assert (done.exit_code, done.output) == (0, "guangzhou: 0 条 rows  完整 whole\n")
