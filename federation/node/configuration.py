"""Settings of a node: a declared dataclass filled from command line > environment > file > default.

A setting ``[http] port`` is ``http.port`` on the command line (``--set http.port=8080``) and ``YHT_HTTP_PORT`` in the
environment. Whatever is wrong, in whichever of them, is named with its place and the accepted form, all of it at once,
and nothing starts.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast, get_args, get_origin

from dataset.declared import (
    Declared,
    Reading,
    Unit,
    declarations,
    did_you_mean,
    dotted,
    form_of,
)
from dataset.errors import Language, Problem, Refused
from dataset.toml_text import Path, TomlText, parse_toml

T = TypeVar("T")

PREFIX = "YHT_"


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that settings of one start come from."""

    file: str = ""
    """name of the file, for messages and as the base of relative paths"""
    data: bytes = b""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    arguments: Sequence[str] = ()
    """``key=value`` of each ``--set``"""
    prefix: str = PREFIX
    foreign: Collection[str] = ()
    """variables with the prefix that belong to somebody else"""


def configure(cls: type[T], sources: Sources) -> T:
    """The settings. Raises ``Refused`` with every fault of file, environment and command line."""
    text = parse_toml(sources.data, sources.file) if sources.data or sources.file else TomlText("", {}, {})
    text = TomlText(text.file, copy.deepcopy(text.values), text.lines)
    leaves = dict(_leaves(cls))
    absent = {field.key for field in declarations(cls) if field.optional and field.key not in text.values}
    problems = [*_lay_environment(text, leaves, sources, absent), *_lay_arguments(text, leaves, sources)]
    reading = Reading(text)
    reading.problems += problems
    values = reading.table(cls)
    reading.done()
    return values


def read_file(path: FilePath) -> bytes:
    """The bytes of a settings file. Raises ``Refused`` (``file-unreadable``) with the reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            Problem(
                "file-unreadable",
                zh=f"无法读取文件：{error.strerror}；请检查路径和权限",
                en=f"the file cannot be read: {error.strerror}; check its path and permissions",
                place=str(path),
            )
        ) from error


def beside(file: str, name: str) -> FilePath:
    """A path named in ``file``: relative paths start at the file's folder."""
    return FilePath(file).parent / name


def _leaves(cls: type[Any], base: Path = ()) -> Iterator[tuple[Path, Declared]]:
    """The settings that can be given by one text: no tables with free keys, no arrays of tables."""
    for field in declarations(cls):
        path = (*base, field.key)
        if dataclasses.is_dataclass(field.kind):
            yield from _leaves(cast(type[Any], field.kind), path)
        elif not _is_open(field):
            yield path, field


def _is_open(field: Declared) -> bool:
    """Whether only a file can hold it: an array of tables or a table with free keys."""
    origin = get_origin(field.kind)
    if origin is tuple:
        return dataclasses.is_dataclass(get_args(field.kind)[0])
    return isinstance(origin, type) and issubclass(origin, Mapping)


def variable(path: Path, prefix: str = PREFIX) -> str:
    """The environment variable of a setting."""
    return prefix + re.sub(r"[^A-Z0-9]", "_", "_".join(str(part) for part in path).upper())


def _lay_environment(
    text: TomlText, leaves: Mapping[Path, Declared], sources: Sources, absent: Collection[str]
) -> list[Problem]:
    """``absent``: optional tables that the file leaves out, which a variable meant for another node must not open."""
    paths = {variable(path, sources.prefix): path for path in leaves}
    problems = []
    for name, value in sorted(sources.environment.items()):
        if not name.startswith(sources.prefix) or name in sources.foreign:
            continue
        if name in paths and len(paths[name]) > 1 and paths[name][0] in absent:
            continue
        if name in paths:
            _lay(text, paths[name], leaves[paths[name]], value, f"environment {name}")
        elif _meant_for_us(name, paths, sources.prefix):
            zh, en = did_you_mean(name, paths)
            problems.append(
                Problem("setting-unknown", f"没有此环境变量。{zh}", f"no such variable. {en}", f"environment {name}")
            )
    return problems


def _meant_for_us(name: str, paths: Mapping[str, Path], prefix: str) -> bool:
    """Whether an unknown variable was meant to be a setting of this declaration: it names one of its tables, or is a
    near miss. Several programs may share an environment, and the prefix is used by others as well.
    """
    tables = {variable(path[:1], prefix) + "_" for path in paths.values() if len(path) > 1}
    return name.startswith(tuple(tables)) or bool(difflib.get_close_matches(name, paths, n=1, cutoff=0.85))


def _lay_arguments(text: TomlText, leaves: Mapping[Path, Declared], sources: Sources) -> list[Problem]:
    paths = {dotted(path): path for path in leaves}
    problems = []
    for argument in sources.arguments:
        key, equals, value = argument.partition("=")
        place = f"--set {key}"
        if not equals:
            problems.append(
                Problem("setting-form", "应为 键=值，如 http.port=8080", "key=value expected, as http.port=8080", place)
            )
        elif key not in paths:
            zh, en = did_you_mean(key, paths)
            problems.append(Problem("setting-unknown", f"没有此项。{zh}", f"there is no such key. {en}", place))
        else:
            _lay(text, paths[key], leaves[paths[key]], value, place)
    return problems


def _lay(text: TomlText, path: Path, field: Declared, value: str, origin: str) -> None:
    """Put a text over what the file says at ``path``."""
    table: dict[Any, Any] = text.values
    for part in path[:-1]:
        inner = table.get(part)
        if not isinstance(inner, dict):
            inner = table[part] = {}
        table = inner
    table[path[-1]] = _typed(field, value)
    text.origins[path] = origin


def _typed(field: Declared, value: str) -> Any:
    """What a TOML file would hold for this text; the text itself where it does not fit (and is refused later)."""
    if get_origin(field.kind) is tuple:
        kind, *_ = get_args(field.kind)
        return [_plain(getattr(kind, "__origin__", kind), part.strip()) for part in value.split(",") if part.strip()]
    return value if any(isinstance(form, Unit) for form in field.forms) else _plain(field.kind, value)


def _plain(kind: Any, value: str) -> Any:
    if kind is bool and value in ("true", "false"):
        return value == "true"
    if kind is int and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if kind is float and re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", value):
        return float(value)
    return value


# ── reference page ──────────────────────────────────────────────────────────────────────────────────────────────────
def reference(cls: type[Any], *languages: Language, base: Path = ()) -> str:
    """A Markdown table of all settings of a declaration: key, meaning, accepted form, default. Both languages when
    none is named.
    """
    chosen: tuple[Language, ...] = languages or ("zh", "en")
    heads = {"zh": ("键", "含义", "写法", "默认"), "en": ("key", "meaning", "form", "default")}
    head = [" ".join(dict.fromkeys(heads[language][column] for language in chosen)) for column in range(4)]
    rows = [f"| {' | '.join(head)} |", "|---|---|---|---|"]
    for path, field in _all(cls, base):
        forms = dict(zip(("zh", "en"), form_of(field.kind, field.forms), strict=True))
        meaning = _joined(field.zh if language == "zh" else field.en for language in chosen)
        form = _joined(forms[language] for language in chosen).replace("|", "\\|")
        rows.append(f"| `{path}` | {meaning} | {form} | {_joined(_default(field, one) for one in chosen)} |")
    return "\n".join(rows) + "\n"


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(dict.fromkeys(parts))


def _all(cls: type[Any], base: Path) -> Iterator[tuple[str, Declared]]:
    for field in declarations(cls):
        path = (*base, field.key)
        inner: tuple[Any, ...] = get_args(field.kind) or (None,)
        if dataclasses.is_dataclass(field.kind):
            yield from _all(cast(type[Any], field.kind), path)
        elif dataclasses.is_dataclass(inner[0]):
            yield from _all(cast(type[Any], inner[0]), (*path[:-1], f"[{path[-1]}]"))
        elif dataclasses.is_dataclass(inner[-1]):
            yield from _all(cast(type[Any], inner[-1]), (*path, "<id>"))
        else:
            yield dotted(path), field


def _default(field: Declared, language: Language) -> str:
    if field.required:
        if field.optional:
            return "—"
        return "必填" if language == "zh" else "required"
    unit = next((form for form in field.forms if isinstance(form, Unit)), None)
    value = field.default
    if value is None or value in ("", ()):
        return "—"
    if unit is not None:
        return f"`{unit.show(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"
