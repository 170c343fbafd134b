"""Files of another city's work items: handed in, cut off, doubled, listed and opened over the line between them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from dataset.errors import Refused
from dataset.ids import CityId, NodeId
from dataset.records.attachment import ATTACHMENTS, digest
from dataset.rows import DataViewed, WorkRefused, WorkRequested, WorkStepped
from dataset.work import Attached, WorkItemId
from federation.core.envelope import Envelope, PieceTold
from federation.links.inprocess import Fate
from federation.node.file_pieces import LARGEST_PIECE
from tests.harness.older import before
from tests.province.test_attachments import slug
from tests.province.test_views_on_record import Overseer, Watched
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import LINE, Seat

SCAN = b"%PDF-1.7\n" + Random(1).randbytes(300_000)
"""a scanned page"""


class Scene:
    """An agent in 深圳 with a caller, and the order of that customer of 广州."""

    def __init__(self) -> None:
        self.province = Watched(with_records=True)
        self.seat = self.province.seat_of(SHENZHEN)
        self.contact = self.seat.take_call(SHENZHEN)
        self.item: str = self.seat.order(self.contact)["item"]
        self.province.pass_s(2.0)
        self.pieces: list[tuple[float, int]] = []
        """when each piece came, and its bytes"""
        self.province.wires.on_fate = self._fate

    def _fate(self, fate: Fate, receiver: NodeId, envelope: Envelope) -> None:
        if fate is Fate.ARRIVED and isinstance(envelope.body, PieceTold):
            self.pieces.append((self.province.time.monotonic(), len(envelope.body.data)))

    def attach(self, content: bytes = SCAN, key: str = "", seat: Seat | None = None, **more: Any) -> dict[str, Any]:
        fields = {"item": self.item, "name": "合同.pdf", "media_type": "application/pdf", "key": key, **more}
        asked = (seat or self.seat).upload("work_attach", content=b64encode(content).decode(), **fields)
        return self.province.result(asked)

    def listed(self, seat: Seat | None = None, **more: Any) -> list[tuple[str, str]]:
        found = (seat or self.seat).ask("work_attachments", item=self.item, **more)["attachments"]
        return [(one["name"], one["state"]) for one in found]

    def open(self, attachment: str, seat: Any = None, within_s: float = 60.0, **more: Any) -> bytes:
        asked = (seat or self.seat).live.send("work_attachment", attachment=attachment, **more)
        return b64decode(self.province.result(asked, within_s)["content"])

    def taken(self) -> list[Attached]:
        rows = self.province.rows(GUANGZHOU, WorkStepped)
        return [row.step for row in rows if isinstance(row.step, Attached)]

    def kept(self, city: CityId) -> tuple[set[str], set[str]]:
        """Contents on the disk of a city: its own, and those that others have yet to take."""
        disk = self.province.memory.disk(NodeId(city))
        return set(disk.files), set(disk.sending)

    def until_half(self) -> None:
        while sum(size for _, size in self.pieces) < len(SCAN) / 2:
            self.province.pass_s(0.1)

    def cut(self, *, restore: bool = False) -> None:
        for one, other in ((GUANGZHOU, SHENZHEN), (SHENZHEN, GUANGZHOU)):
            self.province.wires.line(NodeId(one), NodeId(other)).cut = not restore


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_file_for_another_citys_item_is_pending_at_once_and_then_lies_there(scene: Scene) -> None:
    """It is in the store of the owning city, on record for all that hold the item, and nowhere else."""
    added = scene.attach()
    assert (added["attachment"]["state"], added["receipt"]["state"]) == ("pending", "pending")
    assert scene.listed() == [("合同.pdf", "pending")]
    assert scene.kept(SHENZHEN) == (set(), {digest(SCAN)})
    scene.province.pass_s(20.0)
    assert scene.seat.receipts()[-1] == {**added["receipt"], "state": "accepted"}
    assert scene.listed() == [("合同.pdf", "accepted")]
    assert scene.kept(SHENZHEN) == (set(), set())
    assert scene.kept(GUANGZHOU) == ({digest(SCAN)}, set())
    [step] = scene.taken()
    assert (step.attachment, step.by.agent, step.size) == (
        added["attachment"]["attachment"],
        "2001@shenzhen",
        len(SCAN),
    )
    records = scene.province.sites[GUANGZHOU].records
    assert records is not None
    found: list[Any] = []
    records.get(ATTACHMENTS, (step.attachment,)).addCallback(found.append)
    scene.province.pass_s(1.0)
    assert (found[0].name, found[0].city, found[0].sha256) == ("合同.pdf", GUANGZHOU, digest(SCAN))
    books = [site.running.work.desk.book for site in scene.province.sites.values() if site.running.work is not None]
    for book in (*books[:2], scene.province.hub_book()):
        assert [one for one in book.steps(added["receipt"]["item"]) if isinstance(one, Attached)] == [step]
    third = scene.province.seat_of(FOSHAN)
    assert scene.listed(third) == [("合同.pdf", "accepted")]
    assert scene.listed(third, owning="guangzhou") == [("合同.pdf", "accepted")]


def test_it_comes_in_small_pieces_one_after_the_other_at_a_pace(scene: Scene) -> None:
    """S4: a quarter of what the ledger may take of the line."""
    scene.attach()
    scene.attach(SCAN[::-1].replace(SCAN[::-1][:5], b"%PDF-", 1), name="二.pdf")
    scene.province.pass_s(30.0)
    assert [state for _, state in scene.listed()] == ["accepted"] * 2
    assert max(size for _, size in scene.pieces) == LARGEST_PIECE
    assert sum(size for _, size in scene.pieces) == 2 * len(SCAN)
    took = scene.pieces[-1][0] - scene.pieces[0][0]
    assert 2 * len(SCAN) / took < 1.05 * 32_000.0
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(scene.pieces)]
    assert min(gaps) > 0.05


def test_a_line_cut_in_the_middle_leaves_nothing_half_done(scene: Scene) -> None:
    scene.attach()
    scene.until_half()
    scene.cut()
    scene.province.pass_s(120.0)
    assert scene.taken() == []
    assert scene.kept(GUANGZHOU) == (set(), set())
    found = scene.seat.ask("work_attachments", item=scene.item)
    assert [one["state"] for one in found["attachments"]] == ["pending"]
    assert [one["city"] for one in found["missing"]] == ["guangzhou"]
    scene.cut(restore=True)
    scene.province.pass_s(60.0)
    assert [state for _, state in scene.listed()] == ["accepted"]
    assert len(scene.taken()) == 1
    assert sum(size for _, size in scene.pieces) <= len(SCAN) + LARGEST_PIECE, "it goes on where it stood"


def test_a_city_of_the_version_before_leaves_it_pending_until_its_upgrade(scene: Scene) -> None:
    """N and N-1: the row is parked (S2), never taken for a note without its file, and answered once it can be read."""
    with before('"step":"attached"'):
        scene.attach()
        scene.seat.ask("work_note", item=scene.item, note="合同已附")
        scene.province.pass_s(60.0)
        assert [state for _, state in scene.listed()] == ["pending"]
        assert [one["state"] for one in scene.seat.receipts()[-1:]] == ["accepted"], "later rows go on"
        assert scene.pieces == []
    scene.province.restart_city(GUANGZHOU)
    scene.province.stop_hub()
    scene.province.start_hub()
    scene.province.pass_s(60.0)
    assert [state for _, state in scene.listed()] == ["accepted"]
    work = scene.province.sites[GUANGZHOU].running.work
    assert work is not None
    name = WorkItemId(scene.item)
    assert scene.province.hub_book().item(name) == work.desk.item(name)


@pytest.mark.parametrize("dies", [GUANGZHOU, SHENZHEN])
def test_a_city_that_dies_in_the_middle_leaves_nothing_half_done(scene: Scene, dies: CityId) -> None:
    """The request is on record, and the content on disk where it was handed in."""
    added = scene.attach(key="scan")
    scene.until_half()
    scene.province.restart_city(dies)
    scene.province.pass_s(60.0)
    assert [one.attachment for one in scene.taken()] == [added["attachment"]["attachment"]]
    assert scene.kept(GUANGZHOU) == ({digest(SCAN)}, set())
    assert scene.kept(SHENZHEN) == (set(), set())
    again = scene.province.seat_of(SHENZHEN)
    assert scene.listed(again) == [("合同.pdf", "accepted")]
    assert scene.attach(key="scan", seat=again)["receipt"] == {**added["receipt"], "state": "accepted"}


def test_what_a_run_that_died_left_behind_is_removed_and_what_is_asked_for_is_not(scene: Scene) -> None:
    scene.cut()
    scene.attach()
    disk = scene.province.memory.disk(NodeId(SHENZHEN))
    disk.sending["0" * 64] = b"kept, and never asked for"
    scene.province.restart_city(SHENZHEN)
    assert scene.kept(SHENZHEN) == (set(), {digest(SCAN)})
    scene.cut(restore=True)
    scene.province.pass_s(30.0)
    assert len(scene.taken()) == 1


def test_the_same_file_handed_in_again_is_one(scene: Scene) -> None:
    """At once, while it is on its way, and once it is there."""
    asked = [
        scene.seat.upload(
            "work_attach", item=scene.item, name="合同.pdf", media_type="application/pdf", key="scan",
            content=b64encode(SCAN).decode(),
        )
        for _ in range(2)
    ]  # fmt: skip
    first, second = list[Any](), list[Any]()
    asked[0].addBoth(first.append)
    asked[1].addBoth(second.append)
    scene.province.pass_s(0.5)
    assert second[0].value.problems[0].slug == "attachment-under-way"
    again = scene.attach(key="scan")
    assert again == first[0]
    scene.province.pass_s(20.0)
    assert scene.attach(key="scan")["attachment"] == {**first[0]["attachment"], "state": "accepted"}
    scene.province.pass_s(20.0)
    assert len([one for one in scene.province.rows(SHENZHEN, WorkRequested) if isinstance(one.step, Attached)]) == 1
    assert len(scene.taken()) == 1
    came = len(scene.pieces)
    scene.attach(name="另一份.pdf", key="other")
    scene.province.pass_s(5.0)
    assert [state for _, state in scene.listed()] == ["accepted"] * 2
    assert len(scene.pieces) == came, "what is there already is not sent"


def test_the_owning_city_refuses_with_the_reason_and_nothing_is_left(scene: Scene) -> None:
    office = scene.province.seat_of(GUANGZHOU)
    for number in range(19):
        scene.attach(b"%d" % number, seat=office, name=f"{number}.txt", media_type="text/plain")
    scene.cut()
    for name in ("一.pdf", "二.pdf"):
        scene.attach(name=name)
    scene.cut(restore=True)
    scene.province.pass_s(40.0)
    assert [one["state"] for one in scene.seat.receipts()[-2:]] == ["accepted", "refused"]
    assert scene.seat.receipts()[-1]["problems"][0]["slug"] == "attachments-too-many"
    found = scene.seat.ask("work_attachments", item=scene.item)["attachments"]
    assert [(one["name"], one["state"]) for one in found][-2:] == [("一.pdf", "accepted"), ("二.pdf", "refused")]
    assert found[-1]["problems"][0]["slug"] == "attachments-too-many"
    assert scene.kept(SHENZHEN) == (set(), set())
    with pytest.raises(Refused) as refused:
        scene.open(found[-1]["attachment"])
    assert slug(refused) == "attachment-unknown"
    assert len(scene.listed(office)) == 20


@pytest.mark.parametrize("spoilt", [b"%PDF-" + bytes(len(SCAN) - 5), SCAN[:-1], b"", None])
def test_a_content_that_is_not_what_was_handed_in_is_refused(scene: Scene, spoilt: bytes | None) -> None:
    """The disk there has another one, a part, nothing, or lost it."""
    scene.cut()
    scene.attach()
    sending = scene.province.memory.disk(NodeId(SHENZHEN)).sending
    if spoilt is None:
        sending.clear()
    else:
        sending[digest(SCAN)] = spoilt
    scene.cut(restore=True)
    scene.province.pass_s(60.0)
    assert [one["state"] for one in scene.seat.receipts()[-1:]] == ["refused"]
    assert scene.seat.receipts()[-1]["problems"][0]["slug"] == "content-gone"
    assert scene.kept(GUANGZHOU) == (set(), set())
    assert len(scene.province.rows(GUANGZHOU, WorkRefused)) == 1
    scene.attach()
    scene.province.pass_s(20.0)
    assert len(scene.taken()) == 1, "it may be handed in again"


def test_a_file_of_another_citys_item_is_opened_with_the_look_on_record_in_both(scene: Scene) -> None:
    """I10: by whoever serves the customer; the owning city decides, and nothing of it is kept here."""
    which = scene.attach()["attachment"]["attachment"]
    with pytest.raises(Refused) as refused:
        scene.open(which)
    assert slug(refused) == "attachment-pending"
    scene.province.pass_s(20.0)
    assert scene.open(which) == SCAN
    assert scene.kept(SHENZHEN) == (set(), set())
    for city, asked in ((GUANGZHOU, ()), (SHENZHEN, (GUANGZHOU,))):
        [row] = [
            one
            for one in scene.province.rows(city, DataViewed)
            if one.operation == "work_attachment" and not one.refused
        ]
        assert (row.agent, row.id, row.listed, row.asked) == ("2001@shenzhen", scene.item, (which,), asked)
        assert (row.during, row.unmasked, row.city) == (scene.contact, True, SHENZHEN)


def test_who_may_not_open_a_file_there_may_not_do_so_from_here(scene: Scene) -> None:
    which = scene.attach()["attachment"]["attachment"]
    scene.province.pass_s(20.0)
    third = scene.province.seat_of(FOSHAN)
    of: dict[str, Any] = {"item": scene.item, "owning": "guangzhou"}
    with pytest.raises(Refused) as refused:
        scene.open(which, third, **of)
    assert slug(refused) == "unmask-not-yours"
    boss = Overseer(scene.province, FOSHAN)
    with pytest.raises(Refused) as refused:
        scene.open(which, boss, **of)
    assert slug(refused) == "reason-missing"
    assert scene.open(which, boss, reason="投诉复核", **of) == SCAN
    with pytest.raises(Refused) as refused:
        scene.open(which, Overseer(scene.province, FOSHAN, "auditor"), **of)
    assert slug(refused) == "not-your-role"
    for city in (GUANGZHOU, FOSHAN):
        rows = [one for one in scene.province.rows(city, DataViewed) if one.operation == "work_attachment"]
        assert [one.refused for one in rows][:3] == ["unmask-not-yours", "reason-missing", ""], city


def test_a_content_is_lent_to_the_city_that_asked_and_to_nobody_else(scene: Scene) -> None:
    which = scene.attach()["attachment"]["attachment"]
    scene.province.pass_s(20.0)
    asked = scene.seat.live.send("work_attachment", attachment=which)
    asked.addErrback(lambda _: None)
    work = scene.province.sites[GUANGZHOU].running.work
    assert work is not None
    assert work.files is not None
    while not work.files._lent:
        scene.province.pass_s(0.01)
    [name] = work.files._lent
    pieces = scene.province.sites[FOSHAN].running.pieces
    assert pieces is not None
    with pytest.raises(Refused) as refused:
        scene.province.result(pieces.fetch(GUANGZHOU, name, len(SCAN)))
    assert slug(refused) == "content-gone"


def test_a_city_that_falls_silent_while_a_file_is_opened_is_said_and_nothing_waits(scene: Scene) -> None:
    which = scene.attach()["attachment"]["attachment"]
    scene.province.pass_s(20.0)
    scene.pieces.clear()
    asked = scene.seat.live.send("work_attachment", attachment=which)
    failed: list[Any] = []
    asked.addErrback(failed.append)
    scene.until_half()
    scene.cut()
    scene.province.pass_s(40.0)
    assert failed[0].value.problems[0].slug == "city-silent"
    pieces = scene.province.sites[SHENZHEN].running.pieces
    assert pieces is not None
    assert pieces.waiting() == 0
    with pytest.raises(Refused) as refused:
        scene.open(which)
    assert slug(refused) == "city-silent"


def test_a_file_is_opened_for_the_caller_whose_identity_was_checked() -> None:
    """The caller's own line is the one that was checked; another customer's file is not theirs."""
    scene = Scene()
    which = scene.attach()["attachment"]["attachment"]
    scene.province.pass_s(20.0)
    other = scene.province.seat_of(SHENZHEN, 1)
    contact = other.take_call(SHENZHEN, "075581230002")
    other.ask("identity_checked", contact=contact, line="075581230002")
    with pytest.raises(Refused) as refused:
        scene.open(which, other)
    assert slug(refused) == "unmask-not-yours"
    other.ask("identity_checked", contact=contact, line=LINE)
    assert scene.open(which, other) == SCAN
