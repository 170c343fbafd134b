"""``broker-definitions`` as an operator calls it."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provincial_hub.__main__ import provincial_hub

CONF = Path(__file__).parents[3] / "conf"


def call(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(provincial_hub, ["broker-definitions", *words], env=environment)


def fits(password: str, hashed: str) -> bool:
    raw = base64.b64decode(hashed)
    return raw[4:] == hashlib.sha256(raw[:4] + password.encode()).digest()


def hashes(printed: str) -> dict[str, str]:
    return {user["name"]: user["password_hash"] for user in json.loads(printed)["users"]}


def test_passwords_are_drawn_kept_private_and_used_again(tmp_path: Path) -> None:
    """The first call draws one per hub and city, the next takes them; no password is printed, nobody else may read."""
    passwords = tmp_path / "passwords.toml"
    first = call("--province", str(CONF / "province.toml"), "--passwords", str(passwords))
    assert first.exit_code == 0, first.output
    kept = tomllib.loads(passwords.read_text())
    assert set(kept) == {"hub", "guangzhou", "shenzhen", "foshan"} == set(hashes(first.stdout))
    assert len(set(kept.values())) == 4
    assert passwords.stat().st_mode & 0o777 == 0o600
    again = call("--province", str(CONF / "province.toml"), "--passwords", str(passwords))
    assert tomllib.loads(passwords.read_text()) == kept
    for told in (first, again):
        assert all(fits(kept[name], hashed) for name, hashed in hashes(told.stdout).items())
        assert not any(password in told.output for password in kept.values())


def test_the_environment_goes_before_the_file_and_nothing_is_drawn_for_it(tmp_path: Path) -> None:
    """With the hub's own configuration: its province file, its virtual host; a city added later gets a line of its
    own in the file.
    """
    passwords, output = tmp_path / "passwords.toml", tmp_path / "definitions.json"
    passwords.write_text('hub = "of the file"\nguangzhou = "of the file, too"')
    words = ("--config", str(CONF / "up" / "hub.toml"), "--passwords", str(passwords), "--output", str(output))
    done = call(*words, YHT_BROKER_PASSWORD_HUB="of the environment")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    told = json.loads(output.read_text())
    assert told["vhosts"] == [{"name": "yihaotong"}]
    assert output.stat().st_mode & 0o777 == 0o600
    found = hashes(output.read_text())
    assert fits("of the environment", found["hub"])
    assert fits("of the file, too", found["guangzhou"])
    assert set(tomllib.loads(passwords.read_text())) == {"hub", "guangzhou", "shenzhen", "foshan"}


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('zhuhai = "a stranger here"\n', "broker-node-unknown"),
        ("foshan = 12345678\n", "broker-password"),
        ('foshan = "short"\n', "broker-password"),
        ("foshan = \n", "file-not-toml"),
    ],
)
def test_a_wrong_file_of_passwords_is_named_and_left_alone(tmp_path: Path, text: str, slug: str) -> None:
    passwords = tmp_path / "passwords.toml"
    passwords.write_text(text)
    done = call("--province", str(CONF / "province.toml"), "--passwords", str(passwords))
    assert done.exit_code == 1
    assert f"[{slug}]" in done.output
    assert str(passwords) in done.output
    assert "12345678" not in done.output
    assert passwords.read_text() == text


def test_exactly_one_of_config_and_province(tmp_path: Path) -> None:
    done = call("--passwords", str(tmp_path / "passwords.toml"))
    assert done.exit_code == 2
    assert "--province" in done.output
