"""The agent API (``docs/agent-api.md``) as one table: name, request, roles, and what does it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dataset.ids import AgentId, ContactId, SkillId
from dataset.packages import ServicePackage
from federation.node.login import LONGEST_PASSWORD
from federation.node.operations import Done, Nothing, Operation, OperationTable, Outcomes, Request
from site_node.desktop.answers.city import CityNow
from site_node.desktop.answers.login import CityLogin
from site_node.desktop.answers.seat import TargetsFound
from site_node.desktop.views import city_state
from site_node.services.seats import SeatService

AGENT = frozenset({"agent"})
OVERSEERS = frozenset({"supervisor", "site_admin"})
EVERYBODY: frozenset[str] = frozenset()

Contact = Annotated[ContactId, msgspec.Meta(min_length=1, max_length=64)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PASSWORD)]


class OfContact(Request, frozen=True, kw_only=True):
    """For one contact at the own seat."""

    contact: Contact


class NotReady(Request, frozen=True, kw_only=True):
    """``reason``: one of ``reasons`` in the state."""

    reason: Code


class Transfer(Request, frozen=True, kw_only=True):
    """Exactly one of ``to_skill`` and ``to_agent``."""

    contact: Contact
    to_skill: Annotated[SkillId, msgspec.Meta(min_length=1, max_length=32)] | None = None
    to_agent: Annotated[AgentId, msgspec.Meta(pattern=r"^[0-9]{1,8}@[a-z0-9]{1,32}$")] | None = None
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Note(Request, frozen=True, kw_only=True):
    """A note that travels with the contact."""

    contact: Contact
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class SetDisposition(Request, frozen=True, kw_only=True):
    """``code``: one of ``dispositions`` of the call."""

    contact: Contact
    code: Code


class Targets(Request, frozen=True, kw_only=True):
    """Name, staff number or pinyin initials; empty: everybody."""

    text: Annotated[str, msgspec.Meta(max_length=64)] = ""


class NewPassword(Request, frozen=True, kw_only=True):
    """Change the own password."""

    old: Password
    new: Password


LOGIN = Outcomes(
    CityLogin,
    {
        400: ("seat-missing",),
        401: ("login-refused",),
        403: ("agent-of-another-city",),
        404: ("seat-unknown",),
        409: ("seat-taken",),
        429: ("login-locked",),
        503: ("login-busy",),
    },
)
PASSWORD = Outcomes(
    Done, {400: ("password-weak",), 401: ("login-refused",), 429: ("login-locked",), 503: ("login-busy",)}
)
_SEATED = ("no-seat", "not-logged-in", "wrong-state")
"""409 of operations at a seat"""
_STEP = Outcomes(Done, {404: ("unknown-contact",), 409: _SEATED})


def agent_operations(seats: SeatService, package: ServicePackage, more: tuple[Operation, ...] = ()) -> OperationTable:
    """All operations of a city's door; ``more``: those that not every city offers."""
    one = Operation
    return OperationTable(
        (
            one(
                "ready",
                Nothing,
                AGENT,
                lambda actor, _: seats.ready(actor),
                "示闲",
                "ready",
                Outcomes(Done, {409: _SEATED}),
            ),
            one(
                "not_ready",
                NotReady,
                AGENT,
                lambda actor, ask: seats.not_ready(actor, ask.reason),
                "示忙",
                "not ready",
                Outcomes(Done, {400: ("unknown-reason",), 409: _SEATED}),
            ),
            one(
                "answer",
                OfContact,
                AGENT,
                lambda actor, ask: seats.answer(actor, ask.contact),
                "接听",
                "answer",
                Outcomes(Done, {404: ("unknown-contact",), 409: (*_SEATED, "answer-at-phone")}),
            ),
            one("hold", OfContact, AGENT, lambda actor, ask: seats.hold(actor, ask.contact), "保持", "hold", _STEP),
            one(
                "retrieve",
                OfContact,
                AGENT,
                lambda actor, ask: seats.retrieve(actor, ask.contact),
                "取回",
                "retrieve",
                _STEP,
            ),
            one(
                "transfer",
                Transfer,
                AGENT,
                lambda actor, ask: seats.transfer(actor, ask.contact, ask.to_skill, ask.to_agent, ask.note).addCallback(
                    lambda _: {}
                ),
                "盲转",
                "blind transfer",
                Outcomes(
                    Done,
                    {
                        400: ("transfer-target",),
                        404: ("unknown-contact", "unknown-skill"),
                        409: _SEATED,
                        503: ("anchor-unreachable", "contact-gone", "unknown-skill"),
                    },
                ),
            ),
            one(
                "note",
                Note,
                AGENT,
                lambda actor, ask: seats.note(actor, ask.contact, ask.text),
                "备注",
                "add a note",
                Outcomes(Done, {404: ("unknown-contact",), 409: (*_SEATED, "too-many-notes")}),
            ),
            one(
                "disposition",
                SetDisposition,
                AGENT,
                lambda actor, ask: seats.disposition(actor, ask.contact, ask.code),
                "处理结果",
                "how it came out",
                Outcomes(Done, {400: ("unknown-disposition",), 404: ("unknown-contact",), 409: _SEATED}),
            ),
            one(
                "hang_up",
                OfContact,
                AGENT,
                lambda actor, ask: seats.hang_up(actor, ask.contact),
                "挂机",
                "end the call",
                _STEP,
            ),
            one(
                "finish",
                OfContact,
                AGENT,
                lambda actor, ask: seats.finish(actor, ask.contact),
                "完成",
                "end the segment",
                Outcomes(Done, {404: ("unknown-contact",), 409: (*_SEATED, "disposition-missing")}),
            ),
            one(
                "ping",
                Nothing,
                EVERYBODY,
                lambda actor, _: None,
                "是否在线",
                "whether the node is there",
                Outcomes(Done),
            ),
            one(
                "logout",
                Nothing,
                EVERYBODY,
                lambda actor, _: seats.logout(actor),
                "下线",
                "log out",
                Outcomes(Done, {409: _SEATED}),
            ),
            one(
                "targets",
                Targets,
                AGENT,
                lambda actor, ask: seats.targets(actor, ask.text),
                "转接对象",
                "whom to transfer to",
                Outcomes(TargetsFound),
            ),
            one(
                "password",
                NewPassword,
                EVERYBODY,
                lambda actor, ask: seats.password(actor, ask.old, ask.new),
                "改密码",
                "change the own password",
                PASSWORD,
            ),
            one(
                "city",
                Nothing,
                OVERSEERS,
                lambda actor, _: city_state(
                    *seats.city(actor), package, peers=seats.peers_seen(), alone=seats.stands_alone()
                ),
                "本局现况",
                "queues, agents, contacts",
                Outcomes(CityNow),
            ),
            *more,
        ),
        LOGIN,
    )
