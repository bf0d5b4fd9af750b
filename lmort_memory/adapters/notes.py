"""Notes for somebody else's prompt: what a memory holds about a text, dated and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmort_memory.chat.judged import judge
from lmort_memory.chat.notes import Notes
from lmort_memory.memory.likelihood import WORTH_NOTES
from lmort_memory.types import DEFAULT_SCOPE

if TYPE_CHECKING:
    from lmort_memory.memory import Memory
    from lmort_memory.types import ScopeTree

__all__ = ["NotesOptions", "notes_for"]

_LETTERS_A_TOKEN = 3  # where no model counts; English has four, most other languages fewer


@dataclass(frozen=True, slots=True)
class NotesOptions:
    """How many notes a prompt is given.

    Attributes:
        at_most: Notes for one text; 0 for none at all.
        max_tokens: Tokens of all of them together, counted by the memory's model or, without one,
            estimated.
        min_likelihood: Give none when the estimated likelihood that the answer is stored is below
            this; small talk gets no notes.
    """

    at_most: int = 5
    max_tokens: int = 256
    min_likelihood: float = WORTH_NOTES  # these three as `ChatOptions` has them


def notes_for(
    memory: Memory,
    text: str,
    *,
    scope: str | ScopeTree | None = DEFAULT_SCOPE,
    exclude: Iterable[str] = (),
    options: NotesOptions | None = None,
) -> Notes:
    """Recall what concerns a text and pack it as a prompt takes it.

    Args:
        memory: What is asked; without a model, by words alone.
        text: What a user just said or asked.
        scope: Where to look.
        exclude: Ids of records that the prompt shows already.
        options: How much to give.
    """
    options = options or NotesOptions()
    if not options.at_most or not text.strip():
        return Notes("", (), ())
    found = judge(memory, text, at_most=options.at_most, scope=scope, seen=tuple(exclude))
    return found.notes(
        at_most=options.at_most,
        min_likelihood=options.min_likelihood,
        budget=options.max_tokens,
        count_tokens=_counter(memory),
    )


def _counter(memory: Memory) -> Callable[[str], int]:
    if memory.backbone is None:
        return lambda text: -(-len(text) // _LETTERS_A_TOKEN)
    vocabulary = memory.backbone.vocabulary
    return lambda text: len(vocabulary.tokenize(text))
