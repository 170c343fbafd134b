"""The hub's command line: what is wrong is named with its place, and nothing starts half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.node.login import STRONG
from federation.node.users import read_users
from provincial_hub.__main__ import provincial_hub

PROVINCE = Path("conf/province.toml").resolve()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hub.toml"
    file.write_text(f'province = "{PROVINCE}"\ndata = "data"\n[link]\nform = "inprocess"\n[http]\nport = 0\n')
    return file


def run(config: Path, *arguments: str) -> tuple[int, str]:
    """The whole program in a process of its own, up to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "provincial_hub", "run", "--config", str(config), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_wrong_key_is_named_with_file_and_line(config: Path) -> None:
    config.write_text(config.read_text().replace("port = 0", "prot = 0"))
    status, said = run(config)
    assert status == 1
    assert f"{config}:6: http.prot: there is no such key. Did you mean port?" in said
    assert "没有此项" in said
    assert not (config.parent / "data").exists()


def test_a_city_that_the_province_has_not(config: Path) -> None:
    config.write_text(config.read_text() + '[cities]\nzhuhai = "http://127.0.0.1:1"\n')
    status, said = run(config)
    assert status == 1
    assert "cities.zhuhai" in said
    assert "guangzhou, shenzhen, foshan" in said


def test_an_unreachable_broker(config: Path) -> None:
    """The address is named, and what to check; no disk has been touched."""
    status, said = run(config, "--set", "link.form=amqp", "--set", "link.addresses=127.0.0.1:1")
    assert status == 1
    assert "127.0.0.1:1" in said
    assert "[broker-unreachable]" in said
    assert "Traceback" not in said
    assert not (config.parent / "data").exists()


def test_a_port_that_is_taken_leaves_the_disks_closed(config: Path) -> None:
    status, said = run(config, "--set", "http.listen=192.0.2.1")
    assert status == 1
    assert "[cannot-listen]" in said


def test_a_user_is_added_and_replaced(config: Path) -> None:
    for password in ("first password", "second password"):
        done = CliRunner().invoke(
            provincial_hub,
            ["user", "--config", str(config), "--role", "auditor", "--name", "李敏", "--password", password, "bureau"],
        )
        assert done.exit_code == 0, done.output
    [bureau] = read_users(config.parent / "data" / "users.json")
    assert (bureau.user, bureau.name, bureau.roles) == ("bureau", "李敏", frozenset({"auditor"}))
    assert STRONG.verify(bureau.hash, "second password")


def test_a_weak_password_is_refused(config: Path) -> None:
    done = CliRunner().invoke(provincial_hub, ["user", "--config", str(config), "--password", "short", "bureau"])
    assert done.exit_code == 1
    assert "[password-weak]" in done.output
    assert not (config.parent / "data").exists()


def test_help_and_reference_teach() -> None:
    assert "run --config" in CliRunner().invoke(provincial_hub, ["--help"]).output
    reference = CliRunner().invoke(provincial_hub, ["settings", "--language", "en"]).output
    assert "`link.addresses`" in reference
    assert "addresses of the brokers" in reference
