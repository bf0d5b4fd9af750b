"""What a rule is, and how it is applied to a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Rule", "Secret", "matches"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in a text: what it is, and the span of characters that it takes."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of secrets.

    Attributes:
        kind: What it is called.
        pattern: Its group `secret` is the secret, or the whole match where it has no such group.
        sign: A text without this, in lower case, has none: a quick test before the slow one.
        holds: A second test that no pattern can make.
        trims: Whether the pattern takes everything up to white space, so that the marks which close
            the sentence or the markup around the secret must go.
    """

    kind: str
    pattern: re.Pattern[str]
    sign: str = ""
    holds: Callable[[str], bool] = lambda text: True
    trims: bool = False


def matches(rule: Rule, text: str) -> Iterator[Secret]:
    """Yield the secrets that a rule finds in a text."""
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    for match in rule.pattern.finditer(text):
        value = _trimmed(match[group]) if rule.trims else match[group]
        if rule.holds(value):
            start = match.start(group)
            yield Secret(rule.kind, start, start + len(value))


def _trimmed(value: str) -> str:
    """Return a value without the marks that close what is around it, as in "(password: x9)."."""
    for _ in range(8):  # more marks than any sentence closes with, and no long work on a long row
        last = value[-1:]
        opening = {")": "(", "]": "[", "}": "{"}.get(last, "")
        unopened = opening and value.count(last) > value.count(opening)
        if not last or not (unopened or last in ".,;:*_`~\"'"):
            break
        value = value[:-1]
    return value
