"""Files of work items of this city: who may list and open them, here and from other cities."""

from __future__ import annotations

from dataclasses import dataclass

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, AttachmentId, CityId
from dataset.pages import ALL
from dataset.records.attachment import ATTACHMENTS, Attachment
from dataset.rows import Viewed
from federation.core.work_item import WorkItem
from federation.node.login import Actor
from federation.node.looks import Look
from federation.ports import Store
from site_node.services.audit import AtSeat, AuditTrail, check_unmask, check_whose
from site_node.services.work import FileOf, WorkService
from site_node.shell.work_files import WorkFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file of a work item as it is told."""

    attachment: str
    item: str
    name: str
    media_type: str
    size: int
    sha256: str
    at: float
    by: AgentId | None
    state: str
    """``pending``, ``accepted`` or ``refused``"""
    problems: tuple[Problem, ...] = ()


class Attachments:
    """What the owning city says of them. Contents are on disk before their row: whoever finds it can read them."""

    def __init__(self, *, city: CityId, records: Store, files: WorkFiles, work: WorkService, trail: AuditTrail) -> None:
        self._city = city
        self._records = records
        self._files = files
        self._work = work
        self._trail = trail

    async def of_item(self, actor: Actor, item: str, seat: AtSeat) -> tuple[ListedFile, ...]:
        """What is attached to a work item that is known here, the oldest first; the look is on record.

        Raises ``Refused`` 404 ``work-unknown``; 503 of the store.
        """
        known, _ = self._work.item(item)
        found = await self.known(item)
        self._trail.listed(actor, look_of("work_attachments", known, tuple(one.attachment for one in found), seat))
        return found

    async def known(self, item: str) -> tuple[ListedFile, ...]:
        """What is known here of an item's files, also of another city's item. Raises ``Refused`` 503 of the store."""
        found = {one.step.attachment: listed_of(one) for one in self._work.files(item)}
        if self._work.owner(item) == self._city:  # from before there were rows of them, too
            page = await self._records.page(ATTACHMENTS, (item,), ALL, index="by_work_item")
            for record in page.records:
                found.setdefault(record.id, _recorded(record))
        return tuple(sorted(found.values(), key=lambda one: (one.at, one.attachment)))

    async def opened(self, actor: Actor, which: str, reason: str, seat: AtSeat) -> tuple[ListedFile, bytes]:
        """A file and its content, once the look is on disk; ``reason``: needed by whoever has neither the item in hand
        nor its customer in a contact.

        Raises ``Refused``: 404 ``attachment-unknown``; 409 ``attachment-elsewhere``; 403, 400 as ``check_unmask``; 503
        ``attachment-damaged`` and those of the store.
        """
        file, item = await self._allowed(actor, which, reason, seat)
        content = await self._files.own.read(file.sha256)
        await self._trail.shown(actor, self._look(item, file, reason, seat))
        return file, content

    async def lent(self, actor: Actor, which: str, reason: str, seat: AtSeat) -> tuple[ListedFile, str]:
        """A file, and the name under which the city of ``actor`` may fetch its content, once the look is on disk.
        Raises as ``opened`` does.
        """
        file, item = await self._allowed(actor, which, reason, seat)
        await self._trail.shown(actor, self._look(item, file, reason, seat))
        return file, self._files.lend(CityId(actor.node), file.sha256)

    async def _allowed(self, actor: Actor, which: str, reason: str, seat: AtSeat) -> tuple[ListedFile, WorkItem]:
        file = await self._found(which)
        item, _ = self._work.item(file.item)
        if item.owning != self._city:
            raise Refused(
                Problem(
                    "attachment-elsewhere",
                    zh=f"此工单归 {item.owning} 局，附件在该局",
                    en=f"this work item belongs to {item.owning}: its files are there",
                    place=item.owning,
                ),
                status=409,
            )
        if self._work.in_hand(actor, item) or (bool(item.line) and item.line in seat.checked):
            check_whose(actor, own=True)
        else:
            check_unmask(actor, reason, own=False)
        return file, item

    async def _found(self, which: str) -> ListedFile:
        known = self._work.file(which)
        if known is not None:
            check_there(known)
            return listed_of(known)
        record = await self._records.get(ATTACHMENTS, (AttachmentId(which),))
        if record is None or not record.work_item:
            raise unknown_file()
        return _recorded(record)

    def _look(self, item: WorkItem, file: ListedFile, reason: str, seat: AtSeat) -> Look:
        return look_of("work_attachment", item, (file.attachment,), seat, reason=reason, unmasked=True)


def check_there(file: FileOf) -> None:
    """Whether a file is with its owning city. Raises ``Refused`` 409 ``attachment-pending``, 404
    ``attachment-unknown``.
    """
    if file.state == "pending":
        raise Refused(
            Problem(
                "attachment-pending",
                zh="归属局还没有收下此附件，收下后才能打开",
                en="its owning city has not taken this file in yet: it can be opened once it has",
                place="attachment",
            ),
            status=409,
        )
    if file.state == "refused":
        raise unknown_file()


def unknown_file() -> Refused:
    """For an id that no file of a work item has."""
    return Refused(Problem("attachment-unknown", "没有此附件", "there is no such attachment", "attachment"), status=404)


def look_of(
    operation: str,
    item: WorkItem | None,
    listed: tuple[str, ...],
    seat: AtSeat,
    *,
    which: str = "",
    reason: str = "",
    unmasked: bool = False,
    asked: tuple[CityId, ...] = (),
) -> Look:
    """A look at files of ``item``, or of one that is not known here by the name ``which``."""
    return Look(
        operation=operation,
        what=Viewed.ITEM,
        id=item.id if item is not None else which,
        line=item.line if item is not None else "",
        customers=(item.customer,) if item is not None and item.customer else (),
        listed=listed,
        unmasked=unmasked,
        reason=reason,
        during=seat.during,
        asked=asked,
    )


def listed_of(file: FileOf) -> ListedFile:
    """A file as its row has it."""
    step = file.step
    return ListedFile(
        attachment=step.attachment,
        item=file.item,
        name=step.name,
        media_type=step.media_type,
        size=step.size,
        sha256=step.sha256,
        at=step.at,
        by=step.by.agent,
        state=file.state,
        problems=file.problems,
    )


def _recorded(record: Attachment) -> ListedFile:
    return ListedFile(
        attachment=record.id,
        item=record.work_item,
        name=record.name,
        media_type=record.media_type,
        size=record.size,
        sha256=record.sha256,
        at=record.at,
        by=record.by,
        state="accepted",
    )
