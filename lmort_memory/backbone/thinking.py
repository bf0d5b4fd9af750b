"""How models mark reasoning in a reply. Reasoning is shown while it streams and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Thinking", "thinking_of", "without_thoughts"]


@dataclass(frozen=True, slots=True)
class Thinking:
    """The marks around a block of reasoning.

    Attributes:
        marks: Pairs of an opening and a closing mark.
        begun: The closing mark of a block that the prompt has already opened, or empty.
    """

    marks: tuple[tuple[str, str], ...]
    begun: str = ""

    def may_be_part(self, text: str) -> bool:
        """Whether a control token with this text can be part of a mark."""
        return bool(text) and any(text in mark for pair in self.marks for mark in pair)


# Open weights that reason: Qwen 3, DeepSeek R1 and most others; Magistral; Command A; Kimi; Seed;
# gpt-oss, whose channels begin with control tokens and whose answer has a channel of its own.
_ALWAYS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))
_KNOWN = (
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)


def thinking_of(template: str, opening: str) -> Thinking:
    """Find the marks that a chat template mentions.

    Args:
        template: Its Jinja source; empty for a model without one.
        opening: The text it writes before a reply, which may already open a block of reasoning.
    """
    known = [pair for pair in _KNOWN if any(_mentions(template, mark) for mark in pair)]
    marks = (*_ALWAYS, *known)
    ending = opening.rstrip()
    begun = next((closing for opened, closing in marks if ending.endswith(opened)), "")
    return Thinking(marks, begun)


def without_thoughts(reply: str) -> str:
    """Return a reply without its leading blocks of reasoning.

    Only the marks that most models use count, so that a text about other marks stays unchanged. If
    a block is never closed, the result is empty.
    """
    rest = reply.lstrip()
    for opening, closing in _ALWAYS:
        if rest.startswith(opening):
            return without_thoughts(rest.partition(closing)[2])
    return reply


def _mentions(template: str, mark: str) -> bool:
    """Whether a template has a mark, or every control token of a mark made of several."""
    parts: Sequence[str] = [f"<|{part}|>" for part in _tokens_in(mark)] or [mark]
    return all(part in template for part in parts)


def _tokens_in(mark: str) -> list[str]:
    return [part.partition("|>")[0] for part in mark.split("<|")[1:]]
