"""Callers in self-service: feeds the walk (``self_service.py``) with keys, time and answers, and does what it says."""

from __future__ import annotations

from typing import Protocol

from dataset import rows
from dataset.ids import ContactId
from dataset.packages import Menu, ServicePackage
from dataset.rows import Ending
from dataset.self_service import Outcome
from site_node.core.commands import AskRecords
from site_node.core.contact import Contact
from site_node.core.contacts import Contacts
from site_node.core.rules import Rules
from site_node.core.self_records import Answer, OpenItems, Statement, Unread
from site_node.core.self_service import SelfPlace, SelfStep, Stage, Walk
from site_node.core.step import Step
from site_node.core.telephony import Play, Prompt

LONGEST_GOODBYE_S = 15.0
"""a caller is let go by then, whatever the switch says of the goodbye"""


class Leads(Protocol):
    """What the anchor does with whoever leaves a self-service."""

    def out_of_self_service(self, which: ContactId, menu: str, say: tuple[Prompt, ...]) -> None:
        """On to ``menu`` and to an agent, after ``say``."""

    def end(self, which: ContactId, ending: Ending, cause: str) -> None:
        """The one ending."""


class SelfServing:
    """The contacts of a city that are in a self-service."""

    def __init__(self, rules: Rules, package: ServicePackage, step: Step, contacts: Contacts, leads: Leads) -> None:
        self._rules = rules
        self._package = package
        self._step = step
        self._contacts = contacts
        self._leads = leads

    def begin(self, contact: Contact, menu: Menu) -> None:
        """The caller came to a menu that serves it itself."""
        self._follow(contact.id, self._walk(menu.id).begin(contact.calling))

    def pressed(self, contact: Contact, place: SelfPlace, key: str) -> None:
        """A key."""
        self._follow(contact.id, self._walk(place.menu).pressed(place, key))

    def silent(self, contact: Contact, place: SelfPlace) -> None:
        """No key came in time."""
        self._follow(contact.id, self._walk(place.menu).silent(place))

    def said(self, contact: Contact, place: SelfPlace) -> None:
        """What was said is over."""
        if place.stage is Stage.LEAVING:
            self.goodbye_said(contact.id)
        else:
            self._follow(contact.id, self._walk(place.menu).said(place))

    def answered(self, which: ContactId, asked: int, answer: Answer) -> None:
        """The records answered the ``asked``-th question; too late, or to nobody, is nothing."""
        contact = self._contacts.get(which)
        place = contact.self_service if contact is not None else None
        if place is not None and place.asked == asked:
            if place.stage is Stage.READING and place.line is not None and isinstance(answer, Statement | OpenItems):
                self._step.write(  # nothing is told of a line but to whoever has keyed in its PIN
                    rows.IdentityChecked(
                        contact=which, city=self._rules.city, line=place.line.line, how=rows.IdentityHow.MENU_PIN
                    )
                )
            self._follow(which, self._walk(place.menu).answered(place, answer))

    def unanswered(self, which: ContactId) -> None:
        """The records did not answer in time."""
        contact = self._contacts.get(which)
        if contact is not None and contact.self_service is not None:
            self.answered(which, contact.self_service.asked, Unread())

    def goodbye_said(self, which: ContactId) -> None:
        """The caller has heard the answer and goodbye, or never will."""
        contact = self._contacts.get(which)
        place = contact.self_service if contact is not None else None
        if place is not None and place.stage is Stage.LEAVING:
            self._leads.end(which, Ending.COMPLETED, "self_service")

    def close(self, contact: Contact, ending: Ending) -> None:
        """The contact ends here, with ``ending``: what came of the self-service goes on record."""
        place = contact.self_service
        if place is not None:
            failed = Outcome.FAILED if ending is Ending.FAILED else Outcome.GAVE_UP
            self._write(contact, place, Outcome.TOLD if place.told else failed)

    def _walk(self, menu: str) -> Walk:
        prompts = self._package.prompts
        return Walk(self._package.menu(menu), self._package.languages[0], prompts.invalid, prompts.nothing_pressed)

    def _follow(self, which: ContactId, step: SelfStep | None) -> None:
        if step is None:
            return
        place = step.place
        line = place.line.line if place.line is not None else ""
        contact = self._contacts.change(which, self_service=place, service=place.kind, line=line)
        for timer in ("menu", "records"):
            self._step.stop_timer(timer, which)
        if step.leaves is not None:
            self._write(contact, place, step.leaves)
            self._contacts.change(which, self_service=None)
            self._leads.out_of_self_service(which, self._otherwise(place.menu), step.say)
            return
        if step.say:
            barge_in = place.stage is not Stage.LEAVING
            self._step.ask(Play(contact.connection, step.say, barge_in=barge_in))
        if place.stage is Stage.LEAVING:
            self._step.start_timer("closing", which, after_s=LONGEST_GOODBYE_S)
        if step.wait_s is not None:
            self._step.start_timer("menu", which, after_s=step.wait_s)
        if step.question is not None:
            self._step.start_timer("records", which, after_s=self._rules.records_wait_s)
            self._step.ask_records(AskRecords(which, place.asked, step.question))

    def _otherwise(self, menu: str) -> str:
        way = self._package.menu(menu).otherwise
        if way is None:
            raise ValueError(f"self-service {menu} leads to no agent")
        return way

    def _write(self, contact: Contact, place: SelfPlace, outcome: Outcome) -> None:
        self._step.write(
            rows.SelfServed(
                contact=contact.id,
                service=place.kind,
                skill=self._package.skill_behind(place.menu),
                channel="voice",
                outcome=outcome,
            )
        )
