"""Which number the n-th line of a district has: in a range of the district's exchange, never twice, no memory needed.

All numbers of an exchange area are blocks of ten; a seed puts the blocks in another order, and the n-th line takes the
n-th place. So neighbours in the count, such as the lines of one company, have numbers in a row, and any line's number
is known without the others.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import gcd
from random import Random

from dataset.errors import Problem, Refused
from dataset.number_plan import NumberPlan
from dataset.number_tables import Exchange

_BLOCK = 10
_CABLE_LINES = 50
"""telephone lines of one distribution cable"""


@dataclass(frozen=True, slots=True)
class Shuffle:
    """An order of ``0 … size - 1`` in which every place is computed alone: ``n ↦ factor · n + offset mod size``."""

    size: int
    factor: int
    offset: int

    @classmethod
    def of(cls, size: int, rng: Random) -> Shuffle:
        """An order drawn from ``rng``. The factor is far from 1, so that neighbours are far apart."""
        factor = rng.randrange(size // 3, size) | 1
        while gcd(factor, size) != 1:
            factor += 2
        return cls(size, factor % size or 1, rng.randrange(size))

    def at(self, n: int) -> int:
        """What stands at place ``n``."""
        return (self.factor * n + self.offset) % self.size


@dataclass(frozen=True, slots=True)
class _Span:
    exchange: Exchange
    prefix: str


class DistrictNumbers:
    """The telephone numbers of one district of a city."""

    def __init__(self, plan: NumberPlan, area_code: str, district: str, seed: str) -> None:
        exchanges = [one for one in plan.exchange if one.area == area_code and one.district == district]
        area = plan.area_by_code(area_code)
        if area is None or not exchanges:
            raise Refused(
                Problem(
                    "population-exchange",
                    zh=f"号码资源中没有为 {area_code} {district} 服务的交换局；请加入 exchange",
                    en=f"no exchange of the number plan serves {area_code} {district}; one is expected under exchange",
                    place="number_plan.toml",
                )
            )
        self._area = area
        self._digits = area.digits[0]
        self._spans = [_Span(one, prefix) for one in exchanges for prefix in one.prefixes]
        blocks = (int(10 ** (self._digits - len(span.prefix))) // _BLOCK for span in self._spans)
        self._ends: list[int] = list(accumulate(blocks))
        self._order = Shuffle.of(self._ends[-1], Random(f"{seed}/{area_code}/{district}"))

    @property
    def area_code(self) -> str:
        """The area code of its city."""
        return self._area.code

    @property
    def capacity(self) -> int:
        """How many numbers there are."""
        return self._ends[-1] * _BLOCK

    def number(self, n: int) -> tuple[str, Exchange]:
        """The ``n``-th line's number with its area code, and its exchange. Raises ``Refused`` past the capacity."""
        if n >= self.capacity:
            raise Refused(
                Problem(
                    "population-full",
                    zh=f"{self._area.zh}该区只有 {self.capacity} 个号码；请减少线数或增加局向",
                    en=f"this district of {self._area.en} has {self.capacity} numbers only; fewer lines or more "
                    "leading digits of its exchange are expected",
                )
            )
        block, last = divmod(n, _BLOCK)
        place = self._order.at(block)
        at = bisect_right(self._ends, place)
        span = self._spans[at]
        within = place - (self._ends[at - 1] if at else 0)
        rest = self._digits - len(span.prefix)
        return f"{self._area.code}{span.prefix}{within * _BLOCK + last:0{rest}d}", span.exchange


class ProvinceNumbers:
    """Numbers that belong to no city: mobile ones to be called back at, and those behind 800 and 400."""

    def __init__(self, plan: NumberPlan, seed: str) -> None:
        rng = Random(f"{seed}/province")
        # 14x are cards in machines, 17xx are shared by networks
        self._prefixes = [
            prefix
            for network in plan.mobile
            for prefix in network.prefixes
            if len(prefix) == 3 and not prefix.startswith("14")
        ]
        self._mobile = Shuffle.of(10**8, rng)
        self._paid = Shuffle.of(10**7, rng)

    def mobile(self, n: int) -> str:
        """The ``n``-th mobile number."""
        digits = self._mobile.at(n)
        return f"{self._prefixes[digits % len(self._prefixes)]}{digits:08d}"

    def paid(self, kind: str, n: int) -> str:
        """The ``n``-th number behind ``kind``, 800 or 400. Raises ``Refused`` when there are no more."""
        if n >= self._paid.size:
            raise Refused(
                Problem(
                    "population-full",
                    zh=f"{kind} 之后只有 {self._paid.size} 个号码，够十个城市用；请减少城市",
                    en=f"there are {self._paid.size} numbers behind {kind}, for ten cities; fewer are accepted",
                    place="addresses.toml",
                )
            )
        return f"{kind}{self._paid.at(n):07d}"


@dataclass(slots=True)
class SubscriberNumbers:
    """The numbers that one subscriber takes; nobody else gets them, whoever else is drawn."""

    district: DistrictNumbers
    province: ProvinceNumbers
    first: int
    """its first telephone line among those of its district"""
    serial: int
    """the subscriber's own, in its city"""
    of_province: int
    """the same, in the province"""
    telephones: int = 0
    """taken so far"""
    circuits: int = 0

    def telephone(self) -> tuple[str, Exchange, str]:
        """The next telephone number, its exchange, and the cable that it comes by."""
        n = self.first + self.telephones
        self.telephones += 1
        number, exchange = self.district.number(n)
        return number, exchange, f"{exchange.zh}-{n // _CABLE_LINES:05d}"

    def data(self) -> str:
        """The next number of a circuit: behind the area code a 9, with which no telephone number begins."""
        n = self.serial * 10 + self.circuits
        self.circuits += 1
        return f"{self.district.area_code}9{n:08d}"

    def card(self, kind: str) -> str:
        """The number of a calling card, behind 200 or 300."""
        return f"{kind}{self.district.area_code:0>4}{self.serial:08d}"

    def mobile(self) -> str:
        """Where the subscriber can be called back."""
        return self.province.mobile(self.of_province)

    def paid(self, kind: str) -> str:
        """Its number behind 800 or 400."""
        return self.province.paid(kind, self.of_province)

    @property
    def customer_number(self) -> str:
        """Its number in the books of its city."""
        return f"{self.district.area_code[1:]}{self.serial:09d}"
