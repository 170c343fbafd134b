"""What a customer had taken in before, in all cities."""

from __future__ import annotations

from dataset.ids import CityId
from federation.core.repeats import EarlierItem, Often
from federation.node.operations import Reply
from site_node.desktop.answers.parts import MissingPart


class RepeatsHere(Reply, frozen=True, kw_only=True):
    """What one city has of a customer."""

    items: tuple[EarlierItem, ...]


class RepeatsFound(Reply, frozen=True, kw_only=True):
    """Services that a customer had twice or more, in all ``cities`` that answered."""

    repeats: tuple[Often, ...]
    as_of: float
    cities: tuple[CityId, ...]
    missing: tuple[MissingPart, ...]


class ProgressFound(Reply, frozen=True, kw_only=True):
    """Everything that a customer had taken in, in all ``cities`` that answered, what is under way first."""

    items: tuple[EarlierItem, ...]
    as_of: float
    cities: tuple[CityId, ...]
    missing: tuple[MissingPart, ...]
