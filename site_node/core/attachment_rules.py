"""What may be attached to a work item: which kinds of files, how large, under which names. Pure."""

from __future__ import annotations

import unicodedata
from binascii import b2a_base64
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping

from dataset.errors import Problem, Refused
from dataset.records.attachment import digest

LARGEST_FILE = 10_000_000
"""bytes of one file; a scanned page is a tenth of it"""
LONGEST_NAME = 100
PIECE_BYTES = 90_000
"""of a content that are looked at in one go, well under a millisecond; a multiple of three, as Base64 has it"""

_BEGINNINGS: Mapping[str, tuple[bytes, ...]] = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "application/pdf": (b"%PDF-",),
    "audio/wav": (b"RIFF",),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "text/plain": (b"",),
}
"""what files of each type begin with; nothing that a browser would run is among them"""
MEDIA_TYPES = tuple(_BEGINNINGS)


def check_file(name: str, media_type: str, content: bytes) -> None:
    """Whether it may be attached. Raises ``Refused``: as ``check_described``, and 400 ``attachment-type`` where the
    content is not of its type.
    """
    check_described(name, media_type, len(content))
    if not _is_of_type(media_type, content):
        raise _refused_type()


def weighed(name: str, media_type: str, content: bytes) -> str:
    """The SHA-256 of what may be attached. Raises ``Refused`` as ``check_file``."""
    check_file(name, media_type, content)
    return digest(content)


def base64_json(content: bytes) -> bytes:
    """``content`` as JSON has it: a string in Base64, made piece by piece."""
    return b"".join((b'"', *(b2a_base64(piece, newline=False) for piece, _ in _pieces(content)), b'"'))


def check_described(name: str, media_type: str, size: int) -> None:
    """Whether it may be attached, by what is told of it before its content is here.

    Raises ``Refused``: 413 ``attachment-too-large``; 400 ``attachment-name``, ``attachment-type``,
    ``attachment-empty``.
    """
    if size > LARGEST_FILE:
        mb = LARGEST_FILE // 1_000_000
        zh, en = f"文件超过上限 {mb} MB", f"the file is over the limit of {mb} MB"
        raise _refused("attachment-too-large", zh, en, "content", 413)
    if not _is_name(name):
        raise _refused(
            "attachment-name",
            f"文件名应为 1 至 {LONGEST_NAME} 字，不含 / \\ : 和控制字符，不以点开头",
            f"a file's name has 1 to {LONGEST_NAME} characters, without / \\ : and control characters, and does not"
            " begin with a dot",
            "name",
        )
    if size < 1:
        raise _refused("attachment-empty", "文件是空的", "the file is empty", "content")
    if media_type not in MEDIA_TYPES:
        raise _refused_type()


def _is_name(name: str) -> bool:
    clean = name == name.strip() and not name.startswith(".") and 1 <= len(name) <= LONGEST_NAME
    return clean and not any(one in "/\\:" or unicodedata.category(one)[0] == "C" for one in name)


def _is_of_type(media_type: str, content: bytes) -> bool:
    beginnings = _BEGINNINGS.get(media_type)
    if beginnings is None or not content.startswith(beginnings):
        return False
    if media_type != "text/plain":
        return media_type != "audio/wav" or content[8:12] == b"WAVE"
    decoder = getincrementaldecoder("utf-8")()
    try:
        return all("\x00" not in decoder.decode(piece, final) for piece, final in _pieces(content))
    except UnicodeDecodeError:
        return False


def _pieces(content: bytes) -> Iterator[tuple[bytes, bool]]:
    """One after the other, and whether it is the last: a thread that looks at them lets others work in between."""
    for at in range(0, len(content), PIECE_BYTES):
        yield content[at : at + PIECE_BYTES], at + PIECE_BYTES >= len(content)


def _refused_type() -> Refused:
    return _refused(
        "attachment-type",
        f"只收这些类型，且内容须与类型相符：{'、'.join(MEDIA_TYPES)}",
        f"only these types are taken, and the content has to be of that type: {', '.join(MEDIA_TYPES)}",
        "media_type",
    )


def _refused(slug: str, zh: str, en: str, place: str, status: int = 400) -> Refused:
    return Refused(Problem(slug, zh=zh, en=en, place=place), status=status)
