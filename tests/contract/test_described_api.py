"""What a node says of its own API is true: everything that can be sent, right or wrong, is answered as described.

``YHT_API_EXAMPLES`` (15): how many requests schemathesis makes of each operation and kind, for longer runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from simulation.province import PROVINCE_USER, city_base, password_of
from tests.harness.open_province import SUPERVISOR, OpenProvince
from tests.harness.work import form_for
from tests.province.three_cities import GUANGZHOU, STAFF
from tests.province.working_province import INSTALL, LINE

EXAMPLES = int(os.environ.get("YHT_API_EXAMPLES", "15"))
WITHIN_S = max(120.0, 20.0 * EXAMPLES)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LAST = ("transfer", "hang_up", "finish", "logout", "login", "password")
"""after these the seat has no contact any more, nobody is logged in, or the user is locked"""


@dataclass(frozen=True)
class Who:
    """Somebody who uses an API."""

    base: str
    user: str
    seat: str = ""

    def login(self, address: str) -> dict[str, Any]:
        """The answer to a login: ``token``, ``roles``."""
        fields = {"user": self.user, "password": password_of(self.user), **({"seat": self.seat} if self.seat else {})}
        answer = requests.post(f"{address}{self.base}/api/v1/login", json=fields, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


AGENT = Who(city_base(GUANGZHOU), STAFF[GUANGZHOU], "8001")
BOSS = Who(city_base(GUANGZHOU), SUPERVISOR)
BUREAU = Who("/hub", PROVINCE_USER.user)
EVERYBODY = pytest.mark.parametrize("who", [AGENT, BOSS, BUREAU], ids=["agent", "supervisor", "bureau"])


@pytest.fixture
def province() -> Iterator[OpenProvince]:
    made = OpenProvince()
    yield made
    made.close()


def described(province: OpenProvince, who: Who) -> dict[str, Any]:
    """What the node says of itself, to somebody who is not logged in."""
    answer = province.serve(lambda: requests.get(f"{province.address}{who.base}/api/v1/openapi.json", timeout=30), 30)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def names_of(document: Mapping[str, Any]) -> list[str]:
    """All operations, those that end something last."""
    names = [path[1:] for path, methods in document["paths"].items() if "post" in methods]
    return sorted(names, key=lambda name: LAST.index(name) if name in LAST else -1)


def known_of(province: OpenProvince, who: Who) -> dict[str, Any]:
    """What is there to be named: a contact at the first seat, a work item, a customer's line, a colleague."""
    seat = province.seat_of(GUANGZHOU)
    contact = seat.take_call(GUANGZHOU)
    receipt = seat.order(contact)
    colleague = province.seat_of(GUANGZHOU, 1)
    return {
        "contact": contact,
        "item": receipt["item"],
        "request": receipt["request"],
        "line": LINE,
        "text": "王",
        "topic": "order",
        "month": "2026-11",
        "service": INSTALL.id,
        "values": form_for(INSTALL, ("contact_phone", "promised"), now=province.time.wall()),
        "to": f"{colleague.staff}@{GUANGZHOU}" if who is not BUREAU else province.time.wall(),
        "from": province.time.wall() - 3600.0,
        "owning": GUANGZHOU,
        "city": GUANGZHOU,
        "action": "confirm_plant",
        "reason": "meal",
        "code": "solved",
        "day": "2026-11-26",
        "first": "2026-11-26",
        "last": "2026-11-26",
        "node": GUANGZHOU,
    }


# ── what is described ───────────────────────────────────────────────────────────────────────────────────────────────
@EVERYBODY
def test_the_description_is_whole(province: OpenProvince, who: Who) -> None:
    """Every operation is there, with both languages, and every schema can be used."""
    document = described(province, who)
    node = province.sites[GUANGZHOU].desk.door if who.base != "/hub" else province.hub and province.hub.door
    assert node
    assert set(names_of(document)) == {"login", *(one.name for one in node.table)}
    for one in node.table:
        told = document["paths"][f"/{one.name}"]["post"]
        assert told["summary"] == f"{one.zh} · {one.en}"
        assert told["x-roles"] == sorted(one.roles)
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema({**schema, "$id": name})
    assert document["servers"] == [{"url": f"{who.base}/api/v1"}]


# ── schemathesis ────────────────────────────────────────────────────────────────────────────────────────────────────
@EVERYBODY
def test_every_answer_is_as_described(province: OpenProvince, who: Who) -> None:
    """Requests that fit the description, with names of what is there and of what is not, and requests that do not."""
    document = described(province, who)
    schema = schemathesis.openapi.from_dict(document)
    known = known_of(province, who)
    wrong: list[str] = []

    def attack() -> None:
        with requests.Session() as session:
            me = who.login(province.address)
            for name in names_of(document):
                me = who.login(province.address) if name == "password" else me
                for mode in GenerationMode:
                    try:
                        send(schema[f"/{name}"]["POST"], mode, session, me)
                    except (AssertionError, BaseExceptionGroup) as error:  # all that is found is told together, below
                        wrong.append(f"{name}, {mode.value}: {error}")

    def send(operation: Any, mode: GenerationMode, session: requests.Session, me: Mapping[str, Any]) -> None:
        good = mode is GenerationMode.POSITIVE
        roles = operation.definition.raw["x-roles"]

        @settings(
            max_examples=EXAMPLES if not roles or {*roles} & {*me["roles"]} else 2,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), named=st.sets(st.sampled_from(sorted(known))))
        def one(case: Any, named: set[str]) -> None:
            if good and isinstance(case.body, dict) and operation.path != "/login":
                case.body |= {key: known[key] for key in named & {*case.body}}
            token = (who.login(province.address) if operation.path == "/logout" else me)["token"]
            response = case.call(
                base_url=f"{province.address}{who.base}/api/v1",
                session=session,
                headers={"Authorization": f"Bearer {token}"},
            )
            # too large is wrong enough, whatever else is: schemathesis does not count that as a rejection
            rejected = [] if good or response.status_code == 413 else [negative_data_rejection]
            case.validate_response(response, checks=[*CHECKS, *rejected])
            if good and not has_whole_floats(case.body):
                assert "malformed" not in response.text, f"refused though it fits: {case.body!r}: {response.text}"

        one()

    province.serve(attack, WITHIN_S)
    assert not wrong, "\n\n".join(wrong)


def has_whole_floats(value: Any) -> bool:
    """``1.0`` is a whole number to JSON Schema, and none to a node."""
    if isinstance(value, dict | list):
        return any(has_whole_floats(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


# ── what no schema would think of ───────────────────────────────────────────────────────────────────────────────────
HOSTILE = {
    "nothing": "null",
    "nul": '"\\u0000"',
    "half a character": '"\\ud800"',
    "right to left": '"\\u202e\\u0000\\ufeff"',
    "long": json.dumps("长" * 4_000),
    "beyond 64 bits": "18446744073709551616",
    "far beyond": "1" + "0" * 400,
    "below": "-9223372036854775809",
    "too large a float": "1e400",
    "large float": "1e300",
    "a float for a count": "1.5",
    "no number": "NaN",
    "endless": "Infinity",
    "negative nought": "-0.0",
    "deep": "[" * 2_000 + "]" * 2_000,
    "deep object": '{"a":' * 1_500 + "1" + "}" * 1_500,
    "yes": "true",
    "list": "[]",
    "object": '{"": null}',
    "one line of another": '"a\\nb\\r\\nSet-Cookie: x=y"',
    "markup": '"<script>alert(1)</script>"',
    "sql": '"\' OR 1=1 --"',
    "path": '"../../../etc/passwd"',
    "nought": "0",
    "minus one": "-1",
    "the first day": '"0001-01-01"',
    "the last day": '"9999-12-31"',
    "the first month": '"0001-01"',
    "the last month": '"9999-12"',
    "a week": '"2026-W01-1"',
    "the last second": "253402300799",
    "digits": '"٠١٢٣٤٥٦٧٨٩"',
}


@EVERYBODY
def test_nothing_hostile_breaks_an_operation(province: OpenProvince, who: Who) -> None:
    """Each field of each operation with values that JSON can carry and nobody expects, the other fields being good."""
    document = described(province, who)
    known = known_of(province, who)
    wrong: dict[str, str] = {}

    def fields_of(name: str) -> dict[str, Any]:
        content = document["paths"][f"/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        return dict(document["components"]["schemas"][content["$ref"].rpartition("/")[2]])

    def attack() -> None:
        token = who.login(province.address)["token"]
        with requests.Session() as session:
            for name in names_of(document):
                schema = fields_of(name)
                good = {key: json.dumps(known.get(key, 1)) for key in schema.get("required", ())}
                for key in schema["properties"]:
                    for kind, text in HOSTILE.items():
                        body = "{" + ", ".join(f'"{one}": {value}' for one, value in {**good, key: text}.items()) + "}"
                        answer = session.post(
                            f"{province.address}{who.base}/api/v1/{name}",
                            body.encode(),
                            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                            timeout=30,
                        )
                        told = document["paths"][f"/{name}"]["post"]["responses"]
                        if str(answer.status_code) not in told or answer.status_code >= 500:
                            wrong[f"{name} {key} = {kind}"] = f"{answer.status_code} {answer.text[:200]}"

    province.serve(attack, WITHIN_S)
    assert not wrong, "\n".join(f"{where}: {what}" for where, what in wrong.items())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("name", ["ready", "openapi.json", "live", "nothing"])
def test_other_methods_are_refused_with_those_that_are_allowed(province: OpenProvince, method: str, name: str) -> None:
    if name in ("openapi.json", "live") and method in ("GET", "HEAD"):
        return
    url = f"{province.address}{AGENT.base}/api/v1/{name}"
    answer = province.serve(lambda: requests.request(method, url, timeout=30), 30)
    assert answer.status_code == 405
    assert answer.headers["allow"]


def test_an_operation_has_nothing_below_it(province: OpenProvince) -> None:
    def ask() -> Any:
        token = AGENT.login(province.address)["token"]
        url = f"{province.address}{AGENT.base}/api/v1/ready/now"
        return requests.post(url, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    answer = province.serve(ask, 30)
    assert (answer.status_code, answer.json()["problem"]["slug"]) == (404, "unknown-operation")
