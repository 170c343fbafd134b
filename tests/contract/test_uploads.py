"""A file comes to a work item over HTTP as a browser sends it, and what is too much is refused while it comes."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulation.province import city_base
from tests.contract.test_described_api import AGENT
from tests.harness.open_province import OpenProvince
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

    def attach(self, content: Any, name: str = "合同.pdf", kind: str = TYPE, **more: Any) -> requests.Response:
        fields = {"item": self.item, "name": name}
        return self.post("work_attach", params=fields, data=content, headers={"Content-Type": kind, **more})

    def post(self, operation: str, headers: Any = None, **how: Any) -> requests.Response:
        shown = {"Authorization": f"Bearer {self.token}", **(headers or {})}
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


def test_twenty_megabytes_are_refused_while_they_come(uploads: Uploads) -> None:
    try:
        answer = uploads.attach(b"%PDF-" + bytes(20_000_000))
    except requests.ConnectionError:
        pass  # the node has closed before the client was done with sending
    else:
        assert (answer.status_code, slug(answer)) == (413, "request-too-large")
    assert uploads.ask("work_attachments", item=uploads.item).json() == {"attachments": []}


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
