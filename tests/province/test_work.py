"""Work of another city's customer, from the form at a seat to the ending, whatever happens on the way."""

from __future__ import annotations

import pytest

from dataset.calendar import day_of
from dataset.errors import Refused
from dataset.ids import HUB, CityId, NodeId
from dataset.rows import WorkRefused, WorkRequested, WorkStepped
from dataset.work import DeadlinePassed, Noted
from federation.node.journal_memory import MemoryDisk
from federation.node.login import Actor
from federation.node.memory_transport import MemoryDoor
from simulation.province import password_of
from tests.harness.services import catalogue
from tests.harness.work import HOUR, NOW, form_for
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN
from tests.province.working_province import INSTALL, LINE, Seat, WorkingProvince, finish


@pytest.fixture
def province() -> WorkingProvince:
    return WorkingProvince()


def test_an_order_for_another_citys_customer_is_done_there_and_followed_here(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    receipt = seat.order(contact)
    assert (receipt["state"], receipt["owning"]) == ("pending", "guangzhou")
    province.pass_s(2.0)
    [answered] = seat.receipts()
    assert answered == {**receipt, "state": "accepted"}
    finish(province, receipt["item"])
    province.pass_s(2.0)
    shown = seat.ask("work_item", item=receipt["item"])["item"]
    assert (shown["state"], shown["ends"], shown["line"]) == ("done", "done", "020****0001")
    assert [step["step"] for step in shown["steps"]] == [
        "opened", "assigned", "acted", "acted", "acted", "called_back", "acted",
    ]  # fmt: skip
    assert shown["steps"][0]["by"] == "2001@shenzhen"
    assert shown["values"]["contact_phone"] == "020****5678", "personal fields are masked"


def test_a_third_city_hears_how_far_it_is_by_its_line_or_its_number(province: WorkingProvince) -> None:
    """Progress at any seat: asked of the owning city, or of the one where the item was opened."""
    seat = province.seat_of(SHENZHEN)
    receipt = seat.order(seat.take_call(SHENZHEN))
    province.pass_s(2.0)
    third = province.seat_of(FOSHAN)
    found = third.ask("work_items", line=LINE)
    assert [(one["item"], one["state"]) for one in found["items"]] == [(receipt["item"], "accepted")]
    assert ([part["city"] for part in found["parts"]], found["missing"]) == (["foshan", "guangzhou"], [])
    finish(province, receipt["item"])
    shown = third.ask("work_item", item=receipt["item"])
    assert (shown["item"]["state"], shown["from"], shown["missing"]) == ("done", "shenzhen", [])
    assert third.ask("work_note", item=receipt["item"], owning="guangzhou", note="用户来电致谢")["state"] == "pending"
    province.pass_s(2.0)
    assert [one["state"] for one in third.receipts()] == ["accepted"]


def test_a_city_that_does_not_answer_is_named_and_what_is_known_here_is_shown(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    receipt = seat.order(seat.take_call(SHENZHEN))
    province.pass_s(2.0)
    province.wires.cut([NodeId(GUANGZHOU)])
    province.pass_s(1.0)
    for found in (seat.ask("work_items", line=LINE), seat.ask("work_item", item=receipt["item"])):
        [part] = found["missing"]
        assert (part["city"], part["problem"]["slug"]) == ("guangzhou", "city-silent")
    assert [one["item"] for one in seat.ask("work_items", line=LINE)["items"]] == [receipt["item"]]
    third = province.seat_of(FOSHAN)
    assert third.ask("work_items", line=LINE)["items"] == []
    with pytest.raises(Refused) as refused:
        third.ask("work_item", item="w-0020-00000000-000001")
    assert (refused.value.status, refused.value.problems[0].slug) == (503, "city-silent")


def test_who_may_not_look_here_may_not_look_there_either(province: WorkingProvince) -> None:
    """The city that is asked checks the roles that the asking city vouches for, and answers looks only."""
    lookups = province.sites[SHENZHEN].running.lookups
    for roles, operation, slug in (
        (["auditor"], "work_items", "not-your-role"),
        (["agent"], "work_note", "unknown-operation"),
    ):
        actor = Actor("x", None, "x", frozenset(roles), NodeId(SHENZHEN))
        with pytest.raises(Refused) as refused:
            province.result(lookups.ask(GUANGZHOU, operation, {"line": LINE}, actor))
        assert refused.value.problems[0].slug == slug


def test_both_ends_and_the_hub_agree_on_the_settlement(province: WorkingProvince) -> None:
    """I4: the serving city is owed for the handling, and owes what it took in."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    seat.ask("identity_checked", contact=contact, line=LINE)
    values = form_for(INSTALL, ("contact_phone", "promised"), now=province.time.wall())
    seat.ask("work_open", service="install_line", line=LINE, contact=contact, values=values, collected_fen=20_800)
    province.pass_s(3.0)
    [entry] = province.hub_book().settlements()
    assert (entry.owning, entry.serving, entry.collected_fen, entry.handling_fen) == (
        "guangzhou", "shenzhen", 20_800, INSTALL.handling_fen,
    )  # fmt: skip
    for city in (GUANGZHOU, SHENZHEN):
        work = province.sites[city].running.work
        assert work is not None
        assert work.desk.book.settlements() == (entry,)


def test_the_hubs_statement_of_the_month_names_who_pays_whom(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    seat.ask("identity_checked", contact=contact, line=LINE)
    values = form_for(INSTALL, ("contact_phone", "promised"), now=province.time.wall())
    item = seat.ask(
        "work_open", service="install_line", line=LINE, contact=contact, values=values, collected_fen=20_800
    )["item"]
    seat.ask("work_note", item=item, note="用户补交身份证复印件")
    province.pass_s(3.0)
    assert province.hub is not None
    month = day_of(province.time.wall()).isoformat()[:7]
    door = MemoryDoor(province.hub.door, province.time)
    live = door.open()
    province.result(
        live.send("attach", token=province.result(door.login("province", password_of("province")))["token"])
    )
    told = province.result(live.send("settlement", month=month))
    [pair] = told["pairs"]
    handling = 2 * INSTALL.handling_fen
    assert (pair["owning"], pair["serving"], pair["entries"]) == ("guangzhou", "shenzhen", 2)
    assert (pair["collected_fen"], pair["handling_fen"], pair["net_fen"]) == (20_800, handling, 20_800 - handling)
    assert told["complete"]
    assert "深圳 付 广州 202.00 元" in told["zh"]
    assert province.result(live.send("settlement", month="2026-10"))["pairs"] == []
    with pytest.raises(Refused) as refused:
        province.result(live.send("settlement", month="2026-13"))
    assert refused.value.problems[0].place == "month"


def test_a_request_is_pending_while_the_line_is_cut_and_answered_once_it_is_back(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    province.wires.cut([NodeId(GUANGZHOU)])
    receipt = seat.order(contact)
    province.pass_s(60.0)
    assert seat.ask("work_request", request=receipt["request"])["state"] == "pending"
    assert seat.receipts() == []
    province.wires.cut([NodeId(GUANGZHOU)], restore=True)
    province.pass_s(60.0)
    assert [one["state"] for one in seat.receipts()] == ["accepted"]
    assert len([row for row in province.rows(GUANGZHOU, WorkStepped) if row.request == receipt["request"]]) == 1


def test_the_owning_city_refuses_with_every_reason_and_nothing_is_begun(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    receipt = seat.order(contact, checked=False, promised=day_of(NOW).isoformat())
    assert receipt["state"] == "pending"
    province.pass_s(2.0)
    [answered] = seat.receipts()
    assert answered["state"] == "refused"
    assert {one["slug"] for one in answered["problems"]} == {"rule-identity-checked", "rule-earliest-day"}
    assert province.rows(GUANGZHOU, WorkStepped) == []
    assert len(province.rows(GUANGZHOU, WorkRefused)) == 1


def test_a_form_with_faults_is_refused_at_the_seat_by_field(province: WorkingProvince) -> None:
    """Whoever's customer it is: nothing is written, and every faulty field is named."""
    seat = province.seat_of(SHENZHEN)
    for line in (LINE, "075581230001"):
        with pytest.raises(Refused) as refused:
            seat.ask("work_open", service="install_line", line=line, values={"kind": "castle", "colour": "red"})
        assert refused.value.problems[0].slug in ("field-unknown", "field-form")
    assert not province.rows(SHENZHEN, WorkRequested)
    assert not province.rows(SHENZHEN, WorkStepped)


def test_what_was_asked_outlives_the_owning_city(province: WorkingProvince) -> None:
    """It dies with the request committed and not answered: at its next start it answers, once."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    receipt = seat.order(contact)
    while not _has(province, GUANGZHOU, receipt["request"]):
        province.pass_s(0.001)
    province.restart_city(GUANGZHOU)
    province.restart_city(GUANGZHOU)
    province.pass_s(10.0)
    assert [one["state"] for one in seat.receipts()] == ["accepted"]
    assert len(province.rows(GUANGZHOU, WorkStepped)) == 1


def _has(province: WorkingProvince, city: CityId, request: str) -> bool:
    """Whether the request is on the disk of ``city``, as another's row."""
    rows = [row.row for row, _ in province.memory.disk(NodeId(city)).ledger.rows.values()]
    return any(isinstance(row, WorkRequested) and row.request == request for row in rows)


def test_what_was_asked_outlives_the_city_that_asks(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    receipt = seat.order(contact)
    province.restart_city(SHENZHEN)
    province.pass_s(10.0)
    again = province.seat_of(SHENZHEN)
    assert again.ask("work_request", request=receipt["request"])["state"] == "accepted"
    assert again.ask("work_item", item=receipt["item"])["item"]["state"] == "accepted"


def lose_journal(province: WorkingProvince, city: CityId) -> None:
    province.crash_city(city)
    province.memory.disk(NodeId(city)).journal = MemoryDisk()
    province.start_city(city)
    province.pass_s(5.0)


def cut_pair(province: WorkingProvince, *, cut: bool) -> None:
    """广州 and 深圳 do not reach each other, and everybody else does."""
    for one, other in ((GUANGZHOU, SHENZHEN), (SHENZHEN, GUANGZHOU)):
        province.wires.line(NodeId(one), NodeId(other)).cut = cut


def test_steps_that_their_city_lost_reach_the_city_where_the_item_was_opened(province: WorkingProvince) -> None:
    """J5: the owning city cannot send them any more; the hub gives them back, and passes them on."""
    seat = province.seat_of(SHENZHEN)
    item = seat.order(seat.take_call(SHENZHEN))["item"]
    province.pass_s(3.0)
    cut_pair(province, cut=True)
    office = province.seat_of(GUANGZHOU)
    office.ask("work_take", item=item)
    office.ask("work_act", item=item, action="confirm_plant")
    province.pass_s(3.0)
    lose_journal(province, GUANGZHOU)
    cut_pair(province, cut=False)
    province.pass_s(60.0)
    there = province.hub_book().item(item)
    assert there is not None
    assert there.revision == 3
    for city in (GUANGZHOU, SHENZHEN):
        work = province.sites[city].running.work
        assert work is not None
        assert work.desk.book.item(item) == there, city


@pytest.mark.parametrize("cut", [False, True])
def test_the_order_of_runs_outlives_a_disk_and_a_clock_that_was_ahead(province: WorkingProvince, *, cut: bool) -> None:
    """J5: the run on the empty disk names none before it, and began, by its clock, before the one that was lost."""
    seat = province.seat_of(SHENZHEN)
    item = seat.order(seat.take_call(SHENZHEN))["item"]
    province.pass_s(3.0)
    province.time.jump_wall(600.0)
    province.restart_city(GUANGZHOU)
    cut_pair(province, cut=cut)
    office = province.seat_of(GUANGZHOU)
    office.ask("work_take", item=item)
    office.ask("work_act", item=item, action="confirm_plant")
    province.pass_s(3.0)
    province.time.jump_wall(-600.0)
    lose_journal(province, GUANGZHOU)
    cut_pair(province, cut=False)
    province.pass_s(60.0)
    office = province.seat_of(GUANGZHOU)
    for action in ("send_crew", "installed_it"):
        assert office.ask("work_act", item=item, action=action)["state"] == "accepted"
    province.pass_s(3.0)
    there = province.hub_book().item(item)
    assert there is not None
    assert there.state == "installed"
    for city in (GUANGZHOU, SHENZHEN):
        work = province.sites[city].running.work
        assert work is not None
        assert (work.desk.book.item(item), work.desk.book.overtaken(item)) == (there, ()), city


@pytest.mark.parametrize("ended", [False, True])
def test_an_item_whose_lost_opening_came_back_is_known_however_old_while_it_is_open(
    province: WorkingProvince, ended: bool
) -> None:
    """J5: no journal has its opening, and what came back is more than half a year old; one that had ended is over."""
    office = province.seat_of(GUANGZHOU)
    item = office.order(office.take_call(GUANGZHOU))["item"]
    if ended:
        finish(province, item)
    province.pass_s(3.0)
    lose_journal(province, GUANGZHOU)
    province.pass_s(60.0)
    province.rest(200 * 86_400.0)
    work = province.sites[GUANGZHOU].running.work
    assert work is not None
    found = work.desk.book.item(item)
    assert (found is None) == ended
    if found is not None:
        assert (found.line, found.ending) == (LINE, None)
        assert province.seat_of(GUANGZHOU).ask("work_item", item=item)["item"]["missed"] > 0, "its deadline passed"


def test_a_request_that_its_city_lost_is_answered_all_the_same(province: WorkingProvince) -> None:
    """J5, I1: the agent has a receipt, the owning city has never heard of it, and only a hub knows."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    cut_pair(province, cut=True)
    receipt = seat.order(contact)
    province.pass_s(3.0)
    lose_journal(province, SHENZHEN)
    cut_pair(province, cut=False)
    province.pass_s(60.0)
    again = province.seat_of(SHENZHEN)
    assert again.ask("work_request", request=receipt["request"])["state"] == "accepted"


def test_a_refusal_is_told_where_the_request_itself_is_lost(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    receipt = seat.order(seat.take_call(SHENZHEN), checked=False)
    province.wires.line(HUB, NodeId(SHENZHEN)).cut = True
    lose_journal(province, SHENZHEN)
    again = province.seat_of(SHENZHEN)
    found = again.ask("work_request", request=receipt["request"])
    assert (found["state"], found["item"], found["owning"]) == ("refused", receipt["item"], "guangzhou")


def test_own_work_outlives_its_city(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    contact = office.take_call(GUANGZHOU)
    receipt = office.order(contact)
    assert receipt["state"] == "accepted"
    province.restart_city(GUANGZHOU)
    finish(province, receipt["item"])
    province.pass_s(3.0)
    item = province.hub_book().item(receipt["item"])
    assert item is not None
    assert item.ending == "done"


def test_steps_of_several_runs_stand_in_the_order_of_the_runs(province: WorkingProvince) -> None:
    """The names of runs are random: at a start their order has to be known before anything is folded."""
    office = province.seat_of(GUANGZHOU)
    item = office.order(office.take_call(GUANGZHOU))["item"]
    written = []
    for number in range(6):
        province.restart_city(GUANGZHOU)
        office = province.seat_of(GUANGZHOU)
        written.append(f"note {number}")
        office.ask("work_note", item=item, note=written[-1])
    province.restart_city(GUANGZHOU)
    province.pass_s(3.0)
    steps = province.seat_of(GUANGZHOU).ask("work_item", item=item)["item"]["steps"]
    assert [step["note"] for step in steps[1:]] == written
    there = [step.note for step in province.hub_book().steps(item) if isinstance(step, Noted)]
    assert there == written, "as at the hub"


def test_what_is_done_to_an_item_behind_its_form_waits_for_the_form(province: WorkingProvince) -> None:
    """Both come at once when the line is back: the step is looked at when the opening is on disk, and nothing hangs."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    province.wires.cut([NodeId(GUANGZHOU)])
    item = seat.order(contact)["item"]
    seat.ask("work_note", item=item, owning="guangzhou", note="用户再次来电")
    province.wires.cut([NodeId(GUANGZHOU)], restore=True)
    province.pass_s(60.0)
    assert [one["state"] for one in seat.receipts()] == ["accepted", "accepted"]
    seat.order()
    province.pass_s(2.0)
    assert len(seat.receipts()) == 3, "the line is free for the next"


def test_of_two_who_act_at_once_the_second_is_told(province: WorkingProvince) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    item = first.order(contact)["item"]
    asked = [seat.live.send("work_act", item=item, action="confirm_plant") for seat in (first, second)]
    assert province.result(asked[0])["state"] == "accepted"
    with pytest.raises(Refused) as refused:
        province.result(asked[1])
    assert refused.value.problems[0].slug == "work-action"
    assert refused.value.status == 409


def test_two_openings_for_one_line_are_decided_one_after_the_other(province: WorkingProvince) -> None:
    """A rule against a second open item holds though both are handed in before either is on disk."""
    complaint = catalogue().services["complaint"]
    assert any(rule.kind == "no_open_item" and "complaint" in rule.values for rule in complaint.text.rules)
    office = province.seat_of(GUANGZHOU)
    contact = office.take_call(GUANGZHOU)
    office.ask("identity_checked", contact=contact, line=LINE)
    values = form_for(complaint, now=province.time.wall())
    asked = [
        office.live.send("work_open", service="complaint", line=LINE, contact=contact, values=values) for _ in range(2)
    ]
    outcomes = []
    for one in asked:
        try:
            outcomes.append(province.result(one)["state"])
        except Refused as refused:
            outcomes.append(", ".join(sorted(problem.slug for problem in refused.problems)))
    assert sorted(outcomes) == ["accepted", "rule-no-open-item"]


def test_a_missed_deadline_is_on_record_once_and_the_next_in_line_is_told(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    contact = office.take_call(GUANGZHOU)
    item = office.order(contact)["item"]
    due = office.ask("work_item", item=item)["item"]["due_at"]
    assert due == pytest.approx(NOW + 6 * HOUR, abs=60.0), "four hours of work from nine on, without those of lunch"
    province.pass_s(due - province.time.wall() + 45.0)
    assert [type(row.step) for row in province.rows(GUANGZHOU, WorkStepped)][1:] == [DeadlinePassed]
    office = province.seat_of(GUANGZHOU)
    shown = office.ask("work_item", item=item)["item"]
    assert (shown["late"], shown["missed"], shown["state"]) == (True, 1, "accepted")
    assert shown["due_at"] > province.time.wall()


def test_waiting_work_is_taken_parked_and_handed_over(province: WorkingProvince) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    item = first.order(contact)["item"]
    assert [one["item"] for one in second.ask("work_items", waiting=True)["items"]] == [item]
    second.ask("work_take", item=item)
    assert second.ask("work_items", waiting=True)["items"] == []
    assert [one["item"] for one in second.ask("work_items", mine=True)["items"]] == [item]
    with pytest.raises(Refused) as refused:
        first.ask("work_take", item=item)
    assert refused.value.problems[0].slug == "work-not-yours"
    second.ask("work_hand_over", item=item, to="1001@guangzhou")
    first.ask("work_park", item=item, for_s=HOUR, note="用户一小时后在家")
    assert second.ask("work_items", waiting=True)["items"] == []
    first.ask("work_give_back", item=item)
    assert [one["item"] for one in second.ask("work_items", line=LINE)["items"]] == [item]


def test_an_idle_agent_is_given_the_most_urgent_work_and_calls_come_first(province: WorkingProvince) -> None:
    office, other = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = office.take_call(GUANGZHOU)
    later = office.order(contact, line="02081230009")["item"]
    first = office.order(contact)["item"]
    Seat.lead(province, GUANGZHOU).ask("work_press", item=first, note="客户催办")
    province.pass_s(30.0)
    assert other.ask("work_items", mine=True)["items"] == [], "示忙: nothing is given"
    other.ask("ready")
    province.pass_s(20.0)
    assert [one["item"] for one in other.pushed if one["push"] == "work_given"] == [first]
    assert [one["item"] for one in other.ask("work_items", mine=True)["items"]] == [first]
    province.pass_s(60.0)
    assert [one["item"] for one in office.ask("work_items", waiting=True)["items"]] == [later], "one at a time"
    province.network.call(GUANGZHOU, "112", "02081230077")
    province.pass_s(3.0)
    assert other.pushed[-1]["state"]["presence"] == "alerting", "and is rung all the same"


def test_a_missed_deadline_takes_the_item_from_whoever_has_it(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    item = office.order(office.take_call(GUANGZHOU))["item"]
    office.ask("work_take", item=item)
    due = office.ask("work_item", item=item)["item"]["due_at"]
    province.rest(due - province.time.wall() + 1.0)
    province.pass_s(40.0)
    shown = province.seat_of(GUANGZHOU).ask("work_item", item=item)["item"]
    assert (shown["missed"], shown["assignee"]) == (1, None)


def test_a_role_that_may_not_press_is_told_which_may(province: WorkingProvince) -> None:
    office = province.seat_of(GUANGZHOU)
    contact = office.take_call(GUANGZHOU)
    item = office.order(contact)["item"]
    with pytest.raises(Refused) as refused:
        office.ask("work_press", item=item, note="快")
    assert (refused.value.status, refused.value.problems[0].slug) == (403, "not-your-role")


def test_whoever_is_on_the_line_need_not_read_out_the_number(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    seat.ask("identity_checked", contact=contact, line="calling")
    values = form_for(INSTALL, ("promised",), now=province.time.wall()) | {"contact_phone": "calling"}
    receipt = seat.ask("work_open", service="install_line", line="calling", contact=contact, values=values)
    assert receipt["owning"] == "guangzhou"
    province.pass_s(2.0)
    item = province.hub_book().item(receipt["item"])
    assert item is not None
    assert (item.line, item.values["contact_phone"]) == (LINE, LINE)
    with pytest.raises(Refused) as refused:
        seat.ask("work_open", service="install_line", line="calling", values=values)
    assert refused.value.problems[0].slug == "unknown-contact"


def test_a_number_as_it_is_shown_stands_for_the_whole_one(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    receipt = seat.order(contact, line="020****0001")
    province.pass_s(2.0)
    found = seat.ask("work_items", line="020****0001", contact=contact)
    assert [(one["item"], one["line"]) for one in found["items"]] == [(receipt["item"], "020****0001")]
    with pytest.raises(Refused) as refused:
        seat.ask("work_items", line="020****0001")
    assert refused.value.problems[0].slug == "unknown-contact"


def test_the_masked_number_of_an_item_stands_for_it_where_its_matter_is_back(province: WorkingProvince) -> None:
    seat = province.seat_of(GUANGZHOU)
    values = form_for(catalogue().services["fault"], now=province.time.wall()) | {"line": LINE}
    item = seat.ask("work_open", service="fault", values=values)["item"]
    again = {**values, "line": "020****0001"}
    with pytest.raises(Refused) as refused:
        seat.ask("work_open", service="fault", values=again)
    assert refused.value.problems[0].slug == "unknown-contact", "of nobody"
    seat.ask("work_act", item=item, action="withdraw", note="用户撤回")
    back = seat.ask("work_open", service="fault", values=again, line="020****0001", again_of=item)
    assert back["state"] == "accepted"
    province.pass_s(1.0)
    found = province.hub_book().item(back["item"])
    assert found is not None
    assert (found.line, found.values["line"]) == (LINE, LINE)


def test_a_form_that_is_handed_in_again_is_the_same_request(province: WorkingProvince) -> None:
    """After an answer that was lost on the way, before a restart and after it; a refused one may be put right."""
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN)
    seat.ask("identity_checked", contact=contact, line=LINE)
    values = form_for(INSTALL, ("contact_phone", "promised"), now=province.time.wall())
    form: dict[str, object] = {"service": "install_line", "line": LINE, "values": values, "key": "f1"}
    wrong = seat.ask("work_open", **form)
    province.pass_s(2.0)
    assert seat.ask("work_request", request=wrong["request"])["state"] == "refused", "nobody's identity was checked"
    asked = seat.live.send("work_open", **form, contact=contact)
    with pytest.raises(Refused) as refused:
        seat.ask("work_open", **form, contact=contact)
    assert refused.value.problems[0].slug == "form-under-way"
    receipt = province.result(asked)
    province.pass_s(2.0)
    province.restart_city(SHENZHEN)
    again = province.seat_of(SHENZHEN).ask("work_open", **form, contact=contact)
    assert (again["request"], again["state"]) == (receipt["request"], "accepted")
    assert len([item for item in province.hub_book() if item.line == LINE]) == 1


def test_a_call_without_a_number_is_asked_for_it(province: WorkingProvince) -> None:
    seat = province.seat_of(SHENZHEN)
    contact = seat.take_call(SHENZHEN, "anonymous")
    with pytest.raises(Refused) as refused:
        seat.order(contact, line="calling")
    assert refused.value.problems[0].slug == "calling-withheld"


def test_a_contact_of_somebody_else_cannot_be_used(province: WorkingProvince) -> None:
    first, second = province.seat_of(GUANGZHOU), province.seat_of(GUANGZHOU, 1)
    contact = first.take_call(GUANGZHOU)
    with pytest.raises(Refused) as refused:
        second.order(contact)
    assert (refused.value.status, refused.value.problems[0].slug) == (404, "unknown-contact")
