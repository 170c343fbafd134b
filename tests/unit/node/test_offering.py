"""The province's services are read with the province: a fault in one of them is found before anything starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dataset.errors import Refused
from federation.node.offering import Offering, load_offering
from federation.node.province import load_province
from provincial_hub.__main__ import provincial_hub

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The shipped files, to be changed."""
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


def load(conf: Path) -> Offering:
    file = conf / "province.toml"
    return load_offering(file, *load_province(file))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def checked(conf: Path, *words: str) -> Result:
    """As an operator checks them."""
    return CliRunner().invoke(provincial_hub, ["services", "--province", str(conf / "province.toml"), *words])


def test_the_shipped_province_offers_its_services_by_its_calendar(conf: Path) -> None:
    offering = load(conf)
    assert "install_line" in offering.catalogue.services
    assert offering.calendar.spans(offering.calendar.work_days_after(next(iter(offering.calendar.special)), 1))
    told = checked(conf, "--language", "en")
    assert told.exit_code == 0
    assert "install_line@1\tNew fixed line\torder\t10000,189\twork item\n" in told.output


def test_the_faults_of_all_files_are_named_at_once(conf: Path) -> None:
    change(conf / "packages/services/install_line.toml", 'version = "1"', "")
    change(conf / "calendar.toml", 'first = "2026-01-04"', 'first = "2026-01-33"')
    told = checked(conf)
    assert told.exit_code == 1
    assert "install_line.toml:" in told.output
    assert "calendar.toml:" in told.output
    assert "[setting-missing]" in told.output


@pytest.mark.parametrize(
    ("old", "new", "slug"),
    [
        ('services = "packages/services"', 'services = "packages/nothing"', "services-missing"),
        ('calendar = "calendar.toml"', 'calendar = "calender.toml"', "file-unreadable"),
        ('calendar = "calendar.toml"', "", "calendar-missing"),
    ],
)
def test_what_is_not_there_is_named(conf: Path, old: str, new: str, slug: str) -> None:
    change(conf / "province.toml", old, new)
    with pytest.raises(Refused) as refused:
        load(conf)
    assert [problem.slug for problem in refused.value.problems] == [slug]
    assert str(conf) in refused.value.problems[0].place


def test_a_province_may_name_none(conf: Path) -> None:
    change(conf / "province.toml", 'services = "packages/services"', "")
    change(conf / "province.toml", 'calendar = "calendar.toml"', "")
    assert list(load(conf).catalogue) == []
