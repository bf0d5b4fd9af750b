"""Find models of other programs on this disk by those programs' names for them. No network.

    ollama:NAME[:TAG]           ollama:USER/NAME, ollama:hf.co/ORG/REPO:TAG
    lmstudio:PUBLISHER/REPO     or one file: lmstudio:PUBLISHER/REPO/FILE.gguf
    hf:ORG/REPO                 Hugging Face's cache, or one file: hf:ORG/REPO/FILE.gguf

The files are read in place; nothing is copied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from lmort_memory.errors import BackboneError
from lmort_memory.paths import expanded

__all__ = ["located"]

_MODEL_LAYER: Final = "application/vnd.ollama.image.model"
_MANIFEST_BYTES: Final = 1 << 20  # a larger file is not a manifest


def located(name: str | Path, announce: Callable[[str], None] | None = None) -> Path:
    """Return the file behind a name; a name without one of the prefixes is a path.

    Args:
        name: One of the forms above, or a path.
        announce: Called with a sentence that names the file.

    Raises:
        BackboneError: there is no such model, or there are several files and none was chosen.
    """
    prefix, colon, rest = str(name).partition(":")
    find = _FINDERS.get(prefix)
    if not colon or find is None:
        return Path(name)
    if not rest or ".." in rest.split("/") or rest.startswith("/"):
        raise BackboneError(f"{name} does not name a model: expected {_FORMS[prefix]}")
    found = find(rest)
    if announce is not None:
        announce(f"{name} is {found}")
    return found


def _ollama(name: str) -> Path:
    base, colon, tag = name.rpartition(":")
    parts = (base if colon else name).split("/")
    if len(parts) == 1:
        parts = ["library", *parts]
    if len(parts) == 2:
        parts = ["registry.ollama.ai", *parts]
    roots = _roots(
        os.environ.get("OLLAMA_MODELS"),
        "~/.ollama/models",
        "/usr/share/ollama/.ollama/models",
        "/var/lib/ollama/.ollama/models",
    )
    for root in roots:
        manifest = root.joinpath("manifests", *parts, tag if colon else "latest")
        if manifest.is_file():
            return _blob(root, manifest)
    there = [
        f"ollama:{tag.parent.name}:{tag.name}"
        for root in roots
        for tag in sorted(root.glob("manifests/registry.ollama.ai/library/*/*"))
    ]
    raise _missing(f"ollama:{name}", roots, there, f"ollama pull {name}")


def _blob(root: Path, manifest: Path) -> Path:
    """Return the file of weights that a manifest names."""
    try:
        with manifest.open("rb") as file:
            layers = json.loads(file.read(_MANIFEST_BYTES))["layers"]
        digests = [one["digest"] for one in layers if one["mediaType"] == _MODEL_LAYER]
        blob: Path = root / "blobs" / digests[0].replace(":", "-").replace("/", "-")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"the Ollama manifest {manifest} does not name a model file: {error!r} — "
            "pull the model again"
        ) from error
    if not blob.is_file():
        raise BackboneError(f"{manifest} names {blob}, which is missing — pull the model again")
    return blob


def _lmstudio(name: str) -> Path:
    roots = _roots("~/.lmstudio/models", "~/.cache/lm-studio/models")
    return _in_folders("lmstudio", name, roots, "{0}/{1}", "download it in LM Studio")


def _hugging_face(name: str) -> Path:
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    roots = _roots(os.environ.get("HF_HUB_CACHE"), f"{home}/hub", os.environ.get("LLAMA_CACHE"))
    pattern = "models--{0}--{1}/snapshots/*"
    return _in_folders("hf", name, roots, pattern, "download it with `hf download`")


def _in_folders(prefix: str, name: str, roots: list[Path], pattern: str, get: str) -> Path:
    """Find the only GGUF file of PUBLISHER/REPO, or the one named after it."""
    publisher, _, rest = name.partition("/")
    repository, _, wanted = rest.partition("/")
    if not repository:
        raise BackboneError(f"{prefix}:{name} does not name a model: expected {_FORMS[prefix]}")
    place = pattern.format(publisher, repository)
    folders = [folder for root in roots for folder in root.glob(place) if folder.is_dir()]
    for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True):
        files = sorted(_models_in(folder))
        chosen = [one for one in files if not wanted or wanted in (one.name, _below(one, folder))]
        if len(chosen) == 1:
            return chosen[0]
        if files:
            names = ", ".join(
                f"{prefix}:{publisher}/{repository}/{_below(f, folder)}" for f in files
            )
            raise BackboneError(f"{prefix}:{name} has several files — choose one of {names}")
    raise _missing(f"{prefix}:{name}", roots, [], get)


def _models_in(folder: Path) -> Iterator[Path]:
    """Yield GGUF files that can be opened: no vision parts, and only the first of a split model."""
    for path in folder.rglob("*.gguf"):
        later = "-of-" in path.name and "-00001-of-" not in path.name
        if path.is_file() and not later and not path.name.startswith("mmproj"):
            yield path


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _roots(*places: str | None) -> list[Path]:
    return [expanded(place) for place in places if place]


def _missing(name: str, roots: Iterable[Path], there: list[str], get: str) -> BackboneError:
    looked = ", ".join(map(str, roots))
    known = f"; there are {', '.join(there)}" if there else ""
    return BackboneError(f"no model {name} on this disk: looked in {looked}{known} — {get}")


_FINDERS: Final = {"ollama": _ollama, "lmstudio": _lmstudio, "hf": _hugging_face}
_FORMS: Final = {
    "ollama": "ollama:NAME or ollama:NAME:TAG",
    "lmstudio": "lmstudio:PUBLISHER/REPO or lmstudio:PUBLISHER/REPO/FILE.gguf",
    "hf": "hf:ORG/REPO or hf:ORG/REPO/FILE.gguf",
}
