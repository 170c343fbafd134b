"""Pushes to 500 seats over real WebSockets, against autobahn-python's ``sendMessage`` to 500 connections.

Two server processes, the product's city with its desktop and autobahn with its defaults, and the browsers of both in a
third, all on loopback. A turn pushes one message to every seat and ends when the kernel has it for the last one; the
browsers read, and check what they have got, after the clock has stopped (``fanout_parts/browsers.py`` says why). In
each round every way has some turns, in an order that moves on, and its ratio is taken to ``sent`` of the same round:
whatever else the machine does meets both. Four ways:

    notice     the product: one push, the same to every seat
    state      the product: the hub was lost or is back, and every seat is shown a state of its own, which has to be
               drawn up and encoded for each
    sent       autobahn: sendMessage of ready bytes, those of the notice
    prepared   autobahn: sendPreparedMessage, framed once (for comparison; the goal is against ``sent``)

``cpu_us``: the server's processor time for one message, user and kernel; ``per_s``: messages per second until the last
seat has its own, both of the median round; ``p50_ms``, ``p99_ms``: of a whole turn. ``cpu_ratio`` and ``rate_ratio``:
how much better than ``sent``, the median of the rounds, with the quartiles beside it. Goal: notice at least 1.5 times
sent by messages per second.
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
from statistics import median, quantiles
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
    """What one way has shown, a figure for each round."""

    worked_s: list[float] = field(default_factory=list)
    """processor seconds"""
    took_s: list[float] = field(default_factory=list)
    """all turns of the round together"""
    turns_s: list[float] = field(default_factory=list)
    """each turn"""
    bytes: int = 0

    def summary(self, seats: int, turns: int, peer: Figures) -> dict[str, float]:
        """Of rounds of ``turns`` turns each, against the same rounds of ``peer``."""
        ordered = sorted(self.turns_s)
        found = {
            "cpu_us": round(1e6 * median(self.worked_s) / (seats * turns), 2),
            "per_s": round(seats * turns / median(self.took_s)),
            "p50_ms": round(1e3 * ordered[len(ordered) // 2], 2),
            "p99_ms": round(1e3 * ordered[len(ordered) * 99 // 100], 2),
            "bytes": round(self.bytes / (seats * len(ordered))),
        }
        for name, own, others in (("cpu", self.worked_s, peer.worked_s), ("rate", self.took_s, peer.took_s)):
            low, middle, high = quantiles([theirs / ours for ours, theirs in zip(own, others, strict=True)], n=4)
            found |= {f"{name}_ratio": round(middle, 2), f"{name}_q1": round(low, 2), f"{name}_q3": round(high, 2)}
        return found


def measure(seats: int, rounds: int, turns: int) -> dict[str, dict[str, float]]:
    """By way: ``turns`` of each in every round; the first round is not counted."""
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
            for nth in range(rounds + 1):
                ways = list(WAYS)
                for way in ways[nth % len(ways) :] + ways[: nth % len(ways)]:
                    name = WAYS[way]
                    _round(servers[name], rooms[name], way, figures[way] if nth else Figures(), turns)
        finally:
            for server in servers.values():
                server.stop()
    return {way: found.summary(seats, turns, figures["sent"]) for way, found in figures.items()}


def _round(server: Server, room: Room, way: str, figures: Figures, turns: int) -> None:
    room.quiet()
    before, bytes_before, took_s = server.worked(), room.bytes, 0.0
    for _ in range(turns):
        began = time.perf_counter()
        server.order(way)
        room.wait()
        turn_s = time.perf_counter() - began
        room.take()
        figures.turns_s.append(turn_s)
        took_s += turn_s
    figures.took_s.append(took_s)
    figures.worked_s.append(server.worked() - before)
    figures.bytes += room.bytes - bytes_before


def main() -> None:
    """Print a table, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seats", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=40, help="each way once in each")
    parser.add_argument("--turns", type=int, default=5, help="of each way in a round")
    arguments = parser.parse_args()
    if find_spec("autobahn") is None:
        parser.error("autobahn is missing: python -m pip install --require-hashes -r requirements/check.lock")
    figures = measure(arguments.seats, arguments.rounds, arguments.turns)
    say({"bench": "fanout", "seats": arguments.seats, "goal": GOAL, "ways": figures})


if __name__ == "__main__":
    main()
