"""What seats make of the knowledge: how often each article was shown, whether it helped, what expires, and which
questions wait for an answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dataset.calendar import day_of
from dataset.columns import in_columns
from dataset.errors import Language
from dataset.ids import ArticleId, CityId
from dataset.knowledge_measures import ArticleUse
from dataset.masking import masked_numbers
from dataset.records.article import EXPIRING_DAYS, Article, lasts
from dataset.rows import Viewed
from federation.core.work_item import WorkItem
from federation.node.login import Actor
from federation.node.looks import Look, Looks
from federation.node.offering import Offering, question_of
from federation.node.province import Province
from federation.ports import Clock
from provincial_hub.services.days import span_of
from provincial_hub.services.intervals import IntervalService, missing_view
from provincial_hub.services.province import allow, known_city
from provincial_hub.services.summary import Missing, missing_text
from provincial_hub.services.views import Json
from provincial_hub.shell.work_figures import Questions, WorkFigures

MOST_QUESTIONS = 200
LONGEST_QUESTION = 120
"""characters"""


@dataclass(frozen=True, slots=True)
class Counted:
    """A report before it is put in words."""

    first: date
    last: date
    today: date
    use: dict[tuple[ArticleId, int], list[tuple[CityId, ArticleUse]]]
    """by article and version, the worst first; each city that has anything"""
    expiring: Sequence[Article]
    questions: Questions
    """without an answer, and what came of such in these days"""
    missing: Sequence[Missing]


class KnowledgeReport:
    """The hub's report of knowledge."""

    def __init__(
        self,
        province: Province,
        offering: Offering,
        figures: WorkFigures,
        intervals: IntervalService,
        looks: Looks,
        clock: Clock,
    ) -> None:
        self._province = province
        self._offering = offering
        self._figures = figures
        self._intervals = intervals
        self._looks = looks
        self._clock = clock

    async def report(self, actor: Actor, first: str, last: str, city: CityId | None = None) -> Json:
        """From the day ``first`` to the day ``last`` (in China, both included), of ``city`` or all. Questions are
        shown with numbers masked, which is a look that goes on record.

        Raises ``Refused``: 400 for days that are none, or too many; 404 ``unknown-city``; 503 ``still-counting``.
        """
        allow(actor)
        known_city(self._province, city)
        counted = await self._counted(*span_of(first, last), city)
        shown = counted.questions.open
        self._looks.listed(actor, look_at_questions(city or "", [one.id for one in shown]))
        return {
            "first": first,
            "last": last,
            "complete": not counted.missing,
            "articles": [self._article_view(*key, cities) for key, cities in counted.use.items()],
            "expiring": [_expiring_view(one, counted.today) for one in counted.expiring],
            "questions": [self._question_view(one) for one in shown],
            "more": counted.questions.open_count - len(shown),
            "asked": counted.questions.part.opened,
            "answered": counted.questions.part.ended,
            "missing": [missing_view(one) for one in counted.missing],
            "zh": self._text(counted, "zh"),
            "en": self._text(counted, "en"),
        }

    # ── counted ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _counted(self, first: date, last: date, city: CityId | None) -> Counted:
        wall = self._clock.wall()
        by_article: dict[tuple[ArticleId, int], list[tuple[CityId, ArticleUse]]] = defaultdict(list)
        for key, use in (await self._figures.articles(first, last)).items():
            if city in (None, key.city):
                by_article[key.article, key.version].append((key.city, use))
        questions = await self._figures.questions(self._offering.unanswered, first, last, city, wall, MOST_QUESTIONS)
        return Counted(
            first,
            last,
            day_of(wall),
            dict(sorted(by_article.items(), key=_worst_first)),
            [
                one
                for one in lasts(self._offering.articles.values())
                if one.expires_on < day_of(wall) + timedelta(days=EXPIRING_DAYS)
            ],
            questions,
            [one for one in self._intervals.missing() if city in (None, one.city)],
        )

    # ── told ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _title(self, article: ArticleId, version: int, language: Language) -> str:
        """That of the version, else of another; the name of an article that no file here has."""
        known = [one for one in self._offering.articles.values() if one.id == article]
        best = max(known, key=lambda one: (one.version == version, one.version), default=None)
        return article if best is None else best.title(language)

    def _owner(self, article: ArticleId) -> str:
        known = [one for one in self._offering.articles.values() if one.id == article]
        return max(known, key=lambda one: one.version).owner if known else ""

    def _article_view(self, article: ArticleId, version: int, cities: list[tuple[CityId, ArticleUse]]) -> Json:
        return {
            "article": article,
            "version": version,
            "zh": self._title(article, version, "zh"),
            "en": self._title(article, version, "en"),
            "owner": self._owner(article),
            **_together(cities)._asdict(),
            "cities": [{"city": city, **use._asdict()} for city, use in cities],
        }

    def _question(self, item: WorkItem) -> str:
        service = self._offering.catalogue.versions.get(item.service)
        field = question_of(service) if service is not None else None
        return masked_numbers(" ".join(str(item.values.get(field.id, "") if field else "").split()))[:LONGEST_QUESTION]

    def _question_view(self, item: WorkItem) -> Json:
        return {
            "item": item.id,
            "city": item.owning,
            "opened_at": item.opened_at,
            "due_at": item.due_at,
            "state": item.state,
            "question": self._question(item),
        }

    def _text(self, counted: Counted, language: Language) -> str:
        names = {one.id: one.name if language == "zh" else one.name_en for one in self._province.cities}
        words = _WORDS[language]
        lines = [f"{words.head} {counted.first} – {counted.last}"]
        rows = [words.columns]
        for (article, version), cities in counted.use.items():
            title = self._title(article, version, language)
            rows.append((f"{title} v{version}", self._owner(article), *map(str, _together(cities))))
            rows += [(f"  {names.get(city, city)}", "", *map(str, use)) for city, use in cities]
        lines += in_columns(rows, left=2) if len(rows) > 1 else [words.unused]
        for one in counted.expiring:
            left = (one.expires_on - counted.today).days
            said = (words.expires if left >= 0 else words.expired).format(days=abs(left), day=one.expires_on)
            lines.append(f"! {one.title(language)}  {said}  {words.owner}{one.owner}")
        lines.append(words.questions.format(asked=counted.questions.part.opened, ended=counted.questions.part.ended))
        for item in counted.questions.open:
            lines.append(f"? {names[item.owning]}  {day_of(item.opened_at)}  {item.id}  {self._question(item)}")
        if counted.questions.open_count > MOST_QUESTIONS:
            lines.append(f"? … +{counted.questions.open_count - MOST_QUESTIONS}")
        lines += [missing_text(self._province, one, language) for one in counted.missing]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Words:
    head: str
    columns: tuple[str, ...]
    unused: str
    expires: str
    expired: str
    owner: str
    questions: str


_WORDS: dict[Language, _Words] = {
    "zh": _Words(
        "知识报表",
        ("知识／地市", "负责", "显示", "有用", "没用"),
        "没有显示过，也没有评价",
        "{day} 失效，还有 {days} 天",
        "{day} 已失效 {days} 天",
        "负责：",
        "没有答案的问题：期间提出 {asked} 个，答复或结束 {ended} 个；尚未结束的：",
    ),
    "en": _Words(
        "Knowledge",
        ("article / city", "owner", "shown", "useful", "not useful"),
        "nothing was shown or judged",
        "expires on {day}, in {days} days",
        "expired on {day}, {days} days ago",
        "owner: ",
        "Questions without an answer: {asked} asked, {ended} answered or ended in these days; not ended now:",
    ),
}


def look_at_questions(city: str, listed: Sequence[str] = ()) -> Look:
    """At questions without an answer, of one city or of all."""
    return Look(operation="knowledge_report", what=Viewed.SEARCH, id=city or "all", listed=tuple(listed))


def _together(cities: list[tuple[CityId, ArticleUse]]) -> ArticleUse:
    together = ArticleUse()
    for _, use in cities:
        together = together.plus(use)
    return together


def _worst_first(one: tuple[tuple[ArticleId, int], list[tuple[CityId, ArticleUse]]]) -> tuple[int, str, int]:
    key, use = one[0], _together(one[1])
    return use.useful - use.not_useful, *key


def _expiring_view(article: Article, today: date) -> dict[str, Any]:
    return {
        "article": article.id,
        "version": article.version,
        "zh": article.title("zh"),
        "en": article.title("en"),
        "owner": article.owner,
        "expires_on": article.expires_on.isoformat(),
        "days_left": (article.expires_on - today).days,
    }
