"""A file into a store of any form: bad rows aside, twice as once, and whole after a kill at any moment."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.importing import parse_mapping
from dataset.number_plan import parse_plan
from dataset.pages import Span
from dataset.puts import Put, prepare
from dataset.records.catalogue import EVERY
from dataset.records.directory import DIRECTORY, DirectoryEntry, spelled
from federation.node.csv_import import BATCH, Progress, Source, import_csv
from federation.node.store_sqlite import SqliteStore
from federation.ports import Store
from tests.harness.store_forms import NODE, Form, MemoryForm, SqliteForm, outcome, result
from tests.harness.threads import ThreadCalls

CITY = "guangzhou"
NUMBER_PLAN = Path(__file__).resolve().parents[2] / "conf" / "number_plan.toml"
MAPPING = b"""
table = "directory"
home = "020"
[constants]
city = "guangzhou"
[[column]]
name = "number"
field = "number"
as = "number"
[[column]]
name = "name"
field = "name"
"""
ROWS = 3 * BATCH + 57
BAD = (5, BATCH, BATCH + 1, 2 * BATCH + 3, ROWS)
"""rows whose number is none"""
TWICE = (7, 2 * BATCH + 9)
"""rows with the number of the row before, and another name"""


def rare(n: int) -> str:
    return f"{'𠮷䶮㐂𪚥'[n % 4]}记商店{n}"


def number(n: int) -> str:
    return "none" if n in BAD else str(88_880_000 + (n - 1 if n in TWICE else n))


def write(path: Path, encoding: str = "utf-8-sig", count: int = ROWS) -> None:
    text = "number,name\r\n" + "".join(f"{number(n)},{rare(n)}\r\n" for n in range(1, count + 1))
    path.write_bytes(text.encode(encoding))


def source(path: Path, revision: int = 1, mapping: bytes = MAPPING) -> Source:
    plan = parse_plan(NUMBER_PLAN.read_bytes(), NUMBER_PLAN.name)
    tables = {table.name: table for table in EVERY}
    read = parse_mapping(mapping, "m.toml", tables, plan, {"directory": spelled})
    return Source(file=path, mapping=read, mapping_bytes=mapping, revision=revision)


@pytest.fixture(params=[MemoryForm, SqliteForm])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    form: Form = request.param(tmp_path)
    yield form
    form.close()


def run(form: Form, store: Store, what: Source) -> Progress:
    return result(form, Deferred.fromCoroutine(import_csv(store, what, lambda _: None)))


def imported(form: Form, store: Store) -> list[tuple[str, str]]:
    """Number and name of everything in the directory."""
    found: list[DirectoryEntry] = []
    for head in "𠮷䶮㐂𪚥":
        token = None
        while True:
            page = result(form, store.page(DIRECTORY, (CITY, head), Span(), index="by_name", limit=1_000, token=token))
            found += page.records
            token = page.token
            if token is None:
                break
    return sorted((one.number, one.name) for one in found)


def expected() -> list[tuple[str, str]]:
    """Of two contents of one revision the greater bytes stand; the other is a conflict."""
    names: dict[str, list[str]] = {}
    for n in range(1, ROWS + 1):
        if n not in BAD:
            names.setdefault(f"020{number(n)}", []).append(rare(n))
    return sorted((one, max(found, key=lambda name: _bytes(one, name))) for one, found in names.items())


def _bytes(of: str, name: str) -> bytes:
    return prepare(Put(DIRECTORY, spelled(DirectoryEntry(city=CITY, number=of, name=name)))).data  # type: ignore[arg-type]


def bad_rows(path: Path) -> list[tuple[str, str, str]]:
    """Name, line and reason of each row put aside."""
    text = path.with_name(f"{path.name}.bad.csv").read_bytes().decode("utf-8-sig")
    header, *found = csv.reader(text.splitlines())
    assert header == ["number", "name", "行 line", "原因 reason"]
    return [(row[1], row[2], row[3]) for row in found]


def pairs(path: Path) -> list[int]:
    """Lines put aside. Of two rows with one key, the one that is named is the one that found the other there: after a
    kill, when both were in the store already, it is the first.
    """
    return [int(line) + (int(line) in TWICE) for _, line, _ in bad_rows(path)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_file_is_in_the_store_with_its_rare_characters(form: Form, tmp_path: Path, encoding: str) -> None:
    """Every good row is there, every bad one is put aside with its line and reason, in both languages."""
    path = tmp_path / "directory.csv"
    write(path, encoding)
    store = form.open(EVERY)
    heard: list[Progress] = []
    done = result(form, Deferred.fromCoroutine(import_csv(store, source(path), heard.append)))
    assert imported(form, store) == expected()
    assert (done.rows, done.bad, done.written) == (ROWS, len(BAD) + len(TWICE), ROWS - len(BAD) - len(TWICE))
    assert [one.rows for one in heard] == [BATCH, 2 * BATCH, 3 * BATCH, ROWS, ROWS]
    assert heard[-1] == done
    assert done.at == done.size == path.stat().st_size
    aside = bad_rows(path)
    assert [(name, line) for name, line, _ in aside] == [(rare(n), str(n + 1)) for n in sorted((*BAD, *TWICE))]
    assert all(
        reason.startswith("number：") and " · number: " in reason for _, line, reason in aside if int(line) - 1 in BAD
    )
    assert len(result(form, store.conflicts(DIRECTORY))) == len(TWICE)


def test_second_run_changes_nothing_and_a_later_revision_does(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "directory.csv"
    write(path)
    store = form.open(EVERY)
    first = run(form, store, source(path))
    again = run(form, store, source(path))
    assert (again.written, again.bad) == (0, first.bad)
    assert again.unchanged == first.written
    assert imported(form, store) == expected()
    later = run(form, store, source(path, revision=2))
    assert (later.written, later.unchanged) == (first.written, 0)
    late = run(form, store, source(path, revision=1))
    assert (late.written, late.older) == (0, ROWS - len(BAD))


def test_bad_rows_put_right_are_imported_from_their_own_file(form: Form, tmp_path: Path) -> None:
    """What is put aside is a file that can be corrected and given again: its further columns are passed over."""
    path = tmp_path / "directory.csv"
    path.write_bytes("number,name\nnone,𠮷记\n".encode("gb18030"))
    store = form.open(EVERY)
    assert run(form, store, source(path)).bad == 1
    aside = path.with_name("directory.csv.bad.csv")
    aside.write_bytes(aside.read_bytes().replace(b"none", b"88880001", 1))
    done = run(form, store, source(aside))
    assert (done.written, done.bad) == (1, 0)
    assert imported(form, store) == [("02088880001", "𠮷记")]
    assert not aside.with_name(f"{aside.name}.bad.csv").exists()


@pytest.mark.parametrize(("written", "sign"), [("tab", "\t"), (";", ";"), ("|", "|")])
def test_cells_may_stand_apart_otherwise(form: Form, tmp_path: Path, written: str, sign: str) -> None:
    """Also in the file of bad rows, which is to be imported by the same mapping."""
    path = tmp_path / "directory.csv"
    path.write_text(f"number{sign}name\n88880001{sign}𠮷记\nnone{sign}䶮记\n", "utf-8")
    store = form.open(EVERY)
    done = run(form, store, source(path, mapping=f'delimiter = "{written}"'.encode() + MAPPING))
    assert (done.written, done.bad) == (1, 1)
    assert imported(form, store) == [("02088880001", "𠮷记")]
    aside = path.with_name("directory.csv.bad.csv").read_text("utf-8-sig").splitlines()[1]
    assert aside.startswith(f"none{sign}䶮记{sign}3{sign}")


def test_row_that_the_store_does_not_take_costs_no_other(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "directory.csv"
    long = "长" * 200
    path.write_text(f"number,name\n88880001,{long}\n88880002,𠮷记\n", "utf-8")
    mapping = MAPPING + b'[[column]]\nname = "name"\nfield = "district"\n[[column]]\nname = "name"\nfield = "street"\n'
    store = form.open(EVERY)
    done = run(form, store, source(path, mapping=mapping))
    assert (done.written, done.bad) == (1, 1)
    assert bad_rows(path)[0][1] == "2"
    assert imported(form, store) == [("02088880002", "𠮷记")]


@pytest.mark.parametrize(
    ("data", "slug"),
    [(None, "import-file"), (b"", "import-column"), (b"number\n1\n", "import-column"), (b"\xff\xff\n", "csv-encoding")],
)
def test_file_that_is_none_is_refused_with_its_name(form: Form, tmp_path: Path, data: bytes | None, slug: str) -> None:
    path = tmp_path / "directory.csv"
    if data is not None:
        path.write_bytes(data)
    store = form.open(EVERY)
    refused = outcome(form, Deferred.fromCoroutine(import_csv(store, source(path), lambda _: None)))
    assert isinstance(refused, Refused)
    assert refused.problems[0].slug == slug
    assert "directory.csv" in refused.problems[0].place


def test_import_that_dies_at_any_moment_goes_on_and_is_whole(tmp_path: Path) -> None:
    """Killed again and again, between rows and cursor too: in the end the store and the file of bad rows are those of
    an import that was never disturbed, and what was done is not done from the start again.
    """
    path = tmp_path / "directory.csv"
    write(path)
    undisturbed = MemoryForm(tmp_path)
    run(undisturbed, undisturbed.open(EVERY), source(path))
    aside = pairs(path)
    assert len(aside) == len(BAD) + len(TWICE)
    path.with_name(f"{path.name}.bad.csv").unlink()

    form = MemoryForm(tmp_path)
    what = source(path)
    begins: list[int] = []
    for steps in range(1, 60):
        store = form.open(EVERY)
        heard: list[Progress] = []
        got: list[object] = []
        Deferred.fromCoroutine(import_csv(store, what, heard.append)).addBoth(got.append)
        form.clock.advance(0.003 * (steps % 9 + 1))
        if heard:
            begins.append(heard[0].rows)
        if got:
            break
        store.crash()
    else:
        raise AssertionError("it never came to its end")
    assert isinstance(got[0], Progress)
    assert begins == sorted(begins)
    assert len(set(begins)) > 2
    last = form.open(EVERY)
    assert imported(form, last) == expected()
    assert pairs(path) == aside
    assert (got[0].rows, got[0].bad) == (ROWS, len(BAD) + len(TWICE))


IMPORT = """
import sys
from pathlib import Path
from tests.contract.test_csv_import import import_in_a_process
import_in_a_process(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def import_in_a_process(store_file: Path, file: Path) -> None:
    """Runs in the process that is killed: says on stdout how many rows are done."""
    calls = ThreadCalls()
    store = SqliteStore(store_file, NODE, EVERY, calls)
    got: list[object] = []

    def told(progress: Progress) -> None:
        os.write(1, f"{progress.rows}\n".encode())

    Deferred.fromCoroutine(import_csv(store, source(file), told)).addBoth(got.append)
    calls.until(lambda: bool(got))


def test_killed_import_goes_on_in_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "directory.csv"
    write(path)
    form = SqliteForm(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(form.path), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [int(process.stdout.readline()) for _ in range(2)] == [BATCH, 2 * BATCH]
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    store = form.open(EVERY)
    heard: list[Progress] = []
    done = result(form, Deferred.fromCoroutine(import_csv(store, source(path), heard.append)))
    assert heard[0].rows > BATCH
    assert done.rows == ROWS
    assert imported(form, store) == expected()
    assert pairs(path) == [n + 1 for n in sorted((*BAD, *TWICE))]
    form.close()
