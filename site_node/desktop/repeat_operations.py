"""The part of the agent API that is about matters that come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec

from dataset.masking import masked, masked_document
from dataset.rows import Viewed
from federation.core.repeats import YEAR_S, EarlierItem, Often
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request, Run
from site_node.desktop.answers.repeats import ProgressFound, RepeatsFound, RepeatsHere
from site_node.desktop.work_operations import CALLER, MOST_SHOWN, STAFF, STORE, LineOrCaller, Word, whole_number
from site_node.services.audit import AuditTrail
from site_node.services.elsewhere import Elsewhere
from site_node.services.repeats import OWNER_WITHIN_S, Repeats
from site_node.services.work import WorkService

LineNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{3,15}$")]


class OfLine(Request, frozen=True, kw_only=True):
    """Whose customer's matters."""

    line: LineNumber


class OfCaller(Request, frozen=True, kw_only=True):
    """Whose customer's matters; ``contact``: in which the line calls, where it is masked."""

    line: Annotated[LineOrCaller, msgspec.Meta(min_length=1)]
    contact: Word = ""


class OfDocument(Request, frozen=True, kw_only=True):
    """What one city asks the others for a customer of its own."""

    document: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


REPEATS_HERE = Outcomes(RepeatsFound, {503: STORE})
REPEATS = Outcomes(RepeatsFound, {**CALLER, 503: STORE})
PROGRESS_HERE = Outcomes(ProgressFound, {503: STORE})
PROGRESS = Outcomes(ProgressFound, {**CALLER, 503: STORE})


def repeats_looked_for(repeats: Repeats, trail: AuditTrail) -> tuple[Operation, ...]:
    """What other cities may ask of this one."""

    def own(actor: Actor, ask: OfDocument, operation: str, found: Sequence[EarlierItem]) -> Answer:
        if found:
            which = masked_document(ask.document)
            trail.listed(actor, _look(operation, found, what=Viewed.SEARCH, id=which))
        return {"items": [msgspec.to_builtins(one) for one in found]}

    async def here(actor: Actor, ask: OfDocument) -> Answer:
        return own(actor, ask, "repeats_here", await repeats.of_document(ask.document))

    async def progress_here(actor: Actor, ask: OfDocument) -> Answer:
        return own(actor, ask, "progress_here", await repeats.of_document(ask.document, YEAR_S))

    async def progress(actor: Actor, ask: OfLine) -> Answer:
        return await _under_way(repeats, trail, actor, ask.line)

    async def of_line(actor: Actor, ask: OfLine) -> Answer:
        return await _owned(repeats, trail, actor, ask.line)

    return (
        Operation(
            "repeats_here", OfDocument, STAFF, here, "本局重复情况", "repeats here", Outcomes(RepeatsHere, {503: STORE})
        ),
        Operation("repeats", OfLine, STAFF, of_line, "重复受理", "matters that come back", REPEATS_HERE),
        Operation(
            "progress_here",
            OfDocument,
            STAFF,
            progress_here,
            "本局办理情况",
            "what is under way here",
            Outcomes(RepeatsHere, {503: STORE}),
        ),
        Operation("progress", OfLine, STAFF, progress, "办理情况", "what is under way", PROGRESS_HERE),
    )


def repeat_operations(
    repeats: Repeats, work: WorkService, elsewhere: Elsewhere, trail: AuditTrail
) -> tuple[Operation, ...]:
    """``repeats`` and ``progress``: at the owning city of the line, which asks the others."""

    def at_owner(operation: str, own: Callable[[Repeats, AuditTrail, Actor, str], Awaitable[Answer]]) -> Run:
        async def run(actor: Actor, ask: OfCaller) -> Answer:
            line = whole_number(work, actor, ask.line, ask.contact)
            owning = elsewhere.codes.city_of(line)
            nothing: Answer = {}
            there, missing = await elsewhere.ask(
                actor, owning, operation, {"line": line}, nothing, within_s=OWNER_WITHIN_S
            )
            if there is not None:
                return there
            here = await own(repeats, trail, actor, line)
            return {**here, "missing": [*here["missing"], *missing]}

        return run

    one = Operation
    return (
        one("repeats", OfCaller, STAFF, at_owner("repeats", _owned), "重复受理", "matters that come back", REPEATS),
        one("progress", OfCaller, STAFF, at_owner("progress", _under_way), "办理情况", "what is under way", PROGRESS),
    )


async def _under_way(repeats: Repeats, trail: AuditTrail, actor: Actor, line: str) -> Answer:
    items, cities, missing = await repeats.progress(actor, line)
    trail.listed(actor, _look("progress", items, what=Viewed.LINE, id=line, line=line))
    shown = [_masked(msgspec.to_builtins(one)) for one in items[:MOST_SHOWN]]
    return {"items": shown, "as_of": repeats.now(), "cities": cities, "missing": missing}


async def _owned(repeats: Repeats, trail: AuditTrail, actor: Actor, line: str) -> Answer:
    found, cities, missing = await repeats.of_line(actor, line)
    items = [item for one in found for item in one.items]
    trail.listed(actor, _look("repeats", items, what=Viewed.LINE, id=line, line=line))
    return {
        "repeats": [_shown(one) for one in found],
        "as_of": repeats.now(),
        "cities": cities,
        "missing": missing,
    }


def _look(operation: str, items: Iterable[EarlierItem], **about: Any) -> Look:
    items = tuple(items)
    customers = dict.fromkeys(one.customer for one in items if one.customer)
    return Look(operation=operation, customers=tuple(customers), listed=tuple(one.item for one in items), **about)


def _shown(one: Often) -> dict[str, Any]:
    """Numbers masked: whoever asked knows the own one, and is not told others of the customer."""
    shown: dict[str, Any] = msgspec.to_builtins(one)
    return {**shown, "items": [_masked(item) for item in shown["items"]]}


def _masked(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "line": masked(item["line"]) if item["line"] else ""}
