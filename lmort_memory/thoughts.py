"""How models mark their reasoning, and a reply without it."""

from __future__ import annotations

import re

__all__ = ["ALWAYS", "TAGS", "TOKENS", "without_thoughts"]

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

# A closing mark on a line of its own, whose opening one was in the prompt and so not in the reply.
_CLOSED_ONLY = re.compile(r".*?\n[ \t]*</think(?:ing)?>[ \t]*\n", re.DOTALL)


def without_thoughts(reply: str) -> str:
    """Return a reply without the blocks of reasoning that it begins with.

    What stands later is text, since a reply may be about such marks. If a block is never closed,
    the result is empty: the reply was cut while the model still reasoned. Two marks count only if
    they are closed and followed by an answer, because a text in XML may begin with them.
    """
    rest = _after_unopened(reply)
    while (after := _after_block(rest.lstrip())) is not None:
        rest = after
    return reply if rest == reply else rest.lstrip()


def _after_block(rest: str) -> str | None:
    """Return what follows the block that a text begins with; None if it begins with none."""
    for opening, closing in (*ALWAYS, *TOKENS, _FOLDED):
        if rest.startswith(opening):
            return rest[len(opening) :].partition(closing)[2] if closing else rest[len(opening) :]
    for opening, closing in TAGS:
        if rest.startswith(opening) and (after := rest.partition(closing)[2]).strip():
            return after
    return None


def _after_unopened(reply: str) -> str:
    """Return what follows a closing mark without an opening one, as R1's template leaves it."""
    found = _CLOSED_ONLY.match(reply)
    if found is None or any(opening in found[0] for opening, _ in ALWAYS):
        return reply
    fenced = found[0].count("```") % 2 == 1  # it is shown, in code
    return reply if fenced or not reply[found.end() :].strip() else reply[found.end() :]
