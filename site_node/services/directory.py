"""114: who has which number, found in the records of this city."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from twisted.internet.defer import Deferred, FirstError, gatherResults

from dataset.ids import CityId
from dataset.pages import Page
from dataset.records.directory import DIRECTORY, DirectoryEntry
from federation.node.login import Actor
from federation.node.public_copies import PublicCopies
from federation.ports import Clock, Store
from site_node.core.directory import Fit, Question, Read, page_of, place_of, read_question
from site_node.services.area_codes import AreaCodes

MOST_READ = 1_500
"""entries that one question reads; whoever means one of more has to say more"""
_STEPS = (40, 160, 600)
"""entries read of each index at a time: few first, since most questions end there"""
PERSONS_TOLD_TO = frozenset({"supervisor", "site_admin"})
"""who may learn a person's name from a number; everybody else at a seat learns those of firms only"""


class Whose(StrEnum):
    """What came of the question whose a number is."""

    TOLD = "told"
    UNLISTED = "unlisted"
    """nothing more is said of it, to anybody"""
    PERSON = "person"
    """a person's, and not for whoever asks"""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found."""

    entries: tuple[tuple[Fit, DirectoryEntry], ...]
    token: str | None
    """asks for what follows"""
    more: bool
    """not everything could be looked through: the question has to say more"""
    whose: Whose | None
    """of a number"""
    unread: int
    """entries that are damaged on disk, or of a kind that only a newer version knows"""
    as_of: float


@dataclass(frozen=True, slots=True)
class _Gathered:
    entries: Iterable[DirectoryEntry]
    complete: bool
    unread: int


class DirectoryService:
    """Looks into the directory as it is on record here: that of the city, and copies of others."""

    def __init__(
        self, city: CityId, records: Store, codes: AreaCodes, clock: Clock, copies: PublicCopies | None = None
    ) -> None:
        """``copies``: of other cities' directories, where they are kept here."""
        self.city = city
        self._records = records
        self._codes = codes
        self._clock = clock
        self._copies = copies

    def copied(self, city: CityId) -> float | None:
        """As of when a whole copy of another ``city`` is here (seconds since 1970, UTC); None: there is none."""
        return self._copies.as_of("directory", city) if self._copies is not None else None

    def asked_of(self, text: str, city: str, token: str | None) -> CityId:
        """Whose directory is asked: that of ``city``, else of the number's area, else this one. Raises ``Refused``:
        ``directory-text``, ``page-token``, ``city-unknown``.
        """
        question = read_question(text)
        of = self._codes.known(city, "city") if city else self._area_of(question.number) or self.city
        place_of(of, question, token)
        return of

    def _area_of(self, number: str) -> CityId | None:
        numbers = self._codes.numbers(number, self.city) if number else ()
        return next((city for one in numbers if (city := self._codes.city_of(one)) is not None), None)

    async def look(self, actor: Actor, text: str, city: CityId, token: str | None = None) -> Found:
        """A page of what is on record of ``city`` here. Raises ``Refused``: as ``asked_of``, and the store's."""
        question = read_question(text)
        after = place_of(city, question, token)
        holder, whose = None, None
        if question.number and after is None:
            holder, whose = await self._whose(actor, question, city)
        gathered = await self._gather(question, city)
        entries, following = page_of(city, question, gathered.entries, after)
        if holder is not None:
            entries = ((Fit.EXACT, holder), *(one for one in entries if one[1].number != holder.number))
        return Found(entries, following, not gathered.complete, whose, gathered.unread, self._clock.wall())

    async def _whose(self, actor: Actor, question: Question, city: CityId) -> tuple[DirectoryEntry | None, Whose]:
        for number in self._codes.numbers(question.number, city):
            entry = await self._records.get(DIRECTORY, (city, number))
            if entry is None:
                continue
            if entry.unlisted:
                return None, Whose.UNLISTED
            if not entry.category and not actor.roles & PERSONS_TOLD_TO:
                return None, Whose.PERSON
            return entry, Whose.TOLD
        return None, Whose.UNKNOWN

    async def _gather(self, question: Question, city: CityId) -> _Gathered:
        """Everything that may fit, up to ``MOST_READ``: the same for every page, so that pages fit together."""
        found: dict[str, DirectoryEntry] = {}
        tokens: dict[Read, str | None] = {}
        left, unread = MOST_READ, 0
        reads = tuple(dict.fromkeys((*question.likely, *question.wanted(()))))
        for step in range(MOST_READ):
            if not reads or left < len(reads):
                break
            limit = min(_STEPS[min(step, len(_STEPS) - 1)], left // len(reads))
            pages = await _all(
                [
                    self._records.page(
                        DIRECTORY, (city, one.head), one.span, index=one.index, limit=limit, token=tokens.get(one)
                    )
                    for one in reads
                ]
            )
            for read, page in zip(reads, pages, strict=True):
                tokens[read] = page.token
                found |= {entry.number: entry for entry in page.records}
                left -= len(page.records) + page.unread
                unread += page.unread
            reads = question.wanted({read for read, token in tokens.items() if token is None})
        return _Gathered(found.values(), not reads, unread)


async def _all(asked: list[Deferred[Page[DirectoryEntry]]]) -> list[Page[DirectoryEntry]]:
    """What all of them answer. Raises what the first one fails with."""
    try:
        return await gatherResults(asked, consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()
        raise  # never comes to this
