"""What OpenAI's clients send.

Every parameter of the API is named, those too that this server cannot honour: they are refused
instead of ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from lmort_memory.serve.schemas import Name, Request


class Extension(Request, frozen=True):
    """The field `lmort`: what is remembered and recalled for this request.

    Attributes:
        memory: Whether to recall and to remember.
        scope: Where; other scopes are not seen.
        session: Under which name the conversation is stored.
        memories: Most records recalled; 0 remembers without recalling.
        memory_tokens: Most tokens of the notes that are put into the prompt.
    """

    memory: bool | None = None
    scope: Name | None = None
    session: Name | None = None
    memories: Annotated[int, Meta(ge=0, le=50)] | None = None
    memory_tokens: Annotated[int, Meta(ge=0, le=8192)] | None = None


class StreamOptions(Request, frozen=True):
    """How to stream."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class ChatRequest(Request, frozen=True):
    """The body of /v1/chat/completions."""

    model: str
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=10_000)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: int | None = None
    seed: int | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    response_format: dict[str, Any] | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    # llama.cpp's own
    top_k: Annotated[int, Meta(ge=0)] | None = None
    min_p: Annotated[float, Meta(ge=0, lt=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    # ours
    lmort: Extension | None = None
    # without effect here, as in every server of one user
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    # taken with these values only
    store: Literal[False] | None = None
    logprobs: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None
    service_tier: Literal["auto", "default"] | None = None
    reasoning_effort: Literal["none"] | None = None
    # not supported
    audio: None = None
    function_call: None = None
    functions: None = None
    metadata: None = None
    moderation: None = None
    prediction: None = None
    top_logprobs: None = None
    verbosity: None = None
    web_search_options: None = None


class EmbeddingRequest(Request, frozen=True):
    """The body of /v1/embeddings."""

    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None
    user: str | None = None


class Function(Request, frozen=True):
    """A function that the model may call."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Request, frozen=True):
    """A tool that the model may call."""

    type: Literal["function"]
    function: Function


class JsonSchema(Request, frozen=True):
    """A schema that the reply must follow."""

    name: str = "schema"
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Request, frozen=True):
    """The form of the reply."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class NamedFunction(Request, frozen=True):
    """A function by its name."""

    name: str


class NamedTool(Request, frozen=True):
    """The tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of a request; `cached_tokens` of the prompt went through no pass."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
