"""Joining a province: refused with all that stands against it, before anything is written; then a table is (B5)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from dataset.errors import Refused
from dataset.ids import EVERYONE, HUB, CityId, LineageId, NodeId
from federation.core.envelope import HubBeat, Stream
from federation.links.inprocess import Wires
from federation.links.settings import LinkSettings, LinkTlsSettings
from federation.node.clock import VirtualClock
from federation.node.journal import JournalSettings
from federation.node.journal_sqlite import Kept, SqliteJournal
from federation.node.post import Post
from federation.node.program import read_settings
from federation.node.users import add_user
from site_node.__main__ import site_node
from site_node.join import Heard, Listening, candidate, history, link_table, progress, write_link
from site_node.settings import SiteSettings
from tests.harness.rows_of_record import born
from tests.harness.threads import ThreadCalls

CONF = Path(__file__).parents[3] / "conf"
GUANGZHOU = CityId("guangzhou")
LINK = LinkSettings(addresses=("10.0.0.5:5672", "10.0.0.6:5672"), password="not in the file")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "guangzhou.toml"
    file.write_text(
        f'# 广州 · ours\ncity = "guangzhou"\nprovince = "{CONF / "province.toml"}"\ndata = "data"\n'
        '[switch]\nurl = "http://127.0.0.1:8088/ari"   # loopback\npassword = "none"\n',
        encoding="utf-8",
    )
    return file


def journalled(config: Path, area_code: str = "020", node: str = "guangzhou") -> None:
    """The city has taken two calls."""
    calls, clock = ThreadCalls(), VirtualClock(wall0=1_700_000_000.0)
    settings = JournalSettings(
        node=NodeId(node),
        boot="b",
        new_lineage=lambda: LineageId("0000000a"),
        receivers=(HUB,),
        area_code=area_code,
    )
    journal = SqliteJournal(config.parent / "data" / "journal.sqlite", settings, clock, calls)
    clock.advance(60.0)
    written: list[int] = []
    journal.append([(born(), (HUB,)), (born(), (HUB,))], lambda: written.append(1))
    calls.until(lambda: bool(written))
    closed: list[object] = []
    journal.stop().addCallback(closed.append)
    calls.until(lambda: bool(closed))


def slugs(check: Callable[[], Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        check()
    return [problem.slug for problem in caught.value.problems]


def look(config: Path) -> Any:
    return candidate(read_settings(SiteSettings, config), config)


def test_a_city_with_a_history_may_join(config: Path) -> None:
    """It is told how many rows of which time will be sent: the run's opening and the two calls."""
    journalled(config)
    add_user(config.parent / "data" / "users.json", "1001", "", ["agent"], "a good password", None)
    one = look(config)
    assert one.kept == Kept("guangzhou", "020", 3, 1_700_000_000.0, 1_700_000_060.0)
    assert history(one.kept) == (
        "将补送 3 条记录，2023-11-15 06:13 至 2023-11-15 06:14。",
        "3 rows of 2023-11-15 06:13 to 2023-11-15 06:14 will be sent.",
    )


def test_a_city_without_a_history_may_join(config: Path) -> None:
    assert look(config).kept.rows == 0
    assert "no history" in history(look(config).kept)[1]


def test_the_province_file_must_know_the_city(config: Path) -> None:
    config.write_text(config.read_text().replace('city = "guangzhou"', 'city = "zhuhai"'))
    assert slugs(lambda: look(config)) == ["city-unknown"]


def test_everything_that_stands_against_it_is_said_at_once(config: Path) -> None:
    """Another area code would number its contacts anew; staff that the province does not know could not be asked."""
    journalled(config, area_code="0756")
    users = config.parent / "data" / "users.json"
    add_user(users, "9999", "", ["agent"], "a good password", agent=None)
    users.write_text(users.read_text().replace('"agent": null', '"agent": "9999@guangzhou"'))
    assert slugs(lambda: look(config)) == ["area-code-differs", "staff-missing"]


def test_another_citys_journal(config: Path) -> None:
    journalled(config, node="foshan")
    assert slugs(lambda: look(config)) == ["journal-of-another-node"]


def test_whoever_has_joined_is_told_so(config: Path) -> None:
    write_link(config, link_table(LINK, 0.0))
    assert slugs(lambda: look(config)) == ["already-joined"]
    done = CliRunner().invoke(site_node, ["join", "--config", str(config)])
    assert done.exit_code == 1
    assert "[already-joined]" in done.output


def test_only_a_table_is_added_to_the_file(config: Path) -> None:
    """Comments stay, the mode stays, the password is not in it; the node reads it as it was meant."""
    config.chmod(0o640)
    before = config.read_text("utf-8")
    tls = LinkTlsSettings(ca="broker ca.pem")
    link = LinkSettings(addresses=LINK.addresses, virtual_host='a "host"', replicated=True, tls=tls, password="secret")
    write_link(config, link_table(link, 1_700_000_000.0))
    after = config.read_text("utf-8")
    assert after.startswith(before)
    assert "2023-11-15 06:13" in after
    assert "secret" not in after
    assert config.stat().st_mode & 0o777 == 0o640
    read = read_settings(SiteSettings, config).link
    assert read == LinkSettings(addresses=LINK.addresses, virtual_host='a "host"', replicated=True, tls=tls)
    assert [file.name for file in config.parent.iterdir()] == ["guangzhou.toml"]


def test_a_file_that_would_not_be_read_is_left_as_it_was(config: Path) -> None:
    before = config.read_bytes()
    assert slugs(lambda: write_link(config, "[link]\nadresses = []\n")) == ["setting-unknown"]
    assert config.read_bytes() == before
    assert [file.name for file in config.parent.iterdir()] == ["guangzhou.toml"]


def listening(hub_beats: bool, *, leads: bool = True, mute: bool = False) -> tuple[VirtualClock, list[Any]]:
    """A city that listens for the province; a hub that beats, or not."""
    clock = VirtualClock()
    got: list[Any] = []
    wires = Wires(clock, Random(1))
    hub = wires.link(HUB)
    hub.start(lambda envelope: None, lambda up: None)
    post = Post(HUB, LineageId("000000f1"), hub, term=3)

    def beat() -> None:
        clock.call_later(1.0, beat)
        post.send(EVERYONE, HubBeat(count=1, wall=0.0, leads=leads), Stream.PICTURE, 3.0)

    if hub_beats:
        beat()
    link = wires.link(NodeId(GUANGZHOU))
    if mute:
        link.dropped["amqp-refused"] += 1
    Listening(link, clock, GUANGZHOU, (HUB,), 10.0).listen().addCallbacks(got.append, got.append)
    clock.advance(5.0)
    return clock, got


def test_the_province_is_heard() -> None:
    """A leading hub's beat is enough; a standby's is waited over for a leader, and good too in the end."""
    assert listening(hub_beats=True)[1] == [Heard(frozenset({HUB}), HUB)]
    clock, got = listening(hub_beats=True, leads=False)
    assert got == []
    clock.advance(6.0)
    assert got == [Heard(frozenset({HUB}), None)]


@pytest.mark.parametrize(
    ("beats", "mute", "slug"), [(False, False, "hub-not-heard"), (True, True, "publishing-refused")]
)
def test_what_is_not_heard_in_time_is_named(beats: bool, mute: bool, slug: str) -> None:
    clock, got = listening(hub_beats=beats, mute=mute)
    clock.advance(6.0)
    assert got[0].value.problems[0].slug == slug


def test_how_far_it_is() -> None:
    """From the node's health: not restarted, no line, rows waiting at one of two hubs, done."""
    hubs = (HUB, NodeId("hub2"))

    def told(**health: Any) -> tuple[bool, str]:
        done, _, en = progress(health, hubs)
        return done, en

    assert told(alone=True)[0] is False
    assert "restart it" in told(alone=True)[1]
    assert told(alone=False, link=False) == (False, "the link is down")
    waiting = {"alone": False, "link": True, "rows_waiting": {"hub": 0, "hub2": 17}}
    assert told(**waiting) == (False, "not yet acknowledged: hub 0, hub2 17")
    assert told(alone=False, link=True, rows_waiting={"hub": 0}) == (False, "not yet acknowledged: hub 0, hub2 ?")
    assert told(alone=False, link=True, rows_waiting={"hub": 0, "hub2": 0, "foshan": 3})[0]


def test_an_unreachable_broker_leaves_the_file_alone(config: Path) -> None:
    """The command's checks end with what is wrong; nothing is written."""
    before = config.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "site_node", "join", "--config", str(config), "--address", "127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"YHT_LINK_PASSWORD": "x", "PATH": ""},
    )
    assert done.returncode == 1
    assert "[broker-unreachable]" in done.stderr
    assert "Traceback" not in done.stderr
    assert config.read_bytes() == before
