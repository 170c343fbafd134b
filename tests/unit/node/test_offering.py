"""The province's services are read with the province: a fault in one of them is found before anything starts."""

from __future__ import annotations

import shutil
from datetime import date
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
    change(conf / "knowledge/order-move.md", "version = 1", "version = one")
    told = checked(conf)
    assert told.exit_code == 1
    assert "install_line.toml:" in told.output
    assert "calendar.toml:" in told.output
    assert "order-move.md:3" in told.output
    assert "[setting-missing]" in told.output


@pytest.mark.parametrize(
    ("old", "new", "slug"),
    [
        ('services = "packages/services"', 'services = "packages/nothing"', "services-missing"),
        ('calendar = "calendar.toml"', 'calendar = "calender.toml"', "file-unreadable"),
        ('calendar = "calendar.toml"', "", "calendar-missing"),
        ('knowledge = "knowledge"', 'knowledge = "prompts"', "knowledge-missing"),
        ('unanswered = "consult_other"', 'unanswered = "consult_otter"', "unanswered-service"),
        ('unanswered = "consult_other"', 'unanswered = "install_line"', "unanswered-service"),
        ('unanswered = "consult_other"', 'unanswered = "tariff"', "unanswered-service"),
    ],
)
def test_what_is_not_there_is_named(conf: Path, old: str, new: str, slug: str) -> None:
    change(conf / "province.toml", old, new)
    with pytest.raises(Refused) as refused:
        load(conf)
    assert [problem.slug for problem in refused.value.problems] == [slug]
    assert str(conf) in refused.value.problems[0].place


def test_every_topic_that_a_service_or_a_field_names_has_an_article(conf: Path) -> None:
    """In force on the day that this was written, with a text worth reading in both languages."""
    offering = load(conf)
    day = date(2026, 11, 26)
    shown = [one for one in offering.articles.values() if one.shown(day)]
    topics = {topic for one in shown for topic in one.topics}
    for service in offering.catalogue:
        named = {*service.text.knowledge, *(one.knowledge for one in service.text.fields if one.knowledge is not None)}
        assert named <= topics, service.id
    for one in shown:
        assert 100 <= len(one.zh_body) <= 400, one.id
        assert len(one.en_body) >= 200, one.id


def test_a_province_may_name_none(conf: Path) -> None:
    change(conf / "province.toml", 'services = "packages/services"', "")
    change(conf / "province.toml", 'calendar = "calendar.toml"', "")
    change(conf / "province.toml", 'knowledge = "knowledge"', "")
    offering = load(conf)
    assert (list(offering.catalogue), dict(offering.articles), offering.unanswered) == ([], {}, "")
