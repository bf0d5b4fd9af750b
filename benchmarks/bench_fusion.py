"""Fit the weights of meaning, tokens and words on training pairs. By hand.

    python -m benchmarks.bench_fusion --pairs DATA/pairs/qed.jsonl.gz … \
        --out benchmarks/results/fusion.json

From each file `--documents` pairs are drawn; their positives are stored, and the queries of the
last `--questions` of them asked (the map of tokens was trained on the others). All rankings of a
question are taken once. The weights are those under which the right answers are likeliest among the
candidates (listwise cross-entropy); each source is also judged with weights of the others. The
development sets have no part in it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import environment
from lmort_memory import Memory
from lmort_memory.encoder import open_encoder
from lmort_memory.memory import ranking
from lmort_memory.memory.overlap import overlap
from lmort_memory.memory.recall import DEPTH
from lmort_memory.memory.weights import weights_of
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.tuners.train.tokens import read_pairs
from lmort_memory.types import TokenEncoder

STEPS = 200
PULL = 0.01  # of the slopes towards none


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the parts of each candidate, (n, 3) nearness, words, tokens."""

    parts: NDArray[np.float32]
    right: int
    coverage: float


def asked_of(encoder: TokenEncoder, path: Path, documents: int, questions: int) -> list[Asked]:
    """Store the positives of a source and ask its last questions."""
    pairs = read_pairs(path, documents)
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(encoder, SQLiteStore(f"{folder}/memory.db")) as memory,
    ):
        records = memory.add([positive for _, positive in pairs])
        texts = {record.id: record.text for record in records}
        codes = memory.store.vectors(encoder.space, texts)
        found = []
        for (query, _), record in list(zip(pairs, records, strict=True))[-questions:]:
            vector, tokens = encoder.encode_question(query)
            dense = memory.store.dense(encoder.space, vector, Filter(), limit=DEPTH)
            lexical = memory.store.lexical(query, Filter(), limit=DEPTH)
            ids = list(dict.fromkeys([*(m.id for m in dense), *(m.id for m in lexical)]))
            if record.id not in ids:
                continue
            compared = encoder.token_scores(tokens, [codes[id_].tokens for id_ in ids])
            near = ranking._nearness([dense])
            worded = ranking._wordedness(lexical)
            alike = ranking._scaled(
                dict(zip(ids, compared.tolist(), strict=True)), ranking.LEAST_TOKEN_SPREAD
            )
            parts = [[near.get(i, 0.0), worded.get(i, 0.0), alike[i]] for i in ids]
            best = overlap(query, texts[lexical[0].id]) if lexical else 0.0
            found.append(Asked(np.array(parts, np.float32), ids.index(record.id), best))
        return found


def fit(questions: list[Asked]) -> list[float]:
    """Return a, b, c, d of `lmort_memory.memory.weights`."""
    import torch

    numbers = torch.zeros(4, requires_grad=True)
    sharpness = torch.tensor(2.3, requires_grad=True)
    parts = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(one.parts) for one in questions], batch_first=True, padding_value=-1e4
    )
    right = torch.tensor([one.right for one in questions])
    coverage = torch.tensor([one.coverage for one in questions])
    optimizer = torch.optim.Adam([numbers, sharpness], lr=0.05)
    for _ in range(STEPS):
        a, b, c, d = numbers
        logits = torch.stack([0 * coverage, a + b * coverage, c + d * coverage], dim=1)
        scores = (parts * logits.softmax(dim=1)[:, None]).sum(dim=2) * sharpness.exp()
        loss = torch.nn.functional.cross_entropy(scores, right) + PULL * (b**2 + d**2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [round(float(value), 3) for value in numbers]


def mrr(questions: list[Asked], numbers: list[float] | None) -> float:
    """Mean reciprocal rank with these numbers; None takes those that the product has."""
    values = []
    for one in questions:
        if numbers is None:
            found = weights_of(dense=True, tokens=True, words=True, coverage=one.coverage)
            weights = np.array([found.dense, found.words, found.tokens])
        else:
            a, b, c, d = numbers
            weights = np.exp([0, a + b * one.coverage, c + d * one.coverage])
        scores = one.parts @ weights
        values.append(1 / (1 + int((scores > scores[one.right]).sum())))
    return round(float(np.mean(values)), 4)


def main() -> None:
    """Ask every source, fit on all and on all but each, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, nargs="+", required=True)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    opened = open_encoder(None, None)
    assert opened.encoder.token_kind is not None
    sources = {}
    for path in chosen.pairs:
        name = path.name.split(".")[0]
        sources[name] = asked_of(opened.encoder, path, chosen.documents, chosen.questions)
        print(f"{name}: {len(sources[name])} questions", flush=True)
    opened.close()
    everything = [one for questions in sources.values() for one in questions]
    told = {
        "environment": environment("benchmarks.bench_fusion"),
        "numbers": fit(everything),
        "mrr": {
            name: {
                "product": mrr(questions, None),
                "equal": mrr(questions, [0.0, 0.0, 0.0, 0.0]),
                "fitted on the others": mrr(
                    questions,
                    fit([one for other, own in sources.items() if other != name for one in own]),
                ),
            }
            for name, questions in sources.items()
        },
    }
    print(json.dumps(told["numbers"]), json.dumps(told["mrr"], indent=1))
    chosen.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
