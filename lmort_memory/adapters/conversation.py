"""Replies of a memory's own model to messages that the caller keeps: for chat-model interfaces."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmort_memory.chat import Chat, ChatOptions
from lmort_memory.chat.resume import said_in
from lmort_memory.chat.window import Message
from lmort_memory.messages import ChatMessage, to_openai
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from lmort_memory.chat import Reply
    from lmort_memory.memory import Memory

__all__ = ["Conversation", "Finished", "ReplySettings"]


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of a reply when it is there: its tokens, and those of the whole prompt."""

    text: str
    prompt_tokens: int
    reply_tokens: int
    stopped_short: bool


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """What chat-model interfaces let their users set.

    Attributes:
        max_tokens: Most tokens of a reply.
        temperature: 0 always takes the likeliest token.
        memories: Most notes for a turn; 0 turns recall off.
        remember: Whether turns are stored.
        n_ctx: Tokens of the context.
        stop: Texts that end a reply.
        seed: Makes a reply reproducible.
    """

    max_tokens: int = 256
    temperature: float = 0.2
    memories: int = 4
    remember: bool = True
    n_ctx: int = 2048
    stop: Sequence[str] | None = ()
    seed: int | None = None

    def options(self) -> ChatOptions:
        """Return them as a chat takes them."""
        usual = ChatOptions()
        return replace(
            usual,
            n_ctx=self.n_ctx,
            max_tokens=self.max_tokens,
            memories=self.memories,
            sampling=replace(usual.sampling, temperature=self.temperature, seed=self.seed),
            stop=tuple(self.stop or ()),
            remember=self.remember,
        )


class Conversation:
    """One model context that answers lists of messages, one at a time. Thread-safe.

    The last message is taken as a turn of a `Chat`: stored, and given notes from memory. Those
    before it are shown to the model as they are; what the context holds of them already is not
    evaluated again.

    Args:
        memory: Opened with its model; the caller closes it.
        scope: Turns are stored and recalled here.
        session: Under which name they are stored; None makes one of the time.
        options: How to answer, unless a call says otherwise. Its system prompt is only used where
            the messages have none.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        scope: str = DEFAULT_SCOPE,
        session: str | None = None,
        options: ChatOptions | None = None,
    ) -> None:
        self.options = options or ChatOptions()
        self._memory = memory
        self._scope = scope
        self._chat = Chat(memory, scope=scope, options=replace(self.options, system=""))
        self._session = session or self._chat.session
        self._busy = threading.Lock()
        self.finished: Finished | None = None

    def close(self) -> None:
        """Free the context; harmless when repeated."""
        self._chat.close()

    def reply(
        self,
        messages: Sequence[ChatMessage],
        *,
        options: ChatOptions | None = None,
        session: str | None = None,
    ) -> Iterator[str]:
        """Yield the reply to the last message, piece by piece; then `finished` tells its counts.

        Raises:
            ValueError: the last message is not a user's or a tool's, or it is empty.
            BackboneError: it does not fit into the context.
        """
        options = options or self.options
        with self._busy:
            said = self._begin(messages, options, session or self._session)
            try:
                yield from said
            finally:
                said.close()
            ledger = said.ledger
            self.finished = Finished(
                said.text, said.prompt_tokens, len(said.tokens), not ledger.complete
            )

    def _begin(self, messages: Sequence[ChatMessage], options: ChatOptions, session: str) -> Reply:
        n = next((i for i, one in enumerate(messages) if one.role != "system"), len(messages))
        system, said = "\n\n".join(one.text for one in messages[:n]) or options.system, messages[n:]
        if not said or said[-1].role not in ("user", "tool"):
            raise ValueError("the last message must be the user's or a tool's, to be answered")
        stored = self._stored(session)
        shown = [Message("system", self._tokens(system))] if system and self._takes_system else []
        for one in said[:-1]:
            ids = stored.get((one.role, one.text.strip()), ())  # shown already, so never a note
            shown.append(Message(one.role, self._tokens(one.text), (), ids, more=_more(one)))
        self._chat.take_over(shown, session=session, scope=self._scope, options=options)
        last = said[-1]
        return self._chat.say(last.text, role=last.role, more=_more(last))

    def _stored(self, session: str) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the records of what the session said, by role and text."""
        found = said_in(self._memory.store, scope=self._scope, session=session)
        return {(one.role, one.text.strip()): one.records for one in found}

    def _tokens(self, text: str) -> tuple[int, ...]:
        assert self._memory.backbone is not None  # a chat has one
        return tuple(self._memory.backbone.prompts.tokenize(text))

    @property
    def _takes_system(self) -> bool:
        assert self._memory.backbone is not None
        return self._memory.backbone.prompts.template.takes_system


def _more(message: ChatMessage) -> dict[str, Any]:
    """Return what a chat template may want of a message beside its role and its text."""
    fields = {k: v for k, v in to_openai(message).items() if k not in ("role", "content")}
    for call in fields.get("tool_calls", ()):
        try:  # templates write the arguments as JSON themselves
            call["function"]["arguments"] = json.loads(call["function"]["arguments"] or "{}")
        except ValueError:
            continue
    return fields
