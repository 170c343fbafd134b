"""Masked numbers: enough to recognise a caller who is on the line, not enough to call or look anybody up."""

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
