"""LlamaIndex over a memory: a memory block, a whole chat memory, a retriever, embeddings, an LLM.

    >>> block = NotesBlock(memory=memory)                                      # doctest: +SKIP
    >>> chat_memory = Memory.from_defaults(memory_blocks=[block])              # doctest: +SKIP
    >>> agent_memory = SessionMemory(memory=memory, session="ada")             # doctest: +SKIP

`NotesBlock` belongs into LlamaIndex's own `Memory`, which gives a block only what leaves the short
term; `SessionMemory` stores every message at once and so survives the process. All take an open
`lmort_memory.Memory` and leave it to the caller to close.

Needs the extra `llama_index` (llama-index-core).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.memory import BaseMemory, BaseMemoryBlock
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from lmort_memory.adapters.conversation import Conversation, ReplySettings
from lmort_memory.adapters.items import Items, item_of
from lmort_memory.adapters.notes import NotesOptions, notes_for
from lmort_memory.chat import ChatOptions
from lmort_memory.encoder import mean_vector
from lmort_memory.messages import read_messages
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from lmort_memory.types import Encoder, Hit

__all__ = ["LmortEmbedding", "LmortLLM", "MemoryRetriever", "NotesBlock", "SessionMemory"]

_SESSION = "llama_index"


class LmortEmbedding(BaseEmbedding):
    """The vectors of a memory's own model; a long text has the mean of its chunks."""

    memory: Any = Field(exclude=True)
    model_name: str = "lmort"

    @classmethod
    def class_name(cls) -> str:
        """Name for LlamaIndex's files."""
        return "LmortEmbedding"

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [mean_vector(one).tolist() for one in self._encoder.encode(texts)]

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._encoder.encode_query(query).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    @property
    def _encoder(self) -> Encoder:
        encoder: Encoder | None = self.memory.encoder
        if encoder is None:
            raise ValueError("embeddings need a model; this memory was opened without one")
        return encoder


class MemoryRetriever(BaseRetriever):
    """What `Memory.recall` finds, as nodes with scores.

    Args:
        memory: What is asked.
        top_k: How many nodes.
        scope: Where to look.
        options: Further arguments of `Memory.recall`, such as `half_life`.
    """

    def __init__(
        self,
        memory: Any,  # noqa: ANN401 - lmort_memory.Memory; LlamaIndex has a Memory too
        *,
        top_k: int = 4,
        scope: str | None = DEFAULT_SCOPE,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__()
        self._memory = memory
        self._asked = {"top_k": top_k, "scope": scope, **options}

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._memory.recall(query_bundle.query_str, **self._asked)
        return [_node(hit) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class NotesBlock(BaseMemoryBlock[str]):
    """A block of LlamaIndex's `Memory`: stores what leaves the short term, and brings notes back.

    Attributes:
        memory: Where turns are stored and recalled.
        scope: Isolation boundary.
        options: How many notes.
    """

    name: str = "notes"
    description: str | None = "Notes from earlier conversations"
    memory: Any = Field(exclude=True)
    scope: str = DEFAULT_SCOPE
    options: NotesOptions = NotesOptions()

    async def _aget(self, messages: list[ChatMessage] | None = None, **_: Any) -> str:  # noqa: ANN401
        asked = [one.content for one in messages or [] if one.role == MessageRole.USER]
        if not asked or not asked[-1]:
            return ""
        found = await asyncio.to_thread(
            notes_for, self.memory, asked[-1], scope=self.scope, options=self.options
        )
        return found.text.strip()

    async def _aput(self, messages: list[ChatMessage]) -> None:
        by_session: dict[str, list[ChatMessage]] = {}
        for message in messages:
            session = str(message.additional_kwargs.get("session_id") or _SESSION)
            by_session.setdefault(session, []).append(message)
        for session, said in by_session.items():
            await asyncio.to_thread(_store, Items(self.memory, session, self.scope), said)


class SessionMemory(BaseMemory):
    """A chat memory that is a session of ours: every message is stored at once.

    `get` returns the latest messages and, where the input concerns something else that is stored,
    a system message with notes before them.

    Attributes:
        memory: Where messages are stored and recalled.
        session: Name of the run of messages.
        scope: Isolation boundary.
        limit: How many messages `get` returns.
        options: How many notes.
    """

    memory: Any = Field(exclude=True)
    session: str = _SESSION
    scope: str = DEFAULT_SCOPE
    limit: int = 40
    options: NotesOptions = NotesOptions()

    @classmethod
    def class_name(cls) -> str:
        """Name for LlamaIndex's files."""
        return "LmortSessionMemory"

    @classmethod
    def from_defaults(cls, **options: Any) -> SessionMemory:  # noqa: ANN401
        """Make one of the attributes above; `memory` is needed."""
        return cls(**options)

    def get(self, input: str | None = None, **_: Any) -> list[ChatMessage]:  # noqa: ANN401
        """Return the latest messages, behind notes about the input."""
        records = self._items.latest(self.limit)
        shown = [_message(item_of(record)) for record in records]
        asked = input or next(
            (one.content for one in reversed(shown) if one.role == MessageRole.USER), None
        )
        if not asked:
            return shown
        notes = notes_for(
            self.memory,
            str(asked),
            scope=self.scope,
            exclude=[record.id for record in records],
            options=self.options,
        ).text.strip()
        return [ChatMessage(notes, role=MessageRole.SYSTEM), *shown] if notes else shown

    def get_all(self) -> list[ChatMessage]:
        """Return every message of the session."""
        return [_message(item_of(record)) for record in self._items.latest()]

    def put(self, message: ChatMessage) -> None:
        """Store a message."""
        self.put_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Store messages."""
        _store(self._items, messages)

    def set(self, messages: list[ChatMessage]) -> None:
        """Make the session these messages; the stored ones that they begin with stay."""
        stored = self.get_all()
        if messages[: len(stored)] != stored:
            self.reset()
            stored = []
        self.put_messages(messages[len(stored) :])

    def reset(self) -> None:
        """Forget every message of the session."""
        self._items.clear()

    @property
    def _items(self) -> Items:
        return Items(self.memory, self.session, self.scope)


class LmortLLM(CustomLLM):
    """The memory's own model; the last message is remembered, and gets notes from memory.

    Attributes:
        memory: Opened with its model.
        scope: Turns are stored and recalled here.
        session: Under which name they are stored; None makes one of the time.
        max_tokens: Most tokens of a reply.
        temperature: 0 always takes the likeliest token.
        memories: Most notes for a turn; 0 turns recall off.
        remember: Whether turns are stored.
        n_ctx: Tokens of the context.
    """

    memory: Any = Field(exclude=True)
    scope: str = DEFAULT_SCOPE
    session: str | None = None
    max_tokens: int = 256
    temperature: float = 0.2
    memories: int = 5
    remember: bool = True
    n_ctx: int = 2048
    _conversation: Conversation | None = PrivateAttr(default=None)

    @classmethod
    def class_name(cls) -> str:
        """Name for LlamaIndex's files."""
        return "LmortLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex wants to know of a model."""
        facts = self.memory.backbone.facts if self.memory.backbone else None
        return LLMMetadata(
            context_window=self.n_ctx,
            num_output=self.max_tokens,
            is_chat_model=True,
            model_name=facts.path.name if facts else "none",
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:  # noqa: ANN401
        """Answer the last message."""
        *_, last = self._replies(messages, options)
        return last

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponseGen:  # noqa: ANN401
        """Answer the last message, piece by piece."""
        return self._replies(messages, options)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:  # noqa: ANN401
        """Answer a prompt."""
        *_, last = self._replies([ChatMessage(prompt)], options)
        return CompletionResponse(text=last.message.content or "", raw=last.raw)

    @llm_completion_callback()
    def stream_complete(
        self,
        prompt: str,
        formatted: bool = False,
        **options: Any,  # noqa: ANN401
    ) -> CompletionResponseGen:
        """Answer a prompt, piece by piece."""
        return (
            CompletionResponse(text=one.message.content or "", delta=one.delta)
            for one in self._replies([ChatMessage(prompt)], options)
        )

    def _replies(self, messages: Sequence[ChatMessage], given: dict[str, Any]) -> ChatResponseGen:
        asked = read_messages([_as_openai(one) for one in messages], strict=False)
        text = ""
        reply = self._open().reply(asked, options=self._options(given), session=self.session)
        for piece in reply:
            text += piece
            yield ChatResponse(message=ChatMessage(text, role=MessageRole.ASSISTANT), delta=piece)
        done = reply.finished
        usage = {"prompt_tokens": done.prompt_tokens, "completion_tokens": done.reply_tokens}
        yield ChatResponse(
            message=ChatMessage(text, role=MessageRole.ASSISTANT),
            delta="",
            raw={"usage": usage},
            additional_kwargs=usage,
        )

    def _open(self) -> Conversation:
        if self._conversation is None:
            self._conversation = Conversation(
                self.memory, scope=self.scope, options=ChatOptions(n_ctx=self.n_ctx)
            )
        return self._conversation

    def _options(self, given: dict[str, Any]) -> ChatOptions:
        return ReplySettings(
            max_tokens=given.get("max_tokens") or self.max_tokens,
            temperature=given.get("temperature", self.temperature),
            memories=self.memories,
            remember=self.remember,
            n_ctx=self.n_ctx,
            stop=given.get("stop"),
        ).options()


def _store(items: Items, messages: Sequence[ChatMessage]) -> None:
    whole = [message.model_dump(mode="json") for message in messages]
    items.add(whole, said=[_as_openai(message) for message in messages])


def _message(item: dict[str, Any]) -> ChatMessage:
    return ChatMessage.model_validate(item) if "blocks" in item else ChatMessage(**item)


def _as_openai(message: ChatMessage) -> dict[str, Any]:
    """Return a message of LlamaIndex in OpenAI's dialect."""
    import json

    calls = [
        {
            "id": block.tool_call_id or "",
            "function": {
                "name": block.tool_name,
                "arguments": block.tool_kwargs
                if isinstance(block.tool_kwargs, str)
                else json.dumps(block.tool_kwargs, ensure_ascii=False),
            },
        }
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    role = "assistant" if message.role == MessageRole.CHATBOT else message.role.value
    said: dict[str, Any] = {"role": role, "content": message.content or "", "tool_calls": calls}
    if message.role == MessageRole.TOOL:
        said["tool_call_id"] = message.additional_kwargs.get("tool_call_id")
    return said


def _node(hit: Hit) -> NodeWithScore:
    record = hit.record
    about = {
        "role": record.role,
        "created_at": record.created_at.isoformat(),
        "session": record.session,
        "source": None if record.source is None else record.source.uri,
    }
    node = TextNode(id_=record.id, text=record.text, metadata={**about, **record.metadata})
    return NodeWithScore(node=node, score=hit.score)
