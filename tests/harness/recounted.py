"""What reports of work come to when every row that they are about is read and folded anew: the reference of
``provincial_hub.shell.work_figures``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from dataset.calendar import day_of, midnight
from dataset.ids import CityId
from dataset.knowledge_measures import ArticleKey, ArticleUse, article_use
from dataset.rows import Journalled
from dataset.service_measures import ServicePart, added
from federation.core.service_fold import ServiceFold
from federation.node.offering import Offering
from provincial_hub.core.revisions import day_digest
from provincial_hub.core.work_figures import BEFORE_S, Handled, handled
from provincial_hub.shell.work_figures import SETTLED_BEFORE_S, Counted, Questions

NOT_ABOUT_WORK = ("lineage_opened", "tail_missing")


class Recounted:
    """Of all rows on record, in the order of their arrival."""

    def __init__(self, rows: Iterable[Journalled], offering: Offering) -> None:
        self._rows = list(rows)
        self._offering = offering

    def _fold(self, since: float) -> ServiceFold:
        """As of the rows about runs, and those about work that are not older than ``since``."""
        standing = [one for one in self._rows if one.row.__struct_config__.tag in NOT_ABOUT_WORK]
        work = [one for one in self._rows if one.row.__struct_config__.tag not in NOT_ABOUT_WORK]
        since_then = [one for one in work if one.wall >= since]
        catalogue, calendar = self._offering.catalogue, self._offering.calendar
        return ServiceFold(catalogue.versions.__getitem__, calendar, [*standing, *since_then])

    def services(self, first: date, last: date, city: CityId | None, wall: float) -> Counted:
        """See ``WorkFigures``."""
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        fold = self._fold(begin - BEFORE_S)
        sums: dict[tuple[str, CityId], list[ServicePart]] = defaultdict(list)
        days: dict[tuple[CityId, date], list[tuple[str, ServicePart]]] = defaultdict(list)
        for key, part in sorted(fold.parts(begin, end, city).items()):
            sums[key.service, key.city].append(part)
            days[key.city, key.day].append((key.service, part))
        return Counted(
            {place: added(parts) for place, parts in sums.items()},
            {place: day_digest(services) for place, services in days.items()},
            fold.standing(min(end, wall), city),
            dict(sorted(fold.untold(begin, end).items())),
        )

    def questions(
        self, service: str, first: date, last: date, city: CityId | None, wall: float, most: int
    ) -> Questions:
        """See ``WorkFigures``."""
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        fold = self._fold(begin - BEFORE_S)
        parts = [part for key, part in fold.parts(begin, end, city).items() if key.service == service]
        found = [one for one in fold.open(wall, city) if one.service.partition("@")[0] == service]
        found.sort(key=lambda one: (one.opened_at, one.id))
        return Questions(added(parts), found[:most], len(found))

    def articles(self, first: date, last: date) -> dict[ArticleKey, ArticleUse]:
        """See ``WorkFigures``."""
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        return article_use(one for one in self._rows if begin <= one.wall < end)

    def handled(self, first: date, last: date) -> list[Handled]:
        """See ``WorkFigures``; each step by itself."""
        begin, end = midnight(first), midnight(last + timedelta(days=1))
        found = [one for one in self._fold(begin - SETTLED_BEFORE_S).settlements() if begin <= one.at < end]
        assert all(first <= day_of(one.at) <= last for one in found)
        return [handled(one) for one in found]
