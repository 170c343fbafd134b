"""What only a network can do to a node: foreign origins, cookies, bodies without end, silent and slow browsers."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry, Counter
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.ssl import CertificateOptions
from twisted.web.resource import Resource
from twisted.web.server import Site

from dataset.errors import Refused
from federation.node.http import HttpSettings, listen, web_site
from federation.node.live import LiveLimits
from federation.node.origin import OriginRule
from tests.harness.city_desk import LI, PASSWORD
from tests.harness.door_clients import NetworkForm, reactor
from tests.harness.driving import ReactorDriver

LOGIN = json.dumps({"user": "1001", "password": PASSWORD, "seat": "8001"}).encode()
JSON = "application/json"


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>一号通", encoding="utf-8")
    (folder / "assets" / "page-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def web(screens: Path) -> Iterator[NetworkForm]:
    registry = CollectorRegistry()
    Counter("yht_things", "Things", registry=registry).inc()
    made = NetworkForm(
        screens=screens,
        registry=registry,
        health=lambda: {"node": "guangzhou", "link": True},
        nodes=lambda: {"hub": "/hub"},
        demo=lambda: {"speed": 1.0},
    )
    yield made
    made.close()


def slug(body: bytes) -> str:
    found: str = json.loads(body)["problem"]["slug"]
    return found


# ── cookies and origins ─────────────────────────────────────────────────────────────────────────────────────────────
def test_the_cookie_is_kept_from_scripts_and_from_other_sites(web: NetworkForm) -> None:
    status, headers, _ = web.request("POST", "/api/v1/login", LOGIN, Content_Type=JSON, Origin=web.origin)
    assert status == 200
    cookie = headers["set-cookie"]
    assert re.match(r"yht_guangzhou=[0-9a-f]{64};", cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/city/guangzhou" in cookie
    assert "Secure" not in cookie  # the test listens without TLS


def cookie_of(web: NetworkForm) -> str:
    _, headers, _ = web.request("POST", "/api/v1/login", LOGIN, Content_Type=JSON)
    return headers["set-cookie"].split(";")[0]


def test_a_cookie_counts_only_from_our_own_pages(web: NetworkForm) -> None:
    cookie = cookie_of(web)

    def ready(**headers: str) -> int:
        return web.request("POST", "/api/v1/ready", b"{}", Content_Type=JSON, Cookie=cookie, **headers)[0]

    assert ready(Origin=web.origin) == 200
    assert ready(Sec_Fetch_Site="same-origin") == 200
    assert ready() == 403
    assert ready(Sec_Fetch_Site="cross-site") == 403
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{web.number}", f"{web.origin}.evil.example"):
        assert ready(Origin=origin) == 403


def test_a_bearer_token_from_a_foreign_page_is_refused_too(web: NetworkForm) -> None:
    token = cookie_of(web).partition("=")[2]

    def ready(**headers: str) -> int:
        return web.request("POST", "/api/v1/ready", b"{}", Content_Type=JSON, **headers)[0]

    assert ready(Authorization=f"Bearer {token}") == 200
    assert ready(Authorization=f"Bearer {token}", Origin="http://evil.example") == 403
    assert ready(Authorization=f"Basic {token}") == 400
    assert ready() == 401


def test_logging_out_voids_the_cookie(web: NetworkForm) -> None:
    cookie = cookie_of(web)
    status, headers, _ = web.request("POST", "/api/v1/logout", b"", Content_Type=JSON, Cookie=cookie, Origin=web.origin)
    assert status == 200
    assert "Max-Age=0" in headers["set-cookie"]
    assert web.request("POST", "/api/v1/ready", b"", Content_Type=JSON, Cookie=cookie, Origin=web.origin)[0] == 401


def test_a_form_of_another_site_cannot_log_anybody_in(web: NetworkForm) -> None:
    assert web.request("POST", "/api/v1/login", LOGIN, Content_Type="text/plain")[0] == 415
    assert web.request("POST", "/api/v1/login", LOGIN)[0] == 415
    status, _, body = web.request("POST", "/api/v1/login", LOGIN, Content_Type=JSON, Origin="http://evil.example")
    assert (status, slug(body)) == (403, "origin-refused")


def test_stated_origins_replace_the_host_that_was_called() -> None:
    form = NetworkForm(origins=OriginRule(("https://yht.example",)))
    try:
        for origin, status in (("https://yht.example", 200), (form.origin, 403)):
            assert form.request("POST", "/api/v1/login", LOGIN, Content_Type=JSON, Origin=origin)[0] == status
    finally:
        form.close()


def test_a_socket_of_a_foreign_page_is_refused_before_it_opens(web: NetworkForm) -> None:
    upgrade: dict[str, Any] = {
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
    }
    status, _, body = web.request("GET", "/api/v1/live", Origin="http://evil.example", **upgrade)
    assert (status, body) == (403, b"origin-refused: WebSocket from another origin\n")
    assert web.request("GET", "/api/v1/live")[0] == 426


# ── bodies and headers ──────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_without_end_is_cut_off(web: NetworkForm, chunked: bool) -> None:
    head = f"POST {web.base}/api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n"
    if chunked:
        data = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 20
    else:
        data = head.encode() + b"Content-Length: 100000000\r\n\r\n" + b"x" * 80_000
    assert web.exchange(data)[0] == 413


def test_every_answer_carries_the_security_headers(web: NetworkForm) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/assets/page-1a2b.js"),
        ("GET", "/no.such"),
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("GET", "/api/v1/nodes"),
        ("POST", "/api/v1/ready"),
        ("GET", "/api/v1/live"),
    ):
        _, headers, _ = web.request(method, path)
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["referrer-policy"] == "no-referrer", path


def test_operations_are_posted_only(web: NetworkForm) -> None:
    status, headers, body = web.request("GET", "/api/v1/ready")
    assert (status, headers["allow"], slug(body)) == (405, "POST", "post-expected")
    assert web.request("GET", "/api/v1/")[0] == 405
    assert web.request("POST", "/api/v1/nodes")[0] == 405
    assert web.request("BREW", "/api/v1/ready")[0] in (405, 501)


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_screens_metrics_health_and_nodes_are_served(web: NetworkForm) -> None:
    assert web.request("GET", "/")[2].decode() == "<!doctype html>一号通"
    assert web.request("GET", "/seat/8001")[2].decode() == "<!doctype html>一号通"
    status, headers, body = web.request("GET", "/assets/page-1a2b.js")
    assert (status, body) == (200, b"1")
    assert "immutable" in headers["cache-control"]
    assert web.request("GET", "/assets/page-old.js")[0] == 404
    assert b"yht_things_total 1.0" in web.request("GET", "/metrics")[2]
    assert json.loads(web.request("GET", "/health")[2]) == {"node": "guangzhou", "link": True}
    assert json.loads(web.request("GET", "/api/v1/nodes")[2]) == {"hub": "/hub"}
    assert json.loads(web.request("GET", "/api/v1/demo")[2]) == {"speed": 1.0}


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/out", "/assets/..%5c..%5csecret.txt", "/%00.txt"],
)
def test_nothing_outside_the_folder_is_served(web: NetworkForm, path: str) -> None:
    status, _, body = web.request("GET", path)
    assert b"secret" not in body
    assert status in (200, 404)


def test_the_root_of_a_shared_listener_serves_the_screens_and_the_nodes(web: NetworkForm) -> None:
    def get(path: str) -> tuple[int, bytes]:
        status, _, body = web.exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return status, body

    assert get("/")[1].decode() == "<!doctype html>一号通"
    assert get("/city/nowhere")[1].decode() == "<!doctype html>一号通"
    assert json.loads(get("/api/v1/nodes")[1]) == {"nodes": ["guangzhou"]}
    assert get("/city/guangzhou/health")[0] == 200


def test_screens_that_were_not_built_are_said_to_be_missing() -> None:
    form = NetworkForm(base="")
    try:
        status, _, body = form.request("GET", "/")
        assert status == 503
        assert "尚未构建" in body.decode()
    finally:
        form.close()


# ── sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def attach(form: NetworkForm) -> Any:
    _, answer = form.post("login", {"user": "1001", "password": PASSWORD, "seat": "8001"})
    live = form.open()
    live.send("attach", token=answer["token"])
    return live


def test_a_message_in_endless_fragments_is_cut_off(web: NetworkForm) -> None:
    """One message in many unfinished pieces must not fill the node's memory, even before anybody logged in."""
    from wsproto.events import TextMessage

    live = web.open()
    wire: Any = live.transport
    for _ in range(40):
        wire.transport.write(wire._wsconn.send(TextMessage("x" * 1000, message_finished=False)))
    web.wait(lambda: live.closed != [])
    assert live.closed == [1009]


def test_text_that_is_not_utf_8_ends_the_connection_and_nothing_else(web: NetworkForm) -> None:
    live = attach(web)
    live.transport.transport.write(b"\x81\x84\x00\x00\x00\x00\xff\xff\xff\xff")
    web.wait(lambda: live.closed != [])
    assert web.request("GET", "/health")[0] == 200


def test_a_browser_that_reads_nothing_is_let_go_and_its_agent_keeps_the_seat() -> None:
    form = NetworkForm(limits=LiveLimits(held_bytes=20_000, per_second=1e6, burst=1e6, at_once=10**6))
    try:
        live = attach(form)
        live.transport.transport.stopReading()
        number = 0

        def flooded() -> bool:
            nonlocal number
            for _ in range(200):
                number += 1
                if live.transport is not None:
                    live.send_text(json.dumps({"id": number, "op": "note", "contact": "c", "text": "x"}))
            return form.desk.door.live == 0

        form.wait(flooded)
        assert form.desk.city.seat_view(LI) is not None
        live.transport.transport.startReading()
        form.wait(lambda: live.closed != [])
    finally:
        form.close()


def test_a_slow_browser_gets_the_newest_state_only(web: NetworkForm) -> None:
    live = attach(web)
    live.transport.transport.stopReading()

    def changed(text: str) -> None:
        web.desk.city.ring(LI, notes=(f"1001@guangzhou: {text}",))
        for _ in range(3):
            web.driver.step(0.0)

    # Far more than the buffers of both ends hold.
    for at in range(400):
        changed(f"{at} {'x' * 50_000}")
    changed("last")
    live.transport.transport.startReading()
    web.wait(lambda: bool(live.pushes) and live.pushes[-1]["state"]["calls"][0]["notes"][0]["text"] == "last")
    assert live.closed == []
    assert len(live.pushes) < 300


def test_a_live_connection_may_be_idle_for_longer_than_a_request_may() -> None:
    form = NetworkForm(idle_s=0.05)
    try:
        live = attach(form)
        over: list[bool] = []
        reactor.callLater(0.3, over.append, True)
        form.wait(lambda: bool(over))
        assert live.send("ready") == {}
    finally:
        form.close()


def test_a_listener_that_cannot_be_is_named() -> None:
    form = NetworkForm()
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            settings = HttpSettings(port=taken.getsockname()[1])
            with pytest.raises(Refused) as caught:
                form.driver.result_of(listen(reactor, settings, web_site(form.port.factory.resource)), 5.0)
            assert caught.value.problems[0].slug == "cannot-listen"
            assert str(settings.port) in caught.value.problems[0].place
    finally:
        form.close()


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "node.pem"
    for text in (None, "no certificate"):
        if text is not None:
            file.write_text(text)
        with pytest.raises(Refused) as caught:
            ReactorDriver(reactor).result_of(
                listen(reactor, HttpSettings(certificate=str(file)), Site(Resource())), 5.0
            )
        assert caught.value.problems[0].slug == ("file-unreadable" if text is None else "certificate-unusable")
        assert caught.value.problems[0].place == str(file)


def test_over_tls_the_cookie_is_secure_and_the_origin_is_https(tmp_path: Path) -> None:
    form = NetworkForm()
    file = tmp_path / "node.pem"
    file.write_bytes(_self_signed())
    port = None
    try:
        settings = HttpSettings(certificate=str(file), port=0)
        port = form.driver.result_of(listen(reactor, settings, web_site(form.port.factory.resource)), 5.0)
        number = port.getHost().port
        for origin, status in ((f"https://127.0.0.1:{number}", 200), (f"http://127.0.0.1:{number}", 403)):
            request = (
                f"POST {form.base}/api/v1/login HTTP/1.1\r\nHost: 127.0.0.1:{number}\r\nOrigin: {origin}\r\n"
                f"Content-Type: {JSON}\r\nConnection: close\r\nContent-Length: {len(LOGIN)}\r\n\r\n"
            )
            endpoint = wrapClientTLS(CertificateOptions(verify=False), TCP4ClientEndpoint(reactor, "127.0.0.1", number))
            got, headers, _ = form.exchange(request.encode() + LOGIN, endpoint)
            assert got == status
            assert "strict-transport-security" in headers
            assert ("Secure" in headers.get("set-cookie", "")) == (status == 200)
    finally:
        if port is not None:
            form.driver.result_of(port.stopListening(), 5.0)
        form.close()


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
