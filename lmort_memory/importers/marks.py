"""The marks that ChatGPT's page draws: what they show stays, what they only point to goes.

A mark is private-use characters around a kind and arguments: U+E200 kind U+E202 argument … U+E201.
`entity` shows the name in its list, `url` and `navlist` their label; citations and pictures show
nothing that can be read elsewhere.
"""

from __future__ import annotations

import json
import re

from lmort_memory.types import JsonValue

__all__ = ["without_marks"]

_OPEN, _CLOSE, _BETWEEN = "\ue200", "\ue201", "\ue202"
_MARK = re.compile(f"( ?){_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_LOOSE = re.compile("[\ue200-\ue20f]")  # others stand around quoted words; a cut answer leaves some
_BRACKETS = re.compile(r" ?【[^【】\n]*†[^【】\n]*】")
_REFERENCE = re.compile(r"(?:turn\d+\w*|L?\d+(?:-L?\d+)?|file[-_]\w+|https?://\S+)", re.IGNORECASE)
_LABELS = ("name", "title", "label", "text", "alt")
_CITING = frozenset({"cite", "filecite", "memcite", "image_group", "i", "image", "forecast"})


def without_marks(text: str) -> str:
    """Return the text as the page shows it, without its private-use characters."""
    if "【" in text:
        text = _BRACKETS.sub("", text)
    if not _LOOSE.search(text):
        return text
    return _LOOSE.sub("", _MARK.sub(_shown, text))


def _shown(mark: re.Match[str]) -> str:
    kind, *arguments = mark[2].split(_BETWEEN)
    if not arguments:  # older ones: entity["city","Idrija"]
        kind, bracket, rest = mark[2].partition("[")
        arguments = [bracket + rest] if bracket else []
    label = "" if kind.strip() in _CITING else " ".join(filter(None, map(_label, arguments)))
    return f"{mark[1]}{label}" if label else ""


def _label(argument: str) -> str:
    """Return what an argument shows; "" for a reference."""
    if not argument.startswith(("[", "{")):
        return "" if _REFERENCE.fullmatch(argument.strip()) else argument
    try:
        value: JsonValue = json.loads(argument, strict=False)
    except (ValueError, RecursionError):
        return ""
    if isinstance(value, dict):
        found = (value[name] for name in _LABELS if isinstance(value.get(name), str))
        return str(next(found, ""))
    words = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return words[1] if len(words) > 1 else "".join(words)  # the first one is its kind
