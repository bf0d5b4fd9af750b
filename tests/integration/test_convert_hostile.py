"""A header or a tokenizer that lies is refused by `convert` before anything is written."""

import json
import struct

import pytest

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert import convert
from lmort_memory.modelfile.facts import read_header
from tests.support.checkpoints import N_ROWS, save_checkpoint, tiny_gpt2, tiny_gptj, write_gptj_gguf
from tests.support.mutations import take_apart


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The bytes of a tiny `gptj` file."""
    path = tmp_path_factory.mktemp("honest") / "gptj.gguf"
    write_gptj_gguf(tiny_gptj(), path, quantisation="F16")
    return path.read_bytes()


@pytest.fixture
def gptj(honest, tmp_path):
    """Where a tiny `gptj` file is to be written, and its parts."""
    return tmp_path / "gptj.gguf", take_apart(honest)


def replace_key(gptj, name, kind, payload):
    """Write the file with one key stated anew, and return its path."""
    path, parts = gptj
    parts.keys[:] = [entry for entry in parts.keys if entry[0] != name]
    parts.keys.append((name, kind, payload))
    path.write_bytes(parts.encode())
    return path


U32, I32, F32, F64, ARRAY = 4, 5, 6, 12, 9  # gguf_type
LIES = {
    "tokenizer.ggml.eos_token_id": [(I32, "<i", -1), (U32, "<I", N_ROWS), (F32, "<f", 3.0)],
    "tokenizer.ggml.bos_token_id": [(I32, "<i", -1), (U32, "<I", 1 << 31)],
    "tokenizer.ggml.token_type": [(ARRAY, "<IQ4s", I32, 1, b""), (U32, "<I", 1)],
    "gptj.rope.dimension_count": [(I32, "<i", -2), (U32, "<I", 0), (F32, "<f", 8.0)],
    "gptj.attention.head_count": [(I32, "<i", -4), (F32, "<f", 4.0), (U32, "<I", 5)],
    "gptj.attention.layer_norm_epsilon": [(F64, "<d", 1e300), (F32, "<f", float("nan"))],
    "gptj.context_length": [(I32, "<i", -1), (U32, "<I", 1 << 31)],
}


@pytest.mark.parametrize(
    ("name", "lie"), [(name, lie) for name, lies in LIES.items() for lie in lies]
)
def test_a_number_that_cannot_be_is_refused(name, lie, gptj, tmp_path):
    """A number that the output's header could not hold is an error that names its key."""
    kind, form, *values = lie
    path = replace_key(gptj, name, kind, struct.pack(form, *values))
    known_by = "heads" if values in ([-2], [0], [5]) else name
    with pytest.raises(BackboneError, match=known_by):
        convert(path, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("kind", [-1, 7, 1 << 20])
def test_a_type_of_token_that_does_not_exist_is_refused(kind, gptj, tmp_path):
    """Each token's type is one that llama.cpp knows."""
    types = struct.pack(f"<IQ{N_ROWS}i", I32, N_ROWS, *[1] * (N_ROWS - 1), kind)
    path = replace_key(gptj, "tokenizer.ggml.token_type", ARRAY, types)
    with pytest.raises(BackboneError, match=f"token_type has {kind}"):
        convert(path, tmp_path / "out.gguf")


def test_a_kind_of_file_that_cannot_be_is_written_as_guessed(gptj, tmp_path):
    """The header's file type says nothing that the tensors do not: a wild one is not an error."""
    path = replace_key(gptj, "general.file_type", I32, struct.pack("<i", -1))
    out = read_header(convert(path, tmp_path / "out.gguf"))
    assert out.metadata["general.file_type"] == 1024


@pytest.mark.parametrize(
    "token",
    ["<|x|>", {"content": "<|x|>"}, {"content": 3, "id": 3}, {"content": "x", "id": 1 << 40}],
)
def test_an_added_token_that_cannot_be_is_refused(token, tmp_path):
    """An entry of tokenizer.json without its text or row is one error."""
    folder = save_checkpoint(tiny_gpt2(), tmp_path / "hf")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append(token)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(BackboneError, match=r"added token|belongs to the model"):
        convert(folder, tmp_path / "out.gguf")
