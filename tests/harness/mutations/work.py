"""Work items and settlement (I1, I4, J1-J5; docs/work-items.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from dataset.ids import CityId, NodeId
from dataset.rows import AnyRow, CallBackEnded, Journalled, WorkRequested
from dataset.work import Acted, Attached, CallBackOutcome, Opened, RequestId, WorkItemId
from federation.core.work_book import Settlement, WorkBook
from federation.node.journal import ABOUT_RUNS, item_of_row
from federation.node.journal_memory import MemoryJournal
from provincial_hub.shell.tails import Tails
from site_node.core.call_back import CallBack, CallBacks
from site_node.core.work_desk import WorkDesk
from site_node.shell.work import Work, _Turns
from site_node.shell.work_files import WorkFiles
from tests.harness.mutations.registry import Real, breaks


@breaks("I1", shows="requests that were answered more than once, with nothing lost")
def requests_are_answered_whenever_they_are_seen(real: Real) -> None:
    """The desk answers every request that it knows, without looking for an answer on record."""

    def unanswered(original: Any, self: WorkBook, owning: CityId) -> tuple[tuple[WorkRequested, CityId], ...]:
        return tuple(self._asked[name] for name in sorted(self._asked) if self._asked[name][0].owning == owning)

    async def answer(original: Any, self: Work, asked: WorkRequested, serving: CityId) -> None:
        try:
            await self._in_turn(asked.item, asked.step, lambda facts: self.desk.answer(asked, serving, facts))
        finally:
            self._answering.discard(asked.request)

    real.around(WorkBook, "unanswered", unanswered)
    real.around(Work, "_answer", answer)


@breaks("I1", shows="steps of an item that do not fit each other, with nothing lost; requests without an answer")
def next_step_is_checked_before_the_last_is_synced(real: Real) -> None:
    """A step is looked at when it comes, whether or not the row of the one before is on disk."""

    async def take(original: Any, self: _Turns, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await work()

    real.around(_Turns, "take", take)


@breaks(
    "I1",
    shows="requests that nobody answers",
    needs="an owning city that dies between the commit of a request and its answer",
)
def unanswered_requests_are_forgotten_at_a_start(real: Real) -> None:
    """A city answers what it is asked while it runs; what the run before was asked it does not look up."""

    def begin(original: Any, self: Work, rows: Sequence[Journalled]) -> None:
        original(self, [row for row in rows if not isinstance(row.row, WorkRequested)])

    real.around(Work, "_begin", begin)


@breaks("I1", shows="requests without an answer at the city that asked, and items that it does not know")
def answers_go_to_the_hubs_only(real: Real) -> None:
    """The owning city writes its rows for the hubs, which know everything anyway."""

    def receivers(original: Any, self: Work, item: WorkItemId, row: AnyRow) -> tuple[NodeId, ...]:
        return ()

    real.around(Work, "_receivers", receivers)


@breaks("I1", shows="items that go on beyond their deadline")
def deadlines_are_left_to_the_agents(real: Real) -> None:
    """Nobody looks whether an item's deadline has passed."""
    real.around(WorkDesk, "overdue", lambda original, self, now: ())


@breaks(
    "J2",
    shows="items that their own city knows otherwise than the hub",
    needs="an item with steps of several runs, and a further start",
)
def runs_stand_in_the_order_of_their_names(real: Real) -> None:
    """At a start the rows about work are read back, and nothing of the runs in which they were written."""

    def rows_of_work(original: Any, self: MemoryJournal, since: float) -> list[Journalled]:
        return [row for row in original(self, since) if item_of_row(row.row) != ABOUT_RUNS]

    real.around(MemoryJournal, "rows_of_work", rows_of_work)


@breaks(
    "J5",
    shows="requests without an answer, items that the city where they were opened knows otherwise than the hub",
    needs="a city that loses rows which a hub has and the city concerned has not",
)
def lost_rows_about_work_go_back_to_their_city_only(real: Real) -> None:
    """The hub gives lost rows back to the node that wrote them, which cannot send them any more."""
    real.around(Tails, "_work_of", lambda original, self, node, rows: {})


@breaks("I4", shows="a request that is settled twice", needs="a request answered twice, after a lost disk")
def steps_are_settled_as_often_as_they_are_on_record(real: Real) -> None:
    """Every row with a step that was taken for another city is an entry."""

    def settlements(original: Any, self: WorkBook) -> tuple[Settlement, ...]:
        return tuple(
            sorted(
                Settlement(
                    CityId(origin[0]),
                    row.serving,
                    row.request,
                    row.service,
                    row.step.collected_fen if isinstance(row.step, Opened | Acted) else 0,
                    row.handling_fen,
                    item.walls[origin],
                )
                for item in self._items.values()
                for origin, row in item.rows.items()
                if row.request is not None and row.serving != origin[0]
            )
        )

    real.around(WorkBook, "settlements", settlements)


@breaks("I4", shows="entries without what the agent took in")
def what_an_action_takes_in_is_not_settled(real: Real) -> None:
    """Only what is taken in with the form is settled."""

    def settlements(original: Any, self: WorkBook) -> tuple[Settlement, ...]:
        opened = {row.request for item in self._items.values() for row in item.rows.values() if _opens(row.step)}
        found: tuple[Settlement, ...] = original(self)
        return tuple(one if one.request in opened else replace(one, collected_fen=0) for one in found)

    real.around(WorkBook, "settlements", settlements)


@breaks(
    "I1",
    shows="call-backs of which the item says nothing",
    needs="a city that dies between the end of a call and the step that follows from it",
)
def calls_are_followed_by_their_own_run_only(real: Real) -> None:
    """At a start nobody looks for call-backs whose step is not on record."""

    def note_calls(original: Any, self: Work, rows: Sequence[Journalled]) -> None:
        if self._read:
            original(self, rows)

    real.around(Work, "_note_calls", note_calls)


@breaks("I1", shows="call-backs on record as answered, with nobody who picked up")
def ringing_counts_as_reached(real: Real) -> None:
    """A customer whose telephone rings counts as having answered."""
    real.around(CallBacks, "delivered", lambda original, self, connection: self.established(connection))


@breaks("I1", shows="items that say otherwise than the switch")
def every_call_back_counts_as_given_up(real: Real) -> None:
    """The step that follows from a call says nothing of what the switch said."""

    async def called_back(original: Any, self: Work, request: RequestId, call: CallBackEnded, ended_at: float) -> None:
        outcome = CallBackOutcome.GIVEN_UP
        await original(self, request, structs.replace(call, outcome=outcome), ended_at)

    real.around(Work, "_called_back", called_back)


@breaks("O6", shows="legs of customers that no node knows, and telephones that are busy when everybody has gone")
def customers_are_left_in_the_call(real: Real) -> None:
    """When the agent's part of a call-back ends, the customer's leg stays."""

    def _end(original: Any, self: CallBacks, call: CallBack, *args: Any, **kwargs: Any) -> None:
        original(self, call, *args, **{**kwargs, "customer_gone": True})

    real.around(CallBacks, "_end", _end)


@breaks(
    "I1",
    shows="files on record whose content the owning city has not",
    needs="an owning city that dies between a file's row and its content",
)
def the_row_of_a_file_does_not_wait_for_its_content(real: Real) -> None:
    """The content is written some seconds after the row that names it."""

    async def keep(original: Any, self: WorkFiles, step: Attached, content: bytes) -> None:
        self._clock.call_later(20.0, self.own.keep, step.sha256, content)

    real.around(WorkFiles, "keep", keep)


@breaks("I1", shows="files that are refused since their content is gone, with no disk lost")
def contents_are_removed_with_their_receipt(real: Real) -> None:
    """The city where a file is handed in keeps its content until the request is on disk, and no longer."""

    async def hand_in(
        original: Any, self: WorkFiles, step: Attached, content: bytes, ask: Callable[[], Awaitable[None]]
    ) -> None:
        await original(self, step, content, ask)
        await self._sending.forget(step.sha256)

    real.around(WorkFiles, "hand_in", hand_in)


@breaks("I1", shows="contents that stay where they were handed in, although their owning city has answered")
def answered_files_are_kept_until_the_next_start(real: Real) -> None:
    """What was kept for another city is removed at a start only."""
    real.around(WorkFiles, "answered", lambda original, self, request: None)


def _opens(step: Any) -> bool:
    return isinstance(step, Opened)
