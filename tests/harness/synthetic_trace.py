"""Makes up a trace in the form of the Anonymous Bank's, with every kind of anomaly in it.

``python -m tests.harness.synthetic_trace`` writes ``tests/data/two_days.txt`` anew; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from random import Random

from simulation.replay.trace import COLUMNS

FILE = Path(__file__).parents[1] / "data" / "two_days.txt"
SERVERS = ("AIMIN", "BAOYU", "CHUNLI", "DAWEI")
KINDS = ("PS", "PS", "PS", "NE", "NW", "IN")
OPENS, CLOSES = 8 * 3600, 20 * 3600


def trace_text(seed: int = 1999, calls_a_day: int = 120) -> str:
    """Two days, 2 and 3 March 1999: an M/M/4 center with patience, and then oddities put in by hand."""
    rng = Random(seed)
    lines = ["\t".join(COLUMNS)]
    for day in ("990302", "990303"):
        calls = list(_day(rng, day, calls_a_day))
        if day == "990302":
            _spoil(calls)
        lines.extend("\t".join(call[name] for name in COLUMNS) for call in calls)
    return "\r\n".join(lines) + "\r\n"


def _day(rng: Random, day: str, count: int) -> Iterator[dict[str, str]]:
    free = [(OPENS, name) for name in SERVERS]
    arrivals = sorted(rng.randrange(OPENS, CLOSES) for _ in range(count))
    for number, arrives in enumerate(arrivals):
        menu = rng.randrange(4, 15)
        call = _call(day, 1000 + number, rng, arrives, arrives + menu)
        patience = rng.expovariate(1 / 240)
        available, name = free[0]
        begin = max(arrives + menu, available)
        wait = begin - arrives - menu
        if rng.random() < 0.05:
            call["outcome"] = "HANG"
        elif wait > patience:
            left = arrives + menu + int(patience) + 1
            call.update(outcome="HANG", **_span("q", arrives + menu, left))
        else:
            heappop(free)
            end = begin + 1 + int(rng.expovariate(1 / 900))
            heappush(free, (end, name))
            call.update(outcome="AGENT", server=name, **_span("ser", begin, end))
            if wait:
                call.update(_span("q", arrives + menu, begin))
        yield call


def _call(day: str, number: int, rng: Random, begin: int, end: int) -> dict[str, str]:
    known = rng.random() < 0.4
    return {
        "vru+line": f"AA01{number % 16 + 1:02d}",
        "call_id": str(number),
        "customer_id": str(rng.randrange(10**6, 10**8)) if known else "0",
        "priority": str(rng.randrange(1, 3)) if known else "0",
        "type": rng.choice(KINDS),
        "date": day,
        **_span("vru", begin, end),
        **_none("q"),
        "outcome": "",
        **_none("ser"),
        "server": "NO_SERVER",
    }


def _spoil(calls: list[dict[str, str]]) -> None:
    """One of each oddity that the real trace has."""
    served = [call for call in calls if call["outcome"] == "AGENT" and call["q_start"] != "0:00:00"]
    direct = [call for call in calls if call["outcome"] == "AGENT" and call["q_start"] == "0:00:00"]
    hung_up = [call for call in calls if call["outcome"] == "HANG" and call["q_start"] != "0:00:00"]
    direct[0]["server"] = "NO_SERVER"
    direct[1].update(_none("ser"))
    first, second = direct[2], direct[3]
    second.update(server=first["server"], **_span("ser", _seconds(first["ser_start"]), _seconds(first["ser_exit"])))
    second.update(_span("vru", _seconds(first["vru_entry"]), _seconds(first["vru_exit"])))
    direct[4].update(_span("ser", _seconds(direct[4]["vru_exit"]) - 2, _seconds(direct[4]["ser_exit"])))
    served[0].update(_span("ser", _seconds(served[0]["q_exit"]) - 1, _seconds(served[0]["ser_exit"])))
    direct[5].update(_span("ser", _seconds(direct[5]["vru_exit"]) + 4, _seconds(direct[5]["ser_exit"]) + 4))
    hung_up[0].update(_span("ser", _seconds(hung_up[0]["q_exit"]), _seconds(hung_up[0]["q_exit"]) + 30))
    phantom = calls[10]
    begin = _seconds(phantom["vru_exit"])
    phantom.update(
        outcome="PHANTOM", server="NO_SERVER", **_span("q", begin, begin + 20), **_span("ser", begin, begin + 25)
    )
    backwards = direct[6]
    backwards.update(vru_exit=_time(_seconds(backwards["vru_entry"]) - 50), vru_time="-50")
    served[1].update(_span("q", _seconds(served[1]["vru_exit"]) + 1, _seconds(served[1]["q_exit"])))
    served[2]["q_time"] = str(int(served[2]["q_time"]) + 5)
    night = calls[-1]
    late = 23 * 3600 + 59 * 60
    night.update(outcome="AGENT", server=SERVERS[0], **_span("vru", late, late + 9), **_none("q"))
    night.update(ser_start=_time(late + 9), ser_exit="0:01:28", ser_time="139")
    calls[20]["call_id"] = calls[19]["call_id"]
    calls[21]["customer_id"] = "6.02701E+11"


def _span(name: str, begin: int, end: int) -> dict[str, str]:
    first, last = ("entry", "exit") if name == "vru" else ("start", "exit")
    return {f"{name}_{first}": _time(begin), f"{name}_{last}": _time(end), f"{name}_time": str(end - begin)}


def _none(name: str) -> dict[str, str]:
    return {f"{name}_start": "0:00:00", f"{name}_exit": "0:00:00", f"{name}_time": "0"}


def _time(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _seconds(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


if __name__ == "__main__":
    FILE.write_text(trace_text(), encoding="ascii", newline="")
