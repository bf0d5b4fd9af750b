"""A plugin for Simon Willison's `llm`: embeddings, a chat model, tools, a template and fragments.

    llm embed -m lmort -c "bees in Trondheim"
    llm chat -m lmort
    llm -m gpt-x -t lmort:memory "What do you know about my sister?"
    llm -m gpt-x -f lmort:"Where does my sister live?" "Answer from the note."

`llm` finds it by its entry point once both are installed (extra `llm`). The database is
`$LMORT_DB` or the platform's, the model `$LMORT_MODEL` or the default one: the same memory that
`lmort-mem` has. Both are opened at first use.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import llm
from pydantic import Field

if TYPE_CHECKING:
    from lmort_memory.adapters.conversation import Conversation
    from lmort_memory.adapters.toolbox import Tools
    from lmort_memory.chat import ChatOptions
    from lmort_memory.memory import Memory

__all__ = ["LmortChat", "LmortEmbeddings", "LmortMemory"]


class _Shared:
    """The memory and the conversation of this process, each opened once, when it is needed."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._memory: Memory | None = None
        self._conversations: dict[tuple[str, int], Conversation] = {}

    def memory(self) -> Memory:
        from lmort_memory.errors import LmortError
        from lmort_memory.memory import Memory

        with self._guard:
            if self._memory is None:
                try:
                    self._memory = Memory.open()
                except LmortError as error:
                    raise llm.ModelError(str(error)) from error
            return self._memory

    def conversation(self, scope: str, n_ctx: int) -> Conversation:
        from lmort_memory.adapters.conversation import Conversation
        from lmort_memory.chat import ChatOptions

        with self._guard:
            key = (scope, n_ctx)
            if key not in self._conversations:
                options = ChatOptions(n_ctx=n_ctx)
                self._conversations[key] = Conversation(self.memory(), scope=scope, options=options)
            return self._conversations[key]

    def close(self) -> None:
        with self._guard:
            for conversation in self._conversations.values():
                conversation.close()
            self._conversations.clear()
            if self._memory is not None:
                self._memory.close()
                self._memory = None


shared = _Shared()
atexit.register(shared.close)


@llm.hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    """Offer the memory's model as `lmort`."""
    register(LmortEmbeddings())


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Offer a chat that remembers as `lmort`."""
    register(LmortChat())


@llm.hookimpl
def register_tools(register: Callable[..., None]) -> None:
    """Offer the memory to models that call tools, as `LmortMemory`."""
    register(LmortMemory)


@llm.hookimpl
def register_template_loaders(register: Callable[..., None]) -> None:
    """Offer the template `lmort:memory`."""
    register("lmort", load_template)


@llm.hookimpl
def register_fragment_loaders(register: Callable[..., None]) -> None:
    """Offer notes about a text as the fragment `lmort:TEXT`."""
    register("lmort", load_fragment)


def load_template(name: str) -> llm.Template:
    """lmort:memory gives any model that calls tools this memory, and tells it when to use it."""
    if name != "memory":
        raise ValueError(f"unknown template lmort:{name}; there is lmort:memory")
    from lmort_memory.adapters.toolbox import INSTRUCTIONS

    return llm.Template(name="lmort:memory", system=INSTRUCTIONS, tools=["LmortMemory"])


def load_fragment(argument: str) -> llm.Fragment:
    """lmort:TEXT gives the notes that concern a text."""
    from lmort_memory.adapters.notes import notes_for

    notes = notes_for(shared.memory(), argument).text.strip()
    return llm.Fragment(notes or "Notes from memory: none.", f"lmort:{argument}")


class LmortEmbeddings(llm.EmbeddingModel):
    """The vectors of the memory's own model; a long text has the mean of its chunks."""

    model_id = "lmort"
    batch_size = 64

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        """Yield a unit vector for each text."""
        from lmort_memory.encoder import mean_vector

        encoder = shared.memory().encoder
        assert encoder is not None  # `Memory.open` loaded one
        for encoded in encoder.encode([str(item) for item in items]):
            yield [float(value) for value in mean_vector(encoded)]


class LmortChat(llm.Model):
    """The memory's own model; what is said is remembered, and what it concerns comes as notes."""

    model_id = "lmort"
    can_stream = True

    class Options(llm.Options):
        """Options of a reply, set with `-o NAME VALUE`."""

        max_tokens: int = Field(256, ge=1, description="Most tokens of a reply")
        temperature: float = Field(0.2, ge=0, description="0 always takes the likeliest token")
        memories: int = Field(5, ge=0, description="Most notes for a turn; 0 turns recall off")
        remember: bool = Field(True, description="Whether turns are stored")
        scope: str = Field("default", description="Where turns are stored and recalled")
        n_ctx: int = Field(2048, ge=256, description="Tokens of the context")

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
    ) -> Iterator[str]:
        """Yield the reply to a prompt, piece by piece."""
        from lmort_memory.messages import read_messages

        asked = prompt.options
        talk = shared.conversation(asked.scope, asked.n_ctx)
        messages = read_messages([_as_openai(one) for one in prompt.messages], strict=False)
        session = None if conversation is None else f"llm-{conversation.id}"
        reply = talk.reply(messages, options=_options(asked), session=session)
        yield from reply
        done = reply.finished
        response.set_usage(input=done.prompt_tokens, output=done.reply_tokens)


class LmortMemory(llm.Toolbox):
    """A memory of earlier conversations and notes, kept on this computer."""

    def __init__(self, scope: str = "default") -> None:
        self._scope = scope

    def recall(self, query: str, limit: int = 5) -> list[dict[str, Any]]:
        """Find notes and earlier turns by meaning and by words, best first."""
        return self._tools.recall(query, limit)

    def remember(self, text: str) -> dict[str, str]:
        """Keep a fact for later conversations; returns its id."""
        return self._tools.remember(text)

    def forget(self, id: str) -> dict[str, bool]:
        """Delete one note, by the id that recall gave."""
        return self._tools.forget(id)

    @property
    def _tools(self) -> Tools:
        from lmort_memory.adapters.toolbox import Tools

        return Tools(shared.memory(), self._scope)


def _options(asked: LmortChat.Options) -> ChatOptions:
    from lmort_memory.adapters.conversation import ReplySettings

    return ReplySettings(
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        memories=asked.memories,
        remember=asked.remember,
        n_ctx=asked.n_ctx,
    ).options()


def _as_openai(message: Any) -> dict[str, Any]:  # noqa: ANN401 - llm's Message
    """Return a message of `llm` in OpenAI's dialect."""
    from llm.parts import TextPart, ToolCallPart, ToolResultPart

    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    if results:
        return {
            "role": "tool",
            "content": "\n".join(part.output for part in results),
            "tool_call_id": results[0].tool_call_id,
        }
    calls = [
        {"id": part.tool_call_id or "", "function": _function(part)}
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    return {"role": message.role, "content": "".join(texts), "tool_calls": calls}


def _function(part: Any) -> dict[str, str]:  # noqa: ANN401 - llm's ToolCallPart
    import json

    return {"name": part.name, "arguments": json.dumps(part.arguments, ensure_ascii=False)}
