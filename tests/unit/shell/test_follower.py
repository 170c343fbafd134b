"""Jobs behind rows: in their order, again what was refused, without what cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused
from federation.node.clock import VirtualClock
from site_node.shell.follower import AGAIN_S, Follower, Job


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.done: list[str] = []
        self.begun: list[str] = []
        self.later: list[str] = []
        self.failed: list[Failure] = []
        self.follower = Follower(self.clock, later=self.later.append, failed=self.failed.append)
        self.trouble: dict[str, Exception] = {}
        self.open: dict[str, Deferred[None]] = {}

    def job(self, name: str, *, waits: bool = False, then: Callable[[], None] = lambda: None) -> Job:
        async def do() -> None:
            self.begun.append(name)
            if waits:
                self.open[name] = Deferred()
                await self.open[name]
            if name in self.trouble:
                raise self.trouble[name]
            then()
            self.done.append(name)

        return do


@pytest.fixture
def scene() -> Scene:
    return Scene()


def refused() -> Refused:
    return Refused(Problem("store-away", "存储不可用", "the store is away"))


def test_one_begins_when_the_one_before_is_done(scene: Scene) -> None:
    scene.follower.add([scene.job("a", waits=True), scene.job("b")])
    assert (scene.begun, len(scene.follower)) == (["a"], 2)
    scene.open["a"].callback(None)
    assert (scene.done, len(scene.follower)) == (["a", "b"], 0)


def test_what_was_refused_is_tried_again_before_the_others(scene: Scene) -> None:
    scene.trouble["a"] = refused()
    scene.follower.add([scene.job("a"), scene.job("b")])
    scene.follower.add([scene.job("c")])  # asks for nothing before its time
    scene.clock.advance(AGAIN_S - 0.1)
    assert (scene.begun, len(scene.later)) == (["a"], 1)
    del scene.trouble["a"]
    scene.clock.advance(0.1)
    assert (scene.done, scene.failed) == (["a", "b", "c"], [])


def test_what_fails_is_left_out_and_holds_nobody_up(scene: Scene) -> None:
    scene.trouble["a"] = ZeroDivisionError()
    scene.follower.add([scene.job("a"), scene.job("b")])
    assert scene.done == ["b"], "at once"
    assert [failure.type for failure in scene.failed] == [ZeroDivisionError]


def test_what_a_job_leaves_to_do_comes_before_all_that_waits(scene: Scene) -> None:
    """What an earlier run left, before the rows of this one that came while it was looked for."""
    left: list[Any] = [scene.job("left 1"), scene.job("left 2")]
    scene.follower.add([scene.job("look", waits=True, then=lambda: scene.follower.add_next(left))])
    scene.follower.add([scene.job("new")])
    assert scene.begun == ["look"]
    scene.open["look"].callback(None)
    assert scene.done == ["look", "left 1", "left 2", "new"]


@pytest.mark.parametrize("trouble", [None, refused(), ZeroDivisionError()])
def test_once_stopped_nothing_begins(scene: Scene, trouble: Exception | None) -> None:
    if trouble is not None:
        scene.trouble["a"] = trouble
    scene.follower.add([scene.job("a", waits=True), scene.job("b")])
    scene.follower.stop()
    scene.open["a"].callback(None)
    scene.clock.advance(2 * AGAIN_S)
    assert (scene.begun, scene.later, scene.failed) == (["a"], [], [])


def test_stopped_while_it_waits_to_try_again(scene: Scene) -> None:
    scene.trouble["a"] = refused()
    scene.follower.add([scene.job("a")])
    scene.follower.stop()
    scene.clock.advance(2 * AGAIN_S)
    assert scene.begun == ["a"]
