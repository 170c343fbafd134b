"""Row 23: the journal's disk fills up under live calls, twice over, and gets room again."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from dataset.rows import Decision
from simulation.machines.nodes import NodeProcess
from tests.harness.listening import Listening
from tests.harness.node_log import log_lines
from tests.harness.real_floor import Crowd, Floor
from tests.harness.real_people import People, SeatedAgent
from tests.harness.real_province import RealProvince
from tests.harness.real_witness import Witness, in_thread, rows_of
from tests.harness.small_disk import fill
from tests.real.faults.conftest import DISK_CITY
from tests.real.faults.scenes import all_well, metric

SPARE = 2
UNHEARD_S = 1.0
LEFT_OUT = "yht_journal_rows_left_out_total"
TIGHT = "yht_journal_tight"


def short_talks(rng: Random) -> float:
    return rng.expovariate(1 / 1.5)


class Told:
    """What the node's log says of its disk from now on."""

    def __init__(self, province: RealProvince) -> None:
        self._log = province.nodes[DISK_CITY].log
        self._before = self._log.stat().st_size

    def events(self) -> list[str]:
        events = [str(line["event"]) for line in log_lines(self._log, after=self._before)]
        return [one for one in events if one.startswith("disk-")]


def _again(node: NodeProcess) -> None:
    """Stopped in order and started: what a journal's file had in use is given back."""
    node.stop()
    node.start()


def says_why(province: RealProvince, agent: SeatedAgent, reason: str) -> float:
    """示忙 for ``reason``, as the seat page shows it; how long that took."""
    began = time.monotonic()
    agent.do("not_ready", reason=reason)
    province.wait(lambda: agent.state.get("reason") == reason, 5.0, f"the seat page says {reason}")
    return time.monotonic() - began


def test_row_23_the_journals_disk_is_full_under_live_calls(
    province: RealProvince, witness: Witness, people: People, tmp_path: Path
) -> None:
    """Out of the reserve calls go on as before, what only explains is left out, and the operator is told. With the
    reserve gone too, talks go on and new steps wait for their rows; with room again they are made and nothing is lost.
    """
    # a journal that has run for a while writes into room that its file has already: begin with a small one
    in_thread(province, lambda: _again(province.nodes[DISK_CITY]))
    province.wait(lambda: all_well(province), 30.0, "everybody is in touch")
    told = Told(province)
    talking, agent = people.agent(DISK_CITY, 0), people.agent(DISK_CITY, 1, ready=False)
    talker = people.caller(DISK_CITY, "13700002301")
    talking.answer()
    people.hear_each_other(talker, talking)
    ears = Listening({"caller": lambda: talker.hears(talking), "agent": lambda: talking.hears(talker)})
    floor = Floor(province, tmp_path / "seats", [DISK_CITY], short_talks, seed=6, spare=SPARE)
    floor.open()
    crowd = Crowd.call(province, tmp_path / "callers", {DISK_CITY: 40}, 20.0, 20.0, prefix="164")
    province.wait(lambda: crowd.answered() >= 3, 20.0, "the load is on")

    def reads(name: str) -> float:
        return metric(province, DISK_CITY, name)

    # ── full ────────────────────────────────────────────────────────────────────────────────────────────────────────
    filler = fill(province.folder / DISK_CITY)
    full_at = time.monotonic()
    province.wait(ears.while_waiting(lambda: reads(TIGHT) == 1.0), 30.0, "the reserve is in use")
    tight_s = time.monotonic() - full_at
    answers, left_out = len(floor.answers()), reads(LEFT_OUT)
    province.wait(ears.while_waiting(lambda: len(floor.answers()) >= answers + 5), 20.0, "callers are answered")
    seat_s = says_why(province, agent, "break")
    assert reads(LEFT_OUT) > left_out
    assert told.events() == ["disk-tight"]
    answers = len(floor.answers()) - answers

    # ── the reserve too ─────────────────────────────────────────────────────────────────────────────────────────────
    def refused() -> bool:
        fill(province.folder / DISK_CITY)
        return "disk-refuses" in told.events()

    province.wait(ears.while_waiting(refused), 20.0, "the disk refuses")
    waiting = people.caller(DISK_CITY, "13700002302")

    def a_step_waits() -> bool:
        fill(province.folder / DISK_CITY)
        return reads("yht_output_batches") > 0

    province.wait(ears.while_waiting(a_step_waits), 10.0, "the new caller's row waits for the disk")
    agent.do("not_ready", reason="meal")
    began = time.monotonic()

    def stays_full() -> bool:
        fill(province.folder / DISK_CITY)  # what a file that could not be written gives back is taken too
        return time.monotonic() - began > 3.0

    province.wait(ears.while_waiting(stays_full), 5.0, "it refuses for a while")
    assert agent.state["reason"] == "break"
    assert not rows_of(province, waiting.number)
    assert waiting.call.state != "talking"

    # ── room again ──────────────────────────────────────────────────────────────────────────────────────────────────
    filler.unlink()
    room_at = time.monotonic()
    province.wait(lambda: agent.state["reason"] == "meal", 10.0, "the seat page says what was asked for")
    resumed_s = time.monotonic() - room_at
    province.wait(ears.while_waiting(lambda: reads(TIGHT) == 0.0), 20.0, "the reserve is back")
    back_s = time.monotonic() - room_at
    people.wait(lambda: waiting.number in floor.answers(), "the caller who waited is answered", 20.0)
    waiting.hang_up()
    later = people.caller(DISK_CITY, "13700002303")
    people.wait(lambda: later.number in floor.answers(), "the next caller is answered", 20.0)
    later.hang_up()
    province.wait(ears.while_waiting(lambda: crowd.over), 60.0, "all calls are over")
    talker.hang_up()
    talking.wrap_up()
    floor.close()
    spoke = floor.answers()
    witness.lines += crowd.lines(spoke)
    for one in (talker, waiting, later):
        witness.saw(one.number, spoke=True)
    said = witness.check()
    assert any(isinstance(row, Decision) for row in rows_of(province, later.number))
    assert told.events() == ["disk-tight", "disk-refuses", "disk-tight", "disk-well"]
    print(
        f"row 23: disk full, {tight_s:.1f} s later the reserve in use and told: {answers} answers meanwhile, a seat "
        f"page follows within {seat_s:.2f} s; the reserve gone too: talk heard on (longest silence "
        f"{max(ears.longest_s.values()):.2f} s), steps wait; with room again made after {resumed_s:.1f} s, the reserve "
        f"back after {back_s:.1f} s; {said}"
    )
    assert max(ears.longest_s.values()) < UNHEARD_S
