"""Services and work items at a seat: who may hand in what, in which role, for whose customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, CityId, ContactId
from dataset.masking import masked
from dataset.records.work import CHARGES, MESSAGES, Charge, CustomerMessage
from dataset.rows import IdentityHow
from dataset.services.form import Value
from dataset.services.service import Service
from dataset.services.words import ROLES, Role
from dataset.work import (
    Acted,
    AnyStep,
    Assigned,
    Attached,
    CalledBack,
    Noted,
    Opened,
    Parked,
    Pressed,
    RequestId,
    WorkItemId,
    attachment_of,
)
from dataset.work import Actor as WorkActor
from federation.core.work_book import Accepted, Pending, RefusedThere
from federation.core.work_checks import check_satisfaction
from federation.core.work_item import SUPERVISORS, WorkItem, queue_order
from federation.node.login import Actor
from federation.ports import Clock, Store
from site_node.core.attachment_rules import check_described
from site_node.core.consequences import reached_by
from site_node.core.events import CallBackAsked
from site_node.core.mass_faults import MassFault, MassFaultBook
from site_node.services.area_codes import AreaCodes
from site_node.services.assigning import WorkAssigner
from site_node.services.city import City, agent_of, own_call, own_contact
from site_node.services.identity import IdentityChecks
from site_node.shell.work import Work

R = TypeVar("R")
CALLING = "calling"
"""stands for the number that calls in a contact at the own seat, as does that number as it is shown, masked: whoever is
on the line need not read it out
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How something that was handed in stands."""

    request: RequestId
    item: WorkItemId
    owning: CityId
    state: str
    """``pending``, ``accepted`` or ``refused``"""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemOf:
    """A work item, and its owning city where that is not known here."""

    item: str
    owning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it is handed in. ``owning`` may be empty: the city of the line's area code, else this one."""

    service: str
    values: Mapping[str, Value]
    line: str = ""
    customer: str = ""
    owning: str = ""
    contact: str = ""
    collected_fen: int = 0
    again_of: str = ""
    key: str = ""
    """names this form at the seat: handed in once more after an answer that was lost, it is the same request"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action of a service on one of its items."""

    item: str
    action: str
    values: Mapping[str, Value | None]
    owning: str = ""
    note: str = ""
    contact: str = ""
    collected_fen: int = 0
    satisfaction: int | None = None
    """see ``Acted``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it is handed in. ``key`` names it at the seat, for one item: handed in once more, it is the same."""

    name: str
    media_type: str
    content: bytes
    key: str = ""


@dataclass(frozen=True, slots=True)
class FileOf:
    """A file of an item, and how it stands."""

    step: Attached
    item: WorkItemId
    state: str
    """``pending``, ``accepted`` or ``refused``"""
    problems: tuple[Problem, ...] = ()


class WorkService:
    """The operations on services and work items of a city's door."""

    def __init__(
        self,
        city: City,
        work: Work,
        clock: Clock,
        codes: AreaCodes,
        identity: IdentityChecks,
        records: Store | None = None,
    ) -> None:
        self.city = city.city
        self._city = city
        self._work = work
        self._clock = clock
        self._codes = codes
        self._records = records
        self.mass_faults: MassFaultBook | None = None
        """of a city that looks for them"""
        self._opening: set[tuple[AgentId, str]] = set()
        """forms that are being handed in"""
        self._identity = identity

    def on_receipt(self, hear: Callable[[AgentId, Receipt], None]) -> None:
        """Call ``hear`` with the agent who asked when another city has answered, or the step of a call is taken."""

        def answered(request: RequestId) -> None:
            asked = self._work.desk.book.asked(request)
            step = asked.step if asked is not None else self._work.desk.book.taken(request)
            by = getattr(step, "by", None)
            if by is not None:
                hear(by.agent, self._receipt(request))

        self._work.on_answers(answered)

    def assigner(
        self, roles_of: Callable[[AgentId], frozenset[str]], tell: Callable[[AgentId, WorkItemId], None]
    ) -> WorkAssigner:
        """Who gives out what waits, to be started with the door."""
        return WorkAssigner(self._city, self._work, self._clock, roles_of, tell)

    # ── services ────────────────────────────────────────────────────────────────────────────────────────────────────
    def services(self) -> Sequence[Service]:
        """All that are in force."""
        return tuple(self._work.desk.catalogue)

    def chosen(self, service: Service) -> str | None:
        """What a contact has as its service when the caller chose ``service`` by keys; None for one without a menu."""
        return self._work.desk.catalogue.chosen.get(service.id)

    def service(self, name: str) -> Service:
        """One of them by its code. Raises ``Refused`` 404 ``service-unknown``."""
        return self._work.desk.service(name)

    def identity_checked(self, actor: Actor, contact: ContactId, line: str, how: IdentityHow) -> Deferred[None]:
        """The agent has checked that the caller is the customer of ``line``; it holds for this contact. Fires once that
        is on disk.
        """
        anchor = own_call(self._city, actor, contact).anchor
        whole = self.whole(actor, line, contact)
        return Deferred.fromCoroutine(self._identity.check(actor, contact, whole, how, anchor))

    def identity_holds(self, actor: Actor, contact: ContactId, line: str) -> bool:
        """Whether the caller has shown to be the customer of ``line``, as an agent or the menu has checked, wherever
        that was. Raises ``Refused`` as ``identity_checked`` does.
        """
        own_call(self._city, actor, contact)
        return self.whole(actor, line, contact) in self._identity.lines_of(contact)

    def checked_lines(self, actor: Actor) -> frozenset[str]:
        """Lines of which the caller in a contact at the own seat has shown to be the customer."""
        view = self._city.seat_view(actor.agent) if actor.agent is not None else None
        calls = view.calls if view is not None else ()
        return frozenset(line for call in calls for line in self._identity.lines_of(call.contact))

    # ── handing in ──────────────────────────────────────────────────────────────────────────────────────────────────
    def open(self, actor: Actor, form: Form) -> Deferred[Receipt]:
        """Hand in a form. Errbacks with ``Refused`` and everything that is wrong with it, by field."""
        service = self._work.desk.service(form.service)
        name = agent_of(self._city, actor), form.key
        if form.key:
            if name in self._opening:
                raise Refused(
                    Problem("form-under-way", "此表单正在提交，请稍候", "this form is being handed in: wait", "key"),
                    status=409,
                )
            known = self._work.desk.book.by_key(*name)
            if known is not None:
                return succeed(self._receipt(known))
        form = self._with_calling(actor, form, service)
        line = _line(form, service)
        owning = self._codes.known(form.owning) if form.owning else self._codes.city_of(line) or self.city
        by = self._by(actor, ("agent",), form.contact, line)
        now = self._clock.wall()

        def step(item: WorkItemId) -> Opened:
            return Opened(
                at=now,
                item=item,
                service=service.reference,
                owning=owning,
                customer=form.customer,
                line=line,
                values=dict(form.values),
                by=by,
                collected_fen=form.collected_fen,
                again_of=WorkItemId(form.again_of) if form.again_of else None,
                key=form.key,
            )

        self._opening.add(name)
        return self._work.open(owning, step).addCallback(self._receipt).addBoth(self._opened, name)

    def _opened(self, result: R, name: tuple[AgentId, str]) -> R:
        self._opening.discard(name)
        return result

    def act(self, actor: Actor, action: Action) -> Deferred[Receipt]:
        """Take one of the service's actions."""
        item = WorkItemId(action.item)
        known = self._work.desk.book.item(item)
        wanted: Sequence[Role] = ROLES
        if known is not None:
            declared = self._work.desk.service_of(known).actions.get(action.action)
            wanted = declared.roles if declared is not None else ROLES
            if declared is not None and known.owning != self.city:
                # the owning city takes the action without a mark too, since a city of the version before gives none
                check_satisfaction(declared, action.satisfaction)
        step = Acted(
            at=self._clock.wall(),
            action=action.action,
            by=self._by(actor, wanted, action.contact, known.line if known is not None else ""),
            values=dict(action.values),
            note=action.note.strip(),
            collected_fen=action.collected_fen,
            satisfaction=action.satisfaction,
        )
        return self._step(ItemOf(action.item, action.owning), step)

    def assign(self, actor: Actor, item: ItemOf, to: AgentId | None) -> Deferred[Receipt]:
        """Give the item to ``to``, or back to the queue."""
        by = self._by(actor, SUPERVISORS)
        return self._step(item, Assigned(at=self._clock.wall(), to=to, by=by))

    def take(self, actor: Actor, item: ItemOf) -> Deferred[Receipt]:
        """Take the item oneself."""
        return self.assign(actor, item, agent_of(self._city, actor))

    def park(self, actor: Actor, item: ItemOf, for_s: float, note: str) -> Deferred[Receipt]:
        """Out of the queue for so long, at most until its deadline."""
        now = self._clock.wall()
        step = Parked(at=now, until=now + for_s, by=self._by(actor, SUPERVISORS), note=note.strip())
        return self._step(item, step)

    def note(self, actor: Actor, item: ItemOf, note: str) -> Deferred[Receipt]:
        """Write something down."""
        return self._step(item, Noted(at=self._clock.wall(), by=self._by(actor, ROLES), note=note.strip()))

    def called_back(self, actor: Actor, item: ItemOf, *, reached: bool, note: str) -> Deferred[Receipt]:
        """The customer was reached, or not, by other means than a call from the seat; ``note`` says how."""
        by = self._by(actor, ROLES)
        step = CalledBack(at=self._clock.wall(), by=by, reached=reached, how="other", note=note.strip())
        return self._step(item, step)

    def call_back(self, actor: Actor, which: WorkItemId) -> tuple[ContactId, str]:
        """Call the customer of an item: the agent's own telephone rings first. The contact, and the number called.

        Raises ``Refused``: 404 ``work-unknown``, 409 ``work-ended``, ``call-back-number`` where the item has no number,
        and what the agent's session refuses: 409 ``wrong-state``, ``not-logged-in``, ``call-back-under-way``, 503
        ``switch-away``.
        """
        item = self._work.desk.item(which)
        service = self._work.desk.service_of(item)
        if item.ending is not None:
            raise Refused(
                Problem("work-ended", zh="工单已结束，不再回访", en="the item has ended: no more calls", place=item.id),
                status=409,
            )
        number = reached_by(item, service) or item.line
        if not (number.isascii() and number.isdecimal()):
            raise Refused(
                Problem(
                    "call-back-number",
                    zh="工单中没有可以拨打的号码，请补充联系电话",
                    en="the item has no number to call: add a telephone for contact",
                    place=item.id,
                ),
                status=409,
            )
        by = self._by(actor, ("agent",))
        service_id = item.service.partition("@")[0]
        asked = CallBackAsked(
            by, number, item.id, item.owning, service_id, service.text.skill, item.customer, item.line
        )
        self._city.act(asked)
        view = self._city.seat_view(by.agent)
        called = view.call_back if view is not None else None
        if called is None:
            raise RuntimeError(f"{by.agent} calls back, and nothing is at the seat")
        return called.contact, number

    def attach(self, actor: Actor, of: ItemOf, file: File) -> Deferred[Receipt]:
        """Hand in a file for an item of any city. Raises ``Refused``: as ``check_file``; 404 ``work-unknown``,
        ``city-unknown``; 409 ``attachment-under-way``. Errbacks as every step does, and with 507
        ``attachment-not-written``.
        """
        item, agent = WorkItemId(of.item), agent_of(self._city, actor)
        owner = self._owner_of(of)
        name = agent, f"{item} {file.key}"
        if file.key:
            if name in self._opening:
                raise Refused(
                    Problem(
                        "attachment-under-way", "此附件正在提交，请稍候", "this file is being handed in: wait", "key"
                    ),
                    status=409,
                )
            known = self._work.desk.book.by_key(agent, file.key, item)
            if known is not None:
                return succeed(self._receipt(known))
        check_described(file.name, file.media_type, len(file.content))
        by, now = self._by(actor, ROLES), self._clock.wall()
        self._opening.add(name)
        handed_in = Deferred.fromCoroutine(self._attach(item, owner, file, by, now))
        return handed_in.addCallback(self._receipt).addBoth(self._opened, name)

    async def _attach(self, item: WorkItemId, owner: CityId, file: File, by: WorkActor, now: float) -> RequestId:
        sha256 = await self._work.weigh(file.name, file.media_type, file.content)

        def step(request: RequestId) -> Attached:
            return Attached(
                at=now,
                by=by,
                attachment=attachment_of(request),
                name=file.name,
                media_type=file.media_type,
                size=len(file.content),
                sha256=sha256,
                key=file.key,
            )

        return await self._work.attach(item, owner, step, file.content)

    def press(self, actor: Actor, item: ItemOf, note: str) -> Deferred[Receipt]:
        """督办."""
        step = Pressed(at=self._clock.wall(), by=self._by(actor, SUPERVISORS), note=note.strip())
        return self._step(item, step)

    def _step(self, of: ItemOf, step: AnyStep) -> Deferred[Receipt]:
        return self._work.step(WorkItemId(of.item), self._owner_of(of), step).addCallback(self._receipt)

    def _owner_of(self, of: ItemOf) -> CityId:
        """Whose item it is. Raises ``Refused`` 404 ``city-unknown``, ``work-unknown``."""
        owner = self._work.desk.book.owner(WorkItemId(of.item))
        if owner is None:
            owner = self._codes.known(of.owning) if of.owning else self._work.desk.owning(WorkItemId(of.item))
        return owner

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def request(self, request: str) -> Receipt:
        """How it stands. Raises ``Refused`` 404 ``request-unknown``."""
        return self._receipt(RequestId(request))

    def item(self, item: str) -> tuple[WorkItem, Service]:
        """What an item has come to. Raises ``Refused`` 404 ``work-unknown``."""
        found = self._work.desk.item(WorkItemId(item))
        return found, self._work.desk.service_of(found)

    def in_hand(self, actor: Actor, item: WorkItem) -> bool:
        """Whether ``actor`` has the item."""
        return item.assignee == agent_of(self._city, actor)

    def owner(self, item: str) -> CityId | None:
        """The owning city, if the item is known here."""
        return self._work.desk.book.owner(WorkItemId(item))

    def service_of(self, item: WorkItem) -> Service:
        """The version of its service that it began with."""
        return self._work.desk.service_of(item)

    def history(self, item: str) -> tuple[tuple[AnyStep, bool], ...]:
        """Its steps in order, each with whether it was overtaken."""
        book = self._work.desk.book
        overtaken = list(book.overtaken(WorkItemId(item)))
        found = []
        for step in book.steps(WorkItemId(item)):
            gone = step in overtaken
            if gone:
                overtaken.remove(step)
            found.append((step, gone))
        return tuple(found)

    def files(self, item: str) -> tuple[FileOf, ...]:
        """Files of an item as far as they are known here, the oldest first: those that it has, those that wait for its
        owning city, and those from here that it refused.
        """
        name, book = WorkItemId(item), self._work.desk.book
        found = [FileOf(step, name, "accepted") for step in book.steps(name) if isinstance(step, Attached)]
        for asked, city in book.files_asked(name):
            stands = self._receipt(asked.request)
            if isinstance(asked.step, Attached) and (stands.state == "pending" or city == self.city):
                found.append(FileOf(asked.step, name, stands.state, stands.problems))
        return tuple(sorted(found, key=lambda one: (one.step.at, one.step.attachment)))

    def file(self, attachment: str) -> FileOf | None:
        """One of them by its id; None where nothing is known of it here."""
        request, book = RequestId(attachment.removeprefix("a-")), self._work.desk.book
        asked, stands = book.asked(request), book.answer(request)
        step = asked.step if asked is not None else book.taken(request)
        if stands is None or not isinstance(step, Attached):
            return None
        return FileOf(step, stands.item, self._receipt(request).state)

    async def followed(self, item: WorkItem) -> tuple[tuple[Charge, ...], tuple[CustomerMessage, ...]]:
        """What became due with its steps, and what the customer was told; nothing where this city keeps no records of
        it. Raises ``Refused`` while they cannot be read.
        """
        if self._records is None or item.owning != self.city:
            return (), ()
        charges = await self._records.page(CHARGES, (item.owning, item.id))
        messages = await self._records.page(MESSAGES, (item.owning, item.id), index="by_item")
        return charges.records, messages.records

    def mass_fault_of(self, item: WorkItem) -> MassFault | None:
        """The mass fault that it is part of, or was; None where this city does not own it."""
        return self.mass_faults.of_item(item.id) if self.mass_faults is not None else None

    def possible(self, actor: Actor, item: WorkItem) -> tuple[str, ...]:
        """The actions that the roles of ``actor`` allow in its state."""
        service = self._work.desk.service_of(item)
        return tuple(one.id for one in service.possible(item.state) if actor.roles & set(one.roles))

    def of_line(self, line: str) -> tuple[WorkItem, ...]:
        """Everything on record here about a line, the newest first."""
        return self._work.desk.book.of_line(line)

    def of_customer(self, customer: str) -> tuple[WorkItem, ...]:
        """Everything on record here about a customer by that name, of whichever city; the newest first."""
        return self._work.desk.book.of_customer(customer)

    def mine(self, actor: Actor) -> tuple[WorkItem, ...]:
        """What the agent has in hand, the most urgent first."""
        agent = agent_of(self._city, actor)
        return tuple(sorted((one for one in self._work.desk.book if one.assignee == agent), key=queue_order))

    def waiting(self) -> tuple[WorkItem, ...]:
        """What waits in this city for somebody to take it, the most urgent first."""
        return tuple(sorted(self._work.desk.waiting(self._clock.wall()), key=queue_order))

    def now(self) -> float:
        """Wall time of the city."""
        return self._clock.wall()

    def whole(self, actor: Actor, number: str, contact: str, again_of: str = "") -> str:
        """``number``, or the one that calls in ``contact`` where it stands for that. Raises ``Refused`` 404
        ``unknown-contact``, 409 ``calling-withheld``. ``again_of``: an item whose numbers, as they are shown, stand for
        the whole ones too.
        """
        if number != CALLING and "*" not in number:
            return number
        known = self._work.desk.book.item(WorkItemId(again_of)) if again_of else None
        if known is not None and number != CALLING:
            found = {one for one in (known.line, *known.values.values()) if isinstance(one, str) and one}
            whole = sorted(one for one in found if masked(one) == number)
            if len(whole) == 1:
                return whole[0]
        calling = self._calling(actor, ContactId(contact))
        return calling if number in (CALLING, masked(calling)) else number

    def _with_calling(self, actor: Actor, form: Form, service: Service) -> Form:
        """``form`` with whole numbers."""
        values = dict(form.values)
        for field in service.text.fields:
            typed = values.get(field.id)
            if field.type in ("line", "phone") and isinstance(typed, str):
                values[field.id] = self.whole(actor, typed, form.contact, form.again_of)
        return replace(form, line=self.whole(actor, form.line, form.contact, form.again_of), values=values)

    def _calling(self, actor: Actor, contact: ContactId) -> str:
        """The number that calls in a contact at the own seat. Raises ``Refused`` 409 ``calling-withheld``."""
        calling = own_call(self._city, actor, contact).calling
        if calling.isdecimal():
            return calling
        raise Refused(
            Problem(
                "calling-withheld",
                zh="来电没有号码，请向客户询问并填写",
                en="the call came without a number: ask the customer, and write it down",
                place="line",
            ),
            status=409,
        )

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _receipt(self, request: RequestId) -> Receipt:
        desk = self._work.desk
        match desk.standing(request):
            case Pending(item=item, owning=owning):
                return Receipt(request, item, owning, "pending")
            case Accepted(item=item):
                return Receipt(request, item, desk.owning(item), "accepted")
            case RefusedThere(item=item, owning=owning, problems=said):
                problems = tuple(Problem(one.slug, zh=one.zh, en=one.en, place=one.place) for one in said)
                return Receipt(request, item, owning, "refused", problems)

    def acting(self, actor: Actor, wanted: Sequence[Role]) -> WorkActor:
        """Who acts, in the first of the ``wanted`` roles that the actor has."""
        return self._by(actor, wanted)

    def _by(self, actor: Actor, wanted: Sequence[Role], contact: str = "", line: str = "") -> WorkActor:
        """Who acts, in the first of the ``wanted`` roles that the actor has; without one, in one that it has: the
        check of the step refuses it then, in words.
        """
        ranked = [role for role in (*wanted, *ROLES) if role in actor.roles]
        which = own_contact(self._city, actor, ContactId(contact)) if contact else None
        return WorkActor(
            agent=agent_of(self._city, actor),
            role=ranked[0] if ranked else "agent",
            city=self._city.city,
            contact=which,
            identity_checked=which is not None and line in self._identity.lines_of(which),
        )


def _line(form: Form, service: Service) -> str:
    """The line that the form is about, as it is given or as it stands in it. Raises ``Refused`` when these differ."""
    field = service.line_field
    written = form.values.get(field) if field is not None else None
    if not isinstance(written, str) or not written or form.line in ("", written):
        return form.line or (written if isinstance(written, str) else "")
    raise Refused(
        Problem(
            "line-differs",
            zh=f"表单中的号码 {written} 与所办号码 {form.line} 不同；应为同一号码",
            en=f"the form is about {written}, and was handed in for {form.line}: it has to be the same number",
            place=str(field),
        )
    )
