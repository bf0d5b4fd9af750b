"""Tool calls: what a model writes, read as calls; and the grammar that makes it write one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmort_memory.backbone.grammar import json_grammar, wrapped
from lmort_memory.backbone.plain_schema import moved
from lmort_memory.messages import ToolCall
from lmort_memory.store.ulid import new_id

__all__ = ["ToolReader", "ToolStyle", "call_grammar", "style_of"]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_CALL = re.compile(rf"{_OPEN}\s*(.*?)\s*(?:{_CLOSE}|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolStyle:
    """How a model writes a call: JSON, in tags (Hermes, Qwen) or bare (Llama 3, Mistral)."""

    tagged: bool
    arguments: str


def style_of(template: str | None) -> ToolStyle:
    """Return how a model whose template this is writes its calls."""
    source = template or ""
    if _OPEN in source:
        return ToolStyle(tagged=True, arguments="arguments")
    return ToolStyle(
        tagged=False, arguments="parameters" if '"parameters"' in source else "arguments"
    )


def call_grammar(tools: Sequence[Mapping[str, Any]], style: ToolStyle) -> str:
    """Return the GBNF of one call of one of these tools."""
    calls, given = [], {}
    for number, tool in enumerate(tools):
        name = f"arguments-{number}"
        parameters = tool["function"].get("parameters") or {"type": "object"}
        given[name] = moved(parameters, f"#/$defs/{name}")
        calls.append(
            {
                "type": "object",
                "properties": {
                    "name": {"const": tool["function"]["name"]},
                    style.arguments: {"$ref": f"#/$defs/{name}"},
                },
                "required": ["name", style.arguments],
                "additionalProperties": False,
            }
        )
    schema = {"anyOf": calls, "$defs": given}
    grammar = json_grammar(schema, order=("name", style.arguments))
    return wrapped(grammar, f"{_OPEN}\n", f"\n{_CLOSE}") if style.tagged else grammar


class ToolReader:
    """Reads a reply as it comes: text goes on to the client, calls are held back."""

    def __init__(self, style: ToolStyle, names: Sequence[str]) -> None:
        self._style = style
        self._names = frozenset(names)
        self._text = ""
        self._shown = 0

    def feed(self, piece: str) -> str:
        """Take a piece; return what is certainly no part of a call."""
        self._text += piece
        return self._show(self._settled())

    def finish(self) -> tuple[str, list[ToolCall]]:
        """Return the text that is left, and the calls."""
        calls, end = self._calls()
        return ("" if calls and end <= self._shown else self._show(end)), calls

    def _settled(self) -> int:
        begun = self._text.lstrip()
        if not begun or begun[0] in "{[":  # small models leave the tags out
            return 0
        if not self._style.tagged:
            return len(self._text)
        found = self._text.find(_OPEN)
        if found >= 0:
            return found
        for length in range(min(len(_OPEN) - 1, len(self._text)), 0, -1):
            if _OPEN.startswith(self._text[-length:]):
                return len(self._text) - length
        return len(self._text)

    def _show(self, end: int) -> str:
        new = self._text[self._shown : end]
        self._shown = max(self._shown, end)
        return new

    def _calls(self) -> tuple[list[ToolCall], int]:
        """Return the calls and where the text before them ends."""
        first = self._text.find(_OPEN)
        if self._style.tagged and first >= 0:
            written = [match[1] for match in _CALL.finditer(self._text)]
        else:
            first = 0
            written = [self._text] if self._text.lstrip()[:1] in ("{", "[") else []
        calls = [call for text in written for call in self._read(text)]
        return (calls, first) if calls else ([], len(self._text))

    def _read(self, text: str) -> list[ToolCall]:
        try:
            found = json.loads(text)
        except ValueError:
            return []
        calls: list[ToolCall] = []
        for one in found if isinstance(found, list) else [found]:
            name = one.get("name") if isinstance(one, dict) else None
            if name not in self._names:
                return []
            arguments = one.get("arguments", one.get("parameters", {}))
            if not isinstance(arguments, str):
                arguments = json.dumps(arguments, ensure_ascii=False)
            calls.append(ToolCall(f"call_{new_id()}", str(name), arguments))
        return calls
