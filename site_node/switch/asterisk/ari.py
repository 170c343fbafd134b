"""The client of ARI: one WebSocket per application, events and REST answers over it in the order Asterisk wrote them.

REST over the event WebSocket (Asterisk 22, ``RESTRequest``) costs half of a request over HTTP and keeps requests in
order: Asterisk carries them out one after the other. So one that waits (``addChannel`` while the channel plays
something) holds up all others, and none may be asked that waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from site_node.switch.asterisk.login import REFUSED_STATUSES, AriLogin, login_refused, no_ari_here
from site_node.switch.asterisk.wire import Wire

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
REFUSED_RETRY_S = 10.0
"""A refused login is tried again (somebody may correct it), but not so often that the switch's log drowns."""
WATCH_S = 2.0
"""How often the wire is looked at."""
FIRST_ANSWER_S = 1.5
"""A WebSocket that does not answer its first request lost its application to the good-bye of an older one."""
REQUEST_TIMEOUT_S = 8.0
"""Requests are carried out in order, so one that is not answered in this time means that none will be."""
SILENT_WATCHES = 3
"""A wire without a byte for so many looks, pings unanswered, is dead."""


class AriLost(Exception):
    """The WebSocket went before the answer came; whether the request was carried out is unknown."""


@dataclass(frozen=True, slots=True)
class AriAnswer:
    """What a REST request came to. ``status`` as HTTP."""

    status: int
    reason: str
    body: str

    @property
    def good(self) -> bool:
        """Carried out."""
        return 200 <= self.status < 300

    def value(self) -> Any:
        """The body as JSON; None when empty."""
        return json.loads(self.body) if self.body else None


class Ari:
    """Keeps one WebSocket to one Asterisk open for ever, with back-off.

    ``opened()`` after each login, ``event(text)`` for each event, ``lost(reason)`` after each end and each failed try.
    """

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        login: AriLogin,
        *,
        opened: Callable[[], None],
        event: Callable[[dict[str, Any]], None],
        lost: Callable[[str], None],
        jitter: Callable[[], float],
    ) -> None:
        """``jitter()`` gives a number from 0 to 1, so that the cities of a province do not all come back at once."""
        self._clock = clock
        self._endpoint = endpoint
        self._login = login
        self._opened = opened
        self._event = event
        self._lost = lost
        self._jitter = jitter
        self._wire: Wire | None = None
        self._ready = False
        self._connecting: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None
        self._first_answer: IDelayedCall | None = None
        self._tries = 0
        self._again_s: float | None = None
        self._silent = 0
        self._counter = 0
        self._waiting: dict[str, tuple[float, Deferred[AriAnswer]]] = {}
        self._stopping = False
        self._stopped: list[Deferred[None]] = []

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Begin to connect."""
        self._connect()

    def stop(self) -> Deferred[None]:
        """Close the WebSocket. Asterisk keeps every channel and bridge as it is."""
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        self._stopping = True
        self._cancel_timers()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._timer = self._clock.callLater(WATCH_S, self._wire.drop, "closing took too long")
            self._wire.close()
        else:
            self._tell_stopped()
        return stopped

    def _tell_stopped(self) -> None:
        stopped, self._stopped = self._stopped, []
        for one in stopped:
            one.callback(None)

    def drop(self, reason: str, *, again_s: float | None = None) -> None:
        """Give this WebSocket up and come back with a new one, by back-off or after ``again_s`` seconds."""
        if self._wire is not None:
            self._again_s = again_s
            self._wire.drop(reason)

    def _connect(self) -> None:
        self._timer = None
        headers = [(b"Authorization", self._login.authorization)]
        factory = Factory.forProtocol(lambda: Wire(self, self._login.host, self._login.events_target, headers))
        self._connecting = self._endpoint.connect(factory)
        self._connecting.addCallbacks(self._connected, self._connect_failed)

    def _connected(self, wire: Wire) -> None:
        self._connecting = None
        self._wire = wire
        self._silent = 0
        self._timer = self._clock.callLater(WATCH_S, self._watch)

    def _connect_failed(self, failure: Failure) -> None:
        self._connecting = None
        if not self._stopping:
            self._down(f"{self._login.url}: {failure.getErrorMessage()}", self._back_off())

    def _back_off(self) -> float:
        wait = min(FIRST_RETRY_S * 2.0 ** min(self._tries, 16), LAST_RETRY_S)
        self._tries += 1
        return wait * (0.5 + self._jitter() / 2)

    def _down(self, reason: str, again_s: float) -> None:
        # First the timer: whoever hears of the loss may stop us.
        self._timer = self._clock.callLater(again_s, self._connect)
        self._lost(reason)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._first_answer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._first_answer = None

    def _watch(self) -> None:
        """Look whether Asterisk still lives: a frozen one keeps its sockets and says nothing."""
        wire = self._wire
        if wire is None:
            return
        self._timer = self._clock.callLater(WATCH_S, self._watch)
        oldest = next(iter(self._waiting.values()), None)
        if oldest is not None and self._clock.seconds() - oldest[0] > REQUEST_TIMEOUT_S:
            wire.drop(f"no answer to a request within {REQUEST_TIMEOUT_S:g} s")
            return
        if wire.heard_anything:
            wire.heard_anything = False
            self._silent = 0
        else:
            self._silent += 1
        if self._silent >= SILENT_WATCHES:
            wire.drop(f"silent for {WATCH_S * SILENT_WATCHES:g} s")
        elif self._silent and self._ready:
            wire.ping()

    # ── what the wire says ──────────────────────────────────────────────────────────────────────────────────────────
    def wire_opened(self) -> None:
        """Logged in."""
        self._ready = True
        late = f"no answer within {FIRST_ANSWER_S:g} s of the login"
        self._first_answer = self._clock.callLater(FIRST_ANSWER_S, self.drop, late)
        log.info("ari.opened", ari=self._login.url)
        self._opened()

    def wire_text(self, text: str) -> None:
        """An event, or the answer to a request."""
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, KeyError, TypeError):
            log.error("ari.malformed", ari=self._login.url, text=text[:200])
            return
        if kind == "RESTResponse":
            self._answered(message)
        else:
            self._event(message)

    def wire_closed(self, reason: str, refused_status: int | None) -> None:
        """The wire is gone: whatever waits for an answer is told so, then the owner, then we come back."""
        self._wire = None
        self._ready = False
        self._cancel_timers()
        waiting, self._waiting = self._waiting, {}
        for _, answer in waiting.values():
            answer.errback(AriLost(reason))
        if self._stopping:
            self._tell_stopped()
            return
        log.warning("ari.lost", ari=self._login.url, reason=reason)
        if refused_status is None:
            again_s, self._again_s = self._again_s, None
            self._down(reason, self._back_off() if again_s is None else again_s)
            return
        refused = refused_status in REFUSED_STATUSES
        problem = (login_refused if refused else no_ari_here)(self._login.url, refused_status)
        self._down(f"[{problem.slug}] {problem.text('en')}", REFUSED_RETRY_S)

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────
    def ask(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None = None, body: object = None
    ) -> Deferred[AriAnswer]:
        """Send a request; ``path`` in parts, quoted here. Errback with ``AriLost`` when the WebSocket goes first."""
        answer: Deferred[AriAnswer] = Deferred()
        if self._wire is None or not self._ready:
            answer.errback(AriLost("not connected"))
            return answer
        self._counter += 1
        number = str(self._counter)
        message: dict[str, object] = {
            "type": "RESTRequest",
            "transaction_id": number,
            "request_id": number,
            "method": method,
            "uri": "/".join(quote(part, safe="") for part in path),
        }
        if query:
            message["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
        if body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(body)
        self._waiting[number] = (self._clock.seconds(), answer)
        self._wire.send_text(json.dumps(message))
        return answer

    def _answered(self, message: Mapping[str, Any]) -> None:
        found = self._waiting.pop(str(message.get("request_id")), None)
        if found is None:
            log.error("ari.unexpected_answer", ari=self._login.url, request=message.get("request_id"))
            return
        if self._first_answer is not None:
            if self._first_answer.active():
                self._first_answer.cancel()
            self._first_answer = None
            self._tries = 0
        found[1].callback(
            AriAnswer(int(message["status_code"]), message.get("reason_phrase", ""), message.get("message_body", ""))
        )
