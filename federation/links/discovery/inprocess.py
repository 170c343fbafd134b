"""A lock for hubs of one process, on a ``Clock``: what Consul does for real ones, to be tried out by the second.

It forgets a holder that has not renewed for ``ttl_s`` and tells who waits. A hub can be cut off from it, and it can
lose all it knows, as a Consul without a disk does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed

from dataset.ids import NodeId
from federation.core.leader import Tenure, own_term
from federation.ports import Clock, Timer

TTL_S = 3.0
SURE = 0.9
"""share of the lock's time that its holder counts on: clocks of two machines may run apart by a tenth"""


class InProcessLock:
    """The lock itself. ``ttl_s``: how long it waits for its holder; hubs ask it three times as often."""

    def __init__(self, clock: Clock, *, ttl_s: float = TTL_S) -> None:
        self.ttl_s = ttl_s
        self.holder: NodeId | None = None
        self.term = 0
        """of the last hold"""
        self._clock = clock
        self._held_by: InProcessLeadership | None = None
        self._expiry: Timer | None = None
        self._waiting: list[InProcessLeadership] = []
        self._cut: set[NodeId] = set()

    def leadership(self, node: NodeId, hubs: Sequence[NodeId], clock: Clock | None = None) -> InProcessLeadership:
        """The port of a new run of ``node``, one of ``hubs`` as it knows them, which counts its time by ``clock``."""
        return InProcessLeadership(self, node, hubs, clock if clock is not None else self._clock)

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────
    def cut(self, *nodes: NodeId) -> None:
        """These hubs cannot reach the lock."""
        self._cut.update(nodes)

    def restore(self, *nodes: NodeId) -> None:
        """They can again."""
        self._cut.difference_update(nodes)

    def forget(self) -> None:
        """It loses its holder and its terms, as a lock service does that comes back with an empty disk."""
        self.term = 0
        self._let_go()

    # ── for the hubs ────────────────────────────────────────────────────────────────────────────────────────────
    def reachable(self, node: NodeId) -> bool:
        """Whether ``node`` can ask at all."""
        return node not in self._cut

    def ask(self, hub: InProcessLeadership, heard: int) -> int | None:
        """Get or renew the lock; the term of the hold, or None while another has it. Who asks in vain is told."""
        if hub not in self._waiting:
            self._waiting.append(hub)
        if self._held_by not in (None, hub):
            return None
        if self._held_by is None:
            self._held_by, self.holder = hub, hub.node
            self.term = own_term(hub.node, hub.hubs, max(self.term, heard))
        self._drop_expiry()
        self._expiry = self._clock.call_later(self.ttl_s, self._let_go)
        return self.term

    def release(self, hub: InProcessLeadership, *, leave: bool) -> None:
        """Give the lock back; ``leave``: and do not wait for it any more."""
        if leave and hub in self._waiting:
            self._waiting.remove(hub)
        if self._held_by is hub:
            self._let_go()

    def _let_go(self) -> None:
        before, self._held_by, self.holder = self._held_by, None, None
        self._drop_expiry()
        for hub in list(self._waiting):
            if hub is not before:
                hub.told_free()

    def _drop_expiry(self) -> None:
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self._expiry = None


class InProcessLeadership:
    """``federation.ports.Leadership`` over an ``InProcessLock``."""

    def __init__(self, lock: InProcessLock, node: NodeId, hubs: Sequence[NodeId], clock: Clock) -> None:
        self.node = node
        self.hubs = hubs
        self._lock = lock
        self._clock = clock
        self._heard: Callable[[], int] = lambda: 0
        self._changed: Callable[[Tenure | None], None] = lambda _: None
        self._timer: Timer | None = None
        self._holds = False
        self._stopped = False

    def compete(self, heard: Callable[[], int], changed: Callable[[Tenure | None], None]) -> None:
        """Ask for the lock now, when it becomes free, and three times within its time."""
        self._heard, self._changed = heard, changed
        self._ask()

    def resign(self) -> None:
        """Give it back and ask again in a third of its time."""
        self._lock.release(self, leave=False)
        self._lost()

    def stop(self) -> Deferred[None]:
        """Give it back."""
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._lock.release(self, leave=True)
        return succeed(None)

    def told_free(self) -> None:
        """The lock is free; a hub that is paused hears of it when it goes on."""
        self._clock.call_later(0.0, self._try)

    def _ask(self) -> None:
        self._timer = self._clock.call_later(self._lock.ttl_s / 3, self._ask)
        self._try()

    def _try(self) -> None:
        if self._stopped or not self._lock.reachable(self.node):
            return
        asked_at = self._clock.monotonic()
        term = self._lock.ask(self, self._heard())
        if term is None:
            self._lost()
        else:
            self._holds = True
            self._changed(Tenure(term, asked_at + SURE * self._lock.ttl_s))

    def _lost(self) -> None:
        if self._holds:
            self._holds = False
            self._changed(None)
