"""What a line's month costs: how much it was used, and what that comes to by the tariffs in force.

Every position of a bill is a number of begun units times a price in whole fen, so a bill can be recomputed from the
tariffs, and adds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from random import Random

from dataset.records.money import BillItem
from dataset.records.tariff import TariffItem, TariffUnit
from simulation.population.draws import Draw, lognormal

MONTHLY_FEATURES = (
    "caller_id", "forward_no_answer", "forward_busy", "forward_all", "ring_back_tone", "missed_call_alert",
    "internet_dial_up",
)  # fmt: skip
"""features with a price of their own"""
_HONG_KONG_SHARE = 0.08
"""of subscribers who call there in a month"""
_ABROAD_SHARE = 0.2
"""the same of those whose line is open to other countries"""


@dataclass(frozen=True, slots=True)
class Use:
    """How much a line is used in a month: how many local calls, and how many seconds of long-distance ones."""

    local_calls: Draw
    long_distance_s: Draw


HOME_USE = Use(lognormal(60, 0.9), lognormal(900, 1.2))
OFFICE_USE = Use(lognormal(180, 0.9), lognormal(4_800, 1.2))
_ACCESS_S = lognormal(9_000, 1.0)
"""calls to an 800 or 400 number"""
_CARD_S = lognormal(1_200, 1.0)
_LONG_CALLS = 0.4
"""share of local calls that outlast the first three minutes, by this many more minutes on average"""
_MORE_MINUTES = 3.0

Prices = Mapping[str, TariffItem]
"""The tariffs in force, by code."""


def priced(price: TariffItem, amount: int, *, calls: int = 1) -> BillItem:
    """The position for ``amount`` of the price's unit, begun ones counting whole."""
    begun = ceil(amount / price.per)
    timed = price.unit is TariffUnit.SECOND
    return BillItem(
        code=price.code,
        zh=price.zh,
        en=price.en,
        fen=begun * price.fen,
        count=calls if timed else amount,
        seconds=begun * price.per if timed else 0,
    )


def line_items(rng: Random, prices: Prices, use: Use, rent: str, features: tuple[str, ...]) -> list[BillItem]:
    """A telephone line's month: rental under the code ``rent``, features, local and long-distance calls."""
    items = [priced(prices[rent], 1)]
    items += [priced(prices[feature], 1) for feature in MONTHLY_FEATURES if feature in features]
    items += _local(rng, prices, use)
    if "domestic_direct" in features:
        items += _long_distance(rng, prices, use, abroad="international_direct" in features)
    return items


def rented(prices: Prices, code: str, *, discount: str = "") -> list[BillItem]:
    """A month of something with one price; ``discount`` is the code of what is taken off."""
    items = [priced(prices[code], 1)]
    if discount:
        off = priced(prices[discount], 1)
        items.append(BillItem(code=off.code, zh=off.zh, en=off.en, fen=-off.fen))
    return items


def called(rng: Random, prices: Prices, code: str) -> list[BillItem]:
    """A month of calls that the subscriber of an 800 or 400 number, or of a calling card, pays for."""
    seconds = round((_CARD_S if code.startswith("card") else _ACCESS_S)(rng))
    return [priced(prices[code], seconds, calls=max(1, seconds // 150))]


def _local(rng: Random, prices: Prices, use: Use) -> Iterator[BillItem]:
    calls = round(use.local_calls(rng))
    if not calls:
        return
    yield priced(prices["local_first"], calls)
    long = round(calls * _LONG_CALLS * rng.random())
    if long:
        # as many exponential times, in one draw
        minutes = max(long, round(rng.gammavariate(long, _MORE_MINUTES)))
        yield priced(prices["local_more"], minutes * 60, calls=long)


def _long_distance(rng: Random, prices: Prices, use: Use, *, abroad: bool) -> Iterator[BillItem]:
    by_ip = "long_distance_ip" if rng.random() < 0.5 else "long_distance"
    wanted = [(by_ip, 1.0)]
    if rng.random() < _HONG_KONG_SHARE:
        wanted.append(("hong_kong", 0.3))
    if abroad and rng.random() < _ABROAD_SHARE:
        wanted.append(("international", 0.2))
    for code, share in wanted:
        seconds = round(use.long_distance_s(rng) * share)
        if seconds:
            yield priced(prices[code], seconds, calls=max(1, seconds // 180))
