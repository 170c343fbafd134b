"""Cities declared lost: who says so, and when the fact ends (E3).

The facts are rows of the hubs' journals; what follows from them is computed in the folds. A city is back when it
beats and the run that beats is on record here (its ``LineageOpened`` is the first row that every receiver gets, J2):
then it is known which contacts it still has.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from dataset.errors import Problem, Refused
from dataset.ids import CityId, NodeId
from dataset.rows import Origin, SiteDeclaredLost, SiteRejoined
from dataset.standing import Declaration
from federation.core.picture import ProvincePicture
from federation.node.ledger_store import LedgerStore
from federation.ports import Clock, Journal
from provincial_hub.shell.memory import Memory

log = Logger()


class LostCities:
    """Writes ``SiteDeclaredLost`` when told to, and ``SiteRejoined`` when a lost city is heard. Every hub may do
    either: a declaration is ended by whoever knows of it, twice does no harm.
    """

    def __init__(
        self,
        *,
        memory: Memory,
        picture: ProvincePicture,
        journal: Journal,
        store: LedgerStore,
        clock: Clock,
        others: Sequence[NodeId],
    ) -> None:
        self._memory = memory
        self._picture = picture
        self._journal = journal
        self._store = store
        self._clock = clock
        self._others = tuple(others)
        """the other hubs, which hear the facts too"""
        self._ended: set[Origin] = set()
        """declarations whose end is being written"""
        self._asked: list[tuple[CityId, Deferred[Declaration]]] = []

    def of(self, city: CityId) -> Declaration | None:
        """The declaration that stands against ``city``."""
        return self._memory.lost.of(city)

    def cities(self) -> frozenset[CityId]:
        """All cities declared lost."""
        return self._memory.lost.cities()

    def declare(self, city: CityId, by: str, reason: str) -> Deferred[Declaration]:
        """Journal that ``city`` is lost for good; fires once that is on record. Raises ``Refused`` 409:
        ``city-is-heard``, ``already-lost``.
        """
        standing = self.of(city)
        if standing is not None:
            raise Refused(
                Problem(
                    "already-lost",
                    zh=f"{city} 已由 {standing.by} 宣告失联：{standing.reason}",
                    en=f"{standing.by} has declared {city} lost already: {standing.reason}",
                    place="city",
                ),
                status=409,
            )
        if city in self._picture.seen(self._clock.monotonic()):
            raise Refused(
                Problem(
                    "city-is-heard",
                    zh=f"此刻仍能收到 {city} 的心跳，它没有失联；若要停用，请先停下该市节点",
                    en=f"{city} is heard at this moment, so it is not lost; stop its node first if it shall go",
                    place="city",
                ),
                status=409,
            )
        done: Deferred[Declaration] = Deferred()
        self._asked.append((city, done))
        log.warn("{by} declares {city} lost: {reason}", by=by, city=city, reason=reason, event="site-declared-lost")
        self._journal.append([(SiteDeclaredLost(city=city, by=by, reason=reason), self._others)], self.look)
        return done

    def look(self) -> None:
        """Something may have changed: a fact is on record, or a city was heard."""
        for city, done in [one for one in self._asked if self.of(one[0]) is not None]:
            self._asked.remove((city, done))
            standing = self.of(city)
            assert standing is not None
            done.callback(standing)
        standing_now = self._memory.lost.standing()
        if not standing_now:
            return
        seen = self._picture.seen(self._clock.monotonic())
        for city in sorted({one.city for one in standing_now if one.city in seen}):
            ends = tuple(one.origin for one in standing_now if one.city == city and one.origin not in self._ended)
            run = self._picture.run(city)
            if ends and run is not None and self._store.heads(NodeId(city)).get(run, 0) > 0:
                self._ended.update(ends)
                log.info("{city} is back; it counts as lost no more (E3)", city=city, event="site-rejoined")
                self._journal.append([(SiteRejoined(city=city, ends=ends), self._others)], _on_disk)


def _on_disk() -> None:
    """Nothing waits for it: the fold hears it as every hub does."""
