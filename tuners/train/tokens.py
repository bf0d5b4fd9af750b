"""Train a tuner's token map on question and answer pairs, without changing the tuner's vectors.

The states of the pairs are captured once. The map starts from the closed form
(`lmort_memory.encoder.token_fit`) and learns to score the right answer best among those of a batch,
both alone and together with the cosine of the vectors, so that it adds what the vectors lack
(experiment 19 of docs/experiments.md; run by `benchmarks/make_token_map.py`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ..jsonl import read_jsonl
from ..states.cache import fill

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.artifact import Artifact
    from lmort_memory.encoder.lmort import Tuner
    from lmort_memory.types import Progress

    from ..states.cache import StatesCache

    Array = NDArray[np.float32]

_QUESTION_TOKENS: Final = 64
_ANSWER_TOKENS: Final = 128  # one chunk
_ALONE: Final = 0.5  # weight of the loss on token scores alone
_TEMPERATURES: Final = (20.0, 20.0, 20.0)  # initial, inverse: tokens alone, with cosine, the cosine
_WARM_UP: Final = 30  # steps
_SEED: Final = 11

__all__ = ["Pairs", "TokenTrainer", "capture", "read_pairs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """States and vectors of questions and their answers, from one source."""

    questions: StatesCache
    answers: StatesCache
    asked: Array
    answering: Array

    def first(self, count: int) -> Pairs:
        """Return only the first pairs; batches are sampled by the number of vectors."""
        return replace(self, asked=self.asked[:count], answering=self.answering[:count])


def read_pairs(path: Path, count: int) -> list[tuple[str, str]]:
    """Sample pairs with distinct answers, deterministically."""
    rows = ((str(row["query"]), str(row["positive"])) for row in read_jsonl(path))
    unlike = list({answer: (query, answer) for query, answer in rows}.values())
    return random.Random(_SEED).sample(unlike, min(count, len(unlike)))


def capture(backbone: Backbone, tuner: Tuner, path: Path, count: int, work: Path) -> Pairs:
    """Capture the states of a source's pairs, or read the cached ones."""
    drawn = read_pairs(path, count)
    folder = work / path.name.split(".")[0]
    sides = [
        fill(folder / name, backbone, texts, layers=tuner.layers, max_tokens=most)
        for name, texts, most in (
            ("q", [query for query, _ in drawn], _QUESTION_TOKENS),
            ("d", [answer for _, answer in drawn], _ANSWER_TOKENS),
        )
    ]
    vectors = [
        np.stack([tuner.encode(cache.get(i)) for i in range(len(cache.lengths))]) for cache in sides
    ]
    return Pairs(sides[0], sides[1], vectors[0], vectors[1])


class TokenTrainer:
    """Trains the token map of an artifact that has one."""

    def __init__(self, artifact: Artifact) -> None:
        import torch

        self._artifact = artifact
        config, weights = artifact.card.config, artifact.weights
        self._mean = np.concatenate([weights[f"stats.{k}.mean"] for k in config.layers])
        self._std = np.concatenate([weights[f"stats.{k}.std"] for k in config.layers])
        self._maps = {
            name: torch.nn.Parameter(torch.from_numpy(weights[name].copy()))
            for name in config.token_shapes()
        }
        self._scales = torch.nn.Parameter(torch.tensor(_TEMPERATURES).log())

    def train(
        self,
        sources: list[Pairs],
        *,
        steps: int,
        batch: int,
        rate: float,
        progress: Progress | None = None,
    ) -> None:
        """Train on batches from one source each, so that similar texts compete."""
        import torch

        rng = np.random.default_rng(0)
        optimizer = torch.optim.AdamW(self._groups(rate), weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda i: min(1.0, (i + 1) / _WARM_UP) * (0.52 + 0.5 * np.cos(np.pi * i / steps)),
        )
        for step in range(steps):
            pairs = sources[int(rng.integers(len(sources)))]
            chosen = rng.choice(len(pairs.asked), min(batch, len(pairs.asked)), replace=False)
            loss = self._loss(pairs, chosen)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, steps)

    def artifact(self) -> Artifact:
        """Return the tuner with the current map."""
        trained = {name: value.detach().numpy() for name, value in self._maps.items()}
        return replace(self._artifact, weights={**self._artifact.weights, **trained})

    def _groups(self, rate: float) -> list[dict[str, object]]:
        """Scale each tensor's learning rate by its magnitude, which AdamW's steps ignore."""
        groups: list[dict[str, object]] = [{"params": [self._scales], "lr": 0.02}]
        for value in self._maps.values():
            size = 3 * float(value.detach().std()) if value.ndim == 2 else 1.0
            groups.append({"params": [value], "lr": rate * size})
        return groups

    def _loss(self, pairs: Pairs, chosen: NDArray[np.int64]) -> torch.Tensor:
        import torch

        alike = self._compared(pairs, chosen)
        cosines = torch.from_numpy(pairs.asked[chosen] @ pairs.answering[chosen].T)
        alone, beside, vectors = self._scales.exp()
        right = torch.arange(len(chosen))
        entropy = torch.nn.functional.cross_entropy
        return _ALONE * entropy(alone * alike, right) + entropy(
            beside * alike + vectors * cosines, right
        )

    def _compared(self, pairs: Pairs, chosen: NDArray[np.int64]) -> torch.Tensor:
        """Compare every question with every answer of a batch: (n, n)."""
        import torch

        def pad(rows: torch.Tensor, lengths: list[int]) -> torch.Tensor:
            parts = rows.split(lengths)  # type: ignore[no-untyped-call]
            return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)

        asked, lengths = self._rows(pairs.questions, chosen)
        salience = asked @ self._maps["salience.weight"][0] + self._maps["salience.bias"]
        weights = pad(torch.nn.functional.softplus(salience), lengths)
        weights = weights / weights.sum(dim=1, keepdim=True)
        questions = pad(self._vectors(asked), lengths)
        told, lengths = self._rows(pairs.answers, chosen)
        answers = pad(self._vectors(told), lengths)
        there = torch.arange(answers.shape[1])[None] < torch.tensor(lengths)[:, None]
        cosines = torch.einsum("qid,njd->qnij", questions, answers)
        nearest = cosines.masked_fill(~there[None, :, None], -1).amax(dim=3)
        return (nearest * weights[:, None]).sum(dim=2)

    def _vectors(self, rows: torch.Tensor) -> torch.Tensor:
        import torch

        mapped = rows @ self._maps["tokens.weight"].T + self._maps["tokens.bias"]
        return torch.nn.functional.normalize(mapped, dim=1)

    def _rows(
        self, cache: StatesCache, chosen: NDArray[np.int64]
    ) -> tuple[torch.Tensor, list[int]]:
        """Stacked standardised states of texts, and the number of rows of each."""
        import torch

        states = [np.concatenate(list(cache.get(int(i)).states), axis=1) for i in chosen]
        rows = (np.concatenate(states) - self._mean) / self._std
        return torch.from_numpy(rows), [len(one) for one in states]
