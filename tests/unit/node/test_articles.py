"""The articles that are shown today, of the store and of the province's files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from dataset.calendar import midnight
from dataset.ids import ArticleId, CityId, NodeId
from dataset.puts import Put
from dataset.records.article import ARTICLES, Article, CityDifference
from dataset.records.catalogue import EVERY
from federation.node.articles import Articles
from federation.node.clock import VirtualClock
from federation.node.search_fts5 import Fts5ArticleSearch
from federation.node.store_memory import MemoryRecords, MemoryStore
from tests.harness.sample_records import ARTICLE, GZ
from tests.harness.store_forms import SqliteForm, result

SZ = CityId("shenzhen")
DAY = date(2026, 7, 1)
"""on which ``ARTICLE`` is shown"""


class Shelf:
    """A city's articles over a store that outlives it."""

    def __init__(self, day: date = DAY, city: CityId = GZ, records: MemoryRecords | None = None) -> None:
        self.clock = VirtualClock(wall0=midnight(day) + 9 * 3600.0)
        self.records = records if records is not None else MemoryRecords()
        self.store = MemoryStore(self.records, NodeId(city), EVERY, self.clock)
        self.city = city

    def start(self, files: Mapping[str, Article]) -> Articles:
        articles = Articles(self.city, self.store, Fts5ArticleSearch(), self.clock.wall, files)
        articles.start()
        self.clock.advance(1.0)
        return articles

    def stored(self, *articles: Article) -> None:
        self.store.put([Put(ARTICLES, one) for one in articles])
        self.clock.advance(1.0)

    def on_record(self, version: int = 2) -> Article | None:
        got: list[Any] = []
        self.store.get(ARTICLES, (ARTICLE.id, version)).addCallback(got.append)
        found: Article | None = got[0]
        return found


def ids(articles: tuple[Article, ...]) -> list[tuple[str, int]]:
    return [(one.id, one.version) for one in articles]


def test_files_are_shown_at_once_and_put_on_record() -> None:
    """Before the store has answered; and at the next start nothing is left to do."""
    shelf = Shelf()
    articles = Articles(GZ, shelf.store, Fts5ArticleSearch(), shelf.clock.wall, {"a.md": ARTICLE})
    articles.start()
    assert ids(articles.search("装机", 5)) == [("order-install", 2)]
    shelf.clock.advance(1.0)
    assert shelf.on_record() == ARTICLE
    again = Shelf(records=shelf.records).start({})
    assert ids(again.about("order/install")) == [("order-install", 2)], "a file that is gone took nothing along"


def test_what_was_published_is_not_changed_by_a_file() -> None:
    """Whoever changes a file without raising its version is told; the text that was approved stands."""
    shelf = Shelf()
    shelf.stored(ARTICLE)
    with capturedLogs() as said:
        articles = shelf.start({"a.md": replace(ARTICLE, zh_body="另一段文字，大家都能看到。")})
    shown = articles.article("order-install")
    assert shown is not None
    assert shown.zh_body == ARTICLE.zh_body
    assert articles.search("大家", 5) == ()
    assert [(one["event"], one["file"]) for one in said if "file" in one] == [("article-differs", "a.md")]


def test_an_article_that_was_taken_away_does_not_come_back_from_its_file() -> None:
    shelf = Shelf()
    shelf.stored(ARTICLE, replace(ARTICLE, revision=2, deleted=True))
    articles = shelf.start({"a.md": ARTICLE})
    assert articles.shown() == ()
    assert articles.search("装机", 5) == ()


def test_the_version_of_the_day_is_shown_and_found() -> None:
    """At midnight another one comes into force, and after its last day nothing is left."""
    shelf = Shelf(day=date(2026, 12, 31))
    later = replace(ARTICLE, version=3, zh_title="新装须知", valid_from=date(2027, 1, 1), expires_on=date(2027, 1, 1))
    draft = replace(ARTICLE, version=4, zh_title="草稿", published=False)
    articles = shelf.start({"a.md": ARTICLE, "b.md": later, "c.md": draft})
    assert ids(articles.search("须知", 5)) == [("order-install", 2)]
    shelf.clock.advance(86_400.0)
    assert ids(articles.search("须知", 5)) == [("order-install", 3)]
    assert articles.search("装机", 5) == (), "the old title is forgotten with its version"
    shelf.clock.advance(86_400.0)
    assert articles.search("须知", 5) == articles.about("order") == articles.shown() == ()
    assert articles.article("order-install") is None


def test_whoever_puts_an_article_has_it_found() -> None:
    shelf = Shelf()
    articles = shelf.start({"a.md": ARTICLE})
    Deferred.fromCoroutine(articles.put([replace(ARTICLE, version=3, zh_title="全新须知")]))
    shelf.clock.advance(1.0)
    assert ids(articles.search("全新", 5)) == [("order-install", 3)]
    Deferred.fromCoroutine(articles.put([replace(ARTICLE, version=3, revision=2, deleted=True)]))
    shelf.clock.advance(1.0)
    assert ids(articles.about("order")) == [("order-install", 2)]


def test_what_is_different_here_comes_first_and_is_found_here_only() -> None:
    other = replace(ARTICLE, id=ArticleId("a-first"), differences={SZ: CityDifference(zh="深圳须登记楼栋号。")})
    files = {"a.md": ARTICLE, "b.md": other}
    here, there = Shelf().start(files), Shelf(city=SZ).start(files)
    assert [one.id for one in here.about("order/install")] == ["order-install", "a-first"]
    assert [one.id for one in there.about("order/install")] == ["a-first", "order-install"]
    assert here.search("楼栋", 5) == ()
    assert [one.id for one in there.search("楼栋", 5)] == ["a-first"]


def test_topics_hold_what_is_below_them() -> None:
    articles = Shelf().start({"a.md": replace(ARTICLE, topics=("order/install",))})
    assert articles.about("order") == articles.about("order/install") != ()
    assert articles.about("ord") == articles.about("order/install/more") == ()


def test_what_expires_soon_is_listed_until_a_later_version_follows() -> None:
    """ARTICLE ends on the 31st of December."""
    for day, listed in ((date(2026, 12, 1), False), (date(2026, 12, 2), True), (date(2027, 5, 1), True)):
        articles = Shelf(day=day).start({"a.md": ARTICLE})
        assert bool(articles.expiring(30)) is listed, day
    later = replace(ARTICLE, version=3, expires_on=date(2028, 1, 1))
    assert Shelf(day=date(2026, 12, 20)).start({"a.md": ARTICLE, "b.md": later}).expiring(30) == ()


def test_five_thousand_articles_are_there_within_a_second_of_a_start(tmp_path: Path) -> None:
    """From the disk to the last one found; by the processor's time, so that a busy machine does not matter."""
    form = SqliteForm(tmp_path)
    store = form.open(EVERY)
    body = "移机分为同局向与异局向两种，收费不同；请用户提前三天预约，并在移机当天保证有人在家。" * 3
    many = [replace(ARTICLE, id=ArticleId(f"a{n:04}"), zh_title=f"第{n}号须知", zh_body=body) for n in range(5_000)]
    for at in range(0, 5_000, 1_000):
        result(form, store.put([Put(ARTICLES, one) for one in many[at : at + 1_000]]))
    articles = Articles(GZ, store, Fts5ArticleSearch(), lambda: midnight(DAY), {})
    began = time.process_time()
    result(form, articles.start())
    took = time.process_time() - began
    assert len(articles.shown()) == 5_000
    assert [one.id for one in articles.search("4999", 2)] == ["a4999"]
    assert took < 3.0, "0.6 s on the machine that it was written on"
    form.close()
