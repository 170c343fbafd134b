"""The hub's command line: what is wrong is named with its place, and nothing starts half."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
from click.testing import CliRunner

from federation.node.login import STRONG
from federation.node.users import read_users
from provincial_hub.__main__ import provincial_hub
from simulation.machines.certificates import TrialCa

PASSWORD = "a good password"
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["day", "2026-13-01"], "day must be a date, like 2026-01-31"),
        (["settlement", "2026-1"], "month must be a month, like 2026-01"),
        (["services-report", "--from", "yesterday"], "first must be a date, like 2026-01-31"),
        (["knowledge-report", "--from", "2026-02-01", "--to", "2026-01-01"], "last must not be before first"),
    ],
)
def test_days_that_are_none_are_said_before_anything_is_asked(config: Path, words: list[str], told: str) -> None:
    """Neither a running hub nor a password is needed to hear of them."""
    done = CliRunner().invoke(provincial_hub, [*words, "--config", str(config)])
    assert (done.exit_code, told in done.output, "password" in done.output) == (1, True, False), done.output


@pytest.fixture(params=["plain"])
def running(config: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A hub process with the user ``bureau``, that its configuration says how to find."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with_tls = f'\ncertificate = "{pem(config.parent)}"' if request.param == "tls" else ""
    config.write_text(config.read_text().replace("port = 0", f"port = {port}{with_tls}"))
    add = ["user", "--config", str(config), "--password", PASSWORD, "bureau"]
    assert CliRunner().invoke(provincial_hub, add).exit_code == 0
    command = [sys.executable, "-m", "provincial_hub", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("console at" in line for line in process.stderr), "it did not start"
            yield config
        finally:
            process.terminate()


def pem(folder: Path) -> Path:
    """Certificate and key in one file, as the console wants them."""
    made = TrialCa(folder / "ca").sign("hub", ["hub.province"])
    both = folder / "console.pem"
    both.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    return both


def declare_lost(config: Path, city: str, password: str = PASSWORD, user: str = "bureau") -> tuple[int, str]:
    words = ["declare-lost", "--config", str(config), "--reason", "fire", "--user", user, city]
    done = CliRunner().invoke(provincial_hub, words, env={"YHT_CONSOLE_PASSWORD": password})
    return done.exit_code, done.output


def test_a_city_is_declared_lost_at_the_running_hub(running: Path) -> None:
    """E3: through the hub's own door, so that it alone writes its journal; said in both languages, once."""
    status, said = declare_lost(running, "foshan")
    assert status == 0, said
    assert "佛山已宣告失联" in said
    assert "Foshan is declared lost" in said
    assert "[already-lost]" in declare_lost(running, "foshan")[1]
    assert "[unknown-city]" in declare_lost(running, "zhuhai")[1]
    assert "[login-refused]" in declare_lost(running, "shenzhen", "a wrong one")[1]


@pytest.mark.parametrize("running", ["tls"], indirect=True)
def test_over_tls_only_the_nodes_own_certificate_is_trusted(running: Path) -> None:
    """The file that the configuration names, whatever name is in it; a password is shown to nobody else."""
    status, said = declare_lost(running, "foshan")
    assert status == 0, said
    pem(running.parent)  # another key: whoever answers now is not who the file says
    status, said = declare_lost(running, "shenzhen")
    assert (status, "[node-not-running]" in said, "certificate" in said.lower()) == (1, True, True), said


def test_a_day_in_words_at_the_command_line(running: Path) -> None:
    """B6: the sums, and each city that may be missing; the exit status tells a script so."""
    words = ["day", "--config", str(running), "2026-01-31"]
    done = CliRunner().invoke(provincial_hub, words, env={"YHT_CONSOLE_PASSWORD": PASSWORD})
    assert done.exit_code == 2
    assert "本日小结" in done.output
    assert "! Foshan  silent since the start, later rows may be missing" in done.output


def test_services_of_some_days_at_the_command_line(running: Path) -> None:
    """In both languages, or as figures for programs; the exit status says that cities may be missing."""
    words = ["services-report", "--config", str(running), "--from", "2026-01-30", "--to", "2026-01-31"]
    environment = {"YHT_CONSOLE_PASSWORD": PASSWORD}
    done = CliRunner().invoke(provincial_hub, words, env=environment)
    assert done.exit_code == 2, done.output
    assert "业务报表 2026-01-30 – 2026-01-31\n没有工单" in done.output
    assert "! Foshan  silent since the start" in done.output
    figures = CliRunner().invoke(provincial_hub, [*words, "--json", "--city", "foshan"], env=environment)
    told = json.loads(figures.output)
    assert (told["lines"], [one["city"] for one in told["missing"]]) == ([], ["foshan"])
    refused = CliRunner().invoke(provincial_hub, [*words[:-1], "2026-01-01"], env=environment)
    assert (refused.exit_code, "last" in refused.output) == (1, True)


def test_the_use_of_knowledge_at_the_command_line(running: Path) -> None:
    words = ["knowledge-report", "--config", str(running), "--from", "2026-01-30", "--language", "en"]
    done = CliRunner().invoke(provincial_hub, words, env={"YHT_CONSOLE_PASSWORD": PASSWORD})
    assert done.exit_code == 2, done.output
    assert done.output.startswith("Knowledge 2026-01-30 – 2026-01-30\nnothing was shown or judged")
    assert "0 asked, 0 answered" in done.output
    assert "知识报表" not in done.output


def test_unknown_rows_are_listed_and_settled_at_the_command_line(running: Path) -> None:
    """S2: nothing is unknown here, which the exit status says; a slot that is not there is refused."""
    environment = {"YHT_CONSOLE_PASSWORD": PASSWORD}
    done = CliRunner().invoke(provincial_hub, ["parked", "--config", str(running)], env=environment)
    assert (done.exit_code, done.output) == (0, "未知 unknown: 0\n")
    words = ["settle", "--config", str(running), "--reason", "known", "foshan", "0000000a", "41"]
    done = CliRunner().invoke(provincial_hub, words, env=environment)
    assert done.exit_code == 1
    assert "[unknown-slot]" in done.output


def test_a_city_is_not_declared_lost_at_a_hub_that_does_not_run(config: Path) -> None:
    config.write_text(config.read_text().replace("port = 0", "port = 1"))
    status, said = declare_lost(config, "foshan")
    assert status == 1
    assert "[node-not-running]" in said
    assert "http://127.0.0.1:1" in said


def test_help_and_reference_teach() -> None:
    assert "run --config" in CliRunner().invoke(provincial_hub, ["--help"]).output
    reference = CliRunner().invoke(provincial_hub, ["settings", "--language", "en"]).output
    assert "`link.addresses`" in reference
    assert "addresses of the brokers" in reference


def test_a_certificate_file_that_is_not_there(config: Path) -> None:
    """Named with its path, which starts at the configuration's folder; no disk has been touched."""
    status, said = run(config, "--set", "link.form=amqp", "--set", "link.tls.ca=tls/ca.pem")
    assert status == 1
    assert str(config.parent / "tls" / "ca.pem") in said
    assert "[tls-file]" in said
    assert not (config.parent / "data").exists()
