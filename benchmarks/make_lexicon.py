"""Learn word vectors from the teacher: `lmort_memory/encoder/pretrained/lexicon.npz`. By hand.

    python -m benchmarks.make_lexicon --data DATA --recipe smollm2-135m smollm2-135m-facts \
        --work WORK --out lexicon.npz

A word begins as the teacher's vector of the word by itself. Then the sum of a text's words, each
times its weight, is brought near the teacher's vector of the text, for all texts of the recipes but
those of the kit, on which tuners that read these vectors are judged. No model but the teacher is
read. The teacher needs half an hour on two cores for 130,000 texts, and the rest five minutes; the
work folder keeps its vectors, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lmort_memory.encoder.lexicon import LONGEST, words_of, write_lexicon
from lmort_memory.kit import load_kit
from lmort_memory.tuners.train.pipeline import load_data
from lmort_memory.tuners.train.recipe import load_recipe, recipe_path
from lmort_memory.tuners.train.teacher import Teacher, fill_targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WORDS = 60_000
FEWEST = 3  # occurrences of a word
USUAL = 1e-3  # frequency at which a word's weight is a half (SIF's a)
CUT = 40  # words of a text
EPOCHS = 3
BATCH = 256
RATE = 1e-3
BIAS_RATE = 1e-2
OPENING = 50  # characters by which a text of the kit is known, however it was cut


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words, and their weights in a text."""

    words: tuple[str, ...]
    weights: Floats

    @classmethod
    def of(cls, files: list[Path]) -> Vocabulary:
        """Choose the words that most files have, and of these the most frequent."""
        counts: Counter[str] = Counter()
        spread: Counter[str] = Counter()
        for path in files:
            here = Counter(word for text in _texts(path) for word in words_of(text))
            counts.update(here)
            spread.update(here.keys())
        known = [w for w, n in counts.items() if n >= FEWEST and len(w) <= LONGEST and w.isascii()]
        chosen = sorted(known, key=lambda w: (-spread[w], -counts[w], w))[:WORDS]
        often = np.array([counts[w] for w in chosen]) / counts.total()
        return cls(tuple(chosen), (USUAL / (USUAL + often)).astype(np.float32))


class Texts:
    """Texts as words of a vocabulary, with the teacher's vectors."""

    def __init__(self, vocabulary: Vocabulary, texts: list[str], targets: Floats) -> None:
        rows = {word: row for row, word in enumerate(vocabulary.words)}
        bags = [[rows[w] for w in words_of(text) if w in rows] for text in texts]
        kept = [i for i, bag in enumerate(bags) if bag]
        self.words = torch.tensor([row for i in kept for row in bags[i]])
        self.starts = np.cumsum([0, *(len(bags[i]) for i in kept)])
        self.weights = torch.from_numpy(vocabulary.weights)[self.words]
        self.targets = torch.from_numpy(targets[kept])

    def batches(self, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield words, their weights, where each text begins, and targets."""
        order = np.random.default_rng(seed).permutation(len(self.targets))
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            spans = [np.arange(*span) for span in (self.starts[[r, r + 1]] for r in rows)]
            offsets = np.cumsum([0, *(len(span) for span in spans[:-1])])
            chosen = torch.from_numpy(np.concatenate(spans))
            yield (
                self.words[chosen],
                self.weights[chosen],
                torch.from_numpy(offsets),
                self.targets[rows],
            )


def learn(texts: Texts, start: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Bring the sums of words near the targets; return the words' vectors and the bias."""
    torch.manual_seed(0)
    table = torch.nn.EmbeddingBag(*start.shape, mode="sum", sparse=True)
    table.weight.data.copy_(torch.from_numpy(start))
    shift = torch.nn.Parameter(torch.from_numpy(bias))
    of_words = torch.optim.SparseAdam(table.parameters(), lr=RATE)
    of_bias = torch.optim.Adam([shift], lr=BIAS_RATE)
    total, step = EPOCHS * (len(texts.targets) // BATCH + 1), 0
    for epoch in range(EPOCHS):
        cosines = []
        for words, weights, offsets, targets in texts.batches(epoch):
            of_words.param_groups[0]["lr"] = RATE * max(0.02, 1 - step / total)
            found = table(words, offsets, per_sample_weights=weights) + shift
            cosine = torch.nn.functional.cosine_similarity(found, targets)
            of_words.zero_grad()
            of_bias.zero_grad()
            (1 - cosine).mean().backward()  # type: ignore[no-untyped-call]
            of_words.step()
            of_bias.step()
            cosines.append(float(cosine.detach().mean()))
            step += 1
        print(f"epoch {epoch + 1} of {EPOCHS}: cosine {np.mean(cosines):.3f}", flush=True)
    return table.weight.detach().numpy(), shift.detach().numpy()


def draw(data: Path, recipes: list[str]) -> list[str]:
    """Return the texts of recipes, cut, without duplicates and without those of the kit."""
    kit = {item.text[:OPENING] for item in load_kit().items}
    drawn: dict[str, None] = {}
    for name in recipes:
        recipe = load_recipe(recipe_path(name))
        drawn |= dict.fromkeys(load_data(data, replace(recipe.data, max_words=CUT)).texts)
    return [text for text in drawn if text[:OPENING] not in kit]


def say(done: int, total: int | None) -> None:
    """Print how many texts the teacher has read."""
    print(f"teacher: {done:,} of {total:,}", flush=True)


def main() -> None:
    """Count words, ask the teacher, learn, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", nargs="+", default=["smollm2-135m", "smollm2-135m-facts"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    files = sorted(path for kind in ("text", "pairs") for path in (options.data / kind).iterdir())
    vocabulary = Vocabulary.of(files)
    texts = draw(options.data, options.recipe)
    targets = fill_targets(options.work, texts, progress=say)
    alone = Teacher().encode(vocabulary.words)
    # The loss knows only directions, so the bias may begin at any length; this one is that of sums.
    bias = 3 * targets.mean(axis=0)
    vectors, bias = learn(Texts(vocabulary, texts, targets), alone - alone.mean(axis=0), bias)
    weights = vocabulary.weights
    write_lexicon(options.out, vocabulary.words, vectors * weights[:, None], weights, bias)


def _texts(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield from (value for value in json.loads(line).values() if isinstance(value, str))


if __name__ == "__main__":
    main()
