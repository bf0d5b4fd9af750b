"""The marks that ChatGPT's page draws: what they show stays, what they only point to goes.

A mark is private-use characters around a kind and arguments: U+E200 kind U+E202 argument … U+E201.
`entity` shows the name in its list, `url` and `navlist` their label, `products` and `genui` what
stands deep in their arguments; citations and pictures show nothing that can be read elsewhere. Some
answers hold citations in plain characters, or a letter to copy between `:::writing` and `:::`.
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
_CITATION = re.compile(
    r" ?:{1,3}contentReference\[oaicite:[^\]\[\n]*\](?:\{[^{}\n]*\})?"
    r"| ?\[oai_citation[^\]\[\n‡]*‡[^\]\[\n]*\](?:\((?:[^()\s]|\([^()\s]*\))*\))?"
)
_WRITING = re.compile(
    r" ?(?<!:):::writing(?:\{[^{}\n]*\})?[ \t]*\n(.*?)(?:\n[ \t]*:::[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_REFERENCE = re.compile(r"(?:turn\d+\w*|L?\d+(?:-L?\d+)?|file[-_]\w+|https?://\S+)", re.IGNORECASE)
_LABELS = ("name", "title", "label", "text", "alt", "content")
_CITING = frozenset({"cite", "filecite", "memcite", "image_group", "i", "image", "forecast"})


def without_marks(text: str) -> str:
    """Return the text as the page shows it, without its private-use characters."""
    if "【" in text:
        text = _BRACKETS.sub("", text)
    if "oai" in text:
        text = _CITATION.sub("", text)
    if ":::writing" in text:
        text = _WRITING.sub(_written, text)
    if not _LOOSE.search(text):
        return text
    return _LOOSE.sub("", _MARK.sub(_shown, text))


def _written(frame: re.Match[str]) -> str:
    """Return what stands in a frame, on lines of its own."""
    begins_line = frame.start() == 0 or frame.string[frame.start() - 1] == "\n"
    return frame[1] if begins_line else f"\n{frame[1]}"


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
        return _unless_reference(argument)
    try:
        return _label_of(json.loads(argument, strict=False))
    except (ValueError, RecursionError):
        return ""


def _label_of(value: JsonValue) -> str:
    """Return the label of an object or a list, else those of what it holds."""
    if isinstance(value, dict):
        found = (value[name] for name in _LABELS if isinstance(value.get(name), str))
        if isinstance(label := next(found, None), str):
            return label
        held = list(value.values())
    else:
        held = value if isinstance(value, list) else []
        if words := [item for item in held if isinstance(item, str)]:
            return _unless_reference(words[1] if len(words) > 1 else words[0])  # first: its kind
    inner = (_label_of(item) for item in held if isinstance(item, dict | list))
    return ", ".join(filter(None, inner))


def _unless_reference(word: str) -> str:
    return "" if _REFERENCE.fullmatch(word.strip()) else word
