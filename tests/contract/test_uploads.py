"""A file comes to a work item over HTTP as a browser sends it, and what is too much is refused while it comes."""

from __future__ import annotations

import json
import socket
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulation.province import city_base
from tests.contract.test_described_api import AGENT, Who
from tests.harness.open_province import AUDITOR, OpenProvince
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.three_cities import GUANGZHOU
from tests.province.working_province import LINE

TYPE = "application/pdf"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 4_000
"""about 1 MB"""


class Uploads:
    """Somebody logged in over HTTP, with a fault report."""

    def __init__(self, province: OpenProvince) -> None:
        self.province = province
        province.network.add_seat(GUANGZHOU, AGENT.seat)
        self.token = province.serve(lambda: AGENT.login(province.address), 30.0)["token"]
        values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
        self.item = self.ask("work_open", service="fault", values=values).json()["item"]

    def ask(self, operation: str, **fields: Any) -> requests.Response:
        return self.post(operation, json=fields)

    def attach(
        self, content: Any, name: str = "合同.pdf", kind: str = TYPE, token: str = "", **more: Any
    ) -> requests.Response:
        fields = {"item": self.item, "name": name}
        headers = {"Content-Type": kind, **more}
        return self.post("work_attach", params=fields, data=content, headers=headers, token=token)

    def raw(self, operation: str, kind: str, more: str) -> bytes:
        """What a head alone is answered with, until the connection ends."""
        path = f"POST {city_base(GUANGZHOU)}/api/v1/{operation}"
        head = f"{HEAD.format(path=path, kind=kind, more=more)}\r\n".encode()
        where = self.province.address.removeprefix("http://").split(":")

        def work() -> bytes:
            with socket.create_connection((where[0], int(where[1])), timeout=20) as connection:
                connection.sendall(head)
                answer = b""
                while data := connection.recv(65_536):
                    answer += data
                return answer

        answer: bytes = self.province.serve(work, 30.0)
        return answer

    def post(self, operation: str, headers: Any = None, token: str = "", **how: Any) -> requests.Response:
        shown = {"Authorization": f"Bearer {token or self.token}", **(headers or {})}
        address = f"{self.province.address}{city_base(GUANGZHOU)}/api/v1/{operation}"
        answer: requests.Response = self.province.serve(
            lambda: requests.post(address, headers=shown, timeout=60, **how), 60.0
        )
        return answer


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    province = OpenProvince()
    yield Uploads(province)
    province.close()


def slug(answer: requests.Response) -> str:
    found: str = answer.json()["problem"]["slug"]
    return found


def test_a_megabyte_is_attached_and_opened_again(uploads: Uploads) -> None:
    added = uploads.attach(PDF)
    assert added.status_code == 200, added.text
    assert added.json()["attachment"]["name"] == "合同.pdf"
    uploads.ask("work_take", item=uploads.item)
    opened = uploads.ask("work_attachment", attachment=added.json()["attachment"]["attachment"])
    assert b64decode(opened.json()["content"]) == PDF


def test_more_than_the_operation_takes_is_refused_while_it_comes(uploads: Uploads) -> None:
    """20 MB, with their length before them and without: the answer comes all the same."""
    content = b"%PDF-" + bytes(20_000_000)
    for sent in (content, iter([content[at : at + 100_000] for at in range(0, len(content), 100_000)])):
        answer = uploads.attach(sent)
        assert (answer.status_code, slug(answer)) == (413, "request-too-large")
        assert "10000000" in answer.json()["problem"]["en"]
    assert uploads.ask("work_attachments", item=uploads.item).json()["attachments"] == []


HEAD = "{path}?item=w&name=a.pdf HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{more}"


@pytest.mark.parametrize(
    ("operation", "kind", "length", "logged_in", "status", "expected"),
    [
        ("work_attach", TYPE, "1000", False, 401, "not-logged-in"),
        ("work_attach", TYPE, "1000", None, 401, "not-logged-in"),
        ("work_atach", TYPE, "1000", True, 404, "unknown-operation"),
        ("work_atach", "application/json", "1000", True, 404, "unknown-operation"),
        ("work_attach", TYPE, "10000001", True, 413, "request-too-large"),
        ("work_attach", "application/json", "16001", True, 413, "request-too-large"),
        ("work_note", "application/json", "16001", True, 413, "request-too-large"),
        ("work_note", TYPE, "1000", True, 415, "json-expected"),
        ("login", "application/json", "16001", None, 413, "request-too-large"),
        ("login", TYPE, "1000", None, 415, "json-expected"),
        ("work_attach", TYPE, None, False, 401, "not-logged-in"),
        ("work_atach", TYPE, None, True, 404, "unknown-operation"),
    ],
)
def test_a_head_that_leads_nowhere_is_answered_before_the_body(
    uploads: Uploads, operation: str, kind: str, length: str | None, logged_in: bool | None, status: int, expected: str
) -> None:
    """Who it is, what for and how much: nothing of the body has to come for the answer, and the connection ends."""
    token = {True: uploads.token, False: "0" * 64, None: ""}[logged_in]
    more = f"Authorization: Bearer {token}\r\n" if token else ""
    more += f"Content-Length: {length}\r\n" if length is not None else "Transfer-Encoding: chunked\r\n"
    answer = uploads.raw(operation, kind, more + "Expect: 100-continue\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.splitlines()[0].split()[1] == str(status).encode()
    assert (b"www-authenticate: Bearer" in head) == (status == 401)
    assert json.loads(body)["problem"]["slug"] == expected
    assert b"100 Continue" not in answer


def test_a_role_that_may_not_attach_is_told_before_the_body(uploads: Uploads) -> None:
    token = uploads.province.serve(lambda: Who(city_base(GUANGZHOU), AUDITOR).login(uploads.province.address), 30.0)[
        "token"
    ]
    answer = uploads.raw("work_attach", TYPE, f"Authorization: Bearer {token}\r\nContent-Length: 1000\r\n")
    assert b" 403 " in answer.splitlines()[0]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["problem"]["slug"] == "not-your-role"


def test_what_is_refused_while_it_comes_leaves_the_next_request_alone(uploads: Uploads) -> None:
    for _ in range(3):
        assert uploads.attach(PDF, token="0" * 64).status_code == 401
        assert uploads.ask("work_attachments", item=uploads.item).status_code == 200


def test_a_file_for_an_operation_that_takes_none_is_refused(uploads: Uploads) -> None:
    answer = uploads.post("work_note", data=PDF, headers={"Content-Type": TYPE})
    assert (answer.status_code, slug(answer)) == (415, "json-expected")


def test_a_file_wants_a_login_its_own_origin_and_its_fields(uploads: Uploads) -> None:
    answer = uploads.attach(PDF, Origin="https://elsewhere.example")
    assert (answer.status_code, slug(answer)) == (403, "origin-refused")
    answer = uploads.post("work_attach", params={"item": uploads.item}, data=PDF, headers={"Content-Type": TYPE})
    assert (answer.status_code, slug(answer)) == (400, "bad-request")
    answer = uploads.attach(PDF, name="a.html", kind="text/html")
    assert (answer.status_code, slug(answer)) == (400, "attachment-type")
    uploads.token = "0" * 64
    assert uploads.attach(PDF).status_code == 401
