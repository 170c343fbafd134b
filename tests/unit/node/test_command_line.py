"""What an operator types wrongly is told in both languages, and nothing is done."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from federation.node.program import run_commands
from simulation.command import yht


def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[object, str]:
    """The exit status of ``yht`` with these words, and what it said as an error."""
    monkeypatch.setattr("sys.argv", ["yht", *words])
    with pytest.raises(SystemExit) as ended:
        run_commands(yht, None)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "zh", "en"),
    [
        (("chaos", "--seeds", "x"), "'--seeds' 的值不可用", "Invalid value for '--seeds'"),
        (("chaos", "--seeds", "0"), "'--seeds' 的值不可用", "Invalid value for '--seeds'"),
        (("chaos", "--seed", "1", "--seeds", "5"), "只运行一个种子", "plays one alone, without --seeds"),
        (("chaos", "--timeline"), "须与 --seed 合用", "need --seed"),
        (("chaos", "--nonsense"), "没有选项 --nonsense", "No such option"),
        (("hub", "declare-lost", "--config", "hub.toml", "foshan"), "缺少 '--reason'", "Missing option '--reason'"),
        (("hub", "declare-lost", "--config", "hub.toml", "--reason", "fire"), "缺少 'CITY'", "Missing argument 'CITY'"),
        (("nonsense",), "命令行有误", "No such command 'nonsense'"),
        (("audit", "verify"), "verify: --config 或 --journal；", "one of --config and --journal. See"),
        (("call", "--from", "abc"), "'--from' 的值不可用：", "a number has two digits or more. See"),
        (("join", "--address", "10.0.0.5:5672"), "缺少 '--config'", "Missing option '--config'"),
    ],
)
def test_a_wrong_command_line_is_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], zh: str, en: str
) -> None:
    """Each mistake is named where it is, with the slug, and the exit status is 2."""
    status, said = typed(capsys, monkeypatch, *words)
    assert status == 2
    assert zh in said
    assert en in said
    assert "[command-line]" in said


def test_a_log_that_cannot_be_written_is_found_out_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A campaign of hours does not end in a log that has nowhere to go."""
    file = tmp_path / "nowhere" / "chaos.log"
    status, said = typed(capsys, monkeypatch, "chaos", "--log", str(file))
    assert status == 2
    assert f"{file} cannot be written" in said


def test_a_folder_without_nodes_is_named_as_such(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``conf`` holds files of other kinds: what is missing is said, and not that one of them cannot be read."""
    status, said = typed(capsys, monkeypatch, "up", "conf")
    assert status == 1
    assert "conf: the folder needs hub.toml and a .toml for each city" in said
    assert "[no-nodes]" in said


def test_what_a_command_leaves_with_is_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's own exit status goes through, and one without any is 0."""

    @click.command()
    @click.option("--status", type=int)
    def leave(status: int | None) -> None:
        if status is not None:
            raise SystemExit(status)

    commands = click.Group(commands=[leave])
    for words, expected in ((["leave"], 0), (["leave", "--status", "3"], 3), (["--help"], 0)):
        monkeypatch.setattr("sys.argv", ["yht", *words])
        with pytest.raises(SystemExit) as ended:
            run_commands(commands, None)
        assert ended.value.code == expected
