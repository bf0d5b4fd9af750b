"""OpenAI's API: models, chat completions, embeddings, from one set of weights."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import CancelScope, create_task_group
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lmort_memory.encoder import mean_vector
from lmort_memory.errors import LmortError
from lmort_memory.serve.completion import Completion
from lmort_memory.serve.http import (
    ApiError,
    from_json,
    guarded,
    in_words,
    json_reply,
    place_of,
    to_json,
)
from lmort_memory.serve.openai_schemas import ChatRequest, EmbeddingRequest
from lmort_memory.serve.planning import MEMORY_SUFFIX, plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from lmort_memory.memory import Memory
    from lmort_memory.serve.engine import Engine

__all__ = ["OpenAIRoutes"]

ALIAS = "lmort"  # the loaded model, whatever it is: for settings that outlive a model
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_CLIENT_LEFT = 499  # nginx's; nobody reads it
_MOST_INPUTS = 2048  # OpenAI's limit


class OpenAIRoutes:
    """The routes under /v1."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """Return the routes, for an application."""
        return [
            Route("/v1/models", guarded(self.models), methods=["GET"]),
            Route("/v1/models/{model:path}", guarded(self.model), methods=["GET"]),
            Route("/v1/chat/completions", guarded(self.chat), methods=["POST"]),
            Route("/v1/embeddings", guarded(self.embeddings), methods=["POST"]),
            Route("/v1/{path:path}", guarded(_unknown), methods=_METHODS),
        ]

    async def models(self, _: Request) -> Response:
        """List the model, without and with memory."""
        await self._engine.memory()
        return json_reply({"object": "list", "data": [self._shown(n) for n in self._names()]})

    async def model(self, request: Request) -> Response:
        """Show one model."""
        await self._engine.memory()
        name = request.path_params["model"]
        self._check_model(name)
        return json_reply(self._shown(name))

    async def chat(self, request: Request) -> Response:
        """Answer the last message of a conversation."""
        asked = await _decode(request, ChatRequest)
        memory = await self._engine.memory()
        self._check_model(asked.model)
        assert memory.backbone is not None  # the engine opens none without
        planned = plan(asked, request.headers, self._engine.options, memory.backbone)
        stack = AsyncExitStack()
        try:
            seat = await stack.enter_async_context(
                self._engine.seats.borrow(memory, planned.asked.messages)
            )
            completion = Completion(planned, self._engine, seat)
            await completion.begin()
        except BaseException:
            await stack.aclose()
            raise
        if planned.stream:
            return _Streamed(completion, stack)
        async with stack:
            said = await _said(completion, request)
            if said is None:
                return Response(status_code=_CLIENT_LEFT)
            return json_reply(_whole(completion, said))

    async def embeddings(self, request: Request) -> Response:
        """Make vectors of texts or of tokens."""
        asked = await _decode(request, EmbeddingRequest)
        memory = await self._engine.memory()
        self._check_model(asked.model)
        assert memory.encoder is not None and memory.backbone is not None
        if asked.dimensions not in (None, memory.encoder.dim):
            raise ApiError(
                400,
                f"this model's vectors have {memory.encoder.dim} dimensions; "
                f"found {asked.dimensions}",
                code="unsupported_value",
                param="dimensions",
            )
        texts, n_tokens = _inputs(memory, asked.input)
        vectors = await self._engine.run(lambda: _vectors(memory, texts))
        as_base64 = asked.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": i, "embedding": _written(vector, as_base64)}
            for i, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
        return json_reply({"object": "list", "data": data, "model": asked.model, "usage": usage})

    def _names(self) -> tuple[str, str]:
        name = self._engine.model_name
        return name, name + MEMORY_SUFFIX

    def _check_model(self, name: str) -> None:
        if name not in (*self._names(), ALIAS, ALIAS + MEMORY_SUFFIX):
            raise ApiError(
                404,
                f"there is no model {name!r}; there are {' and '.join(self._names())}",
                code="model_not_found",
                param="model",
            )

    def _shown(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "lmort-memory"}


async def _unknown(request: Request) -> Response:
    raise ApiError(
        404,
        f"there is no {request.method} {request.url.path} here; "
        "there are /v1/models, /v1/chat/completions and /v1/embeddings",
        code="unknown_url",
    )


async def _decode(request: Request, kind: type[Any]) -> Any:  # noqa: ANN401 — the kind's own
    """Read a body; mistakes are status 400, as OpenAI has it."""
    try:
        return from_json(await request.body(), kind)
    except msgspec.ValidationError as error:
        message = in_words(error)
        unknown = message.startswith("Object contains unknown field")
        raise ApiError(
            400,
            message.replace("Object contains unknown field", "unsupported parameter"),
            code="unknown_parameter" if unknown else None,
            param=message.split("`")[1] if unknown else place_of(message),
        ) from error


async def _said(completion: Completion, request: Request) -> str | None:
    """Return a whole reply; None if the client left, which ends it as it ends a stream.

    Clients that give up send the same again, and each reply that nobody reads would hold a seat.
    """
    said: str | None = None
    async with create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        async with aclosing(completion.pieces()) as pieces:
            said = "".join([piece.text async for piece in pieces])
        group.cancel_scope.cancel()
    return said


def _whole(completion: Completion, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if completion.reply.thought:
        message["reasoning_content"] = completion.reply.thought
    if completion.calls:
        message |= {"content": text or None, "tool_calls": _calls(completion)}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": completion.finish_reason,
        "logprobs": None,
    }
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.plan.model,
        "choices": [choice],
        "usage": completion.usage,
        "lmort": completion.remembered(),
    }


def _calls(completion: Completion) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in completion.calls
    ]


class _Streamed(StreamingResponse):
    """A reply as it comes. Whatever becomes of the client, the seat is given back."""

    def __init__(self, completion: Completion, stack: AsyncExitStack) -> None:
        self._completion = completion
        self._stack = stack
        self._events = _events(completion)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self._events.aclose()
                await self._completion.close()
                await self._stack.aclose()


async def _events(completion: Completion) -> AsyncGenerator[bytes, None]:
    """Write a reply as server-sent events; an error in the middle is an event too."""
    yield _event(completion, {"role": "assistant", "content": ""})
    try:
        async with aclosing(completion.pieces()) as pieces:
            async for piece in pieces:
                if piece.thought:
                    yield _event(completion, {"reasoning_content": piece.thought})
                if piece.text:
                    yield _event(completion, {"content": piece.text})
    except LmortError as error:
        failed = {"message": str(error), "type": "server_error", "param": None, "code": None}
        yield b"data: " + to_json({"error": failed}) + b"\n\n"
        return
    if completion.calls:
        calls = [{"index": i, **call} for i, call in enumerate(_calls(completion))]
        yield _event(completion, {"tool_calls": calls})
    yield _event(completion, {}, finish=completion.finish_reason, lmort=completion.remembered())
    if completion.plan.with_usage:
        yield _event(completion, None, usage=completion.usage)
    yield b"data: [DONE]\n\n"


def _event(
    completion: Completion,
    delta: dict[str, Any] | None,
    *,
    finish: str | None = None,
    **more: Any,  # noqa: ANN401 — any JSON
) -> bytes:
    choices = (
        []
        if delta is None
        else [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    )
    usage = {"usage": None} if completion.plan.with_usage else {}
    chunk = {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.plan.model,
        "choices": choices,
        **usage,
        **more,
    }
    return b"data: " + to_json(chunk) + b"\n\n"


def _inputs(memory: Memory, given: str | Sequence[Any]) -> tuple[list[str], int]:
    """Return the texts of any form of `input`, and how many tokens they have."""
    assert memory.backbone is not None
    vocabulary = memory.backbone.vocabulary
    if isinstance(given, str) or (given and all(type(one) is int for one in given)):
        given = [given]
    if not 1 <= len(given) <= _MOST_INPUTS:
        raise ApiError(
            400, f"input has 1 to {_MOST_INPUTS} entries; found {len(given)}", param="input"
        )
    texts: list[str] = []
    for i, one in enumerate(given):
        text = one
        if isinstance(one, list):
            if not all(type(token) is int and 0 <= token < vocabulary.size for token in one):
                raise ApiError(
                    400, f"tokens are from 0 to {vocabulary.size - 1}", param=f"input[{i}]"
                )
            text = vocabulary.detokenize(one)
        if not isinstance(text, str) or not text.strip():
            raise ApiError(
                400, "an input is a text or a list of tokens, not empty", param=f"input[{i}]"
            )
        texts.append(text)
    return texts, sum(len(vocabulary.tokenize(text)) for text in texts)


def _vectors(memory: Memory, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    assert memory.encoder is not None
    if len(texts) == 1:  # one text is somebody waiting: it goes before imports
        return [memory.encoder.encode_query(texts[0])]
    return [mean_vector(encoded) for encoded in memory.encoder.encode(texts)]


def _written(vector: NDArray[np.float32], as_base64: bool) -> str | list[float]:
    if as_base64:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(x) for x in vector]
