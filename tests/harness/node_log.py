"""Reads the log of a node's process: one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def log_lines(log: Path, *events: str, after: int = 0) -> list[dict[str, Any]]:
    """All whole lines behind byte ``after``, or those of these events; what a process printed otherwise is left out."""
    with log.open("rb") as file:
        file.seek(after)
        said = [json.loads(line) for line in file.read().splitlines() if line[:1] == b"{" and line[-1:] == b"}"]
    return [line for line in said if not events or line.get("event") in events]
