"""Wall clocks that are set while calls go on: durations stay right (federation.md, Time; failure 11)."""

from __future__ import annotations

import pytest

from dataset.ids import NodeId
from dataset.rows import ContactEnded, SegmentClosed
from tests.province.three_cities import GUANGZHOU, ThreeCities


@pytest.mark.parametrize("step_s", [-600.0, 600.0])
def test_a_clock_step_and_a_restart_in_talk_change_no_duration(step_s: float) -> None:
    """The runs before and after a restart share the machine's monotonic clock, so a talk is as long as it was."""
    province = ThreeCities()
    province.agent(GUANGZHOU)
    caller = province.call(GUANGZHOU, wait_s=5.0)
    province.phone(GUANGZHOU).answer()
    province.pass_s(20.0)
    province.crash_city(GUANGZHOU)
    province.time.jump_wall(step_s)
    province.pass_s(2.0)
    province.start_city(GUANGZHOU)
    province.pass_s(8.0)
    caller.hang_up()
    province.pass_s(30.0)
    [ended] = province.rows(NodeId(GUANGZHOU), ContactEnded)
    [closed] = province.rows(NodeId(GUANGZHOU), SegmentClosed)
    assert ended.talked_s == pytest.approx(30.0, abs=0.1)
    assert closed.talked_s == pytest.approx(30.0, abs=0.1)
    assert ended.lasted_s == pytest.approx(35.0, abs=0.1)
