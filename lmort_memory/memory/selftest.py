"""How well recall works on the user's own data: the model asks, the memory answers.

For a random sample of records, the memory's own model writes a question; the test measures how high
recall ranks the record from which the question was written. A small model writes poor questions, so
the result says how they were made and what can be concluded from them.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmort_memory.backbone import Backbone, Sampling
from lmort_memory.errors import LmortError
from lmort_memory.memory.reservoir import Reservoir
from lmort_memory.types import DEFAULT_SCOPE, Progress, Record

if TYPE_CHECKING:
    from lmort_memory.memory.checks import Mode
    from lmort_memory.memory.memory import Memory

__all__ = ["ModeResult", "Question", "SelfTest", "self_test", "wilson"]

_DEPTH = 10
_SHORTEST = 40  # characters: "Thanks!" cannot be asked about
_LONGEST = 1200  # characters of a record shown to the model
_QUESTION_TOKENS = 40
_FEWEST = 5
# A text to be continued, and not a chat: told to ask, a model of 135 M parameters wrote "What is
# the answer to this question?" for every other record; shown how, it asks about the text.
_TASK = (
    "Each text is followed by a question that it answers.\n\n"
    "Text: Our cat Momo always sleeps on the warm oven in the kitchen.\n"
    "Question: Where does Momo like to sleep?\n\n"
    "Text: The plumber comes on the third of May to mend the boiler.\n"
    "Question: When will the boiler be repaired?\n\n"
    "Text: "
)
_TASK_END = "\nQuestion:"
_WORD = re.compile(r"\w{4,}")
_MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that the model wrote; `copied` is the share of its words found in the record."""

    record_id: str
    text: str
    copied: float


@dataclass(frozen=True, slots=True)
class ModeResult:
    """The results of one recall mode.

    Attributes:
        mode: "lexical", "dense" or "hybrid".
        recall_at_1: Share of the questions whose record came first; likewise at 5 and 10.
        interval: 95 % interval of recall_at_10 (Wilson).
        mrr_at_10: Mean of 1/rank, 0 beyond the tenth.
        p50_ms: Median time of a recall; `p95_ms` likewise.
    """

    mode: str
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    interval: tuple[float, float]
    mrr_at_10: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The result of a self-test.

    Attributes:
        model: Name of the model that wrote the questions.
        asked: Number of records shown to the model.
        questions: Its usable questions.
        copied: Mean share of their words found in the record.
        modes: The measurements, one per mode.
        index_loss: Share of the ten nearest records that the approximate index misses; None if
            every search is exact.
        trust: What can be concluded, in a few sentences.
    """

    model: str
    asked: int
    questions: tuple[Question, ...]
    copied: float
    modes: tuple[ModeResult, ...]
    index_loss: float | None
    trust: str


def self_test(
    memory: Memory,
    *,
    size: int = 50,
    scope: str = DEFAULT_SCOPE,
    seed: int = 0,
    progress: Progress | None = None,
) -> SelfTest:
    """Let the memory's model ask about `size` records, and check whether recall finds them.

    Nothing is stored. Generates a short reply per record.

    Raises:
        ValueError: the memory has no model.
        LmortError: too few records, or too few usable questions.
    """
    if memory.backbone is None:
        raise ValueError("a self-test needs a model; this memory was opened without one")
    records = _sample(memory.records(scope=scope), size, seed)
    _enough(len(records), f"records of {_SHORTEST} characters or more")
    questions: list[Question] = []
    for done, question in enumerate(_ask(memory.backbone, records), 1):
        if question is not None and question.text not in {other.text for other in questions}:
            questions.append(question)
        if progress is not None:
            progress(done, len(records))
    _enough(len(questions), "usable questions")
    modes = [mode for mode in _MODES if mode == "lexical" or memory.encoder is not None]
    results = tuple(_measure(memory, questions, mode, scope) for mode in modes)
    copied = statistics.fmean(question.copied for question in questions)
    return SelfTest(
        model=memory.backbone.facts.name,
        asked=len(records),
        questions=tuple(questions),
        copied=copied,
        modes=results,
        index_loss=_index_loss(memory, questions, scope),
        trust=_trust(memory.backbone, len(records), len(questions), copied),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the Wilson 95 % interval of a share."""
    z = 1.959964
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return centre - half, centre + half


def _enough(count: int, what: str) -> None:
    if count < _FEWEST:
        raise LmortError(
            f"a self-test needs {_FEWEST} {what}; found {count} — add more, or choose another scope"
        )


def _sample(records: Iterable[Record], size: int, seed: int) -> list[Record]:
    """Sample records that are long enough to ask about."""
    drawn: Reservoir[Record] = Reservoir(size, seed=seed)
    for record in records:
        if len(record.text) >= _SHORTEST:
            drawn.offer(record)
    return drawn.items


def _ask(backbone: Backbone, records: Sequence[Record]) -> Iterator[Question | None]:
    """Yield a question per record; None if the model wrote none."""
    sequence = backbone.open_sequence(n_ctx=1024)
    sampling = Sampling(temperature=0)
    start = [backbone.vocabulary.bos] if backbone.vocabulary.adds_bos else []
    try:
        for record in records:
            shown = " ".join(record.text[:_LONGEST].split())
            words = backbone.vocabulary.tokenize(_TASK + shown)[: sequence.n_ctx // 2]
            prompt = [*start, *words, *backbone.vocabulary.tokenize(_TASK_END)]
            sequence.extend(prompt[sequence.sync(prompt).kept :])
            spoken = b""
            sampler = sequence.sampler(sampling)
            try:
                for _ in range(_QUESTION_TOKENS):
                    token = sequence.sample(sampler)
                    if backbone.vocabulary.is_end(token) or b"?" in spoken:
                        break
                    spoken += backbone.vocabulary.piece(token)
                    sequence.extend([token])
            finally:
                sampler.close()
            yield _question(record, spoken.decode("utf-8", "replace"))
    finally:
        sequence.close()


def _question(record: Record, spoken: str) -> Question | None:
    end = spoken.find("?")
    text = " ".join(spoken[: end + 1].split()).removeprefix("Question:").strip()
    words = set(_WORD.findall(text.casefold()))
    if end < 0 or not words:
        return None
    copied = len(words & set(_WORD.findall(record.text.casefold()))) / len(words)
    return Question(record.id, text, copied)


def _measure(memory: Memory, questions: Sequence[Question], mode: Mode, scope: str) -> ModeResult:
    ranks: list[int | None] = []
    times: list[float] = []
    for question in questions:
        began = time.perf_counter()
        hits = memory.recall(question.text, top_k=_DEPTH, scope=scope, mode=mode)
        times.append(time.perf_counter() - began)
        ranks.append(next((h.rank for h in hits if h.record.id == question.record_id), None))

    def share(depth: int) -> float:
        return sum(rank is not None and rank <= depth for rank in ranks) / len(ranks)

    times.sort()
    return ModeResult(
        mode=mode,
        recall_at_1=share(1),
        recall_at_5=share(5),
        recall_at_10=share(_DEPTH),
        interval=wilson(sum(rank is not None for rank in ranks), len(ranks)),
        mrr_at_10=statistics.fmean(1 / rank if rank else 0.0 for rank in ranks),
        p50_ms=1000 * statistics.median(times),
        p95_ms=1000 * times[math.ceil(0.95 * len(times)) - 1],
    )


def _index_loss(memory: Memory, questions: Sequence[Question], scope: str) -> float | None:
    """Compare the index in use with an exact scan of the same vectors."""
    from lmort_memory.store import Filter, SQLiteStore

    encoder = memory.encoder
    status = memory.status().store
    if encoder is None or not any(s.indexed for s in status.spaces if s.name == encoder.space):
        return None
    chosen = Filter(scope=scope)
    missed = wanted = 0
    key = getattr(memory.store, "key", None)
    with SQLiteStore(status.path, key=key, graph_from=1 << 62) as exact:
        for question in questions:
            vector = encoder.encode_query(question.text)
            stores = (exact, memory.store)
            nearest, found = (
                {match.id for match in store.dense(encoder.space, vector, chosen, limit=_DEPTH)}
                for store in stores
            )
            wanted += len(nearest)
            missed += len(nearest - found)
    return missed / wanted if wanted else 0.0


def _trust(backbone: Backbone, asked: int, usable: int, copied: float) -> str:
    return (
        f"{backbone.facts.name} wrote a usable question for {usable} of {asked} records;"
        f" {copied:.0%} of their words are the record's own, which favours recall by words."
        " Where another record answers as well, that counts as a miss: the shares are lower bounds."
        " Compare the rows with each other, and not with figures from elsewhere; a difference"
        " smaller than the interval says nothing."
    )
