"""Files attached to work items: who attached what, and who may open it."""

from __future__ import annotations

from itertools import count

from dataset.errors import Problem, Refused
from dataset.ids import AttachmentId, CityId, LineageId, attachment_id
from dataset.pages import ALL
from dataset.puts import Put
from dataset.records.attachment import ATTACHMENTS, Attachment, digest
from dataset.rows import Viewed
from federation.core.work_item import WorkItem
from federation.node.login import Actor
from federation.node.looks import Look, name_of
from federation.ports import Clock, Store
from site_node.core.attachment_rules import MOST_OF_ITEM, check_file
from site_node.ports import AttachmentFiles
from site_node.services.audit import AuditTrail, check_unmask, check_whose
from site_node.services.work import WorkService


class Attachments:
    """Of the work items of one city. The content is on disk before its record, so that whoever finds it can read it."""

    def __init__(
        self,
        *,
        city: CityId,
        area_code: str,
        lineage: LineageId,
        records: Store,
        files: AttachmentFiles,
        work: WorkService,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._city = city
        self._area_code = area_code
        self._lineage = lineage
        self._records = records
        self._files = files
        self._work = work
        self._trail = trail
        self._clock = clock
        self._numbers = count(1)

    async def attach(self, actor: Actor, item: str, name: str, media_type: str, content: bytes) -> Attachment:
        """Keep a file with a work item of this city; on disk when this is done.

        Raises ``Refused``: as ``check_file``; 404 ``work-unknown``; 409 ``attachment-elsewhere``,
        ``attachments-too-many``; 507 ``attachment-not-written``; 503 of the store.
        """
        known = self._own(item)
        check_file(name, media_type, content)
        if len(await self._of(known)) >= MOST_OF_ITEM:
            raise Refused(
                Problem(
                    "attachments-too-many",
                    zh=f"一张工单最多 {MOST_OF_ITEM} 个附件",
                    en=f"a work item has at most {MOST_OF_ITEM} attachments",
                    place="item",
                ),
                status=409,
            )
        sha256 = digest(content)
        await self._files.keep(sha256, content)
        record = Attachment(
            id=attachment_id(self._area_code, self._lineage, next(self._numbers)),
            city=self._city,
            kind="file",
            name=name,
            media_type=media_type,
            size=len(content),
            sha256=sha256,
            parts=0,
            at=self._clock.wall(),
            by=name_of(actor),
            work_item=known.id,
        )
        await self._records.put([Put(ATTACHMENTS, record)])
        return record

    async def of_item(self, actor: Actor, item: str) -> tuple[Attachment, ...]:
        """What is attached to a work item, the oldest first. Raises ``Refused``: as ``attach``."""
        known = self._own(item)
        found = await self._of(known)
        look = self._look("work_attachments", known, tuple(one.id for one in found))
        self._trail.listed(actor, look)
        return found

    async def opened(self, actor: Actor, which: str, reason: str) -> tuple[Attachment, bytes]:
        """An attachment and its content, once the look is on disk; ``reason``: needed by whoever has neither the item
        in hand nor its customer in a contact.

        Raises ``Refused``: 404 ``attachment-unknown``; 403, 400 as ``check_unmask``; 503 ``attachment-damaged``.
        """
        record = await self._records.get(ATTACHMENTS, (AttachmentId(which),))
        if record is None or not record.work_item:
            raise Refused(
                Problem("attachment-unknown", "没有此附件", "there is no such attachment", "attachment"), status=404
            )
        item = self._own(record.work_item)
        own = self._work.in_hand(actor, item) or (bool(item.line) and item.line in self._work.checked_lines(actor))
        if own:
            check_whose(actor, own=True)
        else:
            check_unmask(actor, reason, own=False)
        content = await self._files.read(record.sha256)
        await self._trail.shown(actor, self._look("work_attachment", item, (record.id,), reason=reason, unmasked=True))
        return record, content

    async def _of(self, item: WorkItem) -> tuple[Attachment, ...]:
        page = await self._records.page(ATTACHMENTS, (item.id,), ALL, index="by_work_item")
        return tuple(page.records)

    def _own(self, item: str) -> WorkItem:
        known, _ = self._work.item(item)
        if known.owning != self._city:
            raise Refused(
                Problem(
                    "attachment-elsewhere",
                    zh=f"此工单归 {known.owning} 局，附件请由该局添加和查看",
                    en=f"this work item belongs to {known.owning}: files are attached and opened there",
                    place="item",
                ),
                status=409,
            )
        return known

    def _look(
        self, operation: str, item: WorkItem, listed: tuple[str, ...], *, reason: str = "", unmasked: bool = False
    ) -> Look:
        return Look(
            operation=operation,
            what=Viewed.ITEM,
            id=item.id,
            line=item.line,
            customers=(item.customer,) if item.customer else (),
            listed=listed,
            unmasked=unmasked,
            reason=reason,
        )
