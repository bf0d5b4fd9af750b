"""From OpenAI's request to what is to be done: which conversation, which memory, which options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lmort_memory.backbone import Sampling
from lmort_memory.backbone.grammar import json_grammar
from lmort_memory.chat.transcript import Asked, with_system
from lmort_memory.messages import ChatMessage, read_messages
from lmort_memory.serve.conversations import session_of
from lmort_memory.serve.http import ApiError
from lmort_memory.serve.openai_schemas import (
    ChatRequest,
    Extension,
    NamedTool,
    ResponseFormat,
    Tool,
)
from lmort_memory.serve.tools import ToolStyle, call_grammar, style_of
from lmort_memory.types import one_scope

if TYPE_CHECKING:
    from lmort_memory.backbone import Backbone
    from lmort_memory.serve.engine import EngineOptions

__all__ = ["MEMORY_SUFFIX", "Plan", "plan"]

T = TypeVar("T")

MEMORY_SUFFIX = "+memory"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request comes to.

    Attributes:
        asked: The conversation and how to answer it.
        model: The name that the client used.
        memory: Whether it recalls and remembers.
        stream: Whether pieces are sent as they come.
        with_usage: Whether the stream ends with the usage.
        style: How calls of tools are written; None without tools.
        names: Names of the tools.
    """

    asked: Asked
    model: str
    memory: bool
    stream: bool
    with_usage: bool
    style: ToolStyle | None
    names: Sequence[str]


def plan(
    request: ChatRequest, headers: Mapping[str, str], engine: EngineOptions, backbone: Backbone
) -> Plan:
    """Work out what a request comes to.

    Raises:
        ApiError: something of it is not supported, or not valid.
    """
    _refuse_unsupported(request)
    messages = _messages(request, backbone)
    memory, scope, session, extension = _remembering(request, headers, engine, messages)
    tools, style, forced = _tools(request, backbone)
    options = replace(
        engine.chat,
        n_ctx=engine.n_ctx,
        max_tokens=_max_tokens(request, engine),
        stop=_stops(request),
        sampling=_sampling(request, engine.chat.sampling, _grammar(request, forced, style)),
        remember=memory and _remembers(style),
        memories=_or(extension.memories, engine.chat.memories) if memory else 0,
        memory_tokens=_or(extension.memory_tokens, engine.chat.memory_tokens) if memory else 0,
    )
    asked = Asked(
        with_system(messages, options.system) if memory else messages,
        scope=scope,
        session=session,
        options=options,
        stores_earlier=memory,
        tools=tools,
    )
    return Plan(
        asked=asked,
        model=request.model,
        memory=memory,
        stream=bool(request.stream),
        with_usage=request.stream_options is not None and request.stream_options.include_usage,
        style=style,
        names=[tool["function"]["name"] for tool in tools],
    )


def _refuse_unsupported(request: ChatRequest) -> None:
    if request.n not in (None, 1):
        raise ApiError(400, f"n must be 1; found {request.n}", code="unsupported_value", param="n")
    if request.stream_options is not None and not request.stream:
        raise ApiError(400, "stream_options needs stream: true", param="stream_options")
    if request.tool_choice not in (None, "none") and not request.tools:
        raise ApiError(400, "tool_choice needs tools", param="tool_choice")


def _messages(request: ChatRequest, backbone: Backbone) -> list[ChatMessage]:
    try:
        messages = read_messages(request.messages)
    except ValueError as error:
        raise ApiError(400, str(error), param="messages") from error
    last = messages[-1] if messages else None
    if last is None or last.role not in ("user", "tool"):
        raise ApiError(400, "the last message must be a user's or a tool's", param="messages")
    if last.role == "user" and not last.text.strip():
        raise ApiError(400, "the last message has no text", param="messages")
    uses_tools = any(m.role == "tool" or m.tool_calls for m in messages)
    if uses_tools and not backbone.prompts.template.takes_tools:
        raise _no_tools("messages")
    return messages


def _no_tools(param: str) -> ApiError:
    return ApiError(
        400,
        "this model's chat template has no place for tools — use a model that was trained on them",
        code="unsupported_parameter",
        param=param,
    )


def _remembering(
    request: ChatRequest,
    headers: Mapping[str, str],
    engine: EngineOptions,
    messages: Sequence[ChatMessage],
) -> tuple[bool, str, str, Extension]:
    """Return whether to remember, in which scope and session: body, header, model, setting."""
    said = request.lmort or Extension()
    memory = engine.memory or request.model.endswith(MEMORY_SUFFIX)
    header = headers.get("x-lmort-memory")
    if header is not None:
        if header.lower() not in ("on", "off"):
            raise ApiError(400, f"X-Lmort-Memory is on or off; found {header!r}")
        memory = header.lower() == "on"
    if said.memory is not None:
        memory = said.memory
    session = (
        said.session or _text(headers, "x-lmort-session") or _text(headers, "x-openwebui-chat-id")
    )
    scope = one_scope(said.scope or _text(headers, "x-lmort-scope") or engine.scope)
    for name in (scope, session):
        if name is not None and (len(name) > 256 or not name.isprintable()):
            raise ApiError(400, "a scope or session has at most 256 printable characters")
    return memory, scope, session or session_of(messages), said


def _text(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header; programs send UTF-8, which HTTP reads as Latin-1."""
    value = headers.get(name)
    if value is not None:
        with suppress(UnicodeError):
            return value.encode("latin-1").decode("utf-8")
    return value


def _tools(
    request: ChatRequest, backbone: Backbone
) -> tuple[list[dict[str, Any]], ToolStyle | None, list[dict[str, Any]]]:
    """Return the tools, how calls are written, and the tools of which one must be called."""
    if not request.tools or request.tool_choice == "none":
        return [], None, []
    if not backbone.prompts.template.takes_tools:
        raise _no_tools("tools")
    for tool in request.tools:
        _convert(tool, Tool, "tools")
    style = style_of(backbone.facts.chat_template)
    choice = request.tool_choice
    if choice in (None, "auto"):
        return request.tools, style, []
    if choice == "required":
        return request.tools, style, request.tools
    if isinstance(choice, str):
        raise ApiError(
            400,
            f"tool_choice is auto, none, required or a tool; found {choice!r}",
            param="tool_choice",
        )
    wanted = _convert(choice, NamedTool, "tool_choice").function.name
    forced = [tool for tool in request.tools if tool["function"]["name"] == wanted]
    if not forced:
        raise ApiError(400, f"no tool is named {wanted!r}", param="tool_choice")
    return request.tools, style, forced


def _grammar(
    request: ChatRequest, forced: Sequence[dict[str, Any]], style: ToolStyle | None
) -> str | None:
    try:
        if forced and style is not None:
            return call_grammar(forced, style)
        if request.response_format is None:
            return None
        wanted = _convert(request.response_format, ResponseFormat, "response_format")
        if wanted.type == "text":
            return None
        if style is not None:
            raise ApiError(
                400,
                "response_format and tools at once are not supported; use tool_choice: none",
                code="unsupported_parameter",
                param="response_format",
            )
        if wanted.type == "json_object":
            return json_grammar(None)
        if wanted.json_schema is None or wanted.json_schema.schema is None:
            raise ApiError(400, "json_schema needs a schema", param="response_format.json_schema")
        return json_grammar(wanted.json_schema.schema)
    except ValueError as error:
        raise ApiError(400, str(error), param="tools" if forced else "response_format") from error


def _convert(value: object, kind: type[T], param: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, str(error), param=param) from error


def _max_tokens(request: ChatRequest, engine: EngineOptions) -> int:
    """At most half a context: the other half is for what was said before."""
    wanted = _or(request.max_completion_tokens, request.max_tokens)
    return min(_or(wanted, engine.n_ctx), engine.n_ctx // 2)


def _stops(request: ChatRequest) -> tuple[str, ...]:
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if "" in stops:
        raise ApiError(400, "a stop text is not empty", param="stop")
    return tuple(stops)


def _sampling(request: ChatRequest, default: Sampling, grammar: str | None) -> Sampling:
    biases: dict[int, float] = {}
    for token, bias in (request.logit_bias or {}).items():
        if not token.isascii() or not token.isdigit():
            raise ApiError(400, f"logit_bias names tokens; found {token!r}", param="logit_bias")
        biases[int(token)] = bias
    penalty = _or(request.repeat_penalty, 1.0 if grammar else default.repeat_penalty)
    return Sampling(
        temperature=_or(request.temperature, default.temperature),
        top_k=_or(request.top_k, default.top_k),
        top_p=_or(request.top_p, default.top_p),
        min_p=_or(request.min_p, default.min_p),
        repeat_penalty=penalty,
        repeat_window=default.repeat_window,
        seed=None if request.seed is None else request.seed & 0xFFFFFFFF,
        frequency_penalty=_or(request.frequency_penalty, 0.0),
        presence_penalty=_or(request.presence_penalty, 0.0),
        logit_bias=biases,
        grammar=grammar,
    )


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _remembers(style: ToolStyle | None) -> bool | Callable[[str, str], bool]:
    """Calls of tools are not memories."""
    if style is None:
        return True
    return lambda role, text: role == "user" or not ("<tool_call>" in text or text[:1] in "{[")
