"""Find the secrets of a text by all rules, and replace or mask them."""

from __future__ import annotations

from collections import Counter
from typing import Final

from .cards import CARD
from .forms import FORMS
from .labels import LABELLED
from .rules import Rule, Secret, matches

__all__ = ["find_secrets", "masked", "redact"]

# Where two rules take the same characters, the earlier one names them.
_RULES: Final[tuple[Rule, ...]] = (*FORMS, *LABELLED, CARD)


def find_secrets(text: str) -> list[Secret]:
    """Return the secrets of a text in order; where two overlap, the one that begins first."""
    lowered = text.lower()
    found = [secret for rule in _RULES if rule.sign in lowered for secret in matches(rule, text)]
    kept: list[Secret] = []
    for secret in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept


def redact(text: str) -> tuple[str, Counter[str]]:
    """Return the text with each secret replaced by its kind, and how many of each there were."""
    secrets = find_secrets(text)
    for secret in reversed(secrets):
        text = f"{text[: secret.start]}[redacted: {secret.kind}]{text[secret.end :]}"
    return text, Counter(secret.kind for secret in secrets)


def masked(text: str, secret: Secret) -> str:
    """Show enough of a secret to know it by: its first characters and its length."""
    value = text[secret.start : secret.end]
    shown = value[: min(4, len(value) // 4)]
    return f"{shown}… ({len(value)} characters)"
