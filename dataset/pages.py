"""Questions for a page of one partition, checked, and the tokens by which they go on."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from dataset.errors import Problem, Refused
from dataset.keys import EVERYTHING, Key, Stretch, beginning_with, encode_key
from dataset.tables import Order, R, Record, Table, key_form, key_values

R_co = TypeVar("R_co", bound=Record, covariant=True)
LARGEST_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one partition. Without anything: all of it, from its beginning.

    All limits are leading parts of the clustering key; what is given together must all hold.
    """

    prefix: Key = ()
    """clustering keys that begin with these values"""
    begins: str = ""
    """… and whose next value is a text that begins so"""
    since: Key = ()
    """this key, or what begins with it, and all behind it"""
    before: Key = ()
    """all before the first key that begins so"""
    backwards: bool = False
    """from the end"""


ALL = Span()


@dataclass(frozen=True)
class Page(Generic[R_co]):
    """Some records in order."""

    records: tuple[R_co, ...]
    token: str | None
    """asks for what follows; None at the end"""
    unread: int = 0
    """records in this stretch that are damaged on disk, or of a kind that only a newer version knows: never nothing"""


class Asked(NamedTuple):
    """A question for a page, checked."""

    order: Order
    partition: bytes
    stretch: Stretch
    backwards: bool
    limit: int
    mark: bytes

    def token(self, last: bytes) -> str:
        """What asks for the records behind the one at clustering ``last``."""
        return base64.urlsafe_b64encode(self.mark + last).decode()


_MARK = 12
"""bytes of a token that name its question"""


def asked(
    table: Table[Any], partition: Key, span: Span, limit: int, token: str | None, index: str | None = None
) -> Asked:
    """Check a question. Raises ``Refused``: ``key-form``, ``key-too-long``, ``page-size``, ``page-token``."""
    order = table.in_order(index)
    if not 1 <= limit <= LARGEST_PAGE:
        raise Refused(
            Problem(
                "page-size",
                zh=f"每页 {limit} 条不可用，应为 1 至 {LARGEST_PAGE}",
                en=f"{limit} records a page are not accepted; 1 to {LARGEST_PAGE} expected",
                place=order.name,
            )
        )
    where = encode_key(key_values(order.partition, partition, order.name), order.name)
    stretch = _stretch(order, span)
    question = repr((order.name, order.shape, where, stretch, span.backwards)).encode()
    mark = blake2s(question, digest_size=_MARK).digest()
    if token is not None:
        last = _last(token, mark, order.name)
        behind = Stretch(b"", last) if span.backwards else Stretch(last + b"\x00", EVERYTHING.upper)
        stretch = stretch.within(behind)
    return Asked(order, where, stretch, span.backwards, limit, mark)


def _stretch(order: Order, span: Span) -> Stretch:
    name = order.name
    prefix, since, before = (
        encode_key(key_values(order.clustering, limit, name, partly=True), name)
        for limit in (span.prefix, span.since, span.before)
    )
    if span.begins:
        following = order.clustering[len(span.prefix) : len(span.prefix) + 1]
        if not following or following[0].kind is not str:
            raise key_form(order.clustering, (*span.prefix, span.begins), name)
    stretch = beginning_with(prefix, span.begins, name) if span.prefix or span.begins else EVERYTHING
    return stretch.within(Stretch(since, before if span.before else EVERYTHING.upper))


def _last(token: str, mark: bytes, place: str) -> bytes:
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        data = b""
    if len(data) <= _MARK or data[:_MARK] != mark:
        raise Refused(
            Problem(
                "page-token",
                zh="该续页标记不属于此查询；请用同一查询上一页给出的标记，或从第一页开始",
                en="this page token is not of this question; "
                "the one that came with its page before is expected, or none",
                place=place,
            )
        )
    return data[_MARK:]


def page_of(table: Table[R], question: Asked, found: list[tuple[bytes, bytes | None]]) -> Page[R]:
    """A page from what was found in order, one more than ``limit`` if there is more; data None: damaged."""
    records: list[R] = []
    here = found[: question.limit]
    for _, data in here:
        if data is not None:
            try:
                records.append(table.read(data))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
    token = question.token(here[-1][0]) if len(found) > question.limit else None
    return Page(tuple(records), token, len(here) - len(records))
