"""Self-service as a walk: what a key, silence or an answer of the records leads to, and what is said. Pure.

A number or a PIN ends with #, or with silence. A key that stands alone before the # or a short silence is no part of
one: 0 leads to an agent, 1 names the caller's own number. Nothing keyed in is in any row, log or ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from dataset import spoken
from dataset.errors import Language
from dataset.packages import Menu
from dataset.records.tariff import TariffUnit
from dataset.self_service import Outcome, Say, SelfServiceKind, price_prompt, service_prompt, state_prompt
from site_node.core.self_records import (
    Answer,
    Away,
    BillQuestion,
    LineFound,
    LineQuestion,
    LineUnknown,
    OpenItems,
    PinLocked,
    PinWrong,
    PriceQuestion,
    Prices,
    ProgressQuestion,
    Question,
    Statement,
    Unread,
)
from site_node.core.telephony import Prompt

ALONE_S = 2.0
"""silence after a key by itself that makes it a choice"""
MOST_DIGITS = 20
"""in a number or a PIN; more are an entry gone wrong"""
AGENT, OWN, AGAIN, ENDS, ANEW = "0", "1", "1", "#", "*"


class Stage(StrEnum):
    """Where a caller in a self-service is."""

    LOOKING = "looking"
    """records look whether the caller's own number is a line"""
    NUMBER = "number"
    """keys in a number"""
    CHECKING = "checking"
    """records look for that number"""
    PIN = "pin"
    READING = "reading"
    """records are read"""
    TELLING = "telling"
    """hears the answer, and what can be done next"""
    LEAVING = "leaving"
    """hears goodbye"""


_ASKING = (Stage.LOOKING, Stage.CHECKING, Stage.READING)


@dataclass(frozen=True, slots=True)
class SelfPlace:
    """A caller in a self-service."""

    kind: SelfServiceKind
    menu: str
    stage: Stage
    asked: int = 0
    """the number of the last question to the records: an answer to another is late"""
    own: LineFound | None = None
    """the caller's own line"""
    line: LineFound | None = None
    """the line asked about"""
    entered: str = field(default="", repr=False)
    tries: int = 0
    """wrong or missing entries at this stage"""
    answer: tuple[Prompt, ...] = ()
    told: bool = False
    """the answer was said to its end"""


@dataclass(frozen=True, slots=True)
class SelfStep:
    """What happens now: ``say``, or wait ``wait_s`` for a key, or ask; ``leaves``: on to an agent, hearing ``say``."""

    place: SelfPlace
    say: tuple[Prompt, ...] = ()
    wait_s: float | None = None
    question: Question | None = None
    leaves: Outcome | None = None


class Walk:
    """The walk through one menu that serves the caller itself, in one language."""

    def __init__(self, menu: Menu, language: Language, invalid: str, nothing_pressed: str) -> None:
        """``invalid`` and ``nothing_pressed``: the package's prompts for these."""
        self._menu = menu
        self._language = language
        self._invalid = Prompt(invalid)
        self._nothing_pressed = Prompt(nothing_pressed)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────
    def begin(self, calling: str) -> SelfStep:
        """A caller comes in from the number ``calling``."""
        kind = self._menu.self_service
        if kind is None:
            raise ValueError(f"menu {self._menu.id} is no self-service")
        place = SelfPlace(kind, self._menu.id, Stage.NUMBER)
        if kind == "tariff":
            return _ask(place, Stage.READING, PriceQuestion(self._menu.plan, self._menu.tell))
        if calling.removeprefix("+").isdecimal():
            return _ask(place, Stage.LOOKING, LineQuestion(calling))
        return self._number(place)

    def pressed(self, place: SelfPlace, key: str) -> SelfStep | None:
        """A key; None when it changes nothing."""
        if place.stage in (Stage.NUMBER, Stage.PIN):
            return self._keyed(place, key)
        if place.stage is Stage.TELLING:
            return self._after_telling(place, key)
        return SelfStep(place, leaves=Outcome.TO_AGENT) if key == AGENT and place.stage in _ASKING else None

    def silent(self, place: SelfPlace) -> SelfStep | None:
        """No key came in time."""
        if place.stage in (Stage.NUMBER, Stage.PIN):
            return self._entered(place) if place.entered else self._wrong(place, self._nothing_pressed)
        return self._goodbye(place) if place.stage is Stage.TELLING else None

    def said(self, place: SelfPlace) -> SelfStep | None:
        """What was said is over; None where no key is waited for."""
        if place.stage is Stage.TELLING and not place.told:
            return SelfStep(replace(place, told=True), (Prompt(Say.AGAIN),))
        if place.stage is Stage.TELLING:
            return SelfStep(place, wait_s=self._menu.wait_s)
        return SelfStep(place, wait_s=self._wait_s(place)) if place.stage in (Stage.NUMBER, Stage.PIN) else None

    def answered(self, place: SelfPlace, answer: Answer) -> SelfStep | None:
        """The records answered; None for what nobody waits for."""
        if place.stage not in _ASKING:
            return None
        match answer:
            case Unread():
                return SelfStep(place, (Prompt(Say.UNREADABLE),), leaves=Outcome.FAILED)
            case Away() if place.stage is Stage.LOOKING:
                return self._number(place)
            case Away():
                return SelfStep(place, (Prompt(Say.CITY_AWAY),), leaves=Outcome.FAILED)
            case LineFound() if place.stage is Stage.LOOKING:
                return self._number(replace(place, own=answer))
            case LineUnknown() if place.stage is Stage.LOOKING:
                return self._number(place)
            case LineFound():
                return self._found(place, answer)
            case LineUnknown():
                return self._wrong(replace(place, stage=Stage.NUMBER), Prompt(Say.NUMBER_UNKNOWN))
            case PinWrong():
                return self._wrong(replace(place, stage=Stage.PIN), Prompt(Say.PIN_WRONG))
            case PinLocked():
                return SelfStep(place, (Prompt(Say.LOCKED),), leaves=Outcome.LOCKED)
            case _:
                told = told_as(answer, self._language)
                return SelfStep(replace(place, stage=Stage.TELLING, answer=told, tries=0), told)

    # ── numbers and PINs ────────────────────────────────────────────────────────────────────────────────────────────
    def _keyed(self, place: SelfPlace, key: str) -> SelfStep:
        if key == ENDS:
            return self._entered(place)
        if key == ANEW:
            return self._ask_again(replace(place, entered=""))
        longer = replace(place, entered=place.entered + key)
        if len(longer.entered) > MOST_DIGITS:
            return self._wrong(longer, self._invalid)
        return SelfStep(longer, wait_s=self._wait_s(longer))

    def _wait_s(self, place: SelfPlace) -> float:
        alone = place.entered == AGENT or (place.entered == OWN and self._offers_own(place))
        return ALONE_S if alone else self._menu.wait_s

    def _offers_own(self, place: SelfPlace) -> bool:
        return place.stage is Stage.NUMBER and place.own is not None

    def _entered(self, place: SelfPlace) -> SelfStep:
        """The entry is whole."""
        entered, place = place.entered, replace(place, entered="")
        if entered == AGENT:
            return SelfStep(place, leaves=Outcome.TO_AGENT)
        if not entered:
            return self._wrong(place, self._nothing_pressed)
        if place.stage is Stage.PIN:
            assert place.line is not None, "a PIN is asked for after the line"
            kind = BillQuestion if place.kind == "bill" else ProgressQuestion
            return _ask(place, Stage.READING, kind(place.line.line, entered))
        if entered == OWN and place.own is not None:
            return self._found(place, place.own)
        return _ask(place, Stage.CHECKING, LineQuestion(entered))

    def _found(self, place: SelfPlace, line: LineFound) -> SelfStep:
        place = replace(place, line=line, stage=Stage.PIN, tries=0)
        if not line.has_pin:
            return SelfStep(place, (Prompt(Say.NO_PIN),), leaves=Outcome.TO_AGENT)
        number = _prompts(spoken.digits(line.line, self._language))
        return SelfStep(place, (Prompt(Say.NUMBER_IS), *number, Prompt(Say.ASK_PIN)))

    def _number(self, place: SelfPlace) -> SelfStep:
        return self._ask_again(replace(place, stage=Stage.NUMBER))

    def _ask_again(self, place: SelfPlace, *why: Prompt) -> SelfStep:
        if place.stage is Stage.PIN:
            return SelfStep(place, (*why, Prompt(Say.ASK_PIN)))
        own = (Prompt(Say.OWN_NUMBER),) if place.own is not None else ()
        return SelfStep(place, (*why, *own, Prompt(Say.ASK_NUMBER)))

    def _wrong(self, place: SelfPlace, why: Prompt) -> SelfStep:
        place = replace(place, entered="", tries=place.tries + 1)
        if place.tries >= self._menu.tries:
            return SelfStep(place, (why, Prompt(Say.TOO_MANY)), leaves=Outcome.TO_AGENT)
        return self._ask_again(place, why)

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _after_telling(self, place: SelfPlace, key: str) -> SelfStep:
        if key == AGENT:
            return SelfStep(place, leaves=Outcome.TO_AGENT)
        if key == AGAIN:
            return SelfStep(place, (*place.answer, Prompt(Say.AGAIN)))
        if key in (ENDS, ANEW):
            return self._goodbye(place)
        tried = replace(place, tries=place.tries + 1)
        return (
            self._goodbye(tried)
            if tried.tries >= self._menu.tries
            else SelfStep(tried, (self._invalid, Prompt(Say.AGAIN)))
        )

    def _goodbye(self, place: SelfPlace) -> SelfStep:
        return SelfStep(replace(place, stage=Stage.LEAVING, told=True), (Prompt(Say.GOODBYE),))


def _ask(place: SelfPlace, stage: Stage, question: Question) -> SelfStep:
    return SelfStep(replace(place, stage=stage, asked=place.asked + 1), question=question)


# ── what is said ────────────────────────────────────────────────────────────────────────────────────────────────────
def told_as(answer: Statement | OpenItems | Prices, language: Language) -> tuple[Prompt, ...]:
    """The answer as it is said."""
    match answer:
        case Statement():
            said = _statement(answer, language)
        case OpenItems():
            said = _items(answer, language)
        case Prices():
            said = _prices(answer, language)
    return _prompts(said)


def _statement(of: Statement, language: Language) -> tuple[str, ...]:
    said: tuple[str, ...] = (Say.DUE, *spoken.amount(of.due_fen, language)) if of.due_fen else (Say.NOTHING_DUE,)
    if of.overdue_fen:
        said = (*said, Say.OVERDUE, *spoken.amount(of.overdue_fen, language))
    if of.credit_fen:
        said = (*said, Say.CREDIT, *spoken.amount(of.credit_fen, language))
    if of.last is None:
        return (*said, Say.NO_BILL)
    month = (Say.LAST_BILL, *spoken.month(of.last.month, language))
    amount = (Say.BILL_AMOUNT, *spoken.amount(of.last.total_fen, language))
    return (*said, *month, *amount, Say.PAY_BY, *spoken.day(of.last.due_on, language))


def _items(of: OpenItems, language: Language) -> tuple[str, ...]:
    said: tuple[str, ...] = () if of.items else (Say.NO_WORK,)
    for one in of.items:
        said = (*said, service_prompt(one.service), Say.STATE, state_prompt(one.service, one.state))
        if one.due_on is not None:
            said = (*said, Say.DUE_BY, *spoken.day(one.due_on, language))
    return (*said, Say.MORE_WORK) if of.more else said


def _prices(of: Prices, language: Language) -> tuple[str, ...]:
    said: tuple[str, ...] = () if of.prices else (Say.NO_PRICE,)
    for one in of.prices:
        said = (*said, price_prompt(one.code), *_unit(one.unit, one.per, language), *spoken.amount(one.fen, language))
    return said


_UNITS = {
    TariffUnit.MONTH: Say.UNIT_MONTH,
    TariffUnit.DAY: Say.UNIT_DAY,
    TariffUnit.CALL: Say.UNIT_CALL,
    TariffUnit.SECOND: Say.UNIT_SECOND,
    TariffUnit.MESSAGE: Say.UNIT_MESSAGE,
    TariffUnit.PAGE: Say.UNIT_PAGE,
    TariffUnit.KILOBYTE: Say.UNIT_KILOBYTE,
}


def _unit(unit: TariffUnit, per: int, language: Language) -> tuple[str, ...]:
    """Per month; per 6 seconds; 60 of them are a minute."""
    if unit is TariffUnit.ONCE:
        return (Say.ONCE,)
    name = _UNITS[unit]
    if unit is TariffUnit.SECOND and per % 60 == 0:
        name, per = Say.UNIT_MINUTE, per // 60
    return (Say.PER, *(spoken.number(per, language) if per != 1 else ()), name)


def _prompts(names: tuple[str, ...]) -> tuple[Prompt, ...]:
    return tuple(Prompt(str(name)) for name in names)
