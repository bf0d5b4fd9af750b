"""Cached states of an evaluation set: one run of the backbone serves many tuners.

Documents are split into chunks as in the product. If the documents have a `session`, they can be
captured in two ways: each turn alone, or in the context of its session.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from lmort_memory.encoder.chunking import CHUNK_TOKENS, chunk_tokens
from lmort_memory.errors import TunerError
from lmort_memory.types import HiddenStates, TokenCodes

from ..states.cache import Manifest, fill, fill_with, texts_digest
from ..states.sessions import replay, session_roles
from .report import SetTokens, SetVectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmort_memory.backbone import Backbone
    from lmort_memory.encoder.lmort import Tuner
    from lmort_memory.types import Progress

    from ..states.cache import StatesCache
    from .beir import EvalSet

__all__ = [
    "SetStates",
    "alone",
    "has_sessions",
    "in_context",
    "layer_vectors",
    "set_tokens",
    "set_vectors",
]

_ENCODE_AT_ONCE: Final = 64  # chunks whose states are held in memory


@dataclass(frozen=True, slots=True)
class SetStates:
    """States of documents and queries of a set.

    Attributes:
        documents: A cache of the documents' texts.
        parts: int64 (n_chunks, 4): document, entry in the cache, and its rows [start, stop).
        queries: A cache with one entry per chunk of each query.
        asked: int64 (n_query_chunks,): the query that each entry belongs to.
    """

    documents: StatesCache
    parts: NDArray[np.int64]
    queries: StatesCache
    asked: NDArray[np.int64]


def alone(
    folder: Path,
    backbone: Backbone,
    dataset: EvalSet,
    *,
    layers: Sequence[int],
    progress: Progress | None = None,
) -> SetStates:
    """Capture every chunk and every query as stand-alone text."""
    chunks = [
        (index, text)
        for index, document in enumerate(dataset.documents)
        for text in _chunk_texts(backbone, document.text)
    ]
    cache = fill(
        folder / "alone",
        backbone,
        [text for _, text in chunks],
        layers=layers,
        max_tokens=backbone.longest_text,
        progress=progress,
    )
    parts = [(owner, entry, 0, cache.lengths[entry]) for entry, (owner, _) in enumerate(chunks)]
    return SetStates(cache, np.array(parts), *_queries(folder, backbone, dataset, layers))


def in_context(
    folder: Path,
    backbone: Backbone,
    dataset: EvalSet,
    *,
    layers: Sequence[int],
    progress: Progress | None = None,
) -> SetStates:
    """Capture every turn in the context of its session; queries stand alone.

    Raises:
        TunerError: the documents have no sessions.
    """
    if not has_sessions(dataset):
        raise TunerError(
            f"the documents of {dataset.name} have no field 'session' — evaluate it without context"
        )
    texts = [document.text for document in dataset.documents]
    manifest = Manifest(
        backbone.fingerprint,
        tuple(sorted(set(layers))),
        backbone.facts.n_embd,
        backbone.longest_text,
        texts_digest(texts),
        len(texts),
        mode="session",
    )
    cache = fill_with(
        folder / "session",
        manifest,
        lambda done: replay(backbone, _sessions(dataset), layers=manifest.layers, done=done),
        progress=progress,
    )
    parts = [
        (owner, owner, start, stop)
        for owner, text in enumerate(texts)
        for start, stop in _chunk_ranges(backbone, text, cache.get(owner).tokens)
    ]
    return SetStates(cache, np.array(parts), *_queries(folder, backbone, dataset, layers))


def has_sessions(dataset: EvalSet) -> bool:
    """Whether every document names its session."""
    return all("session" in document.fields for document in dataset.documents)


def set_vectors(tuner: Tuner, states: SetStates) -> SetVectors:
    """Turn cached states into vectors."""
    chunks = np.empty((len(states.parts), tuner.dim), dtype=np.float32)
    for start in range(0, len(chunks), _ENCODE_AT_ONCE):
        parts = states.parts[start : start + _ENCODE_AT_ONCE]
        batch = [_slice(states.documents.get(entry), a, b) for _, entry, a, b in parts]
        chunks[start : start + len(parts)] = tuner.encode_batch(batch)
    queries = [states.queries.get(i) for i in range(len(states.queries.lengths))]
    asking = _mean_by(states.asked, tuner.encode_batch(queries))
    return SetVectors(chunks, states.parts[:, 0], asking, set_tokens(tuner, states))


def set_tokens(tuner: Tuner, states: SetStates) -> SetTokens | None:
    """Token codes of every document and tokens of every query; None without a token map."""
    token_map = tuner.token_map
    if token_map is None:
        return None
    chunks: dict[int, list[NDArray[np.uint8]]] = {}
    for owner, entry, a, b in states.parts:
        part = _slice(states.documents.get(entry), a, b)
        chunks.setdefault(int(owner), []).append(token_map.codes(part))
    documents = [TokenCodes(token_map.kind, tuple(chunks[i])) for i in sorted(chunks)]
    asked: dict[int, list[HiddenStates]] = {}
    for entry, query in enumerate(states.asked):
        asked.setdefault(int(query), []).append(states.queries.get(entry))
    queries = [token_map.asked(asked[i]) for i in sorted(asked)]
    return SetTokens(token_map, tuple(documents), tuple(queries))


def layer_vectors(states: SetStates, layer: int) -> SetVectors:
    """Mean-pool one layer into unit vectors: the baseline without a tuner."""
    documents, queries = states.documents, states.queries
    starts = documents.offsets[states.parts[:, 1]]
    chunks = zip(starts + states.parts[:, 2], starts + states.parts[:, 3], strict=True)
    whole = zip(queries.offsets, queries.offsets + queries.lengths, strict=True)
    return SetVectors(
        _pooled(documents.layer(layer), chunks),
        states.parts[:, 0],
        _mean_by(states.asked, _pooled(queries.layer(layer), whole)),
    )


def _pooled(
    rows: NDArray[np.float16], ranges: Iterable[tuple[np.int64, np.int64]]
) -> NDArray[np.float32]:
    means = np.stack([rows[a:b].mean(axis=0, dtype=np.float32) for a, b in ranges])
    unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def _mean_by(owners: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised mean of each owner's vectors, as the product does for a question."""
    sums = np.add.reduceat(vectors, np.flatnonzero(np.diff(owners, prepend=-1)), axis=0)
    mean: NDArray[np.float32] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return mean


def _slice(states: HiddenStates, start: int, stop: int) -> HiddenStates:
    return HiddenStates(states.tokens[start:stop], states.layers, states.states[:, start:stop])


def _queries(
    folder: Path, backbone: Backbone, dataset: EvalSet, layers: Sequence[int]
) -> tuple[StatesCache, NDArray[np.int64]]:
    """Capture every chunk of every query, and return which query each belongs to."""
    chunks = [
        (index, text)
        for index, query in enumerate(dataset.queries)
        for text in _chunk_texts(backbone, query.text)
    ]
    texts = [text for _, text in chunks]
    cache = fill(
        folder / "queries", backbone, texts, layers=layers, max_tokens=backbone.longest_text
    )
    return cache, np.array([owner for owner, _ in chunks])


def _sessions(dataset: EvalSet) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the roles and the texts of each session, in the documents' order."""
    group = dataset.group or ""
    for _, items in groupby(
        dataset.documents, key=lambda one: (one.fields.get(group), one.fields["session"])
    ):
        turns = list(items)
        yield (
            session_roles([str(turn.fields.get("speaker")) for turn in turns]),
            [turn.text for turn in turns],
        )


def _chunk_ranges(backbone: Backbone, text: str, tokens: Sequence[int]) -> list[tuple[int, int]]:
    if len(tokens) <= CHUNK_TOKENS:
        return [(0, len(tokens))]
    return chunk_tokens(text, backbone.vocabulary.character_ends(text, tokens))


def _chunk_texts(backbone: Backbone, text: str) -> list[str]:
    """Split a text into chunks as the product does."""
    tokens = backbone.prompts.tokenize(text)
    if len(tokens) <= CHUNK_TOKENS:
        return [text]
    ends = backbone.vocabulary.character_ends(text, tokens)
    ranges = chunk_tokens(text, ends)
    return [text[ends[a - 1] if a else 0 : ends[b - 1]] for a, b in ranges]
