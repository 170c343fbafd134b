"""The shipped services and the province's calendar, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dataset.calendar import WorkCalendar
from dataset.services.catalogue import Catalogue
from federation.node.offering import Offering, load_offering
from federation.node.province import load_province

PROVINCE = Path(__file__).parents[2] / "conf" / "province.toml"


@cache
def offering() -> Offering:
    """As a node reads it at its start."""
    return load_offering(PROVINCE, *load_province(PROVINCE))


def calendar() -> WorkCalendar:
    """Hours of work and holidays."""
    return offering().calendar


def catalogue() -> Catalogue:
    """All services."""
    return offering().catalogue
