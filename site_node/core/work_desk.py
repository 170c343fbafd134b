"""A city's desk of work: which steps it asks other cities for, which it takes itself, and what it answers.

Pure. The desk decides by the book of work (``federation.core.work_book``), which knows only rows that are on disk;
whoever drives it lets one step of an item be synced before it asks for the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from dataset.calendar import WorkCalendar
from dataset.errors import Problem, Refused
from dataset.ids import CityId, LineageId
from dataset.rows import Journalled, ProblemSaid, WorkRefused, WorkRequested, WorkStepped
from dataset.services.catalogue import Catalogue
from dataset.services.service import Service
from dataset.work import AnyStep, Attached, DeadlinePassed, Opened, RequestId, WorkItemId, request_id
from federation.core.repeats import EarlierItem, counted
from federation.core.work_book import Answer, WorkBook
from federation.core.work_checks import check, check_opening
from federation.core.work_item import Facts, WorkItem, apply, waits
from site_node.core.attachment_rules import check_described


@dataclass(frozen=True, slots=True)
class DeskRules:
    """What a city's desk goes by."""

    city: CityId
    area_code: str
    lineage: LineageId
    catalogue: Catalogue
    calendar: WorkCalendar


class WorkDesk:
    """Deterministic and mutable, like the core's other indexes."""

    def __init__(self, rules: DeskRules) -> None:
        self._rules = rules
        self._counter = 0
        self._version = rules.catalogue.versions.__getitem__
        self.book = WorkBook(self._version, rules.calendar)

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def add(self, rows: Iterable[Journalled]) -> None:
        """Rows that are on disk, own and received, in any order; those that are not about work are passed over."""
        for row in rows:
            self.book.add(row)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def next_request(self) -> RequestId:
        """A name for a request of this run."""
        self._counter += 1
        return request_id(self._rules.area_code, self._rules.lineage, self._counter)

    @property
    def catalogue(self) -> Catalogue:
        """What the province offers."""
        return self._rules.catalogue

    @property
    def calendar(self) -> WorkCalendar:
        """By which deadlines run."""
        return self._rules.calendar

    def service(self, name: str) -> Service:
        """The service in force by its code. Raises ``Refused`` 404 ``service-unknown``."""
        found = self._rules.catalogue.services.get(name)
        if found is None:
            raise _unknown("service", "没有此业务", "there is no such service", name)
        return found

    def owning(self, item: WorkItemId) -> CityId:
        """Whose item it is. Raises ``Refused`` 404 ``work-unknown`` for one that nothing is known of here."""
        known = self.book.owner(item)
        if known is None:
            raise _unknown("work", "本局没有此工单的记录", "nothing of this work item is on record here", item)
        return known

    def request(self, request: RequestId, item: WorkItemId, owning: CityId, step: AnyStep) -> WorkRequested:
        """What is asked of another city."""
        return WorkRequested(request=request, item=item, owning=owning, step=step)

    # ── taking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def take(
        self, item: WorkItemId, step: AnyStep, facts: Facts, serving: CityId, request: RequestId | None
    ) -> WorkStepped:
        """The row of a step of an own item. Raises ``Refused`` with every reason when it may not be taken."""
        facts = msgspec.structs.replace(facts, identity_checked=_identity_checked(step))
        if isinstance(step, Opened):
            service = self._known_version(step.service)
            facts = msgspec.structs.replace(facts, open_items=self.open_services(step.line, but=item))
            if self.book.item(item) is not None:
                raise Refused(
                    Problem("work-open", "此工单已受理", "this work item has been opened already", item), status=409
                )
            check_opening(service, self._rules.calendar, step, facts)
            step = self._counted(service, step, facts)
            ended = False
        else:
            known = self.item(item)
            service = self._version(known.service)
            facts = msgspec.structs.replace(facts, open_items=self.open_services(known.line, but=item))
            if isinstance(step, Attached):
                check_described(step.name, step.media_type, step.size)
            check(service, self._rules.calendar, known, step, facts)
            ended = known.ending is None and apply(service, self._rules.calendar, known, step)[0].ending is not None
        return WorkStepped(
            item=item,
            request=request,
            serving=serving,
            service=service.reference,
            step=step,
            handling_fen=service.handling_fen if serving != self._rules.city else 0,
            ended=ended,
        )

    def answer(self, asked: WorkRequested, serving: CityId, facts: Facts) -> WorkStepped | WorkRefused:
        """The row that answers another city's request."""
        try:
            by = getattr(asked.step, "by", None)
            if by is None or by.city != serving:
                raise Refused(
                    Problem(
                        "work-actor",
                        zh="他局的步骤须由其本局坐席提出",
                        en="a step that another city asks for is one of its own agents'",
                        place=asked.item,
                    ),
                    status=403,
                )
            return self.take(asked.item, asked.step, facts, serving, asked.request)
        except Refused as refused:
            return self.refuse(asked, serving, refused)

    def refuse(self, asked: WorkRequested, serving: CityId, refused: Refused) -> WorkRefused:
        """The row that says no to another city's request, and why."""
        problems = tuple(ProblemSaid(slug=one.slug, zh=one.zh, en=one.en, place=one.place) for one in refused.problems)
        return WorkRefused(item=asked.item, request=asked.request, serving=serving, problems=problems)

    def unanswered(self) -> tuple[tuple[WorkRequested, CityId], ...]:
        """Requests of other cities that nothing on record answers, each with the city that asks."""
        return self.book.unanswered(self._rules.city)

    def overdue(self, now: float) -> tuple[WorkItemId, ...]:
        """Own items whose deadline has passed, the longest overdue first."""
        return tuple(item.id for item in self.book.due(now) if item.owning == self._rules.city)

    def miss(self, item: WorkItemId, now: float) -> WorkStepped:
        """The row that says so. Raises ``Refused`` where the deadline has moved since."""
        return self.take(item, DeadlinePassed(at=now), Facts(), self._rules.city, None)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def item(self, item: WorkItemId) -> WorkItem:
        """What it has come to. Raises ``Refused`` 404 ``work-unknown``."""
        found = self.book.item(item)
        if found is None:
            raise _unknown("work", "没有此工单", "there is no such work item", item)
        return found

    def service_of(self, item: WorkItem) -> Service:
        """The version of its service that the item began with."""
        return self._version(item.service)

    def standing(self, request: RequestId) -> Answer:
        """How a request stands. Raises ``Refused`` 404 ``request-unknown``."""
        found = self.book.answer(request)
        if found is None:
            raise _unknown("request", "没有此申请", "there is no such request", request)
        return found

    def waiting(self, now: float) -> tuple[WorkItem, ...]:
        """Own items that wait for somebody to take them."""
        return tuple(item for item in self.book if item.owning == self._rules.city and waits(item, now))

    def open_services(self, line: str, *, but: WorkItemId | None = None) -> frozenset[str]:
        """Codes of the services of which ``line`` has an item that has not ended, other than ``but``."""
        if not line:
            return frozenset()
        return frozenset(
            item.service.partition("@")[0] for item in self.book.of_line(line) if item.ending is None and item.id != but
        )

    def _counted(self, service: Service, step: Opened, facts: Facts) -> Opened:
        """With how often the same was there before: by records, and by the book, whose last steps they may lack."""
        book = self.book.of_line(step.line) if step.line else self.book.of_customer(step.customer)
        again = self.book.item(step.again_of) if step.again_of is not None else None
        known = (*facts.earlier, *map(_earlier, book), *([_earlier(again)] if again is not None else []))
        times, last = counted(service, step, known)
        return msgspec.structs.replace(step, times_before=times, repeat_of=last)

    def earlier(self, line: str, customer: str) -> tuple[EarlierItem, ...]:
        """Own items of ``line``, and those of ``customer``, as far as the book has them."""
        found = (*self.book.of_line(line), *self.book.of_customer(customer))
        return tuple(_earlier(item) for item in found if item.owning == self._rules.city)

    def _known_version(self, reference: str) -> Service:
        try:
            return self._version(reference)
        except KeyError:
            raise Refused(
                Problem(
                    "service-version",
                    zh=f"归属局没有业务版本 {reference}；请等业务更新到各局后重试",
                    en=f"the owning city does not have the version {reference}; try again once it has",
                    place=reference,
                ),
                status=409,
            ) from None


def _earlier(item: WorkItem) -> EarlierItem:
    return EarlierItem(
        item=item.id,
        service=item.service.partition("@")[0],
        city=item.owning,
        line=item.line,
        customer=item.customer,
        opened_at=item.opened_at,
        ending=item.ending or "",
    )


def _identity_checked(step: AnyStep) -> bool:
    by = getattr(step, "by", None)
    return by is not None and by.identity_checked


def _unknown(slug: str, zh: str, en: str, place: str) -> Refused:
    return Refused(Problem(f"{slug}-unknown", zh=zh, en=en, place=place), status=404)
