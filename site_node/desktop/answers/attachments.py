"""Files that are attached to work items."""

from __future__ import annotations

from dataset.ids import AgentId
from federation.node.answers import Count
from federation.node.operations import ProblemTold, Reply
from site_node.desktop.answers.parts import MissingPart
from site_node.desktop.answers.work import Handed, ReceiptShown


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
    state: Handed
    problems: tuple[ProblemTold, ...]
    """why its owning city refused it"""


class AttachmentAdded(Reply, frozen=True, kw_only=True):
    """It is on disk here; an item of another city has it once that city has answered."""

    attachment: AttachmentShown
    receipt: ReceiptShown


class AttachmentsHere(Reply, frozen=True, kw_only=True):
    """All of one work item, the oldest first."""

    attachments: tuple[AttachmentShown, ...]


class AttachmentsFound(AttachmentsHere, frozen=True, kw_only=True):
    """What this city and the owning one know of them; ``missing``: the owning city where it does not answer."""

    missing: tuple[MissingPart, ...]


class AttachmentLent(Reply, frozen=True, kw_only=True):
    """One of them, and the name under which its content may be fetched by the city that asked."""

    attachment: AttachmentShown
    lent: str


class AttachmentOpened(Reply, frozen=True, kw_only=True):
    """One of them, its ``content`` in Base64."""

    attachment: AttachmentShown
    content: str
