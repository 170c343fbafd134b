"""One SQLite file, one process, one thread that writes it; all writes that wait become one transaction.

A commit with ``synchronous=FULL`` costs one flush of the disk however much is in it, so the busier the node, the more
rows share a flush (group commit, J1). The reactor never waits: results come back by ``callFromThread``.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from federation.node.reserve import Reserve

T = TypeVar("T")
Trouble = Callable[[Problem | None], None]
"""Told once when the file cannot be written (with the problem), and once when it can again (None)."""

LARGEST_GROUP = 2_000
AGAIN_AFTER_S = 1.0
REFILL_EVERY_S = 5.0
"""one look at the disk's free room; who has made room wants to see at once that it helped"""

log = Logger()


class FromThreads(Protocol):
    """The part of a Twisted reactor that other threads may call."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> Any:  # noqa: N802
        """Call in the reactor's thread, soon, in the order of asking."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file of ours holds; ``slug`` begins its problems (``journal-in-use``)."""

    slug: str
    zh: str
    en: str
    version: int
    statements: tuple[str, ...]
    """what makes a new file"""
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = field(default_factory=dict)
    """by version: what makes a file of that version one of the next; all of them, with the new version, or none"""


class OwnedFile:
    """A SQLite file that only this process may open, until ``release``.

    Raises ``Refused`` with ``<slug>-in-use`` when another process (or another object in this one) has it,
    ``<slug>-newer`` when a later version of the program wrote it, ``<slug>-unreadable`` for anything else.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self._schema = schema
        self._lock: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            connection = self.connect()
            try:
                self._prepare(connection)
            finally:
                connection.close()
        except BlockingIOError:
            self.release()
            raise Refused(
                self._problem(
                    "in-use",
                    f"{schema.zh}已被另一个进程打开，每个文件只能由一个进程使用",
                    f"the {schema.en} is open in another process; one file belongs to one process",
                ),
                status=409,
            ) from None
        except (OSError, sqlite3.Error) as error:
            self.release()
            raise self.unreadable(error) from error
        except Refused:
            self.release()
            raise

    def connect(self) -> sqlite3.Connection:
        """A new connection that may be used in one thread, any thread."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def unreadable(self, error: OSError | sqlite3.Error) -> Refused:
        """What to raise when the file cannot be opened, or what is in it is no longer what was written."""
        return Refused(
            self._problem(
                "unreadable",
                f"无法打开{self._schema.zh}（应为可写的 SQLite 文件）：{error}",
                f"cannot open the {self._schema.en} (a SQLite file that can be written is expected): {error}",
            )
        )

    def release(self) -> None:
        """Let others open the file; only after all connections are closed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > self._schema.version:
            raise Refused(
                self._problem(
                    "newer",
                    f"{self._schema.zh}由较新的版本写成（格式 {version}），本程序可读至格式 {self._schema.version}",
                    f"a later version wrote the {self._schema.en} (format {version}); "
                    f"this one reads up to format {self._schema.version}",
                )
            )
        if version == self._schema.version:
            return
        connection.execute("BEGIN IMMEDIATE")
        if version == 0:
            for statement in self._schema.statements:
                connection.execute(statement)
        else:
            log.info(
                "bringing {path} from format {old} to {new}",
                path=str(self.path),
                old=version,
                new=self._schema.version,
                event="format-raised",
            )
            for older in range(version, self._schema.version):
                self._schema.steps[older](connection)
        connection.execute(f"PRAGMA user_version={self._schema.version}")
        connection.execute("COMMIT")

    def _problem(self, what: str, zh: str, en: str) -> Problem:
        return Problem(f"{self._schema.slug}-{what}", zh=zh, en=en, place=str(self.path))


@dataclass(frozen=True, slots=True)
class _Write:
    apply: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class _Read:
    query: Callable[[sqlite3.Connection], Any]
    answer: Deferred[Any]


@dataclass(frozen=True, slots=True)
class _Stop:
    answer: Deferred[None]


class SqliteThread:
    """The thread. Writes are applied in the order given; a read sees every write given before it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        reactor: FromThreads,
        trouble: Trouble,
        *,
        name: str,
        reserve: Reserve | None = None,
    ) -> None:
        """``reserve``: given up when the disk is full; ``trouble`` hears ``disk-tight``, and None when it is back."""
        self._connection = connection
        self._reactor = reactor
        self._trouble = trouble
        self._reserve = reserve
        self.tight = reserve is not None and reserve.size > 0 and not reserve.hold()
        """the reserve is in use: only what must be written should be"""
        if self.tight:
            reactor.callFromThread(trouble, _tight(None))
        self._looked_at = time.monotonic()
        self._jobs: SimpleQueue[_Write | _Read | _Stop] = SimpleQueue()
        self._stopping = Event()
        self._stopped = False
        self.groups = 0
        """transactions so far"""
        Thread(target=self._run, name=name, daemon=True).start()

    def write(self, apply: Callable[[sqlite3.Connection], T], done: Callable[[T], None]) -> None:
        """``apply`` in a transaction; once that is on disk, ``done(result)`` in the reactor's thread.

        ``apply`` may be called again when the disk refuses the transaction: it must change nothing but the database.
        ``RuntimeError`` after ``stop``.
        """
        if self._stopped:
            raise RuntimeError("written after stop")
        self._jobs.put(_Write(apply, done))

    def read(self, query: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """The result of ``query``; errbacks with ``sqlite3.Error``, or ``RuntimeError`` after ``stop``."""
        if self._stopped:
            return fail(RuntimeError("asked after stop"))
        answer: Deferred[T] = Deferred()
        self._jobs.put(_Read(query, answer))
        return answer

    def stop(self) -> Deferred[None]:
        """Finish what was given, close the connection; fires when that is done. While the disk refuses, give up."""
        answer: Deferred[None] = Deferred()
        if self._stopped:
            self._reactor.callFromThread(answer.callback, None)
            return answer
        self._stopped = True
        self._jobs.put(_Stop(answer))
        self._stopping.set()
        return answer

    # ── in the thread ───────────────────────────────────────────────────────────────────────────────────────────
    def _run(self) -> None:
        while True:
            jobs = [self._next_job()]
            while len(jobs) < LARGEST_GROUP:
                try:
                    jobs.append(self._jobs.get_nowait())
                except Empty:
                    break
            self._commit([job for job in jobs if isinstance(job, _Write)])
            if self.tight:
                self._refill()
            for job in jobs:
                if isinstance(job, _Read):
                    self._answer(job)
                elif isinstance(job, _Stop):
                    self._connection.close()
                    self._reactor.callFromThread(job.answer.callback, None)
                    return

    def _next_job(self) -> _Write | _Read | _Stop:
        """Wait for one; while the disk is full, look for room meanwhile: an idle node gets its reserve back too."""
        while True:
            try:
                return self._jobs.get(timeout=self._until_next_look() if self.tight else None)
            except Empty:
                self._refill()

    def _until_next_look(self) -> float:
        return max(0.0, self._looked_at + REFILL_EVERY_S - time.monotonic())

    def _commit(self, writes: list[_Write]) -> None:
        refused = False
        while writes:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                results = [(write.done, write.apply(self._connection)) for write in writes]
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if self._reserve is not None and makes_room(self._reserve, error):
                    self.tight = True
                    self._reactor.callFromThread(self._trouble, _tight(error))
                    continue
                if not refused:
                    refused = True
                    self._reactor.callFromThread(self._trouble, _cannot_write(error))
                if self._stopping.wait(AGAIN_AFTER_S):
                    log.critical(
                        "stopped with {count} groups that the disk refused: {error}",
                        count=len(writes),
                        error=error,
                        event="disk-refused",
                    )
                    return
            else:
                self.groups += 1
                if refused:
                    self._reactor.callFromThread(self._trouble, _tight(None) if self.tight else None)
                self._reactor.callFromThread(_deliver, results)
                return

    def _refill(self) -> None:
        """There may be room again: take the reserve back."""
        now = time.monotonic()
        if self._reserve is not None and now - self._looked_at >= REFILL_EVERY_S:
            self._looked_at = now
            if self._reserve.hold():
                self.tight = False
                self._reactor.callFromThread(self._trouble, None)

    def _answer(self, job: _Read) -> None:
        try:
            result = job.query(self._connection)
        except sqlite3.Error as error:
            self._reactor.callFromThread(job.answer.errback, error)
        else:
            self._reactor.callFromThread(job.answer.callback, result)


def _deliver(results: list[tuple[Callable[[Any], None], Any]]) -> None:
    for done, result in results:
        try:
            done(result)
        except Exception:  # noqa: BLE001 - the group is on disk whatever is done with it; logged in full
            log.failure("what follows a committed group failed", event="rows-unheard")


def makes_room(reserve: Reserve, error: Exception) -> bool:
    """Give the reserve up if ``error`` comes from a full disk; whether that made room."""
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return (full or reserve.needed()) and reserve.give()


def _tight(error: sqlite3.Error | None) -> Problem:
    return Problem(
        "disk-tight",
        zh=f"磁盘已满，正在使用预留空间，只写必要的记录；请尽快清理磁盘{f'：{error}' if error else ''}",
        en="the disk is full; the reserve is in use, and only records are written: make room"
        + (f": {error}" if error else ""),
    )


def _cannot_write(error: sqlite3.Error) -> Problem:
    return Problem(
        "disk-refuses",
        zh=f"磁盘无法写入，将每 {AGAIN_AFTER_S:.0f} 秒重试：{error}",
        en=f"the disk cannot be written, trying again every {AGAIN_AFTER_S:.0f} s: {error}",
    )


def log_trouble(problem: Problem | None) -> None:
    """The ``Trouble`` of a node that has no alarm of its own: the log."""
    if problem is None:
        log.info("the disk can be written again", event="disk-well")
    else:
        log.critical("{problem}", problem=problem.text("en"), slug=problem.slug, event=problem.slug)
