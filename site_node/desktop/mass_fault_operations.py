"""The part of the agent API that is about mass faults: what stands, what is over a line, what people decide."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dataset.rows import MassFaultArea
from federation.node.login import Actor
from federation.node.operations import Answer, Operation, Outcomes, Request
from site_node.core.mass_faults import MassFault
from site_node.desktop.answers.mass_faults import MassFaultFound, MassFaultsFound, MassFaultsHere
from site_node.desktop.work_operations import (
    CALLER,
    MOST_SHOWN,
    STAFF,
    STORE,
    LineOrCaller,
    NoteText,
    Word,
    Written,
    whole_number,
)
from site_node.services.elsewhere import Elsewhere
from site_node.services.work import WorkService
from site_node.shell.mass_faults import MassFaults

DECIDED = Outcomes(
    MassFaultFound,
    {
        403: ("work-actor",),
        404: ("mass-fault-unknown", "area-unknown"),
        409: ("mass-fault-stands", "mass-fault-cleared"),
        503: (*STORE, "stopping"),
    },
)
FOUND = Outcomes(MassFaultsFound, {**CALLER, 503: STORE})
DECIDERS = frozenset({"dispatcher", "supervisor", "site_admin"})

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\S")]
LineNumber = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{3,15})?$")]
RepairSeconds = Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)]


class OverLine(Request, frozen=True, kw_only=True):
    """Those over ``line``; without it all of this city, and with ``ended`` also those that stand no more."""

    line: LineNumber = ""
    ended: bool = False


class OverCaller(OverLine, frozen=True, kw_only=True):
    """As above; ``contact``: in which the line calls, where it is masked."""

    line: LineOrCaller = ""
    contact: Word = ""


class DeclareMassFault(Request, frozen=True, kw_only=True):
    """One that somebody knows of: a cable, an exchange or a district, by its name in the lines' records."""

    area: MassFaultArea
    name: Name
    repair_s: RepairSeconds
    note: NoteText = ""


class ConfirmMassFault(Request, frozen=True, kw_only=True):
    """It is one, and repaired in so many seconds from now; also when that is known better."""

    mass_fault: Name
    repair_s: RepairSeconds
    note: NoteText = ""


class RejectMassFault(Request, frozen=True, kw_only=True):
    """It is none."""

    mass_fault: Name
    note: Written


class ClearMassFault(Request, frozen=True, kw_only=True):
    """It is repaired."""

    mass_fault: Name
    note: NoteText = ""


def mass_faults_looked_for(faults: MassFaults) -> Operation:
    """What other cities may ask of this one."""

    async def look(_: Actor, ask: OverLine) -> Answer:
        return await _here(faults, ask)

    return Operation(
        "mass_faults", OverLine, STAFF, look, "大面积障碍", "mass faults", Outcomes(MassFaultsHere, {503: STORE})
    )


def mass_fault_operations(faults: MassFaults, work: WorkService, elsewhere: Elsewhere) -> tuple[Operation, ...]:
    """``mass_faults`` of a line at its owning city; all others of this city."""

    async def look(actor: Actor, asked: OverCaller) -> Answer:
        line = whole_number(work, actor, asked.line, asked.contact)
        ask = OverLine(line=line, ended=asked.ended)
        here = await _here(faults, ask)
        owning = elsewhere.codes.city_of(ask.line) if ask.line else None
        there, missing = await elsewhere.ask(actor, owning, "mass_faults", {"line": ask.line}, here)
        return {**(there if there is not None else here), "missing": missing}

    async def declare(actor: Actor, ask: DeclareMassFault) -> Answer:
        by = work.acting(actor, ("dispatcher", "supervisor", "site_admin"))
        return _one(faults, await faults.declare(by, ask.area, ask.name.strip(), ask.repair_s, ask.note.strip()))

    async def confirm(actor: Actor, ask: ConfirmMassFault) -> Answer:
        by = work.acting(actor, ("dispatcher", "supervisor", "site_admin"))
        await faults.confirm(by, ask.mass_fault, ask.repair_s, ask.note.strip())
        return _one(faults, ask.mass_fault)

    async def reject(actor: Actor, ask: RejectMassFault) -> Answer:
        by = work.acting(actor, ("dispatcher", "supervisor", "site_admin"))
        await faults.clear(by, ask.mass_fault, repaired=False, note=ask.note.strip())
        return _one(faults, ask.mass_fault)

    async def clear(actor: Actor, ask: ClearMassFault) -> Answer:
        by = work.acting(actor, ("dispatcher", "supervisor", "site_admin"))
        await faults.clear(by, ask.mass_fault, repaired=True, note=ask.note.strip())
        return _one(faults, ask.mass_fault)

    one = Operation
    return (
        one("mass_faults", OverCaller, STAFF, look, "大面积障碍", "mass faults", FOUND),
        one(
            "mass_fault_declare", DeclareMassFault, DECIDERS, declare, "宣布大面积障碍", "declare a mass fault", DECIDED
        ),
        one(
            "mass_fault_confirm", ConfirmMassFault, DECIDERS, confirm, "确认大面积障碍", "confirm a mass fault", DECIDED
        ),
        one("mass_fault_reject", RejectMassFault, DECIDERS, reject, "否定大面积障碍", "reject a mass fault", DECIDED),
        one(
            "mass_fault_clear", ClearMassFault, DECIDERS, clear, "大面积障碍已修复", "a mass fault is repaired", DECIDED
        ),
    )


async def _here(faults: MassFaults, ask: OverLine) -> Answer:
    found = faults.book.all() if ask.ended else faults.book.standing()
    if ask.line:
        over = await faults.over(ask.line)
        found = (over,) if over is not None else ()
    return {"mass_faults": [shown(one) for one in found[:MOST_SHOWN]], "from": faults.city}


def _one(faults: MassFaults, name: str) -> Answer:
    fault = faults.book.get(name)
    assert fault is not None
    return {"mass_fault": shown(fault)}


def shown(fault: MassFault) -> dict[str, Any]:
    """A mass fault as the agent API shows it."""
    cleared = fault.cleared
    return {
        "mass_fault": fault.id,
        "area": fault.place[0],
        "name": fault.place[1],
        "state": cleared.how if cleared is not None else "confirmed" if fault.confirmed_by is not None else "found",
        "by_count": fault.by_count,
        "declared_by": fault.declared_by.agent if fault.declared_by is not None else None,
        "declared_at": fault.declared_at,
        "expected_at": fault.expected_at,
        "confirmed_by": fault.confirmed_by.agent if fault.confirmed_by is not None else None,
        "note": fault.note,
        "items": list(fault.items[:MOST_SHOWN]),
        "reports": len(fault.items),
        "cleared_by": cleared.by.agent if cleared is not None else None,
        "cleared_at": fault.cleared_at,
        "cleared_note": cleared.note if cleared is not None else "",
    }
