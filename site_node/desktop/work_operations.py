"""The part of the agent API that is about services and work items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, ContactId
from dataset.masking import masked
from dataset.rows import IdentityHow, Viewed
from dataset.services.form import Value
from dataset.services.words import ROLES
from dataset.work import WorkItemId
from federation.core.work_item import SUPERVISORS, WorkItem
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Done, Nothing, Operation, Outcomes, Request, Run, word
from site_node.desktop.answers.seat import CallBackBegun
from site_node.desktop.answers.services import ServiceFound, ServicesFound
from site_node.desktop.answers.work import IdentityHolds, ItemFound, ItemHere, ItemsFound, ItemsHere, ReceiptShown
from site_node.desktop.reasons import LONGEST_REASON, Reason
from site_node.desktop.work_views import item_short, item_whole, receipt, service_answer, service_short
from site_node.services.audit import AtSeat, AuditTrail, check_unmask
from site_node.services.elsewhere import Elsewhere
from site_node.services.work import Action, Form, ItemOf, WorkService

STAFF = frozenset(ROLES)
"""whoever takes steps of work"""
AGENTS = frozenset({"agent"})
"""whoever has a telephone at a seat"""
OVERSEERS = frozenset(SUPERVISORS)
MOST_SHOWN = 200
"""work items in one answer"""

Word = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
LineOrCaller = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{3,15}|[0-9]{0,3}\*{4}[0-9]{1,4}|calling)?$")]
"""a whole number, or what stands for the one that calls in a contact at the own seat (``WorkService.whole``)"""
NoteText = Annotated[str, msgspec.Meta(max_length=2_000)]
Written = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Fen = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]


class OneService(Request, frozen=True, kw_only=True):
    """A service by its code."""

    service: Name


class IdentityChecked(Request, frozen=True, kw_only=True):
    """The caller of ``contact`` has shown to be the customer of ``line``."""

    contact: Name
    line: Name
    how: Literal["id_card", "service_password", "call_back"] = "id_card"


class IdentityOf(Request, frozen=True, kw_only=True):
    """Whether the caller of ``contact`` has shown to be the customer of ``line``."""

    contact: Name
    line: Name


class Open(Request, frozen=True, kw_only=True):
    """A form that was filled in."""

    service: Name
    values: dict[str, Value]
    line: Word = ""
    customer: Word = ""
    owning: Word = ""
    contact: Word = ""
    collected_fen: Fen = 0
    again_of: Word = ""
    key: Word = ""


class OfItem(Request, frozen=True, kw_only=True):
    """About one work item. ``owning``: its city, where nothing of it is on record here."""

    item: Name
    owning: Word = ""


class WholeItem(OfItem, frozen=True, kw_only=True):
    """A work item whole. ``unmask``: in full, for a ``reason`` that goes on record."""

    unmask: bool = False
    reason: Reason = ""


class ItemThere(WholeItem, frozen=True, kw_only=True):
    """A work item, asked for by another city, which vouches for what happened at its seat."""

    during: Word = ""
    """the contact there"""
    checked: tuple[Word, ...] = ()
    """lines of which the caller there has shown to be the customer"""


class Act(OfItem, frozen=True, kw_only=True):
    """One of the actions that are possible for a work item."""

    action: Name
    values: dict[str, Value | None] = msgspec.field(default_factory=dict)
    note: NoteText = ""
    contact: Word = ""
    collected_fen: Fen = 0
    satisfaction: int | None = None


class HandOver(OfItem, frozen=True, kw_only=True):
    """Somebody else has it from now on."""

    to: Annotated[AgentId, msgspec.Meta(pattern=r"^[0-9]{1,8}@[a-z0-9]{1,32}$")]


class Park(OfItem, frozen=True, kw_only=True):
    """Out of the queue for so many seconds."""

    for_s: Seconds
    note: Written


class NoteItem(OfItem, frozen=True, kw_only=True):
    """A note on a work item."""

    note: Written


class CalledBackNow(OfItem, frozen=True, kw_only=True):
    """The customer was reached, or not, by other means than a call from the seat; the note says how."""

    reached: bool
    note: Written


class KnownItem(Request, frozen=True, kw_only=True):
    """A work item that is on record in this city."""

    item: Name


class OfRequest(Request, frozen=True, kw_only=True):
    """How something that was handed in stands."""

    request: Name


class Items(Request, frozen=True, kw_only=True):
    """Exactly one of ``line``, ``mine`` and ``waiting``; ``contact``: in which the line calls, where it is masked."""

    line: Word = ""
    mine: bool = False
    waiting: bool = False
    contact: Word = ""


STORE = ("store-unreadable", "store-stopped", "record-damaged")
"""503 while records cannot be read"""
HANDED_IN = Outcomes(
    ReceiptShown,
    {
        400: ("field-*", "rule-*", "satisfaction-*", "work-note", "work-none", "line-differs"),
        403: ("work-role", "work-actor"),
        404: ("service-unknown", "work-unknown", "city-unknown", "unknown-contact"),
        409: ("work-*", "service-version", "rule-*", "calling-withheld", "form-under-way"),
        503: (*STORE, "stopping"),
    },
)
SILENT = ("city-silent", "city-slow")
"""503 when the owning city does not answer, and nothing is known here"""
UNMASK = {400: ("reason-missing",), 403: ("unmask-auditor", "unmask-not-yours")}
"""of what may be asked for unmasked"""
ITEM_HERE = Outcomes(ItemHere, {**UNMASK, 404: ("work-unknown",), 503: STORE})
ITEM_FOUND = Outcomes(ItemFound, {**UNMASK, 404: ("work-unknown", "city-unknown"), 503: (*SILENT, *STORE)})
CALLER = {400: ("line-masked",), 404: ("unknown-contact",), 409: ("calling-withheld",)}
"""of a line that may be the one that calls"""
OF_LINES = {404: ("city-unknown", "unknown-contact"), 409: ("calling-withheld",)}
ITEMS_HERE = Outcomes(ItemsHere, OF_LINES)
ITEMS_FOUND = Outcomes(ItemsFound, OF_LINES)


def looking(work: WorkService, trail: AuditTrail) -> tuple[Operation, ...]:
    """What seats of other cities may look at here."""
    return (
        _whole(ItemThere, trail, lambda actor, ask: _item(work, trail, actor, ask, _there(ask)), ITEM_HERE),
        _list(trail, lambda actor, ask: _items(work, trail, actor, ask), ITEMS_HERE),
    )


def _list(trail: AuditTrail, run: Run, outcomes: Outcomes) -> Operation:
    return Operation(
        "work_items",
        Items,
        STAFF,
        run,
        "工单列表",
        "work items",
        outcomes,
        lambda actor, fields, refused: trail.refused(actor, _list_look(fields), refused),
    )


def _whole(request: type[Request], trail: AuditTrail, run: Run, outcomes: Outcomes) -> Operation:
    return Operation(
        "work_item",
        request,
        STAFF,
        run,
        "工单",
        "a work item",
        outcomes,
        lambda actor, fields, refused: trail.refused(actor, _look(fields), refused),
    )


def work_operations(work: WorkService, elsewhere: Elsewhere, trail: AuditTrail) -> tuple[Operation, ...]:
    """Services and work items."""

    def handing_in(name: str, request: type[Request], ask: Callable[[Actor, Any], Any], zh: str, en: str) -> Operation:
        roles = OVERSEERS if name == "work_press" else STAFF
        return Operation(name, request, roles, lambda actor, of: ask(actor, of).addCallback(receipt), zh, en, HANDED_IN)

    one = Operation
    return (
        one(
            "services",
            Nothing,
            STAFF,
            lambda actor, _: {
                "services": [service_short(service, work.chosen(service)) for service in work.services()]
            },
            "全部业务",
            "all services",
            Outcomes(ServicesFound),
        ),
        one(
            "service",
            OneService,
            STAFF,
            lambda actor, ask: service_answer(work.service(ask.service), work),
            "业务的表单和流程",
            "form and work of a service",
            Outcomes(ServiceFound, {404: ("service-unknown",)}),
        ),
        one(
            "identity_checked",
            IdentityChecked,
            STAFF,
            lambda actor, ask: work.identity_checked(actor, ContactId(ask.contact), ask.line, IdentityHow(ask.how)),
            "身份已核对",
            "the identity was checked",
            Outcomes(Done, {404: ("unknown-contact",), 409: ("calling-withheld",)}),
        ),
        one(
            "identity_of",
            IdentityOf,
            STAFF,
            lambda actor, ask: {"checked": work.identity_holds(actor, ContactId(ask.contact), ask.line)},
            "该号码用户的身份核对过没有",
            "whether the identity of a line's customer was checked",
            Outcomes(IdentityHolds, {404: ("unknown-contact",), 409: ("calling-withheld",)}),
        ),
        handing_in("work_open", Open, lambda actor, ask: work.open(actor, _form(ask)), "提交表单", "hand in a form"),
        handing_in("work_act", Act, lambda actor, ask: work.act(actor, _action(ask)), "办理", "take an action"),
        handing_in("work_take", OfItem, lambda actor, ask: work.take(actor, _item_of(ask)), "领取工单", "take an item"),
        handing_in(
            "work_give_back",
            OfItem,
            lambda actor, ask: work.assign(actor, _item_of(ask), None),
            "退回队列",
            "give it back",
        ),
        handing_in(
            "work_hand_over",
            HandOver,
            lambda actor, ask: work.assign(actor, _item_of(ask), ask.to),
            "转交他人",
            "hand it to somebody",
        ),
        handing_in(
            "work_park", Park, lambda actor, ask: work.park(actor, _item_of(ask), ask.for_s, ask.note), "暂存", "park"
        ),
        handing_in(
            "work_note",
            NoteItem,
            lambda actor, ask: work.note(actor, _item_of(ask), ask.note),
            "工单备注",
            "note on an item",
        ),
        handing_in(
            "work_called_back",
            CalledBackNow,
            lambda actor, ask: work.called_back(actor, _item_of(ask), reached=ask.reached, note=ask.note),
            "以其他方式回访",
            "the customer was reached by other means",
        ),
        one(
            "work_call_back",
            KnownItem,
            AGENTS,
            lambda actor, ask: _called(work.call_back(actor, WorkItemId(ask.item))),
            "回访客户",
            "call the customer back",
            Outcomes(
                CallBackBegun,
                {
                    404: ("work-unknown",),
                    409: ("not-logged-in", "wrong-state", "work-ended", "call-back-number", "call-back-under-way"),
                    503: ("switch-away",),
                },
            ),
        ),
        handing_in(
            "work_press",
            NoteItem,
            lambda actor, ask: work.press(actor, _item_of(ask), ask.note),
            "督办",
            "press for an item",
        ),
        one(
            "work_request",
            OfRequest,
            STAFF,
            lambda actor, ask: receipt(work.request(ask.request)),
            "回执",
            "how a request stands",
            Outcomes(ReceiptShown, {404: ("request-unknown",)}),
        ),
        _whole(WholeItem, trail, lambda actor, ask: item_anywhere(work, elsewhere, trail, actor, ask), ITEM_FOUND),
        _list(trail, lambda actor, ask: _items_anywhere(work, elsewhere, trail, actor, ask), ITEMS_FOUND),
    )


def _called(begun: tuple[ContactId, str]) -> dict[str, Any]:
    contact, number = begun
    return {"contact": contact, "number": masked(number)}


def whole_number(work: WorkService, actor: Actor, line: str, contact: str) -> str:
    """``line`` whole, where it stands for the one that calls. Raises ``Refused`` as ``WorkService.whole`` does, and 400
    ``line-masked`` for any other that is masked.
    """
    number = work.whole(actor, line, contact)
    if "*" not in number:
        return number
    raise Refused(
        Problem(
            "line-masked",
            zh=f"{line} 不是来电的号码；请写出完整号码",
            en=f"{line} is not the number that calls: write the number out",
            place="line",
        )
    )


def _item_of(ask: OfItem) -> ItemOf:
    return ItemOf(ask.item, ask.owning)


def _form(ask: Open) -> Form:
    return Form(**{name: getattr(ask, name) for name in ask.__struct_fields__})


def _action(ask: Act) -> Action:
    return Action(**{name: getattr(ask, name) for name in ask.__struct_fields__})


# ── looking here ────────────────────────────────────────────────────────────────────────────────────────────────────
def _there(ask: ItemThere) -> AtSeat:
    return AtSeat(ContactId(ask.during) if ask.during else None, frozenset(ask.checked))


async def _item(work: WorkService, trail: AuditTrail, actor: Actor, ask: WholeItem, seat: AtSeat) -> Answer:
    """The item as it is known here; the look is on record here, before the answer where that is not masked."""
    item, service = work.item(ask.item)
    followed = await work.followed(item)
    look = replace(
        _look(msgspec.structs.asdict(ask)),
        customers=(item.customer,) if item.customer else (),
        line=item.line,
        during=seat.during,
    )
    if ask.unmask:
        own = work.in_hand(actor, item) or (bool(item.line) and item.line in seat.checked)
        check_unmask(actor, ask.reason, own=own)
        await trail.shown(actor, look)
    else:
        trail.shown(actor, look)
    possible, history = work.possible(actor, item), work.history(ask.item)
    shown = item_whole(item, service, possible, history, followed, work.now(), unmasked=ask.unmask)
    shown["mass_fault"] = _mass_fault(work, item)
    return {"item": shown, "from": work.city, "as_of": work.now()}


def _look(fields: Mapping[str, Any]) -> Look:
    unmask = fields.get("unmask") is True
    return Look(
        operation="work_item",
        what=Viewed.ITEM,
        id=word(fields, "item"),
        unmasked=unmask,
        reason=word(fields, "reason", LONGEST_REASON) if unmask else "",
    )


def _items(work: WorkService, trail: AuditTrail, actor: Actor, ask: Items) -> Answer:
    """Items that are known here; what is shown is on record here."""
    if bool(ask.line) + ask.mine + ask.waiting != 1:
        raise Refused(
            Problem(
                "bad-request",
                zh="请只给出 line、mine、waiting 之一",
                en="give exactly one of line, mine and waiting",
                place="line",
            )
        )
    found = work.of_line(ask.line) if ask.line else work.mine(actor) if ask.mine else work.waiting()
    now, shown = work.now(), found[:MOST_SHOWN]
    customers = dict.fromkeys(one.customer for one in shown if one.customer)
    look = _list_look(msgspec.structs.asdict(ask))
    trail.listed(actor, replace(look, customers=tuple(customers), listed=tuple(one.id for one in shown)))
    return {
        "items": [listed_item(work, one, now) for one in shown],
        "more": max(0, len(found) - MOST_SHOWN),
        "parts": [{"city": work.city, "as_of": now}],
    }


def _list_look(fields: Mapping[str, Any]) -> Look:
    line = word(fields, "line")
    which = masked(line) if line else "mine" if fields.get("mine") is True else "waiting"
    return Look(operation="work_items", what=Viewed.SEARCH, id=which, line=line)


def listed_item(work: WorkService, item: WorkItem, now: float) -> dict[str, Any]:
    """One line of a list, as it is known here."""
    return {**item_short(item, work.service_of(item), now), "mass_fault": _mass_fault(work, item)}


def newest_items(here: Iterable[dict[str, Any]], there: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items as two cities know them, the newest first; of what both know the later state, the second one's rather."""
    newest: dict[str, dict[str, Any]] = {}
    for one in (*here, *there):
        known = newest.get(one["item"])
        if known is None or known["revision"] <= one["revision"]:
            newest[one["item"]] = one
    return sorted(newest.values(), key=lambda one: (-one["opened_at"], one["item"]))[:MOST_SHOWN]


def _mass_fault(work: WorkService, item: WorkItem) -> str | None:
    fault = work.mass_fault_of(item)
    return fault.id if fault is not None else None


# ── and elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────
async def item_anywhere(
    work: WorkService, elsewhere: Elsewhere, trail: AuditTrail, actor: Actor, ask: WholeItem
) -> Answer:
    """The owning city's word where it answers, else what is known here. Each city has its look on record."""
    here: Answer | None = None
    unknown: Refused | None = None
    seat = AtSeat(trail.contact_of(actor), work.checked_lines(actor))
    try:
        here = await _item(work, trail, actor, ask, seat)
    except Refused as refused:
        unknown = refused
    # the owning city may know better than this one whose it is
    known = work.owner(ask.item) or ask.owning
    owning = elsewhere.codes.known(known) if known else elsewhere.codes.opened_in(ask.item)
    fields = {
        "item": ask.item,
        "unmask": ask.unmask,
        "reason": ask.reason,
        "during": seat.during or "",
        "checked": sorted(seat.checked),
    }
    there, missing = await elsewhere.ask(actor, owning, "work_item", fields, here)
    found = there if there is not None else here
    if found is None:
        assert unknown is not None
        raise unknown
    return {**found, "missing": missing}


async def _items_anywhere(
    work: WorkService, elsewhere: Elsewhere, trail: AuditTrail, actor: Actor, asked: Items
) -> Answer:
    """What is known here and at the owning city of the line; of what both know the later state."""
    ask = msgspec.structs.replace(asked, line=work.whole(actor, asked.line, asked.contact))
    here = _items(work, trail, actor, ask)
    there, missing = await elsewhere.ask(
        actor, elsewhere.codes.city_of(ask.line), "work_items", {"line": ask.line}, here
    )
    if there is None:
        return {**here, "missing": missing}
    return {
        "items": newest_items(here["items"], there["items"]),
        "more": max(here["more"], there["more"]),
        "parts": [*here["parts"], *there["parts"]],
        "missing": missing,
    }
