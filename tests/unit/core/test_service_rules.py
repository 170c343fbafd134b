"""Each rule of each service, broken alone, is refused in its own words; each fee can come due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time

import msgspec
import pytest

from dataset.calendar import CHINA, day_of
from dataset.errors import Refused
from dataset.services.form import Field, Value
from dataset.services.service import Fee, Service
from dataset.services.workflow import OPEN, Action, Rule
from dataset.work import Acted
from federation.core.work_checks import check, check_opening
from federation.core.work_item import Facts, opened
from tests.harness.services import calendar
from tests.harness.work import HOUR, NOW, WORKING, actor, begun, form_for, friendly, mark_for

RULES = [
    pytest.param(service, rule, at, id=f"{service.id}-{place}-{rule.kind}-{at}")
    for service in WORKING
    for place, rule in enumerate(service.text.rules)
    for at in rule.at
]


def field_of(service: Service, name: str | None) -> Field:
    return next(field for field in service.text.fields if field.id == name)


def conditions(service: Service, *names: str | None) -> dict[str, str]:
    """What must be answered so that these fields are asked."""
    found: dict[str, str] = {}
    for name in names:
        if name is not None and (when := field_of(service, name).when) is not None:
            found |= conditions(service, when.field) | {when.field: when.is_[0]}
    return found


def wrong_word(field: Field, rule: Rule) -> str:
    """A value that the rule does not allow."""
    words = ("yes", "no") if field.type == "yes_no" else tuple(choice.code for choice in field.choices)
    return next(word for word in words if word not in rule.is_)


def broken_form(service: Service, rule: Rule, at: str) -> dict[str, Value]:
    """A form that may be handed in with this action but for ``rule``."""
    needed = () if at == OPEN else service.actions[at].needs
    told = conditions(service, rule.field, rule.other)
    names = tuple(name for name in (rule.field, rule.other) if name is not None)
    if rule.kind == "field_is":
        told[str(rule.field)] = wrong_word(field_of(service, rule.field), rule)
        return form_for(service, (*needed, *names), action=at, told=told)
    form = form_for(service, (*needed, *names), action=at, told=told)
    if rule.kind == "fields_differ":
        return {**form, str(rule.other): form[str(rule.field)]}
    if rule.days is not None:
        days = rule.days + (1 if rule.kind == "latest_day" else -1)
        return {**form, str(rule.field): calendar().work_days_after(day_of(NOW), days).isoformat()}
    return form


def broken_facts(service: Service, rule: Rule) -> Facts:
    """Records that allow everything but ``rule``."""
    good = friendly(service)
    match rule.kind:
        case "line_has_service":
            left = {name: count for name, count in good.services.items() if name not in rule.values}
            return msgspec.structs.replace(good, services=left)
        case "line_lacks_service" | "at_most_per_line":
            more = dict.fromkeys(rule.values, rule.count or 1)
            return msgspec.structs.replace(good, services={**good.services, **more})
        case "no_open_item":
            return msgspec.structs.replace(good, open_items=frozenset(rule.values[:1]))
        case "no_arrears":
            return msgspec.structs.replace(good, arrears_fen=1)
        case "identity_checked":
            return msgspec.structs.replace(good, identity_checked=False)
        case _:
            return good


def take(service: Service, at: str, form: dict[str, Value], facts: Facts, now: float = NOW) -> None:
    """Hand the form in, or do the action with it from where that may be done. Raises ``Refused``."""
    if at == OPEN:
        check_opening(service, calendar(), begun(service, form, now), facts)
        return
    action = service.actions[at]
    item = opened(service, calendar(), begun(service, {}, now))
    item = msgspec.structs.replace(item, state=action.from_[0], since=now - 1000 * HOUR, called_back=True)
    by, mark = actor(action.roles[0]), mark_for(action)
    step = Acted(at=now, action=at, by=by, values=dict(form), note="说明", satisfaction=mark)
    check(service, calendar(), item, step, facts)


@pytest.mark.parametrize(("service", "rule", "at"), RULES)
def test_a_broken_rule_is_refused_in_its_own_words(service: Service, rule: Rule, at: str) -> None:
    """And kept, nothing is refused: the form and the records are right but for this rule."""
    needed = () if at == OPEN else service.actions[at].needs
    take(service, at, form_for(service, needed, action=at), friendly(service))
    with pytest.raises(Refused) as refused:
        take(service, at, broken_form(service, rule, at), broken_facts(service, rule))
    assert all(problem.slug.startswith("rule-") for problem in refused.value.problems), refused.value.problems
    assert (rule.zh, rule.en) in {(problem.zh, problem.en) for problem in refused.value.problems}


def test_a_line_is_not_removed_before_the_customer_has_cooled_off() -> None:
    """Five days, nights and holidays counted; until then it can be taken back, and not be hurried."""
    [remove] = [service for service in WORKING if service.id == "remove_line"]
    item = opened(remove, calendar(), begun(remove))
    form = dict(form_for(remove))

    def cooled_off(hours: float) -> Acted:
        return Acted(at=NOW + hours * HOUR, action="cooled_off", by=actor("back_office"), values={**form})

    with pytest.raises(Refused) as refused:
        check(remove, calendar(), item, cooled_off(119), friendly(remove))
    [problem] = refused.value.problems
    assert (problem.slug, "1.0 hours" in problem.en) == ("work-too-early", True)
    check(remove, calendar(), item, cooled_off(120), friendly(remove))


def fees() -> Iterator[tuple[Service, Fee]]:
    for service in WORKING:
        for fee in service.text.fees:
            yield service, fee


@pytest.mark.parametrize(("service", "fee"), [pytest.param(*one, id=f"{one[0].id}-{one[1].code}") for one in fees()])
def test_every_fee_comes_due_on_its_first_day_by_an_action_that_its_form_allows(service: Service, fee: Fee) -> None:
    """A fee under a condition that the rules of its action forbid would never be charged."""
    actions = [action for action in service.text.actions if fee.code in action.fees]
    assert any(charged(service, fee, action) for action in actions)


def charged(service: Service, fee: Fee, action: Action) -> bool:
    when = fee.when
    words = when.is_ if when is not None else ("",)
    now = datetime.combine(datetime.fromisoformat(fee.from_), time(12), CHINA).timestamp()
    for word in words:
        told = {} if when is None else {**conditions(service, when.field), when.field: word}
        told |= conditions(service, fee.per)
        asked = tuple(name for name in (when.field if when else None, fee.per) if name is not None)
        form = form_for(service, (*action.needs, *asked), now=now, action=action.id, told=told)
        try:
            take(service, action.id, form, friendly(service), now)
        except Refused:
            continue
        day = day_of(now)
        if fee in service.fees_due(action.fees, form, day) and (fee.fen == 0 or fee.amount(form) > 0):
            return True
    return False
