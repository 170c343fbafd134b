"""The part of the agent API that is about knowledge."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from dataset.full_text import excerpt
from dataset.ids import CityId
from dataset.records.article import Article
from federation.node.login import Actor
from federation.node.operations import Answer, Nothing, Operation, Outcomes, Request
from site_node.desktop.answers.knowledge import (
    ArticleFound,
    ArticlesExpiring,
    ArticlesFound,
    ArticlesJudged,
    ArticlesOfTopic,
    Voted,
)
from site_node.desktop.operations import OVERSEERS
from site_node.desktop.work_operations import HANDED_IN, STAFF, STORE
from site_node.desktop.work_views import receipt
from site_node.services.knowledge import KnowledgeService

MOST_BESIDE = 20
"""articles of one topic in one answer, with their texts"""
MOST_FOUND = 20
"""articles of one search"""

Word = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Asked = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Question = Annotated[str, msgspec.Meta(min_length=1, max_length=1_500, pattern=r"\S")]


class OfTopic(Request, frozen=True, kw_only=True):
    """A topic that a service or a field names."""

    topic: Name


class Search(Request, frozen=True, kw_only=True):
    """Words that somebody types."""

    text: Asked


class OneArticle(Request, frozen=True, kw_only=True):
    """An article by its name."""

    article: Name


class Vote(Request, frozen=True, kw_only=True):
    """Whether an article helped."""

    article: Name
    useful: bool
    contact: Word = ""


class OfArticle(Request, frozen=True, kw_only=True):
    """One article, or all."""

    article: Word = ""


class Missing(Request, frozen=True, kw_only=True):
    """A question that nothing answers, and the topic where an answer was looked for."""

    text: Question
    topic: Word = ""
    contact: Word = ""


def knowledge_operations(knowledge: KnowledgeService) -> tuple[Operation, ...]:
    """Articles: looked up, judged, missing."""
    one, city = Operation, knowledge.city

    def about(actor: Actor, ask: OfTopic) -> Answer:
        found = knowledge.about(ask.topic)
        knowledge.given(actor, found[:MOST_BESIDE])
        return {
            "articles": [article_whole(article, city) for article in found[:MOST_BESIDE]],
            "more": max(0, len(found) - MOST_BESIDE),
        }

    def article(actor: Actor, ask: OneArticle) -> Answer:
        found = knowledge.article(ask.article)
        knowledge.given(actor, [found])
        return {"article": article_whole(found, city)}

    def search(_: Actor, ask: Search) -> Answer:
        found = knowledge.search(ask.text, MOST_FOUND)
        return {"articles": [article_found(article, city, ask.text) for article in found]}

    async def vote(actor: Actor, ask: Vote) -> Answer:
        article = await knowledge.vote(actor, ask.article, useful=ask.useful, contact=ask.contact)
        return {"article": article.id, "version": article.version, "useful": ask.useful}

    async def judged(_: Actor, ask: OfArticle) -> Answer:
        return {
            "judged": [
                {
                    "article": one.article.id,
                    "version": one.version,
                    "zh": one.article.zh_title,
                    "en": one.article.en_title,
                    "useful": one.useful,
                    "not_useful": one.not_useful,
                }
                for one in await knowledge.judged(ask.article)
            ]
        }

    def expiring(actor: Actor, _: Nothing) -> Answer:
        return {
            "articles": [
                {
                    "article": article.id,
                    "version": article.version,
                    "zh": article.zh_title,
                    "en": article.en_title,
                    "owner": article.owner,
                    "expires_on": article.expires_on.isoformat(),
                    "days_left": days,
                }
                for article, days in knowledge.expiring(actor)
            ]
        }

    missing = one(
        "knowledge_missing",
        Missing,
        STAFF,
        lambda actor, ask: knowledge.missing(actor, ask.text, ask.topic, ask.contact).addCallback(receipt),
        "没有答案",
        "no answer",
        HANDED_IN,
    )
    return (
        one("articles", OfTopic, STAFF, about, "某主题的知识", "articles of a topic", Outcomes(ArticlesOfTopic)),
        one("article_search", Search, STAFF, search, "检索知识", "search articles", Outcomes(ArticlesFound)),
        one(
            "article",
            OneArticle,
            STAFF,
            article,
            "一篇知识",
            "an article",
            Outcomes(ArticleFound, {404: ("article-unknown",)}),
        ),
        one(
            "article_vote",
            Vote,
            STAFF,
            vote,
            "有用或没用",
            "whether it helped",
            Outcomes(Voted, {404: ("article-unknown", "unknown-contact"), 503: STORE}),
        ),
        one(
            "articles_judged",
            OfArticle,
            OVERSEERS,
            judged,
            "知识的评价",
            "what was said of articles",
            Outcomes(ArticlesJudged, {404: ("article-unknown",), 503: STORE}),
        ),
        one(
            "articles_expiring",
            Nothing,
            STAFF,
            expiring,
            "即将失效的知识",
            "articles that expire soon",
            Outcomes(ArticlesExpiring),
        ),
        *((missing,) if knowledge.takes_questions else ()),
    )


def _short(article: Article, city: CityId) -> dict[str, Any]:
    difference = article.differences.get(city)
    return {
        "article": article.id,
        "version": article.version,
        "topics": list(article.topics),
        "zh": article.zh_title,
        "en": article.en_title,
        "difference": {"zh": difference.zh, "en": difference.en} if difference is not None else None,
    }


def article_whole(article: Article, city: CityId) -> dict[str, Any]:
    """An article as whoever answers reads it; ``difference``: what is different in ``city``, to be shown first."""
    return {
        **_short(article, city),
        "zh_body": article.zh_body,
        "en_body": article.en_body,
        "owner": article.owner,
        "approved_by": article.approved_by,
        "valid_from": article.valid_from.isoformat(),
        "expires_on": article.expires_on.isoformat(),
    }


def article_found(article: Article, city: CityId, asked: str) -> dict[str, Any]:
    """One line of what was found, with the place in its text that was asked for."""
    return {
        **_short(article, city),
        "zh_excerpt": excerpt(article.zh_body, asked),
        "en_excerpt": excerpt(article.en_body, asked, 120),
    }
