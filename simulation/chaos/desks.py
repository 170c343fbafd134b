"""What agents press, seen on its way from the desk to the door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from dataset.ids import ContactId
from federation.node.memory_transport import ClientEnd, MemoryDoor

Pressed = Callable[[ContactId, str], None]


class Desk:
    """A live connection of an agent's screen (``SeatDoor``); ``pressed`` hears what is asked about a contact, and
    ``attached`` that somebody is at the seat.
    """

    def __init__(self, end: ClientEnd, door: MemoryDoor, pressed: Pressed, attached: Callable[[Desk], None]) -> None:
        self.end = end
        self._door = door
        self._token = ""
        self._pressed = pressed
        self._attached = attached

    def send(self, op: str, **fields: Any) -> Deferred[dict[str, Any]]:
        """See ``SeatDoor``."""
        if "contact" in fields:
            self._pressed(ContactId(fields["contact"]), op)
        if op == "attach":
            self._token = fields["token"]
        answer = self.end.send(op, **fields)
        return answer.addCallback(self._now_attached) if op == "attach" else answer

    def _now_attached(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._attached(self)
        return answer

    def upload(self, op: str, fields: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        """A file, as a browser sends it beside the live connection."""
        return self._door.upload(op, fields, self._token)

    def on_push(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """See ``SeatDoor``."""
        self.end.on_push(callback)

    def on_close(self, callback: Callable[[int, str], None]) -> None:
        """See ``SeatDoor``."""
        self.end.on_close(callback)

    def close(self) -> None:
        """See ``SeatDoor``."""
        self.end.close()
