"""Articles are found by what agents type, Chinese and English, the same in both forms of the search."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.full_text import excerpt, terms_asked, terms_of
from dataset.ids import ArticleId
from federation.node.search_fts5 import Fts5ArticleSearch
from federation.node.search_memory import MemoryArticleSearch
from federation.ports import ArticleSearch, SearchText

FORMS = (Fts5ArticleSearch, MemoryArticleSearch)
TEXTS = {
    "install": SearchText("装机须知 Installing a line", "请带身份证。移机另行办理。 Bring your identity card."),
    "move": SearchText("移机须知 Moving a line", "移机费按是否同局向收取。 The fee depends on the exchange."),
    "noise": SearchText("杂音、忙音与无拨号音 Noise and no dial tone", "先拔下分线盒后的全部话机。 Unplug everything."),
    "n400": SearchText("400 与 800 号码", "４００ 主被叫分摊付费；800 由被叫付费。 ISDN 用户亦可拨打。"),
    "isdn": SearchText("ISDN 一线通", "2B+D 可同时上网和通话，须装 NT1。"),
}


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__)
def search(request: pytest.FixtureRequest) -> ArticleSearch:
    found: ArticleSearch = request.param()
    found.put({ArticleId(name): text for name, text in TEXTS.items()})
    return found


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("移机", "move"),
        ("移", "move"),
        ("知", "install"),
        ("怎么移机", "move"),
        ("moving", "move"),
        ("MOV", "move"),
        ("ISDN", "isdn"),
        ("isdn 拨打", "n400"),
        ("2b+d", "isdn"),
        ("400", "n400"),
        ("４００", "n400"),
        ("拨号音", "noise"),
        ("身份证", "install"),
    ],
)
def test_what_an_agent_types_finds_the_article(search: ArticleSearch, asked: str, first: str) -> None:
    """Words of one, two and more characters; a title counts more than a body; full-width is half-width."""
    assert search.search(asked, 5)[0] == first


@pytest.mark.parametrize("asked", ["", "　", '。，!"*', "卫星", "40", "xyz", 'NEAR("', "-移植"])
def test_what_nothing_has_finds_nothing(search: ArticleSearch, asked: str) -> None:
    """And nothing that is typed is taken for a command of the search."""
    assert search.search(asked, 5) == []


def test_an_article_that_has_all_of_it_comes_before_one_that_has_more_of_some(search: ArticleSearch) -> None:
    search.put(
        {ArticleId("often"): SearchText("光纤 光纤", "光纤"), ArticleId("both"): SearchText("别的", "移机 光纤")}
    )
    assert search.search("光纤", 5) == ["often", "both"]
    assert search.search("移机 光纤", 5)[:2] == ["both", "often"]


def test_an_article_is_found_by_its_last_text_only_and_no_more_when_it_is_taken_out(search: ArticleSearch) -> None:
    search.put({ArticleId("move"): SearchText("搬迁", "全新文字")})
    assert search.search("moving", 5) == []
    assert search.search("搬迁", 5) == ["move"]
    search.put({ArticleId("move"): None, ArticleId("unheard"): None})
    assert search.search("搬迁", 5) == []


def test_no_more_are_shown_than_were_asked_for(search: ArticleSearch) -> None:
    assert len(search.search("a", 2)) == 2


letters = st.sampled_from("移机装费号码通信局线路𠮷﨑")
titles = st.text(letters, min_size=2, max_size=12)
mixed = st.text(st.one_of(letters, st.sampled_from('abAB１2 .+*"é')), max_size=12)


@given(st.lists(titles, min_size=1, max_size=8), st.data())
def test_whatever_is_indexed_is_found_by_any_two_neighbours_of_its_title(shelf: list[str], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(shelf) - 1))
    at = data.draw(st.integers(0, len(shelf[which]) - 2))
    for form in FORMS:
        search = form()
        search.put({ArticleId(f"a{n}"): SearchText(title, "") for n, title in enumerate(shelf)})
        assert f"a{which}" in search.search(shelf[which][at : at + 2], len(shelf))
        assert f"a{which}" in search.search(shelf[which][at], len(shelf)), "one character is enough"


@given(st.lists(st.tuples(mixed, mixed), max_size=6), mixed, st.integers(1, 6))
def test_both_forms_find_the_same_in_the_same_order(shelf: list[tuple[str, str]], asked: str, limit: int) -> None:
    found = []
    for form in FORMS:
        search = form()
        search.put({ArticleId(f"a{n}"): SearchText(*text) for n, text in enumerate(shelf)})
        found.append(search.search(asked, limit))
    assert found[0] == found[1]


def test_five_thousand_articles_are_indexed_within_a_second_and_searched_within_a_few_milliseconds() -> None:
    """What a start and a question cost; by the processor's time, so that a busy machine does not matter."""
    body = "移机分为同局向与异局向两种，收费不同；请用户提前三天预约，并在移机当天保证有人在家。" * 5
    shelf = {ArticleId(f"a{n:04}"): SearchText(f"第{n}号须知", f"{n} {body}") for n in range(5_000)}
    search = Fts5ArticleSearch()
    began = time.process_time()
    search.put(shelf)
    indexed = time.process_time()
    assert search.search("同局向移机怎么收费", 20)
    searched = time.process_time()
    assert indexed - began < 2.0, "half a second on the machine that it was written on"
    assert searched - indexed < 0.3


def test_terms_are_pairs_words_and_last_characters() -> None:
    assert terms_of("移机费 ISDN") == ["移机", "机费", "费", "isdn"]
    assert [term.text for term in terms_asked("移机费, 移机")] == ["移机", "机费"]
    assert [tuple(term) for term in terms_asked("费 install 400")] == [("费", True), ("install", True), ("400", False)]


def test_an_excerpt_is_of_the_place_that_was_asked_for() -> None:
    text = "很长的开头。" * 20 + "移机费按局向收取。" + "很长的结尾。" * 20
    assert "移机费" in excerpt(text, "移机")
    assert excerpt(text, "移机").startswith("…")
    assert len(excerpt(text, "移机")) <= 62
    assert excerpt("短\n文", "没有") == "短 文"
