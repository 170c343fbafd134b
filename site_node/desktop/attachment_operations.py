"""The part of the agent API that is about files attached to work items."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dataset.errors import Problem, Refused
from dataset.records.attachment import Attachment
from dataset.rows import Viewed
from federation.node.login import Actor
from federation.node.looks import Look
from federation.node.operations import Answer, Operation, Outcomes, Request, word
from site_node.core.attachment_rules import LARGEST_FILE
from site_node.desktop.answers.attachments import AttachmentAdded, AttachmentOpened, AttachmentsFound
from site_node.desktop.reasons import LONGEST_REASON, Reason
from site_node.desktop.work_operations import STAFF, STORE, UNMASK, Name
from site_node.services.attachments import Attachments
from site_node.services.audit import AuditTrail

_OF_ITEM = {404: ("work-unknown",), 409: ("attachment-elsewhere",), 503: STORE}
ATTACHED = Outcomes(
    AttachmentAdded,
    {
        **_OF_ITEM,
        400: ("attachment-content", "attachment-name", "attachment-type", "attachment-empty"),
        409: (*_OF_ITEM[409], "attachments-too-many"),
        413: ("attachment-too-large",),
        507: ("attachment-not-written",),
    },
)
FOUND = Outcomes(AttachmentsFound, _OF_ITEM)
OPENED = Outcomes(
    AttachmentOpened,
    {
        **UNMASK,
        404: ("attachment-unknown", "work-unknown"),
        409: _OF_ITEM[409],
        503: (*STORE, "attachment-damaged"),
    },
)


OPEN = "work_attachment"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
"""RFC 4648, of one byte at least; told in the description, and refused here in words of its own"""


class Attach(Request, frozen=True, kw_only=True):
    """A file for a work item. Over HTTP the fields may stand in the address and the content in the body, as it is."""

    item: Name
    name: Annotated[str, msgspec.Meta(max_length=255)]
    media_type: Annotated[str, msgspec.Meta(max_length=64)]
    content: Annotated[str, msgspec.Meta(extra_json_schema={"pattern": BASE64})]


class OfWorkItem(Request, frozen=True, kw_only=True):
    """All of one work item."""

    item: Name


class OneAttachment(Request, frozen=True, kw_only=True):
    """One of them; ``reason``: of whoever neither has the item in hand nor serves its customer."""

    attachment: Name
    reason: Reason = ""


def attachment_operations(attachments: Attachments, trail: AuditTrail) -> tuple[Operation, ...]:
    """Of work items of this city."""

    async def attach(actor: Actor, ask: Attach) -> Answer:
        content = _bytes(ask.content)
        return {"attachment": _shown(await attachments.attach(actor, ask.item, ask.name, ask.media_type, content))}

    async def found(actor: Actor, ask: OfWorkItem) -> Answer:
        return {"attachments": [_shown(one) for one in await attachments.of_item(actor, ask.item)]}

    async def opened(actor: Actor, ask: OneAttachment) -> Answer:
        record, content = await attachments.opened(actor, ask.attachment, ask.reason)
        return {"attachment": _shown(record), "content": b64encode(content).decode()}

    return (
        Operation(
            "work_attach", Attach, STAFF, attach, "添加附件", "attach a file", ATTACHED, largest_file=LARGEST_FILE
        ),
        Operation(
            "work_attachments",
            OfWorkItem,
            STAFF,
            found,
            "工单的附件",
            "attachments of an item",
            FOUND,
            lambda actor, fields, refused: trail.refused(actor, _look("work_attachments", "item", fields), refused),
        ),
        Operation(
            OPEN,
            OneAttachment,
            STAFF,
            opened,
            "打开附件",
            "open an attachment",
            OPENED,
            lambda actor, fields, refused: trail.refused(
                actor, _look("work_attachment", "attachment", fields), refused
            ),
        ),
    )


def _look(operation: str, name: str, fields: Mapping[str, Any]) -> Look:
    reason = word(fields, "reason", LONGEST_REASON)
    return Look(operation=operation, what=Viewed.ITEM, id=word(fields, name), reason=reason)


def _bytes(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except binascii.Error as error:
        raise Refused(
            Problem("attachment-content", "内容应为 Base64", "the content is expected in Base64", "content")
        ) from error


def _shown(one: Attachment) -> dict[str, Any]:
    return {
        "attachment": one.id,
        "item": one.work_item,
        "name": one.name,
        "media_type": one.media_type,
        "size": one.size,
        "sha256": one.sha256,
        "at": one.at,
        "by": one.by,
    }
