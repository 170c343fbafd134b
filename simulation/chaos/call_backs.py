"""Customers who are called back, in every seventh seed: what they truly do, and whether the records say so (I1, I8)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from dataset.ids import AttemptId, CityId, ContactId, NodeId
from dataset.rows import (
    CallBackAnswered,
    CallBackEnded,
    CallBackOf,
    ContactBorn,
    ContactEnded,
    WorkRefused,
    WorkRequested,
    WorkStepped,
)
from dataset.work import CallBackOutcome, CalledBack, RequestId, WorkItemId, call_back_request
from federation.node.journal import Stamped
from simulation.chaos.watch import Moment, Track
from simulation.chaos.world import ChaosProvince
from simulation.population.called import CalledCustomers, CalledHabits
from simulation.population.draws import lognormal
from site_node.core.call_back import N

HABITS = CalledHabits(answers=0.8, declines=0.08, reaction_s=lognormal(4.0, 0.5), talk_s=lognormal(12.0, 0.6))


@dataclass(slots=True)
class _Call:
    """One call-back, as the rows that ever were on a disk tell it."""

    city: CityId
    number: str
    about: CallBackOf
    answered: int = 0
    ended: list[CallBackEnded] = field(default_factory=list)
    endings: int = 0


class CallBacks:
    """The customers of one run, and the watcher of the calls to them."""

    def __init__(self, world: ChaosProvince, seed: int) -> None:
        self._world = world
        self._customers = CalledCustomers(world.time, seed, world.network, HABITS)
        self._calls: dict[ContactId, _Call] = {}
        self._answered: Counter[str] = Counter()
        """numbers: calls that are on record as answered"""
        self._steps: dict[RequestId, list[WorkStepped | WorkRefused]] = defaultdict(list)
        self._over: set[WorkItemId] = set()
        self._wrong: list[str] = []
        world.on_rows.append(self._rows)
        world.on_kill.append(self._node_dies)

    def all_hang_up(self) -> None:
        """The day is over for the customers, too."""
        for phone in self._world.network.telephones:
            phone.hang_up()

    # ── what is seen ────────────────────────────────────────────────────────────────────────────────────────────────
    def _rows(self, node: NodeId, stamped: Sequence[Stamped]) -> None:
        for one in stamped:
            match one.journalled.row:
                case ContactBorn(contact=contact, calling=number, call_back=CallBackOf() as about):
                    self._calls[contact] = _Call(CityId(node), number, about)
                case CallBackAnswered(contact=contact) if contact in self._calls:
                    self._answers(contact, self._calls[contact])
                case CallBackEnded(contact=contact) as ended if contact in self._calls:
                    self._calls[contact].ended.append(ended)
                    self._moment(Moment.CALL_ENDED, contact)
                case ContactEnded(contact=contact) if contact in self._calls:
                    self._calls[contact].endings += 1
                case WorkStepped() | WorkRefused() as answer:
                    self._answer(answer)
                case _:
                    pass

    def _answer(self, answer: WorkStepped | WorkRefused) -> None:
        if answer.request is not None:
            self._steps[answer.request].append(answer)
        if isinstance(answer, WorkStepped) and answer.ended:
            self._over.add(answer.item)

    def _answers(self, contact: ContactId, call: _Call) -> None:
        call.answered += 1
        self._answered[call.number] += 1
        self._moment(Moment.CALL_ANSWERED, contact)
        if self._answered[call.number] > self._customers.picked_up[call.number]:
            self._wrong.append(f"I1: {contact} is on record as answered, and nobody picked up {call.number}")

    def _moment(self, moment: Moment, contact: ContactId) -> None:
        self._world.watch.hear(moment, Track(AttemptId(contact, N), self._calls[contact].city))

    def _node_dies(self, node: NodeId) -> None:
        if any(call.city == CityId(node) and not call.endings for call in self._calls.values()):
            self._world.watch.count("call_back_node_dies")

    # ── the verdict ─────────────────────────────────────────────────────────────────────────────────────────────────
    def findings(self, harmed: Collection[ContactId], lost: Collection[NodeId]) -> Iterator[str]:
        """What is wrong with the calls of a run that has healed and gone quiet; nothing is held against calls of which
        rows were destroyed (``harmed``), nor against cities of which nothing is left (``lost``).
        """
        yield from self._wrong
        for phone in self._world.network.telephones:
            if phone.busy:
                yield f"I8: the telephone {phone.number} of a customer is busy"
        rows = [row.row for row in self._world.disks.destroyed.values()]
        touched = {row.request for row in rows if isinstance(row, WorkRequested | WorkStepped | WorkRefused)}
        answered = Counter(call.about.item for call in self._calls.values() if call.answered)
        for _ in (item for item, times in answered.items() if times > 1):
            self._world.watch.count("call_back_answered_twice")
        for contact, call in self._calls.items():
            if contact in harmed or NodeId(call.city) in lost:
                continue
            yield from self._ended(contact, call)
            if call.ended and call_back_request(contact) not in touched and NodeId(call.about.owning) not in lost:
                yield from self._step(contact, call.ended[0])

    def _ended(self, contact: ContactId, call: _Call) -> Iterator[str]:
        if call.endings != 1 or len(call.ended) != 1 or call.answered > 1:
            yield (
                f"I1: the call-back {contact} of {call.city} was answered {call.answered} times, its outcome written"
                f" {len(call.ended)} times and its ending {call.endings} times"
            )
        elif (call.ended[0].outcome is CallBackOutcome.REACHED) is not bool(call.answered):
            yield f"I1: {contact} ended as {call.ended[0].outcome}, and was answered {call.answered} times"

    def _step(self, contact: ContactId, ended: CallBackEnded) -> Iterator[str]:
        """The step of its item follows from each call in which the customer's number was called, and says the same.

        A city that owns an item which somebody has ended meanwhile refuses the step itself, and writes no row of that.
        """
        answers = self._steps[call_back_request(contact)]
        too_late = ended.owning == self._calls[contact].city and ended.item in self._over
        if len(answers) != ended.called and not (too_late and not answers):
            yield f"I1: the call-back {contact} led to {len(answers)} answers about its item, called: {ended.called}"
        for answer in answers:
            step = answer.step if isinstance(answer, WorkStepped) else None
            if isinstance(step, CalledBack) and step.outcome is not ended.outcome:
                yield f"I1: the item of {contact} says {step.outcome}, the call {ended.outcome}"
