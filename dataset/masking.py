"""What is masked: enough to recognise whom one has on the line, not enough to call or look anybody up (I10)."""

from __future__ import annotations


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


def masked_text(text: str) -> str:
    """A number or a document as these are masked, a name or other words as ``王**``."""
    if text.removeprefix("+").isdecimal() and len(text) <= 12:
        return masked(text)
    if text.isascii() and text.isalnum() and len(text) >= 6:
        return masked_document(text)
    return f"{text[:1]}**"
