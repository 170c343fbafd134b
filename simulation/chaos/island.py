"""I5: a city that is cut off goes on serving its own callers; seen from outside, call by call.

A caller enters the queue of a city that nobody can reach, an agent there is shown as ready, and nothing else is wrong
with the city: then within a second somebody's seat rings, or the caller or the agent has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dataset import rows
from dataset.ids import AgentId, ContactId, NodeId, is_hub
from federation.links.inprocess import Wires
from federation.node.journal import Stamped
from federation.ports import Clock

CALM_S = 20.0
"""so long nothing but the lines may have been disturbed: leases promised to others have run out"""
WITHIN_S = 1.0


class IslandWatch:
    """Looks at each call that enters a queue on an island. ``disturbed_at``: when something was last done to a node."""

    def __init__(
        self, clock: Clock, wires: Wires, nodes: Sequence[NodeId], disturbed_at: Callable[[NodeId], float]
    ) -> None:
        self.checked = 0
        self.wrong: list[str] = []
        self._clock = clock
        self._wires = wires
        self._nodes = nodes
        self._disturbed_at = disturbed_at
        self._ready: dict[NodeId, set[AgentId]] = {}
        self._waiting: dict[NodeId, dict[ContactId, None]] = {}
        self._apart_since: dict[NodeId, float] = {}

    def on_rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        """A group reached the disk of ``node``."""
        if is_hub(node):
            return
        calm = self._calm(node)
        ready = self._ready.setdefault(node, set())
        anybody = bool(ready)
        waiting = self._waiting.setdefault(node, {})
        entered = []
        for one in stamped:
            row = one.journalled.row
            if isinstance(row, rows.LineageOpened):
                ready.clear()
                waiting.clear()
            elif isinstance(row, rows.AgentChanged):
                (ready.add if row.state == "ready" else ready.discard)(row.agent)
            elif isinstance(row, rows.QueueEntered):
                waiting[row.contact] = None
                if row.how is rows.Entered.OFFERED:
                    entered.append(row.contact)
            elif isinstance(row, (rows.QueueLeft, rows.AttemptOpened)):
                waiting.pop(row.contact, None)
        for contact in entered:
            if not anybody or not calm:
                continue
            if contact not in waiting:
                self.checked += 1  # tried at once, in the step in which it entered
            elif ready:
                self._clock.call_later(WITHIN_S, self._look, node, contact, frozenset(ready))

    def _calm(self, node: NodeId) -> bool:
        now = self._clock.monotonic()
        if not self._alone(node):
            self._apart_since.pop(node, None)
            return False
        since = self._apart_since.setdefault(node, now)
        return now - since > CALM_S and now - self._disturbed_at(node) > CALM_S

    def _alone(self, node: NodeId) -> bool:
        return not self._wires.is_up(node) or all(
            self._wires.line(node, one).cut and self._wires.line(one, node).cut for one in self._nodes if one != node
        )

    def _look(self, node: NodeId, contact: ContactId, ready: frozenset[AgentId]) -> None:
        if not self._calm(node):
            return
        self.checked += 1
        if contact in self._waiting[node] and ready & self._ready[node]:
            idle = ", ".join(sorted(ready & self._ready[node]))
            self.wrong.append(f"I5: {contact} waits in {node}, an island, though {idle} could answer")
