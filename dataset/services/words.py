"""The forms of names and texts in a service's file."""

from __future__ import annotations

from typing import Annotated, Literal

from dataset.declared import Pattern

Code = Annotated[
    str, Pattern(r"[a-z][a-z0-9_]{0,47}", "小写字母开头的代码，如 new_line", "a lower-case code such as new_line")
]
SKILL = Pattern(r"[a-z][a-z0-9_]{0,31}", "小写字母开头的代码，如 fault", "a lower-case code such as fault")
Dialled = Annotated[str, Pattern(r"[0-9]{1,15}", "1 至 15 位号码", "a number of 1 to 15 digits")]
MenuName = Annotated[
    str, Pattern(r"[a-z][a-z0-9_-]{0,63}", "小写字母开头的名字", "a lower-case name such as main-menu")
]
TelephoneKey = Annotated[
    str,
    Pattern(r"[0-9*#]", '一个电话按键：0 至 9、* 或 #，如 "7"', 'one key of a telephone, 0 to 9, * or #, such as "7"'),
]
Label = Annotated[str, Pattern(r"\S(.{0,78}\S)?", "1 至 80 字的文字", "a text of 1 to 80 characters")]
Sentence = Annotated[str, Pattern(r"\S(.{0,398}\S)?", "1 至 400 字的文字", "a text of 1 to 400 characters")]
Version = Annotated[str, Pattern(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}", '版本，如 "1"', 'a version such as "1"')]
Yuan = Annotated[str, Pattern(r"\d{1,9}(\.\d{1,2})?", '元，如 "12.50"', 'yuan such as "12.50"')]
Day = Annotated[
    str,
    Pattern(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", '日期，如 "2026-01-31"', 'a date such as "2026-01-31"'),
]
Topic = Annotated[
    str, Pattern(r"[a-z][a-z0-9_]*(/[a-z0-9_]+)*", "知识主题，如 order/install", "a topic such as order/install")
]

Group = Literal["enquiry", "consulting", "order", "fault", "complaint", "promotion"]
"""The part of the operator's business, as its reports are grouped."""
Answers = Literal["bill", "progress", "tariff", "directory"]
"""What answers an enquiry at once: bills and payments, all that is under way for a customer, prices, 114."""
Channel = Literal["voice", "menu", "fax", "email", "letter", "web", "sms", "chat"]
"""A way in. ``voice`` is a talk with an agent, ``menu`` the telephone's keys."""
Role = Literal["agent", "dispatcher", "crew", "back_office", "supervisor", "site_admin", "province"]
"""Who may take a step; ``system`` is nobody's role and takes only steps that are declared for it."""
ROLES: tuple[Role, ...] = ("agent", "dispatcher", "crew", "back_office", "supervisor", "site_admin", "province")


def fen(yuan: str) -> int:
    """``"12.5"`` → 1250; the text has the form of ``Yuan``."""
    whole, _, part = yuan.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)
