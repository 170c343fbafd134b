"""The switch of one simulated city: its connections, and what requests and far ends do to them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from dataset.ids import CityId, ConnectionId, Token
from federation.ports import Clock
from site_node.core.telephony import (
    Alert,
    Answer,
    Cause,
    Clear,
    Cleared,
    Delivered,
    Digit,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Mark,
    Music,
    Offered,
    Outside,
    Part,
    Play,
    Played,
    Prompt,
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
from site_node.switch.simulated.connection import Connection, FarEnd, Playing
from site_node.switch.simulated.phones import RingingPhone, SeatPhone
from site_node.switch.simulated.trunks import Trunk as TrunkLine


def _nobody(number: str) -> None:
    return None


class Exchange:
    """One city's switch. ``command_delay_s`` and ``report_delay_s`` are the way between it and its site node."""

    def __init__(
        self,
        city: CityId,
        clock: Clock,
        new_id: Callable[[], ConnectionId],
        prompt_s: Callable[[Prompt], float],
        outside: Callable[[str], RingingPhone | None] = _nobody,
    ) -> None:
        """``outside``: the telephone of the public network that has a number."""
        self.city = city
        self.clock = clock
        self.command_delay_s = 0.0
        self.report_delay_s = 0.0
        self.up = True
        """False while the switch is dead"""
        self.connected = True
        """False while its site node cannot reach it"""
        self.loses_requests: Counter[type] = Counter()
        """how many of the next requests of each kind come to nothing"""
        self.loses_reports: Counter[type] = Counter()
        """how many of the next reports of each kind are never made"""
        self.seats: dict[str, SeatPhone] = {}
        self.trunks: dict[CityId, TrunkLine] = {}
        self.connections: dict[ConnectionId, Connection] = {}
        self._new_id = new_id
        self._prompt_s = prompt_s
        self._outside = outside
        self._sink: Callable[[Report], None] | None = None
        self._requests: deque[Callable[[], None]] = deque()
        self._reports: deque[Report] = deque()

    # ── the site node's side ────────────────────────────────────────────────────────────────────────────────────────
    def attach(self, sink: Callable[[Report], None]) -> None:
        """A site node begins to listen; what the one before it has still sent is carried out first (O6)."""
        self._sink = sink
        self._reports.clear()
        self._say_whether_up()

    def detach(self) -> None:
        """The site node listens no more; calls stay."""
        self._sink = None
        self._reports.clear()

    @property
    def attended(self) -> bool:
        """Whether a site node takes calls here."""
        return self.up and self.connected and self._sink is not None

    def submit(self, request: Request) -> None:
        """Carry out a request after the way here; void while the switch cannot be reached."""
        if self._is_lost(self.loses_requests, type(request)):
            return
        carry_out = self._CARRY_OUT[type(request)]
        self._submit(lambda: carry_out(self, request))

    def answer_seat(self, extension: str) -> None:
        """Answer the phone that rings at ``extension``, after the way here; else nothing."""
        phone = self.seats.get(extension)
        if phone is not None:
            self._submit(phone.answer)

    def _submit(self, carry_out: Callable[[], None]) -> None:
        if self.up and self.connected:
            self._requests.append(carry_out)
            self.clock.call_later(self.command_delay_s, self._carry_out_next)

    def _carry_out_next(self) -> None:
        if self._requests:
            self._requests.popleft()()

    def _report(self, report: Report) -> None:
        if self.up and self.connected and not self._is_lost(self.loses_reports, type(report)):
            self._tell(report)

    @staticmethod
    def _is_lost(losses: Counter[type], kind: type) -> bool:
        if not losses[kind]:
            return False
        losses[kind] -= 1
        return True

    def _tell(self, report: Report) -> None:
        if self._sink is not None:
            self._reports.append(report)
            self.clock.call_later(self.report_delay_s, self._deliver_next)

    def _deliver_next(self) -> None:
        if self._reports and self._sink is not None:
            self._sink(self._reports.popleft())

    def _say_whether_up(self) -> None:
        if not self.up:
            self._tell(SwitchDown("the switch is dead"))
        elif not self.connected:
            self._tell(SwitchDown("the switch cannot be reached"))
        else:
            while self._requests:
                self._carry_out_next()
            self._reports.clear()
            self._report(SwitchUp(self._held()))

    def _held(self) -> tuple[HeldConnection, ...]:
        return tuple(connection.as_held() for connection in self.connections.values())

    # ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def fail(self) -> None:
        """The switch dies, with its calls and all that was on the way to and from it."""
        if not self.up:
            return
        self.up = False
        self._requests.clear()
        self._reports.clear()
        for connection in list(self.connections.values()):
            self._take_out(connection)
            connection.far.told_cleared(Cause.SWITCH_FAILED)
        if self.connected:
            self._tell(SwitchDown("the switch died"))

    def recover(self) -> None:
        """The switch is started again, empty."""
        if not self.up:
            self.up = True
            if self.connected:
                self._say_whether_up()

    def lose(self, connection: ConnectionId) -> None:
        """The switch loses a connection and does not say so; its far end finds the line dead."""
        held = self.connections.get(connection)
        if held is not None:
            self._take_out(held)
            held.far.told_cleared(Cause.SWITCH_FAILED)

    def separate(self, connection: ConnectionId) -> None:
        """Two joined connections do not hear each other any more, and nobody says so."""
        held = self.connections.get(connection)
        if held is not None:
            self._unjoin(held)
            held.far.hearing_changed()

    def disconnect(self) -> None:
        """The way between switch and site node breaks; calls go on, reports of the time are lost."""
        if self.connected:
            self.connected = False
            self._reports.clear()
            if self.up:
                self._tell(SwitchDown("the switch cannot be reached"))

    def reconnect(self) -> None:
        """The way is there again."""
        if not self.connected:
            self.connected = True
            self._say_whether_up()

    # ── calls that come in ──────────────────────────────────────────────────────────────────────────────────────────
    def offer(
        self, far: FarEnd, called: str, calling: str, from_city: CityId | None = None, token: Token | None = None
    ) -> Connection | Cause:
        """A call comes in; the connection, or why the switch turns it away by itself."""
        if not self.up:
            return Cause.UNREACHABLE
        if not self.attended:
            return Cause.CONGESTION
        connection = Connection(self._new_id(), self, far, True, called, calling, from_city, token)
        self.connections[connection.id] = connection
        self._report(Offered(connection.id, called, calling, from_city, token))
        return connection

    # ── what far ends do ────────────────────────────────────────────────────────────────────────────────────────────
    def far_alerting(self, connection: Connection) -> None:
        """The device of a made connection rings."""
        if connection.live and not connection.established and not connection.delivered:
            connection.delivered = True
            self._report(Delivered(connection.id))

    def far_answered(self, connection: Connection) -> None:
        """The device of a made connection answers."""
        if connection.live and not connection.established:
            self._establish(connection)

    def far_ended(self, connection: Connection, cause: Cause) -> None:
        """The far end, or the network, ends the connection."""
        if connection.live:
            self._take_out(connection)
            self._report(Cleared(connection.id, cause))

    def far_digit(self, connection: Connection, digit: str) -> None:
        """A digit was pressed at the far end; it is heard by whoever is joined, across a trunk as well."""
        if not (connection.live and connection.established):
            return
        self._report(Digit(connection.id, digit))
        playing = connection.playing
        if playing is not None and playing.barge_in:
            self._end_playing(connection, completed=False)
            connection.far.hearing_changed()
        elif connection.joined is not None:
            connection.joined.far.told_digit(digit)

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _answer(self, request: Answer) -> None:
        connection = self.connections.get(request.connection)
        if connection is not None and connection.incoming and not connection.established:
            self._establish(connection)
            connection.far.told_answered()

    def _alert(self, request: Alert) -> None:
        connection = self.connections.get(request.connection)
        if connection is not None and connection.incoming and not connection.established and not connection.delivered:
            connection.delivered = True
            connection.far.told_alerting()

    def _mark(self, request: Mark) -> None:
        connection = self.connections.get(request.connection)
        if connection is not None:
            connection.leg = request.leg

    def _make(self, request: Make) -> None:
        if request.connection in self.connections:
            return
        match request.device:
            case Seat(extension):
                self._make_to_phone(request, self.seats.get(extension), extension)
            case Outside(number):
                self._make_to_phone(request, self._outside(number), number)
            case Trunk():
                self._make_to_trunk(request, request.device)

    def _make_to_phone(self, request: Make, phone: RingingPhone | None, called: str) -> None:
        if phone is None or not phone.registered:
            self._report(Cleared(request.connection, Cause.UNREACHABLE))
        elif phone.busy:  # A6: a call limit of one in the switch as well
            self._report(Cleared(request.connection, Cause.BUSY))
        else:
            self.far_alerting(phone.ring(self._made(request, phone, called, request.leg)))

    def _make_to_trunk(self, request: Make, device: Trunk) -> None:
        line = self.trunks.get(device.city)
        if line is None:
            self._report(Cleared(request.connection, Cause.UNREACHABLE))
            return
        end = line.new_leg(self)
        connection = self._made(request, end, device.number, request.leg)
        connection.token = device.token
        line.set_up(end, connection)

    def _made(self, request: Make, far: FarEnd, called: str, leg: Leg) -> Connection:
        connection = Connection(request.connection, self, far, False, called, request.calling, leg=leg)
        self.connections[connection.id] = connection
        connection.ring_timer = self.clock.call_later(request.ring_s, self._ring_time_over, connection)
        return connection

    def _ring_time_over(self, connection: Connection) -> None:
        connection.ring_timer = None
        if connection.live:
            self._take_out(connection)
            connection.far.told_cleared(Cause.NO_ANSWER)
            self._report(Cleared(connection.id, Cause.NO_ANSWER))

    def _clear(self, request: Clear) -> None:
        connection = self.connections.get(request.connection)
        if connection is None:
            return
        cancelled = not connection.incoming and not connection.established
        self._take_out(connection)
        connection.far.told_cleared(request.cause)
        self._report(Cleared(connection.id, Cause.CANCELLED if cancelled else Cause.CLEARED_BY_US))

    def _join(self, request: Join) -> None:
        one, other = self.connections.get(request.one), self.connections.get(request.other)
        if one is None or other is None or one is other or one.joined is other:
            return
        for connection in (one, other):  # one that is not answered yet is heard once it is
            self._unjoin(connection)
            self._quiet(connection)
        one.joined, other.joined = other, one
        one.far.hearing_changed()
        other.far.hearing_changed()

    def _part(self, request: Part) -> None:
        one, other = self.connections.get(request.one), self.connections.get(request.other)
        if one is not None and other is not None and one.joined is other:
            self._unjoin(one)
            one.far.hearing_changed()

    def _play(self, request: Play) -> None:
        connection = self.connections.get(request.connection)
        if connection is None:
            return
        if not connection.established or connection.joined is not None or not request.prompts:
            self._report(Played(connection.id, completed=not request.prompts))
            return
        self._quiet(connection)
        connection.playing = Playing(request.prompts, request.barge_in)
        self._say_prompt(connection, connection.playing)

    def _stop_playing(self, request: StopPlaying) -> None:
        connection = self.connections.get(request.connection)
        if connection is not None and (connection.music or connection.playing is not None):
            self._quiet(connection)
            connection.far.hearing_changed()

    def _music(self, request: Music) -> None:
        connection = self.connections.get(request.connection)
        if connection is not None and connection.established and connection.joined is None and not connection.music:
            self._quiet(connection)
            connection.music = True
            connection.far.hearing_changed()

    def _show(self, request: Show) -> None:
        self._report(Shown(request.number, self._held()))

    _CARRY_OUT: dict[type, Callable[..., None]] = {  # noqa: RUF012 - a table, never changed
        Answer: _answer,
        Alert: _alert,
        Mark: _mark,
        Make: _make,
        Clear: _clear,
        Join: _join,
        Part: _part,
        Play: _play,
        StopPlaying: _stop_playing,
        Music: _music,
        Show: _show,
    }

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _establish(self, connection: Connection) -> None:
        connection.established = True
        if connection.ring_timer is not None:
            connection.ring_timer.cancel()
            connection.ring_timer = None
        self._report(Established(connection.id))
        if connection.joined is not None:
            connection.joined.far.hearing_changed()
            connection.far.hearing_changed()

    def _say_prompt(self, connection: Connection, playing: Playing) -> None:
        length = self._prompt_s(playing.prompts[playing.at])
        playing.timer = self.clock.call_later(length, self._prompt_said, connection, playing)
        connection.far.hearing_changed()

    def _prompt_said(self, connection: Connection, playing: Playing) -> None:
        playing.timer = None
        if playing.at + 1 < len(playing.prompts):
            playing.at += 1
            self._say_prompt(connection, playing)
        else:
            self._end_playing(connection, completed=True)
            connection.far.hearing_changed()

    def _end_playing(self, connection: Connection, *, completed: bool) -> None:
        playing, connection.playing = connection.playing, None
        if playing is not None:
            if playing.timer is not None:
                playing.timer.cancel()
            self._report(Played(connection.id, completed))

    def _quiet(self, connection: Connection) -> None:
        connection.music = False
        self._end_playing(connection, completed=False)

    def _unjoin(self, connection: Connection) -> None:
        other, connection.joined = connection.joined, None
        if other is not None:
            other.joined = None
            other.far.hearing_changed()

    def _take_out(self, connection: Connection) -> None:
        """Take a connection out of the switch; ``Cleared`` alone tells of a prompt that it cut short."""
        connection.live = False
        del self.connections[connection.id]
        if connection.ring_timer is not None:
            connection.ring_timer.cancel()
            connection.ring_timer = None
        if connection.playing is not None and connection.playing.timer is not None:
            connection.playing.timer.cancel()
            connection.playing.timer = None
        self._unjoin(connection)
