"""A word to callers of a service before they wait: what they call about may be known already (大面积障碍).

Whoever has heard it and wants an agent all the same presses any key; the others are served by the word alone, and their
contact ends with its cause. What is said to whom is not the core's to know: ``of`` is given from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from dataset.ids import ConnectionId, ContactId
from dataset.packages import Menu, ServicePackage
from dataset.rows import Ending
from site_node.core.contact import Contact, ContactState, Notice
from site_node.core.contacts import Contacts
from site_node.core.step import Step
from site_node.core.telephony import Play, Prompt

LONGEST_S = 30.0
"""a caller who heard nothing of an end of the word is let go by then, whatever the switch says"""
KEY_WAIT_S = 5.0
"""after the word, for a key"""
End = Callable[[ContactId, Ending, str], None]
Choose = Callable[[Contact, Menu], None]


@dataclass(frozen=True, slots=True)
class Word:
    """What is said, and the cause of the ending of those who are content with it."""

    cause: str
    prompts: tuple[Prompt, ...]


def nothing(calling: str, service: str) -> Word | None:
    """Of a city that has nothing to say."""
    del calling, service
    return None


class Notices:
    """Callers who hear a word, still in the menu. ``of``: what a number is told that wants a service; sees no change
    of the core.
    """

    def __init__(self, package: ServicePackage, step: Step, contacts: Contacts, choose: Choose, end: End) -> None:
        self._package = package
        self._step = step
        self._contacts = contacts
        self._choose = choose
        self._end = end
        self.of: Callable[[str, str], Word | None] = nothing

    def tell(self, contact: Contact, chosen: Menu, before: tuple[Prompt, ...] = ()) -> bool:
        """The caller wants ``chosen``: whether there is something to hear first, after ``before``."""
        if contact.notice is not None and contact.notice.heard:
            return False
        word = self.of(contact.calling, chosen.service)
        if word is None:
            return False
        notice = Notice(word.cause, chosen.id)
        self._contacts.change(contact.id, notice=notice, service=chosen.service)
        self._step.ask(Play(contact.connection, (*before, *word.prompts), barge_in=True))
        self._step.start_timer("notice", contact.id, after_s=LONGEST_S)
        return True

    def digit(self, connection: ConnectionId) -> bool:
        """A key was pressed: whether it was that of somebody who hears a word, and wants an agent."""
        contact = self._hearing(connection)
        if contact is None or contact.notice is None:
            return False
        self._step.stop_timer("notice", contact.id)
        menu = self._package.menu(contact.notice.menu)
        self._choose(self._contacts.change(contact.id, notice=replace(contact.notice, heard=True)), menu)
        return True

    def played(self, connection: ConnectionId, completed: bool) -> bool:
        """Something was said: whether it was such a word; a key is waited for then."""
        contact = self._hearing(connection)
        if contact is not None and completed:
            self._step.start_timer("notice", contact.id, after_s=KEY_WAIT_S)
        return contact is not None

    def silent(self, which: ContactId) -> None:
        """No key came: the word was all that the caller needed."""
        contact = self._contacts.get(which)
        if contact is not None and (cause := cause_of(contact)):
            self._end(which, Ending.MENU, cause)

    def _hearing(self, connection: ConnectionId) -> Contact | None:
        contact = self._contacts.with_leg(connection)
        if contact is None or connection != contact.connection or not cause_of(contact):
            return None
        return contact


def cause_of(contact: Contact) -> str:
    """Why a contact ends whose caller leaves now: the cause of the word that is heard; empty without one."""
    notice = contact.notice
    hears = contact.state is ContactState.MENU and notice is not None and not notice.heard
    return notice.cause if hears and notice is not None else ""
