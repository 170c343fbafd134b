"""Work across cities: whatever is lost, doubled or late, every holder of the rows knows the same items and sums."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.errors import Refused
from dataset.ids import AgentId, CityId, LineageId
from dataset.rows import (
    AnyRow,
    Journalled,
    LineageOpened,
    ProblemSaid,
    TailMissing,
    WorkRefused,
    WorkRequested,
    WorkStepped,
)
from dataset.work import (
    Acted,
    Actor,
    AnyStep,
    Attached,
    DeadlinePassed,
    Opened,
    RequestId,
    WorkItemId,
    item_of,
    request_id,
)
from federation.core.work_book import Accepted, Pending, RefusedThere, WorkBook
from federation.core.work_checks import check, check_opening
from federation.core.work_item import WorkItem
from tests.harness.services import calendar, catalogue
from tests.harness.work import HOUR, NOW, attached, begun, form_for, friendly

OWNING, SERVING, THIRD = CityId("guangzhou"), CityId("shenzhen"), CityId("foshan")
AREA = {OWNING: "020", SERVING: "0755", THIRD: "0757"}
INSTALL = catalogue().services["install_line"]
ACTIONS = tuple(INSTALL.actions)


def book() -> WorkBook:
    return WorkBook(lambda reference: catalogue().services[reference.partition("@")[0]], calendar())


class Node:
    """A journal, and the book of what it holds."""

    def __init__(self, city: CityId) -> None:
        self.city = city
        self.runs = 0
        self.rows: list[Journalled] = []
        self.ever: list[Journalled] = []
        """also what its disk has lost, which others hold"""
        self.start()

    @property
    def lineage(self) -> LineageId:
        return LineageId(f"{self.runs:08x}")

    def start(self, lost: int = 0) -> None:
        """A new run; the disk has lost its last rows."""
        previous, held = (self.lineage if self.runs else None), len(self.rows)
        self.rows = self.rows[: max(0, held - lost)]
        self.runs += 1
        self.sequence = 0
        self.book = book()
        for row in self.rows:
            self.book.add(row)
        known = next((row.lineage for row in reversed(self.rows)), None)
        self.write(LineageOpened(node=self.city, previous=known, previous_head=0))
        if previous is not None and previous != known:
            self.write(TailMissing(receiver="hub", of=previous, stated=1, held=0))

    def write(self, row: AnyRow) -> Journalled:
        self.sequence += 1
        written = Journalled(
            node=self.city, lineage=self.lineage, sequence=self.sequence, wall=NOW, mono=0.0, boot="b", row=row
        )
        self.rows.append(written)
        self.ever.append(written)
        self.book.add(written)
        return written


class Asking(Node):
    """A city that serves another's customer."""

    def ask(self, step: Opened | Acted | Attached, item: WorkItemId | None = None) -> WorkRequested:
        request = request_id(AREA[self.city], self.lineage, self.sequence)
        wanted = item or item_of(request)
        if isinstance(step, Opened):
            step = begun_as(wanted, step.values, step.collected_fen)
        row = WorkRequested(request=request, item=wanted, owning=OWNING, step=step)
        self.write(row)
        return row


def begun_as(item: WorkItemId, values: dict[str, str | int | bool], collected_fen: int) -> Opened:
    step = begun(INSTALL, values)
    return Opened(
        at=step.at, item=item, service=step.service, owning=OWNING, customer="c", line="1", values=values, by=step.by,
        collected_fen=collected_fen,
    )  # fmt: skip


class Owning(Node):
    """Answers requests, each once as far as its disk knows."""

    def answer(self, asked: WorkRequested, serving: CityId) -> None:
        if isinstance(self.book.answer(asked.request), Accepted | RefusedThere):
            return
        item = self.book.item(asked.item)
        try:
            self._check(asked, item)
        except Refused as refused:
            problems = tuple(
                ProblemSaid(slug=one.slug, zh=one.zh, en=one.en, place=one.place) for one in refused.problems
            )
            self.write(WorkRefused(item=asked.item, request=asked.request, serving=serving, problems=problems))
        else:
            self.write(
                WorkStepped(
                    item=asked.item, request=asked.request, serving=serving, service=INSTALL.reference, step=asked.step,
                    handling_fen=INSTALL.handling_fen,
                )
            )  # fmt: skip

    def _check(self, asked: WorkRequested, item: WorkItem | None) -> None:
        step = asked.step
        if isinstance(step, Opened):
            check_opening(INSTALL, calendar(), step, friendly(INSTALL))
        elif item is None:
            raise Refused()
        else:
            check(INSTALL, calendar(), item, step, friendly(INSTALL))

    def look_at_deadlines(self, now: float) -> None:
        for item in self.book.due(now):
            self.write(
                WorkStepped(
                    item=item.id, request=None, serving=self.city, service=item.service, step=DeadlinePassed(at=now)
                )
            )  # fmt: skip


class Province:
    """Three cities; the owning one may die and lose the last rows of its disk. Requests come again until answered."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = NOW
        self.owning = Owning(OWNING)
        self.asking = {city: Asking(city) for city in (SERVING, THIRD)}
        self.requests: list[tuple[CityId, WorkRequested]] = []

    def ask(self) -> None:
        city = self.rng.choice(list(self.asking))
        opened = [one.item for _, one in self.requests if isinstance(one.step, Opened)]
        if not opened or self.rng.random() < 0.3:
            values = form_for(INSTALL)
            if self.rng.random() < 0.2:
                del values["address"]
            step: Opened | Acted | Attached = begun_as(WorkItemId(""), values, self.rng.choice([0, 20800]))
            item = None
        elif self.rng.random() < 0.2:
            item = self.rng.choice(opened)
            step = attached(len(self.requests), at=self.now, by=Actor(agent=AgentId("1@x"), role="agent", city=city))
        else:
            item = self.rng.choice(opened)
            name = self.rng.choice(ACTIONS)
            role = self.rng.choice(INSTALL.actions[name].roles)
            by = Actor(agent=AgentId("1@x"), role=role, city=city)
            mark = self.rng.randrange(6) if INSTALL.actions[name].asks_satisfaction else None
            collected = self.rng.choice([0, 100])
            step = Acted(at=self.now, action=name, by=by, note="x", collected_fen=collected, satisfaction=mark)
        self.requests.append((city, self.asking[city].ask(step, item)))

    def deliver(self) -> None:
        for city, asked in self.requests:
            if self.rng.random() < 0.7:
                self.owning.answer(asked, city)

    def crash(self) -> None:
        self.owning.start(lost=self.rng.randrange(4))

    def end(self) -> None:
        """What was lost comes back from the hub (J5), and every request has its answer."""
        for row in self.owning.ever:
            if row not in self.owning.rows:
                self.owning.rows.append(row)
                self.owning.book.add(row)
        for city, asked in self.requests:
            self.owning.answer(asked, city)

    def written(self, item: WorkItemId) -> list[AnyStep]:
        """The steps of an item as the owning city wrote them; a request's first answer alone."""
        steps, seen = [], set[RequestId]()
        for journalled in self.owning.ever:
            row = journalled.row
            if isinstance(row, WorkStepped) and row.item == item and row.request not in seen:
                steps.append(row.step)
                if row.request is not None:
                    seen.add(row.request)
        return steps

    def rows(self) -> list[Journalled]:
        return [*self.owning.ever, *(row for node in self.asking.values() for row in node.ever)]


def play(seed: int) -> Province:
    rng = Random(seed)
    province = Province(rng)
    for _ in range(rng.randrange(5, 60)):
        province.now += rng.random() * 10 * HOUR
        rng.choices([province.ask, province.deliver, province.crash], [5, 4, 1])[0]()
        province.owning.look_at_deadlines(province.now)
    province.end()
    return province


def holder(rows: list[Journalled], rng: Random) -> WorkBook:
    """A book that got these rows in any order, some of them twice."""
    shuffled = rows + rng.sample(rows, len(rows) // 2)
    rng.shuffle(shuffled)
    found = book()
    for row in shuffled:
        found.add(row)
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_every_holder_of_the_rows_knows_the_same(seed: int) -> None:
    province = play(seed)
    hub, again = holder(province.rows(), Random(seed)), holder(province.rows(), Random(seed + 1))
    assert sorted(hub, key=lambda item: item.id) == sorted(again, key=lambda item: item.id)
    assert sorted(hub, key=lambda item: item.id) == sorted(province.owning.book, key=lambda item: item.id)
    assert hub.settlements() == again.settlements() == province.owning.book.settlements()
    for _, asked in province.requests:
        assert hub.answer(asked.request) == again.answer(asked.request)
    for item in hub:
        assert list(hub.steps(item.id)) == province.written(item.id)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_what_followed_from_a_step_is_told_as_its_items_history_tells_it(seed: int) -> None:
    """Also while rows are lost, which may put steps before the opening that is left, and of none that is overtaken."""
    every, rng = play(seed).rows(), Random(seed)
    rows = rng.sample(every, len(every) * 2 // 3)
    hub = holder(rows, rng)
    stepped = {one.origin: one for one in rows if isinstance(one.row, WorkStepped)}
    told = [found for one in stepped.values() if (found := hub.passed(one)) is not None]
    history = [passage for item in hub for passage in hub.history(item.id)]
    assert len(told) == len(history)
    for passage in history:
        assert (passage.after, passage.effects) in told


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_every_request_is_answered_and_each_item_has_one_opening_and_at_most_one_ending(seed: int) -> None:
    """I1: nothing that was handed in is lost, opened twice or closed twice, whatever the owning city's disk lost."""
    province = play(seed)
    hub = holder(province.rows(), Random(seed))
    for _, asked in province.requests:
        answer = hub.answer(asked.request)
        assert isinstance(answer, Accepted | RefusedThere)
        if isinstance(answer, Accepted):
            assert asked.step in (*hub.steps(answer.item), *hub.overtaken(answer.item))
    assert hub.unanswered(OWNING) == ()
    for item in hub:
        standing = list(hub.steps(item.id))
        for overtaken in hub.overtaken(item.id):
            standing.remove(overtaken)
        assert sum(isinstance(step, Opened) for step in standing) == 1
        ends = [
            step
            for step in standing
            if isinstance(step, Acted) and INSTALL.states[INSTALL.actions[step.action].to].ends is not None
        ]
        assert len(ends) == (item.ending is not None)
        assert (item.due_at is None) == (item.ending is not None)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_settlement_agrees_to_the_cent_at_both_ends(seed: int) -> None:
    """I4: by the serving city's own rows and the answers it got, by the owning city's, and by the hub's."""
    province = play(seed)
    hub = holder(province.rows(), Random(seed))
    for city, node in province.asking.items():
        mine = [row for row in province.owning.ever if getattr(row.row, "serving", None) == city]
        about_runs = [row for row in province.owning.ever if isinstance(row.row, LineageOpened | TailMissing)]
        here = holder([*node.ever, *mine, *about_runs], Random(seed))
        assert here.settlements() == tuple(one for one in hub.settlements() if one.serving == city)
    accepted = [asked for _, asked in province.requests if isinstance(hub.answer(asked.request), Accepted)]
    assert INSTALL.handling_fen > 0
    assert sum(one.handling_fen for one in hub.settlements()) == INSTALL.handling_fen * len(accepted)
    assert sum(one.collected_fen for one in hub.settlements()) == sum(
        asked.step.collected_fen for asked in accepted if isinstance(asked.step, Opened | Acted)
    )


def test_a_request_is_pending_until_the_owning_city_answers() -> None:
    serving, owning = Asking(SERVING), Owning(OWNING)
    asked = serving.ask(begun_as(WorkItemId(""), form_for(INSTALL), 0))
    assert isinstance(serving.book.answer(asked.request), Pending)
    assert serving.book.unanswered(OWNING) == ((asked, SERVING),)
    assert serving.book.answer(RequestId("unknown")) is None
    owning.answer(asked, SERVING)
    serving.book.add(owning.rows[-1])
    assert serving.book.answer(asked.request) == Accepted(asked.item)
    item = serving.book.item(asked.item)
    assert item is not None
    assert item.state == INSTALL.begins.id


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_a_file_of_an_item_is_there_once_and_stands_whatever_came_before_it(seed: int) -> None:
    """However late rows come back: a file that was taken is never overtaken, and no request adds two."""
    province = play(seed)
    hub = holder(province.rows(), Random(seed))
    taken = [asked for _, asked in province.requests if isinstance(asked.step, Attached)]
    for item in hub:
        files = [step.attachment for step in hub.steps(item.id) if isinstance(step, Attached)]
        assert len(files) == len(set(files)) == item.files
        assert not any(isinstance(step, Attached) for step in hub.overtaken(item.id))
        waiting = {asked.request for asked, _ in hub.files_asked(item.id)}
        for asked in (one for one in taken if one.item == item.id):
            assert (asked.step in hub.steps(item.id)) != (asked.request in waiting)
    assert hub.files_sent(SERVING) == (), "everything is answered"
