"""The lock in Consul by which one hub of several leads (B2). The only module that speaks to Consul.

A session of Consul lives as long as the checks it is bound to. Consul's own time to live of a session is ten seconds at
least and may take twice as long, too slow for a hub to be replaced within ten; so the session is bound to a check of
the hub's own (``ttl_s``, passed three times as often) and has no time of its own. A hub that is silent makes its check
critical, Consul ends the session and lets the lock go at once, and the others, who wait for that by a blocking query,
compete. The holder counts from the moment *before* it passed its check, and not quite as long as Consul does.

The term stands in the lock's value: whoever acquires the lock writes the next of its own terms (``own_term``) above
what the value said, and above what anybody was heard to have. Consul counts acquisitions (``LockIndex``): had another
hub come in between, perhaps under a higher one, that shows, and the lock is given back. So the term grows with each
hold, no two hubs have one, and a Consul that lost its data goes on where the hubs are.

py-consul blocks, so every round of questions is made in a thread, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import consul
import requests
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.ids import NodeId
from federation.core.leader import Tenure, own_term
from federation.node.login import Runner
from federation.ports import Clock, Timer

SURE = 0.9
"""share of ``ttl_s`` that a holder counts on: clocks of two machines may run apart by a tenth"""
ROUNDS = 3
"""rounds within ``ttl_s``"""
GONE_AFTER = "1m"
"""Consul's shortest time after which it forgets a service whose check stays critical"""
SERVICE = "yihaotong-hub"
NODE_CHECK = "serfHealth"

log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsulAccess:
    """Where Consul is, and how it lets us in. ``addresses``: host and port, tried in order."""

    addresses: Sequence[tuple[str, int]]
    lock: str = "yihaotong/leader"
    ttl_s: float = 3.0
    token: str = ""
    tls: bool = False
    ca: str | None = None
    """CA file; None = the system's"""
    certificate: tuple[str, str] | None = None
    """files of our certificate and its key"""


class ConsulTrouble(Exception):
    """Consul did not answer, or not as hoped."""


class _Session:
    """One session at one server, with the check it hangs on. All methods block, and raise ``ConsulTrouble``."""

    def __init__(
        self, access: ConsulAccess, at: tuple[str, int], node: NodeId, hubs: Sequence[NodeId], name: str
    ) -> None:
        self.at = at
        self._access = access
        self._node = node
        self._hubs = hubs
        self._service = f"{SERVICE}-{name}"
        self._check = f"service:{self._service}"
        host, port = at
        self._consul = consul.Consul(
            host,
            port,
            scheme="https" if access.tls else "http",
            verify=access.ca if access.ca is not None else True,
            cert=access.certificate,
            connections_timeout=access.ttl_s,
        )
        self._consul.token = access.token
        self._consul.http.session.trust_env = False  # no proxy of the environment stands before the lock
        self._id = ""

    def open(self) -> None:
        """Register the check, pass it, and bind a session to it."""
        check = {"ttl": f"{self._access.ttl_s:g}s", "status": "passing", "DeregisterCriticalServiceAfter": GONE_AFTER}
        self._ask(lambda: self._consul.agent.service.register(SERVICE, self._service, check=check))
        self.alive()
        self._id = self._ask(
            lambda: self._consul.session.create(
                f"{SERVICE} {self._node}", checks=[NODE_CHECK, self._check], lock_delay=0
            )
        )

    def alive(self) -> None:
        """Pass the check."""
        self._ask(lambda: self._consul.agent.check.ttl_pass(self._check))

    def read(self, after: str | None = None, wait_s: float = 0.0) -> tuple[str, dict[str, Any] | None]:
        """Consul's index, and the lock as it is; with ``after``, an earlier index, once it has changed, or in
        ``wait_s`` seconds.
        """
        waiting = {} if after is None else {"index": after, "wait": f"{wait_s * 1000:.0f}ms"}
        answer: tuple[str, dict[str, Any] | None] = self._ask(
            lambda: self._consul.kv.get(self._access.lock, consistency="consistent", **waiting)
        )
        return answer

    def is_ours(self, entry: dict[str, Any] | None) -> bool:
        """Whether this session holds the lock."""
        return entry is not None and entry.get("Session") == self._id

    def acquire(self, entry: dict[str, Any] | None, heard: int) -> int | None:
        """Get the lock, which was free as ``entry``; the term, or None when another was faster."""
        term = own_term(self._node, self._hubs, max(_term_in(entry), heard))
        value = json.dumps({"hub": self._node, "term": term})
        if not self._ask(lambda: self._consul.kv.put(self._access.lock, value, acquire=self._id)):
            return None
        _, now = self.read()
        if not self.is_ours(now):
            return None
        if now is None or now["LockIndex"] != (entry["LockIndex"] if entry is not None else 0) + 1:
            self.release()  # another had it in between, perhaps under a higher term
            return None
        return term

    def release(self) -> None:
        """Let the lock go; its value, the term, stays."""
        _, entry = self.read()
        if self.is_ours(entry) and entry is not None:
            self._ask(lambda: self._consul.kv.put(self._access.lock, entry["Value"], release=self._id))

    def close(self) -> None:
        """End the session, so that the lock is free at once, and take the check away."""
        self._ask(lambda: self._consul.session.destroy(self._id))
        self._ask(lambda: self._consul.agent.service.deregister(self._service))

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (consul.ConsulException, requests.RequestException) as error:
            raise ConsulTrouble(f"{self.at[0]}:{self.at[1]}: {error}") from error


def _term_in(entry: dict[str, Any] | None) -> int:
    """The term that the lock's value names; 0 where there is none, or something else."""
    try:
        said = json.loads((entry or {})["Value"])["term"]
    except (KeyError, TypeError, ValueError):
        return 0
    return said if type(said) is int else 0


class _Competitor:
    """What is known between two rounds. Its methods block; one is under way at a time.

    A session is given up whenever it is of no use, and the next one opened at the next server: each has a check of its
    own, so one that nobody passes any more ends with it, and lets go what it may have got.
    """

    def __init__(
        self,
        access: ConsulAccess,
        node: NodeId,
        hubs: Sequence[NodeId],
        run: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._access = access
        self._node = node
        self._hubs = hubs
        self._run = run
        self._monotonic = monotonic
        self._session: _Session | None = None
        self._sessions = 0
        self._at = 0
        self._well_at = float("-inf")
        """when a round last began that went well"""
        self._term: int | None = None
        """of the hold, while it lasts"""

    def round(self, heard: int) -> Tenure | None:
        """Pass the check and look at the lock: get it when it is free, wait a third of its time when it is not.

        The hold, or None while another has it. Raises ``ConsulTrouble``.
        """
        began = self._monotonic()
        try:
            tenure = self._round(began, heard)
        except ConsulTrouble:
            if self._term is None or began - self._well_at > self._access.ttl_s:
                self._session, self._term = None, None
                self._at += 1
            raise
        self._well_at = began
        return tenure

    def _round(self, began: float, heard: int) -> Tenure | None:
        session = self._session
        if session is None:
            self._sessions += 1
            at = self._access.addresses[self._at % len(self._access.addresses)]
            session = _Session(self._access, at, self._node, self._hubs, f"{self._node}-{self._run}-{self._sessions}")
            session.open()
            self._session = session
        session.alive()
        index, entry = session.read()
        if self._term is None and entry is not None and entry.get("Session"):
            index, entry = session.read(index, self._access.ttl_s / ROUNDS)
            if entry is not None and entry.get("Session"):
                return None
            began = self._monotonic()
            session.alive()
        if self._term is None:
            self._term = session.acquire(entry, heard)
        elif not session.is_ours(entry):
            self._session, self._term = None, None
        return None if self._term is None else Tenure(self._term, began + SURE * self._access.ttl_s)

    def resign(self) -> None:
        """Let the lock go. Raises ``ConsulTrouble``."""
        self._term = None
        if self._session is not None:
            self._session.release()

    def leave(self) -> None:
        """End the session. Raises ``ConsulTrouble``."""
        session, self._session, self._term = self._session, None, None
        if session is not None:
            session.close()


class ConsulLeadership:
    """``federation.ports.Leadership`` over a lock in Consul, for ``node``, one of ``hubs``.

    ``run``: a random word for this run of the hub.
    """

    def __init__(
        self,
        access: ConsulAccess,
        node: NodeId,
        hubs: Sequence[NodeId],
        run: str,
        clock: Clock,
        in_thread: Runner,
    ) -> None:
        self._competitor = _Competitor(access, node, hubs, run, clock.monotonic)
        self._every_s = access.ttl_s / ROUNDS
        self._clock = clock
        self._in_thread = in_thread
        self._heard: Callable[[], int] = lambda: 0
        self._changed: Callable[[Tenure | None], None] = lambda _: None
        self._timer: Timer | None = None
        self._round: Deferred[None] | None = None
        self._holds = False
        self._resigning = False
        self._trouble = False
        self._stopped = False

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """Make rounds from now on."""
        self._heard, self._changed = heard, changed
        self._begin_round()

    def resign(self) -> None:
        """Count on the lock no more; the next round gives it back."""
        self._resigning = True
        self._lost()

    def stop(self) -> Deferred[None]:
        """Finish the round under way, then end the session."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return Deferred.fromCoroutine(self._leave())

    async def _leave(self) -> None:
        if self._round is not None:
            await self._round
        try:
            await self._in_thread(self._competitor.leave)
        except ConsulTrouble as trouble:
            log.warn("the lock is left to run out: {why}", why=trouble, event="leader-lock-unreachable")

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _begin_round(self) -> None:
        self._round = Deferred.fromCoroutine(self._make_round())
        self._round.addErrback(lambda failure: log.failure("a round broke", failure, event="leadership-broke"))

    async def _make_round(self) -> None:
        try:
            await self._ask()
        finally:
            if not self._stopped:
                self._timer = self._clock.call_later(self._every_s if self._waits else 0.0, self._begin_round)

    @property
    def _waits(self) -> bool:
        """Who stands by has waited in its round."""
        return self._holds or self._trouble

    async def _ask(self) -> None:
        try:
            if self._resigning:
                await self._in_thread(self._competitor.resign)
                self._resigning = False
            tenure = await self._in_thread(self._competitor.round, self._heard())
        except ConsulTrouble as trouble:
            self._in_trouble(trouble)
            return
        if self._trouble:
            self._trouble = False
            log.info("the lock in Consul is reached again", event="leader-lock-reached")
        if self._stopped or self._resigning:
            return
        if tenure is None:
            self._lost()
        else:
            self._holds = True
            self._changed(tenure)

    def _in_trouble(self, trouble: ConsulTrouble) -> None:
        if not self._trouble:
            log.error(
                "the lock in Consul cannot be kept or got: {why}; without it this hub does not lead (B2)",
                why=trouble,
                event="leader-lock-unreachable",
            )
        self._trouble = True

    def _lost(self) -> None:
        if self._holds:
            self._holds = False
            self._changed(None)
