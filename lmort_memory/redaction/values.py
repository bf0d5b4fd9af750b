"""Whether a value is a secret, and no word, placeholder or piece of code."""

from __future__ import annotations

import re

__all__ = ["is_codes", "is_mixed", "is_mixed_password", "is_password", "is_value"]


def is_mixed(text: str) -> bool:
    """Whether a key has letters as well as digits, as a word of prose has not."""
    return any(sign.isdigit() for sign in text) and any(sign.isalpha() for sign in text)


# The whole value must be a placeholder: people do begin passwords with "my-", "$" or "true".
_PLACEHOLDER = re.compile(
    r"<.*>|\{.*\}|\{\w+\}&.*|%\(\w+\)[sd]|\[.*\](?:\(.*\))?|%.*%|[x*•.…-]+"
    r"|\$[{(].*|\$(?:[a-z_]+|(?-i:[A-Z_][A-Z0-9_]+)|\w+(?:\[|-).*)"
    r"|~?/[\w.-]+/.*|~/.*|\.{1,2}/.*|[a-z]:\\.*|\d{4}-\d\d-\d\d(?:[t ].*)?"
    r"|\w+(?:\.\w+)+[(\[].*|\w+[(\[](?:[a-z_\"')\]].*)?|n?(?:var)?char(?:\(\d+\))?"
    r"|(?:self|this|process|os|env|import|config|settings|request)(?:\.[a-z_]\w*)+"
    r"|your[_-].*|(?:my|some|example)(?:[_-][a-z]+)*[_-](?:password|passwd|pass|pwd|key|token|secret)"
    r"|(?:your|my|some|example|changeme|placeholder|redacted|none|null|nil|true|false|undefined"
    r"|string|required|optional|forgotten|vergessen|reset|changed|wrong|expired|invalid|missing|unknown"
    r"|hidden|empty|same|siehe|see|ask|self|this|process|os|env|import|config|settings|request)[.!?]*",
    re.I,
)
# What stands behind "token =" in code and recipes: a dotted name, a long name, words with hyphens.
_WORDS = re.compile(
    r"[a-z_]+\d?(?:\.[a-z_]+\d?)+|[a-z]+(?:_[a-z]+\d{0,2}){2,}|\d+[ -]?tokens?"
    r"|(?:[a-z]+|\d{1,3})(?:-(?:[a-z]+|\d{1,3})){3,}"
)


def is_value(text: str) -> bool:
    """Whether what stands behind "token:" is a value, and neither prose nor a placeholder."""
    return not _PLACEHOLDER.fullmatch(text) and not _WORDS.fullmatch(text) and is_mixed(text)


def is_password(text: str) -> bool:
    """Whether what stands alone behind "password:" is one; people do choose plain words."""
    return len(text) > 3 and not _PLACEHOLDER.fullmatch(text)


def is_mixed_password(text: str) -> bool:
    """Whether what stands in running text behind "password" is one, and not the next word."""
    return len(text) > 4 and is_password(text) and is_mixed(text) and not _SENTENCE.search(text)


def is_codes(text: str) -> bool:
    """Whether recovery codes have letters and digits, or are long numbers all of them."""
    return is_mixed(text) or all(len(code) > 5 for code in re.split(r"[ ,;\n]+", text))


_SENTENCE = re.compile(r"://|\.\w{2,4}$")  # an address, or the name of a file
