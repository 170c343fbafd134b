"""The part of the agent API that is about lines that do not work: their test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.masking import masked
from dataset.rows import Viewed
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request
from site_node.core.line_test import OUTCOMES, PLACES, LineTested, note_of
from site_node.desktop.answers.lines import Tested, TestedHere
from site_node.desktop.work_operations import (
    CALLER,
    HANDED_IN,
    SILENT,
    STAFF,
    STORE,
    LineOrCaller,
    WholeItem,
    Word,
    item_anywhere,
    whole_number,
)
from site_node.desktop.work_views import receipt
from site_node.services.audit import AuditTrail
from site_node.services.elsewhere import Elsewhere
from site_node.services.line_tests import WITHIN_S, LineTests
from site_node.services.work import ItemOf, WorkService

FARTHEST_S = WITHIN_S + 2.0
"""how long another city's test is waited for: its own limit, and the way there and back"""

LineNumber = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{3,15})?$")]


REFUSES = {
    400: ("one-of-two", "line-untestable"),
    404: ("line-unknown",),
    409: ("line-not-in-service", "line-test-busy"),
    503: ("line-test-failed", "line-test-late", *STORE),
}
TESTED = Outcomes(
    Tested,
    {
        400: (*REFUSES[400], *CALLER[400]),
        403: HANDED_IN.refuses[403],
        404: (*REFUSES[404], "work-unknown", "city-unknown", "unknown-contact"),
        409: (*REFUSES[409], "item-without-line", "work-*", "calling-withheld"),
        503: (*REFUSES[503], *SILENT, "stopping"),
    },
)


class LineToTest(Request, frozen=True, kw_only=True):
    """A line of this city, by its whole number."""

    line: LineNumber = ""
    item: Word = ""
    owning: Word = ""


class LineOrItem(LineToTest, frozen=True, kw_only=True):
    """Exactly one of ``line`` and ``item``, whose line it is; ``owning``: of an item of which nothing is known here;
    ``contact``: in which the line calls, where it is masked.
    """

    line: LineOrCaller = ""
    contact: Word = ""


TESTED_HERE = Outcomes(
    TestedHere,
    {**REFUSES, 404: (*REFUSES[404], "work-unknown"), 409: (*REFUSES[409], "item-without-line")},
)


def testing(tests: LineTests, work: WorkService, trail: AuditTrail) -> Operation:
    """The test of a line of this city, for its own seats and those of other cities, which know an item's line by the
    item alone.
    """

    async def test(actor: Actor, ask: LineToTest) -> Answer:
        if bool(ask.line) == bool(ask.item):
            raise _one_of_two()
        return await _tested_here(tests, trail, actor, ask.line or _line_of(work, ask.item))

    return Operation("line_test", LineToTest, STAFF, test, "测试线路", "test a line", TESTED_HERE)


def line_operations(
    tests: LineTests, work: WorkService, elsewhere: Elsewhere, trail: AuditTrail
) -> tuple[Operation, ...]:
    """``line_test``: here or at the owning city of the line; with an item, what was measured stands on it as a note."""

    async def test(actor: Actor, ask: LineOrItem) -> Answer:
        if bool(ask.line) == bool(ask.item):
            raise _one_of_two()
        if ask.line:
            return await _tested(tests, elsewhere, trail, actor, whole_number(work, actor, ask.line, ask.contact))
        whole = WholeItem(item=ask.item, owning=ask.owning)
        item = (await item_anywhere(work, elsewhere, trail, actor, whole))["item"]
        found = await (
            _tested(tests, elsewhere, trail, actor, _line_of(work, ask.item))
            if work.owner(ask.item) is not None
            else _tested_there(elsewhere, actor, item)
        )
        noted = await work.note(
            actor, ItemOf(ask.item, item["owning"]), note_of(msgspec.convert(found["test"]["measured"], LineTested))
        )
        return {**found, "receipt": receipt(noted)}

    return (Operation("line_test", LineOrItem, STAFF, test, "测试线路", "test a line", TESTED),)


def _line_of(work: WorkService, name: str) -> str:
    """The whole number that an item is about. Raises ``Refused``: 404 ``work-unknown``, 409 ``item-without-line``."""
    item, _ = work.item(name)
    if not item.line:
        raise Refused(
            Problem(
                "item-without-line",
                zh="此工单不涉及号码，无线路可测",
                en="this work item is about no line, so there is none to test",
                place="item",
            ),
            status=409,
        )
    return item.line


async def _tested_there(elsewhere: Elsewhere, actor: Actor, item: Mapping[str, Any]) -> Answer:
    """The line of an item that is known where it is owned only."""
    there, _ = await elsewhere.ask(actor, CityId(item["owning"]), "line_test", {"item": item["item"]}, None, FARTHEST_S)
    assert there is not None, "it is another city's"
    return there


async def _tested(tests: LineTests, elsewhere: Elsewhere, trail: AuditTrail, actor: Actor, line: str) -> Answer:
    owning = elsewhere.codes.city_of(line)
    if owning is None:
        number = masked(line)
        raise Refused(
            Problem(
                "line-untestable",
                zh=f"{number} 没有本省区号，不是可测的固定线路；请带区号",
                en=f"{number} has no area code of the province, so it is no line that can be tested: give it with one",
                place="line",
            )
        )
    there, _ = await elsewhere.ask(actor, owning, "line_test", {"line": line}, None, FARTHEST_S)
    return there if there is not None else await _tested_here(tests, trail, actor, line)


async def _tested_here(tests: LineTests, trail: AuditTrail, actor: Actor, line: str) -> Answer:
    """A line of this city; whose state was looked at is on record."""
    found = await tests.test(line)
    trail.shown(actor, Look(operation="line_test", what=Viewed.LINE, id=line, line=line))
    return {"test": shown(found), "from": tests.city}


def shown(tested: LineTested) -> dict[str, Any]:
    """A test as the agent API shows it, the number masked: it may be asked for by a work item."""
    outcome, place = OUTCOMES[tested.outcome], PLACES[tested.lies]
    return {
        "outcome": tested.outcome.value,
        "zh": outcome[0],
        "en": outcome[1],
        "lies": tested.lies.value,
        "lies_zh": place[0],
        "lies_en": place[1],
        "measured": {**msgspec.to_builtins(tested), "line": masked(tested.line)},
    }


def _one_of_two() -> Refused:
    return Refused(
        Problem(
            "one-of-two",
            zh="请给出 line 或 item 之一",
            en="exactly one of line and item is expected",
            place="line",
        )
    )
