"""Output commit: nothing leaves before the rows decided earlier are synced, and always in the order decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from dataset.ids import NodeId
from dataset.rows import AnyRow, SegmentConfirmed
from federation.ports import Journal
from site_node.shell.output import Effect, Output

HUB = NodeId("hub")


class HeldJournal:
    """Syncs when it is told to; groups in the order given, as ``Journal`` promises."""

    def __init__(self) -> None:
        self.groups: list[tuple[list[AnyRow], Callable[[], None]]] = []

    def append(self, rows: Sequence[tuple[AnyRow, Sequence[str]]], synced: Callable[[], None]) -> None:
        self.groups.append(([row for row, _ in rows], synced))

    def sync(self) -> None:
        _, synced = self.groups.pop(0)
        synced()


class Scene:
    def __init__(self) -> None:
        self.journal = HeldJournal()
        self.output = Output(cast(Journal, self.journal))
        self.done: list[str] = []

    def does(self, *names: str) -> list[Effect]:
        return [partial(self.done.append, name) for name in names]

    def rows(self, count: int = 1) -> list[tuple[AnyRow, Sequence[NodeId]]]:
        return [(SegmentConfirmed(contact="c", n=n), (HUB,)) for n in range(count)]  # type: ignore[arg-type]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    seen: list[LogEvent] = []
    observer = cast(ILogObserver, seen.append)
    globalLogPublisher.addObserver(observer)
    yield seen
    globalLogPublisher.removeObserver(observer)


def test_effects_wait_for_the_rows_of_their_own_step(scene: Scene) -> None:
    scene.output.put(scene.rows(3), scene.does("a", "b"))
    assert (scene.done, len(scene.output)) == ([], 1)
    assert len(scene.journal.groups[0][0]) == 3
    scene.journal.sync()
    assert (scene.done, len(scene.output)) == (["a", "b"], 0)


def test_effects_without_rows_happen_at_once(scene: Scene) -> None:
    scene.output.put([], scene.does("a"))
    assert scene.done == ["a"]


def test_later_effects_never_overtake_earlier_rows(scene: Scene) -> None:
    """What is decided after a row may rest on it: it waits too, even with no rows of its own."""
    scene.output.put(scene.rows(), scene.does("a"))
    scene.output.put([], scene.does("b"))
    scene.output.put(scene.rows(), scene.does("c"))
    scene.output.put([], scene.does("d"))
    assert scene.done == []
    scene.journal.sync()
    assert scene.done == ["a", "b"]
    scene.journal.sync()
    assert scene.done == ["a", "b", "c", "d"]


def test_rows_without_effects_hold_back_later_effects(scene: Scene) -> None:
    scene.output.put(scene.rows(), [])
    scene.output.put([], scene.does("a"))
    assert scene.done == []
    scene.journal.sync()
    assert scene.done == ["a"]


def test_a_sync_out_of_turn_lets_nothing_overtake(scene: Scene) -> None:
    scene.output.put(scene.rows(), scene.does("a"))
    scene.output.put(scene.rows(), scene.does("b"))
    scene.journal.groups.reverse()
    scene.journal.sync()
    assert scene.done == []
    scene.journal.sync()
    assert scene.done == ["a", "b"]


def test_what_an_effect_leads_to_waits_its_turn(scene: Scene) -> None:
    """An effect may be heard at once (a switch in the same process) and lead to new commands: these come after."""

    def leads_on() -> None:
        scene.done.append("a")
        scene.output.put([], scene.does("c"))
        scene.output.put(scene.rows(), scene.does("d"))
        scene.output.put([], scene.does("e"))

    scene.output.put([], [leads_on, *scene.does("b")])
    assert scene.done == ["a", "b", "c"]
    scene.journal.sync()
    assert scene.done == ["a", "b", "c", "d", "e"]


def test_nothing_to_do_is_nothing(scene: Scene) -> None:
    scene.output.put([], [])
    assert (len(scene.output), scene.journal.groups) == (0, [])


def test_a_failing_effect_does_not_take_the_others_along(scene: Scene, logged: list[LogEvent]) -> None:
    """The core has moved on and its rows are on record: the other effects are owed whatever happened to one."""

    def fails() -> None:
        raise RuntimeError("no such phone")

    scene.output.put(scene.rows(), [*scene.does("a"), fails, *scene.does("b")])
    scene.output.put([], scene.does("c"))
    scene.journal.sync()
    assert scene.done == ["a", "b", "c"]
    assert len(scene.output) == 0
    [event] = [event for event in logged if "log_failure" in event]
    assert "no such phone" in str(event["log_failure"].value)
    scene.output.put([], scene.does("d"))
    assert scene.done[-1] == "d"


def test_a_failing_effect_is_not_the_fault_of_who_put_it(scene: Scene, logged: list[LogEvent]) -> None:
    """An agent's request is not answered with the failure of an effect of somebody else's contact."""

    def fails() -> None:
        raise RuntimeError("trunk gone")

    scene.output.put([], [fails, *scene.does("a")])
    assert scene.done == ["a"]
    assert [event for event in logged if "log_failure" in event]
