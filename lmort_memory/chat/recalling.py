"""What a turn is given from memory: the records that may answer it, packed as notes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lmort_memory.blas import one_thread
from lmort_memory.chat.notes import Found, Notes, chosen, pack_notes
from lmort_memory.encoder import mean_vector
from lmort_memory.memory.evidence import DEPTH
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
        seen = self._window.record_ids.union(exclude)
        if is_shouted(text):  # a short forward pass for vectors that can be compared
            encoded = asked = None
        with one_thread():
            hits = self._memory.recall(
                text,
                vector=None if encoded is None else mean_vector(encoded),
                tokens=asked,
                top_k=max(DEPTH, options.memories),
                scope=scope,
                exclude=seen,
                explain=True,
            )
            chances, likelihood = self._memory.likelihoods(text, hits)
        found: list[Found] = []
        if likelihood >= options.min_likelihood:
            found = chosen(self._memory, hits, chances, seen=seen, at_most=options.memories)
        notes = pack_notes(
            found,
            budget=self._window.longest_notes(options.memory_tokens),
            count_tokens=lambda line: len(self._vocabulary.tokenize(line)),
            now=datetime.now(UTC).astimezone(),
        )
        return likelihood, notes
