"""Whatever is done with work items of all services: none is ended twice, waits without a deadline, or gets stuck."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dataset.calendar import day_of
from dataset.errors import Refused
from dataset.ids import AgentId
from dataset.services.form import Value, problems_of
from dataset.services.service import Service
from dataset.services.words import ROLES, Role
from dataset.services.workflow import Action, Rule
from dataset.work import Acted, AnyStep, Assigned, Attached, CalledBack, DeadlinePassed, Later, Noted, Parked, Pressed
from federation.core.work_checks import MOST_FILES, check, check_opening, holds
from federation.core.work_item import Ended, Facts, WorkItem, apply, fold, opened
from tests.harness.services import calendar
from tests.harness.work import HOUR, NOW, WORKING, actor, attached, begun, form_for, friendly, mark_for, told_value


@pytest.mark.parametrize("service", WORKING, ids=lambda service: service.id)
def test_each_rule_of_each_service_can_be_kept_and_broken(service: Service) -> None:
    """A rule that nothing breaks, or nothing keeps, would be a mistake in the service."""
    form = form_for(service, tuple(field.id for field in service.text.fields))
    names = {name for one in service.text.rules for name in one.values}
    full = Facts(services=dict.fromkeys(names, 99), open_items=frozenset(names), arrears_fen=100)
    for one in service.text.rules:
        outcomes = {
            holds(one, calendar(), values, facts, NOW)
            for facts in (full, friendly(service), Facts(), Facts(identity_checked=True))
            for values in _forms(service, one, form)
        }
        assert outcomes == {True, False}, one


def _forms(service: Service, one: Rule, form: dict[str, Value]) -> Iterator[dict[str, Value]]:
    """The form with what the rule looks at soon, later and much later, with both of its fields alike, with and without
    each value that it allows.
    """
    yield form
    if one.kind in ("earliest_day", "latest_day") and one.field is not None:
        for ahead in (0, 5, 250):
            yield {**form, one.field: calendar().work_days_after(day_of(NOW), ahead).isoformat()}
    if one.kind == "fields_differ" and one.field is not None and one.other is not None:
        yield {**form, one.other: form[one.field]}
        yield {name: value for name, value in form.items() if name != one.other}
    if one.kind == "field_is":
        field = next(field for field in service.text.fields if field.id == one.field)
        yield {name: value for name, value in form.items() if name != one.field}
        for word in one.is_:
            assert field.problem(told_value(field, word)) is None
            yield {**form, field.id: told_value(field, word)}


AGENTS = ("1001@guangzhou", "1002@guangzhou", "7@foshan")


class AnyItem(RuleBasedStateMachine):
    """Anybody does anything with an item of any service; a model of a few lines says what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.steps: list[AnyStep] = []
        self.endings = 0

    @initialize(service=st.sampled_from(WORKING))
    def begin(self, service: Service) -> None:
        self.service = service
        step = begun(service)
        check_opening(service, calendar(), step, friendly(service))
        self.steps.append(step)
        self.item = opened(service, calendar(), step)

    def take(self, step: Later) -> bool:
        before = self.item
        try:
            check(self.service, calendar(), before, step, friendly(self.service))
        except Refused:
            return False
        self.item, effects = apply(self.service, calendar(), before, step)
        assert self.item.revision == before.revision + 1
        self.endings += sum(isinstance(one, Ended) for one in effects)
        assert before.ending is None or (isinstance(step, Noted | Attached) and self.item.state == before.state)
        assert self.item.files == before.files + isinstance(step, Attached)
        self.steps.append(step)
        return True

    @rule(seconds=st.floats(0.0, 100 * HOUR))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.item.due_at is not None and self.now >= self.item.due_at:
            assert self.take(DeadlinePassed(at=self.now))

    @rule(data=st.data(), role=st.sampled_from(ROLES), note=st.sampled_from(["", "说明"]))
    def somebody_acts(self, data: st.DataObject, role: Role, note: str) -> None:
        action = data.draw(st.sampled_from(self.service.text.actions))
        needed = form_for(self.service, action.needs, self.now, action.id) if data.draw(st.booleans()) else {}
        mark = data.draw(st.sampled_from([mark_for(action), None, 0, 6]))
        step = Acted(at=self.now, action=action.id, by=actor(role), values=dict(needed), note=note, satisfaction=mark)
        taken = self.take(step)
        assert not taken or (self.item.state == action.to and role in action.roles)

    @rule(
        agent=st.sampled_from([None, "1001@guangzhou", "1002@guangzhou"]),
        by=st.sampled_from(["1001@guangzhou", "7@foshan"]),
    )
    def it_is_handed_over(self, agent: str | None, by: str) -> None:
        self.take(Assigned(at=self.now, to=AgentId(agent) if agent else None, by=actor("agent", by)))

    @rule(hours=st.floats(-1.0, 200.0))
    def it_is_parked(self, hours: float) -> None:
        self.take(Parked(at=self.now, until=self.now + hours * HOUR, by=actor("agent"), note="等用户"))

    @rule(reached=st.booleans())
    def the_customer_is_called(self, reached: bool) -> None:
        self.take(CalledBack(at=self.now, by=actor("agent"), reached=reached))

    @rule(role=st.sampled_from(ROLES))
    def somebody_presses(self, role: Role) -> None:
        self.take(Pressed(at=self.now, by=actor(role), note="催"))

    @rule(role=st.sampled_from(ROLES))
    def a_file_is_attached(self, role: Role) -> None:
        before = self.item
        step = attached(len(self.steps), at=self.now, by=actor(role))
        assert self.take(step) == (before.files < MOST_FILES)
        left = msgspec.structs.replace(self.item, files=before.files, revision=before.revision)
        assert left == before, "nothing else of the item changes"

    @precondition(lambda self: self.item.ending is not None)
    @rule()
    def the_deadline_comes_late(self) -> None:
        assert not self.take(DeadlinePassed(at=self.now + 1e9))

    @invariant()
    def it_has_one_ending_or_a_deadline(self) -> None:
        if not self.steps:
            return
        ended = self.service.states[self.item.state].ends
        assert self.item.ending == ended
        assert (self.item.due_at is None) == (ended is not None)
        assert self.endings == (1 if ended else 0)
        assert self.item.due_at is None or self.item.due_at >= self.item.since
        assert self.item.parked_until is None or self.item.due_at is None or self.item.parked_until <= self.item.due_at

    @invariant()
    def its_steps_tell_it_whole(self) -> None:
        if self.steps:
            raw = msgspec.json.encode(self.steps)
            assert fold(self.service, calendar(), msgspec.json.decode(raw, type=list[AnyStep])) == (self.item, ())

    def teardown(self) -> None:
        """Whatever was done with it, somebody can bring it to an end."""
        if self.steps and self.item.ending is None:
            assert self._ends_from_here()

    def _ends_from_here(self) -> bool:
        seen, ahead = {self.item.state}, [self.item]
        while ahead:
            item = ahead.pop(0)
            for action in self.service.possible(item.state):
                reached = self._after(item, action)
                if reached is None:
                    continue
                if reached.ending is not None:
                    return True
                if reached.state not in seen:
                    seen.add(reached.state)
                    ahead.append(reached)
        return False

    def _after(self, item: WorkItem, action: Action) -> WorkItem | None:
        """None when it may not be done with a form like this one: another way is for another case."""
        by = actor(action.roles[0])
        item, _ = apply(self.service, calendar(), item, CalledBack(at=self.now, by=by, reached=True))
        values = form_for(self.service, action.needs, self.now, action.id)
        step = Acted(at=self.now, action=action.id, by=by, values=dict(values), note="x", satisfaction=mark_for(action))
        try:
            check(self.service, calendar(), item, step, friendly(self.service))
        except Refused:
            return None
        return apply(self.service, calendar(), item, step)[0]


TestAnyItem = AnyItem.TestCase
TestAnyItem.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


def test_the_forms_that_these_tests_fill_in_are_accepted() -> None:
    for service in WORKING:
        everything = form_for(service, tuple(field.id for field in service.text.fields))
        assert problems_of(service.text.fields, everything) == ()
