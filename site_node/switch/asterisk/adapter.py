"""The switch port over ARI: our requests become ARI calls, Asterisk's events become our reports.

Requests are written to the WebSocket in the order given and Asterisk carries them out one after the other. Nothing here
hangs up, stops or unbridges anything when a program starts, stops or loses its switch: calls go on, and the next
snapshot shows them (O6).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure

from dataset.ids import ConnectionId
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Cleared,
    Join,
    Make,
    Mark,
    Music,
    Outside,
    Part,
    Play,
    Played,
    Report,
    Request,
    Seat,
    Show,
    Shown,
    StopPlaying,
    SwitchDown,
    SwitchUp,
    Trunk,
)
from site_node.ports import Capability
from site_node.switch.asterisk.ari import REFUSED_RETRY_S, Ari, AriAnswer, AriLost
from site_node.switch.asterisk.causes import NO_ANSWER, reason_code
from site_node.switch.asterisk.events import LEFT_OUT, Dtmf, PlaybackBegan, PlaybackEnded, Replaced, Started, event_from
from site_node.switch.asterisk.login import REFUSED_STATUSES, AriLogin, login_refused
from site_node.switch.asterisk.outgoing import dial_query, draft_of, is_busy
from site_node.switch.asterisk.prompts import media_of
from site_node.switch.asterisk.rooms import Rooms
from site_node.switch.asterisk.snapshot import Held, held_by, variables_of
from site_node.switch.asterisk.translate import Kind, Known, Playback, offered, translate

log = structlog.get_logger(__name__)

PLAYBACK_IDS = 4
"""Playbacks of one channel take turns in so many ids, so that a new process can stop what an old one began."""
GONE = 404
_KINDS: Mapping[type, Kind] = {Seat: Kind.SEAT, Trunk: Kind.CITY, Outside: Kind.OUTSIDE}


class _Leg:
    """One live connection at this switch: what its events say, and what we have going on it."""

    __slots__ = ("adopted", "known", "music", "plays", "ring_s", "ring_timer", "started")

    def __init__(self, known: Known, *, adopted: bool = False) -> None:
        self.known = known
        self.music = False
        self.plays = 0
        self.ring_timer: IDelayedCall | None = None
        self.started = False
        """it has entered the application: before that it cannot be dialled"""
        self.ring_s: float | None = None
        """set when nothing but ``started`` is missing to ring"""
        self.adopted = adopted
        """an earlier process may have left a playback or music on it"""

    def next_playback(self) -> str:
        self.plays += 1
        return playback_id(self.known.connection, self.plays % PLAYBACK_IDS)

    def cancel_ring_timer(self) -> None:
        if self.ring_timer is not None and self.ring_timer.active():
            self.ring_timer.cancel()
        self.ring_timer = None


def _arriving(early: list[dict[str, Any]]) -> frozenset[str]:
    """Channels that came in after the WebSocket was open: reported as offered, so not part of the snapshot."""
    events = [event_from(message) for message in early if message.get("type") == "StasisStart"]
    return frozenset(one.channel.id for one in events if isinstance(one, Started) and offered(one) is not None)


def playback_id(connection: ConnectionId, turn: int) -> str:
    """The id of a playback on a channel."""
    return f"{connection}.say{turn}"


class AsteriskSwitch:
    """Form ``asterisk`` of ``site_node.ports.Switch``; docs/asterisk.md says what the switch promises."""

    capabilities = frozenset(Capability) - {Capability.SEAT_ANSWER}

    def __init__(
        self,
        reactor: IReactorTime,
        login: AriLogin,
        *,
        endpoint: IStreamClientEndpoint | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``endpoint`` replaces the way to ``login.url``: mutual TLS in production, memory in tests."""
        self._clock = reactor
        self._login = login
        if not login.outside:
            self.capabilities = self.capabilities - {Capability.OUTSIDE}
        self._ari = Ari(
            reactor,
            endpoint or login.endpoint(reactor),
            login,
            opened=self._opened,
            event=self._message,
            lost=self._lost,
            jitter=jitter,
        )
        self._sink: Callable[[Report], None] | None = None
        self._legs: dict[ConnectionId, _Leg] = {}
        self._rooms = Rooms(self._ask)
        self._early: list[dict[str, Any]] | None = []
        """events of this WebSocket that came before its snapshot; None once the snapshot is reported"""
        self._down_reason: str | None = None
        self._shown: dict[ConnectionId, Held] = {}
        """what the last snapshot showed and we do not know"""
        self._ended_meanwhile: dict[int, set[ConnectionId]] = {}
        """for each look that is under way, what has ended since it was asked for"""

    # ── the port ────────────────────────────────────────────────────────────────────────────────────────────────────
    def start(self, sink: Callable[[Report], None]) -> None:
        """Begin to report; keeps trying for ever."""
        self._sink = sink
        self._ari.start()

    def stop(self) -> Deferred[None]:
        """Let go, leaving every channel and bridge as it is."""
        self._sink = None
        self._forget()
        return self._ari.stop()

    def answer_seat(self, extension: str) -> None:
        """Nothing: a SIP telephone is answered at the telephone."""

    def request(self, request: Request) -> None:
        """Carry out one request; for a connection that is gone or going, silently nothing."""
        if isinstance(request, Make):
            self._make(request)
        elif isinstance(request, Show):
            self._run(self._show(request.number), "show")
        elif isinstance(request, Join | Part):
            one, other = self._live(request.one), self._live(request.other)
            if one is not None and other is not None:
                (self._join if isinstance(request, Join) else self._part)(one, other)
        elif (leg := self._live(request.connection)) is not None:
            self._of_leg(leg, request)

    def _of_leg(self, leg: _Leg, request: Answer | Alert | Mark | Clear | Play | StopPlaying | Music) -> None:
        channel = leg.known.connection
        match request:
            case Answer():
                # A playback holds the channel: an answer behind it would hold up every request until it ends.
                self._quiet(leg)
                self._ask("POST", "channels", channel, "answer")
            case Alert():
                self._ask("POST", "channels", channel, "ring")
            case Mark():
                self._ask("POST", "channels", channel, "variables", body={"variables": variables_of(request.leg)})
            case Clear():
                self._clear(leg, request.cause)
            case Play():
                self._play(leg, request)
            case StopPlaying():
                self._quiet(leg)
            case Music():
                self._quiet(leg)
                leg.music = True
                self._ask("POST", "channels", channel, "moh")

    def _live(self, connection: ConnectionId) -> _Leg | None:
        leg = self._legs.get(connection)
        if leg is None and (shown := self._shown.pop(connection, None)) is not None:
            # No event told of it, or one was lost: whoever asks knows it from what was shown last.
            leg = self._legs[connection] = _Leg(shown.known, adopted=True)
            self._rooms.take_over((shown,))
        return leg if leg is not None and leg.known.ending is None else None

    # ── sound ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _quiet(self, leg: _Leg) -> None:
        """End whatever the leg listens to. Always before ``answer`` and before a bridge: see ``Answer`` above."""
        channel = leg.known.connection
        if leg.adopted:
            leg.adopted = False
            for turn in range(PLAYBACK_IDS):
                self._ask("DELETE", "playbacks", playback_id(channel, turn), fine=(GONE,))
            self._ask("DELETE", "channels", channel, "moh")
        self._stop_playing(leg)
        if leg.music:
            leg.music = False
            self._ask("DELETE", "channels", channel, "moh")

    def _stop_playing(self, leg: _Leg) -> None:
        for one in leg.known.playbacks:
            if not one.stopped:
                self._ask("DELETE", "playbacks", one.id, fine=(GONE,))
        stopped = tuple(replace(one, stopped=True) for one in leg.known.playbacks)
        leg.known = replace(leg.known, playbacks=stopped)

    def _play(self, leg: _Leg, request: Play) -> None:
        self._quiet(leg)
        playback = Playback(leg.next_playback(), request.barge_in)
        leg.known = replace(leg.known, playbacks=(*leg.known.playbacks, playback))

        def answered(answer: AriAnswer) -> None:
            if not answer.good and self._live(request.connection) is leg:
                left = tuple(one for one in leg.known.playbacks if one.id != playback.id)
                leg.known = replace(leg.known, playbacks=left)
                self._report(Played(request.connection, completed=False))

        query = {"media": media_of(request.prompts)}
        self._ask("POST", "channels", request.connection, "play", playback.id, query=query, fine=(GONE,), then=answered)

    # ── two legs ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _join(self, one: _Leg, other: _Leg) -> None:
        a, b = one.known.connection, other.known.connection
        if self._rooms.together(a, b):
            return
        for leg in (one, other):
            self._quiet(leg)
            self._rooms.leave(leg.known.connection)
        # Over a trunk the media passes through Asterisk's core, which keeps the RTP of a leg going on evenly when its
        # partner changes; handed through as they come, the new partner's timestamps can go back and nothing is heard.
        proxied = one.known.kind.between_cities or other.known.kind.between_cities
        self._rooms.enter(a, b, proxied=proxied)

    def _part(self, one: _Leg, other: _Leg) -> None:
        if self._rooms.together(one.known.connection, other.known.connection):
            self._rooms.leave(one.known.connection)

    # ── making and clearing ─────────────────────────────────────────────────────────────────────────────────────────
    def _make(self, request: Make) -> None:
        if request.connection in self._legs:
            return
        leg = _Leg(Known(request.connection, _KINDS[type(request.device)]))
        self._legs[request.connection] = leg
        if isinstance(request.device, Outside) and not self._login.outside:
            self._clock.callLater(0, self._never_made, leg, Cause.UNREACHABLE)
            return
        if self._early is not None:
            # SwitchDown is the last that was reported; later, because nobody expects a report inside a request.
            self._clock.callLater(0, self._never_made, leg, Cause.SWITCH_FAILED)
            return
        self._run(self._make_leg(leg, request), "make")

    async def _make_leg(self, leg: _Leg, request: Make) -> None:
        """Create the channel, see that its seat is free (A6), and only then ring."""
        draft = draft_of(request, self._login.application, self._login.outside)
        channel = request.connection
        try:
            created = await self._ari.ask("POST", ("channels", "create"), draft.query, {"variables": draft.variables})
            if not created.good:
                # An endpoint that is unknown or has no telephone: 500 "Allocation failed", and no event will come.
                log.info("ari.not_made", ari=self._login.url, channel=channel, why=created.body[:200])
                self._never_made(leg, Cause.UNREACHABLE)
                return
            if draft.group_count is not None and self._live(channel) is leg:
                counted = await self._ari.ask("GET", ("channels", channel, "variable"), {"variable": draft.group_count})
                if self._live(channel) is leg and is_busy(counted):
                    self._end(leg, Cause.BUSY, NO_ANSWER)
        except AriLost:
            # SwitchDown is reported now, and the next snapshot says what became of it.
            return
        if self._live(channel) is leg:
            leg.ring_s = request.ring_s
            self._dial_when_started(leg)

    def _dial_when_started(self, leg: _Leg) -> None:
        """Ring the device: once the channel is in the application, which may be before or after ``create`` answers."""
        channel, ring_s = leg.known.connection, leg.ring_s
        if ring_s is None or not leg.started:
            return
        leg.ring_s = None
        leg.ring_timer = self._clock.callLater(ring_s, self._rung_out, leg)

        def answered(answer: AriAnswer) -> None:
            if not answer.good and self._live(channel) is leg:
                self._end(leg, Cause.UNREACHABLE, NO_ANSWER)

        self._ask("POST", "channels", channel, "dial", query=dial_query(ring_s), then=answered)

    def _rung_out(self, leg: _Leg) -> None:
        """The ring time is over. An answer that crosses our hang-up is hung up with it."""
        leg.ring_timer = None
        if leg.known.ending is None and not leg.known.established:
            self._end(leg, Cause.NO_ANSWER, NO_ANSWER)

    def _never_made(self, leg: _Leg, cause: Cause) -> None:
        if self._legs.get(leg.known.connection) is leg:
            self._gone(leg)
            self._report(Cleared(leg.known.connection, leg.known.ending or cause))

    def _clear(self, leg: _Leg, cause: Cause) -> None:
        known = leg.known
        told = reason_code(cause, established=known.established, incoming=known.kind.incoming)
        unanswered = not known.kind.incoming and not known.established
        self._end(leg, Cause.CANCELLED if unanswered else Cause.CLEARED_BY_US, told)

    def _end(self, leg: _Leg, reported: Cause, told: int) -> None:
        """Hang up; ``reported`` is what the core will hear, when the switch says that the channel is gone."""
        leg.cancel_ring_timer()
        leg.known = replace(leg.known, ending=reported)

        def answered(answer: AriAnswer) -> None:
            if answer.status == GONE:
                self._never_made(leg, reported)

        query = {"reason_code": str(told)}
        self._ask("DELETE", "channels", leg.known.connection, query=query, fine=(GONE,), then=answered)

    def _gone(self, leg: _Leg) -> None:
        leg.cancel_ring_timer()
        del self._legs[leg.known.connection]
        for ended in self._ended_meanwhile.values():
            ended.add(leg.known.connection)
        self._rooms.leave(leg.known.connection, alive=False)

    # ── what the switch says ────────────────────────────────────────────────────────────────────────────────────────
    def _message(self, message: dict[str, Any]) -> None:
        if self._early is not None:
            self._early.append(message)
            return
        try:
            event = event_from(message)
        except (KeyError, TypeError, ValueError):
            log.exception("ari.event_without_its_fields", ari=self._login.url, message=message)
            return
        if isinstance(event, Replaced):
            # Two site nodes for one city: taking it back at once would take it from each other for ever.
            self._ari.drop("another program took the Stasis application", again_s=REFUSED_RETRY_S)
        elif isinstance(event, PlaybackBegan | PlaybackEnded):
            self._leg_event(ConnectionId(event.channel_id), event)
        elif event is not None:
            if isinstance(event, Started) and event.channel.id not in self._legs:
                self._arrived(event)
            else:
                self._leg_event(ConnectionId(event.channel.id), event)

    def _arrived(self, event: Started) -> None:
        new = offered(event)
        if new is None:
            # One that we made and gave up before it came, or that a command of a dead process makes only now: nobody
            # knows of it, so nobody else would ever end it.
            log.warning("ari.stray_channel", ari=self._login.url, channel=event.channel.id)
            self._ask("DELETE", "channels", event.channel.id, fine=(GONE,))
            return
        known, report = new
        self._shown.pop(known.connection, None)
        self._legs[known.connection] = _Leg(known)
        self._report(report)

    def _leg_event(self, connection: ConnectionId, event: Any) -> None:
        leg = self._legs.get(connection)
        if leg is None:
            return
        known, reports = translate(leg.known, event)
        if known is None:
            self._gone(leg)
        else:
            leg.known = known
            if known.established:
                leg.cancel_ring_timer()
            if isinstance(event, Started) and known.ending is None:
                leg.started = True
                self._dial_when_started(leg)
        if isinstance(event, Dtmf) and reports and (heard := leg.known.audible) is not None and heard.barge_in:
            self._stop_playing(leg)  # before the report: whoever hears of the key may ask at once for what is said next
        for report in reports:
            self._report(report)

    # ── the switch itself ───────────────────────────────────────────────────────────────────────────────────────────
    def _opened(self) -> None:
        self._early = []
        self._run(self._adopt(), "adopt")

    async def _adopt(self) -> None:
        """Report what the switch holds, then what happened since (O6)."""
        application = self._login.application
        try:
            left_out = {"disallowed": [{"type": kind} for kind in LEFT_OUT]}
            filtered = await self._ari.ask("PUT", ("applications", application, "eventFilter"), body=left_out)
            answers = await self._look()
        except AriLost:
            return
        for answer in (filtered, *answers):
            if not answer.good:
                self._ari.drop(self._refusal(answer))
                return
        early, self._early = self._early or [], None
        held = self._held(answers, _arriving(early))
        self._take_over(held)
        self._down_reason = None
        self._report(SwitchUp(tuple(one.shown for one in held)))
        for message in early:
            self._message(message)

    async def _show(self, number: int) -> None:
        """Report what the switch holds now (I8). Nothing when it cannot say: the loss of it is reported anyway."""
        if self._early is not None:
            return
        ended = self._ended_meanwhile[number] = set()
        try:
            answers = await self._look()
        except AriLost:
            return
        finally:
            self._ended_meanwhile.pop(number, None)
        if not all(answer.good for answer in answers):
            log.info("ari.not_shown", ari=self._login.url, statuses=[answer.status for answer in answers])
            return
        held = self._held(answers, ended)
        self._shown = {one.known.connection: one for one in held if one.known.connection not in self._legs}
        self._report(Shown(number, tuple(one.shown for one in held)))

    async def _look(self) -> tuple[AriAnswer, AriAnswer, AriAnswer]:
        """Channels, bridges, and last the application: what has ended before is not counted there any more."""
        channels = await self._ari.ask("GET", ("channels",))
        bridges = await self._ari.ask("GET", ("bridges",))
        return channels, bridges, await self._ari.ask("GET", ("applications", self._login.application))

    def _held(self, answers: tuple[AriAnswer, AriAnswer, AriAnswer], leave_out: Collection[str]) -> tuple[Held, ...]:
        channels, bridges, application = (answer.value() for answer in answers)
        return held_by(self._login.application, channels, bridges, application, leave_out)

    def _refusal(self, answer: AriAnswer) -> str:
        if answer.status in REFUSED_STATUSES:
            problem = login_refused(self._login.url, answer.status)
            return f"[{problem.slug}] {problem.text('en')}"
        return f"the snapshot was refused ({answer.status}): {answer.body[:200]}"

    def _take_over(self, held: tuple[Held, ...]) -> None:
        self._forget()
        for one in held:
            self._legs[one.known.connection] = _Leg(one.known, adopted=True)
        self._rooms.take_over(held)

    def _lost(self, reason: str) -> None:
        self._early = []
        self._forget()
        if reason != self._down_reason:
            self._down_reason = reason
            self._report(SwitchDown(reason))

    def _forget(self) -> None:
        """What was known is not known any more; the switch keeps it."""
        for leg in self._legs.values():
            leg.cancel_ring_timer()
        self._legs.clear()
        self._shown.clear()
        self._rooms.forget()

    def _report(self, report: Report) -> None:
        if self._sink is not None:
            self._sink(report)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        fine: tuple[int, ...] = (),
        then: Callable[[AriAnswer], None] | None = None,
    ) -> None:
        """Ask and go on. A refusal not in ``fine`` is logged: where it matters, an event tells what became of it."""

        def answered(answer: AriAnswer) -> None:
            if not answer.good and answer.status not in fine:
                log.info("ari.refused", ari=self._login.url, asked=f"{method} {'/'.join(path)}", status=answer.status)
            if then is not None:
                then(answer)

        def lost(failure: Failure) -> Failure | None:
            return None if isinstance(failure.value, AriLost) else failure

        asking = self._ari.ask(method, path, query, body)
        asking.addCallbacks(answered, lost)
        asking.addErrback(self._failed, "/".join(path))

    def _run(self, work: Coroutine[Deferred[Any], Any, None], name: str) -> None:
        Deferred.fromCoroutine(work).addErrback(self._failed, name)

    def _failed(self, failure: Failure, what: str) -> None:
        """A mistake in this program: said loudly, and the rest goes on."""
        log.error("switch.fault", ari=self._login.url, what=what, fault=failure.getTraceback())
