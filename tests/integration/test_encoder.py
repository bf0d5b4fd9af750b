"""Texts, and states of a chat, to vectors on a tiny model."""

import numpy as np
import pytest

from lmort_memory import (
    Chat,
    ChatEncoder,
    LmortError,
    Memory,
    TunerError,
    TunerMismatchError,
)
from lmort_memory.backbone import Backbone
from lmort_memory.encoder import TunedEncoder, mean_vector, open_encoder
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from lmort_memory.types import StateEncoder, TokenEncoder
from tests.support.tiny_chat import write_pair

LONG = "The bees of Trondheim fly over the fjord. " * 12


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Paths of a tiny model and its tuner."""
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def encoder(pair):
    """An encoder over the tiny model."""
    opened = open_encoder(*pair)
    yield opened.encoder
    opened.close()


def test_a_closed_memory_says_so(pair, tmp_path):
    """After `close`, recalling, adding and encoding are errors, and do not end the process."""
    memory = Memory.open(tmp_path / "m.db", model=pair[0], tuner=pair[1])
    record = memory.add("Ada keeps bees.")
    memory.close()
    for act in (
        lambda: memory.recall("bees"),
        lambda: memory.add("More bees."),
        lambda: memory.update(record.id, "No bees."),
        lambda: memory.encoder.encode(["bees"]),
        lambda: memory.encoder.encode_query("bees"),
        lambda: memory.backbone.vocabulary.is_control(1),
    ):
        with pytest.raises(LmortError, match="closed"):
            act()


def test_vectors_are_of_unit_norm_and_spans_cover_the_text(encoder):
    """A long text is several chunks whose spans leave no character out."""
    short, long = encoder.encode(["Hello.", LONG])
    assert short.vectors.shape == (1, encoder.dim)
    assert short.spans == ((0, 6),)
    assert len(long.spans) == len(long.vectors) > 1
    assert long.spans[0][0] == 0
    assert long.spans[-1][1] == len(LONG)
    assert all(b[0] <= a[1] for a, b in zip(long.spans, long.spans[1:], strict=False))
    for encoded in (short, long):
        assert np.linalg.norm(encoded.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_text_has_one_vector_alone_and_in_company(encoder):
    """Batching does not change vectors; a short query is encoded as a short text is."""
    texts = ["one", "two two", LONG, "Grüße, 你好"]
    for text, together in zip(texts, encoder.encode(texts), strict=True):
        (alone,) = encoder.encode([text])
        assert np.abs(alone.vectors - together.vectors).max() < 1e-3
        query = encoder.encode_query(text)
        assert np.abs(query - mean_vector(alone)).max() < 1e-3


def test_states_of_a_chat_encode_as_text_does(pair, encoder):
    """States that stand behind the same prefix give the vector that stand-alone text has."""
    with Backbone.open(pair[0]) as backbone:
        sequence = backbone.open_sequence(n_ctx=1024, layers=encoder.layers)
        sequence.extend(backbone.prompts.prefix)
        tokens = backbone.prompts.tokenize(LONG)
        states = sequence.extend(tokens)
        in_chat = encoder.encode_states(LONG, tokens, states)
    (alone,) = encoder.encode([LONG])
    assert in_chat.spans == alone.spans
    assert np.abs(in_chat.vectors[0] - alone.vectors[0]).max() < 0.02
    assert isinstance(encoder, StateEncoder)


def test_tokens_of_a_chat_are_those_of_the_text(tmp_path):
    """Codes and questions taken from a chat's states agree with stand-alone ones; they can be off.

    The at-once tuner has a map of tokens, so any model compares them from its first text on.
    """
    write_tiny_gguf(tmp_path / "model.gguf")
    opened = open_encoder(tmp_path / "model.gguf")
    encoder, backbone = opened.encoder, opened.backbone
    try:
        assert isinstance(encoder, TokenEncoder) and encoder.token_kind
        sequence = backbone.open_sequence(n_ctx=1024, layers=encoder.layers)
        sequence.extend(backbone.prompts.prefix)
        tokens = backbone.prompts.tokenize(LONG)
        states = sequence.extend(tokens)
        in_chat = encoder.encode_states(LONG, tokens, states).tokens
        (alone,) = encoder.encode([LONG])
        assert [len(one) for one in in_chat.chunks] == [len(one) for one in alone.tokens.chunks]
        same = np.unpackbits(in_chat.chunks[0]) == np.unpackbits(alone.tokens.chunks[0])
        assert same.mean() > 0.97
        vector, asked = encoder.encode_question("The bees of Trondheim")
        assert np.abs(vector - encoder.encode_query("The bees of Trondheim")).max() < 1e-3
        assert asked.weights.sum() == pytest.approx(1, abs=1e-5)
        near, far = encoder.encode([LONG, "xyz 123"])
        scores = encoder.token_scores(asked, [near.tokens, far.tokens])
        assert 1 >= scores[0] > scores[1]
        taken = encoder.asked_tokens(tokens[:5], states[:, :5])
        assert taken.vectors.shape[0] == 5
    finally:
        opened.close()
    off = open_encoder(tmp_path / "model.gguf", tokens=False)
    try:
        assert off.encoder.token_kind is None
        assert off.encoder.encode(["a"])[0].tokens is None
    finally:
        off.close()


def test_progress_ends_at_the_number_of_texts(encoder):
    """Progress ascends to (n, n)."""
    seen = []
    encoder.encode(["a", LONG, "b"], progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (3, 3)


def test_a_tuner_of_another_model_is_refused(pair, tmp_path):
    """The error names both models; a tuner is never used with weights it was not made for."""
    other = write_tiny_gguf(tmp_path / "other.gguf", seed=5)
    with pytest.raises(TunerMismatchError, match=r"other\.gguf") as caught:
        open_encoder(other, pair[1])
    assert caught.value.expected != caught.value.found
    with pytest.raises(TunerError):
        open_encoder(other, tmp_path / "missing.gguf")


def test_a_model_without_tuner_opens_with_a_notice(tmp_path):
    """No tuner is not an error: its layers serve as they are, and one line says so."""
    opened = open_encoder(write_tiny_gguf(tmp_path / "other.gguf", seed=5))
    assert opened.encoder.encode(["Ada keeps bees."])
    assert opened.notice is not None
    assert opened.notice.startswith("no tuner")
    assert "tuner make" in opened.notice
    opened.close()


def test_a_tuner_of_this_machine_is_found_by_fingerprint(pair, home):
    """A tuner in the data folder is used for the model it was made for, and for no other."""
    folder = home / "data" / "tuners"
    folder.mkdir(parents=True)
    (folder / "mine.gguf").write_bytes(pair[1].read_bytes())
    opened = open_encoder(pair[0])
    assert isinstance(opened.encoder, TunedEncoder)
    assert Tuner.load(pair[1]).fingerprint in opened.encoder.space
    opened.close()


TOLD = (
    "My sister Ada keeps bees on the roof of the harbour office.",
    "The rent is 940 from March on.",
    "I work as a nurse at the clinic in Market Street, nights mostly.",
)


def test_a_turn_of_a_chat_is_like_its_text_alone(tmp_path):
    """The packaged model's tuner takes away again what the context of a chat adds to states."""
    cosines = []
    with Memory.open(tmp_path / "m.db") as memory, Chat(memory, session="s") as chat:
        encoder = memory.encoder
        assert isinstance(encoder, ChatEncoder)
        for text, alone in zip(TOLD, encoder.encode(TOLD), strict=True):
            tokens = chat.prompts.tokenize(text)
            states = chat._window.enter(tokens)
            both = states, encoder.without_chat(states)
            found = [encoder.encode_states(text, tokens, one).vectors[0] for one in both]
            cosines.append([float(one @ alone.vectors[0]) for one in found])
            chat._window.leave()
    raw, freed = np.mean(cosines, axis=0)
    assert freed > 0.95 and 1 - freed < 0.8 * (1 - raw)
