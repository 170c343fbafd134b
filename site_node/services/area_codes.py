"""The cities of the province by their area codes."""

from __future__ import annotations

from collections.abc import Mapping

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.number_plan import NumberPlan
from federation.core.work_addresses import opened_in
from site_node.core.directory import local_numbers


class AreaCodes:
    """``codes``: area code → city. ``plan``: by which numbers are understood as people type them."""

    def __init__(self, codes: Mapping[str, CityId], plan: NumberPlan | None = None) -> None:
        self._codes = dict(codes)
        self._plan = plan

    def city_of(self, number: str) -> CityId | None:
        """The owning city of a number that has an area code (归属局); None for any other: a mobile one, a 400 one.

        With the plan ``+86 20 8888 6666`` has one too, and what is no number of the plan has none.
        """
        if self._plan is not None:
            try:
                return self._codes.get(self._plan.parse(number).area)
            except Refused:
                return None
        codes = [code for code in self._codes if number.startswith(code)]
        return self._codes[max(codes, key=len)] if codes else None

    def opened_in(self, item: str) -> CityId | None:
        """The city where a work item was opened, by its name: it hears of every step."""
        return opened_in(item, self._codes)

    def numbers(self, typed: str, city: CityId) -> tuple[str, ...]:
        """What ``typed`` may be as a number on record of ``city``, which is one of them, the likeliest first."""
        code = next(code for code, one in self._codes.items() if one == city)
        if self._plan is not None:
            try:
                return tuple(dict.fromkeys((self._plan.normalise(typed, code), *local_numbers(typed, code))))
            except Refused:
                pass
        return local_numbers(typed, code)

    @property
    def cities(self) -> tuple[CityId, ...]:
        """All of them, in order."""
        return tuple(sorted(self._codes.values()))

    def known(self, city: str, place: str = "owning") -> CityId:
        """``city`` as one of them. Raises ``Refused`` 404 ``city-unknown`` at ``place``."""
        if city in self._codes.values():
            return CityId(city)
        names = ", ".join(sorted(self._codes.values()))
        raise Refused(
            Problem("city-unknown", f"没有城市 {city}；可用：{names}", f"no city {city}; known: {names}", place),
            status=404,
        )
