"""Contents of attachments lie under their hash, whole or not at all, and are never another content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute

from dataset.errors import Refused
from dataset.records.attachment import digest
from site_node.attachment_files import FolderAttachments, MemoryAttachments
from site_node.ports import AttachmentFiles

CONTENT = b"a page" * 1_000
NAME = digest(CONTENT)


@pytest.fixture(params=["folder", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> AttachmentFiles:
    return FolderAttachments(tmp_path, execute) if request.param == "folder" else MemoryAttachments()


def result(asked: Deferred[Any]) -> Any:
    found: list[Any] = []
    asked.addBoth(found.append)
    if isinstance(getattr(found[0], "value", None), Refused):
        raise found[0].value
    return found[0]


def test_a_content_is_read_as_it_was_kept_also_twice(files: AttachmentFiles) -> None:
    for _ in range(2):
        result(files.keep(NAME, CONTENT))
        assert result(files.read(NAME)) == CONTENT


def test_what_was_never_kept_is_missed(files: AttachmentFiles) -> None:
    with pytest.raises(Refused) as refused:
        result(files.read("0" * 64))
    assert (refused.value.status, refused.value.problems[0].slug) == (503, "attachment-damaged")


def test_parts_of_a_content_are_the_content(files: AttachmentFiles) -> None:
    result(files.keep(NAME, CONTENT))
    parts = [result(files.part(NAME, since, 2_500)) for since in range(0, len(CONTENT) + 2_500, 2_500)]
    assert b"".join(parts) == CONTENT
    assert parts[-1] == b""
    with pytest.raises(Refused) as refused:
        result(files.part("0" * 64, 0, 1))
    assert refused.value.problems[0].slug == "attachment-damaged"


def test_what_is_forgotten_is_gone_and_nothing_else(files: AttachmentFiles) -> None:
    other = b"another"
    for content in (CONTENT, other):
        result(files.keep(digest(content), content))
    assert result(files.names()) == tuple(sorted((NAME, digest(other))))
    for _ in range(2):
        result(files.forget(NAME))
    assert result(files.names()) == (digest(other),)
    with pytest.raises(Refused):
        result(files.read(NAME))
    assert result(files.read(digest(other))) == other


def test_a_half_that_a_run_left_behind_is_named_and_forgotten(tmp_path: Path) -> None:
    files = FolderAttachments(tmp_path, execute)
    result(files.keep(NAME, CONTENT))
    (tmp_path / "00").mkdir()
    (tmp_path / "00" / f"{'0' * 64}.new").write_bytes(b"half")
    assert result(files.names()) == tuple(sorted(("0" * 64, NAME)))
    result(files.forget("0" * 64))
    assert result(files.names()) == (NAME,)
    assert result(files.read(NAME)) == CONTENT


@pytest.mark.parametrize("spoilt", [b"", CONTENT[:-1], b"b" + CONTENT[1:]])
def test_a_file_that_is_another_is_not_given_out_and_is_mended_by_the_same_content(
    tmp_path: Path, spoilt: bytes
) -> None:
    files = FolderAttachments(tmp_path, execute)
    result(files.keep(NAME, CONTENT))
    path = tmp_path / NAME[:2] / NAME
    path.write_bytes(spoilt)
    with pytest.raises(Refused):
        result(files.read(NAME))
    result(files.keep(NAME, CONTENT))
    assert result(files.read(NAME)) == CONTENT


def test_a_full_disk_is_said_and_leaves_no_half(tmp_path: Path) -> None:
    files = FolderAttachments(tmp_path, execute)
    folder = tmp_path / NAME[:2]
    folder.mkdir()
    (folder / f"{NAME}.new").symlink_to("/dev/full")
    with pytest.raises(Refused) as refused:
        result(files.keep(NAME, CONTENT))
    assert (refused.value.status, refused.value.problems[0].slug) == (507, "attachment-not-written")
    assert "No space left" in refused.value.problems[0].en
    assert list(folder.iterdir()) == []
    result(files.keep(NAME, CONTENT))
    assert result(files.read(NAME)) == CONTENT


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    files = FolderAttachments(tmp_path, execute)
    result(files.keep(NAME, CONTENT))
    path = tmp_path / NAME[:2] / NAME
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
