"""People of a real province: callers at its doors and agents at its seats, each with a telephone of known tone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

from dataset.ids import CityId
from simulation.province import password_of
from tests.harness.network_entrance import NetworkEntrance, NetworkSeat
from tests.harness.real_province import RealProvince
from tests.harness.sip_phone import Call, SipPhone

FIRST_TONE_HZ = 1730.0
TONE_STEP_HZ = 70.0
"""Tones lie above music (below 600 Hz) and away from each other."""
TONES = 25
IN_CALL = ("alerting", "talking", "held")
SOON_S = 10.0
"""Deadline of what has nothing to wait for, on a machine that is busy with other things."""


@dataclass
class Caller:
    """A customer's telephone."""

    people: People
    phone: SipPhone
    number: str

    @property
    def call(self) -> Call:
        """The call it made."""
        assert self.phone.call is not None
        return self.phone.call

    def hears(self, other: Caller | SeatedAgent) -> bool:
        """Whether the other one's tone is heard now."""
        return self.call.state == "talking" and self.call.voice.hears_tone(other.phone.tone_hz)

    def hears_music(self) -> bool:
        """Sound, and nobody's tone."""
        return self.call.state == "talking" and self.people.is_music(self.call)

    def hang_up(self) -> None:
        self.call.hang_up()

    def leave(self) -> None:
        """Hang up, and put the telephone away."""
        try:
            if self.phone.call is not None:
                self.hang_up()
                self.people.wait(lambda: self.call.over, "the caller has gone")
        finally:
            self.phone.close()


class SeatedAgent:
    """An agent at a seat: the telephone on the desk, and the agent API over WebSocket."""

    def __init__(self, people: People, city: str, nth: int) -> None:
        self.province = people.province
        record = self.province.province.agents_of(CityId(city), self.province.package)[nth]
        self.agent, self.seat = str(record.agent), record.seat
        self.staff = record.staff
        self.city = city
        self.phone = people.new_phone(city)
        self.state: dict[str, Any] = {}
        self.door: NetworkSeat | None = None
        self.lost: list[str] = []

    def register(self) -> None:
        """Let the switch know where the telephone is, and answer its question whether we are there: until then it
        rings nobody, and an agent whose seat cannot be rung is 示忙.
        """
        spec = self.province.switches[self.city].spec
        password = next(seat.password for seat in spec.seats if seat.user == self.seat)
        self.phone.registered = False
        self.phone.register(self.seat, password)
        self.province.wait(lambda: self.phone.registered, SOON_S, f"{self.seat} of {self.city} is registered")
        switch = self.province.switches[self.city]
        # the telephone lives on this reactor: whoever waits without turning it keeps the telephone from answering
        self.province.wait(lambda: switch.seat_online(self.seat), 15.0, f"{self.seat} of {self.city} can be rung")

    def sit_down(self) -> SeatedAgent:
        """Register the telephone, log in and attach; 示忙 afterwards."""
        self.register()
        self.attach()
        return self

    def attach(self) -> None:
        """Log in and open the live connection."""
        entrance = NetworkEntrance(self.province.driver.reactor, self.province.nodes[self.city].address)
        answer = entrance.login(self.staff, password_of(self.staff), self.seat)
        token = self.province.driver.result_of(answer, SOON_S)["token"]
        self.door = entrance.open()
        self.door.on_push(self._pushed)
        self.door.on_close(lambda code, reason: self.lost.append(reason))
        self.state = self.do("attach", token=token)

    def _pushed(self, push: dict[str, Any]) -> None:
        if push["push"] == "state":
            self.state = push["state"]

    def do(self, op: str, within_s: float = SOON_S, **fields: Any) -> dict[str, Any]:
        """One operation; its answer. Raises ``Refused``."""
        assert self.door is not None
        answer: dict[str, Any] = self.province.driver.result_of(self.door.send(op, **fields), within_s)
        return answer

    @property
    def presence(self) -> str:
        """As the seat page shows it."""
        return str(self.state.get("presence", ""))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The contacts at the seat."""
        return list(self.state.get("calls", ()))

    @property
    def contact(self) -> str:
        """The one contact at the seat."""
        assert len(self.calls) == 1, f"{self.agent} has {self.calls}"
        return str(self.calls[0]["contact"])

    @property
    def rings(self) -> bool:
        """The telephone rings now."""
        return self.phone.call is not None and self.phone.call.state == "ringing"

    def ready(self) -> None:
        """示闲, and seen to be so."""
        self.do("ready")
        self.wait_presence("ready")

    def ready_again(self) -> bool:
        """Where the seat rang longer than it may while somebody was away, say 示闲 again; False, to be asked at each
        turn of a wait.
        """
        if not self.lost and self.presence == "not_ready":
            self.do("ready")
        return False

    def wait_presence(self, presence: str, within_s: float = SOON_S) -> None:
        """Until the seat page shows it."""
        self.province.wait(lambda: self.presence == presence, within_s, f"{self.agent} is {presence}: {self.state}")

    def answer(self, within_s: float = 20.0) -> None:
        """Wait for the ring, pick up, and be in talk."""
        self.pick_up(within_s)
        self.wait_presence("talking")

    def pick_up(self, within_s: float = 20.0) -> None:
        """Wait for the ring, and answer the telephone."""
        self.province.wait(lambda: self.rings, within_s, f"{self.agent}'s telephone rings")
        assert self.phone.call is not None
        self.phone.call.answer()

    def hears(self, other: Caller | SeatedAgent) -> bool:
        """Whether the other one's tone is heard now."""
        return self.hears_tone(other.phone.tone_hz)

    def hears_tone(self, hertz: float) -> bool:
        """Whether a telephone of this tone is heard now."""
        call = self.phone.call
        return call is not None and call.state == "talking" and call.voice.hears_tone(hertz)

    def wrap_up(self, disposition: str = "solved") -> None:
        """Code and finish the contact in wrap-up; 示闲 afterwards."""
        self.wait_presence("wrap_up")
        contact = self.contact
        self.do("disposition", contact=contact, code=disposition)
        self.do("finish", contact=contact)
        over = f"{self.agent} is done with {contact}"
        self.province.wait(lambda: all(call["contact"] != contact for call in self.calls), SOON_S, over)

    def leave(self) -> None:
        """Hang up what is left and log out: who only goes away would be rung at the next call."""
        try:
            if self.phone.call is not None:
                self.phone.call.hang_up()
            if self.door is not None and self.lost:  # the node has been away
                self.lost.clear()
                self.attach()
            if self.door is not None:
                over = f"{self.agent} is in no call"
                self.province.wait(lambda: self.presence not in IN_CALL, SOON_S, over)
                if self.presence == "wrap_up":
                    self.wrap_up()
                self.do("logout")
                self.province.wait(lambda: bool(self.lost), SOON_S, "the node has closed the connection")
        finally:
            self.door = None
            self.phone.close()


class People:
    """Everybody of one test; ``close`` lets them go."""

    def __init__(self, province: RealProvince) -> None:
        self.province = province
        self.agents: list[SeatedAgent] = []
        self.callers: list[Caller] = []
        self._phones = count()

    def new_phone(self, city: str) -> SipPhone:
        """A telephone of known tone outside one city's switch."""
        spec = self.province.switches[city].spec
        tone = FIRST_TONE_HZ + TONE_STEP_HZ * (next(self._phones) % TONES)
        phone = SipPhone(self.province.driver.reactor, self.province.slot.outside(40), tone)
        return phone.open((spec.sip_address, spec.sip_port))

    def agent(self, city: str, nth: int = 0, *, ready: bool = True) -> SeatedAgent:
        """The nth agent of a city, at the seat; 示闲 where not said otherwise."""
        agent = SeatedAgent(self, city, nth).sit_down()
        self.agents.append(agent)
        if ready:
            agent.ready()
        return agent

    def caller(self, city: str, number: str, door: str = "112") -> Caller:
        """Somebody who dials ``door`` in ``city``, calling from ``number``."""
        caller = Caller(self, self.new_phone(city), number)
        self.callers.append(caller)
        self.province.dialled.append(number)
        caller.phone.dial(door, number)
        return caller

    def is_music(self, call: Call) -> bool:
        """Sound without anybody's tone."""
        tones = [FIRST_TONE_HZ + TONE_STEP_HZ * nth for nth in range(TONES)]
        return not call.voice.silent and not any(call.voice.hears_tone(tone) for tone in tones)

    def wait(self, condition: Callable[[], bool], what: str, within_s: float = SOON_S) -> None:
        """Turn the reactor until the condition holds."""
        self.province.wait(condition, within_s, what)

    def hear_each_other(self, caller: Caller, agent: SeatedAgent) -> None:
        """Each hears the other's tone, by FFT."""
        self.wait(
            lambda: agent.hears(caller) and caller.hears(agent),
            f"caller and {agent.agent} hear each other (at the seat {agent.hears(caller)})",
        )

    def close(self) -> None:
        """Everybody leaves, also when one of them cannot; no telephone sends any more."""
        with ExitStack() as everybody:
            for agent in reversed(self.agents):
                everybody.callback(agent.leave)
            for caller in reversed(self.callers):
                everybody.callback(caller.leave)
