"""What seats were shown of the articles of knowledge, and whether it helped: a fold of rows, the same in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from dataset.ids import AgentId, ArticleId, CityId
from dataset.rows import ArticleJudged, ArticlesShown, Journalled, Origin


class ArticleKey(NamedTuple):
    """What is counted apart: a version of an article in a city."""

    article: ArticleId
    version: int
    city: CityId


class ArticleUse(NamedTuple):
    """How often a text was shown, and what agents said of it; parts add up."""

    shown: int = 0
    useful: int = 0
    not_useful: int = 0

    def plus(self, other: ArticleUse) -> ArticleUse:
        """Both together."""
        return ArticleUse(self.shown + other.shown, self.useful + other.useful, self.not_useful + other.not_useful)


def article_use(rows: Iterable[Journalled]) -> dict[ArticleKey, ArticleUse]:
    """What came of each version of an article, in order; each row counts once, other kinds are passed over.

    Of what one agent said of one version in one contact, the last word counts.
    """
    shown: dict[ArticleKey, set[tuple[Origin, int]]] = defaultdict(set)
    said: dict[tuple[ArticleKey, AgentId, str], tuple[float, Origin, bool]] = {}
    for journalled in rows:
        city = CityId(journalled.node)
        match journalled.row:
            case ArticlesShown(articles=articles):
                for at, (article, version) in enumerate(articles):
                    shown[ArticleKey(article, version, city)].add((journalled.origin, at))
            case ArticleJudged() as row:
                place = ArticleKey(row.article, row.version, city), row.agent, row.contact or ""
                word = row.at, journalled.origin, row.useful
                said[place] = max(said.get(place, word), word)
            case _:
                pass
    found: dict[ArticleKey, ArticleUse] = defaultdict(ArticleUse)
    for key, places in shown.items():
        found[key] = found[key].plus(ArticleUse(shown=len(places)))
    for (key, _, _), (_, _, useful) in said.items():
        found[key] = found[key].plus(ArticleUse(useful=int(useful), not_useful=int(not useful)))
    return dict(sorted(found.items()))
