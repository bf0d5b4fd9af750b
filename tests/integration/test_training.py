"""From a recipe to a tuner file on the tiny model: caches, resuming, equality, export."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from lmort_memory.backbone import Backbone
from lmort_memory.encoder import TunedEncoder
from lmort_memory.encoder.artifact import Artifact, read_artifact, read_card, write_artifact
from lmort_memory.encoder.config import CHAT_PLACES, TunerConfig
from lmort_memory.encoder.in_chat import with_chat
from lmort_memory.encoder.lexicon import load_lexicon
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.probe import mean_cosine
from lmort_memory.errors import TunerError
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from lmort_memory.tuners.states import cache as states_module
from lmort_memory.tuners.states.cache import estimate, fill, open_cache
from lmort_memory.tuners.train.batches import packed_states
from lmort_memory.tuners.train.blend import with_words
from lmort_memory.tuners.train.closed_form import pooled_states, ridge, statistics
from lmort_memory.tuners.train.data import TrainingData
from lmort_memory.tuners.train.pipeline import Workshop, to_artifact
from lmort_memory.tuners.train.recipe import (
    BlendRecipe,
    DataRecipe,
    LossRecipe,
    Recipe,
    SourceRecipe,
    TrainRecipe,
)
from lmort_memory.tuners.train.teacher import Teacher
from lmort_memory.tuners.train.trainer import Trainer, TrainingSet, new_model, rate_factor
from tests.support.tuners import SMALL, artifact_of, perturbed

TEXTS = [f"Text {i} says {'much ' * (i % 7)}about the number {i * 37 % 101}." for i in range(96)]
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
UNIT_COLUMNS = ("anchors", "positives", "negatives")
RECIPE = Recipe(
    name="tiny",
    model="tiny llama",
    tuner={},
    data=DataRecipe(max_tokens=64),
    loss=LossRecipe(distillation=1.0, contrastive=0.5),
    train=TrainRecipe(epochs=3, batch_size=8, closed_form=True),
)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    """A tiny model on disk."""
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def backbone(model_path):
    """The tiny model, open."""
    with Backbone.open(model_path, n_threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def training(backbone, tmp_path_factory) -> TrainingSet:
    """States of the texts, every fourth unit a labelled pair, and targets of random words."""
    folder = tmp_path_factory.mktemp("states")
    cache = fill(folder, backbone, TEXTS, layers=CONFIG.layers, max_tokens=64)
    anchors = np.arange(64)
    positives = np.where(anchors % 4 == 0, anchors + 32, -1)
    negatives = np.where(positives[:, None] >= 0, (anchors[:, None] + [5, 9]) % 96, -1)
    pooled = pooled_states(cache, (3,), statistics(cache))
    targets = pooled @ np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    data = TrainingData(tuple(TEXTS), anchors, positives, negatives, (("none", "pairs", 64, ""),))
    return TrainingSet(cache, data, targets)


def test_what_cannot_be_kept_is_said_before_training(backbone, tmp_path):
    """A tuner without own directions is refused before anything is read or captured."""
    bare = tmp_path / "bare.gguf"
    write_artifact(bare, artifact_of(perturbed(SMALL)))
    train = replace(RECIPE.train, start=str(bare), closed_form=False)
    recipe = replace(RECIPE, train=train, blend=BlendRecipe(keep=True))
    workshop = Workshop(recipe, backbone, tmp_path / "data", tmp_path / "work")
    with pytest.raises(TunerError, match="no own directions"):
        workshop.make(tmp_path / "new.gguf", lambda _: lambda *_: None)
    assert not (tmp_path / "work").exists()


def test_cached_states_are_the_backbones(backbone, training):
    """What comes back from disk is what the model gave, rounded to float16."""
    direct = list(backbone.hidden_states(TEXTS, layers=CONFIG.layers, max_tokens=64))
    for index in (0, 5, 95):
        cached = training.cache.get(index)
        assert cached.tokens == direct[index].tokens
        assert cached.layers == CONFIG.layers
        scale = np.abs(direct[index].states).max()
        assert np.abs(cached.states - direct[index].states).max() < 1e-3 * scale


def test_a_full_cache_costs_no_pass(backbone, training, tmp_path):
    """Filling a complete cache again, or for fewer layers, evaluates nothing."""
    folder = training.cache.states[0].filename.parent
    before = backbone.tokens_evaluated
    fill(folder, backbone, TEXTS, layers=CONFIG.layers[:1], max_tokens=64)
    assert backbone.tokens_evaluated == before


def test_a_cache_of_other_texts_is_refused(backbone, training):
    """Other texts, another cut or a further layer never mix with what is there."""
    folder = training.cache.states[0].filename.parent
    for texts, layers, max_tokens, word in (
        (TEXTS[1:], CONFIG.layers, 64, "texts"),
        (TEXTS, CONFIG.layers, 32, "max_tokens"),
        (TEXTS, (0, 1, 3), 64, "layers"),
    ):
        with pytest.raises(TunerError, match=word):
            fill(folder, backbone, texts, layers=layers, max_tokens=max_tokens)


def test_a_torn_cache_is_completed(backbone, training, tmp_path):
    """Whatever a kill left of the files, the next call makes them whole again."""
    whole = training.cache
    fill(tmp_path, backbone, TEXTS, layers=CONFIG.layers, max_tokens=64)
    sizes = {p.name: p.stat().st_size for p in tmp_path.iterdir()}
    for name, kept in (("layer-1.f16", 0.5), ("lengths.u32", 0.3), ("tokens.i32", 0.9)):
        path = tmp_path / name
        with path.open("rb+") as file:
            file.truncate(int(path.stat().st_size * kept) | 1)
        with pytest.raises(TunerError, match="of 96 texts"):
            open_cache(tmp_path)
        cache = fill(tmp_path, backbone, TEXTS, layers=CONFIG.layers, max_tokens=64)
        assert {p.name: p.stat().st_size for p in tmp_path.iterdir()} == sizes
        assert np.array_equal(cache.tokens, whole.tokens)
        for found, expected in zip(cache.states, whole.states, strict=True):
            assert np.allclose(found, expected, atol=2e-2)  # other batches, other rounding


CHILD = """
import sys
from pathlib import Path
from lmort_memory.backbone import Backbone
from lmort_memory.tuners.states import cache as states
states._FLUSH_EVERY = 4
texts = Path(sys.argv[3]).read_text().split("\\n")
with Backbone.open(sys.argv[1], n_threads=1) as backbone:
    states.fill(Path(sys.argv[2]), backbone, texts, layers=(1, 3), max_tokens=64)
"""


def test_encoding_that_was_killed_goes_on(model_path, backbone, tmp_path):
    """SIGKILL in the middle of encoding loses nothing that was complete; the result is the same."""
    texts = [f"{text} Again: {text}" for text in TEXTS * 8]
    (tmp_path / "texts").write_text("\n".join(texts))
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(model_path), str(folder), str(tmp_path / "texts")]
    )
    lengths = folder / "lengths.u32"
    deadline = time.monotonic() + 60
    while not (lengths.is_file() and lengths.stat().st_size > 400):
        assert time.monotonic() < deadline
        assert child.poll() is None, "the child ended before it could be killed"
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = lengths.stat().st_size // 4
    assert 100 <= done < len(texts)
    seen = []
    cache = fill(
        folder,
        backbone,
        texts,
        layers=(1, 3),
        max_tokens=64,
        progress=lambda *counts: seen.append(counts),
    )
    assert done < seen[0][0] <= done + states_module._FLUSH_EVERY + 64
    assert seen[-1] == (len(texts), len(texts))
    for index in (0, done - 1, done, len(texts) - 1):
        (direct,) = backbone.hidden_states([texts[index]], layers=(1, 3), max_tokens=64)
        assert cache.get(index).tokens == direct.tokens
        assert np.allclose(cache.get(index).states, direct.states, atol=2e-2)


def test_costs_are_said_beforehand(backbone, training, monkeypatch, tmp_path):
    """The estimate counts tokens and bytes rightly, and a disk that is too small is refused."""
    cost = estimate(backbone, TEXTS, layers=CONFIG.layers, max_tokens=64)
    tokens = int(training.cache.lengths.sum())
    assert abs(cost.tokens - tokens) < 0.1 * tokens
    assert cost.nbytes == cost.tokens * (2 * 32 * 2 + 4)
    assert cost.seconds > 0
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(states_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TunerError, match="GB"):
        fill(tmp_path, backbone, TEXTS, layers=(1,), max_tokens=64)


def test_resumed_training_equals_an_uninterrupted_run(training, tmp_path):
    """Stopped twice, in the middle of epochs, the weights are the same bit for bit."""
    whole = Trainer(CONFIG, RECIPE, training, folder=tmp_path / "whole")
    expected = whole.run().state_dict()
    for stop in (5, 13, None):
        trainer = Trainer(CONFIG, RECIPE, training, folder=tmp_path / "parts")
        found = trainer.run(stop_at=stop)
        torch.manual_seed(999)  # another process would have another state
    assert trainer.total == whole.total == 24
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_checkpoints_of_another_run_are_refused(training, tmp_path):
    """Other settings, and a damaged checkpoint, are errors instead of a mixture."""
    Trainer(CONFIG, RECIPE, training, folder=tmp_path).run(stop_at=1)
    other = replace(RECIPE, train=replace(RECIPE.train, learning_rate=0.5))
    with pytest.raises(TunerError, match="another run"):
        Trainer(CONFIG, other, training, folder=tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(TunerError, match="damaged"):
        Trainer(CONFIG, RECIPE, training, folder=tmp_path)


def test_training_learns(training, tmp_path):
    """The loss falls, and nothing but trained parameters changes."""
    recipe = replace(RECIPE, train=replace(RECIPE.train, epochs=20, learning_rate=3e-3))
    trainer = Trainer(CONFIG, recipe, training, folder=tmp_path)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    losses = [
        json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()
    ]
    assert losses[-1] < 0.8 * losses[0]
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("stats."), name


def test_the_paper_loss_trains_too(training, tmp_path):
    """Eq. 10 on the labelled pairs with their own negatives, without a teacher."""
    loss = LossRecipe(contrastive=1.0, contrastive_kind="paper")
    recipe = Recipe("paper", "", {}, RECIPE.data, loss, TrainRecipe(epochs=1, batch_size=8))
    config = replace(CONFIG, pooled_layers=())
    with pytest.raises(TunerError, match="labelled"):
        Trainer(config, recipe, replace(training, targets=None), folder=tmp_path)
    paired = training.data.positives >= 0
    columns = {name: getattr(training.data, name)[paired] for name in UNIT_COLUMNS}
    bare = TrainingSet(training.cache, replace(training.data, **columns), None)
    columns["negatives"] = np.where(columns["anchors"][:, None] == 4, -1, columns["negatives"])
    lacking = replace(bare, data=replace(training.data, **columns))
    with pytest.raises(TunerError, match="hard negatives"):
        Trainer(config, recipe, lacking, folder=tmp_path)
    trainer = Trainer(config, recipe, bare, folder=tmp_path)
    before = trainer.model.output.weight.clone()
    assert not torch.equal(trainer.run().output.weight, before)


def test_the_rate_rises_and_falls():
    """Warm-up to the full rate, then down to zero, linearly or as a cosine."""
    for schedule, middle in (("linear", 0.5), ("cosine", 0.5)):
        rates = [rate_factor(s, 110, warmup_ratio=10 / 110, schedule=schedule) for s in range(111)]
        assert rates[0] == 0.1
        assert rates[9] == rates[10] == 1
        assert rates[60] == pytest.approx(middle)
        assert rates[110] == pytest.approx(0, abs=1e-9)


def test_ridge_finds_a_linear_map():
    """What is linear is found, with bias; noise dimensions get no weight."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 12)).astype(np.float32) + 3
    true = rng.standard_normal((5, 12)).astype(np.float32)
    true[:, 6:] = 0
    y = x @ true.T + 2
    weight, bias = ridge(x, y)
    assert np.allclose(weight, true, atol=0.05)
    assert np.allclose(bias, 2, atol=0.3)


def test_training_starts_from_the_closed_form(training):
    """Before the first step the network is exactly the ridge solution on pooled states."""
    model = new_model(CONFIG, RECIPE.train, training).eval()
    stats = statistics(training.cache)
    inputs = pooled_states(training.cache, (1,), stats)
    weight, bias = ridge(inputs, training.targets)
    states = training.cache.get(7)
    with torch.no_grad():
        found = model(torch.from_numpy(states.states), torch.tensor([len(states.tokens)]))[0]
    expected = weight @ inputs[7] + bias
    assert np.allclose(found.numpy(), expected * CONFIG.dim**0.5, atol=1e-3)


def test_a_recipe_becomes_a_tuner(model_path, backbone, tmp_path):
    """The whole way: data, states, teacher, training, file; then it encodes for its own model.

    A second run of the same command makes the same tuner without a pass through the model; a second
    stage goes on from it, and keeps its own directions.
    """
    data = tmp_path / "data/text"
    data.mkdir(parents=True)
    with gzip.open(data / "notes.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in TEXTS)
    (tmp_path / "data/pairs").mkdir()
    with gzip.open(tmp_path / "data/pairs/asked.jsonl.gz", "wt") as file:
        pairs = [{"query": f"Where is it that {text}?", "positive": text} for text in TEXTS]
        file.writelines(json.dumps(pair) + "\n" for pair in pairs)
    recipe = replace(
        RECIPE,
        tuner={
            "align_layer": 1,
            "uniform_layer": 3,
            "n_head": 2,
            "width": 16,
            "n_ff": 32,
            "pooled_layers": (1,),
            "dim": 384,
        },
        data=DataRecipe(
            max_tokens=64, sources=(SourceRecipe("text/notes", "paragraphs", 40, "MIT"),)
        ),
        loss=LossRecipe(distillation=1.0),
        train=replace(RECIPE.train, epochs=1),
        blend=BlendRecipe(sources=(SourceRecipe("pairs/asked", "pairs", 30, "CC0-1.0"),)),
    )
    workshop = Workshop(recipe, backbone, tmp_path / "data", tmp_path / "work")
    stages = []
    fingerprint = workshop.make(tmp_path / "a.gguf", lambda n: stages.append(n) or (lambda *_: 0))
    assert stages == ["states", "teacher", "train", "states of pairs"]
    evaluated = backbone.tokens_evaluated
    again = workshop.make(tmp_path / "b.gguf", lambda _: lambda *_: None, matrix_type="F16")
    assert again == fingerprint
    assert backbone.tokens_evaluated == evaluated
    tuner = Tuner.load(tmp_path / "a.gguf")
    assert tuner.provenance["data"] == "text/notes paragraphs 40"
    assert tuner.provenance["blend"] == "pairs/asked pairs 30"
    assert tuner.provenance["data_licences"] == "CC0-1.0, MIT"
    assert "MiniLM" in tuner.provenance["teacher"]
    (encoded,) = TunedEncoder(backbone, tuner).encode([TEXTS[0]])
    assert encoded.vectors.shape == (1, 384)
    assert np.linalg.norm(encoded.vectors[0]) == pytest.approx(1, abs=1e-5)
    first = str(tmp_path / "a.gguf")
    train = replace(recipe.train, start=first, closed_form=False)
    second = replace(recipe, name="second", train=train, blend=BlendRecipe(keep=True))
    further = replace(workshop, recipe=second, work=tmp_path / "further")
    further.make(tmp_path / "c.gguf", lambda _: lambda *_: None)
    card = read_card(tmp_path / "c.gguf")
    assert card.config.own_layers == (1, 3)
    assert card.provenance["recipe"] == "tiny, then second"
    assert card.provenance["data_licences"] == "CC0-1.0, MIT"
    assert card.provenance["blend"] == tuner.provenance["blend"]


def test_a_recipe_with_words_trains_what_they_lack(backbone, tmp_path):
    """Held-out texts are nearer to the teacher than where words are added after training."""
    folder = tmp_path / "data/text"
    folder.mkdir(parents=True)
    with gzip.open(folder / "notes.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in TEXTS[:64])
    shape = {"align_layer": 1, "uniform_layer": 3, "n_head": 2, "width": 16, "n_ff": 32}
    source = SourceRecipe("text/notes", "paragraphs", 64, "MIT")
    recipe = replace(
        RECIPE,
        tuner={**shape, "pooled_layers": (1,), "dim": 384},
        data=DataRecipe(max_tokens=64, sources=(source,)),
        loss=LossRecipe(distillation=1.0),
        train=replace(RECIPE.train, words=1.0),
    )
    plain = replace(recipe, train=replace(recipe.train, words=0.0))
    for name, one in (("plain", plain), ("with words", recipe)):
        workshop = Workshop(one, backbone, tmp_path / "data", tmp_path / name)
        workshop.make(tmp_path / f"{name}.gguf", lambda _: lambda *_: None)
    trained = read_artifact(tmp_path / "with words.gguf")
    assert trained.card.config.lexicon == load_lexicon().identity
    added = with_words(read_artifact(tmp_path / "plain.gguf"), 1.0)
    wanted = Teacher().encode(TEXTS[64:])

    def nearness(artifact: Artifact) -> float:
        encoder = TunedEncoder(backbone, Tuner(artifact, backbone.vocabulary.detokenize))
        vectors = [text.vectors for text in encoder.encode(TEXTS[64:])]
        return mean_cosine(np.concatenate(vectors), wanted)

    assert nearness(trained) > nearness(added)


def test_cutting_rows_is_cutting_text(backbone, training):
    """The model is causal: a query cut to its first tokens has the states that it would have."""
    (short,) = backbone.hidden_states([TEXTS[3]], layers=CONFIG.layers, max_tokens=9)
    states, lengths = packed_states(
        training.cache, np.array([3, 4]), layers=(1, 3), limits=np.array([9, 64])
    )
    assert lengths.tolist() == [9, training.cache.lengths[4]]
    assert np.allclose(states[:, :9].float().numpy(), short.states, atol=2e-2)


def test_a_second_stage_goes_on_from_the_first(backbone, training, tmp_path):
    """Its network has the first one's weights and statistics; another shape is refused.

    What a chat adds to states was measured for the first, and is no part of the network.
    """
    recipe = replace(RECIPE, train=replace(RECIPE.train, epochs=1))
    model = Trainer(CONFIG, recipe, training, folder=tmp_path / "first").run()
    path = tmp_path / "first.gguf"
    added = np.zeros((len(CONFIG.layers), len(CHAT_PLACES), CONFIG.n_embd), np.float32)
    first = with_chat(to_artifact(model, backbone, {}), added)
    write_artifact(path, first, matrix_type="F16")
    second = replace(RECIPE.train, start=str(path), closed_form=False)
    weights = new_model(CONFIG, second, training).weights()
    assert weights.keys() == model.weights().keys()
    for name, values in model.weights().items():
        assert np.allclose(weights[name], values, atol=2e-3), name
    with pytest.raises(TunerError, match="has the shape"):
        new_model(replace(CONFIG, n_ff=16), second, training)
