"""The part of the agent API that is about services and work items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, ContactId
from dataset.services.form import Value
from federation.node.login import Actor
from federation.node.operations import Answer, Nothing, Operation, Request
from site_node.desktop.work_views import item_short, item_whole, receipt, service_answer, service_short
from site_node.services.work import Action, Form, WorkService

STAFF = frozenset({"agent", "dispatcher", "crew", "back_office", "supervisor", "site_admin"})
OVERSEERS = frozenset({"supervisor", "site_admin"})
MOST_SHOWN = 200
"""work items in one answer"""

Word = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
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


class Act(Request, frozen=True, kw_only=True):
    """One of the actions that are possible for a work item."""

    item: Name
    action: Name
    values: dict[str, Value | None] = msgspec.field(default_factory=dict)
    owning: Word = ""
    note: NoteText = ""
    contact: Word = ""
    collected_fen: Fen = 0


class OfItem(Request, frozen=True, kw_only=True):
    """About one work item."""

    item: Name


class HandOver(Request, frozen=True, kw_only=True):
    """Somebody else has it from now on."""

    item: Name
    to: Annotated[AgentId, msgspec.Meta(pattern=r"^[0-9]{1,8}@[a-z0-9]{1,32}$")]


class Park(Request, frozen=True, kw_only=True):
    """Out of the queue for so many seconds."""

    item: Name
    for_s: Seconds
    note: Written


class NoteItem(Request, frozen=True, kw_only=True):
    """A note on a work item."""

    item: Name
    note: Written


class CalledBackNow(Request, frozen=True, kw_only=True):
    """The customer was called."""

    item: Name
    reached: bool


class OfRequest(Request, frozen=True, kw_only=True):
    """How something that was handed in stands."""

    request: Name


class Items(Request, frozen=True, kw_only=True):
    """Exactly one of these."""

    line: Word = ""
    mine: bool = False
    waiting: bool = False


def work_operations(work: WorkService) -> tuple[Operation, ...]:
    """Services and work items."""

    def handing_in(name: str, request: type[Request], ask: Callable[[Actor, Any], Any], zh: str, en: str) -> Operation:
        roles = OVERSEERS if name == "work_press" else STAFF
        return Operation(name, request, roles, lambda actor, of: ask(actor, of).addCallback(receipt), zh, en)

    one = Operation
    return (
        one(
            "services",
            Nothing,
            STAFF,
            lambda actor, _: {"services": [service_short(service) for service in work.services()]},
            "全部业务",
            "all services",
        ),
        one(
            "service",
            OneService,
            STAFF,
            lambda actor, ask: service_answer(work.service(ask.service), work),
            "业务的表单和流程",
            "form and work of a service",
        ),
        one(
            "identity_checked",
            IdentityChecked,
            STAFF,
            lambda actor, ask: work.identity_checked(actor, ContactId(ask.contact), ask.line),
            "身份已核对",
            "the identity was checked",
        ),
        handing_in("work_open", Open, lambda actor, ask: work.open(actor, _form(ask)), "提交表单", "hand in a form"),
        handing_in("work_act", Act, lambda actor, ask: work.act(actor, _action(ask)), "办理", "take an action"),
        handing_in("work_take", OfItem, lambda actor, ask: work.take(actor, ask.item), "领取工单", "take an item"),
        handing_in(
            "work_give_back", OfItem, lambda actor, ask: work.assign(actor, ask.item, None), "退回队列", "give it back"
        ),
        handing_in(
            "work_hand_over",
            HandOver,
            lambda actor, ask: work.assign(actor, ask.item, ask.to),
            "转交他人",
            "hand it to somebody",
        ),
        handing_in(
            "work_park", Park, lambda actor, ask: work.park(actor, ask.item, ask.for_s, ask.note), "暂存", "park"
        ),
        handing_in(
            "work_note",
            NoteItem,
            lambda actor, ask: work.note(actor, ask.item, ask.note),
            "工单备注",
            "note on an item",
        ),
        handing_in(
            "work_called_back",
            CalledBackNow,
            lambda actor, ask: work.called_back(actor, ask.item, reached=ask.reached),
            "已回访",
            "the customer was called back",
        ),
        handing_in(
            "work_press",
            NoteItem,
            lambda actor, ask: work.press(actor, ask.item, ask.note),
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
        ),
        one("work_item", OfItem, STAFF, lambda actor, ask: _item(work, actor, ask.item), "工单", "a work item"),
        one("work_items", Items, STAFF, lambda actor, ask: _items(work, actor, ask), "工单列表", "work items"),
    )


def _form(ask: Open) -> Form:
    return Form(**{name: getattr(ask, name) for name in ask.__struct_fields__})


def _action(ask: Act) -> Action:
    return Action(**{name: getattr(ask, name) for name in ask.__struct_fields__})


def _item(work: WorkService, actor: Actor, name: str) -> Answer:
    item, service = work.item(name)
    return {"item": item_whole(item, service, work.possible(actor, item), work.history(name), work.now())}


def _items(work: WorkService, actor: Actor, ask: Items) -> Answer:
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
    now = work.now()
    return {
        "items": [item_short(one, work.service_of(one), now) for one in found[:MOST_SHOWN]],
        "more": max(0, len(found) - MOST_SHOWN),
    }
