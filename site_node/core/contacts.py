"""The contacts anchored in a city, and which leg belongs to which."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from dataset.ids import ConnectionId, ContactId
from federation.core.envelope import Context
from site_node.core.contact import CONTACT_MOVES, Contact, ContactMove


class Contacts:
    """All live contacts of one anchor. A leg stays known until the switch says that it is gone."""

    def __init__(self) -> None:
        self._live: dict[ContactId, Contact] = {}
        self._legs: dict[ConnectionId, ContactId] = {}

    def get(self, contact: ContactId) -> Contact | None:
        """The live contact with this id."""
        return self._live.get(contact)

    def of(self, contact: ContactId) -> Contact:
        """The live contact with this id; ``KeyError`` when there is none."""
        return self._live[contact]

    def all(self) -> list[Contact]:
        """All live contacts, in order of birth."""
        return list(self._live.values())

    def __len__(self) -> int:
        return len(self._live)

    def keep(self, contact: Contact) -> Contact:
        """Put a new or changed contact."""
        self._live[contact.id] = contact
        return contact

    def change(self, contact: ContactId, **changes: Any) -> Contact:
        """Change fields other than the state."""
        return self.keep(replace(self._live[contact], **changes))

    def move(self, contact: ContactId, move: ContactMove, **changes: Any) -> Contact:
        """Bring a contact to its next state. Raises ``IllegalMove`` before anything changes."""
        known = self._live[contact]
        return self.keep(replace(known, state=CONTACT_MOVES.after(known.state, move), **changes))

    def end(self, contact: ContactId) -> None:
        """The contact is no longer live. Its legs stay known until they are cleared. Raises ``IllegalMove``."""
        CONTACT_MOVES.after(self._live[contact].state, ContactMove.END)
        del self._live[contact]

    def add_leg(self, connection: ConnectionId, contact: ContactId) -> None:
        """``connection`` belongs to ``contact``."""
        self._legs[connection] = contact

    def drop_leg(self, connection: ConnectionId) -> None:
        """The switch says that ``connection`` is gone."""
        self._legs.pop(connection, None)

    def legs(self) -> list[ConnectionId]:
        """All legs known, those of ended contacts included."""
        return list(self._legs)

    def knows_leg(self, connection: ConnectionId) -> bool:
        """Whether ``connection`` is, or was, a leg of a contact anchored here."""
        return connection in self._legs

    def with_leg(self, connection: ConnectionId) -> Contact | None:
        """The live contact that ``connection`` belongs to; None when that one has ended."""
        contact = self._legs.get(connection)
        return self._live.get(contact) if contact is not None else None


def context_of(contact: Contact, now: float) -> Context:
    """What goes along with the voice."""
    return Context(
        calling=contact.calling,
        door=contact.door,
        path=contact.menu.path if contact.menu else (),
        service=contact.service,
        skill=contact.skill,
        channel="voice",
        priority=contact.priority,
        package=contact.package,
        waited_s=round(waited_s(contact, now), 3),
        notes=contact.notes,
        handled_by=contact.handled_by,
        line=contact.line,
    )


def waited_s(contact: Contact, now: float) -> float:
    """Seconds since the contact first entered a queue: the original waiting time."""
    return now - contact.waiting_since if contact.waiting_since is not None else 0.0
