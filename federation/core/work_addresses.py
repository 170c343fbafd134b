"""Which cities a row about work is for: whoever wrote it may have lost it, and a hub passes it on (J5)."""

from __future__ import annotations

from collections.abc import Mapping

from dataset.ids import CityId
from dataset.rows import AnyRow, WorkRefused, WorkRequested, WorkStepped


def opened_in(item: str, codes: Mapping[str, CityId]) -> CityId | None:
    """The city where a work item was opened, by its name; ``codes``: area code → city."""
    code = item.removeprefix("w-").partition("-")[0]
    return next((city for area, city in codes.items() if f"{area:0>4}" == code), None)


def concerned(row: AnyRow, codes: Mapping[str, CityId]) -> frozenset[CityId]:
    """The cities that the row was written for: a request for the owning city, its answer and every other step for the
    city that asked and for the one where the item was opened. None for rows about anything else.
    """
    match row:
        case WorkRequested(owning=owning):
            return frozenset({owning})
        case WorkStepped(item=item, serving=serving) | WorkRefused(item=item, serving=serving):
            opener = opened_in(item, codes)
            return frozenset({serving} if opener is None else {serving, opener})
        case _:
            return frozenset()
