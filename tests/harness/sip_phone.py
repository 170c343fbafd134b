"""A SIP telephone on the test's own reactor: dials, rings, answers, declines, sends digits, and knows what it hears.

Beside baresip and SIPp, because a test of the switch port needs what they do not have: the caller's number per call, a
decline with 603, a hang-up in the very moment of an answer, and "what do you hear now" without a file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from tests.harness.rtp_voice import Voice
from tests.harness.sip_messages import SipMessage, digest, media_address, parse, response_to, session

OPTIONS_ALLOWED = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE")


class Call:
    """One call of a phone: a dialog and its media."""

    def __init__(self, phone: SipPhone, *, outgoing: bool) -> None:
        self.phone = phone
        self.outgoing = outgoing
        self.state = "calling" if outgoing else "ringing"
        """calling or ringing, talking, over"""
        self.status = 0
        """SIP status of the refusal, if it was refused"""
        self.calling = ""
        """the number that the phone shows"""
        self.voice = Voice(phone.reactor, phone.tone_hz)
        self.port = self.voice.open(phone.address)
        self.call_id = secrets.token_hex(8)
        self.tag = secrets.token_hex(4)
        self.local = ""
        self.remote = ""
        self.target = ""
        self.cseq = 1
        self.branch = ""
        self.provisional = False
        self.given_up = False
        self.holds = False
        """the far end is on hold, and knows it"""
        self.invite: SipMessage | None = None

    @property
    def over(self) -> bool:
        """It has ended, also when only its media shows that the switch is gone."""
        if self.voice.broken:
            self.end()
        return self.state == "over"

    def end(self) -> None:
        """Be over."""
        self.state = "over"
        self.voice.close()

    # ── we dial ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def dial(self, called: str, calling: str, door: tuple[str, int]) -> None:
        self.target = f"sip:{called}@{door[0]}:{door[1]}"
        self.local = f"<sip:{calling}@{self.phone.address}>;tag={self.tag}"
        self.remote = f"<{self.target}>"
        self.branch = self.phone.new_branch()
        self.invite = self._request("INVITE", self.branch, session(self.phone.address, self.port))
        self.phone.send(self.invite)

    def _request(self, method: str, branch: str, body: str = "", cseq: int | None = None) -> SipMessage:
        via = f"SIP/2.0/UDP {self.phone.address}:{self.phone.port};rport;branch={branch}"
        headers = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq if cseq is None else cseq} {method}"),
            ("Contact", f"<sip:phone@{self.phone.address}:{self.phone.port}>"),
            OPTIONS_ALLOWED,
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return SipMessage(f"{method} {self.target} SIP/2.0", headers, body)

    def response(self, message: SipMessage) -> None:
        if message.method != "INVITE":
            return
        if message.status < 200:
            self.provisional = True
            if self.given_up:
                self._cancel()
        elif message.status < 300:
            self._accepted(message)
        else:
            self.phone.send(self._answer_refusal(message))
            if self.state == "calling":
                self.status = message.status
                self.end()

    def _accepted(self, message: SipMessage) -> None:
        self.remote = message.get("to")
        self.target = message.contact or self.target
        self.phone.send(self._request("ACK", self.phone.new_branch()))
        if self.given_up or self.state == "over":
            self._bye()
        elif self.state == "calling":
            self.state = "talking"
            self.voice.talk_to(media_address(message.body))
        else:
            self.holds = True

    def _answer_refusal(self, message: SipMessage) -> SipMessage:
        to, self.remote = self.remote, message.get("to")
        ack = self._request("ACK", self.branch)
        self.remote = to
        return ack

    def _cancel(self) -> None:
        self.phone.send(self._request("CANCEL", self.branch))
        self.given_up = True
        self.end()

    def _bye(self) -> None:
        self.cseq += 1
        self.phone.send(self._request("BYE", self.phone.new_branch()))
        self.end()

    def hold(self) -> None:
        """Put the far end on hold: from here on it is not heard, and need not hear anything."""
        self.cseq += 1
        held = session(self.phone.address, self.port).replace("a=sendrecv", "a=sendonly")
        self.phone.send(self._request("INVITE", self.phone.new_branch(), held))

    def hang_up(self) -> None:
        """End it, whatever it is just now; nothing when it is over."""
        if self.state == "talking":
            self._bye()
        elif self.state == "ringing":
            self.decline(486, "Busy Here")
        elif self.state == "calling":
            # CANCEL may only follow a provisional response.
            self.given_up = True
            if self.provisional:
                self._cancel()

    # ── it rings ────────────────────────────────────────────────────────────────────────────────────────────────────
    def ring(self, invite: SipMessage) -> None:
        self.invite = invite
        self.call_id = invite.get("call-id")
        self.calling = invite.get("from").partition("sip:")[2].partition("@")[0]
        self.local = f"{invite.get('to')};tag={self.tag}"
        self.remote = invite.get("from")
        self.target = invite.contact
        self._reply(180, "Ringing")

    def _reply(self, status: int, reason: str, body: str = "") -> None:
        assert self.invite is not None
        more = [("Contact", f"<sip:phone@{self.phone.address}:{self.phone.port}>"), OPTIONS_ALLOWED]
        if body:
            more.append(("Content-Type", "application/sdp"))
        reply = response_to(self.invite, status, reason, self.tag, more)
        reply.body = body
        self.phone.reply(self.invite, reply)

    def answer(self) -> None:
        """Pick up; nothing when it does not ring any more."""
        if self.state == "ringing" and self.invite is not None:
            self.state = "talking"
            self._reply(200, "OK", session(self.phone.address, self.port))
            self.voice.talk_to(media_address(self.invite.body))

    def decline(self, status: int = 603, reason: str = "Decline") -> None:
        """Do not pick up."""
        if self.state == "ringing":
            self._reply(status, reason)
            self.status = status
            self.end()

    def request(self, message: SipMessage) -> None:
        """A request of the far end within the dialog."""
        method = message.start.split()[0]
        if method == "ACK":
            return
        if method == "CANCEL":
            self.phone.reply(message, response_to(message, 200, "OK", self.tag))
            if self.state == "ringing":
                self._reply(487, "Request Terminated")
                self.end()
            return
        reply = response_to(
            message, 200, "OK", self.tag, [("Contact", f"<sip:phone@{self.phone.address}:{self.phone.port}>")]
        )
        if method == "INVITE":
            reply.headers.append(("Content-Type", "application/sdp"))
            reply.body = session(self.phone.address, self.port)
        self.phone.reply(message, reply)
        if method == "BYE":
            self.end()


class SipPhone(DatagramProtocol):
    """A telephone with one line; ``call`` is its present or last call."""

    transport: Any

    def __init__(self, reactor: Any, address: str, tone_hz: float) -> None:
        self.reactor = reactor
        self.address = address
        self.tone_hz = tone_hz
        self.port = 0
        self.call: Call | None = None
        self.registered = False
        self.rings = 0
        """how often it has begun to ring"""
        self._earlier: list[Call] = []
        self._far: tuple[str, int] = ("", 0)
        self._answers: dict[str, bytes] = {}
        self._responses: dict[str, Callable[[SipMessage], None]] = {}

    def open(self, far: tuple[str, int], port: int = 0) -> SipPhone:
        """Listen, at ``port`` or any; ``far`` is the switch."""
        self._far = far
        self.port = self.reactor.listenUDP(port, self, interface=self.address, maxPacketSize=65535).getHost().port
        return self

    def lose_line(self) -> None:
        """The switch has died with the call on it: no word of its end comes, and the next call is a new one."""
        if self.call is not None:
            self.call.end()
            self._earlier.append(self.call)
            self.call = None

    def close(self) -> None:
        for call in [*self._earlier, *([self.call] if self.call is not None else [])]:
            call.voice.close()
        if self.transport is not None:
            self.transport.stopListening()
            self.transport = None

    def new_branch(self) -> str:
        return f"z9hG4bK{secrets.token_hex(8)}"

    def send(self, message: SipMessage) -> None:
        if self.transport is not None:
            self.transport.write(message.encode(), self._far)

    def reply(self, request: SipMessage, response: SipMessage) -> None:
        """Answer a request, and remember what was answered last, should it come again."""
        self._answers[request.get("via") + request.get("cseq")] = response.encode()
        self.send(response)

    # ── what a person does ──────────────────────────────────────────────────────────────────────────────────────────
    def register(self, user: str, password: str) -> None:
        """Tell the switch that we are at this seat; ``registered`` when it has said yes."""
        registrar = f"sip:{self._far[0]}:{self._far[1]}"
        call_id, tag = secrets.token_hex(8), secrets.token_hex(4)

        def attempt(cseq: int, authorization: str) -> None:
            branch = self.new_branch()
            headers = [
                ("Via", f"SIP/2.0/UDP {self.address}:{self.port};rport;branch={branch}"),
                ("Max-Forwards", "70"),
                ("From", f"<sip:{user}@{self._far[0]}>;tag={tag}"),
                ("To", f"<sip:{user}@{self._far[0]}>"),
                ("Call-ID", call_id),
                ("CSeq", f"{cseq} REGISTER"),
                ("Contact", f"<sip:{user}@{self.address}:{self.port}>"),
                ("Expires", "3600"),
            ]
            if authorization:
                headers.append(("Authorization", authorization))

            def answered(message: SipMessage) -> None:
                if message.status == 401 and not authorization:
                    challenge = message.get("www-authenticate")
                    attempt(cseq + 1, digest(challenge, "REGISTER", registrar, user, password))
                else:
                    self.registered = message.status == 200

            self._responses[call_id] = answered
            self.send(SipMessage(f"REGISTER {registrar} SIP/2.0", headers))

        attempt(1, "")

    def dial(self, called: str, calling: str) -> Call:
        """Call a number."""
        call = self._new_call(outgoing=True)
        call.dial(called, calling, self._far)
        return call

    def _new_call(self, *, outgoing: bool) -> Call:
        if self.call is not None:
            self._earlier.append(self.call)
        self.call = Call(self, outgoing=outgoing)
        return self.call

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────────────
    def datagramReceived(self, datagram: bytes, addr: Any) -> None:  # noqa: N802
        message = parse(datagram)
        if message is None:
            return
        call_id = message.get("call-id")
        calls = [*self._earlier, *([self.call] if self.call is not None else [])]
        call = next((one for one in calls if one.call_id == call_id), None)
        if message.status:
            if call is not None:
                call.response(message)
            elif call_id in self._responses:
                self._responses[call_id](message)
            return
        again = self._answers.get(message.get("via") + message.get("cseq"))
        if again is not None:
            if self.transport is not None:
                self.transport.write(again, self._far)
        elif call is not None:
            call.request(message)
        else:
            self._outside_of_calls(message)

    def _outside_of_calls(self, message: SipMessage) -> None:
        method = message.start.split()[0]
        if method == "INVITE":
            if self.call is not None and not self.call.over:
                self.reply(message, response_to(message, 486, "Busy Here", secrets.token_hex(4)))
                return
            self.rings += 1
            self._new_call(outgoing=False).ring(message)
        elif method != "ACK":
            found = method in ("OPTIONS", "NOTIFY")
            status, reason = (200, "OK") if found else (481, "Call Does Not Exist")
            self.reply(message, response_to(message, status, reason, secrets.token_hex(4), [OPTIONS_ALLOWED]))
