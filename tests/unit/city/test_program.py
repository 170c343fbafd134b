"""The command line of a city: who may log in, and what it teaches."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.node.login import STRONG
from federation.node.users import read_users
from site_node.__main__ import site_node

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "guangzhou.toml"
    file.write_text(
        f'city = "guangzhou"\nprovince = "{CONF / "province.toml"}"\ndata = "data"\n'
        '[switch]\nurl = "http://127.0.0.1:8088/ari"\npassword = "none"\n'
    )
    return file


def add(config: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(site_node, ["user", "--config", str(config), *words])
    return done.exit_code, done.output


def test_an_agent_of_the_province_file_gets_a_login(config: Path) -> None:
    """Name and province-wide id are those of the province file; a second call gives another password."""
    assert add(config, "--password", "first password", "1001")[0] == 0
    assert add(config, "--password", "second password", "1001")[0] == 0
    [user] = read_users(config.parent / "data" / "users.json")
    assert (user.user, user.agent, user.roles) == ("1001", "1001@guangzhou", frozenset({"agent"}))
    assert STRONG.verify(user.hash, "second password")


def test_a_supervisor_needs_no_staff_number(config: Path) -> None:
    assert add(config, "--role", "supervisor", "--name", "李敏", "--password", "long enough", "limin")[0] == 0
    [user] = read_users(config.parent / "data" / "users.json")
    assert (user.name, user.agent) == ("李敏", None)


def test_an_unknown_staff_number_is_refused_with_those_there_are(config: Path) -> None:
    code, said = add(config, "--password", "long enough", "9999")
    assert code == 1
    assert "[staff-unknown]" in said
    assert "1001" in said
    assert not (config.parent / "data").exists()


def test_an_unknown_city_is_refused(config: Path) -> None:
    config.write_text(config.read_text().replace('"guangzhou"', '"zhuhai"', 1))
    code, said = add(config, "--password", "long enough", "1001")
    assert code == 1
    assert "[city-unknown]" in said


def test_help_teaches() -> None:
    assert "run --config" in CliRunner().invoke(site_node, ["--help"]).output
    assert "`switch.url`" in CliRunner().invoke(site_node, ["settings", "--language", "en"]).output
