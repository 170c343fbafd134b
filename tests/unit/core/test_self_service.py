"""Self-service by the telephone's keys: every way through it, hang-ups at each step, time, and what goes on record."""

from __future__ import annotations

from datetime import date

import pytest

from dataset import rows, spoken
from dataset.errors import Language
from dataset.ids import ConnectionId, ContactId
from dataset.records.tariff import TariffUnit
from dataset.rows import Ending, Entered
from dataset.self_service import Outcome, Say
from federation.core.envelope import Open
from site_node.core import events
from site_node.core.commands import AskRecords
from site_node.core.self_records import (
    Answer,
    BillQuestion,
    LastBill,
    LineFound,
    LineQuestion,
    LineUnknown,
    OpenItem,
    OpenItems,
    PinLocked,
    PinWrong,
    Price,
    PriceQuestion,
    Prices,
    ProgressQuestion,
    Question,
    Statement,
    Unread,
)
from site_node.core.self_service import ALONE_S, told_as
from site_node.core.telephony import Cause, Clear, Digit, Established, Music, Offered, Play, Played
from tests.unit.core.core_alone import BILL, CoreAlone

LINE = "02088886666"
OWN = LineFound(LINE, has_pin=True)
STATEMENT = Statement(12_345, 1_005, 0, LastBill("2026-10", 9_900, date(2026, 11, 25)))


class AtTheKeys:
    """A caller who came to a self-service by way of 10000."""

    def __init__(self, keys: str = "61") -> None:
        self.core = CoreAlone()
        self.which: ContactId = self.core.call("10000")
        self.leg = self.core.contact(self.which).connection
        self.press(keys)

    def press(self, keys: str) -> None:
        for key in keys:
            self.core.does(Digit(self.leg, key))

    def question(self) -> Question:
        """What the last event asked of the records."""
        [asked] = [one for one in self.core.commands if isinstance(one, AskRecords)]
        return asked.question

    def asks(self) -> bool:
        return any(isinstance(one, AskRecords) for one in self.core.commands)

    def answers(self, answer: Answer, asked: int | None = None) -> None:
        place = self.core.contact(self.which).self_service
        number = asked if asked is not None else place.asked if place is not None else 0
        self.core.does(events.RecordsAnswered(self.which, number, answer))

    def hears(self) -> list[str]:
        """Prompts that begin to be said with the last event."""
        [play] = self.core.asked(Play)
        return [prompt.name for prompt in play.prompts]

    def heard_out(self) -> None:
        self.core.does(Played(self.leg, completed=True))

    def hangs_up(self) -> None:
        self.core.clears(self.leg, Cause.NORMAL)

    def served(self) -> rows.SelfServed:
        [row] = [row for row in self.core.rows if isinstance(row, rows.SelfServed)]
        return row

    def at_pin(self) -> AtTheKeys:
        """Has keyed in a number that is on record."""
        self.answers(LineUnknown())
        self.press("88886666#")
        self.answers(OWN)
        return self

    def told(self, answer: Answer = STATEMENT) -> AtTheKeys:
        """Has heard the answer to its end."""
        self.at_pin().press("123456#")
        self.answers(answer)
        self.heard_out()
        assert self.hears() == [Say.AGAIN]
        self.heard_out()
        return self

    def waits_for(self, skill: str) -> None:
        """In the queue of agents, with one place and one row of each kind."""
        contact = self.core.contact(self.which)
        assert (contact.skill, contact.state, contact.self_service) == (skill, "waiting", None)
        [entered] = [row for row in self.core.rows if isinstance(row, rows.QueueEntered)]
        assert (entered.skill, entered.how) == (skill, Entered.OFFERED)
        [chosen] = [row for row in self.core.rows if isinstance(row, rows.MenuChosen)]
        assert chosen.skill == skill
        assert ("records", self.which) not in self.core.timers
        assert ("menu", self.which) not in self.core.timers


# ── the whole way ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_caller_hears_the_bill_and_goodbye_and_the_contact_is_completed() -> None:
    caller = AtTheKeys()
    assert caller.question() == LineQuestion("13800000001")
    caller.answers(LineUnknown())
    assert caller.hears() == [Say.ASK_NUMBER]
    caller.press("88886666#")
    assert caller.question() == LineQuestion("88886666")
    caller.answers(OWN)
    assert caller.hears() == [Say.NUMBER_IS, *spoken.digits(LINE, "zh"), Say.ASK_PIN]
    caller.press("123456#")
    assert caller.question() == BillQuestion(LINE, "123456")
    caller.answers(STATEMENT)
    assert caller.hears() == [
        *(Say.DUE, *spoken.amount(12_345, "zh"), Say.OVERDUE, *spoken.amount(1_005, "zh")),
        *(Say.LAST_BILL, *spoken.month("2026-10", "zh"), Say.BILL_AMOUNT, *spoken.amount(9_900, "zh")),
        *(Say.PAY_BY, *spoken.day(date(2026, 11, 25), "zh")),
    ]
    caller.heard_out()
    assert caller.hears() == [Say.AGAIN]
    caller.heard_out()
    caller.press("#")
    assert caller.hears() == [Say.GOODBYE]
    assert not caller.core.asked(Play)[0].barge_in
    caller.heard_out()
    assert caller.core.asked(Clear) == [Clear(caller.leg, Cause.NORMAL)]
    ended = caller.core.ended()
    assert (ended.ending, ended.cause, ended.service, ended.answers) == (Ending.COMPLETED, "self_service", "bill", 0)
    assert caller.served() == rows.SelfServed(
        contact=caller.which, service="bill", skill=BILL, channel="voice", outcome=Outcome.TOLD
    )
    assert not caller.core.count(rows.QueueEntered)


def test_what_was_keyed_in_and_told_is_in_no_row_and_no_text() -> None:
    caller = AtTheKeys().at_pin()
    caller.press("4711#")
    shown = repr((caller.core.rows, caller.core.contact(caller.which), caller.core.commands))
    assert "4711" not in shown
    caller.answers(STATEMENT)
    caller.heard_out()
    caller.press("#")
    caller.heard_out()
    checks = [row for row in caller.core.rows if isinstance(row, rows.IdentityChecked)]
    assert [(row.line, row.how, row.agent) for row in checks] == [(LINE, rows.IdentityHow.MENU_PIN, None)]
    written = repr([row for row in caller.core.rows if row not in checks])
    for secret in ("4711", LINE, "88886666", "12345", "9900"):
        assert secret not in written
    assert "4711" not in repr(checks)


def test_a_wrong_pin_proves_nothing() -> None:
    caller = AtTheKeys().at_pin()
    caller.press("4711#")
    caller.answers(PinWrong())
    assert not [row for row in caller.core.rows if isinstance(row, rows.IdentityChecked)]


def test_the_own_number_is_offered_by_1() -> None:
    caller = AtTheKeys()
    caller.answers(OWN)
    assert caller.hears() == [Say.OWN_NUMBER, Say.ASK_NUMBER]
    caller.press("1#")
    assert not caller.asks()
    assert Say.ASK_PIN in caller.hears()
    caller.press("9#")
    assert caller.question() == BillQuestion(LINE, "9")


def test_a_1_alone_is_a_choice_after_a_moment_and_the_beginning_of_a_number_before() -> None:
    caller = AtTheKeys()
    caller.answers(OWN)
    caller.press("1")
    assert caller.core.timers["menu", caller.which] == caller.core.now + ALONE_S
    caller.press("3800138000")
    assert caller.core.timers["menu", caller.which] == caller.core.now + 8.0
    caller.core.expires("menu", caller.which)
    assert caller.question() == LineQuestion("13800138000")

    other = AtTheKeys()
    other.answers(OWN)
    other.press("1")
    other.core.expires("menu", other.which)
    assert Say.ASK_PIN in other.hears()


def test_a_1_is_a_digit_where_no_own_number_was_offered() -> None:
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    caller.press("1#")
    assert caller.question() == LineQuestion("1")


def test_an_anonymous_caller_is_asked_for_the_number_at_once() -> None:
    caller = AtTheKeys("")
    leg = ConnectionId("anonymous")
    caller.core.does(Offered(leg, "10000", "anonymous"))
    caller.core.does(Established(leg))
    for key in "61":
        caller.core.does(Digit(leg, key))
    assert caller.hears() == [Say.ASK_NUMBER]


def test_a_number_may_be_begun_anew_and_ends_by_itself() -> None:
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    caller.press("123*")
    assert caller.hears() == [Say.ASK_NUMBER]
    caller.press("88886666")
    caller.core.expires("menu", caller.which)
    assert caller.question() == LineQuestion("88886666")


def test_progress_names_each_open_item() -> None:
    caller = AtTheKeys("62").at_pin()
    caller.press("123456#")
    assert caller.question() == ProgressQuestion(LINE, "123456")
    due = date(2026, 12, 2)
    caller.answers(OpenItems((OpenItem("install_line", "surveyed", due), OpenItem("fault", "tested", None)), more=True))
    assert caller.hears() == [
        *("service-install-line", Say.STATE, "state-install-line-surveyed", Say.DUE_BY, *spoken.day(due, "zh")),
        *("service-fault", Say.STATE, "state-fault-tested", Say.MORE_WORK),
    ]


def test_prices_are_told_without_number_and_pin() -> None:
    caller = AtTheKeys("631")
    question = caller.question()
    assert isinstance(question, PriceQuestion)
    assert (question.plan, question.codes[-1]) == ("install_line", "local_more")
    caller.answers(Prices((Price("local_more", 11, TariffUnit.SECOND, 60),)))
    amount = spoken.amount(11, "zh")
    assert caller.hears() == ["price-local-more", Say.PER, Say.UNIT_MINUTE, *amount]
    caller.hangs_up()
    assert caller.served().outcome is Outcome.GAVE_UP


@pytest.mark.parametrize(
    ("answer", "language", "said"),
    [
        (Statement(0, 0, 0, None), "zh", (Say.NOTHING_DUE, Say.NO_BILL)),
        (Statement(0, 0, 200, None), "zh", (Say.NOTHING_DUE, Say.CREDIT, "number-liang", "unit-yuan", Say.NO_BILL)),
        (Statement(1_005, 0, 0, None), "en", (Say.DUE, "number-10", "unit-yuan", "number-5", "unit-fen", Say.NO_BILL)),
        (OpenItems((), more=False), "zh", (Say.NO_WORK,)),
        (Prices(()), "zh", (Say.NO_PRICE,)),
        (
            Prices((Price("long_distance", 7, TariffUnit.SECOND, 6),)),
            "en",
            ("price-long-distance", Say.PER, "number-6", Say.UNIT_SECOND, "number-7", "unit-fen"),
        ),
        (Prices((Price("x", 100, TariffUnit.ONCE, 1),)), "zh", ("price-x", Say.ONCE, "number-1", "unit-yuan")),
        (
            Prices((Price("x", 100, TariffUnit.MONTH, 1),)),
            "zh",
            ("price-x", Say.PER, Say.UNIT_MONTH, "number-1", "unit-yuan"),
        ),
    ],
)
def test_answers_are_put_into_words(
    answer: Statement | OpenItems | Prices, language: Language, said: tuple[str, ...]
) -> None:
    assert tuple(prompt.name for prompt in told_as(answer, language)) == said


@pytest.mark.parametrize("unit", list(TariffUnit))
def test_every_unit_of_a_price_can_be_said(unit: TariffUnit) -> None:
    assert told_as(Prices((Price("x", 1, unit, 1),)), "zh")


# ── after the answer ────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_answer_is_said_again_by_1() -> None:
    caller = AtTheKeys().told()
    caller.press("1")
    assert caller.hears()[0] == Say.DUE
    assert caller.hears()[-1] == Say.AGAIN


def test_silence_after_the_answer_ends_the_contact() -> None:
    caller = AtTheKeys().told()
    caller.core.expires("menu", caller.which)
    assert caller.hears() == [Say.GOODBYE]
    caller.heard_out()
    assert caller.core.ended().cause == "self_service"


def test_a_goodbye_whose_end_is_never_reported_ends_too() -> None:
    caller = AtTheKeys().told()
    caller.press("#")
    caller.core.expires("closing", caller.which)
    assert (caller.core.ended().ending, caller.core.ended().cause) == (Ending.COMPLETED, "self_service")


def test_other_keys_after_the_answer_are_named_and_three_of_them_end_it() -> None:
    caller = AtTheKeys().told()
    caller.press("7")
    assert caller.hears() == ["invalid-choice", Say.AGAIN]
    caller.press("77")
    assert caller.hears() == [Say.GOODBYE]


def test_an_agent_may_be_asked_for_after_the_answer() -> None:
    caller = AtTheKeys().told()
    caller.press("0")
    assert caller.served().outcome is Outcome.TO_AGENT
    caller.waits_for("bill")


# ── to an agent ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("step", ["looking", "number", "checking", "pin", "reading", "telling"])
def test_0_leads_to_an_agent_at_every_step(step: str) -> None:
    caller = AtTheKeys("62")
    if step in ("number", "checking"):
        caller.answers(OWN)
        caller.press("88886666#" if step == "checking" else "")
    elif step in ("pin", "reading"):
        caller.at_pin()
        caller.press("123456#" if step == "reading" else "")
    elif step == "telling":
        caller.at_pin().press("123456#")
        caller.answers(OpenItems((), more=False))
    caller.press("0#" if step in ("number", "pin") else "0")
    assert caller.served().outcome is Outcome.TO_AGENT
    caller.waits_for("order")


def test_a_0_alone_leads_to_an_agent_after_a_moment_and_begins_a_number_before() -> None:
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    caller.press("02088886666#")
    assert caller.question() == LineQuestion("02088886666")

    other = AtTheKeys()
    other.answers(LineUnknown())
    other.press("0")
    assert other.core.timers["menu", other.which] == other.core.now + ALONE_S
    other.core.expires("menu", other.which)
    other.waits_for("bill")


def test_the_line_goes_along_to_the_agent() -> None:
    caller = AtTheKeys().at_pin()
    caller.core.sees_hub()
    caller.press("0#")
    [wish] = caller.core.sent(Open)
    assert (wish.context.line, wish.context.path, wish.context.service) == (LINE, ("6", "1"), "bill")
    assert LINE not in repr(caller.core.rows)


def test_three_wrong_entries_lead_to_an_agent() -> None:
    """Unknown number, nothing, and too long a number count together."""
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    caller.press("1234#")
    caller.answers(LineUnknown())
    assert caller.hears() == [Say.NUMBER_UNKNOWN, Say.ASK_NUMBER]
    caller.heard_out()
    caller.core.expires("menu", caller.which)
    assert caller.hears() == ["no-input", Say.ASK_NUMBER]
    caller.press("9" * 21)
    assert caller.hears()[:2] == ["invalid-choice", Say.TOO_MANY]
    assert caller.served().outcome is Outcome.TO_AGENT
    caller.waits_for("bill")


def test_a_right_number_after_wrong_ones_begins_the_count_anew() -> None:
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    for _ in range(2):
        caller.press("1234#")
        caller.answers(LineUnknown())
    caller.press("88886666#")
    caller.answers(OWN)
    for _ in range(2):
        caller.press("1#")
        caller.answers(PinWrong())
        assert caller.hears() == [Say.PIN_WRONG, Say.ASK_PIN]
    caller.press("#")
    assert caller.hears()[:2] == ["no-input", Say.TOO_MANY]


def test_a_locked_line_is_said_so_and_goes_on_to_an_agent() -> None:
    caller = AtTheKeys().at_pin()
    caller.press("1#")
    caller.answers(PinLocked())
    assert caller.hears()[0] == Say.LOCKED
    assert caller.served().outcome is Outcome.LOCKED
    caller.waits_for("bill")


def test_a_line_without_a_pin_goes_on_to_an_agent() -> None:
    caller = AtTheKeys()
    caller.answers(LineFound(LINE, has_pin=False))
    caller.press("1#")
    assert caller.hears()[0] == Say.NO_PIN
    assert caller.served().outcome is Outcome.TO_AGENT
    caller.waits_for("bill")


@pytest.mark.parametrize("how", ["late", "unread"])
@pytest.mark.parametrize("step", ["looking", "checking", "reading"])
def test_records_that_are_not_read_in_time_lead_to_an_agent(step: str, how: str) -> None:
    caller = AtTheKeys()
    if step == "checking":
        caller.answers(LineUnknown())
        caller.press("88886666#")
    elif step == "reading":
        caller.at_pin().press("1#")
    if how == "late":
        assert caller.core.timers["records", caller.which] == caller.core.now + 3.0
        caller.core.expires("records", caller.which)
    else:
        caller.answers(Unread())
    assert caller.hears()[0] == Say.UNREADABLE
    assert caller.served().outcome is Outcome.FAILED
    caller.waits_for("bill")
    before = list(caller.core.rows)
    caller.answers(STATEMENT, asked=3)
    assert (caller.core.rows, caller.core.commands) == (before, [])


def test_an_answer_to_an_earlier_question_is_nothing() -> None:
    caller = AtTheKeys()
    caller.answers(LineUnknown())
    caller.press("88886666#")
    caller.answers(LineUnknown(), asked=1)
    assert caller.core.commands == []
    caller.answers(OWN)
    assert Say.ASK_PIN in caller.hears()


def test_prompts_that_end_while_records_are_read_leave_the_deadline_standing() -> None:
    """The end of a prompt and the # that barged into it may cross."""
    caller = AtTheKeys().at_pin()
    caller.press("1#")
    caller.heard_out()
    assert ("records", caller.which) in caller.core.timers
    assert ("menu", caller.which) not in caller.core.timers


def test_nobody_waits_twice_the_queue_plays_on() -> None:
    caller = AtTheKeys().at_pin()
    caller.press("0#")
    caller.heard_out()
    assert caller.core.asked(Music) == [Music(caller.leg)]


# ── hanging up, and a switch that was away ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("step", ["looking", "number", "checking", "pin", "reading", "telling"])
def test_who_hangs_up_before_the_answer_was_said_gave_up(step: str) -> None:
    caller = AtTheKeys()
    if step in ("number", "checking"):
        caller.answers(OWN)
        caller.press("88886666#" if step == "checking" else "8")
    elif step in ("pin", "reading", "telling"):
        caller.at_pin()
        caller.press("" if step == "pin" else "123456#")
    if step == "telling":
        caller.answers(STATEMENT)
    caller.hangs_up()
    assert (caller.core.ended().ending, caller.core.ended().cause) == (Ending.MENU, "customer")
    assert caller.served().outcome is Outcome.GAVE_UP
    assert not [key for key in caller.core.timers if caller.which in key]


def test_who_hangs_up_while_hearing_what_can_be_done_next_was_served() -> None:
    caller = AtTheKeys().at_pin()
    caller.press("1#")
    caller.answers(STATEMENT)
    caller.heard_out()
    caller.hangs_up()
    assert caller.served().outcome is Outcome.TOLD


@pytest.mark.parametrize("keys", ["", "1", "#"])
def test_who_hangs_up_after_the_answer_was_served(keys: str) -> None:
    caller = AtTheKeys().told()
    caller.press(keys)
    caller.hangs_up()
    assert (caller.core.ended().ending, caller.core.ended().cause) == (Ending.COMPLETED, "customer")
    assert caller.served().outcome is Outcome.TOLD


def test_a_fault_ends_it_as_failed() -> None:
    caller = AtTheKeys().at_pin()
    caller.core.clears(caller.leg, Cause.MEDIA_LOST)
    assert caller.core.ended().ending is Ending.FAILED
    assert caller.served().outcome is Outcome.FAILED


def test_170_leads_to_an_agent_without_a_key_and_to_self_service_by_one() -> None:
    core = CoreAlone()
    which = core.call("170")
    core.does(Played(core.contact(which).connection, completed=True))
    core.expires("menu", which)
    assert (core.contact(which).state, core.contact(which).skill) == ("waiting", "bill")
    other = core.call("170")
    core.does(Digit(core.contact(other).connection, "1"))
    assert core.contact(other).self_service is not None
