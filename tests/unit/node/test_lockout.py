"""Failures by name: how many lock it, for how long, and that strangers fill no memory."""

from __future__ import annotations

from federation.node.clock import VirtualClock
from federation.node.lockout import TRACKED, Lockout


def test_a_name_is_locked_after_so_many_failures_and_free_again_after_its_time() -> None:
    clock = VirtualClock()
    lockout = Lockout(clock, 3, 900.0)
    for _ in range(2):
        lockout.failed("a")
    assert lockout.left_s("a") == 0.0
    lockout.failed("a")
    assert (lockout.left_s("a"), lockout.left_s("b")) == (900.0, 0.0)
    clock.advance(899.0)
    assert lockout.left_s("a") == 1.0
    clock.advance(1.0)
    assert lockout.left_s("a") == 0.0
    lockout.failed("a")
    assert lockout.left_s("a") == 0.0


def test_a_success_forgets_the_failures() -> None:
    lockout = Lockout(VirtualClock(), 2, 60.0)
    for _ in range(5):
        lockout.failed("a")
        lockout.passed("a")
    assert lockout.left_s("a") == 0.0


def test_guessing_at_endless_names_fills_no_memory() -> None:
    """The longest untouched name is forgotten first."""
    lockout = Lockout(VirtualClock(), 1, 60.0)
    for at in range(TRACKED + 1):
        lockout.failed(f"x{at}")
    assert (lockout.left_s("x0"), lockout.left_s("x1")) == (0.0, 60.0)
