"""The ledger checker: what callers saw against what the sites wrote and what the hub has (failure-modes.md).

It counts, over one run in which all lines have healed and all outboxes are empty:

* **lost**: a caller reached us and there is no contact, or a contact without an ending on record; a row that a site's
  journal holds for the hub and the hub does not have
* **doubled**: two contacts, two written endings, two outcomes of one attempt, or two records of one segment for one
  thing that happened once; an agent in two talks at the same time (I2)
* **phantom**: a contact, an answer or a segment on record that no caller had; a row at the hub that no journal holds
* **unknown**: parked rows, holes, endings that are only computed, segments that nobody confirmed

A run passes when the first three are 0 and every unknown is settled. Differences in duration beyond the tolerance and
sums of I7 that do not hold are counted apart, as ``wrong``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from dataset.ids import ContactId, LineageId
from dataset.intervals import fold
from dataset.measures import balance, written_out
from dataset.rows import (
    VOICE_OUT,
    AnyRow,
    AttemptAnswered,
    AttemptWithdrawn,
    ContactBorn,
    ContactEnded,
    Ending,
    Journalled,
    SegmentClosed,
    SegmentConfirmed,
    SegmentOpened,
    SegmentVoided,
)
from federation.core.joins import ContactRecord, SegmentState, Standing, contact_record, standing

OVERLAP_S = 0.5
"""two segments of one agent may touch by so much of wall time"""


class CallerLine(NamedTuple):
    """One line of the callers' own log."""

    test_id: str
    reached: bool
    """our switch took the call (any answer from us, announcements included)"""
    spoke: bool | None = None
    """an agent was heard; None where the caller cannot tell"""
    talked_s: float | None = None
    """time with agents, where the caller measured it"""
    waited_s: float | None = None
    """from the menu's end to the agent, where the caller measured it"""


Records = dict[ContactId, tuple[ContactRecord, list[Journalled]]]
"""by contact, each with its rows in the order of arrival"""


@dataclass
class Findings:
    """What the checker found, each with a sentence that names the place."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost_with_journal: list[str] = field(default_factory=list)
    """what follows from journals that were destroyed on purpose, and is allowed"""
    records: Records = field(default_factory=dict)
    """of all contacts that the hub knows"""
    rows: int = 0

    @property
    def contacts(self) -> int:
        """How many there are."""
        return len(self.records)

    @property
    def passed(self) -> bool:
        """0/0/0 and nothing unknown or wrong."""
        return not (self.lost or self.doubled or self.phantom or self.unknown or self.wrong)

    def text(self, most: int = 20) -> str:
        """For people: the counts, then the first sentences of each kind."""
        kinds = ("lost", "doubled", "phantom", "unknown", "wrong")
        lines = [
            f"{self.contacts} contacts, {self.rows} rows: "
            + ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in kinds)
        ]
        lines += [f"  {kind}: {sentence}" for kind in kinds for sentence in getattr(self, kind)[:most]]
        return "\n".join(lines)


def calling_number(row: ContactBorn) -> str | None:
    """The usual way to know whose call a contact is: the test's callers use their test id as calling number."""
    return row.calling or None


@dataclass
class LedgerCheck:
    """Everything that one run left behind; ``findings`` compares it."""

    callers: Iterable[CallerLine]
    journals: Mapping[str, Iterable[Journalled]]
    """every site's own journal, by node; all lineages"""
    hub: Iterable[Journalled]
    """the hub's ledger"""
    parked: int = 0
    """parked slots and numbers in holes at the hub"""
    test_id_of: Callable[[ContactBorn], str | None] = calling_number
    talk_tolerance_s: float = 0.1
    wait_tolerance_s: float = 0.1
    for_hub: Callable[[AnyRow], bool] = lambda row: True
    """which rows of the journals the hub must have"""
    lost_rows: frozenset[tuple[LineageId, int]] = frozenset()
    """rows whose journal the test destroyed on purpose; some may be at the hub"""
    harmed: frozenset[ContactId] = frozenset()
    """contacts that such rows are about: they may be unknown in part, and are named, but each still ends"""
    harmed_callers: frozenset[str] = frozenset()
    """test ids of callers whose birth row is such a row"""

    def findings(self) -> Findings:
        """Compare."""
        found = Findings()
        hub = list(self.hub)
        written = [row for rows in self.journals.values() for row in rows]
        found.rows = len(hub)
        self._rows(hub, written, found)
        records = found.records = self._records(hub)
        self._callers(hub, records, found)
        self._contacts(records, found)
        self._agents(hub, found)
        self._sums(hub, found)
        if self.parked:
            found.unknown.append(f"{self.parked} rows are parked or in holes at the hub")
        return found

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _rows(self, hub: list[Journalled], written: list[Journalled], found: Findings) -> None:
        """I3: what the sites hold for the hub is there, once, unchanged."""
        content = {_origin(row): row for row in hub}
        if len(content) < len(hub):
            for origin, count in Counter(_origin(row) for row in hub).items():
                if count > 1:
                    found.doubled.append(f"row {_where(content[origin])} is at the hub {count} times")
        here = {_origin(row): row for row in written}
        for origin, row in here.items():
            if origin not in content:
                if self.for_hub(row.row):
                    found.lost.append(f"row {_where(row)} of {row.node} did not come to the hub")
            elif content[origin] != row:
                found.wrong.append(f"row {_where(row)} differs between journal and hub")
        for origin, row in content.items():
            if origin not in here and origin[1:] not in self.lost_rows and row.node in self.journals:
                found.phantom.append(f"row {_where(row)} is at the hub and in no journal")

    # ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────
    @staticmethod
    def _records(hub: list[Journalled]) -> Records:
        by_contact: dict[ContactId, list[Journalled]] = defaultdict(list)
        for row in hub:
            contact = getattr(row.row, "contact", None)
            if contact is not None:
                by_contact[contact].append(row)
        known: Standing = standing(hub)
        return {contact: (contact_record(contact, rows, known), rows) for contact, rows in sorted(by_contact.items())}

    def _callers(
        self,
        hub: list[Journalled],
        records: Records,
        found: Findings,
    ) -> None:
        """Each call that reached us is one contact with one ending, and each contact is a call (I1)."""
        contacts: dict[str, set[ContactId]] = defaultdict(set)
        for row in hub:
            if isinstance(row.row, ContactBorn) and row.row.call_back is None:  # a call-back is no caller's
                contacts[self.test_id_of(row.row) or ""].add(row.row.contact)
        expected: set[str] = set()
        for line in self.callers:
            expected.add(line.test_id)
            own = sorted(contacts.get(line.test_id, ()))
            if not line.reached:
                continue
            if line.test_id in self.harmed_callers:
                if not own:
                    found.lost_with_journal.append(f"call {line.test_id} is on record nowhere")
                continue
            if not own:
                found.lost.append(f"call {line.test_id} reached us and is on no record")
            elif len(own) > 1:
                found.doubled.append(f"call {line.test_id} is on record as {', '.join(own)}")
            else:
                self._compare(line, records[own[0]][0], found)
        for test_id in sorted(set(contacts) - expected):
            found.phantom.extend(f"contact {contact} is no caller's ({test_id!r})" for contact in contacts[test_id])

    def _compare(self, line: CallerLine, record: ContactRecord, found: Findings) -> None:
        ending = record.ending
        name = f"call {line.test_id} ({record.contact})"
        if ending is None or record.contact in self.harmed:
            return
        answered = any(one.outcome == "answered" for one in record.attempts)
        if line.spoke is True and not answered:
            found.lost.append(f"{name}: the caller spoke with an agent, no answer is on record")
        if line.spoke is False and answered and ending.ending is Ending.COMPLETED:
            found.phantom.append(f"{name}: an answer is on record, the caller heard nobody")
        if not answered or ending.computed:
            return
        if line.talked_s is not None and abs(line.talked_s - ending.talked_s) > self.talk_tolerance_s:
            found.wrong.append(f"{name}: talk {ending.talked_s:.3f} s on record, {line.talked_s:.3f} s at the caller")
        first = next(one for one in record.attempts if one.outcome == "answered")
        if (
            line.waited_s is not None
            and first.waited_s is not None
            and abs(line.waited_s - first.waited_s) > self.wait_tolerance_s
        ):
            found.wrong.append(f"{name}: waiting {first.waited_s:.3f} s on record, {line.waited_s:.3f} s at the caller")

    def _contacts(
        self,
        records: Records,
        all_found: Findings,
    ) -> None:
        """One ending, one outcome per attempt, one segment per answer, right on both sides (I1, O2, O3)."""
        for contact, (record, rows) in records.items():
            found = Findings() if contact in self.harmed else all_found
            written: Counter[str] = Counter()
            for row in rows:
                match row.row:
                    case ContactEnded():
                        written["ending"] += 1
                    case AttemptAnswered(n=n) | AttemptWithdrawn(n=n):
                        written[f"outcome of attempt {n}"] += 1
                    case SegmentOpened(n=n):
                        written[f"opening of segment {n}"] += 1
                    case SegmentClosed(n=n):
                        written[f"closing of segment {n}"] += 1
            found.doubled += [f"{contact}: {count} × {what}" for what, count in written.items() if count > 1]
            if record.born_at is None:
                found.phantom.append(f"{contact} was never born")
            if record.ending is None:
                found.lost.append(f"{contact} has no ending")
            elif record.ending.computed:
                found.unknown.append(f"{contact} ended as {record.ending.cause}, computed only")
            LedgerCheck._heard_outcomes(record, rows, found)
            LedgerCheck._said_by_the_agent(record, rows, found)
            for attempt in record.attempts:
                if not attempt.outcome and record.ending is not None:
                    found.lost.append(f"{contact}: attempt {attempt.n} has no outcome")
            for segment in record.segments:
                where = f"{contact}: segment {segment.n} at {segment.site}"
                if segment.state is SegmentState.UNCONFIRMED:
                    found.unknown.append(f"{where} is unconfirmed")
                elif segment.state is SegmentState.REPORTED:
                    found.lost.append(f"{where} was answered, its site has no record of it")
                elif segment.state is SegmentState.CONFIRMED:
                    if record.channel != VOICE_OUT:  # a call-back has no attempt: its agent is there first
                        LedgerCheck._both_sides(record, segment.n, where, found)
                    if not segment.closed:
                        found.lost.append(f"{where} was never closed")
            if found is not all_found:
                all_found.lost_with_journal += [
                    *found.lost,
                    *found.doubled,
                    *found.phantom,
                    *found.unknown,
                    *found.wrong,
                ]
                if record.ending is None and any(row.node == record.city for row in rows):
                    all_found.lost.append(f"{contact} has no ending, not even a computed one")

    @staticmethod
    def _said_by_the_agent(record: ContactRecord, rows: list[Journalled], found: Findings) -> None:
        """O4: a contact that its agent ended was explicitly finished there, as far as one run saw the whole segment."""
        if record.ending is None or record.ending.cause != "agent" or not record.segments:
            return
        last = record.segments[-1]
        runs = {
            row.lineage for row in rows if isinstance(row.row, SegmentOpened | SegmentClosed) and row.row.n == last.n
        }
        if len(runs) == 1 and last.closed and last.ended_by != "agent":
            found.wrong.append(f"{record.contact} was ended by its agent, whose segment ended by {last.ended_by}")

    @staticmethod
    def _heard_outcomes(record: ContactRecord, rows: list[Journalled], found: Findings) -> None:
        """O3: each segment for another city's contact heard its anchor's word, and took it as it was."""
        outcomes = {one.n: one.outcome for one in record.attempts}
        received = {row.row.n for row in rows if isinstance(row.row, SegmentOpened) and row.row.received}
        confirmed = {row.row.n for row in rows if isinstance(row.row, SegmentConfirmed)}
        voided = {row.row.n for row in rows if isinstance(row.row, SegmentVoided)}
        for n in sorted(received | confirmed):
            answered = outcomes.get(n) == "answered"
            if n in confirmed and not answered and outcomes.get(n):
                found.wrong.append(f"{record.contact}: segment {n} is confirmed, its anchor withdrew it")
            if n in received and outcomes.get(n) and n not in (confirmed if answered else voided):
                found.wrong.append(f"{record.contact}: segment {n} never heard that it was {outcomes[n]}")

    @staticmethod
    def _both_sides(record: ContactRecord, n: int, where: str, found: Findings) -> None:
        attempt = next((one for one in record.attempts if one.n == n), None)
        segment = next(one for one in record.segments if one.n == n)
        if attempt is None or attempt.outcome != "answered":
            found.phantom.append(f"{where} is confirmed, its anchor has no answer")
        elif (attempt.site, attempt.agent) != (segment.site, segment.agent):
            found.wrong.append(f"{where}: {segment.agent} by the site, {attempt.agent} at {attempt.site} by the anchor")

    # ── agents and sums ─────────────────────────────────────────────────────────────────────────────────────────
    def _agents(self, hub: list[Journalled], found: Findings) -> None:
        """I2: one agent, one talk at a time; by the serving site's own monotonic times, per boot."""
        ends = {(row.row.contact, row.row.n): row for row in hub if isinstance(row.row, SegmentClosed)}
        talks: dict[tuple[str, str], list[tuple[float, float, str]]] = defaultdict(list)
        for row in hub:
            if isinstance(row.row, SegmentOpened) and row.row.contact not in self.harmed:
                end = ends.get((row.row.contact, row.row.n))
                if end is not None and isinstance(end.row, SegmentClosed) and end.boot == row.boot:
                    talk_end = row.mono + end.row.talked_s + end.row.held_s
                    talks[row.row.agent, row.boot].append((row.mono, talk_end, f"{row.row.contact}#{row.row.n}"))
        for (agent, _), own in talks.items():
            own.sort()
            for (_, until, one), (begin, _, other) in pairwise(own):
                if begin < until - OVERLAP_S:
                    found.doubled.append(f"{agent} is in {one} and {other} at once")

    def _sums(self, hub: list[Journalled], found: Findings) -> None:
        """I7, to the last contact; those that lost rows apart."""
        whole = [row for row in hub if getattr(row.row, "contact", None) not in self.harmed]
        for interval in fold(whole).intervals():
            if balance(interval):
                found.wrong.append(f"{interval.city} {interval.skill} {interval.start}: {written_out(interval, 'en')}")


def _origin(row: Journalled) -> tuple[str, LineageId, int]:
    """Two nodes may draw one lineage, so a row is known by its node too (S3)."""
    return (row.node, row.lineage, row.sequence)


def _where(row: Journalled) -> str:
    return f"{row.lineage}/{row.sequence} ({row.row.__struct_config__.tag})"
