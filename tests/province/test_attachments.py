"""Files are attached to work items at the seat, and opened again by those who may; every look is on record."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import AttachmentId, NodeId
from dataset.puts import Put
from dataset.records.attachment import ATTACHMENTS, Attachment, digest
from dataset.rows import DataViewed
from dataset.work import WorkItemId
from tests.harness.services import catalogue
from tests.harness.work import form_for
from tests.province.test_views_on_record import Overseer, Watched
from tests.province.three_cities import GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat

PNG = b"\x89PNG\r\n\x1a\n" + b"a scanned page" * 20


@pytest.fixture
def province() -> Watched:
    return Watched(with_records=True)


def fault(province: Watched) -> tuple[Seat, str]:
    """A fault report of a customer of 广州, and the agent who took it."""
    seat = province.seat_of(GUANGZHOU)
    values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
    return seat, str(seat.ask("work_open", service="fault", values=values)["item"])


def attach(seat: Any, item: str, content: bytes = PNG, name: str = "身份证 正面.png", kind: str = "image/png") -> Any:
    return seat.ask("work_attach", item=item, name=name, media_type=kind, content=b64encode(content).decode())[
        "attachment"
    ]


def slug(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.problems[0].slug


def test_a_file_is_attached_listed_and_opened_as_it_was(province: Watched) -> None:
    seat, item = fault(province)
    added = attach(seat, item)
    assert (added["item"], added["name"], added["size"]) == (item, "身份证 正面.png", len(PNG))
    assert added["by"] == "1001@guangzhou"
    assert (added["sha256"], added["state"]) == (digest(PNG), "accepted")
    attach(seat, item, b"\xe7\x94\xa8\xe6\x88\xb7", "说明.txt", "text/plain")
    found = seat.ask("work_attachments", item=item)["attachments"]
    assert [one["name"] for one in found] == ["身份证 正面.png", "说明.txt"]
    assert found[0] == added
    seat.ask("work_take", item=item)
    opened = seat.ask("work_attachment", attachment=added["attachment"])
    assert (opened["attachment"], b64decode(opened["content"])) == (added, PNG)


def test_a_file_is_opened_by_whoever_has_the_item_and_by_a_supervisor_for_a_reason(province: Watched) -> None:
    seat, item = fault(province)
    which = attach(seat, item)["attachment"]
    with pytest.raises(Refused) as refused:
        seat.ask("work_attachment", attachment=which)
    assert slug(refused) == "unmask-not-yours"
    boss = Overseer(province, GUANGZHOU)
    with pytest.raises(Refused) as refused:
        boss.ask("work_attachment", attachment=which)
    assert slug(refused) == "reason-missing"
    assert b64decode(boss.ask("work_attachment", attachment=which, reason="投诉复核")["content"]) == PNG
    with pytest.raises(Refused) as refused:
        Overseer(province, GUANGZHOU, "auditor").ask("work_attachments", item=item)
    assert slug(refused) == "not-your-role"
    province.pass_s(0.2)
    found = [one for one in province.rows(GUANGZHOU, DataViewed) if one.operation.startswith("work_attachment")]
    assert [(one.operation, one.unmasked, one.reason, one.refused) for one in found] == [
        ("work_attachment", False, "", "unmask-not-yours"),
        ("work_attachment", False, "", "reason-missing"),
        ("work_attachment", True, "投诉复核", ""),
        ("work_attachments", False, "", "not-your-role"),
    ]
    assert (found[2].id, found[2].line, found[2].listed) == (item, LINE, (which,))


@pytest.mark.parametrize(
    ("name", "kind", "content", "expected"),
    [
        ("../../etc/passwd", "image/png", PNG, "attachment-name"),
        ("a\\b.png", "image/png", PNG, "attachment-name"),
        (".profile", "image/png", PNG, "attachment-name"),
        ("a\x00.png", "image/png", PNG, "attachment-name"),
        ("a\u202egnp.exe", "image/png", PNG, "attachment-name"),
        (" ", "image/png", PNG, "attachment-name"),
        ("", "image/png", PNG, "attachment-name"),
        ("长" * 101, "image/png", PNG, "attachment-name"),
        ("a.png", "image/png", b"", "attachment-empty"),
        ("a.png", "image/png", b"GIF89a", "attachment-type"),
        ("a.html", "text/html", b"<script>", "attachment-type"),
        ("a.svg", "image/svg+xml", b"<svg/>", "attachment-type"),
        ("a.txt", "text/plain", b"\xff\xfe\x00", "attachment-type"),
        ("a.wav", "audio/wav", b"RIFF\x00\x00\x00\x00AVI ", "attachment-type"),
    ],
)
def test_what_is_no_file_for_a_work_item_is_refused_and_leaves_nothing(
    province: Watched, name: str, kind: str, content: bytes, expected: str
) -> None:
    seat, item = fault(province)
    with pytest.raises(Refused) as refused:
        attach(seat, item, content, name, kind)
    assert slug(refused) == expected
    assert seat.ask("work_attachments", item=item)["attachments"] == []


def test_content_that_is_no_base64_is_refused(province: Watched) -> None:
    seat, item = fault(province)
    with pytest.raises(Refused) as refused:
        seat.ask("work_attach", item=item, name="a.png", media_type="image/png", content="?")
    assert slug(refused) == "attachment-content"
    with pytest.raises(Refused) as refused:
        seat.ask("work_attach", item=item, name="a.png", media_type="image/png", content="a=a")
    assert slug(refused) == "attachment-content"


def test_an_item_takes_so_many_files(province: Watched) -> None:
    seat, item = fault(province)
    for number in range(20):
        attach(seat, item, PNG + bytes([number]))
    with pytest.raises(Refused) as refused:
        attach(seat, item)
    assert slug(refused) == "attachments-too-many"


def test_what_is_not_known_here_is_said(province: Watched) -> None:
    _, item = fault(province)
    away = province.seat_of(SHENZHEN)
    for nothing in (item, "w-0"):
        with pytest.raises(Refused) as refused:
            attach(away, nothing)
        assert slug(refused) == "work-unknown"
    with pytest.raises(Refused) as refused:
        away.ask("work_attachment", attachment="a")
    assert slug(refused) == "attachment-unknown"
    with pytest.raises(Refused) as refused:
        away.ask("work_attachments", item="w-0")
    assert slug(refused) == "work-unknown"
    with pytest.raises(Refused) as refused:
        away.ask("work_attachments", item=item, owning="atlantis")
    assert slug(refused) == "city-unknown"


def test_the_same_file_handed_in_again_is_one(province: Watched) -> None:
    seat, item = fault(province)
    fields = {"item": item, "name": "a.txt", "media_type": "text/plain", "content": "YQ==", "key": "1"}
    first, again = seat.ask("work_attach", **fields), seat.ask("work_attach", **fields)
    assert again == first
    assert first["receipt"]["state"] == "accepted"
    assert seat.ask("work_attach", **{**fields, "key": "2"})["attachment"] != first["attachment"]
    assert len(seat.ask("work_attachments", item=item)["attachments"]) == 2


def test_a_file_is_a_step_of_its_item_and_comes_on_an_ended_one_too(province: Watched) -> None:
    seat, item = fault(province)
    added = attach(seat, item)
    seat.ask("work_act", item=item, action="withdraw", note="用户撤回")
    attach(seat, item, b"bye", "end.txt", "text/plain")
    shown = seat.ask("work_item", item=item)["item"]
    assert [(one["step"], one["file"]) for one in shown["steps"]][1:] == [
        ("attached", "身份证 正面.png"), ("acted", None), ("attached", "end.txt"),
    ]  # fmt: skip
    assert shown["ends"] == "cancelled"
    assert shown["steps"][1]["attachment"] == added["attachment"]
    work = province.sites[GUANGZHOU].running.work
    assert work is not None
    assert province.hub_book().item(work.desk.item(WorkItemId(item)).id) == work.desk.item(WorkItemId(item))


def test_files_from_before_there_were_rows_of_them_are_listed_and_opened(province: Watched) -> None:
    seat, item = fault(province)
    records = province.sites[GUANGZHOU].records
    assert records is not None
    old = Attachment(
        id=AttachmentId("a0020-7f3a9c21-000001"), city=GUANGZHOU, kind="file", name="旧.png", media_type="image/png",
        size=len(PNG), sha256=digest(PNG), parts=0, at=1.0, by=None, work_item=item,
    )  # fmt: skip
    province.memory.disk(NodeId(GUANGZHOU)).files[digest(PNG)] = PNG
    province.result(records.put([Put(ATTACHMENTS, old)]).addCallback(lambda _: {}))
    added = attach(seat, item)
    province.pass_s(1.0)
    found = seat.ask("work_attachments", item=item)["attachments"]
    assert [one["attachment"] for one in found] == [old.id, added["attachment"]]
    seat.ask("work_take", item=item)
    assert b64decode(seat.ask("work_attachment", attachment=old.id)["content"]) == PNG
