"""The numbers of payment cards."""

from __future__ import annotations

import re
from typing import Final

from .rules import Rule

__all__ = ["CARD"]


def _is_card(text: str) -> bool:
    """Whether digits have a card's length, a network's first digits, and pass Luhn's check."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    number = "".join(map(str, digits))
    networks = {
        14: r"3(?:0[0-5]|[68])",
        15: r"3[47]",
        16: r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6(?:011|5|4[4-9]|2)|35",
    }
    if len(digits) not in networks or not re.match(networks[len(digits)], number):
        return False
    if len(set(digits[:-1])) == 1:  # 4444 4444 4444 4448 is a placeholder
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


CARD: Final = Rule(
    "card number",
    re.compile(
        r"(?<![\w+.,/-])(?<![A-Z]{2}\d{2} )(?:\d(?:[ \u00a0\u2009\u202f-]?\d){13,15}"
        r"|\d{4}(?:\.\d{4}){3})(?![\w/-]|[ ]?\d|[.,]\d)"
    ),
    "",
    _is_card,
)
