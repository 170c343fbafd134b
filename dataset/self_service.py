"""Self-service by the telephone's keys: what there is, and the names of all that it says (docs/self-service.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from dataset import spoken

SelfServiceKind = Literal["bill", "progress", "tariff"]
"""The balance and last bill of a line; the work that is open for it; what a service costs. The first two need a PIN."""


class Outcome(StrEnum):
    """What came of a self-service."""

    TOLD = "told"
    """the caller heard the answer"""
    GAVE_UP = "gave_up"
    """hung up before the answer was said"""
    TO_AGENT = "to_agent"
    """asked for an agent, or could not make itself understood"""
    LOCKED = "locked"
    """too many wrong PINs for the line; on to an agent"""
    FAILED = "failed"
    """the records could not be read in time, and the caller went on to an agent; or a fault ended the contact"""


class Say(StrEnum):
    """Sentences and words, each the id of a prompt."""

    OWN_NUMBER = "self-own-number"
    ASK_NUMBER = "self-ask-number"
    NUMBER_UNKNOWN = "self-number-unknown"
    NUMBER_IS = "self-number-is"
    ASK_PIN = "self-ask-pin"
    PIN_WRONG = "self-pin-wrong"
    NO_PIN = "self-no-pin"
    LOCKED = "self-locked"
    UNREADABLE = "self-unreadable"
    CITY_AWAY = "self-city-away"
    TOO_MANY = "self-too-many"
    AGAIN = "self-again"
    GOODBYE = "goodbye"
    DUE = "self-due"
    NOTHING_DUE = "self-nothing-due"
    OVERDUE = "self-overdue"
    CREDIT = "self-credit"
    LAST_BILL = "self-last-bill"
    BILL_AMOUNT = "self-bill-amount"
    PAY_BY = "self-pay-by"
    NO_BILL = "self-no-bill"
    STATE = "self-state"
    DUE_BY = "self-due-by"
    NO_WORK = "self-no-work"
    MORE_WORK = "self-more-work"
    NO_PRICE = "self-no-price"
    PER = "tariff-per"
    ONCE = "tariff-once"
    UNIT_MINUTE = "tariff-unit-minute"
    UNIT_SECOND = "tariff-unit-second"
    UNIT_MONTH = "tariff-unit-month"
    UNIT_DAY = "tariff-unit-day"
    UNIT_CALL = "tariff-unit-call"
    UNIT_MESSAGE = "tariff-unit-message"
    UNIT_PAGE = "tariff-unit-page"
    UNIT_KILOBYTE = "tariff-unit-kilobyte"


PROMPTS = frozenset((*(str(one) for one in Say), *spoken.PIECES))
"""Everything that any self-service may say, besides numbers and the names of services, states and prices."""


def service_prompt(service: str) -> str:
    """The prompt with the name of a service."""
    return f"service-{_dashed(service)}"


def state_prompt(service: str, state: str) -> str:
    """The prompt with the name of a state of a service's work."""
    return f"state-{_dashed(service)}-{_dashed(state)}"


def price_prompt(code: str) -> str:
    """The prompt with the name of a price of the tariff."""
    return f"price-{_dashed(code)}"


def _dashed(code: str) -> str:
    return code.replace("_", "-")
