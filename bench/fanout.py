"""Pushes to 500 seats over real WebSockets, against autobahn-python's ``sendMessage`` to 500 connections.

Two server processes, the product's city with its desktop and autobahn with its defaults, and the browsers in a third,
all on loopback. A turn pushes one message to every seat and ends when the last one has it; the two servers take turns,
so that whatever else the machine does is shared. Four ways:

    notice     the product: one push, the same to every seat
    state      the product: the hub was lost or is back, and every seat is shown a state of its own, which has to be
               drawn up and encoded for each
    sent       autobahn: sendMessage of ready bytes, those of the notice
    prepared   autobahn: sendPreparedMessage, framed once (for comparison; the goal is against ``sent``)

``cpu_us``: the server's processor time for one message, user and kernel; ``per_s``: messages per second until the last
seat has its own; ``p50_ms``, ``p99_ms``: of a whole turn. Goal: notice at least 1.5 times sent by processor time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.fanout_parts.browsers import Room
from bench.output import say

PROVINCE = Path(__file__).parents[1] / "conf" / "province.toml"
WAYS = {"notice": "city", "state": "city", "sent": "peer", "prepared": "peer"}
GOAL = 1.5
NOTICE: dict[str, Any] = {
    "push": "notice",
    "notice": {
        "id": "n-0020",
        "zh": "天河区体育西路一带光缆中断，预计 18:30 修复；用户来电请告知，不必再派单。" * 6,
        "en": "A cable is cut in Tianhe; it should be mended by 18:30. Tell callers; open no more orders. " * 6,
    },
}


class Server:
    """A server process that takes orders."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.fanout_parts.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def order(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Its next line. Raises ``RuntimeError`` when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def worked(self) -> float:
        """Its processor time so far, in seconds."""
        self.order("worked")
        return float(self.hear()["seconds"])

    def stop(self) -> None:
        self.order("stop")
        self._process.wait(10)


@dataclass
class Figures:
    """What one way has shown so far."""

    worked_s: list[float] = field(default_factory=list)
    """processor seconds of each block of turns"""
    turns_s: list[float] = field(default_factory=list)
    bytes: int = 0

    def summary(self, seats: int, turns: int) -> dict[str, float]:
        """Of blocks of ``turns`` turns each."""
        ordered, blocks = sorted(self.turns_s), sorted(self.worked_s)
        messages = seats * len(ordered)
        return {
            "cpu_us": round(1e6 * blocks[len(blocks) // 2] / (seats * turns), 2),
            "per_s": round(messages / sum(ordered)),
            "p50_ms": round(1e3 * ordered[len(ordered) // 2], 2),
            "p99_ms": round(1e3 * ordered[len(ordered) * 99 // 100], 2),
            "bytes": round(self.bytes / messages),
        }


def measure(seats: int, blocks: int, turns: int) -> dict[str, dict[str, float]]:
    """By way. ``turns`` of each way are one block; then it is the next way's turn."""
    with tempfile.TemporaryDirectory() as temporary:
        payload = Path(temporary) / "notice.json"
        payload.write_text(json.dumps(NOTICE, ensure_ascii=False, separators=(",", ":")), "utf-8")
        servers = {
            "city": Server("city", "--province", str(PROVINCE), "--seats", str(seats), "--payload", str(payload)),
            "peer": Server("peer", "--payload", str(payload)),
        }
        try:
            rooms = {}
            for name, path in (("city", "/api/v1/live"), ("peer", "/")):
                said = servers[name].hear()
                rooms[name] = Room(said["port"], path, seats, said["tokens"])
            figures = {way: Figures() for way in WAYS}
            for block in range(blocks + 1):
                for way, name in WAYS.items():
                    _block(servers[name], rooms[name], way, figures[way] if block else Figures(), turns)
        finally:
            for server in servers.values():
                server.stop()
    return {way: found.summary(seats, turns) for way, found in figures.items()}


def _block(server: Server, room: Room, way: str, figures: Figures, turns: int) -> None:
    room.quiet()
    before, bytes_before = server.worked(), room.bytes
    for _ in range(turns):
        began = time.perf_counter()
        server.order(way)
        room.wait(1)
        figures.turns_s.append(time.perf_counter() - began)
    figures.worked_s.append(server.worked() - before)
    figures.bytes += room.bytes - bytes_before


def main() -> None:
    """Print a table, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seats", type=int, default=500)
    parser.add_argument("--blocks", type=int, default=9, help="of each way; the median block counts")
    parser.add_argument("--turns", type=int, default=20, help="of a block")
    arguments = parser.parse_args()
    if find_spec("autobahn") is None:
        parser.error("autobahn is missing: python -m pip install --require-hashes -r requirements/check.lock")
    figures = measure(arguments.seats, arguments.blocks, arguments.turns)
    for found in figures.values():
        found["cpu_ratio"] = round(figures["sent"]["cpu_us"] / found["cpu_us"], 2)
        found["rate_ratio"] = round(found["per_s"] / figures["sent"]["per_s"], 2)
    say({"bench": "fanout", "seats": arguments.seats, "goal": GOAL, "ways": figures})


if __name__ == "__main__":
    main()
