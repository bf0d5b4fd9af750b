"""Convert GPT-2 and GPT-J checkpoints and `gptj` files to GGUFs that llama.cpp runs.

    jsonfile ← safetensors ← checkpoint ← weights ← plans ← gptj_gguf ← here
                              tokenizer ← output ← weights

Reads a few rows at a time, trusts no file, and writes a complete file or none. Command line:
`lmort-mem model convert SOURCE OUT.gguf`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from lmort_memory.errors import BackboneError
from lmort_memory.modelfile.convert.gptj_gguf import plan_gptj_gguf
from lmort_memory.modelfile.convert.output import ModelPlan, write_gguf
from lmort_memory.modelfile.convert.plans import plan_checkpoint
from lmort_memory.modelfile.convert.weights import FILE_TYPES
from lmort_memory.modelfile.elsewhere import located
from lmort_memory.modelfile.facts import ModelFacts, read_facts
from lmort_memory.paths import make_private_dir
from lmort_memory.types import Progress

__all__ = ["FILE_TYPES", "convert", "converted_path", "ensure_runnable", "needs_conversion"]

_VERSION = 1  # of the output; a new version ignores files that an older one cached


def convert(
    source: str | Path,
    out: str | Path,
    *,
    type: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Convert a GPT-2 or GPT-J model to a GGUF file that llama.cpp runs.

    Reads the weights once; holds a few rows in memory, or one matrix of a GPT-2.

    Args:
        source: Folder of a Hugging Face checkpoint (safetensors, or PyTorch files with torch
            installed), or a GGUF file of the architecture gptj.
        out: Written with mode 0600 and only when complete; replaced if it exists.
        type: Type of the matrices, one of `FILE_TYPES`; None means f16 for a checkpoint. A GGUF
            keeps its types, byte for byte.
        progress: Called with (bytes written, total bytes).

    Returns:
        `out`.

    Raises:
        ValueError: an unknown type, or a type for a GGUF source.
        BackboneError: the source is damaged or not such a model, or the disk is full.
        MissingDependencyError: the checkpoint has only PyTorch files and torch is not installed.
    """
    source, out = Path(source), Path(out)
    if source.resolve() == out.resolve():
        raise BackboneError(f"{out} is the source itself — choose another name for the output")
    write_gguf(_plan(source, type), out, progress=progress)
    return out


def needs_conversion(facts: ModelFacts) -> bool:
    """Whether llama.cpp cannot run this model as it is but `convert` supports it."""
    return facts.architecture == "gptj"


def converted_path(source: str | Path, cache_dir: str | Path) -> Path:
    """Return where `ensure_runnable` keeps the converted form of a model.

    The name depends on the source's path, size and modification time, and on the converter version.

    Raises:
        BackboneError: the source is missing.
    """
    source = Path(source).resolve()
    identity = [str(_VERSION), str(source)]
    try:
        for path in sorted(source.iterdir()) if source.is_dir() else [source]:
            status = path.stat()
            identity.append(f"{path.name}/{status.st_size}/{status.st_mtime_ns}")
    except OSError as error:
        raise BackboneError(f"{source} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256("\n".join(identity).encode("utf-8", "surrogateescape")).hexdigest()
    return Path(cache_dir) / f"{source.stem}-{digest[:12]}.gguf"


def ensure_runnable(
    path: str | Path,
    cache_dir: str | Path,
    *,
    announce: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return a GGUF that llama.cpp runs: the file itself, or its converted form in the cache.

    A checkpoint folder or a `gptj` file is converted the first time and reused afterwards.

    Args:
        path: A GGUF file, the folder of a GPT-2 or GPT-J checkpoint, or the name of another
            program's model (`lmort_memory.modelfile.elsewhere`).
        cache_dir: Created with mode 0700 if it is missing.
        announce: Called with one sentence before a conversion starts.
        progress: Called with (bytes written, total bytes) while converting.

    Raises:
        BackboneError: the model is not usable, or it cannot be converted.
        MissingDependencyError: as for `convert`.
    """
    path = located(path, announce)
    if not path.is_dir() and not needs_conversion(read_facts(path)):
        return path
    out = converted_path(path, cache_dir)
    if out.is_file():
        return out
    plan = _plan(path, None)
    if announce is not None:
        announce(
            f"llama.cpp cannot run {path.name} as it is: converting it once, "
            f"{_size(sum(piece.nbytes for piece in plan.pieces))} into {out}"
        )
    try:
        make_private_dir(out.parent)
    except OSError as error:
        raise BackboneError(f"cannot create {out.parent}: {error.strerror}") from error
    write_gguf(plan, out, progress=progress)
    return out


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e9:.1f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.1f} MB"


def _plan(source: Path, type_name: str | None) -> ModelPlan:
    if type_name is not None and type_name not in FILE_TYPES:
        raise ValueError(f"type must be one of {', '.join(FILE_TYPES)}; found {type_name!r}")
    if source.is_dir():
        return plan_checkpoint(source, type_name=type_name or "f16")
    if type_name is not None:
        raise ValueError("a GGUF keeps its types when it is converted: omit type")
    return plan_gptj_gguf(source)
