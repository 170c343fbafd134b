"""114: who has which number, as it is told to anybody who asks."""

from __future__ import annotations

from msgspec.structs import replace

from dataset.ids import CityId
from dataset.pinyin import person_spelling, plain, spelling
from dataset.records.forms import Name, Number
from dataset.tables import Index, Record, Table

EVERYWHERE = frozenset({"有限", "限公", "公司"})
"""pairs of characters in so many names that nobody is found by them"""


SLICES = tuple(f"{at:02}" for at in range(100))
"""a directory in parts of about the same size; what is unlisted is in none"""


class DirectoryEntry(Record, frozen=True, kw_only=True):
    """One number in the directory of a city."""

    city: CityId
    number: Number
    name: Name
    aliases: tuple[Name, ...] = ()
    """short names, branches (分机构、别名) under which it is asked for as well"""
    pinyin: str = ""
    """of the name, without tones, readings by the usual one: ``guangzhoudianxin``"""
    alias_pinyin: tuple[str, ...] = ()
    """of each alias, in the same order"""
    initials: tuple[str, ...] = ()
    """of the name and its aliases, one for each reading: ``gzdx``"""
    category: str = ""
    """code of the trade: ``hospital``, ``school``, ``restaurant`` …; residents have none"""
    district: str = ""
    street: str = ""
    house: str = ""
    unlisted: bool = False
    """kept, and never told or found by name: the subscriber wants it so"""

    @property
    def slice(self) -> str:
        """One of ``SLICES``: the last two digits, by which a whole city is read in parts."""
        return self.number[-2:]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the first one first."""
        return (self.name, *self.aliases)

    @property
    def written(self) -> tuple[str, ...]:
        """The names as they are compared (``dataset.pinyin.plain``)."""
        return tuple(map(plain, self.names))

    @property
    def name_heads(self) -> tuple[str, ...]:
        """First characters of the names, by which they are kept apart: no partition holds a whole city."""
        return _heads(self.written)

    @property
    def initial_heads(self) -> tuple[str, ...]:
        """First letters of the initials."""
        return _heads(self.initials)

    @property
    def sounds(self) -> tuple[str, ...]:
        """The pinyin of all names."""
        return (self.pinyin, *self.alias_pinyin)

    @property
    def sound_heads(self) -> tuple[str, ...]:
        """First letters of the pinyin."""
        return _heads(self.sounds)

    @property
    def parts(self) -> tuple[str, ...]:
        """Pairs of characters within the names of a firm, behind their beginning; persons are not found by parts."""
        if not self.category:
            return ()
        return tuple(
            dict.fromkeys(pair for name in self.written for pair in pairs(name, since=1) if pair not in EVERYWHERE)
        )

    @property
    def address(self) -> str:
        """Street and house in a row, as they are compared."""
        return plain(f"{self.street}{self.house}")

    @property
    def address_head(self) -> str:
        """Its first two characters."""
        return self.address[:2]


def pairs(text: str, since: int = 0) -> list[str]:
    """Each two characters in a row of ``text``, from the one at ``since``."""
    return [text[at : at + 2] for at in range(since, len(text) - 1)]


def _heads(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text[:1] for text in texts)


def _listed(one: DirectoryEntry) -> bool:
    return not one.unlisted


DIRECTORY = Table(
    "directory",
    DirectoryEntry,
    ("city", "number"),
    indexes=(
        # asked for with a span that begins with the head, so the crossing of heads and names of one entry does no harm
        Index("by_name", ("city", "name_heads"), ("written",), _listed),
        Index("by_initials", ("city", "initial_heads"), ("initials",), _listed),
        Index("by_pinyin", ("city", "sound_heads"), ("sounds",), _listed),
        Index("by_part", ("city", "parts"), ("district",), _listed),
        Index("by_street", ("city", "address_head"), ("address",), _listed),
        Index("by_address", ("city", "district"), ("street", "house"), _listed),
        Index("by_category", ("city", "category"), ("district", "name"), _listed),
        Index("by_slice", ("city", "slice"), ("number",), _listed),
    ),
)


def spelled(entry: DirectoryEntry) -> DirectoryEntry:
    """``entry`` with pinyin and initials of its names, where they were not given; residents' begin with a surname."""
    if entry.pinyin and entry.initials and len(entry.alias_pinyin) == len(entry.aliases):
        return entry
    spell = spelling if entry.category else person_spelling
    initials = tuple(dict.fromkeys(filter(None, (spell(name).initials for name in entry.names))))
    return replace(
        entry,
        pinyin=entry.pinyin or spell(entry.name).full,
        alias_pinyin=tuple(spell(name).full for name in entry.aliases),
        initials=entry.initials or initials,
    )
