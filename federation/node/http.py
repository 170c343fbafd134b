"""The web of a node: its API, its live connection, its screens, metrics and health, as one resource.

A node that listens alone serves the resource at the root; in the demo several share one listener, each under its own
path (``/hub``, ``/city/<id>``).
"""

# mypy: allow-untyped-calls
# (twisted.web.resource and .server are not annotated)
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast
from urllib.parse import unquote_to_bytes

import msgspec
from cryptography import x509
from OpenSSL import SSL, crypto
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from dataset.declared import Between, setting
from dataset.errors import Problem, Refused
from federation.node.configuration import read_file
from federation.node.door import LARGEST_REQUEST, Door, LoginRequest, Posted, too_large
from federation.node.live import LiveLimits
from federation.node.openapi import description
from federation.node.operations import json_expected, refusal_of
from federation.node.origin import OriginRule, given
from federation.node.screens import Screens
from federation.node.websocket import LiveResource

SECURITY_HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        b"font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; object-src 'none'; "
        b"frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), payment=(), microphone=(self)",
}
HSTS = b"max-age=31536000"
LINGER_S = 2.0
"""how long what still comes after a refusal is read and thrown away"""
Json = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The ``[http]`` table."""

    listen: str = setting("监听地址", "address to listen at", default="127.0.0.1")
    port: Annotated[int, Between(0, 65535)] = setting("监听端口", "port to listen at", default=8080)
    certificate: str | None = setting(
        "TLS 证书与私钥（PEM 文件）", "TLS certificate and key, one PEM file", default=None
    )
    origins: tuple[str, ...] = setting(
        "允许的浏览器来源；缺省为所访问的主机", "origins of browsers; the host they called when left out", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWeb:
    """What the web of one node is made of."""

    door: Door
    reactor: IReactorTime
    base: str = ""
    """path under which it is mounted: ``/city/guangzhou``, or empty at the root"""
    origins: OriginRule = field(default_factory=OriginRule)
    limits: LiveLimits | None = None
    screens: Path | None = None
    """folder of the built screens"""
    registry: CollectorRegistry | None = None
    health: Json | None = None
    nodes: Json | None = None
    demo: Json | None = None


class WebPlace(TypedDict, total=False):
    """Where and how one node's web is mounted; the keys are ``NodeWeb``'s."""

    base: str
    origins: OriginRule
    limits: LiveLimits | None
    screens: Path | None
    nodes: Json | None
    demo: Json | None


class Plain(Resource):
    """A resource that sets the security headers on whatever is below it."""

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:  # noqa: N802
        """Look further, with the headers set first."""
        secure(request)
        return cast(IResource, super().getChildWithDefault(path, request))

    def render(self, request: Request) -> bytes | int:
        """Headers also where the way ends here; a method that is not for this place is the caller's mistake (405)."""
        secure(request)
        try:
            return cast("bytes | int", super().render(request))
        except UnsupportedMethod as unsupported:
            return _other_method(request, *unsupported.allowedMethods)


def secure(request: Request) -> None:
    """Set what every answer carries."""
    for name, value in SECURITY_HEADERS.items():
        request.setHeader(name, value)
    if request.isSecure():
        request.setHeader(b"strict-transport-security", HSTS)


class NodeResource(Plain):
    """Everything of one node; anything that is not the API is the screens'."""

    def __init__(self, web: NodeWeb) -> None:
        super().__init__()
        self._screens = Screens(web.screens)
        api = Plain()
        api.putChild(b"v1", ApiResource(web))
        self.putChild(b"api", api)
        if web.registry is not None:
            self.putChild(b"metrics", MetricsResource(web.registry))
        if web.health is not None:
            self.putChild(b"health", JsonResource(web.health))

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802
        """A file of the screens."""
        return self._screens.at([path, *(request.postpath or [])], request)

    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802
        """The first page, where the path ends without a slash."""
        return cast("bytes | int", self._screens.at([], request).render(request))


class SharedRoot(Plain):
    """The root of a listener that several nodes share: ``mount`` them, and serve the screens beside."""

    def __init__(self, screens: Path | None, nodes: Json | None = None, demo: Json | None = None) -> None:
        super().__init__()
        self._screens = Screens(screens)
        api, v1 = Plain(), Plain()
        api.putChild(b"v1", v1)
        self.putChild(b"api", api)
        for name, answer in ((b"nodes", nodes), (b"demo", demo)):
            if answer is not None:
                v1.putChild(name, JsonResource(answer))

    def mount(self, base: str, resource: Resource) -> None:
        """Put a node under ``base`` (``/hub``, ``/city/guangzhou``)."""
        *folders, last = base.strip("/").encode().split(b"/")
        parent: Resource = self
        for folder in folders:
            below = parent.children.get(folder)
            if not isinstance(below, Resource):
                below = _Folder(self._screens)
                parent.putChild(folder, below)
            parent = below
        parent.putChild(last, resource)

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802
        """A file of the screens."""
        return self._screens.at([path, *(request.postpath or [])], request)


class _Folder(Plain):
    """A part of a path that leads to nodes."""

    def __init__(self, screens: Screens) -> None:
        super().__init__()
        self._screens = screens

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802
        """Not a node: a page of the screens, which know what they show there."""
        return self._screens.at([path, *(request.postpath or [])], request)


class ApiResource(Plain):
    """``api/v1/<operation>`` by POST, ``live`` by WebSocket, ``openapi.json``, ``nodes`` and ``demo`` by GET."""

    def __init__(self, web: NodeWeb) -> None:
        super().__init__()
        self._web = web
        self.putChild(b"live", LiveResource(web.door, web.reactor, web.origins, web.limits))
        described = cache(lambda: description(web.door.node, web.base, web.door.table, LoginRequest))
        for name, answer in ((b"openapi.json", described), (b"nodes", web.nodes), (b"demo", web.demo)):
            if answer is not None:
                self.putChild(name, JsonResource(answer))

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802
        """One operation; none has anything below it."""
        return OperationResource(self._web, b"/".join([path, *(request.postpath or [])]).decode("latin-1"))


class OperationResource(Plain):
    """One operation by POST."""

    isLeaf = True  # noqa: N815

    def __init__(self, web: NodeWeb, operation: str) -> None:
        super().__init__()
        self._web = web
        self._operation = operation
        self._cookie = f"yht_{web.door.node}".encode()

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        """Operations are posted; what is read only where a node has it (``nodes``, ``demo``) is not here then."""
        if self._operation in ("nodes", "demo"):
            return _problem(request, 404, "not-here", "本节点没有此项", "this node does not have it")
        return _other_method(request, b"POST")

    def largest_body(self, request: Request) -> int:
        """How many bytes may follow the head of ``request``. Raises ``Refused`` where none need come."""
        return self._web.door.largest_body(self._operation, self._token(request), file=not _is_json(request))

    def render_POST(self, request: Request) -> bytes | int:  # noqa: N802
        """Check where the request comes from, run the operation, answer."""
        door = self._web.door
        try:
            token = self._token(request)
            largest = door.table.largest_file(self._operation)
            if largest and not _is_json(request):
                asked = partial(door.post_fields, self._operation, _file_fields(request, largest), token)
            else:
                asked = partial(door.post, self._operation, self._body(request), token)
        except Refused as refused:
            return _refused(request, refused)
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(posted: Posted) -> None:
            if not gone:
                self._answer(request, posted)

        asked().addCallback(answer)
        return NOT_DONE_YET

    def _token(self, request: Request) -> str | None:
        """The token shown, by header or cookie. Raises ``Refused`` where a browser of another origin may be behind."""
        origin = given(request)
        if origin is not None and not self._web.origins.own(request, origin):
            raise _foreign()
        bearer = request.getHeader(b"authorization")
        if bearer is not None:
            scheme, _, token = bearer.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                raise Refused(Problem("bad-request", "应为 Bearer 令牌", "a Bearer token is expected", "Authorization"))
            return token.strip()
        cookie = request.getCookie(self._cookie)
        if cookie is None:
            return None
        if self._operation != "login" and origin is None and request.getHeader(b"sec-fetch-site") != b"same-origin":
            raise _foreign()
        return bytes(cookie).decode("latin-1")

    def _body(self, request: Request) -> bytes:
        if not _is_json(request):
            raise json_expected()
        return cast(bytes, request.content.read(LARGEST_REQUEST + 1)) if request.content is not None else b""

    def _answer(self, request: Request, posted: Posted) -> None:
        if posted.token is not None:
            self._set_cookie(request, posted.token)
        _json_headers(request, posted.status)
        request.setHeader(b"content-length", str(len(posted.body)).encode())
        request.write(posted.body)
        request.finish()

    def _set_cookie(self, request: Request, token: str) -> None:
        request.addCookie(
            self._cookie,
            token.encode(),
            path=(self._web.base or "/").encode(),
            httpOnly=True,
            secure=request.isSecure(),
            sameSite=b"strict",
            max_age=b"0" if not token else None,
        )


class JsonResource(Plain):
    """A JSON document by GET."""

    isLeaf = True  # noqa: N815

    def __init__(self, answer: Json) -> None:
        super().__init__()
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        """The document as it is now."""
        _json_headers(request, 200)
        return msgspec.json.encode(self._answer())


class MetricsResource(Plain):
    """Prometheus text."""

    isLeaf = True  # noqa: N815

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        """All metrics of the node."""
        request.setHeader(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
        return generate_latest(self._registry)


# ── listening ───────────────────────────────────────────────────────────────────────────────────────────────────────
class BoundedRequest(Request):
    """A request that is refused by its head where that is enough: who sends it, to which operation, how much. What
    comes after a refusal is not kept, and the connection ends.
    """

    _limit = LARGEST_REQUEST
    _taken = 0
    _refused = False
    _closing: IDelayedCall | None = None

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """The head is here; of the body, ``length`` bytes (None: as many as come), nothing has been looked at yet."""
        super().gotLength(length)
        if length == 0:
            return
        try:
            self._limit = self._largest_body()
            if length is not None and length > self._limit:
                raise too_large(self._limit)
        except Refused as refused:
            self._refuse(refused)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep what came, unless it is too much, or wanted no more."""
        if self._refused:
            return
        self._taken += len(data)
        if self._taken > self._limit:
            self._refuse(too_large(self._limit))
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """All of it is here."""
        if self._refused:
            self._close()
        else:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The other side is gone."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        super().connectionLost(reason)

    def _largest_body(self) -> int:
        channel: Any = self.channel
        if channel._command != b"POST":
            return LARGEST_REQUEST
        path = channel._path.partition(b"?")[0]
        self.prepath, self.postpath = [], [unquote_to_bytes(part) for part in path[1:].split(b"/")]
        place = channel.site.getResourceFor(self)
        return place.largest_body(self) if isinstance(place, OperationResource) else LARGEST_REQUEST

    def _refuse(self, refused: Refused) -> None:
        """Answer at once. The other side may still be sending, and would never read the answer if the connection were
        gone: so it goes a moment later, or with the end of the body.
        """
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")  # nobody is told to go on
        body = msgspec.json.encode(refusal_of(refused))
        headers = {
            **SECURITY_HEADERS,
            b"content-type": b"application/json",
            b"cache-control": b"no-store",
            b"content-length": str(len(body)).encode(),
            b"connection": b"close",
        }
        if self.isSecure():
            headers[b"strict-transport-security"] = HSTS
        if refused.status == 401:  # RFC 9110, 15.5.2
            headers[b"www-authenticate"] = b"Bearer"
        first = f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}".encode()
        channel: Any = self.channel
        channel.transport.write(b"\r\n".join([first, *(b": ".join(one) for one in headers.items()), b"", body]))
        self._closing = channel.callLater(LINGER_S, channel.loseConnection)

    def _close(self) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        channel: Any = self.channel
        channel.loseConnection()


def web_site(root: Resource, *, idle_s: float = 60.0) -> Site:
    """The site to listen with; ``idle_s``: how long a browser may be silent in the middle of a request."""
    site = Site(root, requestFactory=BoundedRequest, timeout=idle_s)
    site.displayTracebacks = False
    return site


def listen(reactor: Any, settings: HttpSettings, site: Site) -> Deferred[IListeningPort]:
    """Listen as the settings say. Errbacks with ``Refused`` (``cannot-listen``, ``certificate-unusable``, …)."""
    return maybeDeferred(_listen, reactor, settings, site)


def _listen(reactor: Any, settings: HttpSettings, site: Site) -> Deferred[IListeningPort]:
    if settings.certificate is None:
        endpoint: Any = TCP4ServerEndpoint(reactor, settings.port, interface=settings.listen)
    else:
        options = _certificate(settings.certificate)
        endpoint = SSL4ServerEndpoint(reactor, settings.port, options, interface=settings.listen)

    def failed(failure: Failure) -> Failure:
        if not isinstance(failure.value, CannotListenError):
            return failure
        reason = failure.value.socketError
        raise Refused(
            Problem(
                "cannot-listen",
                zh=f"无法在此监听：{reason}；请换端口（http.port；yht demo 用 --port）或停止占用它的程序",
                en=f"cannot listen here: {reason}; choose another port (http.port; yht demo: --port) or stop its user",
                place=f"{settings.listen}:{settings.port}",
            ),
            status=503,
        ) from failure.value

    return cast("Deferred[IListeningPort]", endpoint.listen(site).addErrback(failed))


def _certificate(file: str) -> CertificateOptions:
    """Key, certificate and chain of a PEM file. Raises ``Refused`` (``certificate-unusable``, ``file-unreadable``)."""
    pem = read_file(Path(file))
    try:
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, pem)
        first, *chain = (crypto.X509.from_cryptography(one) for one in x509.load_pem_x509_certificates(pem))
        return CertificateOptions(privateKey=key, certificate=first, extraCertChain=chain)
    except (SSL.Error, crypto.Error, ValueError, TypeError) as error:
        raise Refused(
            Problem(
                "certificate-unusable",
                zh="证书文件不可用，应为含私钥、证书（及证书链）的 PEM",
                en="the file cannot be used; PEM with private key, certificate and its chain expected",
                place=file,
            )
        ) from error


def _media_type(request: Request) -> str:
    return (request.getHeader(b"content-type") or b"").split(b";")[0].strip().lower().decode("latin-1")


def _is_json(request: Request) -> bool:
    return _media_type(request) == "application/json"


def _file_fields(request: Request, largest: int) -> dict[str, Any]:
    """What is told of a file in the address, its type, and its bytes. Raises ``Refused`` ``bad-request``."""
    fields: dict[str, Any] = {}
    for name, values in (request.args or {}).items():
        try:
            fields[name.decode("ascii")] = values[-1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused(
                Problem("bad-request", "地址中的字段应为 UTF-8", "fields in the address are in UTF-8", "query")
            ) from error
    content = request.content.read(largest + 1) if request.content is not None else b""
    return {**fields, "media_type": _media_type(request), "content": content}


def _json_headers(request: Request, status: int) -> None:
    request.setResponseCode(status)
    if status == 401:  # RFC 9110, 15.5.2
        request.setHeader(b"www-authenticate", b"Bearer")
    request.setHeader(b"content-type", b"application/json")
    request.setHeader(b"cache-control", b"no-store")


def _refused(request: Request, refused: Refused) -> bytes:
    _json_headers(request, refused.status)
    return msgspec.json.encode(refusal_of(refused))


def _problem(request: Request, status: int, slug: str, zh: str, en: str) -> bytes:
    return _refused(request, Refused(Problem(slug, zh, en), status=status))


def _other_method(request: Request, *allowed: bytes) -> bytes:
    methods = [one.decode("latin-1") for one in allowed]
    request.setHeader(b"allow", ", ".join(methods).encode())
    if methods == ["POST"]:
        return _problem(request, 405, "post-expected", "请用 POST", "use POST")
    words = ", ".join(methods)
    return _problem(request, 405, "method-not-allowed", f"此处可用：{words}", f"what can be used here: {words}")


def _foreign() -> Refused:
    return Refused(
        Problem(
            "origin-refused",
            zh="请求来自其他网站，已拒绝",
            en="the request comes from another origin and is refused",
            place="Origin",
        ),
        status=403,
    )
