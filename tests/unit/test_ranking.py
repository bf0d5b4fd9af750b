"""Fusion, lending, recency, diversity."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lmort_memory.memory.ranking import (
    Ranked,
    boosted,
    fuse,
    spread,
    with_recency,
)
from lmort_memory.memory.weights import USUAL_COVERAGE, weights_of
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.types import Encoded, Scores


def _dense(*ids):
    return [DenseMatch(id_, 0.9 - 0.1 * i, (0, 1)) for i, id_ in enumerate(ids)]


def _lexical(*ids):
    return [LexicalMatch(id_, 9.0 - i) for i, id_ in enumerate(ids)]


def test_both_rankings_count():
    """First in both scores 1 and leads; the worst of one ranking counts nothing there."""
    ranked = fuse([_dense("a", "b", "d")], _lexical("a", "c", "b"))
    assert [one.id for one in ranked] == ["a", "b", "c", "d"]
    assert replace(
        ranked[0].scores, dense_weight=None, tokens_weight=None, bm25_weight=None
    ) == Scores(dense=0.9, bm25=9.0, dense_rank=1, bm25_rank=1)
    w = weights_of(dense=True, tokens=False, words=True, coverage=USUAL_COVERAGE)
    expected = [1.0, w.dense * 0.5 + w.words * 7 / 9, w.words * 8 / 9, 0.0]
    assert [one.score for one in ranked] == pytest.approx([0.9 * score for score in expected])
    assert ranked[0].scores.dense_weight == w.dense and ranked[0].scores.bm25_weight == w.words
    assert ranked[3].scores.bm25 is None


def test_how_much_better_counts():
    """A clear lead by words beats a narrow one by vectors, though each leads one ranking."""
    dense = [DenseMatch("a", 0.51, (0, 1)), DenseMatch("b", 0.50, (0, 1))]
    ranked = fuse([dense], [LexicalMatch("b", 9.0), LexicalMatch("a", 1.0)])
    assert [one.id for one in ranked] == ["b", "a"]


def test_words_that_count_nothing_leave_the_vectors_order():
    """Words that every record has score zero in BM25; nothing is divided by it."""
    ranked = fuse([_dense("a", "b")], [LexicalMatch("b", 0.0)])
    assert [one.id for one in ranked] == ["a", "b"]


def test_a_question_lends_to_its_answer():
    """A share of what it scores goes to the turn after it, which neither ranking may have found."""
    answers = {"q": "answer", "x": "q"}
    ranked = fuse([_dense("q", "x", "far")], _lexical("q", "x"), answers)
    near = {"q": 1 + 0.3 * 0.5, "x": 0.5, "answer": 0.3, "far": 0.0}
    worded = {"q": 1 + 0.8 * 8 / 9, "x": 8 / 9, "answer": 0.8, "far": 0.0}
    w = weights_of(dense=True, tokens=False, words=True, coverage=USUAL_COVERAGE)
    expected = {
        i: 0.9 * (w.dense * near[i] / near["q"] + w.words * worded[i] / worded["q"]) for i in near
    }
    assert {one.id: one.score for one in ranked} == pytest.approx(expected)
    assert [one.id for one in ranked] == ["q", "x", "answer", "far"]
    assert ranked[2].scores.dense is ranked[2].scores.bm25 is None, (
        "the parts are what the rankings themselves said"
    )


def test_an_answer_is_compared_with_its_question():
    """Token by token both together count, and its own comparison is what is shown."""
    tokens = {"q": 0.6, "a": 0.2, "far": 0.1}
    apart = fuse([_dense("q", "a", "far")], [], tokens=tokens, coverage=1.0)
    together = fuse(
        [_dense("q", "a", "far")], [], tokens=tokens, exchanges={"a": 0.9}, coverage=1.0
    )
    assert [one.id for one in apart] == ["q", "a", "far"]
    assert [one.id for one in together] == ["a", "q", "far"]
    assert together[0].scores.tokens == 0.2


def test_one_ranking_alone_lends_nothing():
    """The cosine or BM25 that is shown is the one that was ranked by."""
    assert fuse([_dense("q")], None, {"q": "answer"}) == fuse([_dense("q")], None)
    assert fuse([], _lexical("q"), {"q": "answer"}) == fuse([], _lexical("q"))


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


def test_the_first_record_of_a_new_space_leads_it():
    """Spaces are fused by rank: alone in its space, a record is worth what the best of all is."""
    old = _dense("a", "b", "c")
    ranked = fuse([[DenseMatch("new", 0.3, (0, 1))], old], _lexical("c"))
    assert {one.id: one.score for one in ranked}["new"] == pytest.approx(
        0.9 * weights_of(dense=True, tokens=False, words=True, coverage=USUAL_COVERAGE).dense
    )
    assert [one.id for one in ranked][-1] == "b"


def test_tokens_count_by_what_the_question_shares_with_the_best_record():
    """Tokens put the better answer first where words agree, and count less where none do."""
    tokens = {"a": 0.3, "b": 0.6}
    same_words = fuse([_dense("a", "b")], _lexical("b", "a"), tokens=tokens, coverage=1.0)
    no_words = fuse([_dense("a", "b")], [], tokens=tokens, coverage=0.0)
    assert same_words[0].id == "b" and no_words[0].id == "a"
    assert same_words[0].scores.tokens == 0.6
    assert same_words[0].scores.tokens_weight > 3 * no_words[0].scores.tokens_weight


def test_a_record_without_codes_loses_nothing_by_it():
    """Where tokens were not stored, a record counts in that part as near as it is."""
    ranked = fuse([_dense("old", "new", "far")], None, tokens={"new": 0.5, "far": 0.2})
    assert [one.id for one in ranked][-1] == "far"
    assert {one.id: one.score for one in ranked}["old"] == pytest.approx(0.9)


def test_the_only_hit_has_a_score():
    """What alone was found scores by how near it is, never zero."""
    (alone,) = fuse([[DenseMatch("a", 0.4, (0, 1))]], [LexicalMatch("a", 2.0)])
    assert alone.score == pytest.approx(0.4)
    (far,) = fuse([[DenseMatch("a", -0.2, (0, 1))]], [])
    assert 0 < far.score < 0.1


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


def test_a_boost_changes_the_order_and_not_the_best_score():
    """Shares are of the best score; a hit says which it got."""
    ranked = fuse([_dense("a", "b", "c")], _lexical("a", "b", "c"))
    after = boosted(ranked, {"b": 0.5, "c": -0.1})
    best = ranked[0].score
    assert [one.id for one in after] == ["b", "a", "c"]
    assert after[0].score == pytest.approx(best)
    scale = best / (ranked[1].score + 0.5 * best)
    assert after[1].score == pytest.approx(scale * best)
    assert after[2].score == pytest.approx(scale * (ranked[2].score - 0.1 * best))
    assert [one.scores.boost for one in after] == [0.5, None, -0.1]
    assert boosted(ranked, {"b": 0.0}) == ranked and boosted([], {}) == []
    assert min(one.score for one in boosted(ranked, dict.fromkeys("abc", -2.0))) == 0
