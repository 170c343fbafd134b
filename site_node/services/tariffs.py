"""What a service costs on a day, in this city or in another: prices of the province, and what a city has of its own."""

from __future__ import annotations

from datetime import date

from dataset.calendar import day_of
from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.pages import ALL, LARGEST_PAGE
from dataset.records.tariff import TARIFFS, TariffItem, tariffs_on
from federation.node.public_copies import PublicCopies
from federation.ports import Clock, Store


class TariffService:
    """Of one city. ``copies``: of what others publish, where they are kept here."""

    def __init__(self, city: CityId, records: Store, clock: Clock, copies: PublicCopies | None = None) -> None:
        self.city = city
        self._records = records
        self._clock = clock
        self._copies = copies

    def now(self) -> float:
        """Wall time of the city."""
        return self._clock.wall()

    def copied(self, city: CityId) -> float | None:
        """As of when all prices of another ``city`` are here (seconds since 1970, UTC); None: they are not."""
        return self._copies.as_of("tariffs", city) if self._copies is not None else None

    def today(self) -> date:
        """The day in China."""
        return day_of(self._clock.wall())

    async def on(self, day: date, service: str, city: CityId) -> tuple[TariffItem, ...]:
        """What ``service`` costs in ``city`` on ``day``, past or to come, as far as it is on record here; by code.

        Raises ``Refused``: the store's, and 503 ``record-damaged`` when one price of many cannot be read.
        """
        items: list[TariffItem] = []
        token: str | None = None
        while True:
            page = await self._records.page(TARIFFS, (service,), ALL, limit=LARGEST_PAGE, token=token)
            if page.unread:
                raise _damaged(service, page.unread)
            items += page.records
            token = page.token
            if token is None:
                break
        found = tariffs_on(items, day, city)
        return tuple(found[code] for code in sorted(found))


def _damaged(service: str, count: int) -> Refused:
    return Refused(
        Problem(
            "record-damaged",
            zh=f"{service} 有 {count} 条资费在磁盘上已损坏，不能据此答复；请从备份恢复或重新导入",
            en=f"{count} prices of {service} are damaged on disk, so none are told; "
            "restore the backup or import them again",
            place=service,
        ),
        status=503,
    )
