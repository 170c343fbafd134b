"""SIP as a telephone needs it: messages, digest, session descriptions. Strict enough for Asterisk, no more."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

SHORT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}


@dataclass
class SipMessage:
    """A request (``start`` is ``INVITE sip:…``) or a response (``SIP/2.0 200 OK``)."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @property
    def status(self) -> int:
        """Of a response; 0 of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of a request; of a response the method that it answers."""
        return self.get("cseq").split()[-1]

    def get(self, name: str) -> str:
        """The first header with this name; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def tag(self, name: str) -> str:
        """The tag of ``from`` or ``to``; empty when there is none."""
        found = re.search(r";tag=([^;>\s]+)", self.get(name))
        return found.group(1) if found else ""

    @property
    def contact(self) -> str:
        """The address that further requests of the dialog go to."""
        found = re.search(r"<([^>]+)>", self.get("contact"))
        return found.group(1) if found else self.get("contact").partition(";")[0]

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        body = self.body.encode()
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def parse(datagram: bytes) -> SipMessage | None:
    """The message in a datagram; None for a keep-alive."""
    head, _, body = datagram.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    if not lines[0].strip():
        return None
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip()
        headers.append((SHORT.get(name.lower(), name), value.strip()))
    return SipMessage(lines[0], headers, body.decode())


def response_to(
    request: SipMessage, status: int, reason: str, to_tag: str, more: Iterable[tuple[str, str]] = ()
) -> SipMessage:
    """A response with the headers that must be copied."""
    copied = [
        (name, value) for name, value in request.headers if name.lower() in ("via", "from", "to", "call-id", "cseq")
    ]
    tagged = [
        (name, f"{value};tag={to_tag}" if name.lower() == "to" and ";tag=" not in value else value)
        for name, value in copied
    ]
    return SipMessage(f"SIP/2.0 {status} {reason}", [*tagged, *more])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def digest(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The ``Authorization`` header for a challenge (RFC 2617, MD5, with or without qop)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    secret = _md5(f"{user}:{given['realm']}:{password}")
    asked = _md5(f"{method}:{uri}")
    header = f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", algorithm=MD5'
    if "opaque" in given:
        header += f', opaque="{given["opaque"]}"'
    if "qop" in given:
        answer = _md5(f"{secret}:{given['nonce']}:00000001:c0ffee:auth:{asked}")
        return f'{header}, qop=auth, nc=00000001, cnonce="c0ffee", response="{answer}"'
    answer = _md5(f"{secret}:{given['nonce']}:{asked}")
    return f'{header}, response="{answer}"'


def session(address: str, port: int) -> str:
    """A session description: A-law and telephone events."""
    lines = [
        "v=0",
        f"o=phone 1 1 IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 8 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join(lines) + "\r\n"


def media_address(body: str) -> tuple[str, int]:
    """Where the far end wants its RTP."""
    host = re.search(r"c=IN IP4 (\S+)", body)
    port = re.search(r"m=audio (\d+)", body)
    assert host is not None, body
    assert port is not None, body
    return host.group(1), int(port.group(1))
