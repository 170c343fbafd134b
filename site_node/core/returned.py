"""Own rows that this node's journal had lost and a hub gave back: what they began is ended (J5, E2, I1).

The contacts among them are not live here: no leg of theirs was adopted, and no later row knows them. Their records are
made whole at the last evidence, as inferred, which is better than the ending that would otherwise be computed (E3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dataset import rows
from dataset.ids import AttemptId, ContactId, SkillId
from dataset.rows import Ending, Evidence, Journalled, Left, Withdrawn
from site_node.core.contacts import Contacts
from site_node.core.rules import Rules
from site_node.core.serving import Serving
from site_node.core.step import Step

JOURNAL_LOST = "journal_lost"


@dataclass(slots=True)
class _Story:
    """What is on record about one contact, in order."""

    born: tuple[rows.ContactBorn, Journalled] | None = None
    chosen: rows.MenuChosen | None = None
    first_place: Journalled | None = None
    places: list[tuple[rows.QueueEntered, Journalled]] = field(default_factory=list)
    """entered and not left"""
    opened: set[int] = field(default_factory=set)
    """attempts without an outcome"""
    outcomes: dict[int, rows.AttemptAnswered | rows.AttemptWithdrawn] = field(default_factory=dict)
    answers: list[rows.AttemptAnswered] = field(default_factory=list)
    talking_since: Journalled | None = None
    talked_s: float = 0.0
    segments: dict[int, tuple[rows.SegmentOpened, Journalled]] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    """segments confirmed or voided"""
    ended: bool = False
    last: Journalled | None = None

    def add(self, one: Journalled) -> None:
        """Take one more row into account."""
        self.last = one
        match one.row:
            case rows.ContactBorn():
                self.born = (one.row, one)
            case rows.MenuChosen():
                self.chosen = one.row
            case rows.QueueEntered():
                self._talk_ends(one)
                self.first_place = self.first_place or one
                self.places.append((one.row, one))
            case rows.QueueLeft():
                self.places = self.places[1:]
            case rows.AttemptOpened(n=n):
                if n not in self.outcomes:
                    self.opened.add(n)
            case rows.AttemptAnswered(n=n):
                self.opened.discard(n)
                self.outcomes[n] = one.row
                self.answers.append(one.row)
                self._talk_ends(one)
                self.talking_since = one
            case rows.AttemptWithdrawn(n=n):
                self.opened.discard(n)
                self.outcomes.setdefault(n, one.row)
            case rows.SegmentOpened(n=n):
                self.segments[n] = (one.row, one)
            case rows.SegmentConfirmed(n=n) | rows.SegmentVoided(n=n):
                self.settled.add(n)
            case rows.SegmentClosed(n=n):
                self.closed.add(n)
            case rows.ContactEnded():
                self.ended = True
            case _:
                pass

    def _talk_ends(self, at: Journalled) -> None:
        if self.talking_since is not None:
            self.talked_s += _span_s(self.talking_since, at)
        self.talking_since = None


class Returned:
    """Ends what the returned rows left open."""

    def __init__(self, rules: Rules, step: Step, contacts: Contacts, serving: Serving) -> None:
        self._rules = rules
        self._step = step
        self._contacts = contacts
        self._serving = serving

    def settle(self, found: Sequence[Journalled]) -> None:
        """``found``: all rows on record about the contacts in question, returned and own, in their writers' order."""
        stories: dict[ContactId, _Story] = {}
        for one in found:
            contact = getattr(one.row, "contact", None)
            if contact is not None:
                stories.setdefault(contact, _Story()).add(one)
        served = {lease.contact for lease in self._serving.all()}
        for contact, story in stories.items():
            if self._contacts.get(contact) is None and contact not in served:
                self._end(contact, story)

    def _end(self, contact: ContactId, story: _Story) -> None:
        ours = story.born is not None and story.born[0].city == self._rules.city
        if ours and not story.ended:
            for n in sorted(story.opened):
                withdrawn = rows.AttemptWithdrawn(contact=contact, n=n, reason=Withdrawn.RESTART)
                self._step.write(withdrawn)
                story.outcomes[n] = withdrawn
        for n, (segment, opened) in sorted(story.segments.items()):
            self._end_segment(n, segment, opened, story)
        if ours and not story.ended:
            for place, entered in story.places:
                self._leave(place, entered, story)
            self._write_ending(contact, story)

    def _end_segment(self, n: int, segment: rows.SegmentOpened, opened: Journalled, story: _Story) -> None:
        outcome = story.outcomes.get(n)
        if n not in story.settled:
            if isinstance(outcome, rows.AttemptAnswered):
                self._step.write(rows.SegmentConfirmed(contact=segment.contact, n=n))
            elif isinstance(outcome, rows.AttemptWithdrawn):
                self._step.write(rows.SegmentVoided(contact=segment.contact, n=n, reason=outcome.reason))
            else:
                self._serving.await_outcome(AttemptId(segment.contact, n))
        if n in story.closed or isinstance(outcome, rows.AttemptWithdrawn):
            return
        self._step.write(
            rows.SegmentClosed(
                contact=segment.contact,
                n=n,
                site=segment.site,
                agent=segment.agent,
                talked_s=_span_s(opened, story.last),
                held_s=0.0,
                wrap_up_s=0.0,
                disposition="",
                notes="",
                ended_by=JOURNAL_LOST,
            )
        )

    def _leave(self, place: rows.QueueEntered, entered: Journalled, story: _Story) -> None:
        """The sums of I7 hold for lost contacts too."""
        self._step.write(
            rows.QueueLeft(
                contact=place.contact,
                skill=place.skill,
                service=place.service,
                channel=place.channel,
                how=Left.FAILED,
                waited_s=_span_s(entered, story.last),
            )
        )

    def _write_ending(self, contact: ContactId, story: _Story) -> None:
        last_answer = story.answers[-1] if story.answers else None
        waited = story.answers[0].waited_s if story.answers else _span_s(story.first_place, story.last)
        talking = _span_s(story.talking_since, story.last)
        self._step.write(
            rows.ContactEnded(
                contact=contact,
                city=self._rules.city,
                ending=Ending.FAILED,
                evidence=Evidence.INFERRED,
                cause=JOURNAL_LOST,
                service=story.chosen.service if story.chosen else "",
                skill=story.chosen.skill if story.chosen else SkillId(""),
                serving=last_answer.site if last_answer else None,
                agent=last_answer.agent if last_answer else None,
                answers=len(story.answers),
                waited_s=round(waited, 3),
                talked_s=round(story.talked_s + talking, 3),
                lasted_s=_span_s(story.born[1] if story.born else None, story.last),
            )
        )


def _span_s(begin: Journalled | None, end: Journalled | None) -> float:
    """From one row to another of this machine; by wall time where it was started again between them."""
    if begin is None or end is None:
        return 0.0
    span = end.mono - begin.mono if end.boot == begin.boot else end.wall - begin.wall
    return round(max(span, 0.0), 3)
