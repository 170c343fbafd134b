"""TLS to a broker: its certificate is verified against the province's own CA and against the address it was reached by.

Nothing is sent to a broker that fails the check. Why it failed comes as a problem of its own: ``tls-untrusted``,
``tls-expired``, ``tls-wrong-host`` (the broker's certificate), ``tls-not-spoken`` (a port without TLS),
``tls-refused`` (the broker does not accept this node's certificate, or that it has none), ``tls-failed``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from service_identity.exceptions import CertificateError
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    KeyPair,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from zope.interface import implementer

from dataset.errors import Problem, Refused

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_EXPIRED, _NOT_YET_VALID = 10, 9
"""X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID"""
_NO_TLS = ("wrong version number", "packet length too long", "http request", "unknown protocol", "record layer failure")


class BrokerTls:
    """What a node trusts and shows, read once at its start."""

    def __init__(self, authorities: list[Certificate], own: PrivateCertificate | None) -> None:
        self._trust = trustRootFromCertificates(authorities)
        self._own = own

    def wrap(self, endpoint: Any, host: str, place: str) -> Any:
        """``endpoint`` with TLS, to a broker that has to be ``host`` by its certificate. ``place`` is for messages."""
        return wrapClientTLS(_Verified(host, place, self._trust, self._own), endpoint)


def read_tls(ca: Path, certificate: Path | None = None, key: Path | None = None) -> BrokerTls:
    """From PEM files: one or more CA certificates; this node's own certificate and key, if it has to show one.

    Raises ``Refused`` (``tls-file``) naming the file that cannot be used.
    """
    authorities = [_read(ca, Certificate.loadPEM, pem) for pem in _certificates(ca)]
    if certificate is None or key is None:
        for missing, present in ((key, certificate), (certificate, key)):
            if missing is None and present is not None:
                raise Refused(
                    _unusable(present, "证书与私钥须同时给出", "certificate and key have to be given together")
                )
        return BrokerTls(authorities, None)
    own = _read(certificate, Certificate.loadPEM, _certificates(certificate)[0])
    pair = _read(key, lambda pem: KeyPair.load(pem, crypto.FILETYPE_PEM), _bytes(key))
    if own.getPublicKey().keyHash() != pair.keyHash():
        raise Refused(_unusable(key, "私钥与证书不配", "the key is not that of the certificate"))
    return BrokerTls(authorities, PrivateCertificate.fromCertificateAndKeyPair(own, pair))


@implementer(IOpenSSLClientConnectionCreator)
class _Verified:
    """Twisted's own options for a client, with a check that says what is wrong instead of only that something is."""

    def __init__(self, host: str, place: str, trust: Any, own: PrivateCertificate | None) -> None:
        self._host = host
        self._place = place
        self._options = optionsForClientTLS(host, trustRoot=trust, clientCertificate=own)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803 - Twisted's names
        connection: SSL.Connection = self._options.clientConnectionForTLS(tlsProtocol)
        tell: Callable[[Problem], None] = tlsProtocol.wrappedProtocol.remember

        def verify(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
            problem = self._problem(certificate, error, depth) if depth == 0 or not good else None
            if problem is not None:
                tell(problem)
            return problem is None

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection

    def _problem(self, certificate: crypto.X509, error: int, depth: int) -> Problem | None:
        """What is wrong with a certificate of the broker's chain; ``depth`` 0 is its own."""
        if error in (_EXPIRED, _NOT_YET_VALID):
            shown = certificate.to_cryptography()
            begin, end = shown.not_valid_before_utc, shown.not_valid_after_utc
            return Problem(
                "tls-expired",
                f"代理的证书有效期为 {begin:%Y-%m-%d %H:%M} 至 {end:%Y-%m-%d %H:%M} UTC，现在无效",
                f"the broker's certificate is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, not now",
                self._place,
            )
        if error:
            issuer = certificate.to_cryptography().issuer.rfc4514_string()
            return Problem(
                "tls-untrusted",
                f"代理的证书不是所信任的 CA 签发的（签发者 {issuer}，错误 {error}）；请核对 link.tls.ca",
                f"the broker's certificate is not of the trusted CA (issuer {issuer}, error {error}): see link.tls.ca",
                self._place,
            )
        return None if depth else self._wrong_host(certificate)

    def _wrong_host(self, certificate: crypto.X509) -> Problem | None:
        shown = certificate.to_cryptography()
        try:
            if isIPAddress(self._host) or isIPv6Address(self._host):
                verify_certificate_ip_address(shown, self._host)
            else:
                verify_certificate_hostname(shown, self._host)
        except (VerificationError, CertificateError):
            return Problem(
                "tls-wrong-host",
                f"代理的证书不是发给 {self._host} 的",
                f"the broker's certificate is not for {self._host}",
                self._place,
            )
        return None


def tls_problem(error: BaseException | None, place: str) -> Problem | None:
    """What an error of the TLS layer means; None when it is none."""
    if not isinstance(error, SSL.Error):
        return None
    reasons = [str(part[-1]) for part in error.args[0]] if error.args else []
    text = ", ".join(reasons) or "?"
    if any(known in text for known in _NO_TLS):
        return Problem("tls-not-spoken", f"此端口不是 TLS（{text}）", f"the port speaks no TLS ({text})", place)
    if "alert" in text:
        return Problem(
            "tls-refused",
            f"代理拒绝了本节点的证书（{text}）；请核对 link.tls.certificate",
            f"the broker refuses this node's certificate ({text}); check link.tls.certificate",
            place,
        )
    return Problem("tls-failed", f"TLS 握手失败（{text}）", f"the TLS handshake failed ({text})", place)


def _certificates(path: Path) -> list[bytes]:
    found = _PEM.findall(_bytes(path))
    if not found:
        raise Refused(_unusable(path, "没有 PEM 格式的证书", "there is no certificate in PEM form"))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(_unusable(path, f"无法读取：{error.strerror}", f"cannot be read: {error.strerror}")) from error


def _read(path: Path, load: Callable[[bytes], Any], pem: bytes) -> Any:
    try:
        return load(pem)
    except (crypto.Error, ValueError) as error:
        raise Refused(_unusable(path, "不是可用的 PEM", "is no usable PEM")) from error


def _unusable(path: Path, zh: str, en: str) -> Problem:
    return Problem("tls-file", f"TLS 文件{zh}", f"TLS file: {en}", str(path))
