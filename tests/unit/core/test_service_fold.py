"""Measures of services: whatever order the rows come in, however they are split, a report says the same."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.calendar import day_of, midnight
from dataset.ids import CityId, LineageId
from dataset.rows import Journalled, LineageOpened, TailMissing, WorkStepped
from dataset.service_measures import PartKey, ServicePart, added
from dataset.services.service import Service
from dataset.work import Acted, AnyStep, CalledBack, DeadlinePassed, Pressed, WorkItemId
from federation.core.service_fold import ServiceFold, Standing
from tests.harness.services import calendar, catalogue
from tests.harness.work import GUANGZHOU, HOUR, NOW, actor, begun, form_for
from tests.unit.core.test_work_book import INSTALL, OWNING, SERVING, THIRD, play

EVER = (0.0, 4e9)
FAULT = catalogue().services["fault"]


def fold(rows: list[Journalled]) -> ServiceFold:
    def service_of(reference: str) -> Service:
        return catalogue().versions[reference]

    return ServiceFold(service_of, calendar(), rows)


def counted(rows: list[Journalled], begin: float = EVER[0], end: float = EVER[1]) -> dict[PartKey, ServicePart]:
    return fold(rows).parts(begin, end)


def rows_of(
    service: Service, *steps: AnyStep, item: str = "w-0020-aaaaaaaa-000001", serving: str = SERVING
) -> list[Journalled]:
    """The rows of one item as 广州 writes them; it was opened in ``serving``."""
    return [
        Journalled(
            node=GUANGZHOU, lineage=LineageId("0000000a"), sequence=at + 1, wall=step.at, mono=0.0, boot="b",
            row=WorkStepped(
                item=WorkItemId(item), request=None, serving=CityId(serving) if at == 0 else GUANGZHOU,
                service=service.reference, step=step,
            ),
        )
        for at, step in enumerate(steps)
    ]  # fmt: skip


def acted(action: str, at: float, satisfaction: int | None = None, **values: str) -> Acted:
    return Acted(at=at, action=action, by=actor("agent"), values=dict(values), note="x", satisfaction=satisfaction)


# ── what is counted ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_fault_is_counted_from_its_report_to_its_ending() -> None:
    """Pressed for, a deadline missed, led back once, called back, closed within 48 hours of any kind."""
    steps = (
        begun(FAULT, form_for(FAULT)),
        Pressed(at=NOW + HOUR, by=actor("supervisor"), note="x"),
        DeadlinePassed(at=NOW + 2 * HOUR),
        acted("test", NOW + 3 * HOUR, test_result="break"),
        acted("dispatch_urban", NOW + 4 * HOUR),
        acted("repaired", NOW + 20 * HOUR, cause="terminal"),
        CalledBack(at=NOW + 21 * HOUR, by=actor("agent"), reached=True),
        acted("reopen", NOW + 21 * HOUR),
        acted("dispatch_urban", NOW + 22 * HOUR),
        acted("repaired", NOW + 30 * HOUR, cause="terminal"),
        CalledBack(at=NOW + 31 * HOUR, by=actor("agent"), reached=False),
        CalledBack(at=NOW + 31 * HOUR, by=actor("agent"), reached=True),
        acted("close", NOW + 32 * HOUR, satisfaction=4),
    )
    parts = counted(rows_of(FAULT, *steps))
    sums = {city: added(part for key, part in parts.items() if key.city == city) for city in (GUANGZHOU, SERVING)}
    assert sums[SERVING] == ServicePart(for_others=1)
    owning = sums[GUANGZHOU]
    assert (owning.opened, owning.elsewhere, owning.pressed, owning.escalated, owning.called_back) == (1, 1, 1, 1, 2)
    assert (owning.reopened, owning.done, owning.promised, owning.within) == (1, 1, 1, 1)
    assert owning.fees_fen == 2 * 3_000
    assert (owning.satisfaction_asked, owning.satisfaction_said) == (1, 1)
    assert (owning.satisfied_share, owning.satisfaction_mean) == (1.0, 4.0)
    assert owning.handling.total_ms == 32 * 3_600_000
    assert {key.day for key in parts} == {day_of(NOW), day_of(NOW + 20 * HOUR)}


def test_satisfaction_is_of_those_who_gave_a_mark() -> None:
    """Marks 5, 4, 3 and 1, one who would not say, and one of a city of the version before, who was not asked."""
    rows: list[Journalled] = []
    for number, mark in enumerate((5, 4, 3, 1, 0, None)):
        steps = (
            begun(FAULT, form_for(FAULT)),
            acted("test", NOW + HOUR, test_result="break"),
            acted("dispatch_urban", NOW + 2 * HOUR),
            acted("repaired", NOW + 3 * HOUR, cause="terminal"),
            CalledBack(at=NOW + 4 * HOUR, by=actor("agent"), reached=True),
            acted("close", NOW + 5 * HOUR, satisfaction=mark),
        )
        item = f"w-0020-aaaaaaaa-{number:06x}"
        opening = msgspec.structs.replace(steps[0], item=WorkItemId(item))
        rows += [
            msgspec.structs.replace(one, sequence=one.sequence + 10 * number)
            for one in rows_of(FAULT, opening, *steps[1:], item=item)
        ]
    [whole] = [part for key, part in counted(rows).items() if key.city == GUANGZHOU]
    assert (whole.done, whole.satisfaction_asked, whole.satisfaction_said, whole.satisfied) == (6, 5, 4, 2)
    assert (whole.satisfied_share, whole.satisfaction_mean) == (0.5, 13 / 4)
    nobody = ServicePart(satisfaction_asked=1)
    assert (nobody.satisfied_share, nobody.satisfaction_mean) == (None, None)


def test_the_promise_of_an_order_runs_in_hours_of_work() -> None:
    """A new line in 72 hours of work: 7.5 of them from one morning to the next, never 24."""
    next_day = NOW + 24 * HOUR
    steps = (begun(INSTALL, form_for(INSTALL)), acted("cancel", next_day))
    [(_, ended)] = [one for one in counted(rows_of(INSTALL, *steps)).items() if one[1].ended]
    assert ended.cancelled == 1
    assert ended.handling.total_ms == round(calendar().between(NOW, next_day) * 1000) == round(7.5 * 3_600_000)


def test_what_is_open_past_its_promise_is_overdue() -> None:
    rows = rows_of(FAULT, begun(FAULT, form_for(FAULT)))
    assert fold(rows).standing(NOW) == {}
    assert fold(rows).standing(NOW + 47 * HOUR) == {(GUANGZHOU, "fault"): Standing(1, 0)}
    assert fold(rows).standing(NOW + 49 * HOUR) == {(GUANGZHOU, "fault"): Standing(1, 1)}
    closed = [*rows, *rows_of(FAULT, begun(FAULT), acted("withdraw", NOW + HOUR))[1:]]
    assert fold(closed).standing(NOW + 49 * HOUR) == {}
    assert fold(closed).standing(NOW + 0.5 * HOUR) == {(GUANGZHOU, "fault"): Standing(1, 0)}


def test_an_item_whose_opening_is_not_here_is_named_and_not_counted() -> None:
    rows = rows_of(FAULT, begun(FAULT), acted("withdraw", NOW + HOUR))[1:]
    assert counted(rows) == {}
    assert fold(rows).untold(*EVER) == {GUANGZHOU: 1}
    assert fold(rows).untold(NOW + 2 * HOUR, EVER[1]) == {}


# ── any order, any splitting ────────────────────────────────────────────────────────────────────────────────────────
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_any_order_and_any_repetition_give_the_same_parts(seed: int) -> None:
    province, rng = play(seed), Random(seed)
    rows = province.rows()
    shuffled = rows + rng.sample(rows, len(rows) // 2)
    rng.shuffle(shuffled)
    assert counted(shuffled) == counted(rows)
    at = province.now - rng.random() * 100 * HOUR
    assert fold(shuffled).standing(at) == fold(rows).standing(at)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_reading_in_between_changes_nothing(seed: int) -> None:
    """A late row makes other figures, those of all rows at once."""
    rows = play(seed).rows()
    rng = Random(seed)
    rng.shuffle(rows)
    growing = fold([])
    for row in rows:
        growing.add(row)
        if rng.random() < 0.2:
            growing.parts(*EVER)
    assert growing.parts(*EVER) == counted(rows)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_parts_of_split_rows_and_split_days_add_up_to_the_whole(seed: int) -> None:
    """By item, by city, by day: whatever is told apart sums up to what is told at once."""
    province, rng = play(seed), Random(seed)
    rows = province.rows()
    whole = counted(rows)
    runs = [row for row in rows if isinstance(row.row, LineageOpened | TailMissing)]
    items = sorted({row.row.item for row in rows if isinstance(row.row, WorkStepped)})
    where = {item: rng.randrange(3) for item in items}
    split = [
        counted([*runs, *(row for row in rows if isinstance(row.row, WorkStepped) and where[row.row.item] == at)])
        for at in range(3)
    ]
    assert {key: added(one[key] for one in split if key in one) for one in split for key in one} == whole
    cut = midnight(day_of(NOW + rng.random() * (province.now - NOW)))
    assert counted(rows, EVER[0], cut) | counted(rows, cut, EVER[1]) == whole
    by_city = [fold(rows).parts(*EVER, city) for city in (OWNING, SERVING, THIRD)]
    assert by_city[0] | by_city[1] | by_city[2] == whole
    sums = added(whole.values())
    assert sums.for_others == sums.elsewhere
    assert sums.handling.count == sums.ended <= sums.opened
