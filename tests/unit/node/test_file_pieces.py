"""Contents come whole or not at all, a piece at a time and at a pace, whatever the line loses, doubles or delays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed

from dataset.errors import Problem, Refused
from dataset.ids import CityId, LineageId, NodeId
from federation.core.envelope import AnyMessage, PieceAsked, PieceTold
from federation.node.clock import VirtualClock
from federation.node.file_pieces import ANSWER_S, LARGEST_PIECE, MOST_AWAITED, REST_S, FilePieces

HERE, THERE, OTHER = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")
RATE = 8_000.0
"""bytes per second: of a thin line with a pace of 256 kbit/s"""
WAY_S = 0.1


class Cities:
    """Three and some ``more`` that have contents; ``wire`` says how often a message comes, and how late."""

    def __init__(self, more: int = 0) -> None:
        self.clock = VirtualClock(1_000_000.0)
        self.contents: dict[tuple[CityId, str], bytes] = {}
        self.said: list[tuple[float, AnyMessage]] = []
        self.wire: Callable[[AnyMessage], list[float]] = lambda message: [WAY_S]
        self.heard: set[CityId] = {HERE, THERE, OTHER}
        self.more = [CityId(f"city{number}") for number in range(more)]
        self.pieces = {city: self._pieces(city) for city in (HERE, THERE, OTHER, *self.more)}

    def _pieces(self, city: CityId) -> FilePieces:
        def send(to: NodeId, message: AnyMessage, budget_s: float) -> None:
            self.said.append((self.clock.monotonic(), message))
            for late_s in self.wire(message):
                self.clock.call_later(late_s, self.pieces[CityId(to)].heard, NodeId(city), message)

        def part(sender: NodeId, of: str, since: int) -> Deferred[bytes]:
            content = self.contents.get((city, of))
            if content is None:
                return fail(Refused(Problem("content-gone", "没有", "none"), status=410))
            return succeed(content[since : since + LARGEST_PIECE])

        return FilePieces(LineageId(f"of-{city}"), self.clock, send, part, self.heard.__contains__, RATE)

    def has(self, city: CityId, of: str, size: int) -> bytes:
        content = self.contents[city, of] = Random(of).randbytes(size)
        return content

    def fetch(self, city: CityId, of: str, size: int, patience_s: float | None = None) -> list[Any]:
        found: list[Any] = []
        self.pieces[HERE].fetch(city, of, size, patience_s).addBoth(found.append)
        return found

    def asked(self) -> list[tuple[float, PieceAsked]]:
        return [(at, one) for at, one in self.said if isinstance(one, PieceAsked)]


@pytest.fixture
def cities() -> Cities:
    return Cities()


def slug(found: list[Any]) -> str:
    refused: Refused = found[0].value
    return refused.problems[0].slug


def test_a_content_comes_piece_by_piece_at_the_pace(cities: Cities) -> None:
    """S4: the next one is asked for when the last has come, and has cost its time."""
    content = cities.has(THERE, "r1", 20_000)
    found = cities.fetch(THERE, "r1", len(content))
    cities.clock.advance(20_000 / RATE + 1.0)
    assert found == [content]
    times = [at for at, _ in cities.asked()]
    assert [one.since for _, one in cities.asked()] == [0, 6_000, 12_000, 18_000]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([LARGEST_PIECE / RATE] * 3)
    assert cities.pieces[HERE].waiting() == 0


def test_of_many_files_one_piece_is_on_its_way_at_a_time(cities: Cities) -> None:
    """One file after the other from each city, and the cities in turn."""
    wanted = {(city, f"r{n}"): cities.has(city, f"r{n}", 10_000) for city in (THERE, OTHER) for n in range(3)}
    found = {of: cities.fetch(*of, 10_000) for of in wanted}
    cities.clock.advance(60_000 / RATE + 5.0)
    assert {of: one[0] for of, one in found.items()} == wanted
    answered = True
    for _, message in cities.said:
        assert isinstance(message, PieceAsked) == answered
        answered = not isinstance(message, PieceAsked)
    assert [one.of for _, one in cities.asked()] == ["r0"] * 4 + ["r1"] * 4 + ["r2"] * 4


def test_a_city_that_many_ask_tells_at_its_pace() -> None:
    """S4 at the other end: its own line carries them all, and everybody gets all of it in the end."""
    cities = Cities(more=20)
    content, found = cities.has(THERE, "r1", 15_000), list[Any]()
    for city in cities.more:
        cities.pieces[city].fetch(THERE, "r1", len(content)).addBoth(found.append)
    cities.clock.advance(300.0)
    assert found == [content] * len(cities.more)
    told = [at for at, one in cities.said if isinstance(one, PieceTold)]
    assert min(later - earlier for earlier, later in pairwise(told)) > LARGEST_PIECE / RATE - 0.001
    assert len(told) == 3 * len(cities.more), "none is told in vain"


def test_what_somebody_waits_for_comes_first(cities: Cities) -> None:
    slow, quick = cities.has(THERE, "slow", 60_000), cities.has(THERE, "quick", 12_000)
    one = cities.fetch(THERE, "slow", len(slow))
    cities.clock.advance(2.0)
    two = cities.fetch(THERE, "quick", len(quick), 30.0)
    cities.clock.advance(3.0)
    assert (one, two) == ([], [quick])
    cities.clock.advance(10.0)
    assert one == [slow]


def test_a_city_that_is_away_holds_up_its_own_files_only_and_goes_on_where_it_stood(cities: Cities) -> None:
    away, there = cities.has(THERE, "away", 30_000), cities.has(OTHER, "there", 30_000)
    one = cities.fetch(THERE, "away", len(away))
    cities.clock.advance(2.0)
    cities.heard.discard(THERE)
    two = cities.fetch(OTHER, "there", len(there))
    cities.clock.advance(6.0)
    assert (one, two) == ([], [there])
    asked = len([one for _, one in cities.asked() if one.of == "away"])
    cities.clock.advance(600.0)
    assert len([one for _, one in cities.asked() if one.of == "away"]) == asked
    cities.heard.add(THERE)
    cities.clock.advance(REST_S + 5.0)
    assert one == [away]
    since = [one.since for _, one in cities.asked() if one.of == "away"]
    assert since == sorted(set(since))


def test_whoever_waits_is_told_when_nothing_comes(cities: Cities) -> None:
    """By the last piece, not by how long all of it takes."""
    content = cities.has(THERE, "r1", 100_000)
    found = cities.fetch(THERE, "r1", len(content), 5.0)
    cities.clock.advance(13.0)
    assert found == [content]
    found = cities.fetch(THERE, "r1", len(content), 5.0)
    cities.clock.advance(6.0)
    cities.wire = lambda message: []
    cities.clock.advance(4.0)
    assert found == []
    cities.clock.advance(2.0)
    assert slug(found) == "city-silent"
    assert cities.pieces[HERE].waiting() == 0


def test_so_many_are_waited_for_at_once(cities: Cities) -> None:
    cities.wire = lambda message: []
    found = [cities.fetch(THERE, f"r{n}", 10, 5.0) for n in range(MOST_AWAITED + 1)]
    assert found[:-1] == [[]] * MOST_AWAITED
    assert slug(found[-1]) == "files-too-many"
    cities.clock.advance(6.0)
    assert {slug(one) for one in found[:-1]} == {"city-silent"}


@pytest.mark.parametrize("size", [9_999, 10_001, 6_000])
def test_a_content_of_another_size_is_none(cities: Cities, size: int) -> None:
    cities.has(THERE, "r1", 10_000)
    found = cities.fetch(THERE, "r1", size)
    cities.clock.advance(30.0)
    if size == 6_000:
        assert len(found[0]) == 6_000, "whoever wants it checks what it is"
    else:
        assert slug(found) == "content-gone"


def test_what_is_not_there_is_said(cities: Cities) -> None:
    found = cities.fetch(THERE, "nothing", 10)
    cities.clock.advance(1.0)
    assert slug(found) == "content-gone"


def test_an_answer_of_somebody_else_is_none(cities: Cities) -> None:
    content = cities.has(THERE, "r1", 10)
    cities.wire = lambda message: []
    found = cities.fetch(THERE, "r1", 10)
    [(_, ask)] = cities.asked()
    cities.pieces[HERE].heard(NodeId(OTHER), PieceTold(question=ask.question, data=content))
    assert found == []
    cities.pieces[HERE].heard(NodeId(THERE), PieceTold(question=ask.question, data=content))
    assert found == [content]


def test_a_city_that_stops_throws_away_what_is_half_here(cities: Cities) -> None:
    cities.has(THERE, "r1", 100_000)
    found = [cities.fetch(THERE, "r1", 100_000, patience) for patience in (None, 30.0)]
    cities.clock.advance(3.0)
    cities.pieces[HERE].stop()
    assert {slug(one) for one in found} == {"stopping"}
    assert slug(cities.fetch(THERE, "r1", 100_000)) == "stopping"
    asked = len(cities.asked())
    cities.clock.advance(60.0)
    assert len(cities.asked()) == asked


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40_000), st.integers(1, 40_000))
def test_whatever_the_line_does_contents_come_as_they_are(seed: int, first: int, second: int) -> None:
    rng = Random(seed)
    cities = Cities()
    cities.wire = lambda message: [rng.random() * 1.5 * ANSWER_S for _ in range(rng.choice([0, 1, 1, 1, 2]))]
    wanted = {"r1": cities.has(THERE, "r1", first), "r2": cities.has(THERE, "r2", second)}
    found = {of: cities.fetch(THERE, of, len(content)) for of, content in wanted.items()}
    cities.clock.advance(3_600.0)
    assert {of: one[0] for of, one in found.items()} == wanted
