"""The part of the agent API that is about directory enquiry (114)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dataset.records.directory import DirectoryEntry
from dataset.rows import Viewed
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Reply, Request
from site_node.core.directory import Fit
from site_node.desktop.answers.directory import EntriesFound, EntriesHere
from site_node.desktop.work_operations import STORE
from site_node.services.audit import AuditTrail
from site_node.services.directory import DirectoryService, Whose
from site_node.services.elsewhere import Elsewhere

ROLES = frozenset({"agent", "supervisor", "site_admin"})


class Enquiry(Request, frozen=True, kw_only=True):
    """``text`` as it is typed; ``token``: what follows an earlier answer to the same text and city."""

    text: str
    city: Annotated[str, msgspec.Meta(max_length=64)] = ""
    token: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None


def directory_looks(directory: DirectoryService, trail: AuditTrail) -> tuple[Operation, ...]:
    """What seats of other cities may ask: the directory as it is here."""
    return (_operation(lambda actor, ask: _here(directory, trail, actor, ask), EntriesHere),)


def directory_operations(directory: DirectoryService, elsewhere: Elsewhere, trail: AuditTrail) -> tuple[Operation, ...]:
    """The directory of any city."""
    return (_operation(lambda actor, ask: _anywhere(directory, elsewhere, trail, actor, ask), EntriesFound),)


def _operation(run: Any, answer: type[Reply]) -> Operation:
    outcomes = Outcomes(answer, {400: ("directory-text", "page-token"), 404: ("city-unknown",), 503: STORE})
    return Operation("directory", Enquiry, ROLES, run, "查号", "directory enquiry", outcomes)


async def _here(directory: DirectoryService, trail: AuditTrail, actor: Actor, ask: Enquiry) -> Answer:
    city = directory.asked_of(ask.text, ask.city, ask.token)
    found = await directory.look(actor, ask.text, city, ask.token)
    if found.whose is Whose.TOLD and not found.entries[0][1].category:
        number = found.entries[0][1].number
        trail.shown(actor, Look(operation="directory", what=Viewed.LINE, id=number, line=number))
    copied = directory.copied(city)
    part = {"city": directory.city, "as_of": found.as_of} if copied is None else {"city": city, "as_of": copied}
    return {
        "entries": [_entry(fit, entry) for fit, entry in found.entries],
        "token": found.token,
        "more": found.more,
        "whose": found.whose,
        "unread": found.unread,
        "parts": [{**part, "copy": copied is not None}],
    }


async def _anywhere(
    directory: DirectoryService, elsewhere: Elsewhere, trail: AuditTrail, actor: Actor, ask: Enquiry
) -> Answer:
    """The copy that is here, where it has what was asked for; else the word of the city whose directory it is, since a
    copy is behind and has no unlisted numbers; what is here again while that city does not answer.
    """
    city = directory.asked_of(ask.text, ask.city, ask.token)
    if directory.copied(city) is not None:
        copy = await _here(directory, trail, actor, ask)
        if copy["entries"] or copy["whose"] not in (None, Whose.UNKNOWN):
            return {**copy, "missing": []}
    fields = {"text": ask.text, "city": city, "token": ask.token}
    there, missing = await elsewhere.ask(actor, city, "directory", fields, {})
    found = there if there is not None else await _here(directory, trail, actor, ask)
    return {**found, "missing": missing}


def _entry(fit: Fit, entry: DirectoryEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "number": entry.number,
        "address": f"{entry.district}{entry.street}{entry.house}",
        "category": entry.category,
        "city": entry.city,
        "fit": fit.name.lower(),
    }
