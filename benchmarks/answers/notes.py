"""Ways to choose the notes for a question: ours, two others of the same budget, the right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.answers.cases import Case, Talk
from lmort_memory import Chat, ChatOptions, Memory
from lmort_memory.chat.notes import Found, pack_notes
from lmort_memory.tuners.evaluate.bm25 import bm25_scores
from lmort_memory.types import Hit, Record, Scores

WAYS = ("no memory", "last turns", "our notes", "MiniLM", "BM25", "right records")


@dataclass(frozen=True, slots=True)
class Given:
    """A notes block; `records` are what questions call those in it."""

    text: str
    records: tuple[str, ...]


class Chooser:
    """Chooses notes for the questions of one talk.

    Args:
        talk: What was said.
        memory: Holds it.
        ids: Ids of the records, in the order of `talk.said`; None where a turn has none.
        embed: Texts to unit vectors, float32 (n, dim), by all-MiniLM-L6-v2.
    """

    def __init__(
        self,
        talk: Talk,
        memory: Memory,
        ids: Sequence[str | None],
        embed: Callable[[Sequence[str]], np.ndarray],
    ) -> None:
        assert memory.backbone is not None
        self._talk, self._memory, self._embed = talk, memory, embed
        self._count = memory.backbone.vocabulary.tokenize
        found = memory.store.get(id_ for id_ in ids if id_)
        pairs = [(one, found[id_]) for one, id_ in zip(talk.said, ids, strict=True) if id_ in found]
        self._names = {record.id: one.id for one, record in pairs}
        self._records = [record for _, record in pairs]
        self._texts = [record.text for record in self._records]
        self._vectors = embed(self._texts)

    def given(self, way: str, case: Case) -> Given:
        """Return the notes of one way; empty for those that have none."""
        if way == "our notes":
            return self._ours(case)
        if way == "right records":
            right = [r for r in self._records if self._names[r.id] in case.right]
            return self._packed(right)
        if way == "MiniLM":
            return self._best(self._vectors @ self._embed([case.ask])[0])
        if way == "BM25":
            everybody = np.zeros(len(self._texts), np.int64)
            return self._best(bm25_scores(self._texts, [case.ask], everybody)[0])
        return Given("", ())

    def _ours(self, case: Case) -> Given:
        """Say it to a real chat, which stores the question; that is taken back."""
        import time_machine

        with (
            time_machine.travel(self._talk.asked, tick=True),
            Chat(self._memory, session=f"asked-{case.id}") as chat,
        ):
            reply = chat.say(case.ask, reply="")
            notes = reply._turn.notes
            reply.close()
        self._memory.forget([id_ for id_ in (reply.ledger.turn_id, reply.ledger.reply_id) if id_])
        return Given(notes.text, self._named(one.record for one in notes.memories))

    def _best(self, scores: np.ndarray) -> Given:
        order = np.argsort(-scores, kind="stable")[: ChatOptions().memories]
        return self._packed([self._records[i] for i in order if scores[i] > 0])

    def _packed(self, records: Sequence[Record]) -> Given:
        """Write notes as the chat does, within its budget."""
        found = [
            Found(Hit(record, 1 / rank, rank, Scores()), 1 / rank)
            for rank, record in enumerate(records, 1)
        ]
        notes = pack_notes(
            found,
            budget=ChatOptions().memory_tokens,
            count_tokens=lambda line: len(self._count(line)),
            now=self._talk.asked,
        )
        return Given(notes.text, self._named(one.record for one in notes.memories))

    def _named(self, records: Iterable[Record]) -> tuple[str, ...]:
        return tuple(self._names.get(record.id, "") for record in records)
