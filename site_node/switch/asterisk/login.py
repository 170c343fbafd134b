"""Where a city's ARI is and who we are there; the check that is made before anything starts."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure

from dataset.errors import Problem, Refused

CONNECT_TIMEOUT_S = 5.0
REFUSED_STATUSES = frozenset({401, 403})


def login_refused(place: str, status: int) -> Problem:
    """The switch does not accept who we say we are."""
    return Problem(
        "ari-login-refused",
        zh=f"Asterisk 拒绝了 ARI 用户名或密码（HTTP {status}）；请核对 ari.conf 中该用户的 password，"
        "且不得为 read_only",
        en=f"Asterisk refused the ARI user or password (HTTP {status}); compare with that user's password in ari.conf, "
        "which must not be read_only",
        place=place,
    )


def no_ari_here(place: str, status: int) -> Problem:
    """Something answers there, but not ARI."""
    return Problem(
        "ari-not-there",
        zh=f"该地址没有 ARI（HTTP {status}）；地址形如 http://127.0.0.11:8088/ari，并且 http.conf 和 ari.conf 已启用",
        en=f"no ARI at this address (HTTP {status}); it looks like http://127.0.0.11:8088/ari, "
        "with http.conf and ari.conf enabled",
        place=place,
    )


@dataclass(frozen=True, slots=True)
class AriLogin:
    """Address (``http://host:port/ari`` or https), user, password and Stasis application.

    ``outside``: the PJSIP endpoint by which customers are called; empty: none.
    """

    url: str
    user: str
    password: str = field(repr=False)
    application: str = "yihaotong"
    outside: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(
                Problem(
                    "ari-address-wrong",
                    zh="ARI 地址应形如 http://127.0.0.11:8088/ari",
                    en="an ARI address looks like http://127.0.0.11:8088/ari",
                    place=self.url,
                )
            )

    @property
    def host(self) -> str:
        """Host and port as the ``Host`` header wants them."""
        return urlsplit(self.url).netloc

    @property
    def events_target(self) -> str:
        """Path of the event WebSocket."""
        return f"{urlsplit(self.url).path.rstrip('/')}/events?app={quote(self.application, safe='')}"

    @property
    def authorization(self) -> bytes:
        """The value of the ``Authorization`` header."""
        return b"Basic " + base64.b64encode(f"{self.user}:{self.password}".encode())

    def endpoint(self, reactor: IReactorTime) -> IStreamClientEndpoint:
        """Where to connect."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        plain: IStreamClientEndpoint
        if isIPAddress(host):  # the usual case, which needs neither a resolver nor its threads
            plain = TCP4ClientEndpoint(reactor, host, port, timeout=int(CONNECT_TIMEOUT_S))
        else:
            plain = HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT_S)
        return wrapClientTLS(optionsForClientTLS(host), plain) if tls else plain


class _StatusOnly(Protocol):
    """Asks one question over HTTP and wants nothing but the status of the answer."""

    transport: ITCPTransport

    def __init__(self, login: AriLogin) -> None:
        self.status: Deferred[int | None] = Deferred()
        """fires with the HTTP status, or None when nothing that is HTTP came"""
        self._login = login
        self._heard = b""

    def connectionMade(self) -> None:  # noqa: N802
        """Ask."""
        path = f"{urlsplit(self._login.url).path.rstrip('/')}/asterisk/ping"
        head = f"GET {path} HTTP/1.1\r\nHost: {self._login.host}\r\nConnection: close\r\nAuthorization: "
        self.transport.write(head.encode() + self._login.authorization + b"\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take in the first line."""
        self._heard += data
        if b"\r\n" in self._heard:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Tell what came."""
        parts = self._heard.partition(b"\r\n")[0].split()
        known = len(parts) > 1 and parts[0].startswith(b"HTTP/1.") and parts[1].isdigit()
        self.status.callback(int(parts[1]) if known else None)


async def check_login(reactor: IReactorTime, login: AriLogin) -> bool:
    """Ask the switch whether it accepts the login, before anything is started.

    True: accepted. False: nobody answers there now (a switch may come later, that is no mistake of the configuration).
    Raises ``Refused`` with ``ari-login-refused`` or ``ari-not-there``.
    """
    factory = Factory.forProtocol(lambda: _StatusOnly(login))
    try:
        asking = await login.endpoint(reactor).connect(factory)
    except (ConnectError, DNSLookupError):
        return False
    assert isinstance(asking, _StatusOnly)
    giving_up = reactor.callLater(CONNECT_TIMEOUT_S, asking.transport.abortConnection)
    status = await asking.status
    if giving_up.active():
        giving_up.cancel()
    if status is None:
        return False
    if status in REFUSED_STATUSES:
        raise Refused(login_refused(login.url, status), status=503)
    if status != 200:
        raise Refused(no_ari_here(login.url, status), status=503)
    return True
