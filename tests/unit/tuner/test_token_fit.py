"""The map of tokens: made in closed form from a sample, and trained on pairs."""

from dataclasses import replace

import numpy as np
import pytest

from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.token_fit import TokenSample, with_tokens, with_tokens_of
from lmort_memory.tuners.states.cache import Manifest, fill_with
from lmort_memory.tuners.train.tokens import Pairs, TokenTrainer
from lmort_memory.types import HiddenStates, TokenCodes
from tests.support.tuners import SMALL, artifact_of, perturbed

WORDS = 40
LAYERS = SMALL.layers


@pytest.fixture(scope="module")
def texts():
    """Texts of words that always have about the same states; word 0 stands in every text."""
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((WORDS, len(LAYERS), SMALL.n_embd))
    drawn = []
    for _ in range(60):
        words = [0, *rng.integers(1, WORDS, 6)]
        states = meaning[words] + 0.2 * rng.standard_normal((7, len(LAYERS), SMALL.n_embd))
        states = states.transpose(1, 0, 2).astype(np.float32)
        drawn.append(HiddenStates(tuple(map(int, words)), LAYERS, states))
    return drawn


@pytest.fixture(scope="module")
def artifact():
    """A tuner whose linear path reads all its layers."""
    config = replace(SMALL, pooled_layers=LAYERS)
    return artifact_of(perturbed(config))


@pytest.fixture(scope="module")
def mapped(artifact, texts):
    """With a map in closed form."""
    sample = TokenSample()
    assert list(sample.watch(texts)) == texts, "the texts pass through"
    return with_tokens(artifact, sample, bits=16)


def test_the_closed_form_finds_the_same_words(mapped, texts):
    """A question of some of a text's words is nearest to that text, and common words count less."""
    token_map = Tuner(mapped).token_map
    codes = token_map.codes(texts[5])
    assert codes.shape == (7, 2)
    words = slice(1, 5)
    question = HiddenStates(texts[5].tokens[words], LAYERS, texts[5].states[:, words])
    asked = token_map.asked([question])

    stored = [TokenCodes(token_map.kind, (token_map.codes(text),)) for text in texts]
    assert int(np.argmax(token_map.scores(asked, stored))) == 5
    whole = token_map.asked([texts[5]])
    assert whole.weights[0] == whole.weights.min(), "the word of every text tells nothing"


def test_a_tuner_that_reads_more_than_its_directions_is_refused(texts):
    """Directions that are not of all layers cannot be applied to a token."""
    sample = TokenSample()
    list(sample.watch(texts))
    with pytest.raises(ValueError, match="all layers"):
        with_tokens(artifact_of(perturbed(replace(SMALL, pooled_layers=(0,)))), sample)


def test_a_map_is_taken_over(mapped, artifact, texts):
    """A tuner that scales the states otherwise gives every token the same code."""
    rng = np.random.default_rng(1)
    scaled = {
        name: value * rng.uniform(0.5, 2, value.shape).astype(np.float32)
        for name, value in artifact.weights.items()
        if name.startswith("stats.")
    }
    other = replace(artifact, weights={**artifact.weights, **scaled})
    taken = Tuner(with_tokens_of(other, mapped)).token_map
    kept = Tuner(mapped).token_map
    for text in texts[:20]:
        assert np.array_equal(taken.codes(text), kept.codes(text))
        asked, before = taken.asked([text]), kept.asked([text])
        assert asked.weights == pytest.approx(before.weights, abs=1e-4)
    with pytest.raises(ValueError, match="0 bits"):
        with_tokens_of(mapped, artifact)


def test_training_moves_right_answers_up(mapped, texts, tmp_path):
    """A few steps lower the loss on the pairs, and change nothing but the map."""
    tuner = Tuner(mapped)
    halves = [
        [HiddenStates(one.tokens[part], LAYERS, one.states[:, part].copy()) for one in texts]
        for part in (slice(0, 4), slice(2, 7))
    ]
    caches = [
        fill_with(
            tmp_path / name,
            Manifest("f", LAYERS, SMALL.n_embd, 8, name, len(texts)),
            lambda done, side=side: side[done:],
        )
        for name, side in zip("qd", halves, strict=True)
    ]
    vectors = [np.stack([tuner.encode(one) for one in side]) for side in halves]
    pairs = Pairs(*caches, *vectors)
    trainer = TokenTrainer(mapped)
    everything = np.arange(len(texts))
    before = trainer._loss(pairs, everything).item()
    seen: list[int] = []
    trainer.train(
        [pairs], steps=25, batch=30, rate=0.01, progress=lambda done, total: seen.append(done)
    )
    assert trainer._loss(pairs, everything).item() < before
    assert seen == list(range(1, 26))
    trained = trainer.artifact().weights
    changed = {name for name, value in trained.items() if value is not mapped.weights[name]}
    assert changed == set(mapped.card.config.token_shapes())
