"""The number plan: public data of the province, and the reading of every number that is typed or delivered.

The file (``conf/number_plan.toml``) says area codes and the length of local numbers, mobile prefixes, special services,
country codes, and which exchange and district of this province a local number belongs to. Callers type numbers in
many ways, and networks deliver them with or without trunk prefix and country code; each becomes one ``Number``, or a
``Problem`` that names the accepted forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from dataset.declared import Reading, setting
from dataset.errors import Problem, Refused
from dataset.number_tables import (
    Area,
    Country,
    Digits,
    Exchange,
    MobileNetwork,
    NumberForm,
    SpecialService,
    exchanges_fit,
    no_overlap,
    once,
)
from dataset.numbers import Number, NumberKind
from dataset.toml_text import parse_toml

T = TypeVar("T")
E164_MOST_DIGITS = 15
"""country code included (ITU-T E.164, 6.2.1)"""
_ABROAD_LEAST_DIGITS = 7
_SEPARATORS = re.compile(r"[\s\-‐‑‒–—―−()./·、_]+")
_EXTENSION = re.compile(r"^(.*?)(?:转|轉|分机|ext\.?|x|#)[\s:]*(\d{1,6})$", re.IGNORECASE)
_HYPHEN_EXTENSION = re.compile(r"^(.*\d)\s*[-‐‑‒–—―−]\s*(\d{1,6})$")


class Nature(StrEnum):
    """How a signalling network says an address is to be understood (ITU-T Q.763, nature of address)."""

    SUBSCRIBER = "subscriber"
    """a local number of the city where it is delivered"""
    NATIONAL = "national"
    """area code without its 0 and local number, or a mobile number"""
    INTERNATIONAL = "international"
    """country code and national number"""
    UNKNOWN = "unknown"
    """as dialled"""


@dataclass(frozen=True, kw_only=True)
class NumberPlan:
    """The plan, as its file has it; ``parse_plan`` makes it."""

    name: str = setting("名称", "name")
    country_code: Digits = setting("本国代码", "own country code", default="86")
    international_prefix: Digits = setting("国际冠码", "international prefix", default="00")
    trunk_prefix: Digits = setting("长途冠码", "trunk prefix", default="0")
    local_first_digits: Digits = setting("本地号码首位", "first digits of local numbers", default="2345678")
    access: tuple[Digits, ...] = setting("长途接入码", "carrier access codes", default=())
    mobile: tuple[MobileNetwork, ...] = setting("移动号段", "mobile networks")
    special: tuple[SpecialService, ...] = setting("特服号码", "special services")
    circuit: tuple[NumberForm, ...] = setting(
        "电路编号，区号之后", "numbers of data circuits, behind the area code", default=()
    )
    card: tuple[NumberForm, ...] = setting("电话卡卡号", "numbers of calling cards", default=())
    exchange: tuple[Exchange, ...] = setting("交换局", "exchanges of this province")
    area: tuple[Area, ...] = setting("长途区号", "areas")
    country: tuple[Country, ...] = setting("国家代码", "countries")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def parse(self, typed: str, home: str = "", place: str = "") -> Number:
        """The number somebody typed; ``home`` is the area code in which a local number is meant, empty: none.

        Understands full-width digits, separators, ``+86``/``0086``/``86``, carrier access codes, a 0 before a mobile
        number, an area code that lost its 0 in a spreadsheet, and extensions (``转8001``, ``-8001``). Raises
        ``Refused`` with one ``Problem`` at ``place`` that names the accepted form.
        """
        read = self._typed(typed, home)
        if isinstance(read, Problem):
            raise Refused(Problem(read.slug, read.zh, read.en, place))
        return read

    def from_network(self, digits: str, nature: Nature, home: str) -> Number:
        """The number a signalling network delivered in the area ``home``. Raises ``Refused`` like ``parse``."""
        if nature is Nature.INTERNATIONAL:
            digits = f"+{digits.removeprefix('+')}"
        elif nature is Nature.NATIONAL:
            digits = f"+{self.country_code}{digits.removeprefix(self.trunk_prefix)}"
        return self.parse(digits, home)

    def normalise(self, typed: str, home: str = "") -> str:
        """The canonical text of ``typed``; normalising twice changes nothing. Raises ``Refused`` like ``parse``."""
        return self.parse(typed, home).text

    # ── looking up ──────────────────────────────────────────────────────────────────────────────────────────────────
    def area_of(self, number: Number) -> Area | None:
        """The area of a fixed number, or of a special one dialled with its area."""
        return self._areas.get(number.area)

    def area_by_code(self, code: str) -> Area | None:
        """The area with this code."""
        return self._areas.get(code)

    def exchange_of(self, number: Number) -> Exchange | None:
        """The exchange of a fixed number of this province; None where the plan does not know it."""
        if number.kind is not NumberKind.FIXED:
            return None
        return _longest(number.digits, self._exchanges.get(number.area, {}))

    def service_of(self, number: Number) -> SpecialService | None:
        """What a special number is for."""
        return self._service(number.digits) if number.kind is NumberKind.SPECIAL else None

    def network_of(self, number: Number) -> MobileNetwork | None:
        """The network that a mobile number was given out by (since 2019 a customer may have taken it elsewhere)."""
        return _longest(number.digits, self._networks) if number.kind is NumberKind.MOBILE else None

    def country_of(self, number: Number) -> Country | None:
        """The country of an international number."""
        return self._countries.get(number.area.removeprefix("+")) if number.area.startswith("+") else None

    # ── how a number is read ────────────────────────────────────────────────────────────────────────────────────────
    def _typed(self, typed: str, home: str) -> Number | Problem:
        text = unicodedata.normalize("NFKC", typed).strip()
        if (found := _EXTENSION.match(text)) is not None:
            return self._extended(found[1], found[2], home)
        whole = self._whole(text, home)
        if (found := _HYPHEN_EXTENSION.match(text)) is not None and (
            # where an area has two lengths of numbers, 0433-2612345-8 is one with an extension
            isinstance(whole, Problem) or text.startswith(self.trunk_prefix)
        ):
            extended = self._extended(found[1], found[2], home)
            if isinstance(extended, Number):
                return extended
        if isinstance(whole, Number):
            return whole
        # the 0 of an area code is lost where a spreadsheet took it for a figure; never guessed for 10, Beijing, whose
        # numbers would then look like those of services
        digits = _SEPARATORS.sub("", text)
        if re.fullmatch(r"[2-9]\d{9,10}", digits) and isinstance(
            again := self._national(f"{self.trunk_prefix}{digits}", ""), Number
        ):
            return again
        return whole

    def _extended(self, main: str, extension: str, home: str) -> Number | Problem:
        number = self._whole(main, home)
        if isinstance(number, Problem):
            return number
        if number.kind not in (NumberKind.FIXED, NumberKind.FREEPHONE, NumberKind.SHARED_COST):
            return Problem(
                "number-extension",
                zh="只有固定电话和 400、800 号码可带分机号，如 0755-26123456 转 8001",
                en="only fixed, 400 and 800 numbers have extensions, as in 0755-26123456 ext 8001",
            )
        return Number(number.kind, number.area, number.digits, extension)

    def _whole(self, text: str, home: str) -> Number | Problem:
        digits = _SEPARATORS.sub("", text)
        if not digits:
            return _problem("number-empty", "没有号码", "there is no number")
        plus = digits.startswith("+")
        digits = digits.removeprefix("+")
        if re.fullmatch(r"[0-9]+", digits) is None:
            return _problem("number-characters", "号码只能由数字组成", "a number is made of digits")
        if plus or digits.startswith(self.international_prefix):
            return self._international(digits if plus else digits[len(self.international_prefix) :])
        read = self._national(digits, home)
        return read if isinstance(read, Number) else self._prefixed(digits) or read

    def _prefixed(self, digits: str) -> Number | None:
        """A number behind a carrier access code, or behind the own country code without a plus."""
        for access in self.access:
            if digits.startswith(access) and isinstance(read := self._national(digits[len(access) :], ""), Number):
                return read
        if digits.startswith(self.country_code) and len(digits) >= len(self.country_code) + 10:
            read = self._international(digits)
            return read if isinstance(read, Number) else None
        return None

    def _international(self, digits: str) -> Number | Problem:
        if digits.startswith(self.country_code):
            rest = digits[len(self.country_code) :].removeprefix(self.trunk_prefix)
            # as an area first: 10 6234 5678 is Beijing here, and not a number of the message services 106
            fixed = self._national(f"{self.trunk_prefix}{rest}", "")
            if isinstance(fixed, Number):
                return fixed
            whole = self._national(rest, "")
            return whole if isinstance(whole, Number) else fixed
        country = next((self._countries[digits[:n]] for n in (3, 2, 1) if digits[:n] in self._countries), None)
        if country is None:
            return _problem("number-country", "没有这个国家代码", "there is no such country code")
        if not _ABROAD_LEAST_DIGITS <= len(digits) <= E164_MOST_DIGITS:
            return _problem(
                "number-length",
                f"国际号码连国家代码为 {_ABROAD_LEAST_DIGITS} 至 {E164_MOST_DIGITS} 位",
                f"a number abroad has {_ABROAD_LEAST_DIGITS} to {E164_MOST_DIGITS} digits with its country code",
            )
        return Number(NumberKind.INTERNATIONAL, f"+{country.code}", digits[len(country.code) :])

    def _national(self, digits: str, home: str) -> Number | Problem:
        if digits.startswith(self.trunk_prefix):
            rest = digits[len(self.trunk_prefix) :]
            if len(rest) == 11 and self._is_mobile(rest):
                return Number(NumberKind.MOBILE, "", rest)
            area = next((self._areas[digits[:n]] for n in (3, 4) if digits[:n] in self._areas), None)
            if area is None:
                return _problem("number-area", "没有这个长途区号", "there is no such area code")
            return self._local(area, digits[len(area.code) :])
        if len(digits) == 10 and digits.startswith(("400", "800")):
            kind = NumberKind.SHARED_COST if digits.startswith("400") else NumberKind.FREEPHONE
            return Number(kind, "", digits)
        if self._is_mobile(digits):
            return Number(NumberKind.MOBILE, "", digits)
        if _has_form(digits, self.card):
            return Number(NumberKind.CARD, "", digits)
        if self._service(digits) is not None:
            return Number(NumberKind.SPECIAL, "", digits)
        if not digits.startswith(tuple(self.local_first_digits)):
            return _unknown_short(digits)
        if (here := self._areas.get(home)) is None:
            return _problem("number-area-missing", "固定电话须带长途区号", "a fixed number needs its area code")
        return self._local(here, digits)

    def _local(self, area: Area, digits: str) -> Number | Problem:
        service = self._service(digits)
        if service is not None and service.by_city:
            return Number(NumberKind.SPECIAL, area.code, digits)
        if _has_form(digits, self.circuit):
            return Number(NumberKind.CIRCUIT, area.code, digits)
        if len(digits) not in area.digits:
            lengths = "、".join(map(str, area.digits)), " or ".join(map(str, area.digits))
            return _problem(
                "number-length",
                f"{area.zh}（{area.code}）的本地号码为 {lengths[0]} 位，而不是 {len(digits)} 位",
                f"local numbers of {area.en} ({area.code}) have {lengths[1]} digits, not {len(digits)}",
            )
        if digits[0] not in self.local_first_digits:
            first = f"{self.local_first_digits[0]} 至 {self.local_first_digits[-1]}"
            return _problem(
                "number-first-digit",
                f"本地号码首位为 {first}",
                f"a local number begins with {first.replace('至', 'to')}",
            )
        return Number(NumberKind.FIXED, area.code, digits)

    def _is_mobile(self, digits: str) -> bool:
        return len(digits) == 11 and _longest(digits, self._networks) is not None

    def _service(self, digits: str) -> SpecialService | None:
        for length in range(len(digits), 0, -1):
            for service in self._services.get(digits[:length], ()):
                if len(digits) in service.digits:
                    return service
        return None

    # ── indexes, made once ──────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def _areas(self) -> Mapping[str, Area]:
        return {area.code: area for area in self.area}

    @cached_property
    def _countries(self) -> Mapping[str, Country]:
        return {country.code: country for country in self.country}

    @cached_property
    def _networks(self) -> Mapping[str, MobileNetwork]:
        return {prefix: network for network in self.mobile for prefix in network.prefixes}

    @cached_property
    def _services(self) -> Mapping[str, list[SpecialService]]:
        found: dict[str, list[SpecialService]] = {}
        for service in self.special:
            found.setdefault(service.prefix, []).append(service)
        return found

    @cached_property
    def _exchanges(self) -> Mapping[str, Mapping[str, Exchange]]:
        found: dict[str, dict[str, Exchange]] = {}
        for one in self.exchange:
            found.setdefault(one.area, {}).update(dict.fromkeys(one.prefixes, one))
        return found


def _longest(digits: str, table: Mapping[str, T]) -> T | None:
    """The entry of ``table`` under the longest beginning of ``digits``."""
    for length in range(min(len(digits), 8), 0, -1):
        if (found := table.get(digits[:length])) is not None:
            return found
    return None


def _has_form(digits: str, forms: Iterable[NumberForm]) -> bool:
    return any(digits.startswith(one.prefix) and len(digits) == one.digits for one in forms)


def _problem(slug: str, zh: str, en: str) -> Problem:
    return Problem(
        slug,
        zh=f"{zh}；可用：0755-26123456、26123456（本地）、13800138000、95588、400-810-8888、+852 23456789",
        en=f"{en}; accepted: 0755-26123456, 26123456 (local), 13800138000, 95588, 400-810-8888, +852 23456789",
    )


def _unknown_short(digits: str) -> Problem:
    if len(digits) == 11 and digits.startswith("1"):
        return _problem("number-mobile", "没有这个移动号段", "no mobile network has numbers that begin so")
    return _problem("number-special", "没有这个特服号码", "there is no such special service number")


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────
def parse_plan(data: bytes, file: str) -> NumberPlan:
    """The plan in ``data``. Raises ``Refused`` naming every fault with its line."""
    reading = Reading(parse_toml(data, file))
    plan = reading.table(NumberPlan)
    once(reading, "area", (area.code for area in plan.area))
    once(reading, "country", (country.code for country in plan.country))
    exchanges_fit(reading, plan.exchange, plan.area, plan.local_first_digits)
    no_overlap(reading, plan.exchange)
    reading.done()
    return plan
