"""Evaluation from captured states: turns alone, in their session, and whole series of tuners."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.backbone import Backbone
from lmort_memory.encoder import TunedEncoder
from lmort_memory.encoder.artifact import write_artifact
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.errors import TunerError
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from lmort_memory.tuners.evaluate.analyze import Analysis, Choice, analyze_set
from lmort_memory.tuners.evaluate.beir import load_set
from lmort_memory.tuners.evaluate.report import encode_set, evaluate, output_losses
from lmort_memory.tuners.evaluate.set_states import alone, in_context, layer_vectors, set_vectors
from lmort_memory.tuners.paper.figures import draw_depths, draw_losses
from lmort_memory.tuners.paper.tables import (
    Series,
    layer_losses,
    needed_layers,
    paper_rows,
    with_seeds,
)
from lmort_memory.tuners.states.cache import fill
from lmort_memory.tuners.states.sessions import session_roles, session_states
from lmort_memory.tuners.train.data import TrainingData
from lmort_memory.tuners.train.recipe import DataRecipe, LossRecipe, Recipe, TrainRecipe
from lmort_memory.tuners.train.trainer import TrainingSet
from tests.support.tuners import artifact_of, perturbed

CONFIG = TunerConfig(
    n_embd=32,
    align_layer=1,
    uniform_layer=3,
    n_head=2,
    width=16,
    n_ff=32,
    pooled_layers=(1,),
    dim=8,
)
TURNS = [
    "Ada: I keep bees.",
    "Bo: How many hives?",
    "Ada: Three, near Trondheim.",
    "Bo: Do they swarm?",
    "Ada: Last May they did. " + "It was a sight to see. " * 8,
    "Bo: I would have liked to see it.",
]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The tiny model, open."""
    path = write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with Backbone.open(path, n_threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two conversations of one and two sessions."""
    folder = tmp_path_factory.mktemp("set")
    sessions = [("a", 1, TURNS[:4]), ("a", 2, TURNS[4:]), ("b", 1, TURNS[2:5])]
    rows = [
        {
            "_id": f"{chat}{session}-{i}",
            "text": text,
            "chat": chat,
            "session": session,
            "speaker": text.split(":")[0],
        }
        for chat, session, texts in sessions
        for i, text in enumerate(texts)
    ]
    queries = [
        {"_id": "q1", "text": "Where are the hives?", "chat": "a"},
        {"_id": "q2", "text": "When did they swarm?", "chat": "b"},
    ]
    for name, items in (("corpus", rows), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    (folder / "qrels.tsv").write_text("q\td\ts\nq1\ta1-2\t1\nq2\tb1-2\t1\n")
    (folder / "meta.json").write_text(json.dumps({"set": "bees", "group": "chat"}))
    return load_set(folder)


@pytest.fixture(scope="module")
def tuner(backbone, tmp_path_factory) -> Tuner:
    """An untrained tuner for the tiny model."""
    facts = backbone.facts
    identity = BackboneIdentity(
        backbone.fingerprint, facts.architecture, facts.n_layer, facts.n_embd
    )
    path = tmp_path_factory.mktemp("tuner") / "tuner.gguf"
    write_artifact(path, artifact_of(perturbed(CONFIG), identity))
    return Tuner.load(path)


def test_states_of_a_session_are_those_of_the_growing_chat(backbone):
    """Each turn's states are those that a chat has when it reaches this turn."""
    roles = session_roles([turn.split(":")[0] for turn in TURNS[:3]])
    assert roles == ["user", "assistant", "user"]
    whole = list(session_states(backbone, roles, TURNS[:3], layers=(1, 3)))
    assert [len(states.tokens) for states in whole] == [len(turn) for turn in TURNS[:3]]
    for end in (1, 2):
        *_, last = session_states(backbone, roles[:end], TURNS[:end], layers=(1, 3))
        assert last.tokens == whole[end - 1].tokens
        assert np.allclose(last.states, whole[end - 1].states, atol=2e-2)


def test_context_changes_a_turns_states(backbone):
    """The same words behind other words have other states at the same tokens."""
    roles = ["user", "assistant", "user"]
    first = list(session_states(backbone, roles, TURNS[:3], layers=(3,)))
    other = list(session_states(backbone, roles, [TURNS[3], *TURNS[1:3]], layers=(3,)))
    assert first[2].tokens == other[2].tokens
    assert np.abs(first[2].states - other[2].states).max() > 0.05


def test_long_sessions_are_cut_into_windows_with_context(backbone):
    """Every turn comes once and in order; windows open with earlier turns."""
    roles = session_roles([turn.split(":")[0] for turn in TURNS])
    whole = list(session_states(backbone, roles, TURNS, layers=(1,)))
    cut = list(session_states(backbone, roles, TURNS, layers=(1,), max_tokens=350))
    assert [states.tokens for states in cut] == [states.tokens for states in whole]
    assert np.allclose(cut[1].states, whole[1].states, atol=2e-2)
    with pytest.raises(ValueError, match="window"):
        list(session_states(backbone, roles, TURNS, layers=(1,), max_tokens=100))


def test_cached_vectors_are_the_products_own(backbone, dataset, tuner, tmp_path):
    """Stand-alone vectors from cached states equal those of the encoder that the product uses."""
    asked = replace(dataset.queries[0], text=dataset.documents[0].text * 40)
    dataset = replace(dataset, queries=(*dataset.queries, asked))
    cached = set_vectors(tuner, alone(tmp_path, backbone, dataset, layers=tuner.layers))
    direct = encode_set(TunedEncoder(backbone, tuner), dataset)
    assert np.array_equal(cached.owners, direct.owners)
    assert len(cached.owners) > len(dataset.documents), "the long turn has several chunks"
    assert np.sum(cached.documents * direct.documents, axis=1).min() > 0.999
    assert np.sum(cached.queries * direct.queries, axis=1).min() > 0.999


def test_both_modes_are_reported(backbone, dataset, tuner, tmp_path):
    """A set with sessions gets stand-alone and in-context rows; a second run costs no pass."""
    ways = {"dense": alone, "dense_in_context": in_context}
    vectors = {
        name: set_vectors(tuner, way(tmp_path, backbone, dataset, layers=tuner.layers))
        for name, way in ways.items()
    }
    rows = evaluate(dataset, vectors).to_json()["rows"]
    assert set(rows) == {
        "bm25",
        "words",
        "dense",
        "hybrid",
        "dense_in_context",
        "hybrid_in_context",
    }
    assert not np.allclose(vectors["dense"].documents, vectors["dense_in_context"].documents)
    before = backbone.tokens_evaluated
    in_context(tmp_path, backbone, dataset, layers=tuner.layers)
    assert backbone.tokens_evaluated == before


def test_sets_without_sessions_have_no_context(backbone, dataset, tuner, tmp_path):
    """Asking for the context of documents that have none is an error."""
    bare = replace(dataset, documents=tuple(replace(item, fields={}) for item in dataset.documents))
    with pytest.raises(TunerError, match="session"):
        in_context(tmp_path, backbone, bare, layers=tuner.layers)


def test_layers_of_a_model_are_measured(backbone, dataset):
    """Every layer from 0 to n_layer gets both losses, raw and standardised."""
    found = analyze_set(backbone, dataset)
    assert found.n_pairs == 2
    assert len(found.raw.alignment) == len(found.standardised.uniformity) == 5
    assert (found.raw.alignment >= 0).all()
    assert (found.raw.uniformity <= 0).all()
    choice = Analysis("tiny", backbone.fingerprint, (found,)).choose_within(1.0)
    assert 0 <= choice.align_layer < choice.uniform_layer <= 4


def test_a_series_of_rows_is_trained_and_judged(backbone, dataset, tmp_path):
    """The paper's rows run under one budget from one cache; a second run adds nothing; figures."""
    depths, bars = tmp_path / "figure-4.png", tmp_path / "figure-5.png"
    base = replace(CONFIG, pooled_layers=(), dim=16, width=16, n_layer=1)
    rows = paper_rows(Choice(1, 3), Choice(4, 2), base)
    assert needed_layers(rows, base) == (0, 1, 2, 3, 4)
    assert [row.name for row in rows if row.table == "figure 4"][-1] == "7 layers"
    texts = [f"Note {i} about hive {i % 3}." for i in range(32)]
    layers = needed_layers(rows, base)
    cache = fill(tmp_path / "train", backbone, texts, layers=layers, max_tokens=32)
    lone = np.full(32, -1)
    data = TrainingData(tuple(texts), np.arange(32), lone, lone[:, None][:, :0], ())
    targets = np.random.default_rng(0).standard_normal((32, 16)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    states = alone(tmp_path / "set", backbone, dataset, layers=layers)
    recipe = Recipe(
        "series",
        "",
        {},
        DataRecipe(),
        LossRecipe(distillation=1.0),
        TrainRecipe(epochs=1, batch_size=16),
    )
    training = TrainingSet(cache, data, targets)
    series = Series(backbone, base, recipe, training, [(dataset, states)], tmp_path / "series")
    some = [*rows[1:4], rows[6]]
    series.run(some)
    series.run(some)
    results = series.results()
    assert [item["name"] for item in results] == [row.name for row in some]
    assert all(0 <= item["mean"]["ndcg@10"] <= 1 for item in results)
    assert all(item["steps"] == 2 for item in results)
    top = series.best(1)
    again = with_seeds([row for row in some if (row.table, row.name) in top], [1, 2])
    series.run(again)
    assert [item["seed"] for item in series.results()][-2:] == [1, 2]
    first = {"table": "table 1", "name": "A->U"}  # of which Figure 5 shows the output
    losses = layer_losses([(dataset, states)], Choice(1, 3), [{**results[0], **first}])
    raw = layer_vectors(states, 1)
    direct = next(iter(backbone.hidden_states([dataset.queries[0].text], (1,), max_tokens=64)))
    pooled = direct.states[0].mean(axis=0)
    np.testing.assert_allclose(raw.queries[0], pooled / np.linalg.norm(pooled), atol=2e-3)
    assert losses[dataset.name]["A"] == output_losses(dataset, raw)
    draw_depths([{**item, "table": "figure 4", "name": "2 layers"} for item in results], depths)
    draw_losses(losses, bars)
    assert depths.read_bytes()[:4] == bars.read_bytes()[:4] == b"\x89PNG"
