"""How models mark their reasoning, and a reply without it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmort_memory.types import Turn

__all__ = ["ALWAYS", "TAGS", "TOKENS", "as_said", "without_thoughts"]

# Qwen 3, DeepSeek R1 and most others.
ALWAYS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))

# Names that a text in XML may have too.
TAGS = (("<reasoning>", "</reasoning>"), ("<thought>", "</thought>"))

# What no person writes. Seed, Magistral, Kimi, Command A, OpenThinker, Apertus, LongCat, Gemma 4;
# gpt-oss, whose channels begin with control tokens and whose answer has a channel of its own: an
# answer without any reasoning has that mark alone.
_FINAL = "<|channel|>final<|message|>"
TOKENS = (
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel|>analysis<|message|>", _FINAL),
    ("<|channel|>commentary", _FINAL),
    (_FINAL, ""),
)

# Open WebUI writes a model's reasoning so into the reply that it keeps.
_FOLDED = ('<details type="reasoning"', "</details>")

_WORD = re.compile(r"\S")

# A closing mark on a line of its own, whose opening one was in the prompt and so not in the reply.
# With four spaces before it, it is shown as code.
_CLOSED_ONLY = re.compile(r"\n {0,3}</think(?:ing)?>[ \t]*\n")
_FENCES = ("```", "~~~")


def without_thoughts(reply: str) -> str:
    """Return a reply without the blocks of reasoning that it begins with.

    What stands later is text, since a reply may be about such marks. If a block is never closed,
    the result is empty: the reply was cut while the model still reasoned. Two marks count only if
    they are closed and followed by an answer, because a text in XML may begin with them.
    """
    start = unopened = _end_of_unopened(reply)
    begin = _skip_spaces(reply, start)
    while (after := _end_of_block(reply, begin)) is not None:
        start, begin = after, _skip_spaces(reply, after)
    return reply if start == unopened == 0 else reply[begin:]


def as_said(turn: Turn, left_out: Counter[str]) -> Turn | None:
    """Return a turn without a reply's reasoning; None if nothing else was said.

    Args:
        turn: The turn; only the assistant's are changed.
        left_out: Counts what is left out, under "reasoning".
    """
    said = without_thoughts(turn.text) if turn.role == "assistant" else turn.text
    if said == turn.text:
        return turn
    left_out["reasoning"] += 1
    return replace(turn, text=said) if said.strip() else None


def _end_of_block(reply: str, start: int) -> int | None:
    """Return where the block ends that begins at a place; None if none begins there."""
    for opening, closing in (*ALWAYS, *TOKENS, _FOLDED):
        if reply.startswith(opening, start):
            start += len(opening)
            end = reply.find(closing, start)
            return len(reply) if end < 0 else end + len(closing)
    for opening, closing in TAGS:
        if reply.startswith(opening, start):
            end = reply.find(closing, start)
            if end >= 0 and _skip_spaces(reply, end + len(closing)) < len(reply):
                return end + len(closing)
    return None


def _end_of_unopened(reply: str) -> int:
    """Return where reasoning ends that has a closing mark alone, as R1's template leaves it."""
    found = _CLOSED_ONLY.search(reply)
    if found is None or _skip_spaces(reply, found.end()) == len(reply):
        return 0
    before = reply[: found.start()]
    if any(opening in before for opening, _ in ALWAYS):
        return 0
    shown = any(before.count(fence) % 2 for fence in _FENCES)  # in code
    return 0 if shown else found.end()


def _skip_spaces(reply: str, start: int) -> int:
    """Return the place of the first character from a place on that is no white space."""
    found = _WORD.search(reply, start)
    return len(reply) if found is None else found.start()
