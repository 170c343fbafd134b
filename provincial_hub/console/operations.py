"""The console's operations, as one table for every transport."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dataset.ids import CityId, ContactId
from federation.node.login import LONGEST_PASSWORD, Actor, Logins
from federation.node.looks import Looks
from federation.node.operations import Done, Nothing, Operation, OperationTable, Outcomes, Request, word
from provincial_hub.console.answers import (
    ContactFound,
    ContactsFound,
    DayTold,
    Declared,
    HubLogin,
    IntervalsFound,
    KnowledgeTold,
    ParkedFound,
    ProvinceNow,
    ServicesTold,
    SettlementTold,
    SlotSettled,
)
from provincial_hub.services.intervals import IntervalService
from provincial_hub.services.knowledge_report import KnowledgeReport, look_at_questions
from provincial_hub.services.parked import SETTLERS, ParkedService
from provincial_hub.services.province import DECLARERS, READERS, ProvinceService, look_at_contact, look_at_contacts
from provincial_hub.services.services_report import ServicesReport
from provincial_hub.services.settlement import SettlementService

MOST_CONTACTS = 200
_LAST_SECOND = 253_402_300_799.0
"""end of the year 9999"""
Moment = Annotated[float, msgspec.Meta(ge=0, le=_LAST_SECOND)]


class ContactsRequest(Request, frozen=True, kw_only=True):
    """``contacts``."""

    city: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_CONTACTS)] = 50


class ContactRequest(Request, frozen=True, kw_only=True):
    """``contact``."""

    contact: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class IntervalsRequest(Request, frozen=True, kw_only=True, rename={"begin": "from"}):
    """``intervals``; both ends in UTC seconds."""

    begin: Moment
    to: Moment
    city: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class DayRequest(Request, frozen=True, kw_only=True):
    """``day``."""

    day: Annotated[str, msgspec.Meta(min_length=10, max_length=10)]


class SettlementRequest(Request, frozen=True, kw_only=True):
    """``settlement``."""

    month: Annotated[str, msgspec.Meta(min_length=7, max_length=7)]


class DaysRequest(Request, frozen=True, kw_only=True):
    """``services_report``, ``knowledge_report``; days, both included."""

    first: Annotated[str, msgspec.Meta(min_length=10, max_length=10)]
    last: Annotated[str, msgspec.Meta(min_length=10, max_length=10)]
    city: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class DeclareLostRequest(Request, frozen=True, kw_only=True):
    """``declare_lost``."""

    city: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ParkedRequest(Request, frozen=True, kw_only=True):
    """``parked``."""

    node: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class SettleRequest(Request, frozen=True, kw_only=True):
    """``settle``."""

    node: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    lineage: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    number: Annotated[int, msgspec.Meta(ge=1)]
    reason: Annotated[str, msgspec.Meta(max_length=500)]


class PasswordRequest(Request, frozen=True, kw_only=True):
    """``password``."""

    old: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PASSWORD)]
    new: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PASSWORD)]


LOGIN = Outcomes(
    HubLogin,
    {401: ("login-refused",), 403: ("not-your-role",), 429: ("login-locked",), 503: ("login-busy",)},
)
STILL_COUNTING = {503: ("still-counting",)}
PASSWORD = Outcomes(
    Done, {400: ("password-weak",), 401: ("login-refused",), 429: ("login-locked",), 503: ("login-busy",)}
)


def console_operations(
    province: ProvinceService,
    intervals: IntervalService,
    parked: ParkedService,
    settlements: SettlementService,
    services: ServicesReport,
    knowledge: KnowledgeReport,
    logins: Logins,
    looks: Looks,
) -> OperationTable:
    """Everything that the bureau can ask of the hub; ``login`` and ``attach`` are the door's."""

    async def contacts(actor: Actor, request: ContactsRequest) -> dict[str, Any]:
        city = CityId(request.city) if request.city is not None else None
        return await province.contacts(actor, city, request.limit)

    async def contact(actor: Actor, request: ContactRequest) -> dict[str, Any]:
        return await province.contact(actor, ContactId(request.contact))

    async def of_intervals(actor: Actor, request: IntervalsRequest) -> dict[str, Any]:
        city = CityId(request.city) if request.city is not None else None
        return await intervals.intervals(actor, request.begin, request.to, city)

    async def day(actor: Actor, request: DayRequest) -> dict[str, Any]:
        return await intervals.day(actor, request.day)

    async def settlement(actor: Actor, request: SettlementRequest) -> dict[str, Any]:
        return await settlements.settlement(actor, request.month)

    async def services_report(actor: Actor, request: DaysRequest) -> dict[str, Any]:
        city = CityId(request.city) if request.city is not None else None
        return await services.report(actor, request.first, request.last, city)

    async def knowledge_report(actor: Actor, request: DaysRequest) -> dict[str, Any]:
        city = CityId(request.city) if request.city is not None else None
        return await knowledge.report(actor, request.first, request.last, city)

    async def declare_lost(actor: Actor, request: DeclareLostRequest) -> dict[str, Any]:
        return await province.declare_lost(actor, CityId(request.city), request.reason)

    async def of_parked(actor: Actor, request: ParkedRequest) -> dict[str, Any]:
        return await parked.parked(actor, request.node)

    async def settle(actor: Actor, request: SettleRequest) -> dict[str, Any]:
        return await parked.settle(actor, request.node, request.lineage, request.number, request.reason)

    async def password(actor: Actor, request: PasswordRequest) -> None:
        await logins.change_password(actor, request.old, request.new)

    def logout(actor: Actor, request: Nothing) -> None:
        logins.close(actor)

    anybody: frozenset[str] = frozenset()
    return OperationTable(
        (
            Operation(
                "province",
                Nothing,
                READERS,
                lambda actor, request: province.province(actor),
                "全省此刻",
                "the province now",
                Outcomes(ProvinceNow),
            ),
            Operation(
                "contacts",
                ContactsRequest,
                READERS,
                contacts,
                "最近的接触",
                "the latest contacts",
                Outcomes(ContactsFound, {404: ("unknown-city",)}),
                lambda actor, fields, refused: looks.refused(actor, look_at_contacts(word(fields, "city")), refused),
            ),
            Operation(
                "contact",
                ContactRequest,
                READERS,
                contact,
                "一个接触的全程与每次路由的依据",
                "a contact's whole way, and why it went there",
                Outcomes(ContactFound, {404: ("unknown-contact",)}),
                lambda actor, fields, refused: looks.refused(actor, look_at_contact(word(fields, "contact")), refused),
            ),
            Operation(
                "intervals",
                IntervalsRequest,
                READERS,
                of_intervals,
                "每 15 分钟各队列的话务及其平衡式",
                "queues by quarter of an hour, with their sums",
                Outcomes(IntervalsFound, {404: ("unknown-city",)}),
            ),
            Operation("day", DayRequest, READERS, day, "一天的小结", "a day in words", Outcomes(DayTold)),
            Operation(
                "settlement",
                SettlementRequest,
                READERS,
                settlement,
                "一个月各局之间的结算",
                "what cities owe each other for a month",
                Outcomes(SettlementTold, STILL_COUNTING),
            ),
            Operation(
                "services_report",
                DaysRequest,
                READERS,
                services_report,
                "各业务的受理、办结和及时情况",
                "what came of each service: taken in, ended, in time",
                Outcomes(ServicesTold, {404: ("unknown-city",), **STILL_COUNTING}),
            ),
            Operation(
                "knowledge_report",
                DaysRequest,
                READERS,
                knowledge_report,
                "知识的使用和评价、将失效的、没有答案的问题",
                "how articles are used and judged, what expires, questions without an answer",
                Outcomes(KnowledgeTold, {404: ("unknown-city",), **STILL_COUNTING}),
                lambda actor, fields, refused: looks.refused(actor, look_at_questions(word(fields, "city")), refused),
            ),
            Operation(
                "declare_lost",
                DeclareLostRequest,
                DECLARERS,
                declare_lost,
                "宣告一个城市永久失联，直至其重新接入",
                "declare a city lost for good, until it is heard again",
                Outcomes(
                    Declared, {400: ("reason-missing",), 404: ("unknown-city",), 409: ("already-lost", "city-is-heard")}
                ),
            ),
            Operation(
                "parked",
                ParkedRequest,
                SETTLERS,
                of_parked,
                "总数中计为未知的记录：无法读取的，或已无处可取的",
                "what totals name as unknown: rows that cannot be read, and numbers that nobody keeps",
                Outcomes(ParkedFound, {404: ("unknown-node",)}),
            ),
            Operation(
                "settle",
                SettleRequest,
                SETTLERS,
                settle,
                "处理一条未知记录，写明原因",
                "settle an unknown slot, with a reason",
                Outcomes(SlotSettled, {400: ("reason-missing",), 404: ("unknown-slot",), 409: ("already-settled",)}),
            ),
            Operation("password", PasswordRequest, anybody, password, "修改密码", "change one's password", PASSWORD),
            Operation(
                "ping",
                Nothing,
                anybody,
                lambda actor, request: None,
                "是否在线",
                "whether the hub is there",
                Outcomes(Done),
            ),
            Operation("logout", Nothing, anybody, logout, "退出", "log out", Outcomes(Done)),
        ),
        LOGIN,
    )
