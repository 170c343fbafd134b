"""A node's description of its own API: OpenAPI 3.1, made of the table of operations, so that it cannot say other than
what is checked and sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from federation.node.operations import Operation, OperationTable, Outcomes, Refusal, Request

VERSION = "1"
"""of the API, as in ``api/v1``"""
_BY_ANY: Mapping[int, tuple[str, ...]] = {
    400: ("bad-request",),
    401: ("not-logged-in",),
    403: ("not-your-role", "origin-refused"),
    413: ("request-too-large",),
    415: ("json-expected",),
    429: ("too-many-requests",),
    500: ("internal",),
    503: ("stopping",),
}
_ABOUT = """\
每个操作是一个 POST，请求和答复都是 JSON 对象；角色见各操作的 `x-roles`，空为任何已登录者。
同样的操作也经 WebSocket `live` 提供，另有推送。

Every operation is a POST of one JSON object, answered by one; `x-roles` names the roles of which one is needed, none
means whoever is logged in. The same operations are served by the WebSocket `live`, which pushes changes besides: its
first message is `attach` with the token."""


def refused_by_any(status: int) -> tuple[str, ...]:
    """The slugs with which every operation may be refused at ``status``."""
    return _BY_ANY.get(status, ())


def description(node: str, base: str, table: OperationTable, login: type[Request]) -> dict[str, Any]:
    """The whole document. ``base``: the path that the node is mounted under; ``login``: the request of a login."""
    operations = list(table)
    told = [one.outcomes.answer for one in operations if one.outcomes is not None]
    if table.login is not None:
        told.append(table.login.answer)
    types: list[Any] = list(dict.fromkeys([Refusal, login, *(one.request for one in operations), *told]))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    of = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    if table.login is not None:
        entered = Operation("login", login, frozenset(), lambda actor, ask: None, "登录", "log in", table.login)
        paths["/login"] = {"post": {**_operation(entered, of), "security": []}}
    paths |= {f"/{one.name}": {"post": _operation(one, of)} for one in operations}
    paths["/openapi.json"] = {"get": _itself()}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"一号通 Yihaotong: {node}", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": f"{base}/api/v{VERSION}"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`token` of the answer to `login`"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": f"yht_{node}",
                    "description": "set by `login`, for pages of the same origin: `Origin` or `Sec-Fetch-Site` says so",
                },
            },
        },
    }


def _operation(one: Operation, of: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "operationId": one.name,
        "summary": f"{one.zh} · {one.en}",
        "x-roles": sorted(one.roles),
        "requestBody": {"required": True, "content": _json(of[one.request])},
        "responses": _responses(one, of),
    }


def _responses(one: Operation, of: Mapping[Any, Any]) -> dict[str, Any]:
    """200 and every refusal by its status; without declared outcomes any object may be the answer."""
    outcomes = one.outcomes
    answer = of[outcomes.answer] if outcomes is not None else {"type": "object"}
    found = {
        "200": {"description": "完成 · done", "headers": _headers(one, 200), "content": _json(answer)},
    }
    for status, slugs in _refusals(outcomes):
        found[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{slug}`' for slug in slugs)}",
            "headers": _headers(one, status),
            "content": _json(_refusal(of[Refusal], slugs)),
        }
    return found


def _refusals(outcomes: Outcomes | None) -> Iterable[tuple[int, tuple[str, ...]]]:
    own = outcomes.refuses if outcomes is not None else {}
    for status in sorted({*own, *_BY_ANY}):
        yield status, tuple(dict.fromkeys((*own.get(status, ()), *_BY_ANY.get(status, ()))))


def _refusal(refusal: Any, slugs: Iterable[str]) -> dict[str, Any]:
    """A refusal whose first problem has one of these slugs."""
    whole = sorted(slug for slug in slugs if not slug.endswith("*"))
    begun = sorted(slug.rstrip("*") for slug in slugs if slug.endswith("*"))
    either: list[dict[str, Any]] = [{"pattern": f"^{start}"} for start in begun]
    if whole:
        either.append({"enum": whole})
    return {"allOf": [refusal, {"properties": {"problem": {"properties": {"slug": {"anyOf": either}}}}}]}


def _headers(one: Operation, status: int) -> dict[str, Any]:
    text = {"type": "string"}
    headers = {"Cache-Control": {"required": True, "schema": {"const": "no-store"}}}
    if status == 401:
        headers["WWW-Authenticate"] = {"required": True, "schema": text}
    if status == 200 and one.name in ("login", "logout"):
        headers["Set-Cookie"] = {"required": True, "schema": text}
    return headers


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _itself() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "本说明 · this description",
        "security": [],
        "responses": {"200": {"description": "OpenAPI 3.1", "content": _json({"type": "object"})}},
    }
