"""A city works over a thin line: 512 kbit/s, 100 ms, 30 agents, and a good part of its calls served elsewhere (S4)."""

from __future__ import annotations

from pathlib import Path

from simulation.thin_line import run

PROVINCE = Path(__file__).parents[2] / "conf" / "province.toml"


def test_busy_city_keeps_every_budget_and_its_ledger_in_pace_over_512_kbit_per_s() -> None:
    """S4, A9: voice aside, nothing comes late; the hour of the bench, in short and busier still."""
    shown = run(PROVINCE, seconds=900.0, busier=4.0)
    assert shown.moved_share > 0.33
    assert shown.commands > 300
    assert shown.commands_lost == 0
    assert shown.closest_to_budget < 0.75
    assert shown.slowest_command_s < 1.25, "D, the slowest line that the budgets are made for"
    assert shown.ledger_lag_s < 1.0
    assert max(shown.up_share, shown.down_share) < 0.25
    assert shown.bytes_per_beat < 1_500


def test_rows_of_an_outage_come_beside_the_live_traffic() -> None:
    """S4: what was written while the line was cut for minutes comes at its own pace, and no command waits for it."""
    shown = run(PROVINCE, seconds=900.0, busier=4.0, cut_s=300.0)
    assert shown.ledger_lag_s > 250.0, "the outage was one"
    assert shown.commands_lost == 0
    assert shown.slowest_command_s < 1.25
    assert shown.closest_to_budget < 0.75


def test_files_of_work_items_come_behind_the_live_traffic() -> None:
    """S4: one is on its way from and to the thin city all the while, and every budget is kept as without."""
    shown = run(PROVINCE, seconds=600.0, busier=4.0, file_bytes=100_000)
    assert shown.file_bytes_per_s > 10_000.0, "they do come"
    assert shown.commands > 200
    assert shown.commands_lost == 0
    assert shown.slowest_command_s < 1.25
    assert shown.closest_to_budget < 0.75
    assert shown.ledger_lag_s < 1.0
    assert max(shown.up_share, shown.down_share) < 0.6
