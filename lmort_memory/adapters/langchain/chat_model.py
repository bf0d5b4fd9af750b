"""A memory's own model as a LangChain chat model that remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from lmort_memory.adapters.conversation import Conversation, ReplySettings
from lmort_memory.chat import ChatOptions
from lmort_memory.messages import read_messages
from lmort_memory.types import DEFAULT_SCOPE

__all__ = ["ChatMemory"]


class ChatMemory(BaseChatModel):
    """The memory's own model as a chat model: the last message is remembered, and gets notes.

    Attributes:
        memory: Opened with its model; the caller closes it.
        scope: Turns are stored and recalled here.
        session: Under which name they are stored; None makes one of the time. A call's
            `config={"configurable": {"session": …}}` or `model.bind(session=…)` names another.
        max_tokens: Most tokens of a reply.
        temperature: 0 always takes the likeliest token.
        memories: Most notes for a turn; 0 turns recall off.
        remember: Whether turns are stored.
        n_ctx: Tokens of the context.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    memory: Any = Field(exclude=True)
    scope: str = DEFAULT_SCOPE
    session: str | None = None
    max_tokens: int = 256
    temperature: float = 0.2
    memories: int = 5
    remember: bool = True
    n_ctx: int = 2048
    stop: list[str] | None = None
    _conversation: Conversation | None = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "lmort"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self._name, "scope": self.scope, "max_tokens": self.max_tokens}

    @property
    def _name(self) -> str:
        return self.memory.backbone.facts.path.name if self.memory.backbone else "none"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:  # noqa: ANN401
        found = super()._get_ls_params(stop=stop, **kwargs)
        found.update(ls_provider="lmort", ls_model_name=kwargs.get("model") or self._name)
        return found

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,  # noqa: ANN401
    ) -> ChatResult:
        message: AIMessageChunk | None = None
        for chunk in self._stream(messages, stop, run_manager, **options):
            said = chunk.message
            assert isinstance(said, AIMessageChunk)
            message = said if message is None else message + said
        assert message is not None
        whole = AIMessage(
            content=message.content,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
        )
        return ChatResult(generations=[ChatGeneration(message=whole)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Iterator[ChatGenerationChunk]:
        asked = read_messages(_as_openai(messages), strict=False)
        chosen = self._options(stop or self.stop, options)
        reply = self._open().reply(asked, options=chosen, session=options.get("session"))
        for piece in reply:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        done = reply.finished
        usage = UsageMetadata(
            input_tokens=done.prompt_tokens,
            output_tokens=done.reply_tokens,
            total_tokens=done.prompt_tokens + done.reply_tokens,
        )
        metadata = {
            "model_name": options.get("model") or self._name,
            "model_provider": "lmort",
            "finish_reason": "length" if done.stopped_short else "stop",
        }
        last = AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata)
        last.chunk_position = "last"
        yield ChatGenerationChunk(message=last)

    def _open(self) -> Conversation:
        if self._conversation is None:
            self._conversation = Conversation(
                self.memory,
                scope=self.scope,
                session=self.session,
                options=ChatOptions(n_ctx=self.n_ctx),
            )
        return self._conversation

    def _options(self, stop: Sequence[str] | None, given: Mapping[str, Any]) -> ChatOptions:
        return ReplySettings(
            max_tokens=given.get("max_tokens") or self.max_tokens,
            temperature=given.get("temperature", self.temperature),
            memories=self.memories,
            remember=self.remember,
            n_ctx=self.n_ctx,
            stop=stop,
            seed=given.get("seed"),
        ).options()


def _as_openai(messages: list[BaseMessage]) -> list[dict[str, Any]]:
    converted = convert_to_openai_messages(messages)
    return converted if isinstance(converted, list) else [converted]
