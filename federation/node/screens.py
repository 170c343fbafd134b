"""The built screens: files of one folder, and the first page for every path that only the page itself understands."""

# mypy: allow-untyped-calls
# (twisted.web.resource and .server are not annotated)
from __future__ import annotations

from pathlib import Path
from typing import cast

from twisted.web.resource import IResource, Resource
from twisted.web.server import Request
from twisted.web.static import File

BUILT = Path(__file__).parent / "built_screens"
"""where the build puts the screens, to be shipped with the programs"""
_FOREVER = b"public, max-age=31536000, immutable"


class Screens:
    """Finds the resource for a path below a node's base."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder is not None else None

    def at(self, segments: list[bytes], request: Request) -> IResource:
        """A file, the first page for a path without a file's name, or 404."""
        request.postpath = []
        folder = self._folder
        if folder is None or not (folder / "index.html").is_file():
            return cast(IResource, _Said(503, "界面尚未构建 · the screens have not been built yet\n"))
        names = [segment.decode("utf-8", "replace") for segment in segments if segment]
        if any(name in (".", "..") or "/" in name or "\\" in name or "\0" in name for name in names):
            return cast(IResource, _Said(404, "没有此页 · no such page\n"))
        path = folder.joinpath(*names).resolve() if names else folder / "index.html"
        if folder in path.parents and path.is_file():
            fresh = "assets" in names  # their names carry a digest of what is in them
            request.setHeader(b"cache-control", _FOREVER if fresh else b"no-cache")
            return cast(IResource, File(str(path)))
        if names and "." in names[-1]:
            return cast(IResource, _Said(404, "没有此文件 · no such file\n"))
        request.setHeader(b"cache-control", b"no-cache")
        return cast(IResource, File(str(folder / "index.html")))


class _Said(Resource):
    """A sentence with a status."""

    isLeaf = True  # noqa: N815

    def __init__(self, status: int, text: str) -> None:
        super().__init__()
        self._status = status
        self._text = text

    def render_GET(self, request: Request) -> bytes:  # noqa: N802
        request.setResponseCode(self._status)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return self._text.encode()
