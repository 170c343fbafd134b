"""Mass faults."""

from __future__ import annotations

from typing import Literal

from dataset.ids import AgentId, CityId
from dataset.rows import MassFaultArea
from federation.node.answers import Count
from federation.node.operations import Reply
from site_node.desktop.answers.parts import MissingPart


class MassFaultShown(Reply, frozen=True, kw_only=True):
    """Many reports that are one. ``by_count``: found by their number; ``items``: the first of its ``reports``."""

    mass_fault: str
    area: MassFaultArea
    name: str
    state: Literal["found", "confirmed", "repaired", "rejected"]
    by_count: bool
    declared_by: AgentId | None
    declared_at: float
    expected_at: float
    confirmed_by: AgentId | None
    note: str
    items: tuple[str, ...]
    reports: Count
    cleared_by: AgentId | None
    cleared_at: float | None
    cleared_note: str


class MassFaultsHere(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What one city (``from``) knows of."""

    mass_faults: tuple[MassFaultShown, ...]
    from_: CityId


class MassFaultsFound(MassFaultsHere, frozen=True, kw_only=True):
    """Mass faults, and whose part is missing."""

    missing: tuple[MissingPart, ...]


class MassFaultFound(Reply, frozen=True, kw_only=True):
    """One, as it is now."""

    mass_fault: MassFaultShown
