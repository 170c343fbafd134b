"""What a replay says, in Chinese and English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from simulation.replay.anomalies import MEANING, Anomaly, AnomalyKind
from simulation.replay.forced import ForcedDay
from simulation.replay.free import WITHIN_S, FreeDay
from simulation.replay.totals import Totals

WIDTH = 118


def anomaly_lines(found: Sequence[Anomaly]) -> Iterable[str]:
    """Every anomaly by kind: how many, what it means, and the lines it is in."""
    counts = Counter(anomaly.kind for anomaly in found)
    yield f"记录中的异常 anomalies in the trace: {len(found)}"
    for kind in AnomalyKind:
        if counts[kind]:
            zh, en = MEANING[kind]
            yield f"  {kind} {counts[kind]}: {zh} · {en}"
            yield from _wrapped([str(anomaly.line) for anomaly in found if anomaly.kind is kind])


def anomaly_table(found: Iterable[Anomaly], file: str) -> Iterable[str]:
    """One line per anomaly, ``file:line``, kind and figures, for a file."""
    for anomaly in found:
        zh, en = MEANING[anomaly.kind]
        yield f"{file}:{anomaly.line}\t{anomaly.kind}\t{anomaly.detail}\t{zh}\t{en}"


def forced_lines(days: Sequence[ForcedDay]) -> Iterable[str]:
    """A table of the days: totals of the trace and of the core's rows of record, and whether every moment was right."""
    yield "日期 date    来话 offered  接听 answered  挂机 hung up  其它 other  核心 core  时刻 moments   座席 seats"
    for day in days:
        same = "=" if day.expected == day.played else f"≠ {_numbers(day.played)}"
        exact = "=" if day.late == 0 else f"{day.late} ≠, ≤ {day.worst_s:g} s"
        yield (
            f"{day.day}  {day.expected.offered:>12}  {day.expected.answered:>13}  {day.expected.hung_up:>12}  "
            f"{day.expected.other:>10}  {same:<9}  {exact:<13}  {day.seats} ({day.servers})"
        )
    good = sum(day.good for day in days)
    yield f"{good}/{len(days)} 天与记录完全一致 · days exactly as in the trace"


def free_lines(days: Sequence[FreeDay]) -> Iterable[str]:
    """For each day what was, what came out when the core decided, and the difference."""
    for day in days:
        was, came = day.trace_waits, day.played_waits
        less = day.played - day.trace
        points = 100 * (came.within - was.within)
        yield (
            f"{day.day}  {day.seats} 席 seats, 平均耐心 mean patience {day.patience_s:.0f} s"
            "          来话 offered  接听 answered  挂机 hung up  其它 other  平均等待 mean wait  "
            f"≤ {WITHIN_S:.0f} s"
        )
        for name, totals, waits in (("记录 trace", day.trace, was), ("核心 core", day.played, came)):
            yield (
                f"    {name:<54}{totals.offered:>12}  {totals.answered:>13}  {totals.hung_up:>12}  {totals.other:>10}"
                f"  {waits.answered_s:>16.1f} s  {waits.within:>6.1%}"
            )
        yield (
            f"    {'差 difference':<53}{less.offered:>+12}  {less.answered:>+13}  {less.hung_up:>+12}"
            f"  {less.other:>+10}"
            f"  {came.answered_s - was.answered_s:>+16.1f} s  {points:>+5.1f} 点 points"
        )


def _numbers(totals: Totals) -> str:
    return f"{totals.offered} {totals.answered} {totals.hung_up} {totals.other}"


def _wrapped(words: Sequence[str]) -> Iterable[str]:
    line = "   "
    for word in words:
        if len(line) + len(word) + 1 > WIDTH:
            yield line
            line = "   "
        line += f" {word}"
    yield line
