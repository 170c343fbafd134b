"""A checker that can fail: each kind of fault, put into a clean run on purpose, is found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from dataset.ids import ContactId, LineageId
from dataset.rows import (
    AttemptAnswered,
    ContactBorn,
    ContactEnded,
    Ending,
    Journalled,
    Left,
    LineageOpened,
    QueueLeft,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
)
from tests.harness.ledger_checker import CallerLine, Findings, LedgerCheck
from tests.harness.rows_of_record import (
    C1,
    C2,
    C3,
    GUANGZHOU,
    SHENZHEN,
    Writing,
    answered,
    born,
    closed,
    confirmed,
    ended,
    entered,
    left,
    opened,
    segment,
    withdrawn,
)


class Run:
    """Three calls in Guangzhou: answered at home, answered in Shenzhen, given up."""

    def __init__(self) -> None:
        gz, sz = Writing("guangzhou", "0000000a", 900_000.0), Writing("shenzhen", "0000000b", 900_000.0)
        self.writers = {"guangzhou": gz, "shenzhen": sz}
        self.journals = {
            "guangzhou": [
                *gz.write(LineageOpened(node="guangzhou", previous=None, previous_head=0)),
                *gz.write(born(C1, calling="t1"), entered(C1), opened(C1), answered(C1), left(C1)),
                *gz.write(segment(C1), confirmed(C1)),
                *gz.at(900_060.0, ended(C1), closed(C1)),
                *gz.at(900_010.0, born(C2, calling="t2"), entered(C2), opened(C2), withdrawn(C2), opened(C2, 2)),
                *gz.at(900_020.0, answered(C2, 2, SHENZHEN, "2001"), left(C2, Left.SENT_OUT)),
                *gz.at(900_080.0, ended(C2)),
                *gz.at(900_030.0, born(C3, calling="t3"), entered(C3), left(C3, Left.ABANDONED)),
                *gz.at(900_030.0, ended(C3, Ending.ABANDONED, talked_s=0.0)),
            ],
            "shenzhen": [
                *sz.write(LineageOpened(node="shenzhen", previous=None, previous_head=0)),
                *sz.at(900_020.0, segment(C2, 2, SHENZHEN, GUANGZHOU, "2001"), confirmed(C2, 2)),
                *sz.at(900_085.0, closed(C2, 2, SHENZHEN, agent="2001")),
            ],
        }
        self.hub = [row for rows in self.journals.values() for row in rows]
        self.callers = [
            CallerLine("t1", True, True, 60.05, 3.0),
            CallerLine("t2", True, True, 59.95, 3.0),
            CallerLine("t3", True, False),
            CallerLine("t4", False),
        ]
        self.parked = 0

    def findings(self) -> Findings:
        return LedgerCheck(self.callers, self.journals, self.hub, self.parked).findings()

    def everywhere(self, change: Callable[[list[Journalled]], list[Journalled]]) -> None:
        self.journals = {node: change(rows) for node, rows in self.journals.items()}
        self.hub = change(self.hub)

    def drop(self, kind: type[object], contact: ContactId, n: int | None = None) -> None:
        self.everywhere(
            lambda rows: [
                row
                for row in rows
                if not (
                    isinstance(row.row, kind)
                    and getattr(row.row, "contact", None) == contact
                    and n in (None, getattr(row.row, "n", None))
                )
            ]
        )

    def add(self, node: str, *rows: object) -> None:
        new = self.writers[node].write(*rows)  # type: ignore[arg-type]
        self.journals[node] += new
        self.hub += new


def kinds(found: Findings) -> dict[str, int]:
    counts = {kind: len(getattr(found, kind)) for kind in ("lost", "doubled", "phantom", "unknown", "wrong")}
    return {kind: count for kind, count in counts.items() if count}


def test_clean_run_passes() -> None:
    found = Run().findings()
    assert found.passed, found.text()
    assert (found.contacts, found.rows) == (3, 26)
    assert found.text() == "3 contacts, 26 rows: 0 lost, 0 doubled, 0 phantom, 0 unknown, 0 wrong"


def lose_call(run: Run) -> None:
    run.callers.append(CallerLine("t9", True))


def lose_row(run: Run) -> None:
    run.hub = [row for row in run.hub if not isinstance(row.row, SegmentConfirmed)]


def lose_ending(run: Run) -> None:
    run.drop(ContactEnded, C3)


def lose_answer_from_record(run: Run) -> None:
    run.callers[2] = CallerLine("t3", True, True)


def lose_segment(run: Run) -> None:
    run.drop(SegmentOpened, C2)
    run.drop(SegmentConfirmed, C2)
    run.drop(SegmentClosed, C2)


def lose_closing_of_segment(run: Run) -> None:
    run.drop(SegmentClosed, C1)


def lose_outcome(run: Run) -> None:
    run.add("guangzhou", opened(C3, 7))


def double_contact(run: Run) -> None:
    contact = ContactId("0020-0000000a-000009")
    run.add("guangzhou", born(contact, calling="t1"), ended(contact, Ending.MENU))


def double_row(run: Run) -> None:
    run.hub.append(run.hub[3])


def double_ending(run: Run) -> None:
    run.add("guangzhou", ended(C1))


def double_outcome(run: Run) -> None:
    run.add("guangzhou", withdrawn(C1))


def double_talk(run: Run) -> None:
    run.writers["guangzhou"].wall = 900_030.0
    run.add("guangzhou", opened(C3), answered(C3), segment(C3), confirmed(C3), closed(C3))


def phantom_contact(run: Run) -> None:
    contact = ContactId("0020-0000000a-000009")
    run.add("guangzhou", born(contact, calling="nobody"), ended(contact, Ending.MENU))


def phantom_row(run: Run) -> None:
    run.journals["shenzhen"] = [row for row in run.journals["shenzhen"] if not isinstance(row.row, SegmentConfirmed)]


def phantom_answer(run: Run) -> None:
    run.callers[0] = CallerLine("t1", True, False)


def phantom_segment(run: Run) -> None:
    run.drop(AttemptAnswered, C2, 2)
    run.callers[1] = CallerLine("t2", True)


def phantom_birth(run: Run) -> None:
    run.drop(ContactBorn, C3)
    run.callers[2] = CallerLine("t3", False)


def unknown_parked(run: Run) -> None:
    run.parked = 2


def unknown_segment(run: Run) -> None:
    run.drop(SegmentConfirmed, C2)
    run.drop(AttemptAnswered, C2, 2)
    run.callers[1] = CallerLine("t2", True)


def unknown_ending(run: Run) -> None:
    run.drop(ContactEnded, C3)
    fresh = Writing("guangzhou", "0000000c", 900_500.0)
    new = fresh.write(LineageOpened(node="guangzhou", previous=LineageId("0000000a"), previous_head=20))
    run.journals["guangzhou"] += new
    run.hub += new


def wrong_talk(run: Run) -> None:
    run.callers[0] = CallerLine("t1", True, True, 60.2)


def wrong_wait(run: Run) -> None:
    run.callers[1] = CallerLine("t2", True, True, None, 3.2)


def wrong_agent(run: Run) -> None:
    def change(rows: list[Journalled]) -> list[Journalled]:
        other = answered(C2, 2, SHENZHEN, "2002")
        return [
            msgspec.structs.replace(row, row=other)
            if isinstance(row.row, AttemptAnswered) and row.row.contact == C2
            else row
            for row in rows
        ]

    run.everywhere(change)


def wrong_copy(run: Run) -> None:
    run.hub[4] = msgspec.structs.replace(run.hub[4], wall=1.0)


def wrong_sum(run: Run) -> None:
    run.drop(QueueLeft, C3)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (lose_call, {"lost": 1}),
        (lose_row, {"lost": 2, "wrong": 1}),
        (lose_ending, {"lost": 1}),
        (lose_answer_from_record, {"lost": 1}),
        (lose_segment, {"lost": 1}),
        (lose_closing_of_segment, {"lost": 1}),
        (lose_outcome, {"lost": 1}),
        (double_contact, {"doubled": 1}),
        (double_row, {"doubled": 1}),
        (double_ending, {"doubled": 1}),
        (double_outcome, {"doubled": 1}),
        (double_talk, {"doubled": 1}),
        (phantom_contact, {"phantom": 1}),
        (phantom_row, {"phantom": 1}),
        (phantom_answer, {"phantom": 1}),
        (phantom_segment, {"phantom": 1, "lost": 1}),
        (phantom_birth, {"phantom": 1}),
        (unknown_parked, {"unknown": 1}),
        (unknown_segment, {"unknown": 1, "lost": 1}),
        (unknown_ending, {"unknown": 1}),
        (wrong_talk, {"wrong": 1}),
        (wrong_wait, {"wrong": 1}),
        (wrong_agent, {"wrong": 1}),
        (wrong_copy, {"wrong": 1}),
        (wrong_sum, {"wrong": 1}),
    ],
)
def test_each_fault_is_found_and_nothing_else(fault: Callable[[Run], None], found: dict[str, int]) -> None:
    run = Run()
    fault(run)
    seen = run.findings()
    assert kinds(seen) == found, seen.text()
    assert not seen.passed
