"""Who is there: local users with argon2, lockout, and sessions with random tokens that end by themselves.

Hashing takes tens of milliseconds and memory by intention, so it never runs on the reactor thread: a ``Runner`` takes
it elsewhere. In simulations on virtual time the runner is synchronous and the parameters are cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.defer import Deferred, DeferredSemaphore, maybeDeferred

from dataset.declared import Between, Seconds, setting
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, NodeId
from dataset.services.words import ROLES as WORK_ROLES
from federation.node.lockout import Lockout
from federation.ports import Clock, Timer

AUDITOR = "auditor"
ROLES = frozenset({*WORK_ROLES, AUDITOR})
"""whoever takes steps of work (``dataset.services.words``), and who looks at what was done"""
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
_WAITING_FOR_HASH = 200


class Runner(Protocol):
    """Runs a slow function somewhere; on a thread in production, at once in simulations."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Fires with the result on the reactor thread."""


def at_once(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
    """A ``Runner`` for virtual time: the function runs now."""
    return maybeDeferred(function, *args)


STRONG = PasswordHasher()
"""argon2id by RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes."""
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""For accounts of a demo or a load test, whose passwords are printed anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """Lockout and lifetimes."""

    failures: Annotated[int, Between(1, 100)] = setting(
        "锁定前允许的失败次数", "failures before a user is locked", default=5
    )
    lock_s: Seconds = setting("锁定时间", "how long a user stays locked", default=300.0, key="lock")
    idle_s: Seconds = setting(
        "无操作多久后退出", "a session ends after so long without any call", default=43_200.0, key="idle"
    )
    life_s: Seconds = setting(
        "登录最长有效期", "a session ends after so long in any case", default=57_600.0, key="life"
    )


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: everything that a service may decide by."""

    user: str
    agent: AgentId | None
    name: str
    roles: frozenset[str]
    node: NodeId
    session: str = ""
    """names the login session in logs and between services; not the token, and of no use to log in with"""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One local user. ``hash`` is argon2's encoded form."""

    user: str
    name: str
    roles: frozenset[str]
    hash: str
    agent: AgentId | None = None


class Users(Protocol):
    """Where local users are kept. Forms: ``MemoryUsers``, ``users.FileUsers``."""

    def find(self, user: str) -> UserRecord | None:
        """The user, or None."""

    def set_hash(self, user: str, hash: str) -> Deferred[None]:
        """Keep a changed password; fires once it is kept."""


class MemoryUsers:
    """Users of a simulation or a test."""

    def __init__(self, *records: UserRecord) -> None:
        self._records = {record.user: record for record in records}

    def add(self, record: UserRecord) -> None:
        """One more user, or another record of the same one."""
        self._records[record.user] = record

    def find(self, user: str) -> UserRecord | None:
        """The user, or None."""
        return self._records.get(user)

    def set_hash(self, user: str, hash: str) -> Deferred[None]:
        """Keep a changed password."""
        old = self._records[user]
        self._records[user] = UserRecord(old.user, old.name, old.roles, hash, old.agent)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


@dataclass(slots=True, eq=False)
class _Session:
    actor: Actor
    digest: bytes
    born: float
    seen: float
    timer: Timer | None = None


class Logins:
    """Verifies passwords and keeps sessions. All times are seconds of the given clock, which should be the one of the
    people who log in (real time, where the world simulated behind it runs faster).
    """

    def __init__(
        self,
        node: NodeId,
        users: Users,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        *,
        runner: Runner = at_once,
        hasher: PasswordHasher = STRONG,
        settings: LoginSettings | None = None,
    ) -> None:
        self._node = node
        self._users = users
        self._clock = clock
        self._random_bytes = random_bytes
        self._runner = runner
        self._hasher = hasher
        self._settings = settings or LoginSettings()
        self._lockout = Lockout(clock, self._settings.failures, self._settings.lock_s)
        self._sessions: dict[bytes, _Session] = {}
        self._by_id: dict[str, _Session] = {}
        self._by_user: dict[str, list[_Session]] = {}
        self._decoy = hasher.hash("nobody has this password")
        self._turns = DeferredSemaphore(2)
        self.ended: Callable[[Actor, str], None] = lambda actor, reason: None
        """called after a session has ended; why: ``expired``, ``taken_over``, ``logged_out``, ``password``"""

    # ── passwords ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def verify(self, user: str, password: str) -> Actor:
        """Who this is. Raises ``Refused``: 401 ``login-refused`` alike for an unknown user and a wrong password, 429
        ``login-locked`` after too many failures (of unknown users too), 503 ``login-busy``.
        """
        self._check_lock(user)
        record = self._users.find(user)
        good = await self.matches(record.hash if record else self._decoy, password)
        if record is None or not good:
            self._lockout.failed(user)
            raise Refused(
                Problem(
                    "login-refused",
                    zh="用户名或密码不对",
                    en="user or password is wrong",
                    place="password",
                ),
                status=401,
            )
        self._lockout.passed(user)
        if self._hasher.check_needs_rehash(record.hash):
            await self._users.set_hash(user, await self._hash(password))
        return Actor(record.user, record.agent, record.name, record.roles, self._node)

    async def change_password(self, actor: Actor, old: str, new: str) -> None:
        """Set another password and end the user's other sessions. Raises ``Refused``: as ``verify``, or 400
        ``password-weak``.
        """
        if not SHORTEST_PASSWORD <= len(new) <= LONGEST_PASSWORD or new in (old, actor.user):
            raise Refused(
                Problem(
                    "password-weak",
                    zh=f"新密码须有 {SHORTEST_PASSWORD} 至 {LONGEST_PASSWORD} 个字符，且不同于旧密码和用户名",
                    en=f"a new password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters and must differ "
                    "from the old one and from the user's name",
                    place="new",
                )
            )
        await self.verify(actor.user, old)
        await self._users.set_hash(actor.user, await self._hash(new))
        for session in list(self._by_user.get(actor.user, ())):
            if session.actor.session != actor.session:
                self._end(session, "password")

    async def matches(self, hashed: str, password: str) -> bool:
        """Whether ``password`` (or a PIN) is that of ``hashed``, argon2's encoded form; compared off the reactor
        thread. Raises ``Refused`` 503 ``login-busy``.
        """

        def compare() -> bool:
            try:
                return self._hasher.verify(hashed, password)
            except (VerificationError, InvalidHashError):
                return False

        return bool(await self._elsewhere(compare))

    async def _hash(self, password: str) -> str:
        return str(await self._elsewhere(self._hasher.hash, password))

    def _elsewhere(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if len(self._turns.waiting) >= _WAITING_FOR_HASH:
            raise Refused(
                Problem("login-busy", "登录过于频繁，请稍后再试", "too many logins at once; try again in a moment"),
                status=503,
            )
        return self._turns.run(self._runner, function, *args)

    def _check_lock(self, user: str) -> None:
        left = self._lockout.left_s(user)
        if left > 0:
            minutes = int(left // 60) + 1
            raise Refused(
                Problem(
                    "login-locked",
                    zh=f"失败次数过多，请约 {minutes} 分钟后再试",
                    en=f"too many failures; try again in about {minutes} min",
                    place="user",
                ),
                status=429,
            )

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────
    def open(self, actor: Actor, *, alone: bool) -> tuple[str, Actor]:
        """Begin a session: its token, and the actor with the session's name. ``alone`` ends the user's other sessions
        (an agent sits at one place).
        """
        if alone:
            for session in list(self._by_user.get(actor.user, ())):
                self._end(session, "taken_over")
        token = self._random_bytes(32).hex()
        digest = hashlib.sha256(token.encode()).digest()
        name = digest.hex()[:12]
        owner = Actor(actor.user, actor.agent, actor.name, actor.roles, actor.node, name)
        now = self._clock.monotonic()
        session = _Session(owner, digest, now, now)
        self._sessions[digest] = session
        self._by_id[name] = session
        self._by_user.setdefault(actor.user, []).append(session)
        self._arm(session)
        return token, owner

    def actor(self, token: str) -> Actor:
        """Whose token this is; counts as a sign of life. Raises ``Refused`` 401 ``not-logged-in``."""
        session = self._sessions.get(hashlib.sha256(token.encode()).digest())
        if session is None:
            raise not_logged_in()
        session.seen = self._clock.monotonic()
        return session.actor

    def holds(self, actor: Actor) -> bool:
        """Whether the actor's session still lasts."""
        return actor.session in self._by_id

    def close(self, actor: Actor, reason: str = "logged_out") -> None:
        """End a session; nothing when it has ended already."""
        session = self._by_id.get(actor.session)
        if session is not None:
            self._end(session, reason)

    def stop(self) -> None:
        """Forget all sessions and their timers, telling nobody."""
        for session in self._sessions.values():
            if session.timer is not None and session.timer.active():
                session.timer.cancel()
        self._sessions.clear()
        self._by_id.clear()
        self._by_user.clear()

    def _end(self, session: _Session, reason: str) -> None:
        del self._sessions[session.digest]
        del self._by_id[session.actor.session]
        others = self._by_user[session.actor.user]
        others.remove(session)
        if not others:
            del self._by_user[session.actor.user]
        if session.timer is not None and session.timer.active():
            session.timer.cancel()
        self.ended(session.actor, reason)

    def _arm(self, session: _Session) -> None:
        end = min(session.seen + self._settings.idle_s, session.born + self._settings.life_s)
        session.timer = self._clock.call_later(end - self._clock.monotonic(), self._due, session)

    def _due(self, session: _Session) -> None:
        now = self._clock.monotonic()
        if now >= session.seen + self._settings.idle_s or now >= session.born + self._settings.life_s:
            self._end(session, "expired")
        else:
            self._arm(session)


def not_logged_in() -> Refused:
    """Nobody is known by what was shown."""
    return Refused(
        Problem("not-logged-in", "未登录或登录已失效，请重新登录", "not logged in, or not any more; log in again"),
        status=401,
    )
