"""A cache for rules about texts: one recall asks the same of the same records several times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

__all__ = ["cached"]

T = TypeVar("T")

_TEXTS: Final = 1024  # kept of each rule; a recall looks at some two hundred
_LONGEST: Final = 1000  # characters of a text that is kept: at most some megabytes in all


def cached(rule: Callable[[str], T]) -> Callable[[str], T]:
    """Return the rule with a cache for its latest short texts.

    Args:
        rule: A pure function of a text; what it returns must not be changed.
    """
    kept = lru_cache(maxsize=_TEXTS)(rule)

    @wraps(rule)
    def asked(text: str) -> T:
        return kept(text) if len(text) <= _LONGEST else rule(text)

    return asked
