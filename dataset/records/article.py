"""Knowledge: what whoever answers looks up, in versions, with an owner and an end. Public data of the province."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from dataset.errors import Language, Problem
from dataset.ids import AgentId, ArticleId, CityId
from dataset.records.forms import Moment, Name, Some
from dataset.tables import Index, Record, Table


class CityDifference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is different in one city; shown before the article itself."""

    zh: str
    en: str = ""


class Article(Record, frozen=True, kw_only=True):
    """One version of an article. A draft is revised in place; what was published is followed by the next version."""

    id: ArticleId
    version: Some
    owner: Name
    """who keeps it right: a user or a department"""
    topics: tuple[str, ...] = ()
    """``order/install``: packages name them to have it shown beside their form"""
    zh_title: Name
    en_title: str = ""
    zh_body: str
    en_body: str = ""
    valid_from: date
    expires_on: date
    """last day that it is shown: nothing is right for ever without somebody looking"""
    differences: dict[CityId, CityDifference] = msgspec.field(default_factory=dict)
    published: bool = False
    approved_by: str = ""
    changed_at: Moment = 0.0

    @property
    def shelf(self) -> str:
        """The same for all, so that they can be paged as one: there are thousands of articles, not millions."""
        return "all"

    def title(self, language: Language) -> str:
        """In that language; in Chinese where it was not translated."""
        return self.en_title if language == "en" and self.en_title else self.zh_title

    def body(self, language: Language, city: CityId | None = None) -> str:
        """The text, what is different in ``city`` first; in Chinese where it was not translated."""
        own = self.differences.get(city) if city is not None else None
        difference = (own.en if language == "en" and own.en else own.zh) if own is not None else ""
        text = self.en_body if language == "en" and self.en_body else self.zh_body
        return f"{difference}\n\n{text}" if difference else text

    def shown(self, day: date) -> bool:
        """Whether it may be shown on that day."""
        return self.published and not self.deleted and self.valid_from <= day <= self.expires_on

    def faults(self) -> tuple[Problem, ...]:
        """What does not fit together."""
        problems = []
        if self.expires_on < self.valid_from:
            problems.append(
                Problem(
                    "article-days",
                    zh=f"失效日 {self.expires_on} 早于生效日 {self.valid_from}；应不早于生效日",
                    en=f"it expires on {self.expires_on}, before it is valid on {self.valid_from}; "
                    "that day or a later one is expected",
                    place="expires_on",
                )
            )
        if self.published and not self.approved_by:
            problems.append(
                Problem(
                    "article-unapproved",
                    zh="未经批准不能发布；请填写批准人",
                    en="nothing is published without approval; the name of who approved it is expected",
                    place="approved_by",
                )
            )
        return tuple(problems)


ARTICLES = Table(
    "articles",
    Article,
    ("id",),
    ("version",),
    indexes=(
        Index("by_topic", ("topics",), ("id", "version"), lambda article: article.published),
        Index("by_owner", ("owner",), ("expires_on",)),
        Index("published", ("shelf",), ("id", "version"), lambda article: article.published),
    ),
)


class Judgement(Record, frozen=True, kw_only=True):
    """What an agent last said of one version of an article in one contact: whether it helped."""

    city: CityId
    article: ArticleId
    version: Some
    agent: AgentId
    contact: str = ""
    """empty: in none"""
    useful: bool
    at: Moment


JUDGEMENTS = Table("judgements", Judgement, ("city", "article"), ("version", "agent", "contact"))


EXPIRING_DAYS = 30
"""whoever keeps an article is told so long before its last day"""


def lasts(articles: Iterable[Article]) -> tuple[Article, ...]:
    """Of each article that was published the version that is shown the longest, the earliest to end first."""
    found: dict[ArticleId, Article] = {}
    for one in articles:
        if one.published and not one.deleted:
            found[one.id] = max(found.get(one.id, one), one, key=lambda it: (it.expires_on, it.version))
    return tuple(sorted(found.values(), key=lambda one: (one.expires_on, one.id)))


def current(versions: Iterable[Article], day: date) -> Article | None:
    """Of the versions of one article, the one to show: the latest that may be."""
    return max((one for one in versions if one.shown(day)), key=lambda one: one.version, default=None)
