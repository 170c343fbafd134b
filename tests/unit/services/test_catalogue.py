"""A service needs no code: it is a file, checked as a whole; a fault in it is named with place and remedy."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from dataset.errors import Refused
from dataset.packages import parse_package
from dataset.services.catalogue import Catalogue, parse_catalogue, parse_service
from tests.harness.services import catalogue

CONF = Path(__file__).parents[3] / "conf"
PACKAGE = parse_package((CONF / "packages/yihaotong.toml").read_bytes(), "yihaotong.toml")
FILES = {file.name: file.read_bytes() for file in sorted((CONF / "packages/services").glob("*.toml"))}
INSTALL = FILES["install_line.toml"].decode()


def beside_install(**changed: str) -> Catalogue:
    """The service that installs a line and others, some of them changed."""
    files = {"install_line": INSTALL, **changed}
    return parse_catalogue({f"{name}.toml": text.encode() for name, text in files.items()}, PACKAGE)


def test_the_shipped_services_are_sound() -> None:
    services = catalogue()
    assert services.services.keys() == {name.removesuffix(".toml") for name in FILES}
    for service in services:
        assert service.id == service.reference.partition("@")[0]
        assert service.name("zh") != service.name("en")


def test_the_fee_is_that_of_the_day_and_of_the_form() -> None:
    install = parse_service(INSTALL.encode(), "i.toml")

    def due(day: date, **values: str | bool) -> list[tuple[str, int]]:
        return [(fee.code, fee.fen) for fee in install.fees_due(("installation", "number_choice"), values, day)]

    assert due(date(2026, 12, 31), kind="home") == [("installation", 20800)]
    assert due(date(2027, 1, 1), kind="home", fine_number=True) == [("installation", 15800), ("number_choice", 5000)]
    assert due(date(2027, 1, 1), kind="business", fine_number=False) == [("installation", 35800)]
    assert due(date(2023, 12, 31), kind="home") == []


def test_a_fee_may_go_by_a_number_of_the_form() -> None:
    """So much for each branch of a cloud line; and a deposit is told apart from a price."""
    cloud = catalogue().services["cloud_line"]
    [branch] = cloud.fees_due(("branch",), {"branches": 7}, date(2026, 11, 26))
    assert (branch.fen, branch.amount({"branches": 7}), branch.amount({})) == (20000, 140000, 0)
    [handset] = catalogue().services["caller_id"].fees_due(("handset",), {"handset": "rented"}, date(2026, 11, 26))
    assert (handset.deposit, handset.amount({"handset": "rented"})) == (True, 6000)


def test_the_example_of_the_documentation_is_accepted() -> None:
    """What docs/services.md shows as a whole service is one, beside the others."""
    page = (CONF.parent / "docs" / "services.md").read_text("utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    lamp = beside_install(message_lamp=example).services["message_lamp"]
    assert [fee.amount({"lamps": 3}) for fee in lamp.text.fees] == [300]


FAULTS: list[tuple[str, str, str, str, str]] = [
    # what is changed, into what, slug, at the line with, remedy
    ('version = "1"', "", "setting-missing", "", 'version such as "1"'),
    ('group = "order"', 'group = "orders"', "setting-form", 'group = "orders"', '"order"'),
    ('skill = "order"', 'skill = "orders"', "service-unknown", 'skill = "orders"', "Did you mean order?"),
    ('branch = "order"', 'branch = "orders"', "service-unknown", 'branch = "orders"', "order"),
    ('branch = "order"', 'branch = "fault"', "service-branch", 'branch = "fault"', "does not lead to the skill order"),
    (
        'door = ["10000", "189"]\nbranch = "order"',
        'door = ["189"]\nbranch = "main"',
        "service-branch",
        'branch = "main"',
        "189 does not lead to the menu main; let a key",
    ),
    ('door = ["10000", "189"]', 'door = ["112"]', "service-door", 'door = ["112"]', "does not lead to the skill order"),
    ('door = ["10000", "189"]', 'door = ["188"]', "service-unknown", 'door = ["188"]', "Did you mean 189?"),
    ('channel = ["voice", ', 'channel = ["telex", ', "setting-form", "telex", '"voice"'),
    ('id = "licence"', 'id = "kind"', "service-twice", "", "choose another"),
    ('id = "licence"', 'id = "item"', "service-reserved", 'id = "item"', "choose another code"),
    (
        'is = ["business"] }\n\n[[field]]\nid = "address"',
        'is = ["firm"] }\n\n[[field]]\nid = "address"',
        "service-condition",
        '"firm"',
        "business, home",
    ),
    (
        '{ field = "kind", is = ["business"] }\n\n[[field]]\nid = "address"',
        '{ field = "sort", is = ["business"] }\n\n[[field]]\nid = "address"',
        "service-unknown",
        '"sort"',
        "Known: kind",
    ),
    ('type = "address"', 'type = "adress"', "setting-form", '"adress"', '"address"'),
    ('number = "wanted_number"\naddress', "address", "service-line-number", "line_change", "number"),
    ('number = "wanted_number"', 'number = "wanted"', "service-unknown", '"wanted"', "Did you mean wanted_number?"),
    ('is = "opens"', 'is = "open"', "setting-form", 'is = "open"', '"opens"'),
    ('within = "4h"', "", "service-no-deadline", "", 'within = "8h"'),
    ('within = "4h"', 'within = "4"', "setting-unit", 'within = "4"', "a number with a unit"),
    ('within = "4h"\nrole = "back_office"', 'within = "4h"', "service-no-role", "", "who has to act"),
    ('escalate = ["dispatcher", "supervisor", "site_admin"]', "", "service-no-escalation", "", "who is told"),
    ('ends = "cancelled"', 'ends = "cancelled"\nwithin = "1h"', "service-ended", 'within = "1h"', "remove it"),
    (
        'from = ["on_the_way"]\nto = "installed"',
        'from = ["done"]\nto = "installed"',
        "service-ended",
        'from = ["done"]',
        "nothing leads on",
    ),
    (
        'from = ["on_the_way"]\nto = "installed"',
        'from = ["on_the_way"]\nto = "surveyed"',
        "service-unreachable",
        "",
        "no action leads to installed",
    ),
    (
        'to = "surveyed"\nroles = ["back_office"]',
        'to = "survyed"\nroles = ["back_office"]',
        "service-unknown",
        "survyed",
        "Did you mean surveyed?",
    ),
    ('roles = ["crew"]\nfee', 'roles = ["robot"]\nfee', "setting-form", "robot", '"crew"'),
    ('needs = ["promised", ', 'needs = ["promise", ', "service-unknown", '"promise"', "Did you mean promised?"),
    (
        'fee = ["installation", "number_choice"]',
        'fee = ["installation"]',
        "service-unused",
        "",
        "no action makes this fee due",
    ),
    ('until = "2026-12-31"', 'until = "2027-06-30"', "service-period", "", "another amount in this period"),
    ('until = "2026-12-31"', 'until = "2023-06-30"', "service-period", "2023-06-30", "before from"),
    (
        "note_required = true",
        'not_before = "200h"',
        "service-too-late",
        "not_before",
        "longer than the deadline of accepted",
    ),
    (
        "after_call_back = true\nasks_satisfaction = true",
        "asks_satisfaction = true",
        "service-satisfaction",
        "asks_satisfaction = true",
        "add after_call_back = true",
    ),
    (
        "after_call_back = true\nnote_required = true",
        "after_call_back = true\nasks_satisfaction = true\nnote_required = true",
        "service-satisfaction",
        "asks_satisfaction = true\nnote_required",
        "surveyed does not end the item",
    ),
    (
        "asks_satisfaction = true",
        "ask_satisfaction = true",
        "setting-unknown",
        "ask_satisfaction",
        "Did you mean asks_satisfaction?",
    ),
    (
        "asks_satisfaction = true",
        'asks_satisfaction = "yes"',
        "setting-type",
        'asks_satisfaction = "yes"',
        "true or false",
    ),
    ('yuan = "50.00"', 'yuan = "fifty"', "setting-form", "fifty", 'yuan such as "12.50"'),
    (
        "上门，申请 {item}",
        "上门，申请 {order}",
        "service-unknown",
        "",
        "there is no field that could be filled in: order",
    ),
    ('message = ["crew"]', "", "service-unused", "", "no action sends this message"),
    ('field = "promised"\ndays = 2', 'field = "promised"', "service-rule", "", "earliest_day needs days"),
    ('field = "promised"\ndays = 2', 'field = "kind"\ndays = 2', "service-rule", 'field = "kind"\ndays', "is no date"),
    ('kind = "no_arrears"', 'kind = "no_arrears"\ncount = 3', "service-rule", "count = 3", "remove it"),
    (
        'kind = "no_arrears"\nat = ["open"]',
        'kind = "no_open_item"\nvalues = ["move_lin"]\nat = ["open"]',
        "service-unknown",
        "move_lin",
        "there is no service",
    ),
    ('knowledge = ["order/install"]', 'today = "fibre_lin"', "service-unknown", "fibre_lin", "there is no service"),
    (
        'kind = "no_arrears"\nat = ["open"]',
        'kind = "field_is"\nat = ["open"]\nfield = "fine_number"',
        "service-rule",
        "",
        "field_is needs is",
    ),
    (
        'kind = "no_arrears"\nat = ["open"]',
        'kind = "field_is"\nat = ["open"]\nfield = "kind"\nis = ["home", "firm"]',
        "service-condition",
        'is = ["home", "firm"]',
        "business, home",
    ),
    (
        'kind = "no_arrears"\nat = ["open"]',
        'kind = "field_is"\nat = ["open"]\nfield = "address"\nis = ["home"]',
        "service-condition",
        'field = "address"\nis',
        "nothing can depend on it",
    ),
    (
        'kind = "no_arrears"\n',
        'kind = "no_arrears"\nis = ["yes"]\n',
        "service-rule",
        'is = ["yes"]\nat',
        "no_arrears has none; remove it",
    ),
    (
        'yuan = "50.00"',
        'yuan = "50.00"\nmonthly = true\ndeposit = true',
        "service-deposit",
        "monthly = true",
        "a deposit is not charged monthly",
    ),
    ('yuan = "50.00"', 'yuan = "50.00"\nper = "kind"', "service-per", 'per = "kind"', "kind is no number"),
    ('yuan = "50.00"', 'yuan = "50.00"\nper = "kinds"', "service-unknown", 'per = "kinds"', "Did you mean kind?"),
    ("share = 0.95", "share = 0.95\nclock = 3", "setting-form", "clock = 3", '"calendar"'),
    ("share = 0.95", "share = 95", "setting-form", "share = 95", "0.01 to 1"),
    ("[measure]", "[mesure]", "setting-unknown", "[mesure]", "Did you mean measure?"),
]


@pytest.mark.parametrize(("old", "new", "slug", "mark", "remedy"), FAULTS, ids=lambda text: text[:24])
def test_a_service_with_a_fault_is_refused(old: str, new: str, slug: str, mark: str, remedy: str) -> None:
    """File, line, field and remedy, in both languages; and nothing of the catalogue is used."""
    assert old in INSTALL, old
    changed = INSTALL.replace(old, new, 1)
    with pytest.raises(Refused) as refused:
        beside_install(install_line=changed)
    found = [one for one in refused.value.problems if one.slug == slug and remedy in one.en]
    assert found, refused.value.problems
    assert found[0].place.startswith("install_line.toml")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in found[0].zh)
    if mark:
        line = changed[: changed.index(mark)].count("\n") + 1
        assert found[0].place == f"install_line.toml:{line}"


def test_a_file_that_is_no_toml_is_named_beside_the_faults_of_others() -> None:
    with pytest.raises(Refused) as refused:
        beside_install(install_line=INSTALL.replace('version = "1"', ""), broken="zh = 装机")
    assert {one.place.partition(":")[0] for one in refused.value.problems} == {"install_line.toml", "broken.toml"}


def test_two_files_of_one_service_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        beside_install(zz_again=INSTALL)
    [problem] = refused.value.problems
    assert (problem.slug, problem.place) == ("service-twice", "zz_again.toml:2")
    assert "install_line.toml:2" in problem.en


def test_an_earlier_version_stays_for_the_items_that_began_with_it() -> None:
    later = INSTALL.replace('version = "1"', 'version = "2"')
    found = parse_catalogue({"i.toml": later.encode()}, PACKAGE, {"earlier/i-1.toml": INSTALL.encode()})
    assert [service.reference for service in found] == ["install_line@2"]
    assert found.versions.keys() == {"install_line@1", "install_line@2"}


def test_a_version_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse_catalogue({"i.toml": INSTALL.encode()}, PACKAGE, {"earlier/i-1.toml": INSTALL.encode()})
    [problem] = refused.value.problems
    assert (problem.slug, problem.place) == ("service-version-twice", "earlier/i-1.toml:3")


def test_a_call_is_known_by_the_menu_through_which_its_service_was_chosen() -> None:
    """By its branch: the menu's own service, or the one behind it where nothing is pressed."""
    chosen = catalogue().chosen
    assert (chosen["install_line"], chosen["consult_data"], chosen["fault_progress"]) == ("order", "general", "fault")
    text = INSTALL.replace('branch = "order"', 'branch = "self"')
    assert beside_install(install_line=text).chosen == {"install_line": "general"}
