"""Whoever looks into the audit record is on record as well, and that record shows when somebody has changed it."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataset.errors import Refused
from federation.node.audit_files import Asked
from federation.node.audit_looks import LOOKS, check_looks, look_of, looks_in, put_on_record
from tests.unit.node.test_audit_commands import LINE, Files, city, files, hub

__all__ = ["files"]
ASKED = pytest.mark.parametrize("ask", [city, hub], ids=["city", "hub"])
Ask = Callable[..., tuple[int, str]]
ME = pwd.getpwuid(os.getuid()).pw_name


def looks(files: Files) -> Path:
    return files.journal.with_name(LOOKS)


@ASKED
def test_each_look_says_who_when_and_at_what(files: Files, ask: Ask) -> None:
    """By the user of the operating system and of the node; a number that was asked for is masked."""
    assert ask(files, "show", "--customer", "K1")[0] == 0
    assert ask(files, "show", "--line", LINE)[0] == 0
    first, second = looks_in(looks(files))
    source = files.journal if ask is city else files.ledger
    assert (first.user, first.file, first.customer, first.number) == ("audit", str(source), "K1", 1)
    assert first.system_user.split(", ")[0] == ME
    assert first.at <= second.at
    assert (second.line, LINE in looks(files).read_text("utf-8")) == ("020****0001", False)
    status, said = ask(files, "verify")
    assert (status, "looks at this record: 2 条" in said, second.hash in said) == (0, True, True)


@ASKED
def test_they_are_shown_to_an_auditor_and_that_is_a_look(files: Files, ask: Ask) -> None:
    ask(files, "show", "--agent", "1001@guangzhou")
    status, said = ask(files, "show", "--looks")
    assert status == 0
    first, second = said.splitlines()
    assert f"audit ({ME}" in first
    assert "agent 1001@guangzhou" in first
    assert second.endswith("looks")


@ASKED
@pytest.mark.parametrize(
    ("user", "password", "slug"),
    [("audit", "wrong", "login-refused"), ("boss", "correct horse battery", "not-your-role")],
)
def test_who_is_refused_is_on_record_too(files: Files, ask: Ask, user: str, password: str, slug: str) -> None:
    assert ask(files, "show", user=user, password=password)[0] == 1
    [look] = looks_in(looks(files))
    assert (look.user, look.refused) == (user, slug)


@ASKED
def test_nothing_is_shown_where_the_look_cannot_be_written(files: Files, ask: Ask) -> None:
    looks(files).mkdir()
    status, said = ask(files, "show")
    assert (status, "look-unrecorded" in said, "K1" in said) == (1, True, False)


@ASKED
@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (lambda lines: [lines[0], lines[1].replace('"K2"', '"K1"'), lines[2]], (2,)),
        (lambda lines: [lines[0], lines[2]], (2,)),
        (lambda lines: [lines[1], lines[0], lines[2]], (1, 2, 3)),
        (lambda lines: ["{", *lines[1:]], (1, 2)),
    ],
    ids=["changed", "taken out", "moved", "damaged"],
)
def test_a_change_shows(
    files: Files, ask: Ask, spoil: Callable[[list[str]], list[str]], broken: tuple[int, ...]
) -> None:
    for customer in ("K1", "K2", "K3"):
        ask(files, "show", "--customer", customer)
    lines = looks(files).read_text("utf-8").splitlines()
    assert check_looks(looks(files)).broken == ()
    looks(files).write_text("".join(f"{line}\n" for line in spoil(lines)), "utf-8")
    assert check_looks(looks(files)).broken == broken
    status, said = ask(files, "verify")
    assert (status, f"! #{broken[0]}:" in said) == (1, True)


def test_commands_at_one_time_write_one_chain(files: Files) -> None:
    def one(number: int) -> None:
        put_on_record(looks(files), look_of("audit", files.journal, Asked(customer=f"K{number}")))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(40)))
    checked = check_looks(looks(files))
    assert (checked.rows, checked.broken) == (40, ())


def test_a_line_that_a_crash_cut_off_is_written_anew(files: Files) -> None:
    """Nothing was shown for it; what stands before it stays."""
    look = look_of("audit", files.journal, Asked())
    put_on_record(looks(files), look)
    put_on_record(looks(files), look)
    whole = looks(files).read_bytes()
    looks(files).write_bytes(whole[:-20])
    assert check_looks(looks(files)).rows == 1
    put_on_record(looks(files), look)
    assert looks(files).read_bytes() == whole
    assert [json.loads(line)["number"] for line in whole.splitlines()] == [1, 2]


def test_without_a_folder_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="look-unrecorded"):
        put_on_record(tmp_path / "none" / LOOKS, look_of("audit", tmp_path, Asked()))
