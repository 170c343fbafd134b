"""Where the contents of attachments lie: in files named by their hash, or in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed

from dataset.errors import Problem, Refused
from dataset.records.attachment import digest
from federation.node.whole_files import sync_folder, write_whole

R = TypeVar("R")


class MemoryAttachments:
    """``AttachmentFiles`` for simulations."""

    def __init__(self, contents: dict[str, bytes] | None = None) -> None:
        """``contents``: by hash, of an earlier run."""
        self._contents = contents if contents is not None else {}

    def keep(self, sha256: str, content: bytes) -> Deferred[None]:
        """See ``AttachmentFiles``."""
        self._contents[sha256] = content
        return succeed(None)

    def read(self, sha256: str) -> Deferred[bytes]:
        """See ``AttachmentFiles``."""
        content = self._contents.get(sha256)
        return succeed(content) if content is not None else fail(_damaged(sha256))

    def part(self, sha256: str, since: int, most: int) -> Deferred[bytes]:
        """See ``AttachmentFiles``."""
        content = self._contents.get(sha256)
        return succeed(content[since : since + most]) if content is not None else fail(_damaged(sha256))

    def forget(self, sha256: str) -> Deferred[None]:
        """See ``AttachmentFiles``."""
        self._contents.pop(sha256, None)
        return succeed(None)

    def names(self) -> Deferred[tuple[str, ...]]:
        """See ``AttachmentFiles``."""
        return succeed(tuple(sorted(self._contents)))

    def look(self, work: Callable[..., R], *args: Any) -> Deferred[R]:
        """See ``AttachmentFiles``."""
        return execute(work, *args)


class FolderAttachments:
    """``AttachmentFiles`` in a folder of the city's data; ``run`` runs a function off the reactor's thread."""

    def __init__(self, folder: Path, run: Callable[..., Deferred[Any]]) -> None:
        self._folder = folder
        self._run = run

    def keep(self, sha256: str, content: bytes) -> Deferred[None]:
        """See ``AttachmentFiles``."""
        return self._run(self._write, sha256, content)

    def read(self, sha256: str) -> Deferred[bytes]:
        """See ``AttachmentFiles``."""
        return self._run(self._content, sha256)

    def part(self, sha256: str, since: int, most: int) -> Deferred[bytes]:
        """See ``AttachmentFiles``."""
        return self._run(self._part, sha256, since, most)

    def forget(self, sha256: str) -> Deferred[None]:
        """See ``AttachmentFiles``."""
        return self._run(self._remove, sha256)

    def names(self) -> Deferred[tuple[str, ...]]:
        """See ``AttachmentFiles``."""
        return self._run(self._names)

    def look(self, work: Callable[..., R], *args: Any) -> Deferred[R]:
        """See ``AttachmentFiles``."""
        return self._run(work, *args)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _write(self, sha256: str, content: bytes) -> None:
        """Whole and on disk under its name, or not at all; what is there already is the same."""
        path = self._path(sha256)
        try:
            with suppress(OSError):
                if digest(path.read_bytes()) == sha256:
                    return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, content)
            sync_folder(self._folder)
        except OSError as error:
            raise Refused(
                Problem(
                    "attachment-not-written",
                    zh=f"附件无法保存：{error.strerror}；请通知管理员，稍后再传",
                    en=f"the attachment could not be kept: {error.strerror}; tell the administrator, and try again",
                    place=str(self._folder),
                ),
                status=507,
            ) from error

    def _content(self, sha256: str) -> bytes:
        try:
            content = self._path(sha256).read_bytes()
        except OSError as error:
            raise _damaged(sha256) from error
        if digest(content) != sha256:
            raise _damaged(sha256)
        return content

    def _part(self, sha256: str, since: int, most: int) -> bytes:
        try:
            with self._path(sha256).open("rb") as file:
                file.seek(since)
                return file.read(most)
        except OSError as error:
            raise _damaged(sha256) from error

    def _remove(self, sha256: str) -> None:
        path = self._path(sha256)
        for one in (path, path.with_name(f"{path.name}.new")):  # a run that died may have left a half
            with suppress(OSError):
                one.unlink()

    def _names(self) -> tuple[str, ...]:
        return tuple(sorted({path.name.partition(".")[0] for path in self._folder.glob("??/*")}))


def _damaged(sha256: str) -> Refused:
    return Refused(
        Problem(
            "attachment-damaged",
            zh="附件内容不在磁盘上，或已不是收到时的内容；请从备份恢复",
            en="the attachment is not on disk, or is not what was received: restore it from a backup",
            place=sha256,
        ),
        status=503,
    )
