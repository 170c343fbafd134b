"""Local users survive a restart, a changed password too, and nobody else can read them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import AgentId
from federation.node.login import UserRecord
from federation.node.users import FileUsers, read_users, write_users

LI = UserRecord("1001", "李敏", frozenset({"agent"}), "$argon2id$1", AgentId("1001@guangzhou"))
TWICE = '{"user": "x", "name": "x", "roles": [], "hash": ""}'
BOSS = UserRecord("boss", "Boss", frozenset({"supervisor", "site_admin"}), "$argon2id$2")


class Pool:
    """A thread pool that works at once."""

    def callInThreadWithCallback(self, done: Any, function: Any, *args: Any) -> None:  # noqa: N802
        try:
            result = function(*args)
        except OSError as error:
            done(False, error)
        else:
            done(True, result)


class Reactor:
    def getThreadPool(self) -> Pool:  # noqa: N802
        return Pool()

    def callFromThread(self, call: Any, *args: Any) -> None:  # noqa: N802
        call(*args)


def users(path: Path) -> FileUsers:
    return FileUsers(path, Reactor())


def test_users_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    write_users(path, [LI, BOSS])
    assert read_users(path) == (LI, BOSS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_changed_password_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    write_users(path, [LI, BOSS])
    fired: list[Any] = []
    users(path).set_hash("1001", "$argon2id$9").addBoth(fired.append)
    assert fired == [None]
    again = users(path).find("1001")
    assert again is not None
    assert again.hash == "$argon2id$9"
    assert users(path).find("boss") == BOSS
    assert list(tmp_path.iterdir()) == [path]


def test_a_password_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "here" / "users.json"
    path.parent.mkdir()
    write_users(path, [LI])
    kept = users(path)
    path.unlink()
    path.parent.rmdir()
    changing: Deferred[None] = kept.set_hash("1001", "$argon2id$9")
    failures: list[Any] = []
    changing.addErrback(failures.append)
    assert failures[0].check(Refused) is not None
    assert kept.find("1001") == LI


def test_without_a_file_there_are_no_users(tmp_path: Path) -> None:
    assert len(users(tmp_path / "users.json")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"users": [{"user": "x"}]}',
        '{"users": [{"user": "x", "name": "x", "roles": ["king"], "hash": ""}]}',
        '{"users": [%s, %s]}' % ((TWICE,) * 2),
        '{"users": [], "more": 1}',
    ],
)
def test_a_damaged_file_is_named_and_nothing_starts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text)
    with pytest.raises(Refused) as caught:
        users(path)
    assert caught.value.problems[0].slug == "users-unreadable"
    assert caught.value.problems[0].place == str(path)
