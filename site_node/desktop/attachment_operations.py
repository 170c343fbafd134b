"""The part of the agent API that is about files attached to work items."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import CityId, ContactId
from dataset.rows import Viewed
from dataset.work import attachment_of
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request, Run, word
from site_node.core.attachment_rules import LARGEST_FILE
from site_node.desktop.answers.attachments import (
    AttachmentAdded,
    AttachmentLent,
    AttachmentOpened,
    AttachmentsFound,
    AttachmentsHere,
)
from site_node.desktop.attachments_anywhere import AttachmentsAnywhere, shown_file
from site_node.desktop.reasons import LONGEST_REASON, Reason
from site_node.desktop.work_operations import HANDED_IN, SILENT, STAFF, STORE, UNMASK, Name, OfItem, Word
from site_node.desktop.work_views import receipt
from site_node.services.attachments import Attachments, listed_of
from site_node.services.audit import AtSeat, AuditTrail
from site_node.services.work import File, ItemOf, WorkService

_OF_ITEM = {404: ("work-unknown",), 503: STORE}
ATTACHED = Outcomes(
    AttachmentAdded,
    {
        **HANDED_IN.refuses,
        400: ("attachment-content", "attachment-name", "attachment-type", "attachment-empty"),
        409: (*HANDED_IN.refuses[409], "attachments-too-many", "attachment-under-way"),
        413: ("attachment-too-large",),
        507: ("attachment-not-written",),
    },
)
LISTED_HERE = Outcomes(AttachmentsHere, _OF_ITEM)
LISTED = Outcomes(AttachmentsFound, {404: ("work-unknown", "city-unknown"), 503: (*SILENT, *STORE)})
_OPENED = {
    **UNMASK,
    404: ("attachment-unknown", "work-unknown"),
    409: ("attachment-elsewhere", "attachment-pending"),
}
LENT = Outcomes(AttachmentLent, {**_OPENED, 503: STORE})
OPENED = Outcomes(
    AttachmentOpened,
    {
        **_OPENED,
        404: (*_OPENED[404], "city-unknown"),
        410: ("content-gone",),
        503: (*STORE, *SILENT, "attachment-damaged", "files-too-many", "stopping"),
    },
)


OPEN = "work_attachment"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
"""RFC 4648, of one byte at least; told in the description, and refused here in words of its own"""


class Attach(OfItem, frozen=True, kw_only=True):
    """A file for a work item. Over HTTP the fields may stand in the address and the content in the body, as it is.

    ``key`` names the file at the seat: handed in for the same item once more, it is the same request.
    """

    name: Annotated[str, msgspec.Meta(max_length=255)]
    media_type: Annotated[str, msgspec.Meta(max_length=64)]
    content: Annotated[Any, msgspec.Meta(extra_json_schema={"type": "string", "pattern": BASE64})]
    """``bytes`` from the body; in JSON Base64"""
    key: Word = ""


class FilesThere(Request, frozen=True, kw_only=True):
    """All of one work item, asked for by another city."""

    item: Name
    during: Word = ""
    """the contact at the seat there"""


class OneAttachment(Request, frozen=True, kw_only=True):
    """One of them; ``reason``: of whoever neither has the item in hand nor serves its customer. ``item``, ``owning``:
    its work item and that one's city, where nothing of it is on record here.
    """

    attachment: Name
    reason: Reason = ""
    item: Word = ""
    owning: Word = ""


class FileThere(Request, frozen=True, kw_only=True):
    """One of them, asked for by another city, which vouches for what happened at its seat."""

    attachment: Name
    reason: Reason = ""
    during: Word = ""
    checked: tuple[Word, ...] = ()
    """lines of which the caller there has shown to be the customer"""


def attachments_looked_for(own: Attachments, trail: AuditTrail) -> tuple[Operation, ...]:
    """What seats of other cities may see of files here; contents follow in pieces (``federation.node.file_pieces``)."""

    async def found(actor: Actor, ask: FilesThere) -> Answer:
        seat = AtSeat(ContactId(ask.during) if ask.during else None, frozenset())
        return {"attachments": [shown_file(one) for one in await own.of_item(actor, ask.item, seat)]}

    async def lent(actor: Actor, ask: FileThere) -> Answer:
        seat = AtSeat(ContactId(ask.during) if ask.during else None, frozenset(ask.checked))
        file, name = await own.lent(actor, ask.attachment, ask.reason, seat)
        return {"attachment": shown_file(file), "lent": name}

    return (
        _listing(FilesThere, found, LISTED_HERE, trail, lambda fields: ()),
        _opening(FileThere, lent, LENT, trail, lambda fields: ()),
    )


def attachment_operations(work: WorkService, anywhere: AttachmentsAnywhere, trail: AuditTrail) -> tuple[Operation, ...]:
    """Files of work items of any city."""

    async def attach(actor: Actor, ask: Attach) -> Answer:
        file = File(name=ask.name, media_type=ask.media_type, content=_bytes(ask.content), key=ask.key)
        handed_in = await work.attach(actor, ItemOf(ask.item, ask.owning), file)
        known = work.file(attachment_of(handed_in.request))
        assert known is not None, "it is on record by now"
        return {"attachment": shown_file(listed_of(known)), "receipt": receipt(handed_in)}

    async def found(actor: Actor, ask: OfItem) -> Answer:
        return await anywhere.listed(actor, ask.item, ask.owning)

    async def opened(actor: Actor, ask: OneAttachment) -> Answer:
        return await anywhere.opened(actor, ask.attachment, ask.reason, ask.item, ask.owning)

    return (
        Operation(
            "work_attach", Attach, STAFF, attach, "添加附件", "attach a file", ATTACHED, largest_file=LARGEST_FILE
        ),
        _listing(OfItem, found, LISTED, trail, anywhere.asked),
        _opening(OneAttachment, opened, OPENED, trail, anywhere.asked),
    )


Asked = Callable[[Mapping[str, Any]], tuple[CityId, ...]]
"""the other city that a refused question was meant for"""


def _listing(request: type[Request], run: Run, outcomes: Outcomes, trail: AuditTrail, asked: Asked) -> Operation:
    def refused(actor: Actor, fields: Mapping[str, Any], why: Refused) -> None:
        trail.refused(actor, replace(_look("work_attachments", "item", fields), asked=asked(fields)), why)

    return Operation("work_attachments", request, STAFF, run, "工单的附件", "attachments of an item", outcomes, refused)


def _opening(request: type[Request], run: Run, outcomes: Outcomes, trail: AuditTrail, asked: Asked) -> Operation:
    def refused(actor: Actor, fields: Mapping[str, Any], why: Refused) -> None:
        trail.refused(actor, replace(_look(OPEN, "attachment", fields), asked=asked(fields)), why)

    return Operation(OPEN, request, STAFF, run, "打开附件", "open an attachment", outcomes, refused)


def _look(operation: str, name: str, fields: Mapping[str, Any]) -> Look:
    reason = word(fields, "reason", LONGEST_REASON)
    return Look(operation=operation, what=Viewed.ITEM, id=word(fields, name), reason=reason)


def _bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    try:
        return b64decode(content, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Refused(
            Problem("attachment-content", "内容应为 Base64", "the content is expected in Base64", "content")
        ) from error
