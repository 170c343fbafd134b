"""Files of work items of any city, as they are told and opened at a seat of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dataset.errors import Problem
from dataset.ids import CityId
from federation.node.login import Actor
from federation.node.operations import Answer, word
from site_node.services.attachments import Attachments, ListedFile, check_there, look_of, unknown_file
from site_node.services.audit import AtSeat, AuditTrail
from site_node.services.elsewhere import Elsewhere
from site_node.services.work import WorkService
from site_node.shell.work_files import WorkFiles


class AttachmentsAnywhere:
    """The owning city's word, beside what is known here; contents come from it and are not kept."""

    def __init__(
        self, own: Attachments, files: WorkFiles, work: WorkService, elsewhere: Elsewhere, trail: AuditTrail
    ) -> None:
        self._own = own
        self._files = files
        self._work = work
        self._elsewhere = elsewhere
        self._trail = trail

    def seat(self, actor: Actor) -> AtSeat:
        """What happens at the seat of ``actor``."""
        return AtSeat(self._trail.contact_of(actor), self._work.checked_lines(actor))

    def asked(self, fields: Mapping[str, Any]) -> tuple[CityId, ...]:
        """The other city that a refused question was meant for."""
        named = word(fields, "owning")
        owner = self._work.owner(word(fields, "item")) or (
            CityId(named) if named in self._elsewhere.codes.cities else None
        )
        return (owner,) if owner is not None and owner != self._elsewhere.city else ()

    async def listed(self, actor: Actor, item: str, owning: str) -> Answer:
        """All of an item; what waits here or was refused is among them, whether or not the owning city answers."""
        seat, owner = self.seat(actor), self._owner(item, owning)
        if owner in (None, self._elsewhere.city):
            return {
                "attachments": [shown_file(one) for one in await self._own.of_item(actor, item, seat)],
                "missing": [],
            }
        here = {one.attachment: shown_file(one) for one in await self._own.known(item)}
        fields = {"item": item, "during": seat.during or ""}
        known: Answer | None = {} if here or self._work.owner(item) is not None else None
        there, missing = await self._elsewhere.ask(actor, owner, "work_attachments", fields, known)
        told = {one["attachment"]: one for one in there["attachments"]} if there is not None else {}
        all_of_it = sorted({**here, **told}.values(), key=lambda one: (one["at"], one["attachment"]))
        names = tuple(one["attachment"] for one in all_of_it)
        assert owner is not None
        self._trail.listed(actor, look_of("work_attachments", None, names, seat, which=item, asked=(owner,)))
        return {"attachments": all_of_it, "missing": missing}

    async def opened(self, actor: Actor, which: str, reason: str, item: str, owning: str) -> Answer:
        """A file and its content in Base64; of another city's item that city decides, and both have the look on record
        first.

        Raises ``Refused``: as ``Attachments.opened``; 409 ``attachment-pending``; 410 ``content-gone``; 503
        ``city-silent``, ``city-slow``, ``files-too-many``, ``stopping``.
        """
        seat, known = self.seat(actor), self._work.file(which)
        owner = self._owner(known.item if known is not None else item, owning)
        if owner in (None, self._elsewhere.city):
            file, content = await self._own.opened(actor, which, reason, seat)
            return await self._told(shown_file(file), content)
        if known is not None:
            check_there(known)
        fields = {"attachment": which, "reason": reason, "during": seat.during or "", "checked": sorted(seat.checked)}
        there, _ = await self._elsewhere.ask(actor, owner, "work_attachment", fields, None)
        if there is None or owner is None:
            raise unknown_file()
        told = there["attachment"]
        look = look_of(
            "work_attachment", None, (which,), seat, which=told["item"], reason=reason, unmasked=True, asked=(owner,)
        )
        await self._trail.shown(actor, look)
        content = await self._files.borrow(owner, there["lent"], told["size"], told["sha256"])
        return await self._told(told, content)

    async def _told(self, shown: Mapping[str, Any], content: bytes) -> Answer:
        """10 MB are made JSON of beside the reactor, and not once more when the answer is."""
        return {"attachment": shown, "content": msgspec.Raw(await self._files.told(content))}

    def _owner(self, item: str, owning: str) -> CityId | None:
        """Whose item it is, as far as this city knows. Raises ``Refused`` 404 ``city-unknown``."""
        known = self._work.owner(item) if item else None
        if known is not None:
            return known
        if owning:
            return self._elsewhere.codes.known(owning)
        return self._elsewhere.codes.opened_in(item) if item else None


def shown_file(one: ListedFile) -> dict[str, Any]:
    """A file as the agent API has it."""
    return {
        "attachment": one.attachment,
        "item": one.item,
        "name": one.name,
        "media_type": one.media_type,
        "size": one.size,
        "sha256": one.sha256,
        "at": one.at,
        "by": one.by,
        "state": one.state,
        "problems": [_problem(each) for each in one.problems],
    }


def _problem(one: Problem) -> dict[str, str]:
    return {"slug": one.slug, "zh": one.zh, "en": one.en, "place": one.place}
