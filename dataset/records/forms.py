"""The forms of values in records, with what is accepted in words.

msgspec holds each record against them when it is put (``dataset.puts.prepare``); the ``Pattern`` beside says the
form in both languages.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dataset.declared import Between, Pattern

_CODE = r"[a-z][a-z0-9_]{0,47}"
_NUMBER = r"[0-9]{3,15}"
_REACHED_BY = r"\+?[0-9]{3,15}(-[0-9]{1,6})?"
_MONTH = r"[0-9]{4}-(0[1-9]|1[0-2])"
_SHA256 = r"[0-9a-f]{64}"
_NAME = r"\S(.{0,198}\S)?"

Code = Annotated[
    str,
    Meta(pattern=rf"\A{_CODE}\Z"),
    Pattern(_CODE, "小写字母开头的代码，如 caller_id", "a lower-case code such as caller_id"),
]
"""The code of a service, a feature, a tariff, a topic."""
Number = Annotated[
    str,
    Meta(pattern=rf"\A{_NUMBER}\Z"),
    Pattern(_NUMBER, "3 至 15 位号码，固话带区号，如 02088886666", "3 to 15 digits, with area code: 02088886666"),
]
"""A telephone number as it is dialled from anywhere in the country: area code and number, or a mobile or short one."""
ReachedBy = Annotated[
    str,
    Meta(pattern=rf"\A{_REACHED_BY}\Z"),
    Pattern(
        _REACHED_BY,
        "号码，固话带区号，如 02088886666、+85223456789、075526123456-8001",
        "a number with its area code, such as 02088886666, +85223456789, 075526123456-8001",
    ),
]
"""Where somebody can be called, also abroad or at an extension (``dataset.numbers.Number.text``)."""
Month = Annotated[str, Meta(pattern=rf"\A{_MONTH}\Z"), Pattern(_MONTH, "年月，如 2026-01", "a month such as 2026-01")]
Name = Annotated[
    str, Meta(pattern=rf"\A{_NAME}\Z"), Pattern(_NAME, "1 至 200 字的名称", "a name of 1 to 200 characters")
]
"""Of somebody or something: one line, nothing around it; any character of Unicode, as it came."""
Amount = Annotated[int, Meta(ge=0, le=10**12), Between(0, 10**12)]
"""Fen, not below 0."""
SignedAmount = Annotated[int, Meta(ge=-(10**12), le=10**12), Between(-(10**12), 10**12)]
"""Fen; below 0 what is given back."""
Count = Annotated[int, Meta(ge=0, le=10**12), Between(0, 10**12)]
Some = Annotated[int, Meta(ge=1, le=10**12), Between(1, 10**12)]
Moment = Annotated[float, Meta(ge=0.0, lt=2**40), Between(0.0, 2**40)]
"""Seconds since 1970 (UTC)."""
Sha256 = Annotated[
    str,
    Meta(pattern=rf"\A{_SHA256}\Z"),
    Pattern(_SHA256, "SHA-256，64 位小写十六进制", "SHA-256 in 64 lower-case hex digits"),
]
