"""Headers of GGUF files: honest ones are read to the letter, dishonest ones are one clear error."""

import os
import struct
import tracemalloc

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile import header as header_module
from lmort_memory.modelfile.facts import (
    read_array,
    read_facts,
    read_header,
    read_strings,
    read_tensor,
    tensor_rows,
)
from lmort_memory.testing.tiny_gguf import CHATML, byte_vocabulary, write_tiny_gguf
from tests.support.gguf_bytes import (
    F16,
    Q4_0,
    U32,
    Tensor,
    array,
    gguf_file,
    key,
    string,
    text,
    u32,
)

HUGE = (1 << 63) - 1
F32_DATA = np.arange(4, dtype="<f4").tobytes()


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def write(data):
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        return path

    return write


def test_facts_of_a_model(tmp_path):
    """The facts are what the writer was told, read without loading weights."""
    path = write_tiny_gguf(tmp_path / "tiny.gguf", n_layer=3, n_embd=48, n_ctx=64)
    facts = read_facts(path)
    assert (facts.architecture, facts.n_layer, facts.n_embd, facts.n_head) == ("llama", 3, 48, 6)
    assert (facts.n_vocab, facts.n_ctx_train, facts.quantisation) == (259, 64, "F32")
    assert (facts.tokenizer, facts.chat_template) == ("gpt2", CHATML)
    assert (facts.add_bos, facts.bos_id, facts.eos_id, facts.eot_id) == (False, 1, 2, None)
    assert facts.size_bytes == path.stat().st_size
    assert facts.name == "tiny-llama-3x48-seed0"
    assert not facts.learned_positions


def test_header_agrees_with_the_gguf_package(tmp_path):
    """Names, shapes, types, offsets and values are those that gguf's own reader finds."""
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    header, reference = read_header(path), gguf.GGUFReader(path)
    assert list(header.tensors) == [tensor.name for tensor in reference.tensors]
    for tensor in reference.tensors:
        ours = header.tensors[tensor.name]
        assert ours.shape == tuple(tensor.shape[::-1])
        assert (ours.type_name, ours.offset) == (tensor.tensor_type.name, tensor.data_offset)
        assert np.array_equal(read_tensor(header, tensor.name), tensor.data)
    tokens = reference.fields["tokenizer.ggml.tokens"].contents()
    assert [token.decode() for token in read_strings(header, "tokenizer.ggml.tokens")] == tokens
    kinds = reference.fields["tokenizer.ggml.token_type"].contents()
    assert read_array(header, "tokenizer.ggml.token_type").tolist() == kinds


def test_the_table_of_types_is_that_of_the_gguf_package():
    """Every tensor type of the gguf package is known with its block and size."""
    types = header_module._tensor_types()
    for kind, sizes in gguf.GGML_QUANT_SIZES.items():
        assert types[kind] == (kind.name, *sizes)


@pytest.mark.parametrize("quantisation", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
def test_tensors_are_decoded_by_rows(quantisation, tmp_path):
    """A tensor, whole or some rows of it, decodes as the gguf package decodes it."""
    kind = gguf.GGMLQuantizationType[quantisation]
    values = np.random.default_rng(0).standard_normal((3, 5, 64)).astype(np.float32)
    stored = gguf.quants.quantize(values, kind)
    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "test")
    writer.add_tensor("experts", stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(tmp_path / "t.gguf")
    expected = gguf.quants.dequantize(stored, kind)
    whole = read_tensor(header, "experts")
    assert whole.dtype == np.float32
    assert whole.flags.writeable
    assert np.array_equal(whole, expected)
    assert np.array_equal(
        read_tensor(header, "experts", rows=[14, 2, 2]), expected.reshape(15, 64)[[14, 2, 2]]
    )
    assert tensor_rows(header, "experts").tobytes() == stored.tobytes()


def test_what_is_not_there_is_an_error(tmp_path):
    """Asking for a tensor or array that a file does not have is an error by its name."""
    header = read_header(write_tiny_gguf(tmp_path / "tiny.gguf"))
    with pytest.raises(BackboneError, match=r"no tensor 'blk\.9"):
        read_tensor(header, "blk.9.attn_q.weight")
    with pytest.raises(BackboneError, match="no array 'tokenizer"):
        read_strings(header, "tokenizer.ggml.scores")
    with pytest.raises(BackboneError, match=r"no array 'general\.name'"):
        read_array(header, "general.name")
    with pytest.raises(BackboneError, match="has numbers; expected strings"):
        read_strings(header, "tokenizer.ggml.token_type")
    with pytest.raises(BackboneError, match="has strings; expected numbers"):
        read_array(header, "tokenizer.ggml.tokens")


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path):
    """Data that was there when the header was read and is gone later is an error, no crash."""
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    header = read_header(path)
    os.truncate(path, 100)
    with pytest.raises(BackboneError, match="shrank"):
        read_strings(header, "tokenizer.ggml.tokens")
    with pytest.raises(BackboneError, match="changed"):
        read_tensor(header, "output.weight")
    path.unlink()
    with pytest.raises(BackboneError, match="cannot be read"):
        read_strings(header, "tokenizer.ggml.tokens")


HOSTILE = {
    "empty file": (b"", "0 bytes"),
    "only the magic": (b"GGUF", "ends inside its header"),
    "another format": (b"PK\x03\x04" + bytes(60), "starts with"),
    "the format before GGUF": (b"tjgg" + bytes(60), "before August 2023"),
    "version 1": (gguf_file(version=1), "version 1"),
    "version 4": (gguf_file(version=4), "version 4"),
    "big-endian": (gguf_file(version=3 << 24), "big-endian"),
    "wild tensor count": (gguf_file(counts=(HUGE, 0)), "declares"),
    "wild key count": (gguf_file(counts=(0, HUGE)), "declares"),
    "more keys than there are": (gguf_file([u32("a", 1)], counts=(0, 9)), "header|empty|claims"),
    "key longer than the file": (gguf_file([text("k", HUGE)]), "claims a length"),
    "key of 70,000 bytes": (gguf_file([u32("k" * 70_000, 1)]), "claims a length"),
    "empty key": (gguf_file([u32("", 1)]), "empty or appears twice"),
    "the same key twice": (gguf_file([u32("a", 1), u32("a", 2)]), "appears twice"),
    "key that is no UTF-8": (gguf_file([key(b"\xff\xfe", U32, bytes(4))]), "not valid UTF-8"),
    "value that is no UTF-8": (gguf_file([string("a", b"\xff")]), "not valid UTF-8"),
    "value longer than the file": (gguf_file([string("a", "b", HUGE)]), "claims a length"),
    "unknown value type": (gguf_file([key("a", 13, bytes(8))]), "unknown type 13"),
    "nested arrays": (gguf_file([array("a", 9, [bytes(12)])]), "items of type 9"),
    "array longer than the file": (gguf_file([array("a", U32, [bytes(4)], HUGE)]), "more than fit"),
    "strings past the end": (gguf_file([array("a", 8, [text("x", HUGE)])]), "past the end"),
    "strings past all ends": (
        gguf_file([array("a", 8, [text("x", (1 << 64) - 1), text("y")])]),
        "past the end",
    ),
    "alignment of zero": (gguf_file([u32("general.alignment", 0)]), "alignment is 0"),
    "alignment of three": (gguf_file([u32("general.alignment", 3)]), "alignment is 3"),
    "alignment of 2 GiB": (gguf_file([u32("general.alignment", 1 << 31)]), "alignment is"),
    "alignment in words": (gguf_file([string("general.alignment", "32")]), "alignment is '32'"),
    "no dimensions": (gguf_file([], [Tensor(shape=())]), "0 dimensions"),
    "nine dimensions": (gguf_file([], [Tensor(shape=(1,) * 9)]), "9 dimensions"),
    "a billion dimensions": (gguf_file([], [Tensor(n_dims=1 << 30)]), "dimensions"),
    "dimension of zero": (gguf_file([], [Tensor(shape=(0, 4))]), "shape"),
    "product past 64 bits": (gguf_file([], [Tensor(shape=(HUGE, HUGE, 4))]), "truncated"),
    "unknown tensor type": (gguf_file([], [Tensor(kind=4)], data=F32_DATA), "unknown type 4"),
    "half a block": (gguf_file([], [Tensor(kind=Q4_0)], data=F32_DATA), "multiple of 32"),
    "name of 64 bytes": (gguf_file([], [Tensor("n" * 64)], data=F32_DATA), "claims a length"),
    "nameless tensor": (gguf_file([], [Tensor("")], data=F32_DATA), "tensor ''"),
    "the same tensor twice": (
        gguf_file([], [Tensor(), Tensor(offset=32)], data=bytes(64)),
        "appears twice",
    ),
    "tensors that overlap": (
        gguf_file([], [Tensor("a"), Tensor("b")], data=bytes(64)),
        "; expected",
    ),
    "a gap between tensors": (
        gguf_file([], [Tensor("a"), Tensor("b", offset=64)], data=bytes(128)),
        "; expected",
    ),
    "data outside the file": (gguf_file([], [Tensor(offset=1 << 40)], data=F32_DATA), "; expected"),
    "offset past 64 bits": (gguf_file([], [Tensor(offset=HUGE)], data=F32_DATA), "; expected"),
    "truncated data": (gguf_file([], [Tensor()], data=F32_DATA[:-1]), "truncated"),
    "no data at all": (gguf_file([], [Tensor()]), "truncated"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_one_error(name, write):
    """Whatever a header claims, reading it ends in a BackboneError that says what is wrong."""
    data, message = HOSTILE[name]
    with pytest.raises(BackboneError, match=message):
        read_header(write(data))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_allocates_nothing_to_speak_of(name, write):
    """No claim of a file of some hundred bytes makes the reader allocate a megabyte."""
    path = write(HOSTILE[name][0])
    tracemalloc.start()
    with pytest.raises(BackboneError):
        read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_every_truncation_of_a_model_is_refused(tmp_path):
    """A download that stopped anywhere, in the header or in the data, is noticed."""
    whole = write_tiny_gguf(tmp_path / "tiny.gguf", n_layer=1, n_embd=16).read_bytes()
    part = tmp_path / "part.gguf"
    lengths = [*range(0, 600, 7), *range(600, len(whole), 997), len(whole) - 1]
    for length in lengths:
        part.write_bytes(whole[:length])
        with pytest.raises(BackboneError):
            read_header(part)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), at=st.integers(0, 400))
def test_arbitrary_bytes_are_read_or_refused(tmp_path_factory, data, at):
    """Any bytes anywhere in a header end in a header or in a BackboneError, nothing else."""
    keys = [u32("general.alignment", 32), string("general.architecture", "llama")]
    keys += [array("tokenizer.ggml.tokens", 8, [text("a"), text("bc")])]
    honest = gguf_file(keys, [Tensor("a", (32, 2), F16), Tensor("b", offset=128)], data=bytes(144))
    path = tmp_path_factory.getbasetemp() / "arbitrary.gguf"
    path.write_bytes(honest[:at] + data + honest[at + len(data) :])
    try:
        header = read_header(path)
    except BackboneError:
        return
    for name in header.tensors:
        read_tensor(header, name)


def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path):
    """A pipe that nobody writes to does not make the reader wait, nor a device read for ever."""
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (tmp_path / "pipe.gguf", "/dev/zero", "/dev/null"):
        with pytest.raises(BackboneError, match="pipe or device"):
            read_header(path)
    with pytest.raises(BackboneError, match="is a folder"):
        read_header(tmp_path)


@pytest.mark.parametrize("name", ["missing.gguf", "nul\0byte.gguf", "x" * 5000])
def test_paths_that_cannot_be_opened_are_refused(name, tmp_path):
    """A path that is missing, too long or no path at all is an error of ours."""
    with pytest.raises(BackboneError):
        read_header(tmp_path / name)


def test_links_to_nowhere_are_refused(tmp_path):
    """A symbolic link to nowhere and one in a circle are errors of ours."""
    (tmp_path / "nowhere.gguf").symlink_to(tmp_path / "missing")
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    for name in ("nowhere.gguf", "circle.gguf"):
        with pytest.raises(BackboneError):
            read_header(tmp_path / name)


def model_keys(**changes):
    """Return the keys of a minimal model, some of them changed or, with None, left out."""
    keys = {
        "general.architecture": string("general.architecture", "llama"),
        "llama.block_count": u32("llama.block_count", 1),
        "llama.embedding_length": u32("llama.embedding_length", 4),
        "llama.context_length": u32("llama.context_length", 8),
        "tokenizer.ggml.tokens": array("tokenizer.ggml.tokens", 8, [text("a"), text("b")]),
        **changes,
    }
    return [encoded for encoded in keys.values() if encoded is not None]


NO_MODEL = {
    "nameless": ({"general.architecture": None}, "does not name its architecture"),
    "name that is a number": (
        {"general.architecture": u32("general.architecture", 1)},
        "expected text",
    ),
    "tuner": ({"general.architecture": string("general.architecture", "lmort")}, "is a tuner"),
    "projector": ({"general.architecture": string("general.architecture", "clip")}, "add-on"),
    "adapter": ({"general.type": string("general.type", "adapter")}, "add-on"),
    "part of a model": ({"split.count": u32("split.count", 3)}, "one of 3 parts"),
    "no blocks": ({"llama.block_count": u32("llama.block_count", 0)}, "block_count is 0"),
    "no width": ({"llama.embedding_length": None}, "lacks llama.embedding_length"),
    "wild context": (
        {"llama.context_length": u32("llama.context_length", (1 << 32) - 1)},
        "context_length is",
    ),
    "no vocabulary": ({"tokenizer.ggml.tokens": None}, "no vocabulary"),
    "vocabulary of numbers": (
        {"tokenizer.ggml.tokens": array("tokenizer.ggml.tokens", U32, [struct.pack("<I", 1)])},
        "no vocabulary",
    ),
    "template that is a number": (
        {"tokenizer.chat_template": u32("tokenizer.chat_template", 1)},
        "expected text",
    ),
    "flag that is a number": (
        {"tokenizer.ggml.add_bos_token": u32("tokenizer.ggml.add_bos_token", 1)},
        "expected true or false",
    ),
}


@pytest.mark.parametrize("name", NO_MODEL)
def test_what_is_no_model_is_refused_with_its_reason(name, write):
    """A GGUF that is not a whole language model is refused, each kind in its own words."""
    changes, message = NO_MODEL[name]
    with pytest.raises(BackboneError, match=message):
        read_facts(write(gguf_file(model_keys(**changes))))


def test_special_tokens_outside_the_vocabulary_count_as_absent(write):
    """A special id that no token has is None, as llama.cpp ignores it too."""
    keys = {
        f"tokenizer.ggml.{kind}_token_id": value for kind, value in {"bos": 1, "eos": 2}.items()
    }
    path = write(gguf_file(model_keys(**{name: u32(name, id) for name, id in keys.items()})))
    facts = read_facts(path)
    assert (facts.bos_id, facts.eos_id) == (1, None)


def test_prediction_blocks_are_no_layers(write):
    """Blocks for multi-token prediction count in block_count, but no state passes through them."""
    blocks = {
        "llama.block_count": u32("llama.block_count", 5),
        "llama.nextn_predict_layers": u32("llama.nextn_predict_layers", 2),
    }
    assert read_facts(write(gguf_file(model_keys(**blocks)))).n_layer == 3


def test_quantisation_is_named_by_the_commonest_type_where_it_is_not_stated(write):
    """Without general.file_type the type of most bytes gives the name."""
    tensors = [Tensor("a", (64, 8), F16), Tensor("b", (4,), offset=1024)]
    path = write(gguf_file(model_keys(), tensors, data=bytes(1040)))
    assert read_facts(path).quantisation == "F16"


def test_the_byte_vocabulary_spells_bytes_as_gpt2_does():
    """All 256 bytes are there once, the space as Ġ and the letters as themselves."""
    tokens = byte_vocabulary()
    assert len(set(tokens)) == 259
    assert (tokens[3 + 0x20], tokens[3 + 0x0A], tokens[3 + 0x41]) == ("Ġ", "Ċ", "A")
