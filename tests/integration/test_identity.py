"""Whose weights: one identity in every quantisation, another after a merged LoRA."""

import pytest

from lmort_memory import TunerMismatchError
from lmort_memory.backbone import default_model_path
from lmort_memory.encoder import open_encoder, untrained
from lmort_memory.encoder.artifact import write_artifact
from lmort_memory.encoder.config import BackboneIdentity, TunerConfig
from lmort_memory.modelfile.facts import read_header
from lmort_memory.modelfile.fingerprint import fingerprint
from lmort_memory.modelfile.sketch import Sketch, sketch
from tests.support.quantised import merge_random_lora, requantise
from tests.support.tuners import artifact_of, perturbed


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Headers of the packaged model, of three other quantisations, and of a merged LoRA."""
    folder = tmp_path_factory.mktemp("models")
    paths = {kind: requantise(folder / f"{kind}.gguf", kind) for kind in ("F16", "Q8_0", "Q4_0")}
    paths["packaged"] = default_model_path()
    paths["LoRA"] = merge_random_lora(paths["F16"], folder / "lora.gguf", size=0.03)
    yield {name: read_header(path) for name, path in paths.items()}
    for path in folder.iterdir():
        path.unlink()


def test_quantisations_have_one_fingerprint(models):
    """Requantised files have the packaged one's fingerprint, and sketches that agree."""
    packaged = sketch(models["packaged"])
    for kind in ("F16", "Q8_0", "Q4_0"):
        assert fingerprint(models[kind]) == fingerprint(models["packaged"])
        assert sketch(models[kind]).agrees(packaged)
        assert packaged.agrees(sketch(models[kind]))


def test_a_merged_lora_is_told_apart(models):
    """A change of q and v by 3 % of their size shows in the sketch, against F16 and Q8_0."""
    merged = sketch(models["LoRA"])
    assert fingerprint(models["LoRA"]) == fingerprint(models["F16"])  # it shares all the rest
    assert not merged.agrees(sketch(models["F16"]))
    assert not merged.agrees(sketch(models["Q8_0"]))


def test_a_sketch_survives_its_text(models):
    """Text and back is the same sketch; damaged text is a ValueError."""
    packaged = sketch(models["packaged"])
    text = packaged.to_text()
    assert text.isascii()
    assert Sketch.from_text(text).to_text() == text
    for damaged in (text[:-3], "attn_q", "attn_q:x:AAAA", "a" * 100_000):
        with pytest.raises(ValueError):
            Sketch.from_text(damaged)


def test_a_tuner_is_refused_by_the_fine_tuned_model(models, tmp_path, home, monkeypatch):
    """Named, it is an error; looked up, a notice and vectors of the layers as they are."""
    header = models["F16"]
    identity = BackboneIdentity(fingerprint(header), "llama", 30, 576, sketch(header).to_text())
    config = TunerConfig(
        n_embd=576, align_layer=1, uniform_layer=2, n_layer=1, n_head=2, width=8, n_ff=8, dim=8
    )
    folder = home / "data" / "tuners"
    folder.mkdir(parents=True)
    tuner = folder / "mine.gguf"
    write_artifact(tuner, artifact_of(perturbed(config), identity))
    opened = open_encoder(header.path, tuner)
    assert opened.notice is None
    opened.close()
    with pytest.raises(TunerMismatchError, match="fine-tuned"):
        open_encoder(models["LoRA"].path, tuner)
    # The tuner that ships was made on four bits, whose sketch sees larger changes only.
    far = merge_random_lora(header.path, tmp_path / "far.gguf", size=0.3)
    monkeypatch.setattr(untrained, "MOST_TEXTS", 64)  # its vectors are not judged here
    opened = open_encoder(far)
    assert opened.notice is not None
    assert "fine-tuned" in opened.notice
    assert opened.encoder.space.split("-")[0] == fingerprint(header)
    opened.close()
