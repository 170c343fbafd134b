"""What a node says of its own API is made of its table: forms, answers, refusals, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from dataset.errors import Problem, Refused
from federation.node.door import LoginRequest
from federation.node.openapi import description
from federation.node.operations import Done, Nothing, Operation, OperationTable, Outcomes, Reply, Request
from tests.harness.declared_answers import answers_held, undeclared, undeclared_in


class Weigh(Request, frozen=True, kw_only=True):
    """What is to be weighed."""

    thing: str


class Weight(Reply, frozen=True, kw_only=True):
    """So heavy."""

    grams: int


WEIGHED = Outcomes(Weight, {404: ("thing-unknown",), 409: ("scale-*",)})
TABLE = OperationTable(
    (
        Operation("weigh", Weigh, frozenset({"grocer"}), lambda actor, ask: {"grams": 7}, "称重", "weigh it", WEIGHED),
        Operation("wait", Nothing, frozenset(), lambda actor, ask: None, "等待", "wait"),
    ),
    Outcomes(Done),
)


def operation(name: str) -> dict[str, Any]:
    told = description("shop", "/shop", TABLE, LoginRequest)
    found: dict[str, Any] = told["paths"][f"/{name}"]["post"]
    return found


def test_an_operation_is_described_by_its_form_its_answer_and_who_may() -> None:
    told = operation("weigh")
    assert (told["operationId"], told["summary"], told["x-roles"]) == ("weigh", "称重 · weigh it", ["grocer"])
    assert told["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Weigh"}
    answer = told["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Weight"}


def test_refusals_stand_beside_those_of_every_operation() -> None:
    responses = operation("weigh")["responses"]
    assert {*responses} == {"200", "400", "401", "403", "404", "409", "413", "415", "429", "500", "503"}
    assert responses["404"]["description"] == "Not Found: `thing-unknown`"
    (_, named) = responses["409"]["content"]["application/json"]["schema"]["allOf"]
    assert named["properties"]["problem"]["properties"]["slug"] == {"anyOf": [{"pattern": "^scale-"}]}
    assert responses["401"]["headers"]["WWW-Authenticate"]["required"]


def test_everybody_may_log_in_and_read_the_description() -> None:
    told = description("shop", "/shop", TABLE, LoginRequest)
    assert told["paths"]["/login"]["post"]["security"] == []
    assert told["paths"]["/openapi.json"]["get"]["security"] == []
    assert told["security"] == [{"bearer": []}, {"cookie": []}]
    assert told["components"]["securitySchemes"]["cookie"]["name"] == "yht_shop"


def test_an_answer_that_is_not_declared_is_found() -> None:
    assert undeclared("weigh", WEIGHED, {"grams": 7}) == ""
    assert "grams" in undeclared("weigh", WEIGHED, {"grams": "seven"})
    assert "ounces" in undeclared("weigh", WEIGHED, {"grams": 7, "ounces": 0})
    assert "missing required field `grams`" in undeclared("weigh", WEIGHED, {})


@pytest.mark.parametrize(
    ("status", "slug", "known"),
    [
        (404, "thing-unknown", True),
        (404, "scale-broken", False),
        (409, "scale-broken", True),
        (400, "bad-request", True),
        (400, "thing-unknown", False),
        (418, "teapot", False),
    ],
)
def test_a_refusal_that_is_not_declared_is_found(status: int, slug: str, known: bool) -> None:
    refused = Refused(Problem(slug, "不行", "no"), status=status)
    assert (undeclared("weigh", WEIGHED, refused) == "") is known


def test_what_was_found_fails_the_test_it_was_found_in() -> None:
    held = answers_held()
    held.__enter__()
    assert OperationTable.told is not None
    OperationTable.told("weigh", WEIGHED, {})
    with pytest.raises(AssertionError, match="weigh answers what Weight does not say"):
        held.__exit__(None, None, None)


def test_an_operation_without_a_declared_answer_is_named_with_what_to_do() -> None:
    (told,) = undeclared_in(TABLE)
    assert told.startswith("wait: give its Operation outcomes=Outcomes(")
