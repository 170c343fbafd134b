"""114: who has which number, as it is told to anybody who asks."""

from __future__ import annotations

from msgspec.structs import replace

from dataset.ids import CityId
from dataset.pinyin import person_spelling, spelling
from dataset.records.forms import Name, Number
from dataset.tables import Index, Record, Table


class DirectoryEntry(Record, frozen=True, kw_only=True):
    """One number in the directory of a city."""

    city: CityId
    number: Number
    name: Name
    aliases: tuple[Name, ...] = ()
    """short names, branches (分机构、别名) under which it is asked for as well"""
    pinyin: str = ""
    """of the name, without tones, readings by the usual one: ``guangzhoudianxin``"""
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
    def names(self) -> tuple[str, ...]:
        """All names, the first one first."""
        return (self.name, *self.aliases)

    @property
    def name_heads(self) -> tuple[str, ...]:
        """First characters of the names, by which they are kept apart: no partition holds a whole city."""
        return tuple(name[:1] for name in self.names)

    @property
    def initial_heads(self) -> tuple[str, ...]:
        """First letters of the initials."""
        return tuple(one[:1] for one in self.initials)


def _listed(one: DirectoryEntry) -> bool:
    return not one.unlisted


DIRECTORY = Table(
    "directory",
    DirectoryEntry,
    ("city", "number"),
    indexes=(
        # asked for with a span that begins with the head, so the crossing of heads and names of one entry does no harm
        Index("by_name", ("city", "name_heads"), ("names",), _listed),
        Index("by_initials", ("city", "initial_heads"), ("initials",), _listed),
        Index("by_address", ("city", "district"), ("street", "house"), _listed),
        Index("by_category", ("city", "category"), ("district", "name"), _listed),
    ),
)


def spelled(entry: DirectoryEntry) -> DirectoryEntry:
    """``entry`` with pinyin and initials of its names, where they were not given; residents' begin with a surname."""
    if entry.pinyin and entry.initials:
        return entry
    spell = spelling if entry.category else person_spelling
    initials = tuple(dict.fromkeys(filter(None, (spell(name).initials for name in entry.names))))
    return replace(entry, pinyin=entry.pinyin or spell(entry.name).full, initials=entry.initials or initials)
