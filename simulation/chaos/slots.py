"""Slots, seen from outside: an agent is shown as ready only when nothing rings or talks at the seat any more (A4), and
none waits for a leg longer than a lease lives (A3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dataset import rows
from dataset.ids import AgentId, CityId, ConnectionId, NodeId, Token, is_hub
from federation.core.envelope import Envelope, Granted, Stream
from federation.links.inprocess import Fate
from federation.node.journal import Stamped
from federation.ports import Clock
from site_node.switch.simulated.network import Network

LOOK_AFTER_S = 0.5
"""a seat's hanging up may be on its way to the switch, and the switch's word of it on the way back"""
CALM_S = 3.0
WAITS_S = 19.0
"""longer than a lease lives: 6 s for the grant, and 6 s more from each word that it is taken, doubled or not"""


class SlotWatch:
    """Looks at the phone of whoever becomes ready. ``disturbed_at``: when a node or its switch was last harmed.

    ``waits``: whether a city still holds a slot for a leg that was granted with this token, and has not come.
    """

    def __init__(
        self,
        clock: Clock,
        network: Network,
        disturbed_at: Callable[[NodeId], float],
        waits: Callable[[CityId, Token], bool],
    ) -> None:
        self.wrong: list[str] = []
        self._clock = clock
        self._network = network
        self._disturbed_at = disturbed_at
        self._waits = waits
        self._ready: dict[AgentId, float] = {}
        """since when each ready agent is, by the rows"""

    def on_rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        """A group reached the disk of ``node``."""
        if is_hub(node):
            return
        for one in stamped:
            row = one.journalled.row
            if not isinstance(row, rows.AgentChanged):
                continue
            if row.state != "ready":
                self._ready.pop(row.agent, None)
                continue
            since = self._ready[row.agent] = self._clock.monotonic()
            busy_with = self._at(node, row.seat)
            if busy_with is not None:
                self._clock.call_later(LOOK_AFTER_S, self._look, node, row.agent, row.seat, since, busy_with)

    def on_fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        """An envelope was sent, arrived or was lost."""
        if fate is Fate.SENT and envelope.stream is Stream.COMMAND:
            message = envelope.body
            if isinstance(message, Granted) and receiver != envelope.sender and not is_hub(receiver):
                self._clock.call_later(WAITS_S, self._look_whether_it_waits, message.site, message.token)

    def _look_whether_it_waits(self, site: CityId, token: Token) -> None:
        calm = self._clock.monotonic() - self._disturbed_at(NodeId(site)) > WAITS_S
        if calm and self._waits(site, token):
            self.wrong.append(f"A3: {site} holds a slot for the leg of lease {token}, long after its time")

    def _at(self, node: NodeId, seat: str) -> ConnectionId | None:
        phone = self._network.city(CityId(node)).seats.get(seat)
        return None if phone is None or phone.connection is None else phone.connection.id

    def _look(self, node: NodeId, agent: AgentId, seat: str, since: float, connection: ConnectionId) -> None:
        calm = self._clock.monotonic() - self._disturbed_at(node) > CALM_S
        if calm and self._ready.get(agent) == since and self._at(node, seat) == connection:
            self.wrong.append(f"A4: {agent} was given back as free while {connection} was still at the seat")
