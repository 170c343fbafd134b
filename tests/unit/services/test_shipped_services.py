"""Every service that was asked for is there, says what it needs to say, and is no copy of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from dataset.services.service import Service
from dataset.services.workflow import OPEN
from tests.harness.offered import ENDED, OFFERED, Line
from tests.harness.services import catalogue

HOUR = 3600
SERVICES = tuple(catalogue())
ORDERS = tuple(service for service in SERVICES if service.text.group == "order")
WORKING = tuple(service for service in SERVICES if service.makes_work)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def named(service: Service) -> str:
    return service.id


@pytest.mark.parametrize("line", OFFERED, ids=lambda line: line.zh)
def test_every_line_that_was_asked_for_has_its_service(line: Line) -> None:
    assert line.services
    assert set(line.services) <= catalogue().services.keys()


def test_every_service_was_asked_for_or_stands_in_the_place_of_one() -> None:
    asked = {name for line in OFFERED for name in line.services}
    today = {service.text.today for service in SERVICES if service.text.today}
    assert catalogue().services.keys() == asked | today


@pytest.mark.parametrize("service", SERVICES, ids=named)
def test_what_history_ended_names_what_stands_in_its_place(service: Service) -> None:
    """And that is alive itself."""
    assert (service.text.today is not None) == (service.id in ENDED)
    if service.text.today is not None:
        assert catalogue().services[service.text.today].text.today is None


def test_no_two_services_have_one_name() -> None:
    for names in ([service.name("zh") for service in SERVICES], [service.name("en") for service in SERVICES]):
        assert len(names) == len(set(names))


def shape(service: Service) -> tuple[object, ...]:
    """Fields, fees and rules of a service without any names or texts."""
    text = service.text
    place = {field.id: at for at, field in enumerate(text.fields)}
    fields = tuple(
        (one.type, one.required, len(one.choices), one.least, one.most, place[one.when.field] if one.when else None)
        for one in text.fields
    )
    fees = {(one.fen, one.from_, one.until, one.monthly, one.deposit, place.get(one.per or "")) for one in text.fees}
    rules = {
        (
            one.kind,
            OPEN in one.at,
            frozenset("itself" if name == service.id else name for name in one.values),
            place.get(one.field or ""),
            place.get(one.other or ""),
            one.days,
            one.count,
        )
        for one in text.rules
    }
    return fields, frozenset(fees), frozenset(rules)


def test_no_two_orders_are_alike_but_for_names() -> None:
    """Each has fields, fees and rules of its own: none of the three could be taken from another."""
    for at, what in enumerate(("fields", "fees", "rules")):
        alike = defaultdict(list)
        for service in ORDERS:
            alike[shape(service)[at]].append(service.id)
        assert [names for names in alike.values() if len(names) > 1] == [], what


@pytest.mark.parametrize("service", ORDERS, ids=named)
def test_every_order_has_a_form_a_fee_a_rule_and_a_measure(service: Service) -> None:
    text = service.text
    assert len(text.fields) >= 2
    assert text.fees
    assert {rule.kind for rule in text.rules} - {"identity_checked", "no_arrears"}, "a rule of its own"
    assert text.measure is not None
    assert text.knowledge
    assert set(text.doors) == {"10000", "189"}


def test_what_excludes_another_service_is_excluded_by_it() -> None:
    """Otherwise the order in which two are asked for would decide whether they can be had together."""
    excluded = {
        service.id: {
            name
            for rule in service.text.rules
            if rule.kind == "line_lacks_service" and OPEN in rule.at
            for name in rule.values
        }
        for service in ORDERS
        if service.id != "remove_line"  # which asks for everything on the line to be removed first
    }
    one_way = {(one, other) for one, names in excluded.items() for other in names if one not in excluded[other]}
    assert one_way == set()


@pytest.mark.parametrize("service", WORKING, ids=named)
def test_the_customer_hears_of_every_refusal_and_of_the_end(service: Service) -> None:
    endings = {state.id: state.ends for state in service.text.states}
    for action in service.text.actions:
        if endings[action.to] in ("refused", "unfounded"):
            assert action.messages, action.id
    assert service.text.messages


@pytest.mark.parametrize(("area", "hours"), [("urban", 48), ("rural", 72)])
def test_a_fault_is_repaired_within_the_time_of_the_rule(area: str, hours: int) -> None:
    """48 hours in town and 72 in the country from the report on, all hours counted; the sum of its steps keeps that."""
    fault = catalogue().services["fault"]
    way = [fault.states[name] for name in ("reported", "tested", f"repairing_{area}", "repaired")]
    assert {state.clock for state in way} == {"calendar"}
    assert sum(state.within_s or 0 for state in way) == hours * HOUR


def test_a_complaint_is_answered_within_fifteen_days() -> None:
    """Even when it goes to the supervisor and the customer takes all the time to think."""
    complaint = catalogue().services["complaint"]
    way = [complaint.states[name] for name in ("received", "investigating", "at_supervisor", "proposed")]
    assert {state.clock for state in way} == {"calendar"}
    assert sum(state.within_s or 0 for state in way) <= 15 * 24 * HOUR
    assert complaint.states["at_regulator"].role == "province"


FEATURES = (
    "caller_id", "timed_call", "forward_all", "forward_busy", "forward_no_answer", "call_waiting", "three_way",
    "do_not_disturb", "hotline", "call_barring", "abbreviated_dialling", "absent_subscriber",
)  # fmt: skip


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_needs_a_line_and_no_crew_and_is_on_within_half_a_day(name: str) -> None:
    service = catalogue().services[name]
    assert any(rule.kind == "line_has_service" and "install_line" in rule.values for rule in service.text.rules)
    assert (service.begins.within_s or 0) <= 4 * HOUR
    assert not any("crew" in action.roles for action in service.text.actions)


def test_questions_are_answered_later_in_ways_of_their_own() -> None:
    """No two of the twelve kinds ask the same or go the same way."""
    kinds = [service for service in SERVICES if service.text.group == "consulting"]
    assert len(kinds) == 12
    assert len({shape(service)[0] for service in kinds}) == 12
    assert len({service.text.knowledge for service in kinds}) == 12
    ways = {tuple((one.id, one.within_s, one.role) for one in service.text.states) for service in kinds}
    assert len(ways) >= 11
    for service in kinds:
        assert "answered" in {state.ends for state in service.text.states}


def texts(service: Service) -> Iterator[tuple[str, str]]:
    """Everything that is shown, in both languages."""
    text = service.text
    yield text.zh, text.en
    for field in text.fields:
        yield field.zh, field.en
        if field.hint_zh or field.hint_en:
            yield field.hint_zh or "", field.hint_en or ""
        yield from ((one.zh, one.en) for one in field.choices)
    for part in (text.states, text.actions, text.rules, text.fees, text.messages):
        yield from ((one.zh, one.en) for one in part)


@pytest.mark.parametrize("service", SERVICES, ids=named)
def test_texts_are_chinese_and_english(service: Service) -> None:
    """A term that is written the same in both, such as UN/EDIFACT, has no Chinese."""
    for zh, en in texts(service):
        assert zh == en or CHINESE.search(zh), zh
        assert en.strip()
        assert not CHINESE.search(en), en
    for field in service.text.fields:
        assert (field.section is None) == (field.section_en is None), field.id
        assert field.section is None or CHINESE.search(field.section)
        assert field.section_en is None or not CHINESE.search(field.section_en)


@pytest.mark.parametrize("service", SERVICES, ids=named)
def test_no_message_holds_the_number_of_a_document(service: Service) -> None:
    """Messages are read on screens that others see."""
    papers = {field.id for field in service.text.fields if re.search("document|licence|proof", field.id)}
    for message in service.text.messages:
        assert not message.blanks & papers, message.id
