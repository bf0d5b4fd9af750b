"""How much the vectors should count beside the words, on training pairs.

    python -m benchmarks.bench_fusion --pairs DATA/pairs/squad_sentences.jsonl.gz \
        --out benchmarks/results/fusion.json

From each file `--documents` pairs are drawn; their positives are stored, and the queries of the
first `--questions` of them asked. Both rankings of a question are taken once and fused with every
weight. The development sets have no part in it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
from pathlib import Path

import numpy as np

from lmort_memory import Memory
from lmort_memory.encoder import open_encoder
from lmort_memory.memory import ranking
from lmort_memory.memory.recall import DEPTH
from lmort_memory.store import Filter, SQLiteStore
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Encoder

WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
Asked = tuple[list[DenseMatch], list[LexicalMatch], str]


def drawn(path: Path, n: int) -> list[tuple[str, str]]:
    """Return `n` pairs with different positives, always the same."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = list({row["positive"]: (row["query"], row["positive"]) for row in rows}.values())
    return random.Random(7).sample(pairs, min(n, len(pairs)))


def rankings(encoder: Encoder, pairs: list[tuple[str, str]], questions: int) -> list[Asked]:
    """Store the positives and rank them for the queries: by vector, by words, and the right one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(encoder, SQLiteStore(f"{folder}/memory.db")) as memory,
    ):
        records = memory.add([positive for _, positive in pairs])
        found = []
        for (query, _), record in zip(pairs[:questions], records, strict=False):
            vector = encoder.encode_query(query)
            dense = memory.store.dense(encoder.space, vector, Filter(), limit=DEPTH)
            found.append((dense, memory.store.lexical(query, Filter(), limit=DEPTH), record.id))
        return found


def figures(asked: list[Asked], weight: float) -> dict[str, float]:
    """Return recall@1, recall@10 and MRR@10 with this weight of the vectors."""
    ranking.DENSE_WEIGHT, ranking.LEXICAL_WEIGHT = weight, 1 - weight
    ranks = []
    for dense, lexical, right in asked:
        order = [one.id for one in ranking.fuse([dense], lexical)]
        ranks.append(order.index(right) + 1 if right in order else 10**6)
    got = np.asarray(ranks)
    return {
        "recall@1": float((got <= 1).mean()),
        "recall@10": float((got <= 10).mean()),
        "mrr@10": float(np.where(got <= 10, 1 / got, 0).mean()),
    }


def main() -> None:
    """Parse, rank once, fuse with every weight, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, action="append", required=True)
    parser.add_argument("--documents", type=int, default=800)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    told: dict[str, dict[str, dict[str, float]]] = {}
    opened = open_encoder(None, None)
    assert opened.encoder is not None
    for path in chosen.pairs:
        asked = rankings(opened.encoder, drawn(path, chosen.documents), chosen.questions)
        name = path.name.split(".")[0]
        told[name] = {str(weight): figures(asked, weight) for weight in WEIGHTS}
        print(name, json.dumps(told[name], indent=1), flush=True)
    opened.close()
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
