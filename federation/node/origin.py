"""Which browsers may speak to a node: pages of its own origin only."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.web.server import Request


@dataclass(frozen=True, slots=True)
class OriginRule:
    """``origins``: what a browser's ``Origin`` may be (``https://yht.example:8443``); empty: the host called."""

    origins: tuple[str, ...] = ()

    def allows(self, request: Request) -> bool:
        """Whether the request may have come from one of our pages; programs send no ``Origin`` and are allowed."""
        origin = given(request)
        return origin is None or self.own(request, origin)

    def own(self, request: Request, origin: str) -> bool:
        """Whether ``origin`` is ours."""
        if self.origins:
            return origin in self.origins
        scheme = "https" if request.isSecure() else "http"
        host = request.getHeader(b"host")
        return host is not None and origin.lower() == f"{scheme}://{host.decode('latin-1').lower()}"


def given(request: Request) -> str | None:
    """The ``Origin`` header; None when there is none."""
    found = request.requestHeaders.getRawHeaders(b"origin")
    return found[0].decode("latin-1") if found else None
