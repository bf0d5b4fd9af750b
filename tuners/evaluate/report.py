"""Evaluate rankings on a set: dense, lexical and hybrid rows side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.memory import ranking
from lmort_memory.memory.echoes import LOOKED_AT
from lmort_memory.memory.exchanges import asks, together
from lmort_memory.memory.overlap import overlap
from lmort_memory.memory.speakers import CONSIDERED, Said, boosts
from lmort_memory.memory.weights import USUAL_COVERAGE, talk_of
from lmort_memory.store.values import DenseMatch, LexicalMatch

from .analyze import alignment_loss, uniformity_loss
from .bm25 import bm25_scores
from .metrics import METRICS, score_run
from .words import word_scores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.encoder.token_map import TokenMap
    from lmort_memory.types import AskedTokens, Encoder, Progress, TokenCodes

    from .beir import EvalSet

    Scores = NDArray[np.float32]

__all__ = [
    "Report",
    "SetTokens",
    "SetVectors",
    "about_talk",
    "answered",
    "boosted_turns",
    "coverages",
    "dense_scores",
    "encode_set",
    "evaluate",
    "exchange_scores",
    "fuse",
    "lexical_scores",
    "output_losses",
    "product_words",
    "token_scores",
    "write_per_query",
]

_DEPTH: Final = 100  # documents per ranking that enter the fusion, as in the product


@dataclass(frozen=True, slots=True)
class SetTokens:
    """Token codes of a set's documents, and the tokens of its queries."""

    token_map: TokenMap
    documents: tuple[TokenCodes, ...]
    queries: tuple[AskedTokens, ...]


@dataclass(frozen=True, slots=True)
class SetVectors:
    """Vectors of a set.

    Attributes:
        documents: float32 (n_chunks, dim), unit norm.
        owners: int64 (n_chunks,): the document that each row belongs to, ascending.
        queries: float32 (n_queries, dim), unit norm.
        tokens: For late interaction, or None.
    """

    documents: NDArray[np.float32]
    owners: NDArray[np.int64]
    queries: NDArray[np.float32]
    tokens: SetTokens | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Results on one set: row name -> metric -> value per query, float64 (n_queries,)."""

    set: str
    query_ids: tuple[str, ...]
    rows: Mapping[str, Mapping[str, NDArray[np.float64]]]

    def means(self) -> dict[str, dict[str, float]]:
        """Average over queries."""
        return {
            row: {metric: float(values.mean()) for metric, values in metrics.items()}
            for row, metrics in self.rows.items()
        }

    def to_json(self) -> dict[str, object]:
        """Return the object that `lmort-mem tuner eval --json` prints."""
        return {"set": self.set, "queries": len(self.query_ids), "rows": self.means()}


def evaluate(dataset: EvalSet, vectors: Mapping[str, SetVectors]) -> Report:
    """Rank a set by words, by each of the given vectors, and by both together.

    The row "bm25" is the plain textbook ranking; "words", and the words of all hybrid rows, are the
    product's, with its stemming and stop words.

    Args:
        dataset: The set.
        vectors: Row name -> vectors. Each row adds a hybrid one, named by replacing "dense" with
            "hybrid": "dense_in_context" adds "hybrid_in_context". Vectors with tokens are also
            compared token by token, and rows named "… without tokens" leave that out.
    """
    lexical = product_words(dataset)
    rows = {
        "bm25": score_run(dataset, lexical_scores(dataset)),
        "words": score_run(dataset, lexical),
    }
    asking, covered, talk = answered(dataset), coverages(dataset, lexical), about_talk(dataset)

    def hybrid(dense: Scores, tokens: Scores | None) -> Scores:
        fused = fuse(dense, lexical, asking, tokens=tokens, coverage=covered, talk=talk)
        return boosted_turns(dataset, fused)

    for name, found in vectors.items():
        dense = dense_scores(dataset, found)
        ways: dict[str, tuple[Scores, Scores]] = {"": (dense, hybrid(dense, None))}
        if found.tokens is not None:
            alike = token_scores(found.tokens, _candidates(dense, None, asking))
            both = exchange_scores(found.tokens, dense, lexical, asking)
            ways[" without tokens"] = ways[""]
            ways[""] = (
                fuse(dense, None, asking[:0], tokens=alike),
                hybrid(dense, both),
            )
        for way, (alone, fused) in ways.items():
            rows[name + way] = score_run(dataset, alone)
            rows[name.replace("dense", "hybrid") + way] = score_run(dataset, fused)
    return Report(dataset.name, tuple(query.id for query in dataset.queries), rows)


def encode_set(
    encoder: Encoder, dataset: EvalSet, *, progress: Progress | None = None
) -> SetVectors:
    """Encode documents (in chunks, if the encoder does that) and queries as the product does."""
    encoded = encoder.encode([item.text for item in dataset.documents], progress=progress)
    owners = np.repeat(np.arange(len(encoded)), [len(item.vectors) for item in encoded])
    queries = [encoder.encode_query(item.text) for item in dataset.queries]
    return SetVectors(np.concatenate([item.vectors for item in encoded]), owners, np.stack(queries))


def output_losses(dataset: EvalSet, vectors: SetVectors) -> tuple[float, float]:
    """Alignment and uniformity loss of a tuner's output O (Figure 5 of the paper).

    Positive pairs are queries and the nearest chunk of their best document; uniformity is computed
    over queries and those chunks.
    """
    number = {document.id: index for index, document in enumerate(dataset.documents)}
    positives = np.empty_like(vectors.queries)
    for row, query in enumerate(dataset.queries):
        grades = dataset.qrels[query.id]
        best = number[max(sorted(grades), key=lambda name: grades[name])]
        chunks = vectors.documents[vectors.owners == best]
        positives[row] = chunks[np.argmax(chunks @ vectors.queries[row])]
    both = np.concatenate([vectors.queries, positives])
    return alignment_loss(vectors.queries, positives), uniformity_loss(both)


def dense_scores(dataset: EvalSet, vectors: SetVectors) -> Scores:
    """Cosine of each query and each document's best chunk; -inf for excluded documents."""
    chunks = vectors.queries @ vectors.documents.T
    starts = np.flatnonzero(np.diff(vectors.owners, prepend=-1))
    scores: Scores = np.maximum.reduceat(chunks, starts, axis=1)
    scores[~dataset.candidates()] = -np.inf
    return scores


def lexical_scores(dataset: EvalSet) -> Scores:
    """BM25 of each query and document; -inf if no word matches or the document is excluded."""
    scores = bm25_scores(
        [item.text for item in dataset.documents],
        [item.text for item in dataset.queries],
        dataset.groups(),
    )
    scores[(scores == 0) | ~dataset.candidates()] = -np.inf
    return scores


def product_words(dataset: EvalSet) -> Scores:
    """Return the scores of the product's own word search; -inf as in `lexical_scores`."""
    return word_scores(
        [item.text for item in dataset.documents],
        [item.text for item in dataset.queries],
        dataset.candidates(),
        dataset.groups(),
    )


def answered(dataset: EvalSet) -> NDArray[np.int64]:
    """Return the documents that ask and that another one of their session follows.

    None without sessions.
    """
    sessions = [
        (item.fields.get(dataset.group or ""), item.fields.get("session"))
        for item in dataset.documents
    ]
    pairs = enumerate(pairwise(sessions))
    followed = [i for i, (one, next_) in pairs if one == next_ and one[1]]
    return np.array([i for i in followed if asks(dataset.documents[i].text)], dtype=np.int64)


def coverages(dataset: EvalSet, lexical: Scores) -> NDArray[np.float64]:
    """Share of each query's letters that its best document by words contains, (n_queries,)."""
    best = lexical.argmax(axis=1)
    return np.array(
        [
            overlap(query.text, dataset.documents[i].text) if row[i] > -np.inf else 0.0
            for query, i, row in zip(dataset.queries, best, lexical, strict=True)
        ]
    )


def about_talk(dataset: EvalSet) -> NDArray[np.float64]:
    """How far each query is about talk, (n_queries,): no document is the user's or assistant's."""
    return np.array([talk_of(query.text, turns=0.0) for query in dataset.queries])


def token_scores(tokens: SetTokens, wanted: NDArray[np.bool_]) -> Scores:
    """Compare queries with the selected documents token by token; -inf for all others."""
    scores = np.full(wanted.shape, -np.inf, dtype=np.float32)
    for row, asked in enumerate(tokens.queries):
        columns = np.flatnonzero(wanted[row])
        codes = [tokens.documents[i] for i in columns]
        scores[row, columns] = tokens.token_map.scores(asked, codes)
    return scores


def exchange_scores(
    tokens: SetTokens, dense: Scores, lexical: Scores, asking: NDArray[np.int64]
) -> Scores:
    """Compare queries with all candidates; an answer that is lent to, together with its question.

    Args:
        tokens: Of the set.
        dense: See `fuse`.
        lexical: See `fuse`.
        asking: See `answered`.
    """
    own = token_scores(tokens, _candidates(dense, lexical, asking))
    codes = list(tokens.documents)
    for i in asking:
        codes[i + 1] = together(tokens.documents[i], tokens.documents[i + 1])
    answers = np.zeros(dense.shape, dtype=np.bool_)
    answers[:, asking + 1] = _lending(dense, lexical)[:, asking]
    answers &= ~np.isneginf(own)
    return np.where(answers, token_scores(replace(tokens, documents=tuple(codes)), answers), own)


def fuse(
    dense: Scores,
    lexical: Scores | None,
    asking: NDArray[np.int64],
    *,
    tokens: Scores | None = None,
    coverage: NDArray[np.float64] | None = None,
    talk: NDArray[np.float64] | None = None,
) -> Scores:
    """Rank by all parts, as the product does for each query: `lmort_memory.memory.ranking.fuse`.

    Args:
        dense: Cosines, (n_queries, n_documents); -inf where a document may not be found.
        lexical: BM25, likewise; None to rank without words.
        asking: Documents that lend to the next one where they are among the best; see `answered`.
        tokens: Token scores of the candidates, -inf for others; see `exchange_scores`.
        coverage: See `coverages`.
        talk: See `about_talk`.
    """
    found, lending = _candidates(dense, lexical, asking), _lending(dense, lexical)
    fused = np.full_like(dense, -np.inf)
    for row in range(len(dense)):
        ranked = ranking.fuse(
            [[DenseMatch(str(i), score, (0, 0)) for i, score in _best(dense[row])]],
            None
            if lexical is None
            else [LexicalMatch(str(i), score) for i, score in _best(lexical[row])],
            {str(i): str(i + 1) for i in asking[lending[row, asking] & found[row, asking + 1]]},
            {} if tokens is None else {str(i): score for i, score in _best(tokens[row], None)},
            coverage=USUAL_COVERAGE if coverage is None else float(coverage[row]),
            talk=0.0 if talk is None else float(talk[row]),
        )
        for one in ranked:
            if found[row, int(one.id)]:
                fused[row, int(one.id)] = one.score
    return fused


def boosted_turns(dataset: EvalSet, fused: Scores) -> Scores:
    """Boost turns by who says them; documents without a session are notes.

    As the product, except that stored questions are not put behind, and that scores are not scaled.
    """
    said = [
        Said.turn(item.text, "message") if "session" in item.fields else Said("note")
        for item in dataset.documents
    ]
    boosted = fused.copy()
    for row, query in enumerate(dataset.queries):
        best = np.argsort(-fused[row], kind="stable")[:CONSIDERED]
        found = {str(i): said[i] for i in best if fused[row, i] > -np.inf}
        for i, share in boosts(query.text, found).items():
            boosted[row, int(i)] += share * fused[row, best[0]]
    return boosted


def _candidates(
    dense: Scores, lexical: Scores | None, asking: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the candidates of the rankings and the answers that they lend to."""
    found = _is_first(dense)
    if lexical is not None:
        found |= _is_first(lexical)
        found[:, asking + 1] |= _lending(dense, lexical)[:, asking]
        found &= ~(np.isneginf(dense) & np.isneginf(lexical))
    return found


def _lending(dense: Scores, lexical: Scores | None) -> NDArray[np.bool_]:
    """Mark the documents that may lend: the best of each ranking."""
    best = _is_first(dense, LOOKED_AT)
    return best if lexical is None else best | _is_first(lexical, LOOKED_AT)


def _best(scores: Scores, count: int | None = _DEPTH) -> list[tuple[int, float]]:
    """Return the first documents of one query with their scores, best first."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [(int(i), float(scores[i])) for i in order if not np.isneginf(scores[i])]


def _is_first(scores: Scores, count: int = _DEPTH) -> NDArray[np.bool_]:
    """Mark the first documents of each query."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    first = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(first, order, True, axis=1)
    return first & ~np.isneginf(scores)


def write_per_query(report: Report, path: Path) -> None:
    """Write the metrics of every query and row, one JSON object per line."""
    with path.open("w") as file:
        for index, query in enumerate(report.query_ids):
            for row, metrics in report.rows.items():
                figures = {metric: round(float(metrics[metric][index]), 6) for metric in METRICS}
                line = {"set": report.set, "query": query, "row": row, **figures}
                file.write(json.dumps(line) + "\n")
