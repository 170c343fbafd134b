"""A work item goes the way of its service, and what may not be done with it is refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest

from dataset.calendar import CHINA, day_of
from dataset.errors import Refused
from dataset.ids import AgentId, CityId
from dataset.services.form import Value
from dataset.services.words import Role
from dataset.work import (
    Acted,
    Actor,
    AnyStep,
    Assigned,
    CalledBack,
    DeadlinePassed,
    Later,
    Noted,
    Opened,
    Parked,
    Pressed,
)
from federation.core.work_checks import check, check_opening
from federation.core.work_item import (
    Effect,
    Ended,
    Escalated,
    Facts,
    FeeDue,
    WorkItem,
    apply,
    fold,
    follows,
    opened,
    queue_order,
    waits,
)
from tests.harness.services import calendar, catalogue
from tests.harness.work import HOUR, NOW, actor, attached, begun, form_for, friendly, mark_for


def slugs(refused: pytest.ExceptionInfo[Refused]) -> set[str]:
    assert all(problem.zh and problem.en for problem in refused.value.problems)
    return {problem.slug for problem in refused.value.problems}


INSTALL = catalogue().services["install_line"]


def installing(*actions: tuple[str, Role]) -> WorkItem:
    """An installation after these actions, each an hour later."""
    return fold(INSTALL, calendar(), [begun(INSTALL), *_acts(*actions)])[0]


def _acts(*actions: tuple[str, Role]) -> Iterator[AnyStep]:
    for at, (name, role) in enumerate(actions, 1):
        if INSTALL.actions[name].after_call_back:
            yield CalledBack(at=NOW + at * HOUR, by=actor("agent"), reached=True)
        mark = mark_for(INSTALL.actions[name])
        yield Acted(at=NOW + at * HOUR, action=name, by=actor(role), note="x", satisfaction=mark)


def called() -> WorkItem:
    """Everything is done, and the customer has just been called back."""
    item = installing(("confirm_plant", "back_office"), ("send_crew", "dispatcher"), ("installed_it", "crew"))
    return apply(INSTALL, calendar(), item, CalledBack(at=NOW + 8 * HOUR, by=actor("agent"), reached=True))[0]


def closing(mark: int | None, by: Actor | None = None) -> Acted:
    return Acted(at=NOW + 9 * HOUR, action="close", by=by or actor("agent"), satisfaction=mark)


def confirming(values: dict[str, Value | None]) -> Acted:
    return Acted(at=NOW, action="confirm_plant", by=actor("back_office"), values=values)


class TestOneOrder:
    def test_from_the_form_to_the_end(self) -> None:
        check_opening(INSTALL, calendar(), begun(INSTALL), friendly(INSTALL))
        steps = list(
            _acts(
                ("confirm_plant", "back_office"),
                ("send_crew", "dispatcher"),
                ("installed_it", "crew"),
                ("close", "agent"),
            )
        )
        item, told = opened(INSTALL, calendar(), begun(INSTALL)), list[Effect]()
        for step in steps:
            assert not isinstance(step, Opened)
            check(INSTALL, calendar(), item, step, friendly(INSTALL))
            item, effects = apply(INSTALL, calendar(), item, step)
            told += effects
        assert item.ending == "done"
        assert [one for one in told if isinstance(one, FeeDue)] == [
            FeeDue(code="installation", fen=20800, monthly=False)
        ]
        assert [one for one in told if isinstance(one, Ended)] == [Ended(ending="done")]
        assert fold(INSTALL, calendar(), [begun(INSTALL), *steps]) == (item, ())

    def test_its_deadline_runs_in_hours_of_work(self) -> None:
        friday = datetime(2026, 11, 27, 17, 0, tzinfo=CHINA).timestamp()
        item = opened(INSTALL, calendar(), begun(INSTALL, at=friday))
        assert item.due_at == datetime(2026, 11, 30, 11, 30, tzinfo=CHINA).timestamp()  # 4 h: 1 on Friday, 3 on Monday

    def test_every_missed_deadline_is_told_to_the_next_and_the_item_still_has_one(self) -> None:
        item = installing()
        told: list[Effect] = []
        for _ in range(4):
            assert item.due_at is not None
            step = DeadlinePassed(at=item.due_at)
            check(INSTALL, calendar(), item, step, Facts())
            before = item.due_at
            item, effects = apply(INSTALL, calendar(), item, step)
            assert item.due_at is not None
            assert item.due_at > before
            told += effects
        assert told == [
            Escalated(role="supervisor", missed=1),
            *(Escalated(role="site_admin", missed=missed) for missed in (2, 3, 4)),
        ]

    def test_who_presses_brings_the_deadline_nearer_and_the_item_to_the_front(self) -> None:
        item = installing(("confirm_plant", "back_office"))
        other = installing(("confirm_plant", "back_office"))
        step = Pressed(at=NOW + 2 * HOUR, by=actor("supervisor"), note="再次来电催装")
        check(INSTALL, calendar(), item, step, Facts())
        pressed, _ = apply(INSTALL, calendar(), item, step)
        assert pressed.due_at is not None
        assert item.due_at is not None
        assert pressed.due_at < item.due_at
        assert sorted([other, pressed], key=queue_order) == [pressed, other]

    def test_a_parked_item_waits_for_nobody_until_its_time(self) -> None:
        item, _ = apply(
            INSTALL,
            calendar(),
            installing(),
            Parked(at=NOW, until=NOW + HOUR, by=actor("back_office"), note="等用户回电"),
        )
        assert [waits(item, at) for at in (NOW, NOW + HOUR - 1, NOW + HOUR)] == [False, False, True]

    @pytest.mark.parametrize(
        ("step", "slug"),
        [
            (Acted(at=NOW, action="close", by=actor("agent")), "work-action"),
            (Acted(at=NOW, action="nonsense", by=actor("agent")), "work-action"),
            (Acted(at=NOW, action="confirm_plant", by=actor("crew")), "work-role"),
            (Acted(at=NOW, action="refuse_plant", by=actor("back_office"), note=" "), "work-note"),
            (
                confirming({"wanted_number": "x"}),
                "field-form",
            ),
            (confirming({"adress": "x"}), "field-unknown"),
            (confirming({"address": None}), "field-missing"),
            (
                confirming({"licence": "9"}),
                "field-not-asked",
            ),
            (Parked(at=NOW, until=NOW - 1, by=actor("agent"), note="x"), "work-park"),
            (Parked(at=NOW, until=NOW + 90 * 24 * HOUR, by=actor("agent"), note="x"), "work-park"),
            (Pressed(at=NOW, by=actor("agent"), note="x"), "work-role"),
            (Pressed(at=NOW, by=actor("supervisor"), note=""), "work-note"),
            (Noted(at=NOW, by=actor("agent"), note=""), "work-note"),
            (DeadlinePassed(at=NOW + 1), "work-not-due"),
        ],
    )
    def test_what_may_not_be_done_is_refused_with_the_reason(self, step: Later, slug: str) -> None:
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), installing(), step, friendly(INSTALL))
        assert slug in slugs(refused)

    def test_without_the_call_back_it_is_not_closed(self) -> None:
        way: tuple[tuple[str, Role], ...] = (
            ("confirm_plant", "back_office"), ("send_crew", "dispatcher"), ("installed_it", "crew"),
        )  # fmt: skip
        item = installing(*way)
        close = Acted(at=NOW + 9 * HOUR, action="close", by=actor("agent"), satisfaction=5)
        item, _ = apply(INSTALL, calendar(), item, CalledBack(at=NOW + 8 * HOUR, by=actor("agent"), reached=False))
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), item, close, friendly(INSTALL))
        assert slugs(refused) == {"work-call-back"}
        item, _ = apply(INSTALL, calendar(), item, CalledBack(at=NOW + 8 * HOUR, by=actor("agent"), reached=True))
        check(INSTALL, calendar(), item, close, friendly(INSTALL))

    @pytest.mark.parametrize("mark", [0, 1, 2, 3, 4, 5])
    def test_how_satisfied_the_customer_is_is_written_down_with_the_closing(self, mark: int) -> None:
        check(INSTALL, calendar(), called(), closing(mark), friendly(INSTALL))

    @pytest.mark.parametrize(
        ("mark", "slug", "words"),
        [
            (None, "satisfaction-missing", ("1 很不满意至 5 很满意，0 不愿评价", "0 where the customer would not say")),
            (6, "satisfaction-range", ("没有 6：1 很不满意", "6 is no mark of satisfaction: 1 (very dissatisfied)")),
            (-1, "satisfaction-range", ("没有 -1", "-1 is no mark")),
        ],
    )
    def test_it_is_not_closed_without_a_mark_or_with_one_that_there_is_not(
        self, mark: int | None, slug: str, words: tuple[str, str]
    ) -> None:
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), called(), closing(mark), friendly(INSTALL))
        [problem] = refused.value.problems
        assert (problem.slug, problem.place, refused.value.status) == (slug, "satisfaction", 400)
        assert (words[0] in problem.zh, words[1] in problem.en) == (True, True)

    def test_nobody_is_asked_where_the_service_does_not_ask(self) -> None:
        step = Acted(at=NOW, action="confirm_plant", by=actor("back_office"), satisfaction=5)
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), installing(), step, friendly(INSTALL))
        assert slugs(refused) == {"satisfaction-not-asked"}

    def test_a_city_of_the_version_before_closes_without_a_mark(self) -> None:
        """It cannot give one; what it gives is still looked at."""
        elsewhere = msgspec.structs.replace(actor("agent"), city=CityId("shenzhen"))
        check(INSTALL, calendar(), called(), closing(None, elsewhere), friendly(INSTALL))
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), called(), closing(9, elsewhere), friendly(INSTALL))
        assert slugs(refused) == {"satisfaction-range"}

    def test_an_ended_item_takes_notes_and_files_and_nothing_else(self) -> None:
        item = installing(("cancel", "agent"))
        assert (item.ending, item.due_at) == ("cancelled", None)
        check(INSTALL, calendar(), item, Noted(at=NOW, by=actor("agent"), note="用户来电确认"), Facts())
        file = attached(1, at=NOW, by=actor("agent"))
        check(INSTALL, calendar(), item, file, Facts())
        assert follows(INSTALL, item, file)
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), item, Acted(at=NOW, action="cancel", by=actor("agent"), note="x"), Facts())
        assert slugs(refused) == {"work-ended"}

    def test_only_who_has_it_or_a_supervisor_hands_it_on(self) -> None:
        item, _ = apply(INSTALL, calendar(), installing(), Assigned(at=NOW, to=AgentId("1001@guangzhou")))
        for by in (actor("back_office"), actor("supervisor", "9@guangzhou")):
            check(INSTALL, calendar(), item, Assigned(at=NOW, to=AgentId("1002@guangzhou"), by=by), Facts())
        mine = Assigned(at=NOW, to=AgentId("1003@guangzhou"), by=actor("back_office", "1003@guangzhou"))
        with pytest.raises(Refused) as refused:
            check(INSTALL, calendar(), item, mine, Facts())
        assert slugs(refused) == {"work-not-yours"}


def test_a_step_of_the_version_before_has_no_mark() -> None:
    """And one of this version is read by the version before, which passes over what it does not know."""
    by = b'"by":{"agent":"1001@guangzhou","role":"agent","city":"guangzhou"}'
    step = msgspec.json.decode(b'{"step":"acted","at":1.0,"action":"close",' + by + b"}", type=AnyStep)
    assert step == Acted(at=1.0, action="close", by=actor("agent"))
    assert isinstance(step, Acted)
    assert step.satisfaction is None


def test_the_rules_of_a_service_are_held_against_the_records() -> None:
    """Each broken alone is said alone, in the words of the service."""
    far = calendar().work_days_after(day_of(NOW), 16)
    near = day_of(NOW) + timedelta(days=1)
    form = form_for(INSTALL)
    good = friendly(INSTALL)
    for values, facts, slug in (
        (form, msgspec.structs.replace(good, identity_checked=False), "rule-identity-checked"),
        (form, msgspec.structs.replace(good, arrears_fen=1), "rule-no-arrears"),
        ({**form, "promised": near.isoformat()}, good, "rule-earliest-day"),
        ({**form, "promised": far.isoformat()}, good, "rule-latest-day"),
    ):
        with pytest.raises(Refused) as refused:
            check_opening(INSTALL, calendar(), begun(INSTALL, values), facts)
        assert slugs(refused) == {slug}


def test_a_service_that_is_answered_at_once_makes_no_item() -> None:
    for service in catalogue():
        if not service.makes_work:
            with pytest.raises(Refused) as refused:
                check_opening(service, calendar(), begun(service, {}), Facts())
            assert slugs(refused) == {"work-none"}
