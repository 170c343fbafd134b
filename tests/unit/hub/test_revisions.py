"""Revisions: the same number, the same figures; and they outlive the hub's process (B6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from dataset.errors import Refused
from dataset.ids import CityId, SkillId
from dataset.measures import INTERVAL_S, Interval
from dataset.service_measures import ServicePart
from provincial_hub.core.revisions import SETTLES_S, Slot, day_digest, figures, over, told
from provincial_hub.shell.revisions import MemoryRevisions, Revisions, SqliteRevisions, Told
from tests.harness.threads import ThreadCalls

GZ, SZ = CityId("guangzhou"), CityId("shenzhen")
T0 = INTERVAL_S * 1_000


def interval(start: int = T0, offered: int = 1, skill: str = "fault") -> Interval:
    return Interval(city=GZ, service="s", channel="voice", skill=SkillId(skill), start=start, offered=offered)


def test_only_what_is_over_has_figures() -> None:
    """Rows on their way get a minute; before that an interval is told as open."""
    end = T0 + INTERVAL_S
    assert not over(T0, end + SETTLES_S - 1)
    assert over(T0, end + SETTLES_S)
    wall = end + SETTLES_S
    told_now = figures([interval(), interval(end)], [GZ, SZ], T0 - 1, T0 + 10_000, wall)
    assert set(told_now) == {(GZ, T0), (SZ, T0)}
    assert told_now[SZ, T0] == "", "nothing happened there, so far as is known"
    assert set(figures([], [GZ], T0 + 1, T0 + 900, wall)) == set()
    assert set(figures([], [GZ], T0, T0 + 1, wall)) == {(GZ, T0)}


def test_the_digest_is_of_figures_alone() -> None:
    one, other = interval(), interval(skill="bill")
    wall = T0 + 10_000.0

    def digest(*intervals: Interval) -> str:
        return figures(intervals, [GZ], T0, T0 + 1, wall)[GZ, T0]

    assert digest(one, other) == digest(other, one)
    assert digest(one) != digest(interval(offered=2))
    assert digest(one) != digest(one, other)


def test_days_told_before_anybody_was_asked_how_satisfied_they_are_keep_their_digest() -> None:
    """The hub's new version finds no figure changed in what the one before has told."""
    before = [("fault", ServicePart(opened=2, done=1)), ("bill", ServicePart(opened=1))]
    assert day_digest(before) == "8843981a4fcaf9a6ab4c9c6e"
    assert day_digest([("fault", ServicePart(opened=2, done=1, satisfaction_asked=1)), before[1]]) != day_digest(before)


@given(digests=st.lists(st.sampled_from("abc"), max_size=20))
def test_equal_numbers_mean_equal_figures(digests: list[str]) -> None:
    """Whatever is told, in whatever order: a number stands for one content, and numbers never go back."""
    known: Told = {}
    said: list[tuple[int, str]] = []
    for at, digest in enumerate(digests):
        known.update(told(known, {(GZ, T0): digest}, float(at)))
        said.append((known[GZ, T0].number, digest))
    assert sorted(number for number, _ in said) == [number for number, _ in said]
    assert len(set(said)) == len({number for number, _ in said})


class Memory:
    def __init__(self, _: Path) -> None:
        self.disk: Told = {}

    def open(self) -> Revisions:
        return MemoryRevisions(self.disk)

    def wait(self, condition: Callable[[], bool]) -> None:
        assert condition()


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "reports.sqlite"
        self.calls = ThreadCalls()

    def open(self) -> Revisions:
        return SqliteRevisions(self.path, self.calls)

    def wait(self, condition: Callable[[], bool]) -> None:
        self.calls.until(condition)


Form = Memory | Sqlite


@pytest.fixture(params=[Memory, Sqlite])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Form:
    made: Form = request.param(tmp_path)
    return made


def result(form: Form, waiting: Deferred[Any]) -> Any:
    got: list[Any] = []
    waiting.addBoth(got.append)
    form.wait(lambda: bool(got))
    return got[0]


def test_revisions_are_kept(form: Form) -> None:
    """Both forms: told once, told again, changed, over a restart; slots that were not asked for stay out."""
    first, second = (GZ, T0), (SZ, T0 + INTERVAL_S)
    store = form.open()

    def tell(at: float, **digests: str) -> dict[Slot, tuple[int, float]]:
        slots = {"first": first, "second": second}
        said = result(form, store.tell({slots[name]: digest for name, digest in digests.items()}, at))
        return {slot: (revision.number, revision.at) for slot, revision in said.items()}

    assert tell(1.0, first="x", second="") == {first: (1, 1.0), second: (1, 1.0)}
    assert tell(2.0, first="x") == {first: (1, 1.0)}
    assert tell(3.0, first="y") == {first: (2, 3.0)}
    result(form, store.stop())
    store = form.open()
    assert tell(4.0, first="y", second="z") == {first: (2, 3.0), second: (2, 4.0)}
    assert tell(5.0, first="x") == {first: (3, 5.0)}, "what it was once is another change"
    assert result(form, store.tell({}, 6.0)) == {}
    result(form, store.stop())


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reports.sqlite"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(Refused) as caught:
        SqliteRevisions(path, ThreadCalls())
    assert caught.value.problems[0].slug == "reports-unreadable"
