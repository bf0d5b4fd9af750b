"""Turn messages into the exact tokens of a prompt, and locate each message's content in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from lmort_memory.backbone.template import ChatTemplate, Piece
from lmort_memory.backbone.tokens import Vocabulary


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's tokens.

    Attributes:
        tokens: All tokens, including BOS if the model uses one.
        spans: For each message, the range [start, end) of its content in `tokens`.
    """

    tokens: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class PromptWriter:
    """Writes prompts with a model's template and vocabulary.

    If the template's text ends in a space ("[INST] ", "User: "), the space is tokenized with the
    content that follows: vocabularies make it part of the next word's token.
    """

    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary) -> None:
        self.template = template
        self.vocabulary = vocabulary
        self._template_tokens = lru_cache(maxsize=64)(self._tokenize_template)
        self._tail = lru_cache(maxsize=64)(vocabulary.plain_tail)

    @property
    def prefix(self) -> list[int]:
        """The prefix of stand-alone encoding: the tokens that open a user turn."""
        return self._with_bos(
            self.vocabulary.tokenize_template(self.template.user_opening.rstrip(" "))
        )

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a content inside a prompt."""
        if not text:
            return []
        opening = self.template.user_opening
        before = opening.rstrip(" ")
        return self.vocabulary.tokenize_after(self._tail(before), opening[len(before) :] + text)

    def write(
        self,
        roles: Sequence[str],
        contents: Sequence[Sequence[int]],
        *,
        reply: bool,
        more: Sequence[Mapping[str, Any]] = (),
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Prompt:
        """Write a conversation whose contents are already tokenized.

        Args:
            roles: "system", "user" or "assistant" of each message.
            contents: The tokens of each message's content.
            reply: Whether to end with the opening of the assistant's turn.
            more: Further fields of each message, such as `tool_calls`.
            tools: Descriptions of tools in OpenAI's format.

        Raises:
            BackboneError: the template refuses this order of roles.
        """
        tokens: list[int] = []
        spans: dict[int, tuple[int, int]] = {}
        pieces = self._pieces(roles, contents, reply=reply, more=more, tools=tools)
        for piece, following in zip_longest(pieces, pieces[1:]):
            if piece.plain:
                tokens += self.vocabulary.tokenize(piece.text)
            elif piece.message is None:
                text = piece.text if following is None else piece.text.rstrip(" ")
                tokens += self._template_tokens(text, bool(spans))
            else:
                start = len(tokens)
                tokens += contents[piece.message]
                spans[piece.message] = (start, len(tokens))
        shift = len(self._with_bos(tokens)) - len(tokens)
        return Prompt(tuple(self._with_bos(tokens)), tuple(_spans(spans, len(roles), shift)))

    def _pieces(
        self,
        roles: Sequence[str],
        contents: Sequence[Sequence[int]],
        *,
        reply: bool,
        more: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
    ) -> list[Piece]:
        if not tools and not any(more):
            return self.template.pieces(roles, reply=reply)
        fields = [
            {**one, "empty": not content and "tool_calls" in one}
            for one, content in zip(more or [{}] * len(roles), contents, strict=True)
        ]
        return self.template.pieces_with_tools(
            roles, fields, tools=tools, risky=self.vocabulary.has_control, reply=reply
        )

    def _tokenize_template(self, text: str, inside: bool) -> tuple[int, ...]:
        return tuple(self.vocabulary.tokenize_template(text, inside=inside))

    def _with_bos(self, tokens: list[int]) -> list[int]:
        bos = self.vocabulary.bos
        if self.vocabulary.adds_bos and tokens[:1] != [bos]:
            return [bos, *tokens]
        return tokens


def _spans(found: Mapping[int, tuple[int, int]], n: int, shift: int) -> Iterator[tuple[int, int]]:
    """Yield the span of every message; an empty one is at the end of the previous message."""
    end = 0
    for i in range(n):
        start, end = found.get(i, (end, end))
        yield start + shift, end + shift
