"""What became of a day's calls: counted in the trace, counted in a journal's rows of record, fitted, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from dataset.rows import AnyRow, ContactBorn, ContactEnded, Ending
from simulation.replay.trace import Outcome, TraceCall


@dataclass(frozen=True, slots=True)
class Totals:
    """Calls by outcome; ``offered`` is the sum of the others when every call has ended."""

    offered: int
    answered: int
    hung_up: int
    other: int

    def __sub__(self, less: Totals) -> Totals:
        return Totals(*(getattr(self, one.name) - getattr(less, one.name) for one in fields(self)))


def totals_of_trace(calls: Iterable[TraceCall]) -> Totals:
    """Offered: all lines. Answered: AGENT. Hung up: HANG. Other: PHANTOM."""
    outcomes = [call.outcome for call in calls]
    return Totals(
        len(outcomes),
        outcomes.count(Outcome.AGENT),
        outcomes.count(Outcome.HANG),
        outcomes.count(Outcome.PHANTOM),
    )


def totals_of_rows(rows: Iterable[AnyRow], is_other: Callable[[str], bool]) -> Totals:
    """Offered: contacts born. Answered: endings after an answer. Hung up: the customer left queue or menu. Other: the
    same at a door that serves nothing (``is_other(number dialled)``), and every other ending.
    """
    doors: dict[str, str] = {}
    offered = answered = hung_up = other = 0
    for row in rows:
        if isinstance(row, ContactBorn):
            offered += 1
            doors[row.contact] = row.door
        elif isinstance(row, ContactEnded):
            if is_other(doors[row.contact]):
                other += 1
            elif row.ending is Ending.COMPLETED:
                answered += 1
            elif row.ending in (Ending.ABANDONED, Ending.MENU):
                hung_up += 1
            else:
                other += 1
    return Totals(offered, answered, hung_up, other)


def mean_patience_s(calls: Iterable[TraceCall]) -> float | None:
    """The mean of an exponential patience, by maximum likelihood with those who were answered taken as censored: all
    time spent waiting, divided by the number of those who gave up. None when nobody gave up.
    """
    waited, gave_up = 0, 0
    for call in calls:
        if call.queue is not None and call.outcome is not Outcome.PHANTOM:
            waited += max(call.queue.length, 0)
            gave_up += call.outcome is Outcome.HANG
    return waited / gave_up if gave_up else None
