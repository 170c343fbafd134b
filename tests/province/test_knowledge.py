"""Knowledge at the seats: what is shown beside a form, found, judged, and asked for where there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from dataset.calendar import day_of
from dataset.errors import Refused
from dataset.ids import HUB, ArticleId, CityId, NodeId
from dataset.rows import ArticleJudged, DataViewed
from federation.node.login import Actor
from tests.harness.services import offering
from tests.harness.work import NOW
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import Bureau, WorkingProvince

ARTICLES = {one.id: one for one in offering().articles.values()}


@pytest.fixture
def province() -> WorkingProvince:
    return WorkingProvince(with_records=True)


def overseer(province: WorkingProvince, city: CityId = GUANGZHOU) -> Any:
    """Asks as a supervisor of the city, through the city's own table."""
    table = province.sites[city].desk.door.table
    actor = Actor("boss", None, "Boss", frozenset({"supervisor"}), NodeId(city))
    return lambda op, **fields: province.result(Deferred.fromCoroutine(table.call(actor, op, fields)))


def test_a_form_has_its_articles_beside_it_and_its_fields_too(province: WorkingProvince) -> None:
    """Every topic that a service names is answered at every seat."""
    seat = province.seat_of(GUANGZHOU)
    service = seat.ask("service", service="move_line")["service"]
    assert service["knowledge"] == ["order/move", "order/number_selection"]
    [article] = seat.ask("articles", topic="order/move")["articles"]
    assert (article["article"], article["version"], article["difference"]) == ("order-move", 1, None)
    assert article["zh_body"] == ARTICLES[ArticleId("order-move")].zh_body
    assert article["en"] == "Moving a fixed line"
    field = seat.ask("service", service="install_line")["service"]["schema"]["properties"]["wanted_number"]
    assert seat.ask("articles", topic=field["x-layout"]["knowledge"])["articles"][0]["zh"] == "选号与改号"


def test_what_is_different_in_the_own_city_is_shown_there(province: WorkingProvince) -> None:
    for city, code in ((GUANGZHOU, "020"), (SHENZHEN, "0755")):
        article = province.seat_of(city).ask("article", article="order-long-distance")["article"]
        assert code in article["difference"]["zh"]


def test_an_agent_finds_an_article_by_what_the_caller_says(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    for asked, first in (
        ("电话有杂音", "fault-line-test"),
        ("无拨号音", "fault-line-test"),
        ("我家电话没声音", "fault-line-test"),
        ("骗子电话", "order-malicious-calls"),
        ("移机", "order-move"),
        ("多久修好", "enquiry-fault-progress"),
        ("2B+D", "order-isdn"),
        ("400 和 800", "order-freephone"),
        ("DDN", "order-ddn"),
        ("moving a line", "order-move"),
        ("compensation", "complaint-compensation"),
    ):
        found = seat.ask("article_search", text=asked)["articles"]
        assert first in [one["article"] for one in found[:3]], (asked, [one["article"] for one in found])
    [best, *_] = seat.ask("article_search", text="杂音")["articles"]
    assert "杂音" in best["zh_excerpt"]
    assert seat.ask("article_search", text="火星") == {"articles": []}


def test_a_vote_is_a_row_of_record_and_the_last_word_counts(province: WorkingProvince) -> None:
    """In one contact; in another contact, or by another agent, it counts again. After a restart it is still there."""
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    assert first.ask("article_vote", article="order-move", useful=False, contact=contact) == {
        "article": "order-move", "version": 1, "useful": False,
    }  # fmt: skip
    first.ask("article_vote", article="order-move", useful=True, contact=contact)
    first.ask("article_vote", article="order-move", useful=True)
    second.ask("article_vote", article="order-move", useful=False)
    second.ask("article_vote", article="order-install", useful=False)
    assert [(row.agent, row.useful, row.contact) for row in province.rows(GUANGZHOU, ArticleJudged)][:2] == [
        ("1001@guangzhou", False, contact), ("1001@guangzhou", True, contact),
    ]  # fmt: skip
    province.pass_s(3.0)
    assert province.ledger_rows(ArticleJudged) == province.rows(GUANGZHOU, ArticleJudged)
    for _ in range(2):
        judged = overseer(province)("articles_judged")["judged"]
        assert [(one["article"], one["version"], one["useful"], one["not_useful"]) for one in judged] == [
            ("order-install", 1, 0, 1), ("order-move", 1, 2, 1),
        ]  # fmt: skip
        assert overseer(province)("articles_judged", article="order-move")["judged"][0]["zh"] == "移机须知"
        province.restart_city(GUANGZHOU)
    assert overseer(province, SHENZHEN)("articles_judged")["judged"] == []


def test_a_vote_on_what_is_not_there_or_for_a_contact_of_somebody_else_leaves_nothing(
    province: WorkingProvince,
) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    for fields, slug in (
        ({"article": "order-moon", "useful": True}, "article-unknown"),
        ({"article": "order-move", "useful": True, "contact": contact}, "unknown-contact"),
        ({"article": "order-move", "useful": "yes"}, "bad-request"),
    ):
        with pytest.raises(Refused) as refused:
            second.ask("article_vote", **fields)
        assert refused.value.problems[0].slug == slug
    with pytest.raises(Refused) as refused:
        first.ask("articles_judged")
    assert refused.value.problems[0].slug == "not-your-role"
    assert province.rows(GUANGZHOU, ArticleJudged) == []


def test_the_hub_tells_what_was_shown_judged_expires_and_waits_for_an_answer(province: WorkingProvince) -> None:
    """By article and city; what a page asks for again at once was shown once; questions with their numbers masked."""
    here, there = province.seat_of(GUANGZHOU), province.seat_of(SHENZHEN)
    for _ in range(2):
        here.ask("articles", topic="order/move")
    here.ask("article", article="order-install")
    there.ask("article", article="order-move")
    overseer(province)("article", article="order-move")
    here.ask("article_vote", article="order-move", useful=True)
    there.ask("article_vote", article="order-move", useful=False)
    there.ask("article_vote", article="order-install", useful=False)
    here.ask("knowledge_missing", text="13912345678 的卫星电话怎么办？")
    province.pass_s(601.0)
    here.ask("articles", topic="order/move")
    province.pass_s(3.0)
    bureau = Bureau(province)
    told = bureau.report("knowledge_report")
    used = {(one["article"], one["shown"], one["useful"], one["not_useful"]) for one in told["articles"]}
    assert used == {("order-move", 3, 1, 1), ("order-install", 1, 0, 1)}
    assert told["articles"][0]["article"] == "order-install", "the worst first"
    cities = [(one["city"], one["shown"], one["useful"]) for one in told["articles"][1]["cities"]]
    assert cities == [(GUANGZHOU, 2, 1), (SHENZHEN, 1, 0)]
    assert (told["articles"][1]["owner"], told["asked"], told["answered"]) == ("市场经营部", 1, 0)
    [question] = told["questions"]
    assert (question["city"], question["question"]) == (GUANGZHOU, "139****5678 的卫星电话怎么办？")
    assert "移机须知 v1" in told["zh"]
    assert f"? Guangzhou  2026-11-26  {question['item']}" in told["en"]
    assert [one["city"] for one in bureau.report("knowledge_report", city=SHENZHEN)["articles"][0]["cities"]] == [
        SHENZHEN
    ]
    looked = [(row.operation, row.listed) for row in province.rows(HUB, DataViewed)]
    assert looked == [("knowledge_report", (question["item"],)), ("knowledge_report", ())]


def test_the_hub_names_articles_near_their_end_with_their_owner(province: WorkingProvince) -> None:
    last = max(one.expires_on for one in ARTICLES.values() if one.id == "order-move")
    province.rest((last - day_of(NOW)).days * 86_400.0 - 10 * 86_400.0)
    told = Bureau(province).report("knowledge_report")
    [ending] = [one for one in told["expiring"] if one["article"] == "order-move"]
    assert (ending["owner"], ending["expires_on"], ending["days_left"]) == ("市场经营部", last.isoformat(), 10)
    assert f"! 移机须知  {last} 失效，还有 10 天  负责：市场经营部" in told["zh"]


def test_a_question_without_an_answer_becomes_work_with_a_deadline(province: WorkingProvince) -> None:
    """Taken in at the seat during the call; a supervisor has to answer it or give it to a department."""
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    receipt = seat.ask("knowledge_missing", text=" 卫星电话怎么办？ ", topic="order/mobile", contact=contact)
    assert (receipt["state"], receipt["owning"]) == ("accepted", "guangzhou")
    item = seat.ask("work_item", item=receipt["item"])["item"]
    assert (item["service"], item["state"], item["waits_for_role"]) == ("consult_other@1", "waiting", "supervisor")
    assert item["values"] == {
        "question": "卫星电话怎么办？\n（知识库没有答案 no answer in the knowledge base：order/mobile）"
    }
    assert item["opened_by"]["contact"] == contact
    assert item["due_at"] is not None
    [listed] = seat.ask("work_items", waiting=True)["items"][:1]
    assert listed["item"] == receipt["item"]
    assert (listed["line"], len(listed["about"])) == ("", 60), "what it is about, where it has no line"
    assert listed["about"].startswith("卫星电话怎么办？ （知识库没有答案")
    assert listed["about"].endswith("…")
    for text in ("", "  \n"):
        with pytest.raises(Refused) as refused:
            seat.ask("knowledge_missing", text=text)
        assert refused.value.problems[0].slug == "bad-request"


def test_owners_and_supervisors_see_what_expires_soon(province: WorkingProvince) -> None:
    """From 30 days before the last day on; whoever owns nothing sees nothing."""
    overseeing = overseer(province)
    assert overseeing("articles_expiring")["articles"] == []
    articles = province.sites[GUANGZHOU].articles
    assert articles is not None
    owner = province.province.agents_of(GUANGZHOU, province.package)[0].name
    soon = replace(ARTICLES[ArticleId("order-move")], expires_on=day_of(NOW) + timedelta(days=10))
    new = [
        replace(soon, id=ArticleId("a-own"), owner=owner),
        replace(soon, id=ArticleId("b-gone"), expires_on=day_of(NOW) - timedelta(days=1)),
    ]
    province.result(Deferred.fromCoroutine(articles.put(new)))
    listed = overseeing("articles_expiring")["articles"]
    assert [(one["article"], one["days_left"]) for one in listed] == [("b-gone", -1), ("a-own", 10)]
    seat = province.seat_of(GUANGZHOU)
    assert [one["article"] for one in seat.ask("articles_expiring")["articles"]] == ["a-own"]
    assert [one["article"] for one in seat.ask("articles", topic="order/move")["articles"]] == ["a-own", "order-move"]
    assert province.seat_of(GUANGZHOU, 1).ask("articles_expiring")["articles"] == []
