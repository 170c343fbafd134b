"""What the callers of a real province saw, held against what its sites and its hub have on record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from twisted.internet.threads import deferToThreadPool

from dataset.ids import ContactId, LineageId
from dataset.rows import (
    AnyRow,
    AttemptAnswered,
    ContactBorn,
    ContactEnded,
    Journalled,
    SegmentClosed,
    SegmentConfirmed,
    SegmentVoided,
)
from simulation.machines.addresses import CITIES
from tests.harness.ledger_checker import CallerLine, Findings, LedgerCheck
from tests.harness.real_province import RealProvince


@dataclass(frozen=True)
class _Part:
    """What the callers saw and what is on record, without what is left out."""

    lines: list[CallerLine]
    journals: dict[str, list[Journalled]]
    hub: list[Journalled]

    @property
    def all_over(self) -> bool:
        """Every contact has ended, every answer is confirmed, every segment is closed.

        A segment whose caller left in the moment of the answer is void, and may be closed all the same.
        """
        rows = [row.row for row in self.hub]
        ended = {row.contact for row in rows if isinstance(row, ContactEnded)}
        confirmed = {(row.contact, row.n) for row in rows if isinstance(row, SegmentConfirmed)}
        closed = {(row.contact, row.n) for row in rows if isinstance(row, SegmentClosed)}
        voided = {(row.contact, row.n) for row in rows if isinstance(row, SegmentVoided)}
        answered = {(row.contact, row.n) for row in rows if isinstance(row, AttemptAnswered)}
        return {row.contact for row in rows if isinstance(row, ContactBorn)} == ended and (
            closed - voided == confirmed == answered
        )

    @property
    def contacts(self) -> set[ContactId]:
        """All contacts that some row is about."""
        written = chain(self.hub, *self.journals.values())
        return {contact for row in written if (contact := getattr(row.row, "contact", None)) is not None}


class Witness:
    """What all callers of a province saw, held against the ledger at the end of each test.

    A test answers for what came since it began: its own callers, its own contacts, its own rows. A caller is known from
    the moment of dialling (``RealProvince.dialled``). ``begin`` and ``end`` go around each test; ``check_all`` is about
    everything at once, without the callers of tests that have failed for it themselves.
    """

    def __init__(self, province: RealProvince) -> None:
        self.province = province
        self.lines: list[CallerLine] = []
        self._looked = 0.0
        self.lost_rows: set[tuple[LineageId, int]] = set()
        """rows whose journal was destroyed on purpose"""
        self._others: set[ContactId] = set()
        """contacts of the tests before"""
        self._others_rows: set[tuple[str, LineageId, int]] = set()
        self._lines_before = self._dialled_before = 0
        self._checked: tuple[int, int] | None = None
        """lines and callers at the last check of this test, whatever it said"""
        self._passed = True
        self._spoilt: set[ContactId] = set()
        """contacts of tests whose check has failed"""
        self._spoilt_lines: set[CallerLine] = set()

    def saw(self, number: str, *, spoke: bool) -> None:
        """One caller who was let in."""
        self.lines.append(CallerLine(number, reached=True, spoke=spoke))

    # ── each test for itself ────────────────────────────────────────────────────────────────────────────────────
    def begin(self) -> None:
        """From here on it is about another test."""
        before = self._part(lambda row: True, self.lines)
        self._others = before.contacts
        self._others_rows = {_origin(row) for row in chain(before.hub, *before.journals.values())}
        self._lines_before, self._dialled_before = len(self.lines), len(self.province.dialled)
        self._checked, self._passed = None, True

    def check(self, within_s: float = 30.0) -> str:
        """0/0/0, nothing unknown, sums right; what the checker counted."""
        found = self._found(within_s)
        assert found.passed, found.text()
        told = [line.test_id for line in self._own_lines()]
        untold = [
            one
            for one in self.province.dialled[self._dialled_before :]
            if not any(number.startswith(one) for number in told)
        ]
        assert not untold, f"what did {', '.join(untold)} see?"
        return f"{found.contacts} contacts: 0 lost, 0 doubled, 0 phantom, 0 unknown"

    def end(self) -> None:
        """The test is over. What came since its last check, or all of it if it failed before, is looked at now: nobody
        who has dialled and was not asked may be lost without a trace in the records either.
        """
        try:
            if self._checked != self._said():
                found = self._found(30.0)
                assert found.passed, found.text()
        finally:
            if not self._passed:
                self._spoilt |= self._part(self._is_own, []).contacts
                self._spoilt_lines |= set(self._own_lines())

    def check_all(self) -> str:
        """As ``check``, of everything that was seen in this province; what tests have failed for is left out."""
        lines = [line for line in self.lines if line not in self._spoilt_lines]
        part = self._part(lambda row: getattr(row.row, "contact", None) not in self._spoilt, lines)
        assert part.all_over, "a contact of a test that has passed goes on"
        found = self._compared(part)
        if not found.passed:  # a row may have been written between reading journals and hub
            self.province.wait(self.province.ledger_complete, 30.0, "every outbox is empty")
            part = self._part(lambda row: getattr(row.row, "contact", None) not in self._spoilt, lines)
            found = self._compared(part)
        assert found.passed, found.text()
        return f"{found.contacts} contacts in all: 0 lost, 0 doubled, 0 phantom, 0 unknown"

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _said(self) -> tuple[int, int]:
        return len(self.lines), len(self.province.dialled)

    def _own_lines(self) -> list[CallerLine]:
        return self.lines[self._lines_before :]

    def _is_own(self, row: Journalled) -> bool:
        contact = getattr(row.row, "contact", None)
        return contact not in self._others if contact is not None else _origin(row) not in self._others_rows

    def _part(self, wanted: Callable[[Journalled], bool], lines: list[CallerLine]) -> _Part:
        journals = {city.id: list(filter(wanted, self.province.journal(city.id))) for city in CITIES}
        return _Part(lines, journals, list(filter(wanted, self.province.hub_ledger())))

    def _found(self, within_s: float) -> Findings:
        self._checked, self._passed = self._said(), False
        what = "every outbox is empty, every contact ended, every segment closed"
        self.province.wait(self.settled, within_s, what)
        found = self.findings()
        if not found.passed:  # a row may have been written since: an agent's presence, a late answer of a node
            self.province.wait(self.settled, within_s, what)
            found = self.findings()
        self._passed = found.passed
        return found

    def findings(self) -> Findings:
        """The checker's word on this test now."""
        return self._compared(self._part(self._is_own, self._own_lines()))

    def _compared(self, part: _Part) -> Findings:
        """Who has dialled and was not asked may be on record or not."""
        asked = {line.test_id for line in part.lines}
        born = {row.row.calling for row in part.hub if isinstance(row.row, ContactBorn)}
        dialled = tuple(self.province.dialled)
        others = [CallerLine(number, reached=False) for number in sorted(born - asked) if number.startswith(dialled)]
        check = LedgerCheck([*part.lines, *others], part.journals, part.hub, lost_rows=frozenset(self.lost_rows))
        return check.findings()

    def settled(self) -> bool:
        """Whether nothing more is to come; looked at now and then, for it reads everything."""
        if time.monotonic() < self._looked + 0.5 or not self.province.ledger_complete():
            return False
        self._looked = time.monotonic()
        return self._part(self._is_own, []).all_over


def _origin(row: Journalled) -> tuple[str, LineageId, int]:
    return row.node, row.lineage, row.sequence


def in_thread(province: RealProvince, work: Callable[[], object], until: Callable[[], bool] | None = None) -> None:
    """Do what blocks in a thread, so that telephones go on meanwhile; ``until`` is asked at each turn."""
    reactor = province.driver.reactor
    done: list[object] = []
    deferToThreadPool(reactor, reactor.getThreadPool(), work).addBoth(done.append)
    condition = until or (lambda: False)
    province.wait(lambda: condition() or bool(done), 40.0, "the machine's work is done")
    province.wait(lambda: bool(done), 40.0, "the machine's work is done")
    if isinstance(failed := getattr(done[0], "value", None), BaseException):
        raise failed


def rows_of(province: RealProvince, number: str, *, at: str | None = None) -> list[AnyRow]:
    """All rows about the contacts of one caller, in the sites' own journals, or in that of the city ``at``."""
    found: list[Journalled] = []
    for city in CITIES:
        if at is None or city.id == at:
            found += province.journal(city.id)
    own = {row.row.contact for row in found if isinstance(row.row, ContactBorn) and row.row.calling == number}
    return [row.row for row in found if getattr(row.row, "contact", None) in own]


def contact_of(province: RealProvince, number: str) -> str:
    """The one contact of a caller, as the sites' own journals have it."""
    (contact,) = {row.contact for row in rows_of(province, number) if isinstance(row, ContactBorn)}
    return contact


def ending_of(province: RealProvince, number: str) -> ContactEnded:
    """The one ending of a caller's contact at the hub."""
    contact = contact_of(province, number)
    (ended,) = [
        row.row for row in province.hub_ledger() if isinstance(row.row, ContactEnded) and row.row.contact == contact
    ]
    return ended


def home_answers(province: RealProvince) -> dict[str, int]:
    """Answers at home on record in each city's own journal."""
    return {
        city.id: sum(
            isinstance(row.row, AttemptAnswered) and row.row.site == city.id for row in province.journal(city.id)
        )
        for city in CITIES
    }
