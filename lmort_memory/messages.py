"""Messages of the dialects that chat clients speak, read into one form.

OpenAI's chat completions and its Responses items (which the Agents SDK stores), Anthropic's content
blocks and Gemini's parts all say the same few things: who speaks, some text, which tools are called
and what they returned. `read_messages` takes any of them; `to_openai` writes the form that chat
templates expect.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from lmort_memory.thoughts import without_thoughts

__all__ = ["ChatMessage", "Role", "Said", "ToolCall", "read_messages", "said_text", "to_openai"]

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

Said: TypeAlias = "str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]"
"""A text, a message, or the content parts of one."""

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text"})
_SILENT_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning"})  # not said to anyone


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool: `arguments` is JSON text, exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message.

    Attributes:
        role: Who speaks.
        text: What is said; a tool's result for the role "tool". Empty for a bare tool call.
        name: Name of the speaker or of the tool, where the client gave one.
        tool_calls: Tools that an assistant's message calls.
        tool_call_id: The call that a tool's message answers.
    """

    role: Role
    text: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


def read_messages(
    offered: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]],
    *,
    strict: bool = True,
    left_out: Counter[str] | None = None,
) -> list[ChatMessage]:
    """Read messages of any dialect; a text alone is a user's message.

    One message may become several: Anthropic packs the results of tools into a user's message.
    Reasoning is left out.

    Args:
        offered: A text, a message, or a sequence of them.
        strict: Refuse parts that hold no text (images, audio, files). Otherwise such a part becomes
            its kind in brackets, such as "[image_url]".
        left_out: Counts parts that hold no text, reasoning included, by kind; with it they leave no
            trace in the text, and none is refused.

    Raises:
        ValueError: an unknown role, a missing field, or a part that holds no text.
    """
    single = isinstance(offered, str | Mapping)
    messages: list[ChatMessage] = []
    for one in [offered] if single else offered:
        if isinstance(one, str):
            messages.append(ChatMessage("user", one))
        elif isinstance(one, Mapping):
            messages += _Reader(strict, left_out).read(one)
        else:
            raise ValueError(f"a message is a text or a mapping; found {type(one).__name__}")
    return _joined(messages)


def said_text(said: Said) -> str:
    """Return the words of a text, of a message or of content parts; other parts are left out.

    Raises:
        TypeError: it is none of the three.
        ValueError: a message of no known dialect.
    """
    if isinstance(said, str):
        return said
    if isinstance(said, bytes) or not isinstance(said, Iterable):
        raise TypeError(f"a turn is a text, a message or its parts; got {type(said).__name__}")
    message = said if isinstance(said, Mapping) else {"role": "user", "content": list(said)}
    return "\n".join(one.text for one in read_messages(message, left_out=Counter()) if one.text)


def to_openai(message: ChatMessage) -> dict[str, Any]:
    """Return a message in the form of OpenAI's chat completions."""
    written: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.name is not None:
        written["name"] = message.name
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
        written["content"] = message.text or None
    return written


def _joined(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Join an assistant's text and the calls that Responses items list after it."""
    joined: list[ChatMessage] = []
    for message in messages:
        last = joined[-1] if joined else None
        bare_call = message.role == "assistant" and message.tool_calls and not message.text
        if bare_call and last is not None and last.role == "assistant":
            joined[-1] = replace(last, tool_calls=(*last.tool_calls, *message.tool_calls))
        else:
            joined.append(message)
    return joined


@dataclass(frozen=True, slots=True)
class _Reader:
    strict: bool
    left_out: Counter[str] | None

    def read(self, message: Mapping[str, Any]) -> list[ChatMessage]:
        kind = _kind_of(message)
        if kind == "function_call":
            call = ToolCall(
                _text_of(message, "call_id"),
                _text_of(message, "name"),
                _text_of(message, "arguments"),
            )
            return [ChatMessage("assistant", "", tool_calls=(call,))]
        if kind == "function_call_output":
            output = self._flat(message.get("output"))
            return [ChatMessage("tool", output, tool_call_id=_text_of(message, "call_id"))]
        if kind in _SILENT_PARTS:
            self._leave_out(kind)
            return []
        return self._said(message)

    def _said(self, message: Mapping[str, Any]) -> list[ChatMessage]:
        role = _ROLES.get(str(message.get("role", message.get("type"))))
        if role is None:
            raise ValueError(
                f"a message needs one of the roles {', '.join(_ROLES)}; "
                f"found {message.get('role')!r}"
            )
        content = message.get("content", message.get("parts"))
        blocks = content if isinstance(content, list | tuple) else [content]
        results = [found for block in blocks if (found := self._result(block)) is not None]
        calls = [
            *(_call_of_openai(call) for call in _list_of(message, "tool_calls")),
            *(call for block in blocks if (call := _call_of_block(block)) is not None),
        ]
        if isinstance(message.get("function_call"), Mapping):  # before tools, functions
            calls.append(_call_of_openai({"id": "", "function": message["function_call"]}))
        text = "".join(self._texts(blocks))
        if role == "assistant":
            text = self._without_thoughts(text)
        if results and not text and not calls:
            return results
        name, call_id = message.get("name"), message.get("tool_call_id")
        said = ChatMessage(
            role,
            text,
            name=None if name is None else str(name),
            tool_calls=tuple(calls),
            tool_call_id=None if call_id is None else str(call_id),
        )
        return [*results, said]

    def _texts(self, blocks: Iterable[Any]) -> Iterator[str]:
        """Yield the text of each part."""
        for block in blocks:
            if block is None:
                continue
            if isinstance(block, str):
                yield block
                continue
            if not isinstance(block, Mapping):
                raise ValueError(f"a content part is a mapping; found {type(block).__name__}")
            kind = _kind_of(block)
            if kind in _TEXT_PARTS or (kind is None and "text" in block):
                yield _text_of(block, "refusal" if kind == "refusal" else "text")
            elif kind in _SILENT_PARTS:
                self._leave_out(kind)
            elif not _is_tool_block(block):
                kind = kind or next(iter(block), "empty")
                if self._leave_out(str(kind)):
                    continue
                if self.strict:
                    raise ValueError(
                        f"content of type {kind!r} holds no text; send text parts only"
                    )
                yield f"[{kind}]"

    def _without_thoughts(self, text: str) -> str:
        """Remove reasoning that a client keeps inside the text."""
        said = without_thoughts(text)
        if said != text:
            self._leave_out("reasoning")
        return said

    def _leave_out(self, kind: str) -> bool:
        """Count a part that holds no text; False where nobody counts."""
        if self.left_out is not None:
            self.left_out[kind] += 1
        return self.left_out is not None

    def _result(self, block: object) -> ChatMessage | None:
        if not isinstance(block, Mapping):
            return None
        if block.get("type") == "tool_result":
            text = self._flat(block.get("content"))
            return ChatMessage("tool", text, tool_call_id=_text_of(block, "tool_use_id"))
        response = block.get("functionResponse")
        if isinstance(response, Mapping):
            text = json.dumps(response.get("response"), ensure_ascii=False)
            return ChatMessage("tool", text, name=_text_of(response, "name"))
        return None

    def _flat(self, content: object) -> str:
        if content is None or isinstance(content, str):
            return content or ""
        if isinstance(content, list | tuple):
            return "".join(self._texts(content))
        return json.dumps(content, ensure_ascii=False)


def _is_tool_block(block: Mapping[str, Any]) -> bool:
    return (
        block.get("type") in ("tool_use", "tool_result")
        or "functionCall" in block
        or "functionResponse" in block
    )


def _call_of_openai(call: object) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise ValueError("a tool call needs a function with name and arguments")
    return ToolCall(
        str(call.get("id", "")), _text_of(function, "name"), _text_of(function, "arguments")
    )


def _call_of_block(block: object) -> ToolCall | None:
    if not isinstance(block, Mapping):
        return None
    if block.get("type") == "tool_use":
        arguments = json.dumps(block.get("input", {}), ensure_ascii=False)
        return ToolCall(_text_of(block, "id"), _text_of(block, "name"), arguments)
    call = block.get("functionCall")
    if isinstance(call, Mapping):
        arguments = json.dumps(call.get("args", {}), ensure_ascii=False)
        return ToolCall(str(call.get("id", "")), _text_of(call, "name"), arguments)
    return None


def _kind_of(fields: Mapping[str, Any]) -> str | None:
    return None if fields.get("type") is None else _text_of(fields, "type")


def _list_of(fields: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = fields.get(name) or ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name!r} must be a list; found {value!r}")
    return value


def _text_of(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a string; found {value!r}")
    return value
