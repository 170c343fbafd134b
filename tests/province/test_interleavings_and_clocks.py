"""Every interleaving of federation.md again, while a wall clock jumps ten minutes in the middle of it."""

from __future__ import annotations

import pytest

from dataset.ids import HUB, CityId, NodeId
from tests.province.interleaved import ANCHOR, INTERLEAVINGS, SERVING, Interleaving
from tests.province.test_interleavings import SCENARIOS

assert SCENARIOS
LISTED = [one for one in INTERLEAVINGS.values() if one.listed]
WHOSE: dict[str, NodeId | CityId] = {"anchor": ANCHOR, "serving": SERVING, "hub": HUB}


@pytest.mark.parametrize("seconds", [600.0, -600.0], ids=["forward", "back"])
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("interleaving", LISTED, ids=lambda one: one.name)
def test_it_holds_while_a_clock_jumps(interleaving: Interleaving, whose: str, seconds: float) -> None:
    """Clock jumps ±10 min during each: durations are those of monotonic clocks, order is that of sequences."""
    scene = interleaving.begin(lambda scene: scene.step_wall(WHOSE[whose], seconds))
    interleaving.play(scene)
    scene.durations_are_real()
    assert scene.moments == 1
