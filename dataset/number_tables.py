"""What the file of the number plan consists of: areas, exchanges, special services, mobile networks, countries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from dataset.declared import Between, Pattern, Reading, setting
from dataset.errors import Language

AreaCode = Annotated[str, Pattern(r"0\d{2,3}", "带 0 的长途区号，如 0755", "an area code with its 0, such as 0755")]
Digits = Annotated[str, Pattern(r"\d{1,20}", "数字", "digits")]
Length = Annotated[int, Between(3, 20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area code and what it covers."""

    code: AreaCode = setting("长途区号", "area code, with its 0")
    zh: str = setting("中文名", "Chinese name")
    en: str = setting("英文名", "English name")
    province: str = setting("所在省", "the province, in Chinese")
    digits: tuple[Length, ...] = setting("本地号码位数", "lengths of its local numbers")

    def text(self, language: Language) -> str:
        """The name in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An exchange of this province: the leading digits of its numbers, and the district it stands in."""

    area: AreaCode = setting("长途区号", "area code")
    zh: str = setting("局名", "Chinese name")
    en: str = setting("英文局名", "English name")
    district: str = setting("行政区", "district, in Chinese")
    prefixes: tuple[Digits, ...] = setting("局向首位", "leading digits of its local numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialService:
    """Short numbers with one meaning: their leading digits and whole lengths."""

    prefix: Digits = setting("首位", "leading digits")
    digits: tuple[Length, ...] = setting("总位数", "whole lengths")
    zh: str = setting("中文名", "Chinese name")
    en: str = setting("英文名", "English name")
    by_city: bool = setting(
        "各地分设，可加区号拨打", "one in each city, dialled elsewhere with an area code", default=False
    )

    def text(self, language: Language) -> str:
        """The name in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberForm:
    """Numbers that begin alike and have one length."""

    prefix: Digits = setting("首位", "leading digits")
    digits: Length = setting("总位数", "whole length")


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetwork:
    """A mobile network and the leading digits of its numbers."""

    operator: str = setting("运营商", "operator, in Chinese")
    operator_en: str = setting("运营商英文名", "operator, in English")
    prefixes: tuple[Digits, ...] = setting("号段", "leading digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country code."""

    code: Digits = setting("国家代码", "country code")
    zh: str = setting("中文名", "Chinese name")
    en: str = setting("英文名", "English name")


# ── what must hold between them ─────────────────────────────────────────────────────────────────────────────────────
def once(reading: Reading, key: str, codes: Iterable[str]) -> None:
    """Every code of the list ``key`` stands there once."""
    seen: set[str] = set()
    for at, code in enumerate(codes):
        if code in seen and reading.sound(key, at, "code"):
            reading.fault(
                (key, at, "code"), "plan-code-twice", "代码重复，每个只列一次", "listed twice; once is enough"
            )
        seen.add(code)


def exchanges_fit(reading: Reading, exchanges: Sequence[Exchange], areas: Iterable[Area], first_digits: str) -> None:
    """Every exchange is in an area of the plan, and its leading digits are those of local numbers there."""
    lengths = {area.code: min(area.digits, default=0) for area in areas}
    for at, one in enumerate(exchanges):
        if one.area not in lengths:
            if reading.sound("exchange", at, "area"):
                place = ("exchange", at, "area")
                reading.fault(place, "plan-area", "没有这个长途区号", "there is no area with this code")
            continue
        for which, prefix in enumerate(one.prefixes):
            if not reading.sound("exchange", at, "prefixes", which):
                continue
            if len(prefix) >= lengths[one.area] or prefix[0] not in first_digits:
                reading.fault(
                    ("exchange", at, "prefixes"),
                    "plan-prefix",
                    f"{one.area} 的本地号码不以 {prefix} 开头；应短于本地号码，首位为 {first_digits} 之一",
                    f"no local number of {one.area} begins with {prefix}; fewer digits than it has, the first one of "
                    f"{first_digits}, are expected",
                )


def no_overlap(reading: Reading, exchanges: Iterable[Exchange]) -> None:
    """A number belongs to one exchange: in one area no leading digits begin with others."""
    owners = sorted((one.area, prefix, at) for at, one in enumerate(exchanges) for prefix in one.prefixes if prefix)
    # sorted, a prefix stands before everything that begins with it
    for (area, prefix, _), (other, longer, at) in itertools.pairwise(owners):
        if area == other and longer.startswith(prefix):
            reading.fault(
                ("exchange", at, "prefixes"),
                "plan-prefix-twice",
                f"{longer} 与 {prefix} 重叠；一个号码只属于一个交换局",
                f"{longer} overlaps {prefix}; a number belongs to one exchange only",
            )
