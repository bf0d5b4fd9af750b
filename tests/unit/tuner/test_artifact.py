"""The tuner file: what is saved comes back, and what is damaged is refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from dataclasses import asdict, replace

import gguf
import numpy as np
import pytest

from lmort_memory.backbone import default_model_path
from lmort_memory.encoder.artifact import Artifact, read_artifact, read_card, write_artifact
from lmort_memory.encoder.lmort import Tuner
from lmort_memory.encoder.pretrained import find_tuner
from lmort_memory.errors import TunerError
from lmort_memory.modelfile.fingerprint import fingerprint
from lmort_memory.modelfile.header import read_header
from lmort_memory.modelfile.tensors import tensor_rows
from tests.support.tuners import SMALL, artifact_of, perturbed, random_states

MUTATIONS = 300


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A small tuner with every part."""
    return artifact_of(perturbed(SMALL))


@pytest.fixture
def path(artifact, tmp_path):
    """The file of that tuner."""
    write_artifact(tmp_path / "tuner.gguf", artifact)
    return tmp_path / "tuner.gguf"


@pytest.mark.parametrize(("matrix_type", "tolerance"), [("F16", 1e-3), ("Q8_0", 2e-2)])
def test_round_trip(artifact, tmp_path, matrix_type, tolerance):
    """Shape, backbone, provenance and vectors survive saving, within the rounding of the type."""
    path = tmp_path / "tuner.gguf"
    written = write_artifact(path, artifact, matrix_type=matrix_type)
    loaded = Tuner.load(path)
    states = random_states(SMALL, 12)
    assert loaded.config == artifact.card.config
    assert loaded.provenance == artifact.card.provenance
    assert loaded.card.backbone.fingerprint == artifact.card.backbone.fingerprint
    assert loaded.fingerprint == written
    assert np.abs(loaded.encode(states) - Tuner(artifact).encode(states)).max() < tolerance


def test_the_gguf_package_reads_it(path):
    """Any GGUF reader finds architecture, metadata and named tensors."""
    reader = gguf.GGUFReader(path)
    assert reader.fields["general.architecture"].contents() == "lmort"
    assert reader.fields["lmort.mode"].contents() == "A->U"
    assert {tensor.name for tensor in reader.tensors} == set(SMALL.tensor_shapes())


def test_fingerprint_names_the_weights(artifact, tmp_path):
    """Equal weights have equal fingerprints, wherever they lie; other weights have another."""
    first = write_artifact(tmp_path / "a.gguf", artifact)
    second = write_artifact(tmp_path / "b.gguf", read_artifact(tmp_path / "a.gguf"))
    other = write_artifact(tmp_path / "c.gguf", artifact_of(perturbed(SMALL, seed=1)))
    assert first == second != other


def test_the_file_is_private_and_whole(path):
    """It is readable by its owner only, and no temporary file stays behind."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_save_leaves_the_old_file(artifact, path):
    """Weights that do not fit the shape are refused before the old file is touched."""
    before = path.read_bytes()
    weights = {**artifact.weights, "output.bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"output\.bias"):
        write_artifact(path, Artifact(artifact.card, weights))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_truncation_is_an_error_at_every_length(path):
    """A file cut off anywhere is a TunerError."""
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(TunerError):
            read_artifact(path)


def test_damage_is_an_error_or_harmless(path):
    """A flipped bit is a TunerError, or sits in provenance, padding or the backbone's name."""
    whole = path.read_bytes()
    original = read_artifact(path)
    rng = random.Random(7)
    refused = 0
    for _ in range(MUTATIONS):
        mutated = bytearray(whole)
        mutated[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(mutated)
        try:
            found = read_artifact(path)
        except TunerError:
            refused += 1
        else:
            assert found.card.fingerprint == original.card.fingerprint
            assert found.card.config == original.card.config
            assert all(np.array_equal(v, original.weights[k]) for k, v in found.weights.items())
    assert refused > 0.9 * MUTATIONS


def test_headers_that_lie_are_refused(artifact, tmp_path):
    """A shape in the metadata that the tensors do not have is an error that names a tensor."""
    path = tmp_path / "lies.gguf"
    write_artifact(path, artifact)
    for old, new in ((b"lmort.n_layer", 9), (b"lmort.width", 64), (b"lmort.n_layer", 0)):
        data = bytearray((tmp_path / "lies.gguf").read_bytes())
        value = data.index(old) + len(old) + 4  # behind the key: uint32 type, then the value
        data[value : value + 4] = new.to_bytes(4, "little")
        (tmp_path / "changed.gguf").write_bytes(data)
        with pytest.raises(TunerError, match=r"damaged|tensors"):
            read_artifact(tmp_path / "changed.gguf")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(artifact, tmp_path, value):
    """Infinite weights and statistics that divide by zero are errors, not wrong vectors."""
    bias = artifact.weights["output.bias"].copy()
    bias[0] = value
    write_artifact(
        tmp_path / "t.gguf", Artifact(artifact.card, {**artifact.weights, "output.bias": bias})
    )
    with pytest.raises(TunerError, match="finite"):
        read_artifact(tmp_path / "t.gguf")
    zero = {**artifact.weights, "stats.0.std": np.zeros(24, np.float32)}
    write_artifact(tmp_path / "t.gguf", Artifact(artifact.card, zero))
    with pytest.raises(TunerError, match="not positive"):
        read_artifact(tmp_path / "t.gguf")


def with_version(data: bytes, version: int) -> bytes:
    """The bytes of a tuner file that names another version of its format."""
    key = b"lmort.format_version" + (4).to_bytes(4, "little")
    assert key + b"\2" in data
    return data.replace(key + b"\2", key + version.to_bytes(1, "little"))


def test_files_of_the_first_format_are_read(artifact, tmp_path, path):
    """A tuner from before there were own directions keeps its fingerprint and its vectors."""
    (tmp_path / "older.gguf").write_bytes(with_version(path.read_bytes(), 1))
    older, newer = read_artifact(tmp_path / "older.gguf"), read_artifact(path)
    assert older.card == newer.card
    shape = json.loads(json.dumps(asdict(artifact.card.config)))
    later = [shape.pop(name) for name in ("own_layers", "token_bits", "in_chat", "lexicon")]
    assert later == [[], 0, 0, ""]
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    header = read_header(path)
    for name in artifact.card.config.tensor_shapes():
        digest.update(f"\0{name}\0{header.tensors[name].type_name}\0".encode())
        digest.update(tensor_rows(header, name).view(np.uint8).tobytes())
    assert older.card.fingerprint == digest.hexdigest()[:32]


def test_other_files_are_refused(tmp_path, path):
    """A missing file, a folder, text, another architecture and a newer format say what they are."""
    (tmp_path / "text.gguf").write_text("hello, I am a tuner")
    other = gguf.GGUFWriter(tmp_path / "llama.gguf", "llama")
    other.write_header_to_file()
    other.write_kv_data_to_file()
    other.close()
    (tmp_path / "newer.gguf").write_bytes(with_version(path.read_bytes(), 6))
    for name, words in (
        ("missing.gguf", "missing"),
        (".", "folder"),
        ("text.gguf", "GGUF"),
        ("llama.gguf", "llama"),
        ("newer.gguf", "format 6"),
    ):
        with pytest.raises(TunerError, match=words):
            Tuner.load(tmp_path / name)


def test_a_tuner_is_found_by_its_backbone(artifact, tmp_path, caplog):
    """The newest tuner of that backbone in the folder wins; damaged files are passed over."""
    folder = tmp_path / "tuners"
    folder.mkdir()
    assert find_tuner("b" * 16, folder) is None
    for age, name in ((30, "older.gguf"), (10, "newer.gguf"), (20, "other.gguf")):
        backbone = replace(
            artifact.card.backbone, fingerprint="c" * 16 if name == "other.gguf" else "b" * 16
        )
        write_artifact(
            folder / name,
            Artifact(replace(artifact.card, backbone=backbone), artifact.weights),
        )
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    (folder / "broken.gguf").write_text("broken")
    assert find_tuner("b" * 16, folder) == folder / "newer.gguf"
    assert "broken.gguf" in caplog.text
    assert find_tuner("c" * 16, folder) == folder / "other.gguf"
    assert read_card(folder / "other.gguf").backbone.fingerprint == "c" * 16


def test_the_shipped_tuner_is_that_of_the_packaged_model():
    """The default model finds its tuner, whole, small, and with a stated origin."""
    path = find_tuner(fingerprint(read_header(default_model_path())))
    assert path is not None
    assert path.stat().st_size < 16e6
    card = read_artifact(path).card
    assert card.backbone.n_embd == card.config.n_embd == 576
    assert max(card.config.layers) <= 12
    assert {"recipe", "data", "data_licences", "teacher"} <= set(card.provenance)
