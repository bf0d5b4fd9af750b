"""A tuner from a user's own notes, without a teacher: the pretext tasks of Llama2Vec.

    EBAE  the vector of a passage predicts the passage's own tokens
    EBAR  the vector of a passage predicts the tokens of the passage after it

(Llama2Vec, arXiv 2312.15503), both through the model's output embedding. Llama2Vec trains the
model. Here the model is frozen, including its output embedding, and only the tuner is trained. Each
task has a map from the tuner's vector to the model's width, which is dropped afterwards. The
softmax covers only tokens that occur in the notes.

Training starts from the at-once tuner. The kit's held-out texts decide whether it helped; a result
worse than the start is discarded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmort_memory.encoder.artifact import Artifact, TunerCard
from lmort_memory.encoder.background import with_background
from lmort_memory.encoder.config import TunerConfig
from lmort_memory.encoder.untrained import AT_ONCE, beside_words, identity_of, make_untrained
from lmort_memory.errors import TunerError
from lmort_memory.kit import load_kit
from lmort_memory.modelfile.facts import read_header, read_tensor

from ..evaluate.held_out import encode_cache, judge
from ..states.cache import estimate, fill
from ..train.batches import epoch_plan, packed_states
from ..train.data import cut_words
from ..train.model import Lmort
from .maker import Made
from .plan import Plan
from .settings import MAX_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone

    from ..states.cache import StatesCache
    from ..train.pipeline import Stages

__all__ = ["UNSUPERVISED", "NoteMaker", "Notes", "Pretext", "read_notes"]

UNSUPERVISED: Final = "unsupervised"

_SUFFIXES: Final = (".md", ".markdown", ".txt")
_MAX_WORDS: Final = 60  # as the kit's texts
_MIN_WORDS: Final = 4
_FEWEST: Final = 32
_BATCH: Final = 32
_RATE: Final = 3e-4
_POOLED_RATE: Final = 6e-6  # for the path inherited from the at-once tuner: small steps
_STEPS: Final = 2000  # maximum
_STEPS_MEASURED: Final = 3


@dataclass(frozen=True, slots=True)
class Notes:
    """Passages of a user's files.

    Attributes:
        passages: The passages in order of files and lines.
        follows: For each passage, whether the next one follows it in the same file.
    """

    passages: tuple[str, ...]
    follows: tuple[bool, ...]


def read_notes(path: Path) -> Notes:
    """Read the paragraphs of a Markdown or text file, or of all such files below a folder.

    Raises:
        TunerError: a file cannot be read, or there are too few passages.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    passages: list[str] = []
    follows: list[bool] = []
    for file in files:
        if file.suffix.lower() not in _SUFFIXES or not file.is_file():
            continue
        try:
            blocks = file.read_text(encoding="utf-8", errors="replace").split("\n\n")
        except OSError as error:
            raise TunerError(f"cannot read {file}: {error.strerror} — remove the file") from error
        cut = [cut_words(" ".join(block.split()), _MAX_WORDS) for block in blocks]
        found = [text for text in cut if len(text.split()) >= _MIN_WORDS]
        passages += found
        follows += [True] * (len(found) - 1) + [False] * bool(found)
    if len(passages) < _FEWEST:
        raise TunerError(
            f"{path} has {len(passages)} passages of text, but a tuner needs at least {_FEWEST} — "
            f"choose a folder with more {', '.join(_SUFFIXES)} files"
        )
    return Notes(tuple(passages), tuple(follows))


class Pretext(nn.Module):
    """The two tasks: cross-entropy of a text's tokens given a vector."""

    def __init__(self, dim: int, embedding: NDArray[np.float32]) -> None:
        """Create both maps for a frozen output embedding, float32 (n_tokens, n_embd)."""
        super().__init__()
        scaled = embedding / max(float(np.linalg.norm(embedding, axis=1).mean()), 1e-6)
        self.register_buffer("embedding", torch.from_numpy(scaled))
        self.same = nn.Linear(dim, embedding.shape[1])
        self.next = nn.Linear(dim, embedding.shape[1])

    def forward(self, vectors: Tensor, own: Tensor, after: Tensor, has_next: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            vectors: float (B, dim).
            own: Relative frequency of each token in the text, float (B, n_tokens).
            after: The same for the next text.
            has_next: bool (B,): whether there is a next text.
        """
        unit = F.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5
        loss = -(own * self._log_likelihood(self.same(unit))).sum(dim=1).mean()
        if has_next.any():
            found = -(after * self._log_likelihood(self.next(unit))).sum(dim=1)
            loss = loss + found[has_next].mean()
        return loss

    def _log_likelihood(self, states: Tensor) -> Tensor:
        logits: Tensor = states @ self.embedding.T  # type: ignore[operator]
        return F.log_softmax(logits, dim=-1)


@dataclass(frozen=True, slots=True)
class NoteMaker:
    """Makes a tuner from notes alone.

    Attributes:
        backbone: The open model.
        notes: The passages to learn from.
        minutes: Approximate time limit.
        work: Folder for states.
    """

    backbone: Backbone
    notes: Notes
    minutes: float
    work: Path

    def make(self, stages: Stages) -> Made:
        """Train the tuner; return it or its start, whichever is better on the held-out texts.

        States are kept, so an interrupted call resumes after encoding; training starts over.

        Raises:
            TunerError: the work folder belongs to other notes, or the disk is full.
            BackboneError: llama.cpp refused.
        """
        begun = time.monotonic()
        start = make_untrained(self.backbone, words=False)
        layers = start.card.config.layers
        texts = self._texts_that_fit(layers)
        cache = self._states("notes", texts, layers, stages)
        spent = time.monotonic() - begun
        model, steps = self._train(start, cache, 60 * self.minutes - spent, stages)
        kit = load_kit()
        held = self._states("held-out", kit.texts(0, kit.n_held_out), layers, stages)
        wanted = kit.vectors[: kit.n_held_out]
        trained = self._artifact(model, len(texts), steps)
        artifacts = {AT_ONCE: beside_words(start, kit.vectors), UNSUPERVISED: trained}
        text_of = self.backbone.vocabulary.detokenize
        vectors = {
            tier: encode_cache(artifact, held, text_of=text_of)
            for tier, artifact in artifacts.items()
        }
        figures = {tier: judge(found, wanted, None) for tier, found in vectors.items()}
        best = max(figures, key=lambda tier: figures[tier].mrr)
        plan = Plan(0.0, len(texts), kit.n_held_out, 60 * self.minutes - spent, layers)
        chosen = with_background(artifacts[best], vectors[best], kit.items[: kit.n_held_out])
        return Made(chosen, best, figures, plan, time.monotonic() - begun)

    def _texts_that_fit(self, layers: tuple[int, ...]) -> list[str]:
        texts = list(self.notes.passages)
        cost = estimate(self.backbone, texts, layers=layers, max_tokens=MAX_TOKENS)
        share = min(1.0, 30 * self.minutes / max(cost.seconds, 1e-9))  # half of the time
        return list(islice(texts, max(_FEWEST, int(share * len(texts)))))

    def _states(
        self, name: str, texts: list[str], layers: tuple[int, ...], stages: Stages
    ) -> StatesCache:
        return fill(
            self.work / name,
            self.backbone,
            texts,
            layers=layers,
            max_tokens=MAX_TOKENS,
            progress=stages(f"states, {name}"),
        )

    def _train(
        self, start: Artifact, cache: StatesCache, seconds: float, stages: Stages
    ) -> tuple[Lmort, int]:
        """Train until the time is up, at most `_STEPS` steps; AdamW with a decaying rate."""
        torch.manual_seed(0)
        counts, embedding = self._tokens(cache)
        model = _grown(start)
        task = Pretext(model.config.dim, embedding)
        slow = [p for name, p in model.named_parameters() if name.startswith("pooled.")]
        fast = [p for name, p in model.named_parameters() if not name.startswith("pooled.")]
        optimiser = torch.optim.AdamW(
            [
                {"params": [*fast, *task.parameters()], "lr": _RATE, "full": _RATE},
                {"params": slow, "lr": _POOLED_RATE, "full": _POOLED_RATE},
            ]
        )
        progress = stages(UNSUPERVISED)
        total, step, begun = _STEPS, 0, time.monotonic()
        while step < total:
            for rows in epoch_plan(len(cache.lengths), _BATCH, seed=(0, step)):
                loss = self._loss(model, task, cache, (counts, rows))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
                if step == _STEPS_MEASURED:
                    each = (time.monotonic() - begun) / step
                    total = int(min(_STEPS, max(_STEPS_MEASURED, seconds / each)))
                for group in optimiser.param_groups:
                    group["lr"] = group["full"] * (1 - step / total)
                progress(step, total)
                if step >= total:
                    break
        return model.eval(), step

    def _loss(
        self,
        model: Lmort,
        task: Pretext,
        cache: StatesCache,
        batch: tuple[Tensor, NDArray[np.int64]],
    ) -> Tensor:
        counts, rows = batch
        states, lengths = packed_states(cache, rows, layers=model.config.layers)
        last = len(cache.lengths) - 1
        has_next = [self.notes.follows[row] and row < last for row in rows]
        loss: Tensor = task(
            model(states.float(), lengths),
            counts[rows],
            counts[np.minimum(rows + 1, last)],
            torch.tensor(has_next),
        )
        return loss

    def _tokens(self, cache: StatesCache) -> tuple[Tensor, NDArray[np.float32]]:
        """Return token frequencies (n_texts, n_tokens) and the tokens' output embeddings."""
        seen, columns = np.unique(np.asarray(cache.tokens), return_inverse=True)
        owners = np.repeat(np.arange(len(cache.lengths)), cache.lengths)
        shares = 1 / np.repeat(cache.lengths, cache.lengths)
        counts = np.zeros((len(cache.lengths), len(seen)), dtype=np.float32)
        np.add.at(counts, (owners, columns), shares.astype(np.float32))
        header = read_header(self.backbone.facts.path)
        # Models with tied embeddings have no separate output embedding.
        name = "output.weight" if "output.weight" in header.tensors else "token_embd.weight"
        return torch.from_numpy(counts), read_tensor(header, name, rows=seen.tolist())

    def _artifact(self, model: Lmort, n_texts: int, steps: int) -> Artifact:
        provenance = {
            "recipe": "tuner make --unsupervised",
            "tier": UNSUPERVISED,
            "data": f"notes of the user, {n_texts} passages",
            "texts": str(n_texts),
            "steps": str(steps),
            "date": datetime.now(UTC).date().isoformat(),
        }
        card = TunerCard(model.config, identity_of(self.backbone), provenance=provenance)
        return Artifact(card, model.weights())


def _grown(start: Artifact) -> Lmort:
    """Add LMORT to the at-once map. Its output starts at zero, so the vectors do not change."""
    config = start.card.config
    width = min(256, config.n_embd)
    heads = max(n for n in (8, 4, 2, 1) if width % n == 0)
    grown: TunerConfig = replace(
        config, n_layer=1, width=width, n_head=heads, n_ff=2 * width, token_bits=0
    )
    model = Lmort(grown)
    weights = {name: torch.from_numpy(array) for name, array in start.weights.items()}
    model.load_state_dict(weights, strict=False)
    return model.train()
