"""A matter that is back is known as such, whoever holds the records, and only within its service's time."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dataset.errors import Refused
from dataset.ids import CityId
from dataset.services.catalogue import parse_service
from dataset.services.service import Repeat, Service
from dataset.work import Opened, WorkItemId
from federation.core.repeats import LONG_S, OFTEN, SHORT_S, EarlierItem, counted, often
from federation.core.work_item import opened, queue_order
from tests.harness.services import PROVINCE, calendar, catalogue
from tests.harness.work import NOW, begun, form_for

DAY = 86_400.0
FAULT = catalogue().services["fault"]
LINES = ("02012345678", "02012345679", "")
EARLIER = st.builds(
    EarlierItem,
    item=st.integers(1, 40).map(lambda n: WorkItemId(f"w-0020-bbbbbbbb-{n:06x}")),
    service=st.sampled_from(["fault", "complaint"]),
    city=st.just(CityId("guangzhou")),
    line=st.sampled_from(LINES),
    customer=st.sampled_from(["c-1", "c-2"]),
    opened_at=st.floats(NOW - 120 * DAY, NOW),
    ending=st.sampled_from(["", "done"]),
)
SOME = st.lists(EARLIER, max_size=20, unique_by=lambda one: one.item)


def opening(line: str = LINES[0]) -> Opened:
    return replace(begun(FAULT, values=form_for(FAULT)), line=line)


@given(earlier=SOME, line=st.sampled_from(LINES), data=st.data())
def test_only_the_same_within_the_time_counts_in_any_order(
    earlier: list[EarlierItem], line: str, data: st.DataObject
) -> None:
    """By its line, or without one by its customer; an item that is told twice is one."""
    assert FAULT.text.repeat is not None
    times, last = counted(FAULT, opening(line), earlier)
    same = [
        one
        for one in earlier
        if one.service == "fault"
        and one.opened_at >= NOW - FAULT.text.repeat.within_s
        and ((line and one.line == line) or (not line and one.customer == "c-1"))
    ]
    assert times == len(same)
    assert (last is None) == (not same)
    assert last is None or max(one.opened_at for one in same) == next(one.opened_at for one in same if one.item == last)
    mixed = data.draw(st.permutations([*earlier, *earlier]))
    assert counted(FAULT, opening(line), mixed) == (times, last)


def test_what_the_form_says_it_takes_up_again_counts_whatever_it_was() -> None:
    other = EarlierItem(
        item=WorkItemId("w-0020-cccccccc-000001"),
        service="complaint",
        city=CityId("guangzhou"),
        line="02087654321",
        opened_at=NOW - 29 * DAY,
    )
    assert counted(FAULT, opening(), [other]) == (0, None)
    assert counted(FAULT, replace(opening(), again_of=other.item), [other]) == (1, other.item)
    late = replace(other, opened_at=NOW - 31 * DAY)
    assert counted(FAULT, replace(opening(), again_of=other.item), [late]) == (0, None)


def test_an_item_is_no_repeat_of_itself() -> None:
    """The owning city may look at its own records once more after a crash."""
    mine = EarlierItem(
        item=opening().item, service="fault", city=CityId("guangzhou"), line=LINES[0], opened_at=NOW - DAY
    )
    assert counted(FAULT, opening(), [mine]) == (0, None)


def without(service: Service, repeat: Repeat | None) -> Service:
    return Service(changed(service.text, repeat=repeat))


@pytest.mark.parametrize(
    ("repeat", "ahead"), [(Repeat(within_s=DAY, press=True), True), (Repeat(within_s=DAY), False), (None, False)]
)
def test_what_is_back_goes_first_where_its_service_says_so(repeat: Repeat | None, ahead: bool) -> None:
    step = replace(opening(), times_before=2, repeat_of=WorkItemId("w-0020-cccccccc-000001"))
    item = opened(without(FAULT, repeat), calendar(), step)
    assert item.ahead is ahead
    first = opened(FAULT, calendar(), replace(opening(), at=NOW - DAY))
    assert (min(first, item, key=queue_order) is item) is ahead, "though the other is due earlier"


@given(items=SOME, data=st.data())
def test_what_comes_often_is_told_by_service(items: list[EarlierItem], data: st.DataObject) -> None:
    found = often(items, NOW)
    for one in found:
        assert one.within_90_days >= OFTEN
        assert one.within_30_days <= one.within_90_days == len(one.items)
        assert all(item.opened_at >= NOW - LONG_S for item in one.items)
        assert one.within_30_days == sum(item.opened_at >= NOW - SHORT_S for item in one.items)
    told = {one.service for one in found}
    for service in {"fault", "complaint"} - told:
        assert sum(one.service == service and one.opened_at >= NOW - LONG_S for one in items) < OFTEN
    assert often(data.draw(st.permutations([*items, *items])), NOW) == found, "cities may tell the same item"


@pytest.mark.parametrize(
    ("within", "slug"), [("0s", "service-repeat"), ("400d", "service-repeat"), ("30", "setting-unit")]
)
def test_a_time_that_makes_no_sense_is_named(within: str, slug: str) -> None:
    text = (PROVINCE.parent / "packages/services/fault.toml").read_text("utf-8").replace('"30d"', f'"{within}"')
    with pytest.raises(Refused) as refused:
        parse_service(text.encode(), "fault.toml")
    [problem] = refused.value.problems
    assert problem.slug == slug
    assert problem.en.startswith("repeat.within")


def test_an_enquiry_cannot_be_a_repeat() -> None:
    text = (PROVINCE.parent / "packages/services/tariff.toml").read_text("utf-8") + '\n[repeat]\nwithin = "30d"\n'
    with pytest.raises(Refused) as refused:
        parse_service(text.encode(), "tariff.toml")
    assert [one.slug for one in refused.value.problems] == ["service-no-work"]
