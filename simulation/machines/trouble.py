"""What a machine that does not start tells the person in front of it."""

from __future__ import annotations

from pathlib import Path

from dataset.errors import Problem

TAIL_LINES = 25


class MachineTrouble(Exception):
    """A machine could not be made, started or driven. ``problem`` says why, ``tail`` is the end of its log."""

    def __init__(self, slug: str, *, zh: str, en: str, place: str = "", tail: str = "") -> None:
        self.problem = Problem(slug, zh=zh, en=en, place=place)
        self.tail = tail
        log = f"\n--- log ---\n{tail}" if tail else ""
        super().__init__(f"[{slug}] {self.problem.text('zh')} / {self.problem.text('en')}{log}")


class MirrorTrouble(MachineTrouble):
    """The package mirror did not deliver: no fault of the product, so `make test` ends with another code (75)."""


def tail_of(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        text = path.read_bytes()[-20_000:].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
