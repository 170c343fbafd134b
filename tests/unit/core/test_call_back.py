"""Calls to customers of work items: the own telephone first, then the customer's; one ending, and the switch's word."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from dataset import rows
from dataset.errors import Refused
from dataset.ids import AgentId, ConnectionId, ContactId, SkillId
from dataset.rows import VOICE_OUT, Ending, Evidence, Journalled
from dataset.work import Actor, CallBackOutcome, CalledBack, WorkItemId
from federation.core.lease import LeaseState
from federation.core.work_item import WorkItem, apply
from site_node.core import events
from site_node.core.agent import Presence
from site_node.core.call_back import CallBack, CallBackState
from site_node.core.commands import Write
from site_node.core.telephony import (
    Cause,
    Clear,
    Delivered,
    Established,
    HeldConnection,
    Join,
    Leg,
    Make,
    Music,
    Outside,
    Part,
    Role,
    Seat,
    SwitchDown,
)
from tests.harness.services import calendar, catalogue
from tests.unit.core.core_alone import HOME, CoreAlone

NUMBER = "02081230001"
ITEM = WorkItemId("w-0020-0000000a-000001")


@dataclass
class Calling:
    """One agent who calls back, step by step."""

    core: CoreAlone
    agent: AgentId

    @property
    def call(self) -> CallBack:
        call = self.core.site.call_backs.of(self.agent)
        assert call is not None
        return call

    @property
    def seat(self) -> ConnectionId:
        seat = self.core.lease(self.agent).seat
        assert seat is not None
        return seat

    def stands(self) -> tuple[CallBackState, Presence]:
        return self.call.state, self.core.session(self.agent).presence

    def asks(self) -> None:
        by = Actor(agent=self.agent, role="agent", city=HOME)
        self.core.does(events.CallBackAsked(by, NUMBER, ITEM, HOME, "install_line", SkillId("order")))

    def answers(self) -> None:
        self.core.does(Established(self.seat))

    def is_dialled(self) -> None:
        self.asks()
        self.answers()

    def talks(self) -> None:
        self.is_dialled()
        self.core.does(Delivered(self.call.customer))
        self.core.now += 8.0
        self.core.does(Established(self.call.customer))

    def told(self) -> rows.CallBackEnded:
        [row] = [row for row in self.core.rows if isinstance(row, rows.CallBackEnded)]
        return row

    def journal(self) -> list[Journalled]:
        return [
            Journalled(
                node=HOME, lineage=self.core.rules.lineage, sequence=n, wall=0.0, mono=self.core.now, boot="b", row=row
            )
            for n, row in enumerate(self.core.rows)
            if getattr(row, "contact", None) == self.call.id
        ]

    def restarted(self, after_s: float = 0.0) -> Calling:
        """The node dies and starts again so much later; the switch has not shown anything yet."""
        after = CoreAlone(lineage="0000000b")
        after.does(SwitchDown("restarting"))
        after.now = self.core.now + after_s
        after.rows = list(self.core.rows)
        after.commands = after.site.recover(self.journal(), after.now, 0.0, "b")
        after.rows += [command.row for command in after.commands if isinstance(command, Write)]
        return Calling(after, self.agent)

    def seat_leg(self, *, established: bool = True, joined_to: ConnectionId | None = None) -> HeldConnection:
        leg = Leg(self.call.id, 1, Role.SEAT, self.call.token)
        name = ConnectionId(f"{self.call.id}-001s")
        return HeldConnection(name, established, False, leg, joined_to, "8001")

    def customer_leg(self, *, established: bool, joined_to: ConnectionId | None = None) -> HeldConnection:
        leg = Leg(self.call.id, 1, Role.CUSTOMER, self.call.token)
        return HeldConnection(self.call.customer, established, False, leg, joined_to, NUMBER)


@pytest.fixture
def calling() -> Calling:
    core = CoreAlone()
    return Calling(core, core.ready())


def test_the_own_telephone_rings_first_then_the_number_is_dialled_then_the_two_are_joined(calling: Calling) -> None:
    core = calling.core
    calling.asks()
    [born] = core.wrote(rows.ContactBorn)
    assert (born.channel, born.calling, born.door) == (VOICE_OUT, NUMBER, "")
    assert born.call_back is not None
    assert born.call_back.item == ITEM
    assert [made.device for made in core.asked(Make)] == [Seat("8001")]
    assert core.place(rows.ContactBorn) < core.place(Make)
    assert calling.stands() == (CallBackState.INITIATED, Presence.ALERTING)

    calling.answers()
    assert [made.device for made in core.asked(Make)] == [Outside(NUMBER)]
    assert core.place(rows.SegmentOpened) < core.place(Make)
    assert calling.stands() == (CallBackState.ORIGINATED, Presence.TALKING)

    core.does(Delivered(calling.call.customer))
    assert calling.stands()[0] is CallBackState.DELIVERED
    core.does(Established(calling.call.customer))
    assert calling.stands()[0] is CallBackState.ESTABLISHED
    assert core.asked(Join) == [Join(calling.call.customer, calling.seat)]
    assert core.place(rows.CallBackAnswered) < core.place(Join), "on record before anybody speaks"


def test_the_customer_hangs_up(calling: Calling) -> None:
    core = calling.core
    calling.talks()
    core.now += 30.0
    core.clears(calling.call.customer, Cause.NORMAL)
    told = calling.told()
    assert (told.outcome, told.called, told.talked_s) == (CallBackOutcome.REACHED, True, 30.0)
    assert (core.ended().ending, core.ended().cause, core.ended().talked_s) == (Ending.COMPLETED, "customer", 30.0)
    core.clears(calling.seat)
    assert core.session(calling.agent).presence is Presence.WRAP_UP
    core.expires("wrap_up", calling.call.token)
    [closed] = core.wrote(rows.SegmentClosed)
    assert closed.talked_s == 30.0, "the ringing is no talk"
    assert core.session(calling.agent).presence is Presence.READY
    assert calling.call.outcome is CallBackOutcome.REACHED, "how it ended is still shown"


def test_the_agent_hangs_up(calling: Calling) -> None:
    core = calling.core
    calling.talks()
    core.does(events.HangUpAsked(calling.agent, calling.call.id))
    assert {one.connection for one in core.asked(Clear)} == {calling.call.customer, calling.seat}
    assert (calling.told().outcome, core.ended().cause) == (CallBackOutcome.REACHED, "agent")
    core.clears(calling.call.customer)
    core.clears(calling.seat)
    assert core.session(calling.agent).presence is Presence.WRAP_UP


def test_the_agent_puts_the_receiver_down(calling: Calling) -> None:
    """No queue to return the customer to: it is over."""
    core = calling.core
    calling.talks()
    core.clears(calling.seat, Cause.NORMAL)
    assert [one.connection for one in core.asked(Clear)] == [calling.call.customer]
    assert (core.ended().ending, core.ended().cause) == (Ending.COMPLETED, "seat")
    assert core.count(rows.QueueEntered) == 0


@pytest.mark.parametrize(
    ("cause", "outcome", "ending"),
    [
        (Cause.NO_ANSWER, CallBackOutcome.NO_ANSWER, Ending.CLOSED_BY_US),
        (Cause.BUSY, CallBackOutcome.BUSY, Ending.CLOSED_BY_US),
        (Cause.REJECTED, CallBackOutcome.REFUSED, Ending.CLOSED_BY_US),
        (Cause.UNREACHABLE, CallBackOutcome.UNREACHABLE, Ending.CLOSED_BY_US),
        (Cause.SWITCH_FAILED, CallBackOutcome.FAILED, Ending.FAILED),
    ],
)
def test_the_customer_is_not_reached(calling: Calling, cause: Cause, outcome: CallBackOutcome, ending: Ending) -> None:
    core = calling.core
    calling.is_dialled()
    core.clears(calling.call.customer, cause)
    told = calling.told()
    assert (told.outcome, told.called, told.talked_s) == (outcome, True, 0.0)
    assert (core.ended().ending, core.ended().answers) == (ending, 0)
    assert [one.connection for one in core.asked(Clear)] == [calling.seat]
    core.clears(calling.seat)
    core.does(events.FinishAsked(calling.agent, calling.call.id))
    [closed] = core.wrote(rows.SegmentClosed)
    assert closed.talked_s == 0.0


def test_the_agent_gives_up_while_the_customers_telephone_rings(calling: Calling) -> None:
    core = calling.core
    calling.is_dialled()
    customer = calling.call.customer
    core.does(events.HangUpAsked(calling.agent, calling.call.id))
    assert Clear(customer, Cause.CANCELLED) in core.asked(Clear)
    assert calling.told().outcome is CallBackOutcome.GIVEN_UP
    core.does(Established(customer))
    assert core.asked(Clear) == [Clear(customer, Cause.CANCELLED)], "an answer that crosses it finds nobody"
    assert core.count(rows.CallBackAnswered) == 0


def test_the_agent_gives_up_before_the_own_telephone_is_answered(calling: Calling) -> None:
    """Nobody called the customer: no step of the item follows; and the agent is where it was."""
    core = calling.core
    calling.asks()
    core.does(events.HangUpAsked(calling.agent, calling.call.id))
    assert (calling.told().outcome, calling.told().called) == (CallBackOutcome.GIVEN_UP, False)
    core.clears(calling.seat)
    assert core.session(calling.agent).presence is Presence.READY


def test_an_own_telephone_that_nobody_answers_ends_it(calling: Calling) -> None:
    core = calling.core
    calling.asks()
    core.clears(calling.seat, Cause.NO_ANSWER)
    assert (calling.told().outcome, calling.told().called) == (CallBackOutcome.AGENT_MISSED, False)
    session = core.session(calling.agent)
    assert (session.presence, session.reason) == (Presence.NOT_READY, "no_answer")
    assert not core.site.call_backs.all()
    assert not core.site.serving.all()


def test_whoever_was_not_ready_is_so_again(calling: Calling) -> None:
    core = calling.core
    core.does(events.NotReadyAsked(calling.agent, "break"))
    calling.talks()
    core.clears(calling.call.customer, Cause.NORMAL)
    core.clears(calling.seat)
    core.does(events.FinishAsked(calling.agent, calling.call.id))
    session = core.session(calling.agent)
    assert (session.presence, session.reason) == (Presence.NOT_READY, "break")


def test_a_slot_that_is_not_free_calls_nobody(calling: Calling) -> None:
    """I2: neither in a contact nor in a call-back, and no caller gets the slot of one who calls back."""
    core = calling.core
    calling.asks()
    with pytest.raises(Refused, match="wrong-state"):
        calling.asks()
    waiting = core.call()
    assert core.ringing() == []
    assert core.site.index.waits(waiting)


def test_nobody_is_called_while_the_switch_is_away(calling: Calling) -> None:
    calling.core.does(SwitchDown("away"))
    with pytest.raises(Refused, match="switch-away"):
        calling.asks()


def test_hold_waits_for_the_customer_and_transfer_is_refused(calling: Calling) -> None:
    core = calling.core
    calling.is_dialled()
    hold = events.HoldAsked(calling.agent, calling.call.id)
    with pytest.raises(Refused, match="wrong-state"):
        core.does(hold)
    core.does(Established(calling.call.customer))
    core.does(hold)
    assert core.asked(Music) == [Music(calling.call.customer)]
    sent_on = events.TransferAsked(calling.agent, calling.call.id, "r1", to_skill=SkillId("fault"))
    with pytest.raises(Refused, match="call-back-transfer"):
        core.does(sent_on)


def test_a_lost_agent_is_logged_out_at_its_end(calling: Calling) -> None:
    core = calling.core
    calling.talks()
    core.does(events.LoggedOut(calling.agent, "connection_lost", forced=True))
    assert core.site.call_backs.all(), "the talk goes on"
    core.clears(calling.call.customer, Cause.NORMAL)
    core.clears(calling.seat)
    assert core.site.sessions.get(calling.agent) is None


# ── the switch goes, the node dies ──────────────────────────────────────────────────────────────────────────────────
def test_an_answer_while_the_switch_was_away_is_caught_up_with(calling: Calling) -> None:
    core = calling.core
    calling.is_dialled()
    core.does(SwitchDown("away"))
    core.shows(calling.seat_leg(), calling.customer_leg(established=True))
    assert calling.call.state is CallBackState.ESTABLISHED
    assert core.asked(Join) == [Join(calling.call.customer, calling.seat)]


def test_a_switch_that_died_ends_it_as_failed_and_who_was_reached_stays_reached(calling: Calling) -> None:
    core = calling.core
    calling.talks()
    core.does(SwitchDown("died"))
    core.shows()
    assert (core.ended().ending, core.ended().evidence) == (Ending.FAILED, Evidence.INFERRED)
    assert calling.told().outcome is CallBackOutcome.REACHED
    assert core.site.serving.legs() == []


def test_a_restart_in_the_talk_goes_on_with_it(calling: Calling) -> None:
    calling.talks()
    after = calling.restarted(after_s=5.0)
    customer, seat = after.call.customer, after.seat
    after.core.shows(after.seat_leg(joined_to=customer), after.customer_leg(established=True, joined_to=seat))
    assert not [*after.core.asked(Join), *after.core.asked(Clear), *after.core.asked(Part)]
    assert after.core.lease(after.agent).state is LeaseState.TALKING
    after.core.clears(customer, Cause.NORMAL)
    assert after.told().outcome is CallBackOutcome.REACHED
    assert after.told().talked_s == 5.0


def test_a_restart_while_the_customers_telephone_rings_goes_on_with_it(calling: Calling) -> None:
    calling.is_dialled()
    after = calling.restarted()
    after.core.shows(after.seat_leg(), after.customer_leg(established=False))
    assert after.core.asked(Clear) == []
    after.core.does(Established(after.call.customer))
    assert after.core.asked(Join) == [Join(after.call.customer, after.seat)]


def test_a_restart_in_the_talk_that_ended_meanwhile(calling: Calling) -> None:
    calling.talks()
    after = calling.restarted()
    after.core.shows(after.seat_leg())
    assert after.told().outcome is CallBackOutcome.REACHED
    assert (after.core.ended().ending, after.core.ended().evidence) == (Ending.FAILED, Evidence.INFERRED)
    assert after.seat in {one.connection for one in after.core.asked(Clear)}


def test_a_restart_while_the_own_telephone_rings_ends_it(calling: Calling) -> None:
    calling.asks()
    after = calling.restarted()
    assert (after.told().outcome, after.told().called) == (CallBackOutcome.FAILED, False)
    assert after.core.ended().cause == "restart"
    after.core.shows(after.seat_leg(established=False))
    assert [one.connection for one in after.core.asked(Clear)] == [f"{after.call.id}-001s"]


def test_a_contact_of_a_caller_has_no_call_back(calling: Calling) -> None:
    which: ContactId = calling.core.call()
    assert calling.core.site.call_backs.get(which) is None
    [born] = [row for row in calling.core.rows if isinstance(row, rows.ContactBorn)]
    assert born.call_back is None


# ── journals of before ──────────────────────────────────────────────────────────────────────────────────────────────
def test_rows_from_before_there_were_calls_are_read_as_they_were_meant() -> None:
    """A birth without a call-back is a caller's, and an agent's word from then reached the customer."""
    born = (
        b'{"kind":"contact_born","contact":"0020-0000000a-000001","city":"guangzhou","channel":"voice","door":"112",'
        b'"calling":"13800000001","connection":"c","package":"yihaotong@1"}'
    )
    stepped = (
        b'{"kind":"work_stepped","item":"w-0020-0000000a-000001","request":null,"serving":"guangzhou",'
        b'"service":"install_line@1","step":{"step":"called_back","at":1.0,"reached":true,"by":'
        b'{"agent":"1001@guangzhou","role":"agent","city":"guangzhou"}}}'
    )
    birth, taken = msgspec.json.decode(born, type=rows.AnyRow), msgspec.json.decode(stepped, type=rows.AnyRow)
    assert isinstance(birth, rows.ContactBorn)
    assert birth.call_back is None
    assert isinstance(taken, rows.WorkStepped)
    assert taken.step == CalledBack(
        at=1.0, by=Actor(agent=AgentId("1001@guangzhou"), role="agent", city=HOME), reached=True
    )
    item = WorkItem(
        id=ITEM, service="s@1", owning=HOME, customer="", line="", values={}, opened_by=taken.step.by, opened_at=0.0,
        again_of=None,
        state="installed", since=0.0, due_at=None,
    )  # fmt: skip
    after, _ = apply(catalogue().services["install_line"], calendar(), item, taken.step)
    assert after.called_back
