"""A wrong setting is named with its place and what would be accepted, and nothing starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from dataset.declared import Between, BitsPerSecond, Bytes, Seconds, Unit, setting
from dataset.errors import Refused
from federation.node.configuration import Sources, beside, configure, read_file, reference, variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    port: Annotated[int, Between(0, 65535)] = setting("端口", "port", default=8080)
    tls: bool = setting("加密", "encrypted", default=False)
    origins: tuple[str, ...] = setting("来源", "origins", default=())
    idle_s: Seconds = setting("空闲", "idle", key="idle", default=60.0)
    token: str | None = setting("口令", "password", default=None, secret=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    id: str = setting("代码", "id")
    rate: BitsPerSecond = setting("速率", "rate", default=512e3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    name: str = setting("名", "name")
    level: Literal["info", "debug"] = setting("级别", "level", default="info")
    share: Annotated[float, Between(0, 1)] = setting("份额", "share", default=0.5)
    frame: Bytes = setting("帧", "frame", default=64e3)
    http: Http = setting("HTTP", "HTTP", factory=Http)
    link: Peer | None = setting("链路", "link", default=None)
    peers: tuple[Peer, ...] = setting("邻居", "peers", key="peer", default=())
    ports: Mapping[str, int] = setting("端口表", "ports", factory=dict)


def load(data: str = 'name = "x"\n', *arguments: str, **environment: str) -> Settings:
    return configure(Settings, Sources("f.toml", data.encode(), environment, arguments))


def refused(data: str = 'name = "x"\n', *arguments: str, **environment: str) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as caught:
        load(data, *arguments, **environment)
    return [(problem.slug, problem.place) for problem in caught.value.problems]


def test_command_line_wins_over_environment_over_file_over_default() -> None:
    file = 'name = "x"\n[http]\nport = 1\n'
    assert load().http.port == 8080
    assert load(file).http.port == 1
    assert load(file, YHT_HTTP_PORT="2").http.port == 2
    assert load(file, "http.port=3", YHT_HTTP_PORT="2").http.port == 3


def test_units_are_read_into_base_units() -> None:
    values = load(
        'name = "x"\nframe = "16kB"\n[http]\nidle = "2min"\n[[peer]]\nid = "a"\nrate = "1.5Mbit/s"\n[[peer]]\nid = "b"'
    )
    assert (values.frame, values.http.idle_s) == (16e3, 120.0)
    assert [peer.rate for peer in values.peers] == [1.5e6, 512e3]
    assert load('name = "x"\n', "http.idle=250ms").http.idle_s == 0.25


def test_lists_and_switches_can_come_as_text() -> None:
    values = load('name = "x"\n', "http.origins=https://a, https://b", YHT_HTTP_TLS="true", YHT_SHARE="0.25")
    assert values.http.origins == ("https://a", "https://b")
    assert (values.http.tls, values.share) == (True, 0.25)


def test_free_tables_keep_their_keys() -> None:
    assert dict(load('name = "x"\n[ports]\na = 1\nb = 2\n').ports) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("data", "slug", "place"),
    [
        ('name = "x"\nnmae = "y"\n', "setting-unknown", "f.toml:2"),
        ("", "setting-missing", "f.toml"),
        ("name = 3\n", "setting-type", "f.toml:1"),
        ('name = "x"\nlevel = "loud"\n', "setting-form", "f.toml:2"),
        ('name = "x"\nshare = 1.5\n', "setting-form", "f.toml:2"),
        ('name = "x"\nshare = nan\n', "setting-form", "f.toml:2"),
        ('name = "x"\nhttp = 3\n', "setting-type", "f.toml:2"),
        ('name = "x"\n[http]\nport = 65536\n', "setting-form", "f.toml:3"),
        ('name = "x"\n[http]\nport = "80"\n', "setting-type", "f.toml:3"),
        ('name = "x"\n[http]\nport = true\n', "setting-type", "f.toml:3"),
        ('name = "x"\n[http]\nidle = 15\n', "setting-unit", "f.toml:3"),
        ('name = "x"\n[http]\nidle = "-5s"\n', "setting-unit", "f.toml:3"),
        ('name = "x"\n[http]\nidle = "15kbit/s"\n', "setting-unit", "f.toml:3"),
        ('name = "x"\n[http]\norigins = ["a",\n 3]\n', "setting-type", "f.toml:4"),
        ('name = "x"\npeer = "a"\n', "setting-type", "f.toml:2"),
        ('name = "x"\n[[peer]]\nrate = "1kbit/s"\n', "setting-missing", "f.toml:2"),
        ('name = "x"\n[ports]\na = "1"\n', "setting-type", "f.toml:3"),
        ('name = "x"\n[ports\n', "file-not-toml", "f.toml:2"),
    ],
)
def test_each_fault_of_a_file_is_named(data: str, slug: str, place: str) -> None:
    assert refused(data) == [(slug, place)]


def test_faults_of_environment_and_command_line_are_named_too() -> None:
    assert refused('name = "x"\n', YHT_HTTP_PROT="1") == [("setting-unknown", "environment YHT_HTTP_PROT")]
    assert refused('name = "x"\n', YHT_HTTP_PORT="many") == [("setting-type", "environment YHT_HTTP_PORT")]
    assert refused('name = "x"\n', "http.prot=1") == [("setting-unknown", "--set http.prot")]
    assert refused('name = "x"\n', "http.port") == [("setting-form", "--set http.port")]
    assert refused('name = "x"\n', "http.idle=15") == [("setting-unit", "--set http.idle")]
    assert refused('name = "x"\n', "peer=1") == [("setting-unknown", "--set peer")]


def test_variables_of_others_are_left_alone() -> None:
    environment = {"YHT_CACHE": "/x", "YHT_SWITCH_PASSWORD": "of a city", "PATH": "/", "YHT_HTTP_PROXY": "of others"}
    sources = Sources("f.toml", b'name = "x"', environment, foreign=("YHT_HTTP_PROXY",))
    assert configure(Settings, sources).name == "x"


def test_a_variable_does_not_open_a_table_that_the_file_leaves_out() -> None:
    assert load('name = "x"\n', YHT_LINK_RATE="1kbit/s").link is None
    assert load('name = "x"\n[link]\nid = "a"\n', YHT_LINK_RATE="1kbit/s").link == Peer(id="a", rate=1e3)
    assert load('name = "x"\n', "link.id=a").link == Peer(id="a")


def test_a_near_miss_is_named() -> None:
    assert refused('name = "x"\n', YHT_LEVLE="info") == [("setting-unknown", "environment YHT_LEVLE")]


def test_all_sources_are_reported_together() -> None:
    found = refused("[http]\nport = 0.5\n", "level=loud", YHT_SHARE="2")
    assert {place for _, place in found} == {"f.toml", "f.toml:2", "--set level", "environment YHT_SHARE"}


def test_a_remedy_is_given_in_both_languages() -> None:
    with pytest.raises(Refused) as caught:
        load('name = "x"\n[http]\nprot = 1\nidle = "x"\n')
    prot, idle = caught.value.problems
    assert "port" in prot.zh
    assert "Did you mean port?" in prot.en
    assert "15s" in idle.zh
    assert "15s" in idle.en


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(Refused) as caught:
        load('name = "x"\n[http]\ntoken = ["hunter2"]\n')
    assert "hunter2" not in str(caught.value)
    assert caught.value.problems[0].place == "f.toml:3"


def test_without_a_file_defaults_and_environment_hold() -> None:
    assert configure(Settings, Sources(environment={"YHT_NAME": "env"})).name == "env"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        read_file(tmp_path / "absent.toml")
    assert caught.value.problems[0].slug == "file-unreadable"
    assert beside("/etc/yht/site.toml", "province.toml") == Path("/etc/yht/province.toml")


def test_the_reference_lists_every_setting_with_form_and_default() -> None:
    page = reference(Settings, "en")
    assert '| `http.idle` | idle | a number with a unit such as "15s" (ms s min h d) | `1min` |' in page
    assert "| `name` | name | a text | required |" in page
    assert "`[peer].rate`" in page


def test_variables_are_named_after_keys() -> None:
    assert variable(("http", "idle-x")) == "YHT_HTTP_IDLE_X"


@pytest.mark.parametrize(("value", "shown"), [(0.25, "250ms"), (15.0, "15s"), (90.0, "1.5min"), (0.0, "0s")])
def test_a_duration_is_shown_as_people_write_it(value: float, shown: str) -> None:
    unit = Seconds.__metadata__[0]  # type: ignore[attr-defined]
    assert isinstance(unit, Unit)
    assert unit.show(value) == shown
    read = unit.read(shown)
    assert read == pytest.approx(value)


def test_declarations_may_hold_derived_fields() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Derived:
        a: int = setting("甲", "a", default=1)
        b: int = field(init=False, default=2)

    assert configure(Derived, Sources()).b == 2
