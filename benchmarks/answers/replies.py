"""A model that answers with notes in its prompt, as the chat writes them, or with earlier turns."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from lmort_memory.backbone import Backbone, Sampling
from lmort_memory.chat import ChatOptions
from lmort_memory.chat.message import Message
from lmort_memory.chat.stream import ReplyStream
from lmort_memory.chat.window import Window, WindowOptions

MAX_TOKENS = 40
LIKELIEST = Sampling(temperature=0.0)


class Answerer:
    """The chat's own window, without recall: what stands in the prompt is chosen by the caller.

    Args:
        backbone: The model.
        system: System prompt.
        earlier: Exchanges before the question; the latest that fit into half the context stay.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        system: str | None = None,
        earlier: Sequence[tuple[str, str]] = (),
    ) -> None:
        options = ChatOptions()
        self._prompts = backbone.prompts
        self._window = Window(
            backbone,
            backbone.prompts,
            layers=(),
            options=WindowOptions(
                options.n_ctx, options.system if system is None else system, options.old_notes
            ),
        )
        self._window.take([self._exchange(*pair) for pair in earlier])

    def answer(self, ask: str, notes: str = "", *, max_tokens: int = MAX_TOKENS) -> str:
        """Return the likeliest reply; what was before stays evaluated."""
        self._window.enter(self._prompts.tokenize(ask))
        self._window.open_reply(notes)
        said = ReplyStream(self._window.stops)
        for token, piece in self._window.generate(LIKELIEST, max_tokens, said.evaluated):
            said.take(token, piece)
            if said.stopped:
                break
        said.finish()
        self._window.leave()
        return said.text.strip()

    def _exchange(self, user: str, assistant: str) -> tuple[Message, Message]:
        return (
            Message("user", tuple(self._prompts.tokenize(user))),
            Message("assistant", tuple(self._prompts.tokenize(assistant))),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._window.close()
