"""Reads a trace of calls, strictly: a line that is not of the form is named, and nothing of the file is used.

One tab-separated line per call, 17 columns under a header. Times are ``h:mm:ss`` of the line's date, durations whole
seconds; ``0:00:00`` stands for a time that does not exist (never queued, never served). What is of the form but cannot
have been so is no fault here: ``anomalies`` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from dataset.errors import Problem, Refused

COLUMNS = (
    *("vru+line", "call_id", "customer_id", "priority", "type", "date", "vru_entry", "vru_exit", "vru_time"),
    *("q_start", "q_exit", "q_time", "outcome", "ser_start", "ser_exit", "ser_time", "server"),
)
NO_SERVER = "NO_SERVER"
HALF_A_DAY_S = 43_200
DAY_S = 86_400
MOST_FAULTS = 20
"""so many broken lines are named; then reading ends"""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"(\d\d)([01]\d)([0-3]\d)", re.ASCII)
_SECONDS = re.compile(r"-?\d{1,5}", re.ASCII)
_FORMS = {
    "vru+line": (re.compile(r"[A-Z]{2}\d{4}", re.ASCII), "AA0101"),
    "call_id": (re.compile(r"\d{1,9}", re.ASCII), "34536"),
    "customer_id": (re.compile(r"\d{0,12}|\d\.\d+E\+\d\d", re.ASCII), "24442634"),
    "priority": (re.compile(r"[0-2]", re.ASCII), "0, 1, 2"),
    "type": (re.compile(r"[A-Z]{2}", re.ASCII), "PS"),
    "date": (_DATE, "990201"),
    "outcome": (re.compile(r"AGENT|HANG|PHANTOM"), "AGENT, HANG, PHANTOM"),
    "server": (re.compile(r"[A-Z][A-Z_]*"), "DORIT"),
    **dict.fromkeys(("vru_entry", "vru_exit", "q_start", "q_exit", "ser_start", "ser_exit"), (_TIME, "7:02:47")),
    **dict.fromkeys(("vru_time", "q_time", "ser_time"), (_SECONDS, "166")),
}


class Outcome(StrEnum):
    """What became of a call."""

    AGENT = "AGENT"
    HANG = "HANG"
    PHANTOM = "PHANTOM"
    """a virtual call"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in seconds after midnight of the call's date; ``end`` may lie behind the next midnight."""

    begin: int
    end: int
    stated: int
    """how long the line itself says it was"""

    @property
    def length(self) -> int:
        """How long it was by its ends; below 0 when they are the wrong way round."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class TraceCall:
    """One line."""

    line: int
    """in the file, from 1"""
    trunk: str
    call_id: str
    customer: str
    priority: int
    kind: str
    date: date
    menu: Span
    queue: Span | None
    service: Span | None
    outcome: Outcome
    server: str
    """``""`` when none is named"""


@dataclass(frozen=True, slots=True)
class Trace:
    """A file of calls, in the order of its lines."""

    file: str
    calls: tuple[TraceCall, ...]

    def dates(self) -> tuple[date, ...]:
        """The dates in it, in order."""
        return tuple(sorted({call.date for call in self.calls}))

    def day(self, day: date) -> tuple[TraceCall, ...]:
        """The calls of one date."""
        return tuple(call for call in self.calls if call.date == day)


def load_trace(path: Path) -> Trace:
    """The trace in a file. Raises ``Refused``: ``trace-unreadable``, ``trace-header``, ``trace-line`` (file:line)."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            Problem(
                "trace-unreadable",
                zh=f"无法读取话务记录：{error}",
                en=f"the trace cannot be read: {error}",
                place=str(path),
            )
        ) from error
    return parse_trace(text, str(path))


def parse_trace(text: str, file: str) -> Trace:
    """The trace in ``text``; ``file`` is for messages. Raises ``Refused`` with up to ``MOST_FAULTS`` broken lines."""
    lines = text.splitlines()
    if not lines or tuple(lines[0].rstrip().split("\t")) != COLUMNS:
        columns = ", ".join(COLUMNS)
        raise Refused(
            Problem(
                "trace-header",
                zh=f"首行应为以制表符分隔的 {len(COLUMNS)} 个列名：{columns}",
                en=f"the first line should be the {len(COLUMNS)} tab-separated names {columns}",
                place=f"{file}:1",
            )
        )
    calls: list[TraceCall] = []
    faults: list[Problem] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        problem = _fault(line, f"{file}:{number}")
        if problem is None:
            calls.append(_call(line, number))
        else:
            faults.append(problem)
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise Refused(*faults)
    return Trace(file, tuple(calls))


def _fault(line: str, place: str) -> Problem | None:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        return Problem(
            "trace-line",
            zh=f"有 {len(fields)} 列，应为以制表符分隔的 {len(COLUMNS)} 列",
            en=f"{len(fields)} columns, {len(COLUMNS)} tab-separated ones expected",
            place=place,
        )
    for name, value in zip(COLUMNS, fields, strict=True):
        form, example = _FORMS[name]
        if not form.fullmatch(value) or (name == "date" and _date(value) is None):
            shown = value if len(value) <= 40 else value[:40] + "…"
            return Problem(
                "trace-line",
                zh=f"{name} 列的 {shown!r} 不合格式，应如 {example}",
                en=f"{shown!r} is no {name}; expected something like {example}",
                place=place,
            )
    return None


def _call(line: str, number: int) -> TraceCall:
    fields = dict(zip(COLUMNS, line.split("\t"), strict=True))
    day = _date(fields["date"])
    assert day is not None, "the line was checked"
    return TraceCall(
        line=number,
        trunk=fields["vru+line"],
        call_id=fields["call_id"],
        customer=fields["customer_id"],
        priority=int(fields["priority"]),
        kind=fields["type"],
        date=day,
        menu=_span(fields, "vru_entry", "vru_exit", "vru_time"),
        queue=_span_or_none(fields, "q_start", "q_exit", "q_time"),
        service=_span_or_none(fields, "ser_start", "ser_exit", "ser_time"),
        outcome=Outcome(fields["outcome"]),
        server="" if fields["server"] == NO_SERVER else fields["server"],
    )


def _span(fields: dict[str, str], begin: str, end: str, stated: str) -> Span:
    first, last = _seconds(fields[begin]), _seconds(fields[end])
    if last + HALF_A_DAY_S < first:
        last += DAY_S  # midnight has passed
    return Span(first, last, int(fields[stated]))


def _span_or_none(fields: dict[str, str], begin: str, end: str, stated: str) -> Span | None:
    if _seconds(fields[begin]) == 0 and _seconds(fields[end]) == 0:
        return None
    return _span(fields, begin, end, stated)


def _seconds(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _date(text: str) -> date | None:
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    try:
        return date(year + (1900 if year >= 70 else 2000), month, day)
    except ValueError:
        return None


def calls_by_server(calls: tuple[TraceCall, ...]) -> Iterator[tuple[str, list[TraceCall]]]:
    """The served calls of each named server, by beginning of the service."""
    served: dict[str, list[TraceCall]] = {}
    for call in calls:
        if call.outcome is Outcome.AGENT and call.server and call.service is not None:
            served.setdefault(call.server, []).append(call)
    for server in sorted(served):
        yield server, sorted(served[server], key=lambda call: (call.service.begin if call.service else 0, call.line))
