"""Frozen dataclasses read from TOML: the types, units and limits of their fields are the rules of the file.

A settings file is declared once, as a dataclass whose fields are made by ``setting``. The same declaration reads the
file, names every fault with its line and the accepted form, and writes the reference page. All faults of a file
are found in one reading.

Types: ``str``, ``int``, ``float``, ``bool``, ``Literal``, ``X | None``, ``tuple[X, ...]`` (an array, or an array of
tables), ``Mapping[str, X]`` (a table with free keys), other declared dataclasses (a table), and the forms below.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dataset.errors import Problem, Refused
from dataset.toml_text import Path, TomlText

T = TypeVar("T")


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Unit:
    """A number written with its unit, kept in the base unit (the one with factor 1)."""

    units: tuple[tuple[str, float], ...]
    example: str

    @property
    def form(self) -> tuple[str, str]:
        """What is accepted, in both languages."""
        names = " ".join(name for name, _ in self.units)
        return (
            f'带单位的数，如 "{self.example}"（单位：{names}）',
            f'a number with a unit such as "{self.example}" ({names})',
        )

    def read(self, text: str) -> float | None:
        """The value of ``text`` in the base unit; None when it has another form."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z/%]+)\s*", text)
        factor = dict(self.units).get(found[2]) if found else None
        return None if found is None or factor is None else float(found[1]) * factor

    def show(self, value: float) -> str:
        """``value`` with the largest unit that leaves at most two places."""
        for name, factor in sorted(self.units, key=lambda unit: -unit[1]):
            if value >= factor and round(value / factor, 2) == value / factor:
                return f"{value / factor:g}{name}"
        return f"{value:g}{next(name for name, factor in self.units if factor == 1)}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a certain form: a regular expression that it matches as a whole, and the form in words."""

    expression: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Between:
    """A number within limits, both included."""

    least: float
    most: float | None = None

    @property
    def form(self) -> tuple[str, str]:
        """What is accepted, in both languages."""
        if self.most is None:
            return f"不小于 {self.least:g}", f"at least {self.least:g}"
        return f"{self.least:g} 至 {self.most:g}", f"{self.least:g} to {self.most:g}"


Seconds = Annotated[float, Unit((("ms", 0.001), ("s", 1), ("min", 60), ("h", 3600), ("d", 86400)), "15s")]
"""A duration, written ``"250ms"``, ``"15s"``, ``"2min"``, ``"1h"``, ``"7d"``; kept in seconds."""
BitsPerSecond = Annotated[float, Unit((("bit/s", 1), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)), "512kbit/s")]
"""A rate, written ``"512kbit/s"``; kept in bits per second."""
Bytes = Annotated[float, Unit((("B", 1), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)), "64kB")]
"""A size, written ``"64kB"``; kept in bytes."""


@dataclass(frozen=True, slots=True)
class _About:
    """What ``setting`` knows of a field beside its type."""

    zh: str
    en: str
    key: str
    secret: bool


def setting(
    zh: str, en: str, *, default: Any = dataclasses.MISSING, key: str = "", secret: bool = False, factory: Any = None
) -> Any:
    """A field of a declared dataclass: its meaning in both languages, its default, its key when not the field's name.

    The value of a ``secret`` is never shown in an error or a listing.
    """
    metadata = {"about": _About(zh, en, key, secret)}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


# ── declarations ────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Declared:
    """One field of a declaration, resolved."""

    attribute: str
    key: str
    kind: Any
    forms: tuple[Any, ...]
    optional: bool
    required: bool
    zh: str
    en: str
    secret: bool
    default: Any


_NO_ABOUT = _About("", "", "", False)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)  # evaluates text: slow, for files with thousands of tables


def declarations(cls: type[Any]) -> tuple[Declared, ...]:
    """The fields of a declared dataclass, in order."""
    hints = _hints(cast(Hashable, cls))  # mypy does not see that a class can be looked up
    found = []
    for one in dataclasses.fields(cls):
        if not one.init:
            continue
        about: _About = one.metadata.get("about", _NO_ABOUT)
        kind, forms, optional = unwrap(hints[one.name])
        default = one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default
        required = default is dataclasses.MISSING
        key = about.key or one.name
        found.append(
            Declared(one.name, key, kind, forms, optional, required, about.zh, about.en, about.secret, default)
        )
    return tuple(found)


def unwrap(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The bare type, the forms attached to it, and whether it may be left out as None."""
    optional = False
    forms: tuple[Any, ...] = ()
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            forms = (*forms, *more)
        elif get_origin(hint) in (Union, UnionType):
            kinds = [kind for kind in get_args(hint) if kind is not NoneType]
            optional = len(kinds) < len(get_args(hint))
            hint = kinds[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        else:
            return hint, forms, optional


def form_of(kind: Any, forms: tuple[Any, ...]) -> tuple[str, str]:
    """The accepted form in both languages."""
    for form in forms:
        if isinstance(form, Unit):
            return form.form
        if isinstance(form, Pattern):
            return form.zh, form.en
    limits = next((form.form for form in forms if isinstance(form, Between)), None)
    if get_origin(kind) is Literal:
        words = " | ".join(f'"{word}"' for word in get_args(kind))
        return words, words
    if get_origin(kind) is tuple:
        inner = form_of(*unwrap(get_args(kind)[0])[:2])
        return f"列表，各项为：{inner[0]}", f"a list of: {inner[1]}"
    if get_origin(kind) is not None or dataclasses.is_dataclass(kind):
        return "表", "a table"
    names = {str: ("文字", "a text"), bool: ("true 或 false", "true or false"), int: ("整数", "a whole number")}
    zh, en = names.get(kind, ("数", "a number"))
    return (f"{zh}，{limits[0]}", f"{en}, {limits[1]}") if limits else (zh, en)


def dotted(path: Path) -> str:
    """``city[0].id`` as people write it."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Reading:
    """One reading of one document; gathers problems instead of stopping at the first."""

    def __init__(self, text: TomlText) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self._faulty: set[Path] = set()

    def sound(self, *path: str | int) -> bool:
        """Whether the value at ``path`` (keys of the file) was read without a fault, so that it may be looked at."""
        return not any(path[: len(faulty)] == faulty for faulty in self._faulty)

    def fault(self, path: Path, slug: str, zh: str, en: str, *, value: bool = True) -> None:
        """Note a fault. Texts are prefixed with the field. ``value=False``: the value itself may still be used."""
        if value:
            self._faulty.add(path)
        field = dotted(path)
        self.problems.append(Problem(slug, f"{field}：{zh}", f"{field}: {en}", self.text.place(path)))

    def once(self, table: Path, key: str, values: Sequence[str], slug: str) -> None:
        """Note a fault for each of ``values``, those of ``key`` in the tables at ``table``, that stands there twice."""
        seen: dict[str, int] = {}
        for at, value in enumerate(values):
            if not self.sound(*table, at, key):
                continue
            if value in seen:
                self.taken((*table, at, key), value, self.text.place((*table, seen[value], key)), slug)
            seen.setdefault(value, at)

    def taken(self, path: Path, value: str, first: str, slug: str) -> None:
        """Note that ``value`` is used already at the place ``first``."""
        zh, en = f"{value} 已在 {first} 用过，请改用另一个", f"{value} is used already at {first}; choose another"
        self.fault(path, slug, zh, en, value=False)

    def known(self, path: Path, word: str, words: Collection[str], slug: str, zh: str, en: str) -> bool:
        """Whether ``word`` is one of ``words``; if not, a fault is noted, with the nearest of them.

        ``zh`` and ``en`` say what kind of thing they are. Nothing is noted of a value that was not read.
        """
        if word in words:
            return True
        if self.sound(*path):
            near_zh, near_en = did_you_mean(word, words)
            self.fault(path, slug, f"没有{zh} {word}。{near_zh}", f"there is no {en} {word}. {near_en}", value=False)
        return False

    def done(self) -> None:
        """Raise ``Refused`` with everything found wrong, in the order of the file."""
        if self.problems:
            raise Refused(*sorted(self.problems, key=lambda problem: _line_of(problem.place)))

    def table(self, cls: type[T], values: Any = None, path: Path = ()) -> T:
        """An instance of ``cls`` from a table of the document. Faulty fields hold a neutral value of their type."""
        if values is None and not path:
            values = self.text.values
        if not isinstance(values, dict):
            self.fault(path, "setting-type", *_expected(("表", "a table"), values))
            return cast(T, _neutral(cls))
        fields = declarations(cls)
        self._unknown(values, {field.key for field in fields}, path)
        given: dict[str, Any] = {}
        for field in fields:
            here = (*path, field.key)
            if field.key in values:
                given[field.attribute] = self._value(field, values[field.key], here)
            elif field.required and not field.optional:
                zh, en = form_of(field.kind, field.forms)
                self._faulty.add(here)
                self.problems.append(
                    Problem(
                        "setting-missing",
                        zh=f"{dotted(here)}：缺少此项，应为{zh}",
                        en=f"{dotted(here)}: missing; {en} expected",
                        place=self.text.place(path),
                    )
                )
                given[field.attribute] = _neutral(field.kind)
            elif field.required:
                given[field.attribute] = None
        return cls(**given)

    def _unknown(self, values: Mapping[str, Any], known: Collection[str], path: Path) -> None:
        for key in values:
            if key not in known:
                zh, en = did_you_mean(key, known)
                self.fault((*path, key), "setting-unknown", f"没有此项。{zh}", f"there is no such key. {en}")

    def _value(self, field: Declared, value: Any, path: Path) -> Any:
        if field.secret:
            before = len(self.problems)
            read = self.value(field.kind, field.forms, value, path)
            self.problems[before:] = [
                Problem(one.slug, f"{dotted(path)}：值的格式不对", f"{dotted(path)}: wrong form", one.place)
                for one in self.problems[before:]
            ]
            return read
        return self.value(field.kind, field.forms, value, path)

    def value(self, kind: Any, forms: tuple[Any, ...], value: Any, path: Path) -> Any:
        """One value of a declared type; the neutral value of the type after a fault."""
        if dataclasses.is_dataclass(kind):
            return self.table(cast(type[Any], kind), value, path)
        if get_origin(kind) is tuple:
            return self._array(kind, value, path)
        if get_origin(kind) is not None and get_origin(kind) is not Literal:
            return self._mapping(kind, value, path)
        read, known = _scalar(kind, forms, value)
        if not known:
            self.fault(path, _slug_of(kind, forms, value), *_expected(form_of(kind, forms), value))
            return _neutral(kind)
        return read

    def _array(self, kind: Any, value: Any, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self.fault(path, "setting-type", *_expected(form_of(kind, ()), value))
            return ()
        inner, forms, _ = unwrap(get_args(kind)[0])
        return tuple(self.value(inner, forms, one, (*path, at)) for at, one in enumerate(value))

    def _mapping(self, kind: Any, value: Any, path: Path) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.fault(path, "setting-type", *_expected(("表", "a table"), value))
            return MappingProxyType({})
        inner, forms, _ = unwrap(get_args(kind)[1])
        return MappingProxyType({key: self.value(inner, forms, one, (*path, key)) for key, one in value.items()})


def _scalar(kind: Any, forms: tuple[Any, ...], value: Any) -> tuple[Any, bool]:
    """The value and whether it has the declared type and forms."""
    unit = next((form for form in forms if isinstance(form, Unit)), None)
    if unit is not None:
        value = unit.read(value) if isinstance(value, str) else None
    elif get_origin(kind) is Literal:
        return value, value in get_args(kind) and isinstance(value, str)
    elif kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:  # bool is an int to isinstance
        return None, False
    for form in forms:
        if isinstance(form, Pattern) and re.fullmatch(form.expression, value) is None:
            return None, False
        if isinstance(form, Between) and not (
            form.least <= value and (form.most is None or value <= form.most)  # refuses nan as well
        ):
            return None, False
    return value, True


def _slug_of(kind: Any, forms: tuple[Any, ...], value: Any) -> str:
    if any(isinstance(form, Unit) for form in forms):
        return "setting-unit"
    if type(value) is kind or (kind is float and type(value) is int):
        return "setting-form"
    return "setting-form" if get_origin(kind) is Literal else "setting-type"


def _expected(form: tuple[str, str], value: Any) -> tuple[str, str]:
    shown = "table" if isinstance(value, dict) else "list" if isinstance(value, list) else None
    text = shown or (f'"{value[:60]}"' if isinstance(value, str) else str(value).lower()[:60])
    return f"{text} 不可用，应为{form[0]}", f"{text} is not accepted; {form[1]} expected"


def _neutral(kind: Any) -> Any:
    """Something of the right type that stands for a value that could not be read."""
    if dataclasses.is_dataclass(kind):
        cls = cast(type[Any], kind)
        return cls(**{one.attribute: _neutral(one.kind) for one in declarations(cls) if one.required})
    if get_origin(kind) is tuple:
        return ()
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if get_origin(kind) is not None:
        return MappingProxyType({})
    return kind()


def did_you_mean(word: str, known: Iterable[str]) -> tuple[str, str]:
    """A remedy in both languages: the nearest known word, or all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"是否为 {near[0]}？", f"Did you mean {near[0]}?"
    if not words:
        return "此处不可有任何项。", "Nothing may be here."
    return f"可用：{'、'.join(words)}。", f"Known: {', '.join(words)}."


def _line_of(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return (file, int(line)) if line.isdigit() else (place, 0)
