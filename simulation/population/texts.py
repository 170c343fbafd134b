"""The files in ``conf/population``: names, addresses, trades and prices, as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from dataset.declared import Between, Pattern, setting

_Share = Annotated[float, Between(0)]
_Words = Annotated[str, Pattern(r"\s*\S[\s\S]*", "以空格分隔的词", "words with spaces between")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecadeText:
    """How people were called who were born in one decade."""

    start: int = setting("起始年", "first year", key="from")
    share: _Share = setting("占人口份额", "share of the people")
    one_character: _Share = setting("单名份额", "share of given names of one character")
    male: _Words = setting("男名，常用在前", "male names, the most frequent first")
    female: _Words = setting("女名，常用在前", "female names, the most frequent first")
    male_characters: _Words = setting("男名用字", "characters of male names")
    female_characters: _Words = setting("女名用字", "characters of female names")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignText:
    """Customers with names in Latin letters."""

    share: _Share = setting("占人口份额", "share of the people")
    names: _Words = setting("姓名，以逗号分隔", "names with commas between")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesText:
    """``names.toml``."""

    surnames: _Words = setting("姓与千分比", "surnames, each with its share in thousandths")
    decade: tuple[DecadeText, ...] = setting("年代", "decades")
    foreign: ForeignText = setting("外籍", "foreigners")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictText:
    """One district of a city."""

    name: str = setting("行政区", "name")
    share: _Share = setting("用户份额", "share of the city's subscribers")
    streets: _Words = setting("道路", "streets")
    estates: _Words = setting("小区", "housing estates")
    buildings: _Words = setting("写字楼", "office buildings")


@dataclass(frozen=True, slots=True, kw_only=True)
class CityText:
    """One city."""

    id: str = setting("城市", "id of the city")
    area_code: str = setting("长途区号", "area code")
    share: _Share = setting("用户份额", "share of the province's subscribers")
    name: str = setting("城市名", "name with 市")
    identity_area: Annotated[str, Pattern(r"\d{6}", "6 位数字", "6 digits")] = setting(
        "身份证地址码", "area code of identity numbers"
    )
    district: tuple[DistrictText, ...] = setting("行政区", "districts")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesText:
    """``addresses.toml``."""

    city: tuple[CityText, ...] = setting("城市", "cities")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeText:
    """What one trade's companies are called, and how large they are."""

    code: str = setting("代码", "code")
    zh: str = setting("行业", "trade")
    share: _Share = setting("份额", "share of all companies")
    names: tuple[str, ...] = setting("名称式样", "patterns of names")
    lines: tuple[int, ...] = setting("线数范围", "least and most lines")
    departments: tuple[str, ...] = setting("部门", "departments")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompaniesText:
    """``companies.toml``."""

    brands: _Words = setting("字号", "brands")
    brand_share: _Share = setting("以上字号所占份额", "share of companies with one of these brands")
    brand_characters: _Words = setting("字号用字", "characters of other brands")
    trade: tuple[TradeText, ...] = setting("行业", "trades")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceText:
    """One price."""

    service: str = setting("业务", "service")
    code: str = setting("资费代码", "code within the service")
    zh: str = setting("中文名", "Chinese name")
    en: str = setting("英文名", "English name")
    fen: Annotated[int, Between(0)] = setting("价格，分", "price in fen")
    unit: Literal["once", "month", "day", "call", "second", "message", "page", "kilobyte"] = setting("单位", "unit")
    per: Annotated[int, Between(1)] = setting("每多少单位", "units that the price is for", default=1)
    regulated: bool = setting("政府定价", "set by the regulator", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffsText:
    """``tariffs.toml``."""

    since: Annotated[str, Pattern(r"\d{4}-\d{2}-\d{2}", "日期，如 2023-01-01", "a day such as 2023-01-01")] = setting(
        "起始日", "first day"
    )
    item: tuple[PriceText, ...] = setting("资费", "prices")
