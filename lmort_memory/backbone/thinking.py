"""How models mark reasoning in a reply. Reasoning is shown while it streams and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmort_memory.thoughts import ALWAYS, TAGS, TOKENS

__all__ = ["Thinking", "thinking_of"]


@dataclass(frozen=True, slots=True)
class Thinking:
    """The marks around a block of reasoning.

    Attributes:
        marks: Pairs of an opening and a closing mark; a mark that only heads the answer has none.
        begun: The closing mark of a block that the prompt has already opened, or empty.
    """

    marks: tuple[tuple[str, str], ...]
    begun: str = ""

    def may_be_part(self, text: str) -> bool:
        """Whether a control token with this text can be part of a mark."""
        return bool(text) and any(text in mark for pair in self.marks for mark in pair)


def thinking_of(template: str, opening: str) -> Thinking:
    """Find the marks that a chat template mentions.

    Args:
        template: Its Jinja source; empty for a model without one.
        opening: The text it writes before a reply, which may already open a block of reasoning.
    """
    known = [
        pair
        for pair in (*TAGS, *TOKENS)
        if any(_mentions(template, mark) for mark in filter(None, pair))
    ]
    marks = (*ALWAYS, *known)
    ending = opening.rstrip()
    begun = next((closing for opened, closing in marks if ending.endswith(opened)), "")
    return Thinking(marks, begun)


def _mentions(template: str, mark: str) -> bool:
    """Whether a template has a mark, or every control token of a mark made of several."""
    parts: Sequence[str] = [f"<|{part}|>" for part in _tokens_in(mark)] or [mark]
    return all(part in template for part in parts)


def _tokens_in(mark: str) -> list[str]:
    return [part.partition("|>")[0] for part in mark.split("<|")[1:]]
