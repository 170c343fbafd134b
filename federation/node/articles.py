"""The articles of knowledge that are shown today: those of the store and of the province's files, found by topic and by
their words.

Files are there at once, so a city answers from its first moment; what the store holds is read behind them, a page at a
time. What is in a file and not in the store is put there. What was published stands: a file that says something else
under the same version changes nothing, and a tombstone in the store takes an article of a file away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from dataset.calendar import day_of
from dataset.ids import ArticleId, CityId
from dataset.puts import LARGEST_BATCH, Put
from dataset.records.article import ARTICLES, Article, current, lasts
from federation.ports import ArticleSearch, SearchText, Store

AT_ONCE = 100
"""articles read and indexed before anything else has its turn"""
log = Logger()


class Articles:
    """Keeps ``search`` to what is shown in ``city`` on the day of ``wall`` (UTC seconds)."""

    def __init__(
        self, city: CityId, store: Store, search: ArticleSearch, wall: Callable[[], float], files: Mapping[str, Article]
    ) -> None:
        """``files``: the province's articles, by the file each came from."""
        self._city = city
        self._store = store
        self._search = search
        self._wall = wall
        self._files = files
        self._held: dict[ArticleId, dict[int, Article]] = {}
        self._shown: dict[ArticleId, Article] = {}
        self._day: date | None = None
        self._stopped = False

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> Deferred[None]:
        """Show the files' articles, then read the store. Fires when all is there; never fails: what cannot be read is
        logged, and what is known is shown.
        """
        self._hold(self._files.values())
        return Deferred.fromCoroutine(self._read()).addErrback(self._unread)

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True

    async def _read(self) -> None:
        known: dict[tuple[ArticleId, int], Article] = {}
        token: str | None = None
        while not self._stopped:
            page = await self._store.page(ARTICLES, ("all",), index="published", limit=AT_ONCE, token=token)
            self._hold(page.records)
            known |= {(one.id, one.version): one for one in page.records}
            token = page.token
            if token is None:
                break
        await self._put_files(known)
        log.info("{count} articles of knowledge are shown today", count=len(self._shown), event="knowledge-read")

    async def _put_files(self, known: Mapping[tuple[ArticleId, int], Article]) -> None:
        """What the files have and the store has not."""
        new: list[Article] = []
        for file, article in self._files.items():
            if self._stopped:
                return
            stored = known.get((article.id, article.version))
            if stored is None:
                stored = await self._store.get(ARTICLES, (article.id, article.version), tombstone=True)
            if stored is None:
                new.append(article)
            elif not stored.deleted and stored != article:
                log.warn(
                    "{file} differs from {article}@{version} as it was published: raise its version to publish it",
                    file=file,
                    article=article.id,
                    version=article.version,
                    event="article-differs",
                )
            if stored is not None:
                self._hold([stored])
        for at in range(0, len(new), LARGEST_BATCH):
            await self._store.put([Put(ARTICLES, article) for article in new[at : at + LARGEST_BATCH]])

    async def put(self, articles: Sequence[Article]) -> None:
        """Write articles, and show them once they are on disk. Raises ``Refused`` as ``Store.put`` does.

        Whatever the store lets stand is shown: a lower revision than the one it has changes nothing.
        """
        await self._store.put([Put(ARTICLES, article) for article in articles])
        for article in articles:
            stored = await self._store.get(ARTICLES, (article.id, article.version), tombstone=True)
            if stored is not None:
                self._hold([stored])

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────
    def article(self, article: str) -> Article | None:
        """The version of it that is shown today."""
        return self._today().get(ArticleId(article))

    def shown(self) -> tuple[Article, ...]:
        """All that are shown today, by name."""
        return tuple(article for _, article in sorted(self._today().items()))

    def about(self, topic: str) -> tuple[Article, ...]:
        """Those of a topic or of one below it (``order`` has ``order/move``); those with something of the own city
        first.
        """
        below = f"{topic}/"
        found = [one for one in self.shown() if any(t == topic or t.startswith(below) for t in one.topics)]
        return tuple(sorted(found, key=lambda one: self._city not in one.differences))

    def search(self, text: str, limit: int) -> tuple[Article, ...]:
        """At most ``limit`` that have something of ``text``, the best first."""
        today = self._today()
        return tuple(today[article] for article in self._search.search(text, limit))

    def expiring(self, days: int) -> tuple[Article, ...]:
        """The last version of each article that will not be shown in ``days`` days any more, or is no longer, the
        earliest first.
        """
        until = day_of(self._wall()) + timedelta(days=days)
        held = (one for versions in self._held.values() for one in versions.values())
        return tuple(one for one in lasts(held) if one.expires_on < until)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _today(self) -> Mapping[ArticleId, Article]:
        """By name; with a new day, other versions may be shown."""
        day = day_of(self._wall())
        if day != self._day:
            self._day = day
            self._show(self._held)
        return self._shown

    def _hold(self, articles: Iterable[Article]) -> None:
        changed = set()
        for article in articles:
            self._held.setdefault(article.id, {})[article.version] = article
            changed.add(article.id)
        self._today()
        self._show(changed)

    def _show(self, articles: Iterable[ArticleId]) -> None:
        """Choose anew what is shown of these, and index what is another."""
        assert self._day is not None
        texts: dict[ArticleId, SearchText | None] = {}
        for name in articles:
            article = current(self._held[name].values(), self._day)
            if article == self._shown.get(name):
                continue
            if article is None:
                del self._shown[name]
                texts[name] = None
            else:
                self._shown[name] = article
                texts[name] = self._text(article)
        self._search.put(texts)

    def _text(self, article: Article) -> SearchText:
        titles = f"{article.zh_title}\n{article.en_title}"
        return SearchText(titles, "\n".join((article.body("zh", self._city), article.body("en", self._city))))

    def _unread(self, failure: Failure) -> None:
        if not self._stopped:
            log.failure(
                "the articles on record cannot be read; those of the province's files are shown",
                failure,
                event="knowledge-unread",
            )
