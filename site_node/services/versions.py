"""Which versions of services this city has used from when: written at each start, shown to whoever works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.ids import CityId
from dataset.pages import ALL, LARGEST_PAGE
from dataset.puts import Put
from dataset.records.package import PACKAGES, PackageInUse, PackageKind
from federation.ports import Clock, Store
from site_node.shell.follower import Follower

Versions = Mapping[tuple[PackageKind, str], str]
"""version by kind and name"""
log = Logger()


@dataclass(frozen=True, slots=True)
class Used:
    """A version and its time; ``until`` is None while it is in use."""

    record: PackageInUse
    until: float | None


class VersionsInUse:
    """Of one city; ``now``: those that this run has read."""

    def __init__(self, city: CityId, records: Store, now: Versions, clock: Clock) -> None:
        self._city = city
        self._records = records
        self._now = now
        self._clock = clock
        self._follower = Follower(clock, later=_later, failed=_failed)

    def start(self) -> None:
        """Write down what is another version than it was."""
        self._follower.add([self._write])

    def stop(self) -> None:
        """Write no more; the next start does it."""
        self._follower.stop()

    async def used(self, name: str = "") -> tuple[Used, ...]:
        """All versions of ``name``, or of all, the latest of each name first. Raises ``Refused`` of the store."""
        found = [one for one in await self._all() if name in ("", one.name)]
        following: dict[tuple[PackageKind, str], float] = {}
        shown = []
        for one in sorted(found, key=lambda each: -each.since):
            which = one.kind, one.name
            shown.append(Used(one, following.get(which)))
            following[which] = one.since
        return tuple(sorted(shown, key=lambda each: (each.record.kind, each.record.name)))

    async def _write(self) -> None:
        last = _last(await self._all())
        at = self._clock.wall()
        changed = [
            PackageInUse(city=self._city, kind=kind, name=name, version=version, since=at)
            for (kind, name), version in sorted(self._now.items())
            if last.get((kind, name)) != version
        ]
        if changed:
            await self._records.put([Put(PACKAGES, one) for one in changed])

    async def _all(self) -> list[PackageInUse]:
        found: list[PackageInUse] = []
        token = None
        while True:
            page = await self._records.page(PACKAGES, (self._city,), ALL, limit=LARGEST_PAGE, token=token)
            found += page.records
            token = page.token
            if token is None:
                return found


def _last(records: Iterable[PackageInUse]) -> Versions:
    return {(one.kind, one.name): one.version for one in sorted(records, key=lambda one: one.since)}


def _later(why: str) -> None:
    log.warn("which versions are in use is not on record yet: {why}", why=why, event="versions-later")


def _failed(failure: Failure) -> None:
    log.failure("which versions are in use cannot be put on record", failure, event="versions-failed")
