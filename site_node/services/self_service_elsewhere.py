"""Self-service for lines of other cities: the owning city answers by its own records, within a deadline.

Number and PIN go over the link and are kept nowhere; the owning city compares the PIN and counts wrong ones, so a line
is locked for the whole province at once.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from federation.node.login import Actor
from federation.node.lookups import Lookups
from federation.node.operations import Operation, Outcomes, Reply, Request
from site_node.core.self_records import (
    Answer,
    Away,
    BillQuestion,
    LineFound,
    LineQuestion,
    LineUnknown,
    OpenItems,
    PinLocked,
    PinWrong,
    PriceQuestion,
    ProgressQuestion,
    Question,
    Statement,
    Unread,
)
from site_node.services.area_codes import AreaCodes
from site_node.services.self_service import SelfServiceRecords

OPERATION = "self_service"
CALLER = frozenset({"caller"})
"""role of a caller for whom a city asks; no user can be given it"""
KINDS: dict[str, type[Any]] = {
    "line_found": LineFound,
    "line_unknown": LineUnknown,
    "pin_wrong": PinWrong,
    "pin_locked": PinLocked,
    "statement": Statement,
    "open_items": OpenItems,
    "unread": Unread,
}
"""what may be answered, by the word for it between cities"""
_WORDS = {kind: word for word, kind in KINDS.items()}
log = Logger()


class SelfServiceAsked(Request, frozen=True, kw_only=True):
    """A question of another city's self-service."""

    what: Literal["line", "bill", "progress"]
    number: str
    pin: str = ""


class SelfServiceAnswered(Reply, frozen=True, kw_only=True):
    """``said``: the fields of the answer that ``kind`` names."""

    kind: str
    said: dict[str, Any]


class SelfServiceEverywhere:
    """Answers of this city's records, or of the city that owns the line. ``lookups`` is set once the node has them."""

    def __init__(self, city: CityId, here: SelfServiceRecords, codes: AreaCodes) -> None:
        self._city = city
        self._here = here
        self._codes = codes
        self.lookups: Lookups | None = None

    def answer(self, question: Question) -> Deferred[Answer]:
        """The answer. Errbacks with ``Refused`` when this city's records cannot be read."""
        if isinstance(question, PriceQuestion):
            return self._here.answer(question)
        number = question.number if isinstance(question, LineQuestion) else question.line
        owner = self._codes.city_of(number)
        if owner is None or owner == self._city or self.lookups is None:
            return self._here.answer(question)
        return Deferred.fromCoroutine(self._ask(self.lookups, owner, question))

    async def _ask(
        self, lookups: Lookups, owner: CityId, question: LineQuestion | BillQuestion | ProgressQuestion
    ) -> Answer:
        match question:
            case LineQuestion(number):
                fields = {"what": "line", "number": number}
            case BillQuestion(line, pin):
                fields = {"what": "bill", "number": line, "pin": pin}
            case ProgressQuestion(line, pin):
                fields = {"what": "progress", "number": line, "pin": pin}
        caller = Actor("self-service", None, "self-service", CALLER, NodeId(self._city))
        try:
            told = await lookups.ask(owner, OPERATION, fields, caller)
            return _read(told)
        except Refused as refused:
            log.info(
                "{city} did not answer a self-service: {slug}",
                city=owner,
                slug=refused.problems[0].slug,
                event="self-service-away",
            )
            return Away()
        except (msgspec.MsgspecError, KeyError) as error:
            log.warn("{city} gave an answer that is none: {error}", city=owner, error=error, event="lookup-malformed")
            return Away()


def _read(told: dict[str, Any]) -> Answer:
    answer: Answer = msgspec.convert(told["said"], KINDS[told["kind"]])
    return answer


def self_service_looked_for(here: SelfServiceRecords) -> Operation:
    """What other cities' callers hear of this city's lines."""

    async def answered(_: Actor, ask: SelfServiceAsked) -> dict[str, Any]:
        question: Question
        match ask.what:
            case "line":
                question = LineQuestion(ask.number)
            case "bill":
                question = BillQuestion(ask.number, ask.pin)
            case "progress":
                question = ProgressQuestion(ask.number, ask.pin)
        answer = await here.answer(question)
        return {"kind": _WORDS[type(answer)], "said": msgspec.to_builtins(answer)}

    return Operation(
        OPERATION,
        SelfServiceAsked,
        CALLER,
        answered,
        "外地来电人自助查询",
        "self-service of another city's caller",
        Outcomes(SelfServiceAnswered, {503: ("store-closed",)}),
    )
