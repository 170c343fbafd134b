"""``python -m site_node import``: records of other systems, as a city's own program takes them in."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.importing import parse_mapping
from dataset.number_plan import parse_plan
from dataset.records.catalogue import EVERY
from dataset.records.directory import DIRECTORY
from federation.node.csv_import import Progress
from federation.node.program import read_settings
from federation.node.store_sqlite import SqliteStore
from site_node.importing import Wanted, import_file
from site_node.settings import SiteSettings
from tests.harness.store_forms import NODE, SqliteForm, outcome, result

CONF = Path(__file__).parents[3] / "conf"
IMPORTS = sorted((CONF / "imports").glob("*.toml"))
HEADER = "电话号码,名称,别名,行业,区,街道,门牌,不公开\n"
GOOD = "88886666,𠮷野家,,restaurant,天河,体育西路,1,否\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "guangzhou.toml"
    file.write_text(
        f'city = "guangzhou"\nprovince = "{CONF / "province.toml"}"\ndata = "data"\n'
        '[switch]\nurl = "http://127.0.0.1:8088/ari"\npassword = "none"\n'
    )
    return file


def run(config: Path, data: Path, *, mapping: Path | None = None, as_of: date | None = None) -> Progress | str:
    """What the command does, without its process: how far it came, or the slug that it was refused with."""
    wanted = Wanted(
        config=config, mapping=mapping or CONF / "imports" / "directory.toml", data=data, plan=None, as_of=as_of
    )
    form = SqliteForm(config.parent)
    got = outcome(form, import_file(form.calls, read_settings(SiteSettings, config), wanted, lambda _: None))
    if isinstance(got, Refused):
        assert got.problems[0].place
        return got.problems[0].slug
    assert isinstance(got, Progress)
    return got


def names(config: Path, tmp_path: Path) -> list[str]:
    """What stands in the city's store, by its own orders."""
    form = SqliteForm(tmp_path)
    form.path = config.parent / "data" / "store.sqlite"
    store = form.open(EVERY)
    found = [one.name for one in result(form, store.page(DIRECTORY, ("guangzhou", "天河"), index="by_address")).records]
    form.close()
    return found


@pytest.mark.parametrize("path", IMPORTS, ids=lambda path: path.stem)
def test_shipped_mappings_are_sound(path: Path) -> None:
    """Each table that other systems have is mapped in an example that can be used as it is."""
    plan = parse_plan((CONF / "number_plan.toml").read_bytes(), "number_plan.toml")
    tables = {table.name: table for table in EVERY}
    mapping = parse_mapping(path.read_bytes(), path.name, tables, plan)
    assert mapping.table.name == path.stem
    header = [column.name for column in mapping.text.columns]
    assert mapping.bind(header, "x.csv").header == tuple(header)


def test_command_puts_bad_rows_aside_and_says_so(config: Path, tmp_path: Path) -> None:
    """The process itself: progress on stdout, exit status 2, the file of bad rows named."""
    data = tmp_path / "directory.csv"
    data.write_bytes((HEADER + GOOD + "12,䶮店,,,天河,体育西路,2,否\n").encode("gb18030"))
    command = [sys.executable, "-m", "site_node", "import", "--config", str(config), "--as-of", "2026-01-31"]
    mapping = ["--mapping", str(CONF / "imports" / "directory.toml")]
    done = subprocess.run([*command, *mapping, str(data)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "100%" in done.stdout
    assert "2 行 rows：1 写入 written" in done.stdout
    assert f"{data}.bad.csv" in done.stderr
    assert names(config, tmp_path) == ["𠮷野家"]


def test_bad_rows_are_put_right_and_newer_data_go_over_older(config: Path, tmp_path: Path) -> None:
    """As an operator does it: import, correct what was put aside in its own file, and later the next delivery."""
    data = tmp_path / "directory.csv"
    data.write_text(HEADER + GOOD + "12,䶮店,,,天河,体育西路,2,否\n", "utf-8")
    first = run(config, data)
    assert isinstance(first, Progress)
    assert (first.written, first.bad) == (1, 1)
    aside = tmp_path / "directory.csv.bad.csv"
    aside.write_bytes(aside.read_bytes().replace(b"\r\n12,", b"\r\n8888-7777,"))
    run(config, aside)
    assert names(config, tmp_path) == ["𠮷野家", "䶮店"]
    data.write_text(HEADER + GOOD.replace("野家", "野家二店"), "utf-8")
    run(config, data, as_of=date(2001, 1, 1))
    assert names(config, tmp_path) == ["𠮷野家", "䶮店"]
    run(config, data, as_of=date(2099, 1, 1))
    assert names(config, tmp_path) == ["𠮷野家二店", "䶮店"]


def test_what_is_wrong_is_said_and_nothing_is_done(config: Path, tmp_path: Path) -> None:
    """A file that is not there, a faulty mapping, another city's mapping, a column that is missing."""
    data, mapping = tmp_path / "x.csv", tmp_path / "m.toml"
    assert run(config, data) == "import-file"
    data.write_text(HEADER, "utf-8")
    shipped = (CONF / "imports" / "directory.toml").read_text("utf-8")
    for old, new, slug in (
        ('field = "district"', 'field = "distrct"', "import-field"),
        ('city = "guangzhou"', 'city = "foshan"', "import-city"),
        ('name = "区"', 'name = "县"', "import-column"),
    ):
        mapping.write_text(shipped.replace(old, new), "utf-8")
        assert run(config, data, mapping=mapping) == slug
    assert names(config, tmp_path) == []


def test_store_that_is_open_elsewhere_is_left_alone(config: Path, tmp_path: Path) -> None:
    form = SqliteForm(tmp_path)
    store = SqliteStore(config.parent / "data" / "store.sqlite", NODE, EVERY, form.calls)
    data = tmp_path / "x.csv"
    data.write_text(HEADER + GOOD, "utf-8")
    assert run(config, data) == "store-in-use"
    result(form, store.stop())
    assert isinstance(run(config, data), Progress)
