"""GPT-2 and GPT-J, from checkpoints and from `gptj` files, run with the same states and words."""

import json
import stat

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from lmort_memory.backbone.model import Backbone
from lmort_memory.encoder.opening import open_encoder
from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert import (
    FILE_TYPES,
    convert,
    converted_path,
    ensure_runnable,
    needs_conversion,
)
from lmort_memory.modelfile.facts import read_facts, read_header, read_strings, read_tensor
from lmort_memory.paths import cache_dir
from lmort_memory.testing.tiny_gguf import write_tiny_gguf
from tests.support.checkpoints import (
    END_ID,
    MODELS,
    N_ROWS,
    TOKENS,
    save_checkpoint,
    tiny_gpt2,
    tiny_gptj,
    write_gptj_gguf,
    write_vocab_and_merges,
)
from tests.support.parity import TOLERANCE, best_tokens, layer_differences, reference_logits

TEXT = "The weather and the wörld: an anther, then nothing.  2 + 2 = 4\n\tand so on"


# llama.cpp rounds what it multiplies with a quantised matrix to 8 bits, in blocks of 32.
TOLERANCE_OF_TYPE = {"F16": TOLERANCE, "Q4_0": 10 * TOLERANCE}


def token_ids(folder):
    """Return what the checkpoint's own tokenizer makes of the text."""
    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT).ids


def assert_parity(model, path, tokens, tolerance=TOLERANCE):
    """Compare all layers, and the arg-max at every position, with `transformers`."""
    differences = layer_differences(model, path, tokens)
    assert max(difference.largest for difference in differences) < tolerance
    assert (best_tokens(path, tokens) == reference_logits(model, tokens).argmax(axis=1)).all()


@pytest.fixture(params=MODELS)
def checkpoint(request, tmp_path):
    """A tiny checkpoint of each kind, with its model."""
    model = MODELS[request.param](seed=3)
    return model, save_checkpoint(model, tmp_path / request.param)


def test_a_checkpoint_runs_as_in_transformers(checkpoint, tmp_path):
    """Every layer and the best token at every position survive the conversion to f16."""
    model, folder = checkpoint
    out = convert(folder, tmp_path / "out.gguf")
    assert_parity(model, out, token_ids(folder))


@pytest.mark.parametrize("quantisation", ["F16", "Q4_0"])
def test_a_gptj_gguf_runs_as_in_transformers(quantisation, tmp_path):
    """A `gptj` GGUF, quantised or not, computes what its own weights say."""
    model = write_gptj_gguf(tiny_gptj(4), tmp_path / "gptj.gguf", quantisation=quantisation)
    folder = save_checkpoint(model, tmp_path / "hf")
    out = convert(tmp_path / "gptj.gguf", tmp_path / "out.gguf")
    assert_parity(model, out, token_ids(folder), TOLERANCE_OF_TYPE[quantisation])


@pytest.mark.parametrize("quantisation", ["F16", "Q4_0"])
def test_a_gptj_gguf_is_converted_without_loss(quantisation, tmp_path):
    """Every row of every matrix is in the output with the very bytes it had."""
    write_gptj_gguf(tiny_gptj(4), tmp_path / "gptj.gguf", quantisation=quantisation)
    before = read_header(tmp_path / "gptj.gguf")
    after = read_header(convert(tmp_path / "gptj.gguf", tmp_path / "out.gguf"))
    assert set(before.tensors) <= set(after.tensors)
    for name, tensor in before.tensors.items():
        assert after.tensors[name].type_name == tensor.type_name
        ours, theirs = read_tensor(after, name), read_tensor(before, name)
        assert np.array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))
        if not name.endswith(("attn_q.weight", "attn_k.weight")):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("raw_tokens", [True, False])
def test_a_gptj_gguf_keeps_its_tokenizer(raw_tokens, tmp_path):
    """Tokens as raw bytes, as GPT4All wrote them, and in GPT-2's spelling cut text alike."""
    path = tmp_path / "gptj.gguf"
    model = write_gptj_gguf(tiny_gptj(4), path, quantisation="F16", raw_tokens=raw_tokens)
    folder = save_checkpoint(model, tmp_path / "hf")
    with Backbone.open(convert(path, tmp_path / "out.gguf")) as backbone:
        assert list(backbone.vocabulary.tokenize(TEXT)) == token_ids(folder)
        assert backbone.vocabulary.eos == END_ID


@pytest.mark.parametrize("form", ["tokenizer.json", "vocab.json"])
def test_the_tokenizer_comes_along(form, checkpoint, tmp_path):
    """Text is cut as the checkpoint's own tokenizer cuts it, from either form of its files."""
    _, folder = checkpoint
    expected = token_ids(folder)
    if form == "vocab.json":
        (folder / "tokenizer.json").unlink()
        write_vocab_and_merges(folder)
    with Backbone.open(convert(folder, tmp_path / "out.gguf")) as backbone:
        assert list(backbone.vocabulary.tokenize(TEXT)) == expected
        assert backbone.vocabulary.eos == backbone.vocabulary.bos == END_ID


def test_padded_vocabulary_and_context_length_survive(checkpoint, tmp_path):
    """Rows that no token uses stay, as unused tokens: GPT-J has 143 of them."""
    _, folder = checkpoint
    out = convert(folder, tmp_path / "out.gguf")
    facts = read_facts(out)
    assert (facts.n_vocab, facts.n_ctx_train) == (N_ROWS, 128)
    assert read_strings(read_header(out), "tokenizer.ggml.tokens")[len(TOKENS)] == b"[PAD266]"


@pytest.mark.parametrize("type_name", FILE_TYPES)
def test_every_type_runs(type_name, tmp_path):
    """Each type that can be asked for is written as said and loads."""
    folder = save_checkpoint(tiny_gpt2(5), tmp_path / "hf")
    out = convert(folder, tmp_path / "out.gguf", type=type_name)
    assert read_facts(out).quantisation == type_name.upper()
    assert read_header(out).tensors["blk.0.ffn_up.weight"].type_name == type_name.upper()
    with Backbone.open(out) as backbone:
        states = backbone.states_of_tokens(token_ids(folder), [0, 3]).states
    assert np.isfinite(states).all()


def test_pytorch_files_and_shards_give_the_same_file(checkpoint, tmp_path):
    """One safetensors file, several of them, and PyTorch's own format are the same model."""
    model, folder = checkpoint
    expected = convert(folder, tmp_path / "one.gguf").read_bytes()
    model.save_pretrained(folder, max_shard_size="100KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert convert(folder, tmp_path / "many.gguf").read_bytes() == expected
    for part in folder.glob("model*.safetensors*"):
        part.unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert convert(folder, tmp_path / "torch.gguf").read_bytes() == expected


def test_bfloat16_checkpoints_are_read(tmp_path):
    """A checkpoint in bfloat16 gives the values that bfloat16 has."""
    model = tiny_gpt2(6).bfloat16()
    folder = save_checkpoint(model, tmp_path / "hf")
    header = read_header(convert(folder, tmp_path / "out.gguf", type="f32"))
    expected = model.state_dict()["transformer.wte.weight"].float().numpy()
    assert np.array_equal(read_tensor(header, "token_embd.weight"), expected)


def test_a_weight_that_float16_cannot_hold_is_refused(tmp_path):
    """A value above 65504 is an error that names the way out, not an infinity."""
    model = tiny_gpt2(6)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight[0, 0] = 1e6
    folder = save_checkpoint(model, tmp_path / "hf")
    with pytest.raises(BackboneError, match="--type bf16"):
        convert(folder, tmp_path / "out.gguf")
    assert convert(folder, tmp_path / "out.gguf", type="bf16").is_file()


def test_an_interrupted_conversion_leaves_nothing(checkpoint, tmp_path):
    """Ctrl-C in the middle leaves no file, whole or half, and an older output as it was."""
    _, folder = checkpoint
    out = tmp_path / "new" / "out.gguf"
    out.parent.mkdir()
    out.write_bytes(b"older")

    def interrupt(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(folder, out, progress=interrupt)
    assert [path.name for path in out.parent.iterdir()] == ["out.gguf"]
    assert out.read_bytes() == b"older"


def test_progress_counts_every_byte_once(checkpoint, tmp_path):
    """Progress rises to the total, and the total is what the tensors take."""
    _, folder = checkpoint
    seen = []
    out = convert(folder, tmp_path / "out.gguf", progress=lambda *step: seen.append(step))
    total = sum(tensor.nbytes for tensor in read_header(out).tensors.values())
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


def test_the_output_is_private(checkpoint, tmp_path):
    """A converted model has mode 0600, the cache folder 0700."""
    _, folder = checkpoint
    out = ensure_runnable(folder, tmp_path / "cache")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o700


def test_a_gptj_file_is_converted_once(tmp_path):
    """The first use converts into the cache and says so; the second finds the file."""
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(4), path, quantisation="Q4_0")
    assert needs_conversion(read_facts(path))
    said = []
    out = ensure_runnable(path, tmp_path / "cache", announce=said.append)
    assert out == converted_path(path, tmp_path / "cache")
    assert len(said) == 1
    written = out.stat().st_mtime_ns
    assert ensure_runnable(path, tmp_path / "cache", announce=said.append) == out
    assert (out.stat().st_mtime_ns, len(said)) == (written, 1)


def test_a_memory_opens_on_a_gptj_file(tmp_path, monkeypatch):
    """Whoever opens a memory on a `gptj` file gets it converted and running, without asking."""
    monkeypatch.setenv("LMORT_HOME", str(tmp_path / "home"))
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(4), path, quantisation="Q4_0")
    opened = open_encoder(path)
    assert opened.backbone.facts.path == converted_path(path, cache_dir() / "models")
    opened.close()


def test_a_changed_source_is_converted_anew(tmp_path):
    """The cache does not serve the old form of a file that has changed."""
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(4), path, quantisation="F16")
    first = converted_path(path, tmp_path)
    write_gptj_gguf(tiny_gptj(4), path, quantisation="Q4_0")
    assert converted_path(path, tmp_path) != first


def test_other_models_are_used_as_they_are(tmp_path):
    """A GGUF that llama.cpp runs is neither converted nor copied."""
    path = write_tiny_gguf(tmp_path / "llama.gguf")
    assert ensure_runnable(path, tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_one_error(checkpoint, tmp_path, monkeypatch):
    """Too little space is said before anything is written."""
    _, folder = checkpoint
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(BackboneError, match="free"):
        convert(folder, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bloom"}, "bloom"),
        ({"activation_function": "relu"}, "activation_function"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"n_head": 0}, "n_head"),
        ({"n_head": 5}, "heads must divide"),
        ({"n_embd": 1 << 40}, "n_embd"),
        ({"n_embd": 128}, "belongs to the weights"),
        ({"n_layer": 4}, "lacks the tensor"),
        ({"n_layer": 2}, "not part of the model"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"vocab_size": 20}, "belongs to the weights"),
        ({"layer_norm_epsilon": "nan"}, "layer_norm_epsilon"),
    ],
)
def test_a_configuration_that_cannot_be_kept_is_refused(change, message, tmp_path):
    """What llama.cpp's graph has no place for is an error by name, and nothing is written."""
    folder = save_checkpoint(tiny_gpt2(), tmp_path / "hf")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(BackboneError, match=message):
        convert(folder, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("rotary_dim", [None, 0, 7, 18])
def test_rotary_rows_must_fit_a_head(rotary_dim, tmp_path):
    """GPT-J's rotary rows are even and no more than a head has."""
    folder = save_checkpoint(tiny_gptj(), tmp_path / "hf")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rotary_dim": rotary_dim}))
    with pytest.raises(BackboneError, match="rotary"):
        convert(folder, tmp_path / "out.gguf")


def test_the_source_is_never_overwritten(tmp_path):
    """A source given as its own output is refused."""
    path = tmp_path / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(4), path, quantisation="F16")
    with pytest.raises(BackboneError, match="source itself"):
        convert(path, path)


def test_wrong_types_are_the_callers_mistake(tmp_path):
    """An unknown type, or a type for a GGUF, is a ValueError."""
    with pytest.raises(ValueError, match="q4_k"):
        convert(tmp_path, tmp_path / "out.gguf", type="q4_k")
    with pytest.raises(ValueError, match="keeps its types"):
        convert(write_tiny_gguf(tmp_path / "a.gguf"), tmp_path / "b.gguf", type="f16")
