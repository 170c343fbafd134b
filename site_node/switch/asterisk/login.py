"""Where a city's ARI is and who we are there; the check that is made before anything starts."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import Agent, ResponseNeverReceived, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

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
    """Address (``http://host:port/ari`` or https), user, password and Stasis application."""

    url: str
    user: str
    password: str = field(repr=False)
    application: str = "yihaotong"

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


async def check_login(reactor: IReactorTime, login: AriLogin) -> bool:
    """Ask the switch whether it accepts the login, before anything is started.

    True: accepted. False: nobody answers there now (a switch may come later, that is no mistake of the configuration).
    Raises ``Refused`` with ``ari-login-refused`` or ``ari-not-there``.
    """
    agent = Agent(reactor, connectTimeout=CONNECT_TIMEOUT_S)
    headers = Headers({b"Authorization": [login.authorization]})
    asking: Deferred[IResponse] = agent.request(b"GET", f"{login.url.rstrip('/')}/asterisk/ping".encode(), headers)
    asking.addTimeout(2 * CONNECT_TIMEOUT_S, reactor)
    try:
        answer = await asking
    except (ConnectError, ConnectionLost, ResponseNeverReceived, TimeoutError):
        return False
    await readBody(answer)
    status = answer.code
    if status in REFUSED_STATUSES:
        raise Refused(login_refused(login.url, status), status=503)
    if status != 200:
        raise Refused(no_ari_here(login.url, status), status=503)
    return True
