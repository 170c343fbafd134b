"""A caller in one city is answered at a seat in another, is sent on in mid-call, and leaves exactly one ending."""

from __future__ import annotations

import pytest

from dataset import rows
from dataset.ids import HUB, ConnectionId, ContactId, SkillId, Token
from dataset.rows import Ending, Left, Withdrawn
from site_node.core import events
from site_node.core.telephony import Leg, Make, Role, Trunk
from tests.province.three_cities import FOSHAN, GUANGZHOU, SHENZHEN, ThreeCities


@pytest.fixture
def province() -> ThreeCities:
    return ThreeCities()


def ended(province: ThreeCities) -> rows.ContactEnded:
    [row] = province.ledger_rows(rows.ContactEnded)
    assert isinstance(row, rows.ContactEnded)
    return row


def test_a_caller_is_answered_in_another_city(province: ThreeCities) -> None:
    """Home has nobody: the contact is opened, the hub proposes, the seat rings when the leg arrives."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    assert province.phone(SHENZHEN).ringing
    province.phone(SHENZHEN).answer()
    province.pass_s(1.0)
    [call] = province.seat(agent).calls
    assert (call.state, call.anchor, call.received, call.confirmed) == ("talking", FOSHAN, True, True)
    assert call.calling == "13800000001"
    province.pass_s(10.0)
    province.sites[SHENZHEN].running.act(events.HangUpAsked(agent, call.contact))
    province.pass_s(2.0)
    assert caller.over
    record = ended(province)
    assert (record.city, record.serving, record.ending, record.cause) == (FOSHAN, SHENZHEN, Ending.COMPLETED, "agent")
    assert [row.how for row in province.rows(FOSHAN, rows.QueueLeft)] == [Left.SENT_OUT]
    [grant] = province.rows(SHENZHEN, rows.Decision)
    assert (grant.choice, grant.agent, grant.why) == ("grant", agent, "longest_idle")


def test_the_caller_hangs_up_at_a_far_seat(province: ThreeCities) -> None:
    """The customer's own hang-up ends it; the far agent goes to wrap-up."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    caller.hang_up()
    province.pass_s(1.0)
    assert province.seat(agent).presence == "wrap_up"
    assert ended(province).cause == "customer"


def test_home_wins_while_the_contact_is_open(province: ThreeCities) -> None:
    """Until a grant is taken the contact races at home; a home win withdraws the attempt first (A1)."""
    province.call(FOSHAN)
    home = province.agent(FOSHAN)
    assert province.phone(FOSHAN).ringing
    province.phone(FOSHAN).answer()
    province.pass_s(1.0)
    assert province.seat(home).presence == "talking"
    withdrawn = province.rows(FOSHAN, rows.AttemptWithdrawn)
    assert [row.reason for row in withdrawn] == [Withdrawn.HOME_WON]


def test_the_far_seat_does_not_answer(province: ThreeCities) -> None:
    """Everything is given back: the caller keeps the old place and another agent answers."""
    silent = province.agent(SHENZHEN)
    province.call(FOSHAN)
    assert province.phone(SHENZHEN).ringing
    province.pass_s(21.0)
    assert (province.seat(silent).presence, province.seat(silent).reason) == ("not_ready", "no_answer")
    other = province.agent(GUANGZHOU)
    province.pass_s(6.0)
    assert province.phone(GUANGZHOU).ringing
    province.phone(GUANGZHOU).answer()
    province.pass_s(1.0)
    assert province.seat(other).calls[0].waited_s > 20


def test_blind_transfer_across_cities(province: ThreeCities) -> None:
    """Anchor 佛山, first agent 深圳, second 广州: number, path, notes and id go along; a star, never a chain (O1)."""
    first = province.agent(SHENZHEN)
    second = province.agent(GUANGZHOU, skills=("bill",))
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    contact = province.contact(first)
    outcome: list[object] = []
    wish = events.TransferAsked(first, contact, "r1", to_skill=SkillId("bill"), note="March bill")
    province.sites[SHENZHEN].running.transfer(wish).addBoth(outcome.append)
    province.pass_s(2.0)
    assert outcome == [None]
    assert province.seat(first).presence == "wrap_up"
    assert province.phone(GUANGZHOU).ringing
    province.phone(GUANGZHOU).answer()
    province.pass_s(1.0)
    [call] = province.seat(second).calls
    assert call.contact == contact
    assert call.notes == (f"{first}: March bill",)
    assert call.handled_by == (first,)
    caller.hang_up()
    province.pass_s(1.0)
    assert ended(province).answers == 2


def test_transfer_to_a_named_agent_of_a_third_city(province: ThreeCities) -> None:
    """The named agent's own city is asked directly."""
    first = province.agent(FOSHAN)
    named = province.agent(GUANGZHOU, 2)
    province.call(FOSHAN)
    province.phone(FOSHAN).answer()
    province.pass_s(5.0)
    wish = events.TransferAsked(first, province.contact(first), "r1", to_agent=named)
    province.sites[FOSHAN].running.transfer(wish)
    province.pass_s(2.0)
    assert province.phone(GUANGZHOU, 2).ringing
    [decided] = [row for row in province.rows(FOSHAN, rows.Decision) if row.why == "named_agent"]
    assert (decided.site, decided.agent) == (GUANGZHOU, named)
    assert "waited_s" in decided.known
    assert decided.known["budget_s"] == province.sites[FOSHAN].running.site.rules.proposal_s


def test_every_decision_says_what_was_known(province: ThreeCities) -> None:
    """I9: at home and at the hub; what came from another city with its age."""
    province.agent(SHENZHEN)
    province.agent(FOSHAN)
    province.call(FOSHAN)
    province.call(FOSHAN)
    province.pass_s(15.0)
    at_home, at_hub = province.rows(FOSHAN, rows.Decision), province.rows(HUB, rows.Decision)
    assert at_home
    assert at_hub
    assert all(decided.known for decided in (*at_home, *at_hub))
    for decided in at_hub:
        cities = {key.partition(".")[0] for key in decided.known if "." in key}
        assert cities
        assert all(f"{city}.age_s" in decided.known for city in cities)


def test_a_named_agent_who_does_not_answer_sends_the_caller_back(province: ThreeCities) -> None:
    """Nobody takes it in time: back with the first agent."""
    first = province.agent(SHENZHEN)
    named = province.agent(GUANGZHOU, 2, skills=("bill",))
    province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    contact = province.contact(first)
    province.sites[SHENZHEN].running.transfer(events.TransferAsked(first, contact, "r1", to_agent=named))
    province.pass_s(1.0)
    province.sites[SHENZHEN].running.act(events.FinishAsked(first, contact))
    province.pass_s(35.0)
    assert province.phone(SHENZHEN).ringing


def test_a_leg_without_a_good_token_is_refused_and_counted(province: ThreeCities) -> None:
    """A leg with an unknown, expired or missing token is refused and counted (A3); no seat rings for it."""
    province.agent(SHENZHEN)
    running = province.sites[SHENZHEN].running
    tokens = {
        "unknown": Token("00000000-000001"),
        "expired": Token(f"{running.site.rules.lineage}-000001"),
        "missing": Token(""),
    }
    for at, token in enumerate(tokens.values()):
        leg = Leg(ContactId("0757-00000000-000001"), 1, Role.OUTBOUND, token)
        connection = ConnectionId(f"0757-00000000-000001-{at}")
        province.network.city(FOSHAN).submit(Make(connection, Trunk(SHENZHEN, f"799{at}", token), leg, 10.0))
        province.pass_s(1.0)
    refused = province.rows(SHENZHEN, rows.LegRefused)
    assert [row.from_city for row in refused] == [FOSHAN] * 3
    assert [row.reason for row in refused] == list(tokens)
    counted = running.counts.registry
    assert [counted.get_sample_value("yht_legs_refused_total", {"reason": reason}) for reason in tokens] == [1.0] * 3
    assert province.phone(SHENZHEN).rings == 0


def test_a_serving_site_dies_while_the_seat_rings(province: ThreeCities) -> None:
    """Its token means nothing to the next run: the leg is hung up, the caller keeps the old place."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    assert province.phone(SHENZHEN).ringing
    province.crash_city(SHENZHEN)
    province.pass_s(1.0)
    province.start_city(SHENZHEN)
    province.pass_s(5.0)
    assert not province.phone(SHENZHEN).ringing
    province.agent(GUANGZHOU)
    province.pass_s(6.0)
    assert province.phone(GUANGZHOU).ringing
    assert not caller.over


def test_the_hub_dies_and_the_ledger_is_complete_after_its_return(province: ThreeCities) -> None:
    """Cities go on with their own calls; afterwards every contact has its one ending at the hub."""
    agent = province.agent(FOSHAN)
    province.crash_hub()
    province.pass_s(5.0)
    caller = province.call(FOSHAN)
    province.phone(FOSHAN).answer()
    province.pass_s(5.0)
    caller.hang_up()
    province.pass_s(20.0)
    assert province.seat(agent).presence == "ready"
    assert province.rows(FOSHAN, rows.ContactEnded)
    province.start_hub()
    province.pass_s(10.0)
    assert ended(province).ending is Ending.COMPLETED


def test_a_serving_site_dies_in_talk(province: ThreeCities) -> None:
    """The site node restarts, its switch goes on: the call is adopted at both ends, one ending."""
    agent = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    province.crash_city(SHENZHEN)
    province.pass_s(3.0)
    province.start_city(SHENZHEN)
    province.pass_s(3.0)
    assert not caller.over
    assert province.seat(agent).presence == "talking"
    caller.hang_up()
    province.pass_s(30.0)
    assert ended(province).cause == "customer"
    assert len(province.ledger_rows(rows.SegmentClosed)) == 1


def test_the_anchor_dies_in_talk(province: ThreeCities) -> None:
    """The anchor node restarts: the audio stays, the call is adopted, one ending."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    province.crash_city(FOSHAN)
    province.pass_s(3.0)
    province.start_city(FOSHAN)
    province.pass_s(3.0)
    assert not caller.over
    caller.hang_up()
    province.pass_s(30.0)
    assert ended(province).ending is Ending.COMPLETED


def test_a_serving_site_hears_of_attempts_that_a_restart_withdrew(province: ThreeCities) -> None:
    """The far agent answered, the anchor died before that was on its disk: its next run withdraws the attempt, and the
    serving site, whose grant that run knows nothing of, hears of it and voids its segment (O3, O6).
    """
    province.agent(SHENZHEN)
    province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(0.024)
    province.crash_city(FOSHAN)
    assert province.rows(SHENZHEN, rows.SegmentOpened)
    province.start_city(FOSHAN)
    province.pass_s(3.0)
    assert province.rows(FOSHAN, rows.AttemptAnswered) == []
    assert len(province.rows(SHENZHEN, rows.SegmentVoided)) == 1


def test_the_trunk_breaks_in_talk(province: ThreeCities) -> None:
    """Every end of a serving leg but an explicit one puts the customer back at the front (O4)."""
    province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    province.phone(SHENZHEN).hang_up()
    province.pass_s(1.0)
    assert not caller.over
    assert [row.how for row in province.rows(FOSHAN, rows.QueueEntered)] == ["offered", "returned"]


def test_the_anchor_dies_in_the_middle_of_a_transfer(province: ThreeCities) -> None:
    """Target, notes and those who handled the caller survive the anchor's restart; nobody is asked twice."""
    first = province.agent(SHENZHEN)
    caller = province.call(FOSHAN)
    province.phone(SHENZHEN).answer()
    province.pass_s(5.0)
    wish = events.TransferAsked(first, province.contact(first), "r1", to_skill=SkillId("bill"), note="March bill")
    province.sites[SHENZHEN].running.transfer(wish)
    province.pass_s(1.0)
    province.crash_city(FOSHAN)
    province.pass_s(1.0)
    province.start_city(FOSHAN)
    province.pass_s(3.0)
    second = province.agent(GUANGZHOU, skills=("bill",))
    province.pass_s(8.0)
    assert province.phone(GUANGZHOU).ringing
    province.phone(GUANGZHOU).answer()
    province.pass_s(1.0)
    [call] = province.seat(second).calls
    assert call.notes == (f"{first}: March bill",)
    assert call.handled_by == (first,)
    caller.hang_up()
    province.pass_s(2.0)
    assert ended(province).answers == 2
