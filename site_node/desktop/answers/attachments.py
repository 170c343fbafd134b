"""Files that are attached to work items."""

from __future__ import annotations

from dataset.ids import AgentId
from federation.node.answers import Count
from federation.node.operations import Reply


class AttachmentShown(Reply, frozen=True, kw_only=True):
    """A file that is attached to a work item."""

    attachment: str
    item: str
    name: str
    media_type: str
    size: Count
    sha256: str
    at: float
    by: AgentId | None


class AttachmentAdded(Reply, frozen=True, kw_only=True):
    """It is on disk."""

    attachment: AttachmentShown


class AttachmentsFound(Reply, frozen=True, kw_only=True):
    """All of one work item, the oldest first."""

    attachments: tuple[AttachmentShown, ...]


class AttachmentOpened(Reply, frozen=True, kw_only=True):
    """One of them, its ``content`` in Base64."""

    attachment: AttachmentShown
    content: str
