"""The part of the agent API that is about matters that come back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dataset.masking import masked
from federation.core.repeats import Often
from federation.node.login import Actor
from federation.node.operations import Answer, Operation, Outcomes, Request
from site_node.desktop.answers import RepeatsFound, RepeatsHere
from site_node.desktop.work_operations import STAFF, STORE
from site_node.services.elsewhere import Elsewhere
from site_node.services.repeats import OWNER_WITHIN_S, Repeats

LineNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{3,15}$")]


class OfLine(Request, frozen=True, kw_only=True):
    """Whose customer's matters."""

    line: LineNumber


class OfDocument(Request, frozen=True, kw_only=True):
    """What one city asks the others for a customer of its own."""

    document: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


REPEATS = Outcomes(RepeatsFound, {503: STORE})


def repeats_looked_for(repeats: Repeats) -> tuple[Operation, ...]:
    """What other cities may ask of this one."""

    async def here(_: Actor, ask: OfDocument) -> Answer:
        return {"items": [msgspec.to_builtins(one) for one in await repeats.of_document(ask.document)]}

    async def of_line(actor: Actor, ask: OfLine) -> Answer:
        return await _owned(repeats, actor, ask.line)

    return (
        Operation(
            "repeats_here", OfDocument, STAFF, here, "本局重复情况", "repeats here", Outcomes(RepeatsHere, {503: STORE})
        ),
        Operation("repeats", OfLine, STAFF, of_line, "重复受理", "matters that come back", REPEATS),
    )


def repeat_operations(repeats: Repeats, elsewhere: Elsewhere) -> tuple[Operation, ...]:
    """``repeats``: at the owning city of the line, which asks the others."""

    async def of_line(actor: Actor, ask: OfLine) -> Answer:
        owning = elsewhere.codes.city_of(ask.line)
        nothing: Answer = {}
        there, missing = await elsewhere.ask(
            actor, owning, "repeats", {"line": ask.line}, nothing, within_s=OWNER_WITHIN_S
        )
        if there is not None:
            return there
        own = await _owned(repeats, actor, ask.line)
        return {**own, "missing": [*own["missing"], *missing]}

    return (Operation("repeats", OfLine, STAFF, of_line, "重复受理", "matters that come back", REPEATS),)


async def _owned(repeats: Repeats, actor: Actor, line: str) -> Answer:
    found, cities, missing = await repeats.of_line(actor, line)
    return {
        "repeats": [_shown(one) for one in found],
        "as_of": repeats.now(),
        "cities": cities,
        "missing": missing,
    }


def _shown(one: Often) -> dict[str, Any]:
    """Numbers masked: whoever asked knows the own one, and is not told others of the customer."""
    shown: dict[str, Any] = msgspec.to_builtins(one)
    for item in shown["items"]:
        item["line"] = masked(item["line"]) if item["line"] else ""
    return shown
