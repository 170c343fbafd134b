"""What is typed at the 114 desk: read into words, laid out as readings of indexes, held against entries.

A question is a few words; an entry answers it when each word fits it somehow (``Word.fit``). The store has no joins, so
``Question.wanted`` says which stretches of which indexes to read next, and when nothing is left to be read: as soon as
all that one word can find was read, the other words are held against that. ``docs/directory.md`` says the rules.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from hashlib import blake2s
from heapq import nsmallest
from typing import Final

import msgspec

from dataset.errors import Problem, Refused
from dataset.ids import CityId
from dataset.pages import Span
from dataset.pinyin import plain, spelling
from dataset.records.directory import EVERYWHERE, DirectoryEntry, pairs

PAGE = 20
"""entries in one answer"""
LONGEST = 64
"""characters of a question"""
MOST_WORDS = 6
CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "医院": ("hospital", "health"), "医疗": ("hospital", "health"), "学校": ("school",), "政府": ("government",),
    "机关": ("government",), "交通": ("transport",), "运输": ("transport",), "物流": ("transport",),
    "酒店": ("hotel",), "宾馆": ("hotel",), "旅馆": ("hotel",), "饭店": ("hotel", "restaurant", "food"),
    "餐馆": ("restaurant", "food"), "餐厅": ("restaurant", "food"), "餐饮": ("restaurant", "food"),
    "酒楼": ("restaurant", "food"), "银行": ("bank",), "商店": ("shop",), "商场": ("shop",), "零售": ("shop",),
    "工厂": ("factory",), "电子": ("electronics",), "贸易": ("trade",), "服务": ("service",),
    "水电": ("utility",), "供电": ("utility",), "供水": ("utility",), "煤气": ("utility",), "燃气": ("utility",),
}  # fmt: skip
"""What trades are called by those who ask: word → codes of ``DirectoryEntry.category``."""
_DISTRICT_ENDS = ("新区", "区", "县", "市", "镇")
_NUMBER = re.compile(r"\+?[0-9(][0-9\s\-()./]*")
_VOWELS = frozenset("aeiouv")
_LEAST_NUMBER, _WHOLE_NUMBER, _MOST_NUMBER = 3, 7, 17
_MARK = 12


class Fit(IntEnum):
    """How well an entry fits, the best first."""

    EXACT = 0
    """a whole name, or its whole pinyin"""
    BEGINNING = 1
    """the beginning of a name, or of its pinyin"""
    INITIALS = 2
    """the initials of a whole name"""
    INITIALS_BEGIN = 3
    OTHER = 4
    """a part of a firm's name; its trade, district, address"""
    NARROWS = 5
    """only beside a word that fits better: where a person lives, which is not to be found out whose it is; and what no
    index finds, the pinyin of a district and what half of the firms are called
    """


@dataclass(frozen=True, slots=True)
class Read:
    """A stretch of one index within a city."""

    index: str
    head: str
    """what follows the city in the partition"""
    span: Span


_WHOLE = ("by_address", "by_category")
"""indexes that are read from their first entry to their last"""
Cover = tuple[Read, ...]
"""Readings that find the same as far as it is asked for: one of them is enough."""


class Listed:
    """A listed entry, its words made ready to be compared."""

    def __init__(self, entry: DirectoryEntry) -> None:
        self.entry = entry
        self.written = entry.written
        self.sounds = entry.sounds
        self.firm = bool(entry.category)
        self._address: str | None = None
        self.all_names = "\n".join(("", *self.written, *self.sounds, *entry.initials))
        """in whatever spelling, each behind its ``\\n``: a look in here spares most looks at one after the other"""

    @property
    def address(self) -> str:
        """Street and house."""
        if self._address is None:
            self._address = self.entry.address
        return self._address

    @property
    def district_sounds(self) -> tuple[str, ...]:
        """The pinyin of the district, with and without 区."""
        return _district_sounds(self.entry.district)


@dataclass(frozen=True)
class Word:
    """One word of a question, as it is compared (``plain``)."""

    text: str

    @cached_property
    def _latin(self) -> bool:
        """It has letters or digits, so that it may be pinyin or initials."""
        return any(one.isascii() for one in self.text)

    @cached_property
    def _beginning(self) -> str:
        """As it stands in ``Listed.all_names`` where a name begins with it."""
        return f"\n{self.text}"

    @cached_property
    def _chinese(self) -> bool:
        """It may be an address."""
        return len(self.text) > 1 and not self.text.isascii()

    @cached_property
    def _pairs(self) -> tuple[str, ...]:
        """By which of its pairs parts of names are found."""
        return tuple(pair for pair in dict.fromkeys(pairs(self.text)) if pair not in EVERYWHERE)

    @cached_property
    def _categories(self) -> tuple[str, ...]:
        return CATEGORIES.get(self.text, (self.text,) if self.text.isascii() else ())

    @cached_property
    def districts(self) -> tuple[str, ...]:
        """Districts that it may name."""
        return _district_forms(self.text) if self._chinese else ()

    @cached_property
    def narrows(self) -> bool:
        """It may fit where no index finds it. A district's pinyin has two syllables or more, so ``gzdx`` is none."""
        if len(self.text) > 1 and not self._pairs:
            return True
        return self.text.isascii() and self.text.isalpha() and sum(map(_VOWELS.__contains__, self.text)) > 1

    @cached_property
    def covers(self) -> tuple[Cover, ...]:
        """All readings that find what it fits, but for what it ``narrows``."""
        text = self.text
        begins = Span(begins=text)
        found: list[Cover] = [(Read("by_name", text[0], begins),)]
        if self._latin:
            found += [(Read("by_initials", text[0], begins),), (Read("by_pinyin", text[0], begins),)]
        if self._pairs:
            found.append(tuple(Read("by_part", pair, Span()) for pair in self._pairs))
        found += [(Read("by_category", code, Span()),) for code in self._categories]
        if self._chinese:
            found.append((Read("by_street", text[:2], begins),))
            found += [(Read("by_address", district, Span()),) for district in self.districts]
        return tuple(found)

    def within(self, district: str) -> tuple[Read, ...]:
        """Short readings that find some of what it fits in one district."""
        inside = Span(prefix=(district,))
        return (
            *(Read("by_category", code, inside) for code in self._categories),
            *(Read("by_part", pair, inside) for pair in self._pairs[:1]),
        )

    def fit(self, one: Listed) -> Fit | None:
        """How ``one`` fits this word; None: not at all."""
        text = self.text
        within = False
        if text in one.all_names:
            if self._beginning in one.all_names:
                if text in one.written or (self._latin and text in one.sounds):
                    return Fit.EXACT
                if _begins(one.written, text) or (self._latin and _begins(one.sounds, text)):
                    return Fit.BEGINNING
                if self._latin:
                    return Fit.INITIALS if text in one.entry.initials else Fit.INITIALS_BEGIN
            within = one.firm and len(text) > 1 and any(text in name for name in one.written)
        if (within and self._pairs) or (one.firm and one.entry.category in self._categories):
            return Fit.OTHER
        if self._chinese and (one.entry.district in self.districts or one.address.startswith(text)):
            return Fit.OTHER if one.firm else Fit.NARROWS
        return Fit.NARROWS if self.narrows and (within or text in one.district_sounds) else None


@dataclass(frozen=True)
class Parse:
    """One way to take a question apart: all words have to fit."""

    words: tuple[Word, ...]

    @cached_property
    def likely(self) -> tuple[Read, ...]:
        """Where a district and another word meet: read first, since the whole of either may be too much."""
        return tuple(
            read
            for place in self.words
            for district in place.districts
            for other in self.words
            if other is not place
            for read in other.within(district)
        )

    def fit(self, one: Listed) -> Fit | None:
        """The best of the words' fits; None when one does not fit, or none is more than ``NARROWS``."""
        best = Fit.NARROWS
        for word in self.words:
            fit = word.fit(one)
            if fit is None:
                return None
            if fit < best:
                best = fit
        return best if best < Fit.NARROWS else None

    def wanted(self, done: Collection[Read]) -> tuple[Read, ...]:
        """What is still to be read; nothing once all was read of a word without ``narrows``, or of all words
        where there is none.

        Words with a whole district or trade to be read are left for the others, where there are others.
        """
        left = {word: [cover for cover in word.covers if not any(one in done for one in cover)] for word in self.words}
        deciding = [word for word in self.words if not word.narrows]
        if not all(left[word] for word in deciding):
            return ()
        short = [word for word in deciding if not any(cover[0].index in _WHOLE for cover in left[word])]
        words = short or deciding or self.words
        return tuple(read for word in words for cover in left[word] for read in cover)


@dataclass(frozen=True)
class Question:
    """What was asked, read. ``read_question`` makes it."""

    text: str
    """in one form of writing, so that a page token is good for it however it was typed"""
    parses: tuple[Parse, ...]
    """each of which may fit: word by word; Latin words in a row as one (``wang fang``); all as one (``王 芳``)"""
    number: str = ""
    """whose number it may be: digits as they were typed, without separators"""

    @cached_property
    def likely(self) -> tuple[Read, ...]:
        """What is read first and once, a single page of it."""
        return tuple(dict.fromkeys(read for parse in self.parses for read in parse.likely))

    def wanted(self, done: Collection[Read]) -> tuple[Read, ...]:
        """What is still to be read when ``done`` was read to its end; nothing: all that fits is among what was read."""
        return tuple(dict.fromkeys(read for parse in self.parses for read in parse.wanted(done)))

    def fit(self, entry: DirectoryEntry) -> Fit | None:
        """How well ``entry`` fits; None: not at all, or it is unlisted."""
        if entry.unlisted:
            return None
        one = Listed(entry)
        best: Fit | None = None
        for parse in self.parses:
            fit = parse.fit(one)
            if fit is not None and (best is None or fit < best):
                best = fit
        return best


# ── reading what was typed ──────────────────────────────────────────────────────────────────────────────────────────
def read_question(text: str) -> Question:
    """``text`` as it was typed. Raises ``Refused`` (``directory-text``): empty, too long, or nothing to look for."""
    try:
        typed = unicodedata.normalize("NFKC", text).strip()
        text.encode()
    except UnicodeEncodeError:
        typed = ""
    number = "".join(filter(str.isdecimal, typed)) if typed.isascii() and _NUMBER.fullmatch(typed) else ""
    if not _LEAST_NUMBER <= len(number) <= _MOST_NUMBER:
        number = ""
    if len(number) >= _WHOLE_NUMBER:
        return Question(number, (), ("+" if typed.startswith("+") else "") + number)
    words = tuple(filter(None, map(plain, typed.split())))
    if not words or len(typed) > LONGEST or len(words) > MOST_WORDS:
        raise Refused(
            Problem(
                "directory-text",
                zh=f"请输入名称、拼音、首字母、区、街道、类别或号码，至多 {LONGEST} 字、{MOST_WORDS} 个词",
                en=f"type a name, pinyin, initials, a district, a street, a trade or a number: at most {LONGEST} "
                f"characters in {MOST_WORDS} words",
                place="text",
            )
        )
    ways = dict.fromkeys((words, _latin_joined(words), ("".join(words),)))
    return Question(" ".join(words), tuple(Parse(tuple(map(Word, dict.fromkeys(way)))) for way in ways), number)


def _latin_joined(words: tuple[str, ...]) -> tuple[str, ...]:
    joined: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        if joined and word.isascii() and before.isascii():
            joined[-1] += word
        else:
            joined.append(word)
    return tuple(joined)


def local_numbers(number: str, area_code: str) -> tuple[str, ...]:
    """What ``number`` can be in a directory, the likeliest first: with the country code left out, and the area code
    added where there is none.
    """
    for country in ("+86", "0086"):
        if number.startswith(country):
            rest = number.removeprefix(country).removeprefix("0")
            return (rest, f"0{rest}")
    if number.startswith("0") or len(number) > 8:
        return (number,)
    return (number, f"{area_code}{number}") if len(number) < _WHOLE_NUMBER else (f"{area_code}{number}", number)


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────
Place = tuple[int, str, str]
"""Where an entry stands in the answer: fit, name, number."""
_PLACE: Final[msgspec.json.Decoder[Place]] = msgspec.json.Decoder(Place)


def place_of(city: CityId, question: Question, token: str | None) -> Place | None:
    """The place behind which a page begins. Raises ``Refused`` (``page-token``) for the token of another question."""
    if token is None:
        return None
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if data[:_MARK] == _mark(city, question):
            return _PLACE.decode(data[_MARK:])
    except (ValueError, msgspec.MsgspecError):
        pass
    raise Refused(
        Problem(
            "page-token",
            zh="该续页标记不属于此查询；请用同一查询上一页给出的标记，或从第一页开始",
            en="this page token is not of this question; the one that came with its page before is expected, or none",
            place="token",
        )
    )


def page_of(
    city: CityId, question: Question, found: Iterable[DirectoryEntry], after: Place | None
) -> tuple[tuple[tuple[Fit, DirectoryEntry], ...], str | None]:
    """Those of ``found`` that fit, the best first and behind ``after``, and the token of what follows."""
    places: dict[Place, tuple[Fit, DirectoryEntry]] = {}
    for entry in found:
        fit = question.fit(entry)
        if fit is not None:
            places[int(fit), entry.name, entry.number] = fit, entry
    behind = nsmallest(PAGE + 1, (place for place in places if after is None or place > after))
    token = None
    if len(behind) > PAGE:
        last = msgspec.json.encode(behind[PAGE - 1])
        token = base64.urlsafe_b64encode(_mark(city, question) + last).decode()
    return tuple(places[place] for place in behind[:PAGE]), token


def _mark(city: CityId, question: Question) -> bytes:
    return blake2s(f"{city}\n{question.text}".encode(), digest_size=_MARK).digest()


def _begins(texts: tuple[str, ...], text: str) -> bool:
    for one in texts:  # noqa: SIM110 - a generator costs more than what it looks at
        if one.startswith(text):
            return True
    return False


def _bare(district: str) -> str:
    """天河 of 天河区; what would be left of one character stays whole (单县)."""
    for end in _DISTRICT_ENDS:
        if district.endswith(end) and len(district) > len(end) + 1:
            return district.removesuffix(end)
    return district


@lru_cache(maxsize=1_000)
def _district_sounds(district: str) -> tuple[str, ...]:
    return spelling(district).full, spelling(_bare(district)).full


def _district_forms(name: str) -> tuple[str, ...]:
    """The districts that may be meant by ``name``: as it is, without its end, with any other."""
    bare = _bare(name)
    return tuple(dict.fromkeys((name, bare, *(f"{bare}{end}" for end in _DISTRICT_ENDS))))
