"""Evaluation: sets with groups and times, BM25, fusion, metrics, Eq. 4 and 5."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lmort_memory.errors import TunerError
from lmort_memory.memory import ranking
from lmort_memory.memory.echoes import LOOKED_AT
from lmort_memory.memory.speakers import Said, boosts
from lmort_memory.memory.weights import weights_of
from lmort_memory.store.values import DenseMatch, LexicalMatch
from lmort_memory.tuners.evaluate.analyze import (
    Analysis,
    LayerLosses,
    SetAnalysis,
    alignment_loss,
    reciprocal_rank,
    uniformity_loss,
)
from lmort_memory.tuners.evaluate.beir import load_set
from lmort_memory.tuners.evaluate.bm25 import bm25_scores
from lmort_memory.tuners.evaluate.heatmap import draw_heatmap
from lmort_memory.tuners.evaluate.metrics import bootstrap_interval, score_run
from lmort_memory.tuners.evaluate.report import (
    SetVectors,
    about_talk,
    answered,
    boosted_turns,
    dense_scores,
    evaluate,
    fuse,
    write_per_query,
)
from lmort_memory.tuners.evaluate.words import word_scores
from lmort_memory.types import Scores

DOCUMENTS = [
    {"_id": "a1", "title": "Bees", "text": "Ada keeps bees in Trondheim.", "chat": "a", "day": 1},
    {"_id": "a2", "title": "", "text": "The weather was fine.", "chat": "a", "day": 2},
    {"_id": "a3", "title": "", "text": "Bees again, later.", "chat": "a", "day": 9},
    {"_id": "b1", "title": "", "text": "Bees live in Bergen.", "chat": "b", "day": 1},
]
QUERIES = [
    {"_id": "q1", "text": "Where are the bees?", "chat": "a", "day": 5},
    {"_id": "q2", "text": "Where do bees live?", "chat": "b", "day": 5},
    {"_id": "q3", "text": "nobody judged this", "chat": "a", "day": 5},
    {"_id": "q4", "text": "unanswerable bees", "chat": "a", "day": 5, "adversarial": True},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\ta1\t2\nq1\ta2\t1\nq1\ta3\t0\nq2\tb1\t1\nq4\ta1\t1\n"


@pytest.fixture
def folder(tmp_path):
    """A small set in BEIR layout."""
    for name, rows in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    (tmp_path / "qrels.tsv").write_text(QRELS)
    (tmp_path / "meta.json").write_text(json.dumps({"set": "bees", "group": "chat"}))
    return tmp_path


def test_sets_keep_what_can_be_judged(folder):
    """Titles lead the text; unjudged and adversarial queries and zero grades are left out."""
    dataset = load_set(folder)
    assert dataset.documents[0].text == "Bees Ada keeps bees in Trondheim."
    assert [query.id for query in dataset.queries] == ["q1", "q2"]
    assert dataset.qrels == {"q1": {"a1": 2, "a2": 1}, "q2": {"b1": 1}}


def test_group_and_before_bound_what_is_ranked(folder):
    """Only documents of the query's own group, and only earlier ones, can be found."""
    (folder / "meta.json").write_text(json.dumps({"group": "chat", "before": "day"}))
    allowed = load_set(folder).candidates()
    assert allowed.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_a_set_without_judgements_is_an_error(folder):
    """Figures of nothing are refused, and broken qrels name the file."""
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(TunerError, match="judged"):
        load_set(folder)
    (folder / "qrels.tsv").write_text("header\nq1\ta1\n")
    with pytest.raises(TunerError, match=r"qrels\.tsv"):
        load_set(folder)


def test_bm25_is_its_formula_within_the_group():
    """k1 1.2, b 0.75, statistics of the group alone; other groups score by their own."""
    documents = ["bees bees honey", "honey cake", "bees"]
    scores = bm25_scores(documents, ["Bees?"], np.array([0, 0, 1]))
    idf = math.log1p((2 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2.5))
    assert scores[0, 0] == pytest.approx(expected, rel=1e-5)
    assert scores[0, 1] == 0
    assert scores[0, 2] == pytest.approx(math.log1p(0.5 / 1.5) * 2.2 / 2.2, rel=1e-5)


def test_words_are_those_of_the_product():
    """Inflections match and stop words do not; other groups and excluded documents stay out."""
    documents = ["She keeps bees.", "What is for dinner?", "A keeper of cakes.", "bees bees"]
    candidates = np.array([[True, True, True, False], [False, True, True, True]])
    scores = word_scores(
        documents, ["What is a bee?", "Keeping cake"], candidates, np.array([0, 0, 0, 1])
    )
    assert (scores > -np.inf).tolist() == [
        [True, False, False, False],
        [False, False, True, False],
    ]


def test_a_document_scores_by_its_best_chunk(folder):
    """The chunk nearest to the query counts, and other groups stay out."""
    vectors = SetVectors(
        np.eye(5, dtype=np.float32),
        np.array([0, 0, 1, 2, 3]),
        np.array([[0.1, 0.9, 0.2, 0.0, 0.5], [0, 0, 0, 0, 1]], dtype=np.float32),
    )
    scores = dense_scores(load_set(folder), vectors)
    assert scores[0].tolist() == pytest.approx([0.9, 0.2, 0.0, -np.inf])
    assert np.isneginf(scores[1, :3]).all()


def test_fusion_is_that_of_the_product(folder):
    """The same scores as the ranking of one query by the library gives, and the same left out."""
    rng = np.random.default_rng(0)
    dense = rng.normal(0.4, 0.1, (3, 250)).astype(np.float32)
    lexical = rng.gamma(2.0, 2.0, (3, 250)).astype(np.float32)
    dense[1, :200] = lexical[2, 20:] = -np.inf
    findable = ~(np.isneginf(dense) & np.isneginf(lexical))
    turns = np.arange(0, 240, 3)
    followers = {str(turn): str(turn + 1) for turn in turns}
    best = [
        {i for i in np.argsort(-scores[row], kind="stable")[:LOOKED_AT] if scores[row, i] > -9}
        for row in range(3)
        for scores in (dense, lexical)
    ]
    candidates = np.isfinite(fuse(dense, lexical, turns))
    alike = np.where(candidates, rng.normal(0.5, 0.1, (3, 250)), -np.inf).astype(np.float32)
    coverage, talk = np.array([0.1, 0.5, 1.0]), np.array([1.0, 0.0, 0.5])
    found = fuse(dense, lexical, turns, tokens=alike, coverage=coverage, talk=talk)
    for row, fused in enumerate(found):
        near = np.argsort(-dense[row], kind="stable")[:100]
        worded = np.argsort(-lexical[row], kind="stable")[:100]
        expected = ranking.fuse(
            [
                [
                    DenseMatch(str(i), float(dense[row, i]), (0, 1))
                    for i in near
                    if dense[row, i] > -9
                ]
            ],
            [LexicalMatch(str(i), float(lexical[row, i])) for i in worded if lexical[row, i] > 0],
            {
                turn: after
                for turn, after in followers.items()
                if findable[row, int(after)] and int(turn) in best[2 * row] | best[2 * row + 1]
            },
            {str(i): float(alike[row, i]) for i in np.flatnonzero(candidates[row])},
            coverage=coverage[row],
            talk=talk[row],
        )
        here = {str(i): score for i, score in enumerate(fused) if score > -np.inf}
        assert here == pytest.approx({one.id: one.score for one in expected}, abs=1e-5)


def test_a_question_about_oneself_is_fused_as_talk(folder):
    """And a whole dialogue, which has an "I" somewhere, as a document is."""
    asked = "Where are my bees?", "What do I know? " * 12
    rows = [{**row, "text": text} for row, text in zip(QUERIES, asked, strict=False)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    talk = about_talk(load_set(folder))
    assert talk[: len(asked)].tolist() == [1.0, 0.0]
    words = weights_of(dense=True, tokens=True, words=True, coverage=0.3, talk=talk[0]).words
    assert words < weights_of(dense=True, tokens=True, words=True, coverage=0.3).words / 2


def test_turns_are_moved_by_who_says_them_as_in_the_product(folder):
    """Turns of a session are boosted by the same shares; documents keep their order."""
    scores = np.array([[0.6, 0.7, 0.5, -np.inf], [-np.inf, -np.inf, -np.inf, 1.0]], np.float32)
    documents = load_set(folder)
    order = np.argsort(-boosted_turns(documents, scores), axis=1)
    assert np.array_equal(order, np.argsort(-scores, axis=1))
    lines = [json.dumps({**row, "session": "1"}) + "\n" for row in DOCUMENTS]
    lines[0] = lines[0].replace("Ada keeps bees", "Ada: I keep bees")
    lines[0] = lines[0].replace("Bees", "")
    (folder / "corpus.jsonl").write_text("".join(lines))
    queries = (folder / "queries.jsonl").read_text()
    (folder / "queries.jsonl").write_text(queries.replace("Where are the", "Where are Ada's"))
    turns = load_set(folder)
    found = boosted_turns(turns, scores)
    ranked = [ranking.Ranked(str(i), float(scores[0, i]), Scores()) for i in (1, 0, 2)]
    said = {str(i): Said.turn(turns.documents[i].text, "message") for i in range(3)}
    expected = ranking.boosted(ranked, boosts(turns.queries[0].text, said))
    assert expected[0].id == "0"
    assert np.argsort(-found[0])[:3].tolist() == [int(one.id) for one in expected]


def test_questions_lend_within_their_session(folder):
    """A turn that asks lends to the next one of its session, not to the next session's first."""
    sessions, texts = ("1", "1", "2", "2"), ("Which bees?", "Ada's.", "Where to?", "And when?")
    lines = [
        json.dumps({**document, "text": text, "chat": "a", "session": session}) + "\n"
        for document, text, session in zip(DOCUMENTS, texts, sessions, strict=True)
    ]
    assert answered(load_set(folder)).tolist() == []
    (folder / "corpus.jsonl").write_text("".join(lines))
    queries = [{**query, "chat": "a"} for query in QUERIES]
    (folder / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    assert answered(load_set(folder)).tolist() == [0, 2]


def test_metrics_against_figures_worked_out_by_hand(folder):
    """Recall, reciprocal rank, average precision and nDCG of a ranking written down."""
    scores = np.array([[0.1, 0.9, 0.5, -np.inf], [-np.inf] * 3 + [0.1]], dtype=np.float32)
    values = score_run(load_set(folder), scores)  # q1: a2 (grade 1), a3 (0), a1 (2)
    assert values["recall@1"].tolist() == [0.5, 1.0]
    assert values["recall@5"].tolist() == [1.0, 1.0]
    assert values["mrr@10"].tolist() == [1.0, 1.0]
    assert values["map"][0] == pytest.approx((1 + 2 / 3) / 2)
    gained = 1 + 2 / math.log2(4)
    assert values["ndcg@10"][0] == pytest.approx(gained / (2 + 1 / math.log2(3)))


def test_the_report_has_every_row_and_the_file_every_query(folder, tmp_path):
    """Dense, lexical and hybrid rows side by side; per-query lines average to the report."""
    dataset = load_set(folder)
    vectors = SetVectors(
        np.eye(4, dtype=np.float32), np.arange(4), np.eye(4, dtype=np.float32)[[0, 3]]
    )
    report = evaluate(dataset, {"dense": vectors, "dense_in_context": vectors})
    found = report.to_json()
    assert found["set"] == "bees"
    assert found["queries"] == 2
    assert set(found["rows"]) == {
        "bm25",
        "words",
        "dense",
        "hybrid",
        "dense_in_context",
        "hybrid_in_context",
    }
    write_per_query(report, tmp_path / "queries.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "queries.jsonl").read_text().splitlines()]
    dense = [line["recall@1"] for line in lines if line["row"] == "dense"]
    assert np.mean(dense) == pytest.approx(found["rows"]["dense"]["recall@1"])


def test_bootstrap_interval_holds_the_mean():
    """The interval is around the mean, narrower for more queries, and the same every time."""
    few, many = np.array([0.0, 1.0] * 20), np.array([0.0, 1.0] * 2000)
    low, high = bootstrap_interval(few)
    assert low < 0.5 < high
    assert bootstrap_interval(few) == (low, high)
    assert np.subtract(*bootstrap_interval(many)[::-1]) < (high - low) / 5


def test_alignment_and_uniformity_are_equations_4_and_5():
    """Both losses against sums written out pair by pair."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 5)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.roll(x, 1, axis=0)
    expected = np.mean([np.sum((a - b) ** 2) for a, b in zip(x, y, strict=True)])
    assert alignment_loss(x, y) == pytest.approx(expected, rel=1e-5)
    potentials = [
        math.exp(-2 * float(np.sum((x[i] - x[j]) ** 2)))
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    assert uniformity_loss(x) == pytest.approx(math.log(np.mean(potentials)), rel=1e-5)


def test_positives_are_ranked_among_positives():
    """The mean of one over the rank; ties count against the query."""
    eye = np.eye(3, dtype=np.float32)
    assert reciprocal_rank(eye, eye) == 1
    assert reciprocal_rank(eye, eye[[0, 2, 1]]) == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)


def test_layers_are_chosen_by_the_lowest_losses(tmp_path):
    """The paper takes the lowest losses; the other finds positives best, within the budget."""
    alignment = np.array([0.3, 0.1, 0.2, 0.4, 0.05])
    uniformity = np.array([-0.1, -0.2, -0.9, -0.5, -1.5])
    losses = LayerLosses(alignment, uniformity, np.array([0.2, 0.3, 0.6, 0.5, 0.9]))
    analysis = Analysis("tiny", "f" * 16, (SetAnalysis("bees", 2, 4, losses, losses),))
    paper, within = analysis.choose_as_paper(), analysis.choose_within(0.75)
    assert (paper.align_layer, paper.uniform_layer) == (4, 4)
    assert (within.align_layer, within.uniform_layer) == (1, 2)
    assert analysis.to_json(0.75)["choice"]["within"] == {
        "align": 1,
        "uniform": 2,
        "fraction": 0.75,
    }
    with pytest.raises(ValueError, match="fraction"):
        analysis.choose_within(0.1)
    draw_heatmap(analysis, "raw", tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
