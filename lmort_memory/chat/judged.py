"""From a question to notes: what was found for it, how likely that answers, and what is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lmort_memory.chat.notes import Found, Notes, chosen, pack_notes
from lmort_memory.memory.evidence import DEPTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmort_memory.memory import Memory
    from lmort_memory.types import AskedTokens, Hit, ScopeTree

__all__ = ["Judged", "judge"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found for a question.

    Attributes:
        memory: Where it was found.
        hits: What recall found.
        chances: How likely each hit answers.
        likelihood: How likely any record does.
        seen: Ids of the records that the prompt shows.
    """

    memory: Memory
    hits: Sequence[Hit]
    chances: Sequence[float]
    likelihood: float
    seen: Collection[str]

    def notes(
        self,
        *,
        at_most: int,
        min_likelihood: float,
        budget: int,
        count_tokens: Callable[[str], int],
    ) -> Notes:
        """Pack what may answer as a prompt takes it; nothing if an answer is too unlikely.

        Args:
            at_most: Maximum number of notes.
            min_likelihood: Give none below this.
            budget: Maximum tokens of all of them together.
            count_tokens: The count of the model that will read them.
        """
        found: list[Found] = []
        if self.likelihood >= min_likelihood:
            found = chosen(self.memory, self.hits, self.chances, seen=self.seen, at_most=at_most)
        now = datetime.now(UTC).astimezone()
        return pack_notes(found, budget=budget, count_tokens=count_tokens, now=now)


def judge(
    memory: Memory,
    question: str,
    *,
    at_most: int,
    scope: str | ScopeTree | None,
    seen: Collection[str],
    vector: NDArray[np.float32] | None = None,
    tokens: AskedTokens | None = None,
) -> Judged:
    """Recall what concerns a question, and judge it.

    Args:
        memory: What is asked; without a model, by words alone.
        question: What a user has said or asked.
        at_most: Maximum number of notes; a judgement takes more hits than that.
        scope: Where to look.
        seen: Ids of the records that the prompt shows: they are not recalled.
        vector: The question's vector, if already known.
        tokens: Its tokens, to go with `vector`.
    """
    hits = memory.recall(
        question,
        vector=vector,
        tokens=tokens,
        top_k=max(DEPTH, at_most),
        scope=scope,
        exclude=seen,
        explain=True,
    )
    return Judged(memory, hits, *memory.likelihoods(question, hits), seen)
