"""What a turn is given from memory: the records that may answer it, packed as notes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from lmort_memory.blas import one_thread
from lmort_memory.chat.notes import Found, Notes, chosen, pack_notes
from lmort_memory.encoder import mean_vector
from lmort_memory.memory.evidence import DEPTH
from lmort_memory.memory.follow_ups import in_full
from lmort_memory.memory.kinds import is_shouted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.backbone import Vocabulary
    from lmort_memory.chat.options import ChatOptions
    from lmort_memory.chat.window import Window
    from lmort_memory.memory import Memory
    from lmort_memory.types import AskedTokens, Encoded, Hit

__all__ = ["Recaller"]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was found for a query, how likely each hit answers it, and whether any does."""

    hits: Sequence[Hit]
    chances: Sequence[float]
    likelihood: float


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
        search = partial(
            self._search, top_k=max(DEPTH, options.memories), scope=scope, exclude=seen
        )
        with one_thread():
            best = search(text, None if encoded is None else mean_vector(encoded), asked)
            for full in in_full(text, self._window.said_before()):
                if best.likelihood >= options.min_likelihood:
                    break
                best = max(best, search(full, None, None), key=lambda one: one.likelihood)
        found: list[Found] = []
        if best.likelihood >= options.min_likelihood:
            found = chosen(
                self._memory, best.hits, best.chances, seen=seen, at_most=options.memories
            )
        notes = pack_notes(
            found,
            budget=self._window.longest_notes(options.memory_tokens),
            count_tokens=lambda line: len(self._vocabulary.tokenize(line)),
            now=datetime.now(UTC).astimezone(),
        )
        return best.likelihood, notes

    def _search(
        self,
        query: str,
        vector: NDArray[np.float32] | None,
        tokens: AskedTokens | None,
        *,
        top_k: int,
        scope: str,
        exclude: Collection[str],
    ) -> _Judged:
        hits = self._memory.recall(
            query,
            vector=vector,
            tokens=tokens,
            top_k=top_k,
            scope=scope,
            exclude=exclude,
            explain=True,
        )
        return _Judged(hits, *self._memory.likelihoods(query, hits))
