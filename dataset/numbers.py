"""Telephone numbers as values, and how they are written.

A number has one canonical text, the one a telephone in China dials from anywhere in the country: ``075526123456``,
``13800138000``, ``95588``, ``4008108888``; with its area for a service of another city (``075512345``), with ``+`` and
the country code when it is abroad (``+85223456789``), and with an extension behind a hyphen (``075526123456-8001``).
``dataset.number_plan`` makes them of what people type and of what networks deliver.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NumberKind(StrEnum):
    """What a number is, wherever one stands."""

    FIXED = "fixed"
    """a fixed line: area code and local number"""
    MOBILE = "mobile"
    SPECIAL = "special"
    """a short number of a service: 112, 12345, 95588, 10000"""
    FREEPHONE = "freephone"
    """800: the called party pays"""
    SHARED_COST = "shared_cost"
    """400: caller and called party pay"""
    INTERNATIONAL = "international"
    CIRCUIT = "circuit"
    """of a data circuit: known to the operator and the customer, dialled by nobody"""
    CARD = "card"
    """of a calling card (200, 300)"""


class Reach(StrEnum):
    """What a call to a number is, seen from one city."""

    LOCAL = "local"
    LONG_DISTANCE = "long_distance"
    MOBILE = "mobile"
    SPECIAL = "special"
    FREEPHONE = "freephone"
    SHARED_COST = "shared_cost"
    INTERNATIONAL = "international"
    NONE = "none"
    """circuits and cards cannot be called"""


_PUBLIC = frozenset({NumberKind.SPECIAL, NumberKind.FREEPHONE, NumberKind.SHARED_COST})


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """One number.

    ``area``: ``0755`` for a fixed line or a circuit, and for a special service that was dialled with its area;
    ``+852`` abroad; otherwise empty. ``digits``: what follows it. ``extension``: behind a company's own exchange, else
    empty.
    """

    kind: NumberKind
    area: str
    digits: str
    extension: str = ""

    @property
    def text(self) -> str:
        """The canonical text, one for each number; ``NumberPlan.parse`` reads it back."""
        return f"{self.area}{self.digits}-{self.extension}" if self.extension else f"{self.area}{self.digits}"

    def __str__(self) -> str:
        return self.text

    def display(self, home: str = "") -> str:
        """For people to read, in the usual groups; a fixed number of the area ``home`` without its area code."""
        return self._shown(_grouped(self.kind, self.digits), home)

    def masked(self, home: str = "") -> str:
        """Like ``display``, with the middle of a person's number as stars: ``138****8000``, ``0755-26****56``.

        Numbers of public services are nobody's secret and stay whole; an extension of a masked number goes.
        """
        if self.kind in _PUBLIC:
            return self.display(home)
        head, tail = (3, 4) if self.kind is NumberKind.MOBILE else (2, 2)
        if len(self.digits) <= head + tail:
            head, tail = 0, 2
        stars = "*" * max(len(self.digits) - head - tail, 0)
        return self._with_area(self.digits[:head] + stars + self.digits[-tail:], home)

    def reach(self, home: str) -> Reach:
        """What a call to it is from a telephone in the area ``home`` (``0755``)."""
        if self.kind is NumberKind.FIXED:
            return Reach.LOCAL if self.area == home else Reach.LONG_DISTANCE
        if self.kind in (NumberKind.CIRCUIT, NumberKind.CARD):
            return Reach.NONE
        return Reach(self.kind.value)

    def _shown(self, digits: str, home: str) -> str:
        whole = self._with_area(digits, home)
        return f"{whole} 转 {self.extension}" if self.extension else whole

    def _with_area(self, digits: str, home: str) -> str:
        if not self.area or (self.area == home and self.kind is not NumberKind.CIRCUIT):
            return digits
        return f"{self.area} {digits}" if self.kind is NumberKind.INTERNATIONAL else f"{self.area}-{digits}"


def _grouped(kind: NumberKind, digits: str) -> str:
    if kind is NumberKind.MOBILE:
        return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
    if kind in (NumberKind.FREEPHONE, NumberKind.SHARED_COST):
        return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
    return digits
