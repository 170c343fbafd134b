"""Logs that an operator can act on: one line per event, with a stable word for it, the node, and the contact if any.

Everything comes out here: ``twisted.logger``, ``structlog`` and ``logging`` of libraries. On a terminal a line is text,
else JSON (``{"at": …, "level": …, "node": …, "event": …, "text": …, …}``). Secrets are never written: fields whose
name says that they hold one are blanked.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, cast

import msgspec
import structlog
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from zope.interface import provider

from dataset.declared import setting

Level = Literal["debug", "info", "warn", "error"]
LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "critical": 50}
_SECRET = re.compile(r"pass(word|wd)?|token|secret|cookie|authorization|hash", re.IGNORECASE)
_started: list[Callable[[], None]] = []
"""how to undo the one that is in force"""
_FIRST = ("at", "level", "node", "event", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The ``[log]`` table."""

    level: Level = setting("最低级别", "lowest level written", default="info")
    form: Literal["auto", "text", "json"] = setting(
        "格式；auto：终端为文字，否则 JSON", "form; auto: text on a terminal, else JSON", default="auto"
    )


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Write."""

    def flush(self) -> None:
        """Let it go."""

    def isatty(self) -> bool:
        """Whether a person reads along."""


class LogLines:
    """Writes events as lines, from any thread, each whole."""

    def __init__(self, node: str, stream: Stream, *, as_json: bool) -> None:
        self._node = node
        self._stream = stream
        self._as_json = as_json
        self._lock = threading.Lock()

    def write(self, level: str, event: str, text: str, fields: Mapping[str, Any], at: float | None = None) -> None:
        """One event. ``at``: UTC seconds since the epoch; now when left out."""
        moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
        line: dict[str, Any] = {
            "at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level,
            "node": str(fields.get("node", self._node)),
            "event": event,
            "text": text,
        }
        line.update((name, _shown(name, value)) for name, value in fields.items() if name not in line)
        written = _json(line) if self._as_json else _text(line)
        with self._lock:
            self._stream.write(written + "\n")
            self._stream.flush()


def start_logging(node: str, settings: LogSettings, stream: Stream | None = None) -> Callable[[], None]:
    """Send all logs of this process to ``stream`` (standard error), and no longer to where an earlier call sent them.

    The result undoes it.
    """
    for stop_earlier in _started:
        stop_earlier()
    target: Stream = stream if stream is not None else sys.stderr
    as_json = settings.form == "json" or (settings.form == "auto" and not target.isatty())
    lines = LogLines(node, target, as_json=as_json)
    observer = FilteringLogObserver(
        _twisted_observer(lines), [LogLevelFilterPredicate(LogLevel.levelWithName(settings.level))]
    )
    globalLogPublisher.addObserver(observer)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _StructlogEnd(lines)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.level]),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    handler = _Libraries(lines)
    before = root.level
    root.addHandler(handler)
    root.setLevel(max(LEVELS[settings.level], logging.WARNING))  # libraries are heard when something is wrong

    def stop() -> None:
        if stop not in _started:
            return
        _started.remove(stop)
        globalLogPublisher.removeObserver(observer)
        structlog.reset_defaults()
        root.removeHandler(handler)
        root.setLevel(before)

    _started.append(stop)
    return stop


# ── where events come from ──────────────────────────────────────────────────────────────────────────────────────────
def _twisted_observer(lines: LogLines) -> ILogObserver:
    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        namespace = str(event.get("log_namespace", ""))
        if namespace.startswith("twisted.") and level <= LogLevel.info:
            return  # factories that start and stop; nothing to act on
        fields = {name: value for name, value in event.items() if not name.startswith("log_") and name != "event"}
        for old in ("isError", "time", "system", "message", "format", "why", "failure"):
            if "log_legacy" in event or old in ("isError", "failure"):
                fields.pop(old, None)
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            fields["trace"] = failure.getTraceback()
        word = str(event.get("event") or namespace or "log")
        lines.write(level.name, word, formatEvent(event), fields, event.get("log_time"))

    return cast(ILogObserver, observe)


class _StructlogEnd:
    """The last processor of structlog: the first argument is the event's word."""

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        fields = dict(event)
        word = str(fields.pop("event", "log"))
        text = str(fields.pop("text", fields.get("reason", "")))
        level = {"warning": "warn", "exception": "error", "msg": "info"}.get(method, method)
        failure = fields.pop("exc_info", None)
        if failure:
            fields["trace"] = Failure().getTraceback() if failure is True else repr(failure)
        self._lines.write(level, word, text, fields)
        return ""


class _Libraries(logging.Handler):
    """``logging``, for libraries that use it."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(list(LEVELS.items())) if record.levelno >= number), "debug")
        fields = {"trace": self._formatted(record)} if record.exc_info else {}
        self._lines.write(level, record.name, record.getMessage(), fields, record.created)

    @staticmethod
    def _formatted(record: logging.LogRecord) -> str:
        return logging.Formatter().formatException(record.exc_info) if record.exc_info else ""


# ── how they look ───────────────────────────────────────────────────────────────────────────────────────────────────
def _shown(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return "***"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown("", inner) for inner in value]
    return str(value)


def _json(line: Mapping[str, Any]) -> str:
    return msgspec.json.encode(line).decode()


def _text(line: Mapping[str, Any]) -> str:
    """``21:03:16.123 warn  guangzhou link-down: the broker is away  which=…``."""
    more = "  ".join(
        f"{name}={value}" for name, value in line.items() if name not in _FIRST and name != "trace" and value != ""
    )
    head = f"{line['at'][11:23]} {line['level']:<5} {line['node']} {line['event']}"
    text = _one_line(": ".join(part for part in (head, line["text"]) if part))
    whole = f"{text}  ({_one_line(more)})" if more else text
    return f"{whole}\n{line['trace']}" if "trace" in line else whole


def _one_line(text: str) -> str:
    """No text from outside can pretend to be a line of its own."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
