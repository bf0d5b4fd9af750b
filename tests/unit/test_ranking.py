"""Fusion by rank, recency, diversity."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory._ranking import Ranked, fuse, spread, with_recency
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Encoded, Scores


def _dense(*ids):
    return [DenseMatch(id_, 0.9 - 0.1 * i, (0, 1)) for i, id_ in enumerate(ids)]


def _lexical(*ids):
    return [LexicalMatch(id_, 9.0 - i) for i, id_ in enumerate(ids)]


def test_both_rankings_count():
    """First in both scores 1 and leads; a record of one ranking scores about half."""
    ranked = fuse([_dense("a", "b")], _lexical("a", "c"))
    assert [one.id for one in ranked] == ["a", "c", "b"]
    assert ranked[0].score == pytest.approx(1.0)
    assert ranked[0].scores == Scores(dense=0.9, bm25=9.0, dense_rank=1, bm25_rank=1)
    assert 0.4 < ranked[2].score < 0.6 and ranked[2].scores.bm25 is None


def test_one_ranking_keeps_its_own_scores():
    """Alone, the cosine or BM25 is the score."""
    assert [one.score for one in fuse([_dense("a", "b")], None)] == pytest.approx([0.9, 0.8])
    assert [one.score for one in fuse([], _lexical("a", "b"))] == [9.0, 8.0]
    assert fuse([], []) == [] and fuse([[]], []) == []


def test_two_spaces_count_once_and_by_rank():
    """A record waiting for its new vector ranks by its old one, and one with both not twice."""
    ranked = fuse([_dense("new", "both"), _dense("old", "both")], None)
    assert {one.id: one.scores.dense_rank for one in ranked} == {"new": 1, "old": 1, "both": 2}
    assert ranked[-1].id == "both"


def test_age_halves_scores():
    """One half-life halves the score; what lies in the future counts as now."""
    now = datetime(2024, 1, 10, tzinfo=UTC)
    ranked = [
        Ranked("old", 1.0, Scores()),
        Ranked("new", 0.9, Scores()),
        Ranked("far", 0.8, Scores()),
    ]
    created = {"old": now - timedelta(days=2), "new": now, "far": now + timedelta(days=9)}
    aged = with_recency(ranked, created, now=now, half_life=timedelta(days=1))
    assert [(one.id, one.score) for one in aged] == [("new", 0.9), ("far", 0.8), ("old", 0.25)]
    assert aged[-1].scores.recency == 0.25


def test_diversity_puts_off_what_repeats():
    """A near-duplicate of the best comes after something different; without diversity, before."""
    axes = np.eye(3, dtype=np.float32)
    vectors = {"a": axes[:1], "copy": axes[:1], "other": axes[1:2]}
    encoded = {id_: Encoded(rows, ((0, 1),)) for id_, rows in vectors.items()}
    ranked = [
        Ranked(id_, score, Scores())
        for id_, score in (("a", 1.0), ("copy", 0.99), ("other", 0.6), ("unknown", 0.5))
    ]
    order = [one.id for one in spread(ranked, encoded, diversity=0.5)]
    assert order == ["a", "other", "unknown", "copy"]
    assert spread(ranked, encoded, diversity=0.0) == ranked
