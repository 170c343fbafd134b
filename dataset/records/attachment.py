"""Fax images, letters, mail, recordings: a record about the content, and the content in parts of a record's size."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from dataset.errors import Problem, Refused
from dataset.ids import AgentId, AttachmentId, CityId, ContactId
from dataset.records.forms import Code, Count, Moment, Name, Sha256
from dataset.tables import Index, Record, Table

PART_BYTES = 512 * 1024
"""Content of one part; in a record's JSON it is a third larger."""


class Attachment(Record, frozen=True, kw_only=True):
    """What is attached to a contact or a work item. Written after its parts, so that whoever finds it finds them."""

    id: AttachmentId
    city: CityId
    kind: Code
    """``fax``, ``letter``, ``mail``, ``recording``, ``photo`` …"""
    name: Name
    """of the file, as it came"""
    media_type: str
    """``image/tiff``, ``audio/wav`` …"""
    size: Count
    """bytes"""
    sha256: Sha256
    parts: Count
    """0 also of a file whose content lies beside the records, under its hash"""
    at: Moment
    contact: ContactId | None = None
    work_item: str = ""
    pages: Count = 0
    by: AgentId | None = None
    """who attached it; None: it came by itself"""


class AttachmentPart(Record, frozen=True, kw_only=True):
    """One part of the content, from 0."""

    attachment: AttachmentId
    n: Count
    content: bytes


ATTACHMENTS = Table(
    "attachments",
    Attachment,
    ("id",),
    indexes=(
        Index("by_contact", ("contact",), ("at",)),
        Index("by_work_item", ("work_item",), ("at",)),
    ),
)
ATTACHMENT_PARTS = Table("attachment_parts", AttachmentPart, ("attachment", "n"))
"""Each part a partition of its own: they are asked for by number, and together would be too large for one."""


def digest(content: bytes) -> str:
    """What ``Attachment.sha256`` holds."""
    return sha256(content).hexdigest()


def parts_of(attachment: AttachmentId, content: bytes) -> list[AttachmentPart]:
    """``content`` in parts; an empty one has none."""
    return [
        AttachmentPart(attachment=attachment, n=n, content=content[start : start + PART_BYTES])
        for n, start in enumerate(range(0, len(content), PART_BYTES))
    ]


def content_of(attachment: Attachment, parts: Sequence[AttachmentPart]) -> bytes:
    """The content, from its parts in any order. Raises ``Refused`` (``attachment-damaged``) when it is not the same."""
    content = b"".join(part.content for part in sorted(parts, key=lambda part: part.n))
    if len(content) != attachment.size or digest(content) != attachment.sha256:
        raise Refused(
            Problem(
                "attachment-damaged",
                zh=f"附件内容与收到时不同（应为 {attachment.size} 字节，现有 {len(content)} 字节）；"
                "请从备份恢复或请对方重发",
                en=f"the attachment is not what was received ({attachment.size} bytes expected, {len(content)} found); "
                "restore it from a backup, or ask for it again",
                place=attachment.id,
            ),
            status=503,
        )
    return content
