"""Weigh the signs of `Evidence`: what makes a hit an answer; and say how far to trust the estimate.

    python -m benchmarks.kit.fit_evidence --data DATA --work WORK --write

The questions of the fitting half of the first-hand set are put to stores of 5 to 5,000 records, as
a chat puts them: with the vectors that it makes of a turn, every second time after an earlier
exchange of the same session, and at the moment at which the person asks. A question counts three
times: with its answer stored; with its answer taken out of what was found; and put to the stores of
the other people. General questions (of DATA/pairs), small talk and statements are put to all of
them. Answered and unanswered questions weigh the same in each size of store. The weights are those
of a logistic regression; the calibration that is printed is of the judging half, whose people had
no part in it. What was found is kept in the work folder, so that other signs can be fitted in a
minute; a new tuner or ranking wants a new folder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.first_hand import ABSENT, Person, Question, load
from benchmarks.first_hand.people import HalfName
from benchmarks.first_hand.stores import SIZES, SMALL, Talk, fill, prepared
from benchmarks.kit.chats import Chats, Overheard, Turned
from lmort_memory import Chat, Hit, Memory
from lmort_memory.memory.evidence import DEPTH, Background, Evidence, Whole, evidence
from lmort_memory.memory.likelihood import BY_PLAIN, Calibration, background_of
from lmort_memory.store import SQLiteStore

if TYPE_CHECKING:
    from datetime import datetime

    from lmort_memory import Encoder

GENERAL = ("squad_sentences", "medquad", "fairytaleqa", "tldr_pages", "til_simonw", "qmsum")
PER_STORE = {"others": 24, "general": 14, "small": 6, "statement": 6}
# Of the weight of unanswered questions: what was never stored is asked for most.
SHARES = {"never": 0.5, "general": 0.25, "small": 0.12, "statement": 0.08, "missed": 0.05}
KINDS = {"small_talk": "small", "general_knowledge": "general", "others": "never"}
NEEDS_TOKENS = ("alike", "alike_noise", "alike_behind", "alike_first")
NEEDS_VECTORS = ("near", "noise", "behind", "nearest", "boost", *NEEDS_TOKENS)
DECAY = 3.0  # L2, of standardised signs
TARGET = Path(__file__).parents[2] / "lmort_memory" / "memory" / "evidence_weights.py"


@dataclass(frozen=True)
class Asked:
    """One question in one store: what was found, and which of the hits answer.

    Attributes:
        person: Whose store it is.
        size: Records in the store.
        kind: Of the question; "never" where its answer was taken out.
        query: The question.
        hits: What was found.
        answers: Which of the hits answer, 0 or 1.
        background: Of the space.
        now: When it was asked.
    """

    person: str
    size: int
    kind: str
    query: str
    hits: Sequence[Hit]
    answers: np.ndarray
    background: Background
    now: datetime

    @cached_property
    def signs(self) -> np.ndarray:
        """The signs of each hit, (n_hits, n_signs)."""
        found = evidence(self.query, self.hits, self.background, now=self.now)
        return np.array([one.values() for one in found]).reshape(
            len(self.hits), len(Evidence.names())
        )

    @property
    def group(self) -> tuple[int, str]:
        """What shares a weight with it."""
        if self.answers.any():
            return self.size, "answered"
        return self.size, KINDS.get(self.kind, self.kind if self.kind in SHARES else "missed")


class Asking:
    """Puts questions to the stores of one half.

    Args:
        talk: What the stores are made of.
        encoder: Of their vectors; None to recall by words alone.
        chats: Where questions are asked; None for words alone.
    """

    def __init__(self, talk: Talk, encoder: Encoder | None, chats: Chats | None) -> None:
        self._talk, self._encoder, self._chats = talk, encoder, chats

    def questions(self, size: int) -> Iterator[Asked]:
        """Put its own questions to each person's store."""
        for person in self._talk.half:
            batches = [[one] for one in person.questions] if size <= SMALL else [person.questions]
            for batch in batches:
                about = batch[0] if size <= SMALL else None
                with tempfile.TemporaryDirectory() as folder, self._memory(folder) as memory:
                    ids = fill(memory, self._talk, person, size, about)
                    for question in batch:
                        yield from self._asked(memory, person, question, size, ids)

    def strangers(self, size: int, others: Mapping[str, Sequence[str]]) -> Iterator[Asked]:
        """Put what a person's store cannot answer to it."""
        rng = random.Random(size)
        for person in self._talk.half:
            rest = [one for one in self._talk.half if one.key != person.key]
            pools = {
                **others,
                "others": [q.ask for one in rest for q in one.questions if q.kind not in ABSENT],
                "small": [said.text for one in rest for said in one.said if not said.id],
                "statement": [said.text for one in rest for said in one.said if said.id],
            }
            with tempfile.TemporaryDirectory() as folder, self._memory(folder) as memory:
                about = rng.choice(person.questions) if size <= SMALL else None
                fill(memory, self._talk, person, size, about)
                for kind, count in PER_STORE.items():
                    for text in rng.sample(pools[kind], min(count, len(pools[kind]))):
                        hits = self._hits(memory, text, person)
                        yield self._found(person, size, kind, text, hits, frozenset())

    def _memory(self, folder: str) -> Memory:
        return Memory(self._encoder, SQLiteStore(Path(folder) / "m.db"))

    def _asked(
        self, memory: Memory, person: Person, question: Question, size: int, ids: dict[str, str]
    ) -> Iterator[Asked]:
        right = {ids[f"{person.key}/{id_}"] for id_ in question.records}
        old = {ids[f"{person.key}/{id_}"] for id_ in question.outdated}
        hits = self._hits(memory, question.ask, person)
        yield self._found(person, size, question.kind, question.ask, hits, right)
        if question.kind not in ABSENT:
            without = [hit for hit in hits if hit.record.id not in right | old]
            yield self._found(person, size, "never", question.ask, without, right)

    def _hits(self, memory: Memory, text: str, person: Person) -> list[Hit]:
        import time_machine

        asked = self._chats.asks(text, person.said) if self._chats else Turned()
        with time_machine.travel(person.asked):
            return memory.recall(
                text, vector=asked.vector, tokens=asked.tokens, top_k=DEPTH, explain=True
            )

    def _found(
        self,
        person: Person,
        size: int,
        kind: str,
        text: str,
        hits: Sequence[Hit],
        right: Collection[str],
    ) -> Asked:
        answers = np.array([hit.record.id in right for hit in hits], float)
        background = background_of(self._encoder)
        return Asked(person.key, size, kind, text, hits, answers, background, person.asked)


def weights_of(asked: Sequence[Asked]) -> np.ndarray:
    """Return the weight of each hit: groups count by their share, questions of one group alike."""
    sizes = Counter(one.group for one in asked)
    shares = {"answered": 1.0, **SHARES}
    return np.concatenate(
        [np.full(len(one.answers), 1000 * shares[one.group[1]] / sizes[one.group]) for one in asked]
    )


def fit(asked: Sequence[Asked], *, without: Sequence[str] = ()) -> Calibration:
    """Fit the logistic functions of hits and of questions.

    Args:
        asked: Questions with the signs of their hits.
        without: Names of signs that are not used.
    """
    names = [name for name in Evidence.names() if name not in without]
    columns = [Evidence.names().index(name) for name in names]
    bias, weights = logistic(
        np.concatenate([one.signs for one in asked])[:, columns],
        np.concatenate([one.answers for one in asked]),
        weights_of(asked),
        decay=DECAY,
    )
    hits = Calibration(bias, dict(zip(names, weights, strict=True)), {"bias": 0.0})
    return replace(hits, question=fit_question(hits, asked, without=without))


def fit_question(
    hits: Calibration, asked: Sequence[Asked], *, without: Sequence[str] = ()
) -> dict[str, float]:
    """Fit the weights of `Whole`: whether any hit answers."""
    names = [name for name in Whole.names() if name not in without]
    columns = [Whole.names().index(name) for name in names]
    found = [one for one in asked if len(one.answers)]
    signs = [
        Whole.of([Evidence(*row) for row in one.signs], likelihoods(hits, one)).values()
        for one in found
    ]
    sizes = Counter(one.group for one in asked)
    shares = {"answered": 1.0, **SHARES}
    bias, weights = logistic(
        np.array(signs)[:, columns],
        np.array([float(one.answers.any()) for one in found]),
        np.array([1000 * shares[one.group[1]] / sizes[one.group] for one in found]),
        decay=1.0,
    )
    return {"bias": bias, **dict(zip(names, weights, strict=True))}


def logistic(
    signs: np.ndarray, answers: np.ndarray, share: np.ndarray, *, decay: float
) -> tuple[float, list[float]]:
    """Fit bias and weights by Newton's method; `decay` is of standardised signs."""
    mean, spread = signs.mean(axis=0), signs.std(axis=0) + 1e-9
    inputs = np.column_stack([np.ones(len(signs)), (signs - mean) / spread])
    ridge = decay * np.eye(inputs.shape[1])
    ridge[0, 0] = 0.0
    found = np.zeros(inputs.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (share * (p - answers)) + ridge @ found
        curve = (inputs * (share * p * (1 - p))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(curve, slope)
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    scaled = found[1:] / spread
    return float(found[0] - scaled @ mean), [float(one) for one in scaled]


def likelihoods(calibration: Calibration, one: Asked) -> np.ndarray:
    """Return the estimate of each hit."""
    return np.array([calibration.likelihood(Evidence(*row)) for row in one.signs])


def stored_by(calibration: Calibration, one: Asked) -> float:
    """Return the estimate that any hit answers."""
    signs = [Evidence(*row) for row in one.signs]
    return calibration.stored(signs, likelihoods(calibration, one).tolist())


def report(calibration: Calibration, asked: Sequence[Asked], title: str) -> None:
    """Print the calibration curve of questions: stored in how many, of those of an estimate."""
    table = Table("estimate", "mean", "answer stored", "questions", title=title)
    best = np.array([stored_by(calibration, one) for one in asked])
    stored = np.array([float(one.answers.any()) for one in asked])
    # As many stored as not, as in the fit.
    share = np.where(stored > 0, 0.5 / stored.mean(), 0.5 / (1 - stored.mean()))
    error = 0.0
    for low, high in pairwise(EDGES):
        within = (best >= low) & (best < high)
        if within.any():
            weight = share[within]
            mean, rate = (np.average(v[within], weights=weight) for v in (best, stored))
            error += weight.sum() / share.sum() * abs(mean - rate)
            row = f"{low:.2f}-{min(high, 1.0):.2f}", f"{mean:.2f}", f"{rate:.2f}"
            table.add_row(*row, str(int(within.sum())))
    brier = np.average((best - stored) ** 2, weights=share)
    console = Console()
    console.print(table)
    console.print(f"expected calibration error {error:.3f}, Brier score {brier:.3f}")


EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)


def general_questions(data: Path, count: int) -> list[str]:
    """Read questions that no store of the set answers."""
    found: list[str] = []
    for name in GENERAL:
        with gzip.open(data / "pairs" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            queries = [json.loads(line)["query"] for line in lines]
        found += random.Random(name).sample(queries, min(len(queries), count))
    return found


def write(fitted: Mapping[str, Calibration]) -> None:
    """Write the weights into the library."""
    lines = [
        '"""Weights of the signs of `Evidence` and `Whole`;'
        ' made by `benchmarks.kit.fit_evidence`."""\n\n'
    ]
    lines.append("from typing import Final\n")
    for name, one in fitted.items():
        lines.append(f"\n{name}: Final[dict[str, float]] = {{\n")
        lines += _rows({"bias": one.bias, **one.weights})
        lines.append(f"{name}_QUESTION: Final[dict[str, float]] = {{\n")
        lines += _rows(one.question)
    TARGET.write_text("".join(lines), encoding="utf-8")


def _rows(values: Mapping[str, float]) -> list[str]:
    return [*(f'    "{sign}": {value:.4f},\n' for sign, value in values.items()), "}\n"]


def main() -> int:
    """Fit on one half, report on the other, and write the weights where that is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with text/ and pairs/")
    parser.add_argument("--work", type=Path, required=True, help="keeps what was encoded")
    parser.add_argument(
        "--tuner",
        type=Path,
        nargs="*",
        default=[],
        help="of the weights for any vectors",
    )
    parser.add_argument("--size", type=int, nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--write", action="store_true", help="put the weights into the library")
    chosen = parser.parse_args()
    by_vectors = kept("fit", None, chosen)
    vectors, plain = fit(by_vectors), BY_PLAIN
    if chosen.tuner:
        others = [one for tuner in chosen.tuner for one in kept("fit", tuner, chosen)]
        plain = fit([*by_vectors, *others], without=NEEDS_TOKENS)
    words = fit(kept("fit", None, chosen, words=True), without=NEEDS_VECTORS)
    report(vectors, kept("judge", None, chosen), "judging half")
    report(words, kept("judge", None, chosen, words=True), "judging half, words alone")
    if chosen.write:
        write({"VECTORS": vectors, "PLAIN": plain, "WORDS": words})
    return 0


def kept(
    half: HalfName, tuner: Path | None, chosen: argparse.Namespace, *, words: bool = False
) -> list[Asked]:
    """Collect every question, or read what an earlier run has collected in the work folder."""
    name = "words" if words else tuner.stem if tuner else "vectors"
    path = chosen.work / f"asked-{half}-{name}-{'-'.join(map(str, chosen.size))}.pickle"
    if path.exists():
        found: list[Asked] = pickle.loads(path.read_bytes())
        return found
    found = list(collected(half, tuner, chosen, words=words))
    path.write_bytes(pickle.dumps(found))
    return found


def collected(
    half: HalfName, tuner: Path | None, chosen: argparse.Namespace, *, words: bool = False
) -> Iterator[Asked]:
    """Yield every question of a half in every size of store."""
    talk = prepared(load(half), data=chosen.data, work=chosen.work, model=None, tuner=tuner)
    general = {"general": general_questions(chosen.data, 30)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Overheard.open(Path(folder) / "m.db", tuner=tuner) as memory,
        Chat(memory, session="asked") as chat,
    ):
        asking = Asking(
            talk, None if words else memory.encoder, None if words else Chats(memory, chat)
        )
        for size in track(chosen.size, f"{half}, {'words' if words else 'vectors'}"):
            yield from asking.questions(size)
            yield from asking.strangers(size, general)


if __name__ == "__main__":
    sys.exit(main())
