"""The table of what can be asked of a node: one entry per operation, one way to call it, one way to say no.

Every transport (HTTP, WebSocket, memory) calls the same table, so checks of form and role are made once. A request is
a ``msgspec`` struct; whatever does not fit it is refused as ``bad-request`` with the field as ``place``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast

import msgspec
from twisted.internet.defer import Deferred

from dataset.declared import did_you_mean
from dataset.errors import Problem, Refused
from federation.node.login import Actor

Answer = dict[str, Any]
Run = Callable[[Actor, Any], "Answer | Deferred[Answer | None] | Awaitable[Answer | None] | None"]
R = TypeVar("R", bound="Request")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests: fields are exactly those declared."""


class Nothing(Request, frozen=True, kw_only=True):
    """A request without fields."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of declared answers: fields are exactly those declared."""


class Done(Reply, frozen=True, kw_only=True):
    """It is done, and there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What may come of an operation, for its description (``federation.node.openapi``) and for tests, which hold every
    answer against it.

    ``refuses``: HTTP status → slugs, beside those that every operation may meet; a slug may end in ``*``.
    """

    answer: type[msgspec.Struct]
    refuses: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked. ``roles``: any of these is enough; empty: everybody who is logged in."""

    name: str
    request: type[Request]
    roles: frozenset[str]
    run: Run
    zh: str
    en: str
    outcomes: Outcomes | None = None
    """None: its answer is not declared yet, which a test reports"""
    refused: Callable[[Actor, Mapping[str, Any], Refused], None] | None = None
    """told of every refusal, with the fields as they came; for operations whose refusals go on record"""
    largest_file: int = 0
    """over HTTP the body may be a file of so many bytes, as it is: its type is ``media_type``, its bytes ``content``;
    0: the operation takes none"""


Told = Callable[[str, Outcomes, "Answer | Refused"], None]


class OperationTable:
    """All operations of a node, by name. ``login``: what may come of a login at this door."""

    told: ClassVar[Told | None] = None
    """hears the name, the declared outcomes and the answer or refusal of every operation; for tests"""

    def __init__(self, operations: tuple[Operation, ...], login: Outcomes | None = None) -> None:
        self.login = login
        self._operations = {operation.name: operation for operation in operations}
        if len(self._operations) != len(operations):
            raise ValueError("an operation is named twice")

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations.values())

    def largest_file(self, name: str) -> int:
        """Bytes of a file that may be the body of ``name``; 0: none."""
        operation = self._operations.get(name)
        return operation.largest_file if operation is not None else 0

    def check_file(self, actor: Actor, name: str) -> None:
        """Whether ``actor`` may send a file to ``name``, before it is read. Raises ``Refused``: 404
        ``unknown-operation``, 403 ``not-your-role``, 415 ``json-expected``.
        """
        operation = self._known(name)
        _check_role(operation, actor)
        if not operation.largest_file:
            raise json_expected()

    def check_known(self, name: str) -> None:
        """Raises ``Refused`` 404 ``unknown-operation``."""
        self._known(name)

    def __contains__(self, name: object) -> bool:
        return name in self._operations

    async def call(self, actor: Actor, name: str, fields: Mapping[str, Any]) -> Answer:
        """Run one operation. Raises ``Refused``: 404 ``unknown-operation``, 403 ``not-your-role``, 400 ``bad-request``,
        or whatever the operation says.
        """
        operation = self._known(name)
        try:
            return await self.hear(name, operation.outcomes, _run(operation, actor, fields))
        except Refused as refused:
            if operation.refused is not None:
                operation.refused(actor, fields, refused)
            raise

    def _known(self, name: str) -> Operation:
        operation = self._operations.get(name)
        if operation is None:
            zh, en = did_you_mean(name[:40], self._operations)
            raise Refused(
                Problem("unknown-operation", f"没有此操作。{zh}", f"there is no such operation. {en}", name[:40]),
                status=404,
            )
        return operation

    async def hear(self, name: str, outcomes: Outcomes | None, work: Awaitable[Answer]) -> Answer:
        """What ``work`` comes to; whoever listens hears of it first."""
        told = type(self).told
        if told is None or outcomes is None:
            return await work
        try:
            answer = await work
        except Refused as refused:
            told(name, outcomes, refused)
            raise
        told(name, outcomes, answer)
        return answer


async def _run(operation: Operation, actor: Actor, fields: Mapping[str, Any]) -> Answer:
    _check_role(operation, actor)
    result = operation.run(actor, decode(operation.request, fields))
    if isinstance(result, Deferred) or inspect.isawaitable(result):
        result = await result
    return cast(Answer, result) if result is not None else {}


def _check_role(operation: Operation, actor: Actor) -> None:
    if operation.roles and not operation.roles & actor.roles:
        wanted = ", ".join(sorted(operation.roles))
        raise Refused(
            Problem(
                "not-your-role",
                zh=f"您没有此操作的权限，需要角色：{wanted}",
                en=f"your roles do not allow this; it needs one of: {wanted}",
                place=operation.name,
            ),
            status=403,
        )


_AT = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_FIELD = re.compile(r"(?:missing required|contains unknown) field `([^`]+)`")


def decode(request: type[R], fields: Mapping[str, Any]) -> R:
    """The request in ``fields``. Raises ``Refused`` 400 ``bad-request`` with the field as place."""
    try:
        return msgspec.convert(dict(fields), request)
    except msgspec.ValidationError as error:
        raise bad_request(error, request) from error


def bad_request(error: msgspec.ValidationError, request: type[Request]) -> Refused:
    """What is wrong with a request, in words: the field, and the fields that there are."""
    text = str(error)
    at = _AT.search(text)
    field = _FIELD.search(text)
    place = ".".join(part for part in (at[1] if at else "", field[1] if field else "") if part)
    known = ", ".join(request.__struct_fields__) or "-"
    reason = _AT.sub("", text)
    return Refused(
        Problem(
            "bad-request",
            zh=f"请求格式不对：{reason}；可用字段：{known}",
            en=f"malformed request: {reason}; fields: {known}",
            place=place,
        )
    )


def word(fields: Mapping[str, Any], name: str, longest: int = 64) -> str:
    """A field of a request that may have been refused for its form: its beginning, or nothing."""
    value = fields.get(name)
    return value[:longest] if isinstance(value, str) else ""


def json_expected() -> Refused:
    """For a body of another type, where no file is taken."""
    return Refused(
        Problem("json-expected", "应为 application/json", "application/json is expected", "Content-Type"), status=415
    )


def not_an_object(place: str = "") -> Refused:
    """For a body or message that is not a JSON object."""
    return Refused(Problem("bad-request", "应为 JSON 对象", "a JSON object is expected", place))


class ProblemTold(Reply, frozen=True, kw_only=True):
    """What is wrong: ``slug`` for programs, the same sentence in both languages for people, and ``place``: which
    field, file or name.
    """

    slug: str
    zh: str
    en: str
    place: str


class Refusal(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is no success. ``problems``: all of them, where there is more than one."""

    problem: ProblemTold
    problems: tuple[ProblemTold, ...] = ()


def stopping() -> Refused:
    """For what cannot be done any more, or finished, since the node stops."""
    return Refused(
        Problem("stopping", zh="本局正在停机，请稍后重试", en="this node is stopping; try again shortly"), status=503
    )


def city_silent(city: str, so_zh: str, so_en: str) -> Refused:
    """For what another city would have to answer, and does not: ``so_zh``, ``so_en`` say what that means here, and what
    to do.
    """
    return Refused(
        Problem(
            "city-silent",
            zh=f"{city} 现在没有应答；{so_zh}",
            en=f"{city} does not answer now; {so_en}",
            place=city,
        ),
        status=503,
    )


def refusal_of(refused: Refused) -> dict[str, Any]:
    """A refusal as everything outside sees it: the first ``problem`` with ``slug``, ``zh``, ``en``, ``place``, and all
    ``problems`` where there are more, such as the fields of a form.
    """
    problems = [{"slug": one.slug, "zh": one.zh, "en": one.en, "place": one.place} for one in refused.problems]
    return {"problem": problems[0], "problems": problems} if len(problems) > 1 else {"problem": problems[0]}


def refusal_in(problem: Mapping[str, str], status: int) -> Refused:
    """The other way round: what a client raises for a problem it was sent."""
    return Refused(
        Problem(problem["slug"], zh=problem["zh"], en=problem["en"], place=problem.get("place", "")), status=status
    )


def page_of(table: OperationTable) -> str:
    """A Markdown table of all operations, for the documentation."""
    rows = ["| operation | fields | roles | 含义 | meaning |", "|---|---|---|---|---|"]
    for one in table:
        fields = ", ".join(
            f"`{field.name}`" + ("" if field.required else "?") for field in msgspec.structs.fields(one.request)
        )
        roles = ", ".join(sorted(one.roles)) or "—"
        rows.append(f"| `{one.name}` | {fields} | {roles} | {one.zh} | {one.en} |")
    return "\n".join(rows) + "\n"
