"""The bridges: one for each joined pair, made for it and removed after it. Nothing outside knows that they exist."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Protocol

from dataset.ids import ConnectionId
from site_node.switch.asterisk.snapshot import Held


class Ask(Protocol):
    """How to ask the switch (``AsteriskSwitch._ask``)."""

    def __call__(
        self, method: str, *path: str, query: dict[str, str] | None = None, fine: tuple[int, ...] = ()
    ) -> None:
        """Ask and go on."""


GONE = (404, 409, 422)
"""The bridge or channel is not there any more, or the channel is on its way out."""


class Rooms:
    """Which leg is in which bridge, as far as this program asked for it or found it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._bridge: dict[ConnectionId, str] = {}
        self._members: dict[str, set[ConnectionId]] = {}

    def together(self, one: ConnectionId, other: ConnectionId) -> bool:
        """Whether the two hear each other."""
        bridge = self._bridge.get(one)
        return bridge is not None and bridge == self._bridge.get(other)

    def enter(self, one: ConnectionId, other: ConnectionId, *, proxied: bool) -> None:
        """Let two legs that are in no bridge hear each other."""
        bridge = f"join-{secrets.token_hex(8)}"
        self._bridge |= {one: bridge, other: bridge}
        self._members[bridge] = {one, other}
        self._ask("POST", "bridges", bridge, query={"type": "mixing,proxy_media" if proxied else "mixing"})
        self._ask("POST", "bridges", bridge, "addChannel", query={"channel": f"{one},{other}"}, fine=GONE)

    def leave(self, one: ConnectionId, *, alive: bool = True) -> None:
        """Take a leg, alive or gone, out of its bridge: its partner is alone then, and the bridge ends.

        The bridge is emptied before it is deleted: deleting one with channels in it has crashed Asterisk (#1201).
        """
        bridge = self._bridge.pop(one, None)
        if bridge is None:
            return
        members = self._members.pop(bridge)
        left = sorted(members if alive else members - {one})
        for member in members:
            self._bridge.pop(member, None)
        if left:
            self._ask("POST", "bridges", bridge, "removeChannel", query={"channel": ",".join(left)}, fine=GONE)
        self._ask("DELETE", "bridges", bridge, fine=GONE)

    def take_over(self, held: Iterable[Held]) -> None:
        """Know the bridges that the switch holds already."""
        for one in held:
            if one.bridge is not None:
                self._bridge[one.known.connection] = one.bridge
                self._members.setdefault(one.bridge, set()).add(one.known.connection)

    def forget(self) -> None:
        """Know nothing; the switch keeps its bridges."""
        self._bridge.clear()
        self._members.clear()
