"""Knowledge at a seat: what is shown beside a form, found by its words, judged, and asked for where it is missing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from dataset.calendar import day_of
from dataset.errors import Problem, Refused
from dataset.ids import AgentId, ArticleId, ContactId
from dataset.pages import ALL, LARGEST_PAGE, Span
from dataset.puts import Put
from dataset.records.article import EXPIRING_DAYS, JUDGEMENTS, Article, Judgement
from dataset.rows import AnyRow, ArticleJudged, ArticlesShown
from federation.node.articles import Articles
from federation.node.login import Actor
from federation.node.offering import question_of
from federation.ports import Clock, Store
from site_node.services.city import City, agent_of, own_contact
from site_node.services.work import Form, Receipt, WorkService

SHOWN_AGAIN_S = 600.0
"""a text that a seat is given again within this time was shown once: pages ask for what stands beside a field each time
that it is entered"""
SHOWN_KEPT = 5_000
"""texts at seats of which it is remembered that they are on record"""
OVERSEERS = frozenset({"supervisor", "site_admin"})


@dataclass(frozen=True, slots=True)
class Judged:
    """What this city's agents have said of one version of an article."""

    article: Article
    version: int
    useful: int
    not_useful: int


class KnowledgeService:
    """The operations on knowledge of a city's door.

    ``record`` puts a row on record and fires once it is on disk. ``work`` and ``unanswered``: the service that takes in
    questions without an answer, where there is one.
    """

    def __init__(
        self,
        city: City,
        articles: Articles,
        store: Store,
        clock: Clock,
        record: Callable[[AnyRow], Deferred[None]],
        work: WorkService | None = None,
        unanswered: str = "",
    ) -> None:
        self.city = city.city
        self._city = city
        self._articles = articles
        self._store = store
        self._clock = clock
        self._record = record
        self._work = work
        self._unanswered = unanswered
        self._given: OrderedDict[tuple[AgentId, ArticleId, int], float] = OrderedDict()
        """when texts were given to seats and put on record, the latest last"""

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def about(self, topic: str) -> tuple[Article, ...]:
        """Those of a topic, those with something of this city first."""
        return self._articles.about(topic)

    def search(self, text: str, limit: int) -> tuple[Article, ...]:
        """At most ``limit`` that have something of ``text``, the best first."""
        return self._articles.search(text, limit)

    def article(self, article: str) -> Article:
        """The version that is shown today. Raises ``Refused`` 404 ``article-unknown``."""
        found = self._articles.article(article)
        if found is None:
            raise Refused(
                Problem(
                    "article-unknown",
                    zh="今天没有此篇知识；可能已失效，请重新检索",
                    en="there is no such article today; it may have expired, search again",
                    place="article",
                ),
                status=404,
            )
        return found

    def given(self, actor: Actor, articles: Sequence[Article]) -> None:
        """A seat is given these texts; they go on record, without anybody waiting for it."""
        if actor.agent is None:
            return
        now, fresh = self._clock.monotonic(), []
        for one in articles:
            key = actor.agent, one.id, one.version
            before = self._given.get(key)
            if before is None or now - before >= SHOWN_AGAIN_S:
                self._given.pop(key, None)
                self._given[key] = now
                fresh.append((one.id, one.version))
        while len(self._given) > SHOWN_KEPT:
            self._given.popitem(last=False)
        if fresh:
            self._record(ArticlesShown(agent=actor.agent, articles=tuple(fresh)))

    def expiring(self, actor: Actor) -> tuple[tuple[Article, int], ...]:
        """Those of ``actor``, or all for overseers, that end within 30 days or have ended, each with the days left."""
        today = day_of(self._clock.wall())
        return tuple(
            (one, (one.expires_on - today).days)
            for one in self._articles.expiring(EXPIRING_DAYS)
            if actor.roles & OVERSEERS or one.owner in (actor.user, actor.name)
        )

    # ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def vote(self, actor: Actor, article: str, *, useful: bool, contact: str = "") -> Article:
        """The agent says whether it helped; the last word on one version in one contact counts. The article voted on.

        On record and counted when this is done; whoever got no answer votes again, and counts once.
        """
        found = self.article(article)
        which = own_contact(self._city, actor, ContactId(contact)) if contact else None
        agent, now = agent_of(self._city, actor), self._clock.wall()
        row = ArticleJudged(agent=agent, article=found.id, version=found.version, useful=useful, contact=which, at=now)
        await self._record(row)
        judgement = Judgement(
            city=self.city,
            article=found.id,
            version=found.version,
            agent=agent,
            contact=contact,
            useful=useful,
            at=now,
            revision=max(1, int(now * 1000)),  # the later of two words stands
        )
        await self._store.put([Put(JUDGEMENTS, judgement)])
        return found

    async def judged(self, article: str = "") -> tuple[Judged, ...]:
        """What was said of every version of ``article``; without it, of what is shown today, the worst first.

        Raises ``Refused`` 404 ``article-unknown``.
        """
        if article:
            shown = self.article(article)
            counts = await self._counted(shown)
            return tuple(Judged(shown, version, *counts[version]) for version in sorted(counts, reverse=True))
        found: list[Judged] = []
        for one in self._articles.shown():
            counts = await self._counted(one, Span(prefix=(one.version,)))
            found += [Judged(one, version, *count) for version, count in counts.items()]
        return tuple(sorted(found, key=lambda one: (one.useful - one.not_useful, one.article.id)))

    async def _counted(self, article: Article, span: Span = ALL) -> dict[int, tuple[int, int]]:
        """Useful and not useful, by version."""
        counts: dict[int, tuple[int, int]] = {}
        token: str | None = None
        while True:
            page = await self._store.page(JUDGEMENTS, (self.city, article.id), span, limit=LARGEST_PAGE, token=token)
            for one in page.records:
                useful, not_useful = counts.get(one.version, (0, 0))
                counts[one.version] = (useful + one.useful, not_useful + (not one.useful))
            token = page.token
            if token is None:
                return counts

    # ── what is missing ─────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def takes_questions(self) -> bool:
        """Whether there is a service for questions without an answer."""
        return self._work is not None and bool(self._unanswered)

    def missing(self, actor: Actor, text: str, topic: str, contact: str = "") -> Deferred[Receipt]:
        """Open a work item with the question: somebody has to answer it, by a deadline. Errbacks with ``Refused``."""
        assert self._work is not None
        service = self._work.service(self._unanswered)
        field = question_of(service)
        assert field is not None, "the province file was checked"
        asked = (
            f"{text.strip()}\n（知识库没有答案 no answer in the knowledge base：{topic}）" if topic else text.strip()
        )
        return self._work.open(actor, Form(service=service.id, values={field.id: asked}, contact=contact))
