"""Articles, and what agents say of them."""

from __future__ import annotations

from datetime import date

from federation.node.answers import Count
from federation.node.operations import Reply


class BothLanguages(Reply, frozen=True, kw_only=True):
    """The same in Chinese and English."""

    zh: str
    en: str


class ArticleShort(Reply, frozen=True, kw_only=True):
    """An article by its titles. ``difference``: what is different in this city, to be shown first."""

    article: str
    version: Count
    topics: tuple[str, ...]
    zh: str
    en: str
    difference: BothLanguages | None


class ArticleWhole(ArticleShort, frozen=True, kw_only=True):
    """An article with its texts."""

    zh_body: str
    en_body: str
    owner: str
    approved_by: str
    valid_from: date
    expires_on: date


class ArticleSeen(ArticleShort, frozen=True, kw_only=True):
    """An article with the places that were asked for."""

    zh_excerpt: str
    en_excerpt: str


class ArticlesOfTopic(Reply, frozen=True, kw_only=True):
    """``more``: how many are not shown."""

    articles: tuple[ArticleWhole, ...]
    more: Count


class ArticlesFound(Reply, frozen=True, kw_only=True):
    """The best first."""

    articles: tuple[ArticleSeen, ...]


class ArticleFound(Reply, frozen=True, kw_only=True):
    """One article."""

    article: ArticleWhole


class Voted(Reply, frozen=True, kw_only=True):
    """The vote that counts now."""

    article: str
    version: Count
    useful: bool


class ArticleJudged(Reply, frozen=True, kw_only=True):
    """How many agents found a version of an article useful, and how many did not."""

    article: str
    version: Count
    zh: str
    en: str
    useful: Count
    not_useful: Count


class ArticlesJudged(Reply, frozen=True, kw_only=True):
    """The worst first."""

    judged: tuple[ArticleJudged, ...]


class ArticleExpiring(Reply, frozen=True, kw_only=True):
    """An article that expires soon; ``days_left`` below 0: it has."""

    article: str
    version: Count
    zh: str
    en: str
    owner: str
    expires_on: date
    days_left: int


class ArticlesExpiring(Reply, frozen=True, kw_only=True):
    """What expires soon and has no later version."""

    articles: tuple[ArticleExpiring, ...]
