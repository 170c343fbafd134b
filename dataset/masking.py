"""What is masked: enough to recognise whom one has on the line, not enough to call or look anybody up (I10)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMPOUND = re.compile(
    "欧阳|上官|司马|司徒|诸葛|东方|皇甫|尉迟|公孙|慕容|夏侯|长孙|宇文|令狐|轩辕|端木|南宫|百里|呼延|司空|西门|独孤|东郭"
    "|澹台|鲜于|闾丘|万俟|单于|公冶|濮阳|淳于|申屠|钟离|赫连|太史|乐正|谷梁|宰父|左丘"
)
"""surnames of two characters (复姓)"""


def masked(number: str) -> str:
    """``138****0001``; shorter numbers keep less. What is not a number (``anonymous``) stays as it is."""
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        return number if number.isalpha() else "****"
    if len(digits) >= 8:
        return f"{digits[:3]}****{digits[-4:]}"
    if len(digits) >= 5:
        return f"{digits[:1]}****{digits[-2:]}"
    return f"****{digits[-1:]}"


def masked_document(number: str) -> str:
    """Of a document: enough to compare with what a customer says, such as ``440***********1234``."""
    head, tail = (3, 4) if len(number) >= 12 else (1, 2) if len(number) >= 6 else (0, 0)
    return number[:head] + "*" * (len(number) - head - tail) + number[len(number) - tail :]


def masked_name(name: str) -> str:
    """A person's by its surname: ``王**``, ``欧阳**``."""
    surname = 2 if len(name) > 2 and _COMPOUND.match(name) else 1
    return f"{name[:surname]}**"


def masked_address(address: str) -> str:
    """Town and street without the house: ``广州市天河区体育西路***``."""
    return re.sub(r"\d.*", "***", address, count=1, flags=re.DOTALL)


def masked_within(text: str, numbers: Iterable[str]) -> str:
    """``text`` with each of ``numbers`` masked wherever it stands alone in it."""
    for number in sorted({one for one in numbers if one}, key=len, reverse=True):
        text = re.sub(rf"(?<![0-9]){re.escape(number)}(?![0-9])", masked(number), text)
    return text


def masked_numbers(text: str) -> str:
    """``text`` with every number of eight digits or more masked."""
    return re.sub(r"(?<![\w.])\+?\d{8,}(?![\w.])", lambda number: masked(number.group()), text)


def masked_text(text: str) -> str:
    """A number or a document as these are masked, a name or other words as ``王**``."""
    if text.removeprefix("+").isdecimal() and len(text) <= 12:
        return masked(text)
    if text.isascii() and text.isalnum() and len(text) >= 6:
        return masked_document(text)
    return masked_name(text)
