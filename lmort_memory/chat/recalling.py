"""What a turn is given from memory: the records that may answer it, packed as notes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from lmort_memory.blas import one_thread
from lmort_memory.chat.judged import judge
from lmort_memory.chat.notes import Notes
from lmort_memory.encoder import mean_vector
from lmort_memory.memory.follow_ups import in_full
from lmort_memory.memory.kinds import is_shouted

if TYPE_CHECKING:
    from lmort_memory.backbone import Vocabulary
    from lmort_memory.chat.options import ChatOptions
    from lmort_memory.chat.window import Window
    from lmort_memory.memory import Memory
    from lmort_memory.types import AskedTokens, Encoded

__all__ = ["Recaller"]


class Recaller:
    """Recalls notes for the turns of one conversation.

    Args:
        memory: Where to search.
        window: Limits the notes; what it shows already is not recalled.
        vocabulary: Counts the notes' tokens.
    """

    def __init__(self, memory: Memory, window: Window, vocabulary: Vocabulary) -> None:
        self._memory = memory
        self._window = window
        self._vocabulary = vocabulary

    def recall(
        self,
        text: str,
        encoded: Encoded | None,
        asked: AskedTokens | None,
        *,
        role: str,
        options: ChatOptions,
        scope: str,
        exclude: Iterable[str],
    ) -> tuple[float | None, Notes]:
        """Return how likely memory holds an answer, and the notes that may give it.

        Args:
            text: The user's turn, as far as the model has read it.
            encoded: Its vectors; None searches by a vector of the text.
            asked: Its tokens.
            role: Whose turn it is; only the user's are answered from memory.
            options: How many notes, how likely, and how long.
            scope: Where to search.
            exclude: Records that hold the turn itself.
        """
        if not options.memories or role != "user":
            return None, Notes("", (), ())
        seen = self._window.in_view.union(exclude)
        if is_shouted(text):  # a short forward pass for vectors that can be compared
            encoded = asked = None
        search = partial(judge, self._memory, at_most=options.memories, scope=scope, seen=seen)
        with one_thread():
            vector = None if encoded is None else mean_vector(encoded)
            best = search(text, vector=vector, tokens=asked)
            for full in in_full(text, self._window.said_before()):
                if best.likelihood >= options.min_likelihood:
                    break
                best = max(best, search(full), key=lambda one: one.likelihood)
        notes = best.notes(
            at_most=options.memories,
            min_likelihood=options.min_likelihood,
            budget=self._window.longest_notes(options.memory_tokens),
            count_tokens=lambda line: len(self._vocabulary.tokenize(line)),
        )
        return best.likelihood, notes
