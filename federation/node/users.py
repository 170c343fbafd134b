"""Local users in a file of the node's data directory, readable by nobody else, and the thread that hashes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThreadPool

from dataset.errors import Problem, Refused
from dataset.ids import AgentId
from federation.node.login import LONGEST_PASSWORD, ROLES, SHORTEST_PASSWORD, STRONG, Runner, UserRecord
from federation.node.program import directory
from federation.node.whole_files import write_whole


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: str
    name: str
    roles: tuple[str, ...]
    hash: str
    agent: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    users: tuple[_Entry, ...] = ()


def in_threads(reactor: Any) -> Runner:
    """A ``Runner`` on the reactor's thread pool."""

    def run(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)

    return run


def read_users(path: Path) -> tuple[UserRecord, ...]:
    """The users in ``path``; none when there is no such file. Raises ``Refused`` (``users-unreadable``) naming what is
    wrong, and where.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    try:
        entries = msgspec.json.decode(data, type=_File).users
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    seen: set[str] = set()
    for entry in entries:
        wrong = sorted(set(entry.roles) - ROLES)
        if entry.user in seen or wrong:
            raise _unreadable(path, f"{entry.user}: {', '.join(wrong) if wrong else 'twice'}")
        seen.add(entry.user)
    return tuple(
        UserRecord(
            entry.user,
            entry.name,
            frozenset(entry.roles),
            entry.hash,
            AgentId(entry.agent) if entry.agent is not None else None,
        )
        for entry in entries
    )


def write_users(path: Path, records: Iterable[UserRecord]) -> None:
    """Replace the file by these users, whole or not at all. Raises ``OSError``."""
    entries = tuple(
        _Entry(user=one.user, name=one.name, roles=tuple(sorted(one.roles)), hash=one.hash, agent=one.agent)
        for one in records
    )
    data = msgspec.json.format(msgspec.json.encode(_File(users=entries)), indent=1)
    write_whole(path, data)


def check_login(path: Path, user: str, password: str, role: str) -> None:
    """Hold a login to the users in ``path``, for commands that work beside a node, running or not.

    Raises ``Refused``: 401 ``login-refused`` alike for an unknown user and a wrong password, 403 ``not-your-role``,
    ``users-unreadable``.
    """
    record = next((one for one in read_users(path) if one.user == user), None)
    try:
        STRONG.verify(record.hash if record is not None else STRONG.hash("nobody has this password"), password)
        known = record
    except (VerificationError, InvalidHashError):
        known = None
    if known is None:
        raise Refused(Problem("login-refused", "用户名或密码不对", "user or password is wrong", user), status=401)
    if role not in known.roles:
        raise Refused(
            Problem(
                "not-your-role",
                zh=f"您没有此操作的权限，需要角色：{role}",
                en=f"your roles do not allow this; it needs one of: {role}",
                place=user,
            ),
            status=403,
        )


def add_user(
    path: Path, user: str, name: str, roles: Iterable[str], password: str, agent: AgentId | None = None
) -> None:
    """Add a user to the file at ``path``, or replace one; a running node sees it at its next start.

    Raises ``Refused``: ``password-weak``, ``users-unreadable``, ``directory-unusable``.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or password == user:
        raise Refused(
            Problem(
                "password-weak",
                zh=f"密码须有 {SHORTEST_PASSWORD} 至 {LONGEST_PASSWORD} 个字符，且不同于用户名",
                en=f"a password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters and must differ "
                "from the user's name",
                place="password",
            )
        )
    directory(path.parent)
    record = UserRecord(user, name or user, frozenset(roles), STRONG.hash(password), agent)
    write_users(path, [*(one for one in read_users(path) if one.user != user), record])


class FileUsers:
    """``login.Users`` in a file, read once at start. Changes are written on a thread, one after the other."""

    def __init__(self, path: Path, reactor: Any) -> None:
        self._path = path
        self._records = {record.user: record for record in read_users(path)}
        self._run = in_threads(reactor)
        self._turn = DeferredLock()

    def __len__(self) -> int:
        return len(self._records)

    def find(self, user: str) -> UserRecord | None:
        """The user, or None."""
        return self._records.get(user)

    def set_hash(self, user: str, hash: str) -> Deferred[None]:
        """Keep a changed password; fires once it is on disk, errbacks with ``Refused`` 503 ``users-not-written``."""
        return Deferred.fromCoroutine(self._set_hash(user, hash))

    async def _set_hash(self, user: str, hash: str) -> None:
        await self._turn.acquire()
        try:
            old = self._records[user]
            changed = UserRecord(old.user, old.name, old.roles, hash, old.agent)
            records = {**self._records, user: changed}
            await self._run(write_users, self._path, list(records.values()))
            self._records = records
        except OSError as error:
            raise Refused(
                Problem(
                    "users-not-written",
                    zh=f"无法保存新密码：{error.strerror}；原密码仍然有效",
                    en=f"the new password could not be kept: {error.strerror}; the old one still holds",
                    place=str(self._path),
                ),
                status=503,
            ) from error
        finally:
            self._turn.release()


def _unreadable(path: Path, why: str) -> Refused:
    return Refused(
        Problem(
            "users-unreadable",
            zh=f"用户文件不可用：{why}；角色应为 {'、'.join(sorted(ROLES))}",
            en=f"the file of users cannot be used: {why}; roles are {', '.join(sorted(ROLES))}",
            place=str(path),
        )
    )
