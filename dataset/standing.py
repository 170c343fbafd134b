"""Cities declared lost, as a fold of the hubs' standing facts (E3).

Fed with rows in any order, each as often as it likes. A declaration stands until a ``SiteRejoined`` names it. So two
hubs that wrote without knowing of each other need no clocks to agree: what somebody declared is ended only by whoever
knew of it, and a city that is heard all the same is let in by one more ``SiteRejoined``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dataset.ids import CityId, is_hub
from dataset.rows import Journalled, Origin, SiteDeclaredLost, SiteRejoined

_ABOUT_CITIES = frozenset({SiteDeclaredLost, SiteRejoined})


@dataclass(frozen=True, slots=True, order=True)
class Declaration:
    """One standing declaration."""

    since: float
    """UTC seconds, by the clock of the hub that wrote it"""
    origin: Origin
    city: CityId
    by: str
    reason: str


@dataclass(slots=True)
class LostSites:
    """Which cities count as lost now."""

    _declared: dict[Origin, Declaration] = field(default_factory=dict)
    _ended: set[Origin] = field(default_factory=set)

    def add(self, journalled: Journalled) -> bool:
        """Take in a row; whether it was a standing fact about a city. Only a hub's word counts."""
        row = journalled.row
        if type(row) not in _ABOUT_CITIES or not is_hub(journalled.node):
            return False
        if isinstance(row, SiteDeclaredLost):
            declared = Declaration(journalled.wall, journalled.origin, row.city, row.by, row.reason)
            self._declared[journalled.origin] = declared
        elif isinstance(row, SiteRejoined):
            self._ended.update(row.ends)
        return True

    def standing(self) -> list[Declaration]:
        """All declarations that nobody ended, earliest first."""
        if not self._declared:
            return []  # as in almost all provinces at almost all times
        return sorted(one for origin, one in self._declared.items() if origin not in self._ended)

    def of(self, city: CityId) -> Declaration | None:
        """The earliest standing declaration of ``city``."""
        return next((one for one in self.standing() if one.city == city), None)

    def cities(self) -> frozenset[CityId]:
        """The cities that are lost."""
        return frozenset(one.city for origin, one in self._declared.items() if origin not in self._ended)
