"""Directory enquiry."""

from __future__ import annotations

from typing import Literal

from dataset.ids import CityId
from federation.node.answers import Count
from federation.node.operations import Reply
from site_node.desktop.answers.parts import CopiedPart, MissingPart
from site_node.services.directory import Whose


class EntryShown(Reply, frozen=True, kw_only=True):
    """A number of the directory, and how well it fits."""

    name: str
    aliases: tuple[str, ...]
    number: str
    address: str
    category: str
    city: CityId
    fit: Literal["exact", "beginning", "initials", "initials_begin", "other"]


class EntriesHere(Reply, frozen=True, kw_only=True):
    """A page of what was found. ``token``: for the next one; ``unread``: entries that are damaged on disk."""

    entries: tuple[EntryShown, ...]
    token: str | None
    more: bool
    whose: Whose | None
    unread: Count
    parts: tuple[CopiedPart, ...]


class EntriesFound(EntriesHere, frozen=True, kw_only=True):
    """What was found, and whose part is missing."""

    missing: tuple[MissingPart, ...]
