"""How articles are used: counted from rows in any order, each once, an agent's last word alone."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dataset.ids import AgentId, ArticleId, CityId, ContactId, LineageId
from dataset.knowledge_measures import ArticleKey, ArticleUse, article_use
from dataset.rows import ArticleJudged, ArticlesShown, Journalled

HERE = CityId("guangzhou")
MOVE, FAULT = ArticleId("order-move"), ArticleId("fault-line-test")
ROWS = st.one_of(
    st.builds(
        ArticlesShown,
        agent=st.just(AgentId("1001@guangzhou")),
        articles=st.lists(st.tuples(st.sampled_from([MOVE, FAULT]), st.integers(1, 2)), max_size=3).map(tuple),
    ),
    st.builds(
        ArticleJudged,
        agent=st.sampled_from([AgentId("1001@guangzhou"), AgentId("1002@guangzhou")]),
        article=st.sampled_from([MOVE, FAULT]),
        version=st.integers(1, 2),
        useful=st.booleans(),
        contact=st.sampled_from([None, ContactId("0020-a-1")]),
        at=st.floats(0, 9),
    ),
)


def journalled(rows: list[ArticlesShown | ArticleJudged], node: str = "guangzhou") -> list[Journalled]:
    return [
        Journalled(node=node, lineage=LineageId("a"), sequence=at + 1, wall=0.0, mono=0.0, boot="b", row=row)
        for at, row in enumerate(rows)
    ]


@given(st.lists(ROWS, max_size=20), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same(rows: list[ArticlesShown | ArticleJudged], rng: Random) -> None:
    written = journalled(rows)
    again = [*written, *written[: len(written) // 2]]
    rng.shuffle(again)
    assert article_use(again) == article_use(written)


@given(st.lists(ROWS, max_size=20), st.lists(ROWS, max_size=20))
def test_cities_are_counted_apart(
    here: list[ArticlesShown | ArticleJudged], there: list[ArticlesShown | ArticleJudged]
) -> None:
    together = article_use([*journalled(here), *journalled(there, "shenzhen")])
    assert together == article_use(journalled(here)) | article_use(journalled(there, "shenzhen"))


def test_the_last_word_of_an_agent_in_a_contact_counts() -> None:
    def word(*, useful: bool, at: float, contact: str | None = None) -> ArticleJudged:
        who = AgentId("1001@guangzhou")
        named = None if contact is None else ContactId(contact)
        return ArticleJudged(agent=who, article=MOVE, version=1, useful=useful, contact=named, at=at)

    rows: list[ArticlesShown | ArticleJudged] = [
        ArticlesShown(agent=AgentId("1001@guangzhou"), articles=((MOVE, 1), (FAULT, 2))),
        word(useful=True, at=3.0), word(useful=False, at=2.0), word(useful=False, at=1.0, contact="0020-a-1"),
    ]  # fmt: skip
    assert article_use(journalled(rows)) == {
        ArticleKey(FAULT, 2, HERE): ArticleUse(shown=1),
        ArticleKey(MOVE, 1, HERE): ArticleUse(shown=1, useful=1, not_useful=1),
    }
