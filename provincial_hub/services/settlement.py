"""What cities owe each other for work that one took in for another's customers: a month, to the cent (I4).

Made of the rows of record alone: each step that an owning city took for another city's agent is one entry, with what
was collected at the desk (due to the owning city) and the charge for handling (due to the serving city).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from dataset.errors import Language
from dataset.ids import CityId
from federation.node.login import Actor
from federation.node.province import Province
from federation.ports import Clock
from provincial_hub.core.work_figures import Handled
from provincial_hub.services.days import in_both_languages, month_named
from provincial_hub.services.intervals import IntervalService, missing_view
from provincial_hub.services.province import allow
from provincial_hub.services.summary import Missing, missing_text
from provincial_hub.shell.work_figures import WorkFigures


class OfService(NamedTuple):
    """One service in a statement."""

    service: str
    """``id@version``"""
    entries: int
    collected_fen: int
    handling_fen: int


@dataclass(frozen=True, slots=True)
class Owed:
    """One pair of cities in one month."""

    owning: CityId
    serving: CityId
    services: tuple[OfService, ...]

    @property
    def entries(self) -> int:
        """Steps that were taken."""
        return sum(one.entries for one in self.services)

    @property
    def collected_fen(self) -> int:
        """Due from the serving to the owning city."""
        return sum(one.collected_fen for one in self.services)

    @property
    def handling_fen(self) -> int:
        """Due from the owning to the serving city."""
        return sum(one.handling_fen for one in self.services)

    @property
    def net_fen(self) -> int:
        """What the serving city pays the owning city on balance; below 0 the other way round."""
        return self.collected_fen - self.handling_fen


def owed(handled: Iterable[Handled]) -> tuple[Owed, ...]:
    """Summed up by pair of cities, in order."""
    pairs: dict[tuple[CityId, CityId], dict[str, OfService]] = defaultdict(dict)
    for one in handled:
        services = pairs[one.owning, one.serving]
        before = services.get(one.service, OfService(one.service, 0, 0, 0))
        services[one.service] = OfService(
            one.service,
            before.entries + one.entries,
            before.collected_fen + one.collected_fen,
            before.handling_fen + one.handling_fen,
        )
    return tuple(
        Owed(owning, serving, tuple(services[name] for name in sorted(services)))
        for (owning, serving), services in sorted(pairs.items())
    )


class SettlementService:
    """The hub's statement of a month."""

    def __init__(self, province: Province, figures: WorkFigures, intervals: IntervalService, clock: Clock) -> None:
        self._province = province
        self._figures = figures
        self._intervals = intervals
        self._clock = clock

    async def settlement(self, actor: Actor, month: str) -> dict[str, Any]:
        """The month (``2026-11``, in China) by pair of cities and service.

        Raises ``Refused``: 400; 503 ``still-counting``.
        """
        allow(actor)
        first, last = month_named(month)
        found = owed(await self._figures.handled(first, last))
        missing = self._intervals.missing()
        return {
            "month": month,
            "complete": not missing,
            "pairs": [_view(one) for one in found],
            "missing": [missing_view(one) for one in missing],
            **in_both_languages(partial(self._text, month, found, missing), last, self._clock.wall()),
        }

    def _text(self, month: str, found: Sequence[Owed], missing: Sequence[Missing], language: Language) -> str:
        names = {city.id: city.name if language == "zh" else city.name_en for city in self._province.cities}
        if language == "zh":
            head, line = "局间结算", "{serving} 为 {owning} 受理 {n} 笔：代收 {c} 元，手续费 {h} 元，{way} {net} 元"
            pays = ("{serving} 付 {owning}", "{owning} 付 {serving}")
        else:
            head = "Settlement between cities"
            line = "{serving} handled {n} for {owning}: collected {c} yuan, handling {h} yuan, {way} {net} yuan"
            pays = ("{serving} pays {owning}", "{owning} pays {serving}")
        lines = [f"{head} {month}"]
        for one in found:
            cities = {"serving": names[one.serving], "owning": names[one.owning]}
            way = pays[one.net_fen < 0].format(**cities)
            sums = {"c": _yuan(one.collected_fen), "h": _yuan(one.handling_fen), "net": _yuan(abs(one.net_fen))}
            lines.append(line.format(**cities, n=one.entries, way=way, **sums))
        lines += [missing_text(self._province, one, language) for one in missing]
        return "\n".join(lines)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _view(one: Owed) -> dict[str, Any]:
    return {
        "owning": one.owning,
        "serving": one.serving,
        "entries": one.entries,
        "collected_fen": one.collected_fen,
        "handling_fen": one.handling_fen,
        "net_fen": one.net_fen,
        "services": [two._asdict() for two in one.services],
    }
