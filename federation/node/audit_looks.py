"""Who has looked into the audit record itself: a chain of its own beside a node's files, written by the command that
shows it.

A journal is written by the one process that has it open, and a look must not depend on whether that runs. So the looks
lie in a file of lines, one appended after the other under a lock; each states the hash of the line before it and its
own. The line is on disk before anything is shown.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from dataset.errors import Problem, Refused
from dataset.masking import masked
from federation.node.audit_files import Asked, moment_of
from federation.node.login import AUDITOR
from federation.node.program import auditor_password
from federation.node.users import check_login
from federation.node.whole_files import sync_folder

LOOKS = "audit-looks.jsonl"
_OPEN = b'"hash":""'


class AuditLook(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked to see audit rows."""

    at: float
    """UTC seconds since the epoch"""
    system_user: str
    """whom the operating system knows: the user of the process, and who logged in where that is another one"""
    user: str
    """who is named as the auditor"""
    file: str
    """what was looked into"""
    customer: str = ""
    line: str = ""
    """masked"""
    agent: str = ""
    """customer, line, agent: which views alone were asked for"""
    looks: bool = False
    """asked for were the looks into the record"""
    refused: str = ""
    """slug of the refusal; empty where it was shown"""
    number: int = 0
    """from 1"""
    before: str = ""
    """hash of the line before it"""
    hash: str = ""
    """SHA-256 in hex over the line, with this field empty"""


class LooksChecked(NamedTuple):
    """What a check of the looks came to."""

    rows: int
    first: float | None
    last: float | None
    head: str
    """hash of the last line"""
    broken: tuple[int, ...]
    """lines, from 1, that are not what was written there"""


def look_of(user: str, file: Path, asked: Asked, *, looks: bool = False) -> AuditLook:
    """Of whoever runs this process, now."""
    return AuditLook(
        at=time.time(),
        system_user=_system_user(),
        user=user,
        file=str(file.absolute()),
        customer=asked.customer,
        line=masked(asked.line) if asked.line else "",
        agent=asked.agent,
        looks=looks,
    )


def put_on_record(path: Path, look: AuditLook) -> None:
    """Append ``look``; it is on disk when this returns. Raises ``Refused`` ``look-unrecorded``: nothing may be shown
    then.
    """
    try:
        new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            whole = file.read()
            # a line without its end is one that a crash cut off: nothing was shown for it
            end = whole.rfind(b"\n") + 1
            last = _read(whole[:end].splitlines()[-1]) if end else None
            unsealed = msgspec.structs.replace(
                look,
                number=whole.count(b"\n") + 1,
                before=last.hash if last is not None else "",
                hash="",
            )
            data = msgspec.json.encode(unsealed)
            file.seek(end)
            file.truncate()
            file.write(data.replace(_OPEN, b'"hash":"' + _hash(data) + b'"') + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(path.parent)
    except OSError as error:
        raise Refused(
            Problem(
                "look-unrecorded",
                zh=f"查看本身要留记录，但无法写入，因此不予显示：{error}",
                en=f"a look leaves a record of its own, which cannot be written, so nothing is shown: {error}",
                place=str(path),
            )
        ) from error


def audit_seen(name: str, users: Path, look: AuditLook, looks: Path, told: Callable[[], Iterable[str]]) -> None:
    """Print what the auditor ``name`` asks of the audit record, with the look itself in ``looks`` first; refused ones
    are there, too.

    Raises ``Refused``: as ``check_login``; ``look-unrecorded``; what ``told`` raises.
    """
    try:
        check_login(users, name, auditor_password(), AUDITOR)
    except Refused as refused:
        with suppress(Refused):  # nothing is shown: why not is what matters, whether or not that can be written
            put_on_record(looks, msgspec.structs.replace(look, refused=refused.problems[0].slug))
        raise
    put_on_record(looks, look)
    found = False
    for line in told():
        found = True
        click.echo(line)
    if not found:
        click.echo("没有符合的记录 · nothing on record", err=True)


def looks_in(path: Path) -> Iterator[AuditLook]:
    """All of them, in order; lines that cannot be read are passed over: ``check_looks`` names them."""
    for line in _lines(path):
        look = _read(line)
        if look is not None:
            yield look


def check_looks(path: Path) -> LooksChecked:
    """The chain in the file at ``path``; nothing where there is none. Raises ``Refused`` ``file-unreadable``."""
    broken: list[int] = []
    before, looks = "", list[AuditLook]()
    lines = _lines(path)
    for number, line in enumerate(lines, 1):
        look = _read(line)
        if look is None:
            broken.append(number)
            before = ""
            continue
        looks.append(look)
        bare = line.replace(b'"hash":"' + look.hash.encode() + b'"', _OPEN)
        if (look.number, look.before, look.hash) != (number, before, _hash(bare).decode()):
            broken.append(number)
        before = look.hash
    return LooksChecked(
        len(lines),
        looks[0].at if looks else None,
        looks[-1].at if looks else None,
        before,
        tuple(broken),
    )


def looks_lines(checked: LooksChecked) -> list[str]:
    """What ``verify`` says of it."""
    if not checked.rows:
        return []
    span = f"  {moment_of(checked.first)} – {moment_of(checked.last)}" if checked.first and checked.last else ""
    state = "完整 whole" if not checked.broken else f"{len(checked.broken)} 处断开 breaks"
    return [
        f"审计查看 looks at this record: {checked.rows} 条 rows{span}  {state}",
        f"  末条散列 hash of the last row: {checked.head}",
        *(f"  ! #{number}: 不是写入的内容 not what was written there" for number in checked.broken),
    ]


def look_line(look: AuditLook) -> str:
    """One look as an auditor reads it."""
    parts = [moment_of(look.at), f"{look.user} ({look.system_user})", look.file]
    asked = (("客户 customer", look.customer), ("号码 line", look.line), ("坐席 agent", look.agent))
    parts += [f"{name} {value}" for name, value in asked if value]
    if look.looks:
        parts.append("审计查看 looks")
    if look.refused:
        parts.append(f"拒绝 refused: {look.refused}")
    return "  ".join(parts)


def _lines(path: Path) -> list[bytes]:
    try:
        whole = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise Refused(
            Problem("file-unreadable", zh=f"无法读取：{error}", en=f"the file cannot be read: {error}", place=str(path))
        ) from error
    return whole[: whole.rfind(b"\n") + 1].splitlines()


def _read(line: bytes) -> AuditLook | None:
    try:
        return msgspec.json.decode(line, type=AuditLook)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _hash(data: bytes) -> bytes:
    return sha256(data).hexdigest().encode()


def _system_user() -> str:
    found = _name_of(os.getuid())
    with suppress(OSError, ValueError):
        # the kernel remembers who logged in, whoever the process runs as by now
        login = int(Path("/proc/self/loginuid").read_text("ascii"))
        if login not in (os.getuid(), 2**32 - 1):
            found = f"{found}, {_name_of(login)}"
    return found


def _name_of(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
