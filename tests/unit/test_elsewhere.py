"""Models of other programs are found by the names that those give them."""

import json
from pathlib import Path

import pytest

from lmort_memory.backbone import Backbone
from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert import ensure_runnable
from lmort_memory.modelfile.elsewhere import located
from lmort_memory.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, and no variable that names another place."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _pull(root: Path, name: str, tag: str) -> Path:
    blob = root / "blobs" / f"sha256-{len(name):064x}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    write_tiny_gguf(blob)
    manifest = root / "manifests" / "registry.ollama.ai" / name / tag
    manifest.parent.mkdir(parents=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:0"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": blob.name.replace("-", ":")},
    ]
    manifest.write_text(json.dumps({"layers": layers}))
    return blob


def test_a_path_is_a_path(home):
    """What has none of the prefixes is taken as it is, a Windows drive included."""
    assert located("C:\\models\\a.gguf") == Path("C:\\models\\a.gguf")
    assert located("models/a.gguf") == Path("models/a.gguf")


def test_ollama_models_are_read_where_they_are(home, monkeypatch):
    """Name, tag and namespace lead to the blob with the weights, and it is said which."""
    blob = _pull(home / ".ollama" / "models", "library/llama3.2", "latest")
    said: list[str] = []
    assert located("ollama:llama3.2", said.append) == blob
    assert said == [f"ollama:llama3.2 is {blob}"]
    assert ensure_runnable("ollama:llama3.2:latest", home / "cache") == blob
    assert not (home / "cache").exists(), "no copy"
    with pytest.raises(BackboneError, match=r"there are ollama:llama3\.2:latest — ollama pull"):
        located("ollama:llama3.2:1b")
    other = _pull(home / "elsewhere", "ada/bees", "q8")
    monkeypatch.setenv("OLLAMA_MODELS", str(home / "elsewhere"))
    assert located("ollama:ada/bees:q8") == other


def test_a_broken_ollama_store_is_named(home):
    """A manifest without a model, and a blob that is gone, are one clear line."""
    root = home / ".ollama" / "models"
    _pull(root, "library/gone", "latest").unlink()
    with pytest.raises(BackboneError, match="is missing"):
        located("ollama:gone")
    (root / "manifests/registry.ollama.ai/library/gone/latest").write_text('{"layers": [7]}')
    with pytest.raises(BackboneError, match="does not name a model file"):
        located("ollama:gone")


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("lmstudio", ".lmstudio/models/ada/bees"),
        ("hf", ".cache/huggingface/hub/models--ada--bees/snapshots/1f3"),
    ],
)
def test_a_repository_has_one_file_or_one_is_named(home, prefix, folder):
    """The vision part and later shards are not models; of several files one has to be chosen."""
    place = home / folder
    place.mkdir(parents=True)
    for name in ("bees-Q8_0.gguf", "mmproj-bees.gguf", "big-00002-of-00002.gguf"):
        (place / name).write_bytes(b"GGUF")
    assert located(f"{prefix}:ada/bees") == place / "bees-Q8_0.gguf"
    (place / "bees-Q4_0.gguf").write_bytes(b"GGUF")
    with pytest.raises(BackboneError, match=f"choose one of {prefix}:ada/bees/bees-Q4_0.gguf, "):
        located(f"{prefix}:ada/bees")
    assert located(f"{prefix}:ada/bees/bees-Q4_0.gguf") == place / "bees-Q4_0.gguf"


@pytest.mark.parametrize(
    "name", ["ollama:", "hf:ada", "lmstudio:ada/", "hf:../../etc", "ollama:/a"]
)
def test_what_names_no_model_is_refused(home, name):
    """A name that is none says what was expected, and leads out of no folder."""
    with pytest.raises(BackboneError, match="expected"):
        located(name)


def test_a_blob_that_llama_cpp_cannot_load_is_one_line(home):
    """Ollama's own variant of a model is refused with the tensor's name and what to do."""
    blob = _pull(home / ".ollama" / "models", "library/odd", "latest")
    blob.write_bytes(
        blob.read_bytes().replace(b"blk.0.attn_norm.weight", b"blk.0.attn_nxrm.weight")
    )
    with pytest.raises(BackboneError, match=r"attn_norm.*from Hugging Face") as refused:
        Backbone.open(located("ollama:odd"))
    assert "\n" not in str(refused.value)
