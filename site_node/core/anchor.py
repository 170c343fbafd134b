"""The anchor half of a city: its contacts from birth to their one ending (federation.md O1-O4)."""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from dataset import rows
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, AttemptId, ConnectionId, ContactId, NodeId, SkillId, contact_id
from dataset.packages import Menu, ServicePackage
from dataset.rows import Ending, Entered, Evidence, Left, Withdrawn
from federation.core.attempt import Attempt, AttemptState
from federation.core.envelope import TransferAnswer, TransferWanted
from federation.core.matching import MatchIndex
from site_node.core import events, menu
from site_node.core.contact import Contact, ContactMove, ContactState, Transfer
from site_node.core.contacts import Contacts, waited_s
from site_node.core.menu import MenuStep
from site_node.core.notices import Notices, cause_of
from site_node.core.routing import Routing
from site_node.core.rules import Rules
from site_node.core.self_serving import SelfServing
from site_node.core.serving import Serving
from site_node.core.sessions import Sessions
from site_node.core.step import Step
from site_node.core.telephony import Answer, Cause, Clear, Leg, Mark, Music, Offered, Part, Play, Prompt, Role

LONGEST_WORD_S = 15.0
"""a caller who may not wait is let go by then, whatever the switch says of the announcement"""
_OPEN_LEG = (AttemptState.TAKEN, AttemptState.ALERTING)


class Anchor:
    """Contacts of one city. Routing finds their agents; this is everything else of their life."""

    def __init__(
        self,
        rules: Rules,
        package: ServicePackage,
        step: Step,
        index: MatchIndex,
        contacts: Contacts,
        routing: Routing,
        serving: Serving,
        sessions: Sessions,
    ) -> None:
        self._sessions = sessions
        self._rules = rules
        self._package = package
        self._step = step
        self._index = index
        self._contacts = contacts
        self._routing = routing
        self._serving = serving
        self.self_serving = SelfServing(rules, package, step, contacts, self)
        self.notices = Notices(package, step, contacts, self._choose, self.end)
        self._born = 0
        self.unknown_doors = 0
        """calls to numbers that no door opens for, cleared unborn"""
        self.turned_away = 0
        """calls not let in because the city, or the queue they asked for, was full"""

    def opens(self, called: str) -> bool:
        """Whether a door opens for this number."""
        return self._package.door(called) is not None

    def new_contact(self) -> ContactId:
        """An id that no contact of this run has had."""
        self._born += 1
        return contact_id(self._rules.area_code, self._rules.lineage, self._born)

    # ── birth and menu ──────────────────────────────────────────────────────────────────────────────────────────
    def offered(self, report: Offered) -> None:
        """A customer calls: a contact is born, in the journal first (J1), then answered."""
        door = self._package.door(report.called)
        if door is None:
            self.unknown_doors += 1
            self._step.ask(Clear(report.connection, Cause.UNREACHABLE))
            return
        which = self.new_contact()
        self._contacts.keep(
            Contact(
                id=which,
                connection=report.connection,
                calling=report.calling,
                door=report.called,
                package=self._package.reference,
                born=self._step.now,
            )
        )
        self._contacts.add_leg(report.connection, which)
        self._step.write(
            rows.ContactBorn(
                contact=which,
                city=self._rules.city,
                channel="voice",
                door=report.called,
                calling=report.calling,
                connection=report.connection,
                package=self._package.reference,
            )
        )
        priority = self._package.menu(door.menu).priority
        full = self._rules.admission.at_the_door(len(self._contacts) - 1, priority)
        if full:
            self.turned_away += 1
            self.end(which, Ending.CLOSED_BY_US, full, told=Cause.BUSY)
            return
        self._step.ask(Mark(report.connection, Leg(which, 0, Role.CUSTOMER)))
        self._step.ask(Answer(report.connection))

    def established(self, connection: ConnectionId) -> None:
        """The customer's leg is answered, or a leg to another city is."""
        contact = self._contacts.with_leg(connection)
        if contact is None:
            self._step.ask(Clear(connection, Cause.CANCELLED))
        elif connection == contact.connection:
            if contact.state is ContactState.ARRIVED:
                self._contacts.move(contact.id, ContactMove.GREET)
                self._enter_menu(contact.id)
        elif (attempt := _leg(contact.remote, connection)) is not None:
            self._routing.leg_answered(contact, attempt)
        elif _leg(contact.current, connection) is None:
            self._step.ask(Clear(connection, Cause.CANCELLED))  # an answer after withdrawal (O2)

    def delivered(self, connection: ConnectionId) -> None:
        """A leg to another city has arrived there."""
        contact = self._contacts.with_leg(connection)
        attempt = _leg(contact.remote, connection) if contact is not None else None
        if contact is not None and attempt is not None:
            self._routing.leg_delivered(contact, attempt)

    def _enter_menu(self, which: ContactId) -> None:
        contact = self._contacts.of(which)
        door = self._package.door(contact.door)
        if door is not None:
            self._follow(which, menu.enter(self._package, door.menu))

    def _follow(self, which: ContactId, step: MenuStep, before: tuple[Prompt, ...] = ()) -> None:
        """``before``: said first."""
        contact = self._contacts.change(which, menu=step.place)
        self._step.stop_timer("menu", which)
        if step.chosen is None:
            self._step.ask(Play(contact.connection, (*before, *step.prompts), barge_in=True))
        elif step.chosen.self_service is not None:
            self.self_serving.begin(contact, step.chosen)
        else:
            self._choose(contact, step.chosen, before)

    def out_of_self_service(self, which: ContactId, menu_: str, say: tuple[Prompt, ...]) -> None:
        """A caller who served itself wants an agent, or has to have one: on by way of ``menu_``, after ``say``."""
        contact = self._contacts.of(which)
        path = contact.menu.path if contact.menu is not None else ()
        self._follow(which, menu.enter(self._package, menu_, path), say)

    def _choose(self, contact: Contact, chosen: Menu, before: tuple[Prompt, ...] = ()) -> None:
        """The menu, or the door itself, named a service and a skill."""
        if self.notices.tell(contact, chosen, before):
            return
        skill = chosen.skill
        if skill is None:
            raise ValueError(f"menu {chosen.id} names no skill")
        path = contact.menu.path if contact.menu is not None else ()
        self._step.write(
            rows.MenuChosen(
                contact=contact.id, path=path, service=chosen.service, skill=skill, priority=chosen.priority
            )
        )
        self._contacts.move(
            contact.id, ContactMove.CHOOSE, service=chosen.service, skill=skill, priority=chosen.priority
        )
        served_before = self._index.waiting_before(skill, chosen.priority)
        full = self._rules.admission.at_the_queue(served_before, self._sessions.staffed(skill))
        if full and self._index.agent_for(skill) is None:
            self._turn_away(contact.id, full)
            return
        prompts = tuple(Prompt(name) for name in dict.fromkeys((*chosen.say, self._package.prompts.wait)))
        self.enter_queue(contact.id, Entered.OFFERED, (*before, *prompts), front=False)

    def digit(self, connection: ConnectionId, digit: str) -> None:
        """A key was pressed; it counts in a menu only."""
        contact = self._contacts.with_leg(connection)
        if contact is None or contact.state is not ContactState.MENU or connection != contact.connection:
            return
        if contact.self_service is not None:
            self.self_serving.pressed(contact, contact.self_service, digit)
        elif contact.menu is not None:
            self._follow(contact.id, menu.press(self._package, contact.menu, digit))

    def played(self, connection: ConnectionId, completed: bool) -> None:
        """Prompts are over: a key is waited for, or the music goes on."""
        contact = self._contacts.with_leg(connection)
        if contact is None or connection != contact.connection or not completed:
            return
        if contact.self_service is not None:
            self.self_serving.said(contact, contact.self_service)
        elif contact.state is ContactState.MENU and contact.menu is not None:
            self._step.start_timer("menu", contact.id, after_s=self._package.menu(contact.menu.menu).wait_s)
        elif contact.turned_away:
            self.closing(contact.id)
        elif contact.state is ContactState.WAITING:
            self._step.ask(Music(connection))

    def menu_silent(self, which: ContactId) -> None:
        """No key came in time."""
        contact = self._contacts.get(which)
        if contact is None or contact.state is not ContactState.MENU:
            return
        if contact.self_service is not None:
            self.self_serving.silent(contact, contact.self_service)
        elif contact.menu is not None:
            self._follow(which, menu.say_nothing(self._package, contact.menu))

    # ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────
    def enter_queue(self, which: ContactId, how: Entered, prompts: tuple[Prompt, ...], *, front: bool) -> None:
        """A place in the queue of the contact's skill begins; the caller hears ``prompts``, then music."""
        contact = self._contacts.of(which)
        now = self._step.now
        since = contact.waiting_since if contact.waiting_since is not None else now
        self._contacts.change(which, waiting_since=since, place_since=now, place=None, refused_by=(), fruitless=0)
        self._write_entered(contact, how, now - since)
        self._step.ask(Play(contact.connection, prompts))
        self._step.start_timer("announce", which, after_s=self._rules.announce_every_s)
        self._routing.wait(which, front=front)

    def _turn_away(self, which: ContactId, why: str) -> None:
        """More are served before than may wait: offered to the queue and closed by us, after a word."""
        self.turned_away += 1
        now = self._step.now
        contact = self._contacts.change(which, turned_away=why, waiting_since=now, place_since=now)
        self._write_entered(contact, Entered.OFFERED, 0.0)
        self._step.ask(Play(contact.connection, (Prompt(self._package.prompts.sorry),)))
        self._step.start_timer("closing", which, after_s=LONGEST_WORD_S)

    def closing(self, which: ContactId) -> None:
        """A caller who is let go has heard so, or never will."""
        contact = self._contacts.get(which)
        if contact is not None and contact.turned_away:
            self.end(which, Ending.CLOSED_BY_US, contact.turned_away)
        else:
            self.self_serving.goodbye_said(which)

    def _write_entered(self, contact: Contact, how: Entered, waited_s: float) -> None:
        self._step.write(
            rows.QueueEntered(
                contact=contact.id,
                skill=contact.skill,
                service=contact.service,
                channel="voice",
                how=how,
                waited_s=round(waited_s, 3),
            )
        )

    def _leave_queue(self, contact: Contact, how: Left) -> None:
        place = self._step.now - (contact.place_since if contact.place_since is not None else self._step.now)
        if how is Left.ABANDONED and place <= self._rules.short_s:
            how = Left.SHORT
        self._step.write(
            rows.QueueLeft(
                contact=contact.id,
                skill=contact.skill,
                service=contact.service,
                channel="voice",
                how=how,
                waited_s=round(place, 3),
            )
        )
        for timer in ("announce", "transfer"):
            self._step.stop_timer(timer, contact.id)

    def announce(self, which: ContactId) -> None:
        """Tell a waiting caller the place in the queue and the expected wait."""
        contact = self._contacts.get(which)
        if contact is None or contact.state is not ContactState.WAITING:
            return
        self._step.start_timer("announce", which, after_s=self._rules.announce_every_s)
        if not self._index.waits(which):
            return  # a seat rings already
        ahead = self._index.ahead(which)
        prompts = [Prompt(self._package.prompts.position, ahead + 1)]
        expected = self._routing.expected_wait_s(contact.skill, ahead)
        if expected is not None:
            prompts.append(Prompt(self._package.prompts.expected_minutes, max(1, ceil(expected / 60))))
        self._step.ask(Play(contact.connection, tuple(prompts)))

    # ── in talk, and after ──────────────────────────────────────────────────────────────────────────────────────
    def cleared(self, connection: ConnectionId, cause: Cause, evidence: Evidence = Evidence.SEEN) -> None:
        """The customer left, or a leg to another city ended."""
        contact = self._contacts.with_leg(connection)
        self._contacts.drop_leg(connection)
        if contact is None:
            return
        if connection == contact.connection:
            self._customer_gone(contact, cause, evidence)
        elif (attempt := _leg(contact.remote, connection)) is not None:
            self._routing.leg_failed(contact, attempt, cause)
        elif _leg(contact.current, connection) is not None:
            if cause is Cause.FINISHED:
                self.end(contact.id, Ending.COMPLETED, "agent", evidence)
            else:
                self.returned(contact, cause)

    def _customer_gone(self, contact: Contact, cause: Cause, evidence: Evidence) -> None:
        if contact.turned_away:
            self.end(contact.id, Ending.CLOSED_BY_US, contact.turned_away, evidence)
            return
        if cause in (Cause.SWITCH_FAILED, Cause.MEDIA_LOST):
            ending = Ending.FAILED  # E2
        elif contact.state is ContactState.TALKING or (contact.self_service and contact.self_service.told):
            ending = Ending.COMPLETED
        elif contact.state is ContactState.WAITING:
            ending = Ending.ABANDONED
        else:
            ending = Ending.MENU
        who = (cause_of(contact) or "customer") if cause is Cause.NORMAL else cause.value
        self.end(contact.id, ending, who, evidence)

    def home_lost(self, attempt: AttemptId, cause: Cause) -> None:
        """The leg of a seat of ours ended without an explicit "finished"."""
        contact = self._contacts.get(attempt.contact)
        if contact is not None and contact.current is not None and contact.current.n == attempt.n:
            self.returned(contact, cause)

    def home_finished(self, attempt: AttemptId) -> None:
        """An agent of ours explicitly finished (O4)."""
        contact = self._contacts.get(attempt.contact)
        if contact is not None and contact.current is not None and contact.current.n == attempt.n:
            self.end(contact.id, Ending.COMPLETED, "agent")

    def returned(self, contact: Contact, cause: Cause) -> None:
        """The answer did not last: the caller is back at the front, with the original waiting time (O4)."""
        self._contacts.move(
            contact.id,
            ContactMove.RETURN,
            current=None,
            talked_s=self._talked_s(contact),
            waiting_since=self._waiting_since(contact),
        )
        self.enter_queue(contact.id, Entered.RETURNED, (Prompt(self._package.prompts.returned),), front=True)

    def home_noted(self, attempt: AttemptId, note: str) -> None:
        """An agent of ours wrote a note."""
        contact = self._contacts.get(attempt.contact)
        if contact is not None:
            self._contacts.change(contact.id, notes=(*contact.notes, note))

    def end(
        self,
        which: ContactId,
        ending: Ending,
        cause: str,
        evidence: Evidence = Evidence.SEEN,
        told: Cause = Cause.NORMAL,
    ) -> None:
        """The one ending of a contact (I1): on record, every leg hung up, the caller's with the cause ``told``."""
        contact = self._contacts.of(which)
        if contact.state is ContactState.WAITING:
            left = {Ending.ABANDONED: Left.ABANDONED, Ending.CLOSED_BY_US: Left.CLOSED}.get(ending, Left.FAILED)
            self._leave_queue(contact, left)
            self._routing.withdraw_all(contact, Withdrawn.CUSTOMER_LEFT)
        self.self_serving.close(contact, ending)
        talked = self._talked_s(contact)
        first_wait = contact.first_wait_s if contact.first_wait_s is not None else waited_s(contact, self._step.now)
        self._contacts.end(which)
        for timer in ("menu", "records", "notice", "announce", "transfer", "look", "retry", "closing"):
            self._step.stop_timer(timer, which)
        self._step.write(
            rows.ContactEnded(
                contact=which,
                city=self._rules.city,
                ending=ending,
                evidence=evidence,
                cause=cause,
                service=contact.service,
                skill=contact.skill,
                serving=contact.last_site,
                agent=contact.last_agent,
                answers=contact.answers,
                waited_s=round(first_wait, 3),
                talked_s=round(talked, 3),
                lasted_s=round(self._step.now - contact.born, 3),
            )
        )
        if contact.current is not None:
            self._let_go(contact.current, cause, Cause.NORMAL)
        if self._contacts.knows_leg(contact.connection):
            self._step.ask(Clear(contact.connection, told))

    def _let_go(self, attempt: Attempt, ended_by: str, cause: Cause) -> None:
        """Take the serving leg down."""
        if attempt.home:
            self._serving.end_home(attempt.token, ended_by)
        elif attempt.connection is not None and self._contacts.knows_leg(attempt.connection):
            self._step.ask(Clear(attempt.connection, cause))

    def _talked_s(self, contact: Contact) -> float:
        if contact.state is not ContactState.TALKING or contact.answered_at is None:
            return contact.talked_s
        return contact.talked_s + self._step.now - contact.answered_at

    def _waiting_since(self, contact: Contact) -> float | None:
        """The original waiting time of a caller who comes out of a talk goes on; the talk itself is no part of it."""
        if contact.waiting_since is None or contact.answered_at is None:
            return contact.waiting_since
        return contact.waiting_since + self._step.now - contact.answered_at

    def resume(self, contact: Contact, *, answered: bool) -> None:
        """A restart interrupted this caller, who is still there: the menu from its start, or on in the queue.

        Called in the order in which the callers have to be served.
        """
        if contact.state is not ContactState.WAITING:
            if answered:
                self._enter_menu(contact.id)
            else:
                self._contacts.keep(replace(contact, state=ContactState.ARRIVED))
                self._step.ask(Answer(contact.connection))
            return
        self._step.ask(Play(contact.connection, (Prompt(self._package.prompts.returned),)))
        self._step.start_timer("announce", contact.id, after_s=self._rules.announce_every_s)
        if contact.transfer is not None:
            self._step.start_timer("transfer", contact.id, after_s=self._rules.transfer_wait_s)
        self._routing.wait(contact.id, front=False)

    def say_again(self, contact: Contact, *, answered: bool) -> None:
        """The switch was away while this caller arrived or was in the menu: what was asked for then may be lost."""
        if not answered:
            self._step.ask(Answer(contact.connection))
        elif contact.state is ContactState.ARRIVED:
            self.established(contact.connection)
        elif contact.menu is not None:
            self._follow(contact.id, menu.enter(self._package, contact.menu.menu, contact.menu.path))

    # ── transfer ────────────────────────────────────────────────────────────────────────────────────────────────
    def home_transfer(self, attempt: AttemptId, request: events.TransferAsked) -> None:
        """An agent of ours sends the caller on. Raises ``Refused``."""
        contact = self._contacts.get(attempt.contact)
        if contact is None or contact.current is None or contact.current.n != attempt.n:
            raise Refused(Problem("contact-gone", zh="客户已离开", en="the caller is gone"), status=409)
        self._check_target(request.to_skill, request.to_agent)
        notes = contact.notes
        if request.note:
            notes = (*notes, f"{request.agent}: {request.note}")
        self._transfer(contact, request.agent, request.to_skill, request.to_agent, notes)

    def transfer_wanted(self, message: TransferWanted, sender: NodeId) -> None:
        """An agent of another city sends our caller on; a doubled request gets the same answer."""
        contact = self._contacts.get(message.contact)
        if contact is not None and contact.last_transfer is not None and contact.last_transfer[0] == message.request:
            self._answer_transfer(message, sender, contact.last_transfer[1])
            return
        problem = ""
        try:
            self._check_target(message.to_skill, message.to_agent)
        except Refused as refused:
            problem = refused.problems[0].slug
        if contact is None or contact.current is None or contact.current.token != message.token:
            self._answer_transfer(message, sender, "contact-gone")
            return
        self._contacts.change(contact.id, last_transfer=(message.request, problem))
        self._answer_transfer(message, sender, problem)
        if not problem:
            notes = tuple(dict.fromkeys((*contact.notes, *message.notes)))
            self._transfer(self._contacts.of(contact.id), message.by, message.to_skill, message.to_agent, notes)

    def _answer_transfer(self, message: TransferWanted, sender: NodeId, problem: str) -> None:
        answer = TransferAnswer(contact=message.contact, request=message.request, problem=problem)
        self._step.send(sender, answer, message.budget_s)

    def _check_target(self, to_skill: SkillId | None, to_agent: AgentId | None) -> None:
        if to_skill is not None and self._package.skill(to_skill) is None:
            known = ", ".join(skill.id for skill in self._package.skills)
            raise Refused(
                Problem(
                    "unknown-skill",
                    zh=f"没有技能 {to_skill}；可选：{known}",
                    en=f"there is no skill {to_skill}; known: {known}",
                    place="to_skill",
                ),
                status=404,
            )

    def _transfer(
        self,
        contact: Contact,
        by: AgentId,
        to_skill: SkillId | None,
        to_agent: AgentId | None,
        notes: tuple[str, ...],
    ) -> None:
        """The caller goes back to waiting, for another skill or one agent; the first agent is free."""
        self._step.write(
            rows.TransferAsked(contact=contact.id, by=by, to_skill=to_skill, to_agent=to_agent, notes=notes)
        )
        current = contact.current
        skill = to_skill if to_skill is not None else contact.skill
        how = Entered.RETURNED if skill == contact.skill else Entered.OFFERED
        self._contacts.move(
            contact.id,
            ContactMove.TRANSFER,
            current=None,
            talked_s=self._talked_s(contact),
            waiting_since=self._waiting_since(contact),
            skill=skill,
            notes=notes,
            transfer=Transfer(by, to_skill, to_agent),
        )
        if current is not None and current.connection is not None:
            self._step.ask(Part(contact.connection, current.connection))
            self._let_go(current, "transfer", Cause.TRANSFERRED)
        self._step.start_timer("transfer", contact.id, after_s=self._rules.transfer_wait_s)
        self.enter_queue(contact.id, how, (Prompt(self._package.prompts.transferring),), front=True)

    def transfer_late(self, which: ContactId) -> None:
        """Nobody took the caller in time: back to the first agent, else on in the queue with the original wait."""
        contact = self._contacts.get(which)
        if contact is None or contact.state is not ContactState.WAITING or contact.transfer is None:
            return
        if contact.transfer.going_back:
            return
        if contact.home is not None or (contact.remote is not None and contact.remote.state in _OPEN_LEG):
            self._step.start_timer("transfer", which, after_s=self._rules.transfer_retry_s)
            return  # a seat rings: let it
        transfer = contact.transfer
        self._routing.withdraw_all(contact, Withdrawn.TIMED_OUT)
        self._step.write(
            rows.TransferAsked(
                contact=which,
                by=transfer.by,
                to_skill=transfer.to_skill,
                to_agent=transfer.to_agent,
                outcome="returned",
            )
        )
        self._contacts.change(which, transfer=Transfer(transfer.by, transfer.to_skill, transfer.by, going_back=True))
        self._routing.wait(which, front=True)


def _leg(attempt: Attempt | None, connection: ConnectionId) -> Attempt | None:
    """``attempt`` when ``connection`` is its leg to another city."""
    if attempt is None or attempt.home or attempt.connection != connection:
        return None
    return attempt
