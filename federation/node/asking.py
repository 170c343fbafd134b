"""Asking a running node of this machine over its own door, for command lines: blocking, in a process of its own.

A node alone owns its journal and its users, so a command line never touches them: it logs in like anybody else.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from dataset.errors import Problem, Refused
from federation.node.http import HttpSettings
from federation.node.operations import refusal_in

ANSWER_S = 15.0
LARGEST_ANSWER = 4_000_000
EVERYWHERE = ("0.0.0.0", "")


class Asking:
    """The node that listens as ``settings`` say. Every call raises ``Refused``: ``node-not-running`` 503,
    ``answer-unreadable``, or whatever the node says.
    """

    def __init__(self, settings: HttpSettings) -> None:
        host = "127.0.0.1" if settings.listen in EVERYWHERE else settings.listen
        self.address = f"{'https' if settings.certificate else 'http'}://{host}:{settings.port}"
        self._opener = _opener(settings.certificate)

    def health(self) -> dict[str, Any]:
        """``GET /health``."""
        return self._send(Request(f"{self.address}/health"))

    def once(self, user: str, password: str, operation: str, **fields: Any) -> dict[str, Any]:
        """Log in, ask one thing, log out."""
        token = self._post("login", None, user=user, password=password)["token"]
        try:
            return self._post(operation, token, **fields)
        finally:
            self._post("logout", token)

    def _post(self, operation: str, token: str | None, **fields: Any) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return self._send(
            Request(f"{self.address}/api/v1/{operation}", data=msgspec.json.encode(fields), headers=headers)
        )

    def _send(self, request: Request) -> dict[str, Any]:
        try:
            with self._opener.open(request, timeout=ANSWER_S) as answer:
                return self._read(answer.read(LARGEST_ANSWER))
        except HTTPError as error:
            problem = self._read(error.read(LARGEST_ANSWER)).get("problem")
            if not isinstance(problem, dict) or not {"slug", "zh", "en"} <= problem.keys():
                raise self._unreadable() from error
            raise refusal_in(problem, error.code) from error
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise Refused(
                Problem(
                    "node-not-running",
                    zh=f"节点没有应答（{reason}）；请确认它在本机运行，且 http.listen、http.port 与此配置一致",
                    en=f"the node does not answer ({reason}); see that it runs here, and listens as this file says"
                    " (http.listen, http.port)",
                    place=self.address,
                ),
                status=503,
            ) from error

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._unreadable() from error

    def _unreadable(self) -> Refused:
        return Refused(
            Problem(
                "answer-unreadable",
                zh="此地址的应答不是本系统节点的",
                en="what answers there is no node of this system",
                place=self.address,
            ),
            status=502,
        )


def _opener(certificate: str | None) -> OpenerDirector:
    """No proxy; over TLS exactly the certificate that the node itself was given is trusted."""
    if certificate is None:
        return build_opener(ProxyHandler({}), HTTPHandler())
    try:
        context = ssl.create_default_context(cafile=certificate)
    except (OSError, ssl.SSLError) as error:
        raise Refused(
            Problem(
                "certificate-unusable",
                zh=f"证书文件不可用：{error}",
                en=f"the certificate cannot be used: {error}",
                place=certificate,
            )
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return build_opener(ProxyHandler({}), HTTPSHandler(context=context))
